/**
 * How a kernet handle gets under one of Node's sockets or servers: before connect(), and before `_listen2`, by which
 * lib/net.js opens a server and which it keeps "to avoid breaking code that wraps this method".
 *
 *   from  net.ts, http.ts, install.ts
 *   to    handle/tcp.ts
 */
import { AsyncResource } from 'node:async_hooks';
import cluster from 'node:cluster';
import net from 'node:net';
import process from 'node:process';
import tls from 'node:tls';
import { HandleHost } from './handle/host.ts';
import { giveHandle, reinitializeHandle, settle, type HandleHolder } from './handle/runtime.ts';
import { noticeHttp2 } from './http2-insides.ts';
import { http2Loaded, restProbe } from './real-work.ts';
import { PipeHandle } from './handle/pipe.ts';
import { admitTcpHandles, frontOf, handleLike, isTcpHandle, TcpHandle } from './handle/tcp.ts';
import { admitTlsHandles } from './handle/tls.ts';
import { createLookup, type Later, type Lookup, type Names } from './lookup.ts';
import type { HostResolver } from '../host/dns/host-resolver.ts';
import type { Process } from '../syscall/process.ts';
import type { Pump } from '../time/pump.ts';
import { Task } from '../time/task.ts';

/** What node/ needs of a host. A Kernel is one. */
export interface HostLike {
  /** The kernel's form of the process whose sockets are made. */
  readonly proc: Process;
  readonly hosts: Names;
  /** Asks name servers for what `hosts` does not have. */
  readonly resolver?: HostResolver;
  readonly parts: { readonly pump: Pump };
  /** Its wall clock, where that can be wrong. */
  readonly clock?: { readonly skewMs: number };
}

/** Bun has modules of Node's names that are written over sockets of its own: there is nothing that could be exchanged. */
export function checkRuntime(what: string = 'host.net and its family'): void {
  if (!('bun' in process.versions)) return;
  throw new Error(`kernet: ${what}: not in Bun. Bun's node:net is its own and takes no handles; use the socket calls (host.kernel), `
    + 'host.deno, host.fetch or host.WebSocket');
}

/** A host, as its sockets see it. */
export class NodeHost {
  /** Of this boot: sockets keep theirs, new ones are made here. */
  handles: HandleHost;
  readonly lookup: Lookup;
  /** Of this boot, too. */
  resolver: HostResolver | null;
  /** `node:dns` on this host; made when it is first used. */
  dns: unknown = null;
  private readonly clock: { readonly skewMs: number } | null;

  constructor(host: HostLike) {
    checkRuntime();
    admitTcpHandles();
    admitTlsHandles();
    this.handles = new HandleHost(host.proc, host.parts.pump);
    this.resolver = host.resolver ?? null;
    const later: Later = (answer) => this.handles.again(new Task(AsyncResource.bind(answer)));
    this.lookup = createLookup(host.hosts, later, () => this.resolver);
    this.clock = host.clock ?? null;
    host.parts.pump.settle = settle;
    host.parts.pump.resting ??= restProbe();
    host.parts.pump.hops = http2Loaded;
  }

  /** Milliseconds by which its wall clock is off. */
  skewMs(): number {
    return this.clock?.skewMs ?? 0;
  }
}

/** The host was halted, or runs again with another process: what was made before keeps the runtime no longer. */
export function rebindHost(node: NodeHost, host: HostLike | null): void {
  node.handles.liveness.end();
  if (host === null) return;
  node.handles = new HandleHost(host.proc, host.parts.pump);
  node.resolver = host.resolver ?? null;
}

/** Options of connect(), as far as they are looked at. */
interface ConnectOptions extends Record<string, unknown> {
  readonly host?: unknown;
  readonly lookup?: unknown;
  readonly path?: unknown;
}

/** What net.Socket.prototype.connect is called with: an options object, a port and a host, a path, or all of it in an array. */
export type ConnectArgs = readonly unknown[];

