/**
 * Many hosts that gossip: five routers in a ring, four switches behind each, hosts spread over the twenty switches. Every host
 * sends datagrams to its peers and keeps a TCP connection to one of them.
 */
import { AF_INET, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM, World, type Host } from '../mod.ts';
import { parseIpv4 } from '../src/lib/addr.ts';
import { Random } from '../src/lib/random.ts';
import { MsgHdr, SockAddr } from '../src/sock/sockaddr.ts';
import type { Process } from '../src/syscall/process.ts';
import { sysAccept, sysConnect, sysRecvmsg, sysSendmsg } from '../src/syscall/socket.ts';
import { Task } from '../src/time/task.ts';
import { Timer } from '../src/time/timer.ts';
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

/**
 * A host's program: datagrams to its peers, a stream to the first of them, each ten milliseconds at a moment of its own. It
 * makes the calls that never wait, in the kernel's form: what is measured is the network, not the door.
 */
class Gossip {
  private readonly host: Host;
  private readonly p: Process;
  private readonly peers: readonly SockAddr[];
  private readonly udp: number;
  private readonly tcp: number;
  private readonly listener: number;
  private readonly accepted: number[] = [];
  private readonly msg: MsgHdr = new MsgHdr();
  private readonly task: Task;
  private readonly timer: Timer;
  private left = 0;

  constructor(host: Host, peers: readonly Host[]) {
    this.host = host;
    this.p = host.kernel.proc;
    this.peers = peers.map((peer) => new SockAddr().set(parseIpv4(peer.ip)!, 7));
    const { sim } = host.world.parts;
    this.task = new Task(() => this.turn());
    this.timer = new Timer(sim, null, () => sim.ready(this.task));
    const { kernel } = host;
    this.udp = kernel.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
    kernel.bind(this.udp, { port: 7 });
    this.listener = kernel.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    kernel.bind(this.listener, { port: 7 });
    kernel.listen(this.listener, 64);
    this.tcp = kernel.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
  }

  connect(): void {
    sysConnect(this.p, this.tcp, this.peers[0]!);
  }

  /** `rounds` turns, the first one `phaseNs` from now. */
  start(rounds: number, phaseNs: number): void {
    this.left = rounds;
    this.timer.mod(this.host.world.nowNs + phaseNs);
  }

  private turn(): void {
    this.listen();
    for (const peer of this.peers) this.say(this.udp, peer);
    this.say(this.tcp, null);
    if (--this.left > 0) this.timer.mod(this.host.world.nowNs + ROUND_NS);
  }

  private say(fd: number, to: SockAddr | null): void {
    const { msg } = this;
    msg.buf = RUMOUR;
    msg.off = 0;
    msg.len = RUMOUR.length;
    msg.flags = 0;
    msg.hasName = to !== null;
    if (to !== null) msg.name.set(to.addr, to.port);
    sysSendmsg(this.p, fd, msg);
  }

  private listen(): void {
    for (let fd = 0; fd >= 0;) {
      fd = sysAccept(this.p, this.listener, null, SOCK_NONBLOCK);
      if (fd >= 0) this.accepted.push(fd);
    }
    this.hear(this.udp);
    for (const fd of this.accepted) this.hear(fd);
  }

  private hear(fd: number): void {
    const { msg } = this;
    do {
      msg.buf = HEARD;
      msg.off = 0;
      msg.len = HEARD.length;
      msg.flags = 0;
      msg.hasName = false;
    } while (sysRecvmsg(this.p, fd, msg) > 0);
  }
}

/** How often a host speaks. */
const ROUND_NS = 10_000_000;
const HEARD: Uint8Array = new Uint8Array(4096);
const RUMOUR: Uint8Array = new Uint8Array(200).fill(0x2e);

/** Rounds before those that count. */
const WARM_UP = 5;

/** What a round of gossip cost. */
export interface GossipCost {
  /** Frames that reached a host's card, and events of the world's clock. */
  readonly frames: number;
  readonly events: number;
  readonly seconds: number;
}

/** Lets everybody gossip for some rounds of 10 ms, after some that warm up (ARP, handshakes, addresses in switches). */
export async function gossip(world: World, hosts: readonly Host[], rounds: number): Promise<GossipCost> {
  const random = Random.stream(world.seed, 'gossip');
  const all = hosts.map((host) => new Gossip(host, Array.from({ length: PEERS }, () => other(hosts, host, random))));
  for (const one of all) one.connect();
  await world.advance('1s');
  for (const one of all) one.start(WARM_UP + rounds, random.below(ROUND_NS));
  await world.advance(WARM_UP * 10);
  const [frames, events, started] = [received(hosts), world.parts.sim.events, performance.now()];
  await world.advance(rounds * 10);
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
