/**
 * IGMP, the host's side (RFC 3376, with version 2 and 1 where an old querier is heard: RFC 3376 §7; Linux: igmp.c).
 *
 *   from  ip/mcast.ts    igmpGroupChanged: a group was joined, left, or its filter changed
 *         ip/input.ts    queries, and old reports of others
 *   to    ip/output.ts   reports and leave messages
 *
 * A change is told twice (robustness), the second time within the unsolicited report interval. Queries are answered after a
 * random part of the time that they allow. 224.0.0.1 is never reported.
 */
import { INADDR_ALLHOSTS, ipv4IsLocalMulticast, ipv4IsMulticast } from '../lib/addr.ts';
import { get16, get32, get8 } from '../lib/bytes.ts';
import { NS_PER_MS } from '../lib/units.ts';
import { Timer } from '../time/timer.ts';
import {
  IGMP_GROUP, IGMP_HOST_LEAVE_MESSAGE, IGMP_HOST_MEMBERSHIP_QUERY, IGMP_HOST_MEMBERSHIP_REPORT, IGMP_MINLEN, IGMPV2_HOST_MEMBERSHIP_REPORT,
  IGMPV3_ALLOW_NEW_SOURCES, IGMPV3_BLOCK_OLD_SOURCES, IGMPV3_CHANGE_TO_EXCLUDE, IGMPV3_CHANGE_TO_INCLUDE, IGMPV3_GREC_LEN,
  IGMPV3_MODE_IS_EXCLUDE, IGMPV3_MODE_IS_INCLUDE, IGMPV3_NSRCS, IGMPV3_QQIC, IGMPV3_QRV, IGMPV3_QUERY_MINLEN, IGMPV3_SRCS, igmpMessage,
  igmpv3Exp, igmpv3Report, type IgmpRecord,
} from '../wire/igmp.ts';
import { mayPull } from '../skb/copy.ts';
import { skbChecksum } from '../skb/csum.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import { MAX_HEADER, PACKET_BROADCAST, PACKET_MULTICAST, type SkBuff } from '../skb/sk-buff.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { IPPROTO_IGMP } from '../sock/constants.ts';
import { IP_DF, IPV4_HLEN_MIN, ipv4WriteHeaderWithOptions } from '../wire/ipv4.ts';
import { ipConfOf } from './conf.ts';
import { inetAddrs, type InDevice } from './devinet.ts';
import { RTN_MULTICAST } from './fib.ts';
import type { IpProtocol, Ipv4 } from './ipv4.ts';
import type { McMember } from './mcast.ts';
import { IPOPT_RA } from './options.ts';
import { ipLocalOut } from './output.ts';
import { Rtable } from './route.ts';

/** 224.0.0.22, where version 3 reports go; 224.0.0.2, where version 2 leaves go. */
const IGMPV3_ALL_MCR = 0xe0000016 | 0;
const INADDR_ALLRTRS = 0xe0000002 | 0;
/** RFC 3376 §8: what is reckoned with until a querier says otherwise; milliseconds. */
const QUERY_INTERVAL_MS = 125000;
const QUERY_RESPONSE_INTERVAL_MS = 10000;
/** Fields of the filter's kind, as in `ip/mcast.ts`. */
const EXCLUDE = 0;
const INCLUDE = 1;
/** Header with the router alert option. */
const IGMP_HLEN = IPV4_HLEN_MIN + 4;
/** Internetwork control (RFC 3376 §4). */
const IGMP_TOS = 0xc0;
/** Timers of Linux are two ticks late, so that none fires at once. */
const TIMER_SLACK_MS = 2;

/** A group on a device: who has joined it, what is heard, and what must still be told. */
export class McGroup {
  readonly inDev: InDevice;
  readonly group: number;
  readonly members: McMember[] = [];
  mode: number = INCLUDE;
  sources: number[] = [];
  /** How often a change of the mode must still be told, and each change of a source. */
  modeCount = 0;
  readonly pending: Map<number, { readonly allow: boolean; count: number }> = new Map();
  /** The answer to a query about this group. */
  readonly timer: Timer;
  /** Versions 1 and 2: we were the last to report it; and unsolicited reports to come. */
  reporter = false;
  unsolicited = 0;
  /** The sources that the query was about; null: all. */
  asked: number[] | null = null;

