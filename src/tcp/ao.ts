/**
 * The TCP Authentication Option (RFC 5925; algorithms RFC 5926), keys and codes.
 *
 *   from  tcp/ao-sockopt.ts    TCP_AO_ADD_KEY and its kin
 *         tcp/auth.ts          tcpInboundAo, before anything else of a segment is looked at
 *         tcp/output.ts        tcpAoSign, tcpAoSignSynack, when header and data are complete
 *         tcp/reset.ts         tcpAoReplyKey, tcpAoSignReply
 *
 * A master key is for the peers of a prefix. From it, the addresses, the ports and both ISNs a connection derives its traffic keys, one
 * for each direction; those sign each segment together with the upper half of a 64-bit sequence number, the SNE. Each segment names
 * its key, and the one that its sender would like to see next: so keys change without a break. Linux's order and words.
 */
import { Mib } from '../dev/mib.ts';
import { assert } from '../lib/assert.ts';
import { AesCmac } from '../lib/aes-cmac.ts';
import { in6IsV4Mapped, type In6Addr } from '../lib/addr6.ts';
import { copy, get16, get8, put16, put32, put8 } from '../lib/bytes.ts';
import type { Mac } from '../lib/mac.ts';
import { HmacSha1 } from '../lib/sha1.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import {
  TCP_AO_KEYF_EXCLUDE_OPT, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT, TCPF_LISTEN, TCPF_SYN_RECV, TCPF_SYN_SENT,
} from '../sock/constants.ts';
import { TCPOLEN_AO_BASE, TCPOPT_AO, TCPOPT_NOP } from '../wire/tcp-options.ts';
import { TCP_CHECK, TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_HLEN_MIN, thHlen } from '../wire/tcp.ts';
import type { TcpProto } from './proto.ts';
import type { RequestSock } from './request-sock.ts';
import { peerOf, putAddresses, putAddressesOf, putPseudoEnd, senderOf, sharePrefix } from './signature.ts';
import type { TcpSock } from './sock.ts';
import type { TimewaitSock } from './timewait-sock.ts';

/** RFC 5926 §3.1.1: what every derivation says, between a counter and the context. */
const LABEL: readonly number[] = [1, ...new TextEncoder().encode('TCP-AO')];
/** The longest context: both addresses, ports and ISNs; with label and length. */
const KDF_INPUT_MAX: number = LABEL.length + 2 * 16 + 2 * 2 + 2 * 4 + 2;
/** SNE and the pseudo-header of IPv6. */
const PSEUDO_MAX: number = 4 + 40;
const HEADER_MAX = 60;
/** The longest code that any algorithm makes. */
const DIGEST_MAX = 20;
/** The states in which the ISNs are not yet known for sure. */
const TCPF_HANDSHAKE: number = TCPF_LISTEN | TCPF_SYN_SENT | TCPF_SYN_RECV;

/** The algorithms, as a program names them, and where their code is in the scratch. */
export const AO_ALGORITHMS: readonly string[] = ['hmac(sha1)', 'cmac(aes128)'];

/** A master key tuple (RFC 5925 §3.1). On a connection it holds the traffic keys, too. */
export class TcpAoKey {
  readonly addr: In6Addr;
  /** Of the 128 bits. */
  readonly prefixLen: number;
  /** For IPv4's addresses, or for IPv6's; a prefix of length 0 does not tell. */
  readonly v4: boolean;
  /** The key ID that we send with it, and the one that comes in. */
  readonly sndid: number;
  readonly rcvid: number;
  /** Place in AO_ALGORITHMS; bytes of a code; TCP_AO_KEYF_*. */
  readonly alg: number;
  readonly maclen: number;
  readonly keyflags: number;
  /** As it was given, and made ready. */
  readonly bytes: Uint8Array;
  readonly master: Int32Array;
  /** The traffic keys of what we send and receive, once both ISNs are known. */
  sndOther: Int32Array | null = null;
  rcvOther: Int32Array | null = null;
  pktGood = 0;
  pktBad = 0;

