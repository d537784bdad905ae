/**
 * What `install()` hooks in Deno besides `node:*`: the functions of `Deno` that are the network, and the globals that are written in
 * its native code. Loaded by the doors; where there is no Deno there is nothing to hook.
 *
 *   from  node/install.ts   when it puts its hooks in place
 *   to    deno/network.ts, deno/fetch.ts, deno/websocket.ts
 */
import { Calls } from '../host/calls.ts';
import { hostHere } from '../node/current.ts';
import { moreHooks } from '../node/hook/more.ts';
import { passes } from '../node/hook/net.ts';
import { wrap, type AnyFunction, type Undo } from '../node/hook/wrap.ts';
import type { Target } from '../node/passthrough.ts';
import type { NodeHost } from '../node/sockets.ts';
import { TcpConn } from './conn.ts';
import { createConnFetch } from './fetch.ts';
import { createDeno, type DenoNetwork } from './network.ts';
import { DEFAULT_PORT } from './serve.ts';
import { HostWebSocket, isServed, webSocketOn } from './websocket.ts';

/** Deno's API on the host that code runs on. A host that was booted again has another process, and another one of these. */
const networks = new WeakMap<object, DenoNetwork>();

function networkOf(host: NodeHost): DenoNetwork {
  const { process } = host.handles;
  let network = networks.get(process);
  if (network !== undefined) return network;
  const { resolver } = host;
  if (resolver === null) throw new Error('kernet: this host has no resolver, which Deno\'s functions need');
  network = createDeno(Object.assign(new Calls(process), { proc: process, hosts: resolver.hosts, resolver }));
  networks.set(process, network);
  return network;
}

/** The host's API; null: the machine's own, because nothing is installed here or because this target may pass. */
function networkFor(target: Target | null): DenoNetwork | null {
  const host = hostHere();
  return host === null || target !== null && passes(target) ? null : networkOf(host);
}

interface Place {
  readonly hostname?: unknown;
  readonly port?: unknown;
  readonly path?: unknown;
}

function targetOf(kind: 'connect' | 'listen', options: unknown): Target {
  const { hostname, port, path } = (typeof options === 'object' && options !== null ? options : {}) as Place;
  const host = typeof hostname === 'string' ? hostname : '';
  return { kind, host, ...(typeof path === 'string' ? { path } : { port: Number(port ?? 0) }) };
}

function urlTarget(given: unknown): Target {
  const text = typeof given === 'object' && given !== null && 'url' in given ? String(given.url) : String(given);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return { kind: 'connect', host: '' };
  }
  const usual = url.protocol === 'https:' || url.protocol === 'wss:' ? 443 : 80;
  return { kind: 'connect', host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: url.port === '' ? usual : Number(url.port) };
}

/** Whom the first argument of a function names; null: nobody. */
const FUNCTIONS: Readonly<Record<string, (args: readonly unknown[]) => Target | null>> = {
  connect: ([options]) => targetOf('connect', options),
  connectTls: ([options]) => targetOf('connect', options),
  listen: ([options]) => targetOf('listen', options),
  listenTls: ([options]) => targetOf('listen', options),
  listenDatagram: ([options]) => targetOf('listen', options),
  resolveDns: ([query]) => ({ kind: 'lookup', host: String(query) }),
  serve: ([options]) => targetOf('listen', { port: DEFAULT_PORT, ...options as object }),
  networkInterfaces: () => null,
  hostname: () => null,
};

/** Those that promise: what goes wrong, they do not throw. */
const ASYNC: ReadonlySet<string> = new Set(['connect', 'connectTls', 'resolveDns']);

async function asPromise(call: () => unknown): Promise<unknown> {
  return await call();
}

/** Natively written, and not to be had over a host's connections. */
const REFUSED: readonly string[] = ['connectQuic', 'upgradeWebTransport'];
const REFUSED_CLASSES: readonly string[] = ['EventSource', 'WebSocketStream', 'WebTransport'];

function refused(name: string): Error {
  const error = new Error(`kernet: ${name} of Deno cannot be led to a host; let it through with the option passthrough, or use fetch, `
    + 'WebSocket, or the functions of Deno for TCP, TLS and UDP');
  return Object.assign(error, { code: 'ERR_KERNET_GUARD' });
}

