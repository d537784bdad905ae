/**
 * ICMP datagram ("ping") sockets: echo requests without the right to open raw sockets (icmp(7); Linux: ping.c). The kernel owns
 * identifier and checksum: the identifier is the socket's port, and a socket hears the replies to its own requests only.
 *
 *   from  ip/icmp-input.ts   echo replies, and errors about echo requests
 *   to    ip/output.ts       by raw/output.ts
 *
 * Who may make one: processes whose group is in net.ipv4.ping_group_range.
 */
import { inetGetsockopt, inetSetsockopt } from '../ip/sockglue.ts';
import { get16, get32, put16 } from '../lib/bytes.ts';
import { csumFold } from '../lib/checksum.ts';
import { EADDRINUSE, EADDRNOTAVAIL, EAGAIN, EINVAL, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP } from '../lib/errno.ts';
import { ICMP_CHECK, ICMP_ECHO, ICMP_HLEN, ICMP_ID, icmphCode, icmphType } from '../wire/icmp.ts';
import { IPV4_DADDR, IPV4_MAX_LEN, IPV4_SADDR, iphHlen } from '../wire/ipv4.ts';
import { appendBytes, copyBytes } from '../skb/copy.ts';
import { skbChecksum } from '../skb/csum.ts';
import { MAX_HEADER, type SkBuff } from '../skb/sk-buff.ts';
import type { Net } from '../dev/net.ts';
import { icmpOutCount } from '../ip/icmp.ts';
import type { Ipv4, PingDelivery } from '../ip/ipv4.ts';
import type { Ipv6 } from '../ip/v6/ipv6.ts';
import { inetIif } from '../ip/route.ts';
import {
  AF_INET, IP_PMTUDISC_WANT, IPPROTO_ICMP, IPPROTO_ICMPV6, SHUTDOWN_MASK, SOCK_DGRAM, SOL_IP, TCP_CLOSE,
} from '../sock/constants.ts';
import { datagramIoctl, datagramPoll, sockPurgeQueues, sockQueueRcv } from '../sock/datagram.ts';
import { InetSock, type Proto, type Sock, SockoptError, type SockoptValue } from '../sock/sock.ts';
import type { MsgHdr, SockAddr } from '../sock/sockaddr.ts';
import { inetBindAddress, inetConnect } from './address.ts';
import { inetIcmpError } from './input.ts';
import { inetRecvmsg, inetShutdown } from './ops.ts';
import { inetCheckSend, inetSendSkb, inetSendWay } from './output.ts';
import type { RawTable } from './sock.ts';

/** Identifiers are ports of their own: 1 to this. */
const MAX_IDENT = 0xffff;

/** The ping sockets of one host, by identifier: one space of them for both families, as in Linux. */
export class PingTable implements PingDelivery {
  readonly net: Net;
  readonly ip: Ipv4;
  readonly raw: RawTable;
  readonly ip6: Ipv6;
  /** What IPv6 is given while there is a ping socket of its family. */
  readonly delivery6: PingDelivery;
  /** net.ipv4.ping_group_range, both ends included. Linux's own default lets nobody; this is what systemd sets: everybody. */
  readonly pingGroupRange: [number, number] = [0, 0x7fffffff];
  readonly sockets: Map<number, PingSock[]> = new Map();
  /** The identifier that was chosen last (Linux: ping_port_rover). */
  rover = 0;

  constructor(raw: RawTable, ip6: Ipv6, delivery6: (table: PingTable) => PingDelivery) {
    this.net = raw.net;
    this.ip = raw.ip;
    this.raw = raw;
    this.ip6 = ip6;
    this.delivery6 = delivery6(this);
  }

  rcv(skb: SkBuff): boolean {
    const { buf, data, nh } = skb;
    const sk = lookup(this, get16(buf, data + ICMP_ID), get32(buf, nh + IPV4_SADDR), get32(buf, nh + IPV4_DADDR), inetIif(skb));
    if (sk === null) return false;
    sockQueueRcv(sk, skb);
    return true;
  }

  err(skb: SkBuff, type: number, code: number, info: number): void {
    const { buf, data } = skb;
    const at = data + iphHlen(buf, data);
    if (icmphType(buf, at) !== ICMP_ECHO) return;
    const [peer, local] = [get32(buf, data + IPV4_DADDR), get32(buf, data + IPV4_SADDR)];
    const sk = lookup(this, get16(buf, at + ICMP_ID), peer, local, inetIif(skb));
    if (sk !== null) inetIcmpError(sk, skb, type, code, info, at - data);
  }
}

export class PingSock extends InetSock {
  readonly ping: PingTable;
  readonly table: RawTable;

