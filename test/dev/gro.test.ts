import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Random } from '../../src/lib/random.ts';
import { skbBytes } from '../../src/skb/copy.ts';
import { skbChecksumHelp } from '../../src/skb/csum.ts';
import { skbGsoSegment } from '../../src/skb/gso.ts';
import { consumeSkb } from '../../src/skb/pool.ts';
import { SkBuffHead } from '../../src/skb/queue.ts';
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, type SkBuff } from '../../src/skb/sk-buff.ts';
import { Napi } from '../../src/dev/napi.ts';
import { napiGroReceive } from '../../src/dev/gro.ts';
import { ethTypeTrans } from '../../src/dev/receive.ts';
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6 } from '../../src/wire/ethernet.ts';
import { TCP_FLAG_ACK, TCP_FLAG_CWR, TCP_FLAG_FIN, TCP_FLAG_PSH, TCP_FLAG_URG } from '../../src/wire/tcp.ts';
import { bytes, tcpFrame, udpFrame, type TcpFields } from '../skb/build.ts';
import { host, type Host } from './lab.ts';

class IdleNapi extends Napi {
  poll(): number {
    return 0;
  }
}

interface Bench extends Host {
  napi: Napi;
  up: SkBuff[];
  /** Receives frames in one poll, and ends it. */
  receive(...skbs: SkBuff[]): SkBuff[];
  done(): void;
}

function bench(): Bench {
  const h = host();
  const up: SkBuff[] = [];
  for (const type of [ETH_P_IP, ETH_P_IPV6]) h.net.packetTypes.set(type, { rcv: (skb) => { up.push(skb); } });
  const napi = new IdleNapi(h.net);
  return {
    ...h, napi, up,
    receive: (...skbs): SkBuff[] => {
      up.splice(0).forEach(consumeSkb);
      for (const skb of skbs) {
        ethTypeTrans(skb, h.lo);
        napiGroReceive(napi, skb);
      }
      napi.gro.flush();
      return up;
    },
    done: (): void => {
      up.splice(0).forEach(consumeSkb);
      assert.equal(h.pool.live, 0);
      assert.equal(h.pool.livePages, 0);
    },
  };
}

const MSS = 1000;
const OPTIONS = Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2);

/** Two full segments that follow each other; `second` may differ in something. */
function two(b: Bench, first: TcpFields = {}, second: TcpFields = {}): SkBuff[] {
  const common = { options: OPTIONS, id: 7, seq: 1 };
  return [
    tcpFrame(b.pool, bytes(MSS, 1), { ...common, ...first }),
    tcpFrame(b.pool, bytes(MSS, 2), { ...common, id: 8, seq: 1 + MSS, ...second }),
  ];
}

for (let seed = 1; seed <= 80; seed++) {
  test(`what was cut for the wire is merged into the very packet that was cut, over IPv${seed > 40 ? 6 : 4}, seed ${seed}`, () => {
    const random = new Random(seed);
    const b = bench();
    const flags = TCP_FLAG_ACK | (random.next32() & (TCP_FLAG_FIN | TCP_FLAG_PSH | TCP_FLAG_CWR));
    const mss = 500 + random.below(961);
    // The last segment shorter than the others, or not; at least two.
    const payload = bytes(mss * (1 + random.below(30)) + 1 + random.below(mss), seed);
    const f = {
      v6: seed > 40, flowLabel: random.below(0x100000), mss, seq: random.next32(), ackSeq: random.next32(),
      id: random.below(65536), flags, options: OPTIONS, tos: random.below(256),
    };
    const original = tcpFrame(b.pool, payload, f);
    const want = skbBytes(original);
    const out = new SkBuffHead();
    skbGsoSegment(original, out);
    const parts: SkBuff[] = [];
    for (let part = out.popHead(); part !== null; part = out.popHead()) {
      if (random.below(2) === 0) skbChecksumHelp(part); // some cards offload, some do not
      parts.push(part);
    }
    const count = parts.length;
    const up = b.receive(...parts);
    assert.equal(up.length, 1);
    const merged = up[0]!;
    assert.equal(merged.gsoSize, mss);
    assert.equal(merged.gsoSegs, count);
    assert.equal(merged.ipSummed, CHECKSUM_PARTIAL);
    merged.push(ETH_HLEN);
    assert.deepEqual(skbBytes(merged), want);
    b.done();
  });
}

