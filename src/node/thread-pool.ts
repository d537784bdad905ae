/**
 * Work that the runtime does on its thread pool without a request to be seen: crypto with callbacks and promises, streams of
 * zlib, WebAssembly that is compiled. While a program runs, the functions that begin such work count it.
 *
 *   from  program.ts     hookThreadPool, when a program begins
 *   to    real-work.ts   asks poolBusy: such work holds the world's clock
 *
 * Who has taken a function off its module without ESM's live names before the program began (`const { scrypt } = require('crypto')`)
 * is not seen; there, and for native addons, `world.external(promise)` says it.
 */
import crypto from 'node:crypto';
import zlib from 'node:zlib';
import { promisify } from 'node:util';

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;
/** Puts a value in place of a property until the last program ends. */
type Swap = (owner: object, name: PropertyKey, value: unknown) => void;

/** Those of crypto that work on the pool when their last argument is a function. */
const CALLBACKS: readonly string[] = [
  'randomBytes', 'randomFill', 'randomInt', 'pbkdf2', 'scrypt', 'hkdf', 'generateKey', 'generateKeyPair', 'generatePrime', 'checkPrime',
  'sign', 'verify', 'diffieHellman', 'encapsulate', 'decapsulate',
];
/** Those that answer by a promise. */
const SUBTLE: readonly string[] = [
  'digest', 'sign', 'verify', 'encrypt', 'decrypt', 'generateKey', 'deriveBits', 'deriveKey', 'importKey', 'exportKey', 'wrapKey',
  'unwrapKey',
];
const WASM: readonly string[] = ['compile', 'instantiate', 'compileStreaming', 'instantiateStreaming'];

let jobs = 0;

/** True while counted work is under way. */
export function poolBusy(): boolean {
  return jobs > 0;
}

/** Begins a piece of work. What it returns ends it, once. */
function begin(): () => void {
  jobs++;
  let over = false;
  return () => {
    if (over) return;
    over = true;
    jobs--;
  };
}

/** Counts from now on. */
export function hookThreadPool(swap: Swap): void {
  for (const name of CALLBACKS) hook(swap, crypto, name, withCallback);
  const subtle = Object.getPrototypeOf(crypto.webcrypto.subtle) as object;
  for (const name of SUBTLE) hook(swap, subtle, name, withPromise);
  for (const name of WASM) hook(swap, (globalThis as unknown as { WebAssembly?: object }).WebAssembly ?? {}, name, withPromise);
  // Deflate, of Zlib, of ZlibBase, which all streams of zlib have; Deno's are others.
  const streams = Object.getPrototypeOf(Object.getPrototypeOf(zlib.Deflate.prototype) ?? {}) as object | null;
  if (streams !== null && Object.hasOwn(streams, '_transform')) hook(swap, streams, '_transform', withStream);
}

function hook(swap: Swap, owner: object, name: string, make: (real: AnyFunction) => AnyFunction): void {
  const real = Reflect.get(owner, name) as AnyFunction | undefined;
  if (typeof real !== 'function') return;
  const counting = make(real);
  Object.defineProperty(counting, 'name', { value: real.name, configurable: true });
  Object.defineProperty(counting, 'length', { value: real.length, configurable: true });
  const custom = Reflect.get(real, promisify.custom) as AnyFunction | undefined;
  if (custom !== undefined) Object.defineProperty(counting, promisify.custom, { value: withPromise(custom), configurable: true });
  swap(owner, name, counting);
}

function withCallback(real: AnyFunction): AnyFunction {
  return function (...args) {
    const callback = args.at(-1) as AnyFunction;
    if (typeof callback !== 'function') return Reflect.apply(real, this, args);
    const end = begin();
    args[args.length - 1] = function (this: unknown, ...results: unknown[]) {
      end();
      return Reflect.apply(callback, this, results);
    };
    return orEnd(() => Reflect.apply(real, this, args), end);
  };
}

function withPromise(real: AnyFunction): AnyFunction {
  return function (...args) {
    const end = begin();
    const answer = orEnd(() => Reflect.apply(real, this, args), end);
    Promise.resolve(answer).then(end, end);
    return answer;
  };
}

/** One piece of a zlib stream. Its callback may never come when the stream fails; its 'close' then does. */
function withStream(real: AnyFunction): AnyFunction {
  return function (chunk, encoding, callback) {
    const stream = this as NodeJS.EventEmitter;
    const end = begin();
    stream.once('close', end);
    const done = (...results: unknown[]): unknown => {
      end();
      stream.removeListener('close', end);
      return Reflect.apply(callback as AnyFunction, stream, results);
    };
    return orEnd(() => Reflect.apply(real, this, [chunk, encoding, done]), end);
  };
}

/** What a wrong argument throws is no work. */
function orEnd<T>(start: () => T, end: () => void): T {
  try {
    return start();
  } catch (error) {
    end();
    throw error;
  }
}
