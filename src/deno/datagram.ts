/** Deno.DatagramConn over a process of a kernel. */
import type { Calls } from '../host/calls.ts';
import { netAddr, type NetAddr } from './conn.ts';
import { asDeno, denoError } from './errors.ts';

/** What `receive()` takes when it is given no buffer: Deno's default. */
const DEFAULT_BUFFER_BYTES = 1024;

export class DatagramConn implements AsyncIterable<[Uint8Array, NetAddr]> {
  readonly addr: NetAddr;
  private readonly calls: Calls;
  private readonly fd: number;
  private open = true;

  constructor(calls: Calls, fd: number) {
    this.calls = calls;
    this.fd = fd;
    this.addr = netAddr('udp', calls.getsockname(fd));
  }

  /** Waits for a datagram: its bytes, as many as `p` has room for, and where it came from. */
  async receive(p: Uint8Array = new Uint8Array(DEFAULT_BUFFER_BYTES)): Promise<[Uint8Array, NetAddr]> {
    this.check();
    const got = await asDeno(this.calls.recvfrom(this.fd, p));
    return [p.subarray(0, got.bytes), netAddr('udp', got.from!)];
  }

  /** Sends a datagram: how many bytes. */
  async send(p: Uint8Array, to: NetAddr): Promise<number> {
    this.check();
    return await asDeno(this.calls.sendto(this.fd, p, { address: to.hostname, port: to.port }));
  }

  close(): void {
    this.check();
    this.open = false;
    this.calls.close(this.fd);
  }

  ref(): void {
    return undefined;
  }

  unref(): void {
    return undefined;
  }

  /** Datagrams as they come, until the socket is closed. */
  async* [Symbol.asyncIterator](): AsyncGenerator<[Uint8Array, NetAddr], undefined> {
    while (this.open) {
      try {
        yield await this.receive();
      } catch (error) {
        if (this.isOpen()) throw error;
      }
    }
    return undefined;
  }

  private isOpen(): boolean {
    return this.open;
  }

  private check(): void {
    if (!this.open) throw denoError('BadResource', 'Bad resource ID');
  }
}
