/**
 * A process of a host: the owner of descriptors. Killing it closes them, as Linux does at exit: connections end by FIN
 * (or RST when unread data is left), listeners vanish, ports are free again.
 */
import type { Net } from '../dev/net.ts';
import type { Sock } from '../sock/sock.ts';
import type { CallFaults } from './faults.ts';
import { FdTable } from './fd-table.ts';

/** Makes sockets of one address family; the new socket, or a negative errno. `type` comes without SOCK_NONBLOCK and the like. */
export type SocketFactory = (type: number, protocol: number, process: Process) => Sock | number;

/** A call (or a handle of a runtime's own socket class) that waits for the network: what a deadlock report lists. */
export interface Waiting {
  readonly process: Process;
  readonly fd: number;
  /** What it does: `accept`, `recv`, `epoll_wait`. */
  readonly name: string;
  readonly sock: Sock | null;
  /** Since when, in virtual nanoseconds. */
  readonly sinceNs: number;
  /** Its process was killed: it never returns. */
  abandon(): void;
}

/** What all processes of a host share: the families that sockets can be made of, and the line of process numbers. */
export class SocketLayer {
  readonly net: Net;
  /** By AF_*; filled by boot. */
  readonly families: Map<number, SocketFactory> = new Map();
  /** Faults of socket calls that are in force; null when none are. */
  faults: CallFaults | null = null;
  /** The host has halted: no process lives any more, and none is born. */
  halted = false;
  /** Called on every entry into the kernel when the clock follows the wall clock, else null. */
  syncClock: (() => void) | null = null;
  nextPid = 1;
  /** Processes that live. */
  readonly processes: Set<Process> = new Set();
  /** Everything that waits, in the order in which it began to. */
  readonly waiting: Set<Waiting> = new Set();

  constructor(net: Net) {
    this.net = net;
  }
}

export class Process {
  readonly net: Net;
  readonly layer: SocketLayer;
  readonly pid: number;
  readonly name: string;
  readonly fds: FdTable;
  /** Who it belongs to; 0 (root) may do everything. */
  readonly uid: number;
  readonly gid: number;
  /** Killed: every call answers -ESRCH, every descriptor is gone. */
  dead = false;

  constructor(layer: SocketLayer, name: string, nofile?: number, uid: number = 0, gid: number = uid) {
    this.net = layer.net;
    this.layer = layer;
    this.pid = layer.nextPid++;
    this.name = name;
    this.uid = uid;
    this.gid = gid;
    this.fds = new FdTable(nofile);
    if (layer.halted) this.dead = true;
    else layer.processes.add(this);
  }

  /** Enters the kernel for a system call; `leave` must follow. */
  enter(): void {
    if (this.layer.syncClock !== null) this.layer.syncClock();
    const { cpu } = this.net;
    cpu.enter(cpu.costs.syscallNs);
  }

  /** Leaves it again; pending softirqs run on the way out. */
  leave(): void {
    this.net.cpu.exit();
  }
}
