import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Random } from '../../src/lib/random.ts';
import { skbBytes } from '../../src/skb/copy.ts';
import { skbChecksumHelp } from '../../src/skb/csum.ts';
import { skbGsoSegment } from '../../src/skb/gso.ts';
import { consumeSkb, SkbPool } from '../../src/skb/pool.ts';
import { SkBuffHead } from '../../src/skb/queue.ts';
import { TCP_FLAG_ACK, TCP_FLAG_CWR, TCP_FLAG_FIN, TCP_FLAG_PSH } from '../../src/wire/tcp.ts';
import { bytes, tcpFrame, type TcpFields } from './build.ts';

type Full = TcpFields & { mss: number; seq: number; id: number; flags: number };

/** Segments made one by one, as a sender without offload would. */
function reference(pool: SkbPool, payload: Uint8Array, f: Full): Uint8Array[] {
  const out: Uint8Array[] = [];
  const count = Math.ceil(payload.length / f.mss);
  for (let i = 0; i < count; i++) {
    let { flags } = f;
    if (i > 0) flags &= ~TCP_FLAG_CWR;
    if (i < count - 1) flags &= ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
    const part = payload.slice(i * f.mss, (i + 1) * f.mss);
    const skb = tcpFrame(pool, part, { ...f, seq: (f.seq + i * f.mss) | 0, id: (f.id + i) & 0xffff, flags });
    skbChecksumHelp(skb);
    out.push(skbBytes(skb));
    consumeSkb(skb);
  }
  return out;
}

for (let seed = 1; seed <= 60; seed++) {
  test(`a super-packet is cut into the very frames that a sender without offload makes, over IPv${seed > 40 ? 6 : 4}, seed ${seed}`, () => {
    const random = new Random(seed);
    const pool = new SkbPool();
    const mss = 200 + random.below(1260);
    const payload = bytes(1 + random.below(17 * 4000), seed);
    const options = random.below(2) === 0 ? new Uint8Array(0) : bytes(12, seed);
    const flags = TCP_FLAG_ACK | (random.next32() & (TCP_FLAG_FIN | TCP_FLAG_PSH | TCP_FLAG_CWR));
    const f = {
      v6: seed > 40, mss, seq: random.next32(), id: 0xffff - random.below(30), flags, options,
      tos: random.below(256), ackSeq: random.next32(),
    };
    // Some payload may stand in the header area, when the packet came from outside.
    const skb = tcpFrame(pool, payload, f, { inHead: random.below(3) === 0 ? random.below(90) : 0, piece: 4096 });
    skb.gsoSize = mss;
    let freed = 0;
    skb.destructor = (): void => { freed++; };
    const out = new SkBuffHead();
    skbGsoSegment(skb, out);
    const got: Uint8Array[] = [];
    for (let part = out.popHead(); part !== null; part = out.popHead()) {
      skbChecksumHelp(part);
      got.push(skbBytes(part));
      assert.equal(freed, 0, 'the sender pays until the last of them has gone');
      consumeSkb(part);
    }
    assert.equal(freed, 1);
    assert.deepEqual(got, reference(pool, payload, f));
    assert.equal(pool.live, 0);
    assert.equal(pool.livePages, 0);
  });
}
