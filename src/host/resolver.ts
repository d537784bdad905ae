/**
 * Names of hosts: the hosts file (hosts(5)), this host's own, that of the world behind it. Answers at once: nothing is
 * asked over the network.
 */
import { parseIpv4 } from '../lib/addr.ts';
import { parseIpv6 } from '../lib/addr6.ts';

/** An answer. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** The longest name (RFC 1035 §2.3.4). */
export const MAX_NAME = 253;

/** A hosts file: names and their addresses. */
export class HostsFile {
  private readonly names: Map<string, ResolvedAddress[]> = new Map();
  /** See `add6`. */
  private readonly names6: Map<string, ResolvedAddress[]> = new Map();
  /** Asked for what is not found here. */
  private readonly parent: HostsFile | null;

  constructor(parent: HostsFile | null = null) {
    this.parent = parent;
  }

  /** Adds one name for one address. A name may have several. */
  add(name: string, address: string): void {
    const key = canonical(name);
    const answer = literal(address);
    if (answer === null) throw new TypeError(`hosts: address '${address}' is not an IP address`);
    const list = this.names.get(key);
    if (list === undefined) this.names.set(key, [answer]);
    else if (!list.some((a) => a.address === address)) list.push(answer);
  }

  /**
   * Adds an IPv6 address that is given only to who asks for IPv6: the world's own ones, so that a name leads to IPv4 unless
   * somebody wants something else.
   */
  add6(name: string, address: string): void {
    const key = canonical(name);
    const list = this.names6.get(key) ?? [];
    if (!list.some((a) => a.address === address)) list.push({ address, family: 6 });
    this.names6.set(key, list);
  }

  /** The IPv6 addresses of a name: those in hosts files, then the world's. */
  lookup6(name: string): readonly ResolvedAddress[] {
    const key = canonical(name);
    const own = this.lookup(name).filter((a) => a.family === 6);
    if (own.length > 0) return own;
    if (key === 'localhost' || key.endsWith('.localhost')) return [{ address: '::1', family: 6 }];
    for (let at: HostsFile | null = this; at !== null; at = at.parent) {
      const found = at.names6.get(key);
      if (found !== undefined) return found;
    }
    return [];
  }

  /** Forgets a name, or one address of it. */
  remove(name: string, address?: string): void {
    const key = canonical(name);
    const rest6 = address === undefined ? [] : (this.names6.get(key) ?? []).filter((a) => a.address !== address);
    if (rest6.length === 0) this.names6.delete(key);
    else this.names6.set(key, rest6);
    const rest = address === undefined ? [] : (this.names.get(key) ?? []).filter((a) => a.address !== address);
    if (rest.length === 0) this.names.delete(key);
    else this.names.set(key, rest);
  }

  /** Reads the text of a hosts file: address, name, more names; `#` begins a comment. */
  parse(text: string): void {
    for (const line of text.split('\n')) {
      const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
      if (address !== undefined && address !== '') for (const name of names) this.add(name, address);
    }
  }

  /** The addresses of a name or of an address itself, in the order in which they were added; none when it is unknown. */
  lookup(name: string): readonly ResolvedAddress[] {
    const own = literal(name);
    if (own !== null) return [own];
    const key = canonical(name);
    const found = this.names.get(key) ?? [];
    if (found.length > 0) return found;
    // RFC 6761 §6.3: localhost, and all names below it, are this host.
    if (key === 'localhost' || key.endsWith('.localhost')) return [{ address: '127.0.0.1', family: 4 }];
    return this.parent === null ? [] : this.parent.lookup(name);
  }

  /** The first name that was given to an address, or null: what tools print in its place. */
  nameOf(address: string): string | null {
    for (const [name, list] of this.names) if (list.some((a) => a.address === address)) return name;
    for (const [name, list] of this.names6) if (list.some((a) => a.address === address)) return name;
    if (this.parent !== null) return this.parent.nameOf(address);
    // RFC 6761 §6.3, the other way round: as every hosts file has it.
    return address === '127.0.0.1' || address === '::1' ? 'localhost' : null;
  }

  /** All names with their addresses, as hosts(5) writes them. */
  format(): string {
    return [...this.names].flatMap(([name, list]) => list.map((a) => `${a.address}\t${name}\n`)).join('');
  }
}

function literal(text: string): ResolvedAddress | null {
  if (parseIpv4(text) !== null) return { address: text, family: 4 };
  return parseIpv6(text) === null ? null : { address: text, family: 6 };
}

/** Names are compared without case, and with or without the dot of the root. */
function canonical(name: unknown): string {
  if (typeof name !== 'string') throw new TypeError(`hosts: name is ${typeof name}; expected a string`);
  const key = name.toLowerCase().replace(/\.$/, '');
  if (key === '' || key.length > MAX_NAME || /[\s/:]/.test(key)) throw new TypeError(`hosts: '${name}' is not a host name`);
  return key;
}
