/** What sockets of messages have in common (Linux: datagram.c): poll, the end of the receive queue, how much is there. */
import { EAGAIN, ENOTTY } from '../lib/errno.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import {
  FIONREAD, MSG_DONTWAIT, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM, RCV_SHUTDOWN, SHUTDOWN_MASK, SIOCOUTQ,
} from './constants.ts';
import { hasQueuedError, sockPurgeErrors } from './error-queue.ts';
import { skbSetOwnerR, type Sock } from './sock.ts';
import type { MsgHdr } from './sockaddr.ts';
import { sockTrace } from './trace.ts';
import { sockWriteable } from './wmem.ts';

/** POLL* bits of a socket of messages (Linux: datagram_poll). */
export function datagramPoll(sk: Sock): number {
  let mask = 0;
  if (sk.err !== 0 || hasQueuedError(sk)) mask |= POLLERR;
  if ((sk.shutdown & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (sk.shutdown === SHUTDOWN_MASK) mask |= POLLHUP;
  if (!sk.receiveQueue.empty) mask |= POLLIN | POLLRDNORM;
  if (sockWriteable(sk)) mask |= POLLOUT | POLLWRNORM;
  else sk.noSpace = true;
  return mask;
}

/** FIONREAD (the length of the next message; an empty one and none look alike) and SIOCOUTQ. */
export function datagramIoctl(sk: Sock, cmd: number): number {
  if (cmd === SIOCOUTQ) return sk.wmemAlloc;
  return cmd === FIONREAD ? sk.receiveQueue.head?.len ?? 0 : -ENOTTY;
}

/** The next message, which stays in its queue; or what a reader is told instead: an error, 0 at the end, -EAGAIN. */
export function datagramHead(sk: Sock, msg: MsgHdr): SkBuff | number {
  if (sk.err !== 0) return sk.sockError();
  const skb = sk.receiveQueue.head;
  if (skb !== null) return skb;
  // A reader that would wait after shutdown gets the end instead.
  return (sk.shutdown & RCV_SHUTDOWN) !== 0 && (msg.flags & MSG_DONTWAIT) === 0 ? 0 : -EAGAIN;
}

/** Puts a message into the receive queue, if there is room (Linux: sock_queue_rcv_skb). Takes the skb. True when it is there. */
export function sockQueueRcv(sk: Sock, skb: SkBuff): boolean {
  if (sk.rmemAlloc >= sk.rcvbuf) {
    sk.drops++;
    sk.net.drop(skb, Drop.SocketRcvbuff);
    return false;
  }
  skbSetOwnerR(skb, sk);
  if (skb.trace !== 0) sockTrace(sk, skb, 'sockQueueRcvSkb');
  sk.receiveQueue.pushTail(skb);
  sk.dataReady();
  return true;
}

/** The socket is closed: what was not read is gone. */
export function sockPurgeQueues(sk: Sock): void {
  for (let skb = sk.receiveQueue.popHead(); skb !== null; skb = sk.receiveQueue.popHead()) sk.net.drop(skb, Drop.Purged);
  sockPurgeErrors(sk);
}
