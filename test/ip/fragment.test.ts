/** Fragments: put together in every order, refused when they cannot be of one packet, given up in time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get16 } from '../../src/lib/bytes.ts';
import { Random } from '../../src/lib/random.ts';
import { ICMP_ECHO, icmpSendCheck, icmpWriteHeader } from '../../src/wire/icmp.ts';
import { ipv4WriteHeader } from '../../src/wire/ipv4.ts';
import { printEthernet } from '../../src/wire/print.ts';
import { FRAG_QUEUE_SIZE } from '../../src/ip/inet-fragment.ts';
import { ip, noLeaks, pair, receive, run, type Pair } from './lab.ts';

const IP = 14;
/** Data of an echo request, from its ICMP header on. */
const LEN = 96;

/** The ICMP message that is cut up. */
function message(len = LEN): Uint8Array {
  const m = new Uint8Array(len);
  icmpWriteHeader(m, 0, ICMP_ECHO, 0, 0x00010001);
  for (let i = 8; i < len; i++) m[i] = i * 7;
  icmpSendCheck(m, 0, len);
  return m;
}

interface Piece {
  from: number;
  to: number;
  more: boolean;
  id?: number;
  tos?: number;
  saddr?: string;
  bytes?: Uint8Array;
  df?: boolean;
}

/** A frame to a with bytes `from … to` of the message. */
function frame(p: Piece): Uint8Array {
  const data = (p.bytes ?? message()).slice(p.from, p.to);
  const f = new Uint8Array(IP + 20 + data.length);
  f.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
  const field = (p.from >> 3) | (p.more ? 0x2000 : 0) | (p.df === true ? 0x4000 : 0);
  ipv4WriteHeader(f, IP, p.tos ?? 0, 20 + data.length, p.id ?? 9, field, 64, 1, ip(p.saddr ?? '10.0.0.2'), ip('10.0.0.1'));
  f.set(data, IP + 20);
  return f;
}

/** `0-32+ 32-96` as pieces: from, to, + when more follow. */
function pieces(text: string): Uint8Array[] {
  return text.split(' ').map((word) => {
    const [from, to] = word.replace('+', '').split('-').map(Number);
    return frame({ from: from!, to: to!, more: word.endsWith('+') });
  });
}

function acquainted(): Pair {
  const p = pair();
  receive(p.ea, frame({ from: 0, to: LEN, more: false }));
  run(p.sim, 100);
  p.wire.frames.length = 0;
  p.a.net.mib.fill(0);
  return p;
}

/** Echo replies of a, whole. */
function replies(p: Pair): number {
  return p.wire.frames.filter((f) => f[IP + 20] === 0 && f[23] === 1).length;
}

/** The fragment counters that are not zero, and the memory. */
function state(p: Pair): string {
  const c = p.a.counters();
  const names = ['IpReasmReqds', 'IpReasmOKs', 'IpReasmFails', 'IpReasmTimeout', 'IpExtReasmOverlaps'] as const;
  return `${names.map((n) => String(c[n] ?? 0)).join(' ')} | ${String(p.a.ip.frags.table.queues)} queues`;
}

test('RFC 815: pieces in every order make the packet', () => {
  const parts = ['0-32+', '32-40+', '40-72+', '72-96'];
  const orders: string[][] = [];
  const permute = (done: string[], left: string[]): void => {
    if (left.length === 0) orders.push(done);
    left.forEach((one, i) => permute([...done, one], left.filter((_, k) => k !== i)));
  };
  permute([], parts);
  assert.equal(orders.length, 24);
  for (const order of orders) {
    const p = acquainted();
    pieces(order.join(' ')).forEach((f) => receive(p.ea, f));
    assert.equal(replies(p), 1, order.join(' '));
    assert.deepEqual(p.wire.frames[0]!.subarray(IP + 24), message().subarray(4), order.join(' '));
    assert.equal(state(p), '4 1 0 0 0 | 0 queues', order.join(' '));
    assert.equal(p.a.ip.frags.table.mem, 0);
    run(p.sim, 200);
    noLeaks(p.pool);
  }
});

