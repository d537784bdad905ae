/**
 * A connection, as conntrack knows it: a tuple for each direction, its state, its mark, and until when it is believed.
 *
 * A tuple is what makes two packets belong together: addresses, protocol, and two numbers of the protocol. These are the
 * ports; for ICMP the identifier, and type and code. Each end of NAT changes the *reply* tuple: what an answer will look like.
 */
import { hashMix } from '../../lib/hash.ts';
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../../wire/ipv4.ts';
import { IP_CT_DIR_ORIGINAL, IP_CT_DIR_REPLY } from './constants.ts';

/** One direction of a connection, and its place in the hash table. Also used as scratch, with `ct` null. */
export class Tuple {
  version = 4;
  proto = 0;
  s0 = 0;
  s1 = 0;
  s2 = 0;
  s3 = 0;
  d0 = 0;
  d1 = 0;
  d2 = 0;
  d3 = 0;
  /** Source port; the identifier of an ICMP query. */
  sport = 0;
  /** Destination port; of ICMP type << 8 | code. */
  dport = 0;
  readonly dir: number;
  ct: NfConn | null;
  /** The next one in the same bucket. */
  next: Tuple | null = null;
  hash = 0;

  constructor(ct: NfConn | null = null, dir: number = IP_CT_DIR_ORIGINAL) {
    this.ct = ct;
    this.dir = dir;
  }
}

/** Copies the addresses and numbers of a tuple. */
export function tupleCopy(to: Tuple, from: Tuple): void {
  to.version = from.version;
  to.proto = from.proto;
  to.s0 = from.s0;
  to.s1 = from.s1;
  to.s2 = from.s2;
  to.s3 = from.s3;
  to.d0 = from.d0;
  to.d1 = from.d1;
  to.d2 = from.d2;
  to.d3 = from.d3;
  to.sport = from.sport;
  to.dport = from.dport;
}

/** What an answer to `from` looks like. False when there can be none (an ICMP message that is no query). */
export function tupleInvert(to: Tuple, from: Tuple): boolean {
  const { s0, s1, s2, s3 } = from;
  to.version = from.version;
  to.proto = from.proto;
  to.s0 = from.d0;
  to.s1 = from.d1;
  to.s2 = from.d2;
  to.s3 = from.d3;
  to.d0 = s0;
  to.d1 = s1;
  to.d2 = s2;
  to.d3 = s3;
  if (from.proto === IPPROTO_ICMP || from.proto === IPPROTO_ICMPV6) {
    const answer = icmpAnswer(from.version, from.dport >> 8);
    to.sport = from.sport;
    to.dport = (answer << 8) | (from.dport & 0xff);
    return answer >= 0;
  }
  const { sport } = from;
  to.sport = from.dport;
  to.dport = sport;
  return true;
}

/** Query and answer, both ways (RFC 792: echo, timestamp, information; RFC 950: address mask; RFC 4443 §4: echo). */
const ICMP_PAIRS: readonly (readonly [number, number])[] = [[8, 0], [13, 14], [15, 16], [17, 18]];
const ICMPV6_PAIRS: readonly (readonly [number, number])[] = [[128, 129], [139, 140]];

function icmpAnswer(version: number, type: number): number {
  for (const [query, answer] of version === 4 ? ICMP_PAIRS : ICMPV6_PAIRS) {
    if (type === query) return answer;
    if (type === answer) return query;
  }
  return -1;
}

/** May this ICMP type begin a connection? Only a query. */
export function icmpIsQuery(version: number, type: number): boolean {
  return (version === 4 ? ICMP_PAIRS : ICMPV6_PAIRS).some(([query]) => query === type);
}

export function tupleEqual(a: Tuple, b: Tuple): boolean {
  return a.s0 === b.s0 && a.d0 === b.d0 && a.sport === b.sport && a.dport === b.dport && a.proto === b.proto && a.version === b.version
    && (a.version === 4 || sameTail(a, b));
}

function sameTail(a: Tuple, b: Tuple): boolean {
  return a.s1 === b.s1 && a.s2 === b.s2 && a.s3 === b.s3 && a.d1 === b.d1 && a.d2 === b.d2 && a.d3 === b.d3;
}

export function tupleHash(t: Tuple, secret: number): number {
  let h = hashMix(hashMix(hashMix(secret ^ t.s0, t.d0), (t.sport << 16) | t.dport), t.proto);
  if (t.version === 6) h = hashMix(hashMix(hashMix(h ^ t.s1, t.s2), t.s3 ^ t.d1), hashMix(t.d2, t.d3));
  return h;
}

/** The same source: address, protocol and port. */
export function sameSource(a: Tuple, b: Tuple): boolean {
  return a.s0 === b.s0 && a.sport === b.sport && a.proto === b.proto && a.version === b.version
    && a.s1 === b.s1 && a.s2 === b.s2 && a.s3 === b.s3;
}

/** What is known about one end of a TCP connection (Linux: ip_ct_tcp_state). Sequence numbers are int32. */
export class TcpEnd {
  /** One more than the highest number it has sent. */
  tdEnd = 0;
  /** One more than the highest number it may send: the other side's acknowledgement and window. */
  tdMaxend = 0;
  /** The largest window it has offered, scaled. 0: it has not been heard of. */
  tdMaxwin = 0;
  tdMaxack = 0;
  tdScale = 0;
  /** IP_CT_TCP_FLAG_* */
  flags = 0;
}

/** State of a TCP connection (Linux: struct ip_ct_tcp). */
export class TcpTrack {
  readonly seen: readonly [TcpEnd, TcpEnd] = [new TcpEnd(), new TcpEnd()];
  state = 0;
  lastDir = 0;
  lastIndex = 0;
  lastSeq = 0;
  lastAck = 0;
  lastEnd = 0;
  lastWin = 0;
  lastWscale = 0;
  lastFlags = 0;
  retrans = 0;
}

/** One segment on its way through the state machine of TCP; scratch, used again and again. */
export class TcpStep {
  tcp!: TcpTrack;
  ct!: NfConn;
  dir = 0;
  /** The row of the table: what kind of segment it is. */
  index = 0;
  oldState = 0;
  newState = 0;
}

/** Who has an interest in a connection beside conntrack: a NAT device with mappings (`nat-device.ts`). */
export interface ConnOwner {
  /** Nanoseconds that a UDP connection of its lives without packets; 0: as sysctls say. */
  readonly udpTimeoutNs: number;
}

export class NfConn {
  readonly id: number;
  readonly tuples: readonly [Tuple, Tuple];
  /** IPS_* */
  status = 0;
  mark = 0;
  /** Host time, ns: from then on it is as if it were not there. */
  expires = 0;
  readonly tcp: TcpTrack | null;
  /** UDP: from when on it counts as a stream, ns. */
  streamTs = 0;
  /** Per direction, with net.netfilter.nf_conntrack_acct. */
  readonly packets: [number, number] = [0, 0];
  readonly bytes: [number, number] = [0, 0];
  /** The device whose address it borrows (MASQUERADE), or 0. */
  masqIndex = 0;
  /** In the table of sources that are translated. */
  nextBySource: NfConn | null = null;
  owner: ConnOwner | null = null;
  /** It went in by the outside address of a NAT device and comes out inside again. */
  hairpin = false;

  constructor(id: number, tcp: boolean) {
    this.id = id;
    this.tcp = tcp ? new TcpTrack() : null;
    this.tuples = [new Tuple(this, IP_CT_DIR_ORIGINAL), new Tuple(this, IP_CT_DIR_REPLY)];
  }
}
