/** A process, as a caller sees it: its own descriptors, the same calls, and an end. */
import { parseInteger } from '../lib/units.ts';
import { DEFAULT_NOFILE, MAX_NOFILE } from '../syscall/fd-table.ts';
import { Process, type SocketLayer } from '../syscall/process.ts';
import { sysKill } from '../syscall/socket.ts';
import { Calls } from './calls.ts';

/** What a process is made with. */
export interface ProcessOptions {
  /** For reports. Default `process-<pid>`. */
  readonly name?: string;
  /** RLIMIT_NOFILE. Default 1024. */
  readonly openFiles?: number;
  /** Its user. Default 0: root, who may open raw and packet sockets. */
  readonly uid?: number;
  /** Its group; default the same number as `uid`. */
  readonly gid?: number;
}

/** The largest number of a user or a group. */
const MAX_UID = 0xfffffffe;

/** The names of all options. */
export const PROCESS_OPTIONS: readonly string[] = ['name', 'openFiles', 'uid', 'gid'];

export class KernelProcess extends Calls {
  /** @internal The kernel's form: what `node/` and tests build on. */
  readonly proc: Process;

  constructor(layer: SocketLayer, options: ProcessOptions = {}) {
    const openFiles = parseInteger(options.openFiles ?? DEFAULT_NOFILE, 'openFiles', 0, MAX_NOFILE);
    const uid = parseInteger(options.uid ?? 0, 'uid', 0, MAX_UID);
    const gid = parseInteger(options.gid ?? uid, 'gid', 0, MAX_UID);
    const process = new Process(layer, options.name ?? `process-${String(layer.nextPid)}`, openFiles, uid, gid);
    super(process);
    this.proc = process;
  }

  get pid(): number {
    return this.proc.pid;
  }

  get name(): string {
    return this.proc.name;
  }

  /** Open descriptors, lowest first. */
  get fds(): readonly number[] {
    return this.proc.fds.list();
  }

  /** Ends it, as SIGKILL does: its calls that wait never return, all its descriptors are closed. No harm if it is dead. */
  kill(): void {
    sysKill(this.proc);
  }

  [Symbol.dispose](): void {
    this.kill();
  }
}
