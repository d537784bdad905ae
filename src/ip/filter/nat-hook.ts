/**
 * NAT at a hook: the first packet of a connection asks the nat table what it becomes; every packet is rewritten accordingly
 * (Linux: nf_nat_inet_fn).
 *
 *   from  ip/filter/hooks.ts        natHook
 *   to    ip/filter/nat.ts          natSetupInfo
 *         ip/filter/nat-manip.ts    natPacket, natIcmpError
 */
import type { NfConn } from './conn.ts';
import { conntrackKill } from './conntrack-table.ts';
import {
  hook2manip, IP_CT_IS_REPLY, IP_CT_NEW, IP_CT_RELATED, IP_CT_RELATED_REPLY, IPS_CONFIRMED, NF_ACCEPT, NF_DROP, NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING,
} from './constants.ts';
import type { NfFamily } from './family.ts';
import { natInitialized, natSetupInfo } from './nat.ts';
import { natDevices } from './nat-device.ts';
import { isIcmpError, natIcmpError, natPacket } from './nat-manip.ts';
import type { Netfilter } from './netfilter.ts';
import type { NfPacket } from './packet.ts';
import type { Chain } from './rule.ts';
import { runChain } from './traverse.ts';

/** Decides what the connection becomes, if nobody has yet, and rewrites the packet. `chain` null: there is no nat table. */
export function natHook(nf: Netfilter, family: NfFamily, chain: Chain | null, p: NfPacket): number {
  const { skb } = p;
  const ct = skb.nfct as NfConn | null;
  if (ct === null) return NF_ACCEPT;
  const info = skb.nfctInfo;
  const related = info === IP_CT_RELATED || info === IP_CT_RELATED_REPLY;
  const { d0, d1, d2, d3 } = p;
  if (related && isIcmpError(p)) {
    natIcmpError(ct, p, nf.target);
  } else {
    if (info === IP_CT_NEW && !natInitialized(ct, hook2manip(p.hook)) && (ct.status & IPS_CONFIRMED) === 0) {
      const verdict = decide(nf, chain, p, ct);
      if (verdict !== NF_ACCEPT) return verdict;
    }
    if (ct.masqIndex !== 0 && p.hook === NF_INET_POST_ROUTING && info < IP_CT_IS_REPLY && p.out?.ifindex !== ct.masqIndex) {
      // It has another way out now, where its borrowed address means nothing.
      conntrackKill(nf.conntrack, ct);
      return NF_DROP;
    }
    natPacket(ct, p, nf.target);
  }
  if (p.d0 === d0 && p.d1 === d1 && p.d2 === d2 && p.d3 === d3) return NF_ACCEPT;
  if (p.hook === NF_INET_PRE_ROUTING) skb.dst = null;
  else if (p.hook === NF_INET_LOCAL_OUT && !family.reroute(p)) return NF_DROP;
  return NF_ACCEPT;
}

function decide(nf: Netfilter, chain: Chain | null, p: NfPacket, ct: NfConn): number {
  const manip = hook2manip(p.hook);
  if (nf.devices.length > 0) {
    const verdict = natDevices(nf, p, ct);
    if (verdict !== NF_ACCEPT || natInitialized(ct, manip)) return verdict;
  }
  if (chain !== null) {
    const verdict = runChain(chain, p, nf.stack);
    if (verdict !== NF_ACCEPT || natInitialized(ct, manip)) return verdict;
  }
  return natSetupInfo(nf.nat, ct, null, manip);
}
