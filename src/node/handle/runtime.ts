/**
 * What kernet takes from the runtime's own networking classes: the only file that knows their private names.
 *
 *   streamBaseState   four numbers by which a handle and lib/net.js tell each other how many bytes, from where, and whether
 *                     a write is still under way
 *   JSStream          the C++ stream that is implemented in JavaScript: TLS wraps nothing else
 *   symbols           by which a socket takes another handle, a handle knows its socket, a datagram socket keeps its state
 *
 * Everything is looked up once, at the first use; what is missing is named in the error. Node 20 and later, Deno 2.
 */
import type dgram from 'node:dgram';
import net from 'node:net';
import process from 'node:process';
import { Duplex } from 'node:stream';
import tls from 'node:tls';

/** A handle's side of `streamBaseState`: indices into it. */
export const READ_BYTES_OR_ERROR = 0;
export const ARRAY_BUFFER_OFFSET = 1;
export const BYTES_WRITTEN = 2;
export const LAST_WRITE_WAS_ASYNC = 3;

/** The constructor of the C++ class that TLS accepts below itself, or of nothing at all where there is none (Deno). */
type StreamConstructor = new () => object;

interface StreamWrap {
  readonly streamBaseState?: Int32Array;
  readonly kReadBytesOrError?: number;
  readonly kArrayBufferOffset?: number;
  readonly kBytesWritten?: number;
  readonly kLastWriteWasAsync?: number;
}

/** The bindings that Node lists as usable by programs (`process.binding`); `{}` where they are refused. */
function binding(name: string): Record<string, unknown> {
  try {
    const proc = process as unknown as { binding?: (name: string) => Record<string, unknown> | null | undefined };
    return proc.binding?.(name) ?? {};
  } catch {
    return {}; // refused (--permission) or unknown
  }
}

function findStreamBaseState(): Int32Array | null {
  const wrap = binding('stream_wrap') as StreamWrap;
  const known = wrap.kReadBytesOrError === READ_BYTES_OR_ERROR && wrap.kArrayBufferOffset === ARRAY_BUFFER_OFFSET
    && wrap.kBytesWritten === BYTES_WRITTEN && wrap.kLastWriteWasAsync === LAST_WRITE_WAS_ASYNC;
  return known ? wrap.streamBaseState ?? null : null;
}

function missing(what: string): Error {
  const { deno, node } = process.versions as { deno?: string; node: string };
  const runtime = deno === undefined ? `Node ${node}` : `Deno ${deno}`;
  return new Error(`kernet: ${runtime} has no ${what}: its sockets cannot be given a kernet handle. Please report it`);
}

function symbolOf(object: object, pattern: RegExp): symbol | null {
  return Object.getOwnPropertySymbols(object).find((s) => pattern.test(s.description ?? '')) ?? null;
}

const foundState = findStreamBaseState();

/** Where a handle says how much it read or wrote. Without the real one, `hasStreamBaseState` is false and this is a stand-in. */
export const streamBaseState: Int32Array = foundState ?? new Int32Array(4);
export const hasStreamBaseState: boolean = foundState !== null;

/** Node's C++ JSStream, on which TLS can sit; a plain class in Deno. */
export const NativeStream: StreamConstructor = (binding('js_stream') as { JSStream?: StreamConstructor }).JSStream
  ?? findNativeStream() ?? class Plain {};

/** The same from public objects, where bindings are refused: Node puts one under a TLS socket that is on top of a Duplex. */
function findNativeStream(): StreamConstructor | null {
  return classBelowTls(new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() }), 'JSStream');
}

/** The class of the handle below a new TLS socket's own, if it has the name that is expected. */
function classBelowTls(over: Duplex | undefined, name: string): StreamConstructor | null {
  if ('deno' in process.versions) return null;
  const socket = new tls.TLSSocket(over as net.Socket);
  socket.on('error', () => undefined);
  const { _handle } = socket as unknown as { _handle?: { _parent?: object } };
  const found = _handle?._parent?.constructor as StreamConstructor | undefined;
  socket.destroy();
  return found?.name === name ? found : null;
}

/** Can it be had? */
export const hasNativeStream: boolean = typeof (NativeStream.prototype as { readBuffer?: unknown }).readBuffer === 'function';