test('duplicates are ignored; overlaps, second ends and bytes behind the end give the whole packet up', () => {
  // reqds, oks, fails, timeouts, overlaps
  const TABLE: [string, string, string, string[]][] = [
    ['exact duplicate', '0-32+ 0-32+ 32-96', '3 1 0 0 0 | 0 queues', ['DUP_FRAG']],
    ['duplicate of what is inside', '0-64+ 8-24+ 64-96', '3 1 0 0 0 | 0 queues', ['DUP_FRAG']],
    ['duplicate across two pieces that follow', '0-32+ 32-64+ 24-40+ 64-96', '4 1 0 0 0 | 0 queues', ['DUP_FRAG']],
    ['duplicate of the last', '32-96 32-96 0-32+', '3 1 0 0 0 | 0 queues', ['DUP_FRAG']],
    ['overlap behind', '0-32+ 24-40+', '2 0 1 0 1 | 0 queues', ['FRAG_OVERLAP', 'FRAG_OVERLAP']],
    ['overlap before', '32-64+ 24-40+', '2 0 1 0 1 | 0 queues', ['FRAG_OVERLAP', 'FRAG_OVERLAP']],
    ['overlap around', '32-40+ 24-64+', '2 0 1 0 1 | 0 queues', ['FRAG_OVERLAP', 'FRAG_OVERLAP']],
    ['overlap of the last (teardrop)', '0-40+ 32-96', '2 0 1 0 1 | 0 queues', ['FRAG_OVERLAP', 'FRAG_OVERLAP']],
    ['two ends', '64-96 32-64', '2 0 1 0 0 | 0 queues', ['FRAG_INVALID', 'FRAG_INVALID']],
    ['two ends, the second longer', '32-64 64-96', '2 0 1 0 0 | 0 queues', ['FRAG_INVALID', 'FRAG_INVALID']],
    ['bytes behind the end', '32-64 64-96+', '2 0 1 0 0 | 0 queues', ['FRAG_INVALID', 'FRAG_INVALID']],
    ['an end before what is here', '64-96+ 8-32', '2 0 1 0 0 | 0 queues', ['FRAG_INVALID', 'FRAG_INVALID']],
    ['a piece without a byte', '0-4+', '1 0 1 0 0 | 0 queues', ['FRAG_INVALID']],
    ['the odd end of a piece is cut off', '0-36+ 32-96', '2 1 0 0 0 | 0 queues', []],
  ];
  for (const [name, text, want, drops] of TABLE) {
    const p = acquainted();
    pieces(text).forEach((f) => receive(p.ea, f));
    assert.equal(state(p), want, name);
    assert.deepEqual(p.a.drops, drops, name);
    assert.equal(replies(p), want[2] === '1' ? 1 : 0, name);
    run(p.sim, 200);
    noLeaks(p.pool);
  }
});

test('packets are told apart by addresses, protocol and identification', () => {
  const p = acquainted();
  receive(p.ea, frame({ from: 0, to: 32, more: true, id: 1 }));
  receive(p.ea, frame({ from: 32, to: LEN, more: false, id: 2 }));
  receive(p.ea, frame({ from: 32, to: LEN, more: false, id: 1, saddr: '10.0.0.3' }));
  assert.equal(state(p), '3 0 0 0 0 | 3 queues');
  receive(p.ea, frame({ from: 32, to: LEN, more: false, id: 1 }));
  assert.equal(state(p), '4 1 0 0 0 | 2 queues');
  assert.equal(replies(p), 1);
});

test('RFC 792: after 30 s the sender is told, when the first piece was there', () => {
  for (const [text, told] of [['0-32+ 64-96', true], ['32-64+ 64-96', false]] as const) {
    const p = acquainted();
    pieces(text).forEach((f) => receive(p.ea, f));
    run(p.sim, 30099);
    assert.equal(state(p), '2 0 0 0 0 | 1 queues');
    assert.equal(p.wire.frames.length, 0);
    run(p.sim, 30101);
    assert.equal(state(p), '2 0 1 1 0 | 0 queues');
    assert.deepEqual(p.a.drops, ['FRAG_REASM_TIMEOUT', 'FRAG_REASM_TIMEOUT']);
    run(p.sim, 40000);
    const errors = p.wire.frames.filter((f) => f[13] === 0);
    assert.equal(errors.length, told ? 1 : 0);
    if (told) {
      assert.deepEqual([...errors[0]!.subarray(IP + 20, IP + 22)], [11, 1]);
      assert.deepEqual(errors[0]!.subarray(IP + 28), pieces(text)[0]!.subarray(IP), 'the first piece is quoted');
      assert.doesNotMatch(printEthernet(errors[0]!, 0, errors[0]!.length), /bad/);
    }
    run(p.sim, 50000);
    noLeaks(p.pool);
  }
});

