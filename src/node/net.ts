/**
 * `node:net` on a host: Node's own classes, whose handles are the host's kernel sockets. What is no socket (`isIP`,
 * `BlockList`…) is Node's as it stands.
 */
import nodeNet from 'node:net';
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
    const socket = new Socket(options);
    if (typeof options['timeout'] === 'number' && options['timeout'] > 0) socket.setTimeout(options['timeout']);
    return (socket.connect as AnyFunction).call(socket, options, callback) as nodeNet.Socket;
  };
  const createServer = (...args: unknown[]): nodeNet.Server => new Server(...args);
  return { ...nodeNet, Socket, Stream: Socket, Server, connect, createConnection: connect, createServer } as unknown as NodeNet;
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

/**
 * A class that can be called without `new`, or by another constructor, as lib/net.js's own. Instances are made by a real
 * derived class: the engine makes these forty times faster than by Reflect.construct with a function as new.target.
 */
function subclass(Base: CallableClass): CallableClass {
  const Derived = class extends (Base as unknown as new (...args: unknown[]) => object) {};
  function Class(this: unknown, ...args: unknown[]): object {
    if (new.target !== undefined && (new.target as unknown) !== Class) return Reflect.construct(Derived, args, new.target) as object;
    if (new.target === undefined && this instanceof Derived) {
      Base.apply(this, args);
      return this;
    }
    return new Derived(...args);
  }
  Object.defineProperty(Class, 'name', { value: Base.name, configurable: true });
  Object.setPrototypeOf(Class, Base);
  Class.prototype = Derived.prototype;
  Object.defineProperty(Derived.prototype, 'constructor', { value: Class, writable: true, configurable: true });
  return Class;
}

type SocketConstructor = new (...args: unknown[]) => nodeNet.Socket;
type ServerConstructor = new (...args: unknown[]) => nodeNet.Server;

function define(prototype: object, key: PropertyKey, value: AnyFunction): void {
  Object.defineProperty(prototype, key, { value, writable: true, configurable: true });
}

function socketClass(host: NodeHost): SocketConstructor {
  const Base = nodeNet.Socket as unknown as CallableClass;
  const Class = subclass(Base);
  const base = nodeNet.Socket.prototype as unknown as Record<PropertyKey, AnyFunction>;
  define(Class.prototype, 'connect', function connect(this: nodeNet.Socket, ...args: ConnectArgs): unknown {
    return base['connect']!.apply(this, prepareConnect(host, this, args));
  });
  define(Class.prototype, reinitializeHandle, function reinitialize(this: nodeNet.Socket, handle: unknown): void {
    base[reinitializeHandle]!.call(this, swapHandle(host, handle));
  });
  // The sockets of accepted connections are made by lib/net.js, of its own class.
  const isInstance = Function.prototype[Symbol.hasInstance] as (this: unknown, value: unknown) => boolean;
  Object.defineProperty(Class, Symbol.hasInstance, {
    configurable: true,
    value(this: unknown, value: unknown): boolean {
      return this === Class ? value instanceof nodeNet.Socket : isInstance.call(this, value);
    },
  });
  return Class as unknown as SocketConstructor;
}

function serverClass(host: NodeHost): ServerConstructor {
  const Base = nodeNet.Server as unknown as CallableClass;
  const Class = subclass(Base);
  serveOn(host, Class.prototype as nodeNet.Server);
  return Class as unknown as ServerConstructor;
}

/** Makes one server, or all that inherit from a prototype, listen on a host. */
export function serveOn(host: NodeHost, target: nodeNet.Server): void {
  const { listen: nodeListen } = nodeNet.Server.prototype as unknown as Record<'listen', AnyFunction>;
  define(target, 'listen', function (this: nodeNet.Server, ...args: ListenArgs): unknown {
    return listen(host, this, args, (...rest) => nodeListen.apply(this, rest) as nodeNet.Server);
  });
  define(target, '_listen2', function (this: nodeNet.Server, ...args: Parameters<typeof listen2>[2]): void {
    listen2(host, this, args);
  } as AnyFunction);
}
