/**
 * `dig` and `getent hosts`: names as a command line asks for them. They take time, so that they belong to
 * `host.exec`, not to `host.sh`.
 */
import { exchange, ExchangeStats } from '../dns/exchange.ts';
import type { HostResolver } from '../dns/host-resolver.ts';
import { rcodeName, RECORD_TYPES, type DnsRecord, type Message } from '../dns/message.ts';
import { addressFamily, canonicalName, nameProblem, reverseName } from '../dns/names.ts';
import { absolute, formatRdata } from '../dns/rdata.ts';
import { fromFiles } from '../dns/addrinfo.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import { text, ToolError, unknownWord } from './command.ts';

/** How often dig tries, and for how many seconds. */
const TRIES = 3;
const TIMEOUT_S = 5;

/** What a `dig` line asks. */
interface Dig {
  name: string;
  type: string;
  server: string | null;
  port: number;
  rd: boolean;
  tcp: boolean;
  edns: boolean;
  short: boolean;
}

const SWITCHES: Readonly<Record<string, Partial<Dig>>> = {
  '+tcp': { tcp: true }, '+vc': { tcp: true }, '+notcp': { tcp: false }, '+short': { short: true }, '+norecurse': { rd: false },
  '+norec': { rd: false }, '+noedns': { edns: false },
};

function parseDig(words: readonly string[]): Dig {
  const dig: Dig = { name: '', type: '', server: null, port: 53, rd: true, tcp: false, edns: true, short: false };
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const upper = word.toUpperCase();
    if (word.startsWith('@')) dig.server = word.slice(1);
    else if (word.startsWith('+')) {
      const change = Object.hasOwn(SWITCHES, word) ? SWITCHES[word] : undefined;
      if (change === undefined) throw unknownWord('dig', word, `one of ${Object.keys(SWITCHES).join(' ')}`);
      Object.assign(dig, change);
    } else if (word === '-x') {
      const name = reverseName(words[++i] ?? '');
      if (name === null) throw unknownWord('dig', words[i] ?? '', 'an address behind -x');
      Object.assign(dig, { name, type: 'PTR' });
    } else if (word === '-p') {
      dig.port = Number(words[++i]);
      if (!(dig.port > 0 && dig.port < 65536)) throw unknownWord('dig', words[i] ?? '', 'a port behind -p');
    } else if (upper === 'ANY' || (RECORD_TYPES as readonly string[]).includes(upper)) dig.type = upper;
    else if (upper === 'IN') continue;
    else if (dig.name === '' && nameProblem(word) === null && !word.startsWith('-')) dig.name = canonicalName(word);
    else throw unknownWord('dig', word, `a name, a type (${RECORD_TYPES.join(' ')} ANY), @server, -x address, -p port or +switch`);
  }
  if (dig.name === '') Object.assign(dig, { name: '.', type: dig.type === '' ? 'NS' : dig.type });
  if (dig.type === '') dig.type = 'A';
  return dig;
}

/** `dig [@server] name [type] [+tcp] [+short] [+norecurse]`: what a server answers, section by section. */
export async function dig(resolver: HostResolver, words: readonly string[]): Promise<string> {
  const asked = parseDig(words);
  const server = await serverFor(resolver, asked.server);
  const client = { process: resolver.process, random: resolver.random, stats: new ExchangeStats() };
  const { name, type, port, rd, tcp, edns } = asked;
  for (let i = 0; i < TRIES; i++) {
    const answer = await exchange(client, { name, type, server, port, rd, edns, tcp, timeoutNs: TIMEOUT_S * NS_PER_SEC });
    if (typeof answer !== 'number') return asked.short ? shortly(answer) : atLength(asked, answer, server);
  }
  return text([
    ...client.stats.unreachable > 0 ? [`;; communications error to ${server}#${String(port)}: connection refused`] : [],
    ';; no servers could be reached',
  ]);
}

async function serverFor(resolver: HostResolver, server: string | null): Promise<string> {
  if (server === null) {
    const [first] = resolver.conf.nameservers;
    if (first !== undefined) return first;
    throw new ToolError("dig: no name server; write @server, or set one: host.resolvConf('nameserver 10.0.0.53')");
  }
  if (addressFamily(server) !== 0) return server;
  return (await resolver.getaddrinfo(server))[0]!.address;
}

function shortly(answer: Message): string {
  return text(answer.answers.map((record) => formatRdata(record)));
}

function atLength(asked: Dig, answer: Message, server: string): string {
  const flags = [['qr', answer.response], ['aa', answer.aa], ['tc', answer.tc], ['rd', answer.rd], ['ra', answer.ra]] as const;
  const { questions, answers, authorities, additionals, edns } = answer;
  const extra = additionals.length + (edns === null ? 0 : 1);
  return text([
    `;; ->>HEADER<<- opcode: QUERY, status: ${rcodeName(answer.rcode)}, id: ${String(answer.id)}`,
    `;; flags: ${flags.filter(([, on]) => on).map(([flag]) => flag).join(' ')}; QUERY: ${String(questions.length)}, `
      + `ANSWER: ${String(answers.length)}, AUTHORITY: ${String(authorities.length)}, ADDITIONAL: ${String(extra)}`,
    ...edns === null ? [] : ['', ';; OPT PSEUDOSECTION:', `; EDNS: version: ${String(edns.version)}, flags:; udp: ${String(edns.udpSize)}`],
    '', ';; QUESTION SECTION:', `;${absolute(asked.name)}\t\tIN\t${asked.type}`,
    ...section('ANSWER', answers), ...section('AUTHORITY', authorities), ...section('ADDITIONAL', additionals),
    '', `;; SERVER: ${server}#${String(asked.port)} (${asked.tcp ? 'TCP' : 'UDP'})`,
  ]);
}

function section(name: string, records: readonly DnsRecord[]): string[] {
  if (records.length === 0) return [];
  return ['', `;; ${name} SECTION:`, ...records.map((r) => `${absolute(r.name)}\t${String(r.ttl)}\tIN\t${r.type}\t${formatRdata(r)}`)];
}

/** `getent hosts name…` and `getent ahosts name…`: what programs get, hosts files and name servers together. */
export async function getent(resolver: HostResolver, words: readonly string[]): Promise<string> {
  const [database, ...names] = words;
  if (database !== 'hosts' && database !== 'ahosts' && database !== 'ahostsv4') {
    throw unknownWord('getent', database ?? '', 'hosts, ahosts or ahostsv4');
  }
  if (names.length === 0) throw new ToolError(`getent: a name is missing; expected: getent ${database} name`);
  const lines: string[] = [];
  for (const name of names) {
    if (database === 'hosts' && addressFamily(name) !== 0) {
      const found = await resolver.getnameinfo(name).catch(() => null);
      if (found !== null) lines.push(`${name.padEnd(15)} ${found.hostname}`);
      continue;
    }
    const files = fromFiles(resolver, name, 0);
    const found = files.length > 0 ? files : await resolver.getaddrinfo(name, null, { flags: 0 }).catch(() => []);
    const wanted = database === 'ahostsv4' ? found.filter((a) => a.family === 4) : found;
    lines.push(...wanted.map((a) => `${a.address.padEnd(15)} ${name}`));
  }
  return text(lines);
}
