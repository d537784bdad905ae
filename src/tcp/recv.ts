/** TCP, from the receive queue into the reader's buffer. */
import type { MsgHdr } from '../sock/sockaddr.ts';
import type { TcpSock } from './sock.ts';
import { fail } from '../lib/assert.ts';

export function tcpRecvmsg(_tp: TcpSock, _msg: MsgHdr): number { return fail('stub'); }
export function tcpCleanupRbuf(_tp: TcpSock, _copied: number): void { fail('stub'); }
