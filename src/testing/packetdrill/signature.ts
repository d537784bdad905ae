/**
 * Signatures of RFC 2385 in scripts: `md5 ...` stands for the right one, by the key that the script gave its socket. What goes in
 * is signed, what comes out is verified; here over the bytes of the packet, apart from the stack's own way to do it.
 */
import { csumFold, csumIpv6Nofold, csumPartial, csumTcpudpNofold } from '../../lib/checksum.ts';
import { get16, get32, get8, put16 } from '../../lib/bytes.ts';
import { Md5 } from '../../lib/md5.ts';
import { IPPROTO_TCP } from '../../sock/constants.ts';
import { iphHlen } from '../../wire/ipv4.ts';
import { IPV6_HLEN } from '../../wire/ipv6.ts';
import { TCPOPT_EOL, TCPOPT_MD5SIG, TCPOPT_NOP } from '../../wire/tcp-options.ts';
import { TCP_CHECK, TCP_HLEN_MIN, thHlen } from '../../wire/tcp.ts';

const DIGEST_LEN = 16;

/** Signs an IP packet that has room for it (16 zeros in an option), and mends its checksum. */
export function signPacket(packet: Uint8Array, key: Uint8Array): void {
  const th = tcpHeader(packet);
  const at = digestAt(packet, th);
  if (at < 0 || !isZero(packet, at)) return;
  packet.set(digest(packet, th, key), at);
  checksumPacket(packet);
}

/** Computes the checksum of a TCP segment in an IP packet anew. */
export function checksumPacket(packet: Uint8Array): void {
  const th = tcpHeader(packet);
  put16(packet, th + TCP_CHECK, 0);
  const len = packet.length - th;
  const pseudo = th >= IPV6_HLEN && get8(packet, 0) >> 4 === 6
    ? csumIpv6Nofold(packet, 8, packet, 24, len, IPPROTO_TCP, 0)
    : csumTcpudpNofold(get32(packet, 12), get32(packet, 16), len, IPPROTO_TCP, 0);
  put16(packet, th + TCP_CHECK, csumFold(csumPartial(packet, th, len, pseudo)));
}

/** Is the signature of an IP packet the right one? False for one that has none. */
export function verifyPacket(packet: Uint8Array, key: Uint8Array): boolean {
  const th = tcpHeader(packet);
  const at = digestAt(packet, th);
  return at >= 0 && digest(packet, th, key).every((byte, i) => byte === packet[at + i]);
}

function tcpHeader(packet: Uint8Array): number {
  return get8(packet, 0) >> 4 === 6 ? IPV6_HLEN : iphHlen(packet, 0);
}

function isZero(packet: Uint8Array, at: number): boolean {
  for (let i = 0; i < DIGEST_LEN; i++) if (packet[at + i] !== 0) return false;
  return true;
}

function digestAt(packet: Uint8Array, th: number): number {
  const end = th + thHlen(packet, th);
  for (let at = th + TCP_HLEN_MIN; at + 1 < end;) {
    const kind = get8(packet, at);
    if (kind === TCPOPT_MD5SIG) return at + 2;
    if (kind === TCPOPT_EOL) return -1;
    at += kind === TCPOPT_NOP ? 1 : Math.max(2, get8(packet, at + 1));
  }
  return -1;
}

/** RFC 2385 §2.0. */
function digest(packet: Uint8Array, th: number, key: Uint8Array): Uint8Array {
  const len = packet.length - th;
  const v6 = get8(packet, 0) >> 4 === 6;
  const addresses = v6 ? packet.slice(8, 40) : packet.slice(12, 20);
  const rest = v6
    ? [0, 0, len >> 8, len & 0xff, 0, 0, 0, IPPROTO_TCP]
    : [0, IPPROTO_TCP, len >> 8, len & 0xff];
  const header = packet.slice(th, th + TCP_HLEN_MIN);
  header[TCP_CHECK] = 0;
  header[TCP_CHECK + 1] = 0;
  const data = packet.slice(th + ((get16(packet, th + 12) >> 12) << 2));
  const md5 = new Md5();
  md5.begin();
  for (const part of [addresses, Uint8Array.from(rest), header, data, key]) md5.update(part, 0, part.length);
  const out = new Uint8Array(DIGEST_LEN);
  md5.digest(out, 0);
  return out;
}
