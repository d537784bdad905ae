/**
 * A command line for the tools that look at a host: `ss -tan`, `ip route`, `arp -a`, `nstat`, `ethtool -S eth0`. No shell:
 * words are separated by blanks, quotes hold them together, and nothing is a pipe.
 */
import { arp } from './arp.ts';
import { text, ToolError, unknownWord, type ToolHost } from './command.ts';
import { ethtool } from './ethtool.ts';
import { conntrack, dmesg, iptablesCommand, iptablesSaveCommand } from '../iptables/tools.ts';
import { ip } from './ip.ts';
import { netstat, nstat } from './netstat.ts';
import { ss } from './ss.ts';
import { tc } from './tc.ts';

type Tool = (host: ToolHost, args: readonly string[]) => string;

const TOOLS: ReadonlyMap<string, Tool> = new Map<string, Tool>([
  ['ss', ss], ['ip', ip], ['arp', arp], ['nstat', nstat], ['netstat', netstat], ['ethtool', ethtool], ['tc', tc], ['sysctl', sysctl],
  ['iptables', iptablesCommand('iptables', 4)], ['ip6tables', iptablesCommand('ip6tables', 6)],
  ['iptables-save', iptablesSaveCommand('iptables-save', 4)], ['ip6tables-save', iptablesSaveCommand('ip6tables-save', 6)],
  ['conntrack', conntrack], ['dmesg', dmesg],
  ['hostname', (host) => text([host.net.name])],
]);

/** Runs a tool and returns what it prints. A {@link ToolError} names the word that was not understood. */
export function sh(host: ToolHost, line: string): string {
  if (typeof line !== 'string') throw new TypeError(`sh: line is ${typeof line}; expected a command line such as 'ss -tan'`);
  const [name, ...args] = splitWords(line);
  const known = [...TOOLS.keys()].join(', ');
  if (name === undefined) throw new ToolError(`sh: the command is missing; known are ${known}`);
  if (name === 'tcpdump') throw new ToolError("sh: 'tcpdump' does not end by itself → host.tcpdump({ … }) starts one, stop() ends it");
  if (name === 'iptables-restore' || name === 'ip6tables-restore') {
    throw new ToolError(`sh: '${name}' reads a text, and sh has no standard input → host.firewall.restore(text)`);
  }
  if (/^(ping6?|traceroute6?|dig|getent)$/.test(name)) {
    const asCall = name === 'dig' || name === 'getent' ? '' : `, or host.${name.replace('6', '')}(target, { … })`;
    const say = `await host.exec('${name} …')${asCall}`;
    throw new ToolError(`sh: '${name}' takes time, and sh does not wait → ${say}`);
  }
  const tool = TOOLS.get(name);
  if (tool === undefined) throw unknownWord('sh', name, `a tool: ${known}`);
  return tool(host, args);
}

/** The words of a line; quotes of both kinds keep blanks. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const m of line.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)|(['"])/g)) {
    if (m[4] !== undefined) throw new ToolError(`sh: a quote is not closed: ${line.slice(m.index)}`);
    words.push(m[1] ?? m[2] ?? m[3] ?? '');
  }
  const pipe = words.find((word) => /^[|&;<>]/.test(word));
  if (pipe !== undefined) throw new ToolError(`sh: '${pipe}' is not understood: this is no shell, one tool at a time`);
  return words;
}

/** `sysctl NAME…`, `sysctl -a [PATTERN]`, `sysctl [-w] NAME=VALUE…`; -n without names, -q without what was written. */
function sysctl(host: ToolHost, args: readonly string[]): string {
  const all = args.includes('-a');
  const write = args.includes('-w');
  const [bare, quiet] = [args.includes('-n'), args.includes('-q')];
  const words = args.filter((word) => !/^-[awnq]$/.test(word));
  const names = all ? host.sysctlNames().filter((name) => words.length === 0 || words.some((word) => name.includes(word))) : words;
  if (names.length === 0 && !all) throw new ToolError("sysctl: a name is missing, such as net.ipv4.tcp_rmem; 'sysctl -a' lists all");
  return text(names.flatMap((word) => {
    if (word.startsWith('-')) throw unknownWord('sysctl', word, "a name, '-a', '-w', '-n' or '-q'");
    const [name = '', ...value] = word.split('=');
    if (!host.sysctlNames().includes(name)) throw unknownWord('sysctl', name, "a name such as net.ipv4.tcp_rmem ('sysctl -a' lists all)");
    if (value.length > 0) host.setSysctl(name, value.join('='));
    else if (write) throw unknownWord('sysctl', word, 'NAME=VALUE');
    if (quiet && value.length > 0) return [];
    const now = host.sysctl(name);
    return [`${bare ? '' : `${name} = `}${Array.isArray(now) ? now.join('\t') : String(now)}`];
  }));
}
