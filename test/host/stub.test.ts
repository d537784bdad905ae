/** The stub resolver of a host: whom it asks, when, and what it makes of the answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, Kernel, SOCK_DGRAM, World, type Host } from '../../mod.ts';
import { AI_ALL, AI_CANONNAME, AI_NUMERICHOST, AI_PASSIVE, AI_V4MAPPED } from '../../src/host/dns/addrinfo.ts';
import { DnsCache } from '../../src/host/dns/cache.ts';
import { decodeMessage, encodeMessage, Message, NXDOMAIN, REFUSED, SERVFAIL, FORMERR, type DnsRecord } from '../../src/host/dns/message.ts';
import { reverseName } from '../../src/host/dns/names.ts';
import { parseResolvConf, ResolvConf } from '../../src/host/dns/resolv-conf.ts';

test('resolv.conf is read as resolv.conf(5) has it, and written again', () => {
  const conf = parseResolvConf(`# comment
nameserver 10.0.0.1
nameserver fd00::53 ; another
nameserver 10.0.0.3
nameserver 10.0.0.4
domain a.example
search B.example c.example.
options ndots:20 timeout:3 attempts:9 rotate edns0 use-vc single-request trust-ad
`);
  assert.deepEqual(conf.nameservers, ['10.0.0.1', 'fd00::53', '10.0.0.3'], 'MAXNS');
  assert.deepEqual(conf.search, ['b.example', 'c.example']);
  assert.deepEqual([conf.ndots, conf.timeout, conf.attempts], [15, 3, 5]);
  assert.deepEqual([conf.rotate, conf.edns0, conf.useVc, conf.singleRequest], [true, true, true, true]);
  assert.deepEqual(parseResolvConf(conf.format()), conf);
  assert.deepEqual(parseResolvConf(''), new ResolvConf());
});

const WRONG: readonly (readonly [text: string, says: RegExp])[] = [
  ['nameserver dns.example', /line 1: 'dns\.example' is not an address; expected one such as 'nameserver 10\.0\.0\.53'/],
  ['\nnameservers 10.0.0.1', /line 2: 'nameservers' is not understood; expected nameserver, search, domain, options or sortlist/],
  ['options ndot:2', /line 1: option 'ndot:2' is not understood; expected ndots:n/],
  ['options timeout', /'timeout' needs a number, such as timeout:2/],
  ['search', /'search' without a domain/],
  ['search a..b', /'a\.\.b' has an empty label/],
];
for (const [text, says] of WRONG) {
  test(`resolv.conf: ${JSON.stringify(text)} is refused by line and word`, () => assert.throws(() => parseResolvConf(text), says));
}

test('the search list, by ndots and the dot at the end', () => {
  const { resolver } = new Kernel();
  const candidates = (name: string, ndots: number): string[] => {
    resolver.configure({ search: ['a.example', 'b.example'], ndots });
    return resolver.candidates(name);
  };
  assert.deepEqual(candidates('www', 1), ['www.a.example', 'www.b.example', 'www']);
  assert.deepEqual(candidates('www.x', 1), ['www.x', 'www.x.a.example', 'www.x.b.example']);
  assert.deepEqual(candidates('www.x', 2), ['www.x.a.example', 'www.x.b.example', 'www.x']);
  assert.deepEqual(candidates('www', 0), ['www', 'www.a.example', 'www.b.example']);
  assert.deepEqual(candidates('WWW.x.', 5), ['www.x']);
});

/** A client and up to three hosts that answer port 53 by hand. */
function handmade(servers: number, answerOf: (server: number, query: Message, nth: number) => readonly Uint8Array[]): {
  world: World; client: Host; asked: string[];
} {
  const world = new World({ seed: 9, costs: 'zero' });
  const client = world.host('client');
  const asked: string[] = [];
  const hosts = Array.from({ length: servers }, (_, i) => world.host(`server${String(i)}`));
  for (const [i, host] of hosts.entries()) {
    world.cable(client, host);
    const { kernel } = host;
    const fd = kernel.socket(AF_INET, SOCK_DGRAM);
    kernel.bind(fd, { port: 53 });
    void (async (): Promise<void> => {
      const buffer = new Uint8Array(1500);
      for (let nth = 0; ; nth++) {
        const { bytes, from } = await kernel.recvfrom(fd, buffer);
        const query = decodeMessage(buffer.subarray(0, bytes))!;
        const [q] = query.questions;
        asked.push(`${(world.now / 1000).toFixed(3)} ${String(i)} ${q!.name} ${q!.type}${query.edns === null ? '' : ' edns'}`);
        for (const answer of answerOf(i, query, nth)) await kernel.sendto(fd, answer, from!);
      }
    })();
  }
  client.resolvConf({ nameservers: hosts.map((host) => host.ip) });
  return { world, client, asked };
}

