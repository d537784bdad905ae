/**
 * Whose network code has: the host of `host.run`, as far as callbacks, promises and timers carry it; outside of all hosts what
 * the installation in force says (node/install.ts).
 *
 *   from  node/hook/*   every hook asks here
 *         node/world.ts host.run
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { carry } from './handle/context.ts';
import type { Passthrough } from './passthrough.ts';
import type { NodeHost } from './sockets.ts';

/** What code outside of all hosts has; asked at each use. Null: the machine's own network. */
export type Outside = () => NodeHost | null;

/** One call of `install`, until its end. */
export interface Installation {
  readonly outside: Outside;
  readonly passthrough: Passthrough | null;
}

/** In the place of a host: the machine's own network. */
const MACHINE: unique symbol = Symbol('kernet.machine');

const store = new AsyncLocalStorage<NodeHost | typeof MACHINE>();
carry(store);

/** Those that are in force; the last one counts. */
const installations: Installation[] = [];

export function installed(): Installation | null {
  return installations.at(-1) ?? null;
}

/** Puts an installation in force; returns what ends it. */
export function beInstalled(installation: Installation): () => void {
  installations.push(installation);
  return () => void installations.splice(installations.indexOf(installation), 1);
}

/** How many are in force. */
export function installationCount(): number {
  return installations.length;
}

/** The host that code runs on; null when it is the machine. */
export function hostHere(): NodeHost | null {
  const here = store.getStore();
  if (here === MACHINE) return null;
  return here ?? installations.at(-1)?.outside() ?? null;
}

/** The host of `host.run` alone. */
export function hostOfRun(): NodeHost | null {
  const here = store.getStore();
  return here === undefined || here === MACHINE ? null : here;
}

/** Milliseconds by which the wall clock of the host that code runs on is off. */
export function currentSkewMs(): number {
  return hostOfRun()?.skewMs() ?? 0;
}

/** Told whenever a host begins to run something. */
export const entering: Set<() => void> = new Set();

/** Runs `fn` on a host: what it starts, and what comes of that, has the host's network. Needs `install()`. */
export function runOn<T>(host: NodeHost, fn: () => T): T {
  if (installations.length === 0) {
    throw new Error('host.run: Node\'s modules are untouched; call install() first, or start with --import kernet/register');
  }
  for (const listener of entering) listener();
  return store.run(host, fn);
}

/** Runs `fn` with the machine's own network, whoever asks. */
export function onMachine<T>(fn: () => T): T {
  return store.run(MACHINE, fn);
}
