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
