/**
 * traceroute(8): probes with a small TTL, so that each router on the way has to say who it is.
 *
 *   from  host/kernel.ts   kernel.traceroute, host.exec
 *   to    host/process.ts  a process of its own; a socket per probe, whose error queue has the answer
 */
import { put16 } from '../../lib/bytes.ts';
import { EAGAIN } from '../../lib/errno.ts';
import { checkOptions, NS_PER_MS, parseDuration, parseInteger, type Duration } from '../../lib/units.ts';
import { ICMP_HLEN, ICMP_SEQ } from '../../wire/icmp.ts';
import { UDP_HLEN } from '../../wire/udp.ts';
import { IPPROTO_UDP, MSG_ERRQUEUE, POLLIN, SOCK_DGRAM } from '../../sock/constants.ts';
import type { SockExtendedErr } from '../../sock/extended-err.ts';
import { waitPoll } from '../../syscall/blocking.ts';
import type { HostResolver } from '../dns/host-resolver.ts';
import { fromSockAddr } from '../door.ts';
import { KernelError } from '../errors.ts';
import type { KernelProcess } from '../process.ts';
import { text, type ToolHost } from './command.ts';
import { icmpErrorMark } from './icmp-text.ts';
import { findTarget, parseFamily, type ProbeFamily, probeFamily, probeSocket, type Target } from './target.ts';

export interface TracerouteOptions {
  /** `'udp'`: datagrams to ports where nobody is (default); `'icmp'`: echo requests. */
  readonly method?: 'udp' | 'icmp';
  /** TTL to begin with, and the last one. Default 1 and 30. */
  readonly firstHop?: number;
  readonly maxHops?: number;
  /** Probes per hop. Default 3. */
  readonly queries?: number;
  /** How long to wait for an answer. Default 5 s. */
  readonly timeout?: Duration;
  /** The first of the ports, one per probe. Default 33434. */
  readonly port?: number;
  /** Bytes of a whole packet. Default 60; over IPv6 80. */
  readonly size?: number;
  /** Never in fragments: traceroute's `-F`. */
  readonly df?: boolean;
  /** Over IPv4 or IPv6 only: traceroute's `-4` and `-6`. Default as of ping's. */
  readonly family?: 4 | 6;
}

export const TRACEROUTE_OPTIONS: readonly string[] = [
  'method', 'firstHop', 'maxHops', 'queries', 'timeout', 'port', 'size', 'df', 'family',
];

/** What came of a probe; `from` is null when nothing came. */
export interface TracerouteProbe {
  readonly from: string | null;
  readonly timeMs: number;
  /** `!H`, `!N`, `!P`, `!X`…; '' when the packet was on its way, or there. */
  readonly mark: string;
}

export interface TracerouteHop {
  readonly ttl: number;
  readonly probes: readonly TracerouteProbe[];
}

/** The way. `String(result)` is what traceroute(8) prints. */
export class TracerouteResult {
  readonly target: string;
  readonly address: string;
  readonly family: 4 | 6;
  readonly hops: TracerouteHop[] = [];
  /** The target has answered. */
  reached = false;
  private readonly maxHops: number;
  private readonly size: number;
  private readonly names: (addr: string) => string | null;

  constructor(target: string, to: Target, maxHops: number, size: number, names: (addr: string) => string | null) {
    this.target = target;
    this.address = to.address;
    this.family = to.family;
    this.maxHops = maxHops;
    this.size = size;
    this.names = names;
  }

  toString(): string {
    const { target, address, maxHops, size } = this;
    const head = `traceroute to ${target} (${address}), ${String(maxHops)} hops max, ${String(size)} byte packets`;
    return text([head, ...this.hops.map((hop) => `${String(hop.ttl).padStart(2)} ${this.probes(hop)}`)]);
  }

  private probes(hop: TracerouteHop): string {
    let last: string | null = null;
    let out = '';
    for (const { from, timeMs, mark } of hop.probes) {
      if (from === null) {
        out += ' *';
        continue;
      }
      if (from !== last) out += ` ${this.names(from) ?? from} (${from})`;
      last = from;
      out += `  ${timeMs.toFixed(3)} ms${mark === '' ? '' : ` ${mark}`}`;
    }
    return out;
  }
}

/** Linux's bounds of the ports, and traceroute's of the packet. */
const MAX_PORT = 65535;
const MAX_PACKET = 65000;
/** Bytes behind the IP header, when nobody says how many. */
const DEFAULT_DATA = 40;

class Tracer {
  readonly p: KernelProcess;
  readonly f: ProbeFamily;
  readonly result: TracerouteResult;
  private readonly options: TracerouteOptions;
  private readonly timeoutNs: number;
  private readonly payload: Uint8Array;
  private readonly buffer: Uint8Array;
  private seq = 0;

