/**
 * `ip tcp_metrics`: what the host remembers of the hosts it has spoken to (ip-tcp_metrics(8)).
 *
 *     ip tcp_metrics [show [ADDR]]    ip tcp_metrics delete ADDR    ip tcp_metrics flush [all]
 */
import { toHex } from '../../lib/bytes.ts';
import type { TcpMetricsBlock } from '../../tcp/metrics.ts';
import { text, ToolError, type ToolHost } from './command.ts';

/** `ip tcp_metrics` with the words behind it. */
export function ipTcpMetrics(host: ToolHost, words: readonly string[]): string {
  const [verb = 'show', addr = ''] = words;
  const { metrics } = host.tcp;
  if ('show'.startsWith(verb) || 'list'.startsWith(verb)) {
    const now = host.net.jiffies;
    return text([...metrics.blocks.values()].filter((b) => addr === '' || addr === 'all' || b.daddr === addr).map((b) => line(b, now)));
  }
  if (verb.length >= 2 && 'flush'.startsWith(verb)) {
    metrics.flush();
    return '';
  }
  if ('delete'.startsWith(verb)) {
    if (addr === '') throw new ToolError('ip: Error: an address is required');
    if (!metrics.delete(addr)) throw new ToolError('RTNETLINK answers: No such process');
    return '';
  }
  throw new ToolError(`Command "${verb}" is unknown, try "ip tcp_metrics help".`);
}

/** `192.0.2.1 age 0.310sec fo_mss 1460 fo_cookie 3021b9d889017eeb source 192.168.0.1` */
function line(block: TcpMetricsBlock, nowMs: number): string {
  let s = `${block.daddr} age ${((nowMs - block.stampMs) / 1000).toFixed(3)}sec`;
  if (block.foMss !== 0) s += ` fo_mss ${String(block.foMss)}`;
  if (block.foSynLoss !== 0) s += ` fo_syn_drops ${String(block.foSynLoss)}/${((nowMs - block.foLastSynLossMs) / 1000).toFixed(3)}sec ago`;
  if (block.foCookie !== null) s += ` fo_cookie ${toHex(block.foCookie)}`;
  return `${s} source ${block.saddr}`;
}
