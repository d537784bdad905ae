/**
 * Router advertisements of a router (RFC 4861 §6.2): what radvd(8) does on Linux, told by options of the host's interface.
 *
 *   from  world/host.ts             routerAdvSet: what to advertise
 *         ip/v6/addrconf.ts         the device can speak, or no longer
 *         neigh/ndp-input.ts        somebody asks (routerAdvSolicited)
 *   to    ip/v6/output.ts           advertisements, to all nodes of the link
 *
 * A router advertises while its device forwards. It neither keeps a world running nor awake: between advertisements there is a
 * timer, which is housekeeping.
 */
import { in6IsAny, in6IsLinklocal, in6LinklocalAllnodes, in6Prefix, type In6Addr } from '../../lib/addr6.ts';
import { NS_PER_MS, NS_PER_SEC } from '../../lib/units.ts';
import { Timer } from '../../time/timer.ts';
import {
  ND_INFINITY, ND_OPT_SOURCE_LL_ADDR, ND_PREFIX_AUTO, ND_PREFIX_ONLINK, NDP_RA_LEN, NDP_RA_MANAGED, NDP_RA_OTHER, ndWriteLladdr,
  ndWriteMtu, ndWritePrefix, ndWriteRa, ND_OPT_LLADDR_LEN, ND_OPT_MTU_LEN, ND_OPT_PREFIX_LEN,
} from '../../wire/ndp.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { ipv6GetLladdr } from './addrconf.ts';
import { in6DevOf, type Inet6Dev } from './inet6-dev.ts';
import { ip6SendControl } from './output.ts';

/** A prefix that is advertised. Lifetimes in seconds; Infinity = for ever. */
export interface AdvPrefix {
  readonly prefix: In6Addr;
  readonly prefixLen: number;
  readonly validLft: number;
  readonly preferredLft: number;
  readonly onLink: boolean;
  readonly autonomous: boolean;
}

/** What a device's advertisements say. */
export interface AdvConfig {
  /** Seconds between advertisements that nobody asked for: at random between the two (RFC 4861 §6.2.1). */
  readonly minIntervalSec: number;
  readonly maxIntervalSec: number;
  /** Seconds that hosts may take us for a default router; 0 = they may not. */
  readonly lifetimeSec: number;
  readonly preference: number;
  readonly managed: boolean;
  readonly other: boolean;
  readonly hopLimit: number;
  /** Milliseconds; 0 = not said. */
  readonly reachableMs: number;
  readonly retransMs: number;
  /** 0 = not said. */
  readonly mtu: number;
  /** Null: the networks of the device's addresses, for ever on link, 30 days valid and 7 preferred. */
  readonly prefixes: readonly AdvPrefix[] | null;
}

/** Defaults of RFC 4861 §6.2.1. */
export const ADV_DEFAULTS: AdvConfig = {
  minIntervalSec: 200,
  maxIntervalSec: 600,
  lifetimeSec: 1800,
  preference: 0,
  managed: false,
  other: false,
  hopLimit: 64,
  reachableMs: 0,
  retransMs: 0,
  mtu: 0,
  prefixes: null,
};

/** AdvValidLifetime and AdvPreferredLifetime. */
export const ADV_VALID_LIFETIME_SEC = 2592000;
export const ADV_PREFERRED_LIFETIME_SEC = 604800;
/** The first advertisements come faster (MAX_INITIAL_RTR_ADVERTISEMENTS, MAX_INITIAL_RTR_ADVERT_INTERVAL). */
const INITIAL_ADVERTISEMENTS = 3;
const INITIAL_INTERVAL_SEC = 16;
/** Answers to solicitations wait up to so long, and multicast ones keep this distance (MAX_RA_DELAY_TIME, MIN_DELAY_BETWEEN_RAS). */
const MAX_DELAY_MS = 500;
const MIN_DELAY_NS: number = 3 * NS_PER_SEC;

/** The state of a device that advertises. */
export class RouterAdv {
  readonly idev: Inet6Dev;
  config: AdvConfig;
  sent = 0;
  lastNs: number = -Infinity;
  readonly timer: Timer;
  /** An answer to a solicitation keeps a world running for the half second that it waits. */
  readonly answer: Timer;

  constructor(idev: Inet6Dev, config: AdvConfig) {
    const { net } = idev.ip6;
    this.idev = idev;
    this.config = config;
    this.timer = new Timer(net.sim, net.cpu, () => unsolicited(this), true);
    this.answer = new Timer(net.sim, net.cpu, () => advertise(this, this.config.lifetimeSec));
  }
}

