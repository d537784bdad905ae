/**
 * One side is the real Linux kernel, the other one ours; between them a tap and a cable. Runs inside of a network namespace that
 * nobody else is in (test/interop/linux.test.ts makes it), so `node:net` is Linux and `host.net` is kernet, in one process.
 *
 *   Linux 10.99.0.1 (tap0), socat, UDP, UdpTap, a cable, 10.99.0.2 kernet, MTU 1280, mid, inner 10.88.0.2
 *   Linux fd99::1                                        fd99::2   kernet            mid, inner fd88::2
 *
 * Prints one JSON line per check: { name, ok, detail }, and 'done'.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import nodeNet, { type AddressInfo, type Server, type Socket } from 'node:net';
import { World } from '../../mod.ts';
import { createDgram } from '../../src/dgram.ts';
import { createNet } from '../../src/net.ts';
import { UdpTap } from '../../src/node/udp-tap.ts';

type Net = typeof nodeNet;

const [LINUX, OURS, INNER] = ['10.99.0.1', '10.99.0.2', '10.88.0.2'];
const [LINUX6, OURS6, INNER6] = ['fd99::1', 'fd99::2', 'fd88::2'];
const [OUR_PORT, SOCAT_PORT] = [5557, 5558];
/** Of the cable, and of tap0: what the buffers of the UDP sockets between them can follow, on a busy machine. */
const RATE = '200mbit';
const MEGABYTE = 1 << 20;
const CHECK_TIMEOUT_MS = 20_000;

function sh(line: string): string {
  return execFileSync('/bin/sh', ['-c', line], { encoding: 'utf8', timeout: 10_000, stdio: ['ignore', 'pipe', 'pipe'] });
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

function say(name: string, ok: boolean, detail: string): void {
  process.stdout.write(`${JSON.stringify({ name, ok, detail })}\n`);
}

/** Runs a check by itself: a failure is its own, and a hang ends. */
async function check(name: string, body: () => Promise<string>): Promise<void> {
  const began = Date.now();
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => { reject(new Error(`hangs: no end after ${String(CHECK_TIMEOUT_MS / 1000)} s`)); }, CHECK_TIMEOUT_MS);
  });
  try {
    const detail = await Promise.race([body(), hang]);
    say(name, true, `${detail} (${String(Date.now() - began)} ms)`);
  } catch (error) {
    say(name, false, error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
  }
}

function expect(ok: boolean, what: string): void {
  if (!ok) throw new Error(what);
}

// ---- the two sides -----------------------------------------------------------------------------------------------------

// Behind tap1 there is nobody: what Linux forwards there is lost in silence.
sh('ip link set lo up && ip tuntap add dev tap1 mode tap && ip addr add 10.98.0.1/24 dev tap1 && ip link set tap1 up');
sh('ip addr add fd98::1/64 dev tap1 nodad');
for (const silent of ['10.98.0.5', 'fd98::5']) sh(`ip neigh add ${silent} lladdr 02:00:00:00:00:05 dev tap1`);
const socat = spawn('socat', [
  `TUN:${LINUX}/24,up,tun-type=tap,iff-no-pi,tun-name=tap0`,
  `UDP4-DATAGRAM:127.0.0.1:${String(OUR_PORT)},bind=127.0.0.1:${String(SOCAT_PORT)},rcvbuf=4194304`,
], { stdio: ['ignore', 'ignore', 'inherit'] });
for (let i = 0; i < 100 && !sh('ip -o link').includes('tap0'); i++) await sleep(20);
sh(`tc qdisc replace dev tap0 root tbf rate ${RATE} burst 16k latency 100ms; sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0`
  + ` net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0;`
  + ` ip addr add ${LINUX6}/64 dev tap0 nodad; ip route add unreachable 10.97.0.0/24;`
  + ` ip route add prohibit 10.96.0.0/24; ip route add 10.88.0.0/24 via ${OURS};`
  + ` ip route add unreachable fd97::/64; ip route add prohibit fd96::/64; ip route add fd88::/64 via ${OURS6}`);

