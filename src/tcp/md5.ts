/**
 * TCP MD5 signatures (RFC 2385): each segment of a connection carries a digest over its addresses, its header, its data and a key
 * that both ends know. Obsolete since RFC 5925, and still what BGP speaks.
 *
 *   from  tcp/sockopt.ts        TCP_MD5SIG, TCP_MD5SIG_EXT: keys by peer
 *         tcp/demux.ts          tcpInboundMd5, before anything else is looked at
 *         tcp/output.ts, reset.ts   tcpMd5Sign, when header and data are complete
 *
 * Linux's order and words: a key for the peer means that every segment is signed, in both directions; the option stands first.
 */
import { Mib } from '../dev/mib.ts';
import { in6Equal, in6FromV4, in6ReadAt, type In6Addr, parseIpv6 } from '../lib/addr6.ts';
import { parseIpv4 } from '../lib/addr.ts';
import { get32, get8, put16, put32, put8 } from '../lib/bytes.ts';
import { EINVAL, ENOENT, ENOMEM } from '../lib/errno.ts';
import { Md5 } from '../lib/md5.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { AF_INET6, IPPROTO_TCP } from '../sock/constants.ts';
import type { InetSock, SockoptValue } from '../sock/sock.ts';
import { ETH_P_IPV6 } from '../wire/ethernet.ts';
import { IPV4_DADDR, IPV4_SADDR } from '../wire/ipv4.ts';
import { IPV6_DADDR, IPV6_SADDR } from '../wire/ipv6.ts';
import { TCPOLEN_MD5SIG, TCPOPT_EOL, TCPOPT_MD5SIG, TCPOPT_NOP } from '../wire/tcp-options.ts';
import { TCP_CHECK, TCP_HLEN_MIN, TCP_OPTIONS, thHlen } from '../wire/tcp.ts';
import type { TcpProto } from './proto.ts';
import type { TcpSock } from './sock.ts';

/** The option with the two nops before it. */
export const TCPOLEN_MD5SIG_ALIGNED = 20;
/** Longest key (Linux: TCP_MD5SIG_MAXKEYLEN). */
export const TCP_MD5SIG_MAXKEYLEN = 80;
/** Keys of one socket; each is looked at for each segment. Linux bounds them by net.core.optmem_max. */
const MAX_KEYS = 1024;

/** The value of TCP_MD5SIG: whom the key is for, and the key; an empty one takes it away. Only TCP_MD5SIG_EXT has a prefix length. */
export interface TcpMd5Sig {
  readonly address: string;
  readonly prefixLength?: number | undefined;
  readonly key: Uint8Array | string;
}

/** A key for the peers of a prefix. */
export class Md5Key {
  /** IPv4 addresses are mapped ones. */
  readonly addr: In6Addr;
  /** Of the 128 bits. */
  readonly prefixLen: number;
  readonly key: Uint8Array;

  constructor(addr: In6Addr, prefixLen: number, key: Uint8Array) {
    this.addr = addr;
    this.prefixLen = prefixLen;
    this.key = key;
  }
}

/** What hashing a segment needs, one per host. */
export class Md5Scratch {
  readonly md5: Md5 = new Md5();
  readonly pseudo: Uint8Array = new Uint8Array(40);
  readonly header: Uint8Array = new Uint8Array(TCP_HLEN_MIN);
  readonly digest: Uint8Array = new Uint8Array(16);
}

// ---- keys

const encoder = new TextEncoder();

/** setsockopt(TCP_MD5SIG), with a prefix length TCP_MD5SIG_EXT. 0, or -EINVAL, -ENOENT (no such key to take away), -ENOMEM. */
export function tcpMd5Setsockopt(tp: TcpSock, value: SockoptValue, ext: boolean): number {
  if (typeof value !== 'object') return -EINVAL;
  const { address, prefixLength, key: given } = value as Partial<Record<keyof TcpMd5Sig, unknown>>;
  const key = typeof given === 'string' ? encoder.encode(given) : given;
  if (typeof address !== 'string' || !(key instanceof Uint8Array) || key.length > TCP_MD5SIG_MAXKEYLEN) return -EINVAL;
  const v4 = parseIpv4(address);
  const addr = v4 === null ? parseIpv6(address) : in6FromV4(v4);
  if (addr === null || (v4 === null && tp.family !== AF_INET6)) return -EINVAL;
  const bits = v4 === null ? 128 : 32;
  const len = ext && prefixLength !== undefined ? prefixLength : bits;
  if (typeof len !== 'number' || !Number.isInteger(len) || len < 0 || len > bits) return -EINVAL;
  const prefixLen = 128 - bits + len;
  const rest = (tp.md5Keys ?? []).filter((k) => k.prefixLen !== prefixLen || !in6Equal(k.addr, addr));
  if (key.length === 0) {
    if (rest.length === (tp.md5Keys?.length ?? 0)) return -ENOENT;
  } else if (rest.length >= MAX_KEYS) {
    return -ENOMEM;
  } else {
    rest.push(new Md5Key(addr, prefixLen, key.slice()));
  }
  tp.md5Keys = rest.length === 0 ? null : rest;
  tcpMd5UseKey(tp);
  return 0;
}

