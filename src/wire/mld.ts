/**
 * Multicast listener discovery (RFC 3810 version 2, RFC 2710 version 1) on the wire: how a host says which groups it hears.
 *
 *     query   8 + group, then flags, QQIC, number of sources, sources (version 2)
 *     report  8 (number of records in the last two bytes), records: type, aux length, number of sources, group, sources
 */
import { get16, get8, put16, put8 } from '../lib/bytes.ts';
import { formatIpv6At, in6WriteAt, type In6Addr } from '../lib/addr6.ts';
import { ICMPV6_MLD2_REPORT, icmpv6WriteHeader } from './icmpv6.ts';

/** Bytes of a query of version 1, and of one of version 2 without sources. */
export const MLD_QUERY_LEN = 24;
export const MLD2_QUERY_LEN = 28;
export const MLD_REPORT_LEN = 24;
export const MLD2_REPORT_LEN = 8;
export const MLD2_RECORD_LEN = 20;
/** Maximum response delay of a query, and its group. */
export const MLD_MAXDELAY = 4;
export const MLD_GROUP = 8;
export const MLD2_NSRCS = 26;

/** Kinds of records in a version 2 report. */
export const MLD2_MODE_IS_INCLUDE = 1;
export const MLD2_MODE_IS_EXCLUDE = 2;
export const MLD2_CHANGE_TO_INCLUDE = 3;
export const MLD2_CHANGE_TO_EXCLUDE = 4;
export const MLD2_ALLOW_NEW_SOURCES = 5;
export const MLD2_BLOCK_OLD_SOURCES = 6;

/** The maximum response delay of a query in milliseconds: version 2 has a floating point form from 32768 on (RFC 3810 §5.1.3). */
export function mldMaxDelayMs(buf: Uint8Array, off: number, len: number): number {
  const code = get16(buf, off + MLD_MAXDELAY);
  if (len < MLD2_QUERY_LEN || code < 0x8000) return code;
  return ((code & 0xfff) | 0x1000) << (((code >> 12) & 7) + 3);
}

/** Begins a version 2 report with `records` records. */
export function mld2WriteReport(buf: Uint8Array, off: number, records: number): number {
  icmpv6WriteHeader(buf, off, ICMPV6_MLD2_REPORT, 0, records);
  return MLD2_REPORT_LEN;
}

/** One record: a group and the sources that the record is about. */
export function mld2WriteRecord(buf: Uint8Array, off: number, type: number, group: In6Addr, sources: readonly In6Addr[]): number {
  put8(buf, off, type);
  put8(buf, off + 1, 0);
  put16(buf, off + 2, sources.length);
  in6WriteAt(group, buf, off + 4);
  sources.forEach((s, i) => in6WriteAt(s, buf, off + MLD2_RECORD_LEN + 16 * i));
  return MLD2_RECORD_LEN + 16 * sources.length;
}

/** Robustness variable in a version 2 query; 0 when it says none. */
export function mld2Qrv(buf: Uint8Array, off: number): number {
  return get8(buf, off + 24) & 7;
}

const RECORD_NAMES: Readonly<Record<number, string>> = {
  [MLD2_MODE_IS_INCLUDE]: 'is_in', [MLD2_MODE_IS_EXCLUDE]: 'is_ex', [MLD2_CHANGE_TO_INCLUDE]: 'to_in', [MLD2_CHANGE_TO_EXCLUDE]: 'to_ex',
  [MLD2_ALLOW_NEW_SOURCES]: 'allow', [MLD2_BLOCK_OLD_SOURCES]: 'block',
};

/** The records of a report, as tcpdump -v writes them: ` [gaddr ff0e::1 allow { fd00::2 }]`; what runs out of the message is left out. */
export function mld2RecordsText(buf: Uint8Array, off: number, len: number): string {
  const end = off + len;
  let text = '';
  let at = off + MLD2_REPORT_LEN;
  for (let left = get16(buf, off + 6); left > 0 && at + MLD2_RECORD_LEN <= end; left--) {
    const [type, count] = [get8(buf, at), get16(buf, at + 2)];
    const next = at + MLD2_RECORD_LEN + 16 * count;
    if (next > end) break;
    const sources = Array.from({ length: count }, (_, i) => formatIpv6At(buf, at + MLD2_RECORD_LEN + 16 * i));
    const group = formatIpv6At(buf, at + 4);
    text += ` [gaddr ${group} ${RECORD_NAMES[type] ?? `type ${String(type)}`} { ${sources.length === 0 ? '' : `${sources.join(' ')} `}}]`;
    at = next + 4 * get8(buf, at + 1); // auxiliary data
  }
  return text;
}
