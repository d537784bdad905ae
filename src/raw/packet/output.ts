/**
 * AF_PACKET, frames going out (Linux: packet_snd): as they are given (SOCK_RAW), or behind a link header of ours (SOCK_DGRAM). They pass
 * no filter of IP's, only the device's queueing discipline.
 *
 *   to    dev/xmit.ts   devQueueXmit
 */
import { devQueueXmit } from '../../dev/xmit.ts';
import { NET_XMIT_CN } from '../../dev/qdisc.ts';
import { devGetByIndex, devGetByName } from '../../dev/registry.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import type { Net } from '../../dev/net.ts';
import { EAGAIN, EINVAL, EMSGSIZE, ENETDOWN, ENOBUFS, ENXIO, EOPNOTSUPP } from '../../lib/errno.ts';
import { appendBytes, skbFromBytes } from '../../skb/copy.ts';
import { MAX_HEADER, type SkBuff } from '../../skb/sk-buff.ts';
import { MSG_OOB, SOCK_DGRAM } from '../../sock/constants.ts';
import type { Sock } from '../../sock/sock.ts';
import type { LinkAddr, MsgHdr } from '../../sock/sockaddr.ts';
import { skbSetOwnerW } from '../../sock/wmem.ts';
import { ETH_HLEN, ETH_P_8021Q, ethProtocol, ethWriteHeader } from '../../wire/ethernet.ts';
import { VLAN_HLEN } from '../../wire/vlan.ts';
import type { PacketSock } from './sock.ts';

/** Bytes of a hardware address. */
const MAC_LEN = 6;
/** In front of a whole frame nothing is pushed any more. */
const FRAME_HEADROOM = 16;

/** The device that a link address names, by number or by name; null when it names none that there is. */
export function linkDevice(net: Net, ll: LinkAddr): NetDevice | null {
  return ll.ifindex !== 0 ? devGetByIndex(net, ll.ifindex) : ll.device === '' ? null : devGetByName(net, ll.device);
}

/**
 * Sends a frame by the device of `msg.name`, or the one that the socket is bound to.
 *
 * @returns its length, or -ENXIO (no device), -ENETDOWN, -EMSGSIZE, -EINVAL (too short, or no hardware address), -EAGAIN, -ENOBUFS
 */
export function packetSendmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as PacketSock;
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const to = msg.hasName ? msg.name.ll : null;
  const dev = to === null ? devGetByIndex(sk.net, sk.ifindex) : linkDevice(sk.net, to);
  if (dev === null) return -ENXIO;
  if (!dev.up) return -ENETDOWN;
  const raw = sk.type !== SOCK_DGRAM;
  if (raw && msg.len < ETH_HLEN) return -EINVAL;
  if (msg.len > dev.mtu + (raw ? ETH_HLEN + (isVlan(msg) ? VLAN_HLEN : 0) : 0)) return -EMSGSIZE;
  if (!raw && (to === null || to.addr.length < MAC_LEN)) return -EINVAL;
  if (sk.err !== 0) return sk.sockError();
  if (sk.wmemAlloc >= sk.sndbuf) {
    sk.noSpace = true;
    return -EAGAIN;
  }
  const skb = raw ? wholeFrame(sk, msg) : behindHeader(sk, dev, to!, msg);
  skb.dev = dev;
  skb.nh = skb.data + ETH_HLEN;
  skb.protocol = ethProtocol(skb.buf, skb.data);
  skb.priority = sk.priority;
  skb.mark = sk.mark;
  skbSetOwnerW(skb, sk);
  const rc = devQueueXmit(skb);
  if (rc > 0) return rc === NET_XMIT_CN ? msg.len : -ENOBUFS;
  return rc < 0 ? rc : msg.len;
}

function isVlan(msg: MsgHdr): boolean {
  return ethProtocol(msg.buf, msg.off) === ETH_P_8021Q;
}

function wholeFrame(sk: PacketSock, msg: MsgHdr): SkBuff {
  return skbFromBytes(sk.net.pool, msg.buf.subarray(msg.off, msg.off + msg.len), FRAME_HEADROOM);
}

function behindHeader(sk: PacketSock, dev: NetDevice, to: LinkAddr, msg: MsgHdr): SkBuff {
  const skb = sk.net.pool.alloc(MAX_HEADER);
  appendBytes(skb, msg.buf, msg.off, msg.len);
  ethWriteHeader(skb.buf, skb.push(ETH_HLEN), to.addr, 0, dev.addr, 0, to.protocol !== 0 ? to.protocol : sk.num);
  return skb;
}
