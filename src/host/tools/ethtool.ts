/**
 * `ethtool`: what a card counts (-S), what it can do (-k). And `tc -s qdisc`: what waits in front of it.
 */
import { formatSize } from '../../lib/units.ts';
import {
  NETIF_F_GRO, NETIF_F_HW_CSUM, NETIF_F_RXCSUM, NETIF_F_TSO, type NetDevice,
} from '../../dev/net-device.ts';
import { devGetByName } from '../../dev/registry.ts';
import { parseWords, text, ToolError, unknownWord, type Flags, type ToolHost } from './command.ts';

const FLAGS: Flags = { S: 'S', statistics: 'S', k: 'k', 'show-features': 'k' };

const FEATURES: readonly (readonly [number, string])[] = [
  [NETIF_F_RXCSUM, 'rx-checksumming'], [NETIF_F_HW_CSUM, 'tx-checksumming'], [NETIF_F_TSO, 'tcp-segmentation-offload'],
  [NETIF_F_GRO, 'generic-receive-offload'],
];

/** `ethtool -S DEV` and `ethtool -k DEV`. */
export function ethtool(host: ToolHost, args: readonly string[]): string {
  const { flags, rest } = parseWords('ethtool', args, FLAGS);
  const dev = device(host, rest, 'ethtool');
  if (flags.has('S')) return statistics(dev);
  if (flags.has('k')) {
    const lines = FEATURES.map(([bit, name]) => `${name}: ${(dev.features & bit) !== 0 ? 'on' : 'off'}`);
    return text([`Features for ${dev.name}:`, ...lines]);
  }
  return text([`Settings for ${dev.name}:`, `\tLink detected: ${dev.up && dev.carrier ? 'yes' : 'no'}`]);
}

function statistics(dev: NetDevice): string {
  const stats = dev.ops.ethtoolStats(dev);
  if (stats.length === 0) return text(['no stats available']);
  return text(['NIC statistics:', ...stats.map(([name, value]) => `     ${name}: ${String(value)}`)]);
}

function device(host: ToolHost, words: readonly string[], tool: string): NetDevice {
  const names = host.net.devices.filter((dev) => dev !== null).map((dev) => dev.name).join(', ');
  const [name] = words;
  if (name === undefined) throw new ToolError(`${tool}: the name of a device is missing; there are ${names}`);
  if (words.length > 1) throw unknownWord(tool, words[1]!, 'nothing behind the device');
  const dev = devGetByName(host.net, name);
  if (dev === null) throw unknownWord(tool, name, `a device: ${names}`);
  return dev;
}

/** `tc [-s] qdisc [show] [dev DEV]`. */
export function tc(host: ToolHost, args: readonly string[]): string {
  const { flags, rest } = parseWords('tc', args, { s: 's', statistics: 's' });
  const [object, ...words] = rest;
  if (object !== 'qdisc') throw unknownWord('tc', object ?? '', "'qdisc'");
  const after = words[0] === 'show' || words[0] === 'list' || words[0] === 'ls' ? words.slice(1) : words;
  if (after.length > 0 && after[0] !== 'dev') throw unknownWord('tc', after[0]!, "'show' or 'dev NAME'");
  const devs = after.length === 0 ? host.net.devices.filter((dev) => dev !== null) : [device(host, after.slice(1), 'tc')];
  const lines: string[] = [];
  for (const dev of devs) {
    const q = dev.qdisc;
    lines.push(`qdisc ${q?.kind ?? 'noqueue'} 0: dev ${dev.name} root refcnt 2`);
    if (!flags.has('s')) continue;
    lines.push(` Sent ${String(q?.bytes ?? 0)} bytes ${String(q?.packets ?? 0)} pkt (dropped ${String(q?.drops ?? 0)}, `
      + `overlimits 0 requeues ${String(q?.requeues ?? 0)})`);
    lines.push(` backlog ${formatSize(q?.backlog ?? 0)} ${String(q?.qlen ?? 0)}p requeues ${String(q?.requeues ?? 0)}`);
    if (q !== null) lines.push(` maxpacket ${String(q.maxQlen)}p`);
  }
  return text(lines);
}
