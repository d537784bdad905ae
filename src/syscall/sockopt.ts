/** Socket options. */
import type { SockoptValue } from '../sock/sock.ts';
import { SockoptError } from '../sock/sock.ts';
import type { Process } from './process.ts';
import { badSock, fdSock } from './socket.ts';

/** setsockopt(2): 0 or a negative errno. */
export function sysSetsockopt(p: Process, fd: number, level: number, name: number, value: SockoptValue): number {
  const sk = fdSock(p, fd);
  if (sk === null) return badSock(p, fd);
  p.enter();
  const err = sk.prot.setsockopt(sk, level, name, value);
  p.leave();
  return err;
}

/** getsockopt(2): the value, or a SockoptError. */
export function sysGetsockopt(p: Process, fd: number, level: number, name: number): SockoptValue | SockoptError {
  const sk = fdSock(p, fd);
  if (sk === null) return new SockoptError(badSock(p, fd));
  p.enter();
  const value = sk.prot.getsockopt(sk, level, name);
  p.leave();
  return value;
}
