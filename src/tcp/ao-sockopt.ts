/**
 * The socket options of TCP-AO: TCP_AO_ADD_KEY, TCP_AO_DEL_KEY, TCP_AO_INFO, TCP_AO_GET_KEYS, with Linux's rules and errnos. There is no
 * memory to lay out: the structs of linux/tcp.h are objects here, and TCP_AO_GET_KEYS gives all keys at once.
 */
import { in6Equal, in6FromV4, in6IsAny, in6IsV4Mapped, in6Prefix, type In6Addr, formatIpv6, parseIpv6 } from '../lib/addr6.ts';
import { formatIpv4, parseIpv4 } from '../lib/addr.ts';
import { EBUSY, EEXIST, EINVAL, EISCONN, EKEYREJECTED, EMSGSIZE, ENOENT, ENOMEM } from '../lib/errno.ts';
import {
  AF_INET6, TCP_AO_ADD_KEY, TCP_AO_DEL_KEY, TCP_AO_KEYF_EXCLUDE_OPT, TCP_LISTEN, TCPF_CLOSE, TCPF_LISTEN,
} from '../sock/constants.ts';
import { SockoptError, type SockoptValue } from '../sock/sock.ts';
import { MAX_TCP_OPTION_SPACE, TCPOLEN_MSS, TCPOLEN_TSTAMP_ALIGNED } from '../wire/tcp-options.ts';
import { AO_ALGORITHMS, type AoScratch, aoScratch, TcpAoInfo, TcpAoKey, tcpAoEstablishedKey } from './ao.ts';
import { tcpMd5Lookup } from './md5.ts';
import { peerOf, sharePrefix } from './signature.ts';
import type { TcpSock } from './sock.ts';

/** Longest key (Linux: TCP_AO_MAXKEYLEN); bytes of a code when the program does not say (RFC 5925 §2.2: 96 bits). */
const TCP_AO_MAXKEYLEN = 80;
const MACLEN_DEFAULT = 12;
/** RFC 5926 §3.1.1.2: keys of another length are made one of this. */
const CMAC_KEY_LEN = 16;
/** What a SYN leaves beside MSS, timestamps with SACK-permitted, and window scale. */
const SYN_SPACE: number = MAX_TCP_OPTION_SPACE - TCPOLEN_MSS - TCPOLEN_TSTAMP_ALIGNED - 4;
/** Keys of one socket. Linux bounds them by net.core.optmem_max. */
const MAX_KEYS = 1024;

/** Whom a key is for, and its IDs. */
interface KeyName {
  /** IPv4 or IPv6; any (`0.0.0.0`, `::`) with a prefix length of 0. */
  readonly address: string;
  /** Bits; left out: the whole address. */
  readonly prefix?: number | undefined;
  readonly sndid: number;
  readonly rcvid: number;
  /** TCP_AO_KEYF_EXCLUDE_OPT, or 0. */
  readonly keyflags?: number | undefined;
}

/** The value of TCP_AO_ADD_KEY (struct tcp_ao_add). */
export interface TcpAoAdd extends KeyName {
  /** `hmac(sha1)` or `cmac(aes128)`. */
  readonly algName: string;
  /** At most 80 bytes; text is UTF-8. */
  readonly key: Uint8Array | string;
  /** Bytes of a code, 0 (the default) for 12, at most 16. */
  readonly maclen?: number | undefined;
  /** It signs from now on; it is what the peer is asked to sign with. Not for listeners. */
  readonly setCurrent?: boolean | undefined;
  readonly setRnext?: boolean | undefined;
}

/** The value of TCP_AO_DEL_KEY (struct tcp_ao_del). A key that is in use goes only when others take its place in the same call. */
export interface TcpAoDel extends KeyName {
  /** The sndid of the key that signs from now on. */
  readonly currentKey?: number | undefined;
  /** The rcvid of the key that the peer is to use. */
  readonly rnext?: number | undefined;
  /** Of a listener, which is what this is for. */
  readonly delAsync?: boolean | undefined;
}

