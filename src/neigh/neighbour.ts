/**
 * Who has that address: one neighbour, its states, and the packets that wait for it (RFC 4861 §7.3.2; Linux uses the
 * same machine for ARP, and so do we).
 *
 *   from  ip/output.ts     neighOutput, with an IP packet (ip/v6/output.ts likewise)
 *         neigh/arp.ts     neighUpdate, when somebody has told his hardware address (neigh/ndp-input.ts likewise)
 *   to    dev/xmit.ts      devQueueXmit, with a frame
 *         NeighOps         solicit (ask), errorReport (nobody answered)
 *
 *            send             answer                reachable time over
 *     NONE -------> INCOMPLETE -------> REACHABLE ----------------------> STALE
 *    FAILED <------- no answer              ^                              | send
 *       ^                                   | upper layer confirms         v
 *       +------------- PROBE <--------------+---------------------------- DELAY
 *          no answer          delay_first_probe_time over
 *
 * A neighbour that is CONNECTED (REACHABLE, PERMANENT, NOARP) costs a packet fourteen bytes and no question.
 */
import { assert } from '../lib/assert.ts';
import { etherAddrCopy, etherAddrEqual, formatIpv4, formatMac } from '../lib/addr.ts';
import { formatIpv6, type In6Addr } from '../lib/addr6.ts';
import { get16, get32, put16, put32 } from '../lib/bytes.ts';
import { NS_PER_MS } from '../lib/units.ts';
import { Timer } from '../time/timer.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';
import { Drop } from '../skb/drop-reason.ts';
import { SkBuffHead } from '../skb/queue.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { devQueueXmit } from '../dev/xmit.ts';
import type { NeighTable } from './table.ts';

/** States, Linux's numbers. */
export const NUD_NONE = 0x00;
export const NUD_INCOMPLETE = 0x01;
export const NUD_REACHABLE = 0x02;
export const NUD_STALE = 0x04;
export const NUD_DELAY = 0x08;
export const NUD_PROBE = 0x10;
export const NUD_FAILED = 0x20;
export const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;
/** Waiting for a timer. */
export const NUD_IN_TIMER: number = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE;
/** The hardware address is known. */
export const NUD_VALID: number = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
/** The hardware address is known to be good. */
export const NUD_CONNECTED: number = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE;

/** `neighUpdate`: a new address replaces a known one; the administrator says so. */
export const NEIGH_UPDATE_F_OVERRIDE = 1;
export const NEIGH_UPDATE_F_ADMIN = 2;
/** Another address than the known one only puts that in doubt (RFC 4861 §7.2.5, an advertisement without the override flag). */
export const NEIGH_UPDATE_F_WEAK_OVERRIDE = 4;
/** The news also say whether it is a router, and whether it is one. */
export const NEIGH_UPDATE_F_OVERRIDE_ISROUTER = 8;
export const NEIGH_UPDATE_F_ISROUTER = 16;

export class Neighbour {
  readonly table: NeighTable;
  readonly dev: NetDevice;
  /** IPv4 address, int32; of an IPv6 neighbour the hash of its address, by which the table finds it. */
  readonly addr: number;
  /** IPv6 address; null for IPv4. */
  readonly addr6: In6Addr | null;
  /** Another neighbour of the same `addr` in the table (IPv6 alone: two addresses with one hash). */
  next: Neighbour | null = null;
  /** It has said that it is a router (NTF_ROUTER). */
  isRouter = false;
  state: number = NUD_NONE;
  /** Removed from the table: whoever still holds it looks it up again. */
  dead = false;
  readonly ha: Uint8Array = new Uint8Array(6);
  /** The link header of every packet that goes there, without its type: bytes 0, 4 and 8 on. Valid when the state is. */
  hh0 = 0;
  hh4 = 0;
  hh8 = 0;
  /** Host times, ns: last proof of reachability, last use by a packet off the fast path, last change. */
  confirmed: number;
  used: number;
  updated: number;
  /** Questions asked in this round. */
  probes = 0;
  /** Packets that wait for the answer, and their bytes (truesize). */
  readonly queue: SkBuffHead = new SkBuffHead();
  queueBytes = 0;
  /** Asking keeps a world alive; ageing does not. */
  private retryTimer: Timer | null = null;
  private ageTimer: Timer | null = null;

