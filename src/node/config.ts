/**
 * What describes the world of an installed program: the options of `install`, a file `kernet.config.*`, `KERNET_*` variables.
 * A variable wins over the file. What is wrong is named, with the accepted form.
 *
 *   from  node/install.ts, node/register.ts
 *   to    node/default-world.ts
 */
import { inspect } from 'node:util';
import type { SwitchOptions } from '../fabric/switch-options.ts';
import type { WeatherOptions } from '../fabric/weather.ts';
import { parseSeed } from '../host/kernel.ts';
import { checkOptions } from '../lib/units.ts';
import type { HostOptions } from '../world/host.ts';
import type { CableOptions } from '../world/world.ts';
import { parsePassthrough, type PassthroughOption } from './passthrough.ts';
import type { World } from './world.ts';

/** A host of a configured world: the options of `world.host`, and maybe a program that runs on it. */
export interface ConfiguredHost extends HostOptions {
  /** A module that is loaded on this host before the main program begins; its path is seen from the configuration file. */
  readonly program?: string;
}

/** A cable: its two ends, or these and its weather. */
export type ConfiguredCable = readonly [string, string] | (CableOptions & { readonly between: readonly [string, string] });

/** The world of an installed program. All of it may be left out: then it is one host, with a loopback. */
export interface KernetConfig {
  /** All chance comes from it. `KERNET_SEED`. Default 1. */
  readonly seed?: number;
  /** Time passes by the wall clock (`'real'`, the default), or jumps when the program rests. `KERNET_TIME`. */
  readonly time?: 'real' | 'virtual';
  /** With virtual time: what Date says when the program begins. Default 2025-01-01T00:00:00Z. */
  readonly epoch?: Date | number;
  /** Names of hosts, or their options by name. Default: one, named as the machine. `KERNET_HOSTS=alice,bob`. */
  readonly hosts?: readonly string[] | Readonly<Record<string, ConfiguredHost>>;
  /** The host that the program runs on. Default: the first. `KERNET_HOST`. */
  readonly host?: string;
  readonly switches?: readonly string[] | Readonly<Record<string, SwitchOptions>>;
  /** Default: two hosts have a cable, more hang on a switch. */
  readonly cables?: readonly ConfiguredCable[];
  /** Of every cable that has none of its own; of the loopback, when there is no cable. `KERNET_WEATHER='delay=40ms,loss=3%'`. */
  readonly weather?: WeatherOptions;
  /** Where a capture of all hosts is written when the process ends; `%p` is its number. `KERNET_PCAP`. */
  readonly pcap?: string;
  /** Who may reach the machine's own network. `KERNET_PASSTHROUGH=db.internal:5432,*.example.com`. Default: nobody. */
  readonly passthrough?: PassthroughOption;
  /** Anything else: called with the world before any program begins. */
  readonly setup?: (world: World) => void | PromiseLike<void>;
}

export const CONFIG_OPTIONS: readonly string[] = [
  'seed', 'time', 'epoch', 'hosts', 'host', 'switches', 'cables', 'weather', 'pcap', 'passthrough', 'setup',
];

/** The variables that are heeded; `KERNET_CONFIG` and `KERNET_CHECK` by register alone. */
const READERS: Readonly<Record<string, (text: string, name: string) => KernetConfig>> = {
  KERNET_SEED: (text, name) => ({ seed: seedOf(text, name) }),
  KERNET_TIME: (text, name) => ({ time: timeOf(text, name) }),
  KERNET_HOSTS: (text, name) => ({ hosts: hostsOf(text, name) }),
  KERNET_HOST: (text) => ({ host: text }),
  KERNET_WEATHER: (text, name) => ({ weather: weatherOf(text, name) }),
  KERNET_PCAP: (text) => ({ pcap: text }),
  KERNET_PASSTHROUGH: (text, name) => {
    parsePassthrough(text, name);
    return { passthrough: text };
  },
};

