/**
 * `ip addr` of IPv4 and `ip link`, as far as they change a host (iproute2's ipaddress.c, iplink.c). IPv6: `ip6-addr.ts`.
 *
 *     ip addr add|replace|del PREFIX [brd ADDR|+|-] [scope S] [label L] dev DEV        ip addr flush dev DEV [to PREFIX] [scope S]
 *     ip link set [dev] DEV up|down|mtu N|address MAC|txqueuelen N|promisc on|off|allmulticast on|off
 */
import { ipv4InPrefix, ipv4Mask, isMulticastEtherAddr, type Ipv4Prefix } from '../../lib/addr.ts';
import { EADDRNOTAVAIL, EEXIST, EINVAL } from '../../lib/errno.ts';
import { IFF_ALLMULTI, IFF_LOOPBACK, IFF_PROMISC, type NetDevice } from '../../dev/net-device.ts';
import { devClose, devOpen, devSetAddress, devSetMtu } from '../../dev/registry.ts';
import { inetAddrAdd, inetAddrDel, inetAddrs, type AddrOptions, type IfAddr } from '../../ip/devinet.ts';
import type { ToolHost } from './command.ts';
import { IpWords, rtnetlink, verbOf } from './ip-words.ts';

/** The verbs that change addresses. */
export const ADDR_VERBS: readonly string[] = ['add', 'change', 'chg', 'replace', 'delete', 'flush'];

/** Does the word begin a command that changes something? Words that show something come first, as in iproute2. */
export function isChange(object: 'addr' | 'link' | 'neigh', word: string): boolean {
  if (object === 'link') return word.length >= 2 && 'set'.startsWith(word);
  if (['show', 'list', 'lst'].some((show) => show.startsWith(word))) return false;
  return verbOf(word, ADDR_VERBS) !== '';
}

// ---- addresses ------------------------------------------------------------------------------------------------------

/** `ip addr` with a verb that changes. Prints nothing. */
export function addrChange(host: ToolHost, words: readonly string[]): string {
  const verb = verbOf(words[0]!, ADDR_VERBS);
  const rest = new IpWords(host, 'ip addr', words.slice(1));
  if (verb === 'flush') flushAddrs(rest);
  else modifyAddr(rest, verb === 'chg' ? 'change' : verb);
  return '';
}

interface AddrRequest {
  prefix: Ipv4Prefix | null;
  dev: NetDevice | null;
  broadcast: number | '+' | '-' | null;
  scope: number | undefined;
  label: string | undefined;
}

function parseAddr(w: IpWords): AddrRequest {
  const req: AddrRequest = { prefix: null, dev: null, broadcast: null, scope: undefined, label: undefined };
  while (!w.done) {
    switch (w.accept(['dev', 'broadcast', 'brd', 'scope', 'label', 'local', 'peer', 'remote', 'valid_lft', 'preferred_lft'], 2)) {
      case 'dev': req.dev = w.device(); break;
      case 'broadcast': case 'brd': {
        const word = w.peek();
        if (word === '+' || word === '-') req.broadcast = w.next('') as '+' | '-';
        else req.broadcast = w.address('a broadcast address, + or -');
        break;
      }
      case 'scope': req.scope = w.scope(); break;
      case 'label': req.label = w.next('a label'); break;
      case 'peer': case 'remote': throw w.error('Error: "peer" is not supported: each address has the subnet that its prefix says');
      case 'valid_lft': case 'preferred_lft':
        if (w.next('a lifetime') !== 'forever') throw w.error('Error: argument is wrong: addresses stay; the lifetime is "forever"');
        break;
      default:
        if (req.prefix !== null) throw w.error(`Error: either "local" is duplicate, or "${w.peek()}" is a garbage.`);
        req.prefix = w.prefix();
    }
  }
  return req;
}

function modifyAddr(w: IpWords, verb: string): void {
  const req = parseAddr(w);
  if (req.prefix === null) throw w.error('Command line is not complete: an address such as 10.0.0.1/24 is expected. Try option "help"');
  if (req.dev === null) throw w.error('Not enough information: "dev" argument is required.');
  const { dev } = req;
  const { addr } = req.prefix;
  const there = inetAddrs(dev).find((a) => a.addr === addr && (req.prefix!.prefixLen < 0 || a.prefixLen === req.prefix!.prefixLen));
  if (verb === 'delete') {
    const len = there?.prefixLen ?? req.prefix.prefixLen;
    rtnetlink(w.host, w.tool, () => inetAddrDel(dev, addr, len), { [EADDRNOTAVAIL]: 'ipv4: Address not found.' });
    return;
  }
  if (verb !== 'add' && there !== undefined) return; // it is as it should be
  const prefixLen = req.prefix.prefixLen < 0 ? 32 : req.prefix.prefixLen;
  if (req.label !== undefined && !req.label.startsWith(dev.name)) {
    throw w.error(`"label" "${req.label}" must match "dev" "${dev.name}" or be prefixed by "${dev.name}" with a colon.`);
  }
  const options: AddrOptions = { broadcast: broadcastOf(req, prefixLen), scope: req.scope, label: req.label };
  rtnetlink(w.host, w.tool, () => inetAddrAdd(dev, addr, prefixLen, options), {
    [EEXIST]: 'ipv4: Address already assigned.', [EINVAL]: 'ipv4: Invalid address: it belongs to no single host.',
  });
}

