/**
 * What the tools share: the host as they see it, the words of a command line, and tables.
 *
 * A tool looks, and changes only what a line tells it to. It returns its text, lines ended by newlines, or throws a
 * {@link ToolError} that names the word that was not understood.
 */
import type { Net } from '../../dev/net.ts';
import type { Netfilter } from '../../ip/filter/netfilter.ts';
import type { Ipv4 } from '../../ip/ipv4.ts';
import type { InetSock } from '../../sock/sock.ts';
import type { TcpProto } from '../../tcp/proto.ts';
import type { UnixSock } from '../../unix/sock.ts';
import type { HostsFile } from '../resolver.ts';
import type { SysctlValue } from '../sysctl.ts';

/** What names an address, and what a name means. */
export interface Names {
  /** The name of an address, or null when nobody knows one. */
  nameOf(addr: number): string | null;
  /** The address that a text means, an int32; null when it is neither an address nor a name. */
  resolve(text: string): number | null;
}

/** A host, from where the tools stand. */
export interface ToolHost extends Names {
  readonly net: Net;
  readonly ip: Ipv4;
  readonly nf: Netfilter;
  readonly tcp: TcpProto;
  readonly hosts: HostsFile;
  /** Every UDP socket that has a port, in the order in which they got it. */
  udpSockets(): readonly InetSock[];
  /** Every raw socket, of both families, by protocol. */
  rawSockets(): readonly InetSock[];
  /** Every Unix socket that is open, in the order in which they were made. */
  unixSockets(): readonly UnixSock[];
  /** Which descriptors a socket has, as `ss -p` writes them; '' when none. */
  users(sk: object): string;
  sysctlNames(): readonly string[];
  sysctl(name: string): SysctlValue;
  setSysctl(name: string, value: string): void;
}

/** A command line that a tool does not understand. The message begins with the tool's name. */
export class ToolError extends Error {
  override readonly name: string = 'ToolError';
}

/** Options that a tool knows: letter or long name → the letter that it stands for. */
export type Flags = Readonly<Record<string, string>>;

/** What was on a command line. */
export interface Words {
  readonly flags: ReadonlySet<string>;
  readonly rest: readonly string[];
}

/** Sorts the words of a command line: `-tan` is three options, `--numeric` one; all else is kept in its order. */
export function parseWords(tool: string, args: readonly string[], known: Flags): Words {
  const flags = new Set<string>();
  const rest: string[] = [];
  for (const word of args) {
    if (word.length < 2 || !word.startsWith('-')) {
      rest.push(word);
      continue;
    }
    const names = word.startsWith('--') ? [word.slice(2)] : [...word.slice(1)];
    for (const name of names) {
      const flag = Object.hasOwn(known, name) ? known[name] : undefined;
      if (flag === undefined) {
        const option = word.startsWith('--') ? word : `-${name}`;
        throw new ToolError(`${tool}: option '${option}' is not understood; known are ${listFlags(known)}`);
      }
      flags.add(flag);
    }
  }
  return { flags, rest };
}

function listFlags(known: Flags): string {
  return Object.keys(known).map((name) => (name.length === 1 ? `-${name}` : `--${name}`)).join(' ');
}

/** The error about a word that a tool does not know. */
export function unknownWord(tool: string, word: string, expected: string): ToolError {
  return new ToolError(`${tool}: '${word}' is not understood; expected ${expected}`);
}

/** Rows as lines: each column as wide as its widest cell, `r` in `align` set to the right, one blank between, none at the end. */
export function columns(rows: readonly (readonly string[])[], align: string, gap: string = ' '): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows.map((row) =>
    row.map((cell, i) => (align[i] === 'r' ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(gap).trimEnd());
}

/** Lines as a text. */
export function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

/** True when `name` matches a shell pattern of `*` and `?`. */
export function matches(name: string, pattern: string): boolean {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}
