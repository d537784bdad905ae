/** setsockopt and getsockopt of a script: `[4]`, `"reno"`, `{onoff=1, linger=0}`, and lengths as written. */
import { EINVAL } from '../../lib/errno.ts';
import {
  SO_BINDTODEVICE, SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO, SO_TYPE, SOL_IP, SOL_SOCKET, SOL_TCP, TCP_CONGESTION, TCP_FASTOPEN_KEY,
} from '../../sock/constants.ts';
import { SockoptError, type SockoptValue } from '../../sock/sock.ts';
import type { Process } from '../../syscall/process.ts';
import { type Linger, sysGetsockopt, sysSetsockopt } from '../../syscall/sockopt.ts';
import type { Expr } from './ast.ts';
import type { Answer } from './calls.ts';
import { fieldNumber, numberOf, showExpr } from './values.ts';

const INT_SIZE = 4;
const LINGER_SIZE = 8;
const TIMEVAL_SIZE = 16;
/** Longest name of a congestion control, with its end (Linux: TCP_CA_NAME_MAX). */
const TCP_CA_NAME_MAX = 16;

type Kind = 'int' | 'text' | 'bytes' | 'linger' | 'time';

/** What the memory of an option holds. */
function kindOf(level: number, name: number): Kind {
  if (level === SOL_TCP) return name === TCP_CONGESTION ? 'text' : name === TCP_FASTOPEN_KEY ? 'bytes' : 'int';
  if (level !== SOL_SOCKET) return 'int';
  if (name === SO_BINDTODEVICE) return 'text';
  if (name === SO_LINGER) return 'linger';
  return name === SO_RCVTIMEO || name === SO_SNDTIMEO ? 'time' : 'int';
}

/** Shorter values are refused; one byte is taken at SOL_IP only, as on Linux. */
function leastSize(kind: Kind, level: number): number {
  if (kind === 'linger') return LINGER_SIZE;
  if (kind === 'time') return TIMEVAL_SIZE;
  return kind === 'int' && level !== SOL_IP ? INT_SIZE : 0;
}

export function callSetsockopt(p: Process, fd: number, args: readonly Expr[]): Answer {
  const [level, name] = [numberOf(args[1]), numberOf(args[2])];
  const kind = kindOf(level, name);
  const len = numberOf(args[4], leastSize(kind, level));
  const known = !(sysGetsockopt(p, fd, SOL_SOCKET, SO_TYPE) instanceof SockoptError);
  if (known && (len < 0 || len < leastSize(kind, level))) return { ret: -EINVAL };
  return { ret: sysSetsockopt(p, fd, level, name, optionValue(kind, args[3], len)) };
}

function optionValue(kind: Kind, value: Expr | undefined, len: number): SockoptValue {
  switch (kind) {
    case 'bytes': return bytesOf(value?.kind === 'text' ? value.value : '', len);
    case 'text': return value?.kind === 'text' ? value.value.slice(0, len).replace(/\0[\s\S]*$/, '') : '';
    case 'linger': return { on: fieldNumber(value, 'onoff') !== 0, seconds: fieldNumber(value, 'linger') };
    case 'time': return fieldNumber(value, 'tv_sec') * 1e9 + fieldNumber(value, 'tv_usec') * 1000;
    case 'int': {
      if (value?.kind === 'text') return new DataView(bytesOf(value.value, INT_SIZE).buffer).getInt32(0, true);
      const n = numberOf(value) | 0;
      return len === 1 ? n & 0xff : n; // the first byte of a little-endian int
    }
  }
}

/** The bytes of a string with escapes, `len` of them; what is not written is 0. */
function bytesOf(text: string, len: number): Uint8Array {
  const bytes = new Uint8Array(len);
  for (let i = 0; i < Math.min(len, text.length); i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export function callGetsockopt(p: Process, fd: number, args: readonly Expr[]): Answer {
  const [level, name] = [numberOf(args[1]), numberOf(args[2])];
  const want = args[3];
  const got = sysGetsockopt(p, fd, level, name);
  if (got instanceof SockoptError) return { ret: got.errno };
  const given = args[4]?.kind === 'any' ? undefined : args[4];
  const room = numberOf(given, Infinity);
  if (room < 0) return { ret: -EINVAL };
  const size = sizeOf(kindOf(level, name), level, got, room);
  if (given !== undefined && size >= 0 && size !== room) return { ret: 0, wrong: `${showExpr(given)} bytes wanted, got ${size}` };
  if (want === undefined || want.kind === 'any') return { ret: 0 };
  return { ret: 0, wrong: compareValue(kindOf(level, name), want, got, room) };
}

/** How long the answer is in a place of `room` bytes; -1: that cannot be said here. */
function sizeOf(kind: Kind, level: number, got: SockoptValue, room: number): number {
  if (got instanceof Uint8Array) return Math.min(got.length, room);
  switch (kind) {
    case 'linger': return Math.min(LINGER_SIZE, room);
    case 'time': return Math.min(TIMEVAL_SIZE, room);
    case 'text': return level === SOL_TCP ? Math.min(TCP_CA_NAME_MAX, room) : typeof got === 'string' && got !== '' ? got.length + 1 : 0;
    default:
      if (typeof got !== 'number' || got > 0xffffffff) return -1;
      return level === SOL_IP && room > 0 && room < INT_SIZE && got >= 0 && got <= 0xff ? 1 : Math.min(INT_SIZE, room);
  }
}

function compareValue(kind: Kind, want: Expr, got: SockoptValue, room: number): string | undefined {
  if (want.kind === 'text') {
    const name = typeof got === 'string' ? got.slice(0, room) : JSON.stringify(got);
    const text = got instanceof Uint8Array ? String.fromCharCode(...got) : name;
    const wanted = got instanceof Uint8Array ? want.value : want.value.replace(/\0+$/, '');
    return text === wanted ? undefined : `${showExpr(want)} wanted, got ${JSON.stringify(text)}`;
  }
  if (kind === 'linger') {
    const linger = got as Linger;
    const alike = Number(linger.on) === fieldNumber(want, 'onoff') && linger.seconds === fieldNumber(want, 'linger');
    return alike ? undefined : `${showExpr(want)} wanted, got {onoff=${Number(linger.on)}, linger=${linger.seconds}}`;
  }
  if (kind === 'time') {
    const [sec, usec] = [Math.floor((got as number) / 1e9), Math.floor(((got as number) % 1e9) / 1000)];
    const alike = sec === fieldNumber(want, 'tv_sec') && usec === fieldNumber(want, 'tv_usec');
    return alike ? undefined : `${showExpr(want)} wanted, got {tv_sec=${sec}, tv_usec=${usec}}`;
  }
  const n = numberOf(want) | 0;
  if (room < INT_SIZE) return `${showExpr(want)} has 4 bytes; there is room for ${room}`;
  return typeof got === 'number' && (got | 0) === n ? undefined : `${showExpr(want)} wanted, got [${JSON.stringify(got)}]`;
}
