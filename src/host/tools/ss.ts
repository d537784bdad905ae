/**
 * `ss`: the sockets of a host, as ss(8) of iproute2 lays them out.
 *
 *     ss -tan              TCP, all states        ss -lt      listeners
 *     ss -ti               with TCP_INFO          ss -uan     UDP
 *     ss -tano             with timers            ss -tm      with memory
 *     ss -wan              raw sockets         ss -6tl     one family
 *     ss -xan              Unix sockets
 *     ss -s                how many there are
 *     ss -tan state time-wait sport = :80         filters: state, sport, dport, src, dst
 */
import {
  TCP_CLOSE, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LAST_ACK, TCP_LISTEN,
  TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT,
} from '../../sock/constants.ts';
import type { Sock } from '../../sock/sock.ts';
import { TcpSock } from '../../tcp/sock.ts';
import type { Ipv6 } from '../../ip/v6/ipv6.ts';
import { columns, parseWords, text, ToolError, unknownWord, type Flags, type ToolHost } from './command.ts';
import { connected, rawRows, showEnd, stateName, tcpRows, udpRows, type SocketRow } from './sockets.ts';
import { unixRows, type UnixRow } from './unix-sockets.ts';
import { tcpInfoText } from './tcp-info.ts';

const FLAGS: Flags = {
  t: 't', tcp: 't', u: 'u', udp: 'u', w: 'w', raw: 'w', a: 'a', all: 'a', l: 'l', listening: 'l', n: 'n', numeric: 'n', i: 'i', info: 'i',
  m: 'm', memory: 'm', o: 'o', options: 'o', p: 'p', processes: 'p', r: 'r', resolve: 'r', s: 's', summary: 's', H: 'H', x: 'x', unix: 'x',
  'no-header': 'H', O: 'O', oneline: 'O', e: 'e', extended: 'e', 4: '4', ipv4: '4', 6: '6', ipv6: '6',
};

/** Words after `state`. */
const STATE_WORDS: Readonly<Record<string, readonly number[]>> = {
  established: [TCP_ESTABLISHED], 'syn-sent': [TCP_SYN_SENT], 'syn-recv': [TCP_SYN_RECV], 'fin-wait-1': [TCP_FIN_WAIT1],
  'fin-wait-2': [TCP_FIN_WAIT2], 'time-wait': [TCP_TIME_WAIT], closed: [TCP_CLOSE], unconnected: [TCP_CLOSE],
  'close-wait': [TCP_CLOSE_WAIT], 'last-ack': [TCP_LAST_ACK], listening: [TCP_LISTEN], closing: [TCP_CLOSING],
};
const ALL_STATES: readonly number[] = Object.values(STATE_WORDS).flat();
const CONNECTED: readonly number[] = ALL_STATES.filter((s) => s !== TCP_LISTEN && s !== TCP_CLOSE);
const GROUPS: Readonly<Record<string, readonly number[]>> = {
  all: ALL_STATES,
  connected: CONNECTED,
  synchronized: CONNECTED.filter((s) => s !== TCP_SYN_SENT),
  bucket: [TCP_SYN_RECV, TCP_TIME_WAIT],
  big: ALL_STATES.filter((s) => s !== TCP_SYN_RECV && s !== TCP_TIME_WAIT),
};

/** What a filter asks of a row. */
interface Filter {
  readonly states: readonly number[] | null;
  readonly tests: readonly ((row: SocketRow) => boolean)[];
}

/** `ss` with its arguments. */
export function ss(host: ToolHost, args: readonly string[]): string {
  const { flags, rest } = parseWords('ss', args, FLAGS);
  if (flags.has('s')) return summary(host);
  const filter = parseFilter(host, rest);
  const kinds = ['u', 't', 'w', 'x'].filter((kind) => flags.has(kind));
  const family = flags.has('4') || flags.has('6');
  // Filters by address and port, and a family, ask for internet sockets.
  const unasked = (kind: string): boolean => kind !== 'x' || (!family && filter.tests.length === 0);
  const asked = (kind: string): boolean => (kinds.length === 0 ? unasked(kind) : kinds.includes(kind));
  const rows: SocketRow[] = [];
  if (asked('w')) rows.push(...rawRows(host));
  if (asked('u')) rows.push(...udpRows(host));
  if (asked('t')) rows.push(...tcpRows(host));
  const unix = asked('x') ? unixRows(host).filter((row) => stateShown(row.state, row.state === TCP_ESTABLISHED, flags, filter)) : [];
  const entries = [...unix.map((row) => unixEntry(host, row, flags)),
    ...rows.filter((row) => shown(row, flags, filter)).map((row) => inetEntry(host, row, flags))];
  return layOut(entries, flags, kinds.length !== 1 || kinds[0] === 'x');
}

