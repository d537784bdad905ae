/**
 * IPv4 options (RFC 791 §3.1). None changes what a host does with a packet; they are checked, and source routes are
 * refused (accept_source_route is off, RFC 7126 §4.3).
 */
import { get8 } from '../lib/bytes.ts';
import { IPV4_HLEN_MIN } from '../wire/ipv4.ts';

/** Bit of a kind: the option goes into every fragment. */
export const IPOPT_COPIED = 0x80;
export const IPOPT_END = 0;
export const IPOPT_NOOP = 1;
export const IPOPT_RR = 7;
export const IPOPT_TIMESTAMP = 68;
export const IPOPT_LSRR = 131;
export const IPOPT_RA = 148;
export const IPOPT_SSRR = 137;

/** Options are in order. */
export const OPTIONS_OK = -1;
/** There is a source route. */
export const OPTIONS_SOURCE_ROUTE = -2;

/**
 * Checks the options of the header at `off`, which has `hlen` bytes.
 *
 * @returns OPTIONS_OK, OPTIONS_SOURCE_ROUTE, or the offset in the header of what is wrong, for a parameter problem
 */
export function ipOptionsCheck(buf: Uint8Array, off: number, hlen: number): number {
  let sourceRoute = false;
  for (let at = IPV4_HLEN_MIN; at < hlen;) {
    const kind = get8(buf, off + at);
    if (kind === IPOPT_END) break;
    if (kind === IPOPT_NOOP) {
      at++;
      continue;
    }
    // RFC 1122 §3.2.1.8: an option that runs out of the header, or has no room for its own length.
    const len = at + 1 < hlen ? get8(buf, off + at + 1) : 0;
    if (len < 2 || at + len > hlen) return at;
    const wrong = routeOptionWrong(buf, off + at, kind, len);
    if (wrong > 0) return at + wrong;
    if (kind === IPOPT_LSRR || kind === IPOPT_SSRR) {
      if (sourceRoute) return at; // RFC 1122 §3.2.1.8 (c): at most one
      sourceRoute = true;
    }
    at += len;
  }
  return sourceRoute ? OPTIONS_SOURCE_ROUTE : OPTIONS_OK;
}

/** Where in a route, record or timestamp option the mistake is; 0 = none. */
function routeOptionWrong(buf: Uint8Array, at: number, kind: number, len: number): number {
  if (kind !== IPOPT_RR && kind !== IPOPT_LSRR && kind !== IPOPT_SSRR && kind !== IPOPT_TIMESTAMP) return 0;
  const stamp = kind === IPOPT_TIMESTAMP;
  if (len < (stamp ? 4 : 3)) return 1;
  const pointer = get8(buf, at + 2);
  if (pointer < (stamp ? 5 : 4)) return 2;
  return pointer <= len && pointer + 3 > len ? 2 : 0;
}
