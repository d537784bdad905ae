/**
 * The errors that a socket keeps for whoever asks (IP_RECVERR; Linux: struct sock_extended_err and sk_error_queue): what
 * happened, who says so, and the beginning of the packet that it happened to. State only; the verbs are in error-queue.ts.
 */
import type { SkBuff } from '../skb/sk-buff.ts';
import { type SockAddr } from './sockaddr.ts';

/** Who found the error: this host, or somebody who sent an ICMP or ICMPv6 message. */
export const SO_EE_ORIGIN_LOCAL = 1;
export const SO_EE_ORIGIN_ICMP = 2;
export const SO_EE_ORIGIN_ICMP6 = 3;
/** No error, but news: when a packet came how far; lent memory is the writer's again. */
export const SO_EE_ORIGIN_TIMESTAMPING = 4;
export const SO_EE_ORIGIN_ZEROCOPY = 5;
/** `code` of SO_EE_ORIGIN_ZEROCOPY: the bytes were copied after all. */
export const SO_EE_CODE_ZEROCOPY_COPIED = 1;

/** What the control message IP_RECVERR carries. */
export interface SockExtendedErr {
  /** Positive. */
  readonly errno: number;
  readonly origin: number;
  /** Of the ICMP message. */
  readonly type: number;
  readonly code: number;
  /** The path MTU, where the message has one. */
  readonly info: number;
  /** Timestamping: which bytes or datagram. Zerocopy: the last of the sends, `info` being the first. */
  readonly data: number;
  /** Who sent the message; null when it was this host itself. */
  readonly offender: SockAddr | null;
}

/** One error that waits. */
export class QueuedErr implements SockExtendedErr {
  readonly errno: number;
  readonly origin: number;
  readonly type: number;
  readonly code: number;
  readonly info: number;
  data: number;
  readonly offender: SockAddr | null;
  /** Where the packet was to go; null for news, which are about none. */
  readonly dest: SockAddr | null;
  /** When it happened, host nanoseconds, of SO_EE_ORIGIN_TIMESTAMPING. */
  tstampNs = 0;
  /** SCM_TIMESTAMPING_OPT_STATS: the connection at that moment, or null. */
  stats: object | null = null;
  /** What is left of the packet, `data` at the bytes that the sender wrote; charged to the socket. */
  readonly skb: SkBuff;
  next: QueuedErr | null = null;

  constructor(err: SockExtendedErr, dest: SockAddr | null, skb: SkBuff) {
    this.errno = err.errno;
    this.origin = err.origin;
    this.type = err.type;
    this.code = err.code;
    this.info = err.info;
    this.data = err.data;
    this.offender = err.offender;
    this.dest = dest;
    this.skb = skb;
  }
}

/** Errors in the order in which they came; `sk.errorQueue` is null until there is one. Bounded by SO_RCVBUF. */
export class ErrorQueue {
  head: QueuedErr | null = null;
  tail: QueuedErr | null = null;
}
