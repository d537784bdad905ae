/** A socket address in the kernel's form: numbers, no strings. Reused by its owner; the callee copies what it keeps. */
import { in6FromV4, type In6Addr } from '../lib/addr6.ts';
import type { Ubuf } from '../skb/sk-buff.ts';
import { AF_INET, AF_INET6, AF_PACKET, AF_UNIX } from './constants.ts';
import type { PassedFile, Ucred } from './scm.ts';

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
  /** Flow label of IPv6 (20 bits), given or received; 0 = none. */
  flowinfo = 0;

  /** AF_UNIX: where it is; '' when it has no name, `\0name` in the abstract namespace. Null for other families. */
  path: string | null = null;
  /** AF_PACKET. Null for other families. */
  ll: LinkAddr | null = null;

  /** A name of a Unix socket; '' for none. */
  setPath(path: string): this {
    this.family = AF_UNIX;
    this.addr = 0;
    this.port = 0;
    this.path = path;
    return this;
  }

  setLink(ll: LinkAddr): this {
    this.family = AF_PACKET;
    this.addr = 0;
    this.port = 0;
    this.ll = ll;
    return this;
  }

  /** Takes over all that `from` says. */
  copy(from: SockAddr): this {
    this.family = from.family;
    this.addr = from.addr;
    this.port = from.port;
    this.addr6 = from.addr6;
    this.scopeId = from.scopeId;
    this.flowinfo = from.flowinfo;
    this.path = from.path;
    this.ll = from.ll;
    return this;
  }

  set(addr: number, port: number): this {
    this.family = AF_INET;
    this.addr = addr;
    this.port = port;
    this.addr6 = null;
    this.scopeId = 0;
    this.flowinfo = 0;
    return this;
  }

  /** An IPv6 address. `scopeId` 0: no zone. */
  set6(addr: In6Addr, port: number, scopeId: number): this {
    this.family = AF_INET6;
    this.addr = 0;
    this.port = port;
    this.addr6 = addr;
    this.scopeId = scopeId;
    this.flowinfo = 0;
    return this;
  }

  /** An IPv4 address as an AF_INET6 socket shows it: `::ffff:10.0.0.1`. */
  setMapped(addr: number, port: number): this {
    return this.set6(in6FromV4(addr), port, 0);
  }
}

/** Where a frame came from or is to go (Linux: struct sockaddr_ll). */
export interface LinkAddr {
  /** EtherType, host order; 0: none is meant. */
  readonly protocol: number;
  /** The device by number, or by name; 0 and '': any. */
  readonly ifindex: number;
  readonly device: string;
  /** ARPHRD_* of the device. */
  readonly hatype: number;
  /** PACKET_HOST, PACKET_BROADCAST… */
  readonly pkttype: number;
  /** The hardware address of the sender, or of the destination. */
  readonly addr: Uint8Array;
}

/** A message of sendmsg or recvmsg in the kernel's form. Reused by its owner. */
export class MsgHdr {
  buf: Uint8Array = EMPTY;
  /** Where in `buf` the message begins, and how many bytes it has or may have. */
  off = 0;
  len = 0;
  /** The parts of `buf` where the writer's memory is to be lent (MSG_ZEROCOPY) and has several; null: `buf` is all there is. */
  iov: readonly Uint8Array[] | null = null;
  /** The note of a send that lends its memory, while the call goes on; whoever made the call ends it. */
  ubuf: Ubuf | null = null;
  /** MSG_* as given by the caller. */
  flags = 0;
  /** In: the destination, when `hasName`. Out: the source of what was received. */
  readonly name: SockAddr = new SockAddr();
  hasName = false;
  /** Out: MSG_TRUNC and others. */
  msgFlags = 0;
  /** Control messages in and out, rarely used. */
  control: Cmsg[] | null = null;
  /** Who sends it, and the files that travel with it (Unix sockets; `sock/scm.ts`). Out: files for the reader to open. */
  creds: Ucred | null = null;
  files: readonly PassedFile[] | null = null;
}

/** A control message (ancillary data). */
export interface Cmsg {
  level: number;
  type: number;
  data: number | Uint8Array | object;
}

const EMPTY: Uint8Array = new Uint8Array(0);
