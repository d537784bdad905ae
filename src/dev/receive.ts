/**
 * A packet came in: to whom does it go?
 *
 *   from  dev/ethernet.ts   NAPI poll, by way of dev/gro.ts
 *         dev/softnet.ts    the backlog (loopback)
 *   to    dev/vlan.ts       a frame with a tag, which comes back without it, from the VLAN's device
 *         the handler of its EtherType in `net.packetTypes`: ip/input, neigh/arp
 *
 * Taps first, so that they see the packet as it came; then the protocol. A frame that nobody wants is a named drop.
 */
import { Drop } from '../skb/drop-reason.ts';
import {
  PACKET_BROADCAST, PACKET_HOST, PACKET_LOOPBACK, PACKET_MULTICAST, PACKET_OTHERHOST, type SkBuff,
} from '../skb/sk-buff.ts';
import { ETH_HLEN, ETH_P_8021Q, ethProtocol } from '../wire/ethernet.ts';
import type { NetDevice } from './net-device.ts';
import { deliverTaps } from './taps.ts';
import { vlanDoReceive } from './vlan.ts';

/** Hands up a packet whose `data` is at the network header, `mac`, `protocol` and `pktType` set. Takes the skb. */
export function netifReceiveSkb(skb: SkBuff): void {
  const dev = skb.dev as NetDevice;
  if (skb.trace !== 0) dev.net.trace(skb, 'netifReceiveSkb', dev.name);
  if (dev.net.rxTimestampUsers !== 0) skb.tstamp = dev.net.cpu.now;
  // What a host says to itself by a card (its own groups) has been seen on its way out, and has no link header (Linux: packet_rcv).
  if (dev.taps !== null && skb.pktType !== PACKET_LOOPBACK) deliverTaps(skb, dev, false);
  if (skb.protocol === ETH_P_8021Q) vlanDoReceive(skb);
  else deliverType(skb, dev);
}

/** Hands a packet to whom its EtherType belongs. Takes the skb. */
export function deliverType(skb: SkBuff, dev: NetDevice): void {
  const type = dev.net.packetTypes.get(skb.protocol);
  if (type === undefined) {
    dev.stats.rxDropped++;
    dev.net.drop(skb, Drop.UnhandledProto);
    return;
  }
  type.rcv(skb, dev);
}

/** Takes the Ethernet header off: sets `mac`, `protocol` and `pktType` (Linux: eth_type_trans). */
export function ethTypeTrans(skb: SkBuff, dev: NetDevice): void {
  const { buf, data } = skb;
  skb.dev = dev;
  skb.mac = data;
  skb.protocol = ethProtocol(buf, data);
  skb.pull(ETH_HLEN);
  const { addr } = dev;
  if ((buf[data]! & 1) !== 0) {
    skb.pktType = isBroadcast(buf, data) ? PACKET_BROADCAST : PACKET_MULTICAST;
  } else if (
    buf[data + 5] === addr[5] && buf[data + 4] === addr[4] && buf[data + 3] === addr[3]
    && buf[data + 2] === addr[2] && buf[data + 1] === addr[1] && buf[data] === addr[0]
  ) {
    skb.pktType = PACKET_HOST;
  } else {
    skb.pktType = PACKET_OTHERHOST;
  }
}

function isBroadcast(buf: Uint8Array, off: number): boolean {
  return (buf[off]! & buf[off + 1]! & buf[off + 2]! & buf[off + 3]! & buf[off + 4]! & buf[off + 5]!) === 0xff;
}
