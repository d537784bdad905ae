/**
 * A network device as the kernel sees it (Linux: struct net_device). The driver below it (`dev/ethernet.ts` over a card of
 * `nic/`, `dev/loopback.ts`) is a table of operations; the queueing discipline sits between `devQueueXmit` and the driver.
 */
import type { SkBuff } from '../skb/sk-buff.ts';
import type { McAddr } from './mc-list.ts';
import type { Net } from './net.ts';
import type { Qdisc } from './qdisc.ts';
import type { PacketTap } from './taps.ts';

export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_LOOPBACK = 0x8;
export const IFF_POINTOPOINT = 0x10;
export const IFF_RUNNING = 0x40;
export const IFF_NOARP = 0x80;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;
export const IFF_MULTICAST = 0x1000;

export const ARPHRD_ETHER = 1;
export const ARPHRD_LOOPBACK = 772;

/** Offload features (Linux: NETIF_F_*). */
export const NETIF_F_HW_CSUM = 1;
export const NETIF_F_TSO = 2;
export const NETIF_F_GRO = 4;
export const NETIF_F_RXCSUM = 8;
/** The card itself reads what it sends, wherever it lies (DMA): lent payload need not be copied by a processor. */
export const NETIF_F_HIGHDMA = 16;

/** What startXmit answers. */
export const NETDEV_TX_OK = 0;
/** The ring is full: the queue was stopped and the skb stays the caller's. */
export const NETDEV_TX_BUSY = 16;

/** What a driver does. */
export interface NetDeviceOps {
  open(dev: NetDevice): void;
  stop(dev: NetDevice): void;
  /** Hands a frame (link header in place) to the card. Takes the skb when it answers NETDEV_TX_OK. */
  startXmit(skb: SkBuff, dev: NetDevice): number;
  setRxMode(dev: NetDevice): void;
  /** `ethtool -S`: name and value, in order. */
  ethtoolStats(dev: NetDevice): [string, number][];
}

/** `/proc/net/dev`. */
export class NetDeviceStats {
  rxPackets = 0;
  rxBytes = 0;
  rxErrors = 0;
  rxDropped = 0;
  rxFifoErrors = 0;
  rxCrcErrors = 0;
  multicast = 0;
  txPackets = 0;
  txBytes = 0;
  txErrors = 0;
  txDropped = 0;
}

export class NetDevice {
  readonly net: Net;
  readonly name: string;
  readonly ops: NetDeviceOps;
  readonly type: number;
  ifindex = 0;
  flags = 0;
  mtu = 1500;
  /** Bytes of the link header (14 for Ethernet; loopback has one of 14 too). */
  readonly hardHeaderLen: number = 14;
  readonly addr: Uint8Array = new Uint8Array(6);
  readonly broadcast: Uint8Array = new Uint8Array(6).fill(0xff);
  /** Groups that the card takes in (`dev/mc-list.ts`). */
  readonly mcAddrs: McAddr[] = [];
  features = 0;
  /** Largest super-packet, headers included, that the card cuts up. */
  gsoMaxSize = 65536;
  gsoMaxSegs = 65535;
  /** Link up (a cable with both ends up). */
  carrier = true;
  /** The driver asked to wait (netif_stop_queue). */
  queueStopped = false;
  /** How many want every frame, and every one to a group (`dev/promiscuity.ts`). */
  promiscuity = 0;
  allmulti = 0;
  txQueueLen = 1000;
  qdisc: Qdisc | null = null;
  /** There is none because somebody said so: it stays that way when the device comes up. */
  noqueue = false;
  /** Who looks on (`dev/taps.ts`); null, not empty, when nobody does. */
  taps: readonly PacketTap[] | null = null;
  readonly stats: NetDeviceStats = new NetDeviceStats();
  /** The IPv4 side (`ip/devinet.ts`: addresses), set by that room. */
  inDev: object | null = null;
  /** The IPv6 side, likewise. */
  in6Dev: object | null = null;
  /** The VLAN devices on this one, by VLAN (`dev/vlan.ts`); null when there are none. */
  vlans: Map<number, NetDevice> | null = null;
  /** The driver's own state. */
  priv: object | null = null;

  constructor(net: Net, name: string, type: number, ops: NetDeviceOps) {
    this.net = net;
    this.name = name;
    this.type = type;
    this.ops = ops;
  }

  get up(): boolean {
    return (this.flags & IFF_UP) !== 0;
  }
}
