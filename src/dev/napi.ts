/**
 * NAPI: reception by polling, while there is work; by interrupt, when there is none.
 *
 *   from  dev/ethernet.ts   the interrupt handler: masks the line and calls napiSchedule
 *         dev/softnet.ts    netifRx, for packets that need no card (loopback)
 *   to    dev/softnet.ts    netRxAction calls poll(weight) until poll has had less to do than it was allowed
 *         the driver        napiCompleteDone, then the line is unmasked
 *
 * A Napi that used up its weight stays in the list and is polled again, in turn with the others; only one that did less
 * takes itself out, and only then may its interrupt come back.
 */
import { GroTable } from './gro.ts';
import type { Net } from './net.ts';

export abstract class Napi {
  readonly net: Net;
  /** Packets per turn (Linux: NAPI_POLL_WEIGHT, 64). */
  readonly weight: number;
  readonly gro: GroTable;
  /** In the poll list, or being polled. */
  scheduled = false;
  next: Napi | null = null;

  constructor(net: Net, weight: number = net.sysctl.devWeight) {
    this.net = net;
    this.weight = weight;
    this.gro = new GroTable(net);
  }

  /** Handles at most `budget` packets and returns how many. When it was fewer, napiCompleteDone has been called. */
  abstract poll(budget: number): number;
}

/** Asks for `napi` to be polled in the next softirq. No harm if it is waiting already. Returns whether it was not. */
export function napiSchedule(napi: Napi): boolean {
  if (napi.scheduled) return false;
  napi.scheduled = true;
  napi.net.softnet!.addPoll(napi);
  return true;
}

/** Ends polling: held packets go up, and the next interrupt may schedule it again. */
export function napiCompleteDone(napi: Napi): void {
  if (napi.gro.count !== 0) napi.gro.flush();
  napi.scheduled = false;
}
