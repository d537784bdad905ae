/**
 * ping(8): echo requests from an ICMP or ICMPv6 datagram socket, and what came of each.
 *
 *   from  host/kernel.ts   kernel.ping, host.exec
 *   to    host/process.ts  a process of its own, with the socket calls that everybody has
 */
import { put16, put32 } from '../../lib/bytes.ts';
import { EAGAIN, EMSGSIZE, errnoMessage } from '../../lib/errno.ts';
import { checkOptions, NS_PER_MS, NS_PER_SEC, NS_PER_US, parseDuration, parseInteger, type Duration } from '../../lib/units.ts';
import { ICMP_HLEN, ICMP_SEQ } from '../../wire/icmp.ts';
import { IPV4_HLEN_MIN } from '../../wire/ipv4.ts';
import { MSG_ERRQUEUE, POLLIN, SO_BINDTODEVICE, SO_BROADCAST, SOCK_DGRAM, SOL_SOCKET } from '../../sock/constants.ts';
import { SO_EE_ORIGIN_LOCAL, type SockExtendedErr } from '../../sock/extended-err.ts';
import { waitPoll } from '../../syscall/blocking.ts';
import type { HostResolver } from '../dns/host-resolver.ts';
import { fromSockAddr } from '../door.ts';
import { KernelError } from '../errors.ts';
import type { KernelProcess } from '../process.ts';
import type { Received } from '../sys-calls.ts';
import { text, type ToolHost } from './command.ts';
import { icmpErrorText } from './icmp-text.ts';
import { findTarget, parseFamily, type ProbeFamily, probeFamily, probeSocket, type Target } from './target.ts';

/** How to ping. */
export interface PingOptions {
  /** How many requests. Default 4. */
  readonly count?: number;
  /** From one request to the next. Default 1 s. */
  readonly interval?: Duration;
  /** Bytes of data behind the ICMP header. Default 56. */
  readonly size?: number;
  /** TTL, or hop limit, of the requests. */
  readonly ttl?: number;
  /** Never in fragments: ping's `-M do`. */
  readonly df?: boolean;
  /** How long to wait after the last request while nobody answers. Default 10 s; once somebody did, two round trips. */
  readonly timeout?: Duration;
  /** The source: an address of this host, or one of its devices (`'eth0'`), by which all requests leave. */
  readonly from?: string;
  /** Over IPv4 or IPv6 only: ping's `-4` and `-6`. Default: what the target is; a name that has both is pinged over IPv4. */
  readonly family?: 4 | 6;
}

export const PING_OPTIONS: readonly string[] = ['count', 'interval', 'size', 'ttl', 'df', 'timeout', 'from', 'family'];

/** One line of ping's output. */
export interface PingReply {
  /** `icmp_seq`, from 1. */
  readonly seq: number;
  /** Who sent it. */
  readonly from: string;
  /** Bytes of the reply, ICMP header included; 0 for an error. */
  readonly bytes: number;
  /** TTL that was left. */
  readonly ttl: number;
  /** Round trip, virtual milliseconds. */
  readonly timeMs: number;
  /** The same reply had come before. */
  readonly duplicate: boolean;
  /** What a router, the peer or this host said instead; '' for a reply. */
  readonly error: string;
}

/** What came of it. `String(result)` is what ping(8) prints. */
export class PingResult {
  /** As asked for, and what it means. */
  readonly target: string;
  readonly address: string;
  readonly family: 4 | 6;
  readonly size: number;
  transmitted = 0;
  received = 0;
  duplicates = 0;
  errors = 0;
  /** Replies and errors, in the order in which they came. */
  readonly replies: PingReply[] = [];
  /** From the first request to the end. */
  timeMs = 0;
  private readonly name: string | null;

  constructor(target: string, to: Target, size: number) {
    this.target = target;
    this.address = to.address;
    this.family = to.family;
    this.size = size;
    this.name = to.name;
  }

  /** Share of the requests that nobody answered, 0 to 1. */
  get loss(): number {
    return this.transmitted === 0 ? 0 : 1 - this.received / this.transmitted;
  }

  /** Round trips in milliseconds: least, mean, most, and their mean deviation; null when there was none. */
  get rtt(): { readonly min: number; readonly avg: number; readonly max: number; readonly mdev: number } | null {
    const times = this.replies.filter((r) => r.error === '').map((r) => r.timeMs);
    if (times.length === 0) return null;
    const avg = times.reduce((sum, t) => sum + t, 0) / times.length;
    const square = times.reduce((sum, t) => sum + t * t, 0) / times.length;
    return { min: Math.min(...times), avg, max: Math.max(...times), mdev: Math.sqrt(Math.max(0, square - avg * avg)) };
  }

