/** A bench for IP without a card: hosts on a wire of one microsecond that shows every frame it carries. */
import assert from 'node:assert/strict';
import { parseIpv4 } from '../../src/lib/addr.ts';
import { Random } from '../../src/lib/random.ts';
import { Cpu, ZERO_COSTS } from '../../src/time/cpu.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { Timer } from '../../src/time/timer.ts';
import { skbBytes, skbFromBytes } from '../../src/skb/copy.ts';
import { dropName } from '../../src/skb/drop-reason.ts';
import { consumeSkb, SkbPool } from '../../src/skb/pool.ts';
import { registerLoopback } from '../../src/dev/loopback.ts';
import { MIB_NAMES, type MibName } from '../../src/dev/mib.ts';
import { Net } from '../../src/dev/net.ts';
import {
  ARPHRD_ETHER, IFF_BROADCAST, IFF_MULTICAST, NETDEV_TX_OK, NetDevice, type NetDeviceOps,
} from '../../src/dev/net-device.ts';
import { ethTypeTrans } from '../../src/dev/receive.ts';
import { devOpen, registerNetdevice } from '../../src/dev/registry.ts';
import { netifRx, Softnet } from '../../src/dev/softnet.ts';
import { inetAddrAdd } from '../../src/ip/devinet.ts';
import { ipv4Init, type Ipv4 } from '../../src/ip/ipv4.ts';
import { udpInit, type UdpProto } from '../../src/udp/udp.ts';

/** `ip('10.0.0.1')` as int32. */
export function ip(text: string): number {
  const addr = parseIpv4(text);
  assert.ok(addr !== null, text);
  return addr;
}

export interface LabHost {
  sim: Simulation;
  pool: SkbPool;
  net: Net;
  cpu: Cpu;
  ip: Ipv4;
  udp: UdpProto;
  lo: NetDevice;
  /** Reasons of what was dropped so far on this host, in order. */
  drops: string[];
  /** Runs `f` in the kernel of this host. */
  in<T>(f: () => T): T;
  /** The counters that are not zero, less those named. */
  counters(...except: MibName[]): Partial<Record<MibName, number>>;
}

export class Wire {
  readonly sim: Simulation;
  readonly pool: SkbPool;
  readonly ports: NetDevice[] = [];
  /** Every frame that was sent, in order. */
  readonly frames: Uint8Array[] = [];
  /** Says whether a frame arrives. */
  passes: (frame: Uint8Array) => boolean = () => true;
  private readonly line: { at: number; from: NetDevice; frame: Uint8Array }[] = [];
  private readonly timer: Timer;

  constructor(sim: Simulation, pool: SkbPool) {
    this.sim = sim;
    this.pool = pool;
    this.timer = new Timer(sim, null, () => this.deliver());
  }

  send(from: NetDevice, frame: Uint8Array): void {
    this.frames.push(frame);
    if (!this.passes(frame)) return;
    this.line.push({ at: this.sim.now + 1000, from, frame });
    if (!this.timer.pending) this.timer.mod(this.sim.now + 1000);
  }

  private deliver(): void {
    while (this.line.length > 0 && this.line[0]!.at <= this.sim.now) {
      const { from, frame } = this.line.shift()!;
      for (const dev of this.ports) if (dev !== from) receive(dev, frame);
    }
    if (this.line.length > 0) this.timer.mod(this.line[0]!.at);
  }
}

/** A frame comes in by `dev`. */
export function receive(dev: NetDevice, frame: Uint8Array): void {
  if (!dev.up) return;
  const { cpu, pool } = dev.net;
  cpu.enter(0);
  const skb = skbFromBytes(pool, frame, 2);
  ethTypeTrans(skb, dev);
  netifRx(skb);
  cpu.exit();
}

const wireOps: NetDeviceOps = {
  open: () => undefined,
  stop: () => undefined,
  startXmit: (skb, dev) => {
    (dev.priv as Wire).send(dev, skbBytes(skb));
    consumeSkb(skb);
    return NETDEV_TX_OK;
  },
  setRxMode: () => undefined,
  ethtoolStats: () => [],
};

export function labHost(sim: Simulation, pool: SkbPool, name: string, seed = 1): LabHost {
  const cpu = new Cpu(sim, { ...ZERO_COSTS });
  const net = new Net(name, sim, cpu, pool, Random.stream(seed, name));
  net.softnet = new Softnet(net);
  const ipv4 = ipv4Init(net);
  const udp = udpInit(net, ipv4);
  const lo = registerLoopback(net);
  devOpen(lo);
  const drops: string[] = [];
  const before = pool.onDrop;
  pool.onDrop = (skb, reason, where) => {
    if (where === name) drops.push(dropName(reason));
    else before?.(skb, reason, where);
  };
  return {
    sim, pool, net, cpu, ip: ipv4, udp, lo, drops,
    in: (f) => {
      cpu.enter(0);
      const out = f();
      cpu.exit();
      return out;
    },
    counters: (...except) => Object.fromEntries(
      MIB_NAMES.map((n, i) => [n, net.mib[i]!] as const).filter(([n, v]) => v !== 0 && !except.includes(n)),
    ),
  };
}

/** Gives `host` a device on the wire, up, with an address; `nr` makes its hardware address. */
export function plug(host: LabHost, wire: Wire, nr: number, addr: string | null, name = 'eth0'): NetDevice {
  const dev = new NetDevice(host.net, name, ARPHRD_ETHER, wireOps);
  dev.flags = IFF_BROADCAST | IFF_MULTICAST;
  dev.addr.set([2, 0, 0, 0, 0, nr]);
  dev.priv = wire;
  registerNetdevice(host.net, dev);
  wire.ports.push(dev);
  devOpen(dev);
  if (addr !== null) {
    const [address, len] = addr.split('/');
    assert.equal(inetAddrAdd(dev, ip(address!), Number(len)), 0);
  }
  return dev;
}

export interface Pair {
  sim: Simulation;
  pool: SkbPool;
  wire: Wire;
  a: LabHost;
  b: LabHost;
  ea: NetDevice;
  eb: NetDevice;
}

/** 10.0.0.1 and 10.0.0.2 on one wire. */
export function pair(seed = 1): Pair {
  const sim = new Simulation();
  const pool = new SkbPool();
  const wire = new Wire(sim, pool);
  const a = labHost(sim, pool, 'a', seed);
  const b = labHost(sim, pool, 'b', seed);
  const ea = plug(a, wire, 1, '10.0.0.1/24');
  const eb = plug(b, wire, 2, '10.0.0.2/24');
  return { sim, pool, wire, a, b, ea, eb };
}

/** Runs until nothing keeps the world alive, or until `ms` of virtual time. */
export function run(sim: Simulation, ms: number = Infinity): void {
  const until = ms * 1e6;
  while (sim.nextTime() <= until && (ms !== Infinity || sim.live > 0)) sim.step();
  if (ms !== Infinity) sim.advanceTo(until);
}

/** Nothing is left over. */
export function noLeaks(pool: SkbPool): void {
  assert.equal(pool.live, 0, 'skbs');
  assert.equal(pool.livePages, 0, 'pages');
}
