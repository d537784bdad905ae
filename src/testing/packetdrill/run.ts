/**
 * Runs one script in one mode: its events in order, on a host of its own, in virtual time.
 *
 *   from  packetdrill.ts   runPacketdrill
 *   to    calls.ts         system calls          shell.ts     commands
 *         conn.ts          numbers and ports     code.ts      %{ … }%
 *         host.ts          the host and its clock
 *
 * Inbound packets, calls, commands and code wait for their time; an outbound packet's event waits for the packet and then
 * looks at the time at which it was sent.
 */
import { formatDuration } from '../../lib/units.ts';
import { describeSock } from '../../world/errors.ts';
import type { IcmpSpec, PacketSpec, TcpSpec } from '../../wire/segment.ts';
import { formatPacket } from '../../wire/segment.ts';
import { buildPacket } from '../../wire/segment-build.ts';
import { TCP_FLAG_SYN } from '../../wire/tcp.ts';
import { comparePacket } from '../segment-notation.ts';
import { Pieces } from './aggregate.ts';
import { AoSigner, type ScriptAoKey } from './ao-signature.ts';
import type { CallSpec, Script, ScriptEvent } from './ast.ts';
import { makeCall, type Answer, type CallWatcher } from './calls.ts';
import { Capture, type SentPacket } from './capture.ts';
import { AssertionFailure, CodeRunner } from './code.ts';
import type { ScriptClock } from './cmsg.ts';
import { CodeError } from './code-lex.ts';
import { HostCommands } from './commands.ts';
import { Conn } from './conn.ts';
import { errorName } from './constants.ts';
import { ScriptFailure } from './errors.ts';
import { ScriptFds } from './fds.ts';
import { FOREVER_NS, ScriptHost } from './host.ts';
import type { Settings } from './mode.ts';
import { ScriptShell } from './shell.ts';
import { snapshot } from './snapshot.ts';
import { numberOf } from './values.ts';

/** One line of both traces: what the script says and what happened. */
export interface TraceLine {
  readonly timeNs: number;
  readonly line: number;
  readonly want: string;
  readonly got: string;
}

/** The first port of the peer; each connection that comes in takes the next. */
const FIRST_PEER_PORT = 40001;
/** How long a call may overstay, and a packet be late, before the runner gives up (packetdrill's own figures). */
const CALL_GRACE_NS = 1e9;
const PACKET_GRACE_NS = 2e9;

/** A call that waits. */
interface Pending {
  readonly event: ScriptEvent;
  readonly call: CallSpec;
  readonly startNs: number;
  readonly endNs: number;
  /** When it returned, and what; null while it waits. */
  done: { readonly atNs: number; readonly answer: Answer } | { readonly atNs: number; readonly error: unknown } | null;
}

export class ScriptRun implements CallWatcher {
  readonly host: ScriptHost;
  readonly trace: TraceLine[] = [];
  readonly warnings: string[] = [];
  readonly code: CodeRunner = new CodeRunner();
  readonly capture: Capture;
  private readonly script: Script;
  private readonly settings: Settings;
  private readonly fds: ScriptFds = new ScriptFds();
  private readonly shell: ScriptShell;
  private readonly conns: Conn[] = [];
  /** The one that packets are about; null: the next that comes in. */
  private conn: Conn | null = null;
  private nextPeerPort = FIRST_PEER_PORT;
  /** The call that waits while the script goes on; one at a time. */
  private blocked: Pending | null = null;
  private nominalNs = 0;
  /** The event before was a packet that came in: one that follows is timed from when that one was due. */
  private afterInject = false;
  private startNs = 0;
  private broken: ScriptFailure | null = null;
  private readonly flowLabels: Map<number, number> = new Map();

  constructor(script: Script, settings: Settings, seed: number, readFile: (path: string) => string | null, keepFrames: boolean) {
    this.script = script;
    this.settings = settings;
    this.host = new ScriptHost(settings, seed);
    this.shell = new ScriptShell(new HostCommands(this.host, this.fds, readFile));
    this.capture = new Capture(this.host.wire, keepFrames);
  }

  /** To the end. Throws ScriptFailure or ScriptSkipped. */
  async run(): Promise<void> {
    const { init, cleanup, events } = this.script;
    try {
      for (const path of this.settings.initScripts) await this.command(`bash ${path}`, 0);
      if (init !== null) await this.command(init.text, init.place.line);
      this.startNs = this.host.nowNs;
      this.nominalNs = this.startNs;
      for (const event of events) await this.event(event);
      await this.waitForBlocked(true);
      if (cleanup !== null) await this.command(cleanup.text, cleanup.place.line);
      if (this.broken !== null) throw this.broken;
    } finally {
      this.host.close();
    }
  }