/** The key for a peer: that of the longest prefix; null when there is none. */
export function tcpMd5Lookup(keys: readonly Md5Key[] | null, peer: In6Addr): Md5Key | null {
  let best: Md5Key | null = null;
  for (const key of keys ?? []) {
    if ((best === null || key.prefixLen > best.prefixLen) && sharePrefix(key.addr, peer, key.prefixLen)) best = key;
  }
  return best;
}

function sharePrefix(x: In6Addr, y: In6Addr, len: number): boolean {
  return sameBits(x.a, y.a, len) && sameBits(x.b, y.b, len - 32) && sameBits(x.c, y.c, len - 64) && sameBits(x.d, y.d, len - 96);
}

function sameBits(x: number, y: number, len: number): boolean {
  if (len <= 0) return true;
  return len >= 32 ? x === y : ((x ^ y) >>> (32 - len)) === 0;
}

/** The connection's peer or its keys are new: which key holds? A signed connection sends no super-packets. */
export function tcpMd5UseKey(tp: TcpSock): void {
  tp.md5Key = tp.md5Keys === null ? null : tcpMd5Lookup(tp.md5Keys, peerOf(tp));
  if (tp.md5Key !== null) tp.gsoMaxSegs = 1;
}

function peerOf(sk: Pick<InetSock, 'daddr' | 'v6Daddr'>): In6Addr {
  return sk.v6Daddr ?? in6FromV4(sk.daddr);
}

/** The key with which the peer of a half-open connection is answered. */
export function tcpMd5ReqKey(tp: TcpSock, req: { daddr: number; v6Daddr: In6Addr | null }): Md5Key | null {
  return tp.md5Keys === null ? null : tcpMd5Lookup(tp.md5Keys, peerOf(req));
}

/** An accepted connection keeps the key that its handshake used, for its peer alone. */
export function tcpMd5Inherit(tp: TcpSock, child: TcpSock): void {
  const key = tcpMd5ReqKey(tp, child);
  if (key === null) return;
  child.md5Keys = [new Md5Key(peerOf(child), 128, key.key)];
  tcpMd5UseKey(child);
}

/** The key of the socket that answers the segment `skb`. */
export function tcpMd5KeyFor(keys: readonly Md5Key[] | null, skb: SkBuff): Md5Key | null {
  return keys === null ? null : tcpMd5Lookup(keys, senderOf(skb));
}

function senderOf(skb: SkBuff): In6Addr {
  const { buf, nh } = skb;
  return skb.protocol === ETH_P_IPV6 ? in6ReadAt(buf, nh + IPV6_SADDR) : in6FromV4(get32(buf, nh + IPV4_SADDR));
}


// ---- digests

/**
 * RFC 2385 §2.0: pseudo-header, header without options and with a checksum of zero, data, key. `skb.data` is at the TCP header;
 * the pseudo-header's addresses (`addrLen` bytes of each) are in the scratch already.
 */
function digest(tcp: TcpProto, skb: SkBuff, addrLen: number, key: Uint8Array): Uint8Array {
  const { md5, pseudo, header, digest: out } = tcp.md5;
  const { buf, data } = skb;
  const hlen = thHlen(buf, data);
  let at = 2 * addrLen;
  if (addrLen === 4) {
    put16(pseudo, at, IPPROTO_TCP);
    put16(pseudo, at + 2, skb.len);
    at += 4;
  } else {
    put32(pseudo, at, skb.len);
    put32(pseudo, at + 4, IPPROTO_TCP);
    at += 8;
  }
  for (let i = 0; i < TCP_HLEN_MIN; i++) header[i] = buf[data + i]!;
  put16(header, TCP_CHECK, 0);
  md5.begin();
  md5.update(pseudo, 0, at);
  md5.update(header, 0, TCP_HLEN_MIN);
  md5.update(buf, data + hlen, skb.tail - data - hlen);
  for (let i = 0; i < skb.nrFrags; i++) {
    const frag = skb.frags[i]!;
    md5.update(frag.page!.bytes, frag.off, frag.len);
  }
  md5.update(key, 0, key.length);
  md5.digest(out, 0);
  return out;
}

/** Writes `nop,nop,md5` without its digest; returns the bytes. */
export function tcpWriteMd5(buf: Uint8Array, off: number): number {
  put16(buf, off, (TCPOPT_NOP << 8) | TCPOPT_NOP);
  put8(buf, off + 2, TCPOPT_MD5SIG);
  put8(buf, off + 3, TCPOLEN_MD5SIG);
  buf.fill(0, off + 4, off + TCPOLEN_MD5SIG_ALIGNED);
  return TCPOLEN_MD5SIG_ALIGNED;
}

