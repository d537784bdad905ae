/**
 * `ethtool`: what a card counts (-S), what it can do (-k).
 */
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