const world = new World({ seed: 1, mode: 'real', costs: 'zero' });
const forward = { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 };
const host = world.host('kernet', {
  interfaces: [{ ip: `${OURS}/24`, ip6: `${OURS6}/64` }, { ip: '10.87.0.1/24', ip6: 'fd87::1/64', mtu: 1280 }], sysctl: forward,
});
const mid = world.host('mid', {
  interfaces: [{ ip: '10.87.0.2/24', ip6: 'fd87::2/64', mtu: 1280 }, { ip: '10.88.0.1/24', ip6: 'fd88::1/64' }], sysctl: forward,
});
const inner = world.host('inner', { ip: `${INNER}/24`, ip6: `${INNER6}/64` });
const tap = await UdpTap.open(world, { local: OUR_PORT, remote: SOCAT_PORT });
const cable = world.cable(host.interfaces[0]!, tap, { rate: RATE });
world.cable(host.interfaces[1]!, mid.interfaces[0]!);
world.cable(mid.interfaces[1]!, inner);
host.route('10.88.0.0/24', { via: '10.87.0.2' });
mid.route('0.0.0.0/0', { via: '10.87.0.1' });
host.route('10.98.0.0/24', { via: LINUX });
host.route('10.97.0.0/24', { via: LINUX });
host.route('10.96.0.0/24', { via: LINUX });
inner.route('0.0.0.0/0', { via: '10.88.0.1' });
host.route('fd88::/64', { via: 'fd87::2' });
mid.route('::/0', { via: 'fd87::1' });
inner.route('::/0', { via: 'fd88::1' });
for (const network of ['fd98::/64', 'fd97::/64', 'fd96::/64']) host.route(network, { via: LINUX6 });
const ourNet: Net = createNet(host.kernel);
const innerNet: Net = createNet(inner.kernel);

// ---- programs that run on either side ----------------------------------------------------------------------------------

async function listen(server: Server, address: string): Promise<number> {
  server.listen(0, address);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const hash = (chunks: Iterable<Uint8Array>): string => {
  const sum = createHash('sha256');
  for (const chunk of chunks) sum.update(chunk);
  return sum.digest('hex');
};

/** Bytes that no two places have alike. */
function pattern(bytes: number): Buffer {
  const out = Buffer.allocUnsafe(bytes);
  let x = 0x9e3779b9;
  for (let i = 0; i + 4 <= bytes; i += 4) {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) + i | 0;
    out.writeInt32LE(x, i);
  }
  return out;
}

/** `bytes` from a client of one side to a server of the other; hashes compared. */
async function transfer(client: Net, server: Net, address: string, bytes: number): Promise<string> {
  const data = pattern(bytes);
  const got = createHash('sha256');
  let count = 0;
  const listener = server.createServer((s) => {
    s.on('data', (d: Buffer) => {
      count += d.length;
      got.update(d);
    });
    s.on('end', () => s.end('done'));
  });
  const port = await listen(listener, address);
  const began = Date.now();
  const socket = client.connect(port, address);
  socket.end(data);
  socket.resume();
  await once(socket, 'close');
  listener.close();
  expect(count === bytes, `${String(count)} of ${String(bytes)} bytes came`);
  expect(got.digest('hex') === hash([data]), 'the bytes differ');
  return `${(bytes / MEGABYTE / ((Date.now() - began) / 1000)).toFixed(0)} MiB/s`;
}

/** The code of the error that connect() ends with. */
async function refused(net: Net, port: number, address: string): Promise<string> {
  const socket = net.connect(port, address);
  const [error] = await new Promise<[NodeJS.ErrnoException]>((resolve) => {
    socket.once('error', (e) => { resolve([e]); });
    socket.once('connect', () => { resolve([new Error('connected')]); });
  });
  socket.destroy();
  return String(error.code);
}

