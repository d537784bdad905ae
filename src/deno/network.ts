/**
 * Deno's network API on a kernel: connect, listen, listenDatagram, resolveDns, with Deno's names, shapes and errors. It runs
 * wherever kernet runs, not in Deno alone.
 */
import type { Calls } from '../host/calls.ts';
import type { HostsFile } from '../host/resolver.ts';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR } from '../sock/constants.ts';
import { TcpConn, TcpListener } from './conn.ts';
import { DatagramConn } from './datagram.ts';
import { denoError, toDenoError } from './errors.ts';

/** What is needed of a host: the socket calls and the names. A Kernel is one. */
export interface DenoHost extends Calls {
  readonly hosts: Pick<HostsFile, 'lookup'>;
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
}

export interface ListenDatagramOptions {
  readonly port: number;
  /** Default `'127.0.0.1'`. */
  readonly hostname?: string;
  readonly transport: 'udp';
  readonly reuseAddress?: boolean;
}

/** The part of `Deno` that is the network. */
export interface DenoNetwork {
  connect(options: ConnectOptions): Promise<TcpConn>;
  listen(options: ListenOptions): TcpListener;
  listenDatagram(options: ListenDatagramOptions): DatagramConn;
  resolveDns(query: string, recordType: 'A' | 'AAAA'): Promise<string[]>;
}

/** Deno's network API for a host: `createDeno(kernel).connect({ port: 80 })`. */
export function createDeno(host: DenoHost): DenoNetwork {
  return {
    connect: async (options) => await connect(host, options),
    listen: (options) => listen(host, options),
    listenDatagram: (options) => listenDatagram(host, options),
    resolveDns: (query, recordType) => resolveDns(host, query, recordType),
  };
}

function checkTransport(transport: string | undefined, expected: string): void {
  if (transport === expected || (transport === undefined && expected === 'tcp')) return;
  throw new TypeError(`transport: '${String(transport)}' is not supported here; expected '${expected}'`);
}

function addressOf(host: DenoHost, hostname: string): string {
  const first = host.hosts.lookup(hostname)[0];
  if (first === undefined) throw new Error('failed to lookup address information: Name or service not known');
  return first.address;
}

async function connect(host: DenoHost, options: ConnectOptions): Promise<TcpConn> {
  checkTransport(options.transport, 'tcp');
  const address = addressOf(host, options.hostname ?? '127.0.0.1');
  const fd = host.socket(AF_INET, SOCK_STREAM);
  try {
    await host.connect(fd, { address, port: options.port });
    return new TcpConn(host, fd);
  } catch (error) {
    host.close(fd);
    throw toDenoError(error);
  }
}

function listen(host: DenoHost, options: ListenOptions): TcpListener {
  checkTransport(options.transport, 'tcp');
  const address = addressOf(host, options.hostname ?? '0.0.0.0');
  const fd = host.socket(AF_INET, SOCK_STREAM);
  try {
    host.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    host.bind(fd, { address, port: options.port ?? 0 });
    host.listen(fd);
    return new TcpListener(host, fd);
  } catch (error) {
    host.close(fd);
    throw toDenoError(error);
  }
}

function listenDatagram(host: DenoHost, options: ListenDatagramOptions): DatagramConn {
  checkTransport(options.transport, 'udp');
  const address = addressOf(host, options.hostname ?? '127.0.0.1');
  const fd = host.socket(AF_INET, SOCK_DGRAM);
  try {
    if (options.reuseAddress === true) host.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    host.bind(fd, { address, port: options.port });
    return new DatagramConn(host, fd);
  } catch (error) {
    host.close(fd);
    throw toDenoError(error);
  }
}

function resolveDns(host: DenoHost, query: string, recordType: 'A' | 'AAAA'): Promise<string[]> {
  const family = recordType === 'A' ? 4 : 6;
  const found = host.hosts.lookup(query).filter((a) => a.family === family).map((a) => a.address);
  if (found.length > 0) return Promise.resolve(found);
  return Promise.reject(denoError('NotFound', `no record found for name: ${query} type: ${recordType} class: IN`));
}