function reply(query: Message, rcode: number, answers: readonly DnsRecord[] = []): Uint8Array {
  const m = Message.reply(query, rcode);
  m.ra = true;
  m.answers = [...answers];
  return encodeMessage(m);
}

function a(name: string, address: string, ttl: number = 60): DnsRecord {
  return { name, type: 'A', ttl, data: address };
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return (error as { code: string }).code;
  }
  return null;
}

test('silence: one server is asked twice, five seconds each; then EAI_AGAIN', async () => {
  const { world, client, asked } = handmade(1, () => []);
  await world.run(async () => {
    assert.equal(await codeOf(client.kernel.resolver.getaddrinfo('x.example', null, { family: 4 })), 'EAI_AGAIN');
  });
  assert.deepEqual(asked, ['0.000 0 x.example A', '5.000 0 x.example A']);
  assert.equal(world.now, 10_000);
  assert.equal(client.kernel.resolver.stats.timeouts, 2);
});

test('three silent servers: 5, 3 and 6 seconds, twice, as glibc waits', async () => {
  const { world, client, asked } = handmade(3, () => []);
  await world.run(async () => {
    assert.equal(await codeOf(client.kernel.resolver.query('x.example')), 'ETIMEOUT');
  });
  const expected = ['0.000 0', '5.000 1', '8.000 2', '14.000 0', '19.000 1', '22.000 2'];
  assert.deepEqual(asked.map((line) => line.slice(0, 8).trimEnd()), expected);
  assert.equal(world.now, 28_000);
});

test('a server that fails hands over to the next at once; a closed port does, too', async () => {
  const { world, client, asked } = handmade(3, (i, query) =>
    [reply(query, [SERVFAIL, REFUSED, 0][i]!, [a('x.example', '10.1.1.1')])]);
  client.resolvConf({ nameservers: ['10.0.0.1', ...client.kernel.resolver.conf.nameservers] }); // its own address: nobody listens there
  await world.run(async () => {
    const [record] = await client.kernel.resolver.query('x.example');
    assert.equal(record!.data, '10.1.1.1');
  });
  assert.deepEqual(asked.map((line) => line.split(' ')[1]), ['0', '1', '2']);
  assert.ok(world.now < 1);
  assert.equal(client.kernel.resolver.stats.unreachable, 1);
});

test('rotate begins with another server each time', async () => {
  const { world, client, asked } = handmade(2, (_i, query) => [reply(query, NXDOMAIN)]);
  client.resolvConf({ nameservers: client.kernel.resolver.conf.nameservers, rotate: true });
  await world.run(async () => {
    for (const name of ['a.x', 'b.x', 'c.x']) await codeOf(client.kernel.resolver.query(name));
  });
  assert.deepEqual(asked.map((line) => line.split(' ')[1]), ['0', '1', '0']);
});

test('what is no answer to our question is not believed: id, question, garbage; the answer that follows is', async () => {
  const { world, client } = handmade(1, (_i, query) => {
    const [wrongId, wrongName, isQuery] = [Message.reply(query, 0), Message.reply(query, 0), Message.reply(query, 0)];
    wrongId.id = query.id ^ 1;
    wrongName.questions = [{ name: 'evil.example', type: 'A', class: 'IN' }];
    isQuery.response = false;
    for (const m of [wrongId, wrongName, isQuery]) m.answers = [a('x.example', '6.6.6.6')];
    const right = reply(query, 0, [a('x.example', '10.1.1.1')]);
    return [...[wrongId, wrongName, isQuery].map(encodeMessage), new Uint8Array([1, 2, 3]), right];
  });
  const { resolver } = client.kernel;
  await world.run(async () => {
    assert.deepEqual((await resolver.query('x.example')).map((r) => r.data), ['10.1.1.1']);
  });
  assert.deepEqual([resolver.stats.unexpected, resolver.stats.malformed], [3, 1]);
});

