import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Random } from '../../src/lib/random.ts';
import {
  addOrExtend, cloneSkb, copyBits, mayPull, movePayload, sharePayload, skbBytes, skbFromBytes, trimHead, trimTail,
} from '../../src/skb/copy.ts';
import { Drop, dropName } from '../../src/skb/drop-reason.ts';
import { skbMoveOwner, skbOrphan, skbReceipt } from '../../src/skb/owner.ts';
import { consumeSkb, kfreeSkbReason, SkbPool } from '../../src/skb/pool.ts';
import { SkBuffHead } from '../../src/skb/queue.ts';
import type { SkBuff } from '../../src/skb/sk-buff.ts';
import { addPayload, bytes } from './build.ts';

/** An skb of `head` bytes in the header area and `payload` bytes in pieces, and the bytes it holds. */
function make(pool: SkbPool, head: number, payload: number, piece: number): { skb: SkBuff; model: Uint8Array } {
  const model = bytes(head + payload, head * 31 + payload);
  const skb = pool.alloc(64);
  addPayload(skb, model, head, piece);
  return { skb, model };
}

test('headers are pushed in front and pulled off again; the payload is not touched', () => {
  const pool = new SkbPool();
  const { skb, model } = make(pool, 0, 100, 40);
  const at = skb.push(4);
  skb.buf.set([1, 2, 3, 4], at);
  assert.deepEqual(skbBytes(skb), Uint8Array.of(1, 2, 3, 4, ...model));
  skb.pull(4);
  assert.deepEqual(skbBytes(skb), model);
  assert.throws(() => skb.pull(1), /stays within the header area/);
  consumeSkb(skb);
  assert.equal(pool.live, 0);
  assert.equal(pool.livePages, 0);
});

test('a clone has its own headers and the same payload bytes, which live as long as the last of them', () => {
  const pool = new SkbPool();
  const { skb, model } = make(pool, 10, 5000, 1500);
  const pages = pool.livePages;
  const clone = cloneSkb(skb);
  assert.equal(pool.livePages, pages, 'no payload was copied');
  clone.buf[clone.data] = clone.buf[clone.data]! ^ 0xff;
  assert.deepEqual(skbBytes(skb), model);
  consumeSkb(skb);
  assert.equal(pool.livePages, pages);
  assert.deepEqual(skbBytes(clone).subarray(1), model.subarray(1));
  consumeSkb(clone);
  assert.equal(pool.livePages, 0);
  assert.equal(pool.live, 0);
});

test('references that follow each other in a page become one', () => {
  const pool = new SkbPool();
  const page = pool.allocPage(1000);
  const skb = pool.alloc(0);
  addOrExtend(skb, page, 0, 100);
  addOrExtend(skb, page, 100, 50);
  addOrExtend(skb, page, 200, 50);
  assert.equal(skb.nrFrags, 2);
  assert.equal(skb.len, 200);
  assert.equal(page.refs, 3);
  consumeSkb(skb);
  pool.putPage(page);
  assert.equal(pool.livePages, 0);
});

for (let seed = 1; seed <= 40; seed++) {
  test(`cutting, pulling and sharing do to an skb what they do to an array, seed ${seed}`, () => {
    const random = new Random(seed);
    const pool = new SkbPool();
    const made = make(pool, random.below(120), 1 + random.below(6000), 400 + random.below(2000));
    const { skb } = made;
    let { model } = made;
    for (let step = 0; step < 40 && model.length > 0; step++) {
      const n = random.below(Math.min(model.length, 400) + 1);
      switch (random.below(5)) {
        case 0:
          trimHead(skb, n);
          model = model.slice(n);
          break;
        case 1:
          trimTail(skb, model.length - n);
          model = model.slice(0, model.length - n);
          break;
        case 2:
          assert.equal(mayPull(skb, model.length + 1), false);
          if (mayPull(skb, Math.min(n, 60))) assert.ok(skb.headLen >= Math.min(n, 60));
          break;
        case 3: {
          const out = new Uint8Array(n);
          const off = random.below(model.length - n + 1);
          copyBits(skb, off, out, 0, n);
          assert.deepEqual(out, model.slice(off, off + n));
          break;
        }
        default: {
          const other = pool.alloc(0);
          const off = random.below(skb.dataLen + 1);
          const len = random.below(skb.dataLen - off + 1);
          sharePayload(skb, other, off, len);
          const from = skb.headLen + off;
          assert.deepEqual(skbBytes(other), model.slice(from, from + len));
          consumeSkb(other);
        }
      }
      assert.equal(skb.len, model.length);
      assert.deepEqual(skbBytes(skb), model);
    }
    consumeSkb(skb);
    assert.equal(pool.live, 0);
    assert.equal(pool.livePages, 0);
  });
}

