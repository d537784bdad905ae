// host.dns and dns.* of programs on a host: Node's shapes over name servers of the world.
import assert from 'node:assert/strict';
import dns, { resolve4 as namedResolve4 } from 'node:dns';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { install } from '../../src/node/install.ts';
import { World, type Host } from '../../src/node/world.ts';

let uninstall: () => void;
before(() => void (uninstall = install()));
after(() => uninstall());

/** A client, and a server that has a zone with everything in it. */
function lan(): { world: World; client: Host; server: Host } {
  const world = new World({ seed: 4 });
  const [client, server] = [world.host('client'), world.host('server')];
  world.cable(client, server, { delay: '5ms' });
  client.resolvConf(`nameserver ${server.ip}\nsearch example.com`);
  server.nameServer({
    zones: [{
      origin: 'example.com',
      ttl: 77,
      text: `
@     SOA ns.example.com. admin.example.com. 7 3600 600 86400 60
      NS ns
      MX 10 mail
      CAA 0 issue "ca.example.net"
ns    A ${server.ip}
www   CNAME web
web   A ${server.ip}
      A 10.9.9.9
six   AAAA 2001:0db8:0:0:0:0:0:6
txt   TXT "one" "two"
      TXT "three"
_sip._udp SRV 1 2 5060 web
naptr NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:a@example.com!" .
`,
    }, { origin: '0.0.10.in-addr.arpa', records: { 77: { PTR: 'named.example.com.' } } }],
  });
  return { world, client, server };
}

void test('each kind of record has Node\'s shape', async () => {
  const { world, client, server } = lan();
  const { promises } = client.dns;
  await world.run(async () => {
    assert.deepEqual(await promises.resolve4('web.example.com'), [server.ip, '10.9.9.9']);
    assert.deepEqual(await promises.resolve4('web.example.com', { ttl: true }), [
      { address: server.ip, ttl: 77 }, { address: '10.9.9.9', ttl: 77 },
    ]);
    assert.deepEqual(await promises.resolve('www.example.com'), [server.ip, '10.9.9.9']);
    assert.deepEqual(await promises.resolveCname('www.example.com'), ['web.example.com']);
    assert.deepEqual(await promises.resolve6('six.example.com'), ['2001:db8::6']);
    assert.deepEqual(await promises.resolveMx('example.com'), [{ exchange: 'mail.example.com', priority: 10 }]);
    assert.deepEqual(await promises.resolveNs('example.com'), ['ns.example.com']);
    assert.deepEqual(await promises.resolveTxt('txt.example.com'), [['one', 'two'], ['three']]);
    assert.deepEqual(await promises.resolveSrv('_sip._udp.example.com'), [{ name: 'web.example.com', port: 5060, priority: 1, weight: 2 }]);
    assert.deepEqual(await promises.resolveCaa('example.com'), [{ critical: 0, issue: 'ca.example.net' }]);
    assert.deepEqual(await promises.resolveNaptr('naptr.example.com'), [
      { flags: 'u', service: 'E2U+sip', regexp: '!^.*$!sip:a@example.com!', replacement: '', order: 100, preference: 10 },
    ]);
    assert.deepEqual(await promises.resolveSoa('example.com'), {
      nsname: 'ns.example.com', hostmaster: 'admin.example.com', serial: 7, refresh: 3600, retry: 600, expire: 86400, minttl: 60,
    });
    assert.deepEqual(await promises.resolveAny('six.example.com'), [{ address: '2001:db8::6', ttl: 77, type: 'AAAA' }]);
    assert.deepEqual(await promises.reverse('10.0.0.77'), ['named.example.com']);
    assert.deepEqual(await promises.lookupService('10.0.0.77', 80), { hostname: 'named.example.com', service: 'http' });
    assert.deepEqual(await promises.lookup('www'), { address: server.ip, family: 4 }, 'the search list is lookup\'s');
  });
});

void test('failures have Node\'s codes, and say which question it was', async () => {
  const { world, client } = lan();
  const resolve4 = promisify(client.dns.resolve4);
  const shape = (code: string, syscall: string, hostname: string): object =>
    ({ code, syscall, hostname, message: `${syscall} ${code} ${hostname}` });
  await world.run(async () => {
    await assert.rejects(resolve4('no.example.com'), shape('ENOTFOUND', 'queryA', 'no.example.com'));
    await assert.rejects(resolve4('www'), shape('EREFUSED', 'queryA', 'www'), 'c-ares does not try the search list');
    await assert.rejects(client.dns.promises.resolveMx('web.example.com'), shape('ENODATA', 'queryMx', 'web.example.com'));
    const expected = { ...shape('ENOTFOUND', 'getaddrinfo', 'no.example.com'), errno: -3008 };
    await assert.rejects(client.dns.promises.lookup('no.example.com'), expected);
    await assert.rejects(client.dns.promises.reverse('10.9.9.9'), shape('EREFUSED', 'getHostByAddr', '10.9.9.9'));
    await assert.rejects(client.dns.promises.resolve4('a..b'), { code: 'EBADNAME' });
  });
});

