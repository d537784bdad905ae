/** How much may be in flight: the bookkeeping of the congestion window that all algorithms share. */
import type { TcpSock } from './sock.ts';
import { fail } from '../lib/assert.ts';

export function tcpIsCwndLimited(_tp: TcpSock): boolean { return fail('stub'); }
