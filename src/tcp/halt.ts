/**
 * The end of all of a host's TCP at once: its power is gone. Nothing is sent and nobody is told.
 *
 *   from  host/halt.ts   after the processes were killed, with all devices down
 */
import { TCP_NEW_SYN_RECV, TCP_TIME_WAIT } from '../sock/constants.ts';
import { tcpDone, tcpOrphan } from './close.ts';
import type { TcpProto } from './proto.ts';
import type { RequestSock } from './request-sock.ts';
import { reqskDrop } from './request.ts';
import { tcpWriteQueuePurge } from './segment.ts';
import type { TcpSock } from './sock.ts';
import type { TimewaitSock } from './timewait-sock.ts';
import { twDeschedule } from './timewait.ts';

/** Forgets every connection, half-open request and TIME_WAIT. */
export function tcpHalt(tcp: TcpProto): void {
  for (const entry of tcp.established.entries()) {
    if (entry.state === TCP_NEW_SYN_RECV) reqskDrop(entry as RequestSock);
    else if (entry.state === TCP_TIME_WAIT) twDeschedule(entry as TimewaitSock);
    else halt(entry as TcpSock);
  }
}

function halt(tp: TcpSock): void {
  if (!tp.dead) tcpOrphan(tp);
  tcpWriteQueuePurge(tp);
  tcpDone(tp);
}