  constructor(
    addr: In6Addr, prefixLen: number, v4: boolean, sndid: number, rcvid: number,
    alg: number, maclen: number, keyflags: number, bytes: Uint8Array, master: Int32Array,
  ) {
    this.addr = addr;
    this.prefixLen = prefixLen;
    this.v4 = v4;
    this.sndid = sndid;
    this.rcvid = rcvid;
    this.alg = alg;
    this.maclen = maclen;
    this.keyflags = keyflags;
    this.bytes = bytes;
    this.master = master;
  }
}

/** TCP-AO of a socket (Linux: struct tcp_ao_info). A TIME_WAIT takes it over. */
export class TcpAoInfo {
  /** The newest first. */
  keys: TcpAoKey[] = [];
  /** With which we sign, and the one that we ask the peer to sign with; null at listeners and before connect(). */
  currentKey: TcpAoKey | null = null;
  rnextKey: TcpAoKey | null = null;
  /** Peers without a key are not heard at all. */
  aoRequired = false;
  acceptIcmps = false;
  /** RFC 5925 §6.2: how often the numbers sent and received have gone round, and at which number that was known. */
  sndSne = 0;
  sndBasis = 0;
  rcvSne = 0;
  rcvBasis = 0;
  pktGood = 0;
  pktBad = 0;
  keyNotFound = 0;
  required = 0;
  droppedIcmps = 0;
}

/** What signing needs, one per host that signs. */
export class AoScratch {
  readonly macs: readonly Mac[] = [new HmacSha1(), new AesCmac()];
  readonly kdf: Uint8Array = new Uint8Array(KDF_INPUT_MAX);
  readonly pseudo: Uint8Array = new Uint8Array(PSEUDO_MAX);
  readonly header: Uint8Array = new Uint8Array(HEADER_MAX);
  readonly digest: Uint8Array = new Uint8Array(DIGEST_MAX);
  /** The key and the number for an answer (`tcpAoReplyKey`). */
  replyKey: TcpAoKey | null = null;
  replyTraffic: Int32Array | null = null;
  replyRnext = 0;
  replySne = 0;
}

/** The host's, made when it is needed first. */
export function aoScratch(tcp: TcpProto): AoScratch {
  tcp.ao ??= new AoScratch();
  return tcp.ao;
}

// ---- which key

/** The newest key for a peer with these IDs (-1: whichever), or null. */
export function tcpAoLookup(info: TcpAoInfo, peer: In6Addr, sndid: number, rcvid: number): TcpAoKey | null {
  const v4 = in6IsV4Mapped(peer);
  for (const key of info.keys) {
    if ((sndid >= 0 && key.sndid !== sndid) || (rcvid >= 0 && key.rcvid !== rcvid)) continue;
    if (key.v4 === v4 && sharePrefix(key.addr, peer, key.prefixLen)) return key;
  }
  return null;
}

/** A connection's key with these IDs: all of its keys are for its peer. */
export function tcpAoEstablishedKey(info: TcpAoInfo, sndid: number, rcvid: number): TcpAoKey | null {
  for (const key of info.keys) {
    if ((sndid < 0 || key.sndid === sndid) && (rcvid < 0 || key.rcvid === rcvid)) return key;
  }
  return null;
}

/** Must what comes from this peer be signed? With `count`, what comes was not. */
export function tcpAoRequired(tp: TcpSock, peer: In6Addr, count: boolean): boolean {
  const { ao } = tp;
  if (ao === null || (!ao.aoRequired && tcpAoLookup(ao, peer, -1, -1) === null)) return false;
  if (count) {
    tp.net.inc(Mib.TcpExtTCPAORequired);
    ao.required++;
  }
  return true;
}

/** Bytes that the option takes in a header, with its padding. */
export function tcpAoLenAligned(key: TcpAoKey): number {
  return (TCPOLEN_AO_BASE + key.maclen + 3) & ~3;
}

/**
 * connect(): keys for others go, the first that is left signs, unless the program has chosen. The ISS is known (`writeSeq`).
 * Linux: tcp_ao_connect_init.
 */
