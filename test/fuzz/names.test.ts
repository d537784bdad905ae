/** Hostile messages: DNS and DHCP, mutated a hundred thousand times each. Nothing throws, nothing loops, all is counted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, SO_BINDTODEVICE, SO_BROADCAST, SOCK_DGRAM, SOL_SOCKET, World } from '../../mod.ts';
import { decodeMessage, encodeMessage, Message } from '../../src/host/dns/message.ts';
import { Random } from '../../src/lib/random.ts';
import {
  DHCPDISCOVER, DhcpMessage, dhcpBuild, dhcpParse, DHCPREQUEST, OPT_CLIENT_ID, OPT_MESSAGE_TYPE, OPT_REQUESTED_IP,
} from '../../src/wire/dhcp.ts';

const ROUNDS = 100_000;

/** Flips, sets, cuts, repeats: what a bad wire or a bad mind does. */
function mutate(random: Random, original: Uint8Array): Uint8Array {
  let bytes = original.slice();
  const times = 1 + random.below(4);
  for (let i = 0; i < times; i++) {
    const at = random.below(bytes.length);
    switch (random.below(6)) {
      case 0: bytes[at]! ^= 1 << random.below(8); break;
      case 1: bytes[at] = random.below(256); break;
      case 2: bytes[at] = [0, 0xff, 0xc0, 0x3f, 0x40, 0x0c][random.below(6)]!; break;
      case 3: bytes = bytes.slice(0, at + 1); break;
      case 4: bytes.copyWithin(at, random.below(bytes.length)); break;
      default:
        bytes[at] = 0xc0;
        if (at + 1 < bytes.length) bytes[at + 1] = random.below(bytes.length);
    }
  }
  return bytes;
}

/** A message with one record of each type. */
function dnsSeed(): Uint8Array {
  const m = Message.query(0x1234, 'www.example.com', 'ANY', true, 1232);
  m.response = true;
  const name = 'www.example.com';
  m.answers = [
    { name, type: 'A', ttl: 1, data: '10.0.0.1' }, { name, type: 'AAAA', ttl: 1, data: '2001:db8::1' },
    { name, type: 'CNAME', ttl: 1, data: 'a.example.com' },
    { name, type: 'MX', ttl: 1, data: { preference: 1, exchange: 'b.example.com' } },
    { name, type: 'TXT', ttl: 1, data: ['one', 'two'] },
    { name, type: 'SRV', ttl: 1, data: { priority: 1, weight: 2, port: 3, target: 'c.example.com' } },
    { name, type: 'CAA', ttl: 1, data: { critical: false, tag: 'issue', value: 'ca' } },
  ];
  m.authorities = [{
    name, type: 'SOA', ttl: 1,
    data: { mname: 'ns.example.com', rname: 'root.example.com', serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 },
  }, { name, type: 'NS', ttl: 1, data: 'ns.example.com' }];
  return encodeMessage(m);
}

test(`${String(ROUNDS)} mutated DNS messages: each is a message or is not, and none throws`, () => {
  const random = new Random(53);
  const seed = dnsSeed();
  assert.notEqual(decodeMessage(seed), null);
  let good = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const m = decodeMessage(mutate(random, seed));
    if (m === null) continue;
    good++;
    // What was read can be written and read again.
    if (i % 16 === 0) assert.notEqual(decodeMessage(encodeMessage(m)), null);
  }
  assert.ok(good > ROUNDS / 20 && good < ROUNDS / 2, String(good));
});

