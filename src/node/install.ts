/**
 * `install()`: Node's own net, http, https, tls and dgram mean a host's while code runs that `host.run(fn)` began, or that
 * came of it by callbacks, promises and timers. All other code keeps the machine's network.
 *
 * A handful of hooks on prototypes and on `dns`, each of which asks AsyncLocalStorage for the host. They are looked for one
 * by one before the first is put in place; what is missing is named. `uninstall` restores exactly what was there.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import dgram from 'node:dgram';
import dns from 'node:dns';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import process from 'node:process';
import tls from 'node:tls';
import { adoptDatagramSocket } from './dgram.ts';
import { datagramState, hookTlsWrap, reinitializeHandle, type HandleHolder } from './handle/runtime.ts';
import { frontOf, isTcpHandle, TcpHandle } from './handle/tcp.ts';
import { tlsHandle } from './handle/tls.ts';
import { UdpHandle } from './handle/udp.ts';
import { dnsOf } from './dns.ts';
import { METHODS } from './dns-records.ts';
import type { LookupCallback, LookupOptions } from './lookup.ts';
import { listen2, type NodeHost, prepareConnect } from './sockets.ts';

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;
type Undo = () => void;

const currentHost = new AsyncLocalStorage<NodeHost>();

/** Milliseconds by which the wall clock of the host that code runs on is off. */
export function currentSkewMs(): number {
  return currentHost.getStore()?.skewMs() ?? 0;
}

/** Runs `fn` on a host: what it starts, and what comes of that, has the host's network. Needs `install()`. */
export function runOn<T>(host: NodeHost, fn: () => T): T {
  if (installs === 0) {
    throw new Error('host.run: Node\'s modules are untouched; call install() first, or start with --import kernet/register');
  }
  return currentHost.run(host, fn);
}

let installs = 0;
let undoAll: Undo = () => undefined;

/**
 * Puts the hooks in place. They do nothing outside `host.run`. Returns what takes them away again; after as many calls of
 * it as of `install`, everything is as it was.
 *
 * @throws Error that names the hook when this version of Node has not got one
 */
export function install(): Undo {
  if (installs++ === 0) {
    try {
      undoAll = installAll();
    } catch (error) {
      installs = 0;
      throw error;
    }
  }
  let done = false;
  return () => {
    if (done) return;
    done = true;
    if (--installs === 0) undoAll();
  };
}

function installAll(): Undo {
  for (const [name, owner, key] of hookPoints()) {
    if (typeof Reflect.get(owner, key) === 'function') continue;
    throw new Error(`install: Node ${process.version} has no ${name}; its sockets cannot be led to a kernet host. Please report it`);
  }
  const undo = [
    hookConnect(), hookReinitialize(), hookListen(), hookTls(), hookDatagrams(), hookLookup(dns), hookPromisesLookup(),
    ...hookQuestions(), ...hookResolvers(), hookAgentNames(),
  ];
  syncBuiltinESMExports();
  return () => {
    for (const step of undo.reverse()) step();
    syncBuiltinESMExports();
  };
}

/** Everything that is touched: a name for the message, and where it is. */
function hookPoints(): [name: string, owner: object, key: PropertyKey][] {
  return [
    ['net.Socket.prototype.connect', net.Socket.prototype, 'connect'],
    ['net.Socket.prototype[kReinitializeHandle]', net.Socket.prototype, reinitializeHandle],
    ['net.Server.prototype._listen2', net.Server.prototype, '_listen2'],
    ['tls.TLSSocket.prototype._wrapHandle', tls.TLSSocket.prototype, '_wrapHandle'],
    ['dgram.Socket.prototype.bind', dgram.Socket.prototype, 'bind'],
    ['dns.lookup', dns, 'lookup'],
    ['dns.promises.lookup', dns.promises, 'lookup'],
    ['dns.Resolver', dns, 'Resolver'],
    ['dns.promises.Resolver', dns.promises, 'Resolver'],
    ['http.Agent.prototype.getName', http.Agent.prototype, 'getName'],
  ];
}

/** Replaces a function by what `make` makes of it, as the same kind of property. */
function wrap(owner: object, key: PropertyKey, make: (real: AnyFunction) => AnyFunction): Undo {
  const old = Object.getOwnPropertyDescriptor(owner, key);
  const real = Reflect.get(owner, key) as AnyFunction;
  const hook = make(real);
  Object.defineProperty(hook, 'name', { value: real.name, configurable: true });
  Object.defineProperty(hook, 'length', { value: real.length, configurable: true });
  Object.defineProperty(owner, key, { writable: true, configurable: true, enumerable: old?.enumerable ?? true, value: hook });
  return () => {
    if (Reflect.get(owner, key) !== hook) return; // somebody has put another hook on top: it stays, and finds no host
    if (old === undefined) Reflect.deleteProperty(owner, key);
    else Object.defineProperty(owner, key, old);
  };
}

// ---- TCP

function hookConnect(): Undo {
  return wrap(net.Socket.prototype, 'connect', (real) => function connect(...args) {
    const host = currentHost.getStore();
    return Reflect.apply(real, this, host === undefined ? args : prepareConnect(host, this as net.Socket, args));
  });
}

/** Happy eyeballs makes a native handle for the second address and on. */
function hookReinitialize(): Undo {
  return wrap(net.Socket.prototype, reinitializeHandle, (real) => function reinitialize(handle, ...rest) {
    const old = (this as HandleHolder)._handle;
    if (!isTcpHandle(old) || isTcpHandle(handle)) return real.call(this, handle, ...rest);
    const { host } = old instanceof TcpHandle ? old : old.handle;
    return real.call(this, frontOf(new TcpHandle(host)), ...rest);
  });
}