  constructor(inDev: InDevice, group: number) {
    const { net } = inDev.dev;
    this.inDev = inDev;
    this.group = group;
    this.timer = new Timer(net.sim, net.cpu, groupTimer, false, this);
  }
}

/** IGMP on a device. */
export class IgmpDev {
  readonly dev: NetDevice;
  /** Groups that were left, as long as that must still be told. */
  leaving: McGroup[] = [];
  /** Until when (host time, ns) an old querier is reckoned with. */
  v1Until = 0;
  v2Until = 0;
  qrv = 0;
  qiMs: number = QUERY_INTERVAL_MS;
  qriMs: number = QUERY_RESPONSE_INTERVAL_MS;
  /** The answer to a general query; changes to be told, and how often. */
  readonly generalTimer: Timer;
  readonly changeTimer: Timer;
  changeCount = 0;

  constructor(dev: NetDevice) {
    const { sim, cpu } = dev.net;
    this.dev = dev;
    this.generalTimer = new Timer(sim, cpu, generalTimer, false, dev);
    this.changeTimer = new Timer(sim, cpu, changeTimer, false, dev);
  }
}

function igmpOf(inDev: InDevice): IgmpDev {
  return (inDev.igmp ??= new IgmpDev(inDev.dev));
}

function robustness(ip: Ipv4, igmp: IgmpDev): number {
  return igmp.qrv !== 0 ? igmp.qrv : ip.sysctl.igmpQrv;
}

/** The version that this link speaks now. */
function version(ip: Ipv4, igmp: IgmpDev): number {
  const forced = ip.confAll.forceIgmpVersion !== 0 ? ip.confAll.forceIgmpVersion : ipConfOf(ip, igmp.dev).forceIgmpVersion;
  if (forced !== 0) return forced;
  const { now } = ip.net.cpu;
  if (now < igmp.v1Until) return 1;
  return now < igmp.v2Until ? 2 : 3;
}

function silent(ip: Ipv4, group: number): boolean {
  return group === INADDR_ALLHOSTS || (ipv4IsLocalMulticast(group) && ip.sysctl.igmpLinkLocalMcastReports === 0);
}

// ---- changes --------------------------------------------------------------------------------------------------------

/** The filter of `g` was `mode` and `sources`, and is another now (RFC 3376 §5.1). Without members it has been left. */
export function igmpGroupChanged(ip: Ipv4, g: McGroup, mode: number, sources: readonly number[]): void {
  const { inDev } = g;
  if (silent(ip, g.group) || !inDev.dev.up) return; // what is down tells its groups when it comes up
  const igmp = igmpOf(inDev);
  const left = g.members.length === 0;
  const fresh = !left && mode === INCLUDE && sources.length === 0 && !igmp.leaving.includes(g);
  if (left) g.timer.del();
  if (version(ip, igmp) < 3) {
    if (fresh) {
      g.unsolicited = robustness(ip, igmp);
      startTimer(ip, g, 1);
    } else if (left && version(ip, igmp) === 2 && g.reporter) {
      igmpXmit(ip, inDev.dev, INADDR_ALLRTRS, igmpMessage(IGMP_HOST_LEAVE_MESSAGE, 0, g.group));
    }
    return;
  }
  noteChange(g, mode, sources, robustness(ip, igmp));
  igmp.leaving = igmp.leaving.filter((other) => other.group !== g.group);
  if (left) igmp.leaving.push(g);
  if (g.modeCount === 0 && g.pending.size === 0) return;
  igmp.changeCount = robustness(ip, igmp);
  startChange(ip, igmp, 1);
}

/** What must be told, `count` times: the new mode, or the sources that came and went. */
function noteChange(g: McGroup, mode: number, sources: readonly number[], count: number): void {
  if (mode !== g.mode) {
    g.modeCount = count;
    g.pending.clear();
    return;
  }
  const gone = sources.filter((s) => !g.sources.includes(s));
  const come = g.sources.filter((s) => !sources.includes(s));
  for (const s of gone) g.pending.set(s, { allow: g.mode === EXCLUDE, count });
  for (const s of come) g.pending.set(s, { allow: g.mode === INCLUDE, count });
}

