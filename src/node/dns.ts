/**
 * `node:dns` on a host: lookups by its hosts files and resolv.conf, questions for records to its name servers, over the
 * simulated network. Argument checks, shapes and error codes are Node's.
 *
 *   from  node/world.ts            host.dns
 *         node/install.ts          dns.* of programs on a host
 *   to    host/dns/stub.ts
 *
 * A host without a name server answers questions for A, AAAA and PTR records from the hosts files, so that the names of a
 * world resolve without any set-up here, too.
 */
import nodeDns from 'node:dns';
import { isIP } from 'node:net';
import { nextTick } from './handle/runtime.ts';
import { fromFiles, getnameinfo } from '../host/dns/addrinfo.ts';
import { NameError, eaiError, queryError, type DnsCode } from '../host/dns/errors.ts';
import type { HostResolver } from '../host/dns/host-resolver.ts';
import type { DnsRecord } from '../host/dns/message.ts';
import { canonicalName, nameProblem, reverseName } from '../host/dns/names.ts';
import { ResolvConf, serverOf } from '../host/dns/resolv-conf.ts';
import { aresPatience, type Settings } from '../host/dns/stub.ts';
import { METHODS, toNode } from './dns-records.ts';
import type { LookupCallback, LookupOptions } from './lookup.ts';
import { NodeHost, type HostLike } from './sockets.ts';

/** The type of `node:dns`. */
export type NodeDns = typeof nodeDns;

type Callback = (error: Error | null, result?: unknown) => void;

/** Of `--dns-result-order`; taken when this module is loaded, for `dns` itself may be led to a host later. */
const initialOrder: string = (nodeDns as { getDefaultResultOrder?: () => string }).getDefaultResultOrder?.() ?? 'verbatim';

const EINVAL = -22;

// ---- argument checks ------------------------------------------------------------------------------------------------

function coded(error: Error, code: string): Error {
  return Object.assign(error, { code });
}

function received(value: unknown): string {
  if (value === null || value === undefined) return `Received ${String(value)}`;
  if (typeof value === 'function') return `Received function ${value.name}`;
  if (typeof value === 'object') return `Received an instance of ${value.constructor.name}`;
  return `Received type ${typeof value} (${shown(value)})`;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}

function argType(name: string, expected: string, value: unknown): Error {
  return coded(new TypeError(`The "${name}" argument must be ${expected}. ${received(value)}`), 'ERR_INVALID_ARG_TYPE');
}

function argValue(name: string, value: unknown): Error {
  return coded(new TypeError(`The ${name} is invalid. Received ${shown(value)}`), 'ERR_INVALID_ARG_VALUE');
}

function checkString(value: unknown, name: string): string {
  if (typeof value !== 'string') throw argType(name, 'of type string', value);
  return value;
}

function checkCallback(value: unknown): Callback {
  if (typeof value !== 'function') throw argType('callback', 'of type function', value);
  return value as Callback;
}

const HINTS: number = nodeDns.ADDRCONFIG | nodeDns.V4MAPPED | nodeDns.ALL;

function checkLookupOptions(given: unknown): LookupOptions {
  if (given === undefined || given === null) return {};
  const options = (typeof given === 'number' ? { family: given } : given) as LookupOptions;
  if (typeof options !== 'object') throw argType('options', 'of type object or one of type integer', given);
  const family: unknown = options.family ?? 0;
  if (![0, 4, 6, 'IPv4', 'IPv6'].includes(family as number)) {
    const message = `The property 'options.family' must be one of: 0, 4, 6. Received ${shown(family)}`;
    throw coded(new TypeError(message), 'ERR_INVALID_ARG_VALUE');
  }
  if (((options.hints ?? 0) & ~HINTS) !== 0) throw argValue("argument 'hints'", options.hints);
  return options;
}

// ---- questions ------------------------------------------------------------------------------------------------------

/** A set of name servers with its questions: what `dns.Resolver` is. */
class Channel {
  private readonly resolverOf: () => HostResolver;
  /** Instead of those of resolv.conf. */
  private servers: readonly string[] | null = null;
  private readonly timeoutS: number | null;
  private readonly tries: number | null;
  /** Questions under way; cancel() ends them. */
  private readonly pending: Set<(error: Error) => void> = new Set();

  constructor(resolverOf: () => HostResolver, options: { readonly timeout?: number; readonly tries?: number } = {}) {
    this.resolverOf = resolverOf;
    const { timeout = -1, tries = -1 } = options;
    this.timeoutS = timeout < 0 ? null : timeout / 1000;
    this.tries = tries < 0 ? null : Math.max(tries, 1);
  }

  get resolver(): HostResolver {
    return this.resolverOf();
  }

  getServers(): string[] {
    return [...this.servers ?? this.resolver.conf.nameservers];
  }

  setServers(servers: unknown): void {
    if (!Array.isArray(servers)) throw argType('servers', 'an instance of Array', servers);
    this.servers = servers.map((server: unknown, i) => {
      const text = checkString(server, `servers[${String(i)}]`);
      if (isIP(serverOf(text)[0]) === 0) throw coded(new TypeError(`Invalid IP address: ${text}`), 'ERR_INVALID_IP_ADDRESS');
      // Node shows what has the usual port without it.
      const [address, port] = serverOf(text);
      return port === 53 ? address : text;
    });
  }

