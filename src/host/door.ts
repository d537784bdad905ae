/**
 * The door: what a caller gives (strings, objects, options) becomes what the kernel takes (numbers, SockAddr), or a
 * TypeError or RangeError that names the call and the argument. What has the right form but is not possible is the
 * kernel's business, and an errno.
 */
import { EINVAL, ENOTSOCK } from '../lib/errno.ts';
import type { Net } from '../dev/net.ts';
import { formatIpv4, formatMac, parseIpv4, parseMac } from '../lib/addr.ts';
import { formatIpv6, parseIpv6Zone } from '../lib/addr6.ts';
import { parseDuration, type Duration } from '../lib/units.ts';
import { AF_INET, AF_INET6, AF_PACKET, AF_UNIX, AF_UNSPEC } from '../sock/constants.ts';
import type { ErrorPlace } from './errors.ts';
import { MsgHdr, SockAddr } from '../sock/sockaddr.ts';

/** Where a socket is, as the caller writes it. */
export interface Address {
  /** `'10.0.0.2'`, `'fd00::2'`, `'fe80::1%eth0'`; an IP address, not a name. */
  readonly address: string;
  readonly port: number;
  /** The interface (its number) of an address that is one of a link; as good as a zone in the address. */
  readonly scopeId?: number | undefined;
  /** Flow label of IPv6 (20 bits), sent when the socket has IPV6_FLOWINFO_SEND. */
  readonly flowinfo?: number | undefined;
}

/** Where a Unix socket is: a path in the host's file system, or a name that begins with a zero byte (abstract). */
export interface UnixAddress {
  readonly path: string;
}

/** Where a frame goes, or which ones are heard (AF_PACKET). What is left out: any device, any EtherType. */
export interface LinkAddress {
  /** `'eth0'` */
  readonly interface?: string;
  /** EtherType, in host order: ETH_P_IP, ETH_P_ALL. */
  readonly protocol?: number;
  /** To whom; needed by SOCK_DGRAM, whose frames get their header here. */
  readonly mac?: string;
}

/** As given to bind: both may be left out (any address, any port). */
export type BindAddress = Partial<Address> | Partial<UnixAddress> | LinkAddress;

/** As given to connect and sendto. */
export type PeerAddress = Address | UnixAddress | LinkAddress;

/** As kernet answers. */
export interface SocketAddress extends Address {
  readonly family: 'IPv4' | 'IPv6' | 'unix' | 'packet';
  /** Of a Unix socket; the same as `address`. `''`: it has no name. */
  readonly path?: string;
  /** Of AF_PACKET, whose `address` is a hardware address: the device, EtherType, PACKET_HOST or another kind, ARPHRD_*. */
  readonly link?: { readonly interface: string; readonly protocol: number; readonly pkttype: number; readonly hatype: number };
}

/** What may be written: bytes, or a string (sent as UTF-8). */
export type Data = Uint8Array | string;

const ADDRESS_FORM = "{ address: '10.0.0.2', port: 80 }";

/** A descriptor is a whole number; whether it is open is another question (EBADF). */
export function checkFd(fd: unknown, call: string): number {
  if (typeof fd !== 'number') throw new TypeError(`${call}: fd is ${show(fd)}; expected a descriptor, a whole number`);
  if (!Number.isInteger(fd)) throw new RangeError(`${call}: fd ${show(fd)} is not a whole number`);
  return fd;
}

/** A whole number of 32 bits: types, flags, option names. */
export function checkInt(value: unknown, call: string, name: string): number {
  if (typeof value !== 'number') throw new TypeError(`${call}: ${name} is ${show(value)}; expected a whole number`);
  if (!Number.isInteger(value) || value < -0x80000000 || value > 0xffffffff) {
    throw new RangeError(`${call}: ${name} ${show(value)} is not a whole number of 32 bits`);
  }
  return value | 0;
}

/** A buffer to fill or to send. */
export function checkBuffer(value: unknown, call: string, name: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`${call}: ${name} is ${show(value)}; expected a Uint8Array`);
}

/** Bytes to send. */
export function checkData(value: unknown, call: string): Uint8Array {
  if (typeof value === 'string') return new TextEncoder().encode(value);
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`${call}: data is ${show(value)}; expected a Uint8Array or a string`);
}

/** A list of buffers (an iovec). */
export function checkIov(value: unknown, call: string): readonly Uint8Array[] {
  if (!Array.isArray(value)) throw new TypeError(`${call}: iov is ${show(value)}; expected an array of Uint8Array`);
  const list: readonly unknown[] = value;
  return list.map((part, i) => checkBuffer(part, call, `iov[${String(i)}]`));
}

