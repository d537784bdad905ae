/**
 * Sessions and streams of http2 on the world's clock while a program runs: their `setTimeout`, and the Date header of answers.
 *
 *   from  program.ts   a program begins
 */
import { EventEmitter } from 'node:events';
import type { ProgramClock } from '../world/program.ts';
import { isHostSocket } from './handle/tls.ts';
import { holderOf, whenHttp2 } from './http2-insides.ts';
import { timeoutOn } from './socket-timer.ts';

type Swap = (owner: object, name: PropertyKey, value: unknown) => void;
type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

/** A session has its socket under a symbol; a stream has its session. */
interface Http2Object {
  readonly session?: object | undefined;
}

/** Puts http2 onto a program's clock, once it is loaded. `swap` replaces a member until the program's end; so does the undo. */
export function http2On(clock: ProgramClock, swap: Swap): () => void {
  return whenHttp2(({ session, stream }) => {
    for (const prototype of [session, stream]) {
      const real = Reflect.get(prototype, 'setTimeout') as AnyFunction;
      swap(prototype, 'setTimeout', timeoutOn(clock, real, isOnHost));
    }
    swap(session, 'emit', datedStreams(swap));
  });
}

function isOnHost(object: Http2Object): boolean {
  const session = object.session ?? object;
  const symbol = Object.getOwnPropertySymbols(session).find((s) => s.description === 'socket');
  const socket = symbol === undefined ? undefined : (session as Record<symbol, object | undefined>)[symbol];
  return socket !== undefined && isHostSocket(socket);
}

/** A session's `emit`, which sees to the class of a server's streams when it meets the first of them: it is exported nowhere. */
function datedStreams(swap: Swap): AnyFunction {
  let met = false;
  const { emit } = EventEmitter.prototype as unknown as Record<'emit', AnyFunction>;
  return function (this: unknown, ...args: unknown[]): unknown {
    const [event, stream] = args;
    if (event === 'stream' && !met && typeof (stream as { respond?: unknown }).respond === 'function') {
      met = true;
      const prototype = holderOf(stream as object, 'respond');
      // respond(headers, options), respondWithFD(fd, headers, options), respondWithFile(path, headers, options)
      for (const [name, at] of [['respond', 0], ['respondWithFD', 1], ['respondWithFile', 1]] as const) {
        swap(prototype, name, dated(Reflect.get(prototype, name) as AnyFunction, at));
      }
    }
    return emit.apply(this, args);
  };
}

/** An answer with the program's date, unless it has one, or is to have none. Node keeps its own, by the machine's clock. */
function dated(real: AnyFunction, at: number): AnyFunction {
  return function (this: unknown, ...args: unknown[]): unknown {
    const [headers, options] = [args[at], args[at + 1] as { readonly sendDate?: boolean } | null | undefined];
    const isPlain = headers === undefined || headers === null || (typeof headers === 'object' && !Array.isArray(headers));
    if (isPlain && options?.sendDate !== false && !Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'date')) {
      args[at] = { ...headers, date: new Date().toUTCString() };
    }
    return real.apply(this, args);
  };
}
