/**
 * `fetch` and `WebSocket` on a host: Node's own, which is undici, with connections that the host makes. And what undici's own
 * classes (Agent, Pool, Client, ProxyAgent of the npm package) take for the same: a connector.
 *
 *   from  world.ts           host.fetch, host.WebSocket, host.undiciConnector()
 *   to    net.ts, tls.ts     a connection for undici to use
 */
import type { NetConnectOpts, Socket } from 'node:net';
import net from 'node:net';
import process from 'node:process';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import type { AnyFunction } from './classes.ts';
import { createNet } from './net.ts';
import { NodeHost, type HostLike } from './sockets.ts';
import { tlsConnectOn } from './tls.ts';

/** What undici asks a connector for. */
export interface ConnectorRequest {
  readonly hostname: string;
  readonly host?: string;
  /** `http:` or `https:`. */
  readonly protocol: string;
  /** '' is the protocol's own. */
  readonly port: string;
  readonly servername?: string | null;
  readonly localAddress?: string | null;
  /** A connection that is there, for TLS on top of it: a proxy's. */
  readonly httpSocket?: Socket;
}

/** As undici's `connect` option. */
export type Connector = (request: ConnectorRequest, callback: (error: Error | null, socket: Socket | TLSSocket | null) => void) => void;

/** Options of a connector: those of `tls.connect` and `net.connect`, which go to them as they are, and these. */
export interface ConnectorOptions extends Omit<ConnectionOptions, 'host' | 'port' | 'timeout'> {
  readonly autoSelectFamily?: boolean;
  readonly autoSelectFamilyAttemptTimeout?: number;
  /** Milliseconds until a connection that is not there yet is given up; 0 waits for as long as TCP does. 10,000 unless given. */
  readonly timeout?: number;
  /** Offers h2 beside HTTP/1.1. False unless given. */
  readonly allowH2?: boolean;
}

/** As undici's own. */
const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;
const HIGH_WATER_MARK = 16_384;
/** TLS sessions that a connector keeps, to resume them; the oldest goes first. As undici's own. */
export const MAX_SESSIONS = 100;

const OPTIONS: ReadonlySet<string> = new Set(['timeout', 'allowH2']);

/**
 * What undici's classes take as `connect`, for connections from a host:
 * `new Agent({ connect: createConnector(kernel, { ca }) })`.
 *
 * @throws TypeError when `timeout` is not a number of milliseconds
 */
export function createConnector(host: HostLike | NodeHost, options: ConnectorOptions = {}): Connector {
  const node = host instanceof NodeHost ? host : new NodeHost(host);
  const { timeout = CONNECT_TIMEOUT_MS, allowH2 = false } = options;
  if (typeof timeout !== 'number' || !(timeout >= 0)) {
    throw new TypeError(`undiciConnector: timeout is a number of milliseconds, 0 for none; got ${String(timeout)}`);
  }
  const rest = Object.fromEntries(Object.entries(options).filter(([name]) => !OPTIONS.has(name)));
  const netConnect = createNet(node).connect;
  const tlsConnect = tlsConnectOn(node);
  const sessions = new Map<string, Buffer>();
  return (request, callback) => {
    const isTls = request.protocol === 'https:';
    const socket = isTls
      ? connectTls({ ...rest, ALPNProtocols: allowH2 ? ['http/1.1', 'h2'] : ['http/1.1'] }, request, tlsConnect, sessions)
      : netConnect({ highWaterMark: HIGH_WATER_MARK * 4, ...rest, ...target(request, 80) } as unknown as NetConnectOpts);
    answerWhenReady(socket, isTls ? 'secureConnect' : 'connect', timeout, request, callback);
  };
}

/** Host, port and local address, as connect() takes them. */
function target({ hostname, port, localAddress }: ConnectorRequest, usual: number): Record<string, unknown> {
  return { host: hostname, port: port === '' ? usual : Number(port), ...(typeof localAddress === 'string' ? { localAddress } : {}) };
}

type Connect = ReturnType<typeof tlsConnectOn>;

type Sessions = Map<string, Buffer>;

function connectTls(options: Record<string, unknown>, request: ConnectorRequest, connect: Connect, sessions: Sessions): Socket {
  const name = request.servername ?? (options['servername'] as string | undefined) ?? nameOf(request);
  const key = name === '' ? request.hostname : name;
  const session = options['session'] ?? sessions.get(key);
  const { httpSocket } = request;
  const socket = connect({
    highWaterMark: HIGH_WATER_MARK, ...options, ...target(request, 443),
    ...(name === '' ? {} : { servername: name }),
    ...(session === undefined ? {} : { session }),
    ...(httpSocket === undefined ? {} : { socket: httpSocket }),
  }) as TLSSocket;
  socket.on('session', (s: Buffer) => {
    sessions.delete(key);
    sessions.set(key, s);
    if (sessions.size > MAX_SESSIONS) sessions.delete(sessions.keys().next().value!);
  });
  return socket;
}

/** An address is no server name (RFC 6066 §3). */
function nameOf({ host, hostname }: ConnectorRequest): string {
  const name = host === undefined ? hostname : host.replace(/:\d+$/, '');
  return net.isIP(name.replace(/^\[|\]$/g, '')) === 0 ? name : '';
}

