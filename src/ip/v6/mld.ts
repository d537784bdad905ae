/**
 * Multicast listener discovery, the host's side (RFC 3810; RFC 2710 where a router speaks version 1; Linux: mcast.c).
 *
 *   from  ip/v6/mcast.ts         a device joined a group, left one
 *         ip/v6/icmp6-input.ts   a query, another host's report
 *   to    ip/v6/output.ts        reports, with hop limit 1 and the router alert option
 *
 * What is told is the device's filter: which sources of a group are heard, or are not, and what changes of that (RFC 3810 §6.1).
 */
import { get16, get8 } from '../../lib/bytes.ts';
import {
  in6Any, in6Equal, in6IsAny, in6IsLinklocalAt, in6LinklocalAllnodes, in6LinklocalAllrouters, in6Mldv2Routers, in6MulticastScope,
  IN6_ALEN, IN6_SCOPE_LINKLOCAL, in6ReadAt, in6WriteAt, type In6Addr,
} from '../../lib/addr6.ts';
import { NS_PER_MS, NS_PER_SEC } from '../../lib/units.ts';
import { Timer } from '../../time/timer.ts';
import { ICMPV6_MGM_REDUCTION, ICMPV6_MGM_REPORT, icmpv6WriteHeader } from '../../wire/icmpv6.ts';
import { IPV6_HLEN, IPV6_HOP_LIMIT, IPV6_SADDR } from '../../wire/ipv6.ts';
import {
  MLD2_ALLOW_NEW_SOURCES, MLD2_BLOCK_OLD_SOURCES, MLD2_CHANGE_TO_EXCLUDE, MLD2_CHANGE_TO_INCLUDE, MLD2_MODE_IS_EXCLUDE,
  MLD2_MODE_IS_INCLUDE, MLD2_NSRCS, mld2Qrv, MLD2_QUERY_LEN, MLD2_RECORD_LEN, MLD2_REPORT_LEN, mld2WriteRecord, mld2WriteReport,
  MLD_GROUP, mldMaxDelayMs, MLD_QUERY_LEN, MLD_REPORT_LEN,
} from '../../wire/mld.ts';
import { skbBytes } from '../../skb/copy.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../dev/net-device.ts';
import { ipv6GetLladdr } from './addrconf.ts';
import { in6DevOf, inet6DevMtu, type Inet6Dev } from './inet6-dev.ts';
import { IP6SKB_ROUTERALERT } from './input.ts';
import type { Ipv6 } from './ipv6.ts';
import { in6In, MCAST_EXCLUDE, MCAST_INCLUDE, type Ifmcaddr6 } from './mcast.ts';
import { ip6SendControl } from './output.ts';

/** Query interval of RFC 3810 §9.2, for how long version 1 is spoken after it was heard. */
const QUERY_INTERVAL_SEC = 125;
/** One jiffy: reports of changes wait so long, so that those of one moment go together. */
const JIFFY_NS = NS_PER_MS;

/** Is membership of the group anybody's business? Not of all nodes, nor of what stays inside the host (RFC 3810 §6). */
function reportable(group: Ifmcaddr6): boolean {
  return in6MulticastScope(group.addr) >= IN6_SCOPE_LINKLOCAL && !in6Equal(group.addr, in6LinklocalAllnodes);
}

function speaksV1(idev: Inet6Dev): boolean {
  const { forceMldVersion } = idev.conf;
  return forceMldVersion === 1 || (forceMldVersion !== 2 && idev.ip6.net.cpu.now < idev.mldV1Until);
}

// ---- changes --------------------------------------------------------------------------------------------------------

/** The device has joined the group: said at once, and again within a moment, for reports may be lost (RFC 3810 §6.1). */
export function mldGroupJoined(idev: Inet6Dev, group: Ifmcaddr6): void {
  if (!reportable(group) || (idev.dev.flags & IFF_LOOPBACK) !== 0) return;
  idev.mldGone = idev.mldGone.filter((g) => !in6Equal(g.addr, group.addr));
  if (speaksV1(idev)) {
    sendV1(idev, ICMPV6_MGM_REPORT, group.addr, group.addr);
    group.lastReporter = true;
    startGroupTimer(idev, group, idev.conf.mldv1UnsolicitedReportInterval);
    return;
  }
  noteChange(group, MCAST_INCLUDE, NO_SOURCES, idev.mldQrv);
  changed(idev);
}

