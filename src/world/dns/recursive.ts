/**
 * A recursive resolver: from the root downwards until somebody knows (RFC 1034 §5.3.3), with everything on the way
 * remembered for its time.
 *
 *   from  world/dns/server.ts      questions of stub resolvers
 *   to    host/dns/exchange.ts     questions to authoritative servers
 *
 * What a server says counts only within the zone that it was asked about (RFC 2181 §5.4.1, RFC 5452 §6); addresses that came
 * beside a referral lead to servers and answer nobody's question. Each question has a budget: whoever sends us in circles
 * ends it.
 */
import { ETIMEDOUT } from '../../lib/errno.ts';
import { Random } from '../../lib/random.ts';
import { NS_PER_MS, NS_PER_SEC } from '../../lib/units.ts';
import { DnsCache, soaOf } from '../../host/dns/cache.ts';
import { CNAME_CHAIN_MAX, dataOf, followAliases } from '../../host/dns/chain.ts';
import { exchange, ExchangeStats, hostNow, type Client } from '../../host/dns/exchange.ts';
import { NOERROR, NXDOMAIN, SERVFAIL, type DnsRecord, type Message } from '../../host/dns/message.ts';
import { isWithin, labelCount, lowerName, parentName, ROOT } from '../../host/dns/names.ts';
import type { KernelProcess } from '../../host/process.ts';

/** Referrals behind one another for one name. */
export const REFERRALS_MAX = 30;
/** Questions to other servers for one question of a client. */
export const QUERIES_MAX = 100;
/** How deep the search for a server's own address may lead. */
export const DEPTH_MAX = 8;
/** How long to wait for a server, round by round. */
export const SERVER_TIMEOUTS_MS: readonly number[] = [800, 1600, 3200];
/** How long a server that did not answer is asked last. */
export const SILENT_SERVER_MS = 300_000;
/** Servers of which that is remembered. */
export const SILENT_SERVERS_MAX = 1000;

/** Where servers are, in the order in which it is asked for. */
const ADDRESS_TYPES = ['A', 'AAAA'] as const;

/** What there is to say to a client. */
export interface Resolution {
  readonly rcode: number;
  readonly answers: readonly DnsRecord[];
  /** The SOA record of a negative answer. */
  readonly authorities: readonly DnsRecord[];
}

/** What one question of a client may cost. */
interface Budget {
  queries: number;
  depth: number;
}

/** A zone, and the names of its servers. */
interface Delegation {
  readonly zone: string;
  readonly servers: readonly string[];
}

export class Recursive implements Client {
  readonly process: KernelProcess;
  readonly random: Random;
  readonly stats: ExchangeStats = new ExchangeStats();
  /** Answers. */
  readonly cache: DnsCache = new DnsCache();
  /** Who serves which zone, and where: from referrals. */
  readonly delegations: DnsCache = new DnsCache();
  private readonly hints: readonly string[];
  private readonly forwarders: boolean;
  /** Has this host an address of the family, loopback aside? */
  private readonly hasFamily: (family: 4 | 6) => boolean;
  private readonly silent: Map<string, number> = new Map();
  private readonly pending: Map<string, Promise<Resolution>> = new Map();

  /** `servers`: addresses of the root's servers; or, with `forward`, of recursive ones that do the work. */
  constructor(
    process: KernelProcess, seed: number, servers: readonly string[], forward: boolean, hasFamily: (family: 4 | 6) => boolean,
  ) {
    this.process = process;
    this.random = Random.stream(seed, `recursive:${process.proc.net.name}`);
    this.hints = servers;
    this.forwarders = forward;
    this.hasFamily = hasFamily;
  }

  /** Resolves a name for a client. The same question of several is asked once. */
  async answer(name: string, type: string): Promise<Resolution> {
    const key = `${name}/${type}`;
    const running = this.pending.get(key);
    if (running !== undefined) return await running;
    const work = this.resolve(name, type, { queries: 0, depth: 0 }).finally(() => this.pending.delete(key));
    this.pending.set(key, work);
    return await work;
  }

