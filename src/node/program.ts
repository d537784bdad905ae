/**
 * What only Node has of clocks and timers, on the world's clock while `world.run` runs a program: the modules `timers` and
 * `timers/promises`, process.hrtime, AbortSignal.timeout, the timeouts of kernet sockets, the Date header of http.
 *
 * Node's own modules read no replaced global, so those two are replaced where they surface.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import process from 'node:process';
import timers from 'node:timers';
import timersPromises from 'node:timers/promises';
import { NS_PER_SEC } from '../lib/units.ts';
import type { ProgramClock, VirtualTimer } from '../world/program.ts';
import { carry } from './handle/context.ts';
import { currentSkewMs } from './current.ts';
import { isHostSocket } from './handle/tls.ts';
import { checksOn } from './http-checks.ts';
import { http2On } from './http2-clock.ts';
import { timeoutOn } from './socket-timer.ts';
import { hookThreadPool } from './thread-pool.ts';

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

/** Replaces `owner[name]`; what it returns puts the old value back. */
function replace(owner: object, name: PropertyKey, value: unknown): () => void {
  const old = Object.getOwnPropertyDescriptor(owner, name);
  if (old?.configurable === false) { // some of Bun's are
    Reflect.set(owner, name, value);
    return () => void Reflect.set(owner, name, old.value);
  }
  Object.defineProperty(owner, name, { value, writable: true, configurable: true, enumerable: old?.enumerable ?? true });
  return () => {
    if (old === undefined) Reflect.deleteProperty(owner, name);
    else Object.defineProperty(owner, name, old);
  };
}

/** Whose code runs, when several programs do. */
const currentProgram = new AsyncLocalStorage<ProgramClock>();
carry(currentProgram);

/** Timers of programs that are over and that go on: they belong to the modules that made them, so to this process. */
const outside = new Set<VirtualTimer>();

/** The hook that node/ puts into `world.programHooks`. */
export function nodeProgram(clock: ProgramClock): () => void {
  const { runtime } = clock;
  runtime.contexts = currentProgram;
  runtime.outside = outside;
  runtime.skewMs = currentSkewMs;
  runtime.bind = (callback) => AsyncResource.bind(callback);
  const undo: (() => void)[] = [];
  const swap = (owner: object, name: PropertyKey, value: unknown): void => void undo.push(replace(owner, name, value));
  const virtual = globalThis as unknown as Record<string, unknown>; // the program's timers are in place already
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate']) {
    swap(timers, name, virtual[name]);
  }
  for (const [name, value] of Object.entries(promises(clock))) swap(timersPromises, name, value);
  swap(process, 'hrtime', hrtime(clock));
  swap(AbortSignal, 'timeout', abortTimeout(clock));
  const socket = net.Socket.prototype as unknown as Record<'setTimeout', AnyFunction>;
  swap(socket, 'setTimeout', timeoutOn(clock, socket.setTimeout, isHostSocket));
  undo.push(http2On(clock, swap));
  checksOn(clock, swap);
  swap(Timeout, 'refresh', undiciTicks(clock, Timeout.refresh));
  swap(http.ServerResponse.prototype, 'writeHead', datedWriteHead());
  const server = http.Server.prototype as unknown as Record<string, (this: unknown) => unknown>;
  for (const name of ['closeAllConnections', 'closeIdleConnections']) swap(server, name, closeInOrder(server[name]!));
  hookThreadPool(swap);
  syncBuiltinESMExports();
  return () => {
    for (const step of undo.reverse()) step();
    syncBuiltinESMExports();
  };
}

// ---- timers/promises

interface WaitOptions {
  readonly signal?: AbortSignal;
  readonly ref?: boolean;
}

function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' });
}

function promises(clock: ProgramClock): Record<string, unknown> {
  const wait = (delay?: unknown, value?: unknown, options?: WaitOptions): Promise<unknown> => waitFor(clock, delay, value, options);
  const immediate = (value?: unknown, options?: WaitOptions): Promise<unknown> => nextTurn(clock, value, options);
  const scheduler = Object.create(timersPromises.scheduler) as Record<string, unknown>;
  scheduler['wait'] = (delay?: unknown, options?: WaitOptions) => wait(delay, undefined, options);
  scheduler['yield'] = () => immediate();
  return {
    setTimeout: wait,
    setImmediate: immediate,
    setInterval: (delay?: unknown, value?: unknown, options?: WaitOptions) => ticks(clock, delay, value, options),
    scheduler,
  };
}

function waitFor(clock: ProgramClock, delay: unknown, value: unknown, options: WaitOptions = {}): Promise<unknown> {
  const { signal } = options;
  if (signal?.aborted === true) return Promise.reject(abortError(signal));
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      timer.close();
      reject(abortError(signal!));
    };
    const timer = clock.start(() => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    }, delay, [], false);
    if (options.ref === false) timer.unref();
    signal?.addEventListener('abort', abort, { once: true });
  });
}

