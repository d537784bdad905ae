/** TCP, how much the peer may send. */
import type { TcpSock } from './sock.ts';
import { fail } from '../lib/assert.ts';

/** Result of {@link tcpSelectInitialWindow}. */
export interface InitialWindow {
  rcvWnd: number;
  windowClamp: number;
  rcvWscale: number;
}

/** The result object is used again by the next call: copy what must last. */
export function tcpSelectInitialWindow(
  _tp: TcpSock, _space: number, _mss: number, _clamp: number, _wscaleOk: boolean, _initRcvWnd: number,
): InitialWindow {
  return fail('stub');
}
export function tcpInitBufferSpace(_tp: TcpSock): void { fail('stub'); }
export function tcpInitTransfer(_tp: TcpSock): void { fail('stub'); }