/** One end says its last word first, the other one goes on for a while. */
async function halfClose(client: Net, server: Net, address: string): Promise<string> {
  const told: string[] = [];
  const listener = server.createServer({ allowHalfOpen: true }, (s) => {
    s.on('data', (d) => told.push(`server ${String(d)}`));
    s.on('end', () => setTimeout(() => s.end('after your end'), 30));
  });
  const port = await listen(listener, address);
  const socket = client.connect({ port, host: address, allowHalfOpen: true });
  socket.on('data', (d) => told.push(`client ${String(d)}`));
  socket.on('end', () => told.push('client end'));
  socket.end('first');
  await once(socket, 'close');
  listener.close();
  const want = 'server first, client after your end, client end';
  expect(told.join(', ') === want, told.join(', '));
  return 'in order';
}

/** One end resets: the other one is told ECONNRESET. */
async function reset(client: Net, server: Net, address: string): Promise<string> {
  const listener = server.createServer((s) => s.once('data', () => { s.resetAndDestroy(); }));
  const port = await listen(listener, address);
  const socket = client.connect(port, address);
  socket.write('x');
  const [error] = await once(socket, 'error').catch((e: unknown) => [e]) as [NodeJS.ErrnoException];
  listener.close();
  expect(error.code === 'ECONNRESET', String(error.code));
  return String(error.code);
}

/** Many connections at once, an echo on each. */
async function many(client: Net, server: Net, address: string, count: number): Promise<string> {
  const listener = server.createServer((s) => { s.pipe(s); });
  listener.maxConnections = count * 2;
  const port = await listen(listener, address);
  const data = pattern(10_000);
  const echo = async (): Promise<boolean> => {
    const socket: Socket = client.connect(port, address);
    const chunks: Buffer[] = [];
    socket.on('data', (d: Buffer) => chunks.push(d));
    socket.end(data);
    await once(socket, 'close');
    return Buffer.concat(chunks).equals(data);
  };
  const results = await Promise.all(Array.from({ length: count }, echo));
  listener.close();
  const wrong = results.filter((ok) => !ok).length;
  expect(wrong === 0, `${String(wrong)} of ${String(count)} echoes differ`);
  return `${String(count)} echoes`;
}

/** Datagrams of growing size, each echoed: those above the MTU travel in fragments. */
async function datagrams(from: typeof dgram, to: typeof dgram, address: string, type: 'udp4' | 'udp6' = 'udp4'): Promise<string> {
  const [client, server] = [from.createSocket(type), to.createSocket(type)];
  const whole = type === 'udp4' ? 1472 : 1452; // one frame's
  server.on('message', (m, r) => { server.send(m, r.port, r.address); });
  server.bind(0, address);
  await once(server, 'listening');
  const { port } = server.address();
  for (const size of [1, whole, whole + 1, 8000, 65_000]) {
    const data = pattern(size).fill(size & 0xff, size & ~3);
    for (let tries = 0; ; tries++) {
      expect(tries < 5, `${String(size)} bytes: no answer`);
      client.send(data, port, address);
      const answer = await Promise.race([once(client, 'message'), sleep(500)]) as [Buffer] | undefined;
      if (answer === undefined) continue; // a frame was lost: this is UDP
      expect(answer[0].equals(data), `${String(size)} bytes: the answer differs`);
      break;
    }
  }
  client.close();
  server.close();
  return 'up to 65,000 bytes';
}

// ---- the checks --------------------------------------------------------------------------------------------------------

const mine = createDgram(host.kernel);

