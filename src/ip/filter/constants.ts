/** Netfilter's numbers: hooks, verdicts, states and status bits. The values are Linux's where anybody could see them. */

/** The five places where packets are looked at. */
export const NF_INET_PRE_ROUTING = 0;
export const NF_INET_LOCAL_IN = 1;
export const NF_INET_FORWARD = 2;
export const NF_INET_LOCAL_OUT = 3;
export const NF_INET_POST_ROUTING = 4;
export const NF_INET_NUMHOOKS = 5;
/** Their chains, by number. */
export const NF_HOOK_NAMES: readonly string[] = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'];

/** The built-in chains, by hook. */
export const HOOK_CHAINS: readonly string[] = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'];

/** What a hook decides. NF_STOLEN: the packet has gone another way. */
export const NF_DROP = 0;
export const NF_ACCEPT = 1;
export const NF_STOLEN = 2;
/** Of a target: look at the next rule; go back to the chain that called. */
export const XT_CONTINUE = -1;
export const XT_RETURN = -2;

/** What a packet is to its connection (`skb.nfctInfo`). From IP_CT_IS_REPLY on it goes in the reply direction. */
export const IP_CT_ESTABLISHED = 0;
export const IP_CT_RELATED = 1;
export const IP_CT_NEW = 2;
export const IP_CT_IS_REPLY = 3;
export const IP_CT_ESTABLISHED_REPLY = 3;
export const IP_CT_RELATED_REPLY = 4;
export const IP_CT_UNTRACKED = 7;

/** The two directions of a connection. */
export const IP_CT_DIR_ORIGINAL = 0;
export const IP_CT_DIR_REPLY = 1;

/** Status bits of a connection. */
export const IPS_EXPECTED = 0x1;
export const IPS_SEEN_REPLY = 0x2;
export const IPS_ASSURED = 0x4;
export const IPS_CONFIRMED = 0x8;
export const IPS_SRC_NAT = 0x10;
export const IPS_DST_NAT = 0x20;
export const IPS_NAT_MASK: number = IPS_SRC_NAT | IPS_DST_NAT;
export const IPS_SRC_NAT_DONE = 0x80;
export const IPS_DST_NAT_DONE = 0x100;
export const IPS_NAT_DONE_MASK: number = IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE;
export const IPS_DYING = 0x200;

/** Which end of a tuple NAT rewrites. */
export const NF_NAT_MANIP_SRC = 0;
export const NF_NAT_MANIP_DST = 1;

/** Source addresses are rewritten on the way out and to ourselves, destinations on the way in and from ourselves. */
export function hook2manip(hook: number): number {
  return hook === NF_INET_POST_ROUTING || hook === NF_INET_LOCAL_IN ? NF_NAT_MANIP_SRC : NF_NAT_MANIP_DST;
}

/** What may be asked of a NAT range. */
export const NF_NAT_RANGE_MAP_IPS = 1;
export const NF_NAT_RANGE_PROTO_SPECIFIED = 2;
export const NF_NAT_RANGE_PROTO_RANDOM = 4;
export const NF_NAT_RANGE_PERSISTENT = 8;
export const NF_NAT_RANGE_PROTO_RANDOM_FULLY = 16;
export const NF_NAT_RANGE_PROTO_RANDOM_ALL: number = NF_NAT_RANGE_PROTO_RANDOM | NF_NAT_RANGE_PROTO_RANDOM_FULLY;
/** Ports keep their distance: the first of the range stands for `base` (DNAT --to :1000-2000/5000). */
export const NF_NAT_RANGE_PROTO_OFFSET = 32;

/** Connection states that rules ask for. */
export const XT_CONNTRACK_STATE_INVALID = 1;
export const XT_CONNTRACK_STATE_ESTABLISHED = 2;
export const XT_CONNTRACK_STATE_RELATED = 4;
export const XT_CONNTRACK_STATE_NEW = 8;
export const XT_CONNTRACK_STATE_SNAT = 16;
export const XT_CONNTRACK_STATE_DNAT = 32;
export const XT_CONNTRACK_STATE_UNTRACKED = 64;
