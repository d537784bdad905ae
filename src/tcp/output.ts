/** TCP, segments going out. */
import type { SkBuff } from '../skb/sk-buff.ts';
import type { TcpSock } from './sock.ts';
import type { RequestSock } from './request-sock.ts';
import { fail } from '../lib/assert.ts';

export function tcpTransmitSkb(_tp: TcpSock, _skb: SkBuff, _clone: boolean): number { return fail('stub'); }
export function tcpSendSyn(_tp: TcpSock): number { return fail('stub'); }
export function tcpMakeSynack(_tp: TcpSock, _req: RequestSock): SkBuff { return fail('stub'); }
export function tcpSendAck(_tp: TcpSock): void { fail('stub'); }
export function tcpSendFin(_tp: TcpSock): void { fail('stub'); }
export function tcpSendActiveReset(_tp: TcpSock): void { fail('stub'); }
export function tcpPushPendingFrames(_tp: TcpSock): void { fail('stub'); }
export function tcpDataSndCheck(_tp: TcpSock): void { fail('stub'); }
export function tcpCurrentMss(_tp: TcpSock): number { return fail('stub'); }
export function tcpSyncMss(_tp: TcpSock, _pmtu: number): number { return fail('stub'); }
export function tcpMtuToMss(_tp: TcpSock, _pmtu: number): number { return fail('stub'); }
export function tcpMssToMtu(_tp: TcpSock, _mss: number): number { return fail('stub'); }
export function tcpWriteWakeup(_tp: TcpSock, _mib: number): number { return fail('stub'); }
export function tcpSimpleRetransmit(_tp: TcpSock): void { fail('stub'); }
