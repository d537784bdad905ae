/** Records in the shapes of `dns.resolve*`. */
import { Buffer } from 'node:buffer';
import nodeDns from 'node:dns';
import process from 'node:process';
import { ROOT } from '../host/dns/names.ts';
import type { DnsRecord, RecordType } from '../host/dns/message.ts';

/** The methods by record type, as Node names them; TLSA where this version has it. */
export const METHODS: Readonly<Record<string, string>> = {
  A: 'resolve4', AAAA: 'resolve6', ANY: 'resolveAny', CAA: 'resolveCaa', CNAME: 'resolveCname', MX: 'resolveMx', NAPTR: 'resolveNaptr',
  NS: 'resolveNs', PTR: 'resolvePtr', SOA: 'resolveSoa', SRV: 'resolveSrv', TXT: 'resolveTxt',
  ...('resolveTlsa' in nodeDns ? { TLSA: 'resolveTlsa' } : {}),
};

/** From Node 24 on, these say their type wherever they are. */
const TYPED = Number(process.versions.node.split('.')[0]) >= 24;

/** Node hands over the records of ANY type by type, in this order. */
const ANY_ORDER: readonly RecordType[] = ['A', 'CNAME', 'AAAA', 'MX', 'NS', 'TXT', 'SRV', 'PTR', 'NAPTR', 'SOA', 'CAA', 'TLSA'];

/** What a method answers. `ttl`: addresses come with their time. */
export function toNode(type: string, records: readonly DnsRecord[], ttl: boolean): unknown {
  if (type === 'ANY') {
    return ANY_ORDER.filter((of) => of !== 'TLSA' || 'TLSA' in METHODS).flatMap((of) => records.filter((r) => r.type === of).map(anyOf));
  }
  const values = records.filter((record) => record.type === type).map((record) => valueOf(record, ttl));
  return type === 'SOA' ? values[0] : values;
}

function valueOf(record: DnsRecord, ttl: boolean): unknown {
  switch (record.type) {
    case 'A': case 'AAAA': return ttl ? { address: record.data, ttl: record.ttl } : record.data;
    case 'CNAME': case 'DNAME': case 'NS': case 'PTR': return nameOf(record.data);
    case 'TXT': return stringsOf(record.data);
    case 'MX': return { exchange: nameOf(record.data.exchange), priority: record.data.preference, ...typeOf(record) };
    case 'SRV': {
      const { target, port, priority, weight } = record.data;
      return { name: nameOf(target), port, priority, weight, ...typeOf(record) };
    }
    case 'CAA': return { critical: record.data.critical ? 128 : 0, ...typeOf(record), [record.data.tag]: record.data.value };
    case 'NAPTR': {
      const { flags, services, regexp, replacement, order, preference } = record.data;
      return { flags, service: services, regexp, replacement: nameOf(replacement), order, preference };
    }
    case 'SOA': {
      const { mname, rname, serial, refresh, retry, expire, minimum } = record.data;
      return { nsname: nameOf(mname), hostmaster: nameOf(rname), serial, refresh, retry, expire, minttl: minimum };
    }
    case 'TLSA': {
      const { usage, selector, matchingType, certificate } = record.data;
      return { certUsage: usage, selector, match: matchingType, data: certificate.slice().buffer };
    }
  }
}

function typeOf({ type }: DnsRecord): { type?: RecordType } {
  return TYPED ? { type } : {};
}

/** c-ares writes the root as nothing at all. */
function nameOf(name: string): string {
  return name === ROOT ? '' : name;
}

/** Node reads a byte of a string as a character. */
function stringsOf(strings: readonly string[]): string[] {
  return strings.map((text) => Buffer.from(text, 'utf8').toString('latin1'));
}

const PLAIN: readonly RecordType[] = ['CNAME', 'NS', 'PTR'];

function anyOf(record: DnsRecord): object {
  const { type } = record;
  if (type === 'TXT') return { entries: stringsOf(record.data), type };
  if (PLAIN.includes(type)) return { value: valueOf(record, true), type };
  const value = valueOf(record, true) as object;
  return 'type' in value ? value : { ...value, type };
}
