/**
 * What a lab does: runs lines against one host, and compares each segment with the line that expects it, field by field
 * and to the nanosecond.
 *
 *   from  testing/lab.ts          the words of a test (states, run, counters…)
 *   to    testing/lab-host.ts     the host, its wire and its clock
 *         testing/lab-trace.ts    how a failure is told
 */
import { formatDuration } from '../lib/units.ts';
import { csumIpv6Nofold, csumPartial, csumTcpudpNofold, ipFastCsum } from '../lib/checksum.ts';
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6, ethType } from '../wire/ethernet.ts';
import { IPPROTO_TCP, iphDaddr, iphHlen, iphProtocol, iphSaddr, iphTotalLen } from '../wire/ipv4.ts';
import { IPV6_DADDR, IPV6_HLEN, IPV6_SADDR, ip6hNexthdr, ip6hPayloadLen } from '../wire/ipv6.ts';
import { printEthernet } from '../wire/print.ts';
import { decodeIpv4, decodeIpv6 } from '../wire/segment-decode.ts';
import type { PacketSpec } from '../wire/segment.ts';
import { thHlen } from '../wire/tcp.ts';
import { checkAllTcp } from './invariants.ts';
import { Flow, type FlowAddress } from './lab-flow.ts';
import { HOST_ADDR, HOST_ADDR6, PEER_ADDR, PEER_ADDR6, type LabHost } from './lab-host.ts';
import { parseScript, type Step, type When } from './lab-script.ts';
import { callSite, lineText, LabFailure, Trace, type Place } from './lab-trace.ts';
import { comparePacket } from './segment-notation.ts';
import type { WireFrame } from './lab-wire.ts';

/** How far ahead a lab looks for a segment that did not come in time, to say how late it was. */
const LOOK_AHEAD_NS = 300e9;
/** The first port of the peer; each flow takes the next. */
const FIRST_PEER_PORT = 40001;
/** Close below the wrap: sequence numbers cross it after 4 KiB. */
const PEER_ISS = 0xfffff000;
/** Close below the wrap: timestamps cross it after about a minute. */
const PEER_TS_BASE = 0xffff1000;

/** A packet of the host, not yet expected by a line. */
export interface Sent {
  readonly timeNs: number;
  readonly flow: Flow | null;
  /** In relative numbers; a string when it is no TCP, UDP or ICMP packet. */
  readonly packet: PacketSpec | string;
}

export class LabCore {
  readonly host: LabHost;
  readonly trace: Trace;
  readonly flows: Flow[] = [];
  /** Lines without ports are about this one. */
  flow: Flow | null = null;
  /** Sent and not yet expected, oldest first. */
  readonly sent: Sent[] = [];
  /** The moment that a trace counts from. */
  originNs = 0;
  private nextPeerPort = FIRST_PEER_PORT;

  constructor(name: string, host: LabHost) {
    this.host = host;
    this.trace = new Trace(name);
    host.wire.onFrame = (frame): void => {
      this.capture(frame);
    };
  }

  get nowNs(): number {
    return this.host.sim.now;
  }

  /** Time as traces show it. */
  private shown(ns: number): number {
    return ns - this.originNs;
  }

  /** A new connection of the peer, to `hostPort`; it becomes the one that lines are about. */
  newFlow(hostPort: number, peerPort: number = this.nextPeerPort++): Flow {
    const v6 = this.host.family === 6 ? { host: HOST_ADDR6, peer: PEER_ADDR6 } : undefined;
    const address: FlowAddress = { hostAddr: HOST_ADDR, hostPort, peerAddr: PEER_ADDR, peerPort, v6 };
    const flow = new Flow(address, PEER_ISS, PEER_TS_BASE);
    this.flows.push(flow);
    this.flow = flow;
    return flow;
  }

  /** The flow between these ports; made when there is none. */
  flowOf(hostPort: number, peerPort: number): Flow {
    // The latest one: a connection may follow another one between the same ports.
    return this.knownFlow(hostPort, peerPort) ?? this.newFlow(hostPort, peerPort);
  }

  private knownFlow(hostPort: number, peerPort: number): Flow | null {
    for (let i = this.flows.length - 1; i >= 0; i--) {
      const { address } = this.flows[i]!;
      if (address.hostPort === hostPort && address.peerPort === peerPort) return this.flows[i]!;
    }
    return null;
  }

  // ---- time ---------------------------------------------------------------------------------------------------------

  /** Runs everything that is due up to `untilNs`, that instant included; the clock is then there. */
  advance(untilNs: number): void {
    const { sim } = this.host;
    this.host.runTasks();
    while (sim.nextTime() <= untilNs) {
      sim.step();
      this.host.runTasks();
    }
    if (untilNs > sim.now) sim.advanceTo(untilNs);
  }

