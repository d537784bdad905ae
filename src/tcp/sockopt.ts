/** Options of SOL_TCP (tcp(7)), with Linux's ranges; what TCP has to do about some of SOL_SOCKET. */
import { inetGetsockopt, inetSetsockopt } from '../ip/sockglue.ts';
import { EINVAL, ENOENT, ENOPROTOOPT, EOPNOTSUPP, EPERM } from '../lib/errno.ts';
import {
  IP_OPTIONS, SO_KEEPALIVE, SO_RCVLOWAT, SO_TXREHASH, SOL_IP, SOL_IPV6, SOL_SOCKET, SOL_TCP, TCPF_CLOSE, TCPF_CLOSE_WAIT, TCPF_ESTABLISHED,
  TCPF_LISTEN,
  TCP_AO_ADD_KEY, TCP_AO_DEL_KEY, TCP_AO_GET_KEYS, TCP_AO_INFO, TCP_CC_INFO, TCP_CLOSE, TCP_CONGESTION, TCP_CORK, TCP_DEFER_ACCEPT,
  TCP_DELACK_MAX_US, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT,
  TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE, TCP_INFO, TCP_INQ, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_LINGER2,
  TCP_MAXSEG, TCP_MD5SIG, TCP_MD5SIG_EXT, TCP_NODELAY, TCP_NOTSENT_LOWAT, TCP_QUICKACK, TCP_RTO_MAX_MS, TCP_RTO_MIN_US,
  TCP_SAVED_SYN, TCP_SAVE_SYN, TCP_SYNCNT, TCP_USER_TIMEOUT, TCP_WINDOW_CLAMP,
} from '../sock/constants.ts';
import { SockoptError, type SockoptValue } from '../sock/sock.ts';
import { ipv6Getsockopt, ipv6Setsockopt } from '../ip/v6/sockopt.ts';
import { usecsToTicks } from './clock.ts';
import { tcpCaFind, tcpSetCongestionControl } from './cong/cong.ts';
import {
  fastopenKeysFromBytes, TCP_FASTOPEN_KEY_LENGTH, TCP_FASTOPEN_KEY_MAX, tcpFastopenInitKeyOnce,
} from './fastopen.ts';
import { tcpFastopenOf, TFO_CLIENT_ENABLE } from './fastopen-sock.ts';
import { tcpGetInfo } from './info.ts';
import { tcpAoGetInfo, tcpAoGetKeys, tcpAoSetsockopt } from './ao-sockopt.ts';
import { tcpMd5Setsockopt } from './md5.ts';
import { TCP_MIN_MSS, tcpSyncMss } from './mss.ts';
import { tcpInPingpongMode } from './delack.ts';
import { tcpCleanupRbuf } from './recv.ts';
import { tcpTxrehash } from './rehash.ts';
import { ICSK_ACK_PUSHED, ICSK_ACK_SCHED, TCP_NAGLE_CORK, TCP_NAGLE_OFF, TCP_NAGLE_PUSH, type TcpSock } from './sock.ts';
import { TCP_DELACK_MAX_US as DELACK_MAX_US, TCP_TIMEOUT_MIN_US, tcpResetKeepaliveTimer } from './timer.ts';
import { tcpSetWindowClamp } from './window.ts';
import { tcpPushPendingFrames } from './xmit.ts';

/** Limits of the options, Linux's. */
const MAX_TCP_WINDOW = 32767;
const MAX_TCP_KEEPIDLE = 32767;
const MAX_TCP_KEEPINTVL = 32767;
const MAX_TCP_KEEPCNT = 127;
const MAX_TCP_SYNCNT = 127;
const TCP_FIN_TIMEOUT_MAX_S = 120;
const MAX_RETRANS = 255;
/** TCP_RTO_MAX_MS: at most two minutes. */
const RTO_MAX_MS = 120000;