test('compression loops, pointers ahead, absurd counts, endless names are no messages, at once', () => {
  const head = (questions: number, answers: number): number[] =>
    [0, 1, 0x80, 0, questions >> 8, questions & 255, answers >> 8, answers & 255, 0, 0, 0, 0];
  const tail = [0, 1, 0, 1];
  const long = Array.from({ length: 5 }, () => [63, ...new Array<number>(63).fill(0x61)]).flat();
  const wrong: readonly (readonly [what: string, bytes: number[]])[] = [
    ['a pointer to itself', [...head(1, 0), 0xc0, 12, ...tail]],
    ['two pointers in a circle', [...head(1, 0), 0xc0, 14, 0xc0, 12, ...tail]],
    ['a label, then back to it', [...head(1, 0), 1, 0x61, 0xc0, 12, ...tail]],
    ['a pointer ahead', [...head(1, 0), 0xc0, 40, ...tail]],
    ['a pointer into the header', [...head(1, 0), 0xc0, 4, ...tail]],
    ['a pointer without its second byte', [...head(1, 0), 0xc0]],
    ['a label over the end', [...head(1, 0), 63, 0x61]],
    ['a reserved kind of label', [...head(1, 0), 0x41, 0x61, 0, ...tail]],
    ['65,535 questions', [...head(0xffff, 0), 0, ...tail]],
    ['65,535 answers', [...head(0, 0xffff), 0, ...tail]],
    ['a dot inside of a label', [...head(1, 0), 3, 0x61, 0x2e, 0x62, 0, ...tail]],
    ['a zero byte inside of a label', [...head(1, 0), 3, 0x61, 0, 0x62, 0, ...tail]],
    ['a name of more than 255 bytes', [...head(1, 0), ...long, 0, ...tail]],
    ['record data over the end', [...head(0, 1), 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 200, 10, 0, 0, 1]],
    ['a name in record data over its end', [...head(0, 1), 0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 1, 5, 0x61, 0x61, 0x61, 0x61, 0x61, 0]],
    ['nothing', []],
    ['half a header', [0, 1, 0, 0, 0]],
  ];
  for (const [what, bytes] of wrong) assert.equal(decodeMessage(Uint8Array.from(bytes)), null, what);
});

test(`${String(ROUNDS)} mutated DHCP messages: none throws, and what is one can be written again`, () => {
  const random = new Random(67);
  const seed = dhcpSeed(DHCPREQUEST);
  assert.notEqual(dhcpParse(seed), null);
  let good = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const m = dhcpParse(mutate(random, seed));
    if (m === null) continue;
    good++;
    if (i % 64 === 0) assert.notEqual(dhcpParse(dhcpBuild(m)), null);
  }
  assert.ok(good > ROUNDS / 10, String(good));
});

function dhcpSeed(type: number): Uint8Array {
  const m = new DhcpMessage();
  m.chaddr = Uint8Array.of(2, 0, 0, 0, 0, 9);
  m.options.set(OPT_MESSAGE_TYPE, Uint8Array.of(type));
  m.options.set(OPT_CLIENT_ID, Uint8Array.of(1, 2, 0, 0, 0, 0, 9));
  m.setWord(OPT_REQUESTED_IP, 0x0a000064);
  return dhcpBuild(m);
}

test('servers that are sent nonsense go on serving, and have counted it; a DHCP server lends no more than its pool', async () => {
  const world = new World({ seed: 1, costs: 'zero' });
  const [bad, good] = [world.host('bad'), world.host('good')];
  world.cable(bad, good);
  const records = { www: '10.1.1.1', '*': { TXT: 'x' }, sub: { NS: 'ns.sub' } };
  const names = good.nameServer({ zone: { origin: 'example.com', records } });
  const dhcp = good.dhcpServer({ pool: ['10.0.0.100', '10.0.0.109'] });
  const random = new Random(7);
  const { kernel } = bad;
  const fd = kernel.socket(AF_INET, SOCK_DGRAM);
  kernel.setsockopt(fd, SOL_SOCKET, SO_BROADCAST, 1);
  kernel.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, 'eth0');
  const question = encodeMessage(Message.query(1, 'www.example.com', 'A', true, 1232));
  const seeds = [dnsSeed(), question, dhcpSeed(DHCPDISCOVER), dhcpSeed(DHCPREQUEST)];
  await world.run(async () => {
    for (let i = 0; i < 2000; i++) {
      const which = i & 3;
      const port = which < 2 ? 53 : 67;
      await kernel.sendto(fd, mutate(random, seeds[which]!), { address: good.ip, port });
      if (i % 32 === 0) await kernel.sleep('1ms');
    }
    bad.resolvConf(`nameserver ${good.ip}`);
    assert.equal((await bad.kernel.resolver.query('www.example.com'))[0]!.data, '10.1.1.1');
  });
  assert.ok(names.stats.malformed > 100 && names.stats.unexpected > 10 && names.stats.queries > 20, JSON.stringify(names.stats));
  assert.ok(dhcp.stats.malformed > 50, JSON.stringify(dhcp.stats));
  assert.ok(dhcp.leases.length <= 10);
});
