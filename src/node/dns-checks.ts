/**
 * What a call of `dns` is checked for. Where it can be had without a packet, by Node itself: a lookup of an address, a resolver
 * that is only set up. So the checks, and the words of the errors, are those of the version that runs.
 */
import nodeDns from 'node:dns';
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { NameError } from '../host/dns/errors.ts';
import { METHODS } from './dns-records.ts';
import type { LookupOptions } from './lookup.ts';

export type Callback = (error: Error | null, ...results: unknown[]) => void;

type AnyFunction = (...args: unknown[]) => unknown;

// Taken when this module is loaded: `dns` itself may be led to a host later.
const nodeLookup = nodeDns.lookup as unknown as AnyFunction;
const promisedLookup = nodeDns.promises.lookup as unknown as AnyFunction;
const lookupService = nodeDns.lookupService as unknown as AnyFunction;
const promisedService = nodeDns.promises.lookupService as unknown as AnyFunction;
const getOrder = (nodeDns as { getDefaultResultOrder?: AnyFunction }).getDefaultResultOrder;
const setOrder = nodeDns.setDefaultResultOrder as unknown as AnyFunction;

const EINVAL = -22;
/** Looked up at once, without a question to anybody. */
const ADDRESS = '127.0.0.1';

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
  return coded(new TypeError(`The argument '${name}' is invalid. Received ${shown(value)}`), 'ERR_INVALID_ARG_VALUE');
}

export function checkString(value: unknown, name: string): string {
  if (typeof value !== 'string') throw argType(name, 'of type string', value);
  return value;
}

export function checkCallback(value: unknown): Callback {
  if (typeof value !== 'function') throw argType('callback', 'of type function', value);
  return value as Callback;
}

/** `dns.lookup`: the options and the callback, once they are right. */
export function checkLookup(args: readonly unknown[]): { options: LookupOptions; done: Callback } {
  const [name, given, callback] = args;
  const hasName = name !== undefined && name !== null && name !== '';
  if (hasName && typeof name !== 'string') nodeLookup(...args); // throws
  const checked = (typeof given === 'function' ? given : callback) as Callback;
  nodeLookup(ADDRESS, ...args.slice(1).map((arg) => (typeof arg === 'function' ? (): void => undefined : arg)));
  return { options: lookupOptions(typeof given === 'function' ? undefined : given), done: checked };
}

/** The same for `dns.promises.lookup`. */
export function checkPromisedLookup(name: unknown, given: unknown): LookupOptions {
  if (name !== undefined && name !== null && name !== '' && typeof name !== 'string') promisedLookup(name, given); // throws
  promisedLookup(ADDRESS, given);
  return lookupOptions(given);
}

function lookupOptions(given: unknown): LookupOptions {
  return typeof given === 'number' ? { family: given } : (given ?? {});
}

/** What `net` and `dgram` ask for is mostly plain; anything else is looked at by Node. */
export function checkSocketLookup(name: unknown, given: LookupOptions | number): void {
  const { family = 0, hints = 0 } = typeof given === 'number' ? { family: given } : given;
  if (typeof name !== 'string' || (family !== 0 && family !== 4 && family !== 6) || hints !== 0) {
    checkLookup([name, given, (): void => undefined]);
  }
}

/** `dns.lookupService`: Node looks itself until everything is right. */
export function checkService(args: readonly unknown[]): void {
  const [address, port] = args;
  if (args.length < 3 || isIP(address as string) === 0 || !isPort(port)) lookupService(...args);
  checkCallback(args[2]);
}

export function checkPromisedService(args: readonly unknown[]): void {
  const [address, port] = args;
  if (args.length < 2 || isIP(address as string) === 0 || !isPort(port)) promisedService(...args);
}

/** As Node's validatePort: a whole number, or the text of one. */
function isPort(port: unknown): boolean {
  if (typeof port !== 'number' && typeof port !== 'string') return false;
  if (typeof port === 'string' && port.trim() === '') return false;
  return Number(port) === Number(port) >>> 0 && Number(port) <= 0xffff;
}

/** An order that Node takes as its default; its own is left as it is. */
export function checkOrder(order: unknown): string {
  const before = initialOrder();
  try {
    setOrder(order);
  } finally {
    setOrder(before);
  }
  return order as string;
}

/** The order of answers that Node was started with (`--dns-result-order`). */
export function initialOrder(): string {
  return (getOrder?.() ?? 'verbatim') as string;
}

export function checkQuestion(method: string, name: unknown): void {
  checkString(name, 'name');
  if (method === 'reverse' && isIP(name as string) === 0) throw invalidAddress(name as string);
}

export function invalidAddress(address: string): Error {
  return new NameError('EINVAL', EINVAL, 'getHostByAddr', address);
}

/** The method for a type of record. */
export function methodOf(rrtype: unknown): string {
  if (typeof rrtype !== 'string') throw argType('rrtype', 'of type string', rrtype);
  const method = Object.hasOwn(METHODS, rrtype) ? METHODS[rrtype] : undefined;
  if (method === undefined) throw argValue('rrtype', rrtype);
  return method;
}

/** A name as the network has it; one that cannot be had so is left as it is, and is not found. */
export function asciiName(name: string): string {
   
  if (/^[\0-\x7f]*$/.test(name)) return name;
  const ascii = domainToASCII(name);
  return ascii === '' ? name : ascii;
}
