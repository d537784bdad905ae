/**
 * Multicast listener discovery, the host's side (RFC 3810; RFC 2710 where a router speaks version 1; Linux: mcast.c).
 *
 *   from  ip/v6/mcast.ts         a device joined a group, left one
 *         ip/v6/icmp6-input.ts   a query, another host's report
 *   to    ip/v6/output.ts        reports, with hop limit 1 and the router alert option
 *
 * Groups are joined with any source: source lists are neither kept nor reported.
 */
import { get8 } from '../../lib/bytes.ts';
import {
  in6Any, in6Equal, in6IsAny, in6IsLinklocalAt, in6LinklocalAllnodes, in6LinklocalAllrouters, in6Mldv2Routers, in6MulticastScope,
  IN6_SCOPE_LINKLOCAL, in6ReadAt, in6WriteAt, type In6Addr,
} from '../../lib/addr6.ts';
import { NS_PER_MS, NS_PER_SEC } from '../../lib/units.ts';
import { Timer } from '../../time/timer.ts';
import { ICMPV6_MGM_REDUCTION, ICMPV6_MGM_REPORT, icmpv6WriteHeader } from '../../wire/icmpv6.ts';
import { IPV6_HLEN, IPV6_HOP_LIMIT, IPV6_SADDR } from '../../wire/ipv6.ts';
import {
  MLD2_CHANGE_TO_EXCLUDE, MLD2_CHANGE_TO_INCLUDE, MLD2_MODE_IS_EXCLUDE, mld2Qrv, MLD2_QUERY_LEN, MLD2_RECORD_LEN, MLD2_REPORT_LEN,
  mld2WriteRecord, mld2WriteReport, MLD_GROUP, mldMaxDelayMs, MLD_QUERY_LEN, MLD_REPORT_LEN,
} from '../../wire/mld.ts';
import { skbBytes } from '../../skb/copy.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../dev/net-device.ts';
import { ipv6GetLladdr } from './addrconf.ts';
import { in6DevOf, inet6DevMtu, type Inet6Dev } from './inet6-dev.ts';
import { IP6SKB_ROUTERALERT } from './input.ts';
import type { Ipv6 } from './ipv6.ts';
import type { Ifmcaddr6 } from './mcast.ts';
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
  group.changeCount = idev.mldQrv;
  changed(idev);
}

/** The device has left the group. */
export function mldGroupLeft(idev: Inet6Dev, group: Ifmcaddr6): void {
  group.timer?.del();
  if (!reportable(group) || group.quiet || !idev.dev.up || (idev.dev.flags & IFF_LOOPBACK) !== 0) return;
  if (speaksV1(idev)) {
    if (group.lastReporter) sendV1(idev, ICMPV6_MGM_REDUCTION, group.addr, in6LinklocalAllrouters);
    return;
  }
  idev.mldGone.push({ addr: group.addr, count: idev.mldQrv });
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
    group.changeCount = 0;
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
    if (group.changeCount === 0) continue;
    records.push({ type: MLD2_CHANGE_TO_EXCLUDE, addr: group.addr });
    if (--group.changeCount > 0) more = true;
  }
  for (const left of idev.mldGone) {
    records.push({ type: MLD2_CHANGE_TO_INCLUDE, addr: left.addr });
    if (--left.count > 0) more = true;
  }
  idev.mldGone = idev.mldGone.filter((left) => left.count > 0);
  sendV2(idev, records);
  if (!more) return;
  const { ip6 } = idev;
  const wait = 1 + ip6.random.below(Math.max(idev.conf.mldv2UnsolicitedReportInterval, 1));
  idev.mldChangeTimer!.mod(ip6.net.cpu.now + wait * NS_PER_MS);
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
  for (const group of idev.groups) {
    if (reportable(group) && (in6IsAny(asked) || in6Equal(group.addr, asked))) startGroupTimer(idev, group, delay);
  }
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
    sendV2(idev, [{ type: MLD2_MODE_IS_EXCLUDE, addr: group.addr }]);
  }
}

function queryTimer(idev: Inet6Dev): void {
  sendV2(idev, idev.groups.filter(reportable).map((group) => ({ type: MLD2_MODE_IS_EXCLUDE, addr: group.addr })));
}

// ---- messages -------------------------------------------------------------------------------------------------------

interface MldRecord {
  readonly type: number;
  readonly addr: In6Addr;
}

/** Reports of version 2, as many as the records need at the device's MTU. */
function sendV2(idev: Inet6Dev, records: readonly MldRecord[]): void {
  const { dev, ip6 } = idev;
  const hopByHop = 8;
  const room = Math.floor((inet6DevMtu(dev) - IPV6_HLEN - hopByHop - MLD2_REPORT_LEN) / MLD2_RECORD_LEN);
  for (let first = 0; first < records.length; first += room) {
    const part = records.slice(first, first + room);
    const message = new Uint8Array(MLD2_REPORT_LEN + MLD2_RECORD_LEN * part.length);
    let at = mld2WriteReport(message, 0, part.length);
    for (const r of part) at += mld2WriteRecord(message, at, r.type, r.addr, NO_SOURCES);
    ip6SendControl(ip6, dev, ipv6GetLladdr(dev) ?? in6Any, in6Mldv2Routers, 1, message, true);
  }
}

const NO_SOURCES: readonly In6Addr[] = [];

/** A report or a "done" of version 1. */
function sendV1(idev: Inet6Dev, type: number, group: In6Addr, daddr: In6Addr): void {
  const message = new Uint8Array(MLD_REPORT_LEN);
  icmpv6WriteHeader(message, 0, type, 0, 0);
  in6WriteAt(group, message, MLD_GROUP);
  ip6SendControl(idev.ip6, idev.dev, ipv6GetLladdr(idev.dev) ?? in6Any, daddr, 1, message, true);
}
