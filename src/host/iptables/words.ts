/** The words of a line as iptables-restore splits them: blanks between, double quotes around, a backslash before a quote. */
import { ToolError } from '../tools/command.ts';

export function splitQuoted(line: string, tool: string): string[] {
  const words: string[] = [];
  for (const m of line.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"']+)|(["'])/g)) {
    if (m[4] !== undefined) throw new ToolError(`${tool}: a quote is not closed: ${line.slice(m.index)}`);
    words.push(m[1] !== undefined ? m[1].replace(/\\(.)/g, '$1') : m[2] ?? m[3]!);
  }
  return words;
}
