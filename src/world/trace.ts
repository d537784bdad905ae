/**
 * The journey of a packet: every function and queue that it passes, from the system call that made it to the reader, on every host and
 * switch of the way, with virtual times (what pwru shows for one Linux).
 *
 *   from  skb/trace.ts   each function of the walk, and each drop, while somebody follows
 *   to    `packets`, as data and as text
 *
 * A packet gets its number where it passes first and keeps it: clones (a retransmission, a switch that floods), segments and
 * fragments of it are the same packet. It is told apart by what its frame says when it first has one.
 */
import { FrameView } from '../fabric/frame-view.ts';
import type { FramePredicate } from '../fabric/rules.ts';
import { parseFilter, type PacketFilter } from '../host/tools/packet-filter.ts';
import { dnsSummary } from '../host/dns/summary.ts';
import type { HostsFile } from '../host/resolver.ts';
import { parseIpv4 } from '../lib/addr.ts';
import { checkOptions, parseInteger } from '../lib/units.ts';
import { dropName, type Drop } from '../skb/drop-reason.ts';
import type { SkbPool } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { TRACE_BORN, type Tracer } from '../skb/trace.ts';
import type { Simulation } from '../time/simulation.ts';
import { Task } from '../time/task.ts';
import { FlowTable, formatTime, printEthernet } from '../wire/print.ts';
import { describeSkb } from './drops.ts';

/** Steps that a trace keeps unless told otherwise; later ones are counted in `missed`. */
export const TRACE_STEPS_MAX = 100_000;
/** Columns of a name of a function, in text. */
const FUNCTION_WIDTH = 24;
/** Text is moved in by so much from place to place, and no further than so many places. */
const INDENT = 2;
const INDENT_PLACES_MAX = 12;

/** Here the whole frame is there to be looked at, link header first. */
const FRAME_AT: ReadonlySet<string> = new Set(['devQueueXmit', 'cable', 'ingress', 'station', 'rxRing']);

/** Which packets to follow; all of them, when nothing is said. */
export interface TraceOptions {
  /** Picks packets by their frame, as rules of a cable do: `(f) => f.tcp?.syn`. */
  readonly where?: FramePredicate;
  /** The same in tcpdump's words: `'udp port 53'`. */
  readonly filter?: string;
  /** Only what happens at these hosts, switches, hubs or cables, by name. */
  readonly at?: readonly (string | { readonly name: string })[];
  /** Steps to keep at most. Default {@link TRACE_STEPS_MAX}. */
  readonly limit?: number;
}

const OPTIONS: readonly string[] = ['where', 'filter', 'at', 'limit'];

/** A packet passed a function or a queue. */
export interface TraceStep {
  /** Virtual nanoseconds. */
  readonly time: number;
  /** A host, switch, hub or cable, and which of them. */
  readonly place: string;
  readonly on: 'machine' | 'cable';
  /** Linux's name (`ipRcv`) inside a host; a plain word outside; `drop`. */
  readonly fn: string;
  /** A device, a queue with its length, a state, the reason of a drop. */
  readonly note: string;
}

/** One packet and its way. */
export class TracedPacket {
  /** Unique in a world, by order of birth. */
  readonly number: number;
  readonly steps: TraceStep[] = [];
  /** The packet as tcpdump prints it. */
  summary = '';
  /** Its frame when it had one first; null while it has none. */
  frame: FrameView | null = null;
  /** Linux's word when it was dropped (one of its clones, where there are several), else ''. */
  dropped = '';

  constructor(number: number) {
    this.number = number;
  }

  /** When it passed first, virtual nanoseconds. */
  get time(): number {
    return this.steps[0]!.time;
  }

  /** How long it was on its way. */
  get duration(): number {
    return this.steps[this.steps.length - 1]!.time - this.time;
  }

  /** The functions and queues in order: `['l1 udpSendmsg', 'l1 ipLocalOut', …]`. */
  get walk(): string[] {
    return this.steps.map(({ place, fn, note }) => `${place} ${fn}${fn === 'drop' ? ` ${note}` : ''}`);
  }

  /** The hosts, switches and hubs that it came to, in the order in which it did. */
  get places(): string[] {
    return [...new Set(this.steps.filter((step) => step.on === 'machine').map((step) => step.place))];
  }

  /** One line: when, what, and where it went. */
  get line(): string {
    const end = this.dropped === '' ? '' : ` ✗ ${this.dropped}`;
    return `${formatTime(this.time)} #${String(this.number)} ${this.summary}  [${this.places.join(' → ')}${end}]`;
  }

