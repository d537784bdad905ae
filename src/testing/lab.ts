/**
 * The lab: one host, one wire, segments by hand, and a clock that is exact to the nanosecond.
 *
 *     lab('RFC 6675 §5: the third duplicate ACK refills the hole', { mss: 1000, rttMs: 100 }, (t) => {
 *       const c = t.established();
 *       c.write(4000);
 *       t.run`
 *         > .  1:1001(1000) ack 1
 *         +.100 < . 1:1(0) ack 1 <sack 1001:2001>
 *         quiet 150ms
 *       `;
 *       t.counters({ TcpRetransSegs: 1 });
 *       t.sock(c, { state: 'ESTABLISHED', sndUna: 4001 });
 *     });
 *
 * At the end of each test: no segment that no line expected, no skb, timer, port or socket left, every invariant held,
 * every drop named. docs/TESTING.md explains the words.
 *
 *   from  tests
 *   to    testing/lab-core.ts, testing/lab-states.ts, testing/lab-host.ts
 */
import { MIB_NAMES, Mib, type MibName } from '../dev/mib.ts';
import { TCP_TIME_WAIT } from '../sock/constants.ts';
import { NR_DROP_REASONS, Drop } from '../skb/drop-reason.ts';
import type { TcpSock } from '../tcp/sock.ts';
import type { LabConn } from './lab-conn.ts';
import { LabCore } from './lab-core.ts';
import { finishLab } from './lab-end.ts';
import { LabHost, type LabHostOptions } from './lab-host.ts';
import { readSock, type SockExpectation } from './lab-sock.ts';
import * as states from './lab-states.ts';
import { callSite, LabFailure, type Place } from './lab-trace.ts';
import { findTestFunction, type TestFunction } from './test-function.ts';
import { parseDuration } from '../lib/units.ts';

/** Options of a lab: its host, and what the peer of each state is like unless that says otherwise. */
export interface LabOptions extends LabHostOptions, states.StateOptions {}

/** The body of a lab. */
export type LabBody = (t: Lab) => void;

/** Registers a lab as a test: name, options (may be left out), body. */
export interface LabFunction {
  (name: string, body: LabBody): void;
  (name: string, options: LabOptions, body: LabBody): void;
}

/** Counters that move whenever segments come and go: no test need name them. */
const TRAFFIC: ReadonlySet<MibName> = new Set<MibName>([
  'Ip6InReceives', 'Ip6InDelivers', 'Ip6OutRequests', 'Ip6OutTransmits', 'Ip6InOctets', 'Ip6OutOctets', 'Ip6InNoECTPkts',
  'IpInReceives', 'IpInDelivers', 'IpOutRequests', 'IpOutTransmits', 'IpExtInOctets', 'IpExtOutOctets', 'IpExtInNoECTPkts',
  'TcpInSegs', 'TcpOutSegs', 'TcpActiveOpens', 'TcpPassiveOpens', 'TcpExtTCPHPHits', 'TcpExtTCPPureAcks', 'TcpExtTCPHPAcks',
  'TcpExtTCPOrigDataSent', 'TcpExtTCPDelivered', 'TcpExtTCPRcvCoalesce', 'TcpExtDelayedACKs', 'TcpExtTCPAutoCorking',
  'TcpExtTCPSackMerged',
]);

export class Lab {
  /** For what the words do not say. */
  readonly core: LabCore;
  private readonly options: LabOptions;
  private readonly mibAtStart: Float64Array;
  private readonly dropsAtStart: Float64Array;

  constructor(name: string, options: LabOptions) {
    this.options = options;
    this.core = new LabCore(name, new LabHost(options));
    this.mibAtStart = this.core.host.net.mib.slice();
    this.dropsAtStart = this.core.host.pool.drops.slice();
  }

  get host(): LabHost {
    return this.core.host;
  }

  // ---- states -------------------------------------------------------------------------------------------------------

  /** A listener on port 80. */
  listening(options: states.StateOptions = {}): states.LabListener {
    return states.listening(this.core, { ...this.options, ...options });
  }

  /** The peer shakes hands with a listener, which accepts it. */
  connectTo(listener: states.LabListener, options: states.StateOptions = {}): LabConn {
    return states.handshake(this.core, listener, { ...this.options, ...options }, callSite());
  }

  /** connect() was called; its SYN is for the lines to expect. */
  connecting(options: states.StateOptions = {}): LabConn {
    return states.connecting(this.core, { ...this.options, ...options });
  }

  /** connect() was called; its SYN is out, and was seen. */
  synSent(options: states.StateOptions = {}): LabConn {
    return states.synSent(this.core, { ...this.options, ...options }, callSite());
  }

  /** The handshake is done; both ISS are 0, both next sequence numbers 1. */
  established(options: states.StateOptions = {}): LabConn {
    return states.established(this.core, { ...this.options, ...options }, callSite());
  }

  finWait1(options: states.StateOptions = {}): LabConn {
    return states.finWait1(this.core, { ...this.options, ...options }, callSite());
  }

  finWait2(options: states.StateOptions = {}): LabConn {
    return states.finWait2(this.core, { ...this.options, ...options }, callSite());
  }

  closeWait(options: states.StateOptions = {}): LabConn {
    return states.closeWait(this.core, { ...this.options, ...options }, callSite());
  }

  closing(options: states.StateOptions = {}): LabConn {
    return states.closing(this.core, { ...this.options, ...options }, callSite());
  }

  lastAck(options: states.StateOptions = {}): LabConn {
    return states.lastAck(this.core, { ...this.options, ...options }, callSite());
  }