  cancel(): void {
    for (const reject of [...this.pending]) reject(new Error('cancelled'));
  }

  /** Asks for the records of one type. */
  async query(name: string, type: string): Promise<readonly DnsRecord[]> {
    const syscall = `query${type.charAt(0)}${type.slice(1).toLowerCase()}`;
    if (nameProblem(name) !== null) throw queryError('EBADNAME', syscall, name);
    const local = this.getServers().length === 0;
    const { code, records } = local ? this.fromFiles(name, type) : await this.ask(canonicalName(name), type, syscall, name);
    if (code !== null) throw queryError(code, syscall, name);
    return records;
  }

  /** The names of an address. */
  async reverse(address: string): Promise<readonly string[]> {
    const name = reverseName(address)!;
    const own = this.resolver.hosts.nameOf(address);
    // c-ares looks into the hosts file first.
    if (own !== null) return [own];
    if (this.getServers().length === 0) throw queryError('ENOTFOUND', 'getHostByAddr', address);
    const { code, records } = await this.ask(name, 'PTR', 'getHostByAddr', address);
    if (code !== null) throw queryError(code, 'getHostByAddr', address);
    return records.map((record) => record.data as string);
  }

  private async ask(name: string, type: string, syscall: string, shown: string): Promise<Answered> {
    return await new Promise((resolve, reject) => {
      const cancelled = (): void => {
        this.pending.delete(cancelled);
        reject(new NameError('ECANCELLED', undefined, syscall, shown));
      };
      this.pending.add(cancelled);
      void this.resolver.resolve(name, type, this.settings()).then((lookup) => {
        if (this.pending.delete(cancelled)) resolve(lookup);
      });
    });
  }

  private settings(): Settings {
    const { conf } = this.resolver;
    const own = this.servers !== null || this.tries !== null;
    const used = !own ? conf : new ResolvConf({ nameservers: this.getServers(), attempts: this.tries ?? conf.attempts, edns0: conf.edns0 });
    return { conf: used, patience: aresPatience, timeout: this.timeoutS ?? conf.timeout };
  }

  private fromFiles(name: string, type: string): Answered {
    const found = fromFiles(this.resolver, name, 0);
    const records: DnsRecord[] = found
      .filter((a) => type === 'ANY' || type === (a.family === 4 ? 'A' : 'AAAA'))
      .map((a) => ({ name, type: a.family === 4 ? 'A' : 'AAAA', ttl: 0, data: a.address }));
    if (records.length > 0) return { code: null, records };
    return { code: found.length > 0 ? 'ENODATA' : 'ENOTFOUND', records };
  }
}

interface Answered {
  readonly code: DnsCode | null;
  readonly records: readonly DnsRecord[];
}

/** Hands the end of `work` to a callback, in a tick of its own, as Node does. */
function deliver(work: Promise<unknown>, callback: Callback): void {
  work.then(
    (result) => nextTick(callback, null, result),
    (error: unknown) => nextTick(callback, error),
  );
}

function invalidAddress(address: string): Error {
  return new NameError('EINVAL', EINVAL, 'getHostByAddr', address);
}

/** What a question is called with: a name, maybe options, and (in the callback form) a callback. */
type Asking = (name: unknown, options: unknown) => Promise<unknown>;

/** The questions of a channel by method name, promises all. */
function questions(channel: Channel): Record<string, Asking> {
  const out: Record<string, Asking> = {};
  for (const [type, method] of Object.entries(METHODS)) {
    out[method] = async (name, options) => {
      const ttl = typeof options === 'object' && options !== null && (options as { ttl?: unknown }).ttl === true;
      return toNode(type, await channel.query(name as string, type), ttl);
    };
  }
  out['reverse'] = async (address) => [...await channel.reverse(address as string)];
  return out;
}

function checkQuestion(method: string, name: unknown): void {
  checkString(name, 'name');
  if (method === 'reverse' && isIP(name as string) === 0) throw invalidAddress(name as string);
}

function methodOf(rrtype: unknown): string {
  if (typeof rrtype !== 'string') throw argType('rrtype', 'of type string', rrtype);
  const method = Object.hasOwn(METHODS, rrtype) ? METHODS[rrtype] : undefined;
  if (method === undefined) throw argValue("argument 'rrtype'", rrtype);
  return method;
}

/** `resolve*`, `reverse` and the servers of a channel, with callbacks. */
function callbackMethods(channel: Channel): Record<string, unknown> {
  const asking = questions(channel);
  const methods: Record<string, unknown> = {};
  for (const [method, ask] of Object.entries(asking)) {
    methods[method] = (name: unknown, options: unknown, callback?: unknown): void => {
      const done = checkCallback(typeof options === 'function' ? options : callback);
      checkQuestion(method, name);
      deliver(ask(name, typeof options === 'function' ? {} : options), done);
    };
  }
  methods['resolve'] = (name: unknown, rrtype: unknown, callback?: unknown): unknown => {
    const isPlain = typeof rrtype === 'function';
    const method = methods[isPlain ? 'resolve4' : methodOf(rrtype)] as (...args: unknown[]) => unknown;
    return method(name, isPlain ? rrtype : callback);
  };
  return { ...methods, ...serverMethods(channel) };
}

