/**
 * Below the runtime's classes: socket calls, cards and cables, memory, timers. No real counterpart in this process.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { AF_INET, Kernel, SOCK_DGRAM, SOCK_STREAM, World } from '../mod.ts';
import { Random } from '../src/lib/random.ts';
import { Simulation } from '../src/time/simulation.ts';
import { Timer } from '../src/time/timer.ts';
import type { Measurement } from './harness.ts';

/** Payload of a full segment with timestamps on a 1,500-byte link. */
const FULL_SEGMENT = 1448;

/** Full-size TCP segments per second from one host to another: card, cable, NAPI, socket calls. */
async function tcpMtuPackets(bytes: number): Promise<number> {
  const world = new World({ seed: 1 });
  const a = world.host('a');
  const b = world.host('b');
  world.cable(a, b, { delay: '50us' });
  const listener = b.kernel.socket(AF_INET, SOCK_STREAM, 0);
  b.kernel.bind(listener, { address: b.ip, port: 9 });
  b.kernel.listen(listener, 8);
  const reader = (async (): Promise<number> => {
    const { fd } = await b.kernel.accept(listener);
    const buffer = new Uint8Array(262144);
    let total = 0;
    for (;;) {
      const n = await b.kernel.read(fd, buffer);
      if (n === 0) return total;
      total += n;
    }
  })();
  const fd = a.kernel.socket(AF_INET, SOCK_STREAM, 0);
  await a.kernel.connect(fd, { address: b.ip, port: 9 });
  const chunk = new Uint8Array(262144).fill(0x61);
  const started = performance.now();
  for (let sent = 0; sent < bytes; sent += chunk.length) await a.kernel.write(fd, chunk);
  a.kernel.close(fd);
  const total = await reader;
  return total / FULL_SEGMENT / ((performance.now() - started) / 1000);
}

/** Full-size datagrams per second from one host to another. */
async function udpPackets(count: number): Promise<number> {
  const world = new World({ seed: 1 });
  const a = world.host('a');
  const b = world.host('b');
  world.cable(a, b, { delay: '50us' });
  const to = b.kernel.socket(AF_INET, SOCK_DGRAM, 0);
  b.kernel.bind(to, { address: b.ip, port: 9 });
  const from = a.kernel.socket(AF_INET, SOCK_DGRAM, 0);
  await a.kernel.connect(from, { address: b.ip, port: 9 });
  const payload = new Uint8Array(1472).fill(0x64);
  const buffer = new Uint8Array(2048);
  let received = 0;
  const started = performance.now();
  while (received < count) {
    for (let i = 0; i < 48; i++) a.kernel.sys.send(from, payload);
    await b.kernel.recv(to, buffer);
    received++;
    for (let i = 0; i < 47; i++, received++) await b.kernel.recv(to, buffer);
  }
  return received / ((performance.now() - started) / 1000);
}

function collect(): number {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  gc();
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Bytes of memory per established socket that does nothing, `sockets` of them (both ends of half as many connections). */
async function idleSocketBytes(sockets: number): Promise<number> {
  const kernel = new Kernel({ seed: 1, openFiles: 300000 });
  const listeners: number[] = [];
  for (let port = 1; port <= 4; port++) {
    const fd = kernel.socket(AF_INET, SOCK_STREAM, 0);
    kernel.bind(fd, { address: '127.0.0.1', port });
    kernel.listen(fd, 128);
    listeners.push(fd);
  }
  const open = async (i: number): Promise<void> => {
    const fd = kernel.socket(AF_INET, SOCK_STREAM, 0);
    const port = (i % 4) + 1;
    await kernel.connect(fd, { address: '127.0.0.1', port });
    await kernel.accept(listeners[port - 1]!);
  };
  for (let i = 0; i < 100; i++) await open(i);
  const before = collect();
  for (let i = 0; i < sockets / 2; i++) await open(i);
  const bytes = (collect() - before) / sockets;
  kernel.kill();
  return bytes;
}

/** Nanoseconds to arm, move or delete a timer and to fire one, with `pending` others pending. */
function timers(pending: number): number {
  const sim = new Simulation();
  const random = new Random(1);
  const nothing = (): void => undefined;
  for (let i = 0; i < pending; i++) new Timer(sim, null, nothing).mod(Math.floor(random.float() * 1e11) + 1e9);
  const mine = Array.from({ length: 1000 }, () => new Timer(sim, null, nothing));
  const rounds = 200000;
  const started = performance.now();
  for (let i = 0; i < rounds; i++) {
    const timer = mine[i % 1000]!;
    timer.mod(sim.now + 200e6 + (i & 1023) * 1000); // as a retransmission timer: armed far ahead …
    if (i % 3 === 0) timer.del(); // … and mostly deleted or moved before it fires
  }
  let fired = 0;
  const ticking = new Timer(sim, null, () => {
    if (++fired < rounds) ticking.mod(sim.now + 1000);
  });
  ticking.mod(sim.now + 1);
  while (fired < rounds) sim.step();
  return ((performance.now() - started) * 1e6) / (2 * rounds);
}

/** Virtual seconds per wall second in a world of 100 hosts that do nothing. */
async function idleWorld(): Promise<number> {
  const world = new World({ seed: 1, mode: 'manual' });
  const hosts = Array.from({ length: 100 }, (_, i) => world.host(`h${String(i)}`));
  for (let i = 0; i + 1 < hosts.length; i += 2) world.cable(hosts[i]!, hosts[i + 1]!, { delay: '1ms' });
  await world.advance('1s');
  const started = performance.now();
  const seconds = 1000000;
  for (let i = 0; i < 10; i++) await world.advance(`${String(seconds / 10)}s`);
  return seconds / Math.max((performance.now() - started) / 1000, 1e-6);
}

export function stackMeasurements(scale: number): Measurement[] {
  const n = (count: number): number => Math.max(1, Math.round(count * scale));
  const timer = (name: string, pending: number): Measurement => ({
    name, unit: 'ns/operation', better: 'lower', rounds: 5, note: `arm, move, delete, fire with ${String(pending)} pending`,
    ours: () => Promise.resolve(timers(pending)), real: null,
  });
  return [
    {
      name: 'tcp-mtu-packets', unit: 'packets/s', better: 'higher', rounds: 5, note: 'two hosts, 1,500-byte cable, TSO and GRO on',
      ours: () => tcpMtuPackets(n(400) * 1024 * 1024), real: null,
    },
    {
      name: 'udp-packets', unit: 'packets/s', better: 'higher', rounds: 5, note: 'two hosts, 1,500-byte cable, a call per packet',
      ours: () => udpPackets(n(200000)), real: null,
    },
    {
      name: 'idle-socket-bytes', unit: 'bytes/socket', better: 'lower', rounds: 1, note: '100,000 established sockets',
      ours: () => idleSocketBytes(n(100000)), real: null,
    },
    {
      name: 'idle-socket-bytes-10k', unit: 'bytes/socket', better: 'lower', rounds: 1, note: '10,000 established sockets',
      ours: () => idleSocketBytes(n(10000)), real: null,
    },
    timer('timers-10', 10),
    timer('timers-10k', 10000),
    timer('timers-1m', 1000000),
    { name: 'idle-world', unit: 'virtual s/s', better: 'higher', rounds: 5, note: '100 hosts, 50 cables', ours: idleWorld, real: null },
  ];
}
