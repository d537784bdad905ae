/** From the root downwards: who asks whom, in which order, and what is remembered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World, type Host } from '../../../mod.ts';
import type { DnsTree } from '../../../src/world/dns/serve.ts';

/** A client, its provider's recursive server, and three servers, each on a cable of 10 ms to the provider. */
function internet(options: { readonly loss?: number; readonly seed?: number } = {}): { world: World; tree: DnsTree } {
  const world = new World({ seed: options.seed ?? 1, costs: 'zero', digest: true });
  const [pc, isp, root, tld, auth] = ['pc', 'isp', 'root', 'tld', 'auth'].map((name) => world.host(name)) as [Host, Host, Host, Host, Host];
  for (const host of [pc, root, tld, auth]) world.cable(isp, host, { delay: '10ms', loss: options.loss ?? 0 });
  const tree = world.dns({
    '.': { on: root },
    'com.': { on: tld },
    'example.com.': {
      on: auth,
      ttl: 60,
      negativeTtl: 30,
      records: {
        www: { CNAME: 'web' }, web: ['10.7.0.1', '10.7.0.2'], '@': { MX: ['10 mail'] }, mail: '10.7.0.25', big: { TXT: bigTexts() },
        six: '2001:db8::6', '*.wild': '10.7.0.99', loop: { CNAME: 'pool' }, pool: { CNAME: 'loop' }, away: { CNAME: 'nowhere.com.' },
      },
    },
  }, isp);
  pc.resolvConf(`nameserver ${isp.ip}\nsearch example.com\noptions timeout:3`);
  return { world, tree };
}

function bigTexts(): string[] {
  return Array.from({ length: 10 }, (_, i) => `${String(i)}${'x'.repeat(200)}`);
}

/** What the servers were asked, in order of time. */
function asked({ servers, resolver }: DnsTree): string[] {
  const all = [...servers, ['isp', resolver!] as const].flatMap(([zone, server]) =>
    server.queries.map((q) => ({ ...q, zone })));
  return all.sort((a, b) => a.time - b.time).map((q) => `${q.time.toFixed(0)} ${q.zone} ${q.transport} ${q.name} ${q.type}`);
}

function untimed(tree: DnsTree): string[] {
  return asked(tree).map((line) => line.replace(/^\d+ /, ''));
}

function codeOf(error: { code: string }): string {
  return error.code;
}

test('a name is found by root, TLD and authoritative server, in that order, and then remembered', async () => {
  const { world, tree } = internet();
  const { resolver } = world.hosts[0]!.kernel;
  await world.run(async () => {
    assert.deepEqual((await resolver.getaddrinfo('www.example.com', 80, { family: 4 })).map((a) => a.address), ['10.7.0.1', '10.7.0.2']);
    // 10 ms for the way, 20 for ARP where nobody was asked before.
    const first = ['30 isp udp www.example.com A', '60 . udp www.example.com A', '100 com udp www.example.com A',
      '140 example.com udp www.example.com A'];
    assert.deepEqual(asked(tree), first);
    const now = world.now;
    // The host itself remembers.
    await resolver.getaddrinfo('www.example.com', 80, { family: 4 });
    assert.equal(world.now, now);
    // Another name: the provider knows by now who serves example.com.
    const [mx] = await resolver.query('example.com', 'MX');
    assert.deepEqual(mx!.data, { preference: 10, exchange: 'mail.example.com' });
    assert.deepEqual(untimed(tree).slice(4), ['isp udp example.com MX', 'example.com udp example.com MX']);
    // A minute later the addresses are forgotten, the delegations are not.
    await world.advance('61s');
    await resolver.getaddrinfo('web.example.com', 80, { family: 4 });
    assert.deepEqual(untimed(tree).slice(6), ['isp udp web.example.com A', 'example.com udp web.example.com A']);
  });
  tree.close();
  await world.runUntilIdle();
  const { timers: _housekeeping, ...left } = world.check();
  assert.deepEqual(left, { skbs: 0, pages: 0, liveTimers: 0, descriptors: 0, tcpSockets: 0, waiting: 0 });
});

test('A and AAAA are asked at the same time; a name without addresses of a family is no error', async () => {
  const { world, tree } = internet();
  const { resolver } = world.hosts[0]!.kernel;
  await world.run(async () => {
    assert.deepEqual((await resolver.getaddrinfo('six.example.com')).map((a) => a.address), ['2001:db8::6']);
    assert.deepEqual(asked(tree).slice(0, 2), ['30 isp udp six.example.com A', '30 isp udp six.example.com AAAA']);
  });
});

