/**
 * Master files (RFC 1035 §5): the text of a zone into records. $ORIGIN, $TTL (RFC 2308 §4), parentheses, comments, quoted
 * strings, escapes, relative names, `@`, an owner left out, time and class in either order.
 */
import { canonicalName, ROOT } from '../../host/dns/names.ts';
import { RECORD_TYPES, type DnsRecord } from '../../host/dns/message.ts';
import { isRecordType, parseRdata, parseTtl, zoneName, type Word } from '../../host/dns/rdata.ts';

/** Seconds that a record is valid when nobody says how many. */
export const DEFAULT_TTL = 3600;

/** A line that is no part of a zone file. */
export class ZoneFileError extends TypeError {
  readonly line: number;

  constructor(line: number, problem: string) {
    super(`zone file: line ${String(line)}: ${problem}`);
    this.line = line;
  }
}

/** One entry: its words, and whether it began in the first column. */
interface Entry {
  readonly line: number;
  /** The line begins with a blank: the owner is that of the record before. */
  readonly indented: boolean;
  readonly words: readonly Word[];
}

/** What lines hand to those behind them. */
interface Place {
  origin: string;
  owner: string | null;
  defaultTtl: number | null;
  lastTtl: number;
}

/**
 * Reads a zone file.
 *
 * @param origin where relative names belong until $ORIGIN says otherwise; default the root
 * @param ttl seconds for records when neither they nor $TTL nor a record before say how many
 * @throws ZoneFileError that names the line and what was expected
 */
export function parseZoneFile(text: string, origin: string = ROOT, ttl: number = DEFAULT_TTL): DnsRecord[] {
  if (typeof text !== 'string') throw new TypeError(`zone file: is ${typeof text}; expected a text`);
  const place: Place = { origin: canonicalName(origin, 'origin'), owner: null, defaultTtl: null, lastTtl: ttl };
  const records: DnsRecord[] = [];
  for (const entry of entries(text)) {
    try {
      const record = readEntry(entry, place);
      if (record !== null) records.push(record);
    } catch (error) {
      if (error instanceof ZoneFileError || !(error instanceof TypeError)) throw error;
      throw new ZoneFileError(entry.line, error.message);
    }
  }
  return records;
}

function readEntry({ indented, words }: Entry, place: Place): DnsRecord | null {
  const [first] = words;
  if (!indented && first!.text.startsWith('$') && !first!.quoted) {
    directive(words, place);
    return null;
  }
  let at = 0;
  if (!indented) {
    place.owner = zoneName(first!.text, place.origin);
    at = 1;
  }
  if (place.owner === null) throw new TypeError('a record without a name; the first one needs one');
  let ttl: number | null = null;
  let seenClass = false;
  for (;; at++) {
    const word = words[at];
    if (word === undefined) throw new TypeError(`a type is missing; expected one of ${RECORD_TYPES.join(', ')}`);
    const upper = word.text.toUpperCase();
    if (!seenClass && ['IN', 'CH', 'HS', 'CS'].includes(upper)) {
      if (upper !== 'IN') throw new TypeError(`class ${upper}; expected IN, the Internet's`);
      seenClass = true;
      continue;
    }
    const time: number | null = ttl === null && /^\d/.test(word.text) ? parseTtl(word.text) : null;
    if (time !== null) {
      ttl = time;
      continue;
    }
    if (!isRecordType(upper)) {
      throw new TypeError(`'${word.text}' is not a type; expected a time, IN, or one of ${RECORD_TYPES.join(', ')}`);
    }
    const used = ttl ?? place.defaultTtl ?? place.lastTtl;
    place.lastTtl = used;
    return { name: place.owner, type: upper, ttl: used, data: parseRdata(upper, words.slice(at + 1), place.origin) } as DnsRecord;
  }
}

function directive(words: readonly Word[], place: Place): void {
  const [name, value] = words;
  const keyword = name!.text.toUpperCase();
  if (keyword === '$INCLUDE') throw new TypeError('$INCLUDE: there are no files here; put the text in its place');
  if (keyword !== '$ORIGIN' && keyword !== '$TTL') throw new TypeError(`'${name!.text}' is not understood; expected $ORIGIN or $TTL`);
  if (value === undefined || words.length > 2) throw new TypeError(`${keyword} takes one word`);
  if (keyword === '$ORIGIN') {
    place.origin = zoneName(value.text, place.origin);
    return;
  }
  const ttl = parseTtl(value.text);
  if (ttl === null) throw new TypeError(`$TTL: '${value.text}' is not a time; expected seconds, or such as 1h30m`);
  place.defaultTtl = ttl;
}

// ---- words ----------------------------------------------------------------------------------------------------------

/** Entries of a text: a line each, or several that parentheses hold together. */
function entries(text: string): Entry[] {
  const out: Entry[] = [];
  let words: Word[] = [];
  let depth = 0;
  let start = { line: 1, indented: false };
  text.split(/\r?\n/).forEach((source, i) => {
    const line = i + 1;
    if (depth === 0) start = { line, indented: /^[ \t]/.test(source) };
    depth = readLine(source, line, depth, words);
    if (depth > 0) return;
    if (words.length > 0) out.push({ ...start, words });
    words = [];
  });
  if (depth > 0) throw new ZoneFileError(start.line, "a '(' without its ')'");
  return out;
}

const WORD = /"((?:[^"\\]|\\.)*)"|(;.*)|([()])|((?:[^\s"();\\]|\\.)+)|(\S)/g;

/** Adds the words of one line; how deep in parentheses it ends. */
function readLine(source: string, line: number, depth: number, words: Word[]): number {
  let level = depth;
  for (const m of source.matchAll(WORD)) {
    if (m[2] !== undefined) break;
    if (m[3] !== undefined) {
      level += m[3] === '(' ? 1 : -1;
      if (level < 0) throw new ZoneFileError(line, "a ')' without its '('");
    } else if (m[5] !== undefined) {
      throw new ZoneFileError(line, m[5] === '"' ? 'a string is not closed' : `'${m[5]}' at the end of the line escapes nothing`);
    } else {
      const quoted = m[1] !== undefined;
      words.push({ text: unescape(m[1] ?? m[4]!, line, quoted), quoted });
    }
  }
  return level;
}

/** `\X` is X, `\DDD` the character of that number. Outside of quotes an escaped dot stays escaped: it is no border of labels. */
function unescape(text: string, line: number, quoted: boolean): string {
  return text.replace(/\\(\d{3}|.)/g, (all, c: string) => {
    if (c === '.') return quoted ? c : all;
    if (!/^\d/.test(c)) return c;
    if (c.length < 3 || Number(c) > 255) throw new ZoneFileError(line, `'${all}' is not understood; expected three digits up to 255`);
    return String.fromCharCode(Number(c));
  });
}