export function tcpAoConnectInit(tp: TcpSock, info: TcpAoInfo): void {
  const peer = peerOf(tp);
  const v4 = in6IsV4Mapped(peer);
  info.keys = info.keys.filter((key) => key.v4 === v4 && sharePrefix(key.addr, peer, key.prefixLen));
  for (const key of info.keys) {
    key.sndOther = null;
    key.rcvOther = null;
  }
  const first = info.keys[0]!;
  if (info.currentKey === null || !info.keys.includes(info.currentKey)) info.currentKey = first;
  if (info.rnextKey === null || !info.keys.includes(info.rnextKey)) info.rnextKey = first;
  info.sndSne = 0;
  info.sndBasis = tp.writeSeq;
  info.rcvSne = 0;
}

/** The peer's SYN is here: its numbers begin at `irs`. */
export function tcpAoTakeSyn(info: TcpAoInfo, irs: number): void {
  info.rcvSne = 0;
  info.rcvBasis = irs;
}

/** An accepted connection whose SYN was signed gets the keys for its peer; it signs with the one that the SYN asked for. */
export function tcpAoInherit(ao: TcpAoInfo, child: TcpSock, req: RequestSock): void {
  const peer = peerOf(child);
  const v4 = in6IsV4Mapped(peer);
  const info = new TcpAoInfo();
  info.aoRequired = ao.aoRequired;
  info.acceptIcmps = ao.acceptIcmps;
  for (const key of ao.keys) {
    if (key.v4 === v4 && sharePrefix(key.addr, peer, key.prefixLen)) info.keys.unshift(copyKey(key));
  }
  assert(info.keys.length !== 0, 'a signed segment was believed without a key');
  info.currentKey = tcpAoEstablishedKey(info, req.aoKeyid, -1) ?? info.keys[0]!;
  info.rnextKey = tcpAoEstablishedKey(info, -1, req.aoRcvNext) ?? info.keys[0]!;
  info.sndBasis = req.sntIsn;
  info.rcvBasis = req.rcvIsn;
  child.ao = info;
}

function copyKey(k: TcpAoKey): TcpAoKey {
  return new TcpAoKey(k.addr, k.prefixLen, k.v4, k.sndid, k.rcvid, k.alg, k.maclen, k.keyflags, k.bytes, k.master);
}

/** The state of a connection goes on in its TIME_WAIT, which may have to sign with any of the keys. */
export function tcpAoTimeWait(tp: TcpSock, info: TcpAoInfo): TcpAoInfo {
  for (const key of info.keys) sndOther(tp, key);
  refreshSne(tp, info);
  return info;
}

// ---- traffic keys

/**
 * RFC 5926 §3.1.1: the traffic key of one direction. The addresses (`addrLen` bytes of each) are in the scratch already, from byte
 * LABEL.length on; ports and ISNs are in the order of the way, source first.
 */
function deriveKey(
  s: AoScratch, key: TcpAoKey, addrLen: number, sport: number, dport: number, sisn: number, disn: number,
): Int32Array {
  const { kdf } = s;
  const mac = s.macs[key.alg]!;
  kdf.set(LABEL);
  const at = LABEL.length + 2 * addrLen;
  put16(kdf, at, sport);
  put16(kdf, at + 2, dport);
  put32(kdf, at + 4, sisn);
  put32(kdf, at + 8, disn);
  put16(kdf, at + 12, 8 * mac.size);
  mac.begin(key.master);
  mac.update(kdf, 0, at + 14);
  mac.digest(s.digest);
  return mac.expand(s.digest.slice(0, mac.size));
}

/** Of what we send, with these ISNs. */
function sendKey(tp: TcpSock, key: TcpAoKey, sisn: number, disn: number): Int32Array {
  const s = aoScratch(tp.tcp);
  const len = putAddresses(s.kdf, LABEL.length, tp.v6Saddr ?? tp.saddr, tp.v6Daddr ?? tp.daddr);
  return deriveKey(s, key, len, tp.num, tp.dport, sisn, disn);
}

