/**
 * Domain names as text (RFC 1035 §2.3): compared without case, kept in lower case and without the dot of the root, which
 * itself is `'.'`.
 */
import { parseIpv4 } from '../../lib/addr.ts';
import { formatIpv6, parseIpv6 } from '../../lib/addr6.ts';

/** The longest name (RFC 1035 §2.3.4): 255 bytes on the wire, 253 as text. */
export const NAME_MAX = 253;
/** The longest label. */
export const LABEL_MAX = 63;
/** The root of all names. */
export const ROOT = '.';

/** Why `text` is no domain name, or null when it is one. */
export function nameProblem(text: unknown): string | null {
  if (typeof text !== 'string') return `is ${typeof text}; expected a domain name such as 'www.example.com'`;
  if (text === ROOT) return null;
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  if (bare === '') return 'is empty; expected a domain name such as \'www.example.com\'';
  if (bare.length > NAME_MAX) return `has ${String(bare.length)} characters; a domain name has at most ${String(NAME_MAX)}`;
  for (const label of bare.split('.')) {
    if (label === '') return `'${text}' has an empty label; expected one dot between labels`;
    const { length } = label;
    if (length > LABEL_MAX) return `'${text}' has a label of ${String(length)} characters; at most ${String(LABEL_MAX)} are possible`;
    if (!/^[\x21-\x7e]+$/.test(label)) return `'${text}' has a label of other than printable ASCII characters`;
  }
  return null;
}

/**
 * The form in which names are kept and compared.
 *
 * @throws TypeError that says what is wrong; `what` names the argument
 */
export function canonicalName(text: unknown, what: string = 'name'): string {
  const problem = nameProblem(text);
  if (problem !== null) throw new TypeError(`${what}: ${problem}`);
  return lowerName(text as string);
}

/** The same for a text that is known to be a name. */
export function lowerName(text: string): string {
  const lower = text.toLowerCase();
  return lower.length > 1 && lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/** The name one label up; null above the root. */
export function parentName(name: string): string | null {
  if (name === ROOT) return null;
  const dot = name.indexOf('.');
  return dot < 0 ? ROOT : name.slice(dot + 1);
}

/** Is `name` the zone itself or below it? */
export function isWithin(name: string, zone: string): boolean {
  return zone === ROOT || name === zone || name.endsWith(`.${zone}`);
}

/** How many labels a name has; the root none. */
export function labelCount(name: string): number {
  return name === ROOT ? 0 : name.split('.').length;
}

/** `label` below `zone`. */
export function joinName(label: string, zone: string): string {
  return zone === ROOT ? label : `${label}.${zone}`;
}

/** The family of an address as text; 0 when it is none. */
export function addressFamily(text: string): 0 | 4 | 6 {
  if (parseIpv4(text) !== null) return 4;
  return text.includes(':') && !text.includes('%') && parseIpv6(text) !== null ? 6 : 0;
}

/** The name under which an address has its PTR record (RFC 1035 §3.5, RFC 3596 §2.5); null when it is no address. */
export function reverseName(address: string): string | null {
  if (parseIpv4(address) !== null) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  const addr = parseIpv6(address);
  if (addr === null) return null;
  const hex = [addr.a, addr.b, addr.c, addr.d].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  return `${[...hex].reverse().join('.')}.ip6.arpa`;
}

/** An address in the one form in which it is compared (RFC 5952 for IPv6); the text itself when it is none. */
export function canonicalAddress(text: string): string {
  const addr = text.includes(':') ? parseIpv6(text) : null;
  return addr === null ? text : formatIpv6(addr);
}
