/**
 * The state of a TCP connection (Linux: struct tcp_sock and inet_connection_sock). Data only: the verbs are in the other
 * files of this room. Sequence numbers are int32 on the circle; times are microseconds of host time unless a name says otherwise.
 */
import type { Net } from '../dev/net.ts';
import { AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM } from '../sock/constants.ts';
import { InetSock, type Proto } from '../sock/sock.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { SkBuffHead } from '../skb/queue.ts';
import { Timer } from '../time/timer.ts';
import type { TcpOptionsReceived } from '../wire/tcp-options.ts';
import { TCP_FLAG_ACK } from '../wire/tcp.ts';
import type { AccEcn } from './accecn.ts';
import type { TcpAfOps } from './af.ts';
import type { TcpAoInfo } from './ao.ts';
import type { CongestionOps } from './cong/cong.ts';
import type { FastopenSock } from './fastopen-sock.ts';
import { OOW_NEVER, type EhashEntry } from './hashtables.ts';
import type { Md5Key } from './md5.ts';
import type { MtuProbe } from './mtu-probe.ts';
import type { TcpProto } from './proto.ts';
import type { RequestSock } from './request-sock.ts';

/** `ssthresh` before any loss. */
export const TCP_INFINITE_SSTHRESH = 0x7fffffff;

/**
 * Room for headers in front of a segment, as Linux reckons (MAX_TCP_HEADER) on a kernel without wireless drivers and tunnels, like
 * the one that we compare ourselves with; with all of them it is 320.
 */
export const MAX_TCP_HEADER = 192;
/** Largest super-packet without its headers: 65,536 less room for them. */
export const GSO_MAX_SIZE: number = 65536 - MAX_TCP_HEADER - 1;

/** Congestion state machine (Linux: enum tcp_ca_state). */
export const TCP_CA_Open = 0;
export const TCP_CA_Disorder = 1;
export const TCP_CA_CWR = 2;
export const TCP_CA_Recovery = 3;
export const TCP_CA_Loss = 4;

/** `skb.sacked` bits. */
export const TCPCB_SACKED_ACKED = 0x01;
export const TCPCB_SACKED_RETRANS = 0x02;
export const TCPCB_LOST = 0x04;
export const TCPCB_EVER_RETRANS = 0x80;

/** What the retransmission timer is set for. */
export const ICSK_TIME_RETRANS = 1;
export const ICSK_TIME_PROBE0 = 3;
export const ICSK_TIME_LOSS_PROBE = 5;
export const ICSK_TIME_REO_TIMEOUT = 6;

/** `ackPending` bits. */
export const ICSK_ACK_SCHED = 1;
export const ICSK_ACK_TIMER = 2;
export const ICSK_ACK_PUSHED = 4;
export const ICSK_ACK_PUSHED2 = 8;
export const ICSK_ACK_NOW = 16;
/** Data was refused for want of memory: say so with a window of 0. */
export const ICSK_ACK_NOMEM = 32;

/** `nonagle` bits. */
export const TCP_NAGLE_OFF = 1;
export const TCP_NAGLE_CORK = 2;
export const TCP_NAGLE_PUSH = 4;

/** Rope for SACK blocks of a connection that has none yet: most never lose a segment, and a typed array costs 200 bytes. */
const NO_BLOCKS: Int32Array = new Int32Array(0);

export class TcpSock extends InetSock implements EhashEntry {
  readonly tcp: TcpProto;
  /** What its packets are: IPv4 or IPv6 (see `tcp/af.ts`). */
  af: TcpAfOps;
  /** Chain and hash in the table by 4-tuple. */
  ehashNext: EhashEntry | null = null;
  ehash = 0;