/** Of what the peer sends us. */
function rcvOther(tp: TcpSock, key: TcpAoKey): Int32Array {
  if (key.rcvOther === null) {
    const s = aoScratch(tp.tcp);
    const len = putAddresses(s.kdf, LABEL.length, tp.v6Daddr ?? tp.daddr, tp.v6Saddr ?? tp.saddr);
    key.rcvOther = deriveKey(s, key, len, tp.dport, tp.num, tp.irs, tp.iss);
  }
  return key.rcvOther;
}

function sndOther(tp: TcpSock, key: TcpAoKey): Int32Array {
  key.sndOther ??= sendKey(tp, key, tp.iss, tp.irs);
  return key.sndOther;
}

/** Of the way that `skb` has come, or with `reply` of the way back. */
function skbKey(tcp: TcpProto, key: TcpAoKey, skb: SkBuff, reply: boolean, sisn: number, disn: number): Int32Array {
  const s = aoScratch(tcp);
  const { buf, th } = skb;
  const len = putAddressesOf(s.kdf, LABEL.length, skb, reply);
  const [sport, dport] = reply ? [get16(buf, th + 2), get16(buf, th)] : [get16(buf, th), get16(buf, th + 2)];
  return deriveKey(s, key, len, sport, dport, sisn, disn);
}

// ---- codes

/** RFC 5925 §6.2: the upper half of `seq`, when that of `nextSeq`, near which it lies, is `nextSne`. */
export function tcpAoComputeSne(nextSne: number, nextSeq: number, seq: number): number {
  const ahead = ((seq - nextSeq) | 0) >= 0;
  if (ahead) return (seq >>> 0) < (nextSeq >>> 0) ? (nextSne + 1) >>> 0 : nextSne;
  return (seq >>> 0) > (nextSeq >>> 0) ? (nextSne - 1) >>> 0 : nextSne;
}

/**
 * Brings both SNEs up to SND.UNA and RCV.NXT. Neither moves by half the circle between two segments, and each segment comes by here:
 * the ways that move them know nothing of it.
 */
function refreshSne(tp: TcpSock, info: TcpAoInfo): void {
  info.sndSne = tcpAoComputeSne(info.sndSne, info.sndBasis, tp.sndUna);
  info.sndBasis = tp.sndUna;
  info.rcvSne = tcpAoComputeSne(info.rcvSne, info.rcvBasis, tp.rcvNxt);
  info.rcvBasis = tp.rcvNxt;
}

/**
 * RFC 5925 §5.1: SNE, pseudo-header, header with a checksum and a code of zero (its other options only if the key says so), data.
 * `skb.data` is at the TCP header, the code belongs at `at`; the addresses are in the scratch already, from byte 4 on.
 */
function computeMac(
  s: AoScratch, skb: SkBuff, at: number, key: TcpAoKey, traffic: Int32Array, sne: number, addrLen: number,
): Uint8Array {
  const { pseudo, header, digest } = s;
  const { buf, data } = skb;
  const hlen = thHlen(buf, data);
  const mac = s.macs[key.alg]!;
  put32(pseudo, 0, sne);
  const end = putPseudoEnd(pseudo, 4 + 2 * addrLen, addrLen, skb.len);
  copy(header, 0, buf, data, hlen);
  put16(header, TCP_CHECK, 0);
  header.fill(0, at - data, at - data + key.maclen);
  mac.begin(traffic);
  mac.update(pseudo, 0, end);
  if ((key.keyflags & TCP_AO_KEYF_EXCLUDE_OPT) === 0) {
    mac.update(header, 0, hlen);
  } else {
    mac.update(header, 0, TCP_HLEN_MIN);
    mac.update(header, at - data - TCPOLEN_AO_BASE, TCPOLEN_AO_BASE + key.maclen);
  }
  mac.update(buf, data + hlen, skb.tail - data - hlen);
  for (let i = 0; i < skb.nrFrags; i++) {
    const frag = skb.frags[i]!;
    mac.update(frag.page!.bytes, frag.off, frag.len);
  }
  mac.digest(digest);
  return digest;
}