await check('ping: kernet asks Linux', async () => {
  const result = await host.ping(LINUX, { count: 3, interval: '50ms' });
  expect(result.received > 0, String(result));
  return `${result.rtt!.avg.toFixed(2)} ms`;
});
await check('ping: a packet in fragments', async () => {
  const result = await host.ping(LINUX, { count: 2, interval: '50ms', size: 4000 });
  expect(result.received > 0, String(result));
  return '4,000 bytes';
});
await check('ping: Linux asks kernet', async () => {
  const text = await run('ping', ['-c', '3', '-i', '0.05', '-W', '2', OURS]);
  expect(/ [123] received/.test(text), text);
  const long = await run('ping', ['-c', '2', '-i', '0.05', '-W', '2', '-s', '4000', OURS]);
  expect(/ [12] received/.test(long), long);
  return 'whole and in fragments';
});
const arms: [string, Net, Net, string][] = [['kernet to Linux', ourNet, nodeNet, LINUX], ['Linux to kernet', nodeNet, ourNet, OURS]];
for (const [name, client, server, address] of arms) {
  await check(`TCP, 20 MB, no loss: ${name}`, () => transfer(client, server, address, 20 * MEGABYTE));
  await check(`refused: ${name}`, async () => {
    const code = await refused(client, 9, address);
    expect(code === 'ECONNREFUSED', code);
    return code;
  });
  await check(`half close: ${name}`, () => halfClose(client, server, address));
  await check(`RST: ${name}`, () => reset(client, server, address));
  await check(`200 connections at once: ${name}`, () => many(client, server, address, 200));
}
await check('UDP: kernet to Linux, in fragments where it must', () => datagrams(mine, dgram, LINUX));
await check('UDP: Linux to kernet, in fragments where it must', () => datagrams(dgram, mine, OURS));
for (const [name, client, server, address] of arms) {
  cable.setWeather({ rate: RATE, loss: 0.02 });
  await check(`TCP, 20 MB, 2 % loss: ${name}`, () => transfer(client, server, address, 20 * MEGABYTE));
  cable.setWeather({ loss: 0 }); // what is not said stays
}
await check('traceroute: kernet by way of Linux', async () => {
  const direct = await host.traceroute(LINUX, { timeout: '500ms' });
  expect(direct.reached && direct.hops.length === 1, String(direct));
  const beyond = await host.traceroute('10.98.0.5', { maxHops: 2, timeout: '300ms' });
  const [first, second] = beyond.hops;
  expect(first!.probes.some((p) => p.from === LINUX) && second!.probes.every((p) => p.from === null), String(beyond));
  const marks: string[] = [];
  for (const target of ['10.97.0.5', '10.96.0.5']) {
    const result = await host.traceroute(target, { timeout: '500ms', firstHop: 2, maxHops: 3 });
    marks.push(result.hops[0]!.probes.find((p) => p.mark !== '')?.mark ?? '');
  }
  expect(marks.join(' ') === '!H !X', marks.join(' '));
  return 'one hop, a silent one, !H and !X';
});
await check('traceroute: Linux by way of kernet', async () => {
  const text = await run('traceroute', ['-n', '-q', '1', '-w', '2', INNER]);
  expect(/ 10\.99\.0\.2 [^]* 10\.87\.0\.2 [^]* 10\.88\.0\.2 /.test(text), text);
  const icmp = await run('traceroute', ['-n', '-I', '-q', '1', '-w', '2', INNER]);
  expect(/ 10\.99\.0\.2 [^]* 10\.87\.0\.2 [^]* 10\.88\.0\.2 /.test(icmp), icmp);
  return 'three hops, by UDP and by ICMP';
});
await check('path MTU: Linux learns from our router that 1,280 bytes go through', async () => {
  const speed = await transfer(nodeNet, innerNet, INNER, 4 * MEGABYTE);
  const route = sh(`ip route get ${INNER}`);
  expect(/mtu 1280/.test(route), route);
  return speed;
});
await check('path MTU: what goes the other way learns it from our second router', async () => {
  sh('ip route flush cache'); // else Linux asks for what fits, by its MSS
  const speed = await transfer(innerNet, nodeNet, LINUX, 4 * MEGABYTE);
  expect(mid.kernel.nstat().IcmpOutDestUnreachs > 0, 'nobody was told');
  return speed;
});

// ---- the same over IPv6 ------------------------------------------------------------------------------------------------

