/** A queue of skbs: a doubly linked list through the skbs themselves, with its length in packets and bytes. */
import { assert } from '../lib/assert.ts';
import type { SkBuff } from './sk-buff.ts';

export class SkBuffHead {
  head: SkBuff | null = null;
  tail: SkBuff | null = null;
  /** Packets in the queue. */
  qlen = 0;

  get empty(): boolean {
    return this.head === null;
  }

  pushTail(skb: SkBuff): void {
    assert(skb.list === null, 'an skb is in one queue at a time');
    skb.list = this;
    skb.next = null;
    skb.prev = this.tail;
    if (this.tail === null) this.head = skb;
    else this.tail.next = skb;
    this.tail = skb;
    this.qlen++;
  }

  pushHead(skb: SkBuff): void {
    assert(skb.list === null, 'an skb is in one queue at a time');
    skb.list = this;
    skb.prev = null;
    skb.next = this.head;
    if (this.head === null) this.tail = skb;
    else this.head.prev = skb;
    this.head = skb;
    this.qlen++;
  }

  /** Puts `skb` behind `after`, which must be in this queue. */
  insertAfter(after: SkBuff, skb: SkBuff): void {
    assert(after.list === this && skb.list === null, 'insertAfter: one in this queue, the other in none');
    skb.list = this;
    skb.prev = after;
    skb.next = after.next;
    if (after.next === null) this.tail = skb;
    else after.next.prev = skb;
    after.next = skb;
    this.qlen++;
  }

  unlink(skb: SkBuff): void {
    assert(skb.list === this, 'an skb is unlinked from the queue that it is in');
    if (skb.prev === null) this.head = skb.next;
    else skb.prev.next = skb.next;
    if (skb.next === null) this.tail = skb.prev;
    else skb.next.prev = skb.prev;
    skb.next = null;
    skb.prev = null;
    skb.list = null;
    this.qlen--;
  }

  popHead(): SkBuff | null {
    const skb = this.head;
    if (skb !== null) this.unlink(skb);
    return skb;
  }
}
