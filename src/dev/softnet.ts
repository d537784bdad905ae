/**
 * The softirq side of a host's devices (Linux: struct softnet_data, net_rx_action, net_tx_action).
 *
 *   from  dev/napi.ts            napiSchedule: a card has packets
 *         dev/loopback.ts        netifRx: a packet that needs no card waits in the backlog
 *         dev/sched/generic.ts   netifSchedule: a queueing discipline wants to go on
 *   to    Napi.poll              the drivers; the backlog's own is below
 *         dev/receive.ts         netifReceiveSkb
 *
 * One round of reception handles at most `netdev_budget` packets and lasts at most `netdev_budget_usecs`; what is left is
 * put off to the next round, counted as a time squeeze, so that reception cannot starve everything else.
 */
import { Drop } from '../skb/drop-reason.ts';
import { SkBuffHead } from '../skb/queue.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { NET_RX_SOFTIRQ, NET_TX_SOFTIRQ } from '../time/cpu.ts';
import { Napi, napiCompleteDone, napiSchedule } from './napi.ts';
import type { NetDevice } from './net-device.ts';
import type { Net } from './net.ts';
import type { Qdisc } from './qdisc.ts';
import { netifReceiveSkb } from './receive.ts';
import { qdiscRun } from './sched/generic.ts';

/** `/proc/net/softnet_stat`. */
export class SoftnetStats {
  processed = 0;
  dropped = 0;
  timeSqueeze = 0;
}

export class Softnet {
  readonly net: Net;
  readonly stats: SoftnetStats = new SoftnetStats();
  /** Packets of netifRx on their way to the protocols. */
  readonly inputQueue: SkBuffHead = new SkBuffHead();
  private readonly backlog: BacklogNapi;
  /** In netRxAction, which looks at the list again by itself. */
  private receiving = false;
  private firstPoll: Napi | null = null;
  private lastPoll: Napi | null = null;
  private firstQdisc: Qdisc | null = null;
  private lastQdisc: Qdisc | null = null;

  /** Opens NET_RX and NET_TX on the host's processor. One per Net; boot stores it there. */
  constructor(net: Net) {
    this.net = net;
    this.backlog = new BacklogNapi(net, this.inputQueue);
    net.cpu.openSoftirq(NET_RX_SOFTIRQ, () => {
      this.netRxAction();
    });
    net.cpu.openSoftirq(NET_TX_SOFTIRQ, () => {
      this.netTxAction();
    });
  }

  /** Puts a Napi at the end of the poll list. Called by napiSchedule. */
  addPoll(napi: Napi): void {
    napi.next = null;
    if (this.lastPoll === null) this.firstPoll = napi;
    else this.lastPoll.next = napi;
    this.lastPoll = napi;
    if (!this.receiving) this.net.cpu.raiseSoftirq(NET_RX_SOFTIRQ);
  }

  /** Lines up a queueing discipline for the next NET_TX round (Linux: __netif_schedule). */
  addQdisc(q: Qdisc): void {
    if (q.scheduled) return;
    q.scheduled = true;
    q.nextScheduled = null;
    if (this.lastQdisc === null) this.firstQdisc = q;
    else this.lastQdisc.nextScheduled = q;
    this.lastQdisc = q;
    this.net.cpu.raiseSoftirq(NET_TX_SOFTIRQ);
  }

  /** Takes a packet into the backlog, or drops it when `netdev_max_backlog` wait already. */
  enqueueToBacklog(skb: SkBuff): void {
    const { net, inputQueue } = this;
    if (inputQueue.qlen > net.sysctl.netdevMaxBacklog) {
      this.stats.dropped++;
      (skb.dev as NetDevice).stats.rxDropped++;
      net.drop(skb, Drop.CpuBacklog);
      return;
    }
    if (skb.trace !== 0) net.trace(skb, 'enqueueToBacklog', `${String(inputQueue.qlen)} waiting`);
    inputQueue.pushTail(skb);
    if (!this.backlog.scheduled) napiSchedule(this.backlog);
  }

  /** Ends what waits on its way to the protocols: the host has halted. */
  purge(): void {
    for (let skb = this.inputQueue.popHead(); skb !== null; skb = this.inputQueue.popHead()) this.net.drop(skb, Drop.Purged);
    this.backlog.gro.purge();
  }

  private netRxAction(): void {
    const { net, stats } = this;
    const { cpu } = net;
    const until = cpu.now + net.sysctl.netdevBudgetUsecs * 1000;
    let budget = net.sysctl.netdevBudget;
    this.receiving = true;
    for (;;) {
      const napi = this.firstPoll;
      if (napi === null) break;
      this.firstPoll = napi.next;
      if (napi.next === null) this.lastPoll = null;
      napi.next = null;
      const work = napi.poll(napi.weight);
      stats.processed += work;
      if (work >= napi.weight) this.addPoll(napi);
      budget -= work;
      if (budget <= 0 || cpu.now >= until) break;
    }
    this.receiving = false;
    if (this.firstPoll === null) return;
    stats.timeSqueeze++;
    cpu.raiseSoftirq(NET_RX_SOFTIRQ);
  }

  private netTxAction(): void {
    let q = this.firstQdisc;
    this.firstQdisc = null;
    this.lastQdisc = null;
    while (q !== null) {
      const next: Qdisc | null = q.nextScheduled;
      q.scheduled = false;
      q.nextScheduled = null;
      qdiscRun(q);
      q = next;
    }
  }
}

/** Hands a packet to the protocols without a card: it waits in the backlog for the next softirq. Takes the skb. */
export function netifRx(skb: SkBuff): void {
  (skb.dev as NetDevice).net.softnet!.enqueueToBacklog(skb);
}

/** The backlog as a device without a card (Linux: process_backlog). */
class BacklogNapi extends Napi {
  private readonly queue: SkBuffHead;

  constructor(net: Net, queue: SkBuffHead) {
    super(net);
    this.queue = queue;
  }

  poll(budget: number): number {
    const { cpu } = this.net;
    let work = 0;
    while (work < budget) {
      const skb = this.queue.popHead();
      if (skb === null) {
        napiCompleteDone(this);
        break;
      }
      cpu.charge(cpu.costs.softirqPacketNs);
      if (skb.trace !== 0) this.net.trace(skb, 'processBacklog', `${String(this.queue.qlen)} more`);
      netifReceiveSkb(skb);
      work++;
    }
    return work;
  }
}
