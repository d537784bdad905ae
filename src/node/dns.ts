/**
 * `node:dns` on a host: lookups by its hosts files and resolv.conf, questions for records to its name servers, over the
 * simulated network. Argument checks (dns-checks.ts), shapes and error codes are Node's.
 *
 *   from  node/world.ts            host.dns
 *         node/install.ts          dns.* of programs on a host
 *   to    node/dns-channel.ts
 *
 * A host without a name server answers questions for A, AAAA and PTR records from the hosts files, so that the names of a
 * world resolve without any set-up here, too.
 */
import nodeDns from 'node:dns';
import { isIP } from 'node:net';
import { nextTick } from './handle/runtime.ts';
import { getnameinfo, type NameInfo } from '../host/dns/addrinfo.ts';
import { eaiError } from '../host/dns/errors.ts';
import type { HostResolver } from '../host/dns/host-resolver.ts';
import { Channel, type ResolverOptions } from './dns-channel.ts';
import {
  checkCallback, checkLookup, checkOrder, checkPromisedLookup, checkPromisedService, checkQuestion, checkService, checkString, initialOrder,
  invalidAddress, methodOf, type Callback,
} from './dns-checks.ts';
import { METHODS, toNode } from './dns-records.ts';
import type { LookupCallback, LookupOptions } from './lookup.ts';
import { NodeHost, type HostLike } from './sockets.ts';

/** The type of `node:dns`. */
export type NodeDns = typeof nodeDns;

// Taken when this module is loaded: `dns` itself may be led to a host later.
const nodeLookup = nodeDns.lookup as unknown as (...args: unknown[]) => unknown;
const nodePromisedLookup = nodeDns.promises.lookup as unknown as (...args: unknown[]) => Promise<unknown>;

/** Hands the end of `work` to a callback, in a tick of its own, as Node does. */
function deliver(work: Promise<unknown>, callback: Callback): void {
  work.then(
    (result) => nextTick(callback, null, result),
    (error: unknown) => nextTick(callback, error),
  );
}

// What callback forms return: in Node the request, of which nothing is promised but its name.
class GetAddrInfoReqWrap {}
class GetNameInfoReqWrap {}
class QueryReqWrap {}

/** What a question is called with: a name, maybe options, and (in the callback form) a callback. */
type Asking = (name: unknown, options: unknown) => Promise<unknown>;

/** The questions of a channel by method name, promises all. */
function questions(channel: Channel): Record<string, Asking> {
  const out: Record<string, Asking> = {};
  for (const [type, method] of Object.entries(METHODS)) {
    out[method] = async (name, options) => {
      const ttl = typeof options === 'object' && options !== null && Boolean((options as { ttl?: unknown }).ttl);
      return toNode(type, await channel.query(name as string, type), ttl);
    };
  }
  out['reverse'] = async (address) => [...await channel.reverse(address as string)];
  return out;
}

/** `resolve*`, `reverse` and the servers of a channel, with callbacks. */
function callbackMethods(channel: Channel): Record<string, unknown> {
  const asking = questions(channel);
  const methods: Record<string, unknown> = {};
  for (const [method, ask] of Object.entries(asking)) {
    methods[method] = (...args: unknown[]): unknown => {
      const [name, options] = args;
      const hasOptions = args.length > 2;
      checkString(name, 'name');
      const done = checkCallback(args[hasOptions ? 2 : 1]);
      checkQuestion(method, name);
      deliver(ask(name, hasOptions ? options : {}), done);
      return new QueryReqWrap();
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
      checkString(name, 'name');
      if (method === 'reverse' && isIP(name as string) === 0) return Promise.reject(invalidAddress(name as string));
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
    constructor(options?: ResolverOptions) {
      const channel = new Channel(resolverOf, options ?? {});
      Object.assign(this, methodsOf(channel), {
        cancel: () => channel.cancel(),
        setLocalAddress: (...args: unknown[]) => channel.setLocalAddress(...args),
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
  let order = initialOrder();
  const lookup = (...args: unknown[]): unknown => {
    if (!args[0]) return nodeLookup(...args); // no name: answered by nobody, and warned of
    const { options, done } = checkLookup(args);
    answerLookup(node, args[0], { order, ...options }, done);
    return isIP(args[0] as string) === 0 ? new GetAddrInfoReqWrap() : {};
  };
  const promisedLookup = (name: unknown, given?: unknown): Promise<unknown> => {
    if (!name) return nodePromisedLookup(name, given);
    const options = { order, ...checkPromisedLookup(name, given) };
    return new Promise((resolve, reject) => {
      answerLookup(node, name, options, (error, address, family) => {
        if (error !== null) reject(error);
        else resolve(options.all === true ? address : { address, family });
      });
    });
  };
  const shared = {
    getDefaultResultOrder: () => order,
    setDefaultResultOrder: (value: unknown): void => {
      order = checkOrder(value);
    },
  };
  const promises = {
    ...nodeDns.promises, ...shared, ...promiseMethods(channel), lookup: promisedLookup,
    lookupService: (...args: unknown[]): Promise<unknown> => {
      checkPromisedService(args);
      return serviceOf(resolverOf(), args[0] as string, Number(args[1]));
    },
    Resolver: resolverClass(resolverOf, promiseMethods),
  };
  return {
    ...nodeDns, ...shared, ...callbackMethods(channel), lookup, promises,
    Resolver: resolverClass(resolverOf, callbackMethods),
    lookupService: (...args: unknown[]): unknown => {
      checkService(args);
      const done = args[2] as Callback;
      serviceOf(resolverOf(), args[0] as string, Number(args[1])).then(
        ({ hostname, service }) => nextTick(done, null, hostname, service),
        (error: unknown) => nextTick(done, error),
      );
      return new GetNameInfoReqWrap();
    },
  } as unknown as NodeDns;
}

/** No name at all has no address, and that is no error (DEP0118). */
function answerLookup(node: NodeHost, name: unknown, options: LookupOptions, done: LookupCallback): void {
  if (typeof name === 'string' && name !== '') node.lookup(name, options, done);
  else if (options.all === true) nextTick(done, null, []);
  else nextTick(done, null, null, options.family === 6 ? 6 : 4);
}

async function serviceOf(resolver: HostResolver, address: string, port: number): Promise<NameInfo> {
  const found = await getnameinfo(resolver, address, port);
  if (typeof found === 'string') throw eaiError(found, 'getnameinfo', address);
  return found;
}

/** `node:dns` of a host, one object for all. */
export function dnsOf(node: NodeHost): NodeDns {
  node.dns ??= createDns(node);
  return node.dns as NodeDns;
}
