/**
 * A socket as a plain stream. Deno's TLS takes native handles from sockets, and whatever is a stream from anything else: what a host's
 * socket is to be taken for.
 *
 *   from  tls.ts, hook/net.ts   TLS in Deno
 */
import net from 'node:net';
import { Duplex } from 'node:stream';

/** A stream of a socket's bytes, both ways. They end together. */
export class Relay extends Duplex {
  private readonly below: net.Socket;

  constructor(below: net.Socket) {
    super({ allowHalfOpen: true });
    this.below = below;
    below.on('data', (chunk: Uint8Array) => void (this.push(chunk) || below.pause()));
    below.on('end', () => this.push(null));
    below.on('error', (error: Error) => this.destroy(error));
    below.on('close', () => this.destroy());
    below.pause();
  }

  override _read(): void {
    this.below.resume();
  }

  override _write(chunk: Uint8Array, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.below.write(chunk, encoding, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.below.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.below.destroy();
    done(error);
  }
}

interface TlsOptions extends Record<string, unknown> {
  readonly socket?: object | null;
  readonly host?: string;
  readonly servername?: string;
  readonly path?: string | null;
}

/** Makes a socket that is to connect. */
export type Dial = (options: net.NetConnectOpts) => net.Socket;

/** The arguments of tls.connect with a stream for the bytes, of a socket that `dial` makes: where to, they say. */
export function onRelay(args: readonly unknown[], dial: Dial): unknown[] {
  const options = Object.assign({}, ...args.map(asOptions)) as TlsOptions;
  const { socket, host = 'localhost', servername, path } = options;
  const callback = args.filter((arg) => typeof arg === 'function');
  if (socket instanceof net.Socket) return [{ ...options, socket: new Relay(socket) }, ...callback];
  if (socket !== undefined && socket !== null) return [...args];
  const named = servername ?? (net.isIP(host) === 0 ? host : undefined);
  const { port, family, localAddress, localPort, lookup, hints } = options;
  const place = typeof path !== 'string' ? defined({ host, port, family, localAddress, localPort, lookup, hints }) : { path };
  const below = new Relay(dial(place as unknown as net.NetConnectOpts));
  return [{ ...options, host, socket: below, ...(named === undefined ? {} : { servername: named }) }, ...callback];
}

function defined(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** `(options)`, `(path, options)`, `(port, host, options)`. */
function asOptions(arg: unknown, at: number): object {
  if (typeof arg === 'object' && arg !== null) return arg;
  if (at === 1 && typeof arg === 'string') return { host: arg };
  if (at !== 0 || typeof arg !== 'number' && typeof arg !== 'string') return {};
  return Number(arg) >= 0 ? { port: Number(arg) } : { path: arg };
}
