/**
 * ARP (RFC 826) on the neighbour machine: asks, answers, learns.
 *
 *   from  dev/receive.ts       ArpPacketType.rcv, with a frame of type 0x0806
 *         neigh/neighbour.ts   solicit
 *   to    dev/xmit.ts          requests and replies
 *         neigh/neighbour.ts   neighUpdate
 *
 * ARP knows no addresses of its own host: it asks the IP room, through ArpHost.
 */
import { etherAddrCopy, ipv4IsLoopback, ipv4IsMulticast } from '../lib/addr.ts';
import { get32 } from '../lib/bytes.ts';
import { NS_PER_MS } from '../lib/units.ts';
import { ARP_LEN, ARP_SHA, ARPOP_REPLY, ARPOP_REQUEST, ArpCheck, arpCheck, arpOp, arpSpa, arpTpa, arpWrite } from '../wire/arp.ts';
import { ETH_HLEN, ETH_P_ARP, ETH_P_IP, ethWriteHeader } from '../wire/ethernet.ts';
import { IPV4_SADDR } from '../wire/ipv4.ts';
import { Drop } from '../skb/drop-reason.ts';
import { mayPull } from '../skb/copy.ts';
import { consumeSkb } from '../skb/pool.ts';
import { PACKET_HOST, PACKET_LOOPBACK, PACKET_OTHERHOST, type SkBuff } from '../skb/sk-buff.ts';
import type { Net, PacketType } from '../dev/net.ts';
import { IFF_LOOPBACK, IFF_NOARP, type NetDevice } from '../dev/net-device.ts';
import { devQueueXmit } from '../dev/xmit.ts';
import {
  NEIGH_UPDATE_F_OVERRIDE, type Neighbour, neighUpdate, neighWriteHh, NUD_NOARP, NUD_REACHABLE, NUD_STALE, NUD_VALID,
} from './neighbour.ts';
import { type NeighOps, NeighTable } from './table.ts';

/** What ARP asks the IP room about. */
export interface ArpHost {
  /** Does this host answer for `tip` when `sip` asks on `dev`? (the address is ours, and arp_ignore allows it) */
  answers(dev: NetDevice, sip: number, tip: number): boolean;
  isBroadcast(dev: NetDevice, addr: number): boolean;
  /** The address to ask from; `preferred` is the source of the packet that waits, or 0 (arp_announce). 0: none. */
  askFrom(dev: NetDevice, target: number, preferred: number): number;
  /** Are strangers learned who announce themselves on `dev`? (arp_accept) */
  learnsAnnounced(dev: NetDevice): boolean;
  /** Nobody answered for the next hop of `skb`. The skb stays the caller's. */
  linkFailure(skb: SkBuff): void;
}

/** Room for the link header in front of the 28 bytes, aligned. */
const ARP_HEADROOM = 16;

/** The neighbours of IPv4 and those who ask about them. */
export class Arp implements PacketType, NeighOps {
  readonly net: Net;
  readonly host: ArpHost;
  readonly table: NeighTable;

  constructor(net: Net, host: ArpHost) {
    this.net = net;
    this.host = host;
    this.table = new NeighTable(net, this, ETH_P_IP);
  }

  rcv(skb: SkBuff, dev: NetDevice): void {
    arpRcv(this, skb, dev);
  }

  construct(neigh: Neighbour): void {
    const { dev, addr } = neigh;
    if ((dev.flags & (IFF_NOARP | IFF_LOOPBACK)) !== 0) {
      etherAddrCopy(neigh.ha, 0, dev.addr, 0);
    } else if (ipv4IsMulticast(addr)) {
      // RFC 1112 §6.4: 01:00:5e and the low 23 bits of the group.
      neigh.ha.set([0x01, 0x00, 0x5e, (addr >> 16) & 0x7f, (addr >> 8) & 0xff, addr & 0xff]);
    } else if (this.host.isBroadcast(dev, addr)) {
      etherAddrCopy(neigh.ha, 0, dev.broadcast, 0);
    } else {
      return;
    }
    neigh.state = NUD_NOARP;
    neighWriteHh(neigh);
  }

  solicit(neigh: Neighbour, skb: SkBuff | null): void {
    const preferred = skb === null ? 0 : get32(skb.buf, skb.nh + IPV4_SADDR);
    const from = this.host.askFrom(neigh.dev, neigh.addr, preferred);
    if (from === 0) return;
    // While the known address is only in doubt, ask its owner alone (RFC 1122 §2.3.2.1 (2), unicast poll).
    const unicast = neigh.probes < this.table.parms.ucastSolicit && (neigh.state & NUD_VALID) !== 0;
    arpSend(ARPOP_REQUEST, neigh.dev, unicast ? neigh.ha : neigh.dev.broadcast, 0, from, null, 0, neigh.addr);
  }

  errorReport(_neigh: Neighbour, skb: SkBuff): void {
    this.host.linkFailure(skb);
    this.net.drop(skb, Drop.NeighFailed);
  }
}

