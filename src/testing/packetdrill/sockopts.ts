/** setsockopt and getsockopt of a script: `[4]`, `"reno"`, `{onoff=1, linger=0}`, and lengths as written. */
import { EINVAL } from '../../lib/errno.ts';
import {
  SO_BINDTODEVICE, SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET, SOL_TCP, TCP_CONGESTION, TCP_FASTOPEN_KEY,
} from '../../sock/constants.ts';
import { SockoptError, type SockoptValue } from '../../sock/sock.ts';
import type { Process } from '../../syscall/process.ts';
import { type Linger, sysGetsockopt, sysSetsockopt } from '../../syscall/sockopt.ts';
import type { Expr } from './ast.ts';
import type { Answer } from './calls.ts';
import { fieldNumber, numberOf, showExpr } from './values.ts';

/** Options at these have at least an int. */
const INT_SIZE = 4;

/** One-byte values are taken at SOL_IP only, as on Linux. */
function tooShort(level: number, len: number): boolean {
  return len < INT_SIZE && (level === SOL_SOCKET || level === SOL_TCP);
}

function isText(level: number, name: number): boolean {
  if (level === SOL_TCP) return name === TCP_CONGESTION || name === TCP_FASTOPEN_KEY;
  return level === SOL_SOCKET && name === SO_BINDTODEVICE;
}

export function callSetsockopt(p: Process, fd: number, args: readonly Expr[]): Answer {
  const [level, name] = [numberOf(args[1]), numberOf(args[2])];
  const value = args[3];
  if (!isText(level, name) && args[4] !== undefined && tooShort(level, numberOf(args[4]))) return { ret: -EINVAL };
  return { ret: sysSetsockopt(p, fd, level, name, optionValue(level, name, value)) };
}

function optionValue(level: number, name: number, value: Expr | undefined): SockoptValue {
  if (value?.kind === 'text' && level === SOL_TCP && name === TCP_FASTOPEN_KEY) return bytesOf(value.value);
  if (value?.kind === 'text') return value.value.replace(/\0[\s\S]*$/, '');
  if (level === SOL_SOCKET && name === SO_LINGER) return { on: fieldNumber(value, 'onoff') !== 0, seconds: fieldNumber(value, 'linger') };
  if (level === SOL_SOCKET && (name === SO_RCVTIMEO || name === SO_SNDTIMEO)) {
    return fieldNumber(value, 'tv_sec') * 1e9 + fieldNumber(value, 'tv_usec') * 1000;
  }
  return numberOf(value) | 0;
}

/** The bytes of a string with escapes. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

export function callGetsockopt(p: Process, fd: number, args: readonly Expr[]): Answer {
  const [level, name] = [numberOf(args[1]), numberOf(args[2])];
  const want = args[3];
  const got = sysGetsockopt(p, fd, level, name);
  if (got instanceof SockoptError) return { ret: got.errno };
  if (args[4] !== undefined && got instanceof Uint8Array && got.length !== numberOf(args[4])) {
    return { ret: 0, wrong: `${showExpr(args[4])} bytes wanted, got ${got.length}` };
  }
  if (want === undefined || want.kind === 'any') return { ret: 0 };
  if (name === SO_LINGER && level === SOL_SOCKET) {
    const linger = got as Linger;
    const alike = Number(linger.on) === fieldNumber(want, 'onoff') && linger.seconds === fieldNumber(want, 'linger');
    return { ret: 0, wrong: alike ? undefined : `${showExpr(want)} wanted, got {onoff=${Number(linger.on)}, linger=${linger.seconds}}` };
  }
  if (want.kind === 'text') {
    const text = got instanceof Uint8Array ? String.fromCharCode(...got) : got;
    return { ret: 0, wrong: text === want.value ? undefined : `${showExpr(want)} wanted, got ${JSON.stringify(got)}` };
  }
  const n = numberOf(want);
  return { ret: 0, wrong: got === n ? undefined : `[${n}] wanted, got [${JSON.stringify(got)}]` };
}