  private async command(text: string, line: number): Promise<void> {
    const { status, out, err } = await this.shell.run(text);
    if (status === 0) return;
    const last = (err.trim() === '' ? out : err).trim().split('\n').pop()!;
    const said = last === '' ? '' : `; ${last}`;
    throw new ScriptFailure(line, `the command ended with status ${status}: ${text.trim().split('\n').pop()!.trim()}${said}`);
  }

  private async timedCommand(event: ScriptEvent, text: string): Promise<void> {
    this.note(event, '');
    await this.command(text, event.place.line);
  }

  private async event(event: ScriptEvent): Promise<void> {
    const { when, action, place } = event;
    const anchored = this.afterInject && action.kind === 'inject';
    const base = when.kind !== 'relative' ? this.startNs : anchored ? this.nominalNs : this.host.nowNs;
    this.afterInject = action.kind === 'inject';
    try {
      if (action.kind === 'expect') {
        await this.expect(event, action.packet, base);
      } else {
        const due = Math.max(base + when.fromNs, this.host.nowNs);
        await this.host.advance(due);
        this.nominalNs = due;
        if (action.kind === 'inject') await this.inject(event, action.packet);
        else if (action.kind === 'call') await this.call(event, action.call, base);
        else if (action.kind === 'command') await this.timedCommand(event, action.text);
        else this.runCode(event, action.text);
      }
      this.checkBlocked();
    } catch (error) {
      if (error instanceof ScriptFailure && error.line === 0) throw new ScriptFailure(place.line, error.message, error.want, error.got);
      throw error;
    }
  }

  private note(event: ScriptEvent, got: string, timeNs: number = this.host.nowNs): void {
    this.trace.push({ timeNs: timeNs - this.startNs, line: event.place.line, want: event.text, got });
  }

  /** Fails, or warns where the options say so. */
  private fail(event: ScriptEvent, kind: 'packet' | 'syscall', message: string, got: string): void {
    this.note(event, got);
    if (this.settings.nonFatal.has(kind)) this.warnings.push(`${event.place.line}: ${message}`);
    else throw new ScriptFailure(event.place.line, message, event.text, got);
  }

  // ---- packets ------------------------------------------------------------------------------------------------------

  private async inject(event: ScriptEvent, packet: PacketSpec): Promise<void> {
    const { bindPort } = this.settings;
    if (this.conn === null && packet.proto !== 'icmp') this.adopt(new Conn(packet.proto, bindPort, this.nextPeerPort++, -1));
    const conn = this.conn ?? new Conn('tcp', bindPort, this.nextPeerPort, -1);
    let spec = packet;
    let bases = { seqBase: 0, ackBase: conn.localIsn ?? 0 };
    if (spec.proto === 'tcp') {
      const live = conn.inboundTimestamps(spec, this.settings.tsEcrScaled);
      if (typeof live === 'number') throw new ScriptFailure(event.place.line, `TS ecr ${live}: no packet went out with it`, event.text);
      spec = live;
      bases = conn.inboundBases(spec);
    } else if (spec.proto === 'icmp') {
      spec = quoting(spec, conn);
    }
    const { settings } = this;
    const bytes = this.built(spec, conn, bases);
    this.note(event, '');
    this.capture.inject(bytes, this.host.nowNs, settings.mss);
    await this.host.spend();
  }

  private built(spec: PacketSpec, conn: Conn, bases: { seqBase: number; ackBase: number }): Uint8Array {
    const { settings } = this;
    const v6 = settings.version === 6 ? { saddr: settings.remote6, daddr: settings.local6 } : undefined;
    try {
      return buildPacket(spec, {
        ...(v6 === undefined ? { saddr: settings.remote4, daddr: settings.local4 } : { saddr: 0, daddr: 0, v6 }),
        sport: conn.remotePort, dport: conn.localPort, ...bases, win: 0,
      });
    } catch (error) {
      if (error instanceof RangeError) throw new ScriptFailure(0, error.message); // too long, too many options
      throw error;
    }
  }

  private adopt(conn: Conn): void {
    this.conns.push(conn);
    this.conn = conn;
  }

