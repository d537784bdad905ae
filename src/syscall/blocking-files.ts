/**
 * Calls that wait, of descriptors that need not be sockets: read, write, splice, sendfile.
 *
 *   from  host/calls.ts
 *   to    syscall/blocking.ts   sleep on a descriptor       syscall/splice.ts, file-io.ts   the same, never waiting
 */
import { EAGAIN, EBADF } from '../lib/errno.ts';
import { SPLICE_F_NONBLOCK } from '../sock/constants.ts';
import type { MsgHdr } from '../sock/sockaddr.ts';
import { READABLE, sleep, waitRecvmsg, waitSendmsg, WRITABLE } from './blocking.ts';
import { SocketFile } from './file.ts';
import { sysRead, sysWrite } from './file-io.ts';
import type { Process } from './process.ts';
import { type Move, sendfileMove, spliceMove } from './splice.ts';

/** A sleeping call is to go on at another descriptor. No errno is that far down. */
const ELSEWHERE = -0x10000;

/** read(2): waits for bytes; 0 at the end. */
export function waitRead(p: Process, fd: number, msg: MsgHdr): Promise<number> {
  const file = p.fds.get(fd);
  if (file instanceof SocketFile) return msg.len === 0 ? Promise.resolve(0) : waitRecvmsg(p, fd, msg);
  const ret = sysRead(p, fd, msg);
  if (ret !== -EAGAIN || file === null || file.nonblock) return Promise.resolve(ret);
  return sleep(p, fd, 'read', READABLE, 0, { attempt: () => sysRead(p, fd, msg), expired: () => -EAGAIN });
}

/** write(2): waits until everything is written. */
export function waitWrite(p: Process, fd: number, msg: MsgHdr): Promise<number> {
  const file = p.fds.get(fd);
  if (file === null || file instanceof SocketFile) return waitSendmsg(p, fd, msg);
  let sent = 0;
  const attempt = (): number => {
    do {
      const n = sysWrite(p, fd, msg);
      if (n < 0) return n === -EAGAIN || sent === 0 ? n : sent;
      if (n === 0) break;
      sent += n;
      msg.off += n;
      msg.len -= n;
    } while (msg.len > 0);
    return sent;
  };
  const expired = (): number => (sent > 0 ? sent : -EAGAIN);
  const ret = attempt();
  if (ret !== -EAGAIN) return Promise.resolve(ret);
  return file.nonblock ? Promise.resolve(expired()) : sleep(p, fd, 'write', WRITABLE, 0, { attempt, expired });
}

/** splice(2): waits for bytes and for room, unless SPLICE_F_NONBLOCK or the descriptor's own flag says not to. */
export async function waitSplice(
  p: Process, inFd: number, inOffset: number | null, outFd: number, outOffset: number | null, len: number, flags: number,
): Promise<number> {
  return await waitMove(p, spliceMove(p, inFd, inOffset, outFd, outOffset, len, flags), 'splice', (flags & SPLICE_F_NONBLOCK) === 0, inFd);
}

/** sendfile(2): waits until everything has been taken. */
export async function waitSendfile(p: Process, outFd: number, inFd: number, offset: number | null, count: number): Promise<number> {
  return await waitMove(p, sendfileMove(p, outFd, inFd, offset, count), 'sendfile', true, inFd);
}

async function waitMove(p: Process, move: Move | number, name: string, mayWait: boolean, inFd: number): Promise<number> {
  if (typeof move === 'number') return move;
  let ret = move.attempt();
  while (ret === -EAGAIN || ret === ELSEWHERE) {
    const fd = move.blockedOn;
    const file = p.fds.get(fd);
    if (file === null) return -EBADF;
    if (!mayWait || file.nonblock) return move.expired();
    const timeout = !(file instanceof SocketFile) ? 0 : fd === inFd ? file.sk.rcvtimeoNs : file.sk.sndtimeoNs;
    ret = await sleep(p, fd, name, fd === inFd ? READABLE : WRITABLE, timeout, {
      attempt: () => {
        const again = move.attempt();
        return again === -EAGAIN && move.blockedOn !== fd ? ELSEWHERE : again;
      },
      expired: () => move.expired(),
    });
    if (ret === -EAGAIN) return ret; // the time was up
  }
  return ret;
}