/** Answers once: with the connection when it is ready, or with the error. */
function answerWhenReady(
  socket: Socket, ready: string, timeoutMs: number, request: ConnectorRequest, callback: Parameters<Connector>[1],
): void {
  socket.setKeepAlive(true, KEEP_ALIVE_MS).setNoDelay(true);
  // Not taken when this module is loaded: in a program (world.run) it is the world's.
  const timer = timeoutMs === 0 ? undefined : setTimeout(() => socket.destroy(timedOut(request, timeoutMs)), timeoutMs);
  let answered = false;
  const answer = (error: Error | null): void => {
    if (answered) return;
    answered = true;
    clearTimeout(timer);
    callback(error, error === null ? socket : null);
  };
  socket.once(ready, () => answer(null)).on('error', answer);
}

function timedOut({ hostname, port }: ConnectorRequest, ms: number): Error {
  const error = new Error(`Connect Timeout Error (attempted address: ${hostname}:${port}, timeout: ${ms}ms)`);
  return Object.assign(error, { name: 'ConnectTimeoutError', code: 'UND_ERR_CONNECT_TIMEOUT' });
}

// ---- fetch and WebSocket

/** An undici dispatcher, as far as it is used here. */
export interface Dispatcher {
  dispatch(options: unknown, handler: unknown): boolean;
  destroy(): Promise<void>;
}

type AgentClass = new (options: object) => Dispatcher;

/** Where undici keeps the dispatcher of all that have none of their own: of versions up to 7, and of 8. */
export const GLOBAL_DISPATCHERS: readonly symbol[] = [
  Symbol.for('undici.globalDispatcher.1'), Symbol.for('undici.globalDispatcher.2'),
];

/** What stands in for a global dispatcher (hooks of install()) says by this what it stands for. */
export const REAL_DISPATCHER: unique symbol = Symbol('kernet.dispatcher');

function globalDispatcher(): Dispatcher | undefined {
  const found = Reflect.get(globalThis, GLOBAL_DISPATCHERS[0]!) as (Dispatcher & { [REAL_DISPATCHER]?: Dispatcher }) | undefined;
  return found?.[REAL_DISPATCHER] ?? found;
}

/** Loads the undici that fetch is, where it is not there yet. */
export function loadUndici(fetch: AnyFunction): boolean {
  if (globalDispatcher() !== undefined) return false;
  void (fetch('data:,') as Promise<Response>).then((r) => r.text(), () => undefined); // needs no connection
  return true;
}

/** The class Agent of the undici that fetch is: of the global dispatcher, which is there once undici has been loaded. */
function agentClass(): AgentClass {
  if ('deno' in process.versions) {
    throw new Error('host.fetch: the fetch of Deno takes no connections from outside; use host.http');
  }
  loadUndici(globalThis.fetch as AnyFunction);
  const found = globalDispatcher()?.constructor as AgentClass | undefined;
  if (found?.name === 'Agent') return found;
  throw new Error('host.fetch: the global dispatcher is no Agent of undici; give fetch a dispatcher of its own:'
    + ' { dispatcher: new Agent({ connect: host.undiciConnector() }) }');
}

type Fetch = typeof globalThis.fetch;

/** What of the web a host has. */
export interface NodeFetch {
  /** As the global one, with connections from this host. The `dispatcher` option of undici goes before the host's. */
  readonly fetch: Fetch;
  /** As the global one (Node 22 and later), with connections from this host; undefined where there is none. */
  readonly WebSocket: WebSocketClass | undefined;
  /** Closes the host's idle connections and breaks off its requests: undici keeps connections open for some seconds. */
  readonly close: () => Promise<void>;
}

/** The class of the global WebSocket. */
export type WebSocketClass = typeof globalThis extends { WebSocket: infer T } ? T : new (...args: unknown[]) => EventTarget;

/** `fetch` and `WebSocket` for a host: `createFetch(kernel).fetch('http://bob/')`. */
export function createFetch(host: HostLike | NodeHost): NodeFetch {
  const node = host instanceof NodeHost ? host : new NodeHost(host);
  let agent: Dispatcher | null = null;
  const dispatcher = (): Dispatcher => agent ??= new (agentClass())({ connect: createConnector(node) });
  const fetch = (input: unknown, init?: object): unknown =>
    (globalThis.fetch as (...args: unknown[]) => unknown)(input, { dispatcher: dispatcher(), ...init });
  return {
    fetch: fetch as Fetch,
    WebSocket: webSocketOn(dispatcher),
    close: async () => {
      const old = agent;
      agent = null;
      await old?.destroy();
    },
  };
}

/** The class WebSocket with the host's dispatcher among its options, unless another is given. */
function webSocketOn(dispatcher: () => Dispatcher): WebSocketClass | undefined {
  const { WebSocket: Base } = globalThis as unknown as { WebSocket?: new (...args: unknown[]) => EventTarget };
  if (Base === undefined || 'deno' in process.versions) return undefined; // Deno's takes no connections from outside
  class WebSocket extends Base {
    constructor(url: unknown, given?: unknown) {
      const options = typeof given === 'string' || Array.isArray(given) ? { protocols: given as unknown } : given as object | undefined;
      super(url, { dispatcher: dispatcher(), ...options });
    }
  }
  return WebSocket as unknown as WebSocketClass;
}