  /** The next packet of the connection, others left out; null when none came in time. */
  private async next(untilNs: number): Promise<SentPacket | null> {
    const { queue } = this.capture;
    for (;;) {
      await this.host.advanceUntil(untilNs, () => queue.length > 0);
      const sent = queue.shift();
      if (sent === undefined || this.belongs(sent.packet)) return sent ?? null;
    }
  }

  private belongs(packet: PacketSpec): boolean {
    if (packet.proto === 'icmp') return packet.echoed !== undefined || packet.id !== undefined;
    const { conn } = this;
    if (conn === null || conn.proto !== packet.proto || packet.dport !== conn.remotePort) return false;
    if (conn.localPort === 0 && (packet.proto === 'udp' || (packet.flags & TCP_FLAG_SYN) !== 0)) conn.localPort = packet.sport!;
    return packet.sport === conn.localPort;
  }

  private async expect(event: ScriptEvent, want: PacketSpec, base: number): Promise<void> {
    const { when } = event;
    const any = when.kind === 'any';
    const distance = Math.max(0, base + when.toNs - this.host.nowNs);
    const until = this.host.nowNs + (any ? FOREVER_NS : Math.floor(distance / 1e9) * 1e9 + PACKET_GRACE_NS);
    const sent = await this.next(until);
    if (sent === null) {
      this.fail(event, 'packet', `no packet came${any ? this.deadlock() : ` within ${formatDuration(until - base)}`}`, '');
      if (!any) await this.host.advance(until);
      return;
    }
    const { got, timeNs, faults } = await this.aggregate(sent, want, until);
    const text = formatPacket({ ...got, ip: shownIp(want, got) });
    const labelFree = { ...want, ip: { ...want.ip, flowlabel: undefined } };
    const differences = comparePacket(labelFree, got, { exact: true, timestamps: false });
    const wrong = differences.map((d) => `${d.field}: ${d.want} wanted, got ${d.got}`);
    wrong.push(...faults);
    this.checkFlowLabel(want, got, wrong);
    if (want.proto === 'tcp' && got.proto === 'tcp') this.checkTimestamp(want, got, timeNs, wrong);
    if (!any) this.checkTime(event, base, timeNs, wrong);
    this.nominalNs = any ? timeNs : base + when.fromNs;
    if (wrong.length > 0) this.fail(event, 'packet', wrong.join('; '), `${seconds(timeNs - this.startNs)} > ${text}`);
    else this.note(event, `> ${text}`, timeNs);
  }

  /** Pieces of what the script writes as one segment, joined; in the script's numbers. */
  private async aggregate(
    first: SentPacket, want: PacketSpec, until: number,
  ): Promise<{ got: PacketSpec; timeNs: number; faults: readonly string[] }> {
    if (want.proto !== 'tcp' || first.packet.proto !== 'tcp') return { got: first.packet, timeNs: first.timeNs, faults: first.faults };
    const wanted = want.range?.len ?? 0;
    let { timeNs, faults } = first;
    const pieces = new Pieces(first.packet, want.ace);
    while (!this.settings.strictSegments && pieces.whole.range!.len < wanted && pieces.whole.range!.len > 0) {
      const piece = await this.next(until);
      if (piece === null || piece.packet.proto !== 'tcp' || !pieces.add(piece.packet)) {
        if (piece !== null) this.capture.queue.unshift(piece);
        break;
      }
      timeNs = piece.timeNs;
      faults = [...new Set([...faults, ...piece.faults])];
    }
    return { got: this.conn!.outbound(pieces.whole, want), timeNs, faults };
  }

  private checkTimestamp(want: TcpSpec, got: TcpSpec, timeNs: number, wrong: string[]): void {
    const ts = this.conn!.learnTimestamp(want, got);
    const tick = this.settings.tsTickUsecs;
    if (ts === null || tick === 0) return;
    const allowed = Math.max(this.settings.toleranceUsecs, (this.settings.tolerancePercent / 100) * (timeNs - this.startNs) / 1000);
    if (Math.abs(ts.want - ts.got) * tick > allowed) wrong.push(`TS val: ${ts.want} wanted, got ${ts.got}`);
  }