test('segments that differ in anything that the merged packet could not say stay apart, in order', () => {
  const cases: [string, TcpFields, TcpFields][] = [
    ['a gap', {}, { seq: 2 + MSS }],
    ['an overlap', {}, { seq: MSS }],
    ['another acknowledgement', {}, { ackSeq: 2 }],
    ['another window', {}, { window: 501 }],
    ['another timestamp', {}, { options: Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 2) }],
    ['no options', {}, { options: new Uint8Array(0) }],
    ['another TOS (a CE mark, say)', {}, { tos: 3 }],
    ['another TTL', {}, { ttl: 63 }],
    ['DF gone', {}, { df: false }],
    ['an identification that does not follow', {}, { id: 9 }],
    ['CWR on the second', {}, { flags: TCP_FLAG_ACK | TCP_FLAG_CWR }],
    ['PSH on the first', { flags: TCP_FLAG_ACK | TCP_FLAG_PSH }, {}],
    ['FIN on the first', { flags: TCP_FLAG_ACK | TCP_FLAG_FIN }, {}],
    ['URG', { flags: TCP_FLAG_ACK | TCP_FLAG_URG }, { flags: TCP_FLAG_ACK | TCP_FLAG_URG }],
    ['another flow', {}, { sport: 1001 }],
  ];
  for (const [what, first, second] of cases) {
    const b = bench();
    const parts = two(b, first, second);
    const want = parts.map((skb) => skbBytes(skb).slice(ETH_HLEN));
    const got = b.receive(...parts).map(skbBytes);
    assert.deepEqual(got, want, what);
    assert.ok(b.up.every((skb) => skb.gsoSize === 0 && skb.gsoSegs === 0), what);
    b.done();
  }
});

test('over IPv6: what differs stays apart, too', () => {
  const cases: [string, TcpFields, TcpFields][] = [
    ['a gap', {}, { seq: 2 + MSS }],
    ['another traffic class (a CE mark, say)', {}, { tos: 3 }],
    ['another flow label', {}, { flowLabel: 6 }],
    ['another hop limit', {}, { ttl: 63 }],
    ['another timestamp', {}, { options: Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 2) }],
    ['PSH on the first', { flags: TCP_FLAG_ACK | TCP_FLAG_PSH }, {}],
    ['another flow', {}, { sport: 1001 }],
    ['the other family', {}, { v6: false }],
  ];
  for (const [what, first, second] of cases) {
    const b = bench();
    const parts = two(b, { v6: true, ...first }, { v6: true, ...second });
    const want = parts.map((skb) => skbBytes(skb).slice(ETH_HLEN));
    assert.deepEqual(b.receive(...parts).map(skbBytes), want, what);
    b.done();
  }
  const b = bench();
  assert.deepEqual(b.receive(...two(b, { v6: true }, { v6: true })).map((skb) => [skb.gsoSegs, skb.len]), [[2, 72 + 2 * MSS]]);
  // An extension header between the headers: a hop limit and all else as before, but the next header is not TCP's.
  const odd = two(b, { v6: true }, { v6: true });
  for (const skb of odd) skb.buf[skb.nh + 6] = 60;
  assert.equal(b.receive(...odd).length, 2);
  b.done();
});

test('over IPv6 a packet never says a length beyond 65535', () => {
  const b = bench();
  const parts = Array.from({ length: 100 }, (_, i) => tcpFrame(b.pool, bytes(MSS), { options: OPTIONS, v6: true, seq: i * MSS }));
  const page = b.pool.allocPage(60000);
  for (const [i, part] of parts.entries()) {
    b.pool.dropFrags(part);
    part.addFrag(page, (i % 60) * MSS, MSS);
  }
  b.pool.putPage(page);
  assert.deepEqual(b.receive(...parts).map((skb) => skb.gsoSegs), [65, 35]);
  b.done();
});

