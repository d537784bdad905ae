/** The alarm of a discipline for which it is too early: the device goes on sending then (Linux: qdisc_watchdog). */
import { Timer } from '../../time/timer.ts';
import type { Qdisc } from '../qdisc.ts';
import { netifSchedule } from './generic.ts';

export class Watchdog {
  private readonly timer: Timer;

  constructor(q: Qdisc) {
    const { net } = q.dev;
    this.timer = new Timer(net.sim, net.cpu, () => {
      let root = q;
      while (root.parent !== null) root = root.parent;
      if (root === q.dev.qdisc) netifSchedule(root);
    });
  }

  /** Wakes the device at `at`, in nanoseconds; the last word counts. */
  schedule(at: number): void {
    if (!this.timer.pending || this.timer.expires !== at) this.timer.mod(at);
  }

  cancel(): void {
    this.timer.del();
  }
}
