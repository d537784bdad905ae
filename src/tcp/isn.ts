/**
 * Where a connection's sequence numbers and timestamps begin (RFC 6528, RFC 7323 §5.4): a keyed hash of who talks to whom,
 * so that nobody outside can guess it, plus a clock, so that a later connection of the same pair begins later.
 */
import type { SipKey } from '../lib/hash.ts';
import type { EhashEntry } from './hashtables.ts';
import type { TcpProto } from './proto.ts';

/** Initial sequence number of a connection, seen from here. */
export function secureTcpSeq(tcp: TcpProto, e: EhashEntry): number {
  const hash = hashFlow(tcp.isnKey, e, false, 0);
  // One step per 64 ns, as Linux has it: about 4.6 minutes around the circle.
  return (hash + (Math.floor(tcp.net.cpu.now / 64) % 4294967296)) | 0;
}

/** What is added to the clock in TSvals to one peer. */
export function secureTcpTsOffset(tcp: TcpProto, e: EhashEntry): number {
  if (tcp.sysctl.tcpTimestamps !== 1) return 0;
  if (e.v6Daddr === null) return tcp.tsOffsetKey.hash4(e.saddr, e.daddr, 0, 0);
  return tcp.tsOffsetKey.hashWords(words(e, false, 0, 0), 10);
}

/** A keyed hash of a flow and one word more; `incoming`: seen from the peer. */
export function hashFlow(key: SipKey, e: EhashEntry, incoming: boolean, word: number): number {
  const ports = incoming ? (e.dport << 16) | e.num : (e.num << 16) | e.dport;
  if (e.v6Daddr !== null) return key.hashWords(words(e, incoming, ports, word), 10);
  return incoming ? key.hash4(e.daddr, e.saddr, ports, word) : key.hash4(e.saddr, e.daddr, ports, word);
}

/** The two addresses of an IPv6 flow and two words more; once per connection. */
function words(e: EhashEntry, incoming: boolean, ports: number, word: number): Int32Array {
  const from = incoming ? e.v6Daddr! : e.v6Saddr!;
  const to = incoming ? e.v6Saddr! : e.v6Daddr!;
  return Int32Array.of(from.a, from.b, from.c, from.d, to.a, to.b, to.c, to.d, ports, word);
}
