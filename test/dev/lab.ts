/** A bench for devices without a stack above them: hosts, frames, a world that runs until nothing is due. */
import { Random } from '../../src/lib/random.ts';
import { Cpu, ZERO_COSTS, type CostModel } from '../../src/time/cpu.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { SkbPool } from '../../src/skb/pool.ts';
import type { SkBuff } from '../../src/skb/sk-buff.ts';
import { MAX_HEADER } from '../../src/skb/sk-buff.ts';
import { Net } from '../../src/dev/net.ts';
import type { NetDevice } from '../../src/dev/net-device.ts';
import { Softnet } from '../../src/dev/softnet.ts';
import { registerLoopback } from '../../src/dev/loopback.ts';
import { devOpen } from '../../src/dev/registry.ts';
import { devQueueXmit } from '../../src/dev/xmit.ts';
import { registerEthernet, type EthernetOptions } from '../../src/dev/ethernet.ts';
import { Cable } from '../../src/fabric/cable.ts';
import { Port } from '../../src/fabric/port.ts';
import type { WeatherOptions } from '../../src/fabric/weather.ts';
import { Card } from '../../src/nic/card.ts';
import type { CardOptions } from '../../src/nic/options.ts';
import { ETH_HLEN, ethWriteHeader } from '../../src/wire/ethernet.ts';

/** One host with a loopback device that is up. */
export interface Host {
  sim: Simulation;
  pool: SkbPool;
  cpu: Cpu;
  net: Net;
  lo: NetDevice;
}

export function host(
  sim: Simulation = new Simulation(), pool: SkbPool = new SkbPool(), costs: CostModel = ZERO_COSTS, name: string = 'h',
): Host {
  const cpu = new Cpu(sim, { ...costs });
  const net = new Net(name, sim, cpu, pool, new Random(1));
  net.softnet = new Softnet(net);
  const lo = registerLoopback(net);
  devOpen(lo);
  return { sim, pool, cpu, net, lo };
}

/** A frame of `type` with `len` bytes behind the Ethernet header, to nobody in particular (or to `dst`). */
export function frame(pool: SkbPool, dev: NetDevice, type: number, len: number, dst: Uint8Array = dev.addr): SkBuff {
  const skb = pool.alloc(MAX_HEADER);
  const head = Math.min(len, 40);
  const at = skb.put(head);
  for (let i = 0; i < head; i++) skb.buf[at + i] = i;
  if (len > head) {
    const page = pool.allocPage(len - head);
    for (let i = 0; i < len - head; i++) page.bytes[i] = i * 7 + 3;
    page.fill = len - head;
    skb.addFrag(page, 0, len - head);
    pool.putPage(page);
  }
  skb.truesize += len;
  ethWriteHeader(skb.buf, skb.push(ETH_HLEN), dst, 0, dev.addr, 0, type);
  skb.dev = dev;
  skb.protocol = type;
  return skb;
}

/** Runs all that is due, up to `until`. */
export function run(sim: Simulation, until: number = Infinity): void {
  while (sim.nextTime() <= until && sim.step());
  if (until !== Infinity) sim.advanceTo(until);
}

/** A host with an Ethernet card, up. */
export interface Station extends Host {
  port: Port;
  card: Card;
  eth: NetDevice;
}

export interface StationOptions {
  costs?: CostModel;
  card?: CardOptions;
  eth?: Partial<EthernetOptions>;
}

/** A host with a card; `nr` makes its address. */
export function station(sim: Simulation, pool: SkbPool, nr: number, options: StationOptions = {}): Station {
  const base = host(sim, pool, options.costs ?? ZERO_COSTS, `h${nr}`);
  const port = new Port(`h${nr}.eth0`);
  port.id = nr;
  const card = new Card(base.cpu, port, new Uint8Array([2, 0, 0, 0, 0, nr]), options.card);
  const eth = registerEthernet(base.net, card, { name: 'eth0', ...options.eth });
  devOpen(eth);
  return { ...base, port, card, eth };
}

/** Two stations and the cable between them. */
export interface Pair {
  sim: Simulation;
  pool: SkbPool;
  a: Station;
  b: Station;
  cable: Cable;
}

export interface PairOptions extends StationOptions {
  weather?: WeatherOptions;
  seed?: number;
  /** Of the second station, when it is another. */
  b?: StationOptions;
}

export function pair(options: PairOptions = {}): Pair {
  const sim = new Simulation();
  const pool = new SkbPool();
  const a = station(sim, pool, 1, options);
  const b = station(sim, pool, 2, options.b ?? options);
  const cable = new Cable(sim, a.port, b.port, { name: 'c', seed: options.seed ?? 1 });
  cable.setWeather(options.weather ?? {});
  return { sim, pool, a, b, cable };
}

/** Exact times: nothing costs anything, the card sends at once and interrupts at once. */
export const EXACT: StationOptions = { costs: ZERO_COSTS, card: { speed: 0, rxUsecs: 0 } };

/** Sends a frame by the host's device, as the stack would, from inside the kernel. */
export function xmit(from: Station, skb: SkBuff): number {
  from.cpu.enter(0);
  const rc = devQueueXmit(skb);
  from.cpu.exit();
  return rc;
}