  /** The script's labels are names: the same name, the same label on the wire; another name, another label. */
  private checkFlowLabel(want: PacketSpec, got: PacketSpec, wrong: string[]): void {
    const [label, live] = [want.ip.flowlabel, got.ip.flowlabel];
    if (label === undefined || live === undefined) return;
    const known = this.flowLabels.get(label);
    if (known === undefined && [...this.flowLabels.values()].includes(live)) wrong.push('flowlabel: another one wanted, got the same');
    if (known === undefined) this.flowLabels.set(label, live);
    else if (known !== live) wrong.push('flowlabel: the same wanted, got another one');
  }

  private toleranceNs(gapNs: number): number {
    return Math.max(this.settings.toleranceUsecs * 1000, (this.settings.tolerancePercent / 100) * Math.max(0, gapNs));
  }

  private checkTime({ when }: ScriptEvent, base: number, timeNs: number, wrong: string[]): void {
    const [from, to] = [base + when.fromNs, base + when.toNs];
    const tolerance = this.toleranceNs(from - (when.kind === 'relative' ? base : this.nominalNs));
    if (timeNs >= from - tolerance && timeNs <= to + tolerance) return;
    const off = timeNs < from ? from - timeNs : timeNs - to;
    const wanted = seconds(from - this.startNs) + (when.range ? `~${seconds(to - this.startNs)}` : '');
    wrong.push(`time: ${wanted} wanted, ${formatDuration(off)} ${timeNs < from ? 'early' : 'late'}`);
  }

  // ---- system calls -------------------------------------------------------------------------------------------------

  private async call(event: ScriptEvent, call: CallSpec, base: number): Promise<void> {
    if (this.blocked !== null) await this.waitForBlocked(call.endNs !== null);
    const endNs = call.endNs === null ? this.host.nowNs : base + call.endNs;
    const pending: Pending = { event, call, startNs: this.host.nowNs, endNs, done: null };
    const site = { p: this.host.kernel.proc, fds: this.fds, settings: this.settings, watcher: this, clock: this.clock() };
    this.host.waiting++;
    void makeCall(site, call).then(
      (answer) => { pending.done = { atNs: this.host.nowNs, answer }; },
      (error: unknown) => { pending.done = { atNs: this.host.nowNs, error }; },
    ).finally(() => { this.host.waiting--; });
    for (let i = 0; i < 12 && pending.done === null; i++) await Promise.resolve();
    await this.host.settle();
    if (call.endNs !== null) this.blocked = pending;
    else if (pending.done !== null) this.checkReturned(pending);
    else this.fail(event, 'syscall', `${call.name}() waits; a call that may wait is written with '... time' before it`, '');
    await this.host.spend();
  }

  private clock(): ScriptClock {
    return { startNs: this.startNs, toleranceNs: this.settings.toleranceUsecs * 1000 };
  }

  /** The call that waits has a second more; then the script goes on without it, where it may. */
  private async waitForBlocked(must: boolean): Promise<void> {
    const { blocked } = this;
    if (blocked === null) return;
    const until = this.host.nowNs + CALL_GRACE_NS;
    await this.host.advanceUntil(until, () => blocked.done !== null);
    this.checkBlocked();
    if (this.blocked === null) return;
    if (!must) {
      await this.host.advance(until);
      return;
    }
    throw new ScriptFailure(blocked.event.place.line, `${blocked.call.name}() has not returned${this.deadlock()}`, blocked.event.text);
  }

  /** Has the call that waits returned? */
  private checkBlocked(): void {
    const { blocked } = this;
    if (blocked === null || blocked.done === null) return;
    this.blocked = null;
    this.checkReturned(blocked);
  }

  /** Looks at a call that has returned. */
  private checkReturned({ event, call, done, startNs, endNs }: Pending): void {
    if (done === null) return;
    if ('error' in done) throw done.error;
    const { ret, wrong } = done.answer;
    const shown = `${call.name}(…) = ${ret < 0 ? `-1 ${errorName(-ret)}` : String(ret)}`;
    const bad = resultWrong(call, ret) ?? wrong;
    if (bad !== undefined) {
      this.fail(event, 'syscall', bad, shown);
      return;
    }
    if (Math.abs(done.atNs - endNs) > this.toleranceNs(endNs - startNs)) {
      const off = done.atNs - endNs;
      const when = `${formatDuration(Math.abs(off))} ${off < 0 ? 'early' : 'late'}`;
      this.fail(event, 'syscall', `returned at ${seconds(done.atNs - this.startNs)}, ${when}`, shown);
      return;
    }
    this.note(event, shown, done.atNs);
  }

