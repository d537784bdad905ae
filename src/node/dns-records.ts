/** Records in the shapes of `dns.resolve*`. */
import type { DnsRecord, RecordType } from '../host/dns/message.ts';

/** The methods by record type, as Node names them. */
export const METHODS: Readonly<Record<string, string>> = {
  A: 'resolve4', AAAA: 'resolve6', ANY: 'resolveAny', CAA: 'resolveCaa', CNAME: 'resolveCname', MX: 'resolveMx', NAPTR: 'resolveNaptr',
  NS: 'resolveNs', PTR: 'resolvePtr', SOA: 'resolveSoa', SRV: 'resolveSrv', TXT: 'resolveTxt',
};

/** What a method answers. `ttl`: addresses come with their time. */
export function toNode(type: string, records: readonly DnsRecord[], ttl: boolean): unknown {
  if (type === 'ANY') return records.map(anyOf);
  const values = records.filter((record) => record.type === type).map((record) => valueOf(record, ttl));
  return type === 'SOA' ? values[0] : values;
}

function valueOf(record: DnsRecord, ttl: boolean): unknown {
  switch (record.type) {
    case 'A': case 'AAAA': return ttl ? { address: record.data, ttl: record.ttl } : record.data;
    case 'CNAME': case 'DNAME': case 'NS': case 'PTR': return record.data;
    case 'TXT': return [...record.data];
    case 'MX': return { exchange: record.data.exchange, priority: record.data.preference };
    case 'SRV': {
      const { target, port, priority, weight } = record.data;
      return { name: target, port, priority, weight };
    }
    case 'CAA': return { critical: record.data.critical ? 128 : 0, [record.data.tag]: record.data.value };
    case 'NAPTR': {
      const { flags, services, regexp, replacement, order, preference } = record.data;
      return { flags, service: services, regexp, replacement: replacement === '.' ? '' : replacement, order, preference };
    }
    case 'SOA': {
      const { mname, rname, serial, refresh, retry, expire, minimum } = record.data;
      return { nsname: mname, hostmaster: rname, serial, refresh, retry, expire, minttl: minimum };
    }
  }
}

const PLAIN: readonly RecordType[] = ['CNAME', 'DNAME', 'NS', 'PTR'];

function anyOf(record: DnsRecord): object {
  const { type } = record;
  if (PLAIN.includes(type)) return { value: record.data, type };
  if (type === 'TXT') return { entries: [...record.data], type };
  return { ...valueOf(record, true) as object, type };
}
