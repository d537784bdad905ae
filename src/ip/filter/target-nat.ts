/**
 * SNAT, DNAT, MASQUERADE, REDIRECT: what a connection becomes on its other side. Asked once per connection, with its first
 * packet.
 */
import type { NfConn } from './conn.ts';
import {
  hook2manip, NF_ACCEPT, NF_DROP, NF_INET_LOCAL_OUT, NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC, NF_NAT_RANGE_MAP_IPS,
} from './constants.ts';
import type { NfFamily } from './family.ts';
import { type Nat, natSetupInfo } from './nat.ts';
import { NatRange } from './nat-range.ts';
import type { NfPacket } from './packet.ts';
import { INADDR_LOOPBACK } from '../../lib/addr.ts';

export type NatTargetName = 'SNAT' | 'DNAT' | 'MASQUERADE' | 'REDIRECT';

export class NatTarget {
  readonly name: NatTargetName;
  readonly range: NatRange;
  private readonly nat: Nat;
  private readonly family: NfFamily;
  /** Scratch: the range with the address that was looked up. */
  private readonly found: NatRange = new NatRange();

  constructor(name: NatTargetName, range: NatRange, nat: Nat, family: NfFamily) {
    this.name = name;
    this.range = range;
    this.nat = nat;
    this.family = family;
  }

  run(p: NfPacket): number {
    const ct = p.skb.nfct as NfConn | null;
    if (ct === null) return NF_ACCEPT;
    const manip = hook2manip(p.hook);
    switch (this.name) {
      case 'SNAT': return natSetupInfo(this.nat, ct, this.range, NF_NAT_MANIP_SRC);
      case 'DNAT': return natSetupInfo(this.nat, ct, this.range, NF_NAT_MANIP_DST);
      case 'MASQUERADE': return this.masquerade(p, ct);
      case 'REDIRECT': return this.redirect(p, ct, manip);
    }
  }

  /** The source becomes the address that this host itself would use by that device. */
  private masquerade(p: NfPacket, ct: NfConn): number {
    // A host that does not know its address yet speaks as nobody (DHCP).
    if ((p.s0 | p.s1 | p.s2 | p.s3) === 0) return NF_ACCEPT;
    const { found, range } = this;
    if (p.out === null || !this.family.sourceAddress(p, p.out, found.minAddr)) return NF_DROP;
    found.maxAddr.set(found.minAddr);
    found.flags = range.flags | NF_NAT_RANGE_MAP_IPS;
    found.minProto = range.minProto;
    found.maxProto = range.maxProto;
    ct.masqIndex = p.out.ifindex;
    return natSetupInfo(this.nat, ct, found, NF_NAT_MANIP_SRC);
  }

  /** The destination becomes this host: the address of the device it came in by, or the loopback address. */
  private redirect(p: NfPacket, ct: NfConn, manip: number): number {
    const { found, range } = this;
    if (p.hook === NF_INET_LOCAL_OUT) {
      found.minAddr.fill(0);
      if (p.version === 4) found.minAddr[0] = INADDR_LOOPBACK;
      else found.minAddr[3] = 1;
    } else if (p.in === null || !this.family.deviceAddress(p.in, found.minAddr)) {
      return NF_DROP;
    }
    found.maxAddr.set(found.minAddr);
    found.flags = range.flags | NF_NAT_RANGE_MAP_IPS;
    found.minProto = range.minProto;
    found.maxProto = range.maxProto;
    return natSetupInfo(this.nat, ct, found, manip);
  }
}
