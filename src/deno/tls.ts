/**
 * TLS on a kernel's connections: Deno.TlsConn and Deno.TlsListener. The protocol is that of the runtime's `node:tls`, in Deno as in
 * Node, over a stream of the connection's bytes: Deno's own TLS takes nothing but the machine's sockets.
 *
 *   from  deno/network.ts   connectTls, startTls, listenTls
 *   to    node:tls          records
 *         deno/conn.ts      bytes
 */
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { NetAddr, TcpConn, TcpListener } from './conn.ts';
import { denoError } from './errors.ts';
import { readableOf, writableOf } from './streams.ts';

export interface StartTlsOptions {
  /** The name that the server's certificate must have. Default `'127.0.0.1'`. */
  readonly hostname?: string;
  /** Certificates (PEM) of authorities that are trusted besides the runtime's. */
  readonly caCerts?: readonly string[];
  /** Protocols to offer, the first the most welcome. */
  readonly alpnProtocols?: readonly string[];
  /** The client's own certificate and key, PEM. */
  readonly cert?: string;
  readonly key?: string;
}

export interface TlsServerOptions {
  /** Certificate chain and key, PEM. */
  readonly cert: string;
  readonly key: string;
  readonly alpnProtocols?: readonly string[];
}

/** Deno.TlsHandshakeInfo */
export interface TlsHandshakeInfo {
  readonly alpnProtocol: string | null;
}

/** Bytes read from a connection at a time. */
const CHUNK_BYTES = 65536;

/** A connection as one of Node's streams: what TLS's records come from and go to. */
class ConnStream extends Duplex {
  private readonly conn: TcpConn;

  constructor(conn: TcpConn) {
    super({ allowHalfOpen: true });
    this.conn = conn;
  }

  override _read(): void {
    const buffer = new Uint8Array(CHUNK_BYTES);
    this.conn.read(buffer).then(
      (n) => this.push(n === null ? null : buffer.subarray(0, n)),
      (error: unknown) => this.destroy(error as Error),
    );
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.conn.write(chunk).then(() => done(), (error: unknown) => done(error as Error));
  }

  override _final(done: (error?: Error | null) => void): void {
    this.conn.closeWrite().then(() => done(), () => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.conn[Symbol.dispose]();
    done(error);
  }
}

/** A TLS connection: Deno.TlsConn. */
export class TlsConn {
  readonly localAddr: NetAddr;
  readonly remoteAddr: NetAddr;
  private readonly socket: tls.TLSSocket;
  private readonly below: TcpConn;
  private readonly secured: Promise<void>;
  private failure: Error | null = null;
  private open = true;
  private readableStream: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  private writableStream: WritableStream<Uint8Array> | null = null;

  /** Made by connectTls, startTls and listenTls. `socket` is on top of `below`. */
  constructor(socket: tls.TLSSocket, below: TcpConn, event: 'secure' | 'secureConnect') {
    this.socket = socket;
    this.below = below;
    this.localAddr = below.localAddr;
    this.remoteAddr = below.remoteAddr;
    socket.pause();
    this.secured = new Promise((resolve, reject) => {
      socket.once(event, () => resolve());
      socket.on('error', (error: Error) => {
        this.failure ??= error;
        reject(asInvalidData(error));
      });
      socket.once('close', () => reject(denoError('UnexpectedEof', 'the peer closed the connection during the TLS handshake')));
    });
    this.secured.catch(() => undefined); // told by whoever waits for it
  }

  /** Waits until the handshake is done, which every read and write does by itself. */
  async handshake(): Promise<TlsHandshakeInfo> {
    this.check();
    await this.secured;
    const { alpnProtocol } = this.socket;
    return { alpnProtocol: typeof alpnProtocol === 'string' ? alpnProtocol : null };
  }

