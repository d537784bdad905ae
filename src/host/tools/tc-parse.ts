/** What stands behind the kind on a line of tc: its words, as options of `dev/sched/kinds.ts`, which checks what they say. */
import type { HtbClassOptions } from '../../dev/sched/htb-class.ts';
import type { QdiscOptions } from '../../dev/sched/kinds.ts';
import type { Chance, Loss } from '../../lib/loss.ts';
import type { SlotOptions } from '../../lib/slot.ts';
import { unknownWord } from './command.ts';
import { Cursor } from './tc-units.ts';

/** Options while they are put together. */
type Options = Record<string, unknown>;
/** What follows a word, put into the options. */
type Reader = (c: Cursor, o: Options) => void;
type Words = Readonly<Record<string, Reader>>;

const integer = (name: string): Reader => (c, o) => { o[name] = c.integer(name); };
const size = (name: string, word: string = name): Reader => (c, o) => { o[name] = c.size(word); };
const time = (name: string, word: string = name): Reader => (c, o) => { o[name] = c.time(word); };
const rate = (name: string, word: string = name): Reader => (c, o) => { o[name] = c.rate(word); };
const flag = (name: string, value: boolean): Reader => (_, o) => { o[name] = value; };
const chance = (name: string): Reader => (c, o) => { o[name] = readChance(c, name); };

const LAW: Words = {
  limit: integer('limit'), target: time('target'), interval: time('interval'), ecn: flag('ecn', true), noecn: flag('ecn', false),
  ce_threshold: time('ceThreshold', 'ce_threshold'),
};

/** tbf's sizes may be written `bytes/cell`; the cell was of use to older kernels only. */
const bucket = (name: string): Reader => (c, o) => {
  const word = c.take(name);
  o[name] = new Cursor([word.replace(/\/\d+$/, '')], 'tc: tbf').size(name);
};

const KINDS: Readonly<Record<QdiscOptions['kind'], Words>> = {
  noqueue: {},
  pfifo_fast: {},
  pfifo: { limit: integer('limit') },
  bfifo: { limit: size('limit') },
  fq: {
    limit: integer('limit'), flow_limit: integer('flowLimit'), quantum: size('quantum'), initial_quantum: size('initialQuantum',
    'initial_quantum'),
    maxrate: rate('maxrate'), pacing: flag('pacing', true), nopacing: flag('pacing', false),
    low_rate_threshold: rate('lowRateThreshold', 'low_rate_threshold'), refill_delay: time('refillDelay', 'refill_delay'),
    buckets: integer('buckets'), orphan_mask: integer('orphanMask'), horizon: time('horizon'), horizon_drop: flag('horizonDrop', true),
    horizon_cap: flag('horizonDrop', false), ce_threshold: time('ceThreshold', 'ce_threshold'),
    bands: (c) => { if (c.integer('bands') !== 3) throw c.wrong('bands', '', '3: fq has three'); }, priomap: readPriomap,
    weights: (c, o) => { o['weights'] = [c.integer('weights'), c.integer('weights'), c.integer('weights')]; },
    timer_slack: (c) => { c.time('timer_slack'); }, // alarms are exact here
  },
  codel: LAW,
  fq_codel: {
    ...LAW, flows: integer('flows'), quantum: size('quantum'), memory_limit: size('memoryLimit', 'memory_limit'),
    drop_batch: integer('dropBatch'),
  },
  tbf: {
    rate: rate('rate'), burst: bucket('burst'), buffer: bucket('burst'), maxburst: bucket('burst'), limit: size('limit'),
    latency: time('latency'),
    peakrate: rate('peakrate'), mtu: bucket('mtu'), minburst: bucket('mtu'), overhead: integer('overhead'), mpu: integer('mpu'),
    linklayer: (c, o) => { o['linklayer'] = c.take('linklayer'); },
  },
  netem: {
    limit: integer('limit'), delay: readDelay, latency: readDelay, loss: readLoss, drop: readLoss, ecn: flag('ecn', true),
    duplicate: chance('duplicate'), reorder: chance('reorder'), corrupt: chance('corrupt'), gap: integer('gap'),
    distribution: (c, o) => { o['distribution'] = c.take('distribution'); },
    rate: readRate, slot: (c, o) => { o['slot'] = readSlot(c); }, seed: integer('seed'),
  },
  prio: { bands: integer('bands'), priomap: readPriomap },
  htb: {
    default: (c, o) => { o['default'] = readHex(c, 'default'); }, r2q: integer('r2q'), direct_qlen: integer('directQlen'),
  },
};

const HTB_CLASS: Words = {
  rate: rate('rate'), ceil: rate('ceil'), burst: bucket('burst'), buffer: bucket('burst'), maxburst: bucket('burst'),
  cburst: bucket('cburst'), cbuffer: bucket('cburst'), cmaxburst: bucket('cburst'), prio: integer('prio'), quantum: size('quantum'),
  mtu: size('mtu'), overhead: integer('overhead'), mpu: integer('mpu'), linklayer: (c, o) => { o['linklayer'] = c.take('linklayer'); },
};

