/**
 * Neighbour discovery (RFC 4861) on the neighbour machine: asks, answers, announces. What comes in is in ndp-input.ts.
 *
 *   from  neigh/neighbour.ts   solicit, errorReport
 *         ip/v6/addrconf.ts    probes of duplicate address detection, announcements
 *         ip/v6/icmp6-input.ts ndiscRcv (ndp-input.ts), with an ICMPv6 message of types 133 to 137
 *   to    NdiscHost.send       the ICMPv6 message, to be put into a packet with hop limit 255
 *         neigh/neighbour.ts   neighUpdate
 *
 * It knows no addresses of its own host: it asks the IP room, through NdiscHost.
 */
import { etherAddrCopy } from '../lib/addr.ts';
import {
  in6IsAny, in6IsMulticast, in6LinklocalAllnodes, in6LinklocalAllrouters, in6SolicitedNode, type In6Addr,
} from '../lib/addr6.ts';
import type { Random } from '../lib/random.ts';
import { ETH_P_IPV6 } from '../wire/ethernet.ts';
import { NDP_NA_OVERRIDE, NDP_NA_ROUTER, ndWriteNa, ndWriteNs, ndWriteRs, type NdOptions } from '../wire/ndp.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Net } from '../dev/net.ts';
import { IFF_LOOPBACK, IFF_NOARP, type NetDevice } from '../dev/net-device.ts';
import { type Neighbour, neighWriteHh, NUD_NOARP, NUD_VALID } from './neighbour.ts';
import { type NeighOps, NeighTable } from './table.ts';

/** What an address is to the host that is asked about it. */
export const ND_ADDR_NONE = 0;
export const ND_ADDR_OWN = 1;
/** Being tried out: it is nobody's yet. */
export const ND_ADDR_TENTATIVE = 2;

/** What neighbour discovery asks the IP room about, and tells it. */
export interface NdiscHost {
  /** ND_ADDR_*: is the address at `off` one of the device's? */
  ownAddr(dev: NetDevice, buf: Uint8Array, off: number): number;
  /** Is the device one of a router's? */
  isRouter(dev: NetDevice): boolean;
  /** The address to ask from; `skb` is the packet that waits. Null: none that may be used. */
  askFrom(dev: NetDevice, skb: SkBuff | null): In6Addr | null;
  /** Sends an ICMPv6 message (checksum 0) with hop limit 255. */
  send(dev: NetDevice, saddr: In6Addr, daddr: In6Addr, message: Uint8Array): void;
  /** A probe for an address of ours that is being tried out, or an answer about one: somebody has it. `nonce` at that offset, or -1. */
  conflict(dev: NetDevice, target: In6Addr, buf: Uint8Array, nonce: number): void;
  /** Somebody asks for routers. */
  routerSolicited(dev: NetDevice, from: In6Addr): void;
  /** A router speaks: the message is `[off, end)`, its options are in order. */
  routerAdvertised(dev: NetDevice, router: In6Addr, buf: Uint8Array, off: number, end: number, options: NdOptions): void;
  /** `router` says that `target` is a better way to `dest`. True when it was believed. */
  redirected(dev: NetDevice, router: In6Addr, dest: In6Addr, target: In6Addr): boolean;
  /** A router is none any more. */
  becameHost(dev: NetDevice, router: In6Addr): void;
  /** Nobody answered for the next hop of `skb`. The skb stays the caller's. */
  linkFailure(neigh: Neighbour, skb: SkBuff): void;
}

/** The neighbours of IPv6 and those who ask about them. */
export class Ndisc implements NeighOps {
  readonly net: Net;
  readonly host: NdiscHost;
  readonly table: NeighTable;

  constructor(net: Net, host: NdiscHost, random: Random) {
    this.net = net;
    this.host = host;
    this.table = new NeighTable(net, this, ETH_P_IPV6, random);
    this.table.parms.locktimeMs = 0; // the override flag says what locktime guesses at in ARP
  }