/** The filter of a group that the device is in was `mode` and `sources`, and may be another now (RFC 3810 §6.1). */
export function mldFilterChanged(idev: Inet6Dev, group: Ifmcaddr6, mode: number, sources: readonly In6Addr[]): void {
  if (!reportable(group) || group.quiet || !group.active || (idev.dev.flags & IFF_LOOPBACK) !== 0 || speaksV1(idev)) return;
  noteChange(group, mode, sources, idev.mldQrv);
  if (group.modeCount > 0 || group.pending.length > 0) changed(idev);
}

/** What must be told, `count` times: the new mode, or the sources that came and went. */
function noteChange(g: Ifmcaddr6, mode: number, sources: readonly In6Addr[], count: number): void {
  if (mode !== g.mode) {
    g.modeCount = count;
    g.pending = [];
    return;
  }
  const note = (source: In6Addr, allow: boolean): void => {
    g.pending = [...g.pending.filter((p) => !in6Equal(p.source, source)), { source, allow, count }];
  };
  for (const s of sources) if (!in6In(g.sources, s)) note(s, g.mode === MCAST_EXCLUDE);
  for (const s of g.sources) if (!in6In(sources, s)) note(s, g.mode === MCAST_INCLUDE);
}

/** The device has left the group. */
export function mldGroupLeft(idev: Inet6Dev, group: Ifmcaddr6): void {
  group.timer?.del();
  if (!reportable(group) || group.quiet || !idev.dev.up || (idev.dev.flags & IFF_LOOPBACK) !== 0) return;
  if (speaksV1(idev)) {
    if (group.lastReporter) sendV1(idev, ICMPV6_MGM_REDUCTION, group.addr, in6LinklocalAllrouters);
    return;
  }
  idev.mldGone.push({ addr: group.addr, mode: group.mode, sources: group.sources, count: idev.mldQrv });
  changed(idev);
}

/** The device has an address now that can stand as the source of reports: all groups are said once more (RFC 3590 §4). */
export function mldStart(idev: Inet6Dev): void {
  for (const group of idev.groups) if (!group.quiet) mldGroupJoined(idev, group);
}

export function mldStop(idev: Inet6Dev): void {
  idev.mldChangeTimer?.del();
  idev.mldQueryTimer?.del();
  idev.mldGone.length = 0;
  for (const group of idev.groups) {
    group.modeCount = 0;
    group.pending = [];
    group.asked = null;
    group.timer?.del();
  }
}

function changed(idev: Inet6Dev): void {
  const { net } = idev.ip6;
  idev.mldChangeTimer ??= new Timer(net.sim, net.cpu, () => changeTimer(idev));
  idev.mldChangeTimer.mod(net.cpu.now + JIFFY_NS);
}

/** Says what has changed; again after a random part of a second, until it was said as often as robustness wants. */
function changeTimer(idev: Inet6Dev): void {
  const records: MldRecord[] = [];
  let more = false;
  for (const group of idev.groups) {
    records.push(...changeRecords(group));
    if (group.modeCount > 0 || group.pending.length > 0) more = true;
  }
  for (const left of idev.mldGone) {
    // RFC 3810 §6.1: of what was heard of some sources alone, these are given up.
    if (left.mode === MCAST_EXCLUDE) records.push({ type: MLD2_CHANGE_TO_INCLUDE, addr: left.addr, sources: NO_SOURCES });
    else records.push({ type: MLD2_BLOCK_OLD_SOURCES, addr: left.addr, sources: left.sources });
    if (--left.count > 0) more = true;
  }
  idev.mldGone = idev.mldGone.filter((left) => left.count > 0);
  sendV2(idev, records);
  if (!more) return;
  const { ip6 } = idev;
  const wait = 1 + ip6.random.below(Math.max(idev.conf.mldv2UnsolicitedReportInterval, 1));
  idev.mldChangeTimer!.mod(ip6.net.cpu.now + wait * NS_PER_MS);
}