/** The value of TCP_AO_INFO (struct tcp_ao_info_opt). Setting: what is left out stays as it is, but for the two flags, which are off. */
export interface TcpAoInfoOpt {
  /** The sndid of the key that signs; undefined: there is none yet. */
  currentKey?: number | undefined;
  /** The rcvid of the key that the peer is asked to use. */
  rnext?: number | undefined;
  /** Refuse all peers that have no key. */
  aoRequired?: boolean;
  /** Believe ICMP's hard errors in spite of RFC 5925 §7.8. */
  acceptIcmps?: boolean;
  /** Segments. All five together, or none. */
  pktGood?: number;
  pktBad?: number;
  pktKeyNotFound?: number;
  pktAoRequired?: number;
  pktDroppedIcmp?: number;
}

/** One of the values of TCP_AO_GET_KEYS (struct tcp_ao_getsockopt). */
export interface TcpAoKeyInfo {
  address: string;
  prefix: number;
  sndid: number;
  rcvid: number;
  algName: string;
  key: Uint8Array;
  maclen: number;
  keyflags: number;
  isCurrent: boolean;
  isRnext: boolean;
  pktGood: number;
  pktBad: number;
}

const encoder = new TextEncoder();

/**
 * setsockopt(): 0, or -EINVAL (a field is not as it must be), -EISCONN (too late: the connection is unsigned), -EEXIST (its IDs are
 * another key's), -ENOENT (no such key or algorithm), -EBUSY (in use), -EMSGSIZE (no room in a SYN), -EKEYREJECTED (the peer has MD5).
 */
export function tcpAoSetsockopt(tp: TcpSock, name: number, value: SockoptValue): number {
  if (tp.ao === null && ((1 << tp.state) & (TCPF_CLOSE | TCPF_LISTEN)) === 0) return -EISCONN;
  if (typeof value !== 'object') return -EINVAL;
  if (name === TCP_AO_ADD_KEY) return addKey(tp, value);
  return name === TCP_AO_DEL_KEY ? deleteKey(tp, value) : setInfo(tp, value);
}

/** What a program hands over may be anything. */
type Unsure<T> = { readonly [K in keyof T]?: unknown };

function isByte(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255;
}

function isByteOrNone(value: unknown): value is number | undefined {
  return value === undefined || isByte(value);
}

// ---- adding

function addKey(tp: TcpSock, cmd: Unsure<TcpAoAdd>): number {
  const { sndid, rcvid, keyflags = 0, setCurrent, setRnext } = cmd;
  if (!isByte(sndid) || !isByte(rcvid) || (keyflags !== 0 && keyflags !== TCP_AO_KEYF_EXCLUDE_OPT)) return -EINVAL;
  const steer = setCurrent === true || setRnext === true;
  if (steer && tp.state === TCP_LISTEN) return -EINVAL;
  const whom = parseWhom(tp, cmd, true);
  if (whom === null) return -EINVAL;
  const material = keyMaterial(tp, cmd);
  if (typeof material === 'number') return material;
  if (tcpMd5Lookup(tp.md5Keys, whom.addr) !== null) return -EKEYREJECTED;
  const info = tp.ao ?? new TcpAoInfo();
  if (info.keys.some((k) => overlaps(k, whom) && (k.rcvid === rcvid || k.sndid === sndid))) return -EEXIST;
  if (info.keys.length >= MAX_KEYS) return -ENOMEM;
  const key = new TcpAoKey(
    whom.addr, whom.prefixLen, whom.v4, sndid, rcvid, material.alg, material.maclen, keyflags, material.bytes, material.master,
  );
  info.keys.unshift(key);
  if (setCurrent === true) info.currentKey = key;
  if (setRnext === true) info.rnextKey = key;
  use(tp, info);
  return 0;
}

/** Each segment has a code of its own: no super-packets from here on. */
function use(tp: TcpSock, info: TcpAoInfo): void {
  tp.ao = info;
  tp.gsoMaxSegs = 1;
}

/** RFC 5925 §3.1: the IDs must not be the same where the peers overlap. */
function overlaps(key: TcpAoKey, whom: Whom): boolean {
  return key.v4 === whom.v4 && sharePrefix(key.addr, whom.addr, Math.min(key.prefixLen, whom.prefixLen));
}

