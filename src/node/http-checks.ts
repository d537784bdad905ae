/**
 * `headersTimeout` and `requestTimeout` of http and https servers on the world's clock.
 *
 * Node looks every `connectionsCheckingInterval` whether a request has been under way for too long: by a timer that no program
 * sees, and by a list of C++'s that reads the machine's clock. While a program runs, the timer of a host's server is the
 * program's, and the list answers by the time at which, on the world's clock, each request began; what then happens to it (the
 * 408, 'clientError') is Node's own.
 *
 *   from  program.ts   a program begins
 */
import http from 'node:http';
import net from 'node:net';
import process from 'node:process';
import { Duplex } from 'node:stream';
import { NS_PER_MS } from '../lib/units.ts';
import type { ProgramClock, VirtualTimer } from '../world/program.ts';
import type { HandleHolder } from './handle/runtime.ts';
import { isTcpHandle } from './handle/tcp.ts';

/** Node's parser of one connection, which is used for another one later. */
interface Parser {
  readonly incoming: object | null;
  [STARTED]?: number | undefined;
  [PREVIOUS]?: object | null;
}

/** When the request that is under way began: its first byte, or the connection. Undefined once it was reported. */
const STARTED: unique symbol = Symbol('kernet.started');
/** The request before it, as far as the parser still has it: another one in its place means that the headers are complete. */
const PREVIOUS: unique symbol = Symbol('kernet.previous');

/** Where a parser has its function for the beginning of a message, and what its kind for requests is called: Node's numbers. */
interface ParserClass {
  readonly prototype: object;
  readonly kOnMessageBegin: number;
  readonly REQUEST: number;
}

/** A server's list of its connections, made in C++. */
interface ConnectionsList {
  active(): Parser[];
  expired(headersTimeout: number, requestTimeout: number): Parser[];
}

interface Timeout {
  readonly _onTimeout: () => void;
  readonly _repeat: number;
  close(): unknown;
}

interface Seam {
  /** The members of a server that hold its list and its timer. */
  readonly connections: symbol;
  readonly interval: symbol;
  readonly Parser: ParserClass;
}

let seam: Seam | null | undefined;

/** Looks at a server that listens to nothing; null where there is no such thing (Deno). */
function findSeam(): Seam | null {
  if ('deno' in process.versions) return null;
  const server = new http.Server();
  server.emit('listening');
  const symbols = Object.getOwnPropertySymbols(server);
  const connections = symbols.find((s) => s.description === 'http.server.connections');
  const interval = symbols.find((s) => s.description === 'http.server.connectionsCheckingInterval');
  const nowhere = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  if (connections !== undefined) server.emit('connection', nowhere);
  const found = (nowhere as { parser?: { constructor: ParserClass } | null }).parser?.constructor;
  nowhere.destroy();
  if (connections === undefined || interval === undefined) return null;
  const of = server as unknown as Record<symbol, Timeout | undefined>;
  of[interval]?.close();
  return typeof found?.kOnMessageBegin === 'number' ? { connections, interval, Parser: found } : null;
}

/** What a server keeps for its timer. Node stops it by setting `_onTimeout` to null. */
class CheckingTimer {
  private readonly timer: VirtualTimer;

  constructor(clock: ProgramClock, ms: number, check: () => void) {
    this.timer = clock.start(check, ms, [], true).unref();
  }

  get _onTimeout(): unknown {
    return this;
  }

  set _onTimeout(_value: unknown) {
    this.timer.close();
  }
}

type Swap = (owner: object, name: PropertyKey, value: unknown) => void;
type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

/** Puts the checks of servers that listen from now on onto the clock of a program. `swap` replaces a member until its end. */
export function checksOn(clock: ProgramClock, swap: Swap): void {
  if (seam === undefined) seam = findSeam();
  if (seam === null) return;
  const { connections, interval, Parser } = seam;
  const prototype = Parser.prototype as Record<PropertyKey, AnyFunction>;
  const initialize = prototype['initialize']!;
  const begins = function (this: Parser): void {
    begin(this, clock);
  };
  swap(prototype, 'initialize', function (this: Parser, ...args: unknown[]): unknown {
    if (args[0] === Parser.REQUEST) {
      begin(this, clock);
      Reflect.set(this, Parser.kOnMessageBegin, begins); // as long as the connection: then Node clears it
    }
    return initialize.apply(this, args);
  });
  swap(net.Server.prototype, interval, undefined);
  Object.defineProperty(net.Server.prototype, interval, {
    configurable: true,
    get: () => undefined,
    set(this: net.Server & HandleHolder & Record<symbol, unknown>, timeout: Timeout) {
      const list = this[connections] as ConnectionsList | undefined;
      let value: object = timeout;
      if (!clock.ended && list !== undefined && isTcpHandle(this._handle)) {
        const { _onTimeout: check, _repeat: ms } = timeout;
        timeout.close();
        Object.defineProperty(list, 'expired', { configurable: true, writable: true, value: expiredBy(clock, list) });
        value = new CheckingTimer(clock, ms, check);
      }
      Object.defineProperty(this, interval, { value, writable: true, configurable: true, enumerable: true });
    },
  });
}

function begin(parser: Parser, clock: ProgramClock): void {
  parser[STARTED] = clock.nowNs;
  parser[PREVIOUS] = parser.incoming;
}

/** The list's own question: which requests have been under way for longer than they may? Each is told once. */
function expiredBy(clock: ProgramClock, list: ConnectionsList): ConnectionsList['expired'] {
  return (headersTimeout, requestTimeout) => list.active().filter((parser) => {
    const started = parser[STARTED];
    if (started === undefined) return false;
    const ms = (clock.nowNs - started) / NS_PER_MS;
    const hasHeaders = parser.incoming !== null && parser.incoming !== parser[PREVIOUS];
    const late = (!hasHeaders && headersTimeout > 0 && ms > headersTimeout) || (requestTimeout > 0 && ms > requestTimeout);
    if (late) parser[STARTED] = undefined;
    return late;
  });
}
