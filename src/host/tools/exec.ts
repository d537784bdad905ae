/**
 * Command lines of tools that take time: `ping -c 3 bob`, `traceroute -6 -I bob`, `dig www.example.com`, `getent hosts bob`.
 * They run as processes of their own, while the world goes on; all other lines are `sh`'s.
 */
import type { HostResolver } from '../dns/host-resolver.ts';
import { dig, getent } from './dig.ts';
import { type PingResult, ping } from './ping.ts';
import { traceroute, type TracerouteResult } from './traceroute.ts';
import { ToolError, type ToolHost } from './command.ts';
import { sh, splitWords } from './sh.ts';
import type { KernelProcess } from '../process.ts';

/** An option of a command line: the field that it sets, and how its word is read; without `read` it takes no word. */
interface Switch {
  readonly field: string;
  readonly read?: (word: string) => unknown;
  readonly value?: unknown;
}

const seconds = (word: string): unknown => (/^\d*\.?\d+$/.test(word) ? Number(word) * 1000 : word);
const number = (word: string): unknown => (/^\d+$/.test(word) ? Number(word) : word);

const FAMILIES: Readonly<Record<string, Switch>> = { '-4': { field: 'family', value: 4 }, '-6': { field: 'family', value: 6 } };

const PING: Readonly<Record<string, Switch>> = {
  '-c': { field: 'count', read: number },
  '-i': { field: 'interval', read: seconds },
  '-s': { field: 'size', read: number },
  '-t': { field: 'ttl', read: number },
  '-W': { field: 'timeout', read: seconds },
  '-I': { field: 'from', read: (word) => word },
  '-M': { field: 'df', read: (word) => {
    if (word === 'do' || word === 'dont' || word === 'want') return word === 'do';
    throw new ToolError(`ping: '${word}' is not understood; expected do, want or dont behind -M`);
  } },
  '-n': { field: '' },
  ...FAMILIES,
};

const TRACEROUTE: Readonly<Record<string, Switch>> = {
  '-I': { field: 'method', value: 'icmp' },
  '-U': { field: 'method', value: 'udp' },
  '-F': { field: 'df', value: true },
  '-f': { field: 'firstHop', read: number },
  '-m': { field: 'maxHops', read: number },
  '-q': { field: 'queries', read: number },
  '-w': { field: 'timeout', read: seconds },
  '-p': { field: 'port', read: number },
  '-n': { field: '' },
  ...FAMILIES,
};

/** Options and target of a command line. */
function parseLine(tool: string, words: readonly string[], known: Readonly<Record<string, Switch>>): { target: string; options: object } {
  const options: Record<string, unknown> = {};
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const name = word.slice(0, 2);
    if (!word.startsWith('-')) {
      rest.push(word);
      continue;
    }
    const found = Object.hasOwn(known, name) ? known[name]! : undefined;
    if (found === undefined || (found.read === undefined && word.length > 2)) {
      throw new ToolError(`${tool}: option '${word}' is not understood; known are ${Object.keys(known).join(' ')}`);
    }
    if (found.read === undefined) {
      if (found.field !== '') options[found.field] = found.value;
      continue;
    }
    const value = word.length > 2 ? word.slice(2) : words[++i];
    if (value === undefined) throw new ToolError(`${tool}: a value is missing behind ${word}`);
    options[found.field] = found.read(value);
  }
  if (rest.length !== 1 && !(tool.startsWith('traceroute') && rest.length === 2)) {
    const what = rest.length === 0 ? 'a target is missing' : `'${rest[1]!}' is too much`;
    throw new ToolError(`${tool}: ${what}; expected: ${tool} [options] host`);
  }
  if (rest.length === 2) options['size'] = number(rest[1]!);
  return { target: rest[0]!, options };
}

/** Runs a tool to its end and resolves to what it prints. `newProcess` makes the process that it runs as. */
export async function exec(
  host: ToolHost, resolver: HostResolver, newProcess: (name: string) => KernelProcess, line: string,
): Promise<string> {
  if (typeof line !== 'string') throw new TypeError(`exec: line is ${typeof line}; expected a command line such as 'ping -c 3 bob'`);
  const [name, ...words] = splitWords(line);
  let result: PingResult | TracerouteResult;
  if (name === 'ping' || name === 'ping6') {
    const { target, options } = parseLine(name, words, PING);
    result = await ping(host, resolver, newProcess(name), target, name === 'ping6' ? { ...options, family: 6 } : options);
  } else if (name === 'traceroute' || name === 'traceroute6') {
    const { target, options } = parseLine(name, words, TRACEROUTE);
    result = await traceroute(host, resolver, newProcess(name), target, name === 'traceroute6' ? { ...options, family: 6 } : options);
  } else if (name === 'dig') {
    return await dig(resolver, words);
  } else if (name === 'getent') {
    return await getent(resolver, words);
  } else {
    return sh(host, line);
  }
  return result.toString();
}
