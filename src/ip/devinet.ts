/**
 * The IPv4 addresses of a device, and the questions that are answered by them.
 */
import { fail } from '../lib/assert.ts';
import type { NetDevice } from '../dev/net-device.ts';
import type { Ipv4 } from './ipv4.ts';

/** Gives the device an address; its local, connected and broadcast routes follow. 0, -EEXIST or -EINVAL. */
export function inetAddrAdd(_dev: NetDevice, _addr: number, _prefixLen: number): number {
  return fail('not yet');
}

/** Takes the address away. 0 or -EADDRNOTAVAIL. */
export function inetAddrDel(_dev: NetDevice, _addr: number, _prefixLen: number): number {
  return fail('not yet');
}

/** What an address is to this host: RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST or RTN_UNICAST. */
export function inetAddrType(_ip: Ipv4, _addr: number): number {
  return fail('not yet');
}

/** The source address to use on `dev` towards `dst` (0: any). 0 when there is none. */
export function inetSelectAddr(_ip: Ipv4, _dev: NetDevice | null, _dst: number): number {
  return fail('not yet');
}
