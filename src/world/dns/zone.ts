/**
 * A zone: the names from its origin down to where others begin (RFC 1034 §4.2), and what it has to say about a name
 * (§4.3.2, with wildcards by RFC 4592).
 */
import { CNAME_CHAIN_MAX } from '../../host/dns/chain.ts';
import { NOERROR, NXDOMAIN, type DnsRecord, type SoaData } from '../../host/dns/message.ts';
import { canonicalName, isWithin, parentName } from '../../host/dns/names.ts';

/** The SOA record of a zone. */
export type SoaRecord = DnsRecord & { readonly type: 'SOA'; readonly data: SoaData };

/** What a zone says. */
export interface ZoneAnswer {
  readonly rcode: number;
  readonly answers: readonly DnsRecord[];
  /** The SOA record of a negative answer; the NS records of a referral. */
  readonly authorities: readonly DnsRecord[];
  /** Addresses of names in the other sections. */
  readonly additionals: readonly DnsRecord[];
  /** False for a referral: others know. */
  readonly authoritative: boolean;
  /** Where an alias leads, out of this zone. */
  readonly outside: string | null;
}

/** Records of one name, by type, in the order of the file. An empty node is above one that has records (RFC 4592 §2.2.2). */
type Node = Map<string, DnsRecord[]>;

export class Zone {
  readonly origin: string;
  readonly soa: SoaRecord;
  private readonly nodes: Map<string, Node> = new Map();

  /** @throws TypeError when the records are no zone: no SOA, names outside, an alias beside other records */
  constructor(origin: string, records: readonly DnsRecord[]) {
    this.origin = canonicalName(origin, 'zone');
    for (const record of records) this.add(record);
    const soa = this.nodes.get(this.origin)?.get('SOA');
    if (soa === undefined || soa.length !== 1) throw new TypeError(`zone ${this.origin}: expected one SOA record at its origin`);
    this.soa = soa[0] as SoaRecord;
    for (const [name, node] of this.nodes) {
      if (node.has('CNAME') && (node.size > 1 || node.get('CNAME')!.length > 1)) {
        throw new TypeError(`zone ${this.origin}: ${name} is an alias (CNAME) and can have no other record`);
      }
    }
  }

  /** All records. */
  records(): DnsRecord[] {
    return [...this.nodes.values()].flatMap((node) => [...node.values()].flat());
  }

  private add(record: DnsRecord): void {
    const { name } = record;
    if (!isWithin(name, this.origin)) throw new TypeError(`zone ${this.origin}: ${name} is outside of it`);
    if (record.type === 'SOA' && name !== this.origin) throw new TypeError(`zone ${this.origin}: SOA at ${name}; it belongs to the origin`);
    const node = this.nodeAt(name);
    const set = node.get(record.type);
    if (set === undefined) node.set(record.type, [record]);
    // RFC 2181 §5.2: one time for a set of records.
    else if (!set.some((other) => JSON.stringify(other.data) === JSON.stringify(record.data))) set.push({ ...record, ttl: set[0]!.ttl });
  }

  private nodeAt(name: string): Node {
    let node = this.nodes.get(name);
    if (node === undefined) {
      node = new Map();
      this.nodes.set(name, node);
      if (name !== this.origin) this.nodeAt(parentName(name)!);
    }
    return node;
  }

  /** What this zone says about `name`, which must be within it; aliases are followed as long as they stay in it. */
  lookup(name: string, type: string): ZoneAnswer {
    const answers: DnsRecord[] = [];
    const visited = new Set<string>();
    let at = name;
    while (answers.length <= CNAME_CHAIN_MAX && !visited.has(at)) {
      visited.add(at);
      const cut = this.cutAbove(at, type);
      if (cut !== null) return this.referral(cut, answers);
      const node = this.nodes.get(at) ?? this.wildcard(at);
      if (node === null) return this.negative(NXDOMAIN, answers);
      const alias = type === 'CNAME' || type === 'ANY' ? undefined : node.get('CNAME')?.[0];
      if (alias === undefined) {
        // RFC 8482: all of one type is answer enough to ANY.
        const found = type === 'ANY' ? [...node.values()][0] : node.get(type);
        if (found === undefined) return this.negative(NOERROR, answers);
        answers.push(...found.map((record) => ({ ...record, name: at })));
        break;
      }
      answers.push({ ...alias, name: at });
      at = alias.data as string;
      if (!isWithin(at, this.origin)) return { ...this.positive(answers), outside: at };
    }
    return this.positive(answers);
  }

  private positive(answers: readonly DnsRecord[]): ZoneAnswer {
    const additionals = this.addressesOf(answers);
    return { rcode: NOERROR, answers, authorities: [], additionals, authoritative: true, outside: null };
  }

  private negative(rcode: number, answers: readonly DnsRecord[]): ZoneAnswer {
    // RFC 2308 §3: how long the answer holds is the lesser of the two.
    const soa = { ...this.soa, ttl: Math.min(this.soa.ttl, this.soa.data.minimum) };
    return { rcode, answers, authorities: [soa], additionals: [], authoritative: true, outside: null };
  }

  private referral(cut: readonly DnsRecord[], answers: readonly DnsRecord[]): ZoneAnswer {
    const authoritative = answers.length > 0; // AA is about the first name
    return { rcode: NOERROR, answers, authorities: cut, additionals: this.addressesOf(cut), authoritative, outside: null };
  }

  /** NS records between the origin and `name`: below them, others answer. */
  private cutAbove(name: string, type: string): readonly DnsRecord[] | null {
    let found: readonly DnsRecord[] | null = null;
    for (let at: string | null = name; at !== null && at !== this.origin; at = parentName(at)) {
      const ns = this.nodes.get(at)?.get('NS');
      // RFC 4035 §3.1.4.1: DS alone lives above the cut.
      if (ns !== undefined && !(type === 'DS' && at === name)) found = ns; // the highest cut counts
    }
    return found;
  }

  /** RFC 4592 §3.3.1: `*` below the closest encloser, if there is one. */
  private wildcard(name: string): Node | null {
    for (let at = parentName(name); at !== null && isWithin(at, this.origin); at = parentName(at)) {
      if (this.nodes.has(at)) return this.nodes.get(at === '.' ? '*' : `*.${at}`) ?? null;
    }
    return null;
  }

  /** Addresses that whoever reads `records` will ask for next; glue is among them. */
  private addressesOf(records: readonly DnsRecord[]): DnsRecord[] {
    const out: DnsRecord[] = [];
    for (const record of records) {
      const name = targetOf(record);
      const node = name === null ? undefined : this.nodes.get(name);
      if (node !== undefined) out.push(...node.get('A') ?? [], ...node.get('AAAA') ?? []);
    }
    return [...new Set(out)];
  }
}

function targetOf(record: DnsRecord): string | null {
  switch (record.type) {
    case 'NS': return record.data;
    case 'MX': return record.data.exchange;
    case 'SRV': return record.data.target;
    default: return null;
  }
}