function hookListen(): Undo {
  return wrap(net.Server.prototype, '_listen2', (real) => function listen(...args) {
    const host = currentHost.getStore();
    if (host === undefined) return real.apply(this, args);
    return listen2(host, this as net.Server, args as Parameters<typeof listen2>[2]);
  });
}

/** A TLS socket that is to connect makes a native handle, unless it is given one. */
function hookTls(): Undo {
  return hookTlsWrap((socket, given, below) => {
    const host = currentHost.getStore();
    if (host === undefined || below !== null || isTcpHandle(given)) return undefined;
    return tlsHandle(host.handles, socket);
  });
}

// ---- UDP

/** Every use of a datagram socket binds it first. */
function hookDatagrams(): Undo {
  return wrap(dgram.Socket.prototype, 'bind', (real) => function bind(...args) {
    const host = currentHost.getStore();
    const socket = this as dgram.Socket;
    if (host !== undefined) {
      const { handle } = datagramState(socket);
      if (handle !== null && !(handle instanceof UdpHandle)) adoptDatagramSocket(host, socket);
    }
    return real.apply(this, args);
  });
}

// ---- names

function hookLookup(owner: object): Undo {
  return wrap(owner, 'lookup', (real) => function lookup(name, given, callback, ...rest) {
    const host = currentHost.getStore();
    if (host === undefined || typeof name !== 'string') return real.call(this, name, given, callback, ...rest);
    const done = (typeof given === 'function' ? given : callback) as LookupCallback;
    const options = (typeof given === 'function' ? {} : given ?? {}) as LookupOptions;
    host.lookup(name, options, done);
    return {};
  });
}

function hookPromisesLookup(): Undo {
  return wrap(dns.promises, 'lookup', (real) => function lookup(name, given, ...rest) {
    const host = currentHost.getStore();
    if (host === undefined || typeof name !== 'string') return real.call(this, name, given, ...rest);
    const options = (typeof given === 'number' ? { family: given } : given ?? {}) as LookupOptions;
    return new Promise((resolve, reject) => {
      host.lookup(name, options, (error, address, family) => {
        if (error !== null) reject(error);
        else resolve(options.all === true ? address : { address, family });
      });
    });
  });
}

/** Questions to name servers, and what else of `dns` has a host's meaning, in both forms. */
const QUESTIONS: readonly string[] = [...Object.values(METHODS), 'resolve', 'reverse', 'lookupService', 'getServers', 'setServers'];

function hookQuestions(): Undo[] {
  const forms: readonly (readonly [owner: object, ofHost: (host: NodeHost) => object])[] = [
    [dns, dnsOf], [dns.promises, (host) => dnsOf(host).promises],
  ];
  return forms.flatMap(([owner, ofHost]) => methodsIn(owner, QUESTIONS).map((name) =>
    wrap(owner, name, (real) => function question(...args) {
      const host = currentHost.getStore();
      if (host === undefined || host.resolver === null) return real.apply(this, args);
      return (Reflect.get(ofHost(host), name) as AnyFunction).apply(undefined, args);
    })));
}

function methodsIn(owner: object, names: readonly string[]): readonly string[] {
  return names.filter((name) => Object.hasOwn(owner, name) && typeof Reflect.get(owner, name) === 'function');
}

/** A `dns.Resolver` that is first used on a host asks there, from then on. */
const hostResolvers = new WeakMap<object, object>();
const RESOLVER_METHODS: readonly string[] = [
  ...Object.values(METHODS), 'resolve', 'reverse', 'getServers', 'setServers', 'cancel', 'setLocalAddress',
];

function hookResolvers(): Undo[] {
  const prototypes = new Set<object>();
  for (const Resolver of [dns.Resolver, dns.promises.Resolver]) {
    const own = Resolver.prototype as object;
    prototypes.add(own).add(Object.getPrototypeOf(own) as object);
  }
  return [...prototypes].flatMap((owner) => methodsIn(owner, RESOLVER_METHODS).map((name) =>
    wrap(owner, name, (real) => function method(...args) {
      const mine = resolverOf(this as object);
      return mine === null ? real.apply(this, args) : (Reflect.get(mine, name) as AnyFunction).apply(mine, args);
    })));
}

/** What stands for a resolver on its host; null outside of all hosts. */
function resolverOf(real: object): object | null {
  const known = hostResolvers.get(real);
  if (known !== undefined) return known;
  const host = currentHost.getStore();
  if (host === undefined || host.resolver === null) return null;
  const of = dnsOf(host);
  const mine = real instanceof dns.promises.Resolver ? new of.promises.Resolver() : new of.Resolver();
  hostResolvers.set(real, mine);
  return mine;
}

// ---- http

const hostIds = new WeakMap<NodeHost, number>();
let nextHostId = 1;

function idOf(host: NodeHost): number {
  let id = hostIds.get(host);
  if (id === undefined) hostIds.set(host, id = nextHostId++);
  return id;
}

/** A connection of one host is not reused for another's request. */
function hookAgentNames(): Undo {
  return wrap(http.Agent.prototype, 'getName', (real) => function getName(...args) {
    const name = real.apply(this, args) as string;
    const host = currentHost.getStore();
    return host === undefined ? name : `${name}:kernet-${idOf(host)}`;
  });
}
