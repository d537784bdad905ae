/** TCP, what time does. */
import type { TcpSock, TcpTimerHandlers } from './sock.ts';
import { fail } from '../lib/assert.ts';

export const tcpTimerHandlers: TcpTimerHandlers = {
  rtx(): void { fail('stub'); },
  delack(): void { fail('stub'); },
  keepalive(): void { fail('stub'); },
  pacing(): void { fail('stub'); },
};
export function tcpInitXmitTimers(_tp: TcpSock): void { fail('stub'); }
export function tcpClearXmitTimers(_tp: TcpSock): void { fail('stub'); }
export function resetXmitTimer(_tp: TcpSock, _what: number, _whenUs: number): void { fail('stub'); }
export function clearXmitTimer(_tp: TcpSock): void { fail('stub'); }
export function tcpResetKeepaliveTimer(_tp: TcpSock, _ms: number): void { fail('stub'); }
