/**
 * IGMP (RFC 1112, RFC 2236, RFC 3376): who belongs to which group on a link.
 *
 *     query, v1 and v2 messages                 v3 report
 *     +------+----------+-------+-----------+   +------+---+-------+---+---------+---------------------+
 *     | type | max resp | check | group     |   | 0x22 | 0 | check | 0 | records | record …            |
 *     +------+----------+-------+-----------+   +------+---+-------+---+---------+---------------------+
 *       a v3 query goes on: | resv S QRV | QQIC | sources | source …
 *     record: | type | aux words | sources | group | source … |
 */
import { ipFastCsum } from '../lib/checksum.ts';
import { get16, get32, get8, put16, put32, put8 } from '../lib/bytes.ts';

export const IGMP_MINLEN = 8;
/** From here on it is a query of version 3. */
export const IGMPV3_QUERY_MINLEN = 12;
export const IGMP_GROUP = 4;
/** Version 3: the querier's robustness and interval, the number of sources, the sources. */
export const IGMPV3_QRV = 8;
export const IGMPV3_QQIC = 9;
export const IGMPV3_NSRCS = 10;
export const IGMPV3_SRCS = 12;
/** Number of records of a v3 report. */
export const IGMPV3_NGREC = 6;

export const IGMP_HOST_MEMBERSHIP_QUERY = 0x11;
export const IGMP_HOST_MEMBERSHIP_REPORT = 0x12;
export const IGMPV2_HOST_MEMBERSHIP_REPORT = 0x16;
export const IGMP_HOST_LEAVE_MESSAGE = 0x17;
export const IGMPV3_HOST_MEMBERSHIP_REPORT = 0x22;

/** Types of group records (RFC 3376 §4.2.12). */
export const IGMPV3_MODE_IS_INCLUDE = 1;
export const IGMPV3_MODE_IS_EXCLUDE = 2;
export const IGMPV3_CHANGE_TO_INCLUDE = 3;
export const IGMPV3_CHANGE_TO_EXCLUDE = 4;
export const IGMPV3_ALLOW_NEW_SOURCES = 5;
export const IGMPV3_BLOCK_OLD_SOURCES = 6;

/** Bytes of a record without its sources. */
export const IGMPV3_GREC_LEN = 8;

const RECORD_NAMES: readonly string[] = ['', 'is_in', 'is_ex', 'to_in', 'to_ex', 'allow', 'block'];

/** A group record of a v3 report. */
export interface IgmpRecord {
  readonly type: number;
  /** int32 addresses. */
  readonly group: number;
  readonly sources: readonly number[];
}

/** RFC 3376 §4.1.1, §4.1.7: codes from 128 on are floating point. The unit is the field's (0.1 s, or 1 s). */
export function igmpv3Exp(code: number): number {
  return code < 128 ? code : ((code & 15) | 16) << (((code >> 4) & 7) + 3);
}

/** The bytes of a v3 report. */
export function igmpv3Report(records: readonly IgmpRecord[]): Uint8Array {
  const len = records.reduce((n, r) => n + IGMPV3_GREC_LEN + 4 * r.sources.length, IGMP_MINLEN);
  const buf = new Uint8Array(len);
  put8(buf, 0, IGMPV3_HOST_MEMBERSHIP_REPORT);
  put16(buf, IGMPV3_NGREC, records.length);
  let at = IGMP_MINLEN;
  for (const record of records) {
    put8(buf, at, record.type);
    put16(buf, at + 2, record.sources.length);
    put32(buf, at + 4, record.group);
    record.sources.forEach((source, i) => put32(buf, at + IGMPV3_GREC_LEN + 4 * i, source));
    at += IGMPV3_GREC_LEN + 4 * record.sources.length;
  }
  put16(buf, 2, ipFastCsum(buf, 0, len));
  return buf;
}

/** The eight bytes of a v1 or v2 message; `code` is the response time of a query, in tenths of a second. */
export function igmpMessage(type: number, code: number, group: number): Uint8Array {
  const buf = new Uint8Array(IGMP_MINLEN);
  put8(buf, 0, type);
  put8(buf, 1, code);
  put32(buf, IGMP_GROUP, group);
  put16(buf, 2, ipFastCsum(buf, 0, IGMP_MINLEN));
  return buf;
}

/** The records of a v3 report of `len` bytes; null when they run out of it. */
export function igmpv3Records(buf: Uint8Array, off: number, len: number): IgmpRecord[] | null {
  const out: IgmpRecord[] = [];
  let at = IGMP_MINLEN;
  for (let left = get16(buf, off + IGMPV3_NGREC); left > 0; left--) {
    if (at + IGMPV3_GREC_LEN > len) return null;
    const count = get16(buf, off + at + 2);
    const next = at + IGMPV3_GREC_LEN + 4 * count + 4 * get8(buf, off + at + 1);
    if (next > len) return null;
    const sources: number[] = [];
    for (let i = 0; i < count; i++) sources.push(get32(buf, off + at + IGMPV3_GREC_LEN + 4 * i));
    out.push({ type: get8(buf, off + at), group: get32(buf, off + at + 4), sources });
    at = next;
  }
  return out;
}

/** A message as a line, `addr` writing addresses. */
export function printIgmp(buf: Uint8Array, off: number, len: number, addr: (a: number) => string): string {
  if (len < IGMP_MINLEN) return `[malformed igmp: ${len} bytes]`;
  const group = get32(buf, off + IGMP_GROUP);
  switch (get8(buf, off)) {
    case IGMP_HOST_MEMBERSHIP_QUERY: {
      const version = len >= IGMPV3_QUERY_MINLEN ? 3 : get8(buf, off + 1) === 0 ? 1 : 2;
      return `igmp query v${version}${group === 0 ? '' : ` [gaddr ${addr(group)}]`}`;
    }
    case IGMP_HOST_MEMBERSHIP_REPORT: return `igmp v1 report ${addr(group)}`;
    case IGMPV2_HOST_MEMBERSHIP_REPORT: return `igmp v2 report ${addr(group)}`;
    case IGMP_HOST_LEAVE_MESSAGE: return `igmp leave ${addr(group)}`;
    case IGMPV3_HOST_MEMBERSHIP_REPORT: {
      const records = igmpv3Records(buf, off, len);
      if (records === null) return '[malformed igmp: its records run out of it]';
      const texts = records.map((r) => {
        const sources = r.sources.length === 0 ? '' : ` { ${r.sources.map(addr).join(' ')} }`;
        return `[gaddr ${addr(r.group)} ${RECORD_NAMES[r.type] ?? `type ${r.type}`}${sources}]`;
      });
      return `igmp v3 report ${texts.join(' ')}`;
    }
    default: return `igmp type ${get8(buf, off)} (${len})`;
  }
}
