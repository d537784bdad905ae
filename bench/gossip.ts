/**
 * Many hosts that gossip: five routers in a ring, four switches behind each, hosts spread over the twenty switches. Every host
 * sends datagrams to its peers and keeps a TCP connection to one of them.
 */
import { AF_INET, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM, World, type Host } from '../mod.ts';
import { Random } from '../src/lib/random.ts';
import type { Measurement } from './harness.ts';

const ROUTERS = 5;
const SWITCHES = 4;
/** Each host talks to so many others. */
const PEERS = 3;

/** The world, cabled and routed. */
export function campus(n: number, seed: number = 1): { world: World; hosts: Host[] } {
  const world = new World({ seed });
  const routers = Array.from({ length: ROUTERS }, (_, i) => world.router(`r${String(i)}`));
  routers.forEach((router, i) => world.cable(router, routers[(i + 1) % ROUTERS]!, { delay: '100us' }));
  const switches = routers.flatMap((router, i) => {
    const own = Array.from({ length: SWITCHES }, (_, k) => world.switch(`s${String(i)}-${String(k)}`));
    world.cable(router, own[0]!, { delay: '10us' });
    for (const other of own.slice(1)) world.cable(own[0]!, other, { delay: '5us' });
    return own;
  });
  const hosts = Array.from({ length: n }, (_, i) => world.host(`h${String(i)}`));
  hosts.forEach((host, i) => world.cable(host, switches[i % switches.length]!, { delay: '5us' }));
  world.routes();
  return { world, hosts };
}

/** A host's sockets: datagrams to its peers, a stream to the first of them. */
class Gossip {
  private readonly host: Host;
  private readonly peers: readonly Host[];
  private readonly udp: number;
  private readonly tcp: number;
  private readonly listener: number;
  private readonly accepted: number[] = [];
  private readonly buffer: Uint8Array = new Uint8Array(512);

  constructor(host: Host, peers: readonly Host[]) {
    const { kernel } = host;
    this.host = host;
    this.peers = peers;
    this.udp = kernel.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
    kernel.bind(this.udp, { port: 7 });
    this.listener = kernel.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    kernel.bind(this.listener, { port: 7 });
    kernel.listen(this.listener, 64);
    this.tcp = kernel.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
  }

  connect(): void {
    this.quietly(() => this.host.kernel.sys.connect(this.tcp, { address: this.peers[0]!.ip, port: 7 }));
  }

  speak(): void {
    const { sys } = this.host.kernel;
    for (const peer of this.peers) this.quietly(() => sys.sendto(this.udp, RUMOUR, { address: peer.ip, port: 7 }));
    this.quietly(() => sys.write(this.tcp, RUMOUR));
  }

  listen(): void {
    const { sys } = this.host.kernel;
    this.quietly(() => {
      for (;;) this.accepted.push(sys.accept(this.listener, SOCK_NONBLOCK).fd);
    });
    for (const fd of [this.udp, ...this.accepted]) {
      this.quietly(() => {
        for (;;) sys.recv(fd, this.buffer);
      });
    }
  }

  /** EAGAIN and EINPROGRESS are what one expects of calls that do not wait. */
  private quietly(call: () => unknown): void {
    try {
      call();
    } catch (error) {
      if (!/EAGAIN|EINPROGRESS/.test(String((error as { code?: string }).code))) throw error;
    }
  }
}

const RUMOUR: Uint8Array = new Uint8Array(200).fill(0x2e);

/** What a round of gossip cost. */
export interface GossipCost {
  /** Frames that reached a host's card, and events of the world's clock. */
  readonly frames: number;
  readonly events: number;
  readonly seconds: number;
}

/** Lets everybody gossip for some rounds of 10 ms, after three that warm up (ARP, handshakes, addresses in switches). */
export async function gossip(world: World, hosts: readonly Host[], rounds: number): Promise<GossipCost> {
  const random = Random.stream(world.seed, 'gossip');
  const all = hosts.map((host) => new Gossip(host, Array.from({ length: PEERS }, () => other(hosts, host, random))));
  for (const one of all) one.connect();
  const round = async (): Promise<void> => {
    for (const one of all) one.speak();
    await world.advance('10ms');
    for (const one of all) one.listen();
  };
  await world.advance('1s');
  for (let i = 0; i < 3; i++) await round();
  const [frames, events, started] = [received(hosts), world.parts.sim.events, performance.now()];
  for (let i = 0; i < rounds; i++) await round();
  return { frames: received(hosts) - frames, events: world.parts.sim.events - events, seconds: (performance.now() - started) / 1000 };
}

function other(hosts: readonly Host[], self: Host, random: Random): Host {
  const peer = hosts[random.below(hosts.length)]!;
  return peer === self ? other(hosts, self, random) : peer;
}

function received(hosts: readonly Host[]): number {
  return hosts.reduce((n, host) => n + host.interfaces[0]!.card.stats.rxPackets, 0);
}

async function nanosecondsPerFrame(n: number, rounds: number): Promise<number> {
  const { world, hosts } = campus(n);
  const { frames, seconds } = await gossip(world, hosts, rounds);
  world.stop();
  return (seconds * 1e9) / frames;
}

export function gossipMeasurements(scale: number): Measurement[] {
  const rounds = (n: number): number => Math.max(2, Math.round(n * scale));
  return [
    {
      name: 'gossip-10', unit: 'ns/frame', better: 'lower', rounds: 3, note: '10 hosts, 20 switches, 5 routers, UDP and TCP',
      ours: () => nanosecondsPerFrame(10, rounds(2000)), real: null,
    },
    {
      name: 'gossip-1000', unit: 'ns/frame', better: 'lower', rounds: 3, note: '1,000 hosts, the same load each',
      ours: () => nanosecondsPerFrame(1000, rounds(20)), real: null,
    },
    {
      name: 'build-1000', unit: 'ms', better: 'lower', rounds: 3, note: '1,000 hosts, 20 switches, 5 routers, cabled and routed',
      ours: () => {
        const started = performance.now();
        campus(1000).world.stop();
        return Promise.resolve(performance.now() - started);
      },
      real: null,
    },
  ];
}
