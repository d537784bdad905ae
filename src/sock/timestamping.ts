/**
 * SO_TIMESTAMPING and SO_TIMESTAMP: when packets came and went, told in control messages (Linux: sock_set_timestamping,
 * __skb_tstamp_tx, __sock_recv_timestamp; Documentation/networking/timestamping, socket(7)). All times are host nanoseconds.
 *
 *   from  syscall/sockopt.ts           sockSetTimestamping, sockSetTimestamp
 *         dev/xmit.ts, by net.txTimestamp   skbTstampTx; of TCP's ACKs tcp/tstamp.ts
 *         the protocols' sendmsg       sockTxFlags; recvmsg: sockRecvTimestamp
 *   to    sock/error-queue.ts          news about what was sent
 */
import { EINVAL, ENOMSG } from '../lib/errno.ts';
import { cloneSkb } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import {
  SKBTX_ACK_TSTAMP, SKBTX_SCHED_TSTAMP, SKBTX_SW_TSTAMP, type SkBuff,
} from '../skb/sk-buff.ts';
import {
  IPPROTO_TCP, SCM_TIMESTAMP, SCM_TIMESTAMPING, SCM_TIMESTAMPNS, SCM_TSTAMP_ACK, SCM_TSTAMP_SCHED, SCM_TSTAMP_SND, SOCK_STREAM,
  SOF_TIMESTAMPING_OPT_ID, SOF_TIMESTAMPING_OPT_ID_TCP, SOF_TIMESTAMPING_OPT_RX_FILTER, SOF_TIMESTAMPING_OPT_STATS,
  SOF_TIMESTAMPING_OPT_TSONLY, SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE, SOF_TIMESTAMPING_TX_ACK,
  SOF_TIMESTAMPING_TX_HARDWARE, SOF_TIMESTAMPING_TX_SCHED, SOF_TIMESTAMPING_TX_SOFTWARE, SO_TIMESTAMPING, SOL_SOCKET, TCP_CLOSE,
  TCP_LISTEN,
} from './constants.ts';
import { errorQueueAdd } from './error-queue.ts';
import { QueuedErr, SO_EE_ORIGIN_TIMESTAMPING } from './extended-err.ts';
import { skbSetOwnerR, type Sock } from './sock.ts';
import type { Cmsg, MsgHdr } from './sockaddr.ts';

/** Every bit that Linux 6.18 knows. */
const SOF_TIMESTAMPING_MASK = 0x7ffff;
/** What a message may ask for by itself. */
const TX_RECORD_MASK: number =
  SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK;

const NS_PER_US = 1000;

/** SCM_TIMESTAMPING (struct scm_timestamping): the software's time, nothing, the card's. Host nanoseconds; 0: none was taken. */
export interface ScmTimestamping {
  readonly ts: readonly [number, number, number];
}

// ---- options

/** Sets SO_TIMESTAMPING. 0, or -EINVAL. `tskey`: the number at which OPT_ID begins to count. */
export function sockSetTimestamping(sk: Sock, val: number, tskey: number): number {
  if ((val & ~SOF_TIMESTAMPING_MASK) !== 0) return -EINVAL;
  if ((val & SOF_TIMESTAMPING_OPT_ID_TCP) !== 0 && (val & SOF_TIMESTAMPING_OPT_ID) === 0) return -EINVAL;
  const newId = (val & SOF_TIMESTAMPING_OPT_ID) !== 0 && (sk.tsflags & SOF_TIMESTAMPING_OPT_ID) === 0;
  // A stream counts bytes, and has none before it is connected.
  if (newId && isTcp(sk) && (sk.state === TCP_CLOSE || sk.state === TCP_LISTEN)) return -EINVAL;
  if ((val & SOF_TIMESTAMPING_OPT_STATS) !== 0 && (val & SOF_TIMESTAMPING_OPT_TSONLY) === 0) return -EINVAL;
  if (newId) sk.tskey = tskey;
  sk.tsflags = val;
  updateUser(sk);
  return 0;
}

/** Sets SO_TIMESTAMP: `how` 0 off, 1 on, 2 on as SO_TIMESTAMPNS. */
export function sockSetTimestamp(sk: Sock, how: number): void {
  sk.rcvtstamp = how;
  updateUser(sk);
}

/** The host takes the time of packets as long as somebody wants to know it. A socket that is closed wants nothing. */
function updateUser(sk: Sock): void {
  const wants = !sk.destroyed && (sk.rcvtstamp !== 0 || (sk.tsflags & SOF_TIMESTAMPING_RX_SOFTWARE) !== 0);
  if (wants === sk.rxStamped) return;
  sk.rxStamped = wants;
  sk.net.rxTimestampUsers += wants ? 1 : -1;
}

/** A connection begins with the options of its listener. */
export function sockInheritTimestamping(from: Sock, to: Sock): void {
  to.tsflags = from.tsflags;
  to.tskey = from.tskey;
  to.rcvtstamp = from.rcvtstamp;
  updateUser(to);
}

