/**
 * The table of connections: found by the tuple of either direction, bounded by `net.netfilter.nf_conntrack_max`.
 *
 * No timer runs: each entry says until when it is good, and is taken out by whoever comes by later, so that an idle table
 * costs no events. The table grows with what is in it.
 */
import type { Net } from '../../dev/net.ts';
import { type NfConn, sameSource, TcpStep, Tuple, tupleEqual, tupleHash } from './conn.ts';
import { IP_CT_DIR_ORIGINAL, IPS_ASSURED, IPS_CONFIRMED, IPS_DYING, IPS_SRC_NAT_DONE } from './constants.ts';

/** `net.netfilter.*`: exact kernel names are bound to these in host/sysctl. Times in seconds. */
export class ConntrackSysctl {
  nfConntrackMax = 262144;
  nfConntrackChecksum = 1;
  nfConntrackAcct = 0;
  nfConntrackTcpLoose = 1;
  nfConntrackTcpBeLiberal = 0;
  nfConntrackTcpIgnoreInvalidRst = 0;
  nfConntrackTcpMaxRetrans = 3;
  nfConntrackTcpTimeoutSynSent = 120;
  nfConntrackTcpTimeoutSynRecv = 60;
  nfConntrackTcpTimeoutEstablished = 432000;
  nfConntrackTcpTimeoutFinWait = 120;
  nfConntrackTcpTimeoutCloseWait = 60;
  nfConntrackTcpTimeoutLastAck = 30;
  nfConntrackTcpTimeoutTimeWait = 120;
  nfConntrackTcpTimeoutClose = 10;
  nfConntrackTcpTimeoutMaxRetrans = 300;
  nfConntrackTcpTimeoutUnacknowledged = 300;
  nfConntrackUdpTimeout = 30;
  nfConntrackUdpTimeoutStream = 120;
  nfConntrackIcmpTimeout = 30;
  nfConntrackIcmpv6Timeout = 30;
  nfConntrackGenericTimeout = 600;
}

/** /proc/net/stat/nf_conntrack. */
export class ConntrackStats {
  /** Lookups that found something else than NEW… */
  found = 0;
  /** Packets that belong to no connection, and could not begin one. */
  invalid = 0;
  insert = 0;
  insertFailed = 0;
  /** Packets dropped because the table was full. */
  drop = 0;
  /** Entries that were given up early to make room. */
  earlyDrop = 0;
  clashResolve = 0;
}

const BUCKETS_MIN = 1024;
/** Buckets that are looked through for expired entries with each new connection. */
export const NF_CT_GC_BUCKETS = 4;
/** Buckets in which a victim is looked for when the table is full (Linux: NF_CT_EVICTION_RANGE). */
export const NF_CT_EVICTION_RANGE = 8;

export class Conntrack {
  readonly net: Net;
  readonly sysctl: ConntrackSysctl = new ConntrackSysctl();
  readonly stats: ConntrackStats = new ConntrackStats();
  /** Hooked in: some rule needs it. Stays so. */
  on = false;
  /** Entries in the table, expired ones that nobody has met yet included. */
  count = 0;
  /** Told when an entry leaves the table. */
  onDestroy: ((ct: NfConn) => void) | null = null;
  readonly secret: number;
  buckets: (Tuple | null)[] = new Array<Tuple | null>(BUCKETS_MIN).fill(null);
  /** Connections whose source is translated, by the source they had. */
  bySource: (NfConn | null)[] = new Array<NfConn | null>(BUCKETS_MIN).fill(null);
  /** The next bucket to be looked through. */
  gcCursor = 0;
  nextId = 1;
  /** Scratch: the tuple of the packet under way, and others on the way of NAT. */
  readonly tuple: Tuple = new Tuple();
  readonly inner: Tuple = new Tuple();
  readonly step: TcpStep = new TcpStep();

  constructor(net: Net, secret: number) {
    this.net = net;
    this.secret = secret;
  }
}

// ---- the table ------------------------------------------------------------------------------------------------------

/** The entry of a tuple, or null. An expired one is taken out on the way. */
export function conntrackFind(table: Conntrack, t: Tuple): Tuple | null {
  const hash = tupleHash(t, table.secret);
  let at: Tuple | null = table.buckets[hash & (table.buckets.length - 1)]!;
  while (at !== null) {
    const here: Tuple = at;
    at = here.next;
    if (here.hash !== hash || !tupleEqual(here, t)) continue;
    if (here.ct!.expires > table.net.cpu.now) return here;
    conntrackKill(table, here.ct!);
  }
  return null;
}

/** Is there a connection other than `ignored` whose packets, in either direction, look like `t`? */
export function conntrackTaken(table: Conntrack, t: Tuple, ignored: NfConn): boolean {
  const found = conntrackFind(table, t);
  return found !== null && found.ct !== ignored;
}

function hashAdd(table: Conntrack, t: Tuple): void {
  t.hash = tupleHash(t, table.secret);
  const bucket = t.hash & (table.buckets.length - 1);
  t.next = table.buckets[bucket]!;
  table.buckets[bucket] = t;
}