  // ---- RFC 9293 §3.3.1: send sequence variables
  /** SND.UNA, SND.NXT; first byte not yet in the write queue; the last window update's SEG.SEQ (SND.WL1). */
  sndUna = 0;
  sndNxt = 0;
  writeSeq = 0;
  sndWl1 = 0;
  /** SND.WND in bytes, the largest seen, and the start of the connection (ISS). */
  sndWnd = 0;
  maxWindow = 0;
  iss = 0;
  /** Last byte of a "small" segment sent (Minshall), of a pushed byte, urgent pointer. */
  sndSml = 0;
  pushedSeq = 0;
  sndUp = 0;
  // ---- receive sequence variables
  /** RCV.NXT, what user code has not read yet begins here, RCV.WUP: rcvNxt at the last window update sent. */
  rcvNxt = 0;
  copiedSeq = 0;
  rcvWup = 0;
  rcvWnd = 0;
  irs = 0;
  windowClamp = 0;
  rcvSsthresh = 0;
  /** Largest payload seen lately, for delayed ACKs and window growth (Linux: icsk_ack.rcv_mss). */
  rcvMss = 536;
  advmss = 1460;
  urgSeq = 0;
  urgData = 0;
  /** Receive buffer space estimate (DRS): space copied in the last RTT, since `rcvqTime`. */
  rcvqSpace = 0;
  rcvqSeq = 0;
  rcvqTime = 0;
  rcvRttUs = 0;
  rcvRttSeq = 0;
  rcvRttTime = 0;
  /** payload/truesize × 256: how much of the buffer is window (tcp_adv_win_scale's successor). */
  scalingRatio = 128;
  bytesReceived = 0;
  /** Segments that came before their turn. */
  rcvOoopack = 0;
  segsIn = 0;
  /** The clock of TCP: host microseconds when the event being handled began (`tcp/clock.ts`). */
  mstampUs = 0;
  /** When a segment left last; where it is paced, when the next one may. Host nanoseconds. */
  wstampNs = 0;
  dataSegsIn = 0;

  // ---- options and segment sizes
  /**
   * Options of the segment being received: the host's one object, filled in before `tcpAck` and the rest are called. In it
   * `sawTstamp` and `numSacks` say nothing that was not agreed on, and `tsecr` has lost `tsoffset`: it is plain host milliseconds.
   */
  readonly rxOpt: TcpOptionsReceived;
  /** What was agreed in the handshake. */
  sndWscale = 0;
  rcvWscale = 0;
  wscaleOk = false;
  tstampOk = false;
  sackOk = false;
  /** TS.Recent and when it was taken (seconds of host time), RFC 7323 §4.3. */
  tsRecent = 0;
  tsRecentStamp = 0;
  /** Added to the millisecond clock in TSval. */
  tsoffset = 0;
  rcvTsecr = 0;
  /** TCP_MD5SIG: keys by peer, and the one of this peer (`tcp/md5.ts`); null: nothing is signed. */
  md5Keys: readonly Md5Key[] | null = null;
  md5Key: Md5Key | null = null;
  /** TCP-AO (`tcp/ao.ts`); null: not used. */
  ao: TcpAoInfo | null = null;
  /** SO_TXREHASH, -1 as net.core.txrehash; how often timeouts have led to another way; the label of the last data (IPv6). */
  txrehash = -1;
  timeoutRehash = 0;
  lrcvFlowlabel = 0;
  /** What the user set (TCP_MAXSEG), what the peer said, what is used for data without options. */
  userMss = 0;
  mssClamp = 536;
  mssCache = 536;
  pmtuCookie = 0;
  /** The search for the path's MTU; null where net.ipv4.tcp_mtu_probing is off. */
  mtup: MtuProbe | null = null;
  tcpHeaderLen = 20;
  /** Largest burst handed down at once, in bytes and in segments: the device's limits (sk_setup_caps). */
  gsoMaxSize: number = GSO_MAX_SIZE;
  gsoMaxSegs = 65535;

  // ---- the send side's queue and what is in flight. `writeQueue` (Sock) is unsent, this one sent and not acknowledged.
  readonly rtxQueue: SkBuffHead = new SkBuffHead();
  /** Where to send next in writeQueue is its head; scans of the retransmission queue begin at these hints. */
  retransmitSkbHint: SkBuff | null = null;
  /** Where the last search by sequence in the retransmission queue ended. */
  sackHint: SkBuff | null = null;
  /** What is out and not SACKed, by time of sending: the order of RACK. */
  tsortedHead: SkBuff | null = null;
  tsortedTail: SkBuff | null = null;
  highestSack: SkBuff | null = null;
  /** In segments. */
  packetsOut = 0;
  sackedOut = 0;
  lostOut = 0;
  retransOut = 0;
  maxPacketsOut = 0;
  cwndUsageSeq = 0;
  isCwndLimited = false;
  /** Out-of-order segments by sequence, oldest first; the rope for `numSacks` blocks to report (pairs start, end). */
  readonly ofoQueue: SkBuffHead = new SkBuffHead();
  selectiveAcks: Int32Array = NO_BLOCKS;
  /** Where the last out-of-order segment went: the next one is likely to follow it. */
  ofoHint: SkBuff | null = null;
  numSacks = 0;
  dsack = false;
  dsackStart = 0;
  dsackEnd = 0;
  /** Blocks of the last ACK, to skip what is known. */
  recvSackCache: Int32Array = NO_BLOCKS;
  recvSackCacheLen = 0;

