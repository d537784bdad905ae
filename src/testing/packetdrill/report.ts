/** What became of scripts, for people: one line each, both traces side by side on request, a count at the end. */
import type { PacketdrillResult } from './packetdrill.ts';

/** Widest left column of two traces. */
const COLUMN = 72;

/** `ok   close.pkt (ipv4)`; what failed is told below it. `verbose`: both traces as well. */
export function formatResult(r: PacketdrillResult, verbose: boolean = false): string {
  const name = `${r.file} (${r.mode})`;
  const lines: string[] = [];
  if (r.status === 'ok') lines.push(`ok    ${name}`);
  else if (r.status === 'skip') lines.push(`skip  ${name}: ${r.message}`);
  else {
    lines.push(`FAIL  ${r.file}:${r.line} (${r.mode}): ${r.message}`);
    if (r.want !== '') lines.push(`      want  ${r.want}`);
    if (r.got !== '') lines.push(`      got   ${r.got}`);
  }
  for (const warning of r.warnings) lines.push(`      warning: ${r.file}:${warning}`);
  for (const text of r.printed) lines.push(`      ${text}`);
  if (verbose) lines.push(...formatTrace(r));
  return lines.join('\n');
}

function formatTrace(r: PacketdrillResult): string[] {
  return r.trace.map((t) => {
    const want = t.want.length > COLUMN ? `${t.want.slice(0, COLUMN - 1)}…` : t.want.padEnd(COLUMN);
    return `      ${(t.timeNs / 1e9).toFixed(6).padStart(11)}  ${want}  ${t.got}`.trimEnd();
  });
}

/** `12 passed, 1 failed, 3 skipped` */
export function formatSummary(results: readonly PacketdrillResult[]): string {
  const count = (status: string): number => results.filter((r) => r.status === status).length;
  return `${count('ok')} passed, ${count('fail')} failed, ${count('skip')} skipped`;
}
