/** REJECT: the packet is dropped, and its sender is told (RFC 1812 §5.2.7.1; Linux: ipt_REJECT, ip6t_REJECT). */
import { get32 } from '../../lib/bytes.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import {
  TCP_ACK_SEQ, TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_HLEN_MIN, TCP_SEQ, tcpWriteHeader,
} from '../../wire/tcp.ts';
import { NF_DROP } from './constants.ts';
import type { NfFamily } from './family.ts';
import type { NfPacket } from './packet.ts';

/** `--reject-with` → ICMP type and code; -1: a TCP reset. */
export const REJECT_KINDS_V4: Readonly<Record<string, readonly [number, number]>> = {
  'icmp-net-unreachable': [3, 0], 'icmp-host-unreachable': [3, 1], 'icmp-proto-unreachable': [3, 2], 'icmp-port-unreachable': [3, 3],
  'icmp-net-prohibited': [3, 9], 'icmp-host-prohibited': [3, 10], 'icmp-admin-prohibited': [3, 13], 'tcp-reset': [-1, 0],
};

export const REJECT_KINDS_V6: Readonly<Record<string, readonly [number, number]>> = {
  'icmp6-no-route': [1, 0], 'icmp6-adm-prohibited': [1, 1], 'icmp6-addr-unreachable': [1, 3], 'icmp6-port-unreachable': [1, 4],
  'icmp6-policy-fail': [1, 5], 'icmp6-reject-route': [1, 6], 'tcp-reset': [-1, 0],
};

export class RejectTarget {
  readonly name = 'REJECT';
  /** A key of the tables above. */
  readonly with: string;
  private readonly type: number;
  private readonly code: number;
  private readonly family: NfFamily;

  constructor(family: NfFamily, kind: string) {
    this.family = family;
    this.with = kind;
    const [type, code] = (family.version === 4 ? REJECT_KINDS_V4 : REJECT_KINDS_V6)[kind]!;
    this.type = type;
    this.code = code;
  }

  run(p: NfPacket): number {
    if (this.type < 0) this.family.rejectReset(p);
    else this.family.rejectIcmp(p, this.type, this.code);
    return NF_DROP;
  }
}

/** Writes the reset that answers the segment `p` into `skb`, which is empty (RFC 9293 §3.10.7.1). */
export function resetFor(p: NfPacket, skb: SkBuff): void {
  const { buf } = p.skb;
  const th = skb.put(TCP_HLEN_MIN);
  skb.th = th;
  let seq = 0;
  let ack = 0;
  let flags: number = TCP_FLAG_RST;
  if ((p.tcpFlags & TCP_FLAG_ACK) !== 0) {
    seq = get32(buf, p.th + TCP_ACK_SEQ);
  } else {
    flags |= TCP_FLAG_ACK;
    const extra = ((p.tcpFlags & TCP_FLAG_SYN) !== 0 ? 1 : 0) + ((p.tcpFlags & TCP_FLAG_FIN) !== 0 ? 1 : 0);
    ack = (get32(buf, p.th + TCP_SEQ) + p.l4Len - p.tcpHlen + extra) | 0;
  }
  tcpWriteHeader(skb.buf, th, p.dport, p.sport, seq, ack, TCP_HLEN_MIN, flags, 0, 0);
}
