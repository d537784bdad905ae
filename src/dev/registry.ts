/** Devices of a host: their numbers and names, up and down, and who is told. */
import { assert } from '../lib/assert.ts';
import { EINVAL } from '../lib/errno.ts';
import { ETH_MIN_MTU } from '../wire/ethernet.ts';
import {
  ARPHRD_LOOPBACK, IFF_RUNNING, IFF_UP, type NetDevice,
} from './net-device.ts';
import type { Net, NetdevNotifier } from './net.ts';
import { qdiscDefault } from './sched/api.ts';

/** The largest MTU of our cards: jumbo frames. */
const MAX_ETHERNET_MTU = 9216;

/** What a notifier is told. */
type NetdevEvent = Parameters<NetdevNotifier['changed']>[1];

/** Gives the device its number and makes it known; it is still down. Names are unique in a host. */
export function registerNetdevice(net: Net, dev: NetDevice): void {
  assert(devGetByName(net, dev.name) === null, 'a device name is used once in a host');
  dev.ifindex = net.devices.length;
  net.devices.push(dev);
}

/** Takes the device down and out of the host. Its number is not used again. */
export function unregisterNetdevice(dev: NetDevice): void {
  devClose(dev);
  callNetdevNotifiers(dev, 'unregister');
  dev.net.devices[dev.ifindex] = null;
}

/** The device with that name, or null. */
export function devGetByName(net: Net, name: string): NetDevice | null {
  return net.devices.find((dev) => dev !== null && dev.name === name) ?? null;
}

/** The device with that number, or null. */
export function devGetByIndex(net: Net, ifindex: number): NetDevice | null {
  return net.devices[ifindex] ?? null;
}

/** `ip link set up`: the driver opens the card, the queueing discipline begins. No harm if it is up. */
export function devOpen(dev: NetDevice): void {
  if (dev.up) return;
  dev.flags |= IFF_UP;
  dev.queueStopped = false;
  dev.ops.open(dev);
  if (dev.carrier) dev.flags |= IFF_RUNNING;
  if (!dev.noqueue) dev.qdisc ??= qdiscDefault(dev);
  callNetdevNotifiers(dev, 'up');
}

/** `ip link set down`: what waits in the queue is ended, the card stops. No harm if it is down. */
export function devClose(dev: NetDevice): void {
  if (!dev.up) return;
  dev.flags &= ~(IFF_UP | IFF_RUNNING);
  if (dev.qdisc !== null) dev.qdisc.reset();
  dev.ops.stop(dev);
  callNetdevNotifiers(dev, 'down');
}

/** The link came or went (Linux: netif_carrier_on/off): what waits for a link that is gone is ended. */
export function devSetCarrier(dev: NetDevice, carrier: boolean): void {
  if (dev.carrier === carrier) return;
  dev.carrier = carrier;
  if (!carrier) {
    dev.flags &= ~IFF_RUNNING;
    if (dev.qdisc !== null) dev.qdisc.reset();
  } else if (dev.up) {
    dev.flags |= IFF_RUNNING;
  }
  callNetdevNotifiers(dev, 'carrier');
}

/** `ip link set mtu`: 0, or -EINVAL when the device cannot have that. The driver learns the longest frame that it must take in. */
export function devSetMtu(dev: NetDevice, mtu: number): number {
  const max = dev.type === ARPHRD_LOOPBACK ? 65536 : MAX_ETHERNET_MTU;
  if (!Number.isInteger(mtu) || mtu < ETH_MIN_MTU || mtu > max) return -EINVAL;
  if (mtu === dev.mtu) return 0;
  dev.mtu = mtu;
  dev.ops.setRxMode(dev);
  callNetdevNotifiers(dev, 'mtu');
  return 0;
}

/** `ip link set address`. The caller tells others (gratuitous ARP) by the notifier. */
export function devSetAddress(dev: NetDevice, addr: Uint8Array): void {
  dev.addr.set(addr.subarray(0, 6));
  dev.ops.setRxMode(dev);
  callNetdevNotifiers(dev, 'address');
}

/** Tells everybody who asked. */
export function callNetdevNotifiers(dev: NetDevice, what: NetdevEvent): void {
  for (const notifier of dev.net.notifiers) notifier.changed(dev, what);
}
