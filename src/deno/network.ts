/**
 * Deno's network API on a kernel: connect, listen, their TLS forms, listenDatagram, resolveDns, networkInterfaces, serve, with
 * Deno's names, shapes and errors. It runs wherever kernet runs, not in Deno alone.
 */
import type { Calls } from '../host/calls.ts';
import { fromFiles } from '../host/dns/addrinfo.ts';
import { NameError } from '../host/dns/errors.ts';
import type { HostResolver } from '../host/dns/host-resolver.ts';
import type { DnsRecord, RecordType } from '../host/dns/message.ts';
import { nameProblem, canonicalName } from '../host/dns/names.ts';
import { absolute } from '../host/dns/rdata.ts';
import type { HostsFile } from '../host/resolver.ts';
import { interfacesOf } from '../node/hook/os.ts';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR, SO_REUSEPORT } from '../sock/constants.ts';
import type { Process } from '../syscall/process.ts';
import { TcpConn, TcpListener } from './conn.ts';
import { DatagramConn } from './datagram.ts';
import { denoError, toDenoError } from './errors.ts';
import { DEFAULT_PORT, serve, type HttpServer, type ServeHandler, type ServeOptions } from './serve.ts';
import { tlsClient, TlsListener, type StartTlsOptions, type TlsConn, type TlsServerOptions } from './tls.ts';
import { upgradeWebSocket, type HostWebSocket, type UpgradeOptions } from './websocket.ts';

/** What is needed of a host: the socket calls, its names, its interfaces. A Kernel is one. */
export interface DenoHost extends Calls {
  /** The kernel's form of the process whose sockets are made. */
  readonly proc: Process;
  readonly hosts: Pick<HostsFile, 'lookup' | 'lookup6'>;
  readonly resolver: HostResolver;
}

export interface ConnectOptions {
  readonly port: number;
  /** Default `'127.0.0.1'`. */
  readonly hostname?: string;
  readonly transport?: 'tcp';
}

export interface ListenOptions {
  readonly port?: number;
  /** Default `'0.0.0.0'`. */
  readonly hostname?: string;
  readonly transport?: 'tcp';
  readonly reusePort?: boolean;
  /** Connections that may wait to be accepted. Default 511, as Deno's. */
  readonly tcpBacklog?: number;
}

export interface ListenDatagramOptions {
  readonly port: number;
  /** Default `'127.0.0.1'`. */
  readonly hostname?: string;
  readonly transport: 'udp';
  readonly reuseAddress?: boolean;
}

export interface ConnectTlsOptions extends StartTlsOptions {
  readonly port: number;
}

export interface ListenTlsOptions extends ListenOptions, TlsServerOptions {}

/** Deno.NetworkInterfaceInfo */
export interface NetworkInterfaceInfo {
  readonly family: 'IPv4' | 'IPv6';
  readonly name: string;
  readonly address: string;
  readonly netmask: string;
  readonly scopeid: number | null;
  readonly cidr: string;
  readonly mac: string;
}

