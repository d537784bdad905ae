/** The Web streams of a connection: `conn.readable` and `conn.writable`. */

/** What a stream of a connection needs of it. */
export interface StreamSource {
  read(p: Uint8Array): Promise<number | null>;
  write(p: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  [Symbol.dispose](): void;
}

/** What `readable` reads at a time. */
const CHUNK_BYTES = 65536;

/** The connection is closed at the end of its stream, unless `hasWriter` says that it is still written to. */
export function readableOf(conn: StreamSource, hasWriter: () => boolean): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller): Promise<void> {
      const buffer = new Uint8Array(CHUNK_BYTES);
      const n = await conn.read(buffer);
      if (n !== null) controller.enqueue(buffer.subarray(0, n));
      else {
        controller.close();
        if (!hasWriter()) conn[Symbol.dispose]();
      }
    },
    cancel: () => conn[Symbol.dispose](),
  }, { highWaterMark: 0 });
}

export function writableOf(conn: StreamSource): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    write: async (chunk) => void await conn.write(chunk),
    close: async () => await conn.closeWrite(),
    abort: () => conn[Symbol.dispose](),
  });
}
