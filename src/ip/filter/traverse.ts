/**
 * Asking a chain (Linux: ipt_do_table): rule by rule, into chains of the user's and back, until somebody decides.
 *
 *   from  ip/filter/hooks.ts    runChain
 *   to    match.ts, target.ts   what a rule asks and does
 */
import type { NetDevice } from '../../dev/net-device.ts';
import { NF_ACCEPT, NF_DROP, XT_CONTINUE, XT_RETURN } from './constants.ts';
import { NF_JUMPS_MAX, type Chain, type Rule, type RuleHead } from './rule.ts';
import type { NfPacket } from './packet.ts';

/** Where to go on after a chain of the user's. One per host: hooks nest only where a packet's fate is sealed already. */
export class JumpStack {
  readonly chains: (Chain | null)[] = new Array<Chain | null>(NF_JUMPS_MAX * 2).fill(null);
  readonly places: Int32Array = new Int32Array(NF_JUMPS_MAX * 2);
  depth = 0;
}

/** What the chain decides about the packet: NF_ACCEPT, NF_DROP or NF_STOLEN. */
export function runChain(base: Chain, p: NfPacket, stack: JumpStack): number {
  const bottom = stack.depth;
  let chain = base;
  let place = 0;
  let verdict: number = XT_CONTINUE;
  while (verdict === XT_CONTINUE) {
    if (place >= chain.rules.length) {
      if (stack.depth === bottom) {
        verdict = policy(base, p);
        break;
      }
      stack.depth--;
      chain = stack.chains[stack.depth]!;
      place = stack.places[stack.depth]!;
      continue;
    }
    const rule = chain.rules[place++]!;
    if (!ruleMatches(rule, p)) continue;
    rule.packets += p.skb.gsoSegs > 1 ? p.skb.gsoSegs : 1;
    rule.bytes += p.skb.len;
    if (rule.jump !== null) {
      if (!rule.goto) {
        if (stack.depth - bottom >= NF_JUMPS_MAX || stack.depth >= stack.places.length) {
          verdict = NF_DROP; // the check for loops keeps it from coming to this
          break;
        }
        stack.chains[stack.depth] = chain;
        stack.places[stack.depth] = place;
        stack.depth++;
      }
      chain = rule.jump;
      place = 0;
      continue;
    }
    if (rule.target === null) continue;
    verdict = rule.target.run(p);
    if (verdict === XT_RETURN) {
      verdict = XT_CONTINUE;
      place = chain.rules.length;
    }
  }
  stack.depth = bottom;
  return verdict;
}

function policy(chain: Chain, p: NfPacket): number {
  chain.packets += p.skb.gsoSegs > 1 ? p.skb.gsoSegs : 1;
  chain.bytes += p.skb.len;
  return chain.policy === NF_ACCEPT ? NF_ACCEPT : NF_DROP;
}

function ruleMatches(rule: Rule, p: NfPacket): boolean {
  if (!headMatches(rule.head, p)) return false;
  const { matches } = rule;
  for (let i = 0; i < matches.length; i++) if (!matches[i]!.match(p)) return false;
  return true;
}

function headMatches(h: RuleHead, p: NfPacket): boolean {
  if (!h.anySrc && addressMatches(p.s0, p.s1, p.s2, p.s3, h.src, h.srcMask, p.version) === h.notSrc) return false;
  if (!h.anyDst && addressMatches(p.d0, p.d1, p.d2, p.d3, h.dst, h.dstMask, p.version) === h.notDst) return false;
  if (h.in !== '' && deviceMatches(p.in, h.in, h.inPlus) === h.notIn) return false;
  if (h.out !== '' && deviceMatches(p.out, h.out, h.outPlus) === h.notOut) return false;
  if (h.proto !== 0 && (p.proto === h.proto) === h.notProto) return false;
  return h.fragment === 0 || (p.fragOff !== 0) === (h.fragment === 1);
}

function addressMatches(a: number, b: number, c: number, d: number, addr: Int32Array, mask: Int32Array, version: number): boolean {
  if ((a & mask[0]!) !== addr[0]!) return false;
  return version === 4 || ((b & mask[1]!) === addr[1]! && (c & mask[2]!) === addr[2]! && (d & mask[3]!) === addr[3]!);
}

function deviceMatches(dev: NetDevice | null, name: string, plus: boolean): boolean {
  if (dev === null) return plus && name === '+';
  if (!plus) return dev.name === name;
  return dev.name.startsWith(name.slice(0, -1));
}
