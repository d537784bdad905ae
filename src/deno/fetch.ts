/**
 * `fetch` over a host's connections, where the runtime's own takes none from outside (Deno, Bun): HTTP/1.1, one connection for each
 * request, with redirects, streams both ways, gzip and deflate, and the errors of fetch.
 *
 *   from  deno/hook.ts   the global fetch while kernet is installed
 *         deno/world.ts  host.fetch in Deno and Bun
 *   to    deno/http1.ts  messages
 */
import type { TcpConn } from './conn.ts';
import { framingOf, MessageReader, bodyOf, parseFields, streamOf, writeBody, writeHead, MessageError, type Bytes } from './http1.ts';
import type { DenoNetwork } from './network.ts';
import type { TlsConn } from './tls.ts';

/** As the Fetch standard has it. */
const MAX_REDIRECTS = 20;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
/** Answers that have no body; `Response` takes none with them. */
const NULL_BODY: readonly number[] = [101, 204, 205, 304];

type Connect = Pick<DenoNetwork, 'connect' | 'connectTls'>;
type Conn = TcpConn | TlsConn;

/** What is known of a request, from one redirect to the next. */
interface Outgoing {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  /** A stream is sent once; bytes again after a redirect. */
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
}

export interface FetchOptions {
  /** Certificates (PEM) of authorities that are trusted besides the runtime's. */
  readonly caCerts?: readonly string[];
}

/** `fetch` by the connections of a host. What has no host in it (`data:`, `blob:`) is the runtime's. */
export function createConnFetch(network: Connect, real: typeof fetch, options: FetchOptions = {}): typeof fetch {
  const run = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return await real(input, init);
    const isStream = init?.body instanceof ReadableStream;
    let body: Outgoing['body'] = null;
    if (request.body !== null) body = isStream ? request.body : new Uint8Array(await request.arrayBuffer());
    const outgoing: Outgoing = { url, method: request.method, headers: new Headers(request.headers), body };
    return await follow(network, outgoing, request, options);
  };
  return run;
}

async function follow(network: Connect, first: Outgoing, request: Request, options: FetchOptions): Promise<Response> {
  let outgoing = first;
  for (let hops = 0; ; hops++) {
    const response = await exchange(network, outgoing, request, options, hops > 0);
    const location = response.headers.get('location');
    if (!REDIRECTS.includes(response.status) || location === null || request.redirect === 'manual') return response;
    await response.body?.cancel();
    if (request.redirect === 'error') throw new TypeError('fetch: a redirect, which this request does not allow');
    if (hops === MAX_REDIRECTS) throw new TypeError(`fetch: more than ${MAX_REDIRECTS} redirects`);
    outgoing = redirected(outgoing, response.status, new URL(location, outgoing.url));
  }
}

/** The Fetch standard, HTTP-redirect fetch. */
function redirected(from: Outgoing, status: number, url: URL): Outgoing {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError(`fetch: a redirect to ${url.protocol}`);
  const headers = new Headers(from.headers);
  if (url.origin !== from.url.origin) headers.delete('authorization');
  const becomesGet = status === 303 ? from.method !== 'HEAD' && from.method !== 'GET' : status < 303 && from.method === 'POST';
  if (!becomesGet && from.body instanceof ReadableStream) throw new TypeError('fetch: a redirect of a stream, which was sent already');
  if (!becomesGet) return { url, method: from.method, headers, body: from.body };
  for (const name of ['content-type', 'content-encoding', 'content-language', 'content-location', 'content-length']) headers.delete(name);
  return { url, method: 'GET', headers, body: null };
}

/** One request and its answer. The signal of the request closes the connection, until the body has been read. */
async function exchange(
  network: Connect, outgoing: Outgoing, { signal }: Request, options: FetchOptions, isRedirected: boolean,
): Promise<Response> {
  signal.throwIfAborted();
  let conn: Conn | null = null;
  const close = (): void => {
    conn?.[Symbol.dispose]();
    signal.removeEventListener('abort', close);
  };
  signal.addEventListener('abort', close, { once: true });
  try {
    conn = await dial(network, outgoing.url, options);
    signal.throwIfAborted();
    const sent = send(conn, outgoing);
    sent.catch(() => undefined); // the server may answer, and close, before it has read all
    return await answer(conn, outgoing, signal, close, isRedirected);
  } catch (error) {
    close();
    signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    throw new TypeError(`error sending request for url (${outgoing.url.href}): ${why}`, { cause: error });
  }
}