await check('IPv6: Linux pings kernet', async () => {
  const text = await run('ping', ['-6', '-c', '3', '-i', '0.05', '-W', '2', '-s', '4000', OURS6]);
  expect(/ [123] received/.test(text), text);
  return 'in fragments';
});
const arms6: [string, Net, Net, string][] = [['kernet to Linux', ourNet, nodeNet, LINUX6], ['Linux to kernet', nodeNet, ourNet, OURS6]];
for (const [name, client, server, address] of arms6) {
  await check(`IPv6: TCP, 20 MB: ${name}`, () => transfer(client, server, address, 20 * MEGABYTE));
  await check(`IPv6: refused: ${name}`, async () => {
    const code = await refused(client, 9, address);
    expect(code === 'ECONNREFUSED', code);
    return code;
  });
  await check(`IPv6: half close: ${name}`, () => halfClose(client, server, address));
  await check(`IPv6: RST: ${name}`, () => reset(client, server, address));
  await check(`IPv6: 200 connections at once: ${name}`, () => many(client, server, address, 200));
  cable.setWeather({ rate: RATE, loss: 0.02 });
  await check(`IPv6: TCP, 20 MB, 2 % loss: ${name}`, () => transfer(client, server, address, 20 * MEGABYTE));
  cable.setWeather({ loss: 0 }); // what is not said stays
}
await check('IPv6: UDP: kernet to Linux, in fragments where it must', () => datagrams(mine, dgram, LINUX6, 'udp6'));
await check('IPv6: UDP: Linux to kernet, in fragments where it must', () => datagrams(dgram, mine, OURS6, 'udp6'));
await check('IPv6: ping: kernet asks Linux', async () => {
  const whole = await host.ping(LINUX6, { count: 3, interval: '50ms' });
  expect(whole.received > 0, String(whole));
  const long = await host.ping(LINUX6, { count: 2, interval: '50ms', size: 4000 });
  expect(long.received > 0, String(long));
  const link = /inet6 (fe80::[0-9a-f:]+)/.exec(sh('ip -6 addr show dev tap0'))![1]!;
  const near = await host.ping(`${link}%eth0`, { count: 2, interval: '50ms' });
  expect(near.received > 0, String(near));
  return 'whole, in fragments, by its link-local address';
});
await check('IPv6: traceroute: kernet by way of Linux', async () => {
  const direct = await host.traceroute(LINUX6, { timeout: '500ms' });
  expect(direct.reached && direct.hops.length === 1, String(direct));
  const beyond = await host.traceroute('fd98::5', { maxHops: 2, timeout: '300ms' });
  const [first, second] = beyond.hops;
  expect(first!.probes.some((p) => p.from === LINUX6) && second!.probes.every((p) => p.from === null), String(beyond));
  const marks: string[] = [];
  for (const target of ['fd97::5', 'fd96::5']) {
    const result = await host.traceroute(target, { timeout: '500ms', maxHops: 1 });
    marks.push(result.hops[0]!.probes.find((p) => p.mark !== '')?.mark ?? '');
  }
  expect(marks.join(' ') === '!N !X', marks.join(' '));
  return 'one hop, a silent one, !N and !X';
});
await check('IPv6: traceroute: Linux by way of kernet', async () => {
  for (const method of ['-U', '-I']) {
    const text = await run('traceroute', ['-6', '-n', method, '-q', '1', '-w', '2', INNER6]);
    expect(/ fd99::2 [^]* fd87::2 [^]* fd88::2 /.test(text), text);
  }
  return 'three hops, by UDP and by ICMPv6';
});
await check('IPv6: path MTU: Linux learns from our router that 1,280 bytes go through', async () => {
  const speed = await transfer(nodeNet, innerNet, INNER6, 4 * MEGABYTE);
  const route = sh(`ip -6 route get ${INNER6}`);
  expect(/mtu 1280/.test(route), route);
  return speed;
});
await check('IPv6: path MTU: what goes the other way learns it from our second router', async () => {
  sh('ip -6 route flush cache');
  const speed = await transfer(innerNet, nodeNet, LINUX6, 4 * MEGABYTE);
  expect(mid.kernel.nstat().Icmp6OutPktTooBigs > 0, 'nobody was told');
  return speed;
});

say('done', true, `${String(tap.sent)} frames out, ${String(tap.received)} in, ${JSON.stringify(world.drops())}`);
tap.close();
socat.kill();
process.exit(0);

/** What a program of the machine prints, whatever its exit code. */
async function run(file: string, args: readonly string[]): Promise<string> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (d) => { out += String(d); });
  await once(child, 'close');
  return out;
}
