/**
 * `Deno.serve` on a kernel: HTTP/1.1 by the runtime's `node:http` over the kernel's sockets, and between it and the handler the
 * Request and Response of the Web.
 *
 *   from  deno/network.ts   serve
 *   to    node/http.ts      createHttp
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { createHttp } from '../node/http.ts';
import type { HostLike } from '../node/sockets.ts';
import type { NetAddr } from './conn.ts';

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
  /** Stops the server. */
  readonly signal?: AbortSignal;
  /** Told when the server listens. */
  readonly onListen?: (localAddr: NetAddr) => void;
  /** Makes the answer when the handler throws. Default: 500. */
  readonly onError?: (error: unknown) => Response | Promise<Response>;
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
const DEFAULT_PORT = 8000;
const ASYNC_DISPOSE: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');

/** @throws what node:http makes of a port that is taken, by `finished` */
export function serve(host: HostLike, options: ServeOptions, handler: ServeHandler): HttpServer {
  const { port = DEFAULT_PORT, hostname = '0.0.0.0', signal, onListen, onError = serverError } = options;
  const http = createHttp(host);
  const server = http.createServer((req, res) => void answer(req, res, handler, onError));
  const addr = { transport: 'tcp' as const, hostname, port };
  const finished = new Promise<void>((resolve, reject) => void server.on('close', resolve).on('error', reject));
  const shutdown = async (): Promise<void> => {
    end(server);
    await finished;
  };
  signal?.addEventListener('abort', () => end(server), { once: true });
  server.listen(port, hostname, () => {
    addr.port = (server.address() as { port: number }).port;
    onListen?.(addr);
  });
  return {
    addr, finished, shutdown, ref: () => void server.ref(), unref: () => void server.unref(), [ASYNC_DISPOSE]: shutdown,
  };
}

function end(server: Server): void {
  server.close();
  server.closeIdleConnections();
}

function serverError(): Response {
  return new Response('Internal Server Error', { status: 500 });
}

type OnError = NonNullable<ServeOptions['onError']>;

async function answer(req: IncomingMessage, res: ServerResponse, handler: ServeHandler, onError: OnError): Promise<void> {
  const completed = new Promise<void>((resolve, reject) => {
    res.on('close', () => (res.writableFinished ? resolve() : reject(new Error('the connection was closed before the answer was sent'))));
  });
  completed.catch(() => undefined); // told by who waits for it
  const { remoteAddress = '', remotePort = 0 } = req.socket;
  const remoteAddr: NetAddr = { transport: 'tcp', hostname: remoteAddress.replace(/^::ffff:/, ''), port: remotePort };
  let response: Response;
  try {
    response = await handler(toRequest(req, res), { remoteAddr, completed });
  } catch (error) {
    response = await onError(error);
  }
  try {
    await send(response, res);
  } catch (error) {
    res.destroy(error as Error);
  }
}

function toRequest(req: IncomingMessage, res: ServerResponse): Request {
  const aborted = new AbortController();
  res.on('close', () => void (res.writableFinished || aborted.abort()));
  const headers = new Headers();
  for (let i = 0; i + 1 < req.rawHeaders.length; i += 2) headers.append(req.rawHeaders[i]!, req.rawHeaders[i + 1]!);
  const { method = 'GET', url = '/' } = req;
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return new Request(new URL(url, `http://${req.headers.host ?? 'localhost'}`), {
    method, headers, signal: aborted.signal,
    ...(hasBody ? { body: Readable.toWeb(req), duplex: 'half' } : {}),
  });
}

async function send(response: Response, res: ServerResponse): Promise<void> {
  for (const [name, value] of response.headers) if (name !== 'set-cookie') res.setHeader(name, value);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) res.setHeader('set-cookie', cookies);
  res.writeHead(response.status, response.statusText);
  if (response.body === null) {
    res.end();
    return;
  }
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    if (!res.write(chunk)) await new Promise<void>((resolve) => void res.once('drain', resolve).once('close', resolve));
    if (res.destroyed) return;
  }
  res.end();
}