  /** The whole way: a line for each step, moved in from place to place. */
  toString(): string {
    const depths = new Map<string, number>();
    let place = '';
    let depth = 0;
    let text = `#${String(this.number)} ${this.summary}\n`;
    for (const step of this.steps) {
      if (step.on === 'machine' && step.place !== place) {
        ({ place } = step);
        depth = depths.get(place) ?? 0;
        depths.set(place, depth);
        text += `${margin(depth)}${place}\n`;
      }
      // What hands it on is one place nearer to where it began.
      const to = step.fn === 'cable' ? step.note.slice(step.note.lastIndexOf(' ') + 1, step.note.lastIndexOf('.')) : '';
      if (to !== '' && !depths.has(to)) depths.set(to, Math.min(depth + 1, INDENT_PLACES_MAX));
      const line = `${formatTime(step.time, 9).padStart(12)}${margin(depth + 1, 12)}${step.fn.padEnd(FUNCTION_WIDTH)}${step.note}`;
      text += `${line.trimEnd()}\n`;
    }
    return text;
  }
}

/** White space in front of what happens so many places from where the packet began; `less`: columns that are there already. */
function margin(depth: number, less: number = 0): string {
  return ' '.repeat(13 + INDENT * depth - less);
}

/** What is followed, until `stop()` or the end of a `using` scope. */
export class WorldTrace {
  /** Steps that found no room. */
  missed = 0;
  private readonly all: Map<number, TracedPacket> = new Map();
  private readonly followed: Tracing;
  private readonly where: FramePredicate | null;
  private readonly filter: PacketFilter | null;
  private readonly at: ReadonlySet<string> | null;
  private readonly limit: number;
  private kept = 0;

  /** Made by `world.trace`. */
  constructor(followed: Tracing, options: TraceOptions) {
    checkOptions(options, OPTIONS, 'trace');
    const { where, filter, at } = options;
    if (where !== undefined && typeof where !== 'function') throw new TypeError('trace: where: expected a function of a frame');
    if (filter !== undefined && typeof filter !== 'string') throw new TypeError("trace: filter: expected text such as 'udp port 53'");
    if (at !== undefined && !Array.isArray(at)) throw new TypeError('trace: at: expected an array of hosts, switches, cables or names');
    this.followed = followed;
    this.where = where ?? null;
    this.filter = filter === undefined || filter.trim() === '' ? null : parseFilter(filter, followed);
    this.at = at === undefined ? null : new Set(at.map((place) => followed.nameOfPlace(place)));
    this.limit = options.limit === undefined ? TRACE_STEPS_MAX : parseInteger(options.limit, 'limit', 1);
    followed.start(this);
  }

  /** The packets that are followed, in the order of their numbers. */
  get packets(): readonly TracedPacket[] {
    return [...this.all.values()].filter((packet) => packet.steps.length > 0);
  }

  /** The packets that `where` picks of them, by their frames. */
  select(where: FramePredicate): readonly TracedPacket[] {
    if (typeof where !== 'function') throw new TypeError('select: expected a function of a frame');
    return this.packets.filter(({ frame }) => frame !== null && Boolean(where(frame)));
  }

  /** Follows no packet that is born from now on; those that are on their way are followed to their end. */
  stop(): void {
    this.followed.stop(this);
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** All packets with all their steps, as text. */
  toString(): string {
    return this.packets.map(String).join('\n');
  }

  /** @internal A packet is born; null when there is no room for it. */
  born(number: number): TracedPacket | null {
    if (this.kept >= this.limit) {
      this.missed++;
      return null;
    }
    const packet = new TracedPacket(number);
    this.all.set(number, packet);
    return packet;
  }

  /** @internal It passes a step. */
  step(packet: TracedPacket, step: TraceStep): void {
    if (!this.all.has(packet.number) || (this.at !== null && !this.at.has(step.place))) return;
    if (this.kept >= this.limit) {
      this.missed++;
      return;
    }
    this.kept++;
    packet.steps.push(step);
  }

  /** @internal It has a frame: is it one that is wanted? If not, what was kept of it is forgotten. */
  seen(packet: TracedPacket, frame: FrameView): boolean {
    packet.frame = frame;
    if (this.wanted(frame)) return true;
    this.kept -= packet.steps.length;
    this.all.delete(packet.number);
    return false;
  }

  /** @internal It ends and never had a frame: only who asked for nothing in particular wants it. */
  ended(packet: TracedPacket): void {
    if (packet.frame === null && (this.where !== null || this.filter !== null)) this.all.delete(packet.number);
  }

  /** What the user's function throws surfaces outside of the kernel. */
  private wanted(frame: FrameView): boolean {
    if (this.filter !== null && !this.filter(frame.bytes())) return false;
    if (this.where === null) return true;
    try {
      return Boolean(this.where(frame));
    } catch (error) {
      this.followed.surface(error);
      return false;
    }
  }
}

/** A packet in one trace. */
interface Followed {
  readonly trace: WorldTrace;
  readonly packet: TracedPacket;
}

/** What the tracer asks of its world. */
export interface TracedWorld {
  readonly sim: Simulation;
  readonly pool: SkbPool;
  readonly names: HostsFile;
  /** A host, switch or hub by its name or by that of one of its ports; null when there is none. */
  machineOf(port: string): string | null;
  /** The time of a host's processor; null when there is no such host. */
  hostTime(name: string): number | null;
}

/** Who follows packets in a world, for all its traces. */
export class Tracing implements Tracer {
  private readonly world: TracedWorld;
  private readonly running: Set<WorldTrace> = new Set();
  private readonly packets: Map<number, readonly Followed[]> = new Map();
  private readonly flows: FlowTable = new FlowTable();
  private count = 0;

