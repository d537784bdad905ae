/**
 * TCP of one host: its settings, its tables of sockets, its secrets and its limits (Linux: struct netns_ipv4's tcp part,
 * tcp_hashinfo and the globals of tcp.c). Made once per boot by `tcpInit`; every TcpSock points here.
 */
import type { Net } from '../dev/net.ts';
import type { Ipv4 } from '../ip/ipv4.ts';
import type { Ipv6 } from '../ip/v6/ipv6.ts';
import { SipKey } from '../lib/hash.ts';
import { Drop } from '../skb/drop-reason.ts';
import { PortTable } from '../sock/ports.ts';
import type { Proto } from '../sock/sock.ts';
import { Timer } from '../time/timer.ts';
import { TcpOptionsOut, TcpOptionsReceived } from '../wire/tcp-options.ts';
import { tcpAvailableCongestionControl, type CongestionOps } from './cong/cong.ts';
import type { ConnectChecker } from './connect.ts';
import { FastopenKeys } from './fastopen.ts';
import { EstablishedTable, ListenTable } from './hashtables.ts';
import type { TcpAfOps } from './af.ts';
import { tcpV4Ops } from './ipv4.ts';
import type { AoScratch } from './ao.ts';
import { Md5Scratch } from './md5.ts';
import { wakeWaiters } from './memory.ts';
import { TcpMetrics } from './metrics.ts';
import { TcpScratch } from './scratch.ts';
import type { TcpSock } from './sock.ts';
import { TimewaitDeathRow } from './timewait-sock.ts';

/** `/proc/sys/net/ipv4/tcp_*`: exact kernel names are bound to these in host/sysctl. Times are milliseconds unless a name says so. */
export class TcpSysctl {
  // ---- connections
  tcpSynRetries = 6;
  tcpSynackRetries = 5;
  tcpSynLinearTimeouts = 4;
  tcpMaxSynBacklog = 1024;
  /** 0 never, 1 when the SYN queue overflows, 2 always. */
  tcpSyncookies = 1;
  tcpAbortOnOverflow = 0;
  tcpFinTimeout = 60000;
  tcpMaxTwBuckets = 65536;
  /** 0 off, 1 everywhere, 2 on loopback only. */
  tcpTwReuse = 2;
  /** A TIME_WAIT port may be reused by connect() when its last timestamp is older than this. */
  tcpTwReuseDelay = 1000;
  tcpRfc1337 = 0;
  tcpMaxOrphans = 65536;
  tcpOrphanRetries = 0;
  tcpStdurg = 0;
  /** Challenge ACKs per second and host; INT_MAX, as Linux has it since 6.1, means no limit. */
  tcpChallengeAckLimit = 0x7fffffff;
  /** Answers to segments out of the window, per socket: at most one in this time. */
  tcpInvalidRatelimit = 500;
  tcpMigrateReq = 0;
  /** Bits TFO_* of `tcp/fastopen-sock.ts`. */
  tcpFastopen = 1;
  /** One key or two, '' while there is none: one is drawn when it is needed. */
  tcpFastopenKey = '';
  /** How long clients go without Fast Open when it seems to be swallowed on the way, seconds; 0: they do not look. */
  tcpFastopenBlackholeTimeoutSec = 0;
  tcpReflectTos = 0;
  tcpFwmarkAccept = 0;
  tcpL3mdevAccept = 0;

  // ---- retransmission
  tcpRetries1 = 3;
  tcpRetries2 = 15;
  tcpRtoMinUs = 200000;
  tcpRtoMaxMs = 120000;
  tcpKeepaliveTime = 7200000;
  tcpKeepaliveIntvl = 75000;
  tcpKeepaliveProbes = 9;
  tcpThinLinearTimeouts = 0;

  // ---- options
  tcpTimestamps = 1;
  tcpSack = 1;
  tcpDsack = 1;
  tcpWindowScaling = 1;
  tcpEcn = 2;
  tcpEcnFallback = 1;
  /** The AccECN option: never, when it must be, whenever there is room (but not when it is dropped on the way; 3: even then). */
  tcpEcnOption = 2;
  /** With 1: so often per round trip at least. */
  tcpEcnOptionBeacon = 3;

  // ---- loss recovery and congestion
  tcpRecovery = 1;
  tcpFrto = 2;
  tcpEarlyRetrans = 3;
  tcpReordering = 3;
  tcpMaxReordering = 300;
  tcpSlowStartAfterIdle = 1;
  tcpNoSsthreshMetricsSave = 1;
  tcpMinRttWlen = 300;
  tcpCongestionControl = 'cubic';
  /** Those that there are, and those that one without CAP_NET_ADMIN may choose. */
  tcpAvailableCongestionControl: string = tcpAvailableCongestionControl().map((ca) => ca.name).join(' ');
  tcpAllowedCongestionControl = 'reno cubic bbr';

