/**
 * A host as a NAT device: `host.nat({ outside: 'eth1' })`. Without more words it is Linux's MASQUERADE; with those of RFC 4787
 * it behaves as that document names it, so that programs can be tested behind any of them.
 */
import { devGetByName } from '../../dev/registry.ts';
import type { NfConn } from '../../ip/filter/conn.ts';
import { conntrackEnable } from '../../ip/filter/admin.ts';
import { conntrackList } from '../../ip/filter/conntrack-table.ts';
import { NatDevice, natMappings, type NatDependence } from '../../ip/filter/nat-device.ts';
import { netfilterUpdate } from '../../ip/filter/hooks.ts';
import type { Netfilter } from '../../ip/filter/netfilter.ts';
import { formatIpv4 } from '../../lib/addr.ts';
import { formatIpv6, In6Addr } from '../../lib/addr6.ts';
import { checkOptions, type Duration, parseDuration } from '../../lib/units.ts';
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../../wire/ipv4.ts';
import { show } from '../door.ts';
import type { Firewall } from './firewall.ts';
import { protocolName } from './values.ts';

export interface NatOptions {
  /** The interface that leads outside; its first address is the one that the world sees. */
  readonly outside: string;
  /** 6: the same for IPv6, as Linux's MASQUERADE alone; the words below speak of IPv4. Default 4. */
  readonly family?: 4 | 6;
  /** How an inside endpoint gets its outside port (RFC 4787 §4.1): one for all remote endpoints, or one for each. */
  readonly mapping?: NatDependence;
  /** Whose packets come in by it (RFC 4787 §5): anybody's, or those of whom the inside has spoken to. */
  readonly filtering?: NatDependence;
  /** Do inside hosts reach each other by their outside ports (RFC 4787 §6)? Default true, when any of these words is used. */
  readonly hairpinning?: boolean;
  /** Is the outside port the inside one, when it is free (RFC 4787 §4.2.1)? Default true. */
  readonly portPreservation?: boolean;
  /** How long a UDP mapping is kept without packets (RFC 4787 REQ-5: two minutes at least). Default 5 minutes. */
  readonly udpTimeout?: Duration;
}

const NAT_OPTIONS: readonly string[] = ['outside', 'family', 'mapping', 'filtering', 'hairpinning', 'portPreservation', 'udpTimeout'];
const DEPENDENCES: readonly string[] = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent'];
/** RFC 4787 REQ-5c recommends it. */
const UDP_TIMEOUT = '5min';

/** An inside endpoint, and what it looks like outside. */
export interface NatMappingView {
  readonly protocol: string;
  readonly inside: string;
  readonly outside: string;
}

/** A NAT that was set up. */
export class NatHandle {
  private readonly list: () => NatMappingView[];
  private readonly end: () => void;

  constructor(list: () => NatMappingView[], end: () => void) {
    this.list = list;
    this.end = end;
  }

  /** The mappings in use. */
  mappings(): NatMappingView[] {
    return this.list();
  }

  /** Takes it away; connections that it knows go on until they are forgotten. */
  remove(): void {
    this.end();
  }
}

/** Sets a host up as a NAT. It forwards from here on. */
export function natSetup(
  nf: Netfilter, firewalls: { readonly v4: Firewall; readonly v6: Firewall }, options: NatOptions, forward: (family: 4 | 6) => void,
): NatHandle {
  checkOptions(options, NAT_OPTIONS, 'nat');
  const { outside, family = 4, ...behaviour } = options;
  if (typeof outside !== 'string') throw new TypeError(`outside: ${show(outside)} is not understood; expected an interface such as 'eth1'`);
  if (devGetByName(nf.net, outside) === null) {
    const names = nf.net.devices.flatMap((dev) => (dev === null || dev.name === 'lo' ? [] : [dev.name]));
    throw new RangeError(`outside: ${nf.net.name} has no '${outside}'; it has ${names.join(', ') || 'no interface yet'}`);
  }
  for (const key of ['mapping', 'filtering'] as const) {
    const value = options[key];
    if (value === undefined || DEPENDENCES.includes(value)) continue;
    throw new TypeError(`${key}: ${show(value)} is not understood; expected ${DEPENDENCES.map((w) => `'${w}'`).join(', ')}`);
  }
  for (const key of ['hairpinning', 'portPreservation'] as const) {
    const value: unknown = options[key];
    if (value === undefined || typeof value === 'boolean') continue;
    throw new TypeError(`${key}: ${show(value)} is not understood; expected true or false`);
  }
  const plain = Object.values(behaviour).every((value) => value === undefined);
  if (family !== 4 && (family as unknown) !== 6) throw new TypeError(`family: ${show(family)} is not understood; expected 4 or 6`);
  if (family === 6 && !plain) {
    throw new RangeError('family: the behaviours of RFC 4787 are those of NATs of IPv4; of IPv6 there is MASQUERADE: { outside, family }');
  }
  forward(family);
  return plain ? masquerade(nf, family === 4 ? firewalls.v4 : firewalls.v6, outside, family) : device(nf, options);
}

function masquerade(nf: Netfilter, firewall: Firewall, outside: string, family: 4 | 6): NatHandle {
  const at = (words: readonly [number, number, number, number], port: number): string =>
    (family === 4 ? `${formatIpv4(words[0])}:${String(port)}` : `[${formatIpv6(new In6Addr(...words))}]:${String(port)}`);
  const rule = { table: 'nat', out: outside, target: 'MASQUERADE' } as const;
  firewall.append('POSTROUTING', rule);
  const known = (): NfConn[] => conntrackList(nf.conntrack).filter((ct) => ct.masqIndex !== 0 && ct.tuples[0].version === family);
  const list = (): NatMappingView[] => known().map((ct) => {
    const [orig, reply] = ct.tuples;
    return {
      protocol: protocolName(orig.proto),
      inside: at([orig.s0, orig.s1, orig.s2, orig.s3], orig.sport),
      outside: at([reply.d0, reply.d1, reply.d2, reply.d3], isEcho(reply.proto) ? reply.sport : reply.dport),
    };
  });
  return new NatHandle(list, () => firewall.delete('POSTROUTING', rule));
}

function isEcho(proto: number): boolean {
  return proto === IPPROTO_ICMP || proto === IPPROTO_ICMPV6;
}

function device(nf: Netfilter, options: NatOptions): NatHandle {
  const made = new NatDevice({
    outside: options.outside,
    mapping: options.mapping ?? 'endpoint-independent',
    filtering: options.filtering ?? 'address-and-port-dependent',
    hairpinning: options.hairpinning ?? true,
    portPreservation: options.portPreservation ?? true,
    udpTimeoutNs: parseDuration(options.udpTimeout ?? UDP_TIMEOUT, 'udpTimeout'),
  });
  nf.devices.push(made);
  conntrackEnable(nf);
  netfilterUpdate(nf);
  const list = (): NatMappingView[] => natMappings(nf, made).map((m) => ({
    protocol: protocolName(m.proto),
    inside: `${formatIpv4(m.insideAddr)}:${String(m.insidePort)}`,
    outside: `${formatIpv4(m.outsideAddr)}:${String(m.outsidePort)}`,
  }));
  return new NatHandle(list, () => {
    const at = nf.devices.indexOf(made);
    if (at >= 0) nf.devices.splice(at, 1);
    netfilterUpdate(nf);
  });
}
