/**
 * One read of a stream handle: what has come, up to 64 KiB, handed to lib/net.js or to C++ (TLS). It is reported through
 * `streamBaseState`, without another copy.
 *
 *   from  handle/stream.ts   the task, when the socket is readable
 *   to    handle/calls.ts    recvmsg
 *         lib/net.js         onread
 */
import { Buffer } from 'node:buffer';
import process from 'node:process';
import { EAGAIN } from '../../lib/errno.ts';
import { FIONREAD, POLLHUP } from '../../sock/constants.ts';
import { recvmsg } from './calls.ts';
import { ARRAY_BUFFER_OFFSET, READ_BYTES_OR_ERROR, streamBaseState } from './runtime.ts';
import type { StreamHandle } from './stream.ts';
import { UV_EOF, uv } from './uv.ts';

/** The most that one read hands over, as libuv has it. */
export const READ_BYTES = 65536;
/** Reads up to this size share a slab; larger ones get memory of their own. */
const SMALL_READ = 8192;

/**
 * libuv before 1.52: a socket that is shut both ways and gave less than was asked for has ended, whatever a read would say; a reset
 * that came behind the last bytes is not told.
 */
const hidesReset: boolean = /^1\.([0-9]|[1-4][0-9]|5[01])\./.test((process.versions as { uv?: string }).uv ?? '');

/**
 * lib/net.js's onStreamRead; how much, or which error, stands in `streamBaseState`. Where the caller gave a function for
 * buffers, it answers with the next one.
 */
export type OnRead = (this: object, arrayBuffer: ArrayBufferLike | undefined) => unknown;

/** Reads, and hands it over. `events` are the socket's, from before. True when there is more to hand over in the same turn. */
export function readOnce(h: StreamHandle, events: number): boolean {
  if (h.hungUp) {
    endReading(h, 0);
    return false;
  }
  const { host, host: { msg }, userBuffer } = h;
  const sk = h.sk!;
  let isSlab = false;
  let into: Uint8Array;
  let off = 0;
  let most = READ_BYTES;
  if (userBuffer !== null) {
    into = userBuffer;
    msg.len = most = userBuffer.length;
  } else {
    const queued = sk.prot.ioctl(sk, FIONREAD);
    isSlab = queued <= SMALL_READ;
    msg.len = isSlab ? host.slabRoom() : Math.min(queued, READ_BYTES);
    into = isSlab ? host.slab : Buffer.allocUnsafeSlow(msg.len);
    off = isSlab ? host.slabUsed : 0;
  }
  msg.buf = into;
  msg.off = off;
  msg.flags = 0;
  msg.hasName = false;
  const n = recvmsg(host.process, h.kfd, msg);
  if (host.process.dead) h.readStop(); // nobody is told of the dead, now or later
  if (n === -EAGAIN || host.process.dead) return false;
  if (n <= 0) {
    endReading(h, n);
    return false;
  }
  if (isSlab) host.slabTake(n);
  h.bytesRead += n;
  const isLast = hidesReset && (events & POLLHUP) !== 0 && n < most && sk.prot.ioctl(sk, FIONREAD) === 0;
  deliver(h, into, off, n);
  if (isLast && h.wantsRead) h.hungUp = true;
  return n === READ_BYTES || h.hungUp;
}

function deliver(h: StreamHandle, bytes: Uint8Array, off: number, n: number): void {
  if (h.native !== null) {
    h.native.deliver(bytes.subarray(off, off + n));
    return;
  }
  streamBaseState[READ_BYTES_OR_ERROR] = n;
  streamBaseState[ARRAY_BUFFER_OFFSET] = bytes.byteOffset + off;
  if (h.userBuffer === null) {
    h.onread!(bytes.buffer);
    return;
  }
  const next = h.onread!(undefined);
  if (next instanceof Uint8Array) h.userBuffer = next;
}

/** The end of the stream (0), or an error. */
function endReading(h: StreamHandle, ret: number): void {
  h.readStop();
  if (h.native !== null) {
    // C++ has no word for a failed read: the socket is told.
    if (ret === 0) h.native.deliverEnd();
    else h.nativeError(ret);
    return;
  }
  streamBaseState[READ_BYTES_OR_ERROR] = ret === 0 ? UV_EOF : uv(ret);
  streamBaseState[ARRAY_BUFFER_OFFSET] = 0;
  h.onread!(undefined);
}
