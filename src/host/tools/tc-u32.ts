/** u32 filters on a line of tc: words of a packet at fixed places, said by the names of IP's fields or by offsets. */
import type { U32Filter, U32Key } from '../../dev/sched/cls.ts';
import { parseIpv6Prefix } from '../../lib/addr6.ts';
import { ipv4Mask, parseIpv4 } from '../../lib/addr.ts';
import { unknownWord } from './command.ts';
import type { Cursor } from './tc-units.ts';

const TOOL = 'tc: u32';
/** Words that one filter compares at most (Linux: 128 keys of a selector). */
const KEYS_MAX = 128;

/** Fields: how many bytes, and where they begin in a packet without options. */
type Fields = Readonly<Record<string, readonly [bytes: number, offset: number]>>;
const IP: Fields = {
  tos: [1, 1], dsfield: [1, 1], precedence: [1, 1], ihl: [1, 0], protocol: [1, 9], sport: [2, 20], dport: [2, 22], icmp_type: [1, 20],
  icmp_code: [1, 21],
};
const IP6: Fields = { protocol: [1, 6], sport: [2, 40], dport: [2, 42], icmp_type: [1, 40], icmp_code: [1, 41] };

/** What the words behind `u32` say. */
export interface U32Words {
  readonly keys: readonly U32Key[];
  readonly mark: number;
  readonly markMask: number;
  readonly to: number;
}

/** Reads `match … match … flowid 1:10`; `classid` reads the class. */
export function readU32(c: Cursor, classid: () => number): U32Words {
  const keys: U32Key[] = [];
  let [mark, markMask, to] = [0, 0, -1];
  for (let word = c.peek; word !== null; word = c.peek) {
    if (c.accept('flowid', 'classid')) to = classid();
    else if (c.accept('match')) {
      if (c.accept('mark')) [mark, markMask] = [number(c, 'mark', 0xffffffff), number(c, 'mark mask', 0xffffffff)];
      else readMatch(c, keys);
    } else throw unknownWord(TOOL, word, "'match …' or 'flowid 1:10'");
  }
  if (to < 0) throw unknownWord(TOOL, '', "'flowid 1:10' at the end of the line");
  if (keys.length === 0 && markMask === 0) throw unknownWord(TOOL, '', "a 'match': 'match u32 0 0' is every packet");
  if (keys.length > KEYS_MAX) throw unknownWord(TOOL, 'match', `at most ${String(KEYS_MAX)} words to compare`);
  return { keys, mark, markMask, to };
}

function readMatch(c: Cursor, keys: U32Key[]): void {
  const what = c.take('match');
  switch (what) {
    case 'u8': case 'u16': case 'u32': {
      const bytes = Number(what.slice(1)) / 8;
      const most = 2 ** (bytes * 8) - 1;
      const [value, mask] = [number(c, `${what} value`, most), number(c, `${what} mask`, most)];
      addKey(keys, bytes, c.accept('at') ? c.integer('at') : 0, value, mask, c);
      return;
    }
    case 'ip': readField(c, keys, IP, 'ip', (name) => readIp(c, keys, name)); return;
    case 'ip6': readField(c, keys, IP6, 'ip6', (name) => readIp6(c, keys, name)); return;
    default: throw c.wrong(what, 'match', "'ip', 'ip6', 'mark', 'u8', 'u16' or 'u32'");
  }
}

/** `dport 80 0xffff`, or an address. */
function readField(c: Cursor, keys: U32Key[], fields: Fields, family: string, address: (name: string) => boolean): void {
  const name = c.take(`match ${family}`);
  if (address(name)) return;
  if (!Object.hasOwn(fields, name)) throw c.wrong(name, `match ${family}`, `src, dst, ${Object.keys(fields).join(', ')}`);
  const [bytes, off] = fields[name]!;
  const most = 2 ** (bytes * 8) - 1;
  const [value, mask] = [number(c, name, most), number(c, `${name} mask`, most)];
  addKey(keys, bytes, c.accept('at') ? c.integer('at') : off, value, mask, c);
}

function readIp(c: Cursor, keys: U32Key[], name: string): boolean {
  if (name !== 'src' && name !== 'dst') return false;
  const word = c.take(name);
  const [text = '', len = '32'] = word.split('/');
  const addr = parseIpv4(text);
  if (addr === null || !/^\d{1,2}$/.test(len) || Number(len) > 32) throw c.wrong(word, name, 'an address or a prefix such as 10.0.0.0/24');
  const mask = ipv4Mask(Number(len));
  addKey(keys, 4, name === 'src' ? 12 : 16, (addr & mask) >>> 0, mask >>> 0, c);
  return true;
}

function readIp6(c: Cursor, keys: U32Key[], name: string): boolean {
  if (name !== 'src' && name !== 'dst') return false;
  const word = c.take(name);
  const prefix = parseIpv6Prefix(word);
  if (prefix === null) throw c.wrong(word, name, 'an address or a prefix such as fd00::/64');
  const { addr, prefixLen } = prefix;
  [addr.a, addr.b, addr.c, addr.d].forEach((value, i) => {
    const bits = Math.min(32, Math.max(0, prefixLen - 32 * i));
    if (bits === 0) return;
    const mask = ipv4Mask(bits);
    addKey(keys, 4, (name === 'src' ? 8 : 24) + 4 * i, (value & mask) >>> 0, mask >>> 0, c);
  });
  return true;
}

/** Puts a field into the word that holds it; what looks at one word is one key. */
function addKey(keys: U32Key[], bytes: number, off: number, value: number, mask: number, c: Cursor): void {
  if (bytes === 4 && off % 4 !== 0) throw c.wrong(String(off), 'at', 'a multiple of 4 for a u32');
  if (bytes === 2 && off % 2 !== 0) throw c.wrong(String(off), 'at', 'an even number for a u16');
  const word = Math.floor(off / 4) * 4;
  const shift = 2 ** (8 * (4 - bytes - (off - word)));
  const key = { value: ((value & mask) >>> 0) * shift, mask: mask * shift, off: word };
  const same = keys.findIndex((other) => other.off === word && (other.mask & key.mask) === 0);
  if (same < 0) keys.push(key);
  else keys[same] = { value: (keys[same]!.value | key.value) >>> 0, mask: (keys[same]!.mask | key.mask) >>> 0, off: word };
}

function number(c: Cursor, what: string, most: number): number {
  const word = c.take(what);
  const n = /^(0x[0-9a-f]+|\d+)$/i.test(word) ? Number(word) : NaN;
  if (n >= 0 && n <= most) return n;
  throw c.wrong(word, what, `a number up to 0x${most.toString(16)}`);
}

/** A filter as `tc filter show` prints it. */
export function u32Lines(head: string, table: number, filter: U32Filter, to: string): string[] {
  const id = `${table.toString(16)}::${filter.handle.toString(16)}`;
  const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
  const short = (n: number): string => n.toString(16).padStart(4, '0');
  return [
    `${head}fh ${id} order ${String(filter.handle)} key ht ${table.toString(16)} bkt 0 *flowid ${to} not_in_hw `,
    ...filter.keys.map(({ value, mask, off }) => `  match ${hex(value)}/${hex(mask)} at ${String(off)}`),
    ...(filter.markMask === 0 ? [] : [`  mark 0x${short(filter.mark)} 0x${short(filter.markMask)} (success 0)`]),
  ];
}
