/**
 * `ip neigh` of both families, as far as it changes a host (iproute2's ipneigh.c).
 *
 *     ip neigh add|replace|change|del ADDR [lladdr MAC] [nud STATE] [router] dev DEV   ip neigh flush [dev DEV] [to PREFIX] [nud STATE]
 */
import { in6InPrefix, type In6Addr } from '../../lib/addr6.ts';
import { EEXIST, EINVAL, ENOBUFS, ENOENT } from '../../lib/errno.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import type { Ipv6 } from '../../ip/v6/ipv6.ts';
import {
  NEIGH_UPDATE_F_ADMIN, NEIGH_UPDATE_F_OVERRIDE, neighUpdate, NUD_DELAY, NUD_FAILED, NUD_INCOMPLETE, NUD_NOARP, NUD_NONE,
  NUD_PERMANENT, NUD_PROBE, NUD_REACHABLE, NUD_STALE, NUD_VALID, type Neighbour,
} from '../../neigh/neighbour.ts';
import type { NeighTable } from '../../neigh/table.ts';
import type { ToolHost } from './command.ts';
import { inside } from './ip-change.ts';
import { IpWords, rtnetlink, verbOf } from './ip-words.ts';

const VERBS: readonly string[] = ['add', 'change', 'chg', 'replace', 'delete', 'flush'];

const NUD_WORDS: Readonly<Record<string, number>> = {
  permanent: NUD_PERMANENT, reachable: NUD_REACHABLE, stale: NUD_STALE, noarp: NUD_NOARP, delay: NUD_DELAY, probe: NUD_PROBE,
  failed: NUD_FAILED, incomplete: NUD_INCOMPLETE, none: NUD_NONE,
};

/** What the two families do differently with an address `A`. */
interface Family<A> {
  readonly table: (host: ToolHost) => NeighTable;
  readonly address: (w: IpWords) => A;
  /** Takes a prefix; answers which neighbours are in it. */
  readonly prefix: (w: IpWords) => (n: Neighbour) => boolean;
  readonly find: (table: NeighTable, dev: NetDevice, addr: A) => Neighbour | null;
  readonly lookup: (table: NeighTable, dev: NetDevice, addr: A) => Neighbour | null;
}

const arp: Family<number> = {
  table: (host) => host.ip.arp.table,
  address: (w) => w.address(),
  prefix: (w) => {
    const to = w.prefix();
    return (n): boolean => inside(n.addr, to);
  },
  find: (table, dev, addr) => table.find(dev, addr),
  lookup: (table, dev, addr) => table.lookup(dev, addr),
};

const ndisc: Family<In6Addr> = {
  table: (host) => (host.net.inet6 as Ipv6).ndisc.table,
  address: (w) => w.address6(),
  prefix: (w) => {
    const { addr, prefixLen } = w.prefix6();
    return (n): boolean => in6InPrefix(n.addr6!, addr, prefixLen < 0 ? 128 : prefixLen);
  },
  find: (table, dev, addr) => table.find6(dev, addr),
  lookup: (table, dev, addr) => table.lookup6(dev, addr),
};

/** `ip neigh` with a verb that changes; `family` 4, 6, or 0 for both (flush alone). Prints nothing. */
export function neighChange(host: ToolHost, words: readonly string[], family: number): string {
  const verb = verbOf(words[0]!, VERBS);
  const line = (): IpWords => new IpWords(host, family === 6 ? 'ip -6 neigh' : 'ip neigh', words.slice(1));
  if (verb === 'flush') {
    if (family !== 6) flush(line(), arp);
    if (family !== 4) flush(line(), ndisc);
  } else if (family === 6) {
    modify(line(), verb === 'chg' ? 'change' : verb, ndisc);
  } else {
    modify(line(), verb === 'chg' ? 'change' : verb, arp);
  }
  return '';
}

function nudOf(w: IpWords): number {
  const word = w.next('a state');
  if (Object.hasOwn(NUD_WORDS, word)) return NUD_WORDS[word]!;
  throw w.error(`Error: argument "${word}" is wrong: nud state is bad; expected ${Object.keys(NUD_WORDS).join(', ')}`);
}

function modify<A>(w: IpWords, verb: string, family: Family<A>): void {
  let addr: A | null = null;
  let dev: NetDevice | null = null;
  let mac: Uint8Array | null = null;
  let state = NUD_PERMANENT;
  let router = false;
  while (!w.done) {
    switch (w.accept(['dev', 'lladdr', 'nud', 'to', 'router'], 2)) {
      case 'dev': dev = w.device(); break;
      case 'lladdr': mac = w.mac(); break;
      case 'nud': state = nudOf(w); break;
      case 'router': router = true; break;
      case 'to': addr = family.address(w); break;
      default:
        if (addr !== null) throw w.error(`Error: either "to" is duplicate, or "${w.peek()}" is a garbage.`);
        addr = family.address(w);
    }
  }
  if (addr === null || dev === null) throw w.error('Device and destination are required arguments.');
  const table = family.table(w.host);
  const known = family.find(table, dev, addr);
  const [target, on] = [addr, dev];
  if (verb === 'delete') {
    rtnetlink(w.host, w.tool, () => (known === null ? -ENOENT : (table.remove(known), 0)));
    return;
  }
  if (mac === null && (state & NUD_VALID) !== 0 && known === null) throw w.error('Error: "lladdr" is required for a new neighbour.');
  rtnetlink(w.host, w.tool, () => {
    if (verb === 'add' && known !== null) return -EEXIST;
    if (verb === 'change' && known === null) return -ENOENT;
    const neigh = known ?? family.lookup(table, on, target);
    if (neigh === null) return -ENOBUFS;
    neigh.isRouter = router;
    return neighUpdate(neigh, mac, 0, state, NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE) ? 0 : -EINVAL;
  });
}

/** Removes entries; those set by hand and those that need no question stay, unless their state is named. */
function flush<A>(w: IpWords, family: Family<A>): void {
  let dev: NetDevice | null = null;
  let to: ((n: Neighbour) => boolean) | null = null;
  let state = ~(NUD_PERMANENT | NUD_NOARP);
  if (w.done) throw w.error('Flush requires arguments.');
  while (!w.done) {
    const word = w.accept(['dev', 'to', 'nud', 'all'], 2);
    if (word === 'dev') dev = w.device();
    else if (word === 'nud' && w.accept(['all'], 3) !== '') state = -1;
    else if (word === 'nud') state = nudOf(w);
    else if (word !== 'all') to = family.prefix(w);
  }
  const table = family.table(w.host);
  const named = (n: Neighbour): boolean => (dev === null || n.dev === dev) && (to === null || to(n));
  const gone = (n: Neighbour): boolean => named(n) && (n.state & state) !== 0;
  rtnetlink(w.host, w.tool, () => {
    for (const n of [...table.all()].filter(gone)) table.remove(n);
    return 0;
  });
}
