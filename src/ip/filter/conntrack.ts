/**
 * Connection tracking: which connection a packet belongs to, and what it is to it (Linux: nf_conntrack_core.c).
 *
 *   from  ip/filter/hooks.ts        conntrackIn, before all tables but raw; conntrackConfirm, when the packet leaves or arrives
 *   to    ip/filter/track-*.ts      the protocols: is it a good packet of its connection, how long does that live now
 *
 * A connection is made by its first packet and put into the table when that packet has got through all rules: what is
 * dropped leaves nothing behind.
 */
import { get16 } from '../../lib/bytes.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipv4.ts';
import { ICMP_ID } from '../../wire/icmp.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { icmpIsQuery, NfConn, type Tuple, tupleCopy, tupleEqual, tupleHash, tupleInvert } from './conn.ts';
import {
  type Conntrack, conntrackCollect, conntrackEarlyDrop, conntrackFind, conntrackInsert, conntrackKill, NF_CT_GC_BUCKETS,
} from './conntrack-table.ts';
import {
  IP_CT_DIR_ORIGINAL, IP_CT_DIR_REPLY, IP_CT_ESTABLISHED, IP_CT_ESTABLISHED_REPLY, IP_CT_IS_REPLY, IP_CT_NEW, IP_CT_RELATED,
  IP_CT_UNTRACKED, IPS_CONFIRMED, IPS_DYING, IPS_EXPECTED, IPS_NAT_MASK, IPS_SEEN_REPLY, NF_ACCEPT, NF_DROP, NF_INET_PRE_ROUTING,
} from './constants.ts';
import { hasPorts, type NfPacket } from './packet.ts';
import { icmpErrorTrack } from './track-icmp.ts';
import { checksumGood, CT_DROP, CT_INVALID, CT_OK, CT_REPEAT, trackIcmp, trackOther, trackUdp } from './track-simple.ts';
import { tcpErrorInPacket, trackTcp, tcpNewConnection } from './track-tcp.ts';

/** Reads the tuple of a packet. */
export function tupleOf(t: Tuple, p: NfPacket): void {
  t.version = p.version;
  t.proto = p.proto;
  t.s0 = p.s0;
  t.d0 = p.d0;
  if (p.version === 6) {
    t.s1 = p.s1;
    t.s2 = p.s2;
    t.s3 = p.s3;
    t.d1 = p.d1;
    t.d2 = p.d2;
    t.d3 = p.d3;
  } else {
    t.s1 = t.s2 = t.s3 = t.d1 = t.d2 = t.d3 = 0;
  }
  t.sport = 0;
  t.dport = 0;
  if (hasPorts(p.proto)) {
    t.sport = p.sport;
    t.dport = p.dport;
  } else if (p.icmpType >= 0) {
    t.sport = get16(p.skb.buf, p.th + ICMP_ID);
    t.dport = (p.icmpType << 8) | p.icmpCode;
  }
}

/** Finds the connection of a packet, or begins one; the skb knows it from here on. NF_ACCEPT, or NF_DROP: the table is full. */
export function conntrackIn(table: Conntrack, p: NfPacket): number {
  const { skb } = p;
  // Seen already: it comes round by lo, answers for another, or is not to be tracked.
  if (skb.nfct !== null || skb.nfctInfo === IP_CT_UNTRACKED) return NF_ACCEPT;
  if (p.th < 0) return NF_ACCEPT; // a fragment alone belongs to nobody
  if (p.icmpType >= 0) {
    const found = icmpErrorTrack(table, p);
    if (found !== CT_OK) return found === CT_INVALID ? invalid(table, skb) : NF_ACCEPT;
  } else if (p.proto === IPPROTO_TCP && tcpErrorInPacket(table, p)) {
    return invalid(table, skb);
  } else if (p.proto === IPPROTO_UDP && p.hook === NF_INET_PRE_ROUTING && !checksumGood(table, p)) {
    return invalid(table, skb);
  }
  for (;;) {
    const ct = resolve(table, p);
    if (ct === null) return NF_DROP;
    if (typeof ct === 'number') return invalid(table, skb);
    const verdict = track(table, p, ct);
    if (verdict === CT_REPEAT) {
      skb.nfct = null;
      continue;
    }
    if (verdict === CT_INVALID) return invalid(table, skb);
    if (verdict === CT_DROP) return NF_DROP;
    if (skb.nfctInfo === IP_CT_ESTABLISHED_REPLY) ct.status |= IPS_SEEN_REPLY;
    return NF_ACCEPT;
  }
}

function invalid(table: Conntrack, skb: SkBuff): number {
  table.stats.invalid++;
  skb.nfct = null;
  skb.nfctInfo = IP_CT_ESTABLISHED;
  return NF_ACCEPT;
}

