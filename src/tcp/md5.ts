/**
 * TCP MD5 signatures (RFC 2385): each segment of a connection carries a digest over its addresses, its header, its data and a key
 * that both ends know. Obsolete since RFC 5925, and still what BGP speaks.
 *
 *   from  tcp/sockopt.ts        TCP_MD5SIG, TCP_MD5SIG_EXT: keys by peer
 *         tcp/auth.ts           tcpInboundMd5, before anything else is looked at
 *         tcp/output.ts, reset.ts   tcpMd5Sign, when header and data are complete
 *
 * Linux's order and words: a key for the peer means that every segment is signed, in both directions; the option stands first.
 */
import { Mib } from '../dev/mib.ts';
import { in6Equal, in6FromV4, type In6Addr, parseIpv6 } from '../lib/addr6.ts';
import { parseIpv4 } from '../lib/addr.ts';
import { put16, put8 } from '../lib/bytes.ts';
import { EINVAL, EKEYREJECTED, ENOENT, ENOMEM } from '../lib/errno.ts';
import { Md5 } from '../lib/md5.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { AF_INET6 } from '../sock/constants.ts';
import type { SockoptValue } from '../sock/sock.ts';
import { TCPOLEN_MD5SIG, TCPOPT_MD5SIG, TCPOPT_NOP } from '../wire/tcp-options.ts';
import { TCP_CHECK, TCP_HLEN_MIN, thHlen } from '../wire/tcp.ts';
import { tcpAoRequired } from './ao.ts';
import type { TcpProto } from './proto.ts';
import { peerOf, putAddresses, putAddressesOf, putPseudoEnd, senderOf, sharePrefix } from './signature.ts';
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

/**
 * setsockopt(TCP_MD5SIG), with a prefix length TCP_MD5SIG_EXT. 0, or -EINVAL, -ENOENT (no such key to take away), -ENOMEM,
 * -EKEYREJECTED (the peer has TCP-AO).
 */
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
  } else if (tcpAoRequired(tp, addr, false)) {
    return -EKEYREJECTED; // a peer has one kind of keys
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

/** The connection's peer or its keys are new: which key holds? A signed connection sends no super-packets. */
export function tcpMd5UseKey(tp: TcpSock): void {
  tp.md5Key = tp.md5Keys === null ? null : tcpMd5Lookup(tp.md5Keys, peerOf(tp));
  if (tp.md5Key !== null) tp.gsoMaxSegs = 1;
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

// ---- digests

/**
 * RFC 2385 §2.0: pseudo-header, header without options and with a checksum of zero, data, key. `skb.data` is at the TCP header;
 * the pseudo-header's addresses (`addrLen` bytes of each) are in the scratch already.
 */
function digest(tcp: TcpProto, skb: SkBuff, addrLen: number, key: Uint8Array): Uint8Array {
  const { md5, pseudo, header, digest: out } = tcp.md5;
  const { buf, data } = skb;
  const hlen = thHlen(buf, data);
  const at = putPseudoEnd(pseudo, 2 * addrLen, addrLen, skb.len);
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
  sign(tcp, skb, at, key, putAddresses(tcp.md5.pseudo, 0, from, to));
}

function sign(tcp: TcpProto, skb: SkBuff, at: number, key: Md5Key, addrLen: number): void {
  const hash = digest(tcp, skb, addrLen, key.key);
  for (let i = 0; i < hash.length; i++) skb.buf[at + i] = hash[i]!;
}

/** Signs the answer `skb` to the segment `to`: from where that went, to where it came from. */
export function tcpMd5SignReply(tcp: TcpProto, skb: SkBuff, at: number, key: Md5Key, to: SkBuff): void {
  sign(tcp, skb, at, key, putAddressesOf(tcp.md5.pseudo, 0, to, true));
}

// ---- what comes in

/** A segment with a digest at `at`, or none (-1): 0, or why it is dropped, without a word (RFC 2385 §2.0). */
export function tcpInboundMd5(tcp: TcpProto, keys: readonly Md5Key[] | null, skb: SkBuff, at: number): Drop {
  const key = tcpMd5KeyFor(keys, skb);
  const { net } = tcp;
  if (at < 0) {
    if (key === null) return Drop.NotDropped;
    net.inc(Mib.TcpExtTCPMD5NotFound);
    return Drop.TcpMd5NotFound;
  }
  if (key === null) {
    net.inc(Mib.TcpExtTCPMD5Unexpected);
    return Drop.TcpMd5Unexpected;
  }
  if (matches(tcp, skb, at, key)) return Drop.NotDropped;
  net.inc(Mib.TcpExtTCPMD5Failure);
  return Drop.TcpMd5Failure;
}

function matches(tcp: TcpProto, skb: SkBuff, at: number, key: Md5Key): boolean {
  const want = digest(tcp, skb, putAddressesOf(tcp.md5.pseudo, 0, skb, false), key.key);
  let wrong = 0;
  for (let i = 0; i < want.length; i++) wrong |= want[i]! ^ skb.buf[at + i]!;
  return wrong === 0;
}