  constructor(table: NeighTable, dev: NetDevice, addr: number, addr6: In6Addr | null) {
    this.table = table;
    this.dev = dev;
    this.addr = addr;
    this.addr6 = addr6;
    const { now } = dev.net.cpu;
    this.updated = now;
    this.used = now;
    // As if long ago: the first confirmation is a real one.
    this.confirmed = now - table.parms.baseReachableTimeMs * NS_PER_MS * 2;
  }

  /** Arms the timer that the present state waits for. */
  arm(at: number): void {
    const { sim, cpu } = this.dev.net;
    if ((this.state & (NUD_INCOMPLETE | NUD_PROBE)) !== 0) {
      this.ageTimer?.del();
      this.retryTimer ??= new Timer(sim, cpu, neighTimer, false, this);
      this.retryTimer.mod(at);
    } else {
      this.retryTimer?.del();
      this.ageTimer ??= new Timer(sim, cpu, neighTimer, true, this);
      this.ageTimer.mod(at);
    }
  }

  disarm(): void {
    this.retryTimer?.del();
    this.ageTimer?.del();
  }
}

// ---- output ---------------------------------------------------------------------------------------------------------

/**
 * Sends a packet to its next hop: writes the link header, or keeps the packet until the address is known.
 * Takes the skb. What devQueueXmit says, or 0 when the packet waits.
 */
export function neighOutput(neigh: Neighbour, skb: SkBuff): number {
  if ((neigh.state & NUD_CONNECTED) === 0 && !neighEventSend(neigh, skb)) return 0;
  if (skb.trace !== 0) neigh.dev.net.trace(skb, 'neighOutput', `${nextHop(neigh)} is at ${formatMac(neigh.ha)}`);
  const at = skb.push(ETH_HLEN);
  const { buf } = skb;
  // The header as numbers: fourteen stores and no load.
  put32(buf, at, neigh.hh0);
  put32(buf, at + 4, neigh.hh4);
  put32(buf, at + 8, neigh.hh8);
  put16(buf, at + 12, neigh.table.etherType);
  skb.mac = at;
  skb.dev = neigh.dev;
  return devQueueXmit(skb);
}

/** Its address, as a trace prints it. */
function nextHop(neigh: Neighbour): string {
  return neigh.addr6 === null ? formatIpv4(neigh.addr) : formatIpv6(neigh.addr6);
}

/**
 * A packet wants to go to a neighbour that is not connected: moves the machine. False when the packet was kept (or
 * dropped): it is the neighbour's then. Without a packet (`null`), only starts the question.
 */
export function neighEventSend(neigh: Neighbour, skb: SkBuff | null): boolean {
  const { now } = neigh.dev.net.cpu;
  const { parms } = neigh.table;
  neigh.used = now;
  if (neigh.dead) {
    if (skb !== null) neigh.dev.net.drop(skb, Drop.NeighDead);
    return false;
  }
  if ((neigh.state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) !== 0) return true;
  if (neigh.state === NUD_STALE) {
    neigh.state = NUD_DELAY;
    neigh.updated = now;
    neigh.arm(now + parms.delayFirstProbeTimeMs * NS_PER_MS);
    return true;
  }
  const first = neigh.state !== NUD_INCOMPLETE;
  if (first) {
    if (parms.mcastSolicit === 0) {
      neigh.state = NUD_FAILED;
      neigh.updated = now;
      if (skb !== null) neigh.dev.net.drop(skb, Drop.NeighFailed);
      return false;
    }
    // The unicast questions count as asked: there is no address to ask.
    neigh.probes = parms.ucastSolicit;
    neigh.state = NUD_INCOMPLETE;
    neigh.updated = now;
    neigh.arm(now + parms.retransTimeMs * NS_PER_MS);
  }
  if (skb !== null) neighEnqueue(neigh, skb);
  if (first) neighProbe(neigh);
  return false;
}

