/**
 * NAT: which addresses and ports a connection has on its other side (Linux: nf_nat_core.c). Decided once, with the first
 * packet; the connection's reply tuple is what remembers it.
 *
 *   from  ip/filter/nat-hook.ts   natSetupInfo, when a rule says so, or when none does
 *   to    ip/filter/nat-manip.ts  rewrites the packets
 *
 * As on Linux the source port is kept when that is possible. What a source has become once it becomes again, as long as
 * nobody else uses it there.
 */
import { hashMix } from '../../lib/hash.ts';
import type { Random } from '../../lib/random.ts';
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../../wire/ipv4.ts';
import { type NfConn, Tuple, tupleCopy, tupleEqual, tupleInvert } from './conn.ts';
import { bySourceAdd, bySourceFind, type Conntrack, conntrackTaken } from './conntrack-table.ts';
import {
  IPS_DST_NAT, IPS_DST_NAT_DONE, IPS_SRC_NAT, IPS_SRC_NAT_DONE, NF_ACCEPT, NF_DROP, NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC,
  NF_NAT_RANGE_MAP_IPS, NF_NAT_RANGE_PERSISTENT, NF_NAT_RANGE_PROTO_OFFSET, NF_NAT_RANGE_PROTO_RANDOM_ALL,
  NF_NAT_RANGE_PROTO_SPECIFIED,
} from './constants.ts';
import type { NatRange } from './nat-range.ts';
import { hasPorts } from './packet.ts';

/** Numbers that are tried at most in one row before the next random start (Linux: NF_NAT_MAX_ATTEMPTS). */
export const NF_NAT_MAX_ATTEMPTS = 128;
const ATTEMPTS_MIN = 16;

export class Nat {
  readonly table: Conntrack;
  readonly random: Random;
  /** Scratch. */
  readonly curr: Tuple = new Tuple();
  readonly next: Tuple = new Tuple();
  readonly reply: Tuple = new Tuple();

  constructor(table: Conntrack, random: Random) {
    this.table = table;
    this.random = random;
  }
}

/** Has this end of the connection been decided? */
export function natInitialized(ct: NfConn, manip: number): boolean {
  return (ct.status & (manip === NF_NAT_MANIP_DST ? IPS_DST_NAT_DONE : IPS_SRC_NAT_DONE)) !== 0;
}

/** Decides one end: within `range`, or (null) as it is. NF_ACCEPT, or NF_DROP when no number is free. */
export function natSetupInfo(nat: Nat, ct: NfConn, range: NatRange | null, manip: number): number {
  const { table, curr, next } = nat;
  if (natInitialized(ct, manip)) return NF_DROP;
  // What the packet looks like by now: the other end may have been changed already.
  tupleInvert(curr, ct.tuples[1]);
  tupleCopy(next, curr);
  if (!uniqueTuple(nat, ct, range, manip)) return NF_DROP;
  if (!tupleEqual(next, curr)) {
    tupleInvert(ct.tuples[1], next);
    ct.status |= manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT : IPS_DST_NAT;
  }
  if (manip === NF_NAT_MANIP_SRC) {
    bySourceAdd(table, ct);
    ct.status |= IPS_SRC_NAT_DONE;
  } else {
    ct.status |= IPS_DST_NAT_DONE;
  }
  return NF_ACCEPT;
}

/** Would answers to `t` be taken for another connection's? */
function used(nat: Nat, t: Tuple, ct: NfConn): boolean {
  return tupleInvert(nat.reply, t) && conntrackTaken(nat.table, nat.reply, ct);
}

/** Turns `nat.next` (which is `nat.curr` to begin with) into a tuple within the range that nobody uses. False when there is none. */
function uniqueTuple(nat: Nat, ct: NfConn, range: NatRange | null, manip: number): boolean {
  const { curr, next, table } = nat;
  const flags = range === null ? 0 : range.flags;
  if (manip === NF_NAT_MANIP_SRC && (flags & NF_NAT_RANGE_PROTO_RANDOM_ALL) === 0) {
    if (inRange(curr, range)) {
      if (!used(nat, curr, ct)) return true;
    } else {
      const known = bySourceFind(table, curr);
      if (known !== null) {
        takeSource(next, known);
        if (inRange(next, range) && !used(nat, next, ct)) return true;
        tupleCopy(next, curr);
      }
    }
  }
  if (range !== null && (flags & NF_NAT_RANGE_MAP_IPS) !== 0) pickAddress(nat, range, manip);
  if ((flags & NF_NAT_RANGE_PROTO_RANDOM_ALL) === 0) {
    if ((flags & NF_NAT_RANGE_PROTO_SPECIFIED) !== 0) {
      const fits = (flags & NF_NAT_RANGE_PROTO_OFFSET) === 0 && numberInRange(next, range!, manip);
      if (fits && (range!.minProto === range!.maxProto || !used(nat, next, ct))) return true;
    } else if (!used(nat, next, ct)) {
      return true;
    }
  }
  return pickNumber(nat, ct, range, manip);
}

/** The source that `known` has on the other side. */
function takeSource(t: Tuple, known: NfConn): void {
  const reply = known.tuples[1];
  t.s0 = reply.d0;
  t.s1 = reply.d1;
  t.s2 = reply.d2;
  t.s3 = reply.d3;
  t.sport = reply.dport;
  if (isIcmp(t)) t.sport = reply.sport;
}

