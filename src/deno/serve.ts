/**
 * `Deno.serve` on a kernel: HTTP/1.1 over the kernel's listeners, and between it and the handler the Request and Response of the Web.
 *
 *   from  deno/network.ts    serve
 *   to    deno/http1.ts      messages
 *         deno/websocket.ts  a connection that becomes a WebSocket's
 */
import type { NetAddr, TcpConn, TcpListener } from './conn.ts';
import {
  bodyOf, framingOf, keepsAlive, MessageError, MessageReader, parseFields, streamOf, writeBody, writeHead, type Framing,
} from './http1.ts';
import { latin1Bytes } from './text.ts';
import type { TlsConn, TlsListener } from './tls.ts';
import { takeUpgrade, upgradable } from './websocket.ts';

/** What a handler is told beside the request: Deno.ServeHandlerInfo. */
export interface ServeHandlerInfo {
  readonly remoteAddr: NetAddr;
  /** Settled when the answer has been sent, or cannot be. */
  readonly completed: Promise<void>;
}

export type ServeHandler = (request: Request, info: ServeHandlerInfo) => Response | Promise<Response>;

export interface ServeOptions {
  /** Default 8000. */
  readonly port?: number;
  /** Default `'0.0.0.0'`. */
  readonly hostname?: string;
  /** Stops the server, as `shutdown` does. */
  readonly signal?: AbortSignal;
  /** Told when the server listens. */
  readonly onListen?: (localAddr: NetAddr) => void;
  /** Makes the answer when the handler throws. Default: 500. */
  readonly onError?: (error: unknown) => Response | Promise<Response>;
  /** Certificate chain and key, PEM: HTTPS. Both or none. */
  readonly cert?: string;
  readonly key?: string;
  readonly reusePort?: boolean;
  /** Connections that may wait to be accepted. */
  readonly tcpBacklog?: number;
}

/** Deno.HttpServer */
export interface HttpServer {
  /** Where it listens. */
  readonly addr: NetAddr;
  /** Settled when the server has ended. */
  readonly finished: Promise<void>;
  /** Takes no more connections, and ends when the requests under way have been answered. */
  shutdown(): Promise<void>;
  ref(): void;
  unref(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Deno's default port. */
export const DEFAULT_PORT = 8000;
const ASYNC_DISPOSE: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');
/** What a handler has left of a request's body is read up to so many bytes; with more the connection ends. */
const MAX_DRAIN_BYTES = 262_144;
/** Answers that have no body. */
const NULL_BODY: readonly number[] = [101, 204, 205, 304];

type Conn = TcpConn | TlsConn;

/** One server: its connections, and who waits for its end. */
class Service {
  readonly handler: ServeHandler;
  readonly onError: NonNullable<ServeOptions['onError']>;
  readonly isTls: boolean;
  /** Connections, and whether a request is under way on them. */
  readonly connections: Map<Conn, boolean> = new Map();
  ending = false;
  private readonly listener: TcpListener | TlsListener;

  constructor(listener: TcpListener | TlsListener, options: ServeOptions, handler: ServeHandler) {
    this.listener = listener;
    this.handler = handler;
    this.onError = options.onError ?? serverError;
    this.isTls = options.cert !== undefined;
  }

  /** Until it was told to end and the last answer has been sent. */
  async run(): Promise<void> {
    const running = new Set<Promise<void>>();
    for await (const conn of this.listener) {
      this.connections.set(conn, false);
      const served: Promise<void> = serveConnection(this, conn).finally(() => {
        this.connections.delete(conn);
        running.delete(served);
      });
      running.add(served);
    }
    await Promise.all(running);
  }

  end(): void {
    if (this.ending) return;
    this.ending = true;
    this.listener.close();
    for (const [conn, isBusy] of this.connections) if (!isBusy) conn[Symbol.dispose]();
  }
}

export function serve(listener: TcpListener | TlsListener, options: ServeOptions, handler: ServeHandler): HttpServer {
  const { signal, onListen } = options;
  const service = new Service(listener, options, handler);
  const finished = service.run();
  finished.catch(() => undefined); // told by who waits for it
  const shutdown = async (): Promise<void> => {
    service.end();
    await finished;
  };
  if (signal?.aborted === true) service.end();
  signal?.addEventListener('abort', () => service.end(), { once: true });
  onListen?.(listener.addr);
  return {
    addr: listener.addr, finished, shutdown, ref: () => listener.ref(), unref: () => listener.unref(), [ASYNC_DISPOSE]: shutdown,
  };
}

function serverError(): Response {
  return new Response('Internal Server Error', { status: 500 });
}

/** The requests of one connection, one after the other. */
async function serveConnection(service: Service, conn: Conn): Promise<void> {
  const reader = new MessageReader(conn);
  let handedOn = false;
  try {
    while (!service.ending) {
      const lines = await reader.head();
      if (lines === null) break;
      service.connections.set(conn, true);
      const next = await new Exchange(service, conn, reader, lines).run();
      service.connections.set(conn, false);
      handedOn = next === 'upgraded';
      if (next !== 'again') break;
    }
  } catch (error) {
    if (error instanceof MessageError) await refuse(conn, error);
  } finally {
    if (!handedOn) conn[Symbol.dispose]();
  }
}

async function refuse(conn: Conn, { status, message }: MessageError): Promise<void> {
  const text = `HTTP/1.1 ${status} Bad Request\r\nconnection: close\r\ncontent-length: ${message.length}\r\n\r\n${message}`;
  await conn.write(latin1Bytes(text)).catch(() => undefined);
}

/** One request and its answer. */
class Exchange {
  private readonly service: Service;
  private readonly conn: Conn;
  private readonly reader: MessageReader;
  private readonly method: string;
  private readonly version: string;
  private readonly target: string;
  private readonly headers: Headers;
  private readonly framing: Framing;
  private readonly body: AsyncGenerator<Uint8Array<ArrayBuffer>, undefined>;
  private readonly aborted: AbortController = new AbortController();
  private bodyRead: boolean;

  /** @throws MessageError */
  constructor(service: Service, conn: Conn, reader: MessageReader, lines: readonly string[]) {
    this.service = service;
    this.conn = conn;
    this.reader = reader;
    const found = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\S+) HTTP\/(1\.[01])$/.exec(lines[0]!);
    if (found === null) throw new MessageError(`'${lines[0]!.slice(0, 80)}' is no request line`);
    [, this.method, this.target, this.version] = found as unknown as [string, string, string, string];
    this.headers = parseFields(lines.slice(1));
    if (this.version === '1.1' && this.headers.get('host') === null) throw new MessageError('no host'); // RFC 9112 §3.2
    this.framing = framingOf(this.headers, 'none');
    this.bodyRead = this.framing.kind === 'none';
    this.body = this.incoming();
  }

  /** The body, and before its first byte the leave that the client may wait for (RFC 9110 §10.1.1). */
  private async* incoming(): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
    const waits = this.headers.get('expect')?.toLowerCase() === '100-continue' && this.reader.waiting === 0;
    if (waits) await this.conn.write(latin1Bytes('HTTP/1.1 100 Continue\r\n\r\n'));
    yield* bodyOf(this.reader, this.framing);
    this.bodyRead = true;
    return undefined;
  }

