/**
 * The stub resolver of a host: hosts files first, then the name servers of its resolv.conf, over the simulated network
 * (RFC 1034 §5.3.1, RFC 1035 §7). The order of servers, the times and the search list are glibc's; the cache is ours.
 *
 *   from  host/kernel.ts          kernel.resolver
 *         host/dns/addrinfo.ts    getaddrinfo
 *         node/dns.ts             dns.resolve*
 *   to    host/dns/exchange.ts    one question to one server
 *
 * Nothing is asked, and no packet sent, while resolv.conf has no name server.
 */
import { ECONNREFUSED, ETIMEDOUT } from '../../lib/errno.ts';
import { Random } from '../../lib/random.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import type { KernelProcess } from '../process.ts';
import type { HostsFile } from '../resolver.ts';
import { DnsCache, soaOf, type CacheEntry } from './cache.ts';
import { CNAME_CHAIN_MAX, followAliases } from './chain.ts';
import { rcodeError, type DnsCode } from './errors.ts';
import { exchange, ExchangeStats, type Client } from './exchange.ts';
import { NOERROR, NXDOMAIN, type DnsRecord, type Message } from './message.ts';
import { canonicalName, joinName, lowerName, nameProblem } from './names.ts';
import { parseResolvConf, ResolvConf, serverOf, type ResolvOptions } from './resolv-conf.ts';

/** How a question ended. */
export interface Lookup {
  /** The name that was asked for in the end, search list included. */
  readonly name: string;
  /** The records of the type, none when `code` says why. */
  readonly records: readonly DnsRecord[];
  /** The aliases on the way. */
  readonly aliases: readonly DnsRecord[];
  /** The name that has the records. */
  readonly canonical: string;
  readonly code: DnsCode | null;
}

/** Where a resolver is. */
export interface ResolverPlace {
  readonly hosts: HostsFile;
  readonly seed: number;
  readonly hostname: string;
  /** The clock, ns. */
  now(): number;
  makeProcess(): KernelProcess;
}

/** How long to wait for server `i` of `n` in round `round`, in seconds. */
export type Patience = (timeout: number, round: number, i: number, n: number) => number;

/** glibc: doubled from server to server, shared among all of them after the first; no longer in later rounds. */
export const glibcPatience: Patience = (timeout, _round, i, n) => (i === 0 ? timeout : Math.max(Math.trunc((timeout << i) / n), 1));
/** c-ares: doubled from round to round. */
export const aresPatience: Patience = (timeout, round) => timeout * 2 ** round;

export class StubResolver implements Client {
  readonly hosts: HostsFile;
  readonly random: Random;
  readonly stats: ExchangeStats = new ExchangeStats();
  readonly cache: DnsCache = new DnsCache();
  private readonly place: ResolverPlace;
  private settings: ResolvConf = new ResolvConf();
  private own: KernelProcess | null = null;
  private rotation = 0;
  /** Questions under way, so that the same one is asked once. */
  private readonly pending: Map<string, Promise<Message | DnsCode>> = new Map();

  constructor(place: ResolverPlace) {
    this.place = place;
    this.hosts = place.hosts;
    this.random = Random.stream(place.seed, `dns:${place.hostname}`);
  }

  /** The process whose sockets ask; made when it is first needed. */
  get process(): KernelProcess {
    if (this.own === null || this.own.proc.dead) this.own = this.place.makeProcess();
    return this.own;
  }

  /** resolv.conf. */
  get conf(): ResolvConf {
    return this.settings;
  }

  /** Sets resolv.conf, as text or as an object, and forgets what was learned from the servers before. */
  configure(conf: string | ResolvOptions | ResolvConf): void {
    this.settings = typeof conf === 'string' ? parseResolvConf(conf) : conf instanceof ResolvConf ? conf : new ResolvConf(conf);
    this.cache.clear();
  }

  /** The names to try for `name`, in their order (resolv.conf(5): search, ndots). */
  candidates(name: string): string[] {
    const bare = canonicalName(name);
    if (name.endsWith('.')) return [bare];
    const { search, ndots } = this.settings;
    const listed = search.map((domain) => joinName(bare, domain)).filter((full) => nameProblem(full) === null);
    const dots = bare.split('.').length - 1;
    return dots >= ndots ? [bare, ...listed] : [...listed, bare];
  }

  /** Asks for records, trying the search list (res_search). */
  async search(name: string, type: string, settings?: Settings): Promise<Lookup> {
    const [lookup] = await this.searchAll(name, [type], settings);
    return lookup!;
  }

  /**
   * Asks for several types at once, and goes on with the search list until one of them is there. A name that is there
   * without them counts more than one that is not; silence ends it.
   */
  async searchAll(name: string, types: readonly string[], settings: Settings = this.defaults()): Promise<readonly Lookup[]> {
    if (nameProblem(name) !== null) return types.map(() => failed(name, 'EBADNAME'));
    let best: readonly Lookup[] | null = null;
    for (const candidate of this.candidates(name)) {
      const lookups = await this.askTypes(candidate, types, settings);
      if (lookups.some((lookup) => lookup.code === null || lookup.code === 'ETIMEOUT' || lookup.code === 'ECONNREFUSED')) return lookups;
      if (best === null || weight(lookups) > weight(best)) best = lookups;
    }
    return best!;
  }

  private async askTypes(name: string, types: readonly string[], settings: Settings): Promise<readonly Lookup[]> {
    if (!settings.conf.singleRequest) return await Promise.all(types.map((type) => this.resolve(name, type, settings)));
    const lookups: Lookup[] = [];
    for (const type of types) lookups.push(await this.resolve(name, type, settings));
    return lookups;
  }