/** Registers ETH_P_ARP. */
export function arpInit(net: Net, host: ArpHost): Arp {
  const arp = new Arp(net, host);
  net.packetTypes.set(ETH_P_ARP, arp);
  return arp;
}

/** Sends one ARP packet to the hardware address `dst` at `dstOff`; `tha` null: unknown. */
export function arpSend(
  op: number,
  dev: NetDevice,
  dst: Uint8Array,
  dstOff: number,
  spa: number,
  tha: Uint8Array | null,
  thaOff: number,
  tpa: number,
): void {
  if ((dev.flags & IFF_NOARP) !== 0) return;
  const skb = dev.net.pool.alloc(ARP_HEADROOM);
  skb.nh = skb.put(ARP_LEN);
  skb.truesize += ARP_LEN;
  arpWrite(skb.buf, skb.nh, op, dev.addr, 0, spa, tha, thaOff, tpa);
  skb.mac = skb.push(ETH_HLEN);
  ethWriteHeader(skb.buf, skb.mac, dst, dstOff, dev.addr, 0, ETH_P_ARP);
  skb.protocol = ETH_P_ARP;
  skb.dev = dev;
  if (skb.trace !== 0) dev.net.trace(skb, 'arpSend');
  devQueueXmit(skb);
}

/** Tells everybody on the link who has `addr` (RFC 5227 §3, "announcement": a request for one's own address). */
export function arpAnnounce(dev: NetDevice, addr: number): void {
  arpSend(ARPOP_REQUEST, dev, dev.broadcast, 0, addr, null, 0, addr);
}

/** An ARP packet came in. Takes the skb. */
function arpRcv(arp: Arp, skb: SkBuff, dev: NetDevice): void {
  if (skb.trace !== 0) arp.net.trace(skb, 'arpRcv');
  if ((dev.flags & IFF_NOARP) !== 0 || skb.pktType === PACKET_OTHERHOST || skb.pktType === PACKET_LOOPBACK) {
    consumeSkb(skb); // not for us, and no fault of the packet
    return;
  }
  if (!mayPull(skb, ARP_LEN) || arpCheck(skb.buf, skb.data, ARP_LEN) !== ArpCheck.Ok) {
    arp.net.drop(skb, Drop.ArpInvalid);
    return;
  }
  skb.nh = skb.data;
  const tip = arpTpa(skb.buf, skb.nh);
  // RFC 1122 §3.2.1.3: neither a group nor the loopback net is anybody's address on a link.
  if (ipv4IsMulticast(tip) || ipv4IsLoopback(tip)) {
    arp.net.drop(skb, Drop.ArpInvalid);
    return;
  }
  if (skb.trace !== 0) arp.net.trace(skb, 'arpProcess');
  arpProcess(arp, skb, dev, tip);
  consumeSkb(skb);
}

/** RFC 826, "packet reception", in Linux's order: answer first, and who asks is learned by being answered. */
function arpProcess(arp: Arp, skb: SkBuff, dev: NetDevice, tip: number): void {
  const { buf, nh } = skb;
  const sip = arpSpa(buf, nh);
  const request = arpOp(buf, nh) === ARPOP_REQUEST;
  const sha = nh + ARP_SHA;
  // RFC 5227 §2.1.1: a probe comes from 0.0.0.0, is answered and teaches nothing.
  if (sip === 0) {
    if (request && arp.host.answers(dev, sip, tip)) arpSend(ARPOP_REPLY, dev, buf, sha, tip, buf, sha, sip);
    return;
  }
  if (request && arp.host.answers(dev, sip, tip)) {
    const asker = arp.table.lookup(dev, sip);
    if (asker === null) return;
    neighUpdate(asker, buf, sha, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE);
    arpSend(ARPOP_REPLY, dev, buf, sha, tip, buf, sha, sip);
    return;
  }
  arpLearn(arp, skb, dev, sip, tip, request);
}

/** A reply, or a request for somebody else: news about a sender whom we know. Strangers are not learned. */
function arpLearn(arp: Arp, skb: SkBuff, dev: NetDevice, sip: number, tip: number, request: boolean): void {
  const gratuitous = sip === tip;
  const { table } = arp;
  const neigh = gratuitous && arp.host.learnsAnnounced(dev) ? table.lookup(dev, sip) : table.find(dev, sip);
  if (neigh === null) return;
  // Several answers in a row: the first one wins, until it is older than locktime.
  const override = gratuitous || arp.net.cpu.now > neigh.updated + table.parms.locktimeMs * NS_PER_MS;
  // Only a reply to us alone proves that the way there and back works.
  const state = request || skb.pktType !== PACKET_HOST ? NUD_STALE : NUD_REACHABLE;
  neighUpdate(neigh, skb.buf, skb.nh + ARP_SHA, state, override ? NEIGH_UPDATE_F_OVERRIDE : 0);
}