  /** Reads what has come, at least one byte: how many; null at the end of the stream. */
  async read(p: Uint8Array): Promise<number | null> {
    await this.handshake();
    if (p.length === 0) return 0;
    for (;;) {
      const { socket } = this;
      const left = socket.readableLength;
      const chunk = (left > 0 ? socket.read(Math.min(left, p.length)) : socket.read()) as Uint8Array | null;
      if (chunk !== null) {
        p.set(chunk);
        return chunk.length;
      }
      if (this.failure !== null) throw this.failure;
      if (socket.readableEnded || socket.destroyed) return null;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          for (const event of ['readable', 'end', 'close', 'error']) socket.removeListener(event, go);
          resolve();
        };
        for (const event of ['readable', 'end', 'close', 'error']) socket.on(event, go);
      });
    }
  }

  /** Writes all of `p`: how many bytes were taken. */
  async write(p: Uint8Array): Promise<number> {
    await this.handshake();
    await new Promise<void>((resolve, reject) => void this.socket.write(p.slice(), (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    }));
    return p.length;
  }

  /** Says close_notify; what the peer says can still be read. */
  async closeWrite(): Promise<void> {
    await this.handshake();
    await new Promise<void>((resolve) => void this.socket.end(resolve));
  }

  close(): void {
    this.check();
    this.open = false;
    // What was written is on its way; close_notify follows it.
    this.socket.end(() => this.socket.destroy());
    this.socket.resume();
  }

  ref(): void {
    this.below.ref();
  }

  unref(): void {
    this.below.unref();
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.readableStream ??= readableOf(this, () => this.writableStream !== null);
    return this.readableStream;
  }

  get writable(): WritableStream<Uint8Array> {
    this.writableStream ??= writableOf(this);
    return this.writableStream;
  }

  [Symbol.dispose](): void {
    if (this.open) this.close();
  }

  private check(): void {
    if (!this.open) throw denoError('BadResource', 'Bad resource ID');
  }
}

/** A certificate that is not trusted, or no TLS at all: Deno's InvalidData. */
function asInvalidData(error: Error & { code?: string }): Error {
  const isTls = error.code === undefined || /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|UNABLE_TO|DEPTH_|SELF_SIGNED|HOSTNAME)/.test(error.code);
  if (!isTls) return error;
  return Object.assign(denoError('InvalidData', `invalid peer certificate or TLS data: ${error.message}`), { cause: error });
}

/** TLS as a client over `conn`, which belongs to the TLS connection from now on. */
export function tlsClient(conn: TcpConn, options: StartTlsOptions): TlsConn {
  const { caCerts, alpnProtocols, cert, key, hostname = '127.0.0.1' } = options;
  const named = !/^[\d.]+$|:/.test(hostname);
  const socket = tls.connect({
    socket: new ConnStream(conn), host: hostname,
    ...(named ? { servername: hostname } : {}),
    ...(caCerts === undefined ? {} : { ca: [...caCerts, ...tls.rootCertificates] }),
    ...(alpnProtocols === undefined ? {} : { ALPNProtocols: [...alpnProtocols] }),
    ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }),
  });
  return new TlsConn(socket, conn, 'secureConnect');
}

/** A TLS listener: Deno.TlsListener. */
export class TlsListener implements AsyncIterable<TlsConn> {
  readonly addr: NetAddr;
  private readonly below: TcpListener;
  private readonly options: tls.TLSSocketOptions;

  constructor(below: TcpListener, { cert, key, alpnProtocols }: TlsServerOptions) {
    this.below = below;
    this.addr = below.addr;
    this.options = {
      isServer: true, secureContext: tls.createSecureContext({ cert, key }),
      ...(alpnProtocols === undefined ? {} : { ALPNProtocols: [...alpnProtocols] }),
    };
  }

  /** Waits for the next connection; its handshake goes on meanwhile. */
  async accept(): Promise<TlsConn> {
    const conn = await this.below.accept();
    return new TlsConn(new tls.TLSSocket(new ConnStream(conn), this.options), conn, 'secure');
  }

  close(): void {
    this.below.close();
  }

  ref(): void {
    this.below.ref();
  }

  unref(): void {
    this.below.unref();
  }

  /** Connections as they come, until the listener is closed. */
  async* [Symbol.asyncIterator](): AsyncGenerator<TlsConn, undefined> {
    for (;;) {
      try {
        yield await this.accept();
      } catch (error) {
        if (!this.below.closed) throw error;
        return undefined;
      }
    }
  }

  [Symbol.dispose](): void {
    this.below[Symbol.dispose]();
  }
}
