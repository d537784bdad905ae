// Whole programs under `--import kernet/register`, as child processes. All of them, compared with Node alone: suite.ts.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Arms, type Ended } from './arms.ts';
import { HTTP } from './http-programs.ts';
import { NET } from './net-programs.ts';
import { OTHER } from './other-programs.ts';

const arms = new Arms();
before(() => arms.build());
after(() => arms.end());

/** Every so many of a table. */
function some(table: Readonly<Record<string, string>>, every: number): Record<string, string> {
  return Object.fromEntries(Object.entries(table).filter((_, i) => i % every === 0));
}

void test('programs print what they print without kernet', { timeout: 60_000 }, async () => {
  const programs = { ...some(NET, 4), ...some(HTTP, 4), ...some(OTHER, 6) };
  const [real, ours] = await Promise.all([arms.chain('real', programs), arms.chain('kernet', programs)]);
  assert.equal(real.size, Object.keys(programs).length);
  assert.deepEqual(ours, real);
});

/** One line on stderr, and exit code 2. */
function assertUsage({ code, stderr, stdout }: Ended, message: RegExp): void {
  assert.match(stderr, message);
  assert.deepEqual([code, stdout, stderr.trimEnd().split('\n').length], [2, '', 1], stderr);
}

void test('what is wrong in KERNET_* and in kernet.config is one line, and exit code 2', { timeout: 60_000 }, async () => {
  const bad = (text: string): string => arms.write(text, 'config.mjs');
  const cases: [NodeJS.ProcessEnv, RegExp][] = [
    [{ KERNET_TIME: 'fast' }, /^kernet: KERNET_TIME: 'fast' is not understood; expected real or virtual$/m],
    [{ KERNET_SEED: 'x' }, /^kernet: KERNET_SEED: 'x' is not understood; expected a whole number/],
    [{ KERNET_WEATHER: 'rain=3' }, /^kernet: KERNET_WEATHER: 'rain=3'.*delay=40ms,loss=3%/],
    [{ KERNET_PASSTHROUGH: 'a b' }, /^kernet: KERNET_PASSTHROUGH: 'a b' is not understood/],
    [{ KERNET_HOSTS: 'a,b', KERNET_HOST: 'c' }, /there is no host 'c'; expected one of a, b$/m],
    [{ KERNET_CONFIG: 'nowhere.mjs' }, /^kernet: KERNET_CONFIG: there is no file 'nowhere.mjs'/],
    [{ KERNET_CONFIG: bad('export default { tiem: 1 };') }, /config\.mjs: tiem/],
    [{ KERNET_CONFIG: bad('export default (') }, /config\.mjs: /],
    [{ KERNET_CONFIG: bad('export const a = 1;') }, /config\.mjs: it has no default export/],
  ];
  const program = arms.write('console.log("runs")');
  const ended = await Promise.all(cases.map(([env]) => arms.node('kernet', [program], env)));
  for (const [i, [, message]] of cases.entries()) assertUsage(ended[i]!, message);
});

void test('a configuration: two hosts, a program on each, virtual time, weather, a capture', { timeout: 60_000 }, async () => {
  const server = arms.write(`
    import net from 'node:net';
    import os from 'node:os';
    net.createServer((s) => { console.log('server on', os.hostname()); s.end('answer'); }).listen(80).unref();`, 'mjs');
  const config = arms.write(`export default {
    hosts: { client: {}, server: { ip: '10.9.0.2', program: ${JSON.stringify(server)} } },
    cables: [{ between: ['client', 'server'], delay: '200ms' }], time: 'virtual', pcap: 'out.pcapng',
  };`, 'mjs');
  const program = arms.write(`
    const net = require('net'), began = Date.now();
    console.log(new Date(began).getUTCFullYear(), require('os').hostname());
    setTimeout(() => net.connect(80, 'server').on('data', (d) => console.log(String(d), Date.now() - began)), 3600_000);`);
  const began = performance.now();
  const { stdout, stderr, code } = await arms.node('kernet', [program], { KERNET_CONFIG: config });
  assert.deepEqual([code, stderr], [0, '']);
  // After an hour: six times 200 ms, for ARP's two frames, the handshake's three and the answer.
  assert.deepEqual(stdout.trim().split('\n'), ['2025 client', 'server on server', 'answer 3601200']);
  assert.ok(performance.now() - began < 20_000, 'an hour of virtual time');
  const capture = join(arms.dir, 'out.pcapng');
  assert.ok(existsSync(capture) && readFileSync(capture).readUInt32LE(0) === 0x0a0d0d0a);
});

void test('nothing of the machine is reached; what is let through, is', { timeout: 60_000 }, async () => {
  const program = arms.write(`
    const net = require('net'), port = Number(process.env.PORT);
    net.connect(port, '127.0.0.1').on('data', (d) => console.log(String(d))).on('error', (e) => console.log(e.code));`);
  const { createServer } = await import('node:net');
  const server = createServer((s) => s.end('the machine')).listen(0, '127.0.0.1');
  await new Promise((resolve) => void server.once('listening', resolve));
  const PORT = String((server.address() as { port: number }).port);
  const [shut, open] = await Promise.all([
    arms.node('kernet', [program], { PORT }), arms.node('kernet', [program], { PORT, KERNET_PASSTHROUGH: `127.0.0.1:${PORT}` }),
  ]);
  server.close();
  assert.deepEqual([shut.stdout, open.stdout], ['ECONNREFUSED\n', 'the machine\n']);
});
