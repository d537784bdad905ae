/**
 * Loopback: what goes out comes in.
 *
 *   from  dev/xmit.ts      a packet for one of this host's own addresses; no queueing discipline, no cutting, no checksum
 *   to    dev/softnet.ts   the backlog, for the softirq at the end of the system call
 *
 * The skb itself goes round: nothing is copied. It keeps its route (`dst`), as in Linux: the route that led here knows how
 * to deliver it. It stops being the sender's (`destructor` is called): from here on the receiver pays for it.
 */
import { skbOrphan } from '../skb/owner.ts';
import { PACKET_HOST, type SkBuff } from '../skb/sk-buff.ts';
import { ETH_HLEN, ethProtocol } from '../wire/ethernet.ts';
import {
  ARPHRD_LOOPBACK, IFF_LOOPBACK, NETDEV_TX_OK, NETIF_F_GRO, NETIF_F_HW_CSUM, NETIF_F_RXCSUM, NETIF_F_TSO, NetDevice,
  type NetDeviceOps,
} from './net-device.ts';
import type { Net } from './net.ts';
import { registerNetdevice } from './registry.ts';

/** The largest packet of loopback, IP header included, is one byte less: the total length is a 16-bit field. */
export const LOOPBACK_MTU = 65536;

/** Makes and registers `lo`; devOpen brings it up. */
export function registerLoopback(net: Net): NetDevice {
  const dev = new NetDevice(net, 'lo', ARPHRD_LOOPBACK, loopbackOps);
  dev.mtu = LOOPBACK_MTU;
  dev.flags = IFF_LOOPBACK;
  dev.features = NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_GRO | NETIF_F_RXCSUM;
  dev.gsoMaxSize = 65536;
  dev.broadcast.fill(0);
  dev.txQueueLen = 1000;
  registerNetdevice(net, dev);
  return dev;
}

function loopbackXmit(skb: SkBuff, dev: NetDevice): number {
  skbOrphan(skb);
  if (skb.trace !== 0) dev.net.trace(skb, 'loopbackXmit', dev.name);
  const { stats } = dev;
  stats.txPackets++;
  stats.txBytes += skb.len;
  stats.rxPackets++;
  stats.rxBytes += skb.len;
  skb.mac = skb.data;
  skb.protocol = ethProtocol(skb.buf, skb.data);
  skb.pull(ETH_HLEN);
  skb.pktType = PACKET_HOST;
  dev.net.softnet!.enqueueToBacklog(skb);
  return NETDEV_TX_OK;
}

const loopbackOps: NetDeviceOps = {
  open: nothing,
  stop: nothing,
  startXmit: loopbackXmit,
  setRxMode: nothing,
  ethtoolStats: () => [],
};

function nothing(): void {
  // There is no card.
}
