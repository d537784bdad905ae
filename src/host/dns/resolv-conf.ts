/** resolv.conf(5): whom a host asks for names, and how. */
import { checkOptions } from '../../lib/units.ts';
import { addressFamily, canonicalName } from './names.ts';

/** Name servers that a file may name; more of them are ignored, as in glibc (MAXNS). */
export const NAMESERVERS_MAX = 3;
/** What `options` may be set to at most, as in glibc (RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY). */
export const NDOTS_MAX = 15;
export const TIMEOUT_S_MAX = 30;
export const ATTEMPTS_MAX = 5;

/** The settings, as an object. What is left out has resolv.conf's default. */
export interface ResolvOptions {
  /** Addresses of name servers, asked in this order. */
  readonly nameservers?: readonly string[];
  /** Domains that are tried behind a name with few dots. */
  readonly search?: readonly string[];
  /** A name with fewer dots is tried with the search list first. Default 1. */
  readonly ndots?: number;
  /** Seconds to wait for the first server. Default 5. */
  readonly timeout?: number;
  /** How often the list of servers is gone through. Default 2. */
  readonly attempts?: number;
  /** Begin with another server for each question. */
  readonly rotate?: boolean;
  /** Say by EDNS(0) that answers of 1,232 bytes are welcome. Default false, as in glibc. */
  readonly edns0?: boolean;
  /** TCP only. */
  readonly useVc?: boolean;
  /** A and AAAA one after the other, not at once. */
  readonly singleRequest?: boolean;
}

const KNOWN: readonly string[] = [
  'nameservers', 'search', 'ndots', 'timeout', 'attempts', 'rotate', 'edns0', 'useVc', 'singleRequest',
];
/** Options of glibc that change nothing here. */
const IGNORED_OPTIONS: ReadonlySet<string> = new Set([
  'debug', 'inet6', 'ip6-bytestring', 'ip6-dotint', 'no-ip6-dotint', 'single-request-reopen', 'no-tld-query', 'no-reload', 'trust-ad',
  'no-aaaa', 'no-check-names',
]);

export class ResolvConf {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly ndots: number;
  readonly timeout: number;
  readonly attempts: number;
  readonly rotate: boolean;
  readonly edns0: boolean;
  readonly useVc: boolean;
  readonly singleRequest: boolean;

  constructor(options: ResolvOptions = {}) {
    checkOptions(options, KNOWN, 'resolv.conf');
    this.nameservers = list(options.nameservers, 'nameservers').map(checkServer);
    this.search = list(options.search, 'search').map((domain) => canonicalName(domain, 'resolv.conf: search'));
    this.ndots = Math.min(number(options.ndots ?? 1, 'ndots', 0), NDOTS_MAX);
    this.timeout = Math.min(number(options.timeout ?? 5, 'timeout', 1), TIMEOUT_S_MAX);
    this.attempts = Math.min(number(options.attempts ?? 2, 'attempts', 1), ATTEMPTS_MAX);
    this.rotate = options.rotate ?? false;
    this.edns0 = options.edns0 ?? false;
    this.useVc = options.useVc ?? false;
    this.singleRequest = options.singleRequest ?? false;
  }

  /** The file. */
  format(): string {
    const lines = this.nameservers.map((server) => `nameserver ${server}`);
    if (this.search.length > 0) lines.push(`search ${this.search.join(' ')}`);
    const words: string[] = [];
    if (this.ndots !== 1) words.push(`ndots:${String(this.ndots)}`);
    if (this.timeout !== 5) words.push(`timeout:${String(this.timeout)}`);
    if (this.attempts !== 2) words.push(`attempts:${String(this.attempts)}`);
    if (this.rotate) words.push('rotate');
    if (this.edns0) words.push('edns0');
    if (this.useVc) words.push('use-vc');
    if (this.singleRequest) words.push('single-request');
    if (words.length > 0) lines.push(`options ${words.join(' ')}`);
    return lines.map((line) => `${line}\n`).join('');
  }
}

/**
 * Reads the text of a resolv.conf. `domain` and `search` exclude each other: the last one counts.
 *
 * @throws TypeError that names the line and what was expected
 */
export function parseResolvConf(text: string): ResolvConf {
  if (typeof text !== 'string') throw new TypeError(`resolv.conf: is ${typeof text}; expected a text such as 'nameserver 10.0.0.53'`);
  const nameservers: string[] = [];
  let search: readonly string[] = [];
  let options: ResolvOptions = {};
  text.split('\n').forEach((line, i) => {
    const where = `resolv.conf: line ${String(i + 1)}`;
    const [keyword, ...words] = line.replace(/[#;].*/, '').trim().split(/\s+/);
    switch (keyword) {
      case undefined: case '': case 'sortlist': return;
      case 'nameserver':
        if (words.length !== 1 || addressFamily(words[0]!) === 0) {
          throw new TypeError(`${where}: '${words.join(' ')}' is not an address; expected one such as 'nameserver 10.0.0.53'`);
        }
        if (nameservers.length < NAMESERVERS_MAX) nameservers.push(words[0]!);
        return;
      case 'domain': case 'search':
        if (words.length === 0) throw new TypeError(`${where}: '${keyword}' without a domain`);
        search = (keyword === 'domain' ? words.slice(0, 1) : words).map((word) => canonicalName(word, where));
        return;
      case 'options':
        for (const word of words) options = { ...options, ...option(word, where) };
        return;
      default:
        throw new TypeError(`${where}: '${keyword}' is not understood; expected nameserver, search, domain, options or sortlist`);
    }
  });
  return new ResolvConf({ ...options, nameservers, search });
}

function option(word: string, where: string): ResolvOptions {
  const [name = '', value] = word.split(':');
  if (name === 'ndots' || name === 'timeout' || name === 'attempts') {
    if (value === undefined || !/^\d{1,5}$/.test(value)) throw new TypeError(`${where}: '${word}' needs a number, such as ${name}:2`);
    return { [name]: Math.max(Number(value), name === 'ndots' ? 0 : 1) };
  }
  switch (name) {
    case 'rotate': return { rotate: true };
    case 'edns0': return { edns0: true };
    case 'use-vc': return { useVc: true };
    case 'single-request': return { singleRequest: true };
  }
  if (IGNORED_OPTIONS.has(name)) return {};
  const known = 'ndots:n, timeout:n, attempts:n, rotate, edns0, use-vc, single-request';
  throw new TypeError(`${where}: option '${word}' is not understood; expected ${known}`);
}

function list(value: unknown, name: string): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new TypeError(`resolv.conf: ${name}: expected an array of strings`);
  return value as readonly unknown[];
}

function checkServer(value: unknown): string {
  if (typeof value === 'string' && addressFamily(serverOf(value)[0]) !== 0) return value;
  throw new TypeError(`resolv.conf: nameservers: '${String(value)}' is not an IP address; expected one such as '10.0.0.53'`);
}

function number(value: unknown, name: string, min: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min) return value;
  throw new TypeError(`resolv.conf: ${name}: ${String(value)} is not a whole number of at least ${String(min)}`);
}

/** `'10.0.0.53'`, or with a port as dns.setServers takes it: `'10.0.0.53:5353'`, `'[fd00::53]:5353'`. */
export function serverOf(text: string): [address: string, port: number] {
  const m = /^\[([^\]]+)\](?::(\d+))?$|^(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(text);
  if (m === null) return [text, 53];
  return [m[1] ?? m[3]!, Number(m[2] ?? m[4] ?? 53)];
}
