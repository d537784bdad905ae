/**
 * A half-open connection (Linux: struct request_sock, inet_request_sock and tcp_request_sock in one): what a SYN said and
 * what our SYN-ACK answered. Cheap on purpose: a flood of SYNs makes these and nothing more (RFC 4987 §3.4); the socket
 * comes with the third segment of the handshake.
 */
import type { In6Addr } from '../lib/addr6.ts';
import { TCP_NEW_SYN_RECV } from '../sock/constants.ts';
import { Timer } from '../time/timer.ts';
import type { TcpAfOps } from './af.ts';
import { OOW_NEVER, type EhashEntry } from './hashtables.ts';
import type { TcpSock } from './sock.ts';

export class RequestSock implements EhashEntry {
  readonly state: number = TCP_NEW_SYN_RECV;
  ehashNext: EhashEntry | null = null;
  ehash = 0;
  /** In the table, that is: waiting for the third segment. */
  hashed = false;
  readonly listener: TcpSock;
  /** What its packets are. */
  readonly af: TcpAfOps;
  /** The other requests of the listener. */
  next: RequestSock | null = null;
  prev: RequestSock | null = null;
  /** Our address and port, the peer's. */
  saddr = 0;
  num = 0;
  daddr = 0;
  dport = 0;
  v6Saddr: In6Addr | null = null;
  v6Daddr: In6Addr | null = null;
  /** Where the SYN came in, for a socket bound to a device or an address of a link. */
  boundDevIf = 0;
  /** Stands for the flow in IPv6's automatic flow labels once it has changed; 0: `ehash` does. */
  txhash = 0;
  /** Type of service or traffic class. */
  tos = 0;

  /** ISS of the peer and of ours; the next byte expected from the peer. */
  rcvIsn = 0;
  sntIsn = 0;
  rcvNxt = 0;
  /** The peer's MSS (536 when it did not say), not below the user's TCP_MAXSEG; what we advertise. */
  mss = 536;
  advmss = 0;
  /** Window and clamp of the SYN-ACK, bytes; 0 until it has been made. */
  rcvWnd = 0;
  windowClamp = 0;
  /** Shifts: of the peer's windows, of ours. */
  sndWscale = 0;
  rcvWscale = 0;
  wscaleOk = false;
  sackOk = false;
  tstampOk = false;
  ecnOk = false;
  /** Accurate ECN: agreed on; the ECN fields of the SYN and of our SYN-ACK; ACCECN_OPT_* and ACCECN_*_FAIL_* so far. */
  accEcnOk = false;
  synEctRcv = 0;
  synEctSnt = 0;
  sawAccEcnOpt = 0;
  accEcnFail = 0;
  /** TS.Recent: the TSval of the SYN, and our offset in TSvals. */
  tsRecent = 0;
  tsOff = 0;
  /** The window field of the last segment of the handshake that came in. */
  sndWnd = 0;

  /** SYN-ACKs sent again, and how often the timer ran out (they differ by TCP_DEFER_ACCEPT). */
  numRetrans = 0;
  numTimeout = 0;
  /** When the first SYN-ACK left, microseconds: RTT of the handshake. -1: not yet, or retransmitted (Karn). */
  sntSynackUs = -1;
  /** Host milliseconds of the first SYN-ACK and of the last: what a timestamp echoed to us may be. */
  firstTsval = 0;
  lastTsval = 0;
  /** The Fast Open cookie that the next SYN-ACK offers, and in which form; null: none. */
  foCookie: Uint8Array | null = null;
  foExp = false;
  /** The data-less ACK came, but the listener waits for data (TCP_DEFER_ACCEPT). */
  acked = false;
  /** The SYN was signed (RFC 5925): the keys that it asked for and that it used, as we know them. */
  aoUsed = false;
  aoKeyid = 0;
  aoRcvNext = 0;
  /** Throttle of answers to segments out of the window. */
  lastOowAckMs: number = OOW_NEVER;
  /** Made from a SYN cookie: never in the table. */
  cookie = false;
  /** The TSval of a SYN-ACK that is a cookie: it carries the options. Else 0. */
  cookieTs = 0;
  /** The headers of the SYN (TCP_SAVE_SYN), or null. */
  savedSyn: Uint8Array | null = null;
  /** The cached route, or null. */
  dst: object | null = null;
  readonly timer: Timer;

  constructor(listener: TcpSock, af: TcpAfOps, timer: (req: RequestSock) => void) {
    this.listener = listener;
    this.af = af;
    this.timer = new Timer(listener.net.sim, listener.net.cpu, timer, false, this);
  }
}
