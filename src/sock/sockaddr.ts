/** A socket address in the kernel's form: numbers, no strings. Reused by its owner; the callee copies what it keeps. */
import type { In6Addr } from '../lib/addr6.ts';
import { AF_INET } from './constants.ts';

export class SockAddr {
  family: number = AF_INET;
  /** IPv4, int32. */
  addr = 0;
  /** Host order. */
  port = 0;
  /** IPv6; null for IPv4. */
  addr6: In6Addr | null = null;
  /** The link that a link-local address is meant on: an ifindex, 0 = not said. */
  scopeId = 0;

  set(addr: number, port: number): this {
    this.family = AF_INET;
    this.addr = addr;
    this.port = port;
    return this;
  }
}

/** A message of sendmsg or recvmsg in the kernel's form. Reused by its owner. */
export class MsgHdr {
  buf: Uint8Array = EMPTY;
  /** Where in `buf` the message begins, and how many bytes it has or may have. */
  off = 0;
  len = 0;
  /** MSG_* as given by the caller. */
  flags = 0;
  /** In: the destination, when `hasName`. Out: the source of what was received. */
  readonly name: SockAddr = new SockAddr();
  hasName = false;
  /** Out: MSG_TRUNC and others. */
  msgFlags = 0;
  /** Control messages in and out, rarely used. */
  control: Cmsg[] | null = null;
}

/** A control message (ancillary data). */
export interface Cmsg {
  level: number;
  type: number;
  data: number | Uint8Array | object;
}

const EMPTY: Uint8Array = new Uint8Array(0);
