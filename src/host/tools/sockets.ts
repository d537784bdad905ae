/**
 * The sockets of a host as `ss` and `netstat` list them: one row each, whatever it is made of: a connection, a listener, a
 * half-open request, what TIME_WAIT left, a UDP socket.
 */
import { formatIpv4 } from '../../lib/addr.ts';
import { formatIpv6, in6Any, in6FromV4, in6IsAny, type In6Addr } from '../../lib/addr6.ts';
import {
  AF_INET6, TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT,
} from '../../sock/constants.ts';
import { devGetByIndex } from '../../dev/registry.ts';
import { NS_PER_MS } from '../../lib/units.ts';
import type { InetSock } from '../../sock/sock.ts';
import type { EhashEntry } from '../../tcp/hashtables.ts';
import type { RequestSock } from '../../tcp/request-sock.ts';
import { ICSK_TIME_PROBE0, type TcpSock } from '../../tcp/sock.ts';
import { TimewaitSock } from '../../tcp/timewait-sock.ts';
import type { Timer } from '../../time/timer.ts';
import type { ToolHost } from './command.ts';

/** One socket. */
export interface SocketRow {
  readonly protocol: 'tcp' | 'udp' | 'raw';
  /** TCP_*; a half-open request is TCP_SYN_RECV. */
  readonly state: number;
  /** Bytes to read, bytes not yet acknowledged; of a listener: connections that wait, and how many may. */
  readonly recvq: number;
  readonly sendq: number;
  readonly saddr: number;
  readonly sport: number;
  readonly daddr: number;
  readonly dport: number;
  /** The addresses of an AF_INET6 socket (`::ffff:10.0.0.1` when its packets are IPv4); null on AF_INET. */
  readonly saddr6: In6Addr | null;
  readonly daddr6: In6Addr | null;
  /** IPV6_V6ONLY. */
  readonly v6only: boolean;
  /** The device that it is bound to; '' when none. */
  readonly device: string;
  /** `on,200ms,0`: which timer runs, when it is due, how often it fired in vain; '' when none. */
  readonly timer: string;
  /** The socket itself; null for the small ones, which have no more to say. */
  readonly sk: InetSock | null;
}

/** Names of TCP states: ss's, and netstat's. */
const STATES: Readonly<Record<number, readonly [string, string]>> = {
  1: ['ESTAB', 'ESTABLISHED'],
  2: ['SYN-SENT', 'SYN_SENT'],
  3: ['SYN-RECV', 'SYN_RECV'],
  4: ['FIN-WAIT-1', 'FIN_WAIT1'],
  5: ['FIN-WAIT-2', 'FIN_WAIT2'],
  6: ['TIME-WAIT', 'TIME_WAIT'],
  7: ['UNCONN', 'CLOSE'],
  8: ['CLOSE-WAIT', 'CLOSE_WAIT'],
  9: ['LAST-ACK', 'LAST_ACK'],
  10: ['LISTEN', 'LISTEN'],
  11: ['CLOSING', 'CLOSING'],
};

/** The state in ss's spelling. */
export function stateName(state: number): string {
  return STATES[state]?.[0] ?? String(state);
}

/** The state in netstat's spelling. */
export function netstatStateName(state: number): string {
  return STATES[state]?.[1] ?? String(state);
}

/** All TCP sockets: listeners by port, then everything with a peer, by local port and by the peer. */
export function tcpRows(host: ToolHost): SocketRow[] {
  const rows: SocketRow[] = [];
  for (const tp of host.tcp.listening.entries()) rows.push(listenRow(host, tp));
  const rest = host.tcp.established.entries().map((entry) => entryRow(host, entry));
  return [...rows.sort(bySport), ...rest.sort(byTuple)];
}

/** All UDP sockets, by port. */
export function udpRows(host: ToolHost): SocketRow[] {
  return datagramRows(host, host.udpSockets(), 'udp');
}

/** All raw sockets: their protocol stands where others have the port. */
export function rawRows(host: ToolHost): SocketRow[] {
  return datagramRows(host, host.rawSockets(), 'raw');
}

function datagramRows(host: ToolHost, list: readonly InetSock[], protocol: 'udp' | 'raw'): SocketRow[] {
  return list.map((sk) => ({
    ...place(host, sk),
    protocol,
    state: sk.state === TCP_ESTABLISHED ? TCP_ESTABLISHED : TCP_CLOSE,
    recvq: sk.rmemAlloc,
    sendq: sk.wmemAlloc,
    saddr: sk.saddr !== 0 ? sk.saddr : sk.rcvSaddr,
    timer: '',
    sk,
  })).sort(byTuple);
}

function listenRow(host: ToolHost, tp: TcpSock): SocketRow {
  return {
    ...place(host, tp), saddr: tp.rcvSaddr, protocol: 'tcp', state: TCP_LISTEN, recvq: tp.ackBacklog, sendq: tp.maxAckBacklog,
    timer: '', sk: tp,
  };
}

