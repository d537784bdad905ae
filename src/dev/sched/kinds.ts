/**
 * The kinds of disciplines, and how each is made from what a user says. Quantities are parsed as everywhere (`lib/units.ts`);
 * what is wrong is an error that names the option and the accepted form, and nothing has changed then.
 */
import { Random } from '../../lib/random.ts';
import { checkOptions } from '../../lib/units.ts';
import type { NetDevice } from '../net-device.ts';
import type { Qdisc } from '../qdisc.ts';
import { Codel, type CodelOptions } from './codel.ts';
import { Bfifo, Pfifo, type BfifoOptions, type PfifoOptions } from './fifo.ts';
import { FqCodel, type FqCodelOptions } from './fq-codel.ts';
import { Fq, type FqOptions } from './fq.ts';
import type { HtbClassSpec } from './htb-class.ts';
import { Htb, type HtbOptions } from './htb.ts';
import { Netem, type NetemOptions } from './netem.ts';
import { PfifoFast } from './pfifo-fast.ts';
import { Prio, type PrioOptions } from './prio.ts';
import { Tbf, type TbfOptions } from './tbf.ts';

/** What every discipline can be told: its number, `'1:'`. Default: the next free one from `8001:` on. */
interface Numbered { readonly handle?: string }

/** A discipline, as a user asks for it. */
export type QdiscOptions =
  | (Numbered & { readonly kind: 'noqueue' | 'pfifo_fast' })
  | (Numbered & PfifoOptions & { readonly kind: 'pfifo' })
  | (Numbered & BfifoOptions & { readonly kind: 'bfifo' })
  | (Numbered & FqOptions & { readonly kind: 'fq' })
  | (Numbered & CodelOptions & { readonly kind: 'codel' })
  | (Numbered & FqCodelOptions & { readonly kind: 'fq_codel' })
  | (Numbered & TbfOptions & { readonly kind: 'tbf'; readonly child?: QdiscOptions })
  | (Numbered & NetemOptions & { readonly kind: 'netem'; readonly child?: QdiscOptions })
  | (Numbered & Omit<HtbOptions, 'classes'> & { readonly kind: 'htb';
    readonly classes?: readonly (HtbClassSpec & { readonly child?: QdiscOptions })[]; })
  | (Numbered & PrioOptions & { readonly kind: 'prio'; readonly children?: readonly QdiscOptions[] });

/** Their names. */
export type QdiscKind = QdiscOptions['kind'];

interface Kind {
  readonly options: readonly string[];
  make(dev: NetDevice): Qdisc;
  /** Applies options to one that there is; null when there is nothing to say. */
  readonly change: ((q: Qdisc, options: never) => void) | null;
}

const LAW: readonly string[] = ['limit', 'target', 'interval', 'ecn', 'ceThreshold'];