  /** Asks for the records of exactly this name, following aliases; what is in the cache is not asked for. */
  async resolve(name: string, type: string, settings: Settings = this.defaults()): Promise<Lookup> {
    const shared = settings.conf.nameservers === this.settings.nameservers; // others may say other things
    const aliases: DnsRecord[] = [];
    let at = name;
    const end = (code: DnsCode | null, records: readonly DnsRecord[] = []): Lookup => ({ name, records, aliases, canonical: at, code });
    while (aliases.length <= CNAME_CHAIN_MAX) {
      const now = this.place.now();
      const known = shared ? this.known(at, type, now) : null;
      const [alias] = known?.records ?? [];
      if (known !== null && alias !== undefined && alias.type === 'CNAME' && type !== 'CNAME') {
        aliases.push(...known.aged([alias], now));
        at = lowerName(alias.data);
        continue;
      }
      if (known !== null) {
        if (known.records.length > 0) return end(null, known.aged(known.records, now));
        return end(known.rcode === NXDOMAIN ? 'ENOTFOUND' : 'ENODATA');
      }
      const answer = await this.askOnce(at, type, settings);
      if (typeof answer === 'string') return end(answer);
      const followed = followAliases(answer.answers, at, type);
      if (followed.loops) return end('EBADRESP');
      if (shared) this.learn(answer, followed.aliases, followed.end, type, followed.found);
      aliases.push(...followed.aliases);
      const moved = followed.end !== at;
      at = followed.end;
      if (followed.found.length > 0) return end(null, followed.found);
      if (answer.rcode === NXDOMAIN) return end('ENOTFOUND');
      // An authoritative server does not follow an alias out of its zones: ask for the rest. One that asks others has found nothing.
      if (!moved || soaOf(answer) !== null || answer.ra) return end('ENODATA');
    }
    return end('EBADRESP');
  }

  private known(name: string, type: string, now: number): CacheEntry | null {
    return this.cache.get(name, type, now) ?? (type === 'CNAME' || type === 'ANY' ? null : this.cache.get(name, 'CNAME', now));
  }

  private learn(answer: Message, aliases: readonly DnsRecord[], name: string, type: string, found: readonly DnsRecord[]): void {
    const now = this.place.now();
    for (const alias of aliases) this.cache.put(alias.name, 'CNAME', [alias], now);
    if (type === 'ANY') return;
    if (found.length > 0) this.cache.put(name, type, found, now);
    else this.cache.putNegative(name, type, answer.rcode, soaOf(answer), now);
  }

  /** Two who ask the same at the same time share the answer. */
  private askOnce(name: string, type: string, settings: Settings): Promise<Message | DnsCode> {
    if (settings.conf !== this.settings || settings.patience !== glibcPatience) return this.ask(name, type, settings);
    const key = `${name}/${type}`;
    const running = this.pending.get(key);
    if (running !== undefined) return running;
    const question = this.ask(name, type, settings).finally(() => this.pending.delete(key));
    this.pending.set(key, question);
    return question;
  }

  /** Goes through the servers until one has an answer that counts. */
  private async ask(name: string, type: string, settings: Settings): Promise<Message | DnsCode> {
    const { conf, patience, timeout, takesAll = false, local4 = null, local6 = null } = settings;
    const servers = conf.rotate ? rotated(conf.nameservers, this.rotation++) : conf.nameservers;
    let failure: DnsCode = 'ECONNREFUSED';
    let tcp = conf.useVc;
    const onCut = (): void => {
      tcp = true;
    };
    for (let round = 0; round < conf.attempts; round++) {
      for (const [i, text] of servers.entries()) {
        const timeoutNs = patience(timeout, round, i, servers.length) * NS_PER_SEC;
        const [server, port] = serverOf(text);
        const local = server.includes(':') ? local6 : local4;
        const answer = await exchange(this, { name, type, server, port, local, rd: true, edns: conf.edns0, tcp, timeoutNs, onCut });
        if (typeof answer === 'number') {
          if (answer === -ETIMEDOUT) failure = 'ETIMEOUT';
          else if (answer === -ECONNREFUSED) failure = 'ECONNREFUSED';
          continue;
        }
        const isTold = answer.rcode === NOERROR || answer.rcode === NXDOMAIN;
        if (isTold && (takesAll || !isLame(answer))) return answer;
        failure = isTold ? 'ESERVFAIL' : rcodeError(answer.rcode);
        if (takesAll) return failure;
      }
    }
    return failure;
  }

  private defaults(): Settings {
    return { conf: this.settings, patience: glibcPatience, timeout: this.settings.timeout };
  }
}

/** Whom to ask, and how long to wait. */
export interface Settings {
  readonly conf: ResolvConf;
  readonly patience: Patience;
  /** Seconds for the first server, in the first round. */
  readonly timeout: number;
  /** What the first server says is the answer, also that it cannot or will not tell (c-ares: ARES_FLAG_NOCHECKRESP). */
  readonly takesAll?: boolean;
  /** Addresses to ask from, by family; null or left out: the route decides. */
  readonly local4?: string | null;
  readonly local6?: string | null;
}

/** A server that neither knows nor asks others: a referral is no answer to a stub (RFC 1034 §5.3.3). */
function isLame(answer: Message): boolean {
  return answer.rcode === NOERROR && answer.answers.length === 0 && !answer.aa && !answer.ra;
}

function rotated(list: readonly string[], by: number): readonly string[] {
  const start = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

function failed(name: string, code: DnsCode): Lookup {
  return { name, records: [], aliases: [], canonical: name, code };
}

/** Which failure says more: no data over a broken server over no such name (res_nsearch). */
function weight(lookups: readonly Lookup[]): number {
  return Math.max(...lookups.map(({ code }) => (code === 'ENODATA' ? 3 : code === 'ENOTFOUND' ? 1 : 2)));
}