/** The connection of the packet; -1 when it can have none; null when there is no room for a new one. */
function resolve(table: Conntrack, p: NfPacket): NfConn | number | null {
  const { skb } = p;
  const t = table.tuple;
  tupleOf(t, p);
  const found = conntrackFind(table, t);
  if (found === null) {
    const made = begin(table, p, t);
    if (made === null || typeof made === 'number') return made;
    skb.nfct = made;
    skb.nfctInfo = IP_CT_NEW;
    return made;
  }
  const ct = found.ct!;
  table.stats.found++;
  skb.nfct = ct;
  if (found.dir === IP_CT_DIR_REPLY) skb.nfctInfo = IP_CT_ESTABLISHED_REPLY;
  else if ((ct.status & IPS_SEEN_REPLY) !== 0) skb.nfctInfo = IP_CT_ESTABLISHED;
  else skb.nfctInfo = (ct.status & IPS_EXPECTED) !== 0 ? IP_CT_RELATED : IP_CT_NEW;
  return ct;
}

function begin(table: Conntrack, p: NfPacket, t: Tuple): NfConn | number | null {
  const { sysctl, stats, net } = table;
  if (p.icmpType >= 0 && !icmpIsQuery(p.version, p.icmpType)) return -1;
  conntrackCollect(table, NF_CT_GC_BUCKETS);
  if (sysctl.nfConntrackMax !== 0 && table.count >= sysctl.nfConntrackMax && !conntrackEarlyDrop(table, tupleHash(t, table.secret))) {
    stats.drop++;
    return null;
  }
  const ct = new NfConn(table.nextId, p.proto === IPPROTO_TCP);
  const [orig, reply] = ct.tuples;
  tupleCopy(orig, t);
  if (!tupleInvert(reply, t)) return -1;
  if (ct.tcp !== null && !tcpNewConnection(table, p, ct.tcp)) return -1;
  table.nextId++;
  ct.streamTs = net.cpu.now + 2 * NS_PER_SEC;
  return ct;
}

function track(table: Conntrack, p: NfPacket, ct: NfConn): number {
  const dir = p.skb.nfctInfo >= IP_CT_IS_REPLY ? IP_CT_DIR_REPLY : IP_CT_DIR_ORIGINAL;
  if (table.sysctl.nfConntrackAcct !== 0) {
    ct.packets[dir] += p.skb.gsoSegs > 1 ? p.skb.gsoSegs : 1;
    ct.bytes[dir] += p.skb.len;
  }
  switch (p.proto) {
    case IPPROTO_TCP: return trackTcp(table, p, ct, dir);
    case IPPROTO_UDP: return trackUdp(table, ct);
    case IPPROTO_ICMP: case IPPROTO_ICMPV6: return trackIcmp(table, p, ct);
    default: return trackOther(table, ct);
  }
}

/** The packet has got through: a new connection goes into the table. NF_ACCEPT, or NF_DROP when another was quicker. */
export function conntrackConfirm(table: Conntrack, skb: SkBuff): number {
  const ct = skb.nfct as NfConn | null;
  if (ct === null || (ct.status & IPS_CONFIRMED) !== 0) return NF_ACCEPT;
  // An answer that goes out before its question was let in (a reset by REJECT): nothing to remember.
  if (skb.nfctInfo >= IP_CT_IS_REPLY) return NF_ACCEPT;
  if ((ct.status & IPS_DYING) !== 0) return NF_ACCEPT;
  const orig = conntrackFind(table, ct.tuples[0]);
  const reply = conntrackFind(table, ct.tuples[1]);
  if (orig !== null || reply !== null) return clash(table, skb, ct, orig);
  conntrackInsert(table, ct);
  return NF_ACCEPT;
}

/** Two packets of one new connection were under way at once: the second joins the first one's entry when it means the same. */
function clash(table: Conntrack, skb: SkBuff, ct: NfConn, orig: Tuple | null): number {
  conntrackKill(table, ct);
  if (orig !== null && ct.tcp === null && tupleEqual(orig.ct!.tuples[1], ct.tuples[1])) {
    table.stats.clashResolve++;
    skb.nfct = orig.ct;
    return NF_ACCEPT;
  }
  table.stats.insertFailed++;
  return NF_DROP;
}

/** Answers of a packet's own making carry its connection (Linux: nf_ct_attach). */
export function conntrackAttach(to: SkBuff, from: SkBuff): void {
  const ct = from.nfct as NfConn | null;
  if (ct === null) return;
  to.nfct = ct;
  to.nfctInfo = from.nfctInfo >= IP_CT_IS_REPLY ? IP_CT_RELATED : IP_CT_RELATED + IP_CT_IS_REPLY;
}

/** Is the connection translated at either end? */
export function conntrackHasNat(ct: NfConn): boolean {
  return (ct.status & IPS_NAT_MASK) !== 0;
}