  // ---- congestion
  ca: CongestionOps;
  /** It was chosen by setsockopt, and not by the sysctl; the route insists on it (`congctl lock`). */
  caSetsockopt = false;
  caDstLocked = false;
  /** The algorithm's own numbers. */
  caPriv: object | null = null;
  caState: number = TCP_CA_Open;
  /** In segments, as Linux counts them. */
  sndCwnd = 10;
  sndCwndCnt = 0;
  sndCwndClamp = 0x7fffffff;
  sndSsthresh: number = TCP_INFINITE_SSTHRESH;
  sndCwndUsed = 0;
  sndCwndStamp = 0;
  priorCwnd = 0;
  priorSsthresh = 0;
  highSeq = 0;
  undoMarker = 0;
  undoRetrans = 0;
  /** The first retransmission of the episode, milliseconds of host time; 0 none. */
  retransStamp = 0;
  totalRetrans = 0;
  bytesRetrans = 0;
  reordering = 3;
  reordSeen = 0;
  /** PRR, RFC 6937. */
  prrDelivered = 0;
  prrOut = 0;
  /** F-RTO, RFC 5682. */
  frto = false;
  /** The peer took back what it had SACKed. */
  sackReneg = false;
  tlpHighSeq = 0;
  tlpRetrans = false;
  /** RACK, RFC 8985. */
  rackMstamp = 0;
  rackRttUs = 0;
  rackEndSeq = 0;
  rackLastDelivered = 0;
  rackReoWndSteps = 1;
  rackReoWndPersist = 0;
  rackDsackSeen = false;
  rackAdvanced = false;
  // delivery rate
  delivered = 0;
  deliveredCe = 0;
  deliveredUs = 0;
  firstTxUs = 0;
  lost = 0;
  appLimited = 0;
  rateDelivered = 0;
  rateIntervalUs = 0;
  rateAppLimited = true;
  /** In line for going on to send, because packets have left the card; more waits below than is good (TSQ_THROTTLED). */
  tsqNext: TcpSock | null = null;
  tsqQueued = false;
  tsqThrottled = false;
  /** Bytes (truesize) of data handed down so far: with `wmemAlloc` it tells what has left the host. */
  wmemSent = 0;
  /** Bytes of whole pages that it holds of net.ipv4.tcp_mem; it waits for some, with nothing under way (`tcp/memory.ts`). */
  memHeld = 0;
  memWait = false;

  // ---- RTT, RFC 6298 (smoothed values scaled as Linux does: srtt << 3, the others << 2)
  srttUs = 0;
  mdevUs = 0;
  mdevMaxUs = 0;
  rttvarUs = 0;
  rttSeq = 0;
  rtoUs = 1000000;
  /** The bounds of the timeout, and the longest delayed ACK: of the sysctls, or set (TCP_RTO_MIN_US, TCP_RTO_MAX_MS, TCP_DELACK_MAX_US). */
  rtoMinUs = 200000;
  rtoMaxMs = 120000;
  delackMaxUs = 200000;
  backoff = 0;
  retransmits = 0;
  probesOut = 0;
  probesTstamp = 0;
  /** Windowed minimum of the RTT: value and when it was measured. */
  minRttUs = 0x7fffffff;
  minRttStamp = 0;
  /** TCP_ECN_* of `tcp/ecn.ts`; 0: no ECN. */
  ecnFlags = 0;
  /** What Accurate ECN counts, when our SYN has asked for it or it is agreed on. */
  accEcn: AccEcn | null = null;
  /** The flags of a segment that header prediction takes: ACK, and with Accurate ECN the count of marks as it was last; 0: none. */
  predFlags: number = TCP_FLAG_ACK;