  /** What waits for the network, in words. */
  private deadlock(): string {
    const calls = [...this.host.kernel.stack.layer.waiting].map((w) => {
      return `\n  ${w.name}(fd ${this.fds.scriptOf(w.fd)})  ${w.sock === null ? 'no socket' : describeSock(w.sock)}`;
    });
    const waiting = calls.length === 0 ? '' : `; waiting:${calls.join('')}`;
    return `: deadlock at ${seconds(this.host.nowNs - this.startNs)}, nothing can happen any more${waiting}`;
  }

  // ---- code ---------------------------------------------------------------------------------------------------------

  private runCode(event: ScriptEvent, text: string): void {
    const fd = this.conn === null ? -1 : this.fds.of(this.conn.fd);
    const values = fd < 0 ? null : snapshot(this.host.kernel.proc, fd);
    if (values === null) throw new ScriptFailure(event.place.line, 'code needs a connection with a descriptor');
    try {
      this.code.run(text, values);
      this.note(event, '');
    } catch (error) {
      if (error instanceof CodeError) throw new ScriptFailure(event.place.line, `code: ${error.message}`);
      if (!(error instanceof AssertionFailure)) throw error;
      // packetdrill runs all code after the script: a packet that is wrong is told first.
      this.broken ??= new ScriptFailure(event.place.line, error.message, event.text);
    }
  }

  // ---- what calls tell ----------------------------------------------------------------------------------------------

  keySet(key: Uint8Array): void {
    this.capture.key = key.length === 0 ? null : key;
  }

  aoKeyAdded(key: ScriptAoKey): void {
    this.capture.ao ??= new AoSigner();
    this.capture.ao.add(key);
  }

  socketMade(fd: number, udp: boolean): void {
    this.adopt(new Conn(udp ? 'udp' : 'tcp', 0, this.settings.connectPort, fd));
  }

  bound(fd: number): void {
    if (this.conn !== null && this.conn.fd === fd) this.conn.localPort = this.settings.bindPort;
  }

  listening(fd: number): void {
    if (this.conn !== null && this.conn.fd === fd) this.conn = null;
  }

  accepted(fd: number, peerPort: number): boolean {
    const conn = [...this.conns].reverse().find((c) => c.remotePort === peerPort && c.fd < 0);
    if (conn !== undefined) conn.fd = fd;
    return conn !== undefined;
  }

  closed(fd: number): void {
    for (const conn of this.conns) if (conn.fd === fd) conn.fd = -2;
  }
}

/** What is wrong with the result of a call. */
function resultWrong(call: CallSpec, ret: number): string | undefined {
  if (call.result.kind === 'any') return undefined;
  const want = numberOf(call.result);
  const got = ret < 0 ? `-1 ${errorName(-ret)}` : String(ret);
  if ((ret < 0 ? -1 : ret) !== want) return `${call.name}() = ${want}${call.errno === '' ? '' : ` ${call.errno}`} wanted, got ${got}`;
  if (ret < 0 && call.errno !== '' && ret !== -numberOf({ kind: 'word', name: call.errno, place: { line: 0, column: 0 } })) {
    return `${call.name}() = -1 ${call.errno} wanted, got ${got}`;
  }
  return undefined;
}

const ICMP_ERRORS: Readonly<Record<4 | 6, readonly number[]>> = { 4: [3, 4, 5, 11, 12], 6: [1, 2, 3, 4] };

/** An error quotes a packet of the connection, whether the script says which or not. */
function quoting(spec: IcmpSpec, conn: Conn): IcmpSpec {
  if (!ICMP_ERRORS[spec.version].includes(spec.type)) return spec;
  const range = spec.echoed?.range ?? { seq: 0, len: 0 };
  return { ...spec, echoed: { ...spec.echoed, proto: spec.echoed?.proto === 'udp' ? 'udp' : conn.proto, range } };
}

/** What the script asks of the IP header; the rest is not worth a word. */
function shownIp(want: PacketSpec, got: PacketSpec): PacketSpec['ip'] {
  const { ecn, tos, ttl, flowlabel } = want.ip;
  const all = { tos: ecn === undefined && tos === undefined ? undefined : got.ip.tos, ttl: ttl === undefined ? undefined : got.ip.ttl };
  return { ...all, flowlabel: flowlabel === undefined ? undefined : got.ip.flowlabel };
}

/** `0.250000` */
function seconds(ns: number): string {
  return (ns / 1e9).toFixed(6);
}