const KINDS: Readonly<Record<Exclude<QdiscKind, 'noqueue'>, Kind>> = {
  pfifo_fast: { options: [], make: (dev) => new PfifoFast(dev), change: null },
  pfifo: { options: ['limit'], make: (dev) => new Pfifo(dev), change: (q, o: PfifoOptions) => { (q as Pfifo).change(o); } },
  bfifo: { options: ['limit'], make: (dev) => new Bfifo(dev), change: (q, o: BfifoOptions) => { (q as Bfifo).change(o); } },
  fq: {
    options: [
      'limit', 'flowLimit', 'quantum', 'initialQuantum', 'maxrate', 'pacing', 'lowRateThreshold', 'refillDelay', 'buckets', 'orphanMask',
      'horizon', 'horizonDrop', 'ceThreshold', 'priomap', 'weights',
    ],
    make: (dev) => new Fq(dev, stream(dev, 'fq').next32()),
    change: (q, o: FqOptions) => { (q as Fq).change(o); },
  },
  codel: { options: LAW, make: (dev) => new Codel(dev), change: (q, o: CodelOptions) => { (q as Codel).change(o); } },
  fq_codel: {
    options: [...LAW, 'flows', 'quantum', 'memoryLimit', 'dropBatch'],
    make: (dev) => new FqCodel(dev, stream(dev, 'fq_codel').next32()),
    change: (q, o: FqCodelOptions) => { (q as FqCodel).change(o); },
  },
  tbf: {
    options: ['rate', 'burst', 'limit', 'latency', 'peakrate', 'mtu', 'overhead', 'mpu', 'linklayer'],
    make: (dev) => new Tbf(dev),
    change: (q, o: TbfOptions) => { (q as Tbf).change(o); },
  },
  netem: {
    options: [
      'limit', 'delay', 'jitter', 'correlation', 'distribution', 'loss', 'ecn', 'duplicate', 'reorder', 'gap', 'corrupt', 'rate',
      'packetOverhead', 'cellSize', 'cellOverhead', 'slot', 'seed',
    ],
    make: (dev) => new Netem(dev, stream(dev, 'netem')),
    change: (q, o: NetemOptions) => { (q as Netem).change(o); },
  },
  htb: {
    options: ['default', 'r2q', 'directQlen', 'classes'], make: (dev) => new Htb(dev),
    change: (q, o: HtbOptions) => { (q as Htb).change(o); },
  },
  prio: { options: ['bands', 'priomap'], make: (dev) => new Prio(dev), change: (q, o: PrioOptions) => { (q as Prio).change(o); } },
};

/** All names. */
export const QDISC_KINDS: readonly QdiscKind[] = ['noqueue', ...(Object.keys(KINDS) as Exclude<QdiscKind, 'noqueue'>[])];

/** Those that net.core.default_qdisc may name: they need no options. */
export const DEFAULT_QDISCS: readonly string[] = ['pfifo_fast', 'pfifo', 'bfifo', 'fq', 'fq_codel', 'codel', 'noqueue'];

/** A stream of chance of a device's own. */
function stream(dev: NetDevice, kind: string): Random {
  return Random.stream(dev.net.seed, `host:${dev.net.name}:${dev.name}:${kind}`);
}

/** Makes a discipline, without a place yet; null for noqueue. */
export function qdiscCreate(dev: NetDevice, options: QdiscOptions): Qdisc | null {
  qdiscOwnOptions(options);
  const { kind } = options;
  if (kind === 'noqueue') return null;
  const q = KINDS[kind].make(dev);
  qdiscChange(q, options);
  return q;
}

/** Gives a discipline other options; what it is left to decide by itself stays or begins anew, as the kind has it. */
export function qdiscChange(q: Qdisc, options: QdiscOptions): void {
  const own = qdiscOwnOptions(options);
  const { qlen, backlog } = q;
  KINDS[options.kind as Exclude<QdiscKind, 'noqueue'>].change?.(q, own as never);
  q.parent?.forget(qlen - q.qlen, backlog - q.backlog); // what a lower limit dropped
}

/** What is said to the discipline itself: without its name, number and children. */
export function qdiscOwnOptions(options: QdiscOptions): object {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new TypeError('qdisc: expected an object such as { kind: \'fq_codel\' }');
  }
  const { kind, handle: _handle, child: _child, children: _children,
    ...own } = options as QdiscOptions & { child?: unknown; children?: unknown };
  if (!QDISC_KINDS.includes(kind)) {
    throw new TypeError(`kind: '${String(kind)}' is not a queueing discipline; expected ${QDISC_KINDS.join(', ')}`);
  }
  const known = kind === 'noqueue' ? [] : KINDS[kind].options;
  checkOptions(own, known, kind);
  if ('child' in options && kind !== 'tbf' && kind !== 'netem') {
    throw new TypeError(`child: a ${kind} has no class; tbf and netem have one`);
  }
  if ('children' in options && kind !== 'prio') throw new TypeError(`children: a ${kind} has no classes; prio has`);
  return own;
}
