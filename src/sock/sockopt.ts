/**
 * Options of level SOL_IP, which all protocols above IPv4 share (Linux: ip_setsockopt; ip(7)). Those of SOL_SOCKET are
 * kept in `syscall/sockopt.ts`.
 */
import { EINVAL, ENOPROTOOPT, ENOTCONN } from '../lib/errno.ts';
import {
  IP_BIND_ADDRESS_NO_PORT, IP_FREEBIND, IP_HDRINCL, IP_LOCAL_PORT_RANGE, IP_MTU, IP_MTU_DISCOVER, IP_MULTICAST_LOOP, IP_MULTICAST_TTL,
  IP_PKTINFO, IP_PMTUDISC_OMIT, IP_RECVERR, IP_RECVTOS, IP_RECVTTL, IP_TOS, IP_TTL, SOCK_RAW, SOCK_STREAM,
} from './constants.ts';
import type { Dst } from './dst.ts';
import { type InetSock, SockoptError, type SockoptValue } from './sock.ts';

const INET_ECN_MASK = 3;

/** setsockopt at SOL_IP: 0, -ENOPROTOOPT (no such option, or not to be set), or -EINVAL (a value out of its range). */
export function ipSetsockopt(sk: InetSock, name: number, value: SockoptValue): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) return -EINVAL;
  const on = value !== 0;
  switch (name) {
    case IP_TOS: setTos(sk, value & 0xff); return 0;
    case IP_TTL: return setTtl(sk, value);
    case IP_MTU_DISCOVER:
      if (value < 0 || value > IP_PMTUDISC_OMIT) return -EINVAL;
      sk.pmtudisc = value;
      return 0;
    case IP_MULTICAST_TTL:
      if (sk.type === SOCK_STREAM || value < -1 || value > 255) return -EINVAL;
      sk.mcTtl = value === -1 ? 1 : value;
      return 0;
    case IP_MULTICAST_LOOP: sk.mcLoop = on; return 0;
    case IP_PKTINFO: sk.pktinfo = on; return 0;
    case IP_RECVTTL: sk.recvttl = on; return 0;
    case IP_RECVTOS: sk.recvtos = on; return 0;
    case IP_RECVERR: sk.recverr = on; return 0;
    case IP_FREEBIND: sk.freebind = on; return 0;
    case IP_BIND_ADDRESS_NO_PORT: sk.bindAddressNoPort = on; return 0;
    case IP_HDRINCL:
      if (sk.type !== SOCK_RAW) return -ENOPROTOOPT;
      sk.hdrincl = on;
      return 0;
    case IP_LOCAL_PORT_RANGE: return setPortRange(sk, value);
    default: return -ENOPROTOOPT;
  }
}

/** A stream's ECN bits belong to TCP; the precedence becomes the priority of its packets. */
function setTos(sk: InetSock, tos: number): void {
  sk.tos = sk.type === SOCK_STREAM ? (tos & ~INET_ECN_MASK) | (sk.tos & INET_ECN_MASK) : tos;
  sk.priority = tosPriority(sk.tos);
  sk.dst = null;
}

/** Linux's ip_tos2prio: best effort, bulk, interactive bulk, interactive. */
const TOS_TO_PRIORITY: readonly number[] = [0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];

/** The priority of packets with this TOS byte (Linux: rt_tos2priority). */
export function tosPriority(tos: number): number {
  return TOS_TO_PRIORITY[(tos & 0x1e) >> 1]!;
}

function setTtl(sk: InetSock, ttl: number): number {
  if (ttl !== -1 && (ttl < 1 || ttl > 255)) return -EINVAL;
  sk.ttl = ttl;
  return 0;
}

/** Low end in the lower 16 bits, high end in the upper; 0 = the system's. */
function setPortRange(sk: InetSock, value: number): number {
  const low = value & 0xffff;
  const high = value >>> 16;
  if (low !== 0 && high !== 0 && low > high) return -EINVAL;
  sk.localPortRange = value >>> 0;
  return 0;
}

/** getsockopt at SOL_IP. `defaultTtl` is net.ipv4.ip_default_ttl. */
export function ipGetsockopt(sk: InetSock, name: number, defaultTtl: number): SockoptValue | SockoptError {
  switch (name) {
    case IP_TOS: return sk.tos;
    case IP_TTL: return sk.ttl === -1 ? defaultTtl : sk.ttl;
    case IP_MTU_DISCOVER: return sk.pmtudisc;
    case IP_MULTICAST_TTL: return sk.mcTtl;
    case IP_MULTICAST_LOOP: return Number(sk.mcLoop);
    case IP_PKTINFO: return Number(sk.pktinfo);
    case IP_RECVTTL: return Number(sk.recvttl);
    case IP_RECVTOS: return Number(sk.recvtos);
    case IP_RECVERR: return Number(sk.recverr);
    case IP_FREEBIND: return Number(sk.freebind);
    case IP_BIND_ADDRESS_NO_PORT: return Number(sk.bindAddressNoPort);
    case IP_HDRINCL: return sk.type === SOCK_RAW ? Number(sk.hdrincl) : new SockoptError(-ENOPROTOOPT);
    case IP_LOCAL_PORT_RANGE: return sk.localPortRange;
    case IP_MTU: return sk.dst === null ? new SockoptError(-ENOTCONN) : (sk.dst as Dst).mtu;
    default: return new SockoptError(-ENOPROTOOPT);
  }
}