/** Begins to advertise on a device; null: ends it, and says so (§6.2.5: with lifetime 0). */
export function routerAdvSet(idev: Inet6Dev, config: AdvConfig | null): void {
  const old = idev.routerAdv;
  if (config === null) {
    if (old !== null && old.timer.pending) advertise(old, 0);
    routerAdvStop(idev);
    idev.routerAdv = null;
    return;
  }
  if (old === null) idev.routerAdv = new RouterAdv(idev, config);
  else old.config = config;
  routerAdvStart(idev);
}

/** The device can speak: advertisements begin, when it is to have any. */
export function routerAdvStart(idev: Inet6Dev): void {
  const adv = idev.routerAdv;
  if (adv === null || !idev.ready || ipv6GetLladdr(idev.dev) === null) return;
  adv.sent = 0;
  adv.timer.mod(idev.ip6.net.cpu.now + idev.ip6.random.below(MAX_DELAY_MS) * NS_PER_MS);
}

/** The device cannot. */
export function routerAdvStop(idev: Inet6Dev): void {
  idev.routerAdv?.timer.del();
  idev.routerAdv?.answer.del();
}

/** Somebody asks for routers: answered to all, after a random moment (§6.2.6). */
export function routerAdvSolicited(dev: NetDevice, _from: In6Addr): void {
  const adv = in6DevOf(dev)?.routerAdv ?? null;
  if (adv === null || !adv.timer.pending || adv.answer.pending) return;
  const { net, random } = adv.idev.ip6;
  const wait = random.below(MAX_DELAY_MS) * NS_PER_MS;
  adv.answer.mod(Math.max(net.cpu.now + wait, adv.lastNs + MIN_DELAY_NS));
}

function unsolicited(adv: RouterAdv): void {
  const { net, random } = adv.idev.ip6;
  if (net.cpu.now >= adv.lastNs + MIN_DELAY_NS) advertise(adv, adv.config.lifetimeSec);
  adv.sent++;
  const { minIntervalSec, maxIntervalSec } = adv.config;
  let waitMs = minIntervalSec * 1000 + random.below((maxIntervalSec - minIntervalSec) * 1000 + 1);
  if (adv.sent < INITIAL_ADVERTISEMENTS) waitMs = Math.min(waitMs, INITIAL_INTERVAL_SEC * 1000);
  adv.timer.mod(net.cpu.now + waitMs * NS_PER_MS);
}

function advertise(adv: RouterAdv, lifetimeSec: number): void {
  const { idev, config } = adv;
  const { dev, ip6, conf } = idev;
  const saddr = ipv6GetLladdr(dev);
  if (conf.forwarding === 0 || saddr === null || in6IsAny(saddr) || !idev.ready) return;
  adv.lastNs = ip6.net.cpu.now;
  const prefixes = config.prefixes ?? ownPrefixes(idev);
  const message = new Uint8Array(NDP_RA_LEN + ND_OPT_LLADDR_LEN + ND_OPT_MTU_LEN + ND_OPT_PREFIX_LEN * prefixes.length);
  const flags = (config.managed ? NDP_RA_MANAGED : 0) | (config.other ? NDP_RA_OTHER : 0);
  let at = ndWriteRa(message, 0, config.hopLimit, flags, config.preference, lifetimeSec, config.reachableMs, config.retransMs);
  at += ndWriteLladdr(message, at, ND_OPT_SOURCE_LL_ADDR, dev.addr, 0);
  if (config.mtu !== 0) at += ndWriteMtu(message, at, config.mtu);
  for (const p of prefixes) {
    const bits = (p.onLink ? ND_PREFIX_ONLINK : 0) | (p.autonomous ? ND_PREFIX_AUTO : 0);
    at += ndWritePrefix(message, at, p.prefix, p.prefixLen, bits, lifetime(p.validLft), lifetime(p.preferredLft));
  }
  ip6SendControl(ip6, dev, saddr, in6LinklocalAllnodes, 255, message.subarray(0, at), false);
}

function lifetime(sec: number): number {
  return sec >= ND_INFINITY ? ND_INFINITY : sec;
}

/** The networks of the device, as they are said when nobody says otherwise. */
function ownPrefixes(idev: Inet6Dev): AdvPrefix[] {
  const found: AdvPrefix[] = [];
  for (const { addr, prefixLen } of idev.addrs) {
    if (in6IsLinklocal(addr)) continue;
    const prefix = in6Prefix(addr, prefixLen);
    found.push({
      prefix, prefixLen, validLft: ADV_VALID_LIFETIME_SEC, preferredLft: ADV_PREFERRED_LIFETIME_SEC, onLink: true,
      autonomous: prefixLen === 64,
    });
  }
  return found;
}
