/**
 * Looking at a port: each frame that passes is copied, whole, with its checksums filled in, and shown to somebody.
 *
 *   from  port.ts     when a capture is running; otherwise one flag test
 *   to    a Capture   a pcapng file, a printer, a test
 *
 * The frame on its way stays as it is: an open checksum is filled in on the copy.
 */
import { copyBits } from '../skb/copy.ts';
import { checksumFillIn } from '../skb/csum.ts';
import { CHECKSUM_PARTIAL, type SkBuff } from '../skb/sk-buff.ts';
import type { Port, PortObserver } from './port.ts';

/** Who is shown frames. */
export interface Capture {
  /**
   * A frame passed `port` at `time` (virtual nanoseconds), PORT_OUT or PORT_IN. `bytes` is a copy that may be kept.
   *
   * A sender whose processor is busy is ahead of the world's clock, so `time` may be a little later than that of the frame
   * shown next: sort by time, stably, before writing a file.
   */
  captured(bytes: Uint8Array, time: number, port: Port, direction: number): void;
}

/** Puts a {@link Capture} at a port: `port.addObserver(new CaptureTap(capture))`. */
export class CaptureTap implements PortObserver {
  private readonly capture: Capture;

  constructor(capture: Capture) {
    this.capture = capture;
  }

  frame(skb: SkBuff, time: number, port: Port, direction: number): void {
    this.capture.captured(skbFrameBytes(skb), time, port, direction);
  }
}

/** A frame that was captured. */
export interface CapturedFrame {
  readonly time: number;
  readonly port: Port;
  readonly direction: number;
  readonly bytes: Uint8Array;
}

/** Keeps the frames of any number of ports, up to a limit; beyond it the later ones are counted and not kept. */
export class FrameLog implements Capture {
  readonly limit: number;
  /** Frames that came when the limit was reached. */
  missed = 0;
  private readonly frames: CapturedFrame[] = [];

  constructor(limit: number = Infinity) {
    this.limit = limit;
  }

  captured(bytes: Uint8Array, time: number, port: Port, direction: number): void {
    if (this.frames.length >= this.limit) this.missed++;
    else this.frames.push({ time, port, direction, bytes });
  }

  /** All kept frames, in the order of their times; equal times in the order in which they were seen. */
  sorted(): CapturedFrame[] {
    return [...this.frames].sort((x, y) => x.time - y.time);
  }
}

/** All bytes of a frame from `data` on, checksums filled in, as a new array. */
export function skbFrameBytes(skb: SkBuff): Uint8Array {
  const bytes = new Uint8Array(skb.len);
  copyFrame(skb, bytes);
  return bytes;
}

/** Copies a frame to the start of `to`, which is long enough, and fills in its checksums there. */
export function copyFrame(skb: SkBuff, to: Uint8Array): void {
  copyBits(skb, 0, to, 0, skb.len);
  if (skb.ipSummed === CHECKSUM_PARTIAL && skb.nh >= 0 && skb.th >= 0) {
    checksumFillIn(to, skb.nh - skb.data, skb.th - skb.data, skb.len);
  }
}