/** `+` all ones, `-` all zeros in the host part. Differs: iproute2 sets none unless told; here all ones is the default. */
function broadcastOf(req: AddrRequest, prefixLen: number): number | undefined {
  const { addr } = req.prefix!;
  if (req.broadcast === '+') return addr | ~ipv4Mask(prefixLen);
  if (req.broadcast === '-') return addr & ipv4Mask(prefixLen);
  return req.broadcast ?? undefined;
}

function flushAddrs(w: IpWords): void {
  let dev: NetDevice | null = null;
  let to: Ipv4Prefix | null = null;
  let scope: number | null = null;
  if (w.done) throw w.error('Flush requires arguments.');
  while (!w.done) {
    const word = w.accept(['dev', 'to', 'scope'], 2);
    if (word === 'to') to = w.prefix();
    else if (word === 'scope') scope = w.scope();
    else dev = w.device();
  }
  for (const one of w.host.net.devices) {
    if (one === null || (dev !== null && one !== dev)) continue;
    const gone = (a: IfAddr): boolean => (to === null || inside(a.addr, to)) && (scope === null || a.scope === scope);
    // Secondaries first: a primary may take them along.
    const list = inetAddrs(one).filter(gone).sort((a, b) => Number(b.secondary) - Number(a.secondary));
    rtnetlink(w.host, w.tool, () => {
      for (const a of list) inetAddrDel(one, a.addr, a.prefixLen);
      return 0;
    });
  }
}

/** Is the address in the prefix? */
export function inside(addr: number, p: Ipv4Prefix): boolean {
  const len = p.prefixLen < 0 ? 32 : p.prefixLen;
  return ipv4InPrefix(addr, p.addr & ipv4Mask(len), len);
}

// ---- links ----------------------------------------------------------------------------------------------------------

/** `ip link set`. Prints nothing. */
export function linkChange(host: ToolHost, words: readonly string[]): string {
  const w = new IpWords(host, 'ip link', words.slice(1));
  w.accept(['dev'], 3);
  const dev = w.device();
  if (w.done) throw w.error('Command line is not complete: up, down, mtu, address, txqueuelen, promisc or allmulticast is expected');
  const steps: (() => number)[] = [];
  let up: boolean | null = null;
  while (!w.done) {
    switch (w.accept(['up', 'down', 'mtu', 'address', 'txqueuelen', 'qlen', 'promisc', 'allmulticast', 'arp', 'name'], 2)) {
      case 'up': up = true; break;
      case 'down': up = false; break;
      case 'mtu': {
        const mtu = w.number('mtu', 0, 0xffffffff);
        steps.push(() => devSetMtu(dev, mtu));
        break;
      }
      case 'address': {
        const mac = w.mac();
        steps.push(() => setAddress(dev, mac));
        break;
      }
      case 'txqueuelen': case 'qlen': {
        const len = w.number('txqueuelen', 0, 1_000_000);
        steps.push(() => ((dev.txQueueLen = len), 0));
        break;
      }
      case 'promisc': steps.push(flagStep(dev, IFF_PROMISC, onOff(w))); break;
      case 'allmulticast': steps.push(flagStep(dev, IFF_ALLMULTI, onOff(w))); break;
      default:
        throw w.garbage('up, down, mtu N, address MAC, txqueuelen N, promisc on|off or allmulticast on|off');
    }
  }
  if (up !== null) steps.push(() => ((up ? devOpen : devClose)(dev), 0));
  for (const step of steps) {
    rtnetlink(host, w.tool, step, { [EINVAL]: 'mtu out of range, or an address that no card can have.' });
  }
  return '';
}

function onOff(w: IpWords): boolean {
  const word = w.next('on or off');
  if (word !== 'on' && word !== 'off') throw w.error(`Error: argument "${word}" is wrong: expected on or off`);
  return word === 'on';
}

function flagStep(dev: NetDevice, flag: number, on: boolean): () => number {
  return () => {
    dev.flags = on ? dev.flags | flag : dev.flags & ~flag;
    dev.ops.setRxMode(dev);
    return 0;
  };
}

function setAddress(dev: NetDevice, mac: Uint8Array): number {
  if ((dev.flags & IFF_LOOPBACK) !== 0 || isMulticastEtherAddr(mac, 0)) return -EINVAL;
  devSetAddress(dev, mac);
  return 0;
}
