/**
 * Reads a packetdrill script.
 *
 *     script := option* [command] event+ [command]
 *     event  := time ( ("<" | ">") packet | call | command | code )
 *     time   := seconds | "+" seconds | "*" | time "~" time          seconds to the nanosecond
 *     call   := ["..." time] name "(" [expr {"," expr}] ")" "=" expr [errno] ["(" note ")"]
 *
 * Line ends are blanks: an event ends where the next time begins. Packets are read by the one notation
 * (testing/segment-notation.ts), values by parse-expr.ts. What is not in the language is a SegmentSyntaxError with line,
 * column and what was expected.
 */
import type { IpVersion } from '../../wire/icmp-names.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED } from '../../wire/icmp.ts';
import { ICMPV6_PKT_TOOBIG } from '../../wire/icmpv6.ts';
import type { PacketSpec } from '../../wire/segment.ts';
import { Scanner, parsePacketAt } from '../segment-notation.ts';
import type { Action, CallSpec, Command, Script, ScriptEvent, When } from './ast.ts';
import { symbolValue } from './constants.ts';
import { parseArgs, parseExpr, placeAt } from './parse-expr.ts';

const SECONDS = /\d*\.\d+|\d+/y;

/** What the text means depends on these. */
export interface ScriptOptions {
  readonly version: IpVersion;
  /** Words that stand for others. */
  readonly defines: ReadonlyMap<string, string>;
}

/** `--name`, and its value: `400`, `"a b"`, `NAME="a b"`, NAME=`a command`; blanks around the first `=` are nothing. */
const OPTION = /--([a-z][a-z_]*)(?:\s*=[ \t]*("[^"]*"|[A-Za-z_]\w*="[^"]*"|[A-Za-z_]\w*=`[^`]*`|[^\s`]*))?/y;

/** The options at the head of a script; they count before it is read, because they may define words. */
export function parseOptions(text: string): (readonly [string, string])[] {
  return optionsAt(new Scanner(text));
}

function optionsAt(s: Scanner): (readonly [string, string])[] {
  const options: (readonly [string, string])[] = [];
  while (s.sees(/--/y)) {
    const m = s.take(OPTION);
    if (m === null) return s.fail(`an option (--name=value) expected, found ${s.found()}`);
    options.push([m[1]!, (m[2] ?? '').replace(/^"(.*)"$/s, '$1')]);
  }
  return options;
}

/** Reads a whole script. */
export function parsePacketdrill(text: string, options: ScriptOptions): Script {
  const s = new Scanner(text, { defines: options.defines, version: options.version });
  const heads = optionsAt(s);
  const init = parseCommandAt(s);
  const events: ScriptEvent[] = [];
  let cleanup: Command | null = null;
  while (!s.atEnd()) {
    if (s.sees(/`/y)) {
      cleanup = parseCommandAt(s);
      if (!s.atEnd()) s.fail(`nothing expected behind the last command, found ${s.found()}`);
      break;
    }
    events.push(parseEvent(s, options.version));
  }
  if (events.length === 0) s.fail('an event expected: a time, then a packet, a call, a command or code');
  checkTimes(s, events);
  return { options: heads, init, events, cleanup };
}

/** The first event is at 0, and absolute times do not fall. */
function checkTimes(s: Scanner, events: readonly ScriptEvent[]): void {
  const [first] = events;
  if (first!.when.kind === 'any' || first!.when.fromNs !== 0) fail(s, first!, 'the first event must be at time 0');
  let last = 0;
  for (const event of events) {
    const { when, action } = event;
    const exact = when.kind !== 'any' && !when.range;
    if (action.kind !== 'expect' && !exact) fail(s, event, 'only an outbound packet may come at any time or in a range');
    if (when.kind !== 'absolute') {
      last = 0;
      continue;
    }
    if (when.fromNs < last) fail(s, event, `time goes back: ${when.fromNs / 1e9} after ${last / 1e9}`);
    last = when.fromNs;
  }
}

function fail(s: Scanner, event: ScriptEvent, message: string): never {
  const lines = s.text.split('\n').slice(0, event.place.line - 1);
  return s.fail(message, lines.reduce((n, line) => n + line.length + 1, 0) + event.place.column - 1);
}

function parseCommandAt(s: Scanner): Command | null {
  if (!s.sees(/`/y)) return null;
  const place = placeAt(s.text, s.pos);
  const m = s.take(/`((?:[^`\\]|\\[\s\S])*)`/y);
  if (m === null) return s.fail('the command has no end: a back-quote is missing');
  return { text: m[1]!.replace(/\\`/g, '`'), place };
}