function isIcmp(t: Tuple): boolean {
  return t.proto === IPPROTO_ICMP || t.proto === IPPROTO_ICMPV6;
}

/** Is the source of `t` one that the range allows? */
function inRange(t: Tuple, range: NatRange | null): boolean {
  if (range === null) return true;
  if ((range.flags & NF_NAT_RANGE_MAP_IPS) !== 0 && !addressInRange(t, range)) return false;
  return (range.flags & NF_NAT_RANGE_PROTO_SPECIFIED) === 0 || numberInRange(t, range, NF_NAT_MANIP_SRC);
}

function addressInRange(t: Tuple, range: NatRange): boolean {
  const { minAddr, maxAddr } = range;
  return compare(t.s0, t.s1, t.s2, t.s3, minAddr) >= 0 && compare(t.s0, t.s1, t.s2, t.s3, maxAddr) <= 0;
}

function compare(a: number, b: number, c: number, d: number, words: Int32Array): number {
  return order(a, words[0]!) || order(b, words[1]!) || order(c, words[2]!) || order(d, words[3]!);
}

function order(a: number, b: number): number {
  return (a >>> 0) - (b >>> 0);
}

function numberInRange(t: Tuple, range: NatRange, manip: number): boolean {
  const n = numberOf(t, manip);
  return n >= range.minProto && n <= range.maxProto;
}

/** The number that NAT may change: a port, or the identifier of a query. */
function numberOf(t: Tuple, manip: number): number {
  return manip === NF_NAT_MANIP_SRC || isIcmp(t) ? t.sport : t.dport;
}

function setNumber(t: Tuple, manip: number, n: number): void {
  if (manip === NF_NAT_MANIP_SRC || isIcmp(t)) t.sport = n;
  else t.dport = n;
}

/** An address of the range: always the same for a pair of hosts, with `--persistent` for a source. */
function pickAddress(nat: Nat, range: NatRange, manip: number): void {
  const { next } = nat;
  const { minAddr, maxAddr } = range;
  const words = next.version === 4 ? 1 : 4;
  let h = hashMix(hashMix(hashMix(0, next.s0 ^ next.s1), next.s2), next.s3);
  if ((range.flags & NF_NAT_RANGE_PERSISTENT) === 0) h = hashMix(hashMix(hashMix(h, next.d0 ^ next.d1), next.d2), next.d3);
  let whole = false;
  for (let i = 0; i < words; i++) {
    const min = minAddr[i]! >>> 0;
    const max = whole ? 0xffffffff : maxAddr[i]! >>> 0;
    const word = (min + Math.floor(((h >>> 0) / 4294967296) * (max - min + 1))) | 0;
    setAddressWord(next, manip, i, word);
    if (word !== maxAddr[i]!) whole = true;
    h = hashMix(h, i + 1);
  }
}

function setAddressWord(t: Tuple, manip: number, i: number, word: number): void {
  if (manip === NF_NAT_MANIP_SRC) {
    if (i === 0) t.s0 = word;
    else if (i === 1) t.s1 = word;
    else if (i === 2) t.s2 = word;
    else t.s3 = word;
  } else if (i === 0) t.d0 = word;
  else if (i === 1) t.d1 = word;
  else if (i === 2) t.d2 = word;
  else t.d3 = word;
}

/** The range that a port stays in when the rule names none: privileged ports stay privileged (RFC 4787 REQ-3a). */
function ownRange(port: number): readonly [number, number] {
  if (port >= 1024) return [1024, 65535];
  return port < 512 ? [1, 511] : [600, 1023];
}

/** A number that makes `nat.next` one of its own. False when those that were tried are all in use. */
function pickNumber(nat: Nat, ct: NfConn, range: NatRange | null, manip: number): boolean {
  const { next, curr, random } = nat;
  const flags = range === null ? 0 : range.flags;
  let min: number;
  let max: number;
  if ((flags & NF_NAT_RANGE_PROTO_SPECIFIED) !== 0) {
    min = range!.minProto;
    max = range!.maxProto;
  } else if (isIcmp(next)) {
    min = 0;
    max = 65535;
  } else if (!hasPorts(next.proto)) {
    return !used(nat, next, ct);
  } else {
    if (manip === NF_NAT_MANIP_DST) return true; // a service keeps its port when nobody asked for another
    [min, max] = ownRange(next.sport);
  }
  const size = max - min + 1;
  let off = 0;
  if ((flags & NF_NAT_RANGE_PROTO_OFFSET) !== 0) off = (numberOf(curr, manip) - range!.baseProto) & 0xffff;
  else if ((flags & NF_NAT_RANGE_PROTO_RANDOM_ALL) !== 0 || manip !== NF_NAT_MANIP_DST) off = random.below(65536);
  for (let attempts = Math.min(size, NF_NAT_MAX_ATTEMPTS); ; attempts >>= 1) {
    for (let i = 0; i < attempts; i++, off++) {
      setNumber(next, manip, min + (off % size));
      if (!used(nat, next, ct)) return true;
    }
    // Linux lets the last one go and finds the clash when it confirms; the packet is dropped either way.
    if (attempts >= size || attempts < ATTEMPTS_MIN) return false;
    off = random.below(65536);
  }
}
