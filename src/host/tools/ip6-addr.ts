/**
 * `ip addr` of IPv6, as far as it changes a host (iproute2's ipaddress.c).
 *
 *     ip -6 addr add|replace|change|del PREFIX [valid_lft SEC|forever] [preferred_lft SEC|forever] [nodad] [noprefixroute] dev DEV
 *     ip -6 addr flush [dev DEV] [to PREFIX] [scope S] [permanent|dynamic|deprecated|tentative|dadfailed]
 */
import { in6InPrefix, in6IsLinklocal, in6IsLoopback, type In6Addr, type Ipv6Prefix } from '../../lib/addr6.ts';
import { EACCES, EADDRNOTAVAIL, EEXIST, EINVAL, ENODEV } from '../../lib/errno.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../../ip/fib.ts';
import { inet6AddrAdd, inet6AddrDel, inet6AddrSetLifetimes } from '../../ip/v6/addrconf.ts';
import { inet6Addrs, type Inet6IfAddr } from '../../ip/v6/inet6-dev.ts';
import type { ToolHost } from './command.ts';
import { ADDR_VERBS } from './ip-change.ts';
import { IpWords, rtnetlink, verbOf } from './ip-words.ts';

const TOOL = 'ip -6 addr';
const WORDS: readonly string[] = [
  'dev', 'local', 'valid_lft', 'preferred_lft', 'nodad', 'noprefixroute', 'scope', 'peer', 'remote', 'broadcast', 'brd', 'label', 'anycast',
  'home', 'mngtmpaddr',
];
/** Lifetimes are 32 bits; all ones are for ever. */
const INFINITY_LIFE_TIME = 0xffffffff;

/** `ip -6 addr` with a verb that changes. Prints nothing. */
export function addr6Change(host: ToolHost, words: readonly string[]): string {
  const verb = verbOf(words[0]!, ADDR_VERBS);
  const w = new IpWords(host, TOOL, words.slice(1));
  if (verb === 'flush') flush(w);
  else modify(w, verb === 'chg' ? 'change' : verb);
  return '';
}

/** An address as a line says it. */
interface Request {
  prefix: Ipv6Prefix | null;
  dev: NetDevice | null;
  validLft: number;
  preferredLft: number;
  nodad: boolean;
  noPrefixRoute: boolean;
}

function parse(w: IpWords): Request {
  const req: Request = { prefix: null, dev: null, validLft: Infinity, preferredLft: Infinity, nodad: false, noPrefixRoute: false };
  let preferred: number | null = null;
  while (!w.done) {
    const word = w.accept(WORDS, 2);
    switch (word) {
      case 'dev': req.dev = w.device(); break;
      case 'valid_lft': req.validLft = lifetime(w, word); break;
      case 'preferred_lft': preferred = lifetime(w, word); break;
      case 'nodad': req.nodad = true; break;
      case 'noprefixroute': req.noPrefixRoute = true; break;
      case 'scope': w.scope(); break; // as in Linux: an IPv6 address has the scope that its bits say
      case 'local': case '':
        if (req.prefix !== null) throw w.error(`Error: either "local" is duplicate, or "${w.peek()}" is a garbage.`);
        req.prefix = w.prefix6();
        break;
      case 'broadcast': case 'brd': throw w.error('Error: Broadcast can be set only for IPv4 addresses');
      default:
        throw w.error(`Error: "${word}" is not supported for IPv6; expected dev, valid_lft, preferred_lft, nodad or noprefixroute`);
    }
  }
  req.preferredLft = preferred ?? req.validLft;
  return req;
}

function lifetime(w: IpWords, what: string): number {
  if (w.accept(['forever'], 3) !== '') return Infinity;
  const sec = w.number(what, 0, INFINITY_LIFE_TIME);
  return sec === INFINITY_LIFE_TIME ? Infinity : sec;
}

function modify(w: IpWords, verb: string): void {
  const req = parse(w);
  const { prefix, dev, validLft, preferredLft } = req;
  if (prefix === null) throw w.error('Command line is not complete: an address such as fd00::1/64 is expected. Try option "help"');
  if (dev === null) throw w.error('Not enough information: "dev" argument is required.');
  const len = prefix.prefixLen < 0 ? 128 : prefix.prefixLen;
  const there = inet6Addrs(dev).find((a) => equal(a, prefix.addr) && (prefix.prefixLen < 0 || a.prefixLen === len));
  if (verb === 'delete') {
    rtnetlink(w.host, TOOL, () => inet6AddrDel(dev, prefix.addr, there?.prefixLen ?? len), { [EADDRNOTAVAIL]: 'ipv6: address not found.' });
    return;
  }
  if (validLft <= 0 || preferredLft > validLft) throw w.error('Error: preferred_lft is greater than valid_lft, or valid_lft is zero');
  if (verb !== 'add' && there !== undefined) {
    rtnetlink(w.host, TOOL, () => (inet6AddrSetLifetimes(there, validLft, preferredLft), 0));
    return;
  }
  rtnetlink(w.host, TOOL, () => inet6AddrAdd(dev, prefix.addr, len, req), {
    [EEXIST]: 'ipv6: address already assigned.', [EADDRNOTAVAIL]: 'ipv6: Invalid address: it belongs to no single host.',
    [EACCES]: 'ipv6: IPv6 is disabled on this device.', [ENODEV]: 'ipv6: the device has an MTU below 1280.',
    [EINVAL]: 'ipv6: Invalid prefix length.',
  });
}

function equal(ifa: Inet6IfAddr, addr: In6Addr): boolean {
  return in6InPrefix(ifa.addr, addr, 128);
}

const FLAGS: Readonly<Record<string, (a: Inet6IfAddr) => boolean>> = {
  permanent: (a) => a.permanent, dynamic: (a) => !a.permanent, deprecated: (a) => a.deprecated, tentative: (a) => a.tentative,
  dadfailed: (a) => a.dadFailed,
};

function scopeOf(a: Inet6IfAddr): number {
  return in6IsLoopback(a.addr) ? RT_SCOPE_HOST : in6IsLinklocal(a.addr) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

/** Takes away the addresses that all words mean; those of the card itself (fe80::) too, as in iproute2. */
function flush(w: IpWords): void {
  let dev: NetDevice | null = null;
  const tests: ((a: Inet6IfAddr) => boolean)[] = [];
  if (w.done) throw w.error('Flush requires arguments.');
  while (!w.done) {
    const word = w.accept(['dev', 'to', 'scope', ...Object.keys(FLAGS)], 2);
    if (word === 'to') {
      const { addr, prefixLen } = w.prefix6();
      tests.push((a) => in6InPrefix(a.addr, addr, prefixLen < 0 ? 128 : prefixLen));
    } else if (word === 'scope') {
      const scope = w.scope();
      tests.push((a) => scopeOf(a) === scope);
    } else if (Object.hasOwn(FLAGS, word)) {
      tests.push(FLAGS[word]!);
    } else {
      dev = w.device();
    }
  }
  for (const one of w.host.net.devices) {
    if (one === null || (dev !== null && one !== dev)) continue;
    const gone = inet6Addrs(one).filter((a) => tests.every((test) => test(a)));
    rtnetlink(w.host, TOOL, () => {
      for (const a of gone) inet6AddrDel(one, a.addr, a.prefixLen);
      return 0;
    });
  }
}
