/**
 * A NAT by the names of RFC 4787 (UDP) and RFC 5382 (TCP): which outside port an inside endpoint gets (mapping), and whose packets
 * to that port come in (filtering). For tests of programs that have to live behind such devices; Linux's own NAT is
 * MASQUERADE in the nat table, and behaves as address-and-port-dependent filtering with a port kept where it can be.
 *
 *   from  ip/filter/nat-hook.ts   natDevices, for the first packet of a connection
 *   to    ip/filter/nat.ts        natSetupInfo, with exactly one address and port
 *
 *     inside 192.168.0.2:5000  ──mapping──▶  outside 203.0.113.1:5000  ──filtering──▶  who may answer
 *
 * A mapping lives as long as one of its connections does. What comes to a mapped port and is filtered is dropped silently
 * (RFC 5382 REQ-4: a SYN that crosses the inside's own must not be answered with a reset).
 */
import { hashMix } from '../../lib/hash.ts';
import { IPPROTO_UDP } from '../../wire/ipv4.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { type ConnOwner, type NfConn } from './conn.ts';
import {
  IPS_DYING, IPS_SEEN_REPLY, NF_ACCEPT, NF_DROP, NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING, NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC,
} from './constants.ts';
import { natSetupInfo } from './nat.ts';
import { NatRange, natRangeTo4 } from './nat-range.ts';
import type { Netfilter } from './netfilter.ts';
import type { NfPacket } from './packet.ts';

/** RFC 4787 §4.1 and §5: how much of the remote end counts. */
export type NatDependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';

export interface NatBehaviour {
  /** The device that leads outside. */
  readonly outside: string;
  readonly mapping: NatDependence;
  readonly filtering: NatDependence;
  /** Inside hosts reach each other by their outside ports (RFC 4787 §6). */
  readonly hairpinning: boolean;
  /** The outside port is the inside one where it is free (RFC 4787 §4.2.1). */
  readonly portPreservation: boolean;
  /** How long a UDP mapping lives without packets, in nanoseconds (RFC 4787 REQ-5). */
  readonly udpTimeoutNs: number;
}

/** An inside endpoint and its outside port. */
export class NatMapping implements ConnOwner {
  readonly proto: number;
  readonly insideAddr: number;
  readonly insidePort: number;
  /** The remote end it is for, as far as mapping depends on it; else 0. */
  readonly remoteAddr: number;
  readonly remotePort: number;
  readonly outsideAddr: number;
  readonly outsidePort: number;
  readonly udpTimeoutNs: number;
  conns: NfConn[] = [];

  constructor(
    key: { proto: number; insideAddr: number; insidePort: number; remoteAddr: number; remotePort: number },
    outsideAddr: number, outsidePort: number, udpTimeoutNs: number,
  ) {
    this.proto = key.proto;
    this.insideAddr = key.insideAddr;
    this.insidePort = key.insidePort;
    this.remoteAddr = key.remoteAddr;
    this.remotePort = key.remotePort;
    this.outsideAddr = outsideAddr;
    this.outsidePort = outsidePort;
    this.udpTimeoutNs = udpTimeoutNs;
  }
}

/** Mappings of one device at most: every port, of TCP and UDP. */
export const NAT_MAPPINGS_MAX = 131072;

export class NatDevice {
  readonly behaviour: NatBehaviour;
  /** By protocol and outside port. */
  readonly byPort: Map<number, NatMapping> = new Map();
  /** By a hash of the inside endpoint, and of the remote one as far as that counts. */
  readonly byInside: Map<number, NatMapping[]> = new Map();
  readonly range: NatRange = new NatRange();
  readonly outsideAddr: Int32Array = new Int32Array(4);

  constructor(behaviour: NatBehaviour) {
    this.behaviour = behaviour;
  }
}

function portKey(proto: number, port: number): number {
  return (proto << 16) | port;
}