  construct(neigh: Neighbour): void {
    const { dev } = neigh;
    const addr = neigh.addr6!;
    if (in6IsMulticast(addr)) ipv6EthMcMap(addr, neigh.ha);
    else if ((dev.flags & (IFF_NOARP | IFF_LOOPBACK)) !== 0) etherAddrCopy(neigh.ha, 0, dev.addr, 0);
    else return;
    neigh.state = NUD_NOARP;
    neighWriteHh(neigh);
  }

  solicit(neigh: Neighbour, skb: SkBuff | null): void {
    const { dev } = neigh;
    const target = neigh.addr6!;
    const from = this.host.askFrom(dev, skb);
    if (from === null) return;
    // While the known address is only in doubt, its owner alone is asked (RFC 4861 §7.3.3).
    const unicast = neigh.probes < this.table.parms.ucastSolicit && (neigh.state & NUD_VALID) !== 0;
    ndiscSendNs(this, dev, target, unicast ? target : in6SolicitedNode(target), from, null);
  }

  errorReport(neigh: Neighbour, skb: SkBuff): void {
    this.host.linkFailure(neigh, skb);
    this.net.drop(skb, Drop.NeighFailed);
  }
}

/** 33:33 and the last four bytes of the group (RFC 2464 §7). */
export function ipv6EthMcMap(group: In6Addr, ha: Uint8Array): void {
  ha[0] = 0x33;
  ha[1] = 0x33;
  ha[2] = group.d >>> 24;
  ha[3] = group.d >>> 16;
  ha[4] = group.d >>> 8;
  ha[5] = group.d;
}

/** Messages are written here before they become packets: long enough for each that has one link-layer address and a nonce. */
const MESSAGE_MAX = 64;

/** Asks who has `target`. From `::` it is a probe for duplicates, which says no address of ours, and a nonce (RFC 7527). */
export function ndiscSendNs(ndisc: Ndisc, dev: NetDevice, target: In6Addr, daddr: In6Addr, saddr: In6Addr, nonce: Uint8Array | null): void {
  const buf = new Uint8Array(MESSAGE_MAX);
  const len = ndWriteNs(buf, 0, target, in6IsAny(saddr) || !hasAddresses(dev) ? null : dev.addr, nonce);
  ndisc.host.send(dev, saddr, daddr, buf.subarray(0, len));
}

/** Says that `target` is here. `flags` are NDP_NA_SOLICITED and NDP_NA_OVERRIDE; whether we route is added. */
export function ndiscSendNa(
  ndisc: Ndisc, dev: NetDevice, target: In6Addr, daddr: In6Addr, saddr: In6Addr, flags: number, withAddress: boolean,
): void {
  const buf = new Uint8Array(MESSAGE_MAX);
  const router = ndisc.host.isRouter(dev) ? NDP_NA_ROUTER : 0;
  const len = ndWriteNa(buf, 0, target, flags | router, withAddress && hasAddresses(dev) ? dev.addr : null);
  ndisc.host.send(dev, saddr, daddr, buf.subarray(0, len));
}

/** Tells everybody on the link who has `addr` (RFC 4861 §7.2.6). */
export function ndiscSendUnsolicitedNa(ndisc: Ndisc, dev: NetDevice, addr: In6Addr): void {
  ndiscSendNa(ndisc, dev, addr, in6LinklocalAllnodes, addr, NDP_NA_OVERRIDE, true);
}

/** Asks for routers (RFC 4861 §6.3.7). */
export function ndiscSendRs(ndisc: Ndisc, dev: NetDevice, saddr: In6Addr): void {
  const buf = new Uint8Array(MESSAGE_MAX);
  const len = ndWriteRs(buf, 0, in6IsAny(saddr) || !hasAddresses(dev) ? null : dev.addr);
  ndisc.host.send(dev, saddr, in6LinklocalAllrouters, buf.subarray(0, len));
}

/** Do frames on this link have addresses? */
function hasAddresses(dev: NetDevice): boolean {
  return (dev.flags & (IFF_NOARP | IFF_LOOPBACK)) === 0;
}
