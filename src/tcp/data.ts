/** TCP, what we have received. */
import type { SkBuff } from '../skb/sk-buff.ts';
import type { TcpSock } from './sock.ts';
import { fail } from '../lib/assert.ts';

export function tcpDataQueue(_tp: TcpSock, _skb: SkBuff): void { fail('stub'); }
export function tcpFin(_tp: TcpSock): void { fail('stub'); }
export function tcpAckSndCheck(_tp: TcpSock): void { fail('stub'); }
export function tcpEventDataRecv(_tp: TcpSock, _skb: SkBuff): void { fail('stub'); }
/** In-order fast path. Takes the skb. */
export function tcpQueueRcv(_tp: TcpSock, _skb: SkBuff): void { fail('stub'); }
export function tcpPurgeQueues(_tp: TcpSock): void { fail('stub'); }
