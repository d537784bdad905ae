/**
 * MSG_ZEROCOPY on a stream: skbs refer to the writer's memory until it has been acknowledged.
 *
 *   from  tcp/send.ts         the same steps as for bytes that are copied
 *   to    sock/zerocopy.ts    the notes
 */
import { ENOBUFS } from '../lib/errno.ts';
import { addOrExtend, canAddFrag } from '../skb/copy.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { skbUbufSet } from '../skb/ubuf.ts';
import { MSG_ZEROCOPY } from '../sock/constants.ts';
import type { MsgHdr } from '../sock/sockaddr.ts';
import { msgZerocopyRealloc } from '../sock/zerocopy.ts';
import type { TcpSock } from './sock.ts';

/**
 * Begins a send that lends its memory, if it does: `msg.ubuf` is set then, which the caller of sendmsg ends
 * (`msgZerocopyEnd`). Without SO_ZEROCOPY the flag means nothing. 0, or -ENOBUFS: too many notes are unread.
 */
export function tcpZerocopyBegin(tp: TcpSock, msg: MsgHdr): number {
  if ((msg.flags & MSG_ZEROCOPY) === 0 || !tp.zerocopy || msg.len === 0 || msg.ubuf !== null) return 0;
  msg.ubuf = msgZerocopyRealloc(tp, msg.len, tp.writeQueue.tail?.ubuf ?? null);
  return msg.ubuf === null ? -ENOBUFS : 0;
}

/** Hangs up to `n` bytes of the message, from `done` on, at the end of `skb`. 0 when it can hold no more references. */
export function tcpZerocopyFill(tp: TcpSock, skb: SkBuff, msg: MsgHdr, done: number, n: number): number {
  let part = msg.buf;
  let at = msg.off + done;
  if (msg.iov !== null) {
    let i = 0;
    while (at >= msg.iov[i]!.length) at -= msg.iov[i++]!.length;
    part = msg.iov[i]!;
  }
  const page = tp.net.pool.lendPage(part);
  const take = Math.min(n, part.length - at);
  const fits = canAddFrag(skb, page, at);
  if (fits) {
    addOrExtend(skb, page, at, take);
    skbUbufSet(skb, msg.ubuf!);
  }
  tp.net.pool.putPage(page);
  return fits ? take : 0;
}
