/**
 * What kernet needs of node:http2 beyond its exports, once a program has loaded it: the prototypes of its sessions and streams,
 * whose timers count the world's milliseconds (program.ts), and the class by which a session sits on a socket whose handle is
 * no C++ object, which is taught the addresses of that socket.
 *
 *   from  sockets.ts   something connects or listens: is http2 there by now?
 *   to    program.ts   whenHttp2
 */
import type http2 from 'node:http2';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { NativeStream, settle } from './handle/runtime.ts';
import { http2Loaded } from './real-work.ts';

export interface Http2Insides {
  /** Of all sessions, and of all streams: they have `setTimeout`. */
  readonly session: object;
  readonly stream: object;
}

type Listener = (insides: Http2Insides) => void;

let insides: Http2Insides | null = null;
const listeners = new Set<Listener>();

/** Calls `listener` when http2 is there: now, or when it is first used. Returns what takes it back. */
export function whenHttp2(listener: Listener): () => void {
  if (insides !== null) listener(insides);
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Looks whether http2 has been loaded. Cheap: a comparison when no module has been. */
export function noticeHttp2(): void {
  if (insides !== null || !http2Loaded()) return;
  insides = look(createRequire(import.meta.url)('node:http2') as typeof http2);
  for (const listener of listeners) listener(insides);
}

/** Looks at a session that goes nowhere. */
function look(module: typeof http2): Http2Insides {
  const nowhere = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const session = module.connect('http://localhost', { createConnection: () => nowhere });
  session.on('error', () => undefined);
  const stream = session.request();
  stream.on('error', () => undefined);
  const found = { session: holderOf(session, 'setTimeout'), stream: holderOf(stream, 'setTimeout') };
  const below = Object.getOwnPropertySymbols(session).find((s) => s.description === 'socket');
  if (below !== undefined) teachAddresses((session as unknown as Record<symbol, object>)[below]!);
  keepOrder(found.stream);
  stream.destroy();
  session.destroy();
  return found;
}

/** The prototype that has the member itself. */
export function holderOf(object: object, name: string): object {
  let at = object;
  while (!Object.hasOwn(at, name)) at = Object.getPrototypeOf(at) as object;
  return at;
}

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

/** Bytes are being handed to C++ by JavaScript: its callbacks are inside of ours. */
let delivering = false;

/**
 * 'response' before 'data', though both came in one read: between two frames the runtime runs next ticks (by which headers are
 * told) when its loop has called C++, and not when JavaScript has. So they are run here, before bytes are told.
 */
function keepOrder(streamPrototype: object): void {
  const native = NativeStream.prototype as Record<string, AnyFunction | undefined>;
  const { readBuffer } = native;
  if (settle === null || readBuffer === undefined) return;
  native['readBuffer'] = function (...args) {
    const outer = delivering;
    delivering = true;
    try {
      return readBuffer.apply(this, args);
    } finally {
      delivering = outer;
    }
  };
  const push = Reflect.get(streamPrototype, 'push') as AnyFunction;
  Object.defineProperty(streamPrototype, 'push', {
    configurable: true, writable: true,
    value(this: unknown, ...args: unknown[]): unknown {
      if (delivering && args[0] !== null) {
        delivering = false; // what the ticks do is not inside of it
        settle!();
        delivering = true;
      }
      return push.apply(this, args);
    },
  });
}

interface SocketOnStream {
  readonly stream: Partial<Record<Getter, () => object>>;
}

type Getter = '_getpeername' | '_getsockname';

/** `session.socket.remoteAddress` and its like, which a JSStreamSocket has not: those of the socket below. */
function teachAddresses(onStream: object): void {
  const prototype = Object.getPrototypeOf(onStream) as object;
  for (const name of ['_getpeername', '_getsockname'] as const) {
    const real = Reflect.get(prototype, name) as (this: unknown) => object;
    Object.defineProperty(prototype, name, {
      configurable: true, writable: true,
      value(this: SocketOnStream & Socket): object {
        return this.stream[name]?.() ?? real.call(this);
      },
    });
  }
}
