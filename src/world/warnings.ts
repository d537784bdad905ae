/** What of a world is probably a mistake: said, not refused, for a test may want it so. */
import { inetAddrs } from '../ip/devinet.ts';
import type { Interface } from './interface.ts';

/** One line for each wire whose interfaces do not agree in their MTU: frames that one of them sends, others drop as FRAME_TOO_LONG. */
export function mtuWarnings(wires: readonly (readonly Interface[])[]): string[] {
  const lines: string[] = [];
  for (const wire of wires) {
    const mtus = [...new Set(wire.map((itf) => itf.dev.mtu))].sort((x, y) => y - x);
    if (mtus.length < 2) continue;
    const groups = mtus.map((mtu) => `${String(mtu)} at ${wire.filter((itf) => itf.dev.mtu === mtu).map(nameOf).join(', ')}`);
    lines.push(`MTU: ${groups.join('; ')}: what is longer than the smallest is dropped there (FRAME_TOO_LONG), and no ICMP error says so`);
  }
  return lines;
}

function nameOf(itf: Interface): string {
  const ip = inetAddrs(itf.dev).length === 0 ? '' : ` (${itf.ip!})`;
  return `${itf.host.name}.${itf.name}${ip}`;
}
