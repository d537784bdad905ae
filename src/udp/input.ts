/**
 * UDP, datagrams coming in (RFC 768, RFC 1122 §4.1).
 *
 *   from  ip/input.ts        udpRcv, `data` at the UDP header
 *         ip/icmp-input.ts   udpErr, about a datagram that we sent
 *   to    a socket's receive queue; udp/recv.ts takes it from there
 *         ip/icmp.ts         "port unreachable"
 */
import { get16, get32 } from '../lib/bytes.ts';
import { EHOSTUNREACH, EMSGSIZE, EPROTO } from '../lib/errno.ts';
import { ETH_P_IPV6 } from '../wire/ethernet.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP_PARAMETERPROB, ICMP_PORT_UNREACH } from '../wire/icmp.ts';
import { IPPROTO_UDP, IPV4_DADDR, IPV4_SADDR, iphHlen } from '../wire/ipv4.ts';
import { UDP_CHECK, UDP_DPORT, UDP_HLEN, UDP_LEN, UDP_SPORT } from '../wire/udp.ts';
import { cloneSkb, mayPull, trimTail } from '../skb/copy.ts';
import { skbChecksumVerify } from '../skb/csum.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import { CHECKSUM_NONE, type SkBuff } from '../skb/sk-buff.ts';
import { Mib } from '../dev/mib.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from '../ip/fib.ts';
import { icmpSend, icmpUnreachErrno, icmpUnreachFatal } from '../ip/icmp.ts';
import type { IpProtocol } from '../ip/ipv4.ts';
import { ipMcSfAllow } from '../ip/mcast.ts';
import { inetIif, ipUpdatePmtu, type Rtable } from '../ip/route.ts';
import { IP_PMTUDISC_DONT, TCP_ESTABLISHED } from '../sock/constants.ts';
import { ipIcmpError } from '../sock/error-queue.ts';
import type { InetSock } from '../sock/sock.ts';
import { sockTrace } from '../sock/trace.ts';
import { udpHearsMany, udpLookup } from './demux.ts';
import type { UdpProto, UdpSock } from './sock.ts';

/** Bytes of a page, as udp_mem counts them. */
const PAGE_SIZE = 4096;

/** UDP as a protocol above IP. */
export class UdpProtocol implements IpProtocol {
  readonly udp: UdpProto;

  constructor(udp: UdpProto) {
    this.udp = udp;
  }

  rcv(skb: SkBuff): void {
    udpRcv(this.udp, skb);
  }

  err(skb: SkBuff, type: number, code: number, info: number): void {
    udpErr(this.udp, skb, type, code, info);
  }
}