interface Whom {
  readonly addr: In6Addr;
  /** Of 128 bits. */
  readonly prefixLen: number;
  readonly v4: boolean;
}

/** Whom a key is for, or null: no address of the socket's family, bits behind the prefix, another one than the socket's peer. */
function parseWhom(tp: TcpSock, { address, prefix }: Unsure<KeyName>, strict: boolean): Whom | null {
  if (typeof address !== 'string') return null;
  const four = parseIpv4(address);
  const addr = four === null ? parseIpv6(address) : in6FromV4(four);
  if (addr === null || (four === null && tp.family !== AF_INET6)) return null;
  const v4 = in6IsV4Mapped(addr);
  const bits = v4 ? 32 : 128;
  const len = prefix ?? bits;
  if (typeof len !== 'number' || !Number.isInteger(len) || len < 0 || len > bits) return null;
  const prefixLen = 128 - bits + len;
  if (!strict) return { addr, prefixLen, v4 };
  const any = v4 ? addr.d === 0 : in6IsAny(addr);
  if ((len === 0) !== any || !in6Equal(in6Prefix(addr, prefixLen), addr)) return null;
  const peer = peerOf(tp);
  const connected = tp.v6Daddr === null ? tp.daddr !== 0 : !in6IsAny(peer);
  return len !== 0 && connected && !sharePrefix(addr, peer, prefixLen) ? null : { addr, prefixLen, v4 };
}

interface Material {
  readonly alg: number;
  readonly maclen: number;
  readonly bytes: Uint8Array;
  readonly master: Int32Array;
}

/** Algorithm, length of the code and key, or what is wrong with them. */
function keyMaterial(tp: TcpSock, { algName, maclen = 0, key }: Unsure<TcpAoAdd>): Material | number {
  const bytes = typeof key === 'string' ? encoder.encode(key) : key;
  if (!(bytes instanceof Uint8Array) || bytes.length > TCP_AO_MAXKEYLEN || !isByte(maclen)) return -EINVAL;
  const alg = typeof algName === 'string' ? AO_ALGORITHMS.indexOf(algName) : -1;
  if (alg < 0) return -ENOENT;
  const s = aoScratch(tp.tcp);
  const mac = s.macs[alg]!;
  const len = maclen === 0 ? MACLEN_DEFAULT : maclen;
  if (len > mac.size) return -EINVAL;
  if (((len + 7) & ~3) > SYN_SPACE) return -EMSGSIZE;
  return { alg, maclen: len, bytes: bytes.slice(), master: expandMaster(s, alg, bytes) };
}

function expandMaster(s: AoScratch, alg: number, bytes: Uint8Array): Int32Array {
  const mac = s.macs[alg]!;
  if (AO_ALGORITHMS[alg] !== 'cmac(aes128)' || bytes.length === CMAC_KEY_LEN) return mac.expand(bytes);
  const key = new Uint8Array(CMAC_KEY_LEN);
  mac.begin(mac.expand(key));
  mac.update(bytes, 0, bytes.length);
  mac.digest(key);
  return mac.expand(key);
}

// ---- taking away

function deleteKey(tp: TcpSock, cmd: Unsure<TcpAoDel>): number {
  const { sndid, rcvid, keyflags = 0, currentKey, rnext, delAsync } = cmd;
  const listening = tp.state === TCP_LISTEN;
  if (!isByte(sndid) || !isByte(rcvid) || !isByte(keyflags) || !isByteOrNone(currentKey) || !isByteOrNone(rnext)) return -EINVAL;
  if (listening && (currentKey !== undefined || rnext !== undefined)) return -EINVAL;
  const info = tp.ao;
  if (info === null) return -ENOENT;
  const newCurrent = currentKey === undefined ? null : tcpAoEstablishedKey(info, currentKey, -1);
  const newRnext = rnext === undefined ? null : tcpAoEstablishedKey(info, -1, rnext);
  if ((currentKey !== undefined && newCurrent === null) || (rnext !== undefined && newRnext === null)) return -ENOENT;
  if (delAsync === true && !listening) return -EINVAL;
  const whom = parseWhom(tp, cmd, false);
  if (whom === null) return -EINVAL;
  const at = info.keys.findIndex((k) => k.sndid === sndid && k.rcvid === rcvid && k.v4 === whom.v4
    && k.prefixLen === whom.prefixLen && in6Equal(k.addr, whom.addr) && k !== newCurrent && k !== newRnext);
  if (at < 0) return -ENOENT;
  const key = info.keys[at];
  if ((newCurrent ?? info.currentKey) === key || (newRnext ?? info.rnextKey) === key) return -EBUSY;
  info.keys.splice(at, 1);
  if (newCurrent !== null) info.currentKey = newCurrent;
  if (newRnext !== null) info.rnextKey = newRnext;
  return 0;
}