  /** The same, that instant left out. */
  private advanceBefore(untilNs: number): void {
    const { sim } = this.host;
    this.host.runTasks();
    while (sim.nextTime() < untilNs) {
      sim.step();
      this.host.runTasks();
    }
    if (untilNs > sim.now) sim.advanceTo(untilNs);
  }

  // ---- lines --------------------------------------------------------------------------------------------------------

  /** Runs the lines of one `t.run`. */
  run(text: string, place: Place): void {
    let steps: Step[];
    try {
      steps = parseScript(text, this.host.family);
    } catch (error) {
      if (error instanceof SyntaxError) error.message = `${place.file}:${place.line}: ${error.message}`;
      throw error;
    }
    for (const step of steps) {
      const at = { file: place.file, line: place.line + step.line - 1 };
      if (step.kind === 'quiet') this.quiet(step.forNs, step.text, at);
      else if (step.kind === 'inject') this.inject(step.packet, this.target(step.when), step.text, at);
      else this.expect(step.packet, this.target(step.when), step.text, at);
      this.checkSockets(at);
    }
  }

  private target(when: When): number {
    return when.atNs === null ? this.nowNs + when.afterNs : this.originNs + when.atNs;
  }

  /** A segment of the peer comes in at `atNs`. All that the host has sent until then must have been expected. */
  inject(packet: PacketSpec, atNs: number, text: string, place: Place): void {
    if (atNs < this.nowNs) this.fail(place, { want: text, got: null, note: `it is ${formatDuration(this.shown(this.nowNs))} already` });
    this.advance(atNs);
    this.nothingSent(place, text);
    const flow = this.flowOfPacket(packet);
    this.trace.add(this.shown(this.nowNs), '<', lineText(packet, this.flows.length > 1 ? flow.address : null));
    const bytes = flow.build(packet, this.nowNs);
    this.host.wire.injectIp(bytes);
    this.host.runTasks();
  }

  private flowOfPacket(packet: PacketSpec): Flow {
    if (packet.proto !== 'icmp' && packet.sport !== undefined && packet.dport !== undefined) {
      return this.flowOf(packet.dport, packet.sport);
    }
    return this.flow ?? this.newFlow(this.host.firstPort);
  }

  /** The host must have sent this packet at `atNs`, and nothing before it that no line expected. */
  expect(packet: PacketSpec, atNs: number, text: string, place: Place): void {
    this.advance(atNs);
    let got = this.sent[0];
    if (got === undefined) {
      this.lookAhead();
      got = this.sent[0];
    }
    if (got === undefined) {
      this.fail(place, { want: text, got: null, note: `nothing was sent in the next ${formatDuration(LOOK_AHEAD_NS)}` }, atNs);
    }
    if (typeof got.packet === 'string') this.fail(place, { want: text, got, note: '' }, atNs);
    const differences = comparePacket(packet, got.packet);
    const wrongFlow = packet.proto === 'tcp' && packet.sport === undefined && got.flow !== null && got.flow !== this.flow
      ? [{ field: 'connection', want: `port ${this.flow?.address.peerPort ?? 0}`, got: `port ${got.flow.address.peerPort}` }] : [];
    const notes = [...wrongFlow, ...differences].map((d) => `${d.field}: ${d.want} wanted, got ${d.got}`);
    const late = got.timeNs - atNs;
    if (late !== 0) notes.unshift(`${formatDuration(Math.abs(late))} ${late > 0 ? 'late' : 'early'}`);
    if (notes.length > 0) this.fail(place, { want: text, got, wanted: packet, note: notes.join('; ') }, atNs);
    this.sent.shift();
    this.trace.add(this.shown(got.timeNs), '>', this.textOf(got, packet));
  }

  private lookAhead(): void {
    const until = this.nowNs + LOOK_AHEAD_NS;
    const { sim } = this.host;
    while (this.sent.length === 0 && sim.nextTime() <= until) {
      sim.step();
      this.host.runTasks();
    }
  }

  /** Nothing may be sent for so long; what is due exactly at the end is left to the next line. */
  quiet(forNs: number, text: string, place: Place): void {
    const until = this.nowNs + forNs;
    this.nothingSent(place, text);
    this.advanceBefore(until);
    this.nothingSent(place, text);
    this.trace.note(this.shown(this.nowNs), text.replace(/\s*\/\/.*$/, ''));
  }

  /** Fails when the host has sent something that no line expected. */
  nothingSent(place: Place, text: string): void {
    const got = this.sent[0];
    if (got !== undefined) this.fail(place, { want: text, got, note: 'not expected by any line' }, got.timeNs);
  }

  /** The packet that came first and was not yet expected; the builders of states take it. Null when there is none. */
  take(): Sent | null {
    const got = this.sent.shift();
    if (got === undefined) return null;
    this.trace.add(this.shown(got.timeNs), '>', this.textOf(got, null));
    return got;
  }

  textOf(got: Sent, like: PacketSpec | null): string {
    if (typeof got.packet === 'string') return got.packet;
    return lineText(got.packet, this.flows.length > 1 && got.flow !== null ? got.flow.address : null, like ?? undefined);
  }

