/**
 * WebSockets over a host's connections (RFC 6455), both ends: what `serve` makes of an upgrade, and the class `WebSocket` where the
 * runtime's own takes no connections from outside. No extensions: messages are never compressed.
 *
 *   from  deno/serve.ts   a request that was upgraded
 *         deno/hook.ts    the global WebSocket, Deno.upgradeWebSocket
 *   to    deno/websocket-frames.ts   frames
 */
import { createHash, randomBytes } from 'node:crypto';
import type { TcpConn } from './conn.ts';
import { MessageError, MessageReader, parseFields, writeHead } from './http1.ts';
import type { DenoNetwork } from './network.ts';
import type { TlsConn } from './tls.ts';
import { OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT, CLOSE, FrameError, readMessage, writeFrame } from './websocket-frames.ts';

type Conn = TcpConn | TlsConn;
type Data = string | ArrayBufferLike | ArrayBufferView | Blob;
type Handler = ((event: Event) => void) | null;

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** A peer that does not answer a close is given so long, in milliseconds; then the connection is closed. */
const CLOSE_TIMEOUT_MS = 10_000;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const EVENTS = ['open', 'message', 'close', 'error'] as const;

function acceptOf(key: string): string {
  return createHash('sha1').update(key + GUID).digest('base64');
}

/** What the class and its events look like: the WebSocket of the Web. */
export class HostWebSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;
  readonly url: string;
  readonly extensions = '';
  protocol = '';
  binaryType: 'blob' | 'arraybuffer' = 'blob';
  readyState = 0;
  bufferedAmount = 0;
  onopen: Handler = null;
  onmessage: Handler = null;
  onclose: Handler = null;
  onerror: Handler = null;
  private readonly isClient: boolean;
  private conn: Conn | null = null;
  /** Frames are written one after the other. */
  private writing: Promise<void> = Promise.resolve();
  private closeSent = false;
  private closeTimer: ReturnType<typeof setTimeout> | undefined = undefined;

  constructor(url: string, isClient: boolean) {
    super();
    this.url = url;
    this.isClient = isClient;
    for (const name of EVENTS) this.addEventListener(name, (event) => this[`on${name}`]?.call(this, event));
  }

  /** @internal The connection is there, and the handshake is done. Reads it to its end. */
  async run(conn: Conn, reader: MessageReader): Promise<void> {
    this.conn = conn;
    if (this.readyState === 0) this.readyState = 1;
    this.dispatchEvent(new Event('open'));
    let end: { code: number; reason: string; wasClean: boolean } = { code: CLOSE.abnormal, reason: '', wasClean: false };
    try {
      for (let ended = false; !ended;) {
        const message = await readMessage(reader, !this.isClient);
        if (message === null) break;
        if (message.op === OP_CLOSE) {
          end = { ...message.close!, wasClean: true };
          this.readyState = 2;
          await this.sendClose(end.code === CLOSE.none ? null : end.code, '');
          ended = true;
        } else if (message.op === OP_PING) void this.frame(OP_PONG, message.bytes);
        else if (message.op !== OP_PONG && this.readyState === 1) this.deliver(message.op, message.bytes);
      }
    } catch (error) {
      if (error instanceof FrameError) await this.sendClose(error.code, error.message);
      this.dispatchEvent(new Event('error'));
    }
    this.ended(end.code, end.reason, end.wasClean);
  }

  /** @internal It never was open. */
  failed(error: unknown): void {
    if (this.readyState === 3) return;
    this.dispatchEvent(Object.assign(new Event('error'), { error, message: error instanceof Error ? error.message : String(error) }));
    this.ended(CLOSE.abnormal, '', false);
  }

  private ended(code: number, reason: string, wasClean: boolean): void {
    clearTimeout(this.closeTimer);
    this.conn?.[Symbol.dispose]();
    this.readyState = 3;
    this.dispatchEvent(closeEvent({ code, reason, wasClean }));
  }

  private deliver(op: number, bytes: Uint8Array<ArrayBuffer>): void {
    const text = op === OP_TEXT ? new TextDecoder('utf-8', { fatal: true }) : null;
    let data: unknown;
    try {
      data = text?.decode(bytes) ?? (this.binaryType === 'blob' ? new Blob([bytes]) : bytes.buffer);
    } catch {
      throw new FrameError(CLOSE.badData, 'text that is no UTF-8');
    }
    this.dispatchEvent(new MessageEvent('message', { data }));
  }

  send(data: Data): void {
    if (this.readyState === 0) throw new DOMException('the WebSocket is not open yet', 'InvalidStateError');
    if (typeof data === 'string') this.queue(OP_TEXT, new TextEncoder().encode(data));
    else if (data instanceof Blob) this.queue(OP_BINARY, data.arrayBuffer().then((buffer) => new Uint8Array(buffer)));
    else if (ArrayBuffer.isView(data)) this.queue(OP_BINARY, new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice());
    else this.queue(OP_BINARY, new Uint8Array(data).slice());
  }

  private queue(op: number, bytes: Uint8Array | Promise<Uint8Array>): void {
    if (this.readyState !== 1) return; // as the standard has it: the bytes count as sent
    const size = bytes instanceof Uint8Array ? bytes.length : 0;
    this.bufferedAmount += size;
    void this.frame(op, bytes).finally(() => void (this.bufferedAmount -= size));
  }

  /** Writes a frame after those before it. What goes wrong shows where the connection is read. */
  private frame(op: number, bytes: Uint8Array | Promise<Uint8Array>): Promise<void> {
    this.writing = this.writing.then(async () => await writeFrame(this.conn!, op, await bytes, this.isClient)).catch(() => undefined);
    return this.writing;
  }

  close(code?: number, reason: string = ''): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`close: ${code} is not allowed; expected 1000, or 3000 to 4999`, 'InvalidAccessError');
    }
    if (new TextEncoder().encode(reason).length > 123) throw new DOMException('close: the reason is longer than 123 bytes', 'SyntaxError');
    if (this.readyState >= 2) return;
    const wasOpen = this.readyState === 1;
    this.readyState = 2;
    if (!wasOpen) return; // whoever connects sees it
    void this.sendClose(code ?? null, reason);
    this.closeTimer = setTimeout(() => this.conn?.[Symbol.dispose](), CLOSE_TIMEOUT_MS);
  }

  private async sendClose(code: number | null, reason: string): Promise<void> {
    if (this.closeSent) return;
    this.closeSent = true;
    const text = new TextEncoder().encode(reason);
    const bytes = new Uint8Array(code === null ? 0 : 2 + text.length);
    if (code !== null) {
      bytes.set([code >> 8, code & 0xff]);
      bytes.set(text, 2);
    }
    await this.frame(OP_CLOSE, bytes);
  }
}

