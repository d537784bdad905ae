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

  /** Forgets a name, or one address of it. */
  remove(name: string, address?: string): void {
    const key = canonical(name);
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
    return this.parent === null ? null : this.parent.nameOf(address);
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