/** Keeps a packet until the answer comes; the oldest ones make room. */
function neighEnqueue(neigh: Neighbour, skb: SkBuff): void {
  const limit = neigh.table.parms.unresQlenBytes;
  while (neigh.queueBytes + skb.truesize > limit) {
    const oldest = neigh.queue.popHead();
    if (oldest === null) break;
    neigh.queueBytes -= oldest.truesize;
    neigh.table.unresDiscards++;
    neigh.dev.net.drop(oldest, Drop.NeighQueueFull);
  }
  if (skb.trace !== 0) neigh.dev.net.trace(skb, 'neighEventSend', `who has ${nextHop(neigh)}? ${String(neigh.queue.qlen)} waiting`);
  neigh.queue.pushTail(skb);
  neigh.queueBytes += skb.truesize;
}

function neighProbe(neigh: Neighbour): void {
  neigh.table.ops.solicit(neigh, neigh.queue.head);
  neigh.probes++;
}

// ---- time -----------------------------------------------------------------------------------------------------------

/** The time that the present state gives has passed. */
function neighTimer(owner: object | null): void {
  const neigh = owner as Neighbour;
  if (neigh.dead) return;
  const { now } = neigh.dev.net.cpu;
  const { parms } = neigh.table;
  const delay = parms.delayFirstProbeTimeMs * NS_PER_MS;
  const reachable = neigh.table.reachableTime();
  const retrans = parms.retransTimeMs * NS_PER_MS;
  let next = now + retrans;
  if (neigh.state === NUD_REACHABLE) {
    if (now < neigh.confirmed + reachable) {
      next = neigh.confirmed + reachable;
    } else if (now <= neigh.used + delay) {
      neigh.state = NUD_DELAY;
      neigh.updated = now;
      next = now + delay;
    } else {
      neigh.state = NUD_STALE;
      neigh.updated = now;
    }
  } else if (neigh.state === NUD_DELAY) {
    neigh.updated = now;
    if (now <= neigh.confirmed + delay) {
      neigh.state = NUD_REACHABLE;
      next = neigh.confirmed + reachable;
    } else {
      neigh.state = NUD_PROBE;
      neigh.probes = 0;
    }
  }
  if ((neigh.state & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 && neigh.probes >= maxProbes(neigh)) {
    neigh.state = NUD_FAILED;
    neigh.updated = now;
    neighInvalidate(neigh);
    return;
  }
  if ((neigh.state & NUD_IN_TIMER) !== 0) neigh.arm(Math.max(next, now));
  if ((neigh.state & (NUD_INCOMPLETE | NUD_PROBE)) !== 0) neighProbe(neigh);
}

/** In PROBE all questions are unicast (mcast_resolicit is 0 by default); in INCOMPLETE these were skipped. */
function maxProbes(neigh: Neighbour): number {
  const { parms } = neigh.table;
  return parms.ucastSolicit + (neigh.state === NUD_PROBE ? parms.mcastResolicit : parms.mcastSolicit);
}

/** Nobody answered: each waiting packet's sender is told. */
function neighInvalidate(neigh: Neighbour): void {
  neigh.table.resFailed++;
  // A report may lead to new packets to this neighbour, which starts over: stop then (they wait for the new answer).
  while (neigh.state === NUD_FAILED) {
    const skb = neigh.queue.popHead();
    if (skb === null) break;
    neigh.queueBytes -= skb.truesize;
    neigh.table.ops.errorReport(neigh, skb);
  }
}

/** Drops what waits; the neighbour is leaving the table. */
export function neighPurge(neigh: Neighbour, reason: Drop): void {
  for (let skb = neigh.queue.popHead(); skb !== null; skb = neigh.queue.popHead()) neigh.dev.net.drop(skb, reason);
  neigh.queueBytes = 0;
}

// ---- news -----------------------------------------------------------------------------------------------------------

/**
 * Somebody says something about the neighbour: a hardware address `ha` at `haOff` (null: the known one) and a new state.
 * Packets that waited for it leave. False when the news were not accepted (Linux: -EPERM, -EINVAL).
 */
export function neighUpdate(neigh: Neighbour, ha: Uint8Array | null, haOff: number, state: number, flags: number): boolean {
  const old = neigh.state;
  if (neigh.dead) return false;
  if ((flags & NEIGH_UPDATE_F_ADMIN) === 0 && (old & (NUD_NOARP | NUD_PERMANENT)) !== 0) return false;
  if ((state & NUD_VALID) === 0) return setInvalid(neigh, state);
  if (ha === null && (old & NUD_VALID) === 0) return false;
  const { now } = neigh.dev.net.cpu;
  const same = ha === null || ((old & NUD_VALID) !== 0 && etherAddrEqual(ha, haOff, neigh.ha, 0));
  if ((state & NUD_CONNECTED) !== 0) neigh.confirmed = now;
  let next = state;
  let routerNews = (flags & NEIGH_UPDATE_F_OVERRIDE_ISROUTER) !== 0;
  let address = ha;
  if ((old & NUD_VALID) !== 0) {
    if (!same && (flags & NEIGH_UPDATE_F_OVERRIDE) === 0) {
      // RFC 4861 §7.2.5: what is known stays; it is only doubted, and only by a clear contradiction.
      if ((flags & NEIGH_UPDATE_F_WEAK_OVERRIDE) === 0 || (old & NUD_CONNECTED) === 0) return true;
      routerNews = false;
      address = null;
      next = NUD_STALE;
    }
    // Hearsay about what we know already is no news.
    if (same && state === NUD_STALE && (flags & NEIGH_UPDATE_F_ADMIN) === 0) next = old;
  }
  const changed = address !== null && !same;
  if (next !== old || changed) neigh.updated = now;
  if (next !== old) setState(neigh, next, now);
  if (changed) {
    etherAddrCopy(neigh.ha, 0, address!, haOff);
    neighWriteHh(neigh);
    if ((next & NUD_CONNECTED) === 0) neigh.confirmed = now - 2 * neigh.table.parms.baseReachableTimeMs * NS_PER_MS;
  }
  if (routerNews) neigh.isRouter = (flags & NEIGH_UPDATE_F_ISROUTER) !== 0;
  if ((old & NUD_VALID) === 0) sendWaiting(neigh);
  return true;
}

function setInvalid(neigh: Neighbour, state: number): boolean {
  const old = neigh.state;
  neigh.disarm();
  neigh.state = state;
  if ((old & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 && state === NUD_FAILED) neighInvalidate(neigh);
  return true;
}

function setState(neigh: Neighbour, state: number, now: number): void {
  neigh.disarm();
  neigh.state = state;
  if (state === NUD_PROBE) neigh.probes = 0;
  if ((state & NUD_IN_TIMER) !== 0) neigh.arm(now + (state === NUD_REACHABLE ? neigh.table.reachableTime() : 0));
}

/** The answer is there: what waited goes out in its order. */
function sendWaiting(neigh: Neighbour): void {
  while ((neigh.state & NUD_VALID) !== 0) {
    const skb = neigh.queue.popHead();
    if (skb === null) break;
    neigh.queueBytes -= skb.truesize;
    neighOutput(neigh, skb);
  }
  assert(neigh.queue.qlen > 0 || neigh.queueBytes === 0, 'an empty neighbour queue holds no bytes');
}

/** Rebuilds the cached link header. */
export function neighWriteHh(neigh: Neighbour): void {
  const { ha } = neigh;
  const own = neigh.dev.addr;
  neigh.hh0 = get32(ha, 0);
  neigh.hh4 = (get16(ha, 4) << 16) | get16(own, 0);
  neigh.hh8 = get32(own, 2);
}