test('that a name is not there is remembered for the lesser of SOA TTL and MINIMUM, for all its types', async () => {
  const { world, tree } = internet();
  const { resolver } = world.hosts[0]!.kernel;
  const failure = async (name: string, type: 'A' | 'TXT'): Promise<unknown> => await resolver.query(name, type).catch(codeOf);
  await world.run(async () => {
    assert.equal(await failure('no.example.com.', 'A'), 'ENOTFOUND');
    const count = asked(tree).length;
    assert.equal(await failure('no.example.com.', 'TXT'), 'ENOTFOUND');
    assert.equal(asked(tree).length, count, 'NXDOMAIN is about the name, not the type');
    assert.equal(await failure('web.example.com.', 'TXT'), 'ENODATA');
    assert.equal(await failure('web.example.com.', 'TXT'), 'ENODATA');
    assert.equal(asked(tree).filter((line) => line.endsWith('example.com udp web.example.com TXT')).length, 1);
    await world.advance('31s');
    assert.equal(await failure('no.example.com.', 'A'), 'ENOTFOUND');
    assert.equal(asked(tree).filter((line) => line.endsWith('example.com udp no.example.com A')).length, 2);
  });
});

test('an answer that is too big for UDP is cut, and asked for again over TCP', async () => {
  const { world, tree } = internet();
  const { resolver } = world.hosts[0]!.kernel;
  await world.run(async () => {
    const records = await resolver.query('big.example.com', 'TXT');
    assert.deepEqual(records.map((r) => (r.data as readonly string[])[0]), bigTexts());
    assert.deepEqual(untimed(tree).filter((line) => line.includes('tcp')), [
      'example.com tcp big.example.com TXT', 'isp tcp big.example.com TXT',
    ]);
    assert.equal(resolver.stats.truncated, 1);
  });
});

test('wildcards, aliases in a circle, aliases to nowhere, names that no server has', async () => {
  const { world } = internet();
  const { resolver } = world.hosts[0]!.kernel;
  const code = async (name: string): Promise<unknown> => await resolver.query(name).then((r) => r.map((x) => x.data), codeOf);
  await world.run(async () => {
    assert.deepEqual(await code('any.thing.wild.example.com'), ['10.7.0.99']);
    assert.equal(await code('loop.example.com'), 'ESERVFAIL');
    assert.equal(await code('away.example.com'), 'ENOTFOUND');
    assert.equal(await code('nothing.org.'), 'ENOTFOUND');
    // The search list: one name, tried below example.com first.
    assert.deepEqual(await code('mail'), ['10.7.0.25']);
  });
});

test('the same seed asks at the same nanosecond with the same bytes, whatever is lost on the way', async () => {
  const once = async (seed: number): Promise<string> => {
    const { world } = internet({ loss: 0.3, seed });
    const { resolver } = world.hosts[0]!.kernel;
    const found: string[] = [];
    await world.run(async () => {
      for (const name of ['www.example.com', 'mail.example.com', 'nobody.example.com']) {
        found.push(await resolver.getaddrinfo(name, null, { family: 4 }).then((list) => list[0]!.address, codeOf));
      }
    });
    return `${found.join(' ')} ${world.now.toFixed(6)} ${world.digest()}`;
  };
  assert.equal(await once(5), await once(5));
  assert.notEqual(await once(5), await once(6));
});

test('a recursive server walks a tree whose servers, and whose own host, speak IPv6 only', async () => {
  const world = new World({ seed: 6, costs: 'zero' });
  const [pc, isp, root, tld, auth] = ['pc', 'isp', 'root', 'tld', 'auth'].map((name) => world.host(name)) as [Host, Host, Host, Host, Host];
  const sw = world.switch('sw');
  for (const host of [pc, isp, root, tld, auth]) {
    world.cable(host, sw, { delay: '1ms' });
    host.sh('ip -4 addr flush dev eth0');
    assert.equal(host.interfaces[0]!.ip, null);
  }
  const tree = world.dns({
    '.': { on: root }, 'org.': { on: tld }, 'example.org.': { on: auth, records: { www: ['10.7.0.1', '2001:db8::80'] } },
  }, isp);
  pc.resolvConf(`nameserver ${isp.ip6}`);
  await world.run(async () => {
    const found = await pc.kernel.resolver.getaddrinfo('www.example.org', 80);
    assert.deepEqual(found.map((a) => a.address).sort(), ['10.7.0.1', '2001:db8::80']);
    assert.deepEqual(untimed(tree).filter((line) => line.endsWith('AAAA')), ['isp', '.', 'org', 'example.org'].map((zone) =>
      `${zone} udp www.example.org AAAA`));
  });
  assert.ok(auth.kernel.nstat().Udp6InDatagrams > 0 && auth.kernel.nstat().UdpInDatagrams === 0);
  tree.close();
  world.stop();
});
