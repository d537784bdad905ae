/** `dns`: names are looked up, and asked for, on the host that the code runs on. */
import dns from 'node:dns';
import process from 'node:process';
import { hostHere } from '../current.ts';
import { METHODS } from '../dns-records.ts';
import { dnsOf } from '../dns.ts';
import type { NodeHost } from '../sockets.ts';
import { passes } from './net.ts';
import { methodsIn, wrap, type AnyFunction, type Undo } from './wrap.ts';

const isDeno = 'deno' in process.versions;

export function hookNames(): Undo[] {
  return [...hookQuestions(), ...hookResolvers(), hookOptions(dns), hookOptions(dns.promises)];
}

/** Lookups, questions to name servers, and what else of `dns` has a host's meaning, in both forms. */
const QUESTIONS: readonly string[] = [
  'lookup', ...Object.values(METHODS), 'resolve', 'reverse', 'lookupService', 'getServers', 'setServers', 'getDefaultResultOrder',
  'setDefaultResultOrder',
];

function hookQuestions(): Undo[] {
  const forms: readonly (readonly [owner: object, ofHost: (host: NodeHost) => object])[] = [
    [dns, dnsOf], [dns.promises, (host) => dnsOf(host).promises],
  ];
  return forms.flatMap(([owner, ofHost]) => methodsIn(owner, QUESTIONS).map((name) =>
    wrap(owner, name, (real) => function question(...args) {
      const host = hostHere();
      if (host === null || host.resolver === null || passesName(args[0])) return real.apply(this, args);
      const result = (Reflect.get(ofHost(host), name) as AnyFunction).apply(undefined, args);
      return result === undefined && name === 'lookup' ? {} : result; // a request, of which nothing is promised
    })));
}

function passesName(name: unknown): boolean {
  return typeof name === 'string' && passes({ kind: 'lookup', host: name });
}

/** A `dns.Resolver` that is first used on a host asks there, from then on. */
const hostResolvers = new WeakMap<object, object>();
const RESOLVER_METHODS: readonly string[] = [
  ...Object.values(METHODS), 'resolve', 'reverse', 'getServers', 'setServers', 'cancel', 'setLocalAddress',
];

/** What a resolver was made with: Node keeps it in C++, out of sight. */
const optionsOf = new WeakMap<object, unknown>();

/** Takes note of what resolvers are made with. The class is the same, seen through a proxy. */
function hookOptions(owner: { Resolver: object }): Undo {
  const real = owner.Resolver;
  const seen = new Proxy(real, {
    construct(target, args: unknown[], newTarget): object {
      const made = Reflect.construct(target as AnyClass, args, newTarget) as object;
      optionsOf.set(made, args[0]);
      return made;
    },
  });
  owner.Resolver = seen;
  return () => {
    if (owner.Resolver === seen) owner.Resolver = real;
  };
}

type AnyClass = new (...args: unknown[]) => unknown;

function hookResolvers(): Undo[] {
  const prototypes = new Set<object>();
  for (const Resolver of [dns.Resolver, dns.promises.Resolver]) {
    const own = Resolver.prototype as object;
    prototypes.add(own).add(Object.getPrototypeOf(own) as object);
  }
  return [...prototypes].flatMap((owner) => methodsIn(owner, RESOLVER_METHODS).map((name) =>
    wrap(owner, name, (real) => function method(...args) {
      const mine = passesName(args[0]) ? null : resolverOf(this as object);
      if (mine === null) return real.apply(this, args);
      if (isDeno && args.at(-1) === undefined) args.pop(); // Deno's own wrappers hand on an argument that was not given
      return (Reflect.get(mine, name) as AnyFunction).apply(mine, args);
    })));
}

/** What stands for a resolver on its host; null outside of all hosts. */
function resolverOf(real: object): object | null {
  const known = hostResolvers.get(real);
  if (known !== undefined) return known;
  const host = hostHere();
  if (host === null || host.resolver === null) return null;
  const of = dnsOf(host);
  const Resolver = (real instanceof dns.promises.Resolver ? of.promises.Resolver : of.Resolver) as AnyClass;
  const mine = new Resolver(optionsOf.get(real)) as object;
  hostResolvers.set(real, mine);
  return mine;
}