// ---- what holds for all

function setInfo(tp: TcpSock, cmd: Unsure<TcpAoInfoOpt>): number {
  const { currentKey, rnext, aoRequired = false, acceptIcmps = false } = cmd;
  if (!isByteOrNone(currentKey) || !isByteOrNone(rnext)) return -EINVAL;
  if (typeof aoRequired !== 'boolean' || typeof acceptIcmps !== 'boolean') return -EINVAL;
  if (tp.state === TCP_LISTEN && (currentKey !== undefined || rnext !== undefined)) return -EINVAL;
  const counters = [cmd.pktGood, cmd.pktBad, cmd.pktKeyNotFound, cmd.pktAoRequired, cmd.pktDroppedIcmp];
  const given = counters.filter(isCount);
  if (given.length !== 0 && given.length !== counters.length) return -EINVAL;
  if (aoRequired && tp.md5Keys !== null) return -EKEYREJECTED;
  const info = tp.ao ?? new TcpAoInfo();
  const newCurrent = currentKey === undefined ? null : tcpAoEstablishedKey(info, currentKey, -1);
  const newRnext = rnext === undefined ? null : tcpAoEstablishedKey(info, -1, rnext);
  if ((currentKey !== undefined && newCurrent === null) || (rnext !== undefined && newRnext === null)) return -ENOENT;
  if (given.length !== 0) {
    [info.pktGood, info.pktBad, info.keyNotFound, info.required, info.droppedIcmps] = given as [number, number, number, number, number];
  }
  info.aoRequired = aoRequired;
  info.acceptIcmps = acceptIcmps;
  if (newCurrent !== null) info.currentKey = newCurrent;
  if (newRnext !== null) info.rnextKey = newRnext;
  use(tp, info);
  return 0;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** getsockopt(TCP_AO_INFO): -ENOENT at a socket without TCP-AO. */
export function tcpAoGetInfo(tp: TcpSock): TcpAoInfoOpt | SockoptError {
  const info = tp.ao;
  if (info === null) return new SockoptError(-ENOENT);
  return {
    currentKey: info.currentKey?.sndid,
    rnext: info.rnextKey?.rcvid,
    aoRequired: info.aoRequired,
    acceptIcmps: info.acceptIcmps,
    pktGood: info.pktGood,
    pktBad: info.pktBad,
    pktKeyNotFound: info.keyNotFound,
    pktAoRequired: info.required,
    pktDroppedIcmp: info.droppedIcmps,
  };
}

/** getsockopt(TCP_AO_GET_KEYS): all keys, the newest first; -ENOENT at a socket without TCP-AO. */
export function tcpAoGetKeys(tp: TcpSock): TcpAoKeyInfo[] | SockoptError {
  const info = tp.ao;
  if (info === null) return new SockoptError(-ENOENT);
  return info.keys.map((key) => ({
    address: key.v4 && tp.family !== AF_INET6 ? formatIpv4(key.addr.d) : formatIpv6(key.addr),
    prefix: key.v4 ? key.prefixLen - 96 : key.prefixLen,
    sndid: key.sndid,
    rcvid: key.rcvid,
    algName: AO_ALGORITHMS[key.alg]!,
    key: key.bytes.slice(),
    maclen: key.maclen,
    keyflags: key.keyflags,
    isCurrent: key === info.currentKey,
    isRnext: key === info.rnextKey,
    pktGood: key.pktGood,
    pktBad: key.pktBad,
  }));
}
