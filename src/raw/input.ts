/**
 * Raw sockets, packets coming in (Linux: raw_local_deliver, raw_icmp_error).
 *
 *   from  ip/input.ts        each packet for this host, before its protocol has it
 *         ip/icmp-input.ts   errors about packets that this host sent
 *   to    the receive queues of all sockets that match: whole packets, IP header first; raw/recv.ts takes them from there
 *
 * Nothing is checked that IP has not checked: a raw socket sees wrong checksums, too.
 */
import { get32, get8 } from '../lib/bytes.ts';
import { EHOSTUNREACH, EMSGSIZE, EPROTO } from '../lib/errno.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP_HLEN, ICMP_PARAMETERPROB, ICMP_SOURCE_QUENCH } from '../wire/icmp.ts';
import { IPPROTO_ICMP, IPV4_DADDR, IPV4_SADDR, iphHlen } from '../wire/ipv4.ts';
import { cloneSkb, mayPull } from '../skb/copy.ts';
import { skbChecksumHelp } from '../skb/csum.ts';
import { CHECKSUM_PARTIAL, type SkBuff } from '../skb/sk-buff.ts';
import { icmpUnreachErrno, icmpUnreachFatal } from '../ip/icmp.ts';
import type { RawDelivery } from '../ip/ipv4.ts';
import { inetIif, ipUpdatePmtu } from '../ip/route.ts';
import { IP_PMTUDISC_DONT, TCP_ESTABLISHED } from '../sock/constants.ts';
import { sockQueueRcv } from '../sock/datagram.ts';
import { ipIcmpError } from '../sock/error-queue.ts';
import type { InetSock } from '../sock/sock.ts';
import type { RawSock, RawTable } from './sock.ts';

/** ICMP types that ICMP_FILTER knows of. */
const FILTERED_TYPES = 32;

/** Raw sockets as IP sees them. */
export class RawInput implements RawDelivery {
  private readonly table: RawTable;

  constructor(table: RawTable) {
    this.table = table;
  }

  rcv(skb: SkBuff, protocol: number): boolean {
    const list = this.table.sockets[protocol]!;
    if (list === null) return false;
    const { buf, nh } = skb;
    const saddr = get32(buf, nh + IPV4_SADDR);
    const daddr = get32(buf, nh + IPV4_DADDR);
    const dif = inetIif(skb);
    let delivered = false;
    for (const sk of list) {
      if (!rawMatch(sk, saddr, daddr, dif)) continue;
      // Linux says "delivered" even when the filter has refused it: the protocol is spoken here.
      delivered = true;
      if (protocol === IPPROTO_ICMP && refused(sk, skb)) continue;
      sockQueueRcv(sk, wholePacket(skb));
    }
    return delivered;
  }

  err(skb: SkBuff, protocol: number, type: number, code: number, info: number): void {
    const list = this.table.sockets[protocol]!;
    if (list === null) return;
    const { buf, data } = skb;
    const peer = get32(buf, data + IPV4_DADDR);
    const local = get32(buf, data + IPV4_SADDR);
    const dif = inetIif(skb);
    for (const sk of list) {
      if (!rawMatch(sk, peer, local, dif)) continue;
      const payload = sk.hdrincl ? 0 : iphHlen(buf, data);
      inetIcmpError(sk, skb, type, code, info, payload);
    }
  }
}

/** Does `sk` hear what `peer` sends to `local` by device `dif`? (Linux: raw_v4_match.) */
function rawMatch(sk: RawSock, peer: number, local: number, dif: number): boolean {
  return (sk.daddr === 0 || sk.daddr === peer) && (sk.rcvSaddr === 0 || sk.rcvSaddr === local)
    && (sk.boundDevIf === 0 || sk.boundDevIf === dif);
}

/** ICMP_FILTER, and what is too short to have a type. `data` is at the ICMP header. */
function refused(sk: RawSock, skb: SkBuff): boolean {
  if (!mayPull(skb, ICMP_HLEN)) return true;
  const type = get8(skb.buf, skb.data);
  return type < FILTERED_TYPES && ((1 << type) & sk.icmpFilter) !== 0;
}

/** A copy that begins with the IP header. */
function wholePacket(skb: SkBuff): SkBuff {
  const back = skb.data - skb.nh;
  skb.push(back);
  const copy = cloneSkb(skb);
  skb.pull(back);
  // What no card had to fill in: whoever sees the bytes must see it.
  if (copy.ipSummed === CHECKSUM_PARTIAL && copy.gsoSize === 0) skbChecksumHelp(copy);
  return copy;
}

/**
 * An ICMP error about a packet of `sk`: with IP_RECVERR it is told of all, without only when it is connected and the error is
 * final (Linux: raw_err, ping_err). `payloadOff`: where in the quoted packet the sender's own bytes begin.
 */
export function inetIcmpError(
  sk: InetSock & { readonly table: RawTable }, skb: SkBuff, type: number, code: number, info: number, payloadOff: number,
): void {
  if (type === ICMP_SOURCE_QUENCH) return;
  let errno = EHOSTUNREACH;
  let final = false;
  if (type === ICMP_PARAMETERPROB) {
    errno = EPROTO;
    final = true;
  } else if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) {
    ipUpdatePmtu(sk.table.ip, get32(skb.buf, skb.data + IPV4_DADDR), info);
    errno = EMSGSIZE;
    final = sk.pmtudisc !== IP_PMTUDISC_DONT;
  } else if (type === ICMP_DEST_UNREACH) {
    errno = icmpUnreachErrno(code);
    final = icmpUnreachFatal(code);
  }
  if (!sk.recverr && (!final || sk.state !== TCP_ESTABLISHED)) return;
  if (sk.recverr) ipIcmpError(sk, skb, errno, type, code, info, 0, payloadOff);
  sk.err = errno;
  sk.errorReport();
}
