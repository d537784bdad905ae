/**
 * veth: two devices, back to back; what goes out by one comes in by the other (Linux: drivers/net/veth.c).
 *
 *   from  dev/xmit.ts      vethXmit: a frame goes out; no queue, no card, nothing is cut and no checksum filled in
 *   to    dev/softnet.ts   the backlog of the other end's host, for its next softirq
 *
 * Both ends on one host (`ip link add … type veth peer name …`), or on two (`world.veth`), as Linux has them in two network
 * namespaces. The link is up while both ends are.
 */
import { EEXIST } from '../lib/errno.ts';
import { Drop } from '../skb/drop-reason.ts';
import { skbOrphan, skbScrub } from '../skb/owner.ts';
import { SkBuffHead } from '../skb/queue.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { Timer } from '../time/timer.ts';
import { VLAN_HLEN } from '../wire/vlan.ts';
import {
  ARPHRD_ETHER, IFF_BROADCAST, IFF_MULTICAST, NETDEV_TX_OK, NETIF_F_HW_CSUM, NETIF_F_RXCSUM, NETIF_F_TSO, NetDevice, type NetDeviceOps,
} from './net-device.ts';
import type { Net } from './net.ts';
import { ethTypeTrans } from './receive.ts';
import { devGetByName, devSetCarrier, registerNetdevice, unregisterNetdevice } from './registry.ts';

/** One end (Linux: struct veth_priv). */
export class VethEnd {
  readonly dev: NetDevice;
  /** The other end; null while there is none. */
  peer: NetDevice | null = null;
  /** Frames from another host's end, until this host's processor has been told. */
  readonly arriving: SkBuffHead = new SkBuffHead();
  readonly timer: Timer;

  constructor(dev: NetDevice) {
    this.dev = dev;
    this.timer = new Timer(dev.net.sim, dev.net.cpu, vethArrived, false, this);
  }
}

/** A device's side of a pair, or null when it is none. */
export function vethEnd(dev: NetDevice): VethEnd | null {
  return dev.priv instanceof VethEnd ? dev.priv : null;
}

/** Makes an end by itself, without a link: the device, which is down, or -EEXIST. */
export function vethCreate(net: Net, name: string): NetDevice | number {
  if (devGetByName(net, name) !== null) return -EEXIST;
  const dev = new NetDevice(net, name, ARPHRD_ETHER, vethOps);
  const [high, low] = [net.random.next32(), net.random.next32()];
  dev.addr.set([0x02, high >>> 24, high >>> 16, low >>> 24, low >>> 16, low >>> 8]);
  dev.flags = IFF_BROADCAST | IFF_MULTICAST;
  dev.features = NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_RXCSUM;
  dev.noqueue = true;
  dev.carrier = false;
  dev.priv = new VethEnd(dev);
  registerNetdevice(net, dev);
  return dev;
}

/** Joins two ends. */
export function vethJoin(a: NetDevice, b: NetDevice): void {
  (a.priv as VethEnd).peer = b;
  (b.priv as VethEnd).peer = a;
  link(a, b);
}

/** Both ends at once: the first device, or -EEXIST. */
export function vethPair(net: Net, name: string, peerNet: Net, peerName: string): NetDevice | number {
  if (net === peerNet && name === peerName) return -EEXIST;
  if (devGetByName(net, name) !== null) return -EEXIST;
  const b = vethCreate(peerNet, peerName);
  if (typeof b === 'number') return b;
  const a = vethCreate(net, name) as NetDevice;
  vethJoin(a, b);
  return a;
}

/** `ip link del`: both ends go. */
export function vethUnregister(dev: NetDevice): void {
  const { peer } = dev.priv as VethEnd;
  for (const end of peer === null ? [dev] : [dev, peer]) {
    (end.priv as VethEnd).peer = null;
    unregisterNetdevice(end);
  }
}

/** The link of both ends, by what they are now; the other host is told from inside of it. */
function link(a: NetDevice, b: NetDevice): void {
  const up = a.up && b.up;
  for (const dev of [a, b]) {
    const { cpu } = dev.net;
    cpu.enter(0);
    devSetCarrier(dev, up);
    cpu.exit();
  }
}

function vethOpen(dev: NetDevice): void {
  const { peer } = dev.priv as VethEnd;
  if (peer !== null) link(dev, peer);
}

function vethStop(dev: NetDevice): void {
  const end = dev.priv as VethEnd;
  end.timer.del();
  for (let skb = end.arriving.popHead(); skb !== null; skb = end.arriving.popHead()) dev.net.drop(skb, Drop.DevReady);
  if (end.peer !== null) link(dev, end.peer);
}

function vethXmit(skb: SkBuff, dev: NetDevice): number {
  const { peer } = dev.priv as VethEnd;
  if (skb.trace !== 0) dev.net.trace(skb, 'vethXmit', peer === null ? dev.name : `${dev.name} to ${peer.net.name}.${peer.name}`);
  if (peer === null || !peer.up || (skb.gsoSize === 0 && skb.len > peer.mtu + peer.hardHeaderLen + VLAN_HLEN)) {
    dev.stats.txDropped++;
    dev.net.drop(skb, peer?.up === true ? Drop.PktTooBig : Drop.DevReady);
    return NETDEV_TX_OK;
  }
  dev.stats.txPackets += skb.gsoSize === 0 ? 1 : skb.gsoSegs;
  dev.stats.txBytes += skb.len;
  skbOrphan(skb);
  skbScrub(skb);
  receive(skb, dev, peer);
  return NETDEV_TX_OK;
}

function receive(skb: SkBuff, dev: NetDevice, peer: NetDevice): void {
  const { net } = peer;
  peer.stats.rxPackets += skb.gsoSize === 0 ? 1 : skb.gsoSegs;
  peer.stats.rxBytes += skb.len;
  ethTypeTrans(skb, peer);
  if (net === dev.net) {
    net.softnet!.enqueueToBacklog(skb);
    return;
  }
  // Another processor: it is interrupted when this one has come so far.
  const { arriving, timer } = peer.priv as VethEnd;
  if (arriving.qlen > net.sysctl.netdevMaxBacklog) {
    peer.stats.rxDropped++;
    net.drop(skb, Drop.CpuBacklog);
    return;
  }
  arriving.pushTail(skb);
  if (!timer.pending) timer.mod(Math.max(dev.net.cpu.now, net.sim.now));
}

/** This host's processor takes what has come from the other's. */
function vethArrived(end: VethEnd): void {
  for (let skb = end.arriving.popHead(); skb !== null; skb = end.arriving.popHead()) end.dev.net.softnet!.enqueueToBacklog(skb);
}

const vethOps: NetDeviceOps = {
  open: vethOpen,
  stop: vethStop,
  startXmit: vethXmit,
  setRxMode: nothing,
  ethtoolStats: () => [],
};

function nothing(): void {
  // Every frame is taken; what is not for this end is told by its address.
}
