/**
 * ICMP redirects (RFC 792, RFC 1122 §3.2.2.2, RFC 1812 §5.2.7.2): a router tells a host of a better first hop, and the host
 * learns (Linux: ip_rt_send_redirect, __ip_do_redirect).
 *
 *   from  ip/forward.ts      ipSendRedirect, a packet that leaves by the link it came in by
 *         ip/icmp-input.ts   ipRedirect, a message that came in
 *   to    ip/icmp.ts         the message
 *         ip/route.ts        the exception, which is believed for five minutes
 */
import { ipv4IsLbcast, ipv4IsMulticast, ipv4IsZeronet } from '../lib/addr.ts';
import { get32 } from '../lib/bytes.ts';
import { NS_PER_MS, NS_PER_SEC } from '../lib/units.ts';
import { ICMP_REDIR_HOST, ICMP_REDIRECT } from '../wire/icmp.ts';
import { iphDaddr, iphSaddr, IPV4_SADDR } from '../wire/ipv4.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { neighEventSend, NUD_VALID } from '../neigh/neighbour.ts';
import { ipAcceptsRedirects, ipConfMax } from './conf.ts';
import { inetAddrType, inetIsLocal, inetOnLink } from './devinet.ts';
import { RTN_UNICAST } from './fib.ts';
import { icmpSend } from './icmp.ts';
import type { Ipv4 } from './ipv4.ts';
import { ipLearnGateway, ipRouteOutput, type Rtable } from './route.ts';

/** Hosts whose redirects are counted; the one known longest makes room. */
export const REDIRECT_PEERS_MAX = 1024;
/** RFC 792: types of redirects, for a network or a host, with or without type of service. */
const REDIRECT_CODES = 4;

/** How often a host was told, and when last (host time, ns). */
export interface RedirectPeer {
  sent: number;
  last: number;
}

/** The packet was forwarded back to the link of its sender: the sender is told, less and less often while it does not listen. */
export function ipSendRedirect(ip: Ipv4, skb: SkBuff, rt: Rtable): void {
  const { sysctl, net, redirectPeers } = ip;
  if (ipConfMax(ip, rt.dev, 'sendRedirects') === 0) return;
  const { now } = net.cpu;
  const saddr = get32(skb.buf, skb.nh + IPV4_SADDR);
  let peer = redirectPeers.get(saddr);
  if (peer === undefined) {
    if (redirectPeers.size >= REDIRECT_PEERS_MAX) redirectPeers.delete(redirectPeers.keys().next().value!);
    peer = { sent: 0, last: 0 };
    redirectPeers.set(saddr, peer);
  }
  if (now > peer.last + sysctl.redirectSilence * NS_PER_MS) peer.sent = 0;
  if (peer.sent >= sysctl.redirectNumber) {
    peer.last = now; // it does not listen: nothing is said until it has been quiet for a while
    return;
  }
  if (peer.sent > 0 && now <= peer.last + sysctl.redirectLoad * 2 ** peer.sent * NS_PER_MS) return;
  icmpSend(skb, ICMP_REDIRECT, ICMP_REDIR_HOST, rt.nexthop);
  peer.last = now;
  peer.sent++;
}

/**
 * A redirect came in: `skb.data` is at the quoted IP header, `nh` at the message's own. The skb stays the caller's. True when it
 * was followed.
 *
 * Believed only from the present gateway of that destination (RFC 1122 §3.2.2.2), about a packet that we may have sent, and
 * when the new one answers to ARP on that link. Differs: Linux asks for a socket besides.
 */
export function ipRedirect(ip: Ipv4, skb: SkBuff, code: number, gateway: number): boolean {
  const from = iphSaddr(skb.buf, skb.nh);
  const daddr = iphDaddr(skb.buf, skb.data);
  if (code >= REDIRECT_CODES || !inetIsLocal(ip, iphSaddr(skb.buf, skb.data))) return false;
  const rt = ipRouteOutput(ip, daddr, 0, 0);
  if (typeof rt === 'number' || rt.type !== RTN_UNICAST || rt.gateway === 0 || rt.gateway !== from || rt.dev !== skb.dev) return false;
  if (!acceptable(ip, rt.dev, from, gateway)) return false;
  const neigh = ip.arp.table.lookup(rt.dev, gateway);
  if (neigh === null) return false;
  if ((neigh.state & NUD_VALID) === 0) {
    neighEventSend(neigh, null); // who is that? the next redirect will be followed
    return false;
  }
  ipLearnGateway(ip, daddr, gateway, ip.net.cpu.now + ip.sysctl.routeGcTimeout * NS_PER_SEC);
  return true;
}

function acceptable(ip: Ipv4, dev: NetDevice, from: number, gateway: number): boolean {
  if (!ipAcceptsRedirects(ip, dev) || gateway === from) return false;
  if (ipv4IsMulticast(gateway) || ipv4IsLbcast(gateway) || ipv4IsZeronet(gateway)) return false;
  if (ipConfMax(ip, dev, 'sharedMedia') !== 0) return inetAddrType(ip, gateway) === RTN_UNICAST;
  if (!inetOnLink(dev, gateway)) return false;
  // Only to those that are gateways by our own routes.
  const gateways = ip.fib.main.all().filter((route) => route.prefixLen === 0 && route.dev === dev);
  return ipConfMax(ip, dev, 'secureRedirects') === 0 || gateways.some((route) => route.gateway === gateway);
}