/** Node 20 and 22 have no class for it. */
function closeEvent(init: { code: number; reason: string; wasClean: boolean }): Event {
  const { CloseEvent } = globalThis as { CloseEvent?: new (type: string, init: object) => Event };
  return CloseEvent === undefined ? Object.assign(new Event('close'), init) : new CloseEvent('close', init);
}

// ---- servers

/** Requests that came over a kernel's connection. */
const served = new WeakSet<Request>();
type Upgrade = (conn: Conn, reader: MessageReader) => void;
const upgrades = new WeakMap<Response, Upgrade>();

/** The request may be upgraded. */
export function upgradable(request: Request): void {
  served.add(request);
}

export function isServed(request: Request): boolean {
  return served.has(request);
}

/** What takes the connection when this answer has been sent; null: it stays one of HTTP. */
export function takeUpgrade(response: Response): Upgrade | null {
  return upgrades.get(response) ?? null;
}

export interface UpgradeOptions {
  /** The one of the client's protocols that is chosen. */
  readonly protocol?: string;
}

/** Deno.upgradeWebSocket: the answer to give, and the WebSocket, which opens when it has been sent. RFC 6455 §4.2. */
export function upgradeWebSocket(request: Request, { protocol }: UpgradeOptions = {}): { response: Response; socket: HostWebSocket } {
  if (!served.has(request)) throw new TypeError('upgradeWebSocket: the request is none that serve() was asked');
  const { headers } = request;
  const has = (name: string, word: string): boolean => (headers.get(name) ?? '').toLowerCase().split(/\s*,\s*/).includes(word);
  if (!has('upgrade', 'websocket')) throw new TypeError('Invalid Header: \'upgrade\' header must contain \'websocket\'');
  if (!has('connection', 'upgrade')) throw new TypeError('Invalid Header: \'connection\' header must contain \'Upgrade\'');
  const key = headers.get('sec-websocket-key');
  if (key === null) throw new TypeError('Invalid Header: \'sec-websocket-key\' header must be set');
  const socket = new HostWebSocket(request.url.replace(/^http/, 'ws'), false);
  const response = new Response(null);
  Object.defineProperty(response, 'status', { value: 101 });
  for (const [name, value] of [['upgrade', 'websocket'], ['connection', 'Upgrade'], ['sec-websocket-accept', acceptOf(key)]] as const) {
    response.headers.set(name, value);
  }
  if (protocol !== undefined) {
    if (!has('sec-websocket-protocol', protocol.toLowerCase())) throw new TypeError(`protocol: the client does not offer '${protocol}'`);
    response.headers.set('sec-websocket-protocol', protocol);
    socket.protocol = protocol;
  }
  upgrades.set(response, (conn, reader) => void socket.run(conn, reader));
  return { response, socket };
}

