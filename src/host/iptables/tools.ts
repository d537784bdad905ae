/** The command lines of netfilter: iptables, iptables-save, conntrack, dmesg. */
import { text, ToolError, unknownWord, type ToolHost } from '../tools/command.ts';
import { conntrackTool } from './conntrack.ts';
import type { Firewalling } from './context.ts';
import { iptables } from './iptables.ts';
import { iptablesSave } from './save.ts';

type Tool = (host: ToolHost, args: readonly string[]) => string;

/** The tables of a host that a tool of this name works on. */
export function firewalling(host: ToolHost, tool: string, version: 4 | 6): Firewalling {
  const tables = host.nf.tablesOf(version);
  if (tables === null) throw new ToolError(`${tool}: this host has no IPv${String(version)}`);
  return { nf: host.nf, tables, tool, resolve: (name) => host.resolve(name) };
}

export function iptablesCommand(tool: string, version: 4 | 6): Tool {
  return (host, args) => iptables(firewalling(host, tool, version), args, (addr) => host.nameOf(addr));
}

export function iptablesSaveCommand(tool: string, version: 4 | 6): Tool {
  return (host, args) => iptablesSave(firewalling(host, tool, version), args);
}

export function conntrack(host: ToolHost, args: readonly string[]): string {
  return conntrackTool(host.nf, args);
}

/** `dmesg`, `dmesg -c`: the kernel's log. */
export function dmesg(host: ToolHost, args: readonly string[]): string {
  const [word, ...more] = args;
  const bad = word !== undefined && word !== '-c' && word !== '-C' ? word : more[0];
  if (bad !== undefined) throw unknownWord('dmesg', bad, "nothing, '-c' (print and clear) or '-C' (clear)");
  const out = word === '-C' ? '' : text(host.nf.log.lines());
  if (word !== undefined) host.nf.log.clear();
  return out;
}