/** A datagram came in. Takes the skb. */
function udpRcv(udp: UdpProto, skb: SkBuff): void {
  if (skb.trace !== 0) udp.net.trace(skb, 'udpRcv');
  if (!mayPull(skb, UDP_HLEN)) return bad(udp, skb, Drop.PktTooSmall);
  const { buf, data, nh } = skb;
  const ulen = get16(buf, data + UDP_LEN);
  if (ulen > skb.len || ulen < UDP_HLEN) return bad(udp, skb, Drop.PktTooSmall);
  if (ulen < skb.len) trimTail(skb, ulen);
  skb.th = data;
  // RFC 768: a checksum of zero says that none was computed.
  if (skb.ipSummed === CHECKSUM_NONE && get16(buf, data + UDP_CHECK) !== 0 && !skbChecksumVerify(skb, IPPROTO_UDP)) {
    udp.net.inc(Mib.UdpInCsumErrors);
    return bad(udp, skb, Drop.UdpCsum);
  }
  const saddr = get32(buf, nh + IPV4_SADDR);
  const daddr = get32(buf, nh + IPV4_DADDR);
  const sport = get16(buf, data + UDP_SPORT);
  const dport = get16(buf, data + UDP_DPORT);
  const { type } = skb.dst as Rtable;
  if (type === RTN_BROADCAST || type === RTN_MULTICAST) return toMany(udp, skb, saddr, sport, daddr, dport);
  const sk = udpLookup(udp, saddr, sport, daddr, dport, inetIif(skb));
  if (sk !== null) {
    udpQueueRcv(sk, skb);
    return;
  }
  // RFC 1122 §4.1.3.1: nobody there; the sender should know.
  udp.net.inc(Mib.UdpNoPorts);
  icmpSend(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
  udp.net.drop(skb, Drop.NoSocket);
}

function bad(udp: UdpProto, skb: SkBuff, reason: Drop): void {
  udp.net.inc(Mib.UdpInErrors);
  udp.net.drop(skb, reason);
}

/** To all: each socket that hears it gets a copy, the last one the datagram itself. */
function toMany(udp: UdpProto, skb: SkBuff, saddr: number, sport: number, daddr: number, dport: number): void {
  const dif = inetIif(skb);
  let first: InetSock | null = null;
  for (let sk = udp.ports.find(dport)?.head ?? null; sk !== null; sk = sk.nextBound) {
    if (!udpHearsMany(sk as InetSock, saddr, sport, daddr, dif) || !ipMcSfAllow(sk as InetSock, daddr, saddr, dif)) continue;
    if (first !== null) udpQueueRcv(sk as UdpSock, udpCloneWithHeaders(skb));
    else first = sk as InetSock;
  }
  if (first !== null) {
    udpQueueRcv(first as UdpSock, skb);
    return;
  }
  udp.net.inc(Mib.UdpIgnoredMulti);
  consumeSkb(skb); // many were meant, and none of us
}

/** A clone has what lies between data and tail: the IP header is behind `data` here, and must be there, too. */
export function udpCloneWithHeaders(skb: SkBuff): SkBuff {
  const back = skb.data - skb.nh;
  skb.push(back);
  const copy = cloneSkb(skb);
  skb.pull(back);
  copy.pull(back);
  return copy;
}

/** Puts a datagram into the receive queue, if there is room (Linux: __udp_enqueue_schedule_skb). Takes the skb. */
export function udpQueueRcv(sk: UdpSock, skb: SkBuff): void {
  const { udp } = sk;
  const size = skb.truesize;
  // An empty queue takes a datagram of any size.
  if (sk.rmemAlloc !== 0 && sk.rmemAlloc + size > sk.rcvbuf) {
    sk.drops++;
    return refused(udp, skb, Mib.UdpRcvbufErrors, Mib.Udp6RcvbufErrors, Drop.SocketRcvbuff);
  }
  if (udp.memory + size > udp.sysctl.udpMem[2] * PAGE_SIZE) {
    sk.drops++;
    return refused(udp, skb, Mib.UdpMemErrors, Mib.Udp6MemErrors, Drop.ProtoMem);
  }
  skb.pull(UDP_HLEN);
  if (skb.trace !== 0) sockTrace(sk, skb, 'udpQueueRcvSkb');
  skb.sk = sk;
  skb.destructor = udpRfree;
  sk.rmemAlloc += size;
  udp.memory += size;
  sk.receiveQueue.pushTail(skb);
  sk.dataReady();
}

/** There is no room: counted for the family of the datagram. */
function refused(udp: UdpProto, skb: SkBuff, v4: number, v6: number, reason: Drop): void {
  const isV6 = skb.protocol === ETH_P_IPV6;
  udp.net.inc(isV6 ? v6 : v4);
  udp.net.inc(isV6 ? Mib.Udp6InErrors : Mib.UdpInErrors);
  udp.net.drop(skb, reason);
}

/** Gives back what `udpQueueRcv` charged. */
function udpRfree(skb: SkBuff): void {
  const sk = skb.sk as UdpSock;
  sk.rmemAlloc -= skb.truesize;
  sk.udp.memory -= skb.truesize;
}

/**
 * An ICMP error about a datagram of ours (RFC 1122 §4.1.3.3). A connected socket is told of those that are final; with
 * IP_RECVERR any socket is told of all.
 */
function udpErr(udp: UdpProto, skb: SkBuff, type: number, code: number, info: number): void {
  const { buf, data } = skb;
  const at = data + iphHlen(buf, data);
  const peer = get32(buf, data + IPV4_DADDR);
  const local = get32(buf, data + IPV4_SADDR);
  const sk = udpLookup(udp, peer, get16(buf, at + UDP_DPORT), local, get16(buf, at + UDP_SPORT), inetIif(skb));
  if (sk === null) {
    udp.net.inc(Mib.IcmpInErrors);
    return;
  }
  let errno = EHOSTUNREACH;
  let final = false;
  if (type === ICMP_PARAMETERPROB) {
    errno = EPROTO;
    final = true;
  } else if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) {
    ipUpdatePmtu(udp.ip, peer, info);
    if (sk.pmtudisc === IP_PMTUDISC_DONT) return;
    errno = EMSGSIZE;
    final = true;
  } else if (type === ICMP_DEST_UNREACH) {
    errno = icmpUnreachErrno(code);
    final = icmpUnreachFatal(code);
  }
  if (!sk.recverr && (!final || sk.state !== TCP_ESTABLISHED)) return;
  if (sk.recverr) ipIcmpError(sk, skb, errno, type, code, info, get16(buf, at + UDP_DPORT), at + UDP_HLEN - data);
  sk.err = errno;
  sk.errorReport();
}