  constructor(p: KernelProcess, result: TracerouteResult, options: TracerouteOptions, size: number) {
    this.p = p;
    this.f = probeFamily(result.family);
    this.result = result;
    this.options = options;
    this.timeoutNs = parseDuration(options.timeout ?? '5s', 'traceroute: timeout');
    const header = options.method === 'icmp' ? this.f.hlen : this.f.hlen + UDP_HLEN;
    this.payload = new Uint8Array(size - header);
    for (let i = 0; i < this.payload.length; i++) this.payload[i] = 0x40 + (i & 0x3f);
    this.buffer = new Uint8Array(size);
  }

  private get now(): number {
    return this.p.proc.net.sim.now;
  }

  /** All probes of one TTL. True when there is no use in going on. */
  async hop(ttl: number, queries: number): Promise<boolean> {
    const probes: TracerouteProbe[] = [];
    let ended = false;
    for (let i = 0; i < queries; i++) {
      const fd = this.open(ttl);
      const { probe, end } = await this.probe(fd);
      this.p.close(fd);
      probes.push(probe);
      ended ||= end;
    }
    this.result.hops.push({ ttl, probes });
    return ended;
  }

  private open(ttl: number): number {
    const { p, f, options } = this;
    return probeSocket(p, f, SOCK_DGRAM, options.method === 'icmp' ? f.icmp : IPPROTO_UDP, ttl, options.df === true);
  }

  private async probe(fd: number): Promise<{ readonly probe: TracerouteProbe; readonly end: boolean }> {
    const { payload, options } = this;
    const seq = ++this.seq;
    let port = 0;
    if (options.method === 'icmp') {
      payload.fill(0, 0, ICMP_HLEN);
      payload[0] = this.f.echo;
      put16(payload, ICMP_SEQ, seq & 0xffff);
    } else {
      port = Math.min((options.port ?? 33434) + seq - 1, MAX_PORT);
    }
    const sent = this.now;
    try {
      await this.p.sendto(fd, payload, { address: this.result.address, port });
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const failed = this.failed(fd, sent); // the error queue knows why
      if (failed === null) throw error;
      return failed;
    }
    await waitPoll(this.p.proc, [{ fd, events: POLLIN }], Math.max(this.timeoutNs, 1));
    return this.failed(fd, sent) ?? this.answered(fd, sent) ?? { probe: { from: null, timeMs: 0, mark: '' }, end: false };
  }

  private receive(fd: number, flags: number): ReturnType<KernelProcess['sys']['recvmsg']> | null {
    try {
      return this.p.sys.recvmsg(fd, [this.buffer], flags);
    } catch (error) {
      if (error instanceof KernelError && error.errno === -EAGAIN) return null;
      throw error;
    }
  }

  private failed(fd: number, sent: number): { readonly probe: TracerouteProbe; readonly end: boolean } | null {
    const got = this.receive(fd, MSG_ERRQUEUE);
    if (got === null) return null;
    const err = got.control[0]!.data as SockExtendedErr;
    const from = err.offender === null ? this.result.address : fromSockAddr(err.offender, this.p.proc.net).address;
    const end = err.type === this.f.unreach;
    if (end && from === this.result.address) this.result.reached = true;
    return { probe: { from, timeMs: (this.now - sent) / NS_PER_MS, mark: icmpErrorMark(err) }, end };
  }

  private answered(fd: number, sent: number): { readonly probe: TracerouteProbe; readonly end: boolean } | null {
    const got = this.receive(fd, 0);
    if (got === null) return null;
    this.result.reached = true;
    return { probe: { from: got.from?.address ?? null, timeMs: (this.now - sent) / NS_PER_MS, mark: '' }, end: true };
  }
}

/** Follows the way to `target` from a process `p` that is made for it and ends with it. */
export async function traceroute(
  host: ToolHost, resolver: HostResolver, p: KernelProcess, target: string, options: TracerouteOptions,
): Promise<TracerouteResult> {
  try {
    checkOptions(options, TRACEROUTE_OPTIONS, 'traceroute');
    const known: readonly unknown[] = ['udp', 'icmp', undefined];
    if (!known.includes(options.method)) {
      throw new TypeError(`traceroute: method: '${String(options.method)}' is not understood; expected 'udp' or 'icmp'`);
    }
    const to = await findTarget(host, resolver, 'traceroute', target, parseFamily(options.family, 'traceroute'));
    const { hlen } = probeFamily(to.family);
    const maxHops = parseInteger(options.maxHops ?? 30, 'traceroute: maxHops', 1, 255);
    const size = parseInteger(options.size ?? hlen + DEFAULT_DATA, 'traceroute: size', hlen + ICMP_HLEN, MAX_PACKET);
    const queries = parseInteger(options.queries ?? 3, 'traceroute: queries', 1, 10);
    parseInteger(options.port ?? 1, 'traceroute: port', 1, MAX_PORT);
    const result = new TracerouteResult(target, to, maxHops, size, (addr) => host.hosts.nameOf(addr));
    const tracer = new Tracer(p, result, options, size);
    const first = parseInteger(options.firstHop ?? 1, 'traceroute: firstHop', 1, maxHops);
    for (let ttl = first; ttl <= maxHops && !await tracer.hop(ttl, queries); ttl++);
    return result;
  } finally {
    p.kill();
  }
}
