/**
 * The words of an `ip` command, read one by one as iproute2 reads them: keywords may be cut short, each takes its value, and a
 * line that does not parse says which word and what was expected.
 */
import { formatIpv4, ipv4Mask, parseIpv4, parseMac, type Ipv4Prefix } from '../../lib/addr.ts';
import {
  EACCES, EEXIST, EHOSTUNREACH, EINVAL, ENETUNREACH, ENOBUFS, ENODEV, ENOENT, EPERM, errnoMessage, ESRCH,
} from '../../lib/errno.ts';
import { formatIpv6, formatIpv6Prefix, in6Any, parseIpv6, parseIpv6Prefix, type In6Addr, type Ipv6Prefix } from '../../lib/addr6.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { devGetByName } from '../../dev/registry.ts';
import { RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../../ip/fib.ts';
import { ToolError, type ToolHost } from './command.ts';

/** What is left of a line. */
export class IpWords {
  readonly host: ToolHost;
  /** `ip addr`: in front of what is wrong. */
  readonly tool: string;
  private readonly words: readonly string[];
  private at = 0;

  constructor(host: ToolHost, tool: string, words: readonly string[]) {
    this.host = host;
    this.tool = tool;
    this.words = words;
  }

  get done(): boolean {
    return this.at >= this.words.length;
  }

  /** The word that comes, or ''. */
  peek(): string {
    return this.words[this.at] ?? '';
  }

  /** Takes the next word; `expected` says what it should have been when there is none. */
  next(expected: string): string {
    const word = this.words[this.at];
    if (word === undefined) throw this.error(`Command line is not complete: ${expected} is expected. Try option "help"`);
    this.at++;
    return word;
  }

  /** Takes the next word when it is one of these, or the beginning of one (at least `least` letters). The whole word, or ''. */
  accept(keywords: readonly string[], least: number = 1): string {
    const word = this.peek();
    const found = keywords.find((k) => k === word) ?? (word.length < least ? undefined : keywords.find((k) => k.startsWith(word)));
    if (word === '' || found === undefined) return '';
    this.at++;
    return found;
  }

  error(message: string): ToolError {
    return new ToolError(`${this.tool}: ${message}`);
  }

  /** The line goes on with something that has no place there. */
  garbage(expected: string): ToolError {
    return this.error(`Error: "${this.peek()}" is a garbage; expected ${expected}`);
  }

  device(): NetDevice {
    const name = this.next('a device');
    const dev = devGetByName(this.host.net, name);
    if (dev !== null) return dev;
    const all = this.host.net.devices.flatMap((d) => (d === null ? [] : [d.name]));
    throw this.error(`Cannot find device "${name}"; there are ${all.join(', ')}`);
  }

  /** A whole number from `min` to `max`, in one of C's spellings. */
  number(what: string, min: number, max: number): number {
    const word = this.next(`a value of "${what}"`);
    const n = /^(0x[0-9a-f]+|\d+)$/i.test(word) ? Number(word) : NaN;
    if (n >= min && n <= max) return n;
    throw this.error(`Error: argument "${word}" is wrong: "${what}" is a whole number from ${String(min)} to ${String(max)}`);
  }

  address(what: string = 'an IPv4 address'): number {
    const word = this.next(what);
    const addr = parseIpv4(word);
    if (addr === null) throw this.error(`Error: inet address is expected rather than "${word}".`);
    return addr;
  }

  address6(what: string = 'an IPv6 address'): In6Addr {
    const word = this.next(what);
    const addr = parseIpv6(word);
    if (addr === null) throw this.error(`Error: inet6 address is expected rather than "${word}".`);
    return addr;
  }

  /** `fd00::/64`, `fd00::1`, `default`; the length is -1 when it is not said. */
  prefix6(): Ipv6Prefix {
    const word = this.next('a prefix');
    if (isDefault(word)) return { addr: in6Any, prefixLen: 0 };
    const found = parseIpv6Prefix(word);
    if (found === null) throw this.error(`Error: inet6 prefix is expected rather than "${word}".`);
    return word.includes('/') ? found : { addr: found.addr, prefixLen: -1 };
  }

  mac(): Uint8Array {
    const word = this.next('a hardware address');
    const mac = parseMac(word);
    if (mac === null) throw this.error(`"${word}" is invalid lladdr; expected one such as 02:00:00:00:00:01`);
    return mac;
  }

  /** `10.0.0.0/8`, `10/8`, `10.0.0.1`, `10.0.0.0/255.0.0.0`, `default`; the length is -1 when it is not said. */
  prefix(): Ipv4Prefix {
    const word = this.next('a prefix');
    const found = parsePrefix(word);
    if (found === null) throw this.error(`Error: any valid prefix is expected rather than "${word}".`);
    return found;
  }

  scope(): number {
    const word = this.next('a scope');
    const known: Readonly<Record<string, number>> = { global: RT_SCOPE_UNIVERSE, link: RT_SCOPE_LINK, host: RT_SCOPE_HOST };
    const scope = Object.hasOwn(known, word) ? known[word]! : /^\d+$/.test(word) && Number(word) < 256 ? Number(word) : null;
    if (scope === null) throw this.error(`Error: argument "${word}" is wrong: invalid "scope" value; expected global, link or host`);
    return scope;
  }
}

function isDefault(word: string): boolean {
  return word === 'default' || word === 'any' || word === 'all';
}

/** Does a line speak of IPv6? Without `-4` or `-6` the first address on it says so, as in iproute2. */
export function speaksIpv6(words: readonly string[]): boolean {
  return words.some((word) => word === 'inet6' || parseIpv6Prefix(word) !== null);
}

/** A prefix as iproute2 reads it; trailing numbers may be left out (`10.1/16`). */
function parsePrefix(word: string): Ipv4Prefix | null {
  if (isDefault(word)) return { addr: 0, prefixLen: 0 };
  const [text = '', length, ...more] = word.split('/');
  if (more.length > 0 || !/^\d+(\.\d+){0,3}$/.test(text)) return null;
  const parts = text.split('.');
  const addr = parseIpv4([...parts, ...Array<string>(4 - parts.length).fill('0')].join('.'));
  if (addr === null) return null;
  if (length === undefined) return { addr, prefixLen: -1 };
  if (/^\d{1,2}$/.test(length)) return Number(length) <= 32 ? { addr, prefixLen: Number(length) } : null;
  const mask = parseIpv4(length);
  if (mask === null) return null;
  for (let len = 0; len <= 32; len++) if (ipv4Mask(len) === mask) return { addr, prefixLen: len };
  return null;
}

/** Runs `change` in the kernel; a negative errno becomes an error in iproute2's words. */
export function rtnetlink(host: ToolHost, tool: string, change: () => number, texts: Readonly<Record<number, string>> = {}): void {
  const { cpu } = host.net;
  cpu.enter(0);
  const err = change();
  cpu.exit();
  if (err >= 0) return;
  const text = texts[-err];
  throw new ToolError(`${tool}: ${text === undefined ? `RTNETLINK answers: ${strerror(err)}` : `Error: ${text}`}`);
}

/** What perror(3) says, where it differs from our own words. */
const STRERROR: Readonly<Record<number, string>> = {
  [EPERM]: 'Operation not permitted', [ENOENT]: 'No such file or directory', [ESRCH]: 'No such process', [EACCES]: 'Permission denied',
  [EEXIST]: 'File exists', [ENODEV]: 'No such device', [EINVAL]: 'Invalid argument', [ENOBUFS]: 'No buffer space available',
  [ENETUNREACH]: 'Network is unreachable', [EHOSTUNREACH]: 'No route to host',
};

/** A negative errno in the words of perror(3). */
export function strerror(err: number): string {
  return STRERROR[-err] ?? errnoMessage(err);
}

/** The verb of a command by its beginning, in iproute2's order; '' when the word is none. */
export function verbOf(word: string, verbs: readonly string[]): string {
  if (word === '') return '';
  return verbs.find((verb) => verb === word) ?? verbs.find((verb) => verb.startsWith(word)) ?? '';
}

/** `fd00::/8`, an address alone when the length is 128 or not said. */
export function showPrefix6(p: Ipv6Prefix): string {
  return p.prefixLen < 0 || p.prefixLen === 128 ? formatIpv6(p.addr) : formatIpv6Prefix(p.addr, p.prefixLen);
}

/** For messages: `10.0.0.0/8`. */
export function showPrefix(p: Ipv4Prefix): string {
  return p.prefixLen < 0 ? formatIpv4(p.addr) : `${formatIpv4(p.addr)}/${String(p.prefixLen)}`;
}
