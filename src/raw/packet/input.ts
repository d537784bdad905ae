/**
 * AF_PACKET, frames coming by (Linux: packet_rcv).
 *
 *   from  dev/taps.ts   every frame of the devices that the socket looks at: those that come in, and for ETH_P_ALL those that go out
 *   to    the socket's receive queue: a copy with the link header (SOCK_RAW) or without it (SOCK_DGRAM)
 *
 * A super-packet is seen whole, as on Linux. A checksum that the card is to fill in is filled in on the copy (Linux shows it unfinished).
 */
import type { NetDevice } from '../../dev/net-device.ts';
import type { PacketTap } from '../../dev/taps.ts';
import { cloneSkb } from '../../skb/copy.ts';
import { skbChecksumHelp } from '../../skb/csum.ts';
import { CHECKSUM_PARTIAL, PACKET_OUTGOING, type SkBuff } from '../../skb/sk-buff.ts';
import { SOCK_DGRAM } from '../../sock/constants.ts';
import { sockQueueRcv } from '../../sock/datagram.ts';
import type { LinkAddr } from '../../sock/sockaddr.ts';
import { ETH_HLEN, ETH_P_ALL, ETH_SRC, ethProtocol } from '../../wire/ethernet.ts';
import type { PacketSock } from './sock.ts';

/** Bytes of a hardware address. */
const MAC_LEN = 6;

/** A socket as the devices see it. */
export class PacketHook implements PacketTap {
  private readonly sk: PacketSock;

  constructor(sk: PacketSock) {
    this.sk = sk;
  }

  packet(skb: SkBuff, dev: NetDevice, outgoing: boolean): void {
    const { sk } = this;
    if (outgoing && (sk.num !== ETH_P_ALL || sk.ignoreOutgoing)) return;
    const mac = outgoing ? skb.data : skb.mac;
    if (mac < 0) return;
    const protocol = outgoing ? ethProtocol(skb.buf, mac) : skb.protocol;
    if (sk.num !== ETH_P_ALL && sk.num !== protocol) return;
    sk.tpPackets++;
    if (sk.rmemAlloc >= sk.rcvbuf) {
      // No copy is made: the frame itself goes its way, and nothing is freed here.
      sk.drops++;
      sk.tpDrops++;
      return;
    }
    sockQueueRcv(sk, copyOf(sk, skb, dev, outgoing, mac, protocol));
  }
}

function copyOf(sk: PacketSock, skb: SkBuff, dev: NetDevice, outgoing: boolean, mac: number, protocol: number): SkBuff {
  const back = skb.data - mac;
  if (back > 0) skb.push(back);
  const copy = cloneSkb(skb);
  if (back > 0) skb.pull(back);
  copy.tstamp = skb.tstamp;
  if (copy.ipSummed === CHECKSUM_PARTIAL && copy.gsoSize === 0) skbChecksumHelp(copy);
  const from: LinkAddr = {
    protocol, ifindex: dev.ifindex, device: dev.name, hatype: dev.type, pkttype: outgoing ? PACKET_OUTGOING : skb.pktType,
    addr: copy.buf.slice(mac + ETH_SRC, mac + ETH_SRC + MAC_LEN),
  };
  if (sk.type === SOCK_DGRAM) copy.pull(ETH_HLEN);
  copy.dst = from;
  return copy;
}