  async run(): Promise<'again' | 'end' | 'upgraded'> {
    let settle: { resolve: () => void; reject: (error: Error) => void };
    const completed = new Promise<void>((resolve, reject) => void (settle = { resolve, reject }));
    completed.catch(() => undefined); // told by who waits for it
    if (this.framing.kind === 'none') this.watch();
    const answering = this.answer({ remoteAddr: this.conn.remoteAddr, completed });
    try {
      const response = await Promise.race([answering, this.gone()]);
      const upgrade = takeUpgrade(response);
      if (upgrade !== null) {
        await writeHead(this.conn, 'HTTP/1.1 101 Switching Protocols', response.headers);
        settle!.resolve();
        upgrade(this.conn, this.reader);
        return 'upgraded';
      }
      const stays = await this.send(response);
      settle!.resolve();
      return stays && await this.drain() ? 'again' : 'end';
    } catch (error) {
      answering.catch(() => undefined);
      settle!.reject(error as Error);
      this.aborted.abort();
      if (error instanceof MessageError) throw error;
      return 'end';
    }
  }

  /** Rejects when the client has gone. As Deno's: one that has ended its side of the stream has gone, too. */
  private gone(): Promise<never> {
    const { signal } = this.aborted;
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('the client has gone')), { once: true });
    });
  }

  /** A client that goes away while its answer is being made: the request's signal tells. */
  private watch(): void {
    this.reader.fill().then((more) => void (more || this.aborted.abort()), () => this.aborted.abort());
  }

  private async answer(info: ServeHandlerInfo): Promise<Response> {
    const { service } = this;
    try {
      return asResponse(await service.handler(this.request(), info));
    } catch (error) {
      if (error instanceof MessageError) throw error;
      return asResponse(await service.onError(error));
    }
  }

  private request(): Request {
    const { method, headers, framing } = this;
    const scheme = this.service.isTls ? 'https' : 'http';
    const url = new URL(this.target === '*' ? '/' : this.target, `${scheme}://${headers.get('host') ?? 'localhost'}`);
    const hasBody = framing.kind !== 'none' && method !== 'GET' && method !== 'HEAD'; // a Request of these takes none
    const request = new Request(url, {
      method, headers, signal: this.aborted.signal,
      ...(hasBody ? { body: streamOf(this.body, (whole) => void (whole && this.watch())), duplex: 'half' } : {}),
    });
    upgradable(request);
    return request;
  }

  /** Sends the answer; true when the connection stays. */
  private async send(response: Response): Promise<boolean> {
    const { status, body, statusText } = response;
    const headers = new Headers(response.headers);
    const hasBody = body !== null && this.method !== 'HEAD' && !NULL_BODY.includes(status);
    const isChunked = hasBody && !headers.has('content-length') && this.version === '1.1';
    const stays = keepsAlive(this.version, this.headers) && keepsAlive('1.1', headers) && !this.service.ending
      && !(hasBody && !isChunked && !headers.has('content-length'));
    if (isChunked) headers.set('transfer-encoding', 'chunked');
    else if (body === null && !NULL_BODY.includes(status) && !headers.has('content-length')) headers.set('content-length', '0');
    if (!headers.has('date')) headers.set('date', new Date().toUTCString());
    if (!stays) headers.set('connection', 'close');
    else if (this.version === '1.0') headers.set('connection', 'keep-alive');
    await writeHead(this.conn, `HTTP/1.1 ${status} ${statusText}`, headers);
    if (hasBody) await writeBody(this.conn, body, isChunked);
    else await body?.cancel();
    return stays;
  }

  /** Reads what the handler has left of the request; false when that is too much. */
  private async drain(): Promise<boolean> {
    let bytes = 0;
    while (!this.bodyRead) {
      if (this.headers.get('expect') !== null) return false; // it may never come
      const { value } = await this.body.next();
      bytes += value?.length ?? 0;
      if (bytes > MAX_DRAIN_BYTES) return false;
    }
    return true;
  }
}

function asResponse(value: unknown): Response {
  if (value instanceof Response) return value;
  throw new TypeError(`serve: the handler is to answer with a Response; it gave ${String(value)}`);
}
