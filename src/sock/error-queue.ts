/**
 * The error queue of a socket: filled by protocols when somebody complains about a packet of theirs, read with MSG_ERRQUEUE
 * (Linux: ip_icmp_error, ip_local_error, ip_recv_error; ip(7), IP_RECVERR).
 *
 *   from  udp/input.ts, raw/icmp-error.ts   ipIcmpError, about a quoted packet
 *         udp/output.ts, raw/output.ts      ipLocalError, when the packet cannot even leave
 *         sock/timestamping.ts, zerocopy.ts errorQueueAdd, news about what was sent
 *         the protocols' recvmsg            sockRecvError, for a reader with MSG_ERRQUEUE
 */
import { in6NeedsZone, in6ReadAt } from '../lib/addr6.ts';
import { get32 } from '../lib/bytes.ts';
import { EAGAIN } from '../lib/errno.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { cloneSkb, copyBits, trimHead } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { IPV4_DADDR, IPV4_SADDR } from '../wire/ipv4.ts';
import { IPV6_DADDR, IPV6_SADDR } from '../wire/ipv6.ts';
import {
  AF_INET, IPV6_RECVERR, IP_RECVERR, MSG_ERRQUEUE, MSG_TRUNC, SCM_TIMESTAMPING_OPT_STATS, SOL_IP, SOL_IPV6, SOL_SOCKET,
} from './constants.ts';
import {
  ErrorQueue, QueuedErr, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6, SO_EE_ORIGIN_LOCAL, type SockExtendedErr,
} from './extended-err.ts';
import { type InetSock, skbSetOwnerR, type Sock } from './sock.ts';
import { type MsgHdr, SockAddr } from './sockaddr.ts';
import { sockRecvTimestamp } from './timestamping.ts';

/**
 * Queues an error and tells the socket. Takes `skb`, whatever is left of the packet; it is dropped when the receive buffer is
 * full.
 */
export function sockQueueError(sk: Sock, err: SockExtendedErr, dest: SockAddr, skb: SkBuff): void {
  if (sk.rmemAlloc + skb.truesize >= sk.rcvbuf) {
    sk.net.drop(skb, Drop.SocketRcvbuff);
    return;
  }
  skbSetOwnerR(skb, sk);
  errorQueueAdd(sk, new QueuedErr(err, dest, skb));
  sk.errorReport();
}

/** Puts an entry at the end of the queue; its skb has been paid for. */
export function errorQueueAdd(sk: Sock, entry: QueuedErr): void {
  const queue = (sk.errorQueue ??= new ErrorQueue());
  if (queue.tail === null) queue.head = entry;
  else queue.tail.next = entry;
  queue.tail = entry;
}

/**
 * An ICMP message complains about a packet of `sk`: `skb.data` is at the quoted IPv4 header, `skb.nh` at the message's own.
 * The skb stays the caller's. `payloadOff`: where the sender's bytes begin, from the quoted header on.
 */
export function ipIcmpError(
  sk: Sock, skb: SkBuff, errno: number, type: number, code: number, info: number, port: number, payloadOff: number,
): void {
  const offender = new SockAddr().set(get32(skb.buf, skb.nh + IPV4_SADDR), 0);
  const dest = new SockAddr().set(get32(skb.buf, skb.data + IPV4_DADDR), port);
  const copy = cloneSkb(skb);
  trimHead(copy, Math.min(payloadOff, copy.len));
  sockQueueError(sk, { errno, origin: SO_EE_ORIGIN_ICMP, type, code, info, data: 0, offender }, dest, copy);
}

/** The same for an ICMPv6 message and a quoted IPv6 header. */
export function ip6IcmpError(
  sk: Sock, skb: SkBuff, errno: number, type: number, code: number, info: number, port: number, payloadOff: number,
): void {
  const from = in6ReadAt(skb.buf, skb.nh + IPV6_SADDR);
  const link = in6NeedsZone(from) && skb.dev !== null ? (skb.dev as NetDevice).ifindex : 0;
  const offender = new SockAddr().set6(from, 0, link);
  const dest = new SockAddr().set6(in6ReadAt(skb.buf, skb.data + IPV6_DADDR), port, 0);
  const copy = cloneSkb(skb);
  trimHead(copy, Math.min(payloadOff, copy.len));
  sockQueueError(sk, { errno, origin: SO_EE_ORIGIN_ICMP6, type, code, info, data: 0, offender }, dest, copy);
}