/** Nanoseconds, -1 = for ever (undefined, or any number below 0). */
export function checkTimeout(value: Duration | undefined, call: string): number {
  if (value === undefined || (typeof value === 'number' && value < 0)) return -1;
  return parseDuration(value, `${call}: timeout`);
}

/** An address into the kernel's form. `net` knows the interfaces that a zone may name. */
export function toSockAddr(value: unknown, call: string, out: SockAddr, net: Net): SockAddr {
  if (typeof value !== 'object' || value === null) throw new TypeError(`${call}: addr is ${show(value)}; expected ${ADDRESS_FORM}`);
  if ('path' in value) return fillPath(out, call, value.path);
  if (!('address' in value) && 'interface' in value) return fillLink(out, call, value);
  checkAddress(value, call);
  const { address, port } = value as { address?: unknown; port?: unknown };
  return scoped(fill(out, call, address, port, net), value, call);
}

/** As `toSockAddr`, for bind: what is left out means "any". */
export function toBindAddr(value: unknown, family: number, call: string, out: SockAddr, net: Net): SockAddr {
  if (typeof value !== 'object' || value === null) throw new TypeError(`${call}: addr is ${show(value)}; expected ${ADDRESS_FORM}`);
  if (family === AF_PACKET) return fillLink(out, call, value);
  if ('path' in value || family === AF_UNIX) return fillPath(out, call, (value as { path?: unknown }).path ?? '');
  checkAddress(value, call);
  const { address, port } = value as { address?: unknown; port?: unknown };
  return scoped(fill(out, call, address ?? (family === AF_INET6 ? '::' : '0.0.0.0'), port ?? 0, net), value, call);
}

function fillPath(out: SockAddr, call: string, path: unknown): SockAddr {
  if (typeof path === 'string') return out.setPath(path);
  throw new TypeError(`${call}: path is ${show(path)}; expected a string such as '/run/app.sock', or '\\0name'`);
}

function fillLink(out: SockAddr, call: string, value: object): SockAddr {
  const { interface: device = '', protocol = 0, mac } = value as Readonly<Record<string, unknown>>;
  if (typeof device !== 'string') throw new TypeError(`${call}: interface is ${show(device)}; expected a name such as 'eth0'`);
  if (typeof protocol !== 'number' || !Number.isInteger(protocol) || protocol < 0 || protocol > 0xffff) {
    throw new TypeError(`${call}: protocol is ${show(protocol)}; expected an EtherType from 0 to 65535, such as ETH_P_IP`);
  }
  const addr = mac === undefined ? new Uint8Array(0) : typeof mac === 'string' ? parseMac(mac) : null;
  if (addr === null) throw new TypeError(`${call}: mac is ${show(mac)}; expected one such as '02:00:00:00:00:01'`);
  return out.setLink({ protocol, ifindex: 0, device, hatype: 0, pkttype: 0, addr });
}

/** read(2) and write(2) of a file that can neither (an epoll instance) are invalid, where a socket call says that it is no socket. */
export function fileErrno(ret: number): number {
  return ret === -ENOTSOCK ? -EINVAL : ret;
}

/** A slip of the pen is not taken for a default. */
function checkAddress(value: object, call: string): void {
  for (const name of Object.keys(value)) {
    if (ADDRESS_FIELDS.has(name)) continue;
    throw new TypeError(`${call}: addr: ${name}: no such field; expected ${[...ADDRESS_FIELDS].join(', ')}`);
  }
}

const ADDRESS_FIELDS: ReadonlySet<string> = new Set(['address', 'port', 'family', 'scopeId', 'flowinfo']);

/** Where a call was about, for its error. */
export function placeOf(addr: PeerAddress | undefined): ErrorPlace {
  if (addr === undefined) return {};
  if ('path' in addr) return { address: addr.path.replace('\0', '@') };
  return 'address' in addr ? addr : { address: addr.interface };
}

