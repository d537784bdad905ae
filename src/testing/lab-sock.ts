/** The fields of a connection as a test writes them: relative sequence numbers, words for states. */
import {
  TCP_CLOSE, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LAST_ACK, TCP_LISTEN,
  TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT,
} from '../sock/constants.ts';
import { TCP_CA_CWR, TCP_CA_Disorder, TCP_CA_Loss, TCP_CA_Open, TCP_CA_Recovery, type TcpSock } from '../tcp/sock.ts';
import { TimewaitSock } from '../tcp/timewait-sock.ts';
import type { LabConn } from './lab-conn.ts';
import type { LabHost } from './lab-host.ts';

/** What a test may ask of a connection: a state, a congestion state, or any field of TcpSock with a plain value. */
export type SockExpectation = {
  readonly state?: string;
  readonly caState?: string;
} & { readonly [K in Exclude<keyof TcpSock, 'state' | 'caState'>]?: TcpSock[K] extends number | boolean ? TcpSock[K] : never };

const STATES: Readonly<Record<number, string>> = {
  [TCP_ESTABLISHED]: 'ESTABLISHED', [TCP_SYN_SENT]: 'SYN_SENT', [TCP_SYN_RECV]: 'SYN_RECV', [TCP_FIN_WAIT1]: 'FIN_WAIT1',
  [TCP_FIN_WAIT2]: 'FIN_WAIT2', [TCP_TIME_WAIT]: 'TIME_WAIT', [TCP_CLOSE]: 'CLOSE', [TCP_CLOSE_WAIT]: 'CLOSE_WAIT',
  [TCP_LAST_ACK]: 'LAST_ACK', [TCP_LISTEN]: 'LISTEN', [TCP_CLOSING]: 'CLOSING',
};

const CA_STATES: Readonly<Record<number, string>> = {
  [TCP_CA_Open]: 'Open', [TCP_CA_Disorder]: 'Disorder', [TCP_CA_CWR]: 'CWR', [TCP_CA_Recovery]: 'Recovery', [TCP_CA_Loss]: 'Loss',
};

/** Counted from our ISS, and from the peer's. */
const OURS: ReadonlySet<string> = new Set([
  'sndUna', 'sndNxt', 'writeSeq', 'highSeq', 'sndSml', 'pushedSeq', 'sndUp', 'undoMarker', 'tlpHighSeq',
]);
const THEIRS: ReadonlySet<string> = new Set(['rcvNxt', 'copiedSeq', 'rcvWup', 'sndWl1', 'urgSeq']);

/** The name of a state. A connection that became a small TIME_WAIT socket is in that one's state. */
export function stateName(host: LabHost, c: LabConn): string {
  const { tp } = c;
  if (tp.state === TCP_CLOSE) {
    const e = host.entryOf(c.flow.address.hostPort, c.flow.address.peerPort);
    if (e instanceof TimewaitSock) return STATES[e.substate]!;
  }
  return STATES[tp.state] ?? String(tp.state);
}

/** One field. */
export function readSock(host: LabHost, c: LabConn, field: string): unknown {
  if (field === 'state') return stateName(host, c);
  if (field === 'caState') return CA_STATES[c.tp.caState];
  const value = (c.tp as unknown as Readonly<Record<string, unknown>>)[field];
  if (OURS.has(field)) return ((value as number) - c.tp.iss) >>> 0;
  if (THEIRS.has(field)) return ((value as number) - c.tp.irs) >>> 0;
  return value;
}