/** The part of `Deno` that is the network. */
export interface DenoNetwork {
  connect(options: ConnectOptions): Promise<TcpConn>;
  listen(options: ListenOptions): TcpListener;
  listenDatagram(options: ListenDatagramOptions): DatagramConn;
  connectTls(options: ConnectTlsOptions): Promise<TlsConn>;
  /** TLS as a client on a connection, which is used up: `conn` is closed to its former owner. */
  startTls(conn: TcpConn, options?: StartTlsOptions): Promise<TlsConn>;
  listenTls(options: ListenTlsOptions): TlsListener;
  resolveDns(query: string, recordType: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR', options?: ResolveDnsOptions): Promise<string[]>;
  /** Objects for MX, SRV, SOA, CAA and NAPTR, lists of strings for TXT. */
  resolveDns(query: string, recordType: DenoRecordType, options?: ResolveDnsOptions): Promise<unknown[]>;
  networkInterfaces(): NetworkInterfaceInfo[];
  hostname(): string;
  /** HTTP/1.1, with `cert` and `key` over TLS. */
  serve(handler: ServeHandler): HttpServer;
  serve(options: ServeOptions, handler: ServeHandler): HttpServer;
  serve(options: ServeOptions & { readonly handler: ServeHandler }): HttpServer;
  /** The answer to a request that `serve` was asked, and the WebSocket that opens when it has been sent. */
  upgradeWebSocket(request: Request, options?: UpgradeOptions): { response: Response; socket: HostWebSocket };
}

/** What can be asked for. */
export type DenoRecordType = Exclude<RecordType, 'DNAME' | 'TLSA'>;

const RECORD_TYPES: readonly DenoRecordType[] = ['A', 'AAAA', 'CAA', 'CNAME', 'MX', 'NAPTR', 'NS', 'PTR', 'SOA', 'SRV', 'TXT'];

/** Of these, `signal` counts. The servers are those of the host's resolv.conf. */
export interface ResolveDnsOptions {
  readonly signal?: AbortSignal;
}

/** Deno's network API for a host: `createDeno(kernel).connect({ port: 80 })`. */
export function createDeno(host: DenoHost): DenoNetwork {
  return {
    connect: async (options) => await connect(host, options),
    listen: (options) => listen(host, options),
    listenDatagram: (options) => listenDatagram(host, options),
    connectTls: async (options) => await connectTls(host, options),
    startTls: async (conn, options = {}) => await Promise.resolve(tlsClient(conn.take(), options)),
    listenTls: (options) => listenTls(host, options),
    resolveDns: ((query: string, recordType: DenoRecordType, options: ResolveDnsOptions = {}) =>
      abortable(options.signal, () => resolveDns(host, query, recordType))) as DenoNetwork['resolveDns'],
    networkInterfaces: () => networkInterfaces(host),
    hostname: () => host.proc.net.name,
    serve: (...args: readonly unknown[]) => {
      const { options, handler } = serveArgs(args);
      const { port = DEFAULT_PORT, cert, key } = options;
      const isTls = cert !== undefined || key !== undefined;
      const listener = isTls
        ? listenTls(host, { ...options, port, cert: cert!, key: key!, alpnProtocols: ['http/1.1'] }) : listen(host, { ...options, port });
      return serve(listener, options, handler);
    },
    upgradeWebSocket,
  };
}

function checkTransport(transport: string | undefined, expected: string): void {
  if (transport === expected || (transport === undefined && expected === 'tcp')) return;
  throw new TypeError(`transport: '${String(transport)}' is not supported here; expected '${expected}'`);
}

function checkPort(port: unknown): number {
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65535) return port;
  throw new RangeError(`port: ${String(port)} is not understood; expected a whole number from 0 to 65535`);
}

function unknownName(why: string): Error {
  return new Error(`failed to lookup address information: ${why}`); // Deno has no class of its own for it
}

/** An address to listen on, from the hosts files. */
function addressOf(host: DenoHost, hostname: string): string {
  if (hostname.includes(':')) return hostname.replace(/^\[(.*)\]$/, '$1');
  const first = host.hosts.lookup(hostname)[0] ?? host.hosts.lookup6(hostname)[0];
  if (first === undefined) throw unknownName('Name or service not known');
  return first.address;
}

function familyOf(address: string): number {
  return address.includes(':') ? AF_INET6 : AF_INET;
}

/** The addresses to connect to, one after the other: from the hosts files, else from the host's name servers. */
async function reach(host: DenoHost, hostname: string): Promise<string[]> {
  if (hostname.includes(':')) return [addressOf(host, hostname)];
  const known = fromFiles(host.resolver, hostname, 0);
  if (known.length > 0) return known.map(({ address }) => address);
  if (host.resolver.conf.nameservers.length === 0) return [addressOf(host, hostname)];
  try {
    return (await host.resolver.getaddrinfo(hostname)).map(({ address }) => address);
  } catch (error) {
    if (!(error instanceof NameError)) throw error;
    throw unknownName(error.code === 'EAI_AGAIN' ? 'Temporary failure in name resolution' : 'Name or service not known');
  }
}

async function connect(host: DenoHost, options: ConnectOptions): Promise<TcpConn> {
  checkTransport(options.transport, 'tcp');
  const port = checkPort(options.port);
  let failure: unknown = unknownName('Name or service not known');
  for (const address of await reach(host, options.hostname ?? '127.0.0.1')) {
    const fd = host.socket(familyOf(address), SOCK_STREAM);
    try {
      await host.connect(fd, { address, port });
      return new TcpConn(host, fd);
    } catch (error) {
      host.close(fd);
      failure = toDenoError(error);
    }
  }
  throw failure;
}

async function connectTls(host: DenoHost, options: ConnectTlsOptions): Promise<TlsConn> {
  const { port, hostname = '127.0.0.1' } = options;
  // As Deno's: the handshake goes on meanwhile; whoever uses the connection waits for it.
  return tlsClient(await connect(host, { port, hostname }), options);
}

