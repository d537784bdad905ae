/** Programs that scenarios use again and again. */
import { errnoName } from '../lib/errno.ts';
import { SHUT_WR } from '../sock/constants.ts';
import { again, type App, type AppBody, type AppCalls } from './app.ts';

const READ_SIZE = 65536;

/** What a reader got, growing as it comes; complete when its program is done. */
export class Received {
  /** Bytes so far. */
  length = 0;
  /** Connections accepted. */
  connections = 0;
  private readonly chunks: Uint8Array[] = [];

  add(bytes: Uint8Array): void {
    this.chunks.push(bytes);
    this.length += bytes.length;
  }

  get bytes(): Uint8Array {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const chunk of this.chunks) {
      out.set(chunk, at);
      at += chunk.length;
    }
    return out;
  }
}

/** Reads `fd` to its end, then closes it. Throws on an error. */
export function* readAll(sys: AppCalls, fd: number, to: Received): App<void> {
  const buf = new Uint8Array(READ_SIZE);
  for (;;) {
    const n = sys.read(fd, buf);
    if (again(n)) {
      yield sys.readable(fd);
      continue;
    }
    if (n < 0) throw new Error(`read: ${errnoName(n)} after ${to.length} bytes`);
    if (n === 0) return;
    to.add(buf.slice(0, n));
  }
}

/** Writes all of `bytes`, at most `chunk` with each call. Throws on an error. */
export function* writeAll(sys: AppCalls, fd: number, bytes: Uint8Array, chunk: number): App<void> {
  let at = 0;
  while (at < bytes.length) {
    const n = sys.write(fd, bytes, at, Math.min(chunk, bytes.length - at));
    if (again(n)) yield sys.writable(fd);
    else if (n < 0) throw new Error(`write: ${errnoName(n)} after ${at} bytes`);
    else at += n;
  }
}

/** Connects, trying again (with a new socket) as long as it fails; returns the descriptor. */
export function* connectRetrying(sys: AppCalls, ip: string, port: number, tries: number = 10): App<number> {
  let last = 0;
  for (let i = 0; i < tries; i++) {
    const fd = sys.connect(ip, port);
    if (fd < 0) throw new Error(`connect: ${errnoName(fd)}`);
    yield sys.writable(fd);
    last = sys.error(fd);
    if (last === 0) return fd;
    sys.close(fd);
    yield sys.sleep(1e9);
  }
  throw new Error(`connect: ${errnoName(last)}, ${tries} times`);
}

/** Accepts one connection and reads it to its end. */
export function listenAndReadAll(port: number): AppBody<Received> {
  return function* (sys) {
    const received = new Received();
    const listener = sys.listen(port);
    if (listener < 0) throw new Error(`listen: ${errnoName(listener)}`);
    yield sys.readable(listener);
    const fd = sys.accept(listener);
    received.connections++;
    sys.close(listener);
    yield* readAll(sys, fd, received);
    sys.close(fd);
    return received;
  };
}

/** Connects, writes all bytes, and closes. */
export function connectAndSend(ip: string, port: number, bytes: Uint8Array, chunk: number = READ_SIZE): AppBody<number> {
  return function* (sys) {
    const fd = yield* connectRetrying(sys, ip, port);
    yield* writeAll(sys, fd, bytes, chunk);
    sys.close(fd);
    return bytes.length;
  };
}

/** Connects, writes all bytes, shuts down, and reads what the other side answers to its end. */
export function exchange(ip: string, port: number, bytes: Uint8Array, chunk: number = READ_SIZE): AppBody<Received> {
  return function* (sys) {
    const received = new Received();
    const fd = yield* connectRetrying(sys, ip, port);
    yield* writeAll(sys, fd, bytes, chunk);
    sys.shutdown(fd, SHUT_WR);
    yield* readAll(sys, fd, received);
    sys.close(fd);
    return received;
  };
}
