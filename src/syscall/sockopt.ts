/**
 * Socket options: those of SOL_SOCKET, which every socket has, are kept here (Linux: sk_setsockopt); the others are the
 * protocol's. What a protocol must know about an option of SOL_SOCKET (keepalive timers, the receive window) it is told
 * afterwards, by a call of its own setsockopt with the same arguments, whose answer ENOPROTOOPT means "nothing to do".
 */
import {
  EBADF, EDOM, EINVAL, ENODEV, ENOPROTOOPT, ENOTSOCK, EOPNOTSUPP, EPERM,
} from '../lib/errno.ts';
import type { Net } from '../dev/net.ts';
import {
  AF_UNIX, SOCK_STREAM, SO_ACCEPTCONN, SO_ATTACH_FILTER, SO_BINDTODEVICE, SO_BROADCAST, SO_DEBUG, SO_DOMAIN, SO_DONTROUTE, SO_ERROR,
  SO_INCOMING_CPU, SO_KEEPALIVE, SO_LINGER, SO_MARK, SO_MAX_PACING_RATE, SO_MEMINFO, SO_OOBINLINE, SO_PEEK_OFF, SO_PRIORITY, SO_PROTOCOL,
  SO_RCVBUF, SO_RCVBUFFORCE,
  SO_RCVLOWAT, SO_RCVTIMEO, SO_REUSEADDR, SO_REUSEPORT, SO_SNDBUF, SO_SNDBUFFORCE, SO_SNDLOWAT, SO_SNDTIMEO, SO_TIMESTAMP,
  SO_TIMESTAMPING, SO_TIMESTAMPING_NEW, SO_TIMESTAMPNS, SO_TIMESTAMPNS_NEW, SO_TIMESTAMP_NEW, SO_TYPE, SO_ZEROCOPY,
  SOF_TIMESTAMPING_OPT_ID_TCP, SOL_SOCKET, TCP_LISTEN,
} from '../sock/constants.ts';
import { SK_PACING_NEEDED, SK_PACING_NONE, SockoptError, type Sock, type SockoptValue } from '../sock/sock.ts';
import { sockSetTimestamp, sockSetTimestamping } from '../sock/timestamping.ts';
import { TcpSock } from '../tcp/sock.ts';
import { UdpSock } from '../udp/sock.ts';
import { fdSock } from './socket.ts';
import type { Process } from './process.ts';

/** Smallest buffers (Linux: SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF). */
export const SOCK_MIN_SNDBUF = 4608;
export const SOCK_MIN_RCVBUF = 2304;

const INT_MAX = 0x7fffffff;
/** ~0U: SO_MAX_PACING_RATE that limits nothing. */
const PACING_UNLIMITED = 0xffffffff;

/** SO_LINGER: `struct linger`. */
export interface Linger {
  on: boolean;
  seconds: number;
}

/** SO_MEMINFO, in Linux's order. */
export interface MemInfo {
  rmemAlloc: number;
  rcvbuf: number;
  wmemAlloc: number;
  sndbuf: number;
  fwdAlloc: number;
  wmemQueued: number;
  optmem: number;
  backlog: number;
  drops: number;
}

/** setsockopt(2): 0 or a negative errno. Durations (SO_RCVTIMEO, SO_SNDTIMEO) are nanoseconds here, 0 = for ever. */
export function sysSetsockopt(p: Process, fd: number, level: number, name: number, value: SockoptValue): number {
  const sk = fdSock(p, fd);
  if (sk === null) return p.fds.get(fd) === null ? -EBADF : -ENOTSOCK;
  p.enter();
  const admin = p.uid === 0;
  const err = level === SOL_SOCKET ? setSocketOption(p.net, sk, name, value, admin) : sk.prot.setsockopt(sk, level, name, value, admin);
  p.leave();
  return err;
}

/** getsockopt(2): the value, or a SockoptError with the negative errno. */
export function sysGetsockopt(p: Process, fd: number, level: number, name: number): SockoptValue | SockoptError {
  const sk = fdSock(p, fd);
  if (sk === null) return new SockoptError(p.fds.get(fd) === null ? -EBADF : -ENOTSOCK);
  p.enter();
  const value = level === SOL_SOCKET ? getSocketOption(p.net, sk, name) : sk.prot.getsockopt(sk, level, name);
  p.leave();
  return value;
}

