/**
 * The bodies in a process of their own, unchanged: under `node --import kernet/register` (the default host, by the wall clock)
 * beside plain `node`, in turns.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { BODIES } from './bodies.ts';
import type { Measurement } from './harness.ts';

/** Compiled by run.ts, beside main.mjs. */
const beside = (name: string): string => new URL(name, import.meta.url).href;

/** A child that runs one turn when it is asked to. */
class Child {
  private readonly process: ChildProcessByStdio<Writable, Readable, null>;
  private readonly lines: AsyncIterator<string>;

  constructor(flags: readonly string[]) {
    const program = new URL(beside('installed-program.mjs')).pathname;
    this.process = spawn(process.execPath, [...flags, program], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface(this.process.stdout)[Symbol.asyncIterator]();
  }

  async turn(name: string, count: number): Promise<number> {
    this.process.stdin.write(`${name} ${String(count)}\n`);
    const { value, done } = await this.lines.next();
    if (done === true) throw new Error(`${name}: the program ended with code ${String(this.process.exitCode)}`);
    return Number(value);
  }
}

export function installedMeasurements(scale: number): Measurement[] {
  return BODIES.map(({ name, unit, note, rounds, count }) => {
    const n = Math.max(1, Math.round(count * scale));
    let installed: Child | null = null;
    let plain: Child | null = null;
    return {
      name: `installed-${name}`, unit, rounds, better: 'higher', note: `${note}; a program under kernet/register, by the wall clock`,
      ours: () => (installed ??= new Child(['--import', beside('register.mjs')])).turn(name, n),
      real: () => (plain ??= new Child([])).turn(name, n),
    };
  });
}
