/**
 * What all handles of one host share: the process whose descriptors they are, the line of user code, what keeps the
 * runtime alive, and the scratch space of calls that are over before the next one begins.
 */
import { Buffer } from 'node:buffer';
import { EAFNOSUPPORT, EINVAL } from '../../lib/errno.ts';
import { formatIpv4, parseIpv4 } from '../../lib/addr.ts';
import { formatIpv6, in6Any, in6Equal, parseIpv6Zone, type In6Addr } from '../../lib/addr6.ts';
import { AF_INET, AF_INET6, POLLERR, POLLHUP } from '../../sock/constants.ts';
import { MsgHdr, SockAddr } from '../../sock/sockaddr.ts';
import { WaitEntry } from '../../sock/wait-queue.ts';
import type { Process } from '../../syscall/process.ts';
import type { Cpu } from '../../time/cpu.ts';
import type { Pump } from '../../time/pump.ts';
import type { Simulation } from '../../time/simulation.ts';
import type { Task } from '../../time/task.ts';
import { Liveness } from './liveness.ts';
import type { MachinePaths } from './machine-path.ts';

/** Space for strings on their way into the kernel, and for datagrams on their way out. */
const SCRATCH_BYTES = 65536;
/** Small reads share a piece of memory of this size, one after the other; it lives as long as one of them does. */
const SLAB_BYTES = 16384;
/** What is left of a slab when it is given up. */
const SLAB_MIN = 512;

// Taken when this module is loaded: a program's own clock may be virtual later.
const realSetImmediate: (f: () => void) => unknown = globalThis.setImmediate;

export class HandleHost {
  readonly process: Process;
  readonly cpu: Cpu;
  readonly sim: Simulation;
  readonly liveness: Liveness = new Liveness();
  readonly msg: MsgHdr = new MsgHdr();
  readonly addr: SockAddr = new SockAddr();
  readonly scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  /** Where the next small read goes: `slab` from `slabUsed` on. */
  slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  slabUsed = 0;
  /** Bytes written in one run of a task and answered at once, and which run that was. */
  private burst = 0;
  private burstRun = -1;

  /** The address that was parsed or printed last, in both forms: mostly it is the next one, too. */
  private lastText = '0.0.0.0';
  private lastAddr = 0;
  private lastText6 = '::';
  private lastAddr6: In6Addr = in6Any;
  private lastZone = '';

  /** The pump of this host's world. */
  readonly pump: Pump;
  /** Unix sockets show in the machine's file system; null: paths are the host's alone. */
  machinePaths: MachinePaths | null = null;

  constructor(process: Process, pump: Pump) {
    this.process = process;
    this.pump = pump;
    this.cpu = process.net.cpu;
    this.sim = process.net.sim;
  }

  /**
   * Lines up the callback of a close, which libuv makes at the end of a turn: closed by a callback of a socket, before whoever is
   * woken by the close itself (he has the next turn); closed by other code, after him.
   */
  lateInTurn(task: Task): void {
    if (this.pump.running || this.liveness.ended) this.again(task);
    else this.cpu.wake(task);
  }

  /** Lines a task up, without any time passing; once the world has stopped, the runtime's own loop runs it. */
  again(task: Task): void {
    if (this.liveness.ended) realSetImmediate(() => task.run());
    else this.sim.ready(task);
  }

  /** Counts bytes that were written, and says how many it makes since the last task began to run. */
  burstOf(bytes: number): number {
    const { tasksRun } = this.pump;
    if (this.burstRun !== tasksRun) {
      this.burstRun = tasksRun;
      this.burst = 0;
    }
    return this.burst += bytes;
  }

  /** Room for a small read, at `slab[slabUsed]`; how many bytes. */
  slabRoom(): number {
    if (SLAB_BYTES - this.slabUsed < SLAB_MIN) {
      this.slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.slabUsed = 0;
    }
    return SLAB_BYTES - this.slabUsed;
  }

  /** The next small read begins behind these bytes, on a multiple of 8. */
  slabTake(bytes: number): void {
    this.slabUsed = (this.slabUsed + bytes + 7) & ~7;
  }

  /** Puts a textual address into `addr`: 0, -EAFNOSUPPORT for an unknown family or -EINVAL. */
  setAddr(family: number, given: string, port: number): number {
    const { addr } = this;
    // A program's own lookup function may answer with anything: C++ takes its text.
    const text = typeof given === 'string' ? given : String(given);
    if (family === AF_INET) {
      if (text !== this.lastText) {
        const v4 = parseIpv4(text);
        if (v4 === null) return -EINVAL;
        this.lastText = text;
        this.lastAddr = v4;
      }
      addr.set(this.lastAddr, port);
      return 0;
    }
    if (family !== AF_INET6) return -EAFNOSUPPORT;
    if (text !== this.lastText6) {
      const v6 = parseIpv6Zone(text);
      if (v6 === null) return -EINVAL;
      this.lastText6 = text;
      this.lastAddr6 = v6.addr;
      this.lastZone = v6.zone;
    }
    addr.set6(this.lastAddr6, port, this.lastZone === '' ? 0 : this.zoneIndex(this.lastZone));
    return 0;
  }

  /** The number of the interface that a zone names; 0 for one that this host has not, as libuv has it. */
  zoneIndex(zone: string): number {
    const { devices } = this.process.net;
    const dev = devices.find((d) => d !== null && d.name === zone) ?? null;
    if (dev !== null) return dev.ifindex;
    return /^[1-9]\d{0,8}$/.test(zone) ? Number(zone) : 0;
  }

  /** An IPv4 address as text. */
  textOf(addr: number): string {
    if (addr !== this.lastAddr) {
      this.lastText = formatIpv4(addr);
      this.lastAddr = addr;
    }
    return this.lastText;
  }

  /** An IPv6 address as text, with its interface behind a `%` when it is one of a link. */
  textOf6(addr: In6Addr, scopeId: number): string {
    if (scopeId !== 0) return `${formatIpv6(addr)}%${this.process.net.devices[scopeId]?.name ?? String(scopeId)}`;
    if (this.lastZone !== '' || !in6Equal(addr, this.lastAddr6)) {
      this.lastText6 = formatIpv6(addr);
      this.lastAddr6 = addr;
      this.lastZone = '';
    }
    return this.lastText6;
  }

  /** Fills Node's address object from `addr`. */
  fill(out: AddressOut): void {
    const { addr } = this;
    if (addr.family === AF_INET6 && addr.addr6 !== null) {
      out.address = this.textOf6(addr.addr6, addr.scopeId);
      out.family = 'IPv6';
    } else {
      out.address = this.textOf(addr.addr);
      out.family = 'IPv4';
    }
    out.port = addr.port;
  }
}

/** The object that getsockname and getpeername fill. */
export interface AddressOut {
  address?: string;
  family?: string;
  port?: number;
}

/** A handle on the wait queue of its socket: takes note of what it is interested in, and lines up its task. */
export class Watch extends WaitEntry {
  /** POLL* bits; errors count when anything does. */
  interest = 0;
  /** Whose it is. */
  readonly handle: object;
  private readonly cpu: Cpu;
  private readonly task: Task;

  constructor(cpu: Cpu, task: Task, handle: object) {
    super();
    this.cpu = cpu;
    this.task = task;
    this.handle = handle;
  }

  override wake(events: number): boolean {
    const { interest } = this;
    if (interest === 0 || (events !== 0 && (events & (interest | POLLERR | POLLHUP)) === 0)) return false;
    this.cpu.wake(this.task);
    return true;
  }
}
