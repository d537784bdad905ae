/** Generic receive offload: segments of one flow that follow each other go up as one packet. */
import type { Net } from './net.ts';
import type { Napi } from './napi.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { netifReceiveSkb } from './receive.ts';

/** Packets that a Napi holds back, in the hope of more of the same flow. */
export class GroTable {
  readonly net: Net;
  count = 0;

  constructor(net: Net) {
    this.net = net;
  }

  /** Hands up everything that is held. */
  flush(): void {
    this.count = 0;
  }
}

/** Hands up a received packet, `data` at the network header: merged, held, or as it is. Takes the skb. */
export function napiGroReceive(napi: Napi, skb: SkBuff): void {
  if (napi.gro.count !== 0) napi.gro.flush();
  netifReceiveSkb(skb);
}