function listenTls(host: DenoHost, options: ListenTlsOptions): TlsListener {
  for (const name of ['cert', 'key'] as const) {
    if (typeof options[name] === 'string') continue;
    throw new TypeError(`${name}: ${String(options[name])} is not understood; expected a PEM string`);
  }
  return new TlsListener(listen(host, options), options);
}

function listen(host: DenoHost, options: ListenOptions): TcpListener {
  checkTransport(options.transport, 'tcp');
  const port = checkPort(options.port ?? 0);
  const address = addressOf(host, options.hostname ?? '0.0.0.0');
  const fd = host.socket(familyOf(address), SOCK_STREAM);
  try {
    host.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reusePort === true) host.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    host.bind(fd, { address, port });
    host.listen(fd, options.tcpBacklog ?? BACKLOG);
    return new TcpListener(host, fd);
  } catch (error) {
    host.close(fd);
    throw toDenoError(error);
  }
}

function listenDatagram(host: DenoHost, options: ListenDatagramOptions): DatagramConn {
  checkTransport(options.transport, 'udp');
  const port = checkPort(options.port);
  const address = addressOf(host, options.hostname ?? '127.0.0.1');
  const fd = host.socket(familyOf(address), SOCK_DGRAM);
  try {
    if (options.reuseAddress === true) host.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    host.bind(fd, { address, port });
    return new DatagramConn(host, fd);
  } catch (error) {
    host.close(fd);
    throw toDenoError(error);
  }
}

/** Deno's own. */
const BACKLOG = 511;

function networkInterfaces(host: DenoHost): NetworkInterfaceInfo[] {
  return Object.entries(interfacesOf(host.proc.net)).flatMap(([name, list = []]) => list.map((info) => ({
    family: info.family, name, address: info.address, netmask: info.netmask, cidr: info.cidr ?? `${info.address}/0`, mac: info.mac,
    scopeid: info.family === 'IPv6' ? info.scopeid : null,
  })));
}

/** `serve(handler)`, `serve(options, handler)`, `serve({ handler, … })`. */
function serveArgs(args: readonly unknown[]): { options: ServeOptions; handler: ServeHandler } {
  const [first, second] = args;
  const options = typeof first === 'object' && first !== null ? first as ServeOptions & { handler?: unknown } : {};
  const handler = typeof first === 'function' ? first : second ?? (options as { handler?: unknown }).handler;
  if (typeof handler !== 'function') {
    throw new TypeError(`serve: handler: ${String(handler)} is not understood; expected a function of a Request`);
  }
  return { options, handler: handler as ServeHandler };
}

async function abortable<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined) return await work();
  signal.throwIfAborted();
  return await new Promise<T>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    work().then(resolve, reject);
  });
}

async function resolveDns(host: DenoHost, query: string, recordType: DenoRecordType): Promise<unknown[]> {
  if (!RECORD_TYPES.includes(recordType)) {
    throw new TypeError(`recordType: '${String(recordType)}' is not understood; expected one of ${RECORD_TYPES.join(', ')}`);
  }
  const { resolver } = host;
  const family = recordType === 'A' ? 4 : recordType === 'AAAA' ? 6 : null;
  const known = family === null ? [] : fromFiles(resolver, query, family).map((a) => a.address);
  if (known.length > 0) return known;
  if (resolver.conf.nameservers.length > 0 && nameProblem(query) === null) {
    const { code, records } = await resolver.resolve(canonicalName(query), recordType);
    if (code === null) return records.map(denoRecord);
    if (code === 'ETIMEOUT') throw denoError('TimedOut', 'request timed out');
  }
  throw denoError('NotFound', `no record found for name: ${query} type: ${recordType} class: IN`);
}

/** Names have their dot at the end there. */
function denoRecord(record: DnsRecord): unknown {
  switch (record.type) {
    case 'CNAME': case 'NS': case 'PTR': return absolute(record.data);
    case 'MX': return { preference: record.data.preference, exchange: absolute(record.data.exchange) };
    case 'SRV': return { ...record.data, target: absolute(record.data.target) };
    case 'SOA': return { ...record.data, mname: absolute(record.data.mname), rname: absolute(record.data.rname) };
    case 'NAPTR': return { ...record.data, replacement: absolute(record.data.replacement) };
    default: return record.data;
  }
}
