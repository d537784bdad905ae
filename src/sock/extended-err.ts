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
  readonly offender: SockAddr | null;
  /** Where the packet was to go. */
  readonly dest: SockAddr;
  /** What is left of the packet, `data` at the bytes that the sender wrote; charged to the socket. */
  readonly skb: SkBuff;
  next: QueuedErr | null = null;

  constructor(err: SockExtendedErr, dest: SockAddr, skb: SkBuff) {
    this.errno = err.errno;
    this.origin = err.origin;
    this.type = err.type;
    this.code = err.code;
    this.info = err.info;
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