// ---- clients

type Connect = Pick<DenoNetwork, 'connect' | 'connectTls'>;

/** Options of the second argument, where it is no protocol. */
interface ClientOptions {
  readonly protocols?: string | readonly string[];
  readonly headers?: ConstructorParameters<typeof Headers>[0];
}

/** The class WebSocket whose connections `networkOf()` makes, asked at each `new`. */
export function webSocketOn(networkOf: () => Connect): typeof globalThis.WebSocket {
  class WebSocket extends HostWebSocket {
    constructor(url: string | URL, given: string | readonly string[] | ClientOptions = []) {
      const options: ClientOptions = typeof given === 'string' || Array.isArray(given) ? { protocols: given } : given as ClientOptions;
      const protocols = [options.protocols ?? []].flat();
      const to = checkUrl(url, protocols);
      super(to.href, true);
      void dial(this, networkOf(), to, protocols, new Headers(options.headers));
    }
  }
  return WebSocket;
}

function checkUrl(url: string | URL, protocols: readonly string[]): URL {
  let to: URL;
  try {
    to = new URL(url);
  } catch {
    throw new DOMException(`WebSocket: ${String(url)} is no URL`, 'SyntaxError');
  }
  to.protocol = to.protocol.replace(/^http/, 'ws');
  const isWs = to.protocol === 'ws:' || to.protocol === 'wss:';
  if (!isWs) throw new DOMException(`WebSocket: ${to.protocol} is not ws: or wss:`, 'SyntaxError');
  if (to.hash !== '') throw new DOMException('WebSocket: the URL has a fragment', 'SyntaxError');
  const isWrong = protocols.some((name) => !TOKEN.test(name)) || new Set(protocols.map((s) => s.toLowerCase())).size < protocols.length;
  if (isWrong) throw new DOMException(`WebSocket: protocols: ${protocols.join(', ')}: each a token, and none twice`, 'SyntaxError');
  return to;
}

/** RFC 6455 §4.1. */
async function dial(socket: HostWebSocket, network: Connect, url: URL, protocols: readonly string[], headers: Headers): Promise<void> {
  let conn: Conn | null = null;
  try {
    const isTls = url.protocol === 'wss:';
    const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
    conn = await (isTls ? network.connectTls({ hostname, port }) : network.connect({ hostname, port }));
    const key = randomBytes(16).toString('base64');
    headers.set('host', url.host);
    headers.set('upgrade', 'websocket');
    headers.set('connection', 'Upgrade');
    headers.set('sec-websocket-key', key);
    headers.set('sec-websocket-version', '13');
    if (protocols.length > 0) headers.set('sec-websocket-protocol', protocols.join(', '));
    await writeHead(conn, `GET ${url.pathname}${url.search} HTTP/1.1`, headers);
    const reader = new MessageReader(conn);
    socket.protocol = checkAnswer(await reader.head(), key, protocols);
    if (socket.readyState !== 0) throw new MessageError('closed before it was open');
    await socket.run(conn, reader);
  } catch (error) {
    conn?.[Symbol.dispose]();
    socket.failed(error);
  }
}

/** The protocol that was chosen; '' for none. */
function checkAnswer(lines: readonly string[] | null, key: string, protocols: readonly string[]): string {
  if (lines === null) throw new MessageError('the connection was closed before the answer');
  if (!/^HTTP\/1\.1 101(?: |$)/.test(lines[0]!)) throw new MessageError(`not upgraded: ${lines[0]!}`);
  const headers = parseFields(lines.slice(1));
  if (headers.get('upgrade')?.toLowerCase() !== 'websocket') throw new MessageError('upgraded to something else');
  if (headers.get('sec-websocket-accept') !== acceptOf(key)) throw new MessageError('sec-websocket-accept is not that of the key');
  if (headers.has('sec-websocket-extensions')) throw new MessageError('an extension that was not offered');
  const protocol = headers.get('sec-websocket-protocol') ?? '';
  if (protocol !== '' && !protocols.includes(protocol)) throw new MessageError(`the protocol '${protocol}' was not offered`);
  return protocol;
}