  constructor(world: TracedWorld) {
    this.world = world;
  }

  start(trace: WorldTrace): void {
    this.running.add(trace);
    this.world.pool.tracer = this;
    this.world.pool.tracing = TRACE_BORN;
  }

  stop(trace: WorldTrace): void {
    this.running.delete(trace);
    if (this.running.size === 0) this.world.pool.tracing = 0;
  }

  passes(skb: SkBuff, fn: string, where: string, time: number, note: string): void {
    const followed = this.follow(skb);
    if (followed.length === 0) return;
    const machine = fn === 'cable' ? null : this.world.machineOf(where);
    const device = machine === null ? '' : where.slice(machine.length + 1);
    const on = fn === 'cable' ? 'cable' : 'machine';
    const both = device !== '' && note !== '';
    const step: TraceStep = { time, place: machine ?? where, on, fn, note: both ? `${device}, ${note}` : device + note };
    for (const { trace, packet } of followed) trace.step(packet, step);
    if (followed[0]!.packet.frame === null && FRAME_AT.has(fn)) this.seen(skb, followed, time, where);
  }

  dropped(skb: SkBuff, reason: Drop, where: string): void {
    const followed = this.follow(skb);
    if (followed.length === 0) return;
    const machine = this.world.machineOf(where);
    const place = machine ?? where;
    const time = Math.max(this.world.sim.now, this.world.hostTime(place) ?? 0);
    for (const { trace, packet } of followed) {
      if (packet.summary === '') packet.summary = this.named(describeSkb(skb));
      packet.dropped = dropName(reason);
      trace.step(packet, { time, place, on: machine === null ? 'cable' : 'machine', fn: 'drop', note: packet.dropped });
      trace.ended(packet);
    }
  }

  /** Words of a filter that are names of hosts. */
  resolve(name: string): number | null {
    return parseIpv4(name) ?? parseIpv4(this.world.names.lookup(name)[0]?.address ?? '');
  }

  nameOfPlace(place: unknown): string {
    const name: unknown = typeof place === 'string' ? place : (place as { name?: unknown } | null)?.name;
    if (typeof name !== 'string') throw new TypeError('trace: at: expected an array of hosts, switches, cables or names');
    return name;
  }

  surface(error: unknown): void {
    this.world.sim.ready(new Task(() => {
      throw error;
    }));
  }

  /** In which traces the packet is; it gets its number where it is seen first. */
  private follow(skb: SkBuff): readonly Followed[] {
    if (skb.trace !== TRACE_BORN) return this.packets.get(skb.trace) ?? NOBODY;
    if (this.running.size === 0) return NOBODY;
    skb.trace = ++this.count;
    const followed = [...this.running].flatMap((trace) => {
      const packet = trace.born(skb.trace);
      return packet === null ? [] : [{ trace, packet }];
    });
    if (followed.length > 0) this.packets.set(skb.trace, followed);
    return followed;
  }

  private seen(skb: SkBuff, followed: readonly Followed[], time: number, where: string): void {
    const frame = new FrameView(skb, time, where, '');
    const bytes = frame.bytes();
    const summary = this.named(printEthernet(bytes, 0, bytes.length, { flows: this.flows })) + dnsOf(frame);
    const wanted = followed.filter(({ trace, packet }) => {
      packet.summary = summary;
      return trace.seen(packet, frame);
    });
    this.packets.set(skb.trace, wanted);
    if (wanted.length > 0) return;
    this.packets.delete(skb.trace);
    skb.trace = 0;
  }

  /** Addresses as names, where somebody knows one. */
  private named(what: string): string {
    return what.replace(/(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d)/g, (quad) => this.world.names.nameOf(quad) ?? quad);
  }
}

/** What a datagram of the names' port asks or answers. */
function dnsOf(frame: FrameView): string {
  const { udp } = frame;
  const asked = udp !== null && (udp.sport === DNS_PORT || udp.dport === DNS_PORT) ? dnsSummary(frame.payload()) : '';
  return asked === '' ? '' : ` ${asked}`;
}

const DNS_PORT = 53;
const NOBODY: readonly Followed[] = [];
