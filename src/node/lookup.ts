/**
 * Names for sockets: a host's hosts file and that of its world, in the form of `dns.lookup`. Nothing is ever asked of the
 * machine's own resolver.
 */
import { isIP } from 'node:net';
import process from 'node:process';
import type { ResolvedAddress } from '../host/resolver.ts';

/** Where names are looked up; `kernel.hosts` is one. */
export interface Names {
  lookup(name: string): readonly ResolvedAddress[];
}

/** As much of `dns.lookup`'s options as there is to heed. */
export interface LookupOptions {
  readonly family?: number | string | undefined;
  readonly all?: boolean | undefined;
}

export type LookupCallback = (error: Error | null, address?: string | readonly ResolvedAddress[], family?: number) => void;

/** The form in which net, dgram and dns take a lookup function. */
export type Lookup = (name: string, options: LookupOptions | number, callback: LookupCallback) => void;

/** libuv's number for a name that is not known, on all systems. */
const UV_EAI_NONAME = -3008;

/** The error of `dns.lookup` for a name that nobody knows. */
export function notFound(name: string): Error {
  const error = new Error(`getaddrinfo ENOTFOUND ${name}`);
  return Object.assign(error, { errno: UV_EAI_NONAME, code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: name });
}

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
    found = names.lookup(name);
  } catch {
    return [];
  }
  return family === 0 || isIP(name) !== 0 ? found : found.filter((a) => a.family === family);
}

/** Makes the lookup function of a host. It answers in the next tick, as `dns.lookup` never answers at once. */
export function createLookup(names: Names): Lookup {
  return (name, given, callback) => {
    const literal = isIP(name);
    if (literal !== 0 && (typeof given === 'number' || given.all !== true)) {
      process.nextTick(callback, null, name, literal);
      return;
    }
    const options = typeof given === 'number' ? { family: given } : given;
    const found = addressesOf(names, name, wantedFamily(options));
    const first = found[0];
    process.nextTick(() => {
      if (first === undefined) callback(notFound(name));
      else if (options.all === true) callback(null, found);
      else callback(null, first.address, first.family);
    });
  };
}
