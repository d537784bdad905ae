/**
 * Zones as objects: `{ origin: 'example.com', records: { www: '10.0.0.1', '@': { MX: '10 mail' } } }`. Data is written as in a
 * zone file, one string per record.
 */
import { RECORD_TYPES, type DnsRecord } from '../../host/dns/message.ts';
import { addressFamily, canonicalName, joinName, ROOT } from '../../host/dns/names.ts';
import { isRecordType, parseRdata, TTL_MAX, zoneName, type Word } from '../../host/dns/rdata.ts';
import { checkOptions, parseInteger } from '../../lib/units.ts';
import { Zone } from './zone.ts';
import { DEFAULT_TTL, parseZoneFile } from './zone-file.ts';

/** Records of one name: addresses, or data by type. */
export type NameRecords = string | readonly string[] | Readonly<Record<string, string | readonly string[]>>;

export interface ZoneOptions {
  /** `'example.com'`; the root is `'.'`. */
  readonly origin: string;
  /** By name, relative to the origin: `'@'`, `'www'`, `'*'`, or absolute with a dot at the end. */
  readonly records?: Readonly<Record<string, NameRecords>>;
  /** The text of a zone file, instead of records or besides. */
  readonly text?: string;
  /** Seconds that records are valid which do not say it themselves. Default 3600. */
  readonly ttl?: number;
  /** How long, in seconds, others may remember that a name is not there. Default 300. */
  readonly negativeTtl?: number;
}

const OPTIONS: readonly string[] = ['origin', 'records', 'text', 'ttl', 'negativeTtl'];
const DEFAULT_NEGATIVE_TTL = 300;

/** Makes a zone of what a caller gives. Without an SOA record of its own it gets a plain one. */
export function makeZone(options: ZoneOptions): Zone {
  checkOptions(options, OPTIONS, 'zone');
  const origin = canonicalName(options.origin, 'zone: origin');
  const ttl = parseInteger(options.ttl ?? DEFAULT_TTL, 'zone: ttl', 0, TTL_MAX);
  const minimum = parseInteger(options.negativeTtl ?? DEFAULT_NEGATIVE_TTL, 'zone: negativeTtl', 0, TTL_MAX);
  const records = options.text === undefined ? [] : parseZoneFile(options.text, origin, ttl);
  for (const [name, given] of Object.entries(options.records ?? {})) records.push(...recordsOf(name, given, origin, ttl));
  if (!records.some((record) => record.type === 'SOA')) {
    const [mname, rname] = [joinName('ns', origin), joinName('hostmaster', origin)];
    records.push({
      name: origin, type: 'SOA', ttl, data: { mname, rname, serial: 1, refresh: 7200, retry: 3600, expire: 1_209_600, minimum },
    });
  }
  return new Zone(origin, records);
}

function recordsOf(name: string, given: NameRecords, origin: string, ttl: number): DnsRecord[] {
  const where = `zone ${origin === ROOT ? ROOT : origin}: '${name}'`;
  const owner = guarded(where, () => zoneName(name, origin));
  const isByType = typeof given === 'object' && !Array.isArray(given);
  const byType = isByType ? given as Readonly<Record<string, string | readonly string[]>> : addresses(given, where);
  return Object.entries(byType).flatMap(([type, value]) => {
    if (!isRecordType(type)) throw new TypeError(`${where}: '${type}' is not a type; expected one of ${RECORD_TYPES.join(', ')}`);
    const list: readonly unknown[] = Array.isArray(value) ? value as readonly unknown[] : [value];
    return list.map((text) => {
      if (typeof text !== 'string') throw new TypeError(`${where}: ${type}: ${typeof text}; expected a string, as a zone file has it`);
      const words = type === 'TXT' ? [{ text, quoted: true }] : wordsOf(text);
      return { name: owner, type, ttl, data: guarded(where, () => parseRdata(type, words, origin)) } as DnsRecord;
    });
  });
}

function wordsOf(text: string): Word[] {
  return [...text.matchAll(/"([^"]*)"|(\S+)/g)].map((m) => ({ text: m[1] ?? m[2]!, quoted: m[1] !== undefined }));
}

function addresses(given: unknown, where: string): Record<string, string[]> {
  const out: Record<string, string[]> = {};
  const list: readonly unknown[] = Array.isArray(given) ? given as readonly unknown[] : [given];
  for (const text of list) {
    const family = typeof text === 'string' ? addressFamily(text) : 0;
    if (family === 0) {
      const form = "expected one such as '10.0.0.1', or data by type: { CNAME: 'www' }";
      throw new TypeError(`${where}: '${String(text)}' is not an address; ${form}`);
    }
    (out[family === 4 ? 'A' : 'AAAA'] ??= []).push(text as string);
  }
  return out;
}

function guarded<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof TypeError) throw new TypeError(`${where}: ${error.message}`);
    throw error;
  }
}
