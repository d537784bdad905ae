/** Deno.DatagramConn over a process of a kernel. */
import type { Calls } from '../host/calls.ts';
import type { OptionValue } from '../host/sys-calls.ts';
import {
  IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_LOOP, IP_MULTICAST_TTL, IPPROTO_IP, IPPROTO_IPV6, IPV6_JOIN_GROUP,
  IPV6_LEAVE_GROUP, IPV6_MULTICAST_LOOP,
} from '../sock/constants.ts';
import { netAddr, type NetAddr } from './conn.ts';
import { asDeno, denoError, toDenoError } from './errors.ts';

/** What `receive()` takes when it is given no buffer: Deno's default. */
const DEFAULT_BUFFER_BYTES = 1024;

/** Deno.MulticastV4Membership */
export interface MulticastV4Membership {
  readonly leave: () => Promise<void>;
  readonly setLoopback: (loopback: boolean) => Promise<void>;
  readonly setTTL: (ttl: number) => Promise<void>;
}

/** Deno.MulticastV6Membership */
export interface MulticastV6Membership {
  readonly leave: () => Promise<void>;
  readonly setLoopback: (loopback: boolean) => Promise<void>;
}

export class DatagramConn implements AsyncIterable<[Uint8Array<ArrayBuffer>, NetAddr]> {
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
  async receive(p: Uint8Array = new Uint8Array(DEFAULT_BUFFER_BYTES)): Promise<[Uint8Array<ArrayBuffer>, NetAddr]> {
    this.check();
    const got = await asDeno(this.calls.recvfrom(this.fd, p));
    return [p.subarray(0, got.bytes) as Uint8Array<ArrayBuffer>, netAddr('udp', got.from!)];
  }

  /** Sends a datagram: how many bytes. */
  async send(p: Uint8Array, to: NetAddr): Promise<number> {
    this.check();
    return await asDeno(this.calls.sendto(this.fd, p, { address: to.hostname, port: to.port }));
  }

  /** Joins a group, on the interface that has the address `networkInterface`. */
  joinMulticastV4(address: string, networkInterface: string): Promise<MulticastV4Membership> {
    const group = { multiaddr: address, address: networkInterface };
    return this.set(IPPROTO_IP, IP_ADD_MEMBERSHIP, group, {
      leave: () => this.set(IPPROTO_IP, IP_DROP_MEMBERSHIP, group, undefined),
      setLoopback: (on: boolean) => this.set(IPPROTO_IP, IP_MULTICAST_LOOP, on ? 1 : 0, undefined),
      setTTL: (ttl: number) => this.set(IPPROTO_IP, IP_MULTICAST_TTL, ttl, undefined),
    });
  }

  /** Joins a group, on the interface of the number `networkInterface`; 0 leaves the choice to the routes. */
  joinMulticastV6(address: string, networkInterface: number): Promise<MulticastV6Membership> {
    const group = { addr: address, ifindex: networkInterface };
    return this.set(IPPROTO_IPV6, IPV6_JOIN_GROUP, group, {
      leave: () => this.set(IPPROTO_IPV6, IPV6_LEAVE_GROUP, group, undefined),
      setLoopback: (on: boolean) => this.set(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, on ? 1 : 0, undefined),
    });
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
  async* [Symbol.asyncIterator](): AsyncGenerator<[Uint8Array<ArrayBuffer>, NetAddr], undefined> {
    while (this.open) {
      try {
        yield await this.receive();
      } catch (error) {
        if (this.isOpen()) throw error;
      }
    }
    return undefined;
  }

  /** Sets an option of the socket, then gives `result`. */
  private async set<T>(level: number, option: number, value: OptionValue, result: T): Promise<T> {
    this.check();
    try {
      this.calls.setsockopt(this.fd, level, option, value);
    } catch (error) {
      throw toDenoError(error);
    }
    return await Promise.resolve(result);
  }

  private isOpen(): boolean {
    return this.open;
  }

  private check(): void {
    if (!this.open) throw denoError('BadResource', 'Bad resource ID');
  }
}
