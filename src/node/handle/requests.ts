/**
 * The request objects that lib/net.js hands to a handle, each answered exactly once: `oncomplete` when it is done. And the
 * line of writes that did not fit into the send buffer.
 */
import { AsyncResource } from 'node:async_hooks';

/** A request by lib/net.js or lib/dgram.js. It is answered with a status of libuv: 0 or a negative number. */
export interface Req {
  oncomplete(status: number | null, ...rest: unknown[]): void;
}

/** A request that is under way, with the asynchronous context of its caller. Answered once, by whoever takes it. */
export class Pending extends AsyncResource {
  readonly req: Req;
  /** A request of the C++ side (TLS), which has a way of its own to be answered. */
  readonly native: boolean;

  /** `kind`: what async_hooks are told, in Node's words. */
  constructor(req: Req, native: boolean, kind: string) {
    super(kind, { requireManualDestroy: true });
    this.req = req;
    this.native = native;
  }
}

/** A write that waits for room, wholly or in part. */
export class PendingWrite extends Pending {
  next: PendingWrite | null = null;
  /** What is left: from `chunks[index]`, byte `offset` on. */
  readonly chunks: readonly Uint8Array[];
  index = 0;
  offset = 0;
  left: number;
  /** libuv's status, once it is done: 1 while it is not. */
  status = 1;

  constructor(req: Req, native: boolean, chunks: readonly Uint8Array[], skip: number, total: number) {
    super(req, native, 'WRITEWRAP');
    this.chunks = chunks;
    this.left = total;
    this.advance(skip);
  }

  /** The next `bytes` have been taken by the kernel. */
  advance(bytes: number): void {
    this.left -= bytes;
    this.offset += bytes;
    while (this.index < this.chunks.length && this.offset >= this.chunks[this.index]!.length) {
      this.offset -= this.chunks[this.index]!.length;
      this.index++;
    }
  }
}
