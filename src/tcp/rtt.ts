/** TCP, how long a round trip takes. */
import type { TcpSock } from './sock.ts';
import type { RequestSock } from './request-sock.ts';
import { fail } from '../lib/assert.ts';

export function tcpRttEstimator(_tp: TcpSock, _rttUs: number): void { fail('stub'); }
export function tcpSetRto(_tp: TcpSock): void { fail('stub'); }
export function tcpSynackRttMeas(_tp: TcpSock, _req: RequestSock): void { fail('stub'); }