  // ---- timers: objects in the socket, re-armed
  readonly rtxTimer: Timer;
  readonly delackTimer: Timer;
  readonly keepaliveTimer: Timer;
  readonly pacingTimer: Timer;
  /** ICSK_TIME_* that rtxTimer is set for; 0 when none. */
  pendingTimer = 0;
  /** Timeouts in a row, the first included, since the last progress (SYN: linear ones count here). */
  totalRto = 0;
  /** Losses that timeouts had to repair, how long that took, and when the last one began (host milliseconds; -1: none is going on). */
  totalRtoRecoveries = 0;
  totalRtoTimeMs = 0;
  rtoStampMs = -1;
  ackPending = 0;
  /** Length of the last segment that was shorter than `rcvMss`: two of a kind lower it. */
  lastSegSize = 0;
  /** ACKs of out-of-order segments held back, and the duplicate ACKs sent at once before (ACK compression). */
  compressedAck = 0;
  compressedAckRcvNxt = 0;
  dupAckCounter = 0;
  compressedTimer: Timer | null = null;
  quickCount = 0;
  pingpong = 0;
  /** Delayed-ACK estimate, microseconds; 0 before the first data. */
  atoUs = 0;
  /** Host microseconds of the last data or ACK received, and of the last data sent. */
  lrcvtimeUs = 0;
  lsndtimeUs = 0;
  rcvTstampUs = 0;
  keepaliveTimeMs = 0;
  keepaliveIntvlMs = 0;
  keepaliveProbes = 0;
  userTimeoutMs = 0;
  /** Seconds·1000; -1 none; 0 the sysctl's. */
  linger2Ms = 0;
  synRetries = 0;
  /** Fast Open, where somebody uses it (`tcp/fastopen-sock.ts`). */
  fastopen: FastopenSock | null = null;
  deferAccept = 0;
  nonagle = 0;
  /** Time spent busy, limited by the peer's window, by our send buffer (TCP_INFO), microseconds; `tcp/chrono.ts` keeps them. */
  busyUs = 0;
  rwndLimitedUs = 0;
  sndbufLimitedUs = 0;
  chronoType = 0;
  chronoStart = 0;
  notsentLowat = 0;
  inq = false;
  /** TCP_SAVE_SYN of a listener: 0, 1 from the network header on, 2 from the link header on; of a child, the SYN until it is read. */
  saveSyn = 0;
  savedSyn: Uint8Array | null = null;
  /** Challenge ACKs: throttled per socket for out-of-window segments. */
  lastOowAckMs: number = OOW_NEVER;
  bytesSent = 0;
  bytesAcked = 0;
  segsOut = 0;
  dataSegsOut = 0;
  dsackDups = 0;
  /** Orphaned sockets wait in FIN_WAIT2 with this timer's meaning. */
  orphan = false;

  // ---- listening
  /** Limit given to listen(). */
  maxAckBacklog = 0;
  ackBacklog = 0;
  /** Accept queue: established children in order. */
  acceptHead: TcpSock | null = null;
  acceptTail: TcpSock | null = null;
  acceptNext: TcpSock | null = null;
  /** Half-open requests of this listener, and how many of them have not been retransmitted yet. */
  synQueueLen = 0;
  youngLen = 0;
  /** The requests themselves, newest first, for closing the listener. */
  requests: RequestSock | null = null;
  /** When a SYN cookie was sent last, host milliseconds: cookies are believed for a while only. */
  lastSynOverflowMs: number = OOW_NEVER;
  /** Of a child: its listener while it waits to be accepted. */
  listener: TcpSock | null = null;

  // ---- as the socket layer sees it
  /** SS_*: what connect() and shutdown() have been through (Linux: struct socket's state). */
  sockState = 1;
  /** The peer's FIN has been taken in: it is the last number before rcvNxt (SOCK_DONE). */
  finReceived = false;
  /** Counted among the orphans. */
  orphanCounted = false;

  constructor(net: Net, tcp: TcpProto, prot: Proto, ca: CongestionOps, handlers: TcpTimerHandlers, family: number = AF_INET) {
    super(net, prot, family, SOCK_STREAM, IPPROTO_TCP);
    this.tcp = tcp;
    this.af = family === AF_INET6 ? tcp.v6! : tcp.v4;
    this.rxOpt = tcp.rxOpt;
    this.ca = ca;
    this.rtxTimer = new Timer(net.sim, net.cpu, handlers.rtx, false, this);
    this.delackTimer = new Timer(net.sim, net.cpu, handlers.delack, false, this);
    this.keepaliveTimer = new Timer(net.sim, net.cpu, handlers.keepalive, true, this);
    this.pacingTimer = new Timer(net.sim, net.cpu, handlers.pacing, false, this);
  }
}

/** What the timers of a connection do when they fire (`tcp/timer.ts`). */
export interface TcpTimerHandlers {
  readonly rtx: (tp: TcpSock) => void;
  readonly delack: (tp: TcpSock) => void;
  readonly keepalive: (tp: TcpSock) => void;
  readonly pacing: (tp: TcpSock) => void;
}