function entryRow(host: ToolHost, entry: EhashEntry): SocketRow {
  const where = place(host, entry);
  if (entry instanceof TimewaitSock) {
    const timer = `timewait,${due(host, entry.timer)},0`;
    return { ...where, protocol: 'tcp', state: entry.substate, recvq: 0, sendq: 0, timer, sk: null };
  }
  if (entry.state === TCP_NEW_SYN_RECV) {
    const req = entry as RequestSock;
    const timer = req.timer.pending ? `on,${due(host, req.timer)},${String(req.numTimeout)}` : '';
    return { ...where, protocol: 'tcp', state: TCP_SYN_RECV, recvq: 0, sendq: 0, timer, sk: null };
  }
  const tp = entry as TcpSock;
  return { ...where, protocol: 'tcp', state: tp.state, recvq: unread(tp), sendq: unacked(tp), timer: timerOf(host, tp), sk: tp };
}

/** Bytes in order that nobody has read (FIONREAD): a FIN at the end is none. */
function unread(tp: TcpSock): number {
  if (tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV) return 0;
  const n = (tp.rcvNxt - tp.copiedSeq) | 0;
  return Math.max(0, tp.finReceived && n > 0 ? n - 1 : n);
}

/** Bytes written and not acknowledged (SIOCOUTQ). */
function unacked(tp: TcpSock): number {
  return Math.max(0, (tp.writeSeq - tp.sndUna) | 0);
}

function timerOf(host: ToolHost, tp: TcpSock): string {
  if (tp.rtxTimer.pending && tp.pendingTimer !== 0) {
    if (tp.pendingTimer === ICSK_TIME_PROBE0) return `persist,${due(host, tp.rtxTimer)},${String(tp.probesOut)}`;
    return `on,${due(host, tp.rtxTimer)},${String(tp.retransmits)}`;
  }
  return tp.keepaliveTimer.pending ? `keepalive,${due(host, tp.keepaliveTimer)},0` : '';
}

function due(host: ToolHost, timer: Timer): string {
  const ms = Math.max(0, Math.ceil((timer.expires - Math.max(host.net.cpu.now, host.net.sim.now)) / NS_PER_MS));
  if (ms < 1000) return `${String(ms)}ms`;
  if (ms < 60000) return ms % 1000 === 0 || ms > 9999 ? `${String(Math.floor(ms / 1000))}sec` : `${String(Math.floor(ms / 100) / 10)}sec`;
  const minutes = Math.floor(ms / 60000);
  const seconds = Math.floor((ms % 60000) / 1000);
  return `${String(minutes)}min${seconds === 0 ? '' : `${String(seconds)}sec`}`;
}

interface Placed {
  readonly family?: number;
  readonly v6Saddr: In6Addr | null;
  readonly v6Daddr: In6Addr | null;
  readonly v6RcvSaddr?: In6Addr | null;
  readonly v6only?: boolean;
  readonly num: number;
  readonly saddr: number;
  readonly daddr: number;
  readonly dport: number;
  readonly boundDevIf: number;
}

function place(
  host: ToolHost, at: Placed,
): Pick<SocketRow, 'saddr' | 'sport' | 'daddr' | 'dport' | 'saddr6' | 'daddr6' | 'v6only' | 'device'> {
  const device = at.boundDevIf === 0 ? '' : devGetByIndex(host.net, at.boundDevIf)?.name ?? '';
  const is6 = at.family === AF_INET6 || at.v6Daddr !== null;
  const mapped = at.daddr === 0 ? in6Any : in6FromV4(at.daddr);
  return {
    saddr: at.saddr, sport: at.num, daddr: at.daddr, dport: at.dport, device, v6only: at.v6only === true,
    saddr6: is6 ? at.v6Saddr ?? at.v6RcvSaddr ?? in6Any : null,
    daddr6: is6 ? at.v6Daddr ?? mapped : null,
  };
}

/** The local or the peer's address of a row as `ss` writes it: `10.0.0.1`, `[fd00::1]`; `*` for any of both families. */
export function showEnd(host: ToolHost, row: SocketRow, peer: boolean, names: boolean): string {
  const addr6 = peer ? row.daddr6 : row.saddr6;
  if (addr6 === null) return showAddress(host, peer ? row.daddr : row.saddr, names);
  return in6IsAny(addr6) && !row.v6only ? '*' : `[${formatIpv6(addr6)}]`;
}

function bySport(x: SocketRow, y: SocketRow): number {
  return x.sport - y.sport || (x.saddr >>> 0) - (y.saddr >>> 0);
}

function byTuple(x: SocketRow, y: SocketRow): number {
  return bySport(x, y) || (x.daddr >>> 0) - (y.daddr >>> 0) || x.dport - y.dport;
}

/** `10.0.0.1`, or the host's name when `names` and somebody knows it; `wild` for any. */
export function showAddress(host: ToolHost, addr: number, names: boolean, wild: string = '0.0.0.0'): string {
  if (addr === 0) return wild;
  return (names ? host.nameOf(addr) : null) ?? formatIpv4(addr);
}

/** True for a row that `ss` shows without -a: neither listening nor unconnected nor on its way out of TIME_WAIT. */
export function connected(row: SocketRow): boolean {
  if (row.protocol !== 'tcp') return row.state === TCP_ESTABLISHED;
  return row.state !== TCP_LISTEN && row.state !== TCP_CLOSE && row.state !== TCP_TIME_WAIT && row.state !== TCP_SYN_RECV;
}
