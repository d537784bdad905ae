/**
 * Errors at the door: what a negative errno becomes when a caller should read it. They look like Node's system errors
 * (`code`, `errno`, `syscall`, `address`, `port`), and the message says what happened and what to do.
 */
import {
  EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, ECONNABORTED, ECONNREFUSED, ECONNRESET, EDESTADDRREQ,
  EHOSTUNREACH, EINPROGRESS, EISCONN, EMFILE, EMSGSIZE, ENETUNREACH, ENOPROTOOPT, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE,
  ESRCH, ETIMEDOUT, errnoMessage, errnoName,
} from '../lib/errno.ts';

/** What a call was about, as far as it has an address. */
export interface ErrorPlace {
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  /** What to do, where the errno alone does not say it. */
  readonly hint?: string | undefined;
}

/** A failed call. */
export class KernelError extends Error {
  /** `'ECONNREFUSED'` */
  readonly code: string;
  /** Negative, as in Node: `-111`. */
  readonly errno: number;
  /** The call that failed: `'connect'`. */
  readonly syscall: string;
  declare readonly address?: string;
  declare readonly port?: number;

  constructor(errno: number, syscall: string, place: ErrorPlace = {}) {
    const code = errnoName(errno);
    const where = place.address === undefined ? '' : ` ${place.address}${place.port === undefined ? '' : `:${String(place.port)}`}`;
    const hint = place.hint ?? hints.get(Math.abs(errno));
    super(`${syscall} ${code}${where}: ${errnoMessage(errno)}${hint === undefined ? '' : ` (${hint})`}`);
    this.code = code;
    this.errno = -Math.abs(errno);
    this.syscall = syscall;
    if (place.address !== undefined) this.address = place.address;
    if (place.port !== undefined) this.port = place.port;
  }
}

const hints: ReadonlyMap<number, string> = new Map([
  [EACCES, 'sending to a broadcast address needs SO_BROADCAST'],
  [EADDRINUSE, 'another socket has this address and port: close it, choose another port (0 = any), or set SO_REUSEADDR on both'],
  [EADDRNOTAVAIL, 'the address is none of this host, or no local port is free'],
  [EAFNOSUPPORT, 'the address is of another family than the socket'],
  [EAGAIN, 'it would have to wait: try again when poll says so, or use the waiting call on a socket without O_NONBLOCK'],
  [EALREADY, 'the handshake is still running: wait until the socket is writable'],
  [EBADF, 'no such descriptor is open in this process'],
  [ECONNABORTED, 'the connection was given up before it was used'],
  [ECONNREFUSED, 'nobody listens there'],
  [ECONNRESET, 'the peer ended the connection at once: it crashed, or closed with unread data'],
  [EDESTADDRREQ, 'connect the socket, or name a destination'],
  [EHOSTUNREACH, 'the next hop does not answer: is the host up, and the cable plugged in?'],
  [EINPROGRESS, 'the handshake has begun: wait until the socket is writable, then ask SO_ERROR'],
  [EISCONN, 'use another socket, or dissolve the association first'],
  [EMFILE, 'close some, or raise the limit: new Kernel({ nofile }), process.prlimit(n)'],
  [EMSGSIZE, 'send a smaller datagram'],
  [ENETUNREACH, 'no route leads there: add an address, a route or a cable'],
  [ENOPROTOOPT, 'this socket has no such option'],
  [ENOTCONN, 'connect it first'],
  [ENOTSOCK, 'the descriptor is no socket'],
  [EOPNOTSUPP, 'this kind of socket cannot do that'],
  [EPIPE, 'the sending side is closed'],
  [ESRCH, 'the process has been killed'],
  [ETIMEDOUT, 'the peer did not answer'],
]);