/**
 * Puts a handle under `socket`, which is about to connect, and returns the arguments for Node's own connect(): the same,
 * but with the host's lookup in place of the machine's.
 */
export function prepareConnect(host: NodeHost, socket: net.Socket, args: ConnectArgs): readonly unknown[] {
  giveConnectHandle(host, socket, args);
  return withLookup(host.lookup, args);
}

/** Puts a handle under `socket`, which is about to connect. */
export function giveConnectHandle(host: NodeHost, socket: net.Socket, args: ConnectArgs): void {
  noticeHttp2();
  const holder = socket as unknown as HandleHolder;
  if (socket.destroyed) {
    holder._undestroy();
    holder._handle = null;
    holder._peername = undefined;
    holder._sockname = undefined;
  }
  // A TLS socket has one from its constructor on, below TLS's own.
  if (!isTcpHandle(holder._handle) && !(socket instanceof tls.TLSSocket)) {
    giveHandle(socket, frontOf(toPath(args) ? new PipeHandle(host.handles) : new TcpHandle(host.handles)));
  }
  aboutToConnect(socket);
}

/** The socket has its handle. */
export function aboutToConnect(socket: net.Socket): void {
  // A timeout that was set before now counts by the clock that this socket's host has.
  if (socket.timeout !== undefined && socket.timeout > 0) socket.setTimeout(socket.timeout);
}

/** Is it a path that connect() is called with? */
function toPath(args: ConnectArgs): boolean {
  const first = Array.isArray(args[0]) ? (args[0] as readonly unknown[])[0] : args[0];
  if (typeof first === 'string') return !isPort(first);
  return typeof first === 'object' && first !== null && typeof (first as { path?: unknown }).path === 'string'
    && (first as { path: string }).path !== '';
}

/** The arguments of connect(), with `lookup` for a name that the caller has no function for. */
export function withLookup(lookup: unknown, args: ConnectArgs): readonly unknown[] {
  const [first, second] = args;
  if (Array.isArray(first)) {
    // Arguments that lib/net.js has put in order already; it knows them by a symbol.
    const [options] = first as [ConnectOptions];
    if (!needsLookup(options)) return args;
    const normal = [...first as unknown[]];
    for (const key of Object.getOwnPropertySymbols(first)) Reflect.set(normal, key, Reflect.get(first, key));
    normal[0] = { ...options, lookup };
    return [normal, ...args.slice(1)];
  }
  if (typeof first === 'object' && first !== null) {
    const options = first as ConnectOptions;
    return needsLookup(options) ? [{ ...options, lookup }, ...args.slice(1)] : args;
  }
  if (typeof first === 'string' && !isPort(first)) return args; // a path
  const name = typeof second === 'string' ? second : undefined;
  if (name !== undefined && net.isIP(name) !== 0) return args;
  const last = args.at(-1);
  const options = name === undefined ? { port: first, lookup } : { port: first, host: name, lookup };
  return typeof last === 'function' && args.length > 1 ? [options, last] : [options];
}

function isPort(text: string): boolean {
  return text.trim() !== '' && Number(text) >= 0;
}

/** A name is to be looked up, and the caller has no function for it. An address, the usual case, is left as it is. */
function needsLookup({ host, lookup, path }: ConnectOptions): boolean {
  if (typeof path === 'string' && path !== '') return false;
  return (lookup === undefined || lookup === null) && (typeof host !== 'string' || net.isIP(host) === 0);
}

/** The native handles that happy eyeballs makes for the second address and on are swapped for ours. */
export function swapHandle(host: NodeHost, handle: unknown, old: unknown): object {
  if (isTcpHandle(handle)) return handle;
  return isTcpHandle(old) ? handleLike(old) : frontOf(new TcpHandle(host.handles));
}

export { reinitializeHandle };

// ---- servers

/** The arguments of `net.Server.prototype._listen2`. */
type Listen2 = (
  this: net.Server, address: string | null, port: number, family: number, backlog: number, fd?: number, flags?: number,
) => void;