test('ipfrag_high_thresh: above it every fragment is refused, until time makes room', () => {
  const p = acquainted();
  const { frags } = p.a.ip;
  frags.sysctl.highThresh = 3000;
  let sent = 0;
  for (; frags.table.mem <= 3000; sent++) receive(p.ea, frame({ from: 0, to: 32, more: true, id: 100 + sent }));
  assert.ok(frags.table.mem > 3000 && frags.table.mem < 4000, String(frags.table.mem));
  assert.equal(frags.table.queues, sent);
  assert.ok(frags.table.mem > sent * FRAG_QUEUE_SIZE);
  receive(p.ea, frame({ from: 32, to: LEN, more: false, id: 100 }));
  assert.equal(p.a.drops.at(-1), 'FRAG_NO_MEMORY');
  assert.equal(p.a.counters()['IpReasmFails'], 1);
  run(p.sim, 40000);
  assert.deepEqual([frags.table.mem, frags.table.queues, frags.peers.size], [0, 0, 0]);
  receive(p.ea, frame({ from: 0, to: 32, more: true, id: 100 }));
  receive(p.ea, frame({ from: 32, to: LEN, more: false, id: 100 }));
  assert.equal(p.a.counters()['IpReasmOKs'], 1);
});

test('RFC 4963, ipfrag_max_dist: after 64 fragments of other packets a piece begins its packet anew', () => {
  for (const [others, whole] of [[64, 1], [65, 0]] as const) {
    const p = acquainted();
    receive(p.ea, frame({ from: 0, to: 32, more: true, id: 1 }));
    for (let i = 1; i < others; i++) receive(p.ea, frame({ from: 32, to: 64, more: true, id: 100 + i }));
    receive(p.ea, frame({ from: 32, to: LEN, more: false, id: 1 }));
    assert.equal(p.a.counters()['IpReasmOKs'] ?? 0, whole, String(others));
    assert.deepEqual(p.a.drops, whole === 1 ? [] : ['FRAG_TOO_FAR']);
  }
});

test('RFC 3168 §5.3: one CE marks the packet; ECT beside not-ECT ends it', () => {
  const TABLE: [number, number, number | null][] = [
    [0, 0, 0], [2, 2, 2], [1, 1, 1], [3, 3, 3], [2, 3, 3], [3, 2, 3], [1, 3, 3], [1, 2, 1], [0, 2, null], [0, 1, null], [3, 0, null],
  ];
  for (const [first, second, want] of TABLE) {
    const p = acquainted();
    receive(p.ea, frame({ from: 0, to: 32, more: true, tos: first }));
    receive(p.ea, frame({ from: 32, to: LEN, more: false, tos: second }));
    assert.deepEqual(p.wire.frames.map((f) => f[IP + 1]), want === null ? [] : [want], `${String(first)} ${String(second)}`);
    if (want === null) assert.deepEqual(p.a.drops, ['FRAG_INVALID', 'FRAG_INVALID']);
  }
});

test('the ping of death: a packet longer than 65,535 bytes is never made', () => {
  const p = acquainted();
  const long = message(65544);
  for (let at = 0; at < 65528; at += 1024) {
    receive(p.ea, frame({ from: at, to: Math.min(at + 1024, 65528), more: true, bytes: long }));
  }
  receive(p.ea, frame({ from: 65528, to: 65544, more: false, bytes: long }));
  assert.equal(state(p), '65 0 1 0 0 | 0 queues');
  assert.ok(p.a.drops.every((d) => d === 'FRAG_TOO_LONG') && p.a.drops.length === 65);
  noLeaks(p.pool);
});

test('a packet of 65,515 bytes of payload comes back whole, in pieces', () => {
  const p = acquainted();
  p.b.ip.protocols[1] = null;
  const long = message(65515);
  new Random(3).bytes(65507).forEach((b, i) => { long[8 + i] = b; });
  icmpSendCheck(long, 0, long.length);
  for (let at = 0; at < long.length; at += 1480) {
    receive(p.ea, frame({ from: at, to: Math.min(at + 1480, long.length), more: at + 1480 < long.length, bytes: long }));
  }
  const out = p.wire.frames;
  assert.equal(out.length, 45);
  assert.deepEqual(new Set(out.map((f) => get16(f, IP + 4))).size, 1);
  const back = new Uint8Array(long.length);
  for (const f of out) back.set(f.subarray(IP + 20), (get16(f, IP + 6) & 0x1fff) * 8);
  long[0] = 0;
  icmpSendCheck(long, 0, long.length);
  assert.deepEqual(back, long);
  run(p.sim, 300);
  noLeaks(p.pool);
});
