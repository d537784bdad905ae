/**
 * TCPMSS: lowers the MSS that a SYN offers, so that segments fit a path whose routers do not say what they drop
 * (RFC 2923 §2.1). Never raises it.
 */
import { get16, get8, put16, put8 } from '../../lib/bytes.ts';
import { csumReplace2 } from '../../lib/checksum.ts';
import { IPV4_CHECK, IPV4_TOTAL_LEN } from '../../wire/ipv4.ts';
import { TCP_CHECK, TCP_DOFF, TCP_FLAG_SYN, TCP_HLEN_MAX, TCP_HLEN_MIN, TCP_OPTIONS } from '../../wire/tcp.ts';
import { TCPOLEN_MSS, TCPOPT_EOL, TCPOPT_MSS, TCPOPT_NOP } from '../../wire/tcp-options.ts';
import { CHECKSUM_PARTIAL, SKB_HEAD_SIZE } from '../../skb/sk-buff.ts';
import { skbChecksumHelp } from '../../skb/csum.ts';
import { NF_DROP, XT_CONTINUE } from './constants.ts';
import type { NfFamily } from './family.ts';
import type { NfPacket } from './packet.ts';

/** What a peer that offers none is taken to offer (RFC 9293 §3.7.1; RFC 8200 §5 less headers). */
const MSS_DEFAULT_V4 = 536;
const MSS_DEFAULT_V6 = 1220;

export class TcpmssTarget {
  readonly name = 'TCPMSS';
  /** Bytes, or 0: what the path's MTU leaves. */
  readonly mss: number;
  private readonly family: NfFamily;

  constructor(family: NfFamily, mss: number) {
    this.family = family;
    this.mss = mss;
  }

  run(p: NfPacket): number {
    if (p.fragOff !== 0 || p.th < 0 || (p.tcpFlags & TCP_FLAG_SYN) === 0) return XT_CONTINUE;
    if (p.tcpHlen < TCP_HLEN_MIN) return NF_DROP;
    let mss = this.mss;
    if (mss === 0) {
      const headers = (p.version === 4 ? 20 : 40) + TCP_HLEN_MIN;
      const mtu = this.family.pathMtu(p);
      if (mtu <= headers) return NF_DROP;
      mss = mtu - headers;
    }
    const { buf } = p.skb;
    const end = p.th + p.tcpHlen;
    for (let at = p.th + TCP_OPTIONS; at < end;) {
      const kind = get8(buf, at);
      if (kind === TCPOPT_EOL) break;
      if (kind === TCPOPT_NOP) {
        at++;
        continue;
      }
      const len = at + 1 < end ? get8(buf, at + 1) : 0;
      if (len < 2 || at + len > end) break;
      if (kind === TCPOPT_MSS && len === TCPOLEN_MSS) {
        if (get16(buf, at + 2) > mss) replace(p, at + 2, mss);
        return XT_CONTINUE;
      }
      at += len;
    }
    append(p, Math.min(mss, p.version === 4 ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6));
    return XT_CONTINUE;
  }
}

/** Stores 16 bits of the header; they may begin in the middle of a checksummed word. */
function replace(p: NfPacket, at: number, value: number): void {
  const { skb } = p;
  const { buf } = skb;
  const old = get16(buf, at);
  put16(buf, at, value);
  if (skb.ipSummed === CHECKSUM_PARTIAL) return;
  const odd = ((at - p.th) & 1) !== 0;
  const check = get16(buf, p.th + TCP_CHECK);
  put16(buf, p.th + TCP_CHECK, odd ? csumReplace2(check, swap(old), swap(value)) : csumReplace2(check, old, value));
}

function swap(n: number): number {
  return ((n & 0xff) << 8) | (n >> 8);
}

/** A SYN without the option gets it, in front of the others; one with data, or without room, stays as it is. */
function append(p: NfPacket, mss: number): void {
  const { skb } = p;
  const { buf } = skb;
  const end = p.th + p.tcpHlen;
  if (p.l4Len > p.tcpHlen || p.tcpHlen + TCPOLEN_MSS > TCP_HLEN_MAX || skb.tail !== end || skb.dataLen > 0) return;
  if (skb.tail + TCPOLEN_MSS > SKB_HEAD_SIZE) return;
  skb.put(TCPOLEN_MSS);
  buf.copyWithin(p.th + TCP_OPTIONS + TCPOLEN_MSS, p.th + TCP_OPTIONS, end);
  put8(buf, p.th + TCP_OPTIONS, TCPOPT_MSS);
  put8(buf, p.th + TCP_OPTIONS + 1, TCPOLEN_MSS);
  put16(buf, p.th + TCP_OPTIONS + 2, mss);
  p.tcpHlen += TCPOLEN_MSS;
  p.l4Len += TCPOLEN_MSS;
  put8(buf, p.th + TCP_DOFF, (p.tcpHlen << 2) | (get8(buf, p.th + TCP_DOFF) & 15));
  if (p.version === 4) {
    const old = get16(buf, p.nh + IPV4_TOTAL_LEN);
    put16(buf, p.nh + IPV4_TOTAL_LEN, old + TCPOLEN_MSS);
    put16(buf, p.nh + IPV4_CHECK, csumReplace2(get16(buf, p.nh + IPV4_CHECK), old, old + TCPOLEN_MSS));
  } else {
    put16(buf, p.nh + 4, get16(buf, p.nh + 4) + TCPOLEN_MSS);
  }
  if (skb.ipSummed === CHECKSUM_PARTIAL) return;
  skb.th = p.th;
  skbChecksumHelp(skb);
}
