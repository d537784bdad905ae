/**
 * fq_codel (RFC 8290): flows take turns by bytes, and CoDel looks after each of them (Linux: sch_fq_codel.c).
 *
 *     packet → hash → flow ──► new flows  ─┐ first: a flow that was empty gets one quantum ahead of the others
 *                              old flows  ─┴ round robin, `quantum` bytes a turn (deficit round robin)
 *
 * A flow is a list of packets that exists from its first packet on. When the limits are reached, the fattest flow loses up to
 * half of what it has, at most `dropBatch` packets.
 */
import { parseInteger, parseSize, type Size } from '../../lib/units.ts';
import { Drop } from '../../skb/drop-reason.ts';
import { SkBuffHead } from '../../skb/queue.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { ETH_HLEN } from '../../wire/ethernet.ts';
import type { NetDevice } from '../net-device.ts';
import { NET_XMIT_CN, NET_XMIT_SUCCESS, Qdisc, qdiscPktLen } from '../qdisc.ts';
import { CodelParams, CodelStats, CodelVars, codelDequeue, type CodelLawOptions, type CodelQueue } from './codel-law.ts';
import { reciprocalScale, skbFlowHash } from './flow-hash.ts';

export interface FqCodelOptions extends CodelLawOptions {
  /** Packets, all flows together. Default 10240. */
  readonly limit?: number;
  /** Places of the hash table, 1 to 65536; only when it is made. Default 1024. */
  readonly flows?: number;
  /** Bytes of a turn. Default: one full packet. */
  readonly quantum?: Size;
  /** Memory of all that waits. Default 32 MiB. */
  readonly memoryLimit?: Size;
  /** Most packets that the fattest flow loses at once. Default 64. */
  readonly dropBatch?: number;
}

/** The list that a flow is in. */
const IDLE = 0;
const NEW = 1;
const OLD = 2;

/** One flow: its packets, its turn, what CoDel remembers of it. */
export class FqCodelFlow implements CodelQueue {
  readonly owner: FqCodel;
  readonly params: CodelParams;
  readonly stats: CodelStats;
  readonly vars: CodelVars = new CodelVars();
  readonly queue: SkBuffHead = new SkBuffHead();
  backlog = 0;
  deficit = 0;
  place: number = IDLE;
  next: FqCodelFlow | null = null;

  constructor(owner: FqCodel) {
    this.owner = owner;
    this.params = owner.params;
    this.stats = owner.stats;
  }

  codelBacklog(): number {
    return this.owner.backlog;
  }

  codelNext(): SkBuff | null {
    const skb = this.queue.popHead();
    if (skb === null) return null;
    this.backlog -= qdiscPktLen(skb);
    this.owner.taken(skb);
    return skb;
  }

  codelDrop(skb: SkBuff): void {
    this.owner.ended(skb, Drop.QdiscCongested);
  }
}

/** Flows in line. */
class FlowList {
  head: FqCodelFlow | null = null;
  private tail: FqCodelFlow | null = null;
  private readonly place: number;

  constructor(place: number) {
    this.place = place;
  }

  push(flow: FqCodelFlow): void {
    flow.place = this.place;
    flow.next = null;
    if (this.tail === null) this.head = flow;
    else this.tail.next = flow;
    this.tail = flow;
  }

  pop(): FqCodelFlow {
    const flow = this.head!;
    this.head = flow.next;
    if (this.head === null) this.tail = null;
    flow.next = null;
    flow.place = IDLE;
    return flow;
  }

  /** How many; for statistics. */
  get length(): number {
    let n = 0;
    for (let flow = this.head; flow !== null; flow = flow.next) n++;
    return n;
  }
}

export class FqCodel extends Qdisc {
  override readonly kind = 'fq_codel';
  override readonly canBypass = true;
  limit = 10240;
  quantum: number;
  memoryLimit: number = 32 * 1024 * 1024;
  dropBatch = 64;
  flowsCount = 1024;
  readonly params: CodelParams;
  readonly stats: CodelStats = new CodelStats();
  memoryUsage = 0;
  dropOverlimit = 0;
  dropOvermemory = 0;
  newFlowCount = 0;
  readonly newFlows: FlowList = new FlowList(NEW);
  readonly oldFlows: FlowList = new FlowList(OLD);
  private flows: (FqCodelFlow | null)[];
  private readonly perturb: number;
  private made = false;

  constructor(dev: NetDevice, perturb: number) {
    super(dev);
    this.perturb = perturb;
    this.quantum = dev.mtu + ETH_HLEN;
    this.params = new CodelParams(true, dev.mtu + ETH_HLEN);
    this.flows = new Array<FqCodelFlow | null>(this.flowsCount).fill(null);
  }

