/**
 * VLAN devices, `eth0.10`: a device of its own for the frames of one VLAN of a real one (Linux: net/8021q).
 *
 *   from  dev/xmit.ts      vlanXmit: a packet goes out; the tag is put in
 *         dev/receive.ts   vlanDoReceive: a frame with a tag came in
 *   to    dev/xmit.ts      devQueueXmit, by the real device
 *         dev/receive.ts   netifReceiveSkb, from the VLAN's device, without the tag
 *
 * It has no queue and no card. It goes up and down with its real device, has its address, and no larger an MTU.
 */
import { EEXIST, EINVAL, ENETDOWN } from '../lib/errno.ts';
import { get16 } from '../lib/bytes.ts';
import { mayPull } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { PACKET_HOST, PACKET_OTHERHOST, type SkBuff } from '../skb/sk-buff.ts';
import { skbVlanPush } from '../skb/vlan.ts';
import { ETH_P_8021Q, ethProtocol } from '../wire/ethernet.ts';
import { vlanRemoveTag, VLAN_HLEN, VLAN_PRIO_SHIFT, VLAN_VID_MAX, vlanVid } from '../wire/vlan.ts';
import { devMcAdd, devMcDel } from './mc-list.ts';
import { ARPHRD_ETHER, IFF_BROADCAST, IFF_MULTICAST, NETDEV_TX_OK, NetDevice, NETIF_F_GRO, type NetDeviceOps } from './net-device.ts';
import type { NetdevNotifier } from './net.ts';
import { devSetPromiscuity } from './promiscuity.ts';
import { NET_XMIT_CN, NET_XMIT_SUCCESS } from './qdisc.ts';
import { deliverType, netifReceiveSkb } from './receive.ts';
import {
  devClose, devGetByName, devOpen, devSetAddress, devSetCarrier, devSetMtu, registerNetdevice, unregisterNetdevice,
} from './registry.ts';
import { devQueueXmit } from './xmit.ts';

/** What a VLAN device is on (Linux: struct vlan_dev_priv). */
export class VlanDev {
  readonly real: NetDevice;
  readonly vid: number;
  /** Priority of a frame by `skb.priority`; 0 where nothing is said (egress-qos-map). */
  readonly egressQos: Map<number, number> = new Map();
  /** Groups and modes that the real device has been asked for. */
  synced: readonly Uint8Array[] = [];
  promiscuous = false;

  constructor(real: NetDevice, vid: number) {
    this.real = real;
    this.vid = vid;
  }
}

/** The VLAN's side of a device, or null when it is no VLAN device. */
export function vlanDev(dev: NetDevice): VlanDev | null {
  return dev.priv instanceof VlanDev ? dev.priv : null;
}

/**
 * `ip link add link REAL name NAME type vlan id VID`. The device is down.
 *
 * @returns the device; -EINVAL (no such number, or not on Ethernet), -EEXIST (the name or the VLAN is there)
 */
export function vlanRegister(real: NetDevice, name: string, vid: number): NetDevice | number {
  const { net } = real;
  if (!(vid >= 0 && vid <= VLAN_VID_MAX) || real.type !== ARPHRD_ETHER || vlanDev(real) !== null) return -EINVAL;
  if (devGetByName(net, name) !== null || real.vlans?.has(vid) === true) return -EEXIST;
  const dev = new NetDevice(net, name, ARPHRD_ETHER, vlanOps);
  dev.addr.set(real.addr);
  dev.flags = real.flags & (IFF_BROADCAST | IFF_MULTICAST);
  dev.features = real.features & ~NETIF_F_GRO;
  dev.mtu = real.mtu;
  dev.txQueueLen = 0;
  dev.noqueue = true;
  dev.carrier = real.carrier && real.up;
  dev.priv = new VlanDev(real, vid);
  real.vlans ??= new Map();
  real.vlans.set(vid, dev);
  if (!net.notifiers.includes(vlanNotifier)) net.notifiers.push(vlanNotifier);
  registerNetdevice(net, dev);
  return dev;
}

/** `ip link del`. */
export function vlanUnregister(dev: NetDevice): void {
  const { real, vid } = dev.priv as VlanDev;
  unregisterNetdevice(dev);
  dev.mcAddrs.length = 0;
  vlanSetRxMode(dev);
  real.vlans!.delete(vid);
  if (real.vlans!.size === 0) real.vlans = null;
}

