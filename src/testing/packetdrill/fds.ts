/** Descriptors of a script and those of the host; and the files that scripts open, which live here: a length, no bytes. */
import { ScriptFailure } from './errors.ts';

/** A file of zeros (`open`) or a pipe (`pipe`). */
export interface ScriptFile {
  readonly kind: 'file' | 'pipe';
  /** Bytes that can be read. */
  size: number;
  /** Where a reader of a file is. */
  offset: number;
}

/** What a pipe holds (Linux: 16 pages). */
export const PIPE_SIZE = 65536;

export class ScriptFds {
  private readonly live: Map<number, number> = new Map();
  private readonly files: Map<number, ScriptFile> = new Map();
  /** By path: files that commands have made. */
  readonly disk: Map<string, Uint8Array> = new Map();

  /** The host's descriptor; -1 for one that the script never had. */
  of(fd: number): number {
    return this.live.get(fd) ?? -1;
  }

  file(fd: number): ScriptFile | undefined {
    return this.files.get(fd);
  }

  /** Whose number is that on the host? The script's; -1 when none. */
  scriptOf(live: number): number {
    for (const [script, n] of this.live) if (n === live) return script;
    return -1;
  }

  set(script: number, live: number): void {
    this.free(script);
    this.live.set(script, live);
  }

  setFile(script: number, file: ScriptFile): void {
    this.free(script);
    this.files.set(script, file);
  }

  private free(script: number): void {
    if (this.live.has(script) || this.files.has(script)) throw new ScriptFailure(0, `descriptor ${script} is in use in the script`);
  }

  delete(script: number): void {
    this.live.delete(script);
    this.files.delete(script);
  }
}
