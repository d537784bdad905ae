/** What fq keeps of a flow, and the orders in which it keeps flows: lines, and a heap of those that must wait. */
import { SkBuffHead } from '../../skb/queue.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';

/** Where a flow is. */
export const FQ_DETACHED = 0;
export const FQ_IN_LINE = 1;
export const FQ_THROTTLED = 2;

export class FqFlow {
  /** What tells it from others in its bucket. */
  key = 0;
  /** Packets by the time at which they may leave (`cb0`), equal ones in their order. */
  readonly queue: SkBuffHead = new SkBuffHead();
  credit = 0;
  /** By the priority of the packet that found it empty. */
  band = 1;
  timeNextPacket = 0;
  place: number = FQ_DETACHED;
  /** When it became empty, in nanoseconds. */
  age = 0;
  /** The line it is in. */
  next: FqFlow | null = null;
  /** The bucket it is in. */
  nextInBucket: FqFlow | null = null;
  /** Order of becoming throttled: breaks ties. */
  seq = 0;

  reset(): void {
    this.credit = 0;
    this.timeNextPacket = 0;
    this.place = FQ_DETACHED;
    this.age = 0;
    this.next = null;
    this.nextInBucket = null;
  }

  /** Puts a packet where its time is: nearly always at the end. */
  add(skb: SkBuff): void {
    const { queue } = this;
    let behind = queue.tail;
    while (behind !== null && behind.cb0 > skb.cb0) behind = behind.prev;
    if (behind === null) queue.pushHead(skb);
    else if (behind.next === null) queue.pushTail(skb);
    else queue.insertAfter(behind, skb);
  }
}

/** Flows of one band, and its share: `weight` bytes of each round, while others want theirs (Linux: struct fq_perband_flows). */
export class FqBand {
  readonly newFlows: FqList = new FqList();
  readonly oldFlows: FqList = new FqList();
  weight: number;
  credit: number;
  /** Packets that wait, and those that found no room. */
  packets = 0;
  drops = 0;

  constructor(weight: number) {
    this.weight = weight;
    this.credit = weight;
  }

  get empty(): boolean {
    return this.newFlows.head === null && this.oldFlows.head === null;
  }

  clear(): void {
    while (this.newFlows.head !== null) this.newFlows.pop();
    while (this.oldFlows.head !== null) this.oldFlows.pop();
    this.packets = 0;
    this.credit = this.weight;
  }
}

/** Flows in line. */
export class FqList {
  head: FqFlow | null = null;
  private tail: FqFlow | null = null;

  push(flow: FqFlow): void {
    flow.place = FQ_IN_LINE;
    flow.next = null;
    if (this.tail === null) this.head = flow;
    else this.tail.next = flow;
    this.tail = flow;
  }

  pop(): FqFlow {
    const flow = this.head!;
    this.head = flow.next;
    if (this.head === null) this.tail = null;
    flow.next = null;
    return flow;
  }
}

/** Flows whose next packet must wait, the earliest first: a binary heap. */
export class FqHeap {
  private readonly flows: FqFlow[] = [];
  private seq = 0;

  get size(): number {
    return this.flows.length;
  }

  get first(): FqFlow | null {
    return this.flows[0] ?? null;
  }

  push(flow: FqFlow): void {
    const { flows } = this;
    flow.place = FQ_THROTTLED;
    flow.seq = this.seq++;
    let i = flows.push(flow) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (!before(flow, flows[up]!)) break;
      flows[i] = flows[up]!;
      i = up;
    }
    flows[i] = flow;
  }

  pop(): FqFlow {
    const { flows } = this;
    const top = flows[0]!;
    const last = flows.pop()!;
    const n = flows.length;
    if (n === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      if (child + 1 < n && before(flows[child + 1]!, flows[child]!)) child++;
      if (!before(flows[child]!, last)) break;
      flows[i] = flows[child]!;
      i = child;
    }
    flows[i] = last;
    return top;
  }

  clear(): void {
    this.flows.length = 0;
  }
}

function before(a: FqFlow, b: FqFlow): boolean {
  return a.timeNextPacket < b.timeNextPacket || (a.timeNextPacket === b.timeNextPacket && a.seq < b.seq);
}