/** Is a socket of this state shown? */
function stateShown(state: number, isConnected: boolean, flags: ReadonlySet<string>, filter: Filter): boolean {
  if (filter.states !== null) return filter.states.includes(state);
  if (flags.has('l')) return state === TCP_LISTEN || state === TCP_CLOSE;
  return flags.has('a') || isConnected;
}

function shown(row: SocketRow, flags: ReadonlySet<string>, filter: Filter): boolean {
  if (flags.has('4') !== flags.has('6') && flags.has('6') !== (row.saddr6 !== null)) return false;
  return stateShown(row.state, connected(row), flags, filter) && filter.tests.every((test) => test(row));
}

/** A line of the table, and what stands below it. */
interface Entry {
  readonly cells: readonly string[];
  readonly detail: string;
}

function inetEntry(host: ToolHost, row: SocketRow, flags: ReadonlySet<string>): Entry {
  const names = flags.has('r') && !flags.has('n');
  const wild = row.state === TCP_LISTEN || row.state === TCP_CLOSE;
  const device = row.device === '' ? '' : `%${row.device}`;
  const cells = [
    row.protocol, stateName(row.state), String(row.recvq), String(row.sendq),
    showEnd(host, row, false, names) + device, `:${String(row.sport)}`,
    showEnd(host, row, true, names), (wild || row.protocol === 'raw') && row.dport === 0 ? ':*' : `:${String(row.dport)}`,
    endOfLine(host, row.sk, row.timer, flags),
  ];
  return { cells, detail: details(row, flags) };
}

function unixEntry(host: ToolHost, row: UnixRow, flags: ReadonlySet<string>): Entry {
  const cells = [
    row.netid, stateName(row.state), String(row.recvq), String(row.sendq), row.local, ` ${String(row.ino)}`, row.peer,
    ` ${String(row.peerIno)}`, endOfLine(host, row.sk, '', flags),
  ];
  return { cells, detail: flags.has('m') ? memory(row.sk) : '' };
}

function layOut(entries: readonly Entry[], flags: ReadonlySet<string>, netid: boolean): string {
  const cells = entries.map((entry) => entry.cells);
  const head = ['Netid', 'State', 'Recv-Q', 'Send-Q', 'Local Address', ':Port', 'Peer Address', ':Port', 'Process'];
  const table = flags.has('H') ? cells : [head, ...cells];
  const lines = columns(table.map(joinPorts(table)).map((row) => (netid ? row : row.slice(1))), netid ? 'llllrrl' : 'lllrrl');
  const out: string[] = [];
  lines.forEach((line, i) => {
    const detail = entries[flags.has('H') ? i : i - 1]?.detail ?? '';
    if (detail === '') out.push(line);
    else if (flags.has('O')) out.push(`${line} ${detail}`);
    else out.push(line, `\t ${detail}`);
  });
  return text(out);
}

/** Address and port as one cell: the address set to the right, the port behind it to the left. */
function joinPorts(table: readonly (readonly string[])[]): (row: readonly string[]) => string[] {
  const width = (i: number): number => Math.max(...table.map((row) => row[i]!.length));
  const local = width(5);
  const peer = width(7);
  return (row) => [
    ...row.slice(0, 4), row[4]! + row[5]!.padEnd(local), row[6]! + row[7]!.padEnd(peer), row[8]!,
  ];
}

function endOfLine(host: ToolHost, sk: Sock | null, timer: string, flags: ReadonlySet<string>): string {
  const words: string[] = [];
  if (flags.has('p') && sk !== null) {
    const users = host.users(sk);
    if (users !== '') words.push(users);
  }
  if (flags.has('o') && timer !== '') words.push(`timer:(${timer})`);
  return words.join(' ');
}

/** What follows a line, with -m and -i. */
function details(row: SocketRow, flags: ReadonlySet<string>): string {
  if (row.sk === null) return '';
  const words: string[] = [];
  if (flags.has('m')) words.push(memory(row.sk));
  if (flags.has('i') && row.sk instanceof TcpSock) words.push(tcpInfoText(row.sk));
  return words.join(' ');
}