function changeRecords(g: Ifmcaddr6): MldRecord[] {
  const { addr } = g;
  if (g.modeCount > 0) {
    g.modeCount--;
    countTold(g); // the mode goes with all sources
    return [{ type: g.mode === MCAST_EXCLUDE ? MLD2_CHANGE_TO_EXCLUDE : MLD2_CHANGE_TO_INCLUDE, addr, sources: g.sources }];
  }
  const list = (allow: boolean): In6Addr[] => g.pending.filter((p) => p.allow === allow).map((p) => p.source);
  const records = [
    { type: MLD2_ALLOW_NEW_SOURCES, addr, sources: list(true) }, { type: MLD2_BLOCK_OLD_SOURCES, addr, sources: list(false) },
  ].filter((r) => r.sources.length > 0);
  countTold(g);
  return records;
}

/** Changes of sources have been told once more. */
function countTold(g: Ifmcaddr6): void {
  for (const p of g.pending) p.count--;
  g.pending = g.pending.filter((p) => p.count > 0);
}

// ---- queries and others' reports ------------------------------------------------------------------------------------

/** A router asks. The skb stays the caller's. */
export function igmp6EventQuery(ip6: Ipv6, skb: SkBuff, dev: NetDevice): void {
  const idev = in6DevOf(dev);
  if (idev === null || (dev.flags & IFF_LOOPBACK) !== 0) return;
  const { buf, nh } = skb;
  // RFC 3810 §5.1.14: from a link-local address, hop limit 1, router alert; else somebody far away could make us speak.
  if (!in6IsLinklocalAt(buf, nh + IPV6_SADDR) || get8(buf, nh + IPV6_HOP_LIMIT) !== 1 || (skb.cb0 & IP6SKB_ROUTERALERT) === 0) return;
  const msg = skbBytes(skb);
  if (msg.length < MLD_QUERY_LEN || (msg.length > MLD_QUERY_LEN && msg.length < MLD2_QUERY_LEN)) return;
  const delay = mldMaxDelayMs(msg, 0, msg.length);
  if (msg.length === MLD_QUERY_LEN) {
    if (idev.conf.forceMldVersion === 2) return;
    idev.mldV1Until = ip6.net.cpu.now + idev.mldQrv * QUERY_INTERVAL_SEC * NS_PER_SEC + delay * NS_PER_MS;
    idev.mldChangeTimer?.del();
  } else if (mld2Qrv(msg, 0) !== 0) {
    idev.mldQrv = mld2Qrv(msg, 0);
  }
  const asked = in6ReadAt(msg, MLD_GROUP);
  if (in6IsAny(asked) && !speaksV1(idev)) {
    // All at once, in one report.
    idev.mldQueryTimer ??= new Timer(ip6.net.sim, ip6.net.cpu, () => queryTimer(idev));
    const at = ip6.net.cpu.now + ip6.random.below(Math.max(delay, 1)) * NS_PER_MS;
    if (!idev.mldQueryTimer.pending || idev.mldQueryTimer.expires > at) idev.mldQueryTimer.mod(at);
    return;
  }
  const sources = askedSources(msg);
  for (const group of idev.groups) {
    if (!reportable(group) || (!in6IsAny(asked) && !in6Equal(group.addr, asked))) continue;
    // RFC 3810 §6.2: two questions about sources are answered together, one about all swallows them.
    const open = group.timer?.pending === true ? group.asked : NO_SOURCES;
    group.asked = sources === null || open === null ? null : [...open, ...sources.filter((s) => !in6In(open, s))];
    startGroupTimer(idev, group, delay);
  }
}

/** The sources that a query of version 2 is about; null: all of the group. */
function askedSources(msg: Uint8Array): In6Addr[] | null {
  if (msg.length < MLD2_QUERY_LEN) return null;
  const count = Math.min(get16(msg, MLD2_NSRCS), Math.floor((msg.length - MLD2_QUERY_LEN) / IN6_ALEN));
  return count === 0 ? null : Array.from({ length: count }, (_, i) => in6ReadAt(msg, MLD2_QUERY_LEN + IN6_ALEN * i));
}

/** Another host of the link is in a group that we are about to report: once is enough (RFC 2710 §4). The skb stays the caller's. */
export function igmp6EventReport(skb: SkBuff, dev: NetDevice): void {
  const idev = in6DevOf(dev);
  if (idev === null || !in6IsLinklocalAt(skb.buf, skb.nh + IPV6_SADDR)) return;
  const msg = skbBytes(skb);
  if (msg.length < MLD_REPORT_LEN) return;
  const addr = in6ReadAt(msg, MLD_GROUP);
  const group = idev.groups.find((g) => in6Equal(g.addr, addr));
  if (group === undefined) return;
  group.timer?.del();
  group.lastReporter = false;
}