  timeWait(options: states.StateOptions = {}): LabConn {
    return states.timeWait(this.core, { ...this.options, ...options }, callSite());
  }

  // ---- the wire -----------------------------------------------------------------------------------------------------

  /** Runs lines: `>` expected from the host, `<` sent to it, `+.100` before either, `quiet 150ms`, comments. */
  run(lines: TemplateStringsArray | string, ...values: readonly (string | number)[]): void {
    const joined = (parts: readonly string[]): string => parts.reduce((out, part, i) => out + part + String(values[i] ?? ''), '');
    this.core.run(typeof lines === 'string' ? lines : joined(lines), callSite());
  }

  /** The lines that follow are about a new connection of the peer (to port 80, unless said), from its next port. */
  newPeer(port?: number): void {
    this.core.newFlow(port ?? this.host.firstPort);
  }

  /** The lines that follow are about this connection. */
  on(c: LabConn): void {
    this.core.flow = c.flow;
  }

  /** Lets time pass; what the host sends meanwhile is to be expected by the lines that follow, with absolute times. */
  wait(duration: number | string): void {
    this.core.advance(this.core.nowNs + parseDuration(duration, 'wait'));
  }

  /** Forgets what the host has sent until now: the beginning of a story that is told elsewhere. Returns how many segments. */
  forget(): number {
    let n = 0;
    while (this.core.take() !== null) n++;
    return n;
  }

  /** The lines' clock stands at 0 again. */
  resetClock(): void {
    this.core.originNs = this.core.nowNs;
  }

  // ---- what is checked ----------------------------------------------------------------------------------------------

  /**
   * How far counters have moved since the lab began, or since the last call. Counters that are not named must not have
   * moved, those of plain traffic aside.
   */
  counters(want: Partial<Record<MibName, number>>): void {
    const place = callSite();
    const { mib } = this.host.net;
    const bad: string[] = [];
    for (const name of MIB_NAMES) {
      const moved = mib[Mib[name]]! - this.mibAtStart[Mib[name]]!;
      const expected = want[name] ?? 0;
      if (moved === expected || (want[name] === undefined && TRAFFIC.has(name))) continue;
      bad.push(`${name}: ${expected} wanted, got ${moved}`);
    }
    this.mibAtStart.set(mib);
    if (bad.length > 0) this.complain(place, `counters\n    ${bad.join('\n    ')}`);
  }

  /** Which reasons packets were dropped for since the lab began, or since the last call; all of them must be named. */
  drops(want: Partial<Record<keyof typeof Drop, number>>): void {
    const place = callSite();
    const { drops } = this.host.pool;
    const bad: string[] = [];
    for (const [name, reason] of Object.entries(Drop)) {
      const moved = drops[reason]! - this.dropsAtStart[reason]!;
      const expected = want[name as keyof typeof Drop] ?? 0;
      if (moved !== expected) bad.push(`${name}: ${expected} wanted, got ${moved}`);
    }
    for (let i = 0; i < NR_DROP_REASONS; i++) this.dropsAtStart[i] = drops[i]!;
    if (bad.length > 0) this.complain(place, `drops\n    ${bad.join('\n    ')}`);
  }

  /** Fields of a connection; sequence numbers are relative, states are words. */
  sock(c: LabConn, want: SockExpectation): void {
    const place = callSite();
    const bad: string[] = [];
    for (const [field, expected] of Object.entries(want)) {
      const got = readSock(this.host, c, field);
      if (got !== expected) bad.push(`${field}: ${String(expected)} wanted, got ${String(got)}`);
    }
    if (bad.length > 0) this.complain(place, `the socket\n    ${bad.join('\n    ')}`);
  }

  /** True while the connection's 4-tuple is in TIME_WAIT. */
  inTimeWait(c: LabConn): boolean {
    const { hostPort, peerPort } = c.flow.address;
    return this.host.entryOf(hostPort, peerPort)?.state === TCP_TIME_WAIT;
  }

  /** The sockets of the host that are connected, or are about to be. */
  sockets(): TcpSock[] {
    return this.host.tcpSocks();
  }

  private complain(place: Place, message: string): never {
    throw new LabFailure(this.core.trace.story(place, null, [], message));
  }
}

/** Runs a lab now. */
export function runLab(name: string, options: LabOptions, body: LabBody): void {
  const lab = new Lab(name, options);
  body(lab);
  finishLab(lab.core, { file: name, line: 0 });
}

/**
 * {@link lab}, for a runner that is not found by itself: `const lab = labWith(test)`. With both families
 * (`labWith(test, [4, 6])`) each lab is a test for each: the notation has no addresses and the MSS is the same (see
 * `LabHostOptions.mtu`), so the same lines do for both. A lab that names its `family` is about that one alone.
 */
export function labWith(test: TestFunction, families: readonly (4 | 6)[] = [4]): LabFunction {
  return (name: string, a: LabOptions | LabBody, b?: LabBody): void => {
    const options = typeof a === 'function' ? {} : a;
    const body = typeof a === 'function' ? a : b!;
    for (const family of options.family === undefined ? families : [options.family]) {
      test(family === 4 ? name : `${name} (IPv6)`, () => {
        runLab(name, { ...options, family }, body);
      });
    }
  };
}

/** Registers a lab with the runner that runs us. */
export const lab: LabFunction = (name: string, a: LabOptions | LabBody, b?: LabBody): void => {
  labWith(findTestFunction())(name, a as LabOptions, b!);
};