  constructor(ping: PingTable, prot: Proto, family: number) {
    super(ping.net, prot, family, SOCK_DGRAM, family === AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    this.ping = ping;
    this.table = ping.raw;
    this.pmtudisc = IP_PMTUDISC_WANT;
  }
}

function lookup(ping: PingTable, ident: number, peer: number, local: number, dif: number): PingSock | null {
  for (const sk of ping.sockets.get(ident) ?? []) {
    if (sk.family !== AF_INET || (sk.rcvSaddr !== 0 && sk.rcvSaddr !== local)) continue;
    if (sk.daddr !== 0 && sk.daddr !== peer) continue;
    if (sk.boundDevIf === 0 || sk.boundDevIf === dif) return sk;
  }
  return null;
}

/** May a process of that group make one? */
export function pingAllowed(ping: PingTable, gid: number): boolean {
  const [low, high] = ping.pingGroupRange;
  return gid >= low && gid <= high;
}

/** A new socket: unbound, unconnected. */
export function pingCreateSock(ping: PingTable): PingSock {
  return new PingSock(ping, pingProt, AF_INET);
}

/** Gives `sk` its identifier, 0 = a free one (Linux: ping_get_port). 0 or -EADDRINUSE. */
export function pingTakeIdent(sk: PingSock, ident: number): number {
  const { ping } = sk;
  let id = ident;
  for (let i = 0; id === 0 && i < MAX_IDENT; i++) {
    ping.rover = (ping.rover % MAX_IDENT) + 1;
    if (!ping.sockets.has(ping.rover)) id = ping.rover;
  }
  const there = ping.sockets.get(id) ?? [];
  if (id === 0 || there.some((other) => !sk.reuse || !other.reuse)) return -EADDRINUSE;
  ping.sockets.set(id, [...there, sk]);
  if (sk.family === AF_INET) ping.ip.ping = ping;
  else ping.ip6.ping = ping.delivery6;
  sk.num = id;
  sk.hashed = true;
  return 0;
}

/** `sk` has no identifier any more. */
export function pingGiveIdent(sk: PingSock): void {
  const { ping } = sk;
  if (!sk.hashed) return;
  sk.hashed = false;
  const rest = ping.sockets.get(sk.num)!.filter((other) => other !== sk);
  if (rest.length > 0) ping.sockets.set(sk.num, rest);
  else ping.sockets.delete(sk.num);
  if (ping.sockets.size === 0) {
    ping.ip.ping = null;
    ping.ip6.ping = null;
  }
  sk.num = 0;
}

function pingBind(sock: Sock, addr: SockAddr): number {
  const sk = sock as PingSock;
  if (sk.num !== 0 || sk.state !== TCP_CLOSE) return -EINVAL;
  if (!inetBindAddress(sk, addr)) return -EADDRNOTAVAIL;
  const err = pingTakeIdent(sk, addr.port);
  if (err < 0) {
    sk.rcvSaddr = 0;
    sk.saddr = 0;
    sk.bindAddrLock = false;
  }
  sk.bindPortLock = err === 0 && addr.port !== 0;
  return err;
}

function pingConnect(sock: Sock, addr: SockAddr): number {
  const sk = sock as PingSock;
  if (sk.num === 0 && pingTakeIdent(sk, 0) < 0) return -EAGAIN;
  return inetConnect(sk, addr);
}

function pingDisconnect(sock: Sock): number {
  const sk = sock as PingSock;
  sk.state = TCP_CLOSE;
  sk.daddr = 0;
  sk.dport = 0;
  sk.dst = null;
  if (!sk.bindPortLock) pingGiveIdent(sk);
  if (!sk.bindAddrLock) {
    sk.rcvSaddr = 0;
    sk.saddr = 0;
  }
  return 0;
}

/** Sends an echo request: type 8, code 0, eight bytes at least. Its identifier and checksum are written here. */
function pingSendmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as PingSock;
  const { buf, off, len } = msg;
  if (len > IPV4_MAX_LEN) return -EMSGSIZE;
  if (len < ICMP_HLEN || icmphType(buf, off) !== ICMP_ECHO || icmphCode(buf, off) !== 0) return -EINVAL;
  if (sk.num === 0 && pingTakeIdent(sk, 0) < 0) return -EAGAIN;
  const way = inetSendWay(sk, msg);
  if (typeof way === 'number') return way;
  const err = inetCheckSend(sk, way.rt, len);
  if (err < 0) return err;
  const skb = sk.net.pool.alloc(MAX_HEADER);
  const at = skb.put(ICMP_HLEN);
  copyBytes(buf, off, skb.buf, at, ICMP_HLEN);
  appendBytes(skb, buf, off + ICMP_HLEN, len - ICMP_HLEN);
  skb.th = at;
  put16(skb.buf, at + ICMP_ID, sk.num);
  put16(skb.buf, at + ICMP_CHECK, 0);
  put16(skb.buf, at + ICMP_CHECK, csumFold(skbChecksum(skb, 0, len, 0)));
  icmpOutCount(sk.ping.ip, ICMP_ECHO);
  const rc = inetSendSkb(sk, skb, msg, way);
  return rc < 0 ? rc : len;
}

function pingClose(sock: Sock): void {
  const sk = sock as PingSock;
  if (sk.destroyed) return;
  sk.dead = true;
  sk.destroyed = true;
  sk.shutdown = SHUTDOWN_MASK;
  sk.state = TCP_CLOSE;
  pingGiveIdent(sk);
  sk.dst = null;
  sockPurgeQueues(sk);
}

function pingSetsockopt(sock: Sock, level: number, name: number, value: SockoptValue): number {
  return level === SOL_IP ? inetSetsockopt((sock as PingSock).ping.ip, sock as PingSock, name, value) : -ENOPROTOOPT;
}

function pingGetsockopt(sock: Sock, level: number, name: number): SockoptValue | SockoptError {
  const sk = sock as PingSock;
  return level === SOL_IP ? inetGetsockopt(sk.ping.ip, sk, name) : new SockoptError(-ENOPROTOOPT);
}

/** The Proto of ping sockets over IPv4. */
export const pingProt: Proto = {
  name: 'PING',
  bind: pingBind,
  connect: pingConnect,
  disconnect: pingDisconnect,
  listen: () => -EOPNOTSUPP,
  accept: () => -EOPNOTSUPP,
  sendmsg: pingSendmsg,
  recvmsg: inetRecvmsg,
  poll: datagramPoll,
  shutdown: inetShutdown,
  close: pingClose,
  setsockopt: pingSetsockopt,
  getsockopt: pingGetsockopt,
  ioctl: datagramIoctl,
};
