/**
 * Names for sockets: a host's hosts file and that of its world, in the form of `dns.lookup`; what they do not have, the name
 * servers of its resolv.conf are asked for, over the host's network. Nothing is ever asked of the machine's own resolver.
 */
import dns from 'node:dns';
import { isIP } from 'node:net';
import { formatIpv4, inetAton } from '../lib/addr.ts';
import { nextTick } from './handle/runtime.ts';
import { AI_ADDRCONFIG, AI_ALL, AI_V4MAPPED, getaddrinfo, type AddrSource } from '../host/dns/addrinfo.ts';
import { eaiError } from '../host/dns/errors.ts';
import { asciiName, checkSocketLookup } from './dns-checks.ts';
import type { ResolvedAddress } from '../host/resolver.ts';

/** Where names are looked up; `kernel.hosts` is one. */
export interface Names {
  lookup(name: string): readonly ResolvedAddress[];
  /** Its IPv6 addresses, those included that are given to who asks for them alone. */
  lookup6(name: string): readonly ResolvedAddress[];
}

/** As much of `dns.lookup`'s options as there is to heed. */
export interface LookupOptions {
  readonly family?: number | string | undefined;
  readonly all?: boolean | undefined;
  /** AI_ADDRCONFIG, AI_V4MAPPED, AI_ALL. */
  readonly hints?: number | undefined;
  /** `'ipv4first'`, `'ipv6first'` or `'verbatim'`, the default. */
  readonly order?: string | undefined;
  readonly verbatim?: boolean | undefined;
}

export type LookupCallback = (error: Error | null, address?: string | readonly ResolvedAddress[], family?: number) => void;

/** The form in which net, dgram and dns take a lookup function. */
export type Lookup = (name: string, options: LookupOptions | number, callback: LookupCallback) => void;

function wantedFamily(options: LookupOptions): number {
  const { family } = options;
  if (family === 'IPv4') return 4;
  if (family === 'IPv6') return 6;
  return typeof family === 'number' ? family : 0;
}

/** A name's addresses; throws nothing: a name that cannot be one is not found. */
function addressesOf(names: Names, name: string, family: number): readonly ResolvedAddress[] {
  let found: readonly ResolvedAddress[];
  try {
    const number = isIP(name) === 0 && /^[0-9]/.test(name) ? inetAton(name) : null;
    if (number !== null) return family === 6 ? [] : [{ address: formatIpv4(number), family: 4 }];
    found = family === 6 && isIP(name) === 0 ? names.lookup6(name) : names.lookup(name);
  } catch {
    return [];
  }
  return family === 0 || isIP(name) !== 0 ? found : found.filter((a) => a.family === family);
}

/** Calls back when user code has come to rest. */
export type Later = (answer: () => void) => void;

/**
 * Makes the lookup function of a host. Names are answered by `later`: with libuv they come from a thread, so that who asks has time
 * to listen for 'lookup'. An address is answered in the next tick, as there.
 */
export function createLookup(names: Names, later: Later, sourceOf: () => AddrSource | null = () => null): Lookup {
  return (asked, given, callback) => {
    checkSocketLookup(asked, given);
    const name = asciiName(asked);
    const literal = isIP(name);
    if (literal !== 0) {
      if (typeof given === 'number' || given.all !== true) nextTick(callback, null, name, literal);
      else nextTick(callback, null, [{ address: name, family: literal }]);
      return;
    }
    const options = typeof given === 'number' ? { family: given } : given;
    const family = wantedFamily(options);
    const found = addressesOf(names, name, family);
    const source = sourceOf();
    const mapped = family === 6 && ((options.hints ?? 0) & dns.V4MAPPED) !== 0;
    if (source !== null && found.length === 0 && (mapped || source.resolver.conf.nameservers.length > 0)) {
      void ask(source, name, asked, options, callback);
      return;
    }
    later(() => answer(asked, found, options, callback));
  };
}

/** The runtime's hints, whose numbers are its own, as getaddrinfo's flags. */
function flagsOf(hints: number): number {
  return ((hints & dns.ADDRCONFIG) !== 0 ? AI_ADDRCONFIG : 0) | ((hints & dns.V4MAPPED) !== 0 ? AI_V4MAPPED : 0)
    | ((hints & dns.ALL) !== 0 ? AI_ALL : 0);
}

async function ask(
  source: AddrSource, name: string, asked: string, options: LookupOptions, callback: LookupCallback,
): Promise<void> {
  const family = wantedFamily(options);
  const hints = { flags: flagsOf(options.hints ?? 0), family: family === 4 || family === 6 ? family : 0 } as const;
  const found = await getaddrinfo(source, name, null, hints);
  if (typeof found === 'string') nextTick(callback, eaiError(found, 'getaddrinfo', asked));
  else nextTick(() => answer(asked, found.map((a) => ({ address: a.address, family: a.family })), options, callback));
}

function answer(name: string, found: readonly ResolvedAddress[], options: LookupOptions, callback: LookupCallback): void {
  const list = ordered(found, options);
  const [first] = list;
  if (first === undefined) callback(eaiError('EAI_NONAME', 'getaddrinfo', name));
  else if (options.all === true) callback(null, list);
  else callback(null, first.address, first.family);
}

function ordered(found: readonly ResolvedAddress[], { order, verbatim }: LookupOptions): readonly ResolvedAddress[] {
  const first = order === 'ipv4first' || (order === undefined && verbatim === false) ? 4 : order === 'ipv6first' ? 6 : 0;
  return first === 0 ? found : [...found.filter((a) => a.family === first), ...found.filter((a) => a.family !== first)];
}