  toString(): string {
    const lines = [this.head()];
    for (const reply of this.replies) lines.push(this.line(reply));
    lines.push('', `--- ${this.target} ping statistics ---`, this.statistics());
    const { rtt } = this;
    if (rtt !== null) lines.push(`rtt min/avg/max/mdev = ${[rtt.min, rtt.avg, rtt.max, rtt.mdev].map((t) => t.toFixed(3)).join('/')} ms`);
    return text(lines);
  }

  private head(): string {
    const { target, address, name, size } = this;
    if (this.family === 4) return `PING ${target} (${address}) ${String(size)}(${String(size + ICMP_HLEN + IPV4_HLEN_MIN)}) bytes of data.`;
    return `PING ${target}(${name === null ? address : `${name} (${address})`}) ${String(size)} data bytes`;
  }

  private line(r: PingReply): string {
    const seq = `icmp_seq=${String(r.seq)}`;
    if (r.error !== '') return r.from === '' ? `ping: local error: ${r.error}` : `From ${r.from} ${seq} ${r.error}`;
    const from = this.name === null || r.from !== this.address ? r.from : `${this.name} (${r.from})`;
    const dup = r.duplicate ? ' (DUP!)' : '';
    return `${String(r.bytes)} bytes from ${from}: ${seq} ttl=${String(r.ttl)} time=${tripTime(r.timeMs)} ms${dup}`;
  }

  private statistics(): string {
    const parts = [`${String(this.transmitted)} packets transmitted`, `${String(this.received)} received`];
    if (this.duplicates > 0) parts.push(`+${String(this.duplicates)} duplicates`);
    if (this.errors > 0) parts.push(`+${String(this.errors)} errors`);
    parts.push(`${String(Number((this.loss * 100).toPrecision(6)))}% packet loss`, `time ${String(Math.floor(this.timeMs))}ms`);
    return parts.join(', ');
  }
}

/** Fewer digits, the longer it takes. */
function tripTime(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms >= 1 ? ms.toFixed(2) : ms.toFixed(3);
}

/** The longest data: what IP can carry. */
const MAX_SIZE = 65507;
/** Of a `struct timeval`, with which the data begins where there is room. */
const TIMEVAL_LEN = 16;

/** Requests under way. */
class Pinger {
  readonly p: KernelProcess;
  readonly f: ProbeFamily;
  readonly fd: number;
  readonly result: PingResult;
  readonly intervalNs: number;
  readonly timeoutNs: number;
  readonly count: number;
  /** When each request left, by sequence number; answered ones stay, to tell duplicates. */
  private readonly sent: Map<number, { readonly at: number; answered: boolean }> = new Map();
  private readonly packet: Uint8Array;
  private readonly buffer: Uint8Array;
  private longestNs = 0;

  constructor(p: KernelProcess, result: PingResult, options: PingOptions) {
    this.p = p;
    this.f = probeFamily(result.family);
    this.result = result;
    this.count = parseInteger(options.count ?? 4, 'ping: count', 1);
    this.intervalNs = parseDuration(options.interval ?? '1s', 'ping: interval');
    this.timeoutNs = parseDuration(options.timeout ?? '10s', 'ping: timeout');
    this.packet = new Uint8Array(ICMP_HLEN + result.size);
    this.buffer = new Uint8Array(ICMP_HLEN + result.size + 1024);
    for (let i = 0; i < result.size; i++) this.packet[ICMP_HLEN + i] = i & 0xff;
    const ttl = options.ttl === undefined ? undefined : parseInteger(options.ttl, 'ping: ttl', 1, 255);
    const { f } = this;
    this.fd = probeSocket(p, f, SOCK_DGRAM, f.icmp, ttl, options.df === true);
    p.setsockopt(this.fd, f.level, f.recvTtl, 1);
    if (result.family === 4) p.setsockopt(this.fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (options.from !== undefined) this.leaveFrom(options.from);
  }

  /** By a device, or from an address. */
  private leaveFrom(from: string): void {
    const { p, fd } = this;
    if (p.proc.net.devices.some((dev) => dev !== null && dev.name === from)) p.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, from);
    else p.bind(fd, { address: from });
  }

  get now(): number {
    return this.p.proc.net.sim.now;
  }

  async run(): Promise<void> {
    const { result } = this;
    const began = this.now;
    let due = began;
    let end = Infinity;
    for (;;) {
      while (result.transmitted < this.count && this.now >= due) {
        this.send();
        due += this.intervalNs;
        if (result.transmitted === this.count) end = this.now + this.lingerNs();
      }
      this.drain();
      const last = result.transmitted === this.count;
      if (last && (result.received + result.errors >= this.count || this.now >= end)) break;
      await waitPoll(this.p.proc, [{ fd: this.fd, events: POLLIN }], Math.max((last ? end : due) - this.now, 1));
      this.drain();
      if (last && this.longestNs > 0) end = Math.min(end, Math.max(this.now, this.lastSent() + this.lingerNs()));
    }
    result.timeMs = (this.now - began) / NS_PER_MS;
  }

