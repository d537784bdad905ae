/**
 * The five hooks: what is asked at each, in Linux's order of priorities.
 *
 *     PREROUTING    (defragment)  raw  conntrack  mangle  nat(dst)
 *     INPUT                                       mangle            filter  nat(src)  confirm
 *     FORWARD                                     mangle            filter
 *     OUTPUT                      raw  conntrack  mangle  nat(dst)  filter
 *     POSTROUTING                                 mangle            nat(src)          confirm
 *
 *   from  ip/input.ts, ip/forward.ts, ip/output.ts   NfHook.run
 *   to    traverse.ts, conntrack.ts, nat-hook.ts     step by step, until one does not accept
 */
import { Drop } from '../../skb/drop-reason.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import type { NfHook } from '../ipv4.ts';
import { conntrackConfirm, conntrackIn } from './conntrack.ts';
import {
  IP_CT_ESTABLISHED, NF_ACCEPT, NF_DROP, NF_HOOK_NAMES, NF_INET_FORWARD, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT, NF_INET_NUMHOOKS,
  NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING,
} from './constants.ts';
import type { NfFamily } from './family.ts';
import { natHook } from './nat-hook.ts';
import type { FamilyTables, Netfilter } from './netfilter.ts';
import { type NfPacket, nfPacketRead } from './packet.ts';
import type { Chain } from './rule.ts';
import { runChain } from './traverse.ts';

/** What is asked at a hook. */
const STEP_TABLE = 0;
const STEP_CONNTRACK = 1;
const STEP_NAT = 2;
const STEP_CONFIRM = 3;

interface Step {
  readonly what: number;
  /** Of STEP_TABLE and STEP_NAT. */
  readonly chain: Chain | null;
}

class HookRun implements NfHook {
  private readonly nf: Netfilter;
  private readonly family: NfFamily;
  private readonly hook: number;
  private readonly steps: readonly Step[];

  constructor(nf: Netfilter, family: NfFamily, hook: number, steps: readonly Step[]) {
    this.nf = nf;
    this.family = family;
    this.hook = hook;
    this.steps = steps;
  }

  run(skb: SkBuff, from: NetDevice | null, to: NetDevice | null): boolean {
    const { nf, hook } = this;
    const p = nf.take();
    if (p === null) {
      nf.net.drop(skb, Drop.NetfilterDrop);
      return false;
    }
    p.hook = hook;
    p.in = from;
    p.out = to;
    if (!nfPacketRead(p, skb)) p.th = -1;
    if (skb.trace !== 0) nf.net.trace(skb, 'nfHookSlow', NF_HOOK_NAMES[hook]);
    const verdict = this.ask(p);
    nf.give();
    if (verdict === NF_ACCEPT) {
      // Delivered: whoever answers with this skb begins anew (Linux: nf_reset_ct).
      if (hook === NF_INET_LOCAL_IN) {
        skb.nfct = null;
        skb.nfctInfo = IP_CT_ESTABLISHED;
      }
      return true;
    }
    return false;
  }

  private ask(p: NfPacket): number {
    const { nf, steps } = this;
    for (let i = 0; i < steps.length; i++) {
      const { what, chain } = steps[i]!;
      let verdict: number;
      let reason: Drop = Drop.NetfilterDrop;
      if (what === STEP_TABLE) {
        verdict = runChain(chain!, p, nf.stack);
      } else if (what === STEP_CONNTRACK) {
        verdict = conntrackIn(nf.conntrack, p);
        if (verdict === NF_DROP) {
          reason = Drop.NfConntrackFull;
          nf.log.writeLimited('nf_conntrack: nf_conntrack: table full, dropping packet');
        }
      } else if (what === STEP_NAT) {
        verdict = natHook(nf, this.family, chain, p);
      } else {
        verdict = conntrackConfirm(nf.conntrack, p.skb);
      }
      if (verdict === NF_ACCEPT) continue;
      if (verdict === NF_DROP) nf.net.drop(p.skb, reason);
      return verdict;
    }
    return NF_ACCEPT;
  }
}

/** Puts what is in use now into the slots of all families. */
export function netfilterUpdate(nf: Netfilter): void {
  for (const tables of nf.families) {
    for (let hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
      const steps = stepsAt(nf, tables, hook);
      tables.family.setHook(hook, steps.length === 0 ? null : new HookRun(nf, tables.family, hook, steps));
    }
    tables.family.setDefrag(nf.conntrack.on);
  }
}

function stepsAt(nf: Netfilter, tables: FamilyTables, hook: number): Step[] {
  const steps: Step[] = [];
  const table = (name: string): void => {
    const found = tables.tables.get(name)!;
    const chain = found.byHook[hook]!;
    if (found.used && chain !== null) steps.push({ what: STEP_TABLE, chain });
  };
  const natTable = tables.tables.get('nat')!;
  const nat = (): void => {
    if (!nf.conntrack.on || (!natTable.used && nf.devices.length === 0)) return;
    steps.push({ what: STEP_NAT, chain: natTable.used ? natTable.byHook[hook]! : null });
  };
  const tracked = (what: number): void => {
    if (nf.conntrack.on) steps.push({ what, chain: null });
  };
  if (hook === NF_INET_PRE_ROUTING || hook === NF_INET_LOCAL_OUT) {
    table('raw');
    tracked(STEP_CONNTRACK);
    table('mangle');
    nat();
    if (hook === NF_INET_LOCAL_OUT) table('filter');
  } else {
    table('mangle');
    if (hook !== NF_INET_POST_ROUTING) table('filter');
    if (hook !== NF_INET_FORWARD) {
      nat();
      tracked(STEP_CONFIRM);
    }
  }
  return steps;
}
