/**
 * What a rule does with a packet: one class per target, each with what it was told. `run` answers a verdict, or XT_CONTINUE.
 * NAT, REJECT, LOG and TCPMSS have files of their own.
 */
import { get16, get8, put8, put16 } from '../../lib/bytes.ts';
import { csumReplace2 } from '../../lib/checksum.ts';
import { IPV4_CHECK, IPV4_PROTOCOL, IPV4_TOS, IPV4_TTL } from '../../wire/ipv4.ts';
import type { NfConn } from './conn.ts';
import { IP_CT_UNTRACKED, NF_ACCEPT, NF_DROP, XT_CONTINUE, XT_RETURN } from './constants.ts';
import type { NfPacket } from './packet.ts';
import type { LogTarget } from './target-log.ts';
import type { NatTarget } from './target-nat.ts';
import type { RejectTarget } from './target-reject.ts';
import type { TcpmssTarget } from './target-tcpmss.ts';

/** ACCEPT, DROP, RETURN. */
export class StandardTarget {
  readonly name: 'ACCEPT' | 'DROP' | 'RETURN';
  private readonly verdict: number;

  constructor(name: 'ACCEPT' | 'DROP' | 'RETURN') {
    this.name = name;
    this.verdict = { ACCEPT: NF_ACCEPT, DROP: NF_DROP, RETURN: XT_RETURN }[name];
  }

  run(_p: NfPacket): number {
    return this.verdict;
  }
}

/** MARK: `mark = (mark & ~mask) ^ value`. All of iptables' forms come to that. */
export class MarkTarget {
  readonly name = 'MARK';
  readonly value: number;
  readonly mask: number;

  constructor(value: number, mask: number) {
    this.value = value;
    this.mask = mask;
  }

  run(p: NfPacket): number {
    p.skb.mark = (p.skb.mark & ~this.mask) ^ this.value;
    return XT_CONTINUE;
  }
}

/** CONNMARK: the connection's mark is set, or saved from the packet's, or restored to it. */
export class ConnmarkTarget {
  readonly name = 'CONNMARK';
  readonly mode: 'set' | 'save' | 'restore';
  readonly value: number;
  readonly ctmask: number;
  readonly nfmask: number;

  constructor(mode: 'set' | 'save' | 'restore', value: number, ctmask: number, nfmask: number) {
    this.mode = mode;
    this.value = value;
    this.ctmask = ctmask;
    this.nfmask = nfmask;
  }

  run(p: NfPacket): number {
    const { skb } = p;
    const ct = skb.nfct as NfConn | null;
    if (ct === null) return XT_CONTINUE;
    if (this.mode === 'set') ct.mark = (ct.mark & ~this.ctmask) ^ this.value;
    else if (this.mode === 'save') ct.mark = (ct.mark & ~this.ctmask) ^ (skb.mark & this.nfmask);
    else skb.mark = (skb.mark & ~this.nfmask) ^ (ct.mark & this.ctmask);
    return XT_CONTINUE;
  }
}

/** NOTRACK and CT --notrack: conntrack leaves the packet alone. */
export class NotrackTarget {
  readonly name: 'NOTRACK' | 'CT';

  constructor(name: 'NOTRACK' | 'CT') {
    this.name = name;
  }

  run(p: NfPacket): number {
    if (p.skb.nfct === null) p.skb.nfctInfo = IP_CT_UNTRACKED;
    return XT_CONTINUE;
  }
}

/** TTL (and HL of IPv6): set, inc or dec. */
export class TtlTarget {
  readonly name: 'TTL' | 'HL';
  readonly mode: 'set' | 'inc' | 'dec';
  readonly value: number;

  constructor(name: 'TTL' | 'HL', mode: 'set' | 'inc' | 'dec', value: number) {
    this.name = name;
    this.mode = mode;
    this.value = value;
  }

  run(p: NfPacket): number {
    const { buf } = p.skb;
    const at = p.nh + (p.version === 4 ? IPV4_TTL : 7);
    const old = get8(buf, at);
    const next = this.mode === 'set' ? this.value : this.mode === 'inc' ? Math.min(255, old + this.value) : Math.max(0, old - this.value);
    if (p.version === 4) {
      const proto = get8(buf, p.nh + IPV4_PROTOCOL);
      replaceCheck(p, (old << 8) | proto, (next << 8) | proto);
    }
    put8(buf, at, next);
    p.ttl = next;
    return XT_CONTINUE;
  }
}

/** DSCP: six bits of the TOS byte. TOS: those that a mask names. Both: `tos = (tos & ~mask) ^ value`. */
export class TosTarget {
  readonly name: 'DSCP' | 'TOS';
  readonly value: number;
  readonly mask: number;

  constructor(name: 'DSCP' | 'TOS', value: number, mask: number) {
    this.name = name;
    this.value = value;
    this.mask = mask;
  }

  run(p: NfPacket): number {
    const { buf } = p.skb;
    const next = (p.tos & ~this.mask) ^ this.value;
    if (p.version === 4) {
      const first = get8(buf, p.nh);
      replaceCheck(p, (first << 8) | p.tos, (first << 8) | next);
      put8(buf, p.nh + IPV4_TOS, next);
    } else {
      put16(buf, p.nh, (get16(buf, p.nh) & 0xf00f) | (next << 4));
    }
    p.tos = next;
    return XT_CONTINUE;
  }
}

function replaceCheck(p: NfPacket, from: number, to: number): void {
  const { buf } = p.skb;
  put16(buf, p.nh + IPV4_CHECK, csumReplace2(get16(buf, p.nh + IPV4_CHECK), from, to));
}

export type NfTarget =
  | StandardTarget | MarkTarget | ConnmarkTarget | NotrackTarget | TtlTarget | TosTarget | LogTarget | RejectTarget | NatTarget
  | TcpmssTarget;

/** Does the target work on connections? Then conntrack has to be on. */
export function targetNeedsConntrack(t: NfTarget): boolean {
  return t.name === 'CONNMARK' || t.name === 'SNAT' || t.name === 'DNAT' || t.name === 'MASQUERADE' || t.name === 'REDIRECT'
    || t.name === 'NOTRACK' || t.name === 'CT';
}
