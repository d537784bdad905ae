/**
 * Linux's error numbers (x86-64, asm-generic). Inside the kernel a failing call returns `-EXXX`, a plain number;
 * Error objects are made at the door (`syscall/`, `node/`), where somebody reads them.
 */
export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const EBADF = 9;
export const EAGAIN = 11;
export const EWOULDBLOCK = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const EFBIG = 27;
export const ESPIPE = 29;
export const EMLINK = 31;
export const EPIPE = 32;
export const EDOM = 33;
export const ERANGE = 34;
export const ENOSYS = 38;
export const ENOMSG = 42;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const ENONET = 64;
export const EPROTO = 71;
export const EBADMSG = 74;
export const EOVERFLOW = 75;
export const ENOTSOCK = 88;
export const EDESTADDRREQ = 89;
export const EMSGSIZE = 90;
export const EPROTOTYPE = 91;
export const ENOPROTOOPT = 92;
export const EPROTONOSUPPORT = 93;
export const ESOCKTNOSUPPORT = 94;
export const EOPNOTSUPP = 95;
export const EPFNOSUPPORT = 96;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETDOWN = 100;
export const ENETUNREACH = 101;
export const ENETRESET = 102;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const EISCONN = 106;
export const ENOTCONN = 107;
export const ETOOMANYREFS = 109;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTDOWN = 112;
export const EHOSTUNREACH = 113;
export const EALREADY = 114;
export const EINPROGRESS = 115;
export const ECANCELED = 125;
export const EKEYREJECTED = 129;

/** What the numbers are called and what they mean, in POSIX's words. */
const table: readonly (readonly [number, string, string])[] = [
  [EPERM, 'EPERM', 'operation not permitted'],
  [ENOENT, 'ENOENT', 'no such file or directory'],
  [ESRCH, 'ESRCH', 'no such process'],
  [EINTR, 'EINTR', 'interrupted system call'],
  [EIO, 'EIO', 'i/o error'],
  [ENXIO, 'ENXIO', 'no such device or address'],
  [E2BIG, 'E2BIG', 'argument list too long'],
  [EBADF, 'EBADF', 'bad file descriptor'],
  [EAGAIN, 'EAGAIN', 'resource temporarily unavailable'],
  [ENOMEM, 'ENOMEM', 'not enough memory'],
  [EACCES, 'EACCES', 'permission denied'],
  [EFAULT, 'EFAULT', 'bad address in system call argument'],
  [EBUSY, 'EBUSY', 'resource busy or locked'],
  [EEXIST, 'EEXIST', 'file already exists'],
  [ENODEV, 'ENODEV', 'no such device'],
  [EINVAL, 'EINVAL', 'invalid argument'],
  [ENFILE, 'ENFILE', 'file table overflow'],
  [EMFILE, 'EMFILE', 'too many open files'],
  [ENOTTY, 'ENOTTY', 'inappropriate ioctl for device'],
  [EFBIG, 'EFBIG', 'file too large'],
  [ESPIPE, 'ESPIPE', 'invalid seek'],
  [EMLINK, 'EMLINK', 'too many links'],
  [EPIPE, 'EPIPE', 'broken pipe'],
  [EDOM, 'EDOM', 'argument out of domain'],
  [ERANGE, 'ERANGE', 'result too large'],
  [ENOSYS, 'ENOSYS', 'function not implemented'],
  [ENOMSG, 'ENOMSG', 'no message of the desired type'],
  [ENOTEMPTY, 'ENOTEMPTY', 'directory not empty'],
  [ELOOP, 'ELOOP', 'too many nested watches'],
  [ENONET, 'ENONET', 'machine is not on the network'],
  [EPROTO, 'EPROTO', 'protocol error'],
  [EBADMSG, 'EBADMSG', 'bad message'],
  [EOVERFLOW, 'EOVERFLOW', 'value too large for defined data type'],
  [ENOTSOCK, 'ENOTSOCK', 'socket operation on non-socket'],
  [EDESTADDRREQ, 'EDESTADDRREQ', 'destination address required'],
  [EMSGSIZE, 'EMSGSIZE', 'message too long'],
  [EPROTOTYPE, 'EPROTOTYPE', 'protocol wrong type for socket'],
  [ENOPROTOOPT, 'ENOPROTOOPT', 'protocol not available'],
  [EPROTONOSUPPORT, 'EPROTONOSUPPORT', 'protocol not supported'],
  [ESOCKTNOSUPPORT, 'ESOCKTNOSUPPORT', 'socket type not supported'],
  [EOPNOTSUPP, 'EOPNOTSUPP', 'operation not supported on socket'],
  [EPFNOSUPPORT, 'EPFNOSUPPORT', 'protocol family not supported'],
  [EAFNOSUPPORT, 'EAFNOSUPPORT', 'address family not supported'],
  [EADDRINUSE, 'EADDRINUSE', 'address already in use'],
  [EADDRNOTAVAIL, 'EADDRNOTAVAIL', 'address not available'],
  [ENETDOWN, 'ENETDOWN', 'network is down'],
  [ENETUNREACH, 'ENETUNREACH', 'network is unreachable'],
  [ENETRESET, 'ENETRESET', 'connection aborted by network'],
  [ECONNABORTED, 'ECONNABORTED', 'software caused connection abort'],
  [ECONNRESET, 'ECONNRESET', 'connection reset by peer'],
  [ENOBUFS, 'ENOBUFS', 'no buffer space available'],
  [EISCONN, 'EISCONN', 'socket is already connected'],
  [ENOTCONN, 'ENOTCONN', 'socket is not connected'],
  [ETOOMANYREFS, 'ETOOMANYREFS', 'too many references'],
  [ETIMEDOUT, 'ETIMEDOUT', 'connection timed out'],
  [ECONNREFUSED, 'ECONNREFUSED', 'connection refused'],
  [EHOSTDOWN, 'EHOSTDOWN', 'host is down'],
  [EHOSTUNREACH, 'EHOSTUNREACH', 'host is unreachable'],
  [EALREADY, 'EALREADY', 'connection already in progress'],
  [EINPROGRESS, 'EINPROGRESS', 'operation now in progress'],
  [ECANCELED, 'ECANCELED', 'operation canceled'],
  [EKEYREJECTED, 'EKEYREJECTED', 'key was rejected by service'],
];

const names: ReadonlyMap<number, string> = new Map(table.map(([n, name]) => [n, name]));
const messages: ReadonlyMap<number, string> = new Map(table.map(([n, , message]) => [n, message]));

/** `errnoName(-11)` and `errnoName(11)` are `'EAGAIN'`. */
export function errnoName(errno: number): string {
  return names.get(Math.abs(errno)) ?? `E${String(Math.abs(errno))}`;
}

/** `errnoNumber('EAGAIN')` is 11; 0 for a name that is none. */
export function errnoNumber(name: string): number {
  return table.find(([, n]) => n === name)?.[0] ?? 0;
}

/** What an errno means, in a few words. */
export function errnoMessage(errno: number): string {
  return messages.get(Math.abs(errno)) ?? `unknown error ${String(Math.abs(errno))}`;
}