/** Writes the option without its code, which begins 4 bytes on, and the nops behind it; returns the bytes. */
export function tcpWriteAo(buf: Uint8Array, off: number, key: TcpAoKey, keyid: number, rnext: number): number {
  const len = TCPOLEN_AO_BASE + key.maclen;
  const aligned = tcpAoLenAligned(key);
  put8(buf, off, TCPOPT_AO);
  put8(buf, off + 1, len);
  put8(buf, off + 2, keyid);
  put8(buf, off + 3, rnext);
  buf.fill(TCPOPT_NOP, off + len, off + aligned);
  return aligned;
}

/** Signs a segment of a connection; its code is written at `at`. */
export function tcpAoSign(tp: TcpSock, info: TcpAoInfo, skb: SkBuff, at: number, flags: number, seq: number): void {
  const s = aoScratch(tp.tcp);
  const key = info.currentKey!;
  const syn = (flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) === TCP_FLAG_SYN;
  const traffic = syn ? sendKey(tp, key, tp.iss, 0) : sndOther(tp, key);
  refreshSne(tp, info);
  const len = putAddresses(s.pseudo, 4, tp.v6Saddr ?? tp.saddr, tp.v6Daddr ?? tp.daddr);
  copy(skb.buf, at, computeMac(s, skb, at, key, traffic, tcpAoComputeSne(info.sndSne, info.sndBasis, seq), len), 0, key.maclen);
}

/** What the option of a SYN at `aoAt` (-1: none) asks for. */
export function tcpAoRequest(req: RequestSock, syn: SkBuff, aoAt: number): void {
  if (aoAt < 0) return;
  req.aoUsed = true;
  req.aoRcvNext = get8(syn.buf, aoAt + 2);
  req.aoKeyid = get8(syn.buf, aoAt + 3);
}

/** The ACK of a SYN cookie has an option at `aoAt`: was its handshake signed? Linux: tcp_ao_syncookie. */
export function tcpAoSyncookie(tp: TcpSock, req: RequestSock, ack: SkBuff, aoAt: number): void {
  if (tp.ao === null || aoAt < 0 || tcpAoLookup(tp.ao, senderOf(ack), -1, get8(ack.buf, aoAt + 2)) === null) return;
  tcpAoRequest(req, ack, aoAt);
}

/**
 * RFC 5925 §7.8: hard errors of ICMP end no synchronised connection that is signed, unless its program says so (TCP_AO_INFO). True:
 * this one is ignored, and counted. `hard`: it is one of those that the clause names.
 */
export function tcpAoIgnoreIcmp(sk: TcpSock | TimewaitSock, hard: boolean): boolean {
  const { ao } = sk;
  if (ao === null || ao.acceptIcmps || !hard || ((1 << sk.state) & TCPF_HANDSHAKE) !== 0) return false;
  sk.tcp.net.inc(Mib.TcpExtTCPAODroppedIcmps);
  ao.droppedIcmps++;
  return true;
}

/** The key for the SYN-ACK of a request: the one that the SYN asked for, or null, and then there is no answer. */
export function tcpAoSynackKey(tp: TcpSock, req: RequestSock): TcpAoKey | null {
  return tp.ao === null ? null : tcpAoLookup(tp.ao, peerOf(req), req.aoKeyid, -1);
}

/** Signs a SYN-ACK. */
export function tcpAoSignSynack(tcp: TcpProto, req: RequestSock, key: TcpAoKey, skb: SkBuff, at: number): void {
  const s = aoScratch(tcp);
  const [from, to] = [req.v6Saddr ?? req.saddr, req.v6Daddr ?? req.daddr];
  const traffic = deriveKey(s, key, putAddresses(s.kdf, LABEL.length, from, to), req.num, req.dport, req.sntIsn, req.rcvIsn);
  copy(skb.buf, at, computeMac(s, skb, at, key, traffic, 0, putAddresses(s.pseudo, 4, from, to)), 0, key.maclen);
}