/** What the environment says. */
export function configOfEnv(env: NodeJS.ProcessEnv): KernetConfig {
  let config: KernetConfig = {};
  for (const [name, read] of Object.entries(READERS)) {
    const text = env[name]?.trim();
    if (text !== undefined && text !== '') config = { ...config, ...read(text, name) };
  }
  return config;
}

/** Checks what a user wrote; `where` names it. Hosts, cables and weather are checked by the world that is made of them. */
export function checkConfig(config: unknown, where: string): KernetConfig {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new TypeError(`${where}: ${inspect(config)} is not a configuration; expected an object with ${CONFIG_OPTIONS.join(', ')}`);
  }
  checkOptions(config, CONFIG_OPTIONS, where);
  const { seed, time, host, pcap, passthrough, setup, cables } = config as KernetConfig;
  named(where, () => parseSeed(seed));
  if (time !== undefined) timeOf(time, `${where}: time`);
  if (passthrough !== undefined) parsePassthrough(passthrough, `${where}: passthrough`);
  checkType(host, 'string', `${where}: host`, 'the name of a host');
  checkType(pcap, 'string', `${where}: pcap`, 'the path of a file');
  checkType(setup, 'function', `${where}: setup`, 'a function that is called with the world');
  if (cables !== undefined && !Array.isArray(cables)) {
    throw new TypeError(`${where}: cables: ${inspect(cables)} is not understood; expected a list such as [['alice', 'bob']]`);
  }
  return config;
}

/** Runs a check of something else, with `where` before what it says. */
export function named<T>(where: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof Error) error.message = `${where}: ${error.message}`;
    throw error;
  }
}

function checkType(value: unknown, type: string, name: string, form: string): void {
  if (value === undefined) return;
  const is: string = typeof value;
  if (is !== type || value === '') throw new TypeError(`${name}: ${inspect(value)} is not understood; expected ${form}`);
}

function seedOf(text: string, name: string): number {
  const seed = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(seed)) throw new TypeError(`${name}: '${text}' is not understood; expected a whole number: 42, 0x5eed17`);
  return seed;
}

function timeOf(text: unknown, name: string): 'real' | 'virtual' {
  if (text !== 'real' && text !== 'virtual') throw new TypeError(`${name}: ${inspect(text)} is not understood; expected real or virtual`);
  return text;
}

function hostsOf(text: string, name: string): string[] {
  const list = text.split(',').map((s) => s.trim());
  if (list.some((s) => s === '') || new Set(list).size < list.length) {
    throw new TypeError(`${name}: '${text}' is not understood; expected different names such as alice,bob`);
  }
  return list;
}

const WEATHER_WORDS: readonly string[] = ['delay', 'jitter', 'rate', 'loss', 'duplicate', 'reorder', 'corrupt', 'limit'];
const DURATIONS: ReadonlySet<string> = new Set(['delay', 'jitter', 'rate']);

/** `delay=40ms,loss=3%`, or as tc(8) has it: `delay 40ms loss 3%`. */
function weatherOf(text: string, name: string): WeatherOptions {
  const form = `expected pairs such as delay=40ms,loss=3% of ${WEATHER_WORDS.join(', ')}`;
  const words = text.split(/[\s,=]+/).filter((s) => s !== '');
  const out: Record<string, string | number> = {};
  for (let i = 0; i < words.length; i += 2) {
    const [key, value] = [words[i]!, words[i + 1]];
    if (!WEATHER_WORDS.includes(key) || value === undefined) throw new TypeError(`${name}: '${text}' is not understood; ${form}`);
    out[key] = DURATIONS.has(key) ? value : numberOf(value, `${name}: ${key}`);
  }
  return out;
}

function numberOf(text: string, name: string): number {
  const number = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text);
  if (!(number >= 0)) throw new TypeError(`${name}: '${text}' is not understood; expected a number such as 0.03, or 3%`);
  return number;
}