  private async resolve(name: string, type: string, budget: Budget): Promise<Resolution> {
    const answers: DnsRecord[] = [];
    const end = (rcode: number, authorities: readonly DnsRecord[] = []): Resolution => ({ rcode, answers, authorities });
    let at = name;
    while (answers.length <= CNAME_CHAIN_MAX) {
      const known = this.fromCache(at, type);
      if (known !== null) {
        answers.push(...known.answers);
        const [alias] = known.answers;
        if (alias === undefined || alias.type !== 'CNAME' || type === 'CNAME' || type === 'ANY') return end(known.rcode, known.authorities);
        at = lowerName(alias.data);
        continue;
      }
      const reply = await this.iterate(at, type, budget);
      if (reply === null) return end(SERVFAIL);
      const followed = followAliases(reply.answers, at, type);
      if (followed.loops) return end(SERVFAIL);
      this.learn(reply, followed.aliases, followed.end, type, followed.found);
      answers.push(...followed.aliases, ...followed.found);
      const soa = soaOf(reply);
      if (followed.found.length > 0) return end(NOERROR);
      if (followed.end === at || soa !== null || reply.rcode === NXDOMAIN) return end(reply.rcode, soa === null ? [] : [soa]);
      at = followed.end;
    }
    return end(SERVFAIL);
  }

  private fromCache(name: string, type: string): Resolution | null {
    const { now } = this;
    const entry = this.cache.get(name, type, now) ?? (type === 'CNAME' || type === 'ANY' ? null : this.cache.get(name, 'CNAME', now));
    if (entry === null) return null;
    return { rcode: entry.rcode, answers: entry.aged(entry.records, now), authorities: entry.aged(entry.authority, now) };
  }

  private learn(reply: Message, aliases: readonly DnsRecord[], name: string, type: string, found: readonly DnsRecord[]): void {
    const { now } = this;
    for (const alias of aliases) this.cache.put(alias.name, 'CNAME', [alias], now);
    if (type === 'ANY') return;
    if (found.length > 0) this.cache.put(name, type, found, now);
    else this.cache.putNegative(name, type, reply.rcode, soaOf(reply), now);
  }

  // ---- down the tree ------------------------------------------------------------------------------------------------

  /** Walks from the closest zone that is known to the answer; null when nobody has one. */
  private async iterate(name: string, type: string, budget: Budget): Promise<Message | null> {
    let at: Delegation = this.closest(name);
    for (let i = 0; i < REFERRALS_MAX; i++) {
      const addresses = at.zone === ROOT && at.servers.length === 0 ? this.reachable(this.hints) : await this.addressesOf(at, budget);
      const reply = await this.askZone(at.zone, addresses, name, type, budget);
      if (reply === null) return null;
      const next = this.forwarders ? null : referralOf(reply, name, type, at.zone);
      if (next === null) return reply;
      this.learnReferral(reply, next, at.zone);
      at = next;
    }
    return null;
  }

  /** The deepest zone above `name` whose servers are known. */
  private closest(name: string): Delegation {
    for (let at: string | null = name; !this.forwarders && at !== null; at = parentName(at)) {
      const known = this.delegations.get(at, 'NS', this.now);
      if (known !== null && known.records.length > 0) return { zone: at, servers: dataOf(known.records, 'NS').map(lowerName) };
    }
    return { zone: ROOT, servers: [] };
  }

  /** Addresses of a zone's servers: from the referral, from answers, or found out now. */
  private async addressesOf({ zone, servers }: Delegation, budget: Budget): Promise<readonly string[]> {
    const known = this.reachable(servers.flatMap((server) => ADDRESS_TYPES.flatMap((type) => {
      const entry = this.delegations.get(server, type, this.now) ?? this.cache.get(server, type, this.now);
      return entry === null ? [] : dataOf(entry.records, type);
    })));
    if (known.length > 0 || budget.depth >= DEPTH_MAX) return known;
    for (const server of servers) {
      if (isWithin(server, zone)) continue; // only its own parent could have told, and has not
      for (const type of ADDRESS_TYPES) {
        if (!this.hasFamily(type === 'A' ? 4 : 6)) continue;
        budget.depth++;
        const { answers } = await this.resolve(server, type, budget);
        budget.depth--;
        const found = this.reachable(dataOf(answers, type));
        if (found.length > 0) return found;
      }
    }
    return [];
  }

