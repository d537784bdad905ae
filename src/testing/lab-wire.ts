/**
 * The wire of a lab: a network device whose cable ends in the hands of the test.
 *
 * What the host sends is kept with its time; what the test sends comes in as from a card, one frame, one skb. There is no
 * ring, no queue and no delay: a frame is on the wire at the instant in which the stack hands it down.
 */
import { netifRx } from '../dev/softnet.ts';
import {
  ARPHRD_ETHER, IFF_BROADCAST, IFF_MULTICAST, NETDEV_TX_OK, NETIF_F_HW_CSUM, NETIF_F_TSO, NetDevice, type NetDeviceOps,
} from '../dev/net-device.ts';
import type { Net } from '../dev/net.ts';
import { ethTypeTrans } from '../dev/receive.ts';
import { skbBytes, skbFromBytes } from '../skb/copy.ts';
import { consumeSkb } from '../skb/pool.ts';
import { SKB_TRUESIZE_OVERHEAD, type SkBuff } from '../skb/sk-buff.ts';
import { skbFromTun } from '../skb/truesize.ts';
import { IPPROTO_TCP } from '../sock/constants.ts';
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6, ethWriteHeader } from '../wire/ethernet.ts';
import { iphHlen, IPV4_PROTOCOL } from '../wire/ipv4.ts';
import { IPV6_HLEN, IPV6_NEXTHDR } from '../wire/ipv6.ts';
import { thHlen } from '../wire/tcp.ts';

/** A frame that the host has sent. */
export interface WireFrame {
  readonly timeNs: number;
  /** From the Ethernet header on. */
  readonly bytes: Uint8Array;
}

/** The MAC addresses of the two ends. */
export const HOST_MAC: Uint8Array = new Uint8Array([2, 0, 0, 0, 0, 1]);
export const PEER_MAC: Uint8Array = new Uint8Array([2, 0, 0, 0, 0, 2]);

export class LabWire implements NetDeviceOps {
  readonly dev: NetDevice;
  /** Frames sent and not yet taken by the lab, oldest first. */
  readonly sent: WireFrame[] = [];
  /** Told of each frame that the host sends, as it is sent. */
  onFrame: ((frame: WireFrame) => void) | null = null;
  /** What comes in takes as much memory as what is written into a TUN device. */
  tun = false;

  /** `offload`: super-packets and missing checksums leave as they are, as on a card with TSO; else the stack cuts and completes. */
  constructor(net: Net, mtu: number, offload: boolean, name: string = 'eth0') {
    this.dev = new NetDevice(net, name, ARPHRD_ETHER, this);
    this.dev.flags = IFF_BROADCAST | IFF_MULTICAST;
    this.dev.mtu = mtu;
    this.dev.txQueueLen = 0; // no queueing discipline
    this.dev.addr.set(HOST_MAC);
    this.dev.features = offload ? NETIF_F_HW_CSUM | NETIF_F_TSO : 0;
  }

  open(): void {
    this.dev.carrier = true;
  }

  stop(): void {
    this.dev.carrier = true;
  }

  setRxMode(): void {
    // Takes everything.
  }

  ethtoolStats(): [string, number][] {
    return [];
  }

  startXmit(skb: SkBuff, dev: NetDevice): number {
    const frame = { timeNs: dev.net.cpu.now, bytes: skbBytes(skb) };
    dev.stats.txPackets++;
    dev.stats.txBytes += skb.len;
    consumeSkb(skb);
    if (this.onFrame !== null) this.onFrame(frame);
    else this.sent.push(frame);
    return NETDEV_TX_OK;
  }

  /** A frame comes in. The bytes are copied. `gsoSize` not 0: several segments of that size, as GRO joins them. */
  inject(frame: Uint8Array, gsoSize: number = 0): void {
    const { dev } = this;
    const { cpu, pool } = dev.net;
    const skb = skbFromBytes(pool, frame, 0);
    cpu.enter(cpu.costs.irqNs);
    if (frame.length < ETH_HLEN) {
      consumeSkb(skb); // a card does not pass on runts
    } else {
      ethTypeTrans(skb, dev);
      if (gsoSize !== 0) {
        skb.gsoSize = gsoSize;
        skb.gsoSegs = Math.ceil(segmentPayload(frame) / gsoSize);
        skb.truesize += (skb.gsoSegs - 1) * SKB_TRUESIZE_OVERHEAD;
      } else if (this.tun) {
        skbFromTun(skb, frame.length - ETH_HLEN);
      }
      dev.stats.rxPackets++;
      dev.stats.rxBytes += frame.length;
      netifRx(skb);
    }
    cpu.exit();
  }

  /** An IP packet comes in, from the peer to us. */
  injectIp(packet: Uint8Array, gsoSize: number = 0): void {
    const frame = new Uint8Array(ETH_HLEN + packet.length);
    ethWriteHeader(frame, 0, HOST_MAC, 0, PEER_MAC, 0, packet[0]! >> 4 === 6 ? ETH_P_IPV6 : ETH_P_IP);
    frame.set(packet, ETH_HLEN);
    this.inject(frame, segmentPayload(frame) > gsoSize ? gsoSize : 0);
  }
}

/** Bytes of TCP payload in a frame; 0 when it is none of TCP. */
function segmentPayload(frame: Uint8Array): number {
  const v6 = frame[ETH_HLEN]! >> 4 === 6;
  if (frame[ETH_HLEN + (v6 ? IPV6_NEXTHDR : IPV4_PROTOCOL)] !== IPPROTO_TCP) return 0;
  const th = ETH_HLEN + (v6 ? IPV6_HLEN : iphHlen(frame, ETH_HLEN));
  return frame.length - th - thHlen(frame, th);
}