/** The same with promises. */
function promiseMethods(channel: Channel): Record<string, unknown> {
  const asking = questions(channel);
  const methods: Record<string, unknown> = {};
  for (const [method, ask] of Object.entries(asking)) {
    methods[method] = (name: unknown, options?: unknown): Promise<unknown> => {
      checkQuestion(method, name);
      return ask(name, options);
    };
  }
  methods['resolve'] = (name: unknown, rrtype: unknown = 'A'): unknown => (methods[methodOf(rrtype)] as Asking)(name, undefined);
  return { ...methods, ...serverMethods(channel) };
}

function serverMethods(channel: Channel): Record<string, unknown> {
  return { getServers: () => channel.getServers(), setServers: (servers: unknown) => channel.setServers(servers) };
}

/** `dns.Resolver`: a channel of its own. */
function resolverClass(resolverOf: () => HostResolver, methodsOf: (channel: Channel) => Record<string, unknown>): unknown {
  return class Resolver {
    constructor(options?: { readonly timeout?: number; readonly tries?: number }) {
      const channel = new Channel(resolverOf, options);
      Object.assign(this, methodsOf(channel), {
        cancel: () => channel.cancel(),
        // Questions leave by the route to the server; there is no other address to choose.
        setLocalAddress: () => undefined,
      });
    }
  };
}

/** Node's `dns` for a host: `createDns(kernel).resolve4('www.example.com', …)`. */
export function createDns(host: HostLike | NodeHost): NodeDns {
  const node = host instanceof NodeHost ? host : new NodeHost(host);
  if (node.resolver === null) throw new TypeError('createDns: expected a Kernel or another host with a resolver');
  const resolverOf = (): HostResolver => node.resolver!; // of this boot
  const channel = new Channel(resolverOf);
  let order = initialOrder;
  const lookup = (name: unknown, given: unknown, callback?: unknown): void => {
    const done = checkCallback(typeof given === 'function' ? given : callback) as LookupCallback;
    if (name !== undefined && name !== null && name !== '') checkString(name, 'hostname');
    const options = { order, ...checkLookupOptions(typeof given === 'function' ? undefined : given) };
    if (typeof name === 'string' && name !== '') node.lookup(name, options, done);
    else if (options.all === true) nextTick(done, null, []);
    else nextTick(done, null, null, options.family === 6 ? 6 : 4);
  };
  const promisedLookup = (name: unknown, given?: unknown): Promise<unknown> => new Promise((resolve, reject) => {
    lookup(name, given ?? {}, (error: Error | null, address: unknown, family: unknown) => {
      if (error !== null) reject(error);
      else resolve((given as LookupOptions | undefined)?.all === true ? address : { address, family });
    });
  });
  const service = (address: unknown, port: unknown): Promise<unknown> => lookupService(resolverOf(), address, port);
  const shared = {
    getDefaultResultOrder: () => order,
    setDefaultResultOrder: (value: unknown): void => {
      if (!['verbatim', 'ipv4first', 'ipv6first'].includes(value as string)) throw argValue("argument 'dnsOrder'", value);
      order = value as string;
    },
  };
  const promises = {
    ...nodeDns.promises, ...shared, ...promiseMethods(channel), lookup: promisedLookup, lookupService: service,
    Resolver: resolverClass(resolverOf, promiseMethods),
  };
  return {
    ...nodeDns, ...shared, ...callbackMethods(channel), lookup, promises,
    Resolver: resolverClass(resolverOf, callbackMethods),
    lookupService: (address: unknown, port: unknown, callback: unknown): void => {
      const done = checkCallback(callback) as (error: Error | null, hostname?: string, name?: string) => void;
      service(address, port).then(
        (found) => nextTick(done, null, (found as ServiceName).hostname, (found as ServiceName).service),
        (error: unknown) => nextTick(done, error),
      );
    },
  } as unknown as NodeDns;
}

interface ServiceName {
  readonly hostname: string;
  readonly service: string;
}

function lookupService(resolver: HostResolver, address: unknown, port: unknown): Promise<ServiceName> {
  if (isIP(checkString(address, 'address')) === 0) throw argValue("argument 'address'", address);
  const number = Number(port);
  if (!Number.isInteger(number) || number < 0 || number > 65535) {
    throw coded(new RangeError(`Port should be >= 0 and < 65536. ${received(port)}.`), 'ERR_SOCKET_BAD_PORT');
  }
  return getnameinfo(resolver, address as string, number).then((found) => {
    if (typeof found === 'string') throw eaiError(found, 'getnameinfo', address as string);
    return found;
  });
}

/** `node:dns` of a host, one object for all. */
export function dnsOf(node: NodeHost): NodeDns {
  node.dns ??= createDns(node);
  return node.dns as NodeDns;
}
