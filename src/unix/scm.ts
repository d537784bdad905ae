/**
 * Files and credentials that travel in messages (Linux: scm.c, unix_attach_fds). A file on its way is held by its message;
 * how many of them are sockets of this host is counted, for the collector (gc.ts).
 */
import { EINVAL, EPERM, ETOOMANYREFS } from '../lib/errno.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { SCM_CREDENTIALS, SOL_SOCKET } from '../sock/constants.ts';
import { type PassedFile, SCM_MAX_FD, type Ucred } from '../sock/scm.ts';
import type { Cmsg, MsgHdr } from '../sock/sockaddr.ts';
import { ownerCreds, UnixCb, UnixSock, type UnixTable } from './sock.ts';

/** Files that a user may have on their way (Linux: RLIMIT_NOFILE of the sender; root is not limited). */
export const UNIX_MAX_INFLIGHT = 1024;

/** What the next message of `sk` carries, or a negative errno: -EINVAL, -EPERM (credentials of others), -ETOOMANYREFS. */
export function unixScmSend(sk: UnixSock, msg: MsgHdr): UnixCb | number {
  const own = msg.creds ?? ownerCreds(sk);
  let creds: Ucred = own;
  if (msg.control !== null) {
    for (const c of msg.control) {
      if (c.level !== SOL_SOCKET || c.type !== SCM_CREDENTIALS) continue;
      const given = checkCreds(c);
      if (given === null) return -EINVAL;
      if (own.uid !== 0 && (given.pid !== own.pid || given.uid !== own.uid || given.gid !== own.gid)) return -EPERM;
      creds = given;
    }
  }
  const files = msg.files;
  if (files === null || files.length === 0) {
    const { cb } = sk;
    if (cb !== null && cb.creds.pid === creds.pid && cb.creds.uid === creds.uid && cb.creds.gid === creds.gid) return cb;
    return (sk.cb = new UnixCb({ pid: creds.pid, uid: creds.uid, gid: creds.gid }, sk.path));
  }
  if (files.length > SCM_MAX_FD) return -EINVAL;
  const { inflightByUser } = sk.table;
  const there = inflightByUser.get(own.uid) ?? 0;
  if (own.uid !== 0 && there + files.length > UNIX_MAX_INFLIGHT) return -ETOOMANYREFS;
  const out = new UnixCb({ pid: creds.pid, uid: creds.uid, gid: creds.gid }, sk.path);
  out.files = files;
  inflightByUser.set(own.uid, there + files.length);
  for (const file of files) {
    file.refs++;
    countSocket(sk.table, file, 1);
  }
  return out;
}

function checkCreds(c: Cmsg): Ucred | null {
  const { pid, uid, gid } = (typeof c.data === 'object' ? c.data : {}) as Partial<Ucred>;
  return Number.isInteger(pid) && Number.isInteger(uid) && Number.isInteger(gid) ? { pid: pid!, uid: uid!, gid: gid! } : null;
}

function countSocket(table: UnixTable, file: PassedFile, by: number): void {
  const sk = file.passedSock;
  if (!(sk instanceof UnixSock)) return;
  sk.file = file;
  const n = (table.inflight.get(sk) ?? 0) + by;
  if (n > 0) table.inflight.set(sk, n);
  else table.inflight.delete(sk);
}

/** The files of a message are on their way no longer. The references are the caller's now. */
function detach(table: UnixTable, cb: UnixCb): readonly PassedFile[] {
  const { files } = cb;
  if (files === null) return [];
  cb.files = null;
  const left = (table.inflightByUser.get(cb.creds.uid) ?? 0) - files.length;
  if (left > 0) table.inflightByUser.set(cb.creds.uid, left);
  else table.inflightByUser.delete(cb.creds.uid);
  for (const file of files) countSocket(table, file, -1);
  return files;
}

/** The reader takes a message's files; with MSG_PEEK (`peek`) it gets references of its own. */
export function unixTakeFiles(table: UnixTable, cb: UnixCb, peek: boolean): readonly PassedFile[] {
  if (!peek) return detach(table, cb);
  for (const file of cb.files ?? []) file.refs++;
  return cb.files ?? [];
}

/** A message could not be sent after all. */
export function unixScmDestroy(table: UnixTable, cb: UnixCb): void {
  for (const file of detach(table, cb)) file.put();
}

/** Ends an skb that nobody read: its files are closed. Takes the skb. */
export function unixPurge(table: UnixTable, skb: SkBuff): void {
  const cb = skb.dst as UnixCb;
  const files = detach(table, cb);
  skb.dst = null;
  table.net.drop(skb, Drop.Purged);
  for (const file of files) file.put();
}

/** Ends an skb that was read. Takes it. */
export function unixConsume(skb: SkBuff): void {
  skb.dst = null;
  consumeSkb(skb);
}
