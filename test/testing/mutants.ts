/**
 * Mutants of a packetdrill script: the same script with one expected number changed, a packet's field, a result, a value of a
 * struct, a time by more than its tolerance. A runner that compares what it should fails each of them.
 */

/** One change: where, and the line that stands there instead. */
export interface Mutant {
  /** What was changed: `win`, `ack`, `result`… */
  readonly field: string;
  readonly line: number;
  readonly changed: string;
}

/** A way to change an expected number: a pattern with the number in its second group, between the two others. */
interface Way {
  readonly field: string;
  readonly re: RegExp;
  /** The number, changed; null: this one is not to be. */
  readonly change: (old: string, m: RegExpExecArray, line: string) => string | null;
}

const plus = (old: string): string => String(Number(old) + 1);
const other = (a: string, b: string) => (old: string): string => (old === a ? b : a);

/** Lines that expect a packet. */
const OUTBOUND: readonly Way[] = [
  { field: 'win', re: /(\bwin )(\d+)()/g, change: (old) => (old === '65535' ? '65534' : plus(old)) },
  { field: 'ack', re: /(\back )(\d+)()/g, change: plus },
  // Of a SYN the number is the script's own name for the ISN: there is nothing to compare it with.
  {
    field: 'seq', re: /(\s)(\d+:\d+)(\(\d+\))/g,
    change: (old, _m, line) => (/> .*S[FRPUEWA.0-7]* \d/.test(line) ? null : old.split(':').map(plus).join(':')),
  },
  { field: 'length', re: /(:)(\d+\(\d+)(\))/g, change: (old) => old.split('(').map(plus).join('(') },
  {
    field: 'flags', re: /(> +(?:[[(][^\])]*[\])] +)?)([FSRPUEWA.0-7]+)( \d+:)/g,
    change: (old) => (old.includes('P') ? old.replace('P', '') || '-' : `P${old}`),
  },
  { field: 'mss', re: /(\bmss )(\d+)()/g, change: plus },
  { field: 'wscale', re: /(\bwscale )(\d+)()/g, change: plus },
  { field: 'sack', re: /(\bsack [^,>]*?)(\d+)(?=[ ,>:])()/g, change: plus },
  { field: 'options', re: /(<)(nop,nop)(,)/g, change: () => 'nop,eol' },
  { field: 'ecn', re: /([[(])(ect0|noecn|ce)([\])])/g, change: other('ect0', 'ce') },
  { field: 'ttl', re: /(\bttl )(\d+)()/g, change: plus },
  { field: 'ECN counter', re: /(\be[01c]b )(\d+)()/g, change: plus },
  { field: 'urg', re: /(\burg )(\d+)()/g, change: plus },
  { field: 'cookie', re: /(\bFO )([0-9a-f]{8,})()/g, change: (old) => old.slice(0, -1) + (old.endsWith('0') ? '1' : '0') },
  { field: 'mtu', re: /(\bmtu )(\d+)()/g, change: plus },
  { field: 'time', re: /^(\s*\+)(\d*\.?\d+)(\s+>)/g, change: (old) => (Number(old) * 1.3 + 0.01).toFixed(6) },
];

/** Lines with a system call. */
const CALLS: readonly Way[] = [
  {
    field: 'result', re: /(\)\s*=\s*)(\d+)()/g,
    change: (old, _m, line) => (/\b(?:socket|accept4?|open|epoll_create1?)\(/.test(line) ? '-1' : plus(old)),
  },
  { field: 'errno', re: /(-1 )(E[A-Z]+)()/g, change: other('EAGAIN', 'EDOM') },
  { field: 'errno to success', re: /(= )(-1)( E)/g, change: () => '7777' },
  { field: 'getsockopt', re: /(\bgetsockopt\([^[]*\[)(\d+)(\], \[\d+\]\) = 0)/g, change: plus },
  { field: 'length of getsockopt', re: /(\bgetsockopt\(.*\], \[)(\d+)(\]\) = 0)/g, change: plus },
  { field: 'ioctl', re: /(\bioctl\([^[]*\[)(\d+)(\]\) = 0)/g, change: plus },
  { field: 'revents', re: /(\brevents=)([A-Z|]+)()/g, change: (old) => (old === 'POLLIN' ? 'POLLOUT' : 'POLLIN|POLLMSG') },
  { field: 'events of epoll_wait', re: /(\bepoll_wait\([^{]*\{events=)([A-Z|]+)()/g, change: () => 'EPOLLMSG' },
  { field: 'control', re: /(\b(?:ee_\w+|cmsg_data)=)(\d+)()/g, change: plus },
  // A call that fails fills in nothing.
  {
    field: 'msg_flags', re: /(\brecvmsg.*\bmsg_flags=)(\w+(?:\|\w+)*)()/g,
    change: (old, _m, line) => (/= -1/.test(line) ? null : old === '0' ? 'MSG_EOR' : '0'),
  },
  { field: 'end of a call', re: /(\.\.\.\s*)(\d*\.?\d+)( )/g, change: (old) => (Number(old) * 1.3 + 0.01).toFixed(6) },
];

/** Code: what an assertion compares with. */
const CODE: readonly Way[] = [
  { field: 'assertion', re: /(\bassert\b[^%]*?== )(\d+)(?![\w.])()/g, change: plus },
];

function waysOf(line: string): readonly Way[] {
  if (/^\s*[*+\d.~]+[^<`]*?>\s/.test(line)) return OUTBOUND;
  if (line.includes('%{')) return CODE;
  return /^\s*[+\d.]+\s+[a-z.]/.test(line) ? CALLS : [];
}

/** Every mutant of the script that these ways make. */
export function mutantsOf(text: string): Mutant[] {
  const lines = text.split('\n');
  const all: Mutant[] = [];
  lines.forEach((line, i) => {
    const code = line.replace(/\/\/.*$/, '');
    for (const { field, re, change } of waysOf(code)) {
      for (const m of code.matchAll(re)) {
        const changed = change(m[2]!, m, code);
        if (changed === null || changed === m[2]) continue;
        const at = m.index + m[1]!.length;
        all.push({ field, line: i + 1, changed: code.slice(0, at) + changed + code.slice(at + m[2]!.length) });
      }
    }
  });
  return all;
}

/** The script with that change. */
export function mutate(text: string, { line, changed }: Mutant): string {
  const lines = text.split('\n');
  lines[line - 1] = changed;
  return lines.join('\n');
}