  /** Those of the families that this host has addresses of, IPv4 first. */
  private reachable(addresses: readonly string[]): readonly string[] {
    const six = addresses.filter((address) => address.includes(':'));
    const four = addresses.filter((address) => !address.includes(':'));
    return [...this.hasFamily(4) ? four : [], ...this.hasFamily(6) ? six : []];
  }

  /** Asks the servers of a zone one after the other, silent ones last; null when none has a usable answer. */
  private async askZone(zone: string, addresses: readonly string[], name: string, type: string, budget: Budget): Promise<Message | null> {
    const isSilent = (server: string): boolean => (this.silent.get(server) ?? 0) > this.now;
    const order = [...addresses.filter((server) => !isSilent(server)), ...addresses.filter(isSilent)];
    for (const timeoutMs of SERVER_TIMEOUTS_MS) {
      for (const server of order) {
        if (++budget.queries > QUERIES_MAX) return null;
        const timeoutNs = timeoutMs * NS_PER_MS;
        const reply = await exchange(this, { name, type, server, rd: this.forwarders, edns: true, tcp: false, timeoutNs });
        if (reply === -ETIMEDOUT) this.remember(server);
        else this.silent.delete(server);
        if (typeof reply === 'number' || (reply.rcode !== NOERROR && reply.rcode !== NXDOMAIN)) continue;
        reply.answers = reply.answers.filter((record) => isWithin(record.name, zone));
        if (this.forwarders || isUsable(reply, name, type, zone)) return reply;
      }
    }
    return null;
  }

  private remember(server: string): void {
    if (this.silent.size >= SILENT_SERVERS_MAX) this.silent.delete(this.silent.keys().next().value!);
    this.silent.set(server, this.now + (SILENT_SERVER_MS / 1000) * NS_PER_SEC);
  }

  /** NS records and the addresses beside them, of servers within the zone that told. */
  private learnReferral(reply: Message, { zone, servers }: Delegation, parent: string): void {
    const { now } = this;
    this.delegations.put(zone, 'NS', reply.authorities.filter((record) => record.type === 'NS' && record.name === zone), now);
    for (const server of servers) {
      if (!isWithin(server, parent)) continue;
      for (const type of ADDRESS_TYPES) {
        this.delegations.put(server, type, reply.additionals.filter((record) => record.name === server && record.type === type), now);
      }
    }
  }

  private get now(): number {
    return hostNow(this.process.proc.net);
  }
}

/** The zone below `zone` that a reply points to, or null when it is no referral. */
function referralOf(reply: Message, name: string, type: string, zone: string): Delegation | null {
  if (reply.rcode !== NOERROR || soaOf(reply) !== null) return null;
  const { found, aliases } = followAliases(reply.answers, name, type);
  if (found.length > 0 || aliases.length > 0) return null;
  const ns = reply.authorities.filter((record) => record.type === 'NS');
  const depth = labelCount(zone);
  const below = ns.find((r) => labelCount(r.name) > depth && isWithin(r.name, zone) && isWithin(name, r.name));
  if (below === undefined) return null;
  return { zone: below.name, servers: dataOf(ns.filter((record) => record.name === below.name), 'NS').map(lowerName) };
}

/** An answer, a denial by somebody in charge, or a referral downwards. All else is a server that knows nothing (lame). */
function isUsable(reply: Message, name: string, type: string, zone: string): boolean {
  const { found, aliases } = followAliases(reply.answers, name, type);
  if (found.length > 0 || aliases.length > 0) return true;
  return reply.aa || soaOf(reply) !== null || referralOf(reply, name, type, zone) !== null;
}