void test('arguments are checked as Node checks them, by the same words', () => {
  const { client } = lan();
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const [ours, theirs]: any[] = [client.dns, dns];
  const nothing = (): void => undefined;
  const calls: readonly ((d: typeof ours) => unknown)[] = [
    (d) => d.resolve4(1, nothing), (d) => d.resolve4('a'), (d) => d.resolve('a', 'BAD', nothing), (d) => d.resolve('a', 5, nothing),
    (d) => d.reverse('bad', nothing), (d) => d.lookup(1, nothing), (d) => d.lookup('a', { family: 5 }, nothing),
    (d) => d.lookup('a', { hints: 1 }, nothing), (d) => d.lookup('a'), (d) => d.lookupService('a', 80, nothing),
    (d) => d.lookupService('1.2.3.4', 99999, nothing), (d) => d.setServers(['x']), (d) => d.setServers('x'),
  ];
  const failure = (call: () => unknown): unknown => {
    try {
      call();
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      return { code, message };
    }
    return null;
  };
  for (const call of calls) {
    const expected = failure(() => call(theirs));
    assert.notEqual(expected, null, String(call));
    assert.deepEqual(failure(() => call(ours)), expected, String(call));
  }
});

void test('a Resolver has servers and patience of its own, and can be cancelled', async () => {
  const { world, client, server } = lan();
  await world.run(async () => {
    const resolver = new client.dns.promises.Resolver({ timeout: 100, tries: 3 });
    resolver.setServers(['10.0.0.200', `${server.ip}:5353`]);
    assert.deepEqual(resolver.getServers(), ['10.0.0.200', `${server.ip}:5353`]);
    assert.deepEqual(client.dns.getServers(), [server.ip]);
    const before = world.now;
    // Nobody has 10.0.0.200; nobody listens at 5353. 100, 200 and 400 ms for the one, the other refuses at once.
    await assert.rejects(resolver.resolve4('web.example.com'), { code: 'ECONNREFUSED' });
    assert.ok(world.now - before >= 700 && world.now - before < 900, String(world.now - before));
    const question = assert.rejects(resolver.resolve4('web.example.com'), { code: 'ECANCELLED', syscall: 'queryA' });
    resolver.cancel();
    await question;
    resolver.setServers([server.ip]);
    assert.deepEqual(await resolver.resolve4('web.example.com'), [server.ip, '10.9.9.9']);
  });
});

void test('a socket connects by a name that only a name server knows; so does a program on the host', async () => {
  const { world, client, server } = lan();
  await world.run(async () => {
    const listener = server.net.createServer((socket) => socket.end('hi')).listen(80);
    const [hi] = await once(client.net.connect(80, 'www.example.com'), 'data');
    assert.equal(String(hi), 'hi');
    await client.run(async () => {
      const [again] = await once(net.connect(80, 'web.example.com'), 'data');
      assert.equal(String(again), 'hi');
      assert.deepEqual(await promisify(namedResolve4)('web.example.com'), [server.ip, '10.9.9.9']);
      assert.deepEqual(await dns.promises.resolveCname('www.example.com'), ['web.example.com']);
      assert.deepEqual(await new dns.promises.Resolver().resolve6('six.example.com'), ['2001:db8::6']);
      const callback = new dns.Resolver();
      assert.deepEqual(callback.getServers(), [server.ip]);
    });
    listener.close();
  });
});

void test('without a name server the names of the world answer, and no packet leaves', async () => {
  const world = new World({ seed: 1, digest: true });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob);
  await world.run(async () => {
    assert.deepEqual(await alice.dns.promises.resolve4('bob'), [bob.ip]);
    assert.deepEqual(await alice.dns.promises.reverse(bob.ip), ['bob']);
    assert.deepEqual(await alice.dns.promises.lookup('bob'), { address: bob.ip, family: 4 });
    await assert.rejects(alice.dns.promises.resolve4('carol'), { code: 'ENOTFOUND' });
    await assert.rejects(alice.dns.promises.resolveMx('bob'), { code: 'ENODATA' });
  });
  assert.equal(world.digest(), new World({ digest: true }).digest());
});

/** More than a datagram takes. */
const manyTexts = Array.from({ length: 9 }, (_, i) => String(i).repeat(200));

void test('a name server that has IPv6 alone is asked over IPv6, by UDP and by TCP', async () => {
  const world = new World({ seed: 4 });
  const [client, server] = [world.host('client'), world.host('server')];
  world.cable(client, server, { delay: '5ms' });
  const named = server.nameServer({
    zone: { origin: 'example.com', records: { www: '10.9.9.9', six: '2001:db8::6', big: { TXT: manyTexts } } },
  });
  await world.run(async () => {
    await new Promise<void>((resolve) => void setTimeout(resolve, 3000)); // duplicate address detection
    client.resolvConf({ nameservers: [server.ip6] });
    const { promises } = client.dns;
    assert.deepEqual(promises.getServers(), [server.ip6]);
    assert.deepEqual(await promises.resolve4('www.example.com'), ['10.9.9.9']);
    assert.deepEqual(await promises.lookup('six.example.com'), { address: '2001:db8::6', family: 6 });
    assert.equal((await promises.resolveTxt('big.example.com')).length, 9);
    const resolver = new promises.Resolver();
    resolver.setServers([`[${server.ip6}]:53`]);
    resolver.setLocalAddress('0.0.0.0', client.ip6);
    assert.deepEqual(await resolver.resolve6('six.example.com'), ['2001:db8::6']);
  });
  assert.ok(named.queries.every((query) => query.from === client.ip6), 'all questions came over IPv6');
  assert.ok(named.queries.some((query) => query.transport === 'tcp'));
});
