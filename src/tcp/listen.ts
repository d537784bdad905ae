/**
 * Listening: listen(2), the accept queue, accept(2), and what becomes of all that when the listener closes.
 */
import { assert } from '../lib/assert.ts';
import { EADDRINUSE, EAGAIN, EINVAL } from '../lib/errno.ts';
import { TCP_CLOSE, TCP_LISTEN } from '../sock/constants.ts';
import { portsBind } from '../sock/ports.ts';
import { tcpDestroySock, tcpDisconnect, tcpOrphan, tcpSetState } from './close.ts';
import { tcpFastopenListen } from './fastopen.ts';
import { reqskDropAll } from './request.ts';
import type { TcpSock } from './sock.ts';
import { SS_CONNECTED, SS_UNCONNECTED } from './sock-state.ts';

/**
 * listen(2): from CLOSE to LISTEN, with an ephemeral port if none was bound; on a listener it changes the backlog only.
 *
 * @returns 0, -EINVAL (connected or connecting), -EADDRINUSE (somebody else listens there)
 */
export function tcpListen(tp: TcpSock, backlog: number): number {
  if (tp.sockState !== SS_UNCONNECTED) return -EINVAL;
  if (tp.state !== TCP_CLOSE && tp.state !== TCP_LISTEN) return -EINVAL;
  const max = tp.net.sysctl.somaxconn;
  tp.maxAckBacklog = backlog < 0 || backlog > max ? max : backlog;
  if (tp.state === TCP_LISTEN) return 0;
  tcpFastopenListen(tp, tp.maxAckBacklog);
  tp.ackBacklog = 0;
  tp.synQueueLen = 0;
  tp.youngLen = 0;
  // The state first: as a listener the socket conflicts with others that share its port (SO_REUSEADDR does not help there).
  tcpSetState(tp, TCP_LISTEN);
  const err = portsBind(tp.tcp.ports, tp, tp.bindBucket === null ? 0 : tp.num);
  if (err !== 0) {
    tcpSetState(tp, TCP_CLOSE);
    return -EADDRINUSE;
  }
  tp.dst = null;
  tp.tcp.listening.insert(tp);
  return 0;
}

/** Puts a new connection at the end of its listener's accept queue. */
export function acceptQueueAdd(tp: TcpSock, child: TcpSock): void {
  assert(child.listener === null && child.acceptNext === null, 'a connection is in one accept queue, once');
  child.listener = tp;
  if (tp.acceptTail === null) tp.acceptHead = child;
  else tp.acceptTail.acceptNext = child;
  tp.acceptTail = child;
  tp.ackBacklog++;
}

function acceptQueueRemove(tp: TcpSock): TcpSock | null {
  const child = tp.acceptHead;
  if (child === null) return null;
  tp.acceptHead = child.acceptNext;
  if (tp.acceptHead === null) tp.acceptTail = null;
  child.acceptNext = null;
  child.listener = null;
  tp.ackBacklog--;
  return child;
}

/** accept(2): the oldest connection, -EAGAIN when there is none, -EINVAL when the socket does not listen. */
export function tcpAccept(tp: TcpSock): TcpSock | number {
  if (tp.state !== TCP_LISTEN) return -EINVAL;
  const child = acceptQueueRemove(tp);
  if (child === null) return -EAGAIN;
  child.sockState = SS_CONNECTED;
  return child;
}

/** The listener stops: half-open requests are forgotten, connections that nobody accepted are reset (Linux: inet_csk_listen_stop). */
export function tcpListenStop(tp: TcpSock): void {
  reqskDropAll(tp);
  for (;;) {
    const child = acceptQueueRemove(tp);
    if (child === null) return;
    tcpDisconnect(child);
    tcpOrphan(child);
    tcpDestroySock(child);
  }
}
