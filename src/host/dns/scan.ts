/**
 * Is this a DNS message? A walk over the bytes that makes no objects and cannot loop: counts that the length cannot hold,
 * compression pointers that do not lead back, labels that reach over the end, record data that does (RFC 1035 §4.1).
 *
 *   from  host/dns/message.ts   decodeMessage, before anything is decoded
 *
 * Stricter than RFC 2181 §11 in one point: a label of other than printable ASCII, or with a dot in it, is refused, because
 * as text it would look like another name.
 */
import { get16, get8 } from '../../lib/bytes.ts';

/** Bytes of the header. */
const HEADER = 12;
/** Least bytes of a question and of a record: the root's name, type and class; with TTL and length. */
const QUESTION_MIN = 5;
const RECORD_MIN = 11;
/** Bytes of a name on the wire. */
const WIRE_NAME_MAX = 255;
const DOT = 0x2e;

/** Types whose data begins with a name, after so many bytes. */
const NAME_AT: ReadonlyMap<number, number> = new Map([[2, 0], [5, 0], [6, 0], [12, 0], [39, 0], [15, 2], [33, 6]]);

/** True when `bytes` has the shape of a message. */
export function scanMessage(bytes: Uint8Array): boolean {
  const { length } = bytes;
  if (length < HEADER || length > 65535) return false;
  const questions = get16(bytes, 4);
  const records = get16(bytes, 6) + get16(bytes, 8) + get16(bytes, 10);
  if (HEADER + questions * QUESTION_MIN + records * RECORD_MIN > length) return false;
  let at = HEADER;
  for (let i = 0; i < questions; i++) {
    at = scanName(bytes, at, length);
    if (at < 0 || at + 4 > length) return false;
    at += 4;
  }
  for (let i = 0; i < records; i++) {
    at = scanRecord(bytes, at);
    if (at < 0) return false;
  }
  return true;
}

/** Where the record at `at` ends; -1 when it is malformed. */
function scanRecord(bytes: Uint8Array, at: number): number {
  const head = scanName(bytes, at, bytes.length);
  if (head < 0 || head + 10 > bytes.length) return -1;
  const data = head + 10;
  const end = data + get16(bytes, head + 8);
  if (end > bytes.length) return -1;
  const offset = NAME_AT.get(get16(bytes, head));
  if (offset !== undefined && scanName(bytes, data + offset, end) < 0) return -1;
  return end;
}

/** Where the name at `at` ends, before `limit`; -1 when it is malformed. A pointer must lead to before the name itself. */
function scanName(bytes: Uint8Array, at: number, limit: number): number {
  let end = -1;
  let start = at;
  let total = 0;
  let pos = at;
  for (;;) {
    if (pos >= (end < 0 ? limit : bytes.length)) return -1;
    const len = get8(bytes, pos);
    if (len === 0) return end < 0 ? pos + 1 : end;
    if ((len & 0xc0) === 0xc0) {
      if (pos + 2 > (end < 0 ? limit : bytes.length)) return -1;
      const target = get16(bytes, pos) & 0x3fff;
      if (target >= start || target < HEADER) return -1;
      if (end < 0) end = pos + 2;
      start = target; // each jump leads farther back, so that there is a last one
      pos = target;
      continue;
    }
    total += len + 1;
    if (len > 63 || total >= WIRE_NAME_MAX || pos + 1 + len > (end < 0 ? limit : bytes.length)) return -1;
    for (let i = 1; i <= len; i++) {
      const c = get8(bytes, pos + i);
      if (c < 0x21 || c > 0x7e || c === DOT) return -1;
    }
    pos += len + 1;
  }
}