function hashDel(table: Conntrack, t: Tuple): void {
  const bucket = t.hash & (table.buckets.length - 1);
  let at: Tuple | null = table.buckets[bucket]!;
  if (at === t) {
    table.buckets[bucket] = t.next;
    t.next = null;
    return;
  }
  while (at !== null && at.next !== t) at = at.next;
  if (at !== null) at.next = t.next;
  t.next = null;
}

/** Puts a connection into the table, by both its tuples. */
export function conntrackInsert(table: Conntrack, ct: NfConn): void {
  if (table.count >= table.buckets.length) grow(table);
  hashAdd(table, ct.tuples[0]);
  hashAdd(table, ct.tuples[1]);
  ct.status |= IPS_CONFIRMED;
  table.count++;
  table.stats.insert++;
}

function grow(table: Conntrack): void {
  const old = table.buckets;
  table.buckets = new Array<Tuple | null>(old.length * 2).fill(null);
  table.gcCursor = 0;
  for (const first of old) {
    for (let at = first; at !== null;) {
      const { next } = at;
      hashAdd(table, at);
      at = next;
    }
  }
}

/** Takes an entry out of the table. Its packets that are under way keep it until they are done. */
export function conntrackKill(table: Conntrack, ct: NfConn): void {
  if ((ct.status & IPS_DYING) !== 0) return;
  ct.status |= IPS_DYING;
  if ((ct.status & IPS_CONFIRMED) !== 0) {
    hashDel(table, ct.tuples[0]);
    hashDel(table, ct.tuples[1]);
    table.count--;
  }
  if ((ct.status & IPS_SRC_NAT_DONE) !== 0) bySourceDel(table, ct);
  if (table.onDestroy !== null) table.onDestroy(ct);
}

/** Every connection that is not expired, oldest first. The expired ones are taken out. */
export function conntrackList(table: Conntrack): NfConn[] {
  const now = Math.max(table.net.cpu.now, table.net.sim.now);
  const all: NfConn[] = [];
  for (let i = 0; i < table.buckets.length; i++) {
    for (let at: Tuple | null = table.buckets[i]!; at !== null;) {
      const { next, ct, dir }: Tuple = at;
      if (dir === IP_CT_DIR_ORIGINAL) {
        if (ct!.expires > now) all.push(ct!);
      }
      at = next;
    }
  }
  return all.sort((a, b) => a.id - b.id);
}

/** Takes the expired entries out of `n` buckets, from the cursor on. */
export function conntrackCollect(table: Conntrack, n: number): void {
  const { now } = table.net.cpu;
  for (let i = 0; i < n; i++) {
    table.gcCursor = (table.gcCursor + 1) & (table.buckets.length - 1);
    let at: Tuple | null = table.buckets[table.gcCursor]!;
    while (at !== null) {
      const { ct } = at;
      at = at.next;
      if (ct!.expires > now) continue;
      conntrackKill(table, ct!);
      // Both tuples may have been in this bucket: begin it again.
      at = table.buckets[table.gcCursor]!;
    }
  }
}

/** Makes room in a full table: first what is expired, then one that nobody has answered or acknowledged. */
export function conntrackEarlyDrop(table: Conntrack, hash: number): boolean {
  conntrackCollect(table, table.buckets.length);
  if (table.count < table.sysctl.nfConntrackMax) return true;
  for (let i = 0; i < NF_CT_EVICTION_RANGE; i++) {
    for (let at: Tuple | null = table.buckets[(hash + i) & (table.buckets.length - 1)]!; at !== null; at = at.next) {
      if ((at.ct!.status & IPS_ASSURED) !== 0) continue;
      conntrackKill(table, at.ct!);
      table.stats.earlyDrop++;
      return true;
    }
  }
  return false;
}

// ---- sources that are translated -----------------------------------------------------------------------------------

function sourceBucket(table: Conntrack, t: Tuple): number {
  return ((t.s0 ^ t.s1 ^ t.s2 ^ t.s3) * 31 + t.sport * 7 + t.proto) & (table.bySource.length - 1);
}

/** Remembers what the source of `ct` became, so that its next connections become the same. */
export function bySourceAdd(table: Conntrack, ct: NfConn): void {
  const bucket = sourceBucket(table, ct.tuples[0]);
  ct.nextBySource = table.bySource[bucket]!;
  table.bySource[bucket] = ct;
}

function bySourceDel(table: Conntrack, ct: NfConn): void {
  const bucket = sourceBucket(table, ct.tuples[0]);
  let at: NfConn | null = table.bySource[bucket]!;
  if (at === ct) {
    table.bySource[bucket] = ct.nextBySource;
    return;
  }
  while (at !== null && at.nextBySource !== ct) at = at.nextBySource;
  if (at !== null) at.nextBySource = ct.nextBySource;
}

/** The newest connection with the same source as `t`, or null. */
export function bySourceFind(table: Conntrack, t: Tuple): NfConn | null {
  const { now } = table.net.cpu;
  for (let ct: NfConn | null = table.bySource[sourceBucket(table, t)]!; ct !== null; ct = ct.nextBySource) {
    if (ct.expires > now && sameSource(ct.tuples[0], t)) return ct;
  }
  return null;
}
