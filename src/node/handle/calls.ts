/**
 * The socket calls as libuv makes them: a call that a signal interrupted is made again (EINTR never reaches a program).
 *
 *   from  stream.ts, tcp.ts, udp.ts
 *   to    syscall/socket
 */
import { EAGAIN, EINTR } from '../../lib/errno.ts';
import type { MsgHdr } from '../../sock/sockaddr.ts';
import type { Process } from '../../syscall/process.ts';
import { sysAccept, sysRecvmsg, sysSendmsg } from '../../syscall/socket.ts';

/** Then the caller comes back another time, as if nothing had been there. */
const MAX_INTERRUPTS = 100;

export function recvmsg(p: Process, fd: number, msg: MsgHdr): number {
  let n = sysRecvmsg(p, fd, msg);
  for (let i = 0; n === -EINTR && i < MAX_INTERRUPTS; i++) n = sysRecvmsg(p, fd, msg);
  return n === -EINTR ? -EAGAIN : n;
}

export function sendmsg(p: Process, fd: number, msg: MsgHdr): number {
  let n = sysSendmsg(p, fd, msg);
  for (let i = 0; n === -EINTR && i < MAX_INTERRUPTS; i++) n = sysSendmsg(p, fd, msg);
  return n === -EINTR ? -EAGAIN : n;
}

export function accept(p: Process, fd: number, flags: number): number {
  let kfd = sysAccept(p, fd, null, flags);
  for (let i = 0; kfd === -EINTR && i < MAX_INTERRUPTS; i++) kfd = sysAccept(p, fd, null, flags);
  return kfd === -EINTR ? -EAGAIN : kfd;
}
