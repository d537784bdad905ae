/**
 * What Fast Open (RFC 7413) keeps of a socket: a client that sends data in its SYN, a listener that takes it, and the child that
 * was made of such a SYN. Most sockets have none of this: `tp.fastopen` is null until somebody asks for it.
 */
import type { SipKey } from '../lib/hash.ts';
import type { MsgHdr } from '../sock/sockaddr.ts';
import type { RequestSock } from './request-sock.ts';
import type { TcpSock } from './sock.ts';

/** net.ipv4.tcp_fastopen. */
export const TFO_CLIENT_ENABLE = 1;
export const TFO_SERVER_ENABLE = 2;
export const TFO_CLIENT_NO_COOKIE = 4;
/** Data in a SYN is taken without a cookie. */
export const TFO_SERVER_COOKIE_NOT_REQD = 0x200;
/** Every listener takes part, without TCP_FASTOPEN. */
export const TFO_SERVER_WO_SOCKOPT1 = 0x400;

/** TCP_INFO's `tcpi_fastopen_client_fail`: why data did not travel in the SYN. */
export const TFO_COOKIE_UNAVAILABLE = 1;
export const TFO_DATA_NOT_ACKED = 2;
export const TFO_SYN_RETRANSMITTED = 3;

/** A SYN that is being sent by Fast Open. */
export class FastopenRequest {
  /** What the user gave, or null: an option alone, for connect() with TCP_FASTOPEN_CONNECT. */
  readonly msg: MsgHdr | null;
  /** Bytes that went into the SYN. */
  copied = 0;
  /** The cookie, empty: ask for one, null: no option. */
  cookie: Uint8Array | null = null;
  /** In the form of an experimental option. */
  exp = false;

  constructor(msg: MsgHdr | null) {
    this.msg = msg;
  }
}

export class FastopenSock {
  // ---- a listener
  /** TCP_FASTOPEN: so many children may wait for the end of their handshake; 0: no Fast Open. */
  maxQlen = 0;
  qlen = 0;
  /** When slots come back that resets have cost, host milliseconds, oldest first. */
  readonly rstExpiresMs: number[] = [];
  /** TCP_FASTOPEN_KEY: keys of its own, the first makes cookies. */
  keys: readonly SipKey[] | null = null;
  keyBytes: Uint8Array | null = null;

  // ---- a child
  /** The request that it was made of, until the handshake is over. */
  rsk: RequestSock | null = null;
  /** Whose queue it counts in. */
  queue: FastopenSock | null = null;
  isChild = false;

  // ---- a client
  /** TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE. */
  connect = false;
  noCookie = false;
  /** connect() has been called, and the SYN waits for data to carry. */
  deferred = false;
  req: FastopenRequest | null = null;
  /** The SYN had the option; in its experimental form; it had data; that data was acknowledged (or a child's was taken). */
  synFastopen = false;
  synFastopenExp = false;
  synData = false;
  synDataAcked = false;
  /** The first connection after a pause that a black hole has caused. */
  synFastopenCh = false;
  clientFail = 0;

  /** Forgets the connection; options stay. */
  reset(): void {
    this.rsk = null;
    this.queue = null;
    this.isChild = false;
    this.deferred = false;
    this.req = null;
    this.synFastopen = false;
    this.synFastopenExp = false;
    this.synData = false;
    this.synDataAcked = false;
    this.synFastopenCh = false;
    this.clientFail = 0;
  }
}

/** Fast Open's part of a socket, made when it is needed. */
export function tcpFastopenOf(tp: TcpSock): FastopenSock {
  tp.fastopen ??= new FastopenSock();
  return tp.fastopen;
}

/** The request behind a child whose handshake is not over, or null. */
export function tcpFastopenRsk(tp: TcpSock): RequestSock | null {
  return tp.fastopen === null ? null : tp.fastopen.rsk;
}

/** connect() was called with TCP_FASTOPEN_CONNECT, and no SYN has gone yet. */
export function tcpConnectDeferred(tp: TcpSock): boolean {
  return tp.fastopen !== null && tp.fastopen.deferred;
}
