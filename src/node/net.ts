/**
 * `node:net` on a host: Node's own classes, whose handles are the host's kernel sockets. What is no socket (`isIP`,
 * `BlockList`…) is Node's as it stands.
 */
import { channel } from 'node:diagnostics_channel';
import nodeNet from 'node:net';
import type { HandleHolder } from './handle/runtime.ts';
import {
  listen, listen2, NodeHost, prepareConnect, reinitializeHandle, swapHandle, type ConnectArgs, type HostLike, type ListenArgs,
} from './sockets.ts';

/** The type of `node:net`. */
export type NodeNet = typeof nodeNet;

type AnyFunction = (...args: unknown[]) => unknown;
/** The classes of lib/net.js are functions that may be called without `new`. */
type CallableClass = AnyFunction & { prototype: object };

/** Node's `net` for a host: `createNet(kernel).connect(80, 'bob')`. */
export function createNet(host: HostLike | NodeHost): NodeNet {
  const node = host instanceof NodeHost ? host : new NodeHost(host);
  const Socket = socketClass(node);
  const Server = serverClass(node);
  const connect = (...args: unknown[]): nodeNet.Socket => {
    const { options, callback } = connectOptions(args);
    const socket = concernsSocket(options) ? new Socket(options) : new Socket();
    if (connectTells && clientSockets.hasSubscribers) clientSockets.publish({ socket });
    if (typeof options['timeout'] === 'number' && options['timeout'] > 0) socket.setTimeout(options['timeout']);
    return (socket.connect as AnyFunction).call(socket, options, callback) as nodeNet.Socket;
  };
  const createServer = (...args: unknown[]): nodeNet.Server => new Server(...args);
  return { ...nodeNet, Socket, Stream: Socket, Server, connect, createConnection: connect, createServer } as unknown as NodeNet;
}

/** Where Node tells of sockets that are made to connect: `net.connect` does, in Node 20; later versions do in the socket's connect(). */
const clientSockets = channel('net.client.socket');
const connectTells = !String(Reflect.get(nodeNet.Socket.prototype, 'connect')).includes('netClientSocketChannel');

/** Options of connect() that say nothing about the socket itself. */
const CONNECT_ONLY: ReadonlySet<string> = new Set([
  'port', 'host', 'path', 'localAddress', 'localPort', 'family', 'hints', 'lookup', 'timeout', 'autoSelectFamily',
  'autoSelectFamilyAttemptTimeout',
]);

/** False when a socket made without options would be the same: the engine makes those in a tenth of the time. */
function concernsSocket(options: Options): boolean {
  return !Object.keys(options).every((key) => CONNECT_ONLY.has(key));
}

interface Options extends Record<string, unknown> {}

/** `connect(port, host, callback)`, `connect(path, callback)` and `connect(options, callback)` as the last of these. */
function connectOptions(args: readonly unknown[]): { options: Options; callback: unknown } {
  const [first, second] = args;
  const last = args.length > 1 ? args.at(-1) : undefined;
  const callback = typeof last === 'function' ? last : undefined;
  if (typeof first === 'object' && first !== null) return { options: first as Options, callback };
  if (typeof first === 'string' && !(Number(first) >= 0)) return { options: { path: first }, callback };
  return { options: typeof second === 'string' ? { port: first, host: second } : { port: first }, callback };
}

/** Where a socket or a server keeps its host. */
const HOST: unique symbol = Symbol('kernet.host');

interface OnHost {
  [HOST]?: NodeHost;
}

/**
 * The sockets and the servers of all hosts are of two classes, not of two per host: the engine then knows one shape of
 * each, however many worlds there are (a class per host made opening a connection several times slower).
 */
const HostSocket: Class<nodeNet.Socket> = derived(nodeNet.Socket);
const HostServer: Class<nodeNet.Server> = derived(nodeNet.Server);

type Class<T> = new (...args: unknown[]) => T & OnHost;

function derived<T extends object>(Base: unknown): Class<T> {
  const Derived = class extends (Base as new (...args: unknown[]) => object) {};
  Object.defineProperty(Derived, 'name', { value: (Base as { name: string }).name, configurable: true });
  return Derived as unknown as Class<T>;
}

function define(prototype: object, key: PropertyKey, value: AnyFunction): void {
  Object.defineProperty(prototype, key, { value, writable: true, configurable: true });
}

const realSocket = nodeNet.Socket.prototype as unknown as Record<PropertyKey, AnyFunction>;
define(HostSocket.prototype as object, 'connect', function connect(this: nodeNet.Socket & OnHost, ...args: ConnectArgs): unknown {
  return Reflect.apply(realSocket['connect']!, this, prepareConnect(this[HOST]!, this, args));
});
define(HostSocket.prototype as object, reinitializeHandle, function reinitialize(this: OnHost, handle: unknown): void {
  realSocket[reinitializeHandle]!.call(this, swapHandle(this[HOST]!, handle, (this as unknown as HandleHolder)._handle));
});
serveOn((server) => (server as OnHost)[HOST]!, HostServer.prototype as nodeNet.Server);

/** One of the two classes for a host: with `new`, without it, by a derived class or by another constructor, as lib/net.js's own. */
function onHost<T extends object>(host: NodeHost, Derived: Class<T>, Base: CallableClass): Class<T> {
  function HostClass(this: unknown, ...args: unknown[]): object {
    const target: unknown = new.target;
    let made: OnHost;
    if (target !== undefined && target !== HostClass) {
      made = Reflect.construct(Derived, args, target as CallableClass) as OnHost;
    } else if (target === undefined && this instanceof Derived) {
      Base.apply(this, args);
      made = this;
    } else {
      made = new Derived(...args);
    }
    made[HOST] = host;
    return made;
  }
  Object.defineProperty(HostClass, 'name', { value: Base.name, configurable: true });
  Object.setPrototypeOf(HostClass, Derived);
  HostClass.prototype = Derived.prototype as object;
  return HostClass as unknown as Class<T>;
}

function socketClass(host: NodeHost): Class<nodeNet.Socket> {
  const Class = onHost(host, HostSocket, nodeNet.Socket as unknown as CallableClass);
  // The sockets of accepted connections are made by lib/net.js, of its own class.
  const isInstance = Function.prototype[Symbol.hasInstance] as (this: unknown, value: unknown) => boolean;
  Object.defineProperty(Class, Symbol.hasInstance, {
    configurable: true,
    value(this: unknown, value: unknown): boolean {
      return this === Class ? value instanceof nodeNet.Socket : isInstance.call(this, value);
    },
  });
  return Class;
}

function serverClass(host: NodeHost): Class<nodeNet.Server> {
  return onHost(host, HostServer, nodeNet.Server as unknown as CallableClass);
}

/** Makes one server, or all that inherit from a prototype, listen on a host. */
export function serveOn(hostOf: (server: nodeNet.Server) => NodeHost, target: nodeNet.Server): void {
  const { listen: nodeListen } = nodeNet.Server.prototype as unknown as Record<'listen', AnyFunction>;
  define(target, 'listen', function (this: nodeNet.Server, ...args: ListenArgs): unknown {
    return listen(hostOf(this), this, args, (...rest) => nodeListen.apply(this, rest) as nodeNet.Server);
  });
  define(target, '_listen2', function (this: nodeNet.Server, ...args: Parameters<typeof listen2>[2]): void {
    listen2(hostOf(this), this, args);
  } as AnyFunction);
}
