/**
 * The idle timeouts of Node's own sockets, sessions and streams on a program's clock: what `setTimeout` of each armed is
 * replaced by a timer of the world's.
 *
 *   from  program.ts       net.Socket, and what inherits from it
 *         http2-clock.ts   sessions and streams
 */
import type { ProgramClock, VirtualTimer } from '../world/program.ts';
import { endSocketTimer, socketTimer } from './handle/runtime.ts';

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

/** What Node keeps as a socket's timer: it refreshes it on every byte, and clears it by setting `_onTimeout` to null. */
class SocketTimer {
  private readonly timer: VirtualTimer;
  private closed = false;

  constructor(clock: ProgramClock, ms: number, fire: () => void) {
    this.timer = clock.start(fire, ms, [], false).unref();
  }

  refresh(): this {
    if (!this.closed) this.timer.refresh();
    return this;
  }

  close(): this {
    this.closed = true;
    this.timer.close();
    return this;
  }

  /** Stops it until `refresh()`: Deno's http does so while a request is under way. */
  suspend(): void {
    this.timer.close();
  }

  get _onTimeout(): unknown {
    return this;
  }

  set _onTimeout(_value: unknown) {
    this.close();
  }
}

/** What has an idle timeout. */
interface Timed {
  readonly destroyed: boolean;
  _onTimeout(): void;
}

/** `setTimeout` of a class of Node's, whose objects that are a host's count the world's milliseconds. */
export function timeoutOn(clock: ProgramClock, real: AnyFunction, isOnHost: (object: object) => boolean): AnyFunction {
  return function setTimeout(this: unknown, ...args: unknown[]): unknown {
    const object = this as Timed;
    endSocketTimer(object);
    const result = real.apply(this, args);
    const [ms] = args;
    if (clock.ended || typeof ms !== 'number' || ms <= 0 || object.destroyed || !isOnHost(object)) return result;
    socketTimer(object, new SocketTimer(clock, ms, () => object._onTimeout()));
    return result;
  };
}
