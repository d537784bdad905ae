/**
 * HTTP/1.1 messages on a connection (RFC 9112): heads, bodies of a length, in chunks, or up to the end of the stream. Both for
 * those that ask and those that answer; over TCP or TLS, on any runtime.
 *
 *   from  deno/fetch.ts, deno/serve.ts, deno/websocket.ts
 *   to    deno/conn.ts, deno/tls.ts   bytes
 */
import { latin1Bytes, latin1Text } from './text.ts';

/** What a message needs of its connection. */
export interface Bytes {
  read(p: Uint8Array): Promise<number | null>;
  write(p: Uint8Array): Promise<number>;
  [Symbol.dispose](): void;
}

/** A longer head is refused. */
export const MAX_HEAD_BYTES = 65_536;
/** A longer line before a chunk is refused. */
const MAX_LINE_BYTES = 4096;
const READ_BYTES = 65_536;

/** What is on the wire is not HTTP/1.1, or more of it than may be. `status`: what a server says to it. */
export class MessageError extends Error {
  override name = 'MessageError';
  readonly status: number;

  constructor(message: string, status: number = 400) {
    super(message);
    this.status = status;
  }
}

/** Reads messages from a connection, one after the other. */
export class MessageReader {
  private readonly conn: Bytes;
  private buffer = new Uint8Array(READ_BYTES);
  private start = 0;
  private end = 0;
  private ended = false;
  private filling: Promise<boolean> | null = null;

  constructor(conn: Bytes) {
    this.conn = conn;
  }

  /** Reads on, once: false at the end of the stream. May be called ahead of whoever needs the bytes. */
  fill(): Promise<boolean> {
    this.filling ??= this.more().finally(() => void (this.filling = null));
    return this.filling;
  }

  private async more(): Promise<boolean> {
    if (this.ended) return false;
    if (this.start > 0) {
      this.buffer.copyWithin(0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
    }
    if (this.end === this.buffer.length) {
      const larger = new Uint8Array(this.buffer.length * 2); // a head is being read: of MAX_HEAD_BYTES at most
      larger.set(this.buffer);
      this.buffer = larger;
    }
    const n = await this.conn.read(this.buffer.subarray(this.end));
    if (n === null) this.ended = true;
    else this.end += n;
    return n !== null;
  }

  /** Bytes that have come and that nobody has taken. */
  get waiting(): number {
    return this.end - this.start;
  }

  /** The lines of the next head; null when the stream ended before it. @throws MessageError */
  async head(): Promise<string[] | null> {
    for (let searched = 0; ;) {
      const at = this.find(searched);
      if (at >= 0) {
        const text = latin1Text(this.buffer.subarray(this.start, at));
        this.start = at;
        const lines = text.split(/\r?\n/).slice(0, -2);
        while (lines[0] === '') lines.shift(); // RFC 9112 §2.2: an empty line before the first is nothing
        if (lines.length > 0) return lines;
        searched = 0;
        continue;
      }
      if (this.waiting > MAX_HEAD_BYTES) throw new MessageError(`a head of more than ${MAX_HEAD_BYTES} bytes`, 431);
      searched = Math.max(0, this.waiting - 3);
      if (await this.fill()) continue;
      if (this.waiting === 0) return null;
      throw new MessageError('the stream ended inside of a head');
    }
  }

  /** Where the empty line ends, from `searched` bytes on; -1 when it has not come. */
  private find(searched: number): number {
    const { buffer, end } = this;
    for (let i = this.start + searched; i < end; i++) {
      if (buffer[i] !== 0x0a) continue;
      if (i === this.start || buffer[i + 1] === 0x0a && i + 1 < end) return i === this.start ? i + 1 : i + 2;
      if (buffer[i + 1] === 0x0d && buffer[i + 2] === 0x0a && i + 2 < end) return i + 3;
    }
    return buffer[this.start] === 0x0d && buffer[this.start + 1] === 0x0a && this.waiting >= 2 ? this.start + 2 : -1;
  }

  /** A line without its end. */
  async line(): Promise<string> {
    for (;;) {
      const at = this.buffer.subarray(this.start, this.end).indexOf(0x0a);
      if (at >= 0) {
        const text = latin1Text(this.buffer.subarray(this.start, this.start + at));
        this.start += at + 1;
        return text.replace(/\r$/, '');
      }
      if (this.waiting > MAX_LINE_BYTES) throw new MessageError(`a line of more than ${MAX_LINE_BYTES} bytes`);
      if (!await this.fill()) throw new MessageError('the stream ended inside of a line');
    }
  }

  /** At most `max` bytes, at least one; null at the end of the stream. They are the caller's. */
  async some(max: number): Promise<Uint8Array<ArrayBuffer> | null> {
    while (this.waiting === 0) if (!await this.fill()) return null;
    const n = Math.min(max, this.waiting);
    const out = this.buffer.slice(this.start, this.start + n);
    this.start += n;
    return out;
  }

  /** Exactly `n` bytes. */
  async exactly(n: number): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(n);
    for (let at = 0; at < n;) {
      const part = await this.some(n - at);
      if (part === null) throw new MessageError('the stream ended too early');
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}

// ---- heads

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The fields of a head. @throws MessageError for what is none (RFC 9112 §5.1: no space before the colon; §5.2: no folded lines) */
export function parseFields(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    if (colon < 1 || !TOKEN.test(name)) throw new MessageError(`'${line.slice(0, 80)}' is no header field`);
    try {
      headers.append(name, line.slice(colon + 1).trim());
    } catch {
      throw new MessageError(`the value of ${name} is not allowed`);
    }
  }
  return headers;
}

/** How a body is delimited. */
export type Framing = { readonly kind: 'none' | 'chunked' | 'close' } | { readonly kind: 'length'; readonly bytes: number };

/** RFC 9112 §6.3. `other`: what a message without a length and without chunks has. @throws MessageError */
export function framingOf(headers: Headers, other: 'none' | 'close'): Framing {
  const coding = headers.get('transfer-encoding')?.toLowerCase();
  const length = headers.get('content-length');
  if (coding !== undefined) {
    // RFC 9112 §6.1: with both, somebody on the way may read another message than we do.
    if (length !== null) throw new MessageError('transfer-encoding and content-length in one message');
    if (coding !== 'chunked') throw new MessageError(`transfer-encoding: ${coding} is not known`, 501);
    return { kind: 'chunked' };
  }
  if (length === null) return { kind: other };
  const [first, ...rest] = length.split(',').map((s) => s.trim());
  if (!/^\d{1,15}$/.test(first!) || rest.some((value) => value !== first)) throw new MessageError(`content-length: ${length} is no length`);
  const bytes = Number(first);
  return bytes === 0 ? { kind: 'none' } : { kind: 'length', bytes };
}

/** Does the connection stay for another message? RFC 9112 §9.3. */
export function keepsAlive(version: string, headers: Headers): boolean {
  const words = (headers.get('connection') ?? '').toLowerCase().split(',').map((s) => s.trim());
  return version === '1.1' ? !words.includes('close') : words.includes('keep-alive');
}

/** Writes a head. The fields are those of Headers: they hold no line ends. */
export async function writeHead(conn: Bytes, first: string, headers: Headers): Promise<void> {
  let text = `${first}\r\n`;
  for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
  await conn.write(latin1Bytes(`${text}\r\n`));
}

// ---- bodies

/** The bytes of a body, as they come. */
export async function* bodyOf(reader: MessageReader, framing: Framing): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
  if (framing.kind === 'chunked') yield* chunksOf(reader);
  else if (framing.kind !== 'none') {
    for (let left = framing.kind === 'length' ? framing.bytes : Infinity; left > 0;) {
      const part = await reader.some(Math.min(left, READ_BYTES));
      if (part === null) {
        if (left === Infinity) return undefined;
        throw new MessageError(`the stream ended ${left} bytes before the body did`);
      }
      left -= part.length;
      yield part;
    }
  }
  return undefined;
}