/** `skmem:(…)`: as SO_MEMINFO counts. */
function memory(sk: Sock): string {
  const forward = sk.receiveQueue.qlen + sk.writeQueue.qlen === 0 ? 0 : 4096 - ((sk.rmemAlloc + sk.wmemQueued) & 4095);
  return `skmem:(r${String(sk.rmemAlloc)},rb${String(sk.rcvbuf)},t${String(sk.wmemAlloc)},tb${String(sk.sndbuf)},`
    + `f${String(forward)},w${String(sk.wmemQueued)},o0,bl0,d${String(sk.drops)})`;
}

function summary(host: ToolHost): string {
  const tcp = tcpRows(host);
  const udp = udpRows(host);
  const raw = rawRows(host);
  const frags = host.ip.frags.table.queues;
  const frags6 = (host.net.inet6 as Ipv6).frags.table.queues;
  const count = (state: number): number => tcp.filter((row) => row.state === state).length;
  const waiting = count(TCP_TIME_WAIT);
  const all = [...raw, ...udp, ...tcp.filter((row) => row.sk !== null)];
  const line = (name: string, of: readonly SocketRow[]): string[] => {
    const v6 = of.filter((row) => row.saddr6 !== null).length;
    return [name, String(of.length), String(of.length - v6), String(v6)];
  };
  const rows = [
    ['Transport', 'Total', 'IP', 'IPv6'], line('RAW', raw), line('UDP', udp), line('TCP', tcp.filter((row) => row.sk !== null)),
    line('INET', all), ['FRAG', String(frags + frags6), String(frags), String(frags6)],
  ];
  return text([
    `Total: ${String(all.length + host.unixSockets().length)}`,
    `TCP:   ${String(tcp.length)} (estab ${String(count(TCP_ESTABLISHED))}, closed ${String(waiting + count(TCP_CLOSE))}, `
      + `orphaned ${String(host.tcp.orphanCount)}, timewait ${String(waiting)})`,
    '',
    ...columns(rows, 'llll'),
  ]);
}

// ---- filters --------------------------------------------------------------------------------------------------------

function parseFilter(host: ToolHost, words: readonly string[]): Filter {
  const tests: ((row: SocketRow) => boolean)[] = [];
  let states: readonly number[] | null = null;
  for (let i = 0; i < words.length;) {
    const word = words[i++]!;
    if (word === 'and') continue;
    if (word === 'state') {
      states = [...states ?? [], ...parseState(words[i++] ?? '')];
      continue;
    }
    if (word !== 'sport' && word !== 'dport' && word !== 'src' && word !== 'dst') {
      throw unknownWord('ss', word, "a filter: 'state NAME', 'sport = :PORT', 'dport = :PORT', 'src ADDRESS', 'dst ADDRESS'");
    }
    let value = words[i++] ?? '';
    const differs = value === '!=' || value === 'neq';
    if (differs || value === '=' || value === '==' || value === 'eq') value = words[i++] ?? '';
    const test = word.endsWith('port') ? portTest(word, value) : addressTest(host, word, value);
    tests.push(differs ? (row) => !test(row) : test);
  }
  return { states, tests };
}

function parseState(word: string): readonly number[] {
  const states = Object.hasOwn(STATE_WORDS, word) ? STATE_WORDS[word] : Object.hasOwn(GROUPS, word) ? GROUPS[word] : undefined;
  if (states === undefined) {
    throw unknownWord('ss', word, `a state: ${[...Object.keys(STATE_WORDS), ...Object.keys(GROUPS)].join(', ')}`);
  }
  return states;
}

function portTest(word: string, value: string): (row: SocketRow) => boolean {
  const m = /^:?(\d{1,5})$/.exec(value);
  if (m === null || Number(m[1]) > 65535) throw unknownWord('ss', value, `a port after '${word}', such as ':80'`);
  const port = Number(m[1]);
  return word === 'sport' ? (row) => row.sport === port : (row) => row.dport === port;
}

function addressTest(host: ToolHost, word: string, value: string): (row: SocketRow) => boolean {
  if (value === '') throw new ToolError(`ss: '${word}' wants an address`);
  const addr = host.resolve(value);
  if (addr === null) throw unknownWord('ss', value, `an address or the name of a host after '${word}'`);
  return word === 'src' ? (row) => row.saddr === addr : (row) => row.daddr === addr;
}
