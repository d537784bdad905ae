/** Deadlock: the error that explains itself. */
import { formatIpv4 } from '../lib/addr.ts';
import { formatDuration } from '../lib/units.ts';
import {
  IPPROTO_TCP, IPPROTO_UDP, TCP_CLOSE, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LAST_ACK,
  TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT,
} from '../sock/constants.ts';
import { formatIpv6 } from '../lib/addr6.ts';
import { inetPeername, inetSockname } from '../sock/name.ts';
import { SockAddr } from '../sock/sockaddr.ts';
import { InetSock, type Sock } from '../sock/sock.ts';
import type { SocketLayer, Waiting } from '../syscall/process.ts';
import { fdSock } from '../syscall/socket.ts';

const STATES: ReadonlyMap<number, string> = new Map([
  [TCP_ESTABLISHED, 'ESTABLISHED'], [TCP_SYN_SENT, 'SYN_SENT'], [TCP_SYN_RECV, 'SYN_RECV'], [TCP_FIN_WAIT1, 'FIN_WAIT1'],
  [TCP_FIN_WAIT2, 'FIN_WAIT2'], [TCP_TIME_WAIT, 'TIME_WAIT'], [TCP_CLOSE, 'CLOSE'], [TCP_CLOSE_WAIT, 'CLOSE_WAIT'],
  [TCP_LAST_ACK, 'LAST_ACK'], [TCP_LISTEN, 'LISTEN'], [TCP_CLOSING, 'CLOSING'], [TCP_NEW_SYN_RECV, 'NEW_SYN_RECV'],
]);

/** A call that waits for something that can never happen. */
export interface BlockedCall {
  readonly host: string;
  readonly process: string;
  /** `'accept'`, `'recv'`, `'epoll_wait'`…; `'handle'` for a socket under one of the runtime's own classes. */
  readonly call: string;
  readonly fd: number;
  /** `'tcp 10.0.0.1:80 → 10.0.0.2:32768 ESTABLISHED'`, or null when the descriptor is no socket. */
  readonly socket: string | null;
  /** How long it has waited, milliseconds of virtual time; 0 for handles, which watch all the time. */
  readonly forMs: number;
}

/** Lines of the message; `blocked` has the rest. */
const MAX_LISTED = 40;

/** Nothing can ever happen again, and the program still waits. */
export class DeadlockError extends Error {
  /** What waits, host by host. */
  readonly blocked: readonly BlockedCall[];

  /** `warnings`: what of the world may be why. */
  constructor(nowNs: number, blocked: readonly BlockedCall[], warnings: readonly string[] = []) {
    const lines = blocked.slice(0, MAX_LISTED).map(line);
    if (blocked.length > MAX_LISTED) lines.push(`  … and ${String(blocked.length - MAX_LISTED)} more (error.blocked has all)`);
    const hints = warnings.map((text) => `\n  note: ${text}`).join('');
    const list = lines.length === 0
      ? '  no call waits for the network: main() waits for a promise that nothing will settle (real work? await world.external(promise))'
      : lines.join('\n');
    super(`deadlock at ${formatDuration(nowNs)}: nothing can ever happen again, and main() has not returned\n${list}${hints}`);
    this.name = 'DeadlockError';
    this.blocked = blocked;
  }
}

function line(b: BlockedCall): string {
  const since = b.call === 'handle' ? '' : `  for ${formatDuration(b.forMs * 1e6)}`;
  return `  ${b.host}: ${b.process}: ${b.call}(fd ${String(b.fd)})  ${b.socket ?? 'no socket'}${since}`;
}

/** What waits on one host: its calls, and the sockets that the runtime's own classes watch. */
export function blockedOn(host: string, layer: SocketLayer, nowNs: number): BlockedCall[] {
  const calls = [...layer.waiting];
  const known = new Set(calls.map((call) => call.sock));
  const handles: BlockedCall[] = [];
  for (const process of layer.processes) {
    for (const fd of process.fds.list()) {
      const sk = fdSock(process, fd);
      if (sk === null || known.has(sk) || !sk.wq.active) continue;
      handles.push({ host, process: process.name, call: 'handle', fd, socket: describeSock(sk), forMs: 0 });
    }
  }
  return [...calls.map((call) => describeWaiting(host, call, nowNs)), ...handles];
}

/** A waiting call for people. */
function describeWaiting(host: string, call: Waiting, nowNs: number): BlockedCall {
  return {
    host,
    process: call.process.name,
    call: call.name,
    fd: call.fd,
    socket: call.sock === null ? null : describeSock(call.sock),
    forMs: (nowNs - call.sinceNs) / 1e6,
  };
}

/** `tcp 10.0.0.1:80 → 10.0.0.2:32768 ESTABLISHED` */
export function describeSock(sk: Sock): string {
  const name = sk.protocol === IPPROTO_TCP ? 'tcp' : sk.protocol === IPPROTO_UDP ? 'udp' : sk.prot.name;
  const state = STATES.get(sk.state) ?? String(sk.state);
  if (!(sk instanceof InetSock)) return `${name} ${state}`;
  const at = new SockAddr();
  const shown = ({ addr6, addr, port }: SockAddr): string =>
    `${addr6 === null ? formatIpv4(addr) : `[${formatIpv6(addr6)}]`}:${String(port)}`;
  inetSockname(sk, at);
  const local = shown(at);
  inetPeername(sk, at);
  const peer = sk.dport === 0 ? '' : ` → ${shown(at)}`;
  return `${name} ${local}${peer} ${state}`;
}