test('payload moves from one skb to the end of another', () => {
  const pool = new SkbPool();
  const x = make(pool, 5, 300, 100);
  const y = make(pool, 3, 200, 77);
  movePayload(y.skb, x.skb);
  assert.deepEqual(skbBytes(x.skb), Uint8Array.of(...x.model, ...y.model.subarray(3)));
  assert.equal(y.skb.len, 3);
  consumeSkb(x.skb);
  consumeSkb(y.skb);
  assert.equal(pool.livePages, 0);
});

test('bytes from outside become an skb of the same bytes', () => {
  const pool = new SkbPool();
  for (const n of [0, 1, 60, 241, 242, 243, 1514, 9000]) {
    const frame = bytes(n, n);
    const skb = skbFromBytes(pool, frame, 14);
    assert.deepEqual(skbBytes(skb), frame);
    consumeSkb(skb);
  }
  assert.equal(pool.live, 0);
  assert.equal(pool.livePages, 0);
});

test('a drop is counted by its reason and told to the listener while the packet is whole', () => {
  const pool = new SkbPool();
  const told: string[] = [];
  pool.onDrop = (skb, reason, where): void => { told.push(`${where} ${dropName(reason)} ${skb.len}`); };
  kfreeSkbReason(make(pool, 10, 20, 20).skb, Drop.TcpOverWindow, 'alice');
  kfreeSkbReason(make(pool, 1, 0, 1).skb, Drop.NotDropped, 'alice');
  assert.deepEqual(told, ['alice TCP_OVERWINDOW 30']);
  assert.equal(pool.drops[Drop.TcpOverWindow], 1);
  assert.equal(pool.live, 0);
});

test('an skb is freed once, and not while it is in a queue', () => {
  const pool = new SkbPool();
  const { skb } = make(pool, 1, 1, 1);
  const queue = new SkBuffHead();
  queue.pushTail(skb);
  assert.throws(() => { consumeSkb(skb); }, /leaves its queue/);
  queue.unlink(skb);
  consumeSkb(skb);
  assert.throws(() => { consumeSkb(skb); }, /freed once/);
});

test('a queue keeps its order through pushes at both ends, insertions and removals', () => {
  const pool = new SkbPool();
  const queue = new SkBuffHead();
  const [a, b, c, d] = [1, 2, 3, 4].map((seq) => {
    const skb = pool.alloc(0);
    skb.seq = seq;
    return skb;
  }) as [SkBuff, SkBuff, SkBuff, SkBuff];
  queue.pushTail(b);
  queue.pushHead(a);
  queue.pushTail(d);
  queue.insertAfter(b, c);
  queue.unlink(b);
  assert.equal(queue.qlen, 3);
  assert.deepEqual([queue.popHead(), queue.popHead(), queue.popHead(), queue.popHead()], [a, c, d, null]);
  for (const skb of [a, b, c, d]) consumeSkb(skb);
  assert.equal(pool.live, 0);
});

test('a receipt takes over what a sender pays, and gives it back when it is freed', () => {
  const pool = new SkbPool();
  const sk = { used: 0 };
  const { skb } = make(pool, 1, 100, 100);
  skb.sk = sk;
  skb.truesize = 700;
  sk.used = 700;
  skb.destructor = (s) => { (s.sk as typeof sk).used -= s.truesize; };
  const receipt = skbReceipt(skb)!;
  consumeSkb(skb);
  assert.equal(sk.used, 700);
  consumeSkb(receipt);
  assert.equal(sk.used, 0);
  assert.equal(skbReceipt(pool.alloc(0)), null);
});

test('an orphan has given back what its sender paid, once', () => {
  const pool = new SkbPool();
  let calls = 0;
  const skb = pool.alloc(0);
  skb.destructor = (): void => { calls++; };
  skbOrphan(skb);
  skbOrphan(skb);
  const other = pool.alloc(0);
  skbMoveOwner(skb, other);
  consumeSkb(skb);
  consumeSkb(other);
  assert.equal(calls, 1);
});
