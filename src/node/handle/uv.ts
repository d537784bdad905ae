/**
 * libuv's error numbers, which Node's classes expect from a handle: `-errno` of the system that Node runs on. On Linux they
 * are the kernel's own; elsewhere they are found by name.
 */
import process from 'node:process';
import { getSystemErrorMap } from 'node:util';
import { EOPNOTSUPP, errnoName } from '../../lib/errno.ts';

/** The end of a stream, on every system. */
export const UV_EOF = -4095;

/** By Linux's errno; null on Linux, where the two are the same. */
const table: Int32Array | null = process.platform === 'linux' ? null : buildTable();

function buildTable(): Int32Array {
  const codes = new Map<string, number>();
  for (const [code, [name]] of getSystemErrorMap()) codes.set(name, code);
  const out = new Int32Array(256);
  for (let errno = 1; errno < out.length; errno++) {
    const name = errno === EOPNOTSUPP ? 'ENOTSUP' : errnoName(errno);
    out[errno] = codes.get(name) ?? codes.get('UNKNOWN') ?? -errno;
  }
  return out;
}

/** libuv's number for a kernel's negative errno; 0 and counts stay as they are. */
export function uv(ret: number): number {
  return ret >= 0 || table === null ? ret : table[-ret] ?? ret;
}
