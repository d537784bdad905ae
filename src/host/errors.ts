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
    const hint = place.hint ?? callHints.get(`${syscall} ${code}`) ?? hints.get(Math.abs(errno));
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
  [EAFNOSUPPORT, "a socket and its addresses are of one family; an AF_INET6 socket reaches 10.0.0.2 as '::ffff:10.0.0.2'"],
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
  [EMFILE, 'close some, or raise the limit: new Kernel({ openFiles }), process.prlimit(n)'],
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

/** Where an errno means something of its own in one call. */
const callHints: ReadonlyMap<string, string> = new Map([
  ['socket EINVAL', 'type is SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET or SOCK_RAW, with SOCK_NONBLOCK and SOCK_CLOEXEC as its only flags'],
  ['socket EPROTONOSUPPORT', 'leave protocol out: the type decides; SOCK_RAW needs one, such as IPPROTO_ICMP'],
  ['socket EPERM', 'raw and packet sockets are for root: a process with uid 0'],
  ['socket EACCES', 'net.ipv4.ping_group_range does not have this process\'s group'],
  ['bind EINVAL', 'the socket is bound already'],
  ['connect ENOENT', 'nothing of this host is bound to that path'],
  ['connect EAGAIN', 'as many connections wait to be accepted as the listener\'s backlog allows'],
  ['connect EPROTOTYPE', 'the socket there is of another type'],
  ['listen EINVAL', 'the socket is connected or connecting'],
  ['accept EINVAL', 'the socket does not listen, or flags has more than SOCK_NONBLOCK and SOCK_CLOEXEC'],
  ['shutdown EINVAL', 'how is SHUT_RD, SHUT_WR or SHUT_RDWR'],
  ['sendto EINVAL', 'nobody can be at port 0'],
  ['setsockopt EINVAL', 'value is out of range, or of the wrong kind for this option'],
  ['setsockopt EOPNOTSUPP', 'this socket cannot have that option; BPF filters (SO_ATTACH_FILTER) are not interpreted'],
  ['sendto ENXIO', 'no such interface, or none was named'],
  ['bind ENODEV', 'no interface of this host has that name'],
  ['setsockopt ENODEV', 'no interface of this host has that name'],
  ['setsockopt ENOENT', 'net.ipv4.tcp_available_congestion_control has the names'],
  ['fcntl EINVAL', 'cmd is F_GETFL, F_SETFL, F_GETFD, F_SETFD or F_DUPFD'],
  ['ioctl EINVAL', 'a listening socket has no data'],
  ['ioctl ENOTTY', 'cmd is FIONREAD, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK or FIONBIO'],
  ['epoll_ctl EINVAL', 'epfd is no epoll descriptor, or fd is itself, or op or events is none that there is'],
  ['epoll_ctl EEXIST', 'fd is watched already: EPOLL_CTL_MOD changes what for'],
  ['epoll_ctl ENOENT', 'fd is not watched: EPOLL_CTL_ADD comes first'],
  ['epoll_wait EINVAL', 'epfd is no epoll descriptor, or max is less than 1'],
]);