  // ---- sizes
  /** min, default, max. */
  tcpRmem: [number, number, number] = [4096, 131072, 6291456];
  tcpWmem: [number, number, number] = [4096, 16384, 4194304];
  /** Pages that all sockets together hold: plenty below the first, pressure above the second, none above the third (as with 8 GiB). */
  tcpMem: [number, number, number] = [98304, 131072, 196608];
  tcpModerateRcvbuf = 1;
  /** The scaling ratio that a window starts with, as a power of two (1: half of the buffer). */
  tcpAdvWinScale = 1;
  tcpAppWin = 31;
  tcpShrinkWindow = 0;
  tcpWorkaroundSignedWindows = 0;
  tcpNotsentLowat = 0xffffffff;
  tcpLimitOutputBytes = 4194304;
  tcpMinTsoSegs = 2;
  tcpTsoWinDivisor = 3;
  tcpTsoRttLog = 9;
  tcpPacingSsRatio = 200;
  tcpPacingCaRatio = 120;
  tcpAutocorking = 1;
  tcpBacklogAckDefer = 1;
  tcpCompSackDelayNs = 1000000;
  tcpCompSackSlackNs = 100000;
  tcpCompSackNr = 44;
  tcpPingpongThresh = 1;

  // ---- path MTU
  tcpMtuProbing = 0;
  tcpBaseMss = 1024;
  tcpMinSndMss = 48;
  tcpMtuProbeFloor = 48;
  tcpProbeInterval = 600;
  tcpProbeThreshold = 8;
}

/** Per host and protocol state of TCP. */
export class TcpProto {
  readonly net: Net;
  readonly ip: Ipv4;
  /** Null on a host without IPv6. */
  ip6: Ipv6 | null = null;
  readonly sysctl: TcpSysctl = new TcpSysctl();
  /** Bind buckets (`sock/ports.ts`). */
  readonly ports: PortTable;
  /** By 4-tuple: connected sockets, half-open requests and TIME_WAIT, one chain. */
  readonly established: EstablishedTable;
  readonly listening: ListenTable = new ListenTable();
  readonly deathRow: TimewaitDeathRow;
  /** Tells `sock/ports.ts` which 4-tuples are free; set by `tcpInit`. */
  connectChecker!: ConnectChecker;
  /** The algorithm that the sysctl names, looked up. */
  defaultCa: CongestionOps | null = null;
  /** Sockets without a descriptor, and all TcpSocks that are not destroyed. */
  orphanCount = 0;
  socketCount = 0;
  /** Pages that the sockets hold (`tcp/memory.ts`), and since when there is pressure, host milliseconds; 0: none. */
  memPages = 0;
  memPressureMs = 0;
  /** Writers with nothing under way that got no memory, in the order in which they came. */
  readonly memWaiters: Set<TcpSock> = new Set();
  readonly memTimer: Timer;
  /** Open connections: ESTABLISHED and CLOSE_WAIT (MIB TcpCurrEstab). */
  currEstab = 0;
  /** Options of the segment being received: one object per host, filled in anew by each segment that has any. */
  readonly rxOpt: TcpOptionsReceived = new TcpOptionsReceived();
  /** Options of a segment being built. */
  readonly txOpt: TcpOptionsOut = new TcpOptionsOut();
  /** What is different between the families of packets; IPv6's table is set when the host has IPv6. */
  readonly v4: TcpAfOps = tcpV4Ops;
  v6: TcpAfOps | null = null;
  /** What an AF_INET socket can do (IPV6_ADDRFORM); set by `tcpInit`. */
  v4Prot: Proto | null = null;
  /** Keys of Fast Open; how often and since when (host milliseconds) clients pause it. */
  readonly fastopenKeys: FastopenKeys = new FastopenKeys();
  tfoDisableTimes = 0;
  tfoDisableStampMs = 0;
  /** What is remembered of other hosts. */
  readonly metrics: TcpMetrics = new TcpMetrics();
  /** For hashing segments that are signed. */
  readonly md5: Md5Scratch = new Md5Scratch();
  ao: AoScratch | null = null;
  /** Reused objects of the data side. */
  readonly scratch: TcpScratch = new TcpScratch();
  /** Why the segment that `tcpCheckReq` or `cookieCheck` made nothing of is to be dropped; NotDropped when it did its work. */
  dropReason: Drop = Drop.NotDropped;
  /** Challenge ACKs left in this second (RFC 5961 §7), and which second it is. */
  challengeCount = 0;
  challengeSecond = -1;

  // ---- secrets, drawn from the host's seed
  readonly isnKey: SipKey;
  readonly tsOffsetKey: SipKey;
  readonly cookieKeys: readonly [SipKey, SipKey];

  constructor(net: Net, ip: Ipv4) {
    this.net = net;
    this.ip = ip;
    this.ports = new PortTable(ip.sysctl.ipLocalPortRange, net.random);
    this.established = new EstablishedTable(net.random.next32());
    this.isnKey = drawKey(net);
    this.tsOffsetKey = drawKey(net);
    this.cookieKeys = [drawKey(net), drawKey(net)];
    this.deathRow = new TimewaitDeathRow();
    this.memTimer = new Timer(net.sim, net.cpu, wakeWaiters, true, this);
  }
}

function drawKey(net: Net): SipKey {
  const { random } = net;
  return new SipKey(random.next32(), random.next32(), random.next32(), random.next32());
}
