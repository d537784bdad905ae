/**
 * An interrupt line: from the card to the processor of its host.
 *
 *   from  card.ts             raise: there is a cause
 *   to    dev/ethernet.ts     the handler, inside the kernel, when the line is not masked and the processor is free
 *
 * A cause that comes while the line is masked, or while the processor is busy, waits and is not lost. Any number of causes
 * that wait are one interrupt.
 */
import type { Cpu } from '../time/cpu.ts';
import { Timer } from '../time/timer.ts';

export class IrqLine {
  readonly cpu: Cpu;
  /** Interrupts that the processor has served. */
  count = 0;
  private handler: (() => void) | null = null;
  private isMasked = true;
  private pending = false;
  private readonly retry: Timer;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.retry = new Timer(cpu.sim, null, () => {
      this.deliver();
    });
  }

  get masked(): boolean {
    return this.isMasked;
  }

  /** A cause waits to be served. */
  get waiting(): boolean {
    return this.pending;
  }

  /** Who serves it. The line stays masked until `unmask`. */
  request(handler: () => void): void {
    this.handler = handler;
  }

  /** Nobody serves it any more. */
  free(): void {
    this.handler = null;
    this.isMasked = true;
    this.pending = false;
    this.retry.del();
  }

  raise(): void {
    if (this.pending) return;
    this.pending = true;
    if (!this.isMasked) this.deliver();
  }

  mask(): void {
    this.isMasked = true;
  }

  unmask(): void {
    this.isMasked = false;
    if (this.pending) this.deliver();
  }

  private deliver(): void {
    const { cpu } = this;
    if (this.isMasked || !this.pending || this.handler === null) return;
    if (!cpu.free) {
      if (!this.retry.pending) this.retry.mod(cpu.now);
      return;
    }
    this.pending = false;
    this.count++;
    cpu.enter(cpu.costs.irqNs);
    this.handler();
    cpu.exit();
  }
}