async function dial(network: Connect, url: URL, options: FetchOptions): Promise<Conn> {
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (url.protocol === 'http:') return await network.connect({ hostname, port: Number(url.port === '' ? 80 : url.port) });
  const port = Number(url.port === '' ? 443 : url.port);
  const conn = await network.connectTls({ hostname, port, alpnProtocols: ['http/1.1'], ...options });
  await conn.handshake();
  return conn;
}

async function send(conn: Bytes, { url, method, headers, body }: Outgoing): Promise<void> {
  const all = new Headers({ host: url.host, accept: '*/*', 'accept-encoding': 'gzip, deflate', 'user-agent': 'kernet' });
  for (const [name, value] of headers) all.set(name, value);
  all.set('connection', 'close');
  if (body instanceof Uint8Array) all.set('content-length', String(body.length));
  else if (body !== null) all.set('transfer-encoding', 'chunked');
  else if (method === 'POST' || method === 'PUT' || method === 'PATCH') all.set('content-length', '0');
  await writeHead(conn, `${method} ${url.pathname}${url.search} HTTP/1.1`, all);
  if (body instanceof Uint8Array) await conn.write(body);
  else if (body !== null) await writeBody(conn, body, true);
}

async function answer(
  conn: Bytes, { url, method }: Outgoing, signal: AbortSignal, close: () => void, isRedirected: boolean,
): Promise<Response> {
  const reader = new MessageReader(conn);
  const { status, statusText, headers } = await finalHead(reader);
  const isEmpty = method === 'HEAD' || NULL_BODY.includes(status);
  const framing = isEmpty ? { kind: 'none' } as const : framingOf(headers, 'close');
  const done = (): void => close();
  let body: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  if (framing.kind === 'none') done();
  else body = decoded(streamOf(aborting(bodyOf(reader, framing), signal), done), headers);
  const response = new Response(NULL_BODY.includes(status) ? null : body ?? (method === 'HEAD' ? null : ''), { status, statusText });
  for (const [name, value] of headers) response.headers.append(name, value);
  Object.defineProperties(response, { url: { value: url.href.replace(/#.*/, '') }, redirected: { value: isRedirected } });
  return response;
}

/** A body whose reader gets the signal's reason, not that its connection is closed. */
async function* aborting<T>(body: AsyncGenerator<T, undefined>, signal: AbortSignal): AsyncGenerator<T, undefined> {
  try {
    yield* body;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  return undefined;
}

interface Head {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
}

/** The head of the answer; those of 1xx before it are for others. */
async function finalHead(reader: MessageReader): Promise<Head> {
  for (;;) {
    const lines = await reader.head();
    if (lines === null) throw new MessageError('the connection was closed before the answer');
    const [first, ...rest] = lines;
    const found = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(first!);
    if (found === null) throw new MessageError(`'${first!.slice(0, 80)}' is no status line`);
    const status = Number(found[1]);
    if (status < 100 || status > 599) throw new MessageError(`${status} is no status`);
    if (status >= 200) return { status, statusText: found[2] ?? '', headers: parseFields(rest) };
    if (status === 101) throw new MessageError('101 to a request that asked for no upgrade');
  }
}

/** The header fields stay as they came, as the standard has it. */
function decoded(body: ReadableStream<Uint8Array<ArrayBuffer>>, headers: Headers): ReadableStream<Uint8Array<ArrayBuffer>> {
  const coding = headers.get('content-encoding')?.trim().toLowerCase();
  if (coding !== 'gzip' && coding !== 'x-gzip' && coding !== 'deflate') return body;
  return body.pipeThrough(new DecompressionStream(coding === 'deflate' ? 'deflate' : 'gzip'));
}