/** Signs a segment that goes from `from` to `to`; its digest is written at `at`. */
export function tcpMd5Sign(
  tcp: TcpProto, skb: SkBuff, at: number, key: Md5Key, from: In6Addr | number, to: In6Addr | number,
): void {
  const len = putAddresses(tcp.md5.pseudo, from, to);
  const hash = digest(tcp, skb, len, key.key);
  for (let i = 0; i < hash.length; i++) skb.buf[at + i] = hash[i]!;
}

function putAddresses(pseudo: Uint8Array, from: In6Addr | number, to: In6Addr | number): number {
  if (typeof from === 'number' || typeof to === 'number') {
    put32(pseudo, 0, from as number);
    put32(pseudo, 4, to as number);
    return 4;
  }
  putIn6(pseudo, 0, from);
  putIn6(pseudo, 16, to);
  return 16;
}

function putIn6(buf: Uint8Array, off: number, addr: In6Addr): void {
  put32(buf, off, addr.a);
  put32(buf, off + 4, addr.b);
  put32(buf, off + 8, addr.c);
  put32(buf, off + 12, addr.d);
}

/** Signs the answer `skb` to the segment `to`: from where that went, to where it came from. */
export function tcpMd5SignReply(tcp: TcpProto, skb: SkBuff, at: number, key: Md5Key, to: SkBuff): void {
  const { buf, nh } = to;
  if (to.protocol === ETH_P_IPV6) tcpMd5Sign(tcp, skb, at, key, in6ReadAt(buf, nh + IPV6_DADDR), in6ReadAt(buf, nh + IPV6_SADDR));
  else tcpMd5Sign(tcp, skb, at, key, get32(buf, nh + IPV4_DADDR), get32(buf, nh + IPV4_SADDR));
}

// ---- what comes in

/** Where the digest of a segment begins in its buffer; -1: it is not signed. */
export function tcpMd5Location(skb: SkBuff): number {
  const { buf, th } = skb;
  const hlen = thHlen(buf, th);
  // The usual headers, none and `nop,nop,TS`, have no room for a digest.
  if (hlen < TCP_HLEN_MIN + TCPOLEN_MD5SIG) return -1;
  let off = th + TCP_OPTIONS;
  const end = th + hlen;
  while (off + 1 < end) {
    const kind = get8(buf, off);
    if (kind === TCPOPT_EOL) return -1;
    if (kind === TCPOPT_NOP) {
      off++;
      continue;
    }
    const size = get8(buf, off + 1);
    if (size < 2 || off + size > end) return -1;
    if (kind === TCPOPT_MD5SIG && size === TCPOLEN_MD5SIG) return off + 2;
    off += size;
  }
  return -1;
}

/**
 * Is the segment signed as it should be, by the keys of the socket that it is for? If not, it is dropped without a word (RFC 2385
 * §2.0), and the skb is gone.
 */
export function tcpInboundMd5(tcp: TcpProto, keys: readonly Md5Key[] | null, skb: SkBuff): boolean {
  const at = tcpMd5Location(skb);
  if (keys === null && at < 0) return true;
  const key = tcpMd5KeyFor(keys, skb);
  if (key === null && at < 0) return true;
  const { net } = tcp;
  if (at < 0) {
    net.inc(Mib.TcpExtTCPMD5NotFound);
    net.drop(skb, Drop.TcpMd5NotFound);
    return false;
  }
  if (key === null) {
    net.inc(Mib.TcpExtTCPMD5Unexpected);
    net.drop(skb, Drop.TcpMd5Unexpected);
    return false;
  }
  if (matches(tcp, skb, at, key)) return true;
  net.inc(Mib.TcpExtTCPMD5Failure);
  net.drop(skb, Drop.TcpMd5Failure);
  return false;
}

function matches(tcp: TcpProto, skb: SkBuff, at: number, key: Md5Key): boolean {
  const { buf, nh } = skb;
  const { pseudo } = tcp.md5;
  const v6 = skb.protocol === ETH_P_IPV6;
  const len = v6 ? 16 : 4;
  const [from, to] = v6 ? [IPV6_SADDR, IPV6_DADDR] : [IPV4_SADDR, IPV4_DADDR];
  for (let i = 0; i < len; i++) {
    pseudo[i] = buf[nh + from + i]!;
    pseudo[len + i] = buf[nh + to + i]!;
  }
  const want = digest(tcp, skb, len, key.key);
  let wrong = 0;
  for (let i = 0; i < want.length; i++) wrong |= want[i]! ^ buf[at + i]!;
  return wrong === 0;
}

/** Header bytes that the signature of this connection takes. */
export function tcpMd5Len(tp: TcpSock): number {
  return tp.md5Key === null ? 0 : TCPOLEN_MD5SIG_ALIGNED;
}
