import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/lib/random.ts';
import { EstablishedTable, ListenTable, type EhashEntry } from '../../src/tcp/hashtables.ts';
import type { TcpSock } from '../../src/tcp/sock.ts';
import { tableWith } from '../../src/testing/table.ts';

const table = tableWith(test);

function entry(saddr: number, num: number, daddr: number, dport: number, boundDevIf = 0): EhashEntry {
  return { ehashNext: null, ehash: 0, state: 1, saddr, num, daddr, dport, v6Saddr: null, v6Daddr: null, boundDevIf };
}

/** A listener as far as the table looks at one. */
function listener(rcvSaddr: number, boundDevIf: number, reuseport = false): TcpSock {
  return { num: 80, rcvSaddr, boundDevIf, reuseport, hashed: false } as unknown as TcpSock;
}

test('The table by 4-tuple finds what a Map with string keys finds, through growth and removal', () => {
  const random = new Random(7);
  const ehash = new EstablishedTable(random.next32());
  const model = new Map<string, EhashEntry>();
  const key = (e: EhashEntry): string => `${e.saddr} ${e.num} ${e.daddr} ${e.dport}`;
  for (let i = 0; i < 20000; i++) {
    // Few values per field, so that many entries differ in one field only.
    const e = entry(random.below(4), random.below(40), random.below(4), random.below(40));
    const found = ehash.lookup(e.saddr, e.num, e.daddr, e.dport, 1);
    assert.equal(found, model.get(key(e)) ?? null);
    if (found === null) {
      ehash.insert(e);
      model.set(key(e), e);
    } else if (random.chance(0.5)) {
      assert.equal(ehash.remove(found), true);
      assert.equal(ehash.remove(found), false);
      model.delete(key(e));
    }
    assert.equal(ehash.count, model.size);
  }
  assert.equal(ehash.entries().length, model.size);
});

test('A connection bound to a device is found only by what comes in there', () => {
  const ehash = new EstablishedTable(1);
  const e = entry(1, 80, 2, 1024, 3);
  ehash.insert(e);
  assert.equal(ehash.lookup(1, 80, 2, 1024, 3), e);
  assert.equal(ehash.lookup(1, 80, 2, 1024, 1), null);
});

table<{ any: boolean; addr: boolean; dev: boolean; both: boolean; to: number; dif: number; who: string }>(
  'The most specific listener gets the segment: device before address before any',
  `
  any    addr   dev    both   to  dif  →  who     // to: destination address, dif: device it came in by
  true   true   true   true   9   5       both
  true   true   true   false  9   5       dev
  true   true   false  false  9   5       addr
  true   true   true   true   9   1       addr    // another device
  true   true   true   true   8   5       dev     // another address
  true   true   true   true   8   1       any
  false  true   true   true   8   1       none
`,
  ({ any, addr, dev, both, to, dif, who }) => {
    const listening = new ListenTable();
    const socks: Record<string, TcpSock> = { any: listener(0, 0), addr: listener(9, 0), dev: listener(0, 5), both: listener(9, 5) };
    const here: Record<string, boolean> = { any, addr, dev, both };
    for (const [name, sk] of Object.entries(socks)) if (here[name]!) listening.insert(sk);
    const found = listening.lookup(to, 80, dif, 12345);
    assert.equal(found, who === 'none' ? null : socks[who]);
  },
);

test('A SO_REUSEPORT group shares the flows evenly, and a flow stays with its listener', () => {
  const listening = new ListenTable();
  const group = [listener(0, 0, true), listener(0, 0, true), listener(0, 0, true), listener(0, 0, true)];
  for (const sk of group) listening.insert(sk);
  const random = new Random(3);
  const count = new Map<TcpSock, number>();
  for (let i = 0; i < 4000; i++) {
    const hash = random.next32();
    const first = listening.lookup(1, 80, 1, hash)!;
    assert.equal(listening.lookup(1, 80, 1, hash), first);
    count.set(first, (count.get(first) ?? 0) + 1);
  }
  for (const sk of group) assert.ok(count.get(sk)! > 850 && count.get(sk)! < 1150, `${String(count.get(sk))} of 4000`);
});