function startChange(ip: Ipv4, igmp: IgmpDev, maxMs: number): void {
  igmp.changeTimer.mod(ip.net.cpu.now + (ip.net.random.below(maxMs) + TIMER_SLACK_MS) * NS_PER_MS);
}

/** It is time to tell the changes. */
function changeTimer(dev: NetDevice): void {
  const ip = dev.net.inet as Ipv4;
  const inDev = dev.inDev as InDevice | null;
  const igmp = inDev?.igmp ?? null;
  if (inDev === null || igmp === null) return;
  const records: IgmpRecord[] = [];
  for (const g of [...igmp.leaving, ...inDev.groups.values()]) records.push(...changeRecords(g));
  igmp.leaving = igmp.leaving.filter((g) => g.modeCount > 0 || g.pending.size > 0);
  sendReport(ip, dev, records);
  if (--igmp.changeCount > 0) startChange(ip, igmp, ipConfOf(ip, igmp.dev).igmpv3UnsolicitedReportInterval);
}

function changeRecords(g: McGroup): IgmpRecord[] {
  const { group } = g;
  if (g.modeCount > 0) {
    g.modeCount--;
    countTold(g); // the mode goes with all sources
    return [{ type: g.mode === EXCLUDE ? IGMPV3_CHANGE_TO_EXCLUDE : IGMPV3_CHANGE_TO_INCLUDE, group, sources: g.sources }];
  }
  const told = [...g.pending.entries()];
  const list = (allow: boolean): number[] => told.filter(([, p]) => p.allow === allow).map(([s]) => s);
  const records = [
    { type: IGMPV3_ALLOW_NEW_SOURCES, group, sources: list(true) },
    { type: IGMPV3_BLOCK_OLD_SOURCES, group, sources: list(false) },
  ].filter((r) => r.sources.length > 0);
  countTold(g);
  return records;
}

/** Changes of sources have been told once more. */
function countTold(g: McGroup): void {
  for (const [s, p] of g.pending) if (--p.count === 0) g.pending.delete(s);
}

// ---- messages coming in ---------------------------------------------------------------------------------------------

/** IGMP as a protocol above IP. */
export class IgmpProtocol implements IpProtocol {
  readonly ip: Ipv4;

  constructor(ip: Ipv4) {
    this.ip = ip;
  }

  rcv(skb: SkBuff): void {
    igmpRcv(this.ip, skb);
  }

  err(_skb: SkBuff, _type: number, _code: number, _info: number): void {
    // Nobody waits for an answer to a report.
  }
}

/** A message came in. Takes the skb. */
function igmpRcv(ip: Ipv4, skb: SkBuff): void {
  const { net } = ip;
  const { len } = skb;
  if (len < IGMP_MINLEN || !mayPull(skb, Math.min(len, IGMPV3_QUERY_MINLEN))) return net.drop(skb, Drop.PktTooSmall);
  if (skbChecksum(skb, 0, len, 0) !== 0xffff) return net.drop(skb, Drop.IgmpCsum);
  const inDev = (skb.dev as NetDevice).inDev as InDevice | null;
  if (inDev !== null) {
    const type = get8(skb.buf, skb.data);
    const group = get32(skb.buf, skb.data + IGMP_GROUP);
    if (type === IGMP_HOST_MEMBERSHIP_QUERY) {
      if (!heardQuery(ip, inDev, skb, group)) return net.drop(skb, Drop.IgmpInvalid);
    } else if (type === IGMP_HOST_MEMBERSHIP_REPORT || type === IGMPV2_HOST_MEMBERSHIP_REPORT) {
      // Our own come round by lo; only what came by the link speaks of others.
      if (skb.pktType === PACKET_MULTICAST || skb.pktType === PACKET_BROADCAST) heardReport(inDev, group);
    }
  }
  consumeSkb(skb);
}

/** RFC 2236 §3: somebody else has reported the group; once is enough. */
function heardReport(inDev: InDevice, group: number): void {
  const g = inDev.groups.get(group);
  if (g === undefined) return;
  g.timer.del();
  g.reporter = false;
  g.unsolicited = 0;
}