/** By this method a socket takes another handle and sets it up: `socket[reinitializeHandle](handle)`. */
const foundReinitialize = symbolOf(net.Socket.prototype, /^kReinitializeHandle$/);

/** A socket that can be given a handle. The members are Node's own, and private. */
export interface HandleHolder {
  _handle: object | null;
  _peername?: unknown;
  _sockname?: unknown;
  _undestroy(): void;
}

export const reinitializeHandle: symbol = foundReinitialize ?? Symbol('kernet: missing');

/** Gives `socket`, which has none, the handle that its connect() is to use. */
export function giveHandle(socket: net.Socket, handle: object): void {
  if (foundReinitialize === null) throw missing('net.Socket.prototype[kReinitializeHandle]');
  (socket as unknown as Record<symbol, (handle: object) => void>)[foundReinitialize]!(handle);
}

interface ClearableTimer {
  close(): unknown;
}

/** A timer that stands for a socket's own. */
interface SocketTimer extends ClearableTimer {
  suspend(): void;
}

/** Puts `timer` in the place of the one that the setTimeout of a socket, or of http2, has just armed, which is stopped. */
export function socketTimer(socket: object, timer: SocketTimer): void {
  const symbol = symbolOf(socket, /^(timeout|kTimeout)$/);
  if (symbol === null) return; // the runtime's own timer stays
  const holder = socket as Record<symbol, ClearableTimer | null | undefined>;
  const old = holder[symbol];
  old?.close();
  holder[symbol] = timer;
  if (old !== null && old !== undefined && 'deno' in process.versions) asDenoTimer(timer, old);
}

/** Stops the timer that stands for a socket's own, if there is one: Deno's clearTimeout knows its own timers only. */
export function endSocketTimer(socket: object): void {
  const symbol = symbolOf(socket, /^(timeout|kTimeout)$/);
  const timer = symbol === null ? null : (socket as Record<symbol, Partial<SocketTimer> | null | undefined>)[symbol];
  if (typeof timer?.suspend === 'function') timer.close?.();
}

/**
 * Deno's modules do to a timer what Node's ask of its methods: they destroy it by a symbol, and suspend it by marking it and by
 * stopping what is its `_timer`, which in ours has been stopped all along.
 */
function asDenoTimer(timer: SocketTimer, real: object): void {
  const destroy = symbolOf(Object.getPrototypeOf(real) as object, /^destroy$/);
  if (destroy !== null) Object.defineProperty(timer, destroy, { value: () => timer.close() });
  Object.defineProperty(timer, '_timer', { value: { _destroyed: true } });
  Object.defineProperty(timer, '_destroyed', {
    get: () => false,
    set: () => timer.suspend(),
  });
}

/**
 * Makes `new net.Socket(options)` 6 µs faster on Node 20: as long as its constructor has seen few shapes of options, V8 11
 * copies them the slow way. Some hundred sockets of different options, once, and it has seen enough. No other V8 needs it.
 */
export function warmUpSockets(): void {
  const { v8 = '' } = process.versions as { v8?: string };
  if (!v8.startsWith('11.')) return;
  const shapes: object[] = [{ a: 1 }, { b: 1 }, { c: 1 }, { d: 1 }, { e: 1 }, { f: 1 }, { g: 1 }];
  for (let i = 0; i < WARM_UP_ROUNDS; i++) for (const options of shapes) Reflect.construct(net.Socket, [options]);
}

/** Enough for the constructor to be looked at by V8: it takes no note of what it sees in the first few calls. */
const WARM_UP_ROUNDS = 50;

/** The part of a datagram socket's private state that kernet touches. */
export interface DatagramState {
  handle: object | null;
}

/** The private state of a datagram socket. */
export function datagramState(socket: dgram.Socket): DatagramState {
  const symbol = symbolOf(socket, /^(state symbol|kStateSymbol)$/);
  const state = symbol === null ? null : (socket as unknown as Record<symbol, DatagramState | undefined>)[symbol];
  if (state === null || state === undefined) throw missing('state of dgram.Socket');
  return state;
}

