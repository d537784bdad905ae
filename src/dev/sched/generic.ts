/**
 * Running a queueing discipline (Linux: sch_generic.c).
 *
 *   from  dev/xmit.ts      a packet was put in line
 *         dev/softnet.ts   NET_TX: the driver woke its queue, or the last run used up its quota
 *   to    dev/xmit.ts      devHardStartXmit, until the line is empty or the driver stops its queue
 */
import type { SkBuff } from '../../skb/sk-buff.ts';
import { NETDEV_TX_OK, type NetDevice } from '../net-device.ts';
import { qdiscPktLen, type Qdisc } from '../qdisc.ts';
import { devHardStartXmit, needsWork, qdiscNote, validateXmitSkb } from '../xmit.ts';

/** Packets that one run sends before it gives way (Linux: dev_tx_weight). */
const DEV_TX_WEIGHT = 64;

/** Lets a discipline go on in the next NET_TX softirq. */
export function netifSchedule(q: Qdisc): void {
  q.dev.net.softnet!.addQdisc(q);
}

/** Sends what waits, as long as the driver takes it and the quota lasts. */
export function qdiscRun(q: Qdisc): void {
  const { dev } = q;
  if (q.running) return;
  q.running = true;
  let quota = DEV_TX_WEIGHT;
  while (!dev.queueStopped && dev.carrier) {
    const skb = takeNext(q);
    if (skb === null) break;
    if (!schDirectXmit(skb, q, dev)) break;
    if (--quota === 0) {
      if (q.qlen > 0) netifSchedule(q);
      break;
    }
  }
  q.running = false;
}

/** What was put back goes first. */
function takeNext(q: Qdisc): SkBuff | null {
  const skb = q.requeued.popHead();
  if (skb === null) {
    const next = q.dequeue();
    if (next === null) return null;
    qdiscCount(next, q);
    if (next.trace !== 0) q.dev.net.trace(next, 'dequeueSkb', qdiscNote(q));
    return next;
  }
  q.qlen--;
  q.backlog -= qdiscPktLen(skb);
  return skb;
}

/** Sends one packet past the line. False when the driver was busy and it was put back. Takes the skb. */
export function schDirectXmit(skb: SkBuff, q: Qdisc, dev: NetDevice): boolean {
  if (needsWork(skb, dev)) {
    // Cut or completed, the parts wait as if put back: a busy driver can then stop in the middle of them.
    // Nothing else was put back, or it would have been its turn.
    validateXmitSkb(skb, dev, q.requeued);
    for (let part = q.requeued.head; part !== null; part = part.next) count(part, q);
    return true;
  }
  if (!dev.queueStopped && devHardStartXmit(skb, dev) === NETDEV_TX_OK) return true;
  if (skb.trace !== 0) dev.net.trace(skb, 'devRequeueSkb', `${dev.name}: the driver is busy`);
  q.requeued.pushHead(skb);
  q.requeues++;
  count(skb, q);
  return false;
}

function count(skb: SkBuff, q: Qdisc): void {
  q.qlen++;
  q.backlog += qdiscPktLen(skb);
}

/** Counts a packet that the discipline gave: a super-packet as its segments (Linux: bstats_update). */
export function qdiscCount(skb: SkBuff, q: Qdisc): void {
  q.packets += skb.gsoSize === 0 ? 1 : Math.max(1, skb.gsoSegs);
  q.bytes += qdiscPktLen(skb);
}