/** A number of a class, in hexadecimal, with `0x` or without. */
function readHex(c: Cursor, what: string): number {
  const word = c.take(what);
  const m = /^(?:0x)?([0-9a-f]{1,4})$/i.exec(word);
  if (m === null) throw c.wrong(word, what, "the number of a class, in hexadecimal, such as '30'");
  return parseInt(m[1]!, 16);
}

/** What a class of htb is told. */
export function parseHtbClassWords(words: readonly string[]): HtbClassOptions {
  return readWords(new Cursor(words, 'tc: htb'), HTB_CLASS, 'tc: htb', {}) as unknown as HtbClassOptions;
}

/** The options that the words say. */
export function parseQdiscWords(kind: QdiscOptions['kind'], words: readonly string[]): QdiscOptions {
  const tool = `tc: ${kind}`;
  return readWords(new Cursor(words, tool), KINDS[kind], tool, { kind }) as unknown as QdiscOptions;
}

function readWords(cursor: Cursor, known: Words, tool: string, options: Options): Options {
  for (let word = cursor.peek; word !== null; word = cursor.peek) {
    if (!Object.hasOwn(known, word)) {
      const names = Object.keys(known);
      throw unknownWord(tool, word, names.length === 0 ? 'nothing behind it' : names.join(', '));
    }
    cursor.take('');
    known[word]!(cursor, options);
  }
  return options;
}

function readChance(c: Cursor, name: string): Chance {
  const p = c.percent(name);
  return c.hasNumber ? { p, correlation: c.percent(`${name} correlation`) } : p;
}

/** `delay TIME [ JITTER [ CORRELATION ]]` */
function readDelay(c: Cursor, o: Options): void {
  o['delay'] = c.time('delay');
  if (!c.hasNumber) return;
  o['jitter'] = c.time('jitter');
  if (c.hasNumber) o['correlation'] = c.percent('correlation');
}

/** `loss [random] P [CORRELATION]`, `loss state P13 [P31 [P32 [P23 [P14]]]]`, `loss gemodel P [R [1-H [1-K]]]` */
function readLoss(c: Cursor, o: Options): void {
  o['loss'] = c.accept('state') ? readStates(c) : c.accept('gemodel') ? readGemodel(c) : readRandom(c);
}

function readRandom(c: Cursor): Loss {
  if (!c.accept('random') && !c.hasNumber) throw c.wrong(c.take('loss'), 'loss', "a percentage, 'random', 'state' or 'gemodel'");
  return readChance(c, 'loss');
}

function readStates(c: Cursor): Loss {
  const out: Record<string, number> = { p13: c.percent('loss state p13') };
  for (const name of ['p31', 'p32', 'p23', 'p14']) {
    if (!c.hasNumber) break;
    out[name] = c.percent(`loss state ${name}`);
  }
  return out as unknown as Loss;
}

/** tc asks for the chances to be lost, 1-h and 1-k. */
function readGemodel(c: Cursor): Loss {
  const out: { p: number; r?: number; h?: number; k?: number } = { p: c.percent('loss gemodel p') };
  if (c.hasNumber) out.r = c.percent('loss gemodel r');
  if (c.hasNumber) out.h = 1 - c.percent('loss gemodel 1-h');
  if (c.hasNumber) out.k = 1 - c.percent('loss gemodel 1-k');
  return out;
}

/** `rate RATE [PACKETOVERHEAD] [CELLSIZE] [CELLOVERHEAD]` */
function readRate(c: Cursor, o: Options): void {
  o['rate'] = c.rate('rate');
  for (const name of ['packetOverhead', 'cellSize', 'cellOverhead']) {
    if (!c.hasNumber) return;
    o[name] = c.integer(name.toLowerCase());
  }
}

/** `slot MIN [MAX]` or `slot distribution NAME DELAY JITTER`, then `[packets N] [bytes N]` */
function readSlot(c: Cursor): SlotOptions {
  const out: Options = {};
  if (c.accept('distribution')) {
    out['distribution'] = c.take('slot distribution');
    out['delay'] = c.time('slot delay');
    out['jitter'] = c.time('slot jitter');
  } else {
    out['min'] = c.time('slot min');
    if (c.hasNumber) out['max'] = c.time('slot max');
  }
  if (c.accept('packets')) out['packets'] = c.integer('slot packets');
  if (c.accept('bytes')) out['bytes'] = c.size('slot bytes');
  return out;
}

function readPriomap(c: Cursor, o: Options): void {
  const map: number[] = [];
  while (c.hasNumber) map.push(c.integer('priomap'));
  o['priomap'] = map;
}
