/** Descriptors of a script and those of the host; and what lies on the script's disk. */
import { SeekableFile } from '../../syscall/mem-file.ts';
import { ScriptFailure } from './errors.ts';

/** `/dev/zero`: as many zeros as anybody wants. */
export class ZeroDevice extends SeekableFile {
  override get size(): number {
    return Infinity;
  }

  override readAt(_from: number, buf: Uint8Array, off: number, len: number): number {
    buf.fill(0, off, off + len);
    return len;
  }

  override write(_buf: Uint8Array, _off: number, len: number): number {
    return len;
  }

  override release(): void {
    // Nothing is kept.
  }
}

export class ScriptFds {
  private readonly live: Map<number, number> = new Map();
  /** By path: files that commands have made. */
  readonly disk: Map<string, Uint8Array> = new Map();

  /** The host's descriptor; -1 for one that the script never had. */
  of(fd: number): number {
    return this.live.get(fd) ?? -1;
  }

  /** Whose number is that on the host? The script's; -1 when none. */
  scriptOf(live: number): number {
    for (const [script, n] of this.live) if (n === live) return script;
    return -1;
  }

  set(script: number, live: number): void {
    if (this.live.has(script)) throw new ScriptFailure(0, `descriptor ${script} is in use in the script`);
    this.live.set(script, live);
  }

  delete(script: number): void {
    this.live.delete(script);
  }
}