/** A router asks. False when the query is malformed. */
function heardQuery(ip: Ipv4, inDev: InDevice, skb: SkBuff, group: number): boolean {
  const { buf, data, len } = skb;
  const code = get8(buf, data + 1);
  const igmp = igmpOf(inDev);
  if (group !== 0 && !ipv4IsMulticast(group)) return false;
  let maxMs = igmpv3Exp(code) * 100;
  let sources: number[] | null = null;
  if (len === IGMP_MINLEN) {
    if (code === 0) maxMs = QUERY_RESPONSE_INTERVAL_MS;
    oldQuerier(ip, igmp, code === 0 ? 1 : 2);
  } else {
    if (len < IGMPV3_QUERY_MINLEN) return false;
    const count = get16(buf, data + IGMPV3_NSRCS);
    if (IGMPV3_SRCS + 4 * count > len || !mayPull(skb, IGMPV3_SRCS + 4 * count)) return false;
    if (version(ip, igmp) === 1) {
      maxMs = QUERY_RESPONSE_INTERVAL_MS;
    } else if (version(ip, igmp) === 3) {
      learnQuerier(ip, igmp, skb, maxMs);
      if (group === 0) {
        if (count === 0) startGeneral(ip, igmp, Math.max(maxMs, 1));
        return true;
      }
      if (count > 0) sources = Array.from({ length: count }, (_, i) => get32(skb.buf, skb.data + IGMPV3_SRCS + 4 * i));
    }
  }
  for (const g of inDev.groups.values()) {
    if ((group !== 0 && g.group !== group) || silent(ip, g.group)) continue;
    // RFC 3376 §5.2: two questions about sources are answered together, one about all swallows them.
    const open = g.timer.pending ? g.asked : [];
    g.asked = sources === null || open === null ? null : [...new Set([...open, ...sources])];
    modTimer(ip, g, Math.max(maxMs, 1));
  }
  return true;
}

/** RFC 3376 §7.2.1: for so long the link speaks the old version, and what was to be told in the new one is not. */
function oldQuerier(ip: Ipv4, igmp: IgmpDev, old: number): void {
  const until = ip.net.cpu.now + (robustness(ip, igmp) * igmp.qiMs + igmp.qriMs) * NS_PER_MS;
  if (old === 1) igmp.v1Until = until;
  else igmp.v2Until = until;
  igmp.changeTimer.del();
  igmp.changeCount = 0;
  igmp.leaving = [];
}

function learnQuerier(ip: Ipv4, igmp: IgmpDev, skb: SkBuff, maxMs: number): void {
  const { buf, data } = skb;
  const qrv = get8(buf, data + IGMPV3_QRV) & 7;
  const qi = igmpv3Exp(get8(buf, data + IGMPV3_QQIC));
  igmp.qrv = qrv !== 0 ? qrv : ip.sysctl.igmpQrv;
  igmp.qiMs = qi !== 0 ? qi * 1000 : QUERY_INTERVAL_MS;
  igmp.qriMs = Math.max(maxMs, 1);
}

// ---- answers --------------------------------------------------------------------------------------------------------

function startGeneral(ip: Ipv4, igmp: IgmpDev, maxMs: number): void {
  const at = ip.net.cpu.now + (ip.net.random.below(maxMs) + TIMER_SLACK_MS) * NS_PER_MS;
  if (!igmp.generalTimer.pending || at < igmp.generalTimer.expires) igmp.generalTimer.mod(at);
}

/** The answer to a general query: every group as it is. */
function generalTimer(dev: NetDevice): void {
  const ip = dev.net.inet as Ipv4;
  const inDev = dev.inDev as InDevice | null;
  if (inDev === null) return;
  sendReport(ip, dev, [...inDev.groups.values()].filter((g) => !silent(ip, g.group)).flatMap((g) => currentRecords(g, null)));
}

function startTimer(ip: Ipv4, g: McGroup, maxMs: number): void {
  g.timer.mod(ip.net.cpu.now + (ip.net.random.below(maxMs) + TIMER_SLACK_MS) * NS_PER_MS);
}

/** An answer that is due earlier stays. */
function modTimer(ip: Ipv4, g: McGroup, maxMs: number): void {
  g.unsolicited = 0;
  if (g.timer.pending && g.timer.expires - ip.net.cpu.now < maxMs * NS_PER_MS) return;
  startTimer(ip, g, maxMs);
}

