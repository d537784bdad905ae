/**
 * Power of a host: its kernel, from one boot to the next.
 *
 *   from  world/host.ts   crash, boot, stop, resume
 *   to    host/halt.ts    the end of a stack
 *         host/kernel.ts  the next one
 *
 * What survives is what a disk holds: options, sysctls, the hosts file, and the steps that were taken through the world
 * (addresses, routes). A program that runs on a host is told of a crash by its signal; nobody can stop its JavaScript.
 */
import type { WorldParts } from '../host/boot.ts';
import { haltHost } from '../host/halt.ts';
import { Kernel, type KernelOptions } from '../host/kernel.ts';
import type { HostsFile } from '../host/resolver.ts';
import { Task } from '../time/task.ts';
import { Timer } from '../time/timer.ts';

/** What a program of a host is called with. */
export type BootMain = (signal: AbortSignal) => unknown;

export class Power {
  /** The kernel of this boot. */
  kernel: Kernel;
  on = true;
  /** Boots so far. */
  nth = 1;
  /** What is configured again at each boot, in this order. */
  readonly steps: (() => void)[] = [];
  /** Told of a crash and of a boot, inside neither: the rooms above follow with what they keep of a kernel. */
  readonly listeners: ((up: boolean) => void)[] = [];
  private readonly parts: WorldParts;
  private readonly name: string;
  private readonly options: KernelOptions;
  private readonly names: HostsFile;
  private readonly mains: BootMain[] = [];
  private life: AbortController = new AbortController();
  private readonly contTimer: Timer;

  constructor(parts: WorldParts, name: string, options: KernelOptions, names: HostsFile) {
    this.parts = parts;
    this.name = name;
    this.options = options;
    this.names = names;
    this.kernel = new Kernel(options, { parts, name, names });
    this.contTimer = new Timer(parts.sim, null, () => {
      this.resume();
    });
  }

  onBoot(main: BootMain): void {
    this.mains.push(main);
    if (this.on) this.start(main);
  }

  crash(): void {
    if (!this.on) return;
    const { cpu } = this.kernel.stack.net;
    if (cpu.busy) {
      // Its own kernel is at work further up the call stack (a rule on a cable may crash a host): at once, but not inside.
      new Timer(this.parts.sim, null, () => {
        this.crash();
      }).mod(this.parts.sim.now);
      return;
    }
    this.on = false;
    this.contTimer.del();
    haltHost(this.kernel.stack);
    for (const listener of this.listeners) listener(false);
    const { life } = this;
    // Who listens to the signal is user code.
    this.parts.sim.ready(new Task(() => {
      life.abort(new Error(`host ${this.name} has crashed`));
    }));
  }

  /** `plugIn` gives the new kernel its cards, before anything is configured. */
  boot(plugIn: () => void): void {
    const { parts, name, names, options, kernel: { hosts } } = this;
    this.on = true;
    this.nth++;
    this.life = new AbortController();
    this.kernel = new Kernel(options, { parts, name, names, nth: this.nth, hosts });
    plugIn();
    for (const step of this.steps) step();
    for (const listener of this.listeners) listener(true);
    for (const main of this.mains) this.start(main);
  }

  stop(ns: number): void {
    if (!this.on) return;
    this.kernel.stack.net.cpu.stop();
    if (ns === Infinity) this.contTimer.del();
    else this.contTimer.mod(this.parts.sim.now + ns);
  }

  resume(): void {
    this.contTimer.del();
    this.kernel.stack.net.cpu.resume();
  }

  /** As user code, from the line of tasks: what it throws surfaces there. */
  private start(main: BootMain): void {
    const { life } = this;
    this.parts.sim.ready(new Task(() => {
      if (this.on && life === this.life) main(life.signal); // or the power has gone again
    }));
  }
}