/** `ip link set up`: 0, or -ENETDOWN while the real device is down. */
export function vlanOpen(dev: NetDevice): number {
  if (!(dev.priv as VlanDev).real.up) return -ENETDOWN;
  devOpen(dev);
  return 0;
}

// ---- in -------------------------------------------------------------------------------------------------------------

/** A frame with a tag: `data` is at the tag. It goes on without it. Takes the skb. */
export function vlanDoReceive(skb: SkBuff): void {
  const real = skb.dev as NetDevice;
  const { net } = real;
  if (!mayPull(skb, VLAN_HLEN)) {
    real.stats.rxErrors++;
    net.drop(skb, Drop.PktTooSmall);
    return;
  }
  const vid = vlanVid(get16(skb.buf, skb.data));
  skb.mac = vlanRemoveTag(skb.buf, skb.mac);
  skb.pull(VLAN_HLEN);
  skb.protocol = ethProtocol(skb.buf, skb.mac);
  const dev = real.vlans?.get(vid);
  if (dev === undefined) {
    // VLAN 0 is a priority and no VLAN. A VLAN that is not ours is not for us, whatever the address says.
    if (vid !== 0) skb.pktType = PACKET_OTHERHOST;
    deliverType(skb, real);
    return;
  }
  if (!dev.up) {
    dev.stats.rxDropped++;
    net.drop(skb, Drop.DevReady);
    return;
  }
  skb.dev = dev;
  dev.stats.rxPackets++;
  dev.stats.rxBytes += skb.len;
  if (skb.pktType === PACKET_OTHERHOST && isFor(skb, dev)) skb.pktType = PACKET_HOST;
  netifReceiveSkb(skb);
}

function isFor(skb: SkBuff, dev: NetDevice): boolean {
  for (let i = 0; i < 6; i++) if (skb.buf[skb.mac + i] !== dev.addr[i]) return false;
  return true;
}

// ---- out ------------------------------------------------------------------------------------------------------------

function vlanXmit(skb: SkBuff, dev: NetDevice): number {
  const { real, vid, egressQos } = dev.priv as VlanDev;
  const { len } = skb;
  const packets = skb.gsoSize === 0 ? 1 : skb.gsoSegs;
  const priority = egressQos.size === 0 ? 0 : egressQos.get(skb.priority) ?? 0;
  skbVlanPush(skb, ETH_P_8021Q, (priority << VLAN_PRIO_SHIFT) | vid);
  skb.dev = real;
  const rc = devQueueXmit(skb);
  if (rc === NET_XMIT_SUCCESS || rc === NET_XMIT_CN) {
    dev.stats.txPackets += packets;
    dev.stats.txBytes += len;
  } else {
    dev.stats.txDropped++;
  }
  return NETDEV_TX_OK;
}

// ---- together with the real device ----------------------------------------------------------------------------------

/** What the VLAN wants to hear, the real device must hear. */
function vlanSetRxMode(dev: NetDevice): void {
  const vlan = dev.priv as VlanDev;
  const wanted = dev.mcAddrs.map((mc) => mc.addr);
  for (const addr of wanted) if (!vlan.synced.includes(addr)) devMcAdd(vlan.real, addr);
  for (const addr of vlan.synced) if (!wanted.includes(addr)) devMcDel(vlan.real, addr);
  vlan.synced = wanted;
  const promiscuous = dev.promiscuity > 0;
  if (promiscuous !== vlan.promiscuous) devSetPromiscuity(vlan.real, promiscuous ? 1 : -1);
  vlan.promiscuous = promiscuous;
}

function changed(real: NetDevice, what: Parameters<NetdevNotifier['changed']>[1]): void {
  if (real.vlans === null) return;
  for (const dev of [...real.vlans.values()]) {
    switch (what) {
      case 'up':
        devSetCarrier(dev, real.carrier);
        devOpen(dev);
        break;
      case 'down':
        devClose(dev);
        devSetCarrier(dev, false);
        break;
      case 'carrier':
        devSetCarrier(dev, real.carrier && real.up);
        break;
      case 'mtu':
        if (dev.mtu > real.mtu) devSetMtu(dev, real.mtu);
        break;
      case 'address':
        devSetAddress(dev, real.addr);
        break;
      case 'unregister':
        vlanUnregister(dev);
        break;
    }
  }
}

const vlanNotifier: NetdevNotifier = { changed };

const vlanOps: NetDeviceOps = {
  open: nothing,
  stop: nothing,
  startXmit: vlanXmit,
  setRxMode: vlanSetRxMode,
  ethtoolStats: () => [],
};

function nothing(): void {
  // There is no card.
}