function startGroupTimer(idev: Inet6Dev, group: Ifmcaddr6, maxDelayMs: number): void {
  const { net, random } = idev.ip6;
  group.timer ??= new Timer(net.sim, net.cpu, () => groupTimer(idev, group));
  const at = net.cpu.now + random.below(Math.max(maxDelayMs, 1)) * NS_PER_MS;
  if (!group.timer.pending || group.timer.expires > at) group.timer.mod(at);
}

function groupTimer(idev: Inet6Dev, group: Ifmcaddr6): void {
  if (!group.active) return;
  if (speaksV1(idev)) {
    sendV1(idev, ICMPV6_MGM_REPORT, group.addr, group.addr);
    group.lastReporter = true;
  } else {
    sendV2(idev, currentRecords(group, group.asked));
  }
  group.asked = null;
}

function queryTimer(idev: Inet6Dev): void {
  sendV2(idev, idev.groups.filter(reportable).flatMap((group) => currentRecords(group, null)));
}

/** RFC 3810 §6.2: the group's state, or what of the sources asked about is wanted. */
function currentRecords({ addr, mode, sources }: Ifmcaddr6, asked: readonly In6Addr[] | null): MldRecord[] {
  if (asked === null) return [{ type: mode === MCAST_EXCLUDE ? MLD2_MODE_IS_EXCLUDE : MLD2_MODE_IS_INCLUDE, addr, sources }];
  const wanted = asked.filter((s) => in6In(sources, s) === (mode === MCAST_INCLUDE));
  return wanted.length === 0 ? [] : [{ type: MLD2_MODE_IS_INCLUDE, addr, sources: wanted }];
}

// ---- messages -------------------------------------------------------------------------------------------------------

interface MldRecord {
  readonly type: number;
  readonly addr: In6Addr;
  readonly sources: readonly In6Addr[];
}

/** Reports of version 2, as many as the records need at the device's MTU. */
function sendV2(idev: Inet6Dev, records: readonly MldRecord[]): void {
  const { dev, ip6 } = idev;
  const hopByHop = 8;
  const room = inet6DevMtu(dev) - IPV6_HLEN - hopByHop - MLD2_REPORT_LEN;
  let batch: MldRecord[] = [];
  let used = 0;
  const send = (): void => {
    const message = new Uint8Array(MLD2_REPORT_LEN + used);
    let at = mld2WriteReport(message, 0, batch.length);
    for (const r of batch) at += mld2WriteRecord(message, at, r.type, r.addr, r.sources);
    ip6SendControl(ip6, dev, ipv6GetLladdr(dev) ?? in6Any, in6Mldv2Routers, 1, message, true);
    batch = [];
    used = 0;
  };
  for (const record of records.flatMap((r) => inParts(r, Math.floor((room - MLD2_RECORD_LEN) / IN6_ALEN)))) {
    const size = MLD2_RECORD_LEN + IN6_ALEN * record.sources.length;
    if (used + size > room && batch.length > 0) send();
    batch.push(record);
    used += size;
  }
  if (batch.length > 0) send();
}

/** RFC 3810 §5.2.15: a record with more sources than fit becomes several; one that excludes them names as many as fit. */
function inParts(r: MldRecord, most: number): MldRecord[] {
  if (r.sources.length <= most) return [r];
  if (r.type === MLD2_MODE_IS_EXCLUDE || r.type === MLD2_CHANGE_TO_EXCLUDE) return [{ ...r, sources: r.sources.slice(0, most) }];
  const count = Math.ceil(r.sources.length / most);
  return Array.from({ length: count }, (_, i) => ({ ...r, sources: r.sources.slice(i * most, (i + 1) * most) }));
}

const NO_SOURCES: readonly In6Addr[] = [];

/** A report or a "done" of version 1. */
function sendV1(idev: Inet6Dev, type: number, group: In6Addr, daddr: In6Addr): void {
  const message = new Uint8Array(MLD_REPORT_LEN);
  icmpv6WriteHeader(message, 0, type, 0, 0);
  in6WriteAt(group, message, MLD_GROUP);
  ip6SendControl(idev.ip6, idev.dev, ipv6GetLladdr(idev.dev) ?? in6Any, daddr, 1, message, true);
}