async function* chunksOf(reader: MessageReader): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
  for (;;) {
    const line = await reader.line();
    const size = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(line)?.[1];
    if (size === undefined) throw new MessageError(`'${line.slice(0, 80)}' is no size of a chunk`);
    let left = parseInt(size, 16);
    if (left === 0) break;
    while (left > 0) {
      const part = await reader.some(left);
      if (part === null) throw new MessageError('the stream ended inside of a chunk');
      left -= part.length;
      yield part;
    }
    if (await reader.line() !== '') throw new MessageError('a chunk is longer than its size');
  }
  while (await reader.line() !== ''); // trailer fields: none is of use here
  return undefined;
}

/** A body as a stream of the Web; `done` is told how it ended: read whole, or not. */
export function streamOf(
  body: AsyncGenerator<Uint8Array<ArrayBuffer>, undefined>, done: (whole: boolean) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller): Promise<void> {
      try {
        const { value } = await body.next();
        if (value !== undefined) controller.enqueue(value);
        else {
          controller.close();
          done(true);
        }
      } catch (error) {
        controller.error(error);
        done(false);
      }
    },
    cancel: () => done(false),
  }, { highWaterMark: 0 });
}

/** Writes a body: in chunks, or as it is. How many bytes it had. */
export async function writeBody(conn: Bytes, body: ReadableStream<Uint8Array>, chunked: boolean): Promise<number> {
  const reader = body.getReader();
  let bytes = 0;
  try {
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
      const part: unknown = value;
      if (!(part instanceof Uint8Array)) throw new TypeError('a body consists of Uint8Arrays');
      if (part.length === 0) continue;
      bytes += part.length;
      await conn.write(chunked ? asChunk(part) : part);
    }
  } catch (error) {
    reader.cancel(error).catch(() => undefined);
    throw error;
  }
  if (chunked) await conn.write(latin1Bytes('0\r\n\r\n'));
  return bytes;
}

function asChunk(part: Uint8Array): Uint8Array {
  const head = latin1Bytes(`${part.length.toString(16)}\r\n`);
  const out = new Uint8Array(head.length + part.length + 2);
  out.set(head);
  out.set(part, head.length);
  out.set([0x0d, 0x0a], head.length + part.length);
  return out;
}
