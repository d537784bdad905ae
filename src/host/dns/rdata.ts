/**
 * The data of a record as master files write it (RFC 1035 §3.3 and §5, RFC 2782, RFC 3403, RFC 3596, RFC 8659): words into
 * data, and back for `dig`.
 */
import { canonicalAddress, canonicalName, joinName, nameProblem, ROOT, addressFamily } from './names.ts';
import { RECORD_TYPES, type DnsRecord, type RecordType } from './message.ts';

/** A word of a zone file; a quoted one is never a keyword, nor `@`. */
export interface Word {
  readonly text: string;
  readonly quoted: boolean;
}

/** Strings of a TXT record have one byte for their length. */
export const STRING_MAX = 255;

/** The longest time to live (RFC 2181 §8). */
export const TTL_MAX = 0x7fffffff;

/** A name in a zone file: relative ones belong to the origin, `@` is the origin itself. */
export function zoneName(text: string, origin: string): string {
  if (text === '@') return origin;
  if (text.includes('\\.')) throw new TypeError(`name '${text}' has an escaped dot, which only a mail address can have here`);
  return fullName(text, origin);
}

function fullName(text: string, origin: string): string {
  const full = text.endsWith('.') ? text : joinName(text, origin);
  const problem = nameProblem(full);
  if (problem !== null) throw new TypeError(`name ${problem}`);
  return canonicalName(full);
}

/** Seconds: `3600`, or with units as in `1h30m` (BIND's form). */
export function parseTtl(text: string): number | null {
  if (!/^(\d+|(\d+[smhdw])+)$/i.test(text)) return null;
  const factors: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
  let total = 0;
  for (const m of text.matchAll(/(\d+)([smhdw]?)/gi)) total += Number(m[1]) * (factors[m[2]!.toLowerCase()] ?? 1);
  return total <= TTL_MAX ? total : null;
}

/** True for the name of a type that records can have. */
export function isRecordType(text: string): text is RecordType {
  return (RECORD_TYPES as readonly string[]).includes(text);
}

/**
 * Reads the words behind a type.
 *
 * @throws TypeError that says what is wrong with which word, and what was expected
 */
export function parseRdata(type: RecordType, words: readonly Word[], origin: string): DnsRecord['data'] {
  const fields = new Fields(type, words, origin);
  const data = read(type, fields);
  fields.end();
  return data;
}

function read(type: RecordType, f: Fields): DnsRecord['data'] {
  switch (type) {
    case 'A': return f.address(4);
    case 'AAAA': return f.address(6);
    case 'CNAME': case 'DNAME': case 'NS': case 'PTR': return f.name('a name');
    case 'MX': return { preference: f.number('a preference', 65535), exchange: f.name('the name of a mail server') };
    case 'SRV': return {
      priority: f.number('a priority', 65535), weight: f.number('a weight', 65535), port: f.number('a port', 65535),
      target: f.name('a target'),
    };
    case 'SOA': return {
      mname: f.name('the primary name server'), rname: f.mailbox(), serial: f.number('a serial number', 0xffffffff),
      refresh: f.time('a refresh time'), retry: f.time('a retry time'), expire: f.time('an expiry time'), minimum: f.time('a negative TTL'),
    };
    case 'TXT': return f.strings();
    case 'CAA':
      return { critical: f.number('flags', 255) >= 128, tag: f.word('a tag such as issue'), value: f.word('a value') };
    case 'TLSA': return {
      usage: f.number('a usage', 255), selector: f.number('a selector', 255), matchingType: f.number('a matching type', 255),
      certificate: f.hex('certificate data such as 0a1b2c'),
    };
    case 'NAPTR': return {
      order: f.number('an order', 65535), preference: f.number('a preference', 65535), flags: f.word('flags'), services: f.word('services'),
      regexp: f.word('a regular expression'), replacement: f.name('a replacement'),
    };
  }
}

/** The words of one record, taken from the left. */
class Fields {
  private readonly type: RecordType;
  private readonly words: readonly Word[];
  private readonly origin: string;
  private at = 0;

  constructor(type: RecordType, words: readonly Word[], origin: string) {
    this.type = type;
    this.words = words;
    this.origin = origin;
  }

  word(expected: string): string {
    const word = this.words[this.at++];
    if (word === undefined) throw new TypeError(`${this.type}: ${expected} is missing`);
    return word.text;
  }

