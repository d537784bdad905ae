/**
 * What a datagram socket has on its way: skbs that were handed down and not freed yet count against SO_SNDBUF.
 */
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Sock } from './sock.ts';

/** Charges a packet that is being sent to its socket; undone when it is freed (Linux: skb_set_owner_w). */
export function skbSetOwnerW(skb: SkBuff, sk: Sock): void {
  skb.sk = sk;
  skb.destructor = sockWfree;
  sk.wmemAlloc += skb.truesize;
}

/** Gives back what `skbSetOwnerW` charged; writers are woken when half of the buffer is free again. */
export function sockWfree(skb: SkBuff): void {
  const sk = skb.sk as Sock;
  const before = sk.wmemAlloc;
  sk.wmemAlloc = before - skb.truesize;
  if (before * 2 > sk.sndbuf && sockWriteable(sk)) {
    sk.noSpace = false;
    sk.writeSpace();
  }
}

/** Is there so much room that a poll reports it writable? */
export function sockWriteable(sk: Sock): boolean {
  return sk.wmemAlloc * 2 <= sk.sndbuf;
}