test('records beside the way are not remembered', async () => {
  const { world, client, asked } = handmade(1, (_i, query) =>
    [reply(query, 0, [a('x.example', '10.1.1.1'), a('bank.example', '6.6.6.6')])]);
  await world.run(async () => {
    await client.kernel.resolver.query('x.example');
    await codeOf(client.kernel.resolver.query('bank.example'));
  });
  assert.equal(asked.length, 2);
});

test('RFC 6891 §7: a server that does not know EDNS is asked without', async () => {
  const { world, client, asked } = handmade(1, (_i, query) => {
    if (query.edns === null) return [reply(query, 0, [a('x.example', '10.1.1.1')])];
    const m = Message.reply(query, FORMERR);
    m.edns = null;
    m.questions = [];
    return [encodeMessage(m)];
  });
  client.resolvConf({ nameservers: client.kernel.resolver.conf.nameservers, edns0: true });
  await world.run(async () => void await client.kernel.resolver.query('x.example'));
  assert.deepEqual(asked.map((line) => line.slice(8)), ['x.example A edns', 'x.example A']);
});

test('hosts files come first; a name that is in them is asked of nobody', async () => {
  const { world, client, asked } = handmade(1, (_i, query) => [reply(query, NXDOMAIN)]);
  client.kernel.hosts.add('x.example', '10.3.3.3');
  const { resolver } = client.kernel;
  await world.run(async () => {
    assert.equal((await resolver.getaddrinfo('x.example'))[0]!.address, '10.3.3.3');
    assert.equal((await resolver.getaddrinfo('server0'))[0]!.address, '10.0.0.2', 'names of the world are a hosts file, too');
    assert.equal(asked.join(), '');
    assert.equal(await codeOf(resolver.getaddrinfo('y.example')), 'ENOTFOUND');
    assert.deepEqual(asked.map((line) => line.slice(8)), ['y.example A', 'y.example AAAA']);
  });
});

test('the same question of many is asked once; with single-request AAAA waits for A', async () => {
  const { world, client, asked } = handmade(1, (_i, query) =>
    [reply(query, 0, query.questions[0]!.type === 'A' ? [a('x.example', '10.1.1.1')] : [])]);
  const { resolver } = client.kernel;
  await world.run(async () => {
    await Promise.all([1, 2, 3, 4].map(() => resolver.getaddrinfo('x.example', null, { family: 4 })));
    assert.deepEqual(asked, ['0.000 0 x.example A']);
    client.resolvConf({ nameservers: resolver.conf.nameservers, singleRequest: true });
    await resolver.getaddrinfo('x.example');
    assert.deepEqual(asked.slice(1).map((line) => line.slice(8)), ['x.example A', 'x.example AAAA']);
  });
});