// ---- answers without a socket of their own

/**
 * The key with which the segment `to` is to be answered, its traffic key and the rest in the host's scratch. Its signature is at `aoAt`.
 * False: there is none, and an unsigned answer would not be believed.
 *
 * @param seq the number of the answer
 */
export function tcpAoReplyKey(owner: TcpSock | TimewaitSock | null, to: SkBuff, aoAt: number, seq: number): boolean {
  if (owner === null || owner.ao === null) return false;
  const info = owner.ao;
  const s = aoScratch(owner.tcp);
  const wanted = get8(to.buf, aoAt + 3);
  if (owner.state === TCP_LISTEN || owner.state === TCP_SYN_SENT) {
    const key = tcpAoLookup(info, senderOf(to), wanted, -1);
    if (key === null) return false;
    // The ISNs are those with which the segment was believed.
    const ours = (to.tcpFlags & TCP_FLAG_ACK) === 0 ? 0 : (to.ackSeq - 1) | 0;
    const theirs = (to.tcpFlags & TCP_FLAG_SYN) === 0 ? (to.seq - 1) | 0 : to.seq;
    setReply(s, key, skbKey(owner.tcp, key, to, true, ours, theirs), key.rcvid, 0);
    return true;
  }
  const key = tcpAoEstablishedKey(info, wanted, -1);
  if (key === null) return false;
  const traffic = 'sndUna' in owner ? sndOther(owner, key) : key.sndOther!;
  setReply(s, key, traffic, info.rnextKey!.rcvid, tcpAoComputeSne(info.sndSne, info.sndBasis, seq));
  return true;
}

/** The same for the peer of a half-open connection, whose segment was out of the window. Any key of the peer will do. */
export function tcpAoReqReplyKey(tp: TcpSock, req: RequestSock, to: SkBuff, aoAt: number): boolean {
  if (tp.ao === null || aoAt < 0) return false;
  const peer = senderOf(to);
  const key = tcpAoLookup(tp.ao, peer, get8(to.buf, aoAt + 3), -1) ?? tcpAoLookup(tp.ao, peer, -1, -1);
  if (key === null) return false;
  setReply(aoScratch(tp.tcp), key, skbKey(tp.tcp, key, to, true, req.sntIsn, req.rcvIsn), get8(to.buf, aoAt + 2), 0);
  return true;
}

function setReply(s: AoScratch, key: TcpAoKey, traffic: Int32Array, rnext: number, sne: number): void {
  s.replyKey = key;
  s.replyTraffic = traffic;
  s.replyRnext = rnext;
  s.replySne = sne;
}

/** Signs the answer `skb` to the segment `to` with what `tcpAoReplyKey` has found; its option is written at `at`. */
export function tcpAoSignReply(s: AoScratch, skb: SkBuff, at: number, to: SkBuff): void {
  const key = s.replyKey!;
  tcpWriteAo(skb.buf, at, key, key.sndid, s.replyRnext);
  const len = putAddressesOf(s.pseudo, 4, to, true);
  const mac = at + TCPOLEN_AO_BASE;
  copy(skb.buf, mac, computeMac(s, skb, mac, key, s.replyTraffic!, s.replySne, len), 0, key.maclen);
}

// ---- what comes in

/**
 * A segment with an option at `at`: 0, or why it is dropped. Linux: tcp_inbound_ao_hash.
 *
 * @param req the half-open connection that it is for; `tp` is the listener then
 */
