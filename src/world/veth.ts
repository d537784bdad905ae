/** A pair of virtual devices between two hosts: what containers have, without cards, rings and a cable. */
import type { NetDevice } from '../dev/net-device.ts';
import { devGetByName, devOpen } from '../dev/registry.ts';
import { vethCreate, vethJoin } from '../dev/veth.ts';
import { inetAddrAdd } from '../ip/devinet.ts';
import { formatIpv4, type Ipv4Prefix } from '../lib/addr.ts';
import { formatIpv6, type Ipv6Prefix } from '../lib/addr6.ts';
import { checkOptions } from '../lib/units.ts';
import { parseInterfaceAddress, parseInterfaceAddress6, ulaOf } from './addresses.ts';
import type { Host } from './host.ts';
import { INTERFACE_NAME } from './interface.ts';
import { assign6 } from './ipv6.ts';

/** One end of a pair. */
export interface VethOptions {
  /** Default: the first free of `veth0`, `veth1`… */
  readonly name?: string;
  /** `'10.1.0.1/30'`. Default: none. */
  readonly ip?: string;
  /** `'fd00:1::1/64'`. Default: one that goes with its IPv4 address. */
  readonly ip6?: string;
}

const OPTIONS: readonly string[] = ['name', 'ip', 'ip6'];

/** What an end is to be, checked. */
interface End {
  readonly host: Host;
  readonly name: string;
  readonly ip: Ipv4Prefix | null;
  readonly ip6: Ipv6Prefix | null;
}

/** Joins two hosts, which may be the same; the names of the devices. The pair comes back with each host that boots. */
export function joinByVeth(a: Host, b: Host, options: { readonly a?: VethOptions; readonly b?: VethOptions }): { a: string; b: string } {
  checkOptions(options, ['a', 'b'], 'veth');
  const first = parseEnd(a, options.a ?? {}, []);
  const second = parseEnd(b, options.b ?? {}, a === b ? [first.name] : []);
  const join = (): void => {
    const [near, far] = [deviceOf(first), deviceOf(second)];
    if (near !== null && far !== null) vethJoin(near, far);
  };
  for (const end of [first, second]) {
    end.host.configure(() => {
      make(end);
      join();
    });
    if (end.ip !== null) end.host.announce(formatIpv4(end.ip.addr));
    const six = end.ip6 ?? (end.ip === null ? null : ulaOf(end.ip));
    if (six !== null) end.host.announce6(formatIpv6(six.addr));
  }
  return { a: first.name, b: second.name };
}

function parseEnd(host: Host, options: VethOptions, taken: readonly string[]): End {
  checkOptions(options, OPTIONS, 'veth');
  const { net } = host.kernel.tools;
  const used = (name: string): boolean => taken.includes(name) || devGetByName(net, name) !== null;
  let name = options.name ?? 'veth0';
  if (!INTERFACE_NAME.test(name)) throw new TypeError(`name: '${name}' is not an interface name; expected one such as 'veth0'`);
  if (options.name !== undefined && used(name)) throw new RangeError(`name: ${host.name} has an interface '${name}' already`);
  for (let n = 1; used(name); n++) name = `veth${String(n)}`;
  return {
    host, name, ip: options.ip === undefined ? null : parseInterfaceAddress(options.ip, 'ip'),
    ip6: options.ip6 === undefined ? null : parseInterfaceAddress6(options.ip6, 'ip6'),
  };
}

function deviceOf({ host, name }: End): NetDevice | null {
  return devGetByName(host.kernel.tools.net, name);
}

function make({ host, name, ip, ip6 }: End): void {
  const { net } = host.kernel.tools;
  net.cpu.enter(0);
  const dev = vethCreate(net, name) as NetDevice; // the name was free when the pair was made
  devOpen(dev);
  if (ip !== null) inetAddrAdd(dev, ip.addr, ip.prefixLen);
  net.cpu.exit();
  if (ip6 !== null) assign6(dev, ip6, false);
  else if (ip !== null) assign6(dev, ulaOf(ip), true);
}