  /** Drops what is more than the new limits allow. */
  change(o: FqCodelOptions): void {
    const limit = o.limit === undefined ? this.limit : parseInteger(o.limit, 'limit', 1, 0xffffffff);
    const flows = o.flows === undefined ? this.flowsCount : parseInteger(o.flows, 'flows', 1, 65536);
    if (this.made && flows !== this.flowsCount) throw new RangeError('flows: their number cannot change; make the discipline anew');
    const quantum = o.quantum === undefined ? this.quantum : parseSize(o.quantum, 'quantum');
    const memoryLimit = o.memoryLimit === undefined ? this.memoryLimit : parseSize(o.memoryLimit, 'memoryLimit');
    const dropBatch = o.dropBatch === undefined ? this.dropBatch : parseInteger(o.dropBatch, 'dropBatch', 1, 0xffffffff);
    this.params.change(o);
    this.limit = limit;
    this.quantum = Math.max(256, quantum);
    this.memoryLimit = Math.min(memoryLimit, 2 ** 31);
    this.dropBatch = dropBatch;
    if (!this.made) this.flows = new Array<FqCodelFlow | null>(flows).fill(null);
    this.flowsCount = flows;
    this.made = true;
    while (this.qlen > this.limit || this.memoryUsage > this.memoryLimit) this.dropFattest();
  }

  override enqueue(skb: SkBuff): number {
    const index = reciprocalScale(skbFlowHash(skb, this.perturb), this.flowsCount);
    const flow = this.flows[index] ??= new FqCodelFlow(this);
    skb.cb0 = this.dev.net.cpu.now;
    flow.queue.pushTail(skb);
    flow.backlog += qdiscPktLen(skb);
    this.queued(skb);
    this.memoryUsage += skb.truesize;
    if (flow.place === IDLE) {
      this.newFlows.push(flow);
      this.newFlowCount++;
      flow.deficit = this.quantum;
    }
    const overmemory = this.memoryUsage > this.memoryLimit;
    if (this.qlen <= this.limit && !overmemory) return NET_XMIT_SUCCESS;
    const before = this.qlen;
    const hit = this.dropFattest();
    const gone = before - this.qlen;
    this.dropOverlimit += gone;
    if (overmemory) this.dropOvermemory += gone;
    // The sender of this very flow is told to slow down; the packet itself may well have been kept.
    return hit === flow ? NET_XMIT_CN : NET_XMIT_SUCCESS;
  }

  override dequeue(): SkBuff | null {
    const { newFlows, oldFlows } = this;
    const { now } = this.dev.net.cpu;
    for (;;) {
      const list = newFlows.head === null ? oldFlows : newFlows;
      const flow = list.head;
      if (flow === null) return null;
      if (flow.deficit <= 0) {
        flow.deficit += this.quantum;
        oldFlows.push(list.pop());
        continue;
      }
      const skb = codelDequeue(flow, flow.vars, now);
      if (skb === null) {
        // RFC 8290 §4.2: an empty new flow passes once through the old ones, so that it cannot starve them by coming back.
        list.pop();
        if (list === newFlows && oldFlows.head !== null) oldFlows.push(flow);
        continue;
      }
      flow.deficit -= qdiscPktLen(skb);
      this.sent(skb);
      return skb;
    }
  }

  override get ecnMark(): number {
    return this.stats.ecnMark + this.stats.ceMark;
  }

  override reset(): void {
    this.purge(this.requeued, Drop.Purged);
    while (this.newFlows.head !== null) this.newFlows.pop();
    while (this.oldFlows.head !== null) this.oldFlows.pop();
    for (const flow of this.flows) {
      if (flow === null) continue;
      this.purge(flow.queue, Drop.Purged);
      flow.backlog = 0;
      flow.vars.reset();
    }
    this.memoryUsage = 0;
  }

  /** @internal A packet left its flow. */
  taken(skb: SkBuff): void {
    this.dequeued(skb);
    this.memoryUsage -= skb.truesize;
  }

  /** @internal A packet that was taken is dropped. */
  ended(skb: SkBuff, reason: Drop): void {
    this.dropped(skb, reason);
  }

  /** From the head of the flow with the most bytes: half of them, at most `dropBatch` packets. Returns the flow. */
  private dropFattest(): FqCodelFlow | null {
    let fattest: FqCodelFlow | null = null;
    for (const flow of this.flows) if (flow !== null && (fattest === null || flow.backlog > fattest.backlog)) fattest = flow;
    if (fattest === null) return null;
    const enough = fattest.backlog / 2;
    let bytes = 0;
    for (let i = 0; i < this.dropBatch && bytes < enough; i++) {
      const skb = fattest.codelNext();
      if (skb === null) break;
      bytes += qdiscPktLen(skb);
      fattest.vars.count++;
      this.ended(skb, Drop.QdiscOverlimit);
    }
    return fattest;
  }
}
