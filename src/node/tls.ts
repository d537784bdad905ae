/**
 * `node:tls` on a host: Node's own, with sockets that connect from the host and servers that listen on it. The handshake, the
 * certificates and the ciphers are the runtime's; what lies on the wire is the host's TCP.
 */
import process from 'node:process';
import nodeTls from 'node:tls';
import { derive, serverClass, type AnyFunction } from './classes.ts';
import { dialOn } from './handle/tls.ts';
import { createNet } from './net.ts';
import { onRelay } from './relay.ts';
import { NodeHost, prepareConnect, type HostLike } from './sockets.ts';

/** The type of `node:tls`. */
export type NodeTls = typeof nodeTls;

/** Node's `tls` for a host: `createTls(kernel).connect(443, 'bob')`. */
export function createTls(host: HostLike | NodeHost): NodeTls {
  const node = host instanceof NodeHost ? host : new NodeHost(host);
  const real = nodeTls.TLSSocket.prototype as unknown as Record<'connect', AnyFunction>;
  const TLSSocket = derive<nodeTls.TLSSocket>(nodeTls.TLSSocket, {
    connect(...args) {
      return Reflect.apply(real.connect, this, prepareConnect(node, this as nodeTls.TLSSocket, args));
    },
  }, (construct) => dialOn(node.handles, construct));
  // The sockets of connect() and of servers are made by Node, of its own class.
  Object.defineProperty(TLSSocket, Symbol.hasInstance, {
    configurable: true,
    value(this: { prototype: object }, value: unknown): boolean {
      if (this === TLSSocket) return value instanceof nodeTls.TLSSocket;
      return typeof value === 'object' && value !== null && Object.prototype.isPrototypeOf.call(this.prototype, value);
    },
  });
  const Server = serverClass<nodeTls.Server>(node, nodeTls.Server);
  const createServer = (...args: unknown[]): nodeTls.Server => new Server(...args);
  return { ...nodeTls, TLSSocket, Server, createServer, connect: tlsConnectOn(node) } as unknown as NodeTls;
}

/** tls.connect from a host. */
export function tlsConnectOn(node: NodeHost): AnyFunction {
  const connect = nodeTls.connect as unknown as AnyFunction;
  if ('deno' in process.versions) {
    const { connect: dial } = createNet(node);
    return (...args) => Reflect.apply(connect, undefined, onRelay(args, (options) => dial(options)));
  }
  return (...args) => dialOn(node.handles, () => Reflect.apply(connect, undefined, tlsArgs(node, args)) as object);
}

/**
 * The arguments of tls.connect with the host's lookup: `(options, callback)`, `(port, host, options, callback)` or
 * `(path, options, callback)`, of which all but the first may be left out.
 */
export function tlsArgs(node: NodeHost, args: readonly unknown[]): unknown[] {
  const at = args.findIndex((a) => typeof a === 'object' && a !== null);
  if (at < 0) {
    const words = args.findIndex((a) => typeof a !== 'string' && typeof a !== 'number');
    const end = words < 0 ? args.length : words;
    return end === 0 ? [...args] : [...args.slice(0, end), { lookup: node.lookup }, ...args.slice(end)];
  }
  const options = args[at] as { readonly lookup?: unknown };
  return [...args.slice(0, at), { ...options, lookup: options.lookup ?? node.lookup }, ...args.slice(at + 1)];
}