/** Asks the NAT devices of a host about the first packet of a connection. NF_ACCEPT without a decision: it is none of theirs. */
export function natDevices(nf: Netfilter, p: NfPacket, ct: NfConn): number {
  if (p.version !== 4 || p.sport < 0) return NF_ACCEPT;
  for (const device of nf.devices) {
    const { outside } = device.behaviour;
    if (p.hook === NF_INET_PRE_ROUTING) {
      const verdict = p.in?.name === outside ? fromOutside(nf, device, p, ct) : fromInside(nf, device, p, ct);
      if (verdict !== PASS) return verdict;
    } else if (p.hook === NF_INET_POST_ROUTING) {
      if (ct.hairpin) return source(nf, device, ct, ct.owner as NatMapping);
      if (p.out?.name !== outside || !ownAddress(nf, device, p.out) || p.s0 === device.outsideAddr[0]) continue;
      return toOutside(nf, device, p, ct);
    }
  }
  return NF_ACCEPT;
}

/** Not a verdict: the device has no opinion. */
const PASS = -3;

/** Looks up the outside address, which may have changed. False when there is none. */
function ownAddress(nf: Netfilter, device: NatDevice, dev: NetDevice): boolean {
  return nf.tablesOf(4)!.family.deviceAddress(dev, device.outsideAddr);
}

function toOutside(nf: Netfilter, device: NatDevice, p: NfPacket, ct: NfConn): number {
  const mapping = mappingFor(nf, device, p.proto, p.s0, p.sport, p.d0, p.dport);
  if (mapping === null) return NF_DROP; // RFC 4787 REQ-3: ports are never shared, so there is none left
  own(nf, ct, mapping);
  mapping.conns.push(ct);
  return source(nf, device, ct, mapping);
}

function source(nf: Netfilter, device: NatDevice, ct: NfConn, mapping: NatMapping): number {
  return natSetupInfo(nf.nat, ct, natRangeTo4(device.range, mapping.outsideAddr, mapping.outsidePort), NF_NAT_MANIP_SRC);
}

function fromOutside(nf: Netfilter, device: NatDevice, p: NfPacket, ct: NfConn): number {
  if (!ownAddress(nf, device, p.in!) || p.d0 !== device.outsideAddr[0]) return PASS;
  const mapping = alive(nf, device, p.proto, p.dport);
  if (mapping === null) return PASS;
  if (!mayEnter(nf, device, mapping, p.s0, p.sport)) return NF_DROP;
  return enter(nf, device, ct, mapping, mapping);
}

/** RFC 4787 REQ-9: to a mapped port from inside; the source is seen with its outside address and port (REQ-9a). */
function fromInside(nf: Netfilter, device: NatDevice, p: NfPacket, ct: NfConn): number {
  const { hairpinning, outside } = device.behaviour;
  const dev = nf.net.devices.find((d) => d !== null && d.name === outside) ?? null;
  if (dev === null || !ownAddress(nf, device, dev) || p.d0 !== device.outsideAddr[0]) return PASS;
  const mapping = alive(nf, device, p.proto, p.dport);
  if (mapping === null || !hairpinning) return PASS;
  const own = mappingFor(nf, device, p.proto, p.s0, p.sport, p.d0, p.dport);
  if (own === null || !mayEnter(nf, device, mapping, own.outsideAddr, own.outsidePort)) {
    // It has sent there all the same, and may be answered.
    if (own !== null) own.conns.push(ct);
    return NF_DROP;
  }
  ct.hairpin = true;
  own.conns.push(ct);
  return enter(nf, device, ct, mapping, own);
}

function enter(nf: Netfilter, device: NatDevice, ct: NfConn, mapping: NatMapping, owner: NatMapping): number {
  own(nf, ct, owner);
  mapping.conns.push(ct);
  return natSetupInfo(nf.nat, ct, natRangeTo4(device.range, mapping.insideAddr, mapping.insidePort), NF_NAT_MANIP_DST);
}

/** The connection lives as long as the device says, from its first packet on. */
function own(nf: Netfilter, ct: NfConn, mapping: NatMapping): void {
  ct.owner = mapping;
  if (mapping.proto === IPPROTO_UDP && mapping.udpTimeoutNs !== 0) ct.expires = nf.net.cpu.now + mapping.udpTimeoutNs;
}

// ---- mappings -------------------------------------------------------------------------------------------------------

function isAlive(nf: Netfilter, mapping: NatMapping): boolean {
  const { now } = nf.net.cpu;
  const { conns } = mapping;
  let n = 0;
  for (const ct of conns) if ((ct.status & IPS_DYING) === 0 && ct.expires > now) conns[n++] = ct;
  conns.length = n;
  return n > 0;
}

