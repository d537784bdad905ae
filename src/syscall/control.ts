/** Calls that concern the descriptor rather than its data: fcntl, ioctl, RLIMIT_NOFILE. */
import { EBADF, EINVAL, ENOTTY, EPERM } from '../lib/errno.ts';
import { FIONBIO, FIONREAD, F_DUPFD, F_GETFD, F_GETFL, F_SETFD, F_SETFL, O_NONBLOCK } from '../sock/constants.ts';
import { MAX_NOFILE } from './fd-table.ts';
import { SocketFile } from './file.ts';
import type { Process } from './process.ts';

/** F_DUPFD with FD_CLOEXEC set (Linux). */
export const F_DUPFD_CLOEXEC = 1030;
/** The flag of F_GETFD and F_SETFD. */
export const FD_CLOEXEC = 1;
/** Status flags that F_SETFL may change here; the others are ignored, as POSIX has it. */
const SETFL_MASK: number = O_NONBLOCK;

/** fcntl(2): F_GETFL, F_SETFL (O_NONBLOCK), F_DUPFD, F_GETFD, F_SETFD. */
export function sysFcntl(p: Process, fd: number, cmd: number, arg: number): number {
  const file = p.fds.get(fd);
  if (file === null) return -EBADF;
  switch (cmd) {
    case F_GETFL: return file.flags;
    case F_SETFL:
      file.flags = (file.flags & ~SETFL_MASK) | (arg & SETFL_MASK);
      return 0;
    case F_GETFD: return p.fds.getCloexec(fd);
    case F_SETFD:
      p.fds.setCloexec(fd, (arg & FD_CLOEXEC) !== 0);
      return 0;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return arg < 0 ? -EINVAL : p.fds.install(file, cmd === F_DUPFD_CLOEXEC, arg);
    default: return -EINVAL;
  }
}

/** ioctl(2): FIONBIO is the file's; the rest (FIONREAD, SIOCOUTQ…) is the protocol's. ENOTTY for what is no socket. */
export function sysIoctl(p: Process, fd: number, cmd: number, arg: number): number {
  const file = p.fds.get(fd);
  if (file === null) return -EBADF;
  if (cmd === FIONBIO) {
    file.flags = arg !== 0 ? file.flags | O_NONBLOCK : file.flags & ~O_NONBLOCK;
    return 0;
  }
  if (!(file instanceof SocketFile)) return cmd === FIONREAD ? file.unread() : -ENOTTY;
  p.enter();
  const value = file.sk.prot.ioctl(file.sk, cmd);
  p.leave();
  return value;
}

/** prlimit(2) with RLIMIT_NOFILE: the old limit; a new one when `limit` is not negative. Above fs.nr_open: EPERM. */
export function sysPrlimitNofile(p: Process, limit: number): number {
  const old = p.fds.limit;
  if (limit > MAX_NOFILE) return -EPERM;
  if (limit >= 0) p.fds.limit = limit;
  return old;
}