function setSocketOption(net: Net, sk: Sock, name: number, value: SockoptValue, admin: boolean): number {
  if (name === SO_LINGER) return setLinger(sk, value);
  if (name === SO_BINDTODEVICE) return bindToDevice(net, sk, value);
  if (name === SO_ATTACH_FILTER) return -EOPNOTSUPP; // no BPF here
  if (typeof value !== 'number') return -EINVAL;
  if (name === SO_MAX_PACING_RATE) return setMaxPacingRate(sk, value);
  if (name === SO_RCVTIMEO || name === SO_SNDTIMEO) return setTimeo(sk, name, value);
  const err = setIntOption(net, sk, name, value | 0);
  if (err < 0) return err === -ENOPROTOOPT ? sk.prot.setsockopt(sk, SOL_SOCKET, name, value, admin) : err;
  const told = sk.prot.setsockopt(sk, SOL_SOCKET, name, value, admin);
  return told === -ENOPROTOOPT ? 0 : told;
}

function setIntOption(net: Net, sk: Sock, name: number, value: number): number {
  const on = value !== 0;
  switch (name) {
    case SO_REUSEADDR: sk.reuse = on; return 0;
    case SO_REUSEPORT: sk.reuseport = on; return 0;
    case SO_BROADCAST: sk.broadcast = on; return 0;
    case SO_KEEPALIVE: sk.keepopen = on; return 0;
    case SO_SNDBUF: return setSndbuf(sk, Math.min(value, net.sysctl.wmemMax));
    case SO_SNDBUFFORCE: return setSndbuf(sk, Math.max(value, 0));
    case SO_RCVBUF: return setRcvbuf(sk, Math.min(value, net.sysctl.rmemMax));
    case SO_RCVBUFFORCE: return setRcvbuf(sk, Math.max(value, 0));
    case SO_RCVLOWAT: sk.rcvlowat = value < 0 ? INT_MAX : value === 0 ? 1 : value; return 0;
    case SO_PRIORITY: sk.priority = value; return 0;
    case SO_MARK: sk.mark = value; return 0;
    case SO_OOBINLINE: sk.urgInline = on; return 0;
    case SO_TIMESTAMP: case SO_TIMESTAMP_NEW: sockSetTimestamp(sk, on ? 1 : 0); return 0;
    case SO_TIMESTAMPNS: case SO_TIMESTAMPNS_NEW: sockSetTimestamp(sk, on ? 2 : 0); return 0;
    case SO_TIMESTAMPING: case SO_TIMESTAMPING_NEW: return setTimestamping(sk, value);
    case SO_ZEROCOPY: return setZerocopy(sk, value);
    case SO_PEEK_OFF:
      if (!canPeekOff(sk)) return -EOPNOTSUPP;
      sk.peekOff = value;
      return 0;
    case SO_DEBUG: case SO_DONTROUTE: case SO_INCOMING_CPU: return 0;
    case SO_TYPE: case SO_PROTOCOL: case SO_DOMAIN: case SO_ERROR: case SO_ACCEPTCONN: case SO_SNDLOWAT: return -ENOPROTOOPT;
    default: return -ENOPROTOOPT;
  }
}

/** Where OPT_ID begins to count: a stream's bytes from what is written next, or (as it was first) from what is not acknowledged. */
function setTimestamping(sk: Sock, value: number): number {
  const from = sk instanceof TcpSock ? ((value & SOF_TIMESTAMPING_OPT_ID_TCP) !== 0 ? sk.writeSeq : sk.sndUna) : 0;
  return sockSetTimestamping(sk, value, from);
}

/** Those whose readers know of SO_PEEK_OFF. */
function canPeekOff(sk: Sock): boolean {
  return sk instanceof TcpSock || sk instanceof UdpSock || sk.family === AF_UNIX;
}

/** Only TCP and UDP can lend a writer's memory to their packets. */
function setZerocopy(sk: Sock, value: number): number {
  if (!(sk instanceof TcpSock) && !(sk instanceof UdpSock)) return -EOPNOTSUPP;
  if (value < 0 || value > 1) return -EINVAL;
  sk.zerocopy = value === 1;
  return 0;
}

/** The kernel doubles what it is given: the book-keeping of skbs counts, too (socket(7)). */
function setSndbuf(sk: Sock, value: number): number {
  sk.sndbufLocked = true;
  sk.sndbuf = Math.max(Math.min(value, INT_MAX / 2) * 2, SOCK_MIN_SNDBUF);
  sk.writeSpace();
  return 0;
}

function setRcvbuf(sk: Sock, value: number): number {
  sk.rcvbufLocked = true;
  sk.rcvbuf = Math.max(Math.min(value, INT_MAX / 2) * 2, SOCK_MIN_RCVBUF);
  return 0;
}

function setLinger(sk: Sock, value: SockoptValue): number {
  const { on, seconds } = value as Partial<Linger>;
  if (typeof on !== 'boolean' || typeof seconds !== 'number') return -EINVAL;
  sk.lingerOn = on;
  if (on) sk.lingerTime = seconds >>> 0;
  return 0;
}

