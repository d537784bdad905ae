import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Random } from '../../src/lib/random.ts';
import { skbBytes } from '../../src/skb/copy.ts';
import { checksumFillIn, skbChecksum, skbChecksumHelp, skbChecksumVerify } from '../../src/skb/csum.ts';
import { consumeSkb, SkbPool } from '../../src/skb/pool.ts';
import { CHECKSUM_NONE, CHECKSUM_UNNECESSARY } from '../../src/skb/sk-buff.ts';
import { ETH_HLEN } from '../../src/wire/ethernet.ts';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../src/wire/ipv4.ts';
import { tcpChecksumOkV4, tcpSendCheckV4 } from '../../src/wire/tcp.ts';
import { UDP_CHECK, udpChecksumOkV4, udpSendCheckV4 } from '../../src/wire/udp.ts';
import { csumPartial } from '../../src/lib/checksum.ts';
import { addPayload, bytes, DADDR, SADDR, tcpFrame, udpFrame } from './build.ts';

const L4 = ETH_HLEN + 20;

test('the sum of scattered bytes is the sum of the same bytes in one piece, wherever the cuts are', () => {
  const pool = new SkbPool();
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    const data = bytes(1 + random.below(3000), seed);
    const skb = pool.alloc(0);
    addPayload(skb, data, random.below(200), 200 + random.below(900));
    const off = random.below(data.length);
    const len = random.below(data.length - off + 1);
    assert.equal(skbChecksum(skb, off, len, 0), csumPartial(data, off, len, 0), `seed ${seed}`);
    consumeSkb(skb);
  }
});

for (const [name, build, send, ok, protocol] of [
  ['TCP', tcpFrame, tcpSendCheckV4, tcpChecksumOkV4, IPPROTO_TCP],
  ['UDP', udpFrame, udpSendCheckV4, udpChecksumOkV4, IPPROTO_UDP],
] as const) {
  test(`${name}: the checksum that is filled in is the one that the wire's own function computes`, () => {
    const pool = new SkbPool();
    for (let n = 0; n < 120; n++) {
      const skb = build(pool, bytes(n * 13, n), {}, { inHead: n % 17, piece: 101 + n });
      const want = skbBytes(skb);
      send(want, L4, want.length - L4, SADDR, DADDR);
      const copy = skbBytes(skb);
      checksumFillIn(copy, ETH_HLEN, L4, copy.length);
      assert.deepEqual(copy, want);
      skbChecksumHelp(skb);
      assert.equal(skb.ipSummed, CHECKSUM_NONE);
      assert.deepEqual(skbBytes(skb), want);
      assert.ok(ok(want, L4, want.length - L4, SADDR, DADDR));
      skb.pull(L4);
      assert.ok(skbChecksumVerify(skb, protocol));
      skb.buf[skb.data] = skb.buf[skb.data]! ^ 0x10;
      assert.equal(skbChecksumVerify(skb, protocol), false);
      consumeSkb(skb);
    }
    assert.equal(pool.livePages, 0);
  });
}

test('the padding of a short frame is not part of the segment', () => {
  const pool = new SkbPool();
  const plain = tcpFrame(pool, bytes(1));
  const padded = tcpFrame(pool, bytes(1));
  padded.buf.set([9, 9, 9, 9, 9], padded.tail);
  addPayload(padded, Uint8Array.of(7, 7, 7));
  skbChecksumHelp(plain);
  skbChecksumHelp(padded);
  assert.deepEqual(skbBytes(padded).subarray(0, plain.len), skbBytes(plain));
});

test('a UDP checksum of zero means none; a computed zero is sent as all ones', () => {
  const pool = new SkbPool();
  let mangled = 0;
  for (let i = 0; i < 65536 && mangled === 0; i++) {
    const skb = udpFrame(pool, Uint8Array.of(i >> 8, i));
    skbChecksumHelp(skb);
    const frame = skbBytes(skb);
    if (frame[L4 + UDP_CHECK] === 0xff && frame[L4 + UDP_CHECK + 1] === 0xff) {
      mangled++;
      assert.ok(udpChecksumOkV4(frame, L4, frame.length - L4, SADDR, DADDR));
    }
    consumeSkb(skb);
  }
  assert.equal(mangled, 1);
  const none = udpFrame(pool, bytes(10));
  none.ipSummed = CHECKSUM_UNNECESSARY;
  none.pull(L4);
  assert.ok(skbChecksumVerify(none, IPPROTO_UDP));
});