  number(expected: string, max: number): number {
    const text = this.word(expected);
    if (!/^\d{1,10}$/.test(text) || Number(text) > max) {
      throw new TypeError(`${this.type}: '${text}' is not ${expected}; expected a whole number up to ${String(max)}`);
    }
    return Number(text);
  }

  time(expected: string): number {
    const text = this.word(expected);
    const ttl = parseTtl(text);
    if (ttl === null) throw new TypeError(`${this.type}: '${text}' is not ${expected}; expected seconds, or such as 1h30m`);
    return ttl;
  }

  /** Bytes in hexadecimal, in one word or several (RFC 6698 §2.2). */
  hex(expected: string): Uint8Array {
    const text = [this.word(expected), ...this.words.slice(this.at).map((word) => word.text)].join('');
    this.at = this.words.length;
    if (!/^([0-9a-f]{2})+$/i.test(text)) throw new TypeError(`${this.type}: '${text}' is not ${expected}`);
    return Uint8Array.from(text.match(/../g)!, (pair) => parseInt(pair, 16));
  }

  name(expected: string): string {
    const text = this.word(expected);
    if (text === ROOT) return ROOT;
    try {
      return zoneName(text, this.origin);
    } catch (error) {
      throw new TypeError(`${this.type}: ${(error as Error).message}`);
    }
  }

  /** A mail address as a name; in its first part a dot may be escaped. */
  mailbox(): string {
    const text = this.word('a mail address');
    return fullName(text.includes('@') ? `${text.replace('@', '.')}.` : text, this.origin);
  }

  address(family: 4 | 6): string {
    const form = family === 4 ? '10.0.0.1' : '2001:db8::1';
    const text = this.word(`an address such as ${form}`);
    if (addressFamily(text) !== family) {
      throw new TypeError(`${this.type}: '${text}' is not an IPv${String(family)} address; expected one such as ${form}`);
    }
    return canonicalAddress(text);
  }

  strings(): string[] {
    const list = this.words.slice(this.at).map((word) => word.text);
    this.at = this.words.length;
    if (list.length === 0) throw new TypeError('TXT: a string is missing');
    for (const text of list) {
      const bytes = new TextEncoder().encode(text).length;
      if (bytes <= STRING_MAX) continue;
      throw new TypeError(`TXT: a string of ${String(bytes)} bytes; at most ${String(STRING_MAX)} are possible, write several`);
    }
    return list;
  }

  end(): void {
    const extra = this.words[this.at];
    if (extra !== undefined) throw new TypeError(`${this.type}: '${extra.text}' is one word too many`);
  }
}

/** Data as a master file writes it, names with their dot at the end. */
export function formatRdata(record: DnsRecord): string {
  switch (record.type) {
    case 'A': case 'AAAA': return record.data;
    case 'CNAME': case 'DNAME': case 'NS': case 'PTR': return absolute(record.data);
    case 'MX': return `${String(record.data.preference)} ${absolute(record.data.exchange)}`;
    case 'SRV': {
      const { priority, weight, port, target } = record.data;
      return `${String(priority)} ${String(weight)} ${String(port)} ${absolute(target)}`;
    }
    case 'SOA': {
      const { mname, rname, serial, refresh, retry, expire, minimum } = record.data;
      return `${absolute(mname)} ${absolute(rname)} ${[serial, refresh, retry, expire, minimum].join(' ')}`;
    }
    case 'TXT': return record.data.map(quoted).join(' ');
    case 'CAA': return `${record.data.critical ? '128' : '0'} ${record.data.tag} ${quoted(record.data.value)}`;
    case 'TLSA': {
      const { usage, selector, matchingType, certificate } = record.data;
      return `${[usage, selector, matchingType].join(' ')} ${Array.from(certificate, (b) => b.toString(16).padStart(2, '0')).join('')}`;
    }
    case 'NAPTR': {
      const { order, preference, flags, services, regexp, replacement } = record.data;
      return `${String(order)} ${String(preference)} ${[flags, services, regexp].map(quoted).join(' ')} ${absolute(replacement)}`;
    }
  }
}

/** A name with the dot of the root behind it. */
export function absolute(name: string): string {
  return name === ROOT ? ROOT : `${name}.`;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
