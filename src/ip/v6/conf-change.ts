/** What follows when a setting of IPv6 is changed while the host runs (Linux: the handlers of addrconf's sysctls). */
import { IFF_LOOPBACK } from '../../dev/net-device.ts';
import { addrconfForwarding, devDown, devUp } from './addrconf.ts';
import type { Ip6Conf } from './conf.ts';
import { in6DevOf, type Inet6Dev } from './inet6-dev.ts';
import type { Ipv6 } from './ipv6.ts';
import { RTPROT_RA } from './rtn.ts';

/** `all.forwarding` goes for every device and for those to come; a device's own says whether it counts as a router's. */
export function confForwardingChanged(ip6: Ipv6, conf: Ip6Conf): void {
  if (conf === ip6.confAll) {
    ip6.confDefault.forwarding = conf.forwarding;
    for (const idev of idevs(ip6)) idev.conf.forwarding = conf.forwarding;
    ip6.fib.generation++;
    return;
  }
  const idev = idevs(ip6).find((d) => d.conf === conf);
  if (idev === undefined) return;
  addrconfForwarding(idev, conf.forwarding !== 0);
  // A router does not follow other routers (RFC 4861 §6.2.2): what they said is void.
  if (conf.forwarding !== 0 && conf.acceptRa < 2) {
    ip6.fib.main.removeAll((route) => route.dev === idev.dev && route.protocol === RTPROT_RA);
  }
}

/** `all.disable_ipv6` goes for every device and for those to come. */
export function confDisableChanged(ip6: Ipv6, conf: Ip6Conf): void {
  if (conf === ip6.confAll) {
    ip6.confDefault.disableIpv6 = conf.disableIpv6;
    for (const idev of idevs(ip6)) idev.conf.disableIpv6 = conf.disableIpv6;
    return;
  }
  const idev = idevs(ip6).find((d) => d.conf === conf);
  if (idev === undefined) return;
  const { dev } = idev;
  if (conf.disableIpv6 !== 0) {
    devDown(ip6, dev);
    if ((dev.flags & IFF_LOOPBACK) === 0) idev.addrs.length = 0;
  } else if (dev.up) {
    devUp(ip6, dev);
  }
}

function idevs(ip6: Ipv6): Inet6Dev[] {
  return ip6.net.devices.flatMap((dev) => (dev === null || in6DevOf(dev) === null ? [] : [in6DevOf(dev)!]));
}
