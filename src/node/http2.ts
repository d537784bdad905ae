/**
 * `node:http2` on a host: Node's own, with sessions that connect from the host and servers that listen on it, in the clear
 * (h2c) and over TLS.
 */
import type nodeHttp2 from 'node:http2';
import { createRequire } from 'node:module';
import type { NetConnectOpts, Server } from 'node:net';
import type { AnyFunction } from './classes.ts';
import { dialOn } from './handle/tls.ts';
import { createNet, serveOn, type NodeNet } from './net.ts';
import { NodeHost, type HostLike } from './sockets.ts';

/** The type of `node:http2`. */
export type NodeHttp2 = typeof nodeHttp2;

/** Node's `http2` for a host: `createHttp2(kernel).connect('https://bob')`. */
export function createHttp2(host: HostLike | NodeHost, net?: NodeNet): NodeHttp2 {
  // Loaded here and not before: once http2 is there, a wake-up of user code costs a turn of the loop (real-work.ts).
  const http2 = createRequire(import.meta.url)('node:http2') as NodeHttp2;
  const node = host instanceof NodeHost ? host : new NodeHost(host);
  const { connect: connectNet } = net ?? createNet(node);
  const onHost = (make: unknown) => (...args: unknown[]): Server => {
    const server = (make as AnyFunction)(...args) as Server;
    serveOn(() => node, server);
    return server;
  };
  const connect = (authority: unknown, given?: unknown, listener?: unknown): unknown => {
    const options = (typeof given === 'function' ? undefined : given) as nodeHttp2.SecureClientSessionOptions | undefined;
    const callback = typeof given === 'function' ? given : listener;
    const full = { lookup: node.lookup, ...options };
    // Node asks for a connection of its own kind when it is given this; that of TLS it makes itself.
    if (options?.createConnection === undefined && protocolOf(authority, options) === 'http:') {
      full.createConnection = (url) => connectNet({ ...options, port: portOf(url), host: hostOf(url) } as NetConnectOpts);
    }
    return dialOn(node.handles, () => (http2.connect as unknown as AnyFunction)(authority, full, callback) as object);
  };
  return {
    ...http2, connect, createServer: onHost(http2.createServer), createSecureServer: onHost(http2.createSecureServer),
  } as unknown as NodeHttp2;
}

function protocolOf(authority: unknown, options: nodeHttp2.ClientSessionOptions | undefined): string {
  try {
    const { protocol } = typeof authority === 'string' ? new URL(authority) : authority as { protocol?: string };
    return protocol ?? options?.protocol ?? 'https:';
  } catch {
    return ''; // Node says what is wrong with it
  }
}

function portOf({ port }: { readonly port: string }): number | string {
  return port === '' ? 80 : port;
}

/** As Node takes it from an URL, or from an object with the same members. */
function hostOf({ hostname, host }: { readonly hostname?: string; readonly host?: string }): string {
  const name = hostname !== undefined && hostname !== '' ? hostname : host ?? '';
  if (name === '') return 'localhost';
  return name.startsWith('[') ? name.slice(1, -1) : name;
}
