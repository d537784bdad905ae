/** TCP, from the writer's buffer into skbs. */
import type { MsgHdr } from '../sock/sockaddr.ts';
import type { TcpSock } from './sock.ts';
import { fail } from '../lib/assert.ts';

export function tcpSendmsg(_tp: TcpSock, _msg: MsgHdr): number { return fail('stub'); }
