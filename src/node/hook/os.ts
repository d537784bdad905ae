/** `os`: the name of the host that code runs on, and its interfaces. */
import os from 'node:os';
import type { Net } from '../../dev/net.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../dev/net-device.ts';
import { inetAddrs } from '../../ip/devinet.ts';
import { inet6Addrs } from '../../ip/v6/inet6-dev.ts';
import { formatIpv4, formatMac, ipv4Mask } from '../../lib/addr.ts';
import { formatIpv6, in6IsLinklocal, In6Addr } from '../../lib/addr6.ts';
import { hostHere } from '../current.ts';
import { wrap, type Undo } from './wrap.ts';

export function hookOs(): Undo[] {
  return [
    wrap(os, 'hostname', (real) => function hostname() {
      return hostHere()?.handles.process.net.name ?? real.call(this);
    }),
    wrap(os, 'networkInterfaces', (real) => function networkInterfaces() {
      const host = hostHere();
      return host === null ? real.call(this) : interfacesOf(host.handles.process.net);
    }),
  ];
}

/** As `os.networkInterfaces()`: the addresses of each device that is up, IPv4 first. */
export function interfacesOf(net: Net): NodeJS.Dict<os.NetworkInterfaceInfo[]> {
  const out: NodeJS.Dict<os.NetworkInterfaceInfo[]> = {};
  for (const dev of net.devices) {
    if (dev === null || !dev.up) continue;
    const list = [...addresses4(dev), ...addresses6(dev)];
    if (list.length > 0) out[dev.name] = list;
  }
  return out;
}

function addresses4(dev: NetDevice): os.NetworkInterfaceInfo[] {
  return inetAddrs(dev).map(({ addr, prefixLen }) => {
    const address = formatIpv4(addr);
    return {
      address, netmask: formatIpv4(ipv4Mask(prefixLen)), family: 'IPv4', mac: formatMac(dev.addr), internal: isInternal(dev),
      cidr: `${address}/${prefixLen}`,
    };
  });
}

function addresses6(dev: NetDevice): os.NetworkInterfaceInfo[] {
  return inet6Addrs(dev).filter(({ usable }) => usable).map(({ addr, prefixLen }) => {
    const address = formatIpv6(addr);
    return {
      address, netmask: formatIpv6(mask6(prefixLen)), family: 'IPv6', mac: formatMac(dev.addr), internal: isInternal(dev),
      cidr: `${address}/${prefixLen}`, scopeid: in6IsLinklocal(addr) ? dev.ifindex : 0,
    };
  });
}

function isInternal(dev: NetDevice): boolean {
  return (dev.flags & IFF_LOOPBACK) !== 0;
}

function mask6(prefixLen: number): In6Addr {
  const word = (i: number): number => {
    const bits = Math.min(Math.max(prefixLen - 32 * i, 0), 32);
    return bits === 0 ? 0 : -1 << (32 - bits);
  };
  return new In6Addr(word(0), word(1), word(2), word(3));
}