  /** Ends the test: what was wanted, what came, and the whole story until here. */
  fail(place: Place, what: { want: string; got: Sent | null; wanted?: PacketSpec; note: string }, atNs: number = this.nowNs): never {
    const got = what.got === null ? null : { timeNs: this.shown(what.got.timeNs), text: this.textOf(what.got, what.wanted ?? null) };
    const rest = this.sent.slice(1).map((s) => ({ timeNs: this.shown(s.timeNs), text: this.textOf(s, null) }));
    throw new LabFailure(this.trace.story(place, { atNs: this.shown(atNs), want: what.want, got, note: what.note }, rest));
  }

  /** Invariants of every connection of the host. */
  checkSockets(place: Place): void {
    const bad = checkAllTcp(this.host.tcp);
    if (bad.length > 0) throw new LabFailure(this.trace.story(place, null, [], `broken invariant: ${bad.join('\n  ')}`));
  }

  // ---- what the host sends ------------------------------------------------------------------------------------------

  private capture(frame: WireFrame): void {
    const { bytes, timeNs } = frame;
    const type = ethType(bytes, 0);
    if (type !== ETH_P_IP && type !== ETH_P_IPV6) {
      this.sent.push({ timeNs, flow: null, packet: printEthernet(bytes, 0, bytes.length) });
      return;
    }
    const decode = type === ETH_P_IPV6 ? decodeIpv6 : decodeIpv4;
    const packet = decode(bytes, ETH_HLEN, bytes.length - ETH_HLEN);
    if (typeof packet === 'string') {
      this.sent.push({ timeNs, flow: null, packet });
      return;
    }
    const bad = this.wrongChecksum(bytes);
    if (bad !== '') {
      this.sent.push({ timeNs, flow: null, packet: `[${bad}] ${printEthernet(bytes, 0, bytes.length)}` });
      return;
    }
    if (packet.proto === 'tcp') this.captureTcp(packet, bytes, timeNs);
    else this.sent.push({ timeNs, flow: this.flow, packet: packet.proto === 'icmp' ? this.relativeIcmp(packet) : packet });
  }

  private captureTcp(packet: Extract<PacketSpec, { proto: 'tcp' }>, bytes: Uint8Array, timeNs: number): void {
    const flow = this.flowOf(packet.sport!, packet.dport!);
    const rel = flow.receive(packet, timeNs);
    const th = ETH_HLEN + (ethType(bytes, 0) === ETH_P_IPV6 ? IPV6_HLEN : iphHlen(bytes, ETH_HLEN));
    const wrong = flow.wrongByte(rel, bytes.subarray(th + thHlen(bytes, th)));
    const shown = wrong === null ? rel : `${lineText(rel, null)} [the byte at ${wrong} is not what was written there]`;
    this.sent.push({ timeNs, flow, packet: shown });
  }

  private relativeIcmp(packet: Extract<PacketSpec, { proto: 'icmp' }>): PacketSpec {
    const { echoed } = packet;
    if (echoed === undefined || echoed.proto !== 'tcp') return packet;
    const flow = this.knownFlow(echoed.dport ?? 0, echoed.sport ?? 0);
    if (flow === null) return packet;
    return { ...packet, echoed: { ...echoed, range: { seq: (echoed.range.seq - flow.peerIss) >>> 0, len: echoed.range.len } } };
  }

  /** Checksums are the stack's matter on a wire without offload; the lab looks at each. */
  private wrongChecksum(bytes: Uint8Array): string {
    const ip = ETH_HLEN;
    if (ethType(bytes, 0) === ETH_P_IPV6) return this.wrongChecksum6(bytes);
    const hlen = iphHlen(bytes, ip);
    if (ipFastCsum(bytes, ip, hlen) !== 0) return 'bad ip checksum';
    if (this.host.offload || iphProtocol(bytes, ip) !== IPPROTO_TCP) return '';
    const len = iphTotalLen(bytes, ip) - hlen;
    const sum = csumPartial(bytes, ip + hlen, len, 0);
    return csumTcpudpNofold(iphSaddr(bytes, ip), iphDaddr(bytes, ip), len, IPPROTO_TCP, sum) === 0xffff ? '' : 'bad tcp checksum';
  }

  private wrongChecksum6(bytes: Uint8Array): string {
    const ip = ETH_HLEN;
    if (this.host.offload || ip6hNexthdr(bytes, ip) !== IPPROTO_TCP) return '';
    const len = ip6hPayloadLen(bytes, ip);
    const sum = csumPartial(bytes, ip + IPV6_HLEN, len, 0);
    return csumIpv6Nofold(bytes, ip + IPV6_SADDR, bytes, ip + IPV6_DADDR, len, IPPROTO_TCP, sum) === 0xffff ? '' : 'bad tcp checksum';
  }
}

export { callSite };
