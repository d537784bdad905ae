/**
 * What waits in front of a cable: the frames that have not left yet, as a ring of (when it will have left, its bytes).
 * There is no event for a departure: whoever asks at time t first lets go of what has left by t.
 *
 *     tail → [left, bytes][left, bytes] … [left, bytes] ← head        a power of two of places, doubled when full
 */
export class Backlog {
  packets = 0;
  bytes = 0;
  private left: Float64Array = new Float64Array(64);
  private sizes: Int32Array = new Int32Array(64);
  private tail = 0;

  /** Lets go of everything that has left by `time`. */
  expire(time: number): void {
    const mask = this.left.length - 1;
    while (this.packets > 0 && this.left[this.tail]! <= time) {
      this.bytes -= this.sizes[this.tail]!;
      this.packets--;
      this.tail = (this.tail + 1) & mask;
    }
  }

  /** Adds a frame that will have left at `leaves`, not before any other. */
  push(leaves: number, size: number): void {
    if (this.packets === this.left.length) this.grow();
    const at = (this.tail + this.packets) & (this.left.length - 1);
    this.left[at] = leaves;
    this.sizes[at] = size;
    this.packets++;
    this.bytes += size;
  }

  clear(): void {
    this.packets = 0;
    this.bytes = 0;
    this.tail = 0;
  }

  private grow(): void {
    const { left, sizes, tail } = this;
    const size = left.length;
    this.left = new Float64Array(size * 2);
    this.sizes = new Int32Array(size * 2);
    for (let i = 0; i < size; i++) {
      this.left[i] = left[(tail + i) & (size - 1)]!;
      this.sizes[i] = sizes[(tail + i) & (size - 1)]!;
    }
    this.tail = 0;
  }
}
