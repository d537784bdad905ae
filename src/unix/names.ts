/**
 * Where a Unix socket is: a path in the host's file system, or a name in its abstract namespace (unix(7)).
 *
 * The file system of a host has sockets only. Every directory is there; a name appears with bind() and stays until somebody
 * unlinks it, also when its socket is gone, as on Linux.
 */
import {
  EADDRINUSE, ECONNREFUSED, EINVAL, ENOENT, EPROTOTYPE,
} from '../lib/errno.ts';
import type { SockAddr } from '../sock/sockaddr.ts';
import { UNIX_PATH_MAX, type UnixSock, type UnixTable } from './sock.ts';

/** Names that autobind can choose from: five hexadecimal digits. */
const AUTOBIND_NAMES = 0x100000;

/** Bytes of a path, as UTF-8. */
function pathBytes(path: string): number {
  return new TextEncoder().encode(path).length;
}

/** A path with what is the same thing written one way: `/a//b/../c` is `/a/c`; relative ones begin at the root. */
function canonical(path: string): string {
  const out: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') out.pop();
    else if (part !== '' && part !== '.') out.push(part);
  }
  return `/${out.join('/')}`;
}

/** Gives `sk` its name; without one (autobind) a free abstract one. 0, -EINVAL (named already, too long), or -EADDRINUSE. */
export function unixBind(sk: UnixSock, addr: SockAddr): number {
  const path = addr.path ?? '';
  if (path === '') return sk.path === '' ? unixAutobind(sk) : -EINVAL;
  if (pathBytes(path) > UNIX_PATH_MAX || sk.path !== '') return -EINVAL;
  const { table } = sk;
  if (path.startsWith('\0')) {
    if (table.abstract.has(path)) return -EADDRINUSE;
    table.abstract.set(path, sk);
  } else {
    const key = canonical(path);
    if (key === '/' || table.paths.has(key)) return -EADDRINUSE;
    table.paths.set(key, sk);
    sk.pathKey = key;
  }
  sk.path = path;
  sk.cb = null;
  return 0;
}

/** A zero byte and five digits. 0, or -ENOSPC's stand-in -EADDRINUSE when all are taken. */
export function unixAutobind(sk: UnixSock): number {
  const { table } = sk;
  const first = table.net.random.below(AUTOBIND_NAMES);
  for (let i = 0; i < AUTOBIND_NAMES; i++) {
    const name = `\0${((first + i) % AUTOBIND_NAMES).toString(16).padStart(5, '0')}`;
    if (table.abstract.has(name)) continue;
    table.abstract.set(name, sk);
    sk.path = name;
    sk.cb = null;
    return 0;
  }
  return -EADDRINUSE;
}

/** Its name in the abstract namespace ends with the socket; that in the file system stays, and leads nowhere. */
export function unixUnname(sk: UnixSock): void {
  const { table } = sk;
  if (sk.pathKey !== null && table.paths.get(sk.pathKey) === sk) table.paths.set(sk.pathKey, null);
  else if (sk.path.startsWith('\0') && table.abstract.get(sk.path) === sk) table.abstract.delete(sk.path);
}

/** unlink(2): 0 or -ENOENT. The socket that was there goes on; nobody finds it any more. */
export function unixUnlink(table: UnixTable, path: string): number {
  return table.paths.delete(canonical(path)) ? 0 : -ENOENT;
}

/** Is there something at that path? */
export function unixExists(table: UnixTable, path: string): boolean {
  return table.paths.has(canonical(path));
}

/** The socket at an address, of that type. -EINVAL, -ENOENT, -ECONNREFUSED (its socket is gone), -EPROTOTYPE (another type). */
export function unixFind(table: UnixTable, addr: SockAddr, type: number): UnixSock | number {
  const path = addr.path ?? '';
  if (path === '' || pathBytes(path) > UNIX_PATH_MAX) return -EINVAL;
  let found: UnixSock | null | undefined;
  if (path.startsWith('\0')) {
    found = table.abstract.get(path) ?? null;
  } else {
    found = table.paths.get(canonical(path));
    if (found === undefined) return -ENOENT;
  }
  if (found === null) return -ECONNREFUSED;
  return found.type === type ? found : -EPROTOTYPE;
}
