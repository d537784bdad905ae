/**
 * A set of name servers with its questions: what `dns.Resolver` is.
 *
 *   from  node/dns.ts
 *   to    host/dns/stub.ts
 *
 * Its settings are kept by a resolver of Node's own, which never asks anything: it checks them and writes addresses as Node does.
 */
import nodeDns from 'node:dns';
import { fromFiles } from '../host/dns/addrinfo.ts';
import { NameError, queryError, type DnsCode } from '../host/dns/errors.ts';
import type { HostResolver } from '../host/dns/host-resolver.ts';
import type { DnsRecord } from '../host/dns/message.ts';
import { canonicalName, nameProblem, reverseName, ROOT } from '../host/dns/names.ts';
import { ResolvConf } from '../host/dns/resolv-conf.ts';
import { aresPatience, type Lookup, type Patience, type Settings } from '../host/dns/stub.ts';
import { asciiName } from './dns-checks.ts';

/** How patient a resolver is. */
export interface ResolverOptions {
  /** Milliseconds for the first try; -1 for the host's. */
  readonly timeout?: number;
  readonly tries?: number;
  /** Milliseconds that no try exceeds; 0 for no limit. */
  readonly maxTimeout?: number;
}

// Taken when this module is loaded: `dns.Resolver` may be led to a host later.
const NodeResolver = nodeDns.Resolver;
const { getServers, setServers, setLocalAddress } = NodeResolver.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;

/** Records, or why there are none. */
interface Answered {
  readonly code: DnsCode | null;
  readonly records: readonly DnsRecord[];
}

/** The characters that c-ares asks for. */
const HOST_NAME = /^[a-z0-9._/*-]*$/i;

export class Channel {
  private readonly resolverOf: () => HostResolver;
  /** Instead of those of resolv.conf. */
  private servers: readonly string[] | null = null;
  private readonly timeoutS: number | null;
  private readonly tries: number | null;
  private readonly patience: Patience;
  /** Where questions come from, by family; null: the route decides. */
  private local4: string | null = null;
  private local6: string | null = null;
  /** Made when it is first needed. */
  private model: object | null = null;
  /** Questions under way; cancel() ends them. */
  private readonly pending: Set<() => void> = new Set();

  /** @throws what Node throws for options that are wrong */
  constructor(resolverOf: () => HostResolver, options?: ResolverOptions) {
    this.resolverOf = resolverOf;
    if (options !== undefined) this.model = new NodeResolver(options);
    const { timeout = -1, tries = -1, maxTimeout = 0 } = options ?? {};
    this.timeoutS = timeout < 0 ? null : timeout / 1000;
    this.tries = tries < 0 ? null : tries;
    this.patience = maxTimeout <= 0 ? aresPatience : (s, round, i, n) => Math.min(aresPatience(s, round, i, n), maxTimeout / 1000);
  }

  get resolver(): HostResolver {
    return this.resolverOf();
  }

  getServers(): string[] {
    return [...this.servers ?? this.resolver.conf.nameservers];
  }

  setServers(servers: unknown): void {
    const model = this.model ??= new NodeResolver();
    setServers!.call(model, servers);
    this.servers = getServers!.call(model) as string[];
  }

  setLocalAddress(...args: unknown[]): void {
    const model = this.model ??= new NodeResolver();
    setLocalAddress!.apply(model, args);
    for (const text of args) {
      if (typeof text !== 'string') continue;
      if (text.includes(':')) this.local6 = text;
      else this.local4 = text;
    }
  }

  cancel(): void {
    for (const reject of [...this.pending]) reject();
  }

  /** Asks for the records of one type. */
  async query(given: string, type: string): Promise<readonly DnsRecord[]> {
    const syscall = `query${type.charAt(0)}${type.slice(1).toLowerCase()}`;
    const name = asciiName(given === '' ? ROOT : given);
    if (nameProblem(name) !== null || !HOST_NAME.test(name)) throw queryError('EBADNAME', syscall, given);
    const isLocal = this.getServers().length === 0;
    const { code, records } = isLocal ? this.fromFiles(name, type) : await this.ask(canonicalName(name), type, syscall, given);
    if (code !== null) throw queryError(code, syscall, given);
    return records;
  }

  /** The names of an address. */
  async reverse(address: string): Promise<readonly string[]> {
    const name = reverseName(address)!;
    const own = this.resolver.hosts.nameOf(address);
    // c-ares looks into the hosts file first.
    if (own !== null) return [own];
    if (this.getServers().length === 0) throw queryError('ENOTFOUND', 'getHostByAddr', address);
    const { code, records } = await this.ask(name, 'PTR', 'getHostByAddr', address);
    if (code !== null) throw queryError(code, 'getHostByAddr', address);
    return records.map((record) => record.data as string);
  }

  private async ask(name: string, type: string, syscall: string, shown: string): Promise<Answered> {
    return await new Promise((resolve, reject) => {
      const cancelled = (): void => {
        this.pending.delete(cancelled);
        reject(new NameError('ECANCELLED', undefined, syscall, shown));
      };
      this.pending.add(cancelled);
      void this.resolver.resolve(name, type, this.settings()).then((lookup) => {
        if (!this.pending.delete(cancelled)) return;
        resolve(asAres(lookup, type));
      });
    });
  }

  private settings(): Settings {
    const { conf } = this.resolver;
    const own = this.servers !== null || this.tries !== null;
    const used = !own ? conf : new ResolvConf({ nameservers: this.getServers(), attempts: this.tries ?? conf.attempts, edns0: conf.edns0 });
    return {
      conf: used, patience: this.patience, takesAll: true, timeout: this.timeoutS ?? conf.timeout, local4: this.local4, local6: this.local6,
    };
  }

  private fromFiles(name: string, type: string): Answered {
    const found = fromFiles(this.resolver, name, 0);
    const records: DnsRecord[] = found
      .filter((a) => type === 'ANY' || type === (a.family === 4 ? 'A' : 'AAAA'))
      .map((a) => ({ name, type: a.family === 4 ? 'A' : 'AAAA', ttl: 0, data: a.address }));
    if (records.length > 0) return { code: null, records };
    return { code: found.length > 0 ? 'ENODATA' : 'ENOTFOUND', records };
  }
}

/** As c-ares has it: aliases are among what ANY finds, and an alias without an address at its end is an answer without one. */
function asAres(lookup: Lookup, type: string): Answered {
  const { code, aliases, records } = lookup;
  if (type === 'ANY' && code === null) return { code, records: [...aliases, ...records] };
  if ((type === 'A' || type === 'AAAA') && code === 'ENODATA' && aliases.length > 0) return { code: null, records };
  return lookup;
}
