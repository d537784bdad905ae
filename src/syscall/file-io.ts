/**
 * read, write, lseek and ftruncate of any descriptor; none of them waits. Sockets read and write as recvmsg and sendmsg do without flags.
 *
 *   from  host/sys-calls.ts, syscall/blocking-files.ts
 *   to    syscall/socket.ts   sockets
 *         syscall/pipe.ts, mem-file.ts
 */
import { EBADF, EINVAL } from '../lib/errno.ts';
import type { MsgHdr } from '../sock/sockaddr.ts';
import { SocketFile } from './file.ts';
import { lseek, MemFile } from './mem-file.ts';
import type { Process } from './process.ts';
import { sysRecvmsg, sysSendmsg } from './socket.ts';

/** read(2): how many bytes came into the message; -EAGAIN when there are none yet. */
export function sysRead(p: Process, fd: number, msg: MsgHdr): number {
  const file = p.fds.get(fd);
  if (file === null) return -EBADF;
  if (file instanceof SocketFile) return msg.len === 0 ? 0 : sysRecvmsg(p, fd, msg);
  p.enter();
  const n = file.read(msg.buf, msg.off, msg.len);
  p.leave();
  return n;
}

/** write(2): how many bytes were taken; -EAGAIN when there is no room. */
export function sysWrite(p: Process, fd: number, msg: MsgHdr): number {
  const file = p.fds.get(fd);
  if (file === null) return -EBADF;
  if (file instanceof SocketFile) return sysSendmsg(p, fd, msg);
  p.enter();
  const n = file.write(msg.buf, msg.off, msg.len);
  p.leave();
  return n;
}

/** lseek(2). */
export function sysLseek(p: Process, fd: number, offset: number, whence: number): number {
  const file = p.fds.get(fd);
  return file === null ? -EBADF : lseek(file, offset, whence);
}

/** ftruncate(2): -EINVAL for what is no file of bytes. */
export function sysFtruncate(p: Process, fd: number, len: number): number {
  const file = p.fds.get(fd);
  if (file === null) return -EBADF;
  return file instanceof MemFile ? file.truncate(len) : -EINVAL;
}
