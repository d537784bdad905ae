/**
 * Checksums of TCP and UDP over an skb: header area and payload references, wherever the bytes are, without a copy.
 *
 * The pseudo-header comes from the network header that `nh` points at, IPv4 or IPv6 by its version; `th` points at the
 * transport header. What follows the IP packet in the skb (padding of a short Ethernet frame) is not covered.
 */
import { get8, get16, get32, put16 } from '../lib/bytes.ts';
import { csumBlockAdd, csumFold, csumIpv6Nofold, csumPartial, csumTcpudpNofold } from '../lib/checksum.ts';
import { IPPROTO_TCP, IPPROTO_UDP, IPV4_DADDR, IPV4_PROTOCOL, IPV4_SADDR, IPV4_TOTAL_LEN } from '../wire/ipv4.ts';
import { TCP_CHECK } from '../wire/tcp.ts';
import { CSUM_MANGLED_0, UDP_CHECK } from '../wire/udp.ts';
import { CHECKSUM_NONE, type SkBuff } from './sk-buff.ts';

/** The sum of `len` bytes that start `off` bytes after `data`, added to `sum` (Linux: skb_checksum). Folded, 0..0xffff. */
export function skbChecksum(skb: SkBuff, off: number, len: number, sum: number): number {
  const head = skb.tail - skb.data;
  let total = sum;
  let skip = off;
  let left = len;
  let done = 0;
  if (skip < head) {
    const n = Math.min(head - skip, left);
    total = csumPartial(skb.buf, skb.data + skip, n, total);
    done = n;
    left -= n;
    skip = 0;
  } else {
    skip -= head;
  }
  for (let i = 0; left > 0 && i < skb.nrFrags; i++) {
    const frag = skb.frags[i]!;
    if (skip >= frag.len) {
      skip -= frag.len;
      continue;
    }
    const n = Math.min(frag.len - skip, left);
    total = csumBlockAdd(total, csumPartial(frag.page!.bytes, frag.off + skip, n, 0), done);
    done += n;
    left -= n;
    skip = 0;
  }
  return total;
}

/**
 * Fills in the checksum that CHECKSUM_PARTIAL left open (Linux: skb_checksum_help). `nh` and `th` must be set. Afterwards
 * the packet is complete, and `ipSummed` is CHECKSUM_NONE.
 */
export function skbChecksumHelp(skb: SkBuff): void {
  const { buf, nh, th } = skb;
  skb.ipSummed = CHECKSUM_NONE;
  if (nh < 0 || th < 0) return;
  const protocol = l4Protocol(buf, nh);
  const field = checkField(protocol);
  if (field < 0) return;
  const len = l4Length(buf, nh, th, skb.len - (th - skb.data));
  put16(buf, th + field, 0);
  const sum = skbChecksum(skb, th - skb.data, len, 0);
  const check = csumFold(pseudoSum(buf, nh, protocol, len, sum));
  put16(buf, th + field, check === 0 && protocol === IPPROTO_UDP ? CSUM_MANGLED_0 : check);
}

/**
 * Is the checksum of the TCP segment or UDP datagram right? The skb holds exactly that, from `data` (the transport header)
 * to its end, as protocols get it from IP; `nh` points at the network header. A datagram without a checksum is right over IPv4.
 */
export function skbChecksumVerify(skb: SkBuff, protocol: number): boolean {
  const { buf, nh, data, len } = skb;
  if (protocol === IPPROTO_UDP && get16(buf, data + UDP_CHECK) === 0 && get8(buf, nh) >> 4 === 4) return true;
  return pseudoSum(buf, nh, protocol, len, skbChecksum(skb, 0, len, 0)) === 0xffff;
}

/**
 * Fills in the checksum of a packet that lies in one piece: a frame copied from an skb whose checksum is still open. `nh` and
 * `th` are the offsets of its headers, `end` the end of the bytes.
 */
export function checksumFillIn(bytes: Uint8Array, nh: number, th: number, end: number): void {
  const protocol = l4Protocol(bytes, nh);
  const field = checkField(protocol);
  if (field < 0) return;
  const len = l4Length(bytes, nh, th, end - th);
  put16(bytes, th + field, 0);
  const check = csumFold(pseudoSum(bytes, nh, protocol, len, csumPartial(bytes, th, len, 0)));
  put16(bytes, th + field, check === 0 && protocol === IPPROTO_UDP ? CSUM_MANGLED_0 : check);
}

/** The pseudo-header of the IP packet at `nh`, added to `sum`. */
function pseudoSum(buf: Uint8Array, nh: number, protocol: number, len: number, sum: number): number {
  if (get8(buf, nh) >> 4 === 6) return csumIpv6Nofold(buf, nh + 8, buf, nh + 24, len, protocol, sum);
  return csumTcpudpNofold(get32(buf, nh + IPV4_SADDR), get32(buf, nh + IPV4_DADDR), len, protocol, sum);
}

/** The transport protocol of the packet at `nh`. With IPv6 the first header only: extension headers come before no offload. */
function l4Protocol(buf: Uint8Array, nh: number): number {
  return get8(buf, nh + (get8(buf, nh) >> 4 === 6 ? 6 : IPV4_PROTOCOL));
}

/** Bytes from the transport header to the end of the IP packet, of `present`: what the frame has beyond is padding. */
function l4Length(buf: Uint8Array, nh: number, th: number, present: number): number {
  const end = get8(buf, nh) >> 4 === 6 ? nh + 40 + get16(buf, nh + 4) : nh + get16(buf, nh + IPV4_TOTAL_LEN);
  const claimed = end - th;
  // A super-packet of 64 KiB and more has no room for its length in the field; then all that is there belongs to it.
  return claimed > 0 && claimed < present && present < 65536 - (th - nh) ? claimed : present;
}

function checkField(protocol: number): number {
  if (protocol === IPPROTO_TCP) return TCP_CHECK;
  return protocol === IPPROTO_UDP ? UDP_CHECK : -1;
}
