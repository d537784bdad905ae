/** What was learned about names, until its time is over (RFC 1035 §7.4, RFC 2308 for what is not there). */
import { NS_PER_SEC } from '../../lib/units.ts';
import { NOERROR, NXDOMAIN, type DnsRecord, type Message, type SoaData } from './message.ts';

/** Entries of one cache; the oldest makes room. */
export const CACHE_ENTRIES_MAX = 4096;
/** Longest time that something is remembered, in seconds: a week (RFC 8767 §4). */
export const CACHE_TTL_MAX = 604_800;
/** Longest time that something is remembered not to be there: three hours (RFC 2308 §5). */
export const NEGATIVE_TTL_MAX = 10_800;

/** A set of records, or that there are none. */
export class CacheEntry {
  readonly rcode: number;
  readonly records: readonly DnsRecord[];
  /** Of a negative answer: its SOA record. */
  readonly authority: readonly DnsRecord[];
  readonly storedNs: number;
  readonly expiresNs: number;

  constructor(rcode: number, records: readonly DnsRecord[], authority: readonly DnsRecord[], nowNs: number, ttl: number) {
    this.rcode = rcode;
    this.records = records;
    this.authority = authority;
    this.storedNs = nowNs;
    this.expiresNs = nowNs + ttl * NS_PER_SEC;
  }

  /** The records with the time that is left to them. */
  aged(list: readonly DnsRecord[], nowNs: number): DnsRecord[] {
    const age = Math.floor((nowNs - this.storedNs) / NS_PER_SEC);
    return list.map((record) => ({ ...record, ttl: Math.max(record.ttl - age, 0) }));
  }
}

export class DnsCache {
  readonly limit: number;
  /** By `name/TYPE`, in the order in which they came. */
  private readonly entries: Map<string, CacheEntry> = new Map();
  hits = 0;
  misses = 0;

  constructor(limit: number = CACHE_ENTRIES_MAX) {
    this.limit = limit;
  }

  get size(): number {
    return this.entries.size;
  }

  /** What is known about a name; null when nothing is, or nothing any more. */
  get(name: string, type: string, nowNs: number): CacheEntry | null {
    // RFC 2308 §5: that there is no such name holds for all types.
    const entry = this.find(`${name}/${type}`, nowNs) ?? this.find(`${name}/NXDOMAIN`, nowNs);
    if (entry === null) this.misses++;
    else this.hits++;
    return entry;
  }

  /** Remembers records of one name and type for the shortest of their times. Those of no time are not remembered. */
  put(name: string, type: string, records: readonly DnsRecord[], nowNs: number): void {
    const ttl = Math.min(CACHE_TTL_MAX, ...records.map((record) => record.ttl));
    if (records.length > 0 && ttl > 0) this.store(`${name}/${type}`, new CacheEntry(NOERROR, records, [], nowNs, ttl));
  }

  /** Remembers that a name, or this type of it, is not there, for as long as the answer's SOA says. Without one: not at all. */
  putNegative(name: string, type: string, rcode: number, soa: DnsRecord | null, nowNs: number): void {
    if (soa === null || soa.type !== 'SOA') return;
    // RFC 2308 §5: the lesser of the record's own time and its MINIMUM.
    const ttl = Math.min(soa.ttl, soa.data.minimum, NEGATIVE_TTL_MAX);
    const key = rcode === NXDOMAIN ? `${name}/NXDOMAIN` : `${name}/${type}`;
    if (ttl > 0) this.store(key, new CacheEntry(rcode, [], [{ ...soa, ttl }], nowNs, ttl));
  }

  clear(): void {
    this.entries.clear();
  }

  private find(key: string, nowNs: number): CacheEntry | null {
    const entry = this.entries.get(key);
    if (entry === undefined) return null;
    if (nowNs < entry.expiresNs) return entry;
    this.entries.delete(key);
    return null;
  }

  private store(key: string, entry: CacheEntry): void {
    this.entries.delete(key);
    if (this.entries.size >= this.limit) this.entries.delete(this.entries.keys().next().value!);
    this.entries.set(key, entry);
  }
}

/** The SOA record of an answer's authority section, or null. */
export function soaOf(m: Message): DnsRecord & { readonly data: SoaData } | null {
  return m.authorities.find((record) => record.type === 'SOA') as (DnsRecord & { readonly data: SoaData }) | undefined ?? null;
}