function fill(out: SockAddr, call: string, address: unknown, port: unknown, net: Net): SockAddr {
  if (typeof address !== 'string') {
    throw new TypeError(`${call}: address is ${show(address)}; expected a string such as '10.0.0.2'`);
  }
  if (typeof port !== 'number') throw new TypeError(`${call}: port is ${show(port)}; expected a whole number from 0 to 65535`);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new RangeError(`${call}: port ${show(port)} is out of range; expected a whole number from 0 to 65535`);
  }
  const v4 = parseIpv4(address);
  if (v4 !== null) return out.set(v4, port);
  const v6 = parseIpv6Zone(address);
  if (v6 === null) {
    const form = "expected one such as '10.0.0.2', 'fd00::2' or 'fe80::1%eth0' (kernel.resolve finds that of a name)";
    throw new TypeError(`${call}: address '${address}' is not an IP address; ${form}`);
  }
  return out.set6(v6.addr, port, v6.zone === '' ? 0 : zoneIndex(net, v6.zone, call, address));
}

/** The number of an interface, by its name or as it is written (RFC 4007 §11.2). */
function zoneIndex(net: Net, zone: string, call: string, address: string): number {
  const dev = net.devices.find((d) => d !== null && d.name === zone);
  if (dev !== undefined && dev !== null) return dev.ifindex;
  if (/^[1-9]\d{0,8}$/.test(zone)) return Number(zone);
  const names = net.devices.flatMap((d) => (d === null ? [] : [d.name])).join(', ');
  throw new TypeError(`${call}: address '${address}': this host has no interface '${zone}'; it has ${names}`);
}

/** `scopeId` and `flowinfo` of an address, where they are given. */
function scoped(out: SockAddr, value: object, call: string): SockAddr {
  const { scopeId, flowinfo } = value as { scopeId?: unknown; flowinfo?: unknown };
  if (scopeId !== undefined) {
    const zone = checkInt(scopeId, call, 'scopeId') >>> 0;
    if (out.scopeId !== 0 && zone !== out.scopeId) throw new RangeError(`${call}: scopeId ${String(zone)} is not the zone in the address`);
    out.scopeId = zone;
  }
  if (flowinfo !== undefined) {
    out.flowinfo = checkInt(flowinfo, call, 'flowinfo') >>> 0;
    if (out.flowinfo > 0xfffff) throw new RangeError(`${call}: flowinfo ${String(out.flowinfo)} is out of range; expected 0 to 0xfffff`);
  }
  return out;
}

/** connect with no address: AF_UNSPEC, which dissolves an association. */
export function unspec(): SockAddr {
  const addr = new SockAddr();
  addr.family = AF_UNSPEC;
  return addr;
}

/** The kernel's form into the caller's: an address of a link has its interface behind a `%`. */
export function fromSockAddr(addr: SockAddr, net: Net): SocketAddress {
  if (addr.family === AF_UNIX) return { address: addr.path!, port: 0, family: 'unix', path: addr.path! };
  if (addr.family === AF_PACKET) {
    const { device, protocol, pkttype, hatype, addr: mac } = addr.ll!;
    return { address: formatMac(mac), port: 0, family: 'packet', link: { interface: device, protocol, pkttype, hatype } };
  }
  const { port, scopeId, flowinfo } = addr;
  if (addr.family === AF_INET || addr.addr6 === null) return { address: formatIpv4(addr.addr), port, family: 'IPv4' };
  const zone = scopeId === 0 ? '' : `%${net.devices[scopeId]?.name ?? String(scopeId)}`;
  const out: SocketAddress = { address: formatIpv6(addr.addr6) + zone, port, family: 'IPv6' };
  return flowinfo === 0 ? out : { ...out, flowinfo };
}

/** A fresh message over `buf`. */
export function message(buf: Uint8Array, flags: number): MsgHdr {
  const msg = new MsgHdr();
  msg.buf = buf;
  msg.len = buf.length;
  msg.flags = flags;
  return msg;
}

/** The parts of an iovec as one buffer: itself when there is but one. */
export function gather(iov: readonly Uint8Array[]): Uint8Array {
  if (iov.length === 1) return iov[0]!;
  const all = new Uint8Array(iovLength(iov));
  let at = 0;
  for (const part of iov) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Spreads the first `n` bytes of `from` over an iovec; nothing to do when it is the only part. */
export function scatter(from: Uint8Array, n: number, iov: readonly Uint8Array[]): void {
  let at = 0;
  for (const part of iov) {
    if (at >= n || part === from) return;
    const len = Math.min(part.length, n - at);
    part.set(from.subarray(at, at + len));
    at += len;
  }
}

/** Bytes of an iovec. */
export function iovLength(iov: readonly Uint8Array[]): number {
  return iov.reduce((sum, part) => sum + part.length, 0);
}

/** A value in a message: short, and never an exception of its own. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'symbol') return 'a symbol';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
