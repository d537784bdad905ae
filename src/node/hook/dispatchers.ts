/**
 * undici's pools of connections, of which fetch has one, know no hosts. While install() is in place, the global dispatcher is a
 * stand-in that gives each host a pool of its own, so that no connection of one host is used for another's request.
 *
 *   from  hook/http.ts   the hook; current.ts tells whenever a host begins to run something
 *   to    undici         Agents with the options of the real one
 */
import { entering, hostOfRun, runOn } from '../current.ts';
import {
  createConnector, GLOBAL_DISPATCHERS, REAL_DISPATCHER, type Connector, type ConnectorOptions, type Dispatcher,
} from '../fetch.ts';
import type { NodeHost } from '../sockets.ts';
import type { Undo } from './wrap.ts';


/** What stands for a dispatcher: itself outside of all hosts. */
function standIn(real: Dispatcher): Dispatcher {
  const agents = new WeakMap<object, Dispatcher>();
  const dispatch = (options: unknown, handler: unknown): boolean => {
    const host = hostOfRun();
    if (host === null) return real.dispatch(options, handler);
    let agent = agents.get(host);
    if (agent === undefined) agents.set(host, agent = another(real, host));
    return agent.dispatch(options, handler);
  };
  return new Proxy(real, {
    get(target, key, receiver) {
      if (key === REAL_DISPATCHER) return real;
      return key === 'dispatch' ? dispatch : Reflect.get(target, key, receiver) as unknown;
    },
  });
}

/**
 * An Agent with the same options for a host. Its connections are the host's wherever they are asked for: undici makes the next
 * one when an answer has been read, which may be outside of the host. A dispatcher of another kind (a MockAgent, a ProxyAgent,
 * one that was composed) is its program's own and stays one for all hosts.
 */
function another(real: Dispatcher, host: NodeHost): Dispatcher {
  const Agent = real.constructor as new (options: object) => Dispatcher;
  if (Agent.name !== 'Agent') return real;
  const factory = held(real, 'factory');
  const options: AgentOptions = held(real, 'options') ?? {};
  return new Agent({ ...options, ...(factory === undefined ? {} : { factory }), connect: connectorOf(options, host) });
}

/** Options of an Agent, as far as they say how to connect. */
interface AgentOptions {
  readonly connect?: Connector | ConnectorOptions | null;
  readonly connectTimeout?: number | null;
  readonly allowH2?: boolean | null;
  readonly autoSelectFamily?: boolean;
  readonly autoSelectFamilyAttemptTimeout?: number;
}

function connectorOf(options: AgentOptions, host: NodeHost): Connector {
  const { connect, connectTimeout, allowH2, autoSelectFamily, autoSelectFamilyAttemptTimeout } = options;
  if (typeof connect === 'function') return (request, callback) => runOn(host, () => connect(request, callback));
  return createConnector(host, {
    ...(typeof connectTimeout === 'number' ? { timeout: connectTimeout } : {}),
    ...(typeof allowH2 === 'boolean' ? { allowH2 } : {}),
    ...(autoSelectFamily === undefined ? {} : { autoSelectFamily }),
    ...(autoSelectFamilyAttemptTimeout === undefined ? {} : { autoSelectFamilyAttemptTimeout }),
    ...connect,
  });
}

function held(object: object, description: string): object | undefined {
  const symbol = Object.getOwnPropertySymbols(object).find((s) => s.description === description);
  return symbol === undefined ? undefined : (object as Record<symbol, object | undefined>)[symbol];
}

/** The look that is taken while the hook is in place: puts a stand-in where there is none. Undone by `hookDispatchers`' undo. */
let look: () => void = () => undefined;

/** A program may have set a dispatcher of its own since. */
export function noticeDispatchers(): void {
  look();
}

/** Puts the stand-ins in place, now and wherever undici is loaded later. */
export function hookDispatchers(): Undo {
  const scope = globalThis as unknown as Record<symbol, (Dispatcher & { [REAL_DISPATCHER]?: Dispatcher }) | undefined>;
  look = () => {
    for (const symbol of GLOBAL_DISPATCHERS) {
      if (isAwaited(symbol)) continue;
      const value = scope[symbol];
      if (value === undefined) awaitDispatcher(symbol);
      else if (value[REAL_DISPATCHER] === undefined) scope[symbol] = standIn(value);
    }
  };
  look();
  entering.add(noticeDispatchers);
  return () => {
    entering.delete(noticeDispatchers);
    look = () => undefined;
    for (const symbol of GLOBAL_DISPATCHERS) {
      if (isAwaited(symbol)) Reflect.deleteProperty(scope, symbol);
      else if (scope[symbol] !== undefined) scope[symbol] = scope[symbol][REAL_DISPATCHER] ?? scope[symbol];
    }
  };
}

function isAwaited(symbol: symbol): boolean {
  return Object.getOwnPropertyDescriptor(globalThis, symbol)?.get !== undefined;
}

/** undici asks, as it is loaded, whether there is a dispatcher, and puts its own in this property's place. */
function awaitDispatcher(symbol: symbol): void {
  Object.defineProperty(globalThis, symbol, {
    configurable: true, enumerable: false,
    get: () => {
      queueMicrotask(() => look());
      return undefined;
    },
    // Whoever assigns it plainly.
    set: (value: unknown) => {
      Object.defineProperty(globalThis, symbol, { value, writable: true, configurable: true, enumerable: false });
      look();
    },
  });
}