test('a segment longer than the first does not follow it; a shorter one ends the packet', () => {
  const b = bench();
  const f = { options: OPTIONS, id: 7, seq: 1 };
  const up = b.receive(
    tcpFrame(b.pool, bytes(500), f),
    tcpFrame(b.pool, bytes(600), { ...f, id: 8, seq: 501 }),
    tcpFrame(b.pool, bytes(100), { ...f, id: 9, seq: 1101 }),
    tcpFrame(b.pool, bytes(600), { ...f, id: 10, seq: 1201 }),
  );
  assert.deepEqual(up.map((skb) => skb.dataLen), [500, 700, 600]);
  b.done();
});

test('an acknowledgement without data goes up at once, behind the data of its flow that came before', () => {
  const b = bench();
  const first = tcpFrame(b.pool, bytes(MSS));
  const ack = tcpFrame(b.pool, new Uint8Array(0), { ackSeq: 5 });
  const other = tcpFrame(b.pool, new Uint8Array(0), { sport: 9 });
  const up = b.receive(first, other, ack);
  assert.deepEqual(up, [other, first, ack]); // another flow need not wait
  b.done();
});

test('a packet never grows beyond 65535 bytes', () => {
  const b = bench();
  const parts = Array.from({ length: 100 }, (_, i) => tcpFrame(b.pool, bytes(MSS), { options: OPTIONS, id: i, seq: i * MSS }));
  const page = b.pool.allocPage(60000);
  for (const part of parts) {
    b.pool.dropFrags(part);
    part.addFrag(page, (parts.indexOf(part) % 60) * MSS, MSS);
  }
  b.pool.putPage(page);
  const up = b.receive(...parts);
  assert.ok(up.every((skb) => skb.len <= 65535));
  assert.deepEqual(up.map((skb) => skb.gsoSegs), [65, 35]);
  b.done();
});

test('a packet has at most 17 pieces of payload', () => {
  const b = bench();
  const up = b.receive(...Array.from({ length: 40 }, (_, i) => tcpFrame(b.pool, bytes(MSS), { options: OPTIONS, id: i, seq: i * MSS })));
  assert.deepEqual(up.map((skb) => skb.nrFrags), [17, 17, 6]);
  b.done();
});

test('a segment with a wrong checksum is never merged with good ones', () => {
  const b = bench();
  const parts = two(b);
  for (const part of parts) skbChecksumHelp(part);
  const bad = parts[1]!;
  bad.frags[0]!.page!.bytes[bad.frags[0]!.off]! ^= 1;
  const up = b.receive(...parts);
  assert.equal(up.length, 2);
  assert.equal(up[1]!.ipSummed, CHECKSUM_NONE);
  b.done();
});

test('at most eight flows are held; the ninth sends up the oldest', () => {
  const b = bench();
  const parts = Array.from({ length: 10 }, (_, i) => tcpFrame(b.pool, bytes(MSS, i), { sport: i }));
  for (const skb of parts) {
    ethTypeTrans(skb, b.lo);
    napiGroReceive(b.napi, skb);
  }
  assert.deepEqual(b.up, parts.slice(0, 2));
  b.napi.gro.flush();
  assert.deepEqual(b.up, parts);
  b.done();
});

test('what is not TCP goes past', () => {
  const b = bench();
  const udp = udpFrame(b.pool, bytes(100));
  const [first, second] = two(b);
  const up = b.receive(first!, udp, second!);
  assert.deepEqual(up, [udp, first]);
  b.done();
});

test('a device that is stopped ends what is held', () => {
  const b = bench();
  const [first, second] = two(b);
  ethTypeTrans(first!, b.lo);
  napiGroReceive(b.napi, first!);
  consumeSkb(second!);
  b.napi.gro.purge();
  b.done();
});
