/**
 * Descriptors in messages (SCM_RIGHTS): what a sender names by number becomes open files, what a receiver takes becomes
 * descriptors of his (Linux: scm_fp_copy, scm_detach_fds).
 */
import { EBADF, EINVAL } from '../lib/errno.ts';
import { MSG_CMSG_CLOEXEC, MSG_CTRUNC, SCM_RIGHTS, SOL_SOCKET } from '../sock/constants.ts';
import type { PassedFile } from '../sock/scm.ts';
import type { Cmsg, MsgHdr } from '../sock/sockaddr.ts';
import { File } from './file.ts';
import type { Process } from './process.ts';

/** Looks up the descriptors of a message's SCM_RIGHTS, into `msg.files`. 0, -EBADF or -EINVAL. */
export function scmCollect(p: Process, msg: MsgHdr): number {
  msg.creds = p;
  msg.files = null;
  if (msg.control === null) return 0;
  let files: PassedFile[] | null = null;
  for (const c of msg.control) {
    if (c.level !== SOL_SOCKET || c.type !== SCM_RIGHTS) continue;
    if (!Array.isArray(c.data)) return -EINVAL;
    files ??= [];
    for (const fd of c.data as readonly unknown[]) {
      const file = typeof fd === 'number' ? p.fds.get(fd) : null;
      if (file === null) return -EBADF;
      files.push(file);
    }
  }
  msg.files = files;
  return 0;
}

/** Opens the files that came with a message; its SCM_RIGHTS names the descriptors. Those that do not fit are closed (MSG_CTRUNC). */
export function scmInstall(p: Process, msg: MsgHdr): void {
  const { files } = msg;
  if (files === null) return;
  msg.files = null;
  const fds: number[] = [];
  for (const file of files) {
    const fd = file instanceof File ? p.fds.install(file, (msg.flags & MSG_CMSG_CLOEXEC) !== 0) : -EBADF;
    if (fd < 0) msg.msgFlags |= MSG_CTRUNC;
    else fds.push(fd);
    file.put();
  }
  const rights: Cmsg = { level: SOL_SOCKET, type: SCM_RIGHTS, data: fds };
  msg.control = [...msg.control ?? [], rights];
}