/** The answer to a query about one group, or an unsolicited report of an old version. */
function groupTimer(g: McGroup): void {
  const { dev } = g.inDev;
  const ip = dev.net.inet as Ipv4;
  const speaks = version(ip, igmpOf(g.inDev));
  if (speaks === 3) {
    sendReport(ip, dev, currentRecords(g, g.asked));
  } else {
    const type = speaks === 1 ? IGMP_HOST_MEMBERSHIP_REPORT : IGMPV2_HOST_MEMBERSHIP_REPORT;
    igmpXmit(ip, dev, g.group, igmpMessage(type, 0, g.group));
  }
  g.asked = null;
  g.reporter = true;
  if (g.unsolicited > 0 && --g.unsolicited > 0) startTimer(ip, g, ipConfOf(ip, dev).igmpv2UnsolicitedReportInterval);
}

/** RFC 3376 §5.2: the group's state, or what of the sources asked about is wanted. */
function currentRecords(g: McGroup, asked: readonly number[] | null): IgmpRecord[] {
  const { group, mode, sources } = g;
  if (asked === null) return [{ type: mode === EXCLUDE ? IGMPV3_MODE_IS_EXCLUDE : IGMPV3_MODE_IS_INCLUDE, group, sources }];
  const wanted = asked.filter((s) => sources.includes(s) === (mode === INCLUDE));
  return wanted.length === 0 ? [] : [{ type: IGMPV3_MODE_IS_INCLUDE, group, sources: wanted }];
}

// ---- messages going out ---------------------------------------------------------------------------------------------

/** Sends records, in as many reports as the MTU wants. */
function sendReport(ip: Ipv4, dev: NetDevice, records: readonly IgmpRecord[]): void {
  const room = dev.mtu - IGMP_HLEN - IGMP_MINLEN;
  let batch: IgmpRecord[] = [];
  let used = 0;
  for (const record of records) {
    const size = IGMPV3_GREC_LEN + 4 * record.sources.length;
    if (used + size > room && batch.length > 0) {
      igmpXmit(ip, dev, IGMPV3_ALL_MCR, igmpv3Report(batch));
      batch = [];
      used = 0;
    }
    batch.push(record);
    used += size;
  }
  if (batch.length > 0) igmpXmit(ip, dev, IGMPV3_ALL_MCR, igmpv3Report(batch));
}

/** Sends a message to the link: one hop, router alert (RFC 3376 §4). */
function igmpXmit(ip: Ipv4, dev: NetDevice, daddr: number, bytes: Uint8Array): void {
  if (!dev.up) return;
  const { pool } = ip.net;
  const skb = pool.alloc(MAX_HEADER);
  const page = pool.allocPage(bytes.length);
  page.bytes.set(bytes);
  page.fill = bytes.length;
  skb.addFrag(page, 0, bytes.length);
  pool.putPage(page);
  skb.truesize += bytes.length;
  skb.th = skb.data;
  const at = skb.push(IGMP_HLEN);
  skb.nh = at;
  skb.buf.set([IPOPT_RA, 4, 0, 0], at + IPV4_HLEN_MIN);
  const saddr = inetAddrs(dev)[0]?.addr ?? 0;
  ipv4WriteHeaderWithOptions(skb.buf, at, IGMP_HLEN, IGMP_TOS, skb.len, 0, IP_DF, 1, IPPROTO_IGMP, saddr, daddr);
  ipLocalOut(ip, new Rtable(ip, dev, RTN_MULTICAST, daddr, saddr, 0, saddr, dev.ifindex), skb);
}

// ---- devices come and go --------------------------------------------------------------------------------------------

/** The device is up again: what it is in is told anew (Linux: ip_mc_up). */
export function igmpDevUp(ip: Ipv4, inDev: InDevice): void {
  for (const g of inDev.groups.values()) igmpGroupChanged(ip, g, INCLUDE, []);
}

/** The device is down: nothing is told any more. */
export function igmpDevDown(inDev: InDevice): void {
  for (const g of inDev.groups.values()) {
    g.timer.del();
    g.modeCount = 0;
    g.pending.clear();
  }
  const { igmp } = inDev;
  if (igmp === null) return;
  igmp.generalTimer.del();
  igmp.changeTimer.del();
  igmp.changeCount = 0;
  igmp.leaving = [];
  igmp.v1Until = 0;
  igmp.v2Until = 0;
}