export function tcpInboundAo(tp: TcpSock, req: RequestSock | null, skb: SkBuff, at: number): Drop {
  const info = tp.ao;
  if (info === null) {
    tp.net.inc(Mib.TcpExtTCPAOKeyNotFound);
    return Drop.TcpAoUnexpected;
  }
  const keyid = get8(skb.buf, at + 2);
  if (((1 << tp.state) & TCPF_HANDSHAKE) !== 0) return handshakeSegment(tp, info, req, skb, at);
  let key = info.rnextKey!.rcvid === keyid ? info.rnextKey : tcpAoEstablishedKey(info, -1, keyid);
  if (key === null) return keyNotFound(tp, info);
  if ((skb.tcpFlags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) === TCP_FLAG_SYN) {
    // A SYN that comes late: it was signed before our ISN was known.
    return verify(tp, info, skb, at, key, skbKey(tp.tcp, key, skb, false, skb.seq, 0), 0);
  }
  refreshSne(tp, info);
  const bad = verify(tp, info, skb, at, key, rcvOther(tp, key), tcpAoComputeSne(info.rcvSne, info.rcvBasis, skb.seq));
  if (bad !== Drop.NotDropped) return bad;
  // RFC 5925 §6.1: the peer would like to see another key.
  const rnext = get8(skb.buf, at + 3);
  if (rnext !== info.currentKey!.sndid) {
    key = tcpAoEstablishedKey(info, rnext, -1);
    if (key !== null) info.currentKey = key;
  }
  return Drop.NotDropped;
}

/** The traffic keys depend on what is known of the ISNs. */
function handshakeSegment(tp: TcpSock, info: TcpAoInfo, req: RequestSock | null, skb: SkBuff, at: number): Drop {
  const key = tcpAoLookup(info, senderOf(skb), -1, get8(skb.buf, at + 2));
  if (key === null) return keyNotFound(tp, info);
  const flags = skb.tcpFlags;
  const syn = (flags & TCP_FLAG_SYN) !== 0;
  const ack = (flags & TCP_FLAG_ACK) !== 0;
  let sisn = skb.seq;
  let disn = 0;
  let sne = 0;
  if (!syn || ack) {
    if (tp.state !== TCP_LISTEN) {
      disn = tp.iss;
      // Differs: Linux takes the number of a reset for the peer's ISN in SYN_RECV, too, and so believes none there.
      if (!syn && (tp.state === TCP_SYN_RECV || (flags & TCP_FLAG_RST) === 0)) sisn = tp.irs;
      if (tp.state === TCP_SYN_RECV) sne = tcpAoComputeSne(0, tp.irs, skb.seq);
    } else if (req !== null) {
      sisn = req.rcvIsn;
      disn = req.sntIsn;
      sne = tcpAoComputeSne(0, req.rcvIsn, skb.seq);
    } else if (ack && !syn) {
      // A SYN cookie may come back.
      sisn = (skb.seq - 1) | 0;
      disn = (skb.ackSeq - 1) | 0;
      sne = tcpAoComputeSne(0, sisn, skb.seq);
    } else if (!syn) {
      return Drop.TcpFlags;
    }
  }
  return verify(tp, info, skb, at, key, skbKey(tp.tcp, key, skb, false, sisn, disn), sne);
}

function keyNotFound(tp: TcpSock, info: TcpAoInfo): Drop {
  tp.net.inc(Mib.TcpExtTCPAOKeyNotFound);
  info.keyNotFound++;
  return Drop.TcpAoKeyNotFound;
}

function verify(tp: TcpSock, info: TcpAoInfo, skb: SkBuff, at: number, key: TcpAoKey, traffic: Int32Array, sne: number): Drop {
  const { tcp, net } = tp;
  const s = aoScratch(tcp);
  const { buf } = skb;
  const mac = at + TCPOLEN_AO_BASE;
  let wrong = get8(buf, at + 1) - TCPOLEN_AO_BASE ^ key.maclen;
  if (wrong === 0) {
    const want = computeMac(s, skb, mac, key, traffic, sne, putAddressesOf(s.pseudo, 4, skb, false));
    for (let i = 0; i < key.maclen; i++) wrong |= want[i]! ^ buf[mac + i]!;
  }
  if (wrong !== 0) {
    net.inc(Mib.TcpExtTCPAOBad);
    info.pktBad++;
    key.pktBad++;
    return Drop.TcpAoFailure;
  }
  net.inc(Mib.TcpExtTCPAOGood);
  info.pktGood++;
  key.pktGood++;
  return Drop.NotDropped;
}
