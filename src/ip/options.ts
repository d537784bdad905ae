/**
 * IPv4 options (RFC 791 §3.1): checked on the way in; route and time are recorded by every host that a packet passes (RFC 1812
 * §5.2.4.1, RFC 1122 §3.2.1.8); source routes are refused (accept_source_route is off, RFC 7126 §4.3).
 */
import { get8, put32, put8 } from '../lib/bytes.ts';
import { EINVAL, EPERM } from '../lib/errno.ts';
import { NS_PER_MS } from '../lib/units.ts';
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

/** What a timestamp option records: times; times with addresses; times of those whose addresses it names. */
export const IPOPT_TS_TSONLY = 0;
export const IPOPT_TS_TSANDADDR = 1;
export const IPOPT_TS_PRESPEC = 3;

/** Bytes of options that a header has room for. */
export const IPOPT_MAX = 40;

/** Options are in order. */
export const OPTIONS_OK = -1;
/** There is a source route. */
export const OPTIONS_SOURCE_ROUTE = -2;

const MS_PER_DAY = 86_400_000;
/** RFC 791: the time is not that since midnight UT, for a host here knows no calendar. */
const NON_STANDARD_TIME = 0x80000000;

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
    const wrong = optionWrong(buf, off + at, kind, len);
    if (wrong > 0) return at + wrong;
    if (kind === IPOPT_LSRR || kind === IPOPT_SSRR) {
      if (sourceRoute) return at; // RFC 1122 §3.2.1.8 (c): at most one
      sourceRoute = true;
    }
    at += len;
  }
  return sourceRoute ? OPTIONS_SOURCE_ROUTE : OPTIONS_OK;
}

/** Where in a route, record, timestamp or alert option the mistake is; 0 = none. */
function optionWrong(buf: Uint8Array, at: number, kind: number, len: number): number {
  if (kind === IPOPT_RA) return len < 4 ? 1 : 0;
  if (kind === IPOPT_TIMESTAMP) return timestampWrong(buf, at, len);
  if (kind !== IPOPT_RR && kind !== IPOPT_LSRR && kind !== IPOPT_SSRR) return 0;
  if (len < 3) return 1;
  const pointer = get8(buf, at + 2);
  if (pointer < 4) return 2;
  return pointer <= len && pointer + 3 > len ? 2 : 0;
}

function timestampWrong(buf: Uint8Array, at: number, len: number): number {
  if (len < 4) return 1;
  const pointer = get8(buf, at + 2);
  if (pointer < 5) return 2;
  const flags = get8(buf, at + 3);
  // Full: the count of those who found no room may be full, too.
  if (pointer > len) return flags >> 4 === 15 ? 3 : 0;
  const need = (flags & 15) === IPOPT_TS_TSONLY ? 3 : 7;
  return pointer + need > len ? 2 : 0;
}

/**
 * Writes `addr` and the time (ns of the host) into the record route and timestamp options of a header that has been checked.
 * True when something changed: the header's checksum is then the caller's to renew.
 */
export function ipOptionsRecord(buf: Uint8Array, off: number, hlen: number, addr: number, now: number): boolean {
  let changed = false;
  for (let at = off + IPV4_HLEN_MIN; at < off + hlen;) {
    const kind = get8(buf, at);
    if (kind === IPOPT_END) break;
    if (kind === IPOPT_NOOP) {
      at++;
      continue;
    }
    const len = get8(buf, at + 1);
    if (kind === IPOPT_RR) changed = recordRoute(buf, at, len, addr) || changed;
    else if (kind === IPOPT_TIMESTAMP) changed = recordTime(buf, at, len, addr, now) || changed;
    at += len;
  }
  return changed;
}

function recordRoute(buf: Uint8Array, at: number, len: number, addr: number): boolean {
  const pointer = get8(buf, at + 2);
  if (pointer > len) return false;
  put32(buf, at + pointer - 1, addr);
  put8(buf, at + 2, pointer + 4);
  return true;
}

function recordTime(buf: Uint8Array, at: number, len: number, addr: number, now: number): boolean {
  const pointer = get8(buf, at + 2);
  const flags = get8(buf, at + 3);
  const kind = flags & 15;
  if (pointer > len) {
    put8(buf, at + 3, kind | (((flags >> 4) + 1) << 4)); // one more that found no room
    return true;
  }
  let slot = at + pointer - 1;
  if (kind === IPOPT_TS_PRESPEC && !sameAddr(buf, slot, addr)) return false; // not our turn
  if (kind === IPOPT_TS_TSANDADDR) put32(buf, slot, addr);
  if (kind !== IPOPT_TS_TSONLY) slot += 4;
  put32(buf, slot, (Math.floor(now / NS_PER_MS) % MS_PER_DAY) | NON_STANDARD_TIME);
  put8(buf, at + 2, pointer + (kind === IPOPT_TS_TSONLY ? 4 : 8));
  return true;
}

function sameAddr(buf: Uint8Array, at: number, addr: number): boolean {
  return get8(buf, at) === addr >>> 24 && get8(buf, at + 1) === ((addr >> 16) & 255)
    && get8(buf, at + 2) === ((addr >> 8) & 255) && get8(buf, at + 3) === (addr & 255);
}

/**
 * The options that an answer carries: the record route and timestamp options of the request as they are now, so that the way
 * back is recorded behind the way there (RFC 1122 §3.2.2.6). Padded to a multiple of 4; null when there are none.
 */
export function ipOptionsEcho(buf: Uint8Array, off: number, hlen: number): Uint8Array | null {
  const kept: number[] = [];
  for (let at = off + IPV4_HLEN_MIN; at < off + hlen;) {
    const kind = get8(buf, at);
    if (kind === IPOPT_END) break;
    const len = kind === IPOPT_NOOP ? 1 : get8(buf, at + 1);
    if (kind === IPOPT_RR || kind === IPOPT_TIMESTAMP) for (let i = 0; i < len; i++) kept.push(get8(buf, at + i));
    at += len;
  }
  return kept.length === 0 ? null : padded(kept);
}

function padded(bytes: readonly number[]): Uint8Array {
  const out = new Uint8Array((bytes.length + 3) & ~3); // END is 0
  out.set(bytes);
  return out;
}

/** What a sender may ask for by IP_OPTIONS: padded, or a negative errno: -EINVAL (too long, malformed), -EPERM (a source route). */
export function ipOptionsGet(bytes: Uint8Array): Uint8Array | number {
  if (bytes.length > IPOPT_MAX) return -EINVAL;
  const header = new Uint8Array(IPV4_HLEN_MIN + ((bytes.length + 3) & ~3));
  header.set(bytes, IPV4_HLEN_MIN);
  const found = ipOptionsCheck(header, 0, header.length);
  if (found === OPTIONS_SOURCE_ROUTE) return -EPERM;
  return found === OPTIONS_OK ? header.slice(IPV4_HLEN_MIN) : -EINVAL;
}