/** The socket is gone. */
export function sockEndTimestamping(sk: Sock): void {
  sk.tsflags = 0;
  sk.rcvtstamp = 0;
  updateUser(sk);
}

function isTcp(sk: Sock): boolean {
  return sk.type === SOCK_STREAM && sk.protocol === IPPROTO_TCP;
}

// ---- what is sent

/**
 * The SOF_TIMESTAMPING_* bits that hold for one message: the socket's, or what its control message SO_TIMESTAMPING asks for
 * instead. -EINVAL for bits that a message may not ask for.
 */
export function sockTsflags(sk: Sock, msg: MsgHdr): number {
  const { control } = msg;
  if (control === null) return sk.tsflags;
  for (const c of control) {
    if (c.level !== SOL_SOCKET || c.type !== SO_TIMESTAMPING) continue;
    if (typeof c.data !== 'number' || (c.data & ~TX_RECORD_MASK) !== 0) return -EINVAL;
    return (sk.tsflags & ~TX_RECORD_MASK) | c.data;
  }
  return sk.tsflags;
}

/** The SKBTX_* bits that follow from them. */
export function sockTxFlags(tsflags: number): number {
  let flags = 0;
  if ((tsflags & SOF_TIMESTAMPING_TX_SOFTWARE) !== 0) flags |= SKBTX_SW_TSTAMP;
  if ((tsflags & SOF_TIMESTAMPING_TX_SCHED) !== 0) flags |= SKBTX_SCHED_TSTAMP;
  if ((tsflags & SOF_TIMESTAMPING_TX_ACK) !== 0) flags |= SKBTX_ACK_TSTAMP;
  return flags;
}

/** The packet has come to `what` (SKBTX_*): its sender finds the time in the error queue. The skb stays the caller's. */
export function skbTstampTx(skb: SkBuff, what: number): void {
  const sk = skb.sk as Sock | null;
  if (sk === null || sk.destroyed) return;
  tstampComplete(sk, skb, what === SKBTX_SCHED_TSTAMP ? SCM_TSTAMP_SCHED : SCM_TSTAMP_SND);
}

/** The bytes of `skb`, which waits in the retransmission queue of `sk`, have been acknowledged. */
export function skbTstampAck(sk: Sock, skb: SkBuff): void {
  tstampComplete(sk, skb, SCM_TSTAMP_ACK);
}

function tstampComplete(sk: Sock, orig: SkBuff, what: number): void {
  const { net, tsflags } = sk;
  const skb = (tsflags & SOF_TIMESTAMPING_OPT_TSONLY) !== 0 ? net.pool.alloc(0) : cloneSkb(orig);
  if (sk.rmemAlloc + skb.truesize >= sk.rcvbuf) {
    net.drop(skb, Drop.SocketRcvbuff);
    return;
  }
  skbSetOwnerR(skb, sk);
  const id = (tsflags & SOF_TIMESTAMPING_OPT_ID) === 0 ? 0 : isTcp(sk) ? (orig.tskey - sk.tskey) >>> 0 : orig.tskey >>> 0;
  const err = { errno: ENOMSG, origin: SO_EE_ORIGIN_TIMESTAMPING, type: 0, code: 0, info: what, data: id, offender: null };
  const entry = new QueuedErr(err, null, skb);
  entry.tstampNs = Math.max(net.cpu.now, 1);
  if ((tsflags & SOF_TIMESTAMPING_OPT_STATS) !== 0) entry.stats = sk.prot.tstampStats?.(sk) ?? null;
  errorQueueAdd(sk, entry);
  sk.errorReport();
}

// ---- what is received

/** Does the reader of this socket want to know when bytes came? */
export function sockWantsRxTimestamp(sk: Sock): boolean {
  return sk.rxStamped;
}

/** Tells the reader what it asked for about the time `ns`, in `out`. */
export function sockRecvTimestamp(sk: Sock, ns: number, out: Cmsg[]): void {
  const { tsflags, rcvtstamp } = sk;
  if (rcvtstamp === 1) out.push({ level: SOL_SOCKET, type: SCM_TIMESTAMP, data: Math.floor(ns / NS_PER_US) * NS_PER_US });
  else if (rcvtstamp === 2) out.push({ level: SOL_SOCKET, type: SCM_TIMESTAMPNS, data: ns });
  if ((tsflags & SOF_TIMESTAMPING_SOFTWARE) === 0) return;
  out.push({ level: SOL_SOCKET, type: SCM_TIMESTAMPING, data: { ts: [ns, 0, 0] } satisfies ScmTimestamping });
}

/** The same about a packet that came in; with OPT_RX_FILTER only a socket that asked for its kind of stamp is told. */
export function sockRecvRxTimestamp(sk: Sock, ns: number, out: Cmsg[]): void {
  const filtered = SOF_TIMESTAMPING_OPT_RX_FILTER | SOF_TIMESTAMPING_RX_SOFTWARE;
  if ((sk.tsflags & filtered) !== SOF_TIMESTAMPING_OPT_RX_FILTER) sockRecvTimestamp(sk, ns, out);
}
