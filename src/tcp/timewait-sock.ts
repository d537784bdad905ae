/**
 * TIME_WAIT (Linux: struct inet_timewait_sock and tcp_timewait_sock): what is left of a connection that we closed first.
 *
 * It keeps the 4-tuple for a minute, so that a late segment of the old connection cannot be taken for one of a new
 * connection, and acknowledges the peer's FIN again if our ACK was lost (RFC 9293 §3.6.1). A server that closes first has
 * tens of thousands of them: a few numbers and one timer each.
 */
import type { In6Addr } from '../lib/addr6.ts';
import { TCP_TIME_WAIT } from '../sock/constants.ts';
import type { Bound } from '../sock/ports.ts';
import { Timer } from '../time/timer.ts';
import type { TcpAoInfo } from './ao.ts';
import { OOW_NEVER, type EhashEntry } from './hashtables.ts';
import type { Md5Key } from './md5.ts';
import type { TcpProto } from './proto.ts';

/** How long TIME_WAIT lasts: a constant of the protocol, no sysctl, as on Linux. */
export const TCP_TIMEWAIT_LEN_MS = 60000;

export class TimewaitSock implements EhashEntry, Bound {
  readonly state: number = TCP_TIME_WAIT;
  readonly tcp: TcpProto;
  ehashNext: EhashEntry | null = null;
  ehash = 0;
  saddr = 0;
  num = 0;
  daddr = 0;
  dport = 0;
  v6Saddr: In6Addr | null = null;
  v6Daddr: In6Addr | null = null;
  boundDevIf = 0;
  /** TCP_TIME_WAIT, or TCP_FIN_WAIT2: an orphan without data to wait for hands its FIN_WAIT2 over to this small object. */
  substate: number = TCP_TIME_WAIT;
  rcvNxt = 0;
  sndNxt = 0;
  rcvWnd = 0;
  rcvWscale = 0;
  tsRecent = 0;
  /** Seconds of host time when tsRecent was taken. */
  tsRecentStamp = 0;
  /** The connection had timestamps. */
  tstampOk = false;
  tsOffset = 0;
  /** The connection was signed with it; null: not at all. */
  md5Key: Md5Key | null = null;
  ao: TcpAoInfo | null = null;
  /** The flags of its ACKs: with Accurate ECN the count of marks as it was last. */
  aceFlags = 0;
  lastOowAckMs: number = OOW_NEVER;
  tos = 0;
  ttl = -1;
  /** Two of SO_REUSEADDR/SO_REUSEPORT, for bind conflicts. */
  reuse = false;
  reuseport = false;
  /** Host milliseconds when it began: how long ago the last timestamp may have been sent. */
  entryStampMs = 0;
  /** The bound local address, and its seat in the bind bucket: the port stays taken (`sock/ports.ts`). */
  rcvSaddr = 0;
  v6RcvSaddr: In6Addr | null = null;
  v6only = false;
  bindBucket: object | null = null;
  nextBound: Bound | null = null;
  prevBound: Bound | null = null;
  readonly timer: Timer;

  constructor(tcp: TcpProto, expired: (tw: TimewaitSock) => void) {
    this.tcp = tcp;
    // Housekeeping: nothing is sent when it fires, so it keeps no finished world running.
    this.timer = new Timer(tcp.net.sim, tcp.net.cpu, expired, true, this);
  }
}

/** All TIME_WAITs of a host (Linux: inet_timewait_death_row). */
export class TimewaitDeathRow {
  count = 0;
}