/** setsockopt: 0 or a negative errno. `netAdmin`: the caller has CAP_NET_ADMIN. */
export function tcpSetsockopt(tp: TcpSock, level: number, name: number, value: SockoptValue, netAdmin: boolean = false): number {
  if (level === SOL_SOCKET) return socketOptionChanged(tp, name, value);
  if (level === SOL_IP) return setIpOption(tp, name, value);
  if (level === SOL_IPV6 && tp.np !== null) return ipv6Setsockopt(tp.tcp.ip6!, tp, name, value, tp.tcp.v4Prot);
  if (level !== SOL_TCP) return -ENOPROTOOPT;
  if (name === TCP_CONGESTION) return setCongestion(tp, value, netAdmin);
  if (name === TCP_FASTOPEN_KEY) return setFastopenKey(tp, value);
  if (name === TCP_MD5SIG || name === TCP_MD5SIG_EXT) return tcpMd5Setsockopt(tp, value, name === TCP_MD5SIG_EXT);
  if (name === TCP_AO_ADD_KEY || name === TCP_AO_DEL_KEY || name === TCP_AO_INFO) return tcpAoSetsockopt(tp, name, value);
  if (typeof value !== 'number' || !Number.isInteger(value)) return -EINVAL;
  const val = value | 0;
  switch (name) {
    case TCP_NODELAY: setNodelay(tp, val !== 0); return 0;
    case TCP_CORK: setCork(tp, val !== 0); return 0;
    case TCP_MAXSEG:
      if (val !== 0 && (val < TCP_MIN_MSS || val > MAX_TCP_WINDOW)) return -EINVAL;
      tp.userMss = val;
      return 0;
    case TCP_KEEPIDLE: return setKeepidle(tp, val);
    case TCP_KEEPINTVL:
      if (val < 1 || val > MAX_TCP_KEEPINTVL) return -EINVAL;
      tp.keepaliveIntvlMs = val * 1000;
      return 0;
    case TCP_KEEPCNT:
      if (val < 1 || val > MAX_TCP_KEEPCNT) return -EINVAL;
      tp.keepaliveProbes = val;
      return 0;
    case TCP_SYNCNT:
      if (val < 1 || val > MAX_TCP_SYNCNT) return -EINVAL;
      tp.synRetries = val;
      return 0;
    case TCP_LINGER2:
      tp.linger2Ms = val < 0 ? -1 : Math.min(val, TCP_FIN_TIMEOUT_MAX_S) * 1000;
      return 0;
    case TCP_DEFER_ACCEPT:
      tp.deferAccept = secsToRetrans(val, tp.rtoMaxMs / 1000);
      return 0;
    case TCP_WINDOW_CLAMP: return setWindowClamp(tp, val);
    case TCP_QUICKACK: setQuickack(tp, val); return 0;
    case TCP_USER_TIMEOUT:
      if (val < 0) return -EINVAL;
      tp.userTimeoutMs = val;
      return 0;
    case TCP_RTO_MAX_MS:
      if (val < 1000 || val > RTO_MAX_MS) return -EINVAL;
      tp.rtoMaxMs = val;
      return 0;
    case TCP_RTO_MIN_US: return setTicks(tp, 'rtoMinUs', val);
    case TCP_DELACK_MAX_US: return setTicks(tp, 'delackMaxUs', val);
    case TCP_NOTSENT_LOWAT:
      tp.notsentLowat = val >>> 0;
      tp.writeSpace();
      return 0;
    case TCP_FASTOPEN: case TCP_FASTOPEN_CONNECT: case TCP_FASTOPEN_NO_COOKIE: return setFastopen(tp, name, val);
    case TCP_SAVE_SYN:
      if (val < 0 || val > 2) return -EINVAL;
      tp.saveSyn = val;
      return 0;
    case TCP_INQ:
      if (val < 0 || val > 1) return -EINVAL;
      tp.inq = val === 1;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/** Options in the IP header leave less room for payload. */
function setIpOption(tp: TcpSock, name: number, value: SockoptValue): number {
  const err = inetSetsockopt(tp.tcp.ip, tp, name, value);
  if (err === 0 && name === IP_OPTIONS && tp.pmtuCookie !== 0) tcpSyncMss(tp, tp.pmtuCookie);
  return err;
}

/** getsockopt: the value, or a SockoptError. */
export function tcpGetsockopt(tp: TcpSock, level: number, name: number): SockoptValue | SockoptError {
  if (level === SOL_IP) return inetGetsockopt(tp.tcp.ip, tp, name);
  if (level === SOL_IPV6 && tp.np !== null) return ipv6Getsockopt(tp.tcp.ip6!, tp, name);
  if (level === SOL_SOCKET && name === SO_TXREHASH) return Number(tcpTxrehash(tp));
  if (level !== SOL_TCP) return new SockoptError(-ENOPROTOOPT);
  const { sysctl } = tp.tcp;
  switch (name) {
    case TCP_NODELAY: return Number((tp.nonagle & TCP_NAGLE_OFF) !== 0);
    case TCP_CORK: return Number((tp.nonagle & TCP_NAGLE_CORK) !== 0);
    case TCP_MAXSEG:
      return tp.userMss !== 0 && ((1 << tp.state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0 ? tp.userMss : tp.mssCache;
    case TCP_KEEPIDLE: return keepaliveTimeMs(tp) / 1000;
    case TCP_KEEPINTVL: return (tp.keepaliveIntvlMs !== 0 ? tp.keepaliveIntvlMs : sysctl.tcpKeepaliveIntvl) / 1000;
    case TCP_KEEPCNT: return tp.keepaliveProbes !== 0 ? tp.keepaliveProbes : sysctl.tcpKeepaliveProbes;
    case TCP_SYNCNT: return tp.synRetries !== 0 ? tp.synRetries : sysctl.tcpSynRetries;
    case TCP_LINGER2: return tp.linger2Ms < 0 ? -1 : (tp.linger2Ms !== 0 ? tp.linger2Ms : sysctl.tcpFinTimeout) / 1000;
    case TCP_DEFER_ACCEPT: return retransToSecs(tp.deferAccept, tp.rtoMaxMs / 1000);
    case TCP_WINDOW_CLAMP: return tp.windowClamp;
    case TCP_QUICKACK: return Number(!tcpInPingpongMode(tp));
    case TCP_CONGESTION: return tp.ca.name;
    case TCP_USER_TIMEOUT: return tp.userTimeoutMs;
    case TCP_NOTSENT_LOWAT: return tp.notsentLowat | 0;
    case TCP_FASTOPEN: return tp.fastopen?.maxQlen ?? 0;
    case TCP_FASTOPEN_CONNECT: return Number(tp.fastopen?.connect ?? false);
    case TCP_FASTOPEN_NO_COOKIE: return Number(tp.fastopen?.noCookie ?? false);
    case TCP_FASTOPEN_KEY: return tp.fastopen?.keyBytes?.slice() ?? hostFastopenKey(tp);
    case TCP_INQ: return Number(tp.inq);
    case TCP_SAVE_SYN: return tp.saveSyn;
    case TCP_SAVED_SYN: return takeSavedSyn(tp);
    case TCP_INFO: return tcpGetInfo(tp);
    case TCP_CC_INFO: return tp.ca.getInfo === null || tp.caPriv === null ? {} : tp.ca.getInfo(tp);
    case TCP_AO_INFO: return tcpAoGetInfo(tp);
    case TCP_AO_GET_KEYS: return tcpAoGetKeys(tp);
    case TCP_RTO_MAX_MS: return tp.rtoMaxMs;
    case TCP_RTO_MIN_US: return tp.rtoMinUs;
    case TCP_DELACK_MAX_US: return tp.delackMaxUs;
    default: return new SockoptError(-ENOPROTOOPT);
  }
}

/** The headers of the SYN, once; afterwards, or when they were not kept, nothing. */
function takeSavedSyn(tp: TcpSock): SockoptValue | SockoptError {
  if (((1 << tp.state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0) return new SockoptError(-EINVAL);
  const headers = tp.savedSyn ?? new Uint8Array(0);
  tp.savedSyn = null;
  return headers;
}

/** How long a connection may be idle before it is asked whether the peer lives, milliseconds. */
export function keepaliveTimeMs(tp: TcpSock): number {
  return tp.keepaliveTimeMs !== 0 ? tp.keepaliveTimeMs : tp.tcp.sysctl.tcpKeepaliveTime;
}

function setNodelay(tp: TcpSock, on: boolean): void {
  if (!on) {
    tp.nonagle &= ~TCP_NAGLE_OFF;
    return;
  }
  // What Nagle holds back goes now, in spite of a cork: an explicit push.
  tp.nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
  tcpPushPendingFrames(tp);
}

function setCork(tp: TcpSock, on: boolean): void {
  if (on) {
    tp.nonagle |= TCP_NAGLE_CORK;
    return;
  }
  tp.nonagle &= ~TCP_NAGLE_CORK;
  if ((tp.nonagle & TCP_NAGLE_OFF) !== 0) tp.nonagle |= TCP_NAGLE_PUSH;
  tcpPushPendingFrames(tp);
}

function setKeepidle(tp: TcpSock, val: number): number {
  if (val < 1 || val > MAX_TCP_KEEPIDLE) return -EINVAL;
  tp.keepaliveTimeMs = val * 1000;
  if (tp.keepopen && ((1 << tp.state) & (TCPF_CLOSE | TCPF_LISTEN)) === 0) {
    const idleMs = (tp.net.nowUs - Math.max(tp.lrcvtimeUs, tp.rcvTstampUs)) / 1000;
    tcpResetKeepaliveTimer(tp, Math.max(0, tp.keepaliveTimeMs - idleMs));
  }
  return 0;
}

function setWindowClamp(tp: TcpSock, val: number): number {
  if (val === 0) {
    if (tp.state !== TCP_CLOSE) return -EINVAL;
    tp.windowClamp = 0;
    return 0;
  }
  tcpSetWindowClamp(tp, val);
  return 0;
}

function setQuickack(tp: TcpSock, val: number): void {
  const thresh = tp.tcp.sysctl.tcpPingpongThresh;
  if (val === 0) {
    tp.pingpong = thresh;
    return;
  }
  tp.pingpong = 0;
  const open = ((1 << tp.state) & (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT)) !== 0;
  if (open && (tp.ackPending & ICSK_ACK_SCHED) !== 0) {
    tp.ackPending |= ICSK_ACK_PUSHED;
    tcpCleanupRbuf(tp, 1);
    if ((val & 1) === 0) tp.pingpong = thresh; // an even value: this once
  }
}

/** Fast Open: how many children may wait at a listener; for connect(), to be put off; no cookies. */
function setFastopen(tp: TcpSock, name: number, val: number): number {
  const closed = tp.state === TCP_CLOSE;
  const listenable = ((1 << tp.state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0;
  if (name === TCP_FASTOPEN) {
    if (val < 0 || !listenable) return -EINVAL;
    tcpFastopenInitKeyOnce(tp.net, tp.tcp);
    tcpFastopenOf(tp).maxQlen = Math.min(val, tp.net.sysctl.somaxconn);
    return 0;
  }
  if (val < 0 || val > 1) return -EINVAL;
  if (name === TCP_FASTOPEN_NO_COOKIE) {
    if (!listenable) return -EINVAL;
    tcpFastopenOf(tp).noCookie = val === 1;
    return 0;
  }
  if ((tp.tcp.sysctl.tcpFastopen & TFO_CLIENT_ENABLE) === 0) return -EOPNOTSUPP;
  if (!closed) return -EINVAL;
  tcpFastopenOf(tp).connect = val === 1;
  return 0;
}

/** One key or two, 16 bytes each: the listener's own. */
function setFastopenKey(tp: TcpSock, value: SockoptValue): number {
  if (!(value instanceof Uint8Array)) return -EINVAL;
  const { length } = value;
  if (length !== TCP_FASTOPEN_KEY_LENGTH && length !== TCP_FASTOPEN_KEY_LENGTH * TCP_FASTOPEN_KEY_MAX) return -EINVAL;
  const fo = tcpFastopenOf(tp);
  fo.keyBytes = value.slice();
  fo.keys = fastopenKeysFromBytes(value);
  return 0;
}

/** The host's keys as bytes; none: nothing. */
function hostFastopenKey(tp: TcpSock): Uint8Array {
  const words = tp.tcp.sysctl.tcpFastopenKey.split(/[-,]/).filter((word) => word !== '');
  const bytes = new Uint8Array(words.length * 4);
  words.forEach((word, i) => {
    for (let at = 0; at < 4; at++) bytes[4 * i + at] = parseInt(word, 16) >>> (8 * at);
  });
  return bytes;
}

function setCongestion(tp: TcpSock, value: SockoptValue, netAdmin: boolean): number {
  if (typeof value !== 'string') return -EINVAL;
  if (tp.caDstLocked) return -EPERM; // ip route … congctl lock
  const ops = tcpCaFind(value);
  if (ops === null) return -ENOENT;
  if (ops !== tp.ca && !netAdmin && !congestionAllowed(tp, value)) return -EPERM;
  tp.caSetsockopt = true;
  if (ops !== tp.ca) tcpSetCongestionControl(tp, ops, ((1 << tp.state) & (TCPF_CLOSE | TCPF_LISTEN)) === 0);
  return 0;
}

/** net.ipv4.tcp_allowed_congestion_control; what the host itself uses is good enough for everybody. */
function congestionAllowed({ tcp }: TcpSock, name: string): boolean {
  const { tcpAllowedCongestionControl, tcpCongestionControl } = tcp.sysctl;
  return name === tcpCongestionControl || tcpAllowedCongestionControl.split(' ').includes(name);
}

/** The least retransmission timeout, the longest delayed ACK: whole ticks, from two of them to Linux's own 200 ms. */
function setTicks(tp: TcpSock, field: 'rtoMinUs' | 'delackMaxUs', us: number): number {
  const rounded = usecsToTicks(us) * 1000;
  if (rounded < TCP_TIMEOUT_MIN_US || rounded > DELACK_MAX_US) return -EINVAL;
  tp[field] = rounded;
  return 0;
}

/** SOL_SOCKET options have been kept by the socket calls; here is what follows from them. */
function socketOptionChanged(tp: TcpSock, name: number, value: SockoptValue): number {
  const closed = ((1 << tp.state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0;
  switch (name) {
    case SO_KEEPALIVE:
      if (closed) return 0;
      if (value === 0) tp.keepaliveTimer.del();
      else if (!tp.keepaliveTimer.pending) tcpResetKeepaliveTimer(tp, keepaliveTimeMs(tp));
      return 0;
    case SO_RCVLOWAT:
      if (((tp.rcvNxt - tp.copiedSeq) | 0) >= tp.rcvlowat) tp.dataReady();
      return 0;
    case SO_TXREHASH:
      if (value !== -1 && value !== 0 && value !== 1) return -EINVAL;
      tp.txrehash = value;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/** TCP_DEFER_ACCEPT is given in seconds and kept as a number of SYN-ACK timeouts: 1, 2, 4… seconds. */
function secsToRetrans(seconds: number, maxTimeout: number): number {
  if (seconds <= 0) return 0;
  let timeout = 1;
  let period = 1;
  let retrans = 1;
  while (seconds > period && retrans < MAX_RETRANS) {
    retrans++;
    timeout = Math.min(timeout * 2, maxTimeout);
    period += timeout;
  }
  return retrans;
}

function retransToSecs(retrans: number, maxTimeout: number): number {
  let timeout = 1;
  let period = 0;
  for (let i = 0; i < retrans; i++) {
    period += timeout;
    timeout = Math.min(timeout * 2, maxTimeout);
  }
  return period;
}