/** The mapping that has this outside port; one that has run out is forgotten. */
function alive(nf: Netfilter, device: NatDevice, proto: number, port: number): NatMapping | null {
  const mapping = device.byPort.get(portKey(proto, port));
  if (mapping === undefined) return null;
  if (isAlive(nf, mapping)) return mapping;
  forget(device, mapping);
  return null;
}

function forget(device: NatDevice, mapping: NatMapping): void {
  device.byPort.delete(portKey(mapping.proto, mapping.outsidePort));
  const hash = insideHash(mapping.proto, mapping.insideAddr, mapping.insidePort, mapping.remoteAddr, mapping.remotePort);
  const list = (device.byInside.get(hash) ?? []).filter((m) => m !== mapping);
  if (list.length === 0) device.byInside.delete(hash);
  else device.byInside.set(hash, list);
}

function insideHash(proto: number, addr: number, port: number, remoteAddr: number, remotePort: number): number {
  return hashMix(hashMix(hashMix(proto, addr), port), hashMix(remoteAddr, remotePort));
}

/** The mapping of an inside endpoint (towards that remote one, as far as it counts); made when there is none. Null: no port is left. */
function mappingFor(
  nf: Netfilter, device: NatDevice, proto: number, addr: number, port: number, toAddr: number, toPort: number,
): NatMapping | null {
  const { mapping: dependence, udpTimeoutNs } = device.behaviour;
  const remoteAddr = dependence === 'endpoint-independent' ? 0 : toAddr;
  const remotePort = dependence === 'address-and-port-dependent' ? toPort : 0;
  const hash = insideHash(proto, addr, port, remoteAddr, remotePort);
  for (const m of device.byInside.get(hash) ?? []) {
    const same = m.proto === proto && m.insideAddr === addr && m.insidePort === port && m.remoteAddr === remoteAddr
      && m.remotePort === remotePort;
    if (!same) continue;
    if (isAlive(nf, m)) return m;
    forget(device, m);
    break;
  }
  const outside = freePort(nf, device, proto, port);
  if (outside < 0) return null;
  const key = { proto, insideAddr: addr, insidePort: port, remoteAddr, remotePort };
  const made = new NatMapping(key, device.outsideAddr[0]!, outside, udpTimeoutNs);
  device.byPort.set(portKey(proto, outside), made);
  device.byInside.set(hash, [...(device.byInside.get(hash) ?? []), made]);
  return made;
}

/** RFC 4787 REQ-3a: system ports are mapped to system ports. REQ-4: an even port to an even one, odd to odd. */
function freePort(nf: Netfilter, device: NatDevice, proto: number, port: number): number {
  if (device.behaviour.portPreservation && alive(nf, device, proto, port) === null) return port;
  const min = port < 1024 ? 2 : 1024;
  const pairs = (port < 1024 ? 1024 - min : 65536 - min) >> 1;
  const start = nf.random.below(pairs);
  for (let i = 0; i < pairs; i++) {
    const candidate = min + 2 * ((start + i) % pairs) + (port & 1);
    if (alive(nf, device, proto, candidate) === null) return candidate;
  }
  return -1;
}

/** RFC 4787 §5: may a packet of that remote endpoint come in by this mapping? */
function mayEnter(nf: Netfilter, device: NatDevice, mapping: NatMapping, addr: number, port: number): boolean {
  const { filtering } = device.behaviour;
  if (filtering === 'endpoint-independent') return true;
  const { now } = nf.net.cpu;
  return mapping.conns.some((ct) => {
    if (ct.expires <= now || (ct.status & IPS_DYING) !== 0) return false;
    const [orig] = ct.tuples;
    const outbound = orig.s0 === mapping.insideAddr && orig.sport === mapping.insidePort;
    if (outbound) return orig.d0 === addr && (filtering === 'address-dependent' || orig.dport === port);
    if ((ct.status & IPS_SEEN_REPLY) === 0) return false; // it came in, and nobody inside has answered
    return orig.s0 === addr && (filtering === 'address-dependent' || orig.sport === port);
  });
}

/** The mappings that are in use, by outside port. */
export function natMappings(nf: Netfilter, device: NatDevice): NatMapping[] {
  return [...device.byPort.values()].filter((m) => isAlive(nf, m)).sort((a, b) => a.outsidePort - b.outsidePort || a.proto - b.proto);
}