function setTimeo(sk: Sock, name: number, ns: number): number {
  if (!(ns >= 0)) return -EDOM;
  if (name === SO_RCVTIMEO) sk.rcvtimeoNs = ns;
  else sk.sndtimeoNs = ns;
  return 0;
}

/** Bytes per second; 2^32 - 1 (or -1) and above: no limit. From then on the transport paces, unless fq does. */
function setMaxPacingRate(sk: Sock, value: number): number {
  if (!Number.isInteger(value)) return -EINVAL;
  const rate = value < 0 || value >= PACING_UNLIMITED ? Infinity : value;
  if (rate !== Infinity && sk.pacingStatus === SK_PACING_NONE) sk.pacingStatus = SK_PACING_NEEDED;
  sk.maxPacingRate = rate;
  sk.pacingRate = Math.min(sk.pacingRate, rate);
  return 0;
}

/** By name, '' unbinds; an interface that does not exist is ENODEV. */
function bindToDevice(net: Net, sk: Sock, value: SockoptValue): number {
  if (typeof value !== 'string') return -EINVAL;
  if (value === '') {
    sk.boundDevIf = 0;
    return 0;
  }
  const dev = net.devices.find((d) => d !== null && d.name === value) ?? null;
  if (dev === null) return -ENODEV;
  if (sk.state === TCP_LISTEN && sk.boundDevIf !== dev.ifindex) return -EPERM;
  sk.boundDevIf = dev.ifindex;
  return 0;
}

function getSocketOption(net: Net, sk: Sock, name: number): SockoptValue | SockoptError {
  switch (name) {
    case SO_REUSEADDR: return Number(sk.reuse);
    case SO_REUSEPORT: return Number(sk.reuseport);
    case SO_BROADCAST: return Number(sk.broadcast);
    case SO_KEEPALIVE: return Number(sk.keepopen);
    case SO_SNDBUF: return sk.sndbuf;
    case SO_RCVBUF: return sk.rcvbuf;
    case SO_RCVLOWAT: return sk.rcvlowat;
    case SO_SNDLOWAT: return 1;
    case SO_PRIORITY: return sk.priority;
    case SO_MAX_PACING_RATE: return sk.maxPacingRate === Infinity ? -1 : sk.maxPacingRate;
    case SO_MARK: return sk.mark;
    case SO_TYPE: return sk.type;
    case SO_PROTOCOL: return sk.protocol;
    case SO_DOMAIN: return sk.family;
    case SO_ERROR: return takeError(sk);
    case SO_ACCEPTCONN: return Number(sk.type === SOCK_STREAM && sk.state === TCP_LISTEN);
    case SO_LINGER: return { on: sk.lingerOn, seconds: sk.lingerTime } satisfies Linger;
    case SO_RCVTIMEO: return sk.rcvtimeoNs;
    case SO_SNDTIMEO: return sk.sndtimeoNs;
    case SO_BINDTODEVICE: return net.devices[sk.boundDevIf]?.name ?? '';
    case SO_MEMINFO: return memInfo(sk);
    case SO_OOBINLINE: return Number(sk.urgInline);
    case SO_TIMESTAMP: case SO_TIMESTAMP_NEW: return Number(sk.rcvtstamp === 1);
    case SO_TIMESTAMPNS: case SO_TIMESTAMPNS_NEW: return Number(sk.rcvtstamp === 2);
    case SO_TIMESTAMPING: case SO_TIMESTAMPING_NEW: return sk.tsflags;
    case SO_ZEROCOPY: return Number(sk.zerocopy);
    case SO_PEEK_OFF: return canPeekOff(sk) ? sk.peekOff : new SockoptError(-EOPNOTSUPP);
    case SO_DEBUG: case SO_DONTROUTE: case SO_INCOMING_CPU: return 0;
    default: return sk.prot.getsockopt(sk, SOL_SOCKET, name);
  }
}

/** SO_ERROR: the pending error, positive; else the soft one. Taken by reading it. */
function takeError(sk: Sock): number {
  const err = -sk.sockError();
  if (err !== 0) return err;
  const soft = sk.errSoft;
  sk.errSoft = 0;
  return soft;
}

function memInfo(sk: Sock): MemInfo {
  return {
    rmemAlloc: sk.rmemAlloc,
    rcvbuf: sk.rcvbuf,
    wmemAlloc: sk.wmemAlloc,
    sndbuf: sk.sndbuf,
    fwdAlloc: 0,
    wmemQueued: sk.wmemQueued,
    optmem: sk.omemAlloc,
    backlog: 0,
    drops: sk.drops,
  };
}