/** Lets `resetAndDestroy()` and `listen({ _handle })`, which ask for Node's own TCP class, accept `isOurs`. */
export function admitAsTcp(isOurs: (value: unknown) => boolean): void {
  const { TCP = classBelowTls(undefined, 'TCP') } = binding('tcp_wrap') as { TCP?: object };
  if (TCP === null || Object.hasOwn(TCP, Symbol.hasInstance)) return;
  const isInstance = Function.prototype[Symbol.hasInstance] as (this: object, value: unknown) => boolean;
  Object.defineProperty(TCP, Symbol.hasInstance, {
    configurable: true,
    value(this: object, value: unknown): boolean {
      return isOurs(value) || isInstance.call(this, value);
    },
  });
}

/** A TLS socket's own handle, as far as it is called: lib/net.js's onread. */
interface UpperHandle {
  readonly onread?: (arrayBuffer: undefined) => void;
}

/** The handles that TLS has made, by those that they sit on. */
const upperHandles = new WeakMap<object, UpperHandle>();

/**
 * Tells the TLS socket that sits on `handle` of a read that failed, as C++ does: C++ has no word by which it could be told so.
 * False when there is none.
 */
export function failReadAbove(handle: object, status: number): boolean {
  const upper = upperHandles.get(handle);
  if (!hasStreamBaseState || typeof upper?.onread !== 'function') return false;
  streamBaseState[READ_BYTES_OR_ERROR] = status;
  streamBaseState[ARRAY_BUFFER_OFFSET] = 0;
  upper.onread(undefined);
  return true;
}

/**
 * Calls `hook` before a TLS socket makes its own handle, with that socket, the handle that it is to sit on, and the socket
 * below, if there is one, whose handle that is. What it returns, if anything, is used in its place. Returns what takes the
 * hook away again.
 */
export function hookTlsWrap(hook: (socket: object, handle: unknown, below: HandleHolder | null) => object | undefined): () => void {
  const prototype = tls.TLSSocket.prototype as unknown as { _wrapHandle?: (this: object, ...args: unknown[]) => unknown };
  const real = prototype._wrapHandle;
  if (real === undefined) return () => undefined; // Deno: its TLS takes no handle from outside
  prototype._wrapHandle = function _wrapHandle(this: object, ...args: unknown[]): unknown {
    const [below, handle, ...rest] = args as [HandleHolder | null | undefined, unknown];
    const under = hook(this, handle ?? below?._handle, below ?? null) ?? handle;
    const made = real.call(this, below, under, ...rest);
    const lower = under ?? below?._handle;
    if (lower instanceof NativeStream) upperHandles.set(lower, made as UpperHandle);
    return made;
  };
  const hooked = prototype._wrapHandle;
  return () => {
    if (prototype._wrapHandle === hooked) prototype._wrapHandle = real;
  };
}

/** The symbol by which a handle knows its socket, found on a handle that is given to one. */
function findOwnerSymbol(): symbol | null {
  const probe = { reading: false, onread: null, readStart: () => 0, readStop: () => 0, ref: () => undefined, unref: () => undefined };
  const options = { handle: probe, readable: false, writable: false };
  Reflect.construct(net.Socket, [options]);
  return symbolOf(probe, /^owner_?symbol$/i);
}

let ownerSymbol: symbol | null | undefined;

/** The socket that a handle was given to. */
export function ownerOf(handle: object): { destroy(error: Error): unknown } | null {
  ownerSymbol ??= findOwnerSymbol();
  const owner = ownerSymbol === null ? null : (handle as Record<symbol, unknown>)[ownerSymbol];
  return (owner ?? null) as { destroy(error: Error): unknown } | null;
}

/** Tells a handle which socket is its own, where the runtime's classes do not. */
export function setOwner(handle: object, socket: object): void {
  ownerSymbol ??= findOwnerSymbol();
  if (ownerSymbol !== null) Reflect.set(handle, ownerSymbol, socket);
}

/** Runs next ticks and microtasks, as the runtime does between two callbacks of its own; null where it cannot be asked for. */
export const settle: (() => void) | null = findSettle();

function findSettle(): (() => void) | null {
  const { _tickCallback } = process as unknown as { _tickCallback?: () => void };
  return typeof _tickCallback === 'function' ? _tickCallback : null;
}

/** process.nextTick as it was when kernet was loaded: a test's fake timers may have taken its place later. */
export const nextTick: typeof process.nextTick = process.nextTick.bind(process);