function hookDeno(): Undo[] {
  const { Deno } = globalThis as { Deno?: object };
  if (Deno === undefined || !('version' in Deno)) return [];
  const has = (name: string): boolean => typeof Reflect.get(Deno, name) === 'function';
  return [
    ...Object.entries(FUNCTIONS).filter(([name]) => has(name)).map(([name, target]) => wrap(Deno, name, (real) => function hooked(...args) {
      const call = (): unknown => {
        const network = networkFor(target(args));
        return network === null ? real.apply(this, args) : (Reflect.get(network, name) as AnyFunction).apply(network, args);
      };
      return ASYNC.has(name) ? asPromise(call) : call();
    })),
    wrap(Deno, 'startTls', (real) => function startTls(conn, ...rest) {
      const network = conn instanceof TcpConn ? networkFor(null) : null; // one that passed through is Deno's own
      return network === null ? real.call(this, conn, ...rest) : (network.startTls as AnyFunction)(conn, ...rest);
    }),
    wrap(Deno, 'upgradeWebSocket', (real) => function upgradeWebSocket(request, ...rest) {
      const network = isServed(request as Request) ? networkFor(null) : null;
      return network === null ? real.call(this, request, ...rest) : (network.upgradeWebSocket as AnyFunction)(request, ...rest);
    }),
    wrap(Deno, 'createHttpClient', (real) => function createHttpClient(...args) {
      const client = real.apply(this, args);
      clients.set(client as object, (args[0] ?? {}));
      return client;
    }),
    ...REFUSED.filter(has).map((name) => wrap(Deno, name, (real) => function refuse(...args) {
      if (hostHere() === null) return real.apply(this, args);
      throw refused(name);
    })),
    ...hookGlobals(),
  ];
}

interface ClientOptions {
  readonly caCerts?: readonly string[];
}

/** What clients of fetch were made with. */
const clients = new WeakMap<object, ClientOptions>();

function hookGlobals(): Undo[] {
  return [
    wrap(globalThis, 'fetch', (real) => async function fetch(input, init, ...rest) {
      const network = networkFor(urlTarget(input));
      if (network === null) return await (real.call(this, input, init, ...rest));
      const { client, ...options } = (init ?? {}) as { client?: object };
      const { caCerts } = (client === undefined ? undefined : clients.get(client)) ?? {};
      const own = createConnFetch(network, real as typeof globalThis.fetch, caCerts === undefined ? {} : { caCerts });
      return await own(input as string, options);
    }),
    hookClass('WebSocket', (Real) => {
      const Ours = webSocketOn(() => networkFor(null)!);
      return {
        construct: (args, target) => {
          const isMachines = networkFor(urlTarget(args[0])) === null;
          return isMachines ? Reflect.construct<unknown[], object>(Real, args, target) : new Ours(...args as [string]);
        },
        isInstance: (value) => value instanceof HostWebSocket,
      };
    }),
    ...REFUSED_CLASSES.filter((name) => Reflect.has(globalThis, name)).map((name) => hookClass(name, (Real) => ({
      construct: (args, target) => {
        if (networkFor(urlTarget(args[0])) === null) return Reflect.construct(Real, args, target);
        throw refused(name);
      },
      isInstance: () => false,
    }))),
  ];
}

type AnyClass = new (...args: unknown[]) => object;

interface Replacement {
  readonly construct: (args: unknown[], target: AnyClass) => object;
  /** Is it one of ours? */
  readonly isInstance: (value: unknown) => boolean;
}

/** Puts a class of the globals behind a stand-in; all but `new` and `instanceof` goes through. */
function hookClass(name: string, make: (Real: AnyClass) => Replacement): Undo {
  const old = Object.getOwnPropertyDescriptor(globalThis, name)!;
  const Real = Reflect.get(globalThis, name) as AnyClass;
  const { construct, isInstance } = make(Real);
  const StandIn: AnyClass = new Proxy(Real, {
    construct: (real, args, target) => construct(args, target === StandIn ? real : target as AnyClass),
    get(real, key) {
      if (key !== Symbol.hasInstance) return Reflect.get(real, key) as unknown;
      return (value: unknown) => isInstance(value) || value instanceof real;
    },
  });
  Object.defineProperty(globalThis, name, { value: StandIn, writable: true, configurable: true, enumerable: old.enumerable ?? false });
  return () => {
    if (Reflect.get(globalThis, name) === StandIn) Object.defineProperty(globalThis, name, old);
  };
}

moreHooks.add(hookDeno);
