/** What `ip` says of a device in a word: its flags, its state, what it is on, and scopes of addresses. */
import {
  ARPHRD_LOOPBACK, IFF_ALLMULTI, IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST, IFF_NOARP, IFF_POINTOPOINT, IFF_PROMISC, IFF_UP,
  type NetDevice,
} from '../../dev/net-device.ts';
import { vethEnd } from '../../dev/veth.ts';
import { vlanDev } from '../../dev/vlan.ts';
import { RT_SCOPE_HOST, RT_SCOPE_LINK } from '../../ip/fib.ts';

const LINK_FLAGS: readonly (readonly [number, string])[] = [
  [IFF_LOOPBACK, 'LOOPBACK'], [IFF_BROADCAST, 'BROADCAST'], [IFF_POINTOPOINT, 'POINTOPOINT'], [IFF_MULTICAST, 'MULTICAST'],
  [IFF_NOARP, 'NOARP'], [IFF_ALLMULTI, 'ALLMULTI'], [IFF_PROMISC, 'PROMISC'], [IFF_UP, 'UP'],
];

/** `BROADCAST`, `MULTICAST`, `UP`, `LOWER_UP`. */
export function deviceFlags(dev: NetDevice): string[] {
  const names = LINK_FLAGS.filter(([bit]) => (dev.flags & bit) !== 0).map(([, name]) => name);
  if (dev.up && !dev.carrier) names.unshift('NO-CARRIER');
  if (dev.up && dev.carrier) names.push('LOWER_UP');
  return names;
}

/** `UP`, `DOWN`; `UNKNOWN` for loopback, which has no link. */
export function linkState(dev: NetDevice): string {
  if (!dev.up || !dev.carrier) return 'DOWN';
  return dev.type === ARPHRD_LOOPBACK ? 'UNKNOWN' : 'UP';
}

/** The name behind the @: the device that this one is on, or the other end of a pair (`if3`: on another host); null when there is none. */
export function lowerDevice(dev: NetDevice): string | null {
  const peer = vethEnd(dev)?.peer ?? null;
  if (peer !== null) return peer.net === dev.net ? peer.name : `if${String(peer.ifindex)}`;
  return vlanDev(dev)?.real.name ?? null;
}

/** The scope of an IPv4 address. */
export function scopeName(scope: number): string {
  return scope === RT_SCOPE_HOST ? 'host' : scope === RT_SCOPE_LINK ? 'link' : 'global';
}