function nextTurn(clock: ProgramClock, value: unknown, options: WaitOptions = {}): Promise<unknown> {
  const { signal } = options;
  if (signal?.aborted === true) return Promise.reject(abortError(signal));
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      immediate.done = true;
      reject(abortError(signal!));
    };
    const immediate = clock.immediate(() => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    }, []);
    signal?.addEventListener('abort', abort, { once: true });
  });
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** setInterval of timers/promises: ticks that nobody has waited for yet are kept. */
async function* ticks(clock: ProgramClock, delay: unknown, value: unknown, options: WaitOptions = {}): AsyncGenerator {
  const { signal } = options;
  if (signal?.aborted === true) throw abortError(signal);
  let due = 0;
  let wake: (() => void) | null = null;
  const notify = (): void => {
    wake?.();
    wake = null;
  };
  const timer = clock.start(() => {
    due++;
    notify();
  }, delay, [], true);
  if (options.ref === false) timer.unref();
  signal?.addEventListener('abort', notify, { once: true });
  try {
    for (;;) {
      if (isAborted(signal)) throw abortError(signal!);
      if (due === 0) await new Promise<void>((resolve) => void (wake = resolve));
      else {
        due--;
        yield value;
      }
    }
  } finally {
    timer.close();
    signal?.removeEventListener('abort', notify);
  }
}

// ---- clocks

function hrtime(clock: ProgramClock): unknown {
  const now = (previous?: readonly [number, number]): [number, number] => {
    const seconds = Math.floor(clock.nowNs / NS_PER_SEC);
    const nanos = clock.nowNs % NS_PER_SEC;
    if (previous === undefined) return [seconds, nanos];
    const borrow = nanos < previous[1] ? 1 : 0;
    return [seconds - previous[0] - borrow, nanos - previous[1] + borrow * NS_PER_SEC];
  };
  return Object.assign(now, { bigint: () => BigInt(clock.nowNs) });
}

function abortTimeout(clock: ProgramClock): (ms: number) => AbortSignal {
  return (ms) => {
    const controller = new AbortController();
    const reason = (): DOMException => new DOMException('The operation was aborted due to timeout', 'TimeoutError');
    clock.start(() => controller.abort(reason()), ms, [], false).unref();
    return controller.signal;
  };
}

// ---- undici

interface RealTimeout {
  readonly _onTimeout?: { readonly name: string } | null;
  readonly _idleTimeout?: number;
}

/** The prototype of the runtime's own timers. Taken when this module is loaded: a program's are others. */
const Timeout = Object.getPrototypeOf(unrefed(globalThis.setTimeout(() => undefined, 0))) as Record<'refresh', AnyFunction>;

function unrefed<T>(timer: T): T {
  (timer as { unref?(): unknown }).unref?.();
  return timer;
}

/** undici counts its timeouts by one timer of half a second, which it refreshes by this function for as long as it has any. */
const UNDICI_TICK = 'onTick';

/** That timer, armed before a program began, goes on by the program's clock when it is refreshed by it. */
function undiciTicks(clock: ProgramClock, real: AnyFunction): AnyFunction {
  const virtual = new WeakMap<object, VirtualTimer>();
  return function refresh(this: unknown): unknown {
    const { _onTimeout: tick, _idleTimeout: ms } = this as RealTimeout;
    if (tick?.name !== UNDICI_TICK || clock.ended) return real.call(this);
    const timer = virtual.get(this as object);
    if (timer === undefined) virtual.set(this as object, clock.start(tick, ms, [], false).unref());
    else timer.refresh();
    return this;
  };
}

// ---- http

/** The Date header of an answer: the program's date. Node keeps its own, by the machine's clock. */
function datedWriteHead(): AnyFunction {
  const { writeHead: real } = http.ServerResponse.prototype as unknown as Record<'writeHead', AnyFunction>;
  return function writeHead(this: unknown, ...args: unknown[]): unknown {
    const response = this as http.ServerResponse;
    if (response.sendDate && !response.headersSent && !response.hasHeader('date')) response.setHeader('Date', new Date().toUTCString());
    return real.apply(this, args);
  };
}

// ---- http: connections are closed in the order in which they were accepted

interface ConnectionsList {
  all?(): Connection[];
  idle?(): Connection[];
}

interface Connection {
  readonly socket?: { readonly _handle?: { readonly kfd?: number } | null } | null;
}

/**
 * `server.close()` closes idle connections in the order of a set of Node's, which is by addresses in memory: another one in
 * each run. Here they come by their descriptors.
 */
function closeInOrder(real: (this: unknown) => unknown): (this: object) => unknown {
  return function close(this: object): unknown {
    const symbol = Object.getOwnPropertySymbols(this).find((s) => s.description === 'http.server.connections');
    const list = symbol === undefined ? undefined : (this as Record<symbol, ConnectionsList | undefined>)[symbol];
    // Deno keeps its connections in an order of its own.
    if (typeof list?.all === 'function' && typeof list.idle === 'function' && !Object.hasOwn(list, 'all')) {
      const [all, idle] = [list.all.bind(list), list.idle.bind(list)];
      Object.assign(list, { all: () => all().sort(byDescriptor), idle: () => idle().sort(byDescriptor) });
    }
    return real.call(this);
  };
}

function byDescriptor(a: Connection, b: Connection): number {
  return (a.socket?._handle?.kfd ?? -1) - (b.socket?._handle?.kfd ?? -1);
}
