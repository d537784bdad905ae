/**
 * Deno.TcpConn and Deno.TcpListener over a process of a kernel: thin, for Deno's calls are the kernel's.
 *
 *   from  deno/network.ts   connect, listen
 *   to    host/calls.ts     the waiting calls
 */
import type { Calls } from '../host/calls.ts';
import type { SocketAddress } from '../host/door.ts';
import { IPPROTO_TCP, SHUT_WR, SOL_SOCKET, SO_KEEPALIVE, TCP_NODELAY } from '../sock/constants.ts';
import { asDeno, denoError, toDenoError } from './errors.ts';
import { readableOf, writableOf } from './streams.ts';

/** Deno.NetAddr */
export interface NetAddr {
  readonly transport: 'tcp' | 'udp';
  readonly hostname: string;
  readonly port: number;
}

export function netAddr(transport: 'tcp' | 'udp', addr: SocketAddress): NetAddr {
  return { transport, hostname: addr.address, port: addr.port };
}

/** A TCP connection: Deno.TcpConn. */
export class TcpConn {
  readonly localAddr: NetAddr;
  readonly remoteAddr: NetAddr;
  private readonly calls: Calls;
  private readonly fd: number;
  private open = true;
  private readableStream: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  private writableStream: WritableStream<Uint8Array> | null = null;

  constructor(calls: Calls, fd: number) {
    this.calls = calls;
    this.fd = fd;
    this.localAddr = netAddr('tcp', calls.getsockname(fd));
    this.remoteAddr = netAddr('tcp', calls.getpeername(fd));
  }

  /** Reads what has come, at least one byte: how many; null at the end of the stream. */
  async read(p: Uint8Array): Promise<number | null> {
    this.check();
    if (p.length === 0) return 0;
    const n = await asDeno(this.calls.read(this.fd, p));
    return n === 0 ? null : n;
  }

  /** @internal The connection is another's from now on, which has its descriptor: TLS began on it. */
  take(): TcpConn {
    this.check();
    this.open = false;
    return new TcpConn(this.calls, this.fd);
  }

  /** Writes all of `p`: how many bytes were taken. */
  async write(p: Uint8Array): Promise<number> {
    this.check();
    return await asDeno(this.calls.write(this.fd, p));
  }

  /** Ends our side; what the peer says can still be read. */
  async closeWrite(): Promise<void> {
    this.check();
    try {
      this.calls.shutdown(this.fd, SHUT_WR);
    } catch (error) {
      throw toDenoError(error);
    }
  }

  close(): void {
    this.check();
    this.open = false;
    this.calls.close(this.fd);
  }

  setNoDelay(on: boolean = true): void {
    this.calls.setsockopt(this.fd, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
  }

  setKeepAlive(on: boolean = true): void {
    this.calls.setsockopt(this.fd, SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
  }

  /** A kernel's sockets hold no process. */
  ref(): void {
    return undefined;
  }

  unref(): void {
    return undefined;
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.readableStream ??= readableOf(this, () => this.writableStream !== null);
    return this.readableStream;
  }

  get writable(): WritableStream<Uint8Array> {
    this.writableStream ??= writableOf(this);
    return this.writableStream;
  }

  [Symbol.dispose](): void {
    this.closeOnce();
  }

  private closeOnce(): void {
    if (this.open) this.close();
  }

  private check(): void {
    if (!this.open) throw denoError('BadResource', 'Bad resource ID');
  }
}

/** A TCP listener: Deno.TcpListener. */
export class TcpListener implements AsyncIterable<TcpConn> {
  readonly addr: NetAddr;
  private readonly calls: Calls;
  private readonly fd: number;
  private open = true;

  constructor(calls: Calls, fd: number) {
    this.calls = calls;
    this.fd = fd;
    this.addr = netAddr('tcp', calls.getsockname(fd));
  }

  /** Waits for the next connection. */
  async accept(): Promise<TcpConn> {
    if (!this.open) throw denoError('BadResource', 'Listener has been closed');
    const { fd } = await asDeno(this.calls.accept(this.fd));
    return new TcpConn(this.calls, fd);
  }

  close(): void {
    if (!this.open) throw denoError('BadResource', 'Bad resource ID');
    this.open = false;
    this.calls.close(this.fd);
  }

  ref(): void {
    return undefined;
  }

  unref(): void {
    return undefined;
  }

  /** Connections as they come, until the listener is closed. */
  async* [Symbol.asyncIterator](): AsyncGenerator<TcpConn, undefined> {
    while (this.open) {
      try {
        yield await this.accept();
      } catch (error) {
        if (!this.closed) throw error;
      }
    }
    return undefined;
  }

  /** @internal */
  get closed(): boolean {
    return !this.open;
  }

  [Symbol.dispose](): void {
    if (this.open) this.close();
  }
}
