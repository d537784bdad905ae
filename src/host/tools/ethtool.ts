/**
 * `ethtool`: what a card counts (-S), what it can do (-k), its rings (-g) and its interrupt coalescing (-c).
 */
import { ethernetCard, isEthernet } from '../../dev/ethernet.ts';
import {
  ARPHRD_ETHER, NETIF_F_GRO, NETIF_F_HW_CSUM, NETIF_F_RXCSUM, NETIF_F_TSO, type NetDevice,
} from '../../dev/net-device.ts';
import { devGetByName } from '../../dev/registry.ts';
import { RING_MAX, type CardConfig } from '../../nic/options.ts';
import { parseWords, text, ToolError, unknownWord, type Flags, type ToolHost } from './command.ts';

const FLAGS: Flags = {
  S: 'S', statistics: 'S', k: 'k', 'show-features': 'k', g: 'g', 'show-ring': 'g', c: 'c', 'show-coalesce': 'c',
};

const FEATURES: readonly (readonly [number, string])[] = [
  [NETIF_F_RXCSUM, 'rx-checksumming'], [NETIF_F_HW_CSUM, 'tx-checksumming'], [NETIF_F_TSO, 'tcp-segmentation-offload'],
  [NETIF_F_GRO, 'generic-receive-offload'],
];

/** `ethtool -S DEV`, `-k DEV`, `-g DEV`, `-c DEV`, `ethtool DEV`. */
export function ethtool(host: ToolHost, args: readonly string[]): string {
  const { flags, rest } = parseWords('ethtool', args, FLAGS);
  const dev = device(host, rest, 'ethtool');
  if (flags.has('S')) return statistics(dev);
  if (flags.has('k')) {
    const lines = FEATURES.map(([bit, name]) => `${name}: ${(dev.features & bit) !== 0 ? 'on' : 'off'}`);
    return text([`Features for ${dev.name}:`, ...lines]);
  }
  if (flags.has('g')) return rings(dev);
  if (flags.has('c')) return coalescing(dev);
  return text([`Settings for ${dev.name}:`, `\tLink detected: ${dev.up && dev.carrier ? 'yes' : 'no'}`]);
}

function statistics(dev: NetDevice): string {
  const stats = dev.ops.ethtoolStats(dev);
  if (stats.length === 0) return text(['no stats available']);
  return text(['NIC statistics:', ...stats.map(([name, value]) => `     ${name}: ${String(value)}`)]);
}

/** The card's settings; a device without a card has none (EOPNOTSUPP). */
function cardConfig(dev: NetDevice, what: string): CardConfig {
  if (dev.type === ARPHRD_ETHER && isEthernet(dev)) return ethernetCard(dev).config;
  throw new ToolError(`ethtool: ${what} of ${dev.name}: operation not supported: it has no card`);
}

function rings(dev: NetDevice): string {
  const { rxRing, txRing } = cardConfig(dev, 'ring parameters');
  return text([
    `Ring parameters for ${dev.name}:`,
    'Pre-set maximums:', `RX:\t\t${String(RING_MAX)}`, `TX:\t\t${String(RING_MAX)}`,
    'Current hardware settings:', `RX:\t\t${String(rxRing)}`, `TX:\t\t${String(txRing)}`,
  ]);
}

function coalescing(dev: NetDevice): string {
  const { rxUsecs, rxAdaptive, rxFrames, txUsecs, txFrames } = cardConfig(dev, 'coalesce parameters');
  return text([
    `Coalesce parameters for ${dev.name}:`, `Adaptive RX: ${rxAdaptive ? 'on' : 'off'}  TX: off`, '',
    `rx-usecs:\t${String(rxUsecs)}`, `rx-frames:\t${String(rxFrames)}`, '',
    `tx-usecs:\t${String(txUsecs)}`, `tx-frames:\t${String(txFrames)}`,
  ]);
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