  private lingerNs(): number {
    return this.longestNs === 0 ? this.timeoutNs : Math.max(2 * this.longestNs, this.intervalNs);
  }

  private lastSent(): number {
    return this.sent.get(this.result.transmitted & 0xffff)?.at ?? this.now;
  }

  private send(): void {
    const { packet, result, now } = this;
    const seq = ++result.transmitted;
    packet[0] = this.f.echo;
    put16(packet, ICMP_SEQ, seq & 0xffff);
    if (result.size >= TIMEVAL_LEN) writeTimeval(packet, ICMP_HLEN, now);
    this.sent.set(seq & 0xffff, { at: now, answered: false });
    try {
      this.p.sys.sendto(this.fd, packet, { address: result.address, port: 0 });
    } catch (error) {
      // In the error queue there is more about it; what is not there cannot get better by waiting.
      if (!(error instanceof KernelError)) throw error;
      if (error.errno === -EMSGSIZE || this.drain()) return;
      throw error;
    }
  }

  /** Takes in what has come. True when there was something. */
  private drain(): boolean {
    let any = false;
    for (let got = this.receive(MSG_ERRQUEUE); got !== null; got = this.receive(MSG_ERRQUEUE)) {
      this.failed(got);
      any = true;
    }
    for (let got = this.receive(0); got !== null; got = this.receive(0)) {
      this.answered(got);
      any = true;
    }
    return any;
  }

  private receive(flags: number): Received | null {
    try {
      return this.p.sys.recvmsg(this.fd, [this.buffer], flags);
    } catch (error) {
      if (error instanceof KernelError && error.errno === -EAGAIN) return null;
      throw error;
    }
  }

  private seqOf(bytes: number): number {
    return bytes < ICMP_HLEN ? 0 : (this.buffer[ICMP_SEQ]! << 8) | this.buffer[ICMP_SEQ + 1]!;
  }

  private answered(got: Received): void {
    const { result } = this;
    const seq = this.seqOf(got.bytes);
    const request = this.sent.get(seq);
    if (request === undefined) return;
    const ns = this.now - request.at;
    const ttl = got.control.find((c) => c.level === this.f.level && c.type === this.f.ttlCmsg)?.data as number | undefined;
    result.replies.push({
      seq, from: got.from?.address ?? '', bytes: got.bytes, ttl: ttl ?? 0, timeMs: ns / NS_PER_MS, duplicate: request.answered, error: '',
    });
    if (request.answered) result.duplicates++;
    else result.received++;
    request.answered = true;
    this.longestNs = Math.max(this.longestNs, ns);
  }

  private failed(got: Received): void {
    const { result } = this;
    const err = got.control[0]!.data as SockExtendedErr;
    const local = err.origin === SO_EE_ORIGIN_LOCAL;
    const seq = local ? result.transmitted : this.seqOf(got.bytes);
    const at = this.sent.get(seq)?.at ?? this.now;
    const error = local ? `${errnoMessage(err.errno)}, mtu=${String(err.info)}` : icmpErrorText(err);
    const from = err.offender === null ? '' : fromSockAddr(err.offender, this.p.proc.net).address;
    result.errors++;
    result.replies.push({ seq, from, bytes: 0, ttl: 0, timeMs: (this.now - at) / NS_PER_MS, duplicate: false, error });
  }
}

/** Seconds and microseconds, 64 bits each, the lower bytes first: a `struct timeval` of x86-64. */
function writeTimeval(buf: Uint8Array, at: number, ns: number): void {
  const swap = (n: number): number => ((n << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24)) | 0;
  put32(buf, at, swap(Math.floor(ns / NS_PER_SEC)));
  put32(buf, at + 4, 0);
  put32(buf, at + 8, swap(Math.floor((ns % NS_PER_SEC) / NS_PER_US)));
  put32(buf, at + 12, 0);
}

/** Pings `target` from a process `p` that is made for it and ends with it. */
export async function ping(
  host: ToolHost, resolver: HostResolver, p: KernelProcess, target: string, options: PingOptions,
): Promise<PingResult> {
  try {
    checkOptions(options, PING_OPTIONS, 'ping');
    const to = await findTarget(host, resolver, 'ping', target, parseFamily(options.family, 'ping'));
    const size = parseInteger(options.size ?? 56, 'ping: size', 0, MAX_SIZE);
    const result = new PingResult(target, to, size);
    await new Pinger(p, result, options).run();
    return result;
  } finally {
    p.kill();
  }
}
