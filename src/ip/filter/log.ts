/** The kernel's log of a host (dmesg): lines with the time they were written. LOG writes there, and what is worth a warning. */
import { formatTime } from '../../wire/print.ts';
import type { Cpu } from '../../time/cpu.ts';

/** Lines kept; the oldest make room (Linux: the ring of CONFIG_LOG_BUF_SHIFT). */
export const KERNEL_LOG_LINES_MAX = 10_000;

const LIMIT_WINDOW_NS = 5e9;
const LIMIT_BURST = 10;

export class KernelLog {
  private readonly cpu: Cpu;
  private kept: string[] = [];
  /** Lines that have made room for others. */
  lost = 0;
  private windowStart = -Infinity;
  private windowCount = 0;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
  }

  /** Writes a line: `[    1.234567] text`. */
  write(text: string): void {
    this.kept.push(`[${formatTime(this.cpu.now).padStart(12)}] ${text}`);
    if (this.kept.length < KERNEL_LOG_LINES_MAX + KERNEL_LOG_LINES_MAX / 10) return;
    this.lost += this.kept.length - KERNEL_LOG_LINES_MAX;
    this.kept = this.kept.slice(-KERNEL_LOG_LINES_MAX);
  }

  /** As `write`, but ten lines in five seconds at most: for what every packet of a flood would say (Linux: net_warn_ratelimited). */
  writeLimited(text: string): void {
    const { now } = this.cpu;
    if (now - this.windowStart >= LIMIT_WINDOW_NS) {
      this.windowStart = now;
      this.windowCount = 0;
    }
    if (this.windowCount++ < LIMIT_BURST) this.write(text);
  }

  lines(): readonly string[] {
    return this.kept.slice(-KERNEL_LOG_LINES_MAX);
  }

  clear(): void {
    this.kept = [];
  }
}