const nodeListen2 = (net.Server.prototype as unknown as { _listen2: Listen2 })._listen2;

/** Opens a server on a host: lib/net.js finds a bound handle and goes on from there. */
export function listen2(host: NodeHost, server: net.Server, args: Parameters<Listen2>): void {
  noticeHttp2();
  const holder = server as unknown as HandleHolder;
  if (holder._handle !== null && holder._handle !== undefined) {
    nodeListen2.apply(server, args); // listen(handle)
    return;
  }
  const [address, port, family, backlog, fd, flags] = args;
  const bound = bindServer(host, address, port, family, typeof fd === 'number', flags ?? 0);
  holder._handle = bound.handle;
  nodeListen2.call(server, bound.address, port, bound.family, backlog, undefined, flags);
}

interface Bound {
  readonly handle: TcpHandle;
  readonly address: string | null;
  readonly family: number;
}

/** Binds; what goes wrong is reported by listen(), with the error that lib/net.js makes of it. */
function bindServer(host: NodeHost, address: string | null, port: number, family: number, isFd: boolean, flags: number): Bound {
  if (family < 0 && !isFd && address !== null) {
    const pipe = new PipeHandle(host.handles, 'PIPESERVERWRAP');
    pipe.bindForListen(address);
    return { handle: pipe, address, family };
  }
  const handle = new TcpHandle(host.handles, 'TCPSERVERWRAP');
  if (isFd || family < 0) {
    // A descriptor of the runtime's is none of this host's.
    handle.failListen();
    return { handle, address, family };
  }
  if (address !== null && address !== '') {
    handle.bindForListen(address, port, family, flags);
    return { handle, address, family };
  }
  // Any address: `::` takes both families. A host without IPv6 has 0.0.0.0.
  if (handle.bind6('::', port, flags) === 0) return { handle, address: '::', family: 6 };
  handle.bindForListen('0.0.0.0', port, 4, flags);
  return { handle, address: '0.0.0.0', family: 4 };
}

/** Servers that are a host's own (host.net, host.http…): where they listen is settled, whoever's code runs. */
export const ownServers: WeakSet<net.Server> = new WeakSet();

/** The arguments of server.listen(). */
export type ListenArgs = readonly unknown[];

interface ListenOptions {
  readonly host?: unknown;
  readonly port?: unknown;
  readonly backlog?: unknown;
  readonly exclusive?: unknown;
}

/**
 * Calls Node's listen() for a server of a host: names are looked up on the host first, and a cluster's worker listens for
 * itself.
 */
export function listen(host: NodeHost, server: net.Server, args: ListenArgs, nodeListen: (...args: unknown[]) => net.Server): net.Server {
  ownServers.add(server);
  const first = args[0];
  const isOptions = typeof first === 'object' && first !== null;
  const name: unknown = isOptions ? (first as ListenOptions).host : args[1];
  if (typeof name !== 'string' || name === '' || net.isIP(name) !== 0 || (!isOptions && !isPortLike(first))) {
    return nodeListen(...exclusive(first, args));
  }
  const callback = args.at(-1);
  const backlog = isOptions ? (first as ListenOptions).backlog : args[2];
  const options = isOptions ? first as ListenOptions : { port: first, ...(typeof backlog === 'number' ? { backlog } : {}) };
  if (typeof callback === 'function') server.once('listening', callback as () => void);
  host.lookup(name, { family: 0 }, (error, address) => {
    if (error !== null) server.emit('error', error);
    else nodeListen({ ...options, host: address, exclusive: true });
  });
  return server;
}

/** A cluster's worker would ask its primary for the socket. */
function exclusive(first: unknown, args: ListenArgs): unknown[] {
  if (!cluster.isWorker) return [...args];
  const isPlain = typeof first === 'object' && first !== null && ('port' in first || 'path' in first);
  return isPlain ? [{ ...first, exclusive: true }, ...args.slice(1)] : [...args];
}

function isPortLike(value: unknown): boolean {
  return typeof value === 'number' || (typeof value === 'string' && isPort(value));
}