test('getaddrinfo: families, services, flags', async () => {
  const { resolver, hosts } = new Kernel();
  hosts.add('both', '10.0.0.1');
  hosts.add('both', '2001:db8::1');
  hosts.add('four', '10.0.0.4');
  const text = async (...args: Parameters<typeof resolver.getaddrinfo>): Promise<string> => {
    try {
      const list = await resolver.getaddrinfo(...args);
      return list.map((i) => `${i.address}/${String(i.port)}${i.canonname === undefined ? '' : ` ${i.canonname}`}`).join(' ');
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  assert.equal(await text('both', 'http'), '10.0.0.1/80 2001:db8::1/80');
  assert.equal(await text('both', 443, { family: 6 }), '2001:db8::1/443');
  assert.equal(await text('four', null, { family: 6 }), 'ENOTFOUND');
  assert.equal(await text('four', null, { family: 6, flags: AI_V4MAPPED }), '::ffff:10.0.0.4/0');
  assert.equal(await text('both', null, { family: 6, flags: AI_V4MAPPED }), '2001:db8::1/0');
  assert.equal(await text('both', null, { family: 6, flags: AI_V4MAPPED | AI_ALL }), '2001:db8::1/0 ::ffff:10.0.0.1/0');
  assert.equal(await text('four', '99999'), 'EAI_SERVICE');
  assert.equal(await text('four', 'nothing'), 'EAI_SERVICE');
  assert.equal(await text('four', 'http', { socktype: SOCK_DGRAM }), 'EAI_SERVICE');
  assert.equal(await text('four', null, { flags: AI_NUMERICHOST }), 'ENOTFOUND');
  assert.equal(await text('10.9.8.7', null, { flags: AI_NUMERICHOST }), '10.9.8.7/0');
  assert.equal(await text(null, 80), '127.0.0.1/80');
  assert.equal(await text(null, 80, { flags: AI_PASSIVE, family: 4 }), '0.0.0.0/80');
  assert.equal(await text('four', null, { flags: AI_CANONNAME }), '10.0.0.4/0 four');
  assert.equal(await text('four', null, { flags: 0x8000 }), 'EAI_BADFLAGS');
  assert.equal(await text(null, null), 'ENOTFOUND');
  await assert.rejects(resolver.getaddrinfo(5 as never), /node is 5; expected a name, an address or null/);
  await assert.rejects(resolver.query('x', 'B' as never), /type is 'B'; expected ANY or one of A,/);
});

test('a cache forgets in time, and never holds more than its limit', () => {
  const cache = new DnsCache(3);
  const second = 1e9;
  cache.put('a', 'A', [a('a', '10.0.0.1', 10)], 0);
  assert.equal(cache.get('a', 'A', 9 * second)!.aged([a('a', '10.0.0.1', 10)], 9 * second)[0]!.ttl, 1);
  assert.equal(cache.get('a', 'A', 10 * second), null);
  cache.put('z', 'A', [a('z', '10.0.0.1', 0)], 0);
  assert.equal(cache.size, 0, 'a TTL of 0 is for this answer alone');
  for (let i = 0; i < 10; i++) cache.put(`n${String(i)}`, 'A', [a('n', '10.0.0.1', 10)], 0);
  assert.equal(cache.size, 3);
  assert.equal(cache.get('n6', 'A', 0), null);
  assert.notEqual(cache.get('n9', 'A', 0), null);
});

test('names of reverse lookups (RFC 1035 §3.5, RFC 3596 §2.5)', () => {
  assert.equal(reverseName('192.0.2.1'), '1.2.0.192.in-addr.arpa');
  assert.equal(reverseName('4321:0:1:2:3:4:567:89ab'), 'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa');
  assert.equal(reverseName('bob'), null);
});

test('dig and getent print what the network says', async () => {
  const world = new World({ seed: 1 });
  const [client, server] = [world.host('client'), world.host('server')];
  world.cable(client, server);
  const records = { www: { CNAME: 'web' }, web: '10.7.0.1', '@': { NS: 'web' } };
  using _names = server.nameServer({ zone: { origin: 'example.com', ttl: 30, records } });
  client.resolvConf(`nameserver ${server.ip}`);
  await world.run(async () => {
    assert.equal(await client.exec('dig +short www.example.com'), 'web.example.com.\n10.7.0.1\n');
    const long = await client.exec(`dig @server www.example.com A`);
    assert.match(long, /status: NOERROR, id: \d+\n;; flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1\n/);
    assert.match(long, /;; ANSWER SECTION:\nwww\.example\.com\.\t30\tIN\tCNAME\tweb\.example\.com\.\n/);
    assert.match(long, /\nweb\.example\.com\.\t30\tIN\tA\t10\.7\.0\.1\n/);
    const none = await client.exec('dig no.example.com +tcp');
    assert.match(none, /status: NXDOMAIN[^]*;; AUTHORITY SECTION:\nexample\.com\.\t30\tIN\tSOA\t[^]*\(TCP\)\n$/);
    assert.match(await client.exec('dig example.org'), /status: REFUSED/);
    const both = `10.7.0.1        www.example.com\n${server.ip.padEnd(15)} server\n`;
    assert.equal(await client.exec('getent hosts www.example.com server'), both);
    await assert.rejects(client.exec('dig www +nonsense'), /dig: '\+nonsense' is not understood; expected one of \+tcp/);
    assert.throws(() => client.sh('dig www'), /exec/);
  });
});

test('RFC 6724 §6, rule 1: of a name with both families, what can be reached comes first', async () => {
  const world = new World({ seed: 1 });
  const [a, b] = [world.host('a'), world.host('b')];
  world.cable(a, b);
  const { hosts, resolver } = a.kernel;
  hosts.add('far', '2001:db8::1'); // no route leads there
  hosts.add('far', b.ip);
  const list = async (name: string): Promise<string[]> => (await resolver.getaddrinfo(name)).map((info) => info.address);
  assert.equal(resolver.hasFamily(4), true);
  assert.deepEqual(await list('far'), [b.ip, '2001:db8::1']);
});