/** This host itself cannot send to `dest`: with IP_RECVERR the sender finds it in the queue. `info`: the MTU. */
export function ipLocalError(sk: Sock, errno: number, dest: SockAddr, info: number): void {
  const err: SockExtendedErr = { errno, origin: SO_EE_ORIGIN_LOCAL, type: 0, code: 0, info, data: 0, offender: null };
  sockQueueError(sk, err, dest, sk.net.pool.alloc(0));
}

/**
 * recvmsg with MSG_ERRQUEUE: the next error. `msg.name` is where the packet was to go, the control message (IP_RECVERR, or as
 * the socket's family has it) says what happened, the buffer receives what is left of the packet. The socket's pending error
 * becomes that of the next one in the queue.
 *
 * @returns the bytes copied, or -EAGAIN
 */
export function sockRecvError(sk: Sock, msg: MsgHdr, level: number = SOL_IP, type: number = IP_RECVERR): number {
  const queue = sk.errorQueue;
  const entry = queue === null ? null : queue.head;
  if (queue === null || entry === null) return -EAGAIN;
  queue.head = entry.next;
  if (entry.next === null) queue.tail = null;
  const { skb, dest } = entry;
  const copied = Math.min(skb.len, msg.len);
  if (copied > 0) copyBits(skb, 0, msg.buf, msg.off, copied);
  msg.msgFlags = MSG_ERRQUEUE | (copied < skb.len ? MSG_TRUNC : 0);
  msg.hasName = dest !== null;
  if (dest !== null) msg.name.copy(dest);
  const { errno, origin, type: icmpType, code, info, data, offender } = entry;
  msg.control = [];
  if (entry.tstampNs !== 0) sockRecvTimestamp(sk, entry.tstampNs, msg.control);
  if (entry.stats !== null) msg.control.push({ level: SOL_SOCKET, type: SCM_TIMESTAMPING_OPT_STATS, data: entry.stats });
  msg.control.push({ level, type, data: { errno, origin, type: icmpType, code, info, data, offender } satisfies SockExtendedErr });
  consumeSkb(skb);
  const icmpNext = queue.head !== null && isIcmp(queue.head);
  if (isIcmp(entry)) sk.err = icmpNext ? queue.head!.errno : 0;
  if (icmpNext) sk.errorReport();
  return copied;
}

/** A real error, and no news: it is the socket's pending one, too. */
function isIcmp({ origin }: QueuedErr): boolean {
  return origin === SO_EE_ORIGIN_ICMP || origin === SO_EE_ORIGIN_ICMP6 || origin === SO_EE_ORIGIN_LOCAL;
}

/** The same in the words of the socket's family: an IPv4 peer of an AF_INET6 socket has a mapped address. */
export function inetRecvError(sk: InetSock, msg: MsgHdr): number {
  if (sk.np === null) return sockRecvError(sk, msg);
  const n = sockRecvError(sk, msg, SOL_IPV6, IPV6_RECVERR);
  if (n >= 0 && msg.hasName && msg.name.family === AF_INET) msg.name.setMapped(msg.name.addr, msg.name.port);
  return n;
}

/** Is an error waiting there? */
export function hasQueuedError(sk: Sock): boolean {
  return sk.errorQueue !== null && sk.errorQueue.head !== null;
}

/** The socket is closed: nobody will ask any more. */
export function sockPurgeErrors(sk: Sock): void {
  for (let at = sk.errorQueue?.head ?? null; at !== null; at = at.next) sk.net.drop(at.skb, Drop.Purged);
  sk.errorQueue = null;
}