function parseEvent(s: Scanner, version: IpVersion): ScriptEvent {
  s.skip();
  const at = s.pos;
  const when = parseWhen(s);
  const action = parseAction(s, version);
  const text = s.text.slice(at, s.pos).replace(/\/\/[^\n]*/g, '').replace(/\s+/g, ' ').trim();
  return { place: placeAt(s.text, at), when, action, text };
}

function parseWhen(s: Scanner): When {
  if (s.mark('*')) return { kind: 'any', fromNs: 0, toNs: 0, range: false };
  const relative = s.mark('+');
  const fromNs = parseSeconds(s, relative ? 'behind +' : 'for the time of the event');
  const range = s.mark('~');
  let toNs = fromNs;
  if (range) {
    if (s.mark('+') !== relative) s.fail('both ends of a range are relative, or none');
    toNs = parseSeconds(s, 'for the end of the range');
    if (toNs < fromNs) s.fail(`the range ends (${toNs / 1e9}) before it begins (${fromNs / 1e9})`);
  }
  return { kind: relative ? 'relative' : 'absolute', fromNs, toNs, range };
}

/** packetdrill counts whole microseconds. */
function parseSeconds(s: Scanner, what: string): number {
  const m = s.take(SECONDS);
  if (m === null) return s.fail(`a time in seconds expected ${what}, found ${s.found()}`);
  return Math.floor(Number(m[0]) * 1e6 + 1e-6) * 1000;
}

function parseAction(s: Scanner, version: IpVersion): Action {
  if (s.mark('<')) return { kind: 'inject', packet: parseWhole(s, version, true) };
  if (s.mark('>')) return { kind: 'expect', packet: parseWhole(s, version, false) };
  const command = parseCommandAt(s);
  if (command !== null) return { kind: 'command', text: command.text };
  if (s.sees(/%\{/y)) {
    const m = s.take(/%\{([\s\S]*?)\}%/y);
    return m === null ? s.fail('the code has no end: }% is missing') : { kind: 'code', text: m[1]!.trim() };
  }
  const defined = s.definedCommand();
  if (defined !== null) return { kind: 'command', text: defined };
  return { kind: 'call', call: parseCall(s) };
}

/** A packet with everything that a script must say of one: more than the notation itself asks for. */
function parseWhole(s: Scanner, version: IpVersion, inbound: boolean): PacketSpec {
  const packet = parsePacketAt(s, { version });
  if (packet.proto === 'tcp') {
    if (packet.range === undefined) s.fail(`first:end(length) expected behind the flags, found ${s.found()}`);
    if (inbound && packet.win === undefined) s.fail(`a packet that comes in needs its window (win n), found ${s.found()}`);
    if (inbound && packet.options === 'any') s.fail('<...> says what may go out; a packet that comes in has its options written');
  } else if (packet.proto === 'icmp' && packet.mtu !== undefined) {
    const { type, code } = packet;
    const carries = version === 4 ? type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED : type === ICMPV6_PKT_TOOBIG;
    if (!carries) s.fail(`only ${version === 4 ? 'unreachable frag_needed' : 'packet_too_big'} has an mtu`);
  }
  return packet;
}

function parseCall(s: Scanner): CallSpec {
  let endNs: number | null = null;
  if (s.mark('...')) {
    s.mark('+');
    endNs = parseSeconds(s, 'for the return of the call');
  }
  const m = s.take(/[a-z_]\w*/y);
  if (m === null) return s.fail(`<, >, a system call, a command or code expected, found ${s.found()}`);
  s.need('(', `after ${m[0]}`);
  const args = parseArgs(s);
  s.need('=', `and the result of ${m[0]}`);
  const result = parseExpr(s);
  const errno = parseErrno(s);
  if (s.sees(/\(/y) && s.take(/\([^)]*\)/y) === null) s.fail('the note behind the result has no end: a ) is missing');
  return { name: m[0], args, result, errno, endNs };
}

/** `EAGAIN` behind the result; '' when there is none. */
function parseErrno(s: Scanner): string {
  if (!s.sees(/[A-Za-z_]/y)) return '';
  const at = s.pos;
  const name = s.word()!;
  if (!/^E[A-Z0-9]+$/.test(name) || symbolValue(name) === undefined) {
    s.fail(`an error (EAGAIN) or a note in parentheses expected, found '${name}'`, at);
  }
  return name;
}
