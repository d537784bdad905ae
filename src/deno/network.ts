/**
 * Deno's network API on a kernel: connect, listen, listenDatagram, resolveDns, with Deno's names, shapes and errors. It runs
 * wherever kernet runs, not in Deno alone.
 */
import type { Calls } from '../host/calls.ts';
import { fromFiles } from '../host/dns/addrinfo.ts';
import { NameError } from '../host/dns/errors.ts';
import type { HostResolver } from '../host/dns/host-resolver.ts';
import type { DnsRecord, RecordType } from '../host/dns/message.ts';
import { nameProblem, canonicalName } from '../host/dns/names.ts';
import { absolute } from '../host/dns/rdata.ts';
import type { HostsFile } from '../host/resolver.ts';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR } from '../sock/constants.ts';
import { TcpConn, TcpListener } from './conn.ts';
import { DatagramConn } from './datagram.ts';
import { denoError, toDenoError } from './errors.ts';

/** What is needed of a host: the socket calls and the names. A Kernel is one. */
export interface DenoHost extends Calls {
  readonly hosts: Pick<HostsFile, 'lookup'>;
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
  resolveDns(query: string, recordType: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR'): Promise<string[]>;
  /** Objects for MX, SRV, SOA, CAA and NAPTR, lists of strings for TXT. */
  resolveDns(query: string, recordType: DenoRecordType): Promise<unknown[]>;
}

/** What can be asked for. */
export type DenoRecordType = Exclude<RecordType, 'DNAME'>;

/** Deno's network API for a host: `createDeno(kernel).connect({ port: 80 })`. */
export function createDeno(host: DenoHost): DenoNetwork {
  return {
    connect: async (options) => await connect(host, options),
    listen: (options) => listen(host, options),
    listenDatagram: (options) => listenDatagram(host, options),
    resolveDns: ((query: string, recordType: DenoRecordType) => resolveDns(host, query, recordType)) as DenoNetwork['resolveDns'],
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

/** The address to connect to: from the hosts files, else from the host's name servers. */
async function reach(host: DenoHost, hostname: string): Promise<string> {
  const [known] = fromFiles(host.resolver, hostname, 0);
  if (known !== undefined || host.resolver.conf.nameservers.length === 0) return addressOf(host, hostname);
  try {
    return (await host.resolver.getaddrinfo(hostname))[0]!.address;
  } catch (error) {
    if (!(error instanceof NameError)) throw error;
    const why = error.code === 'EAI_AGAIN' ? 'Temporary failure in name resolution' : 'Name or service not known';
    throw new Error(`failed to lookup address information: ${why}`);
  }
}

async function connect(host: DenoHost, options: ConnectOptions): Promise<TcpConn> {
  checkTransport(options.transport, 'tcp');
  const address = await reach(host, options.hostname ?? '127.0.0.1');
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

async function resolveDns(host: DenoHost, query: string, recordType: DenoRecordType): Promise<unknown[]> {
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
