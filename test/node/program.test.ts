// While world.run runs a program, Node's own clocks and timers are the world's, and afterwards they are Node's again.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import crypto, { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import timers, { setTimeout as namedSetTimeout } from 'node:timers';
import timersPromises, { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { World } from '../../src/node/world.ts';

void test('timers, timers/promises, hrtime and AbortSignal.timeout follow the world\'s clock', async () => {
  const world = new World();
  const wall = performance.now();
  const lines: string[] = [];
  const at = (what: string): void => void lines.push(`${Math.round(world.now)} ${what}`);
  await world.run(async () => {
    const start = process.hrtime();
    const big = process.hrtime.bigint();
    await sleep(1000);
    at('timers/promises');
    await new Promise<void>((resolve) => void namedSetTimeout(resolve, 500));
    at('a named import of timers');
    await new Promise<void>((resolve) => void timers.setTimeout(resolve, 500));
    at('timers.setTimeout');
    await promisify(setTimeout)(1000);
    at('promisify');
    assert.deepEqual(process.hrtime(start)[0], 3);
    assert.ok(process.hrtime.bigint() - big >= 3_000_000_000n);
    await once(AbortSignal.timeout(60_000), 'abort').catch(() => undefined);
    at('AbortSignal.timeout');
    let n = 0;
    for await (const value of timersPromises.setInterval(1000, 'v')) {
      at(`interval ${value}`);
      if (++n === 3) break;
    }
    await timersPromises.scheduler.wait(5000);
    at('scheduler.wait');
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 10);
    await assert.rejects(sleep(1e6, null, { signal: controller.signal }), { name: 'AbortError', code: 'ABORT_ERR' });
    at('aborted');
  });
  assert.deepEqual(lines, [
    '1000 timers/promises', '1500 a named import of timers', '2000 timers.setTimeout', '3000 promisify', '63000 AbortSignal.timeout',
    '64000 interval v', '65000 interval v', '66000 interval v', '71000 scheduler.wait', '71010 aborted',
  ]);
  assert.ok(performance.now() - wall < 5000, 'a minute of the world took less than five seconds');
});

void test('everything is back in its place afterwards, also when the program throws', async () => {
  const props: [object, PropertyKey][] = [
    [globalThis, 'setTimeout'], [timers, 'setTimeout'], [timersPromises, 'setTimeout'], [process, 'hrtime'], [AbortSignal, 'timeout'],
    [net.Socket.prototype, 'setTimeout'], [http.ServerResponse.prototype, 'writeHead'],
  ];
  const before = props.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name));
  await assert.rejects(new World().run(() => {
    throw new Error('mine');
  }), /mine/);
  assert.deepEqual(props.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name)), before);
});

void test('the idle timeout of a socket counts virtual time, and data puts it off', async () => {
  const world = new World();
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '1ms' });
  await world.run(async () => {
    const server = bob.net.createServer((s) => {
      s.on('error', () => undefined);
      setTimeout(() => s.write('still here'), 20_000);
    }).listen(80);
    const client = alice.net.connect(80, 'bob');
    client.setTimeout(30_000);
    client.resume();
    await once(client, 'timeout');
    assert.equal(Math.round(world.now / 1000), 50);
    client.setTimeout(0);
    await sleep(100_000);
    client.destroy();
    server.close();
  });
});

void test('the Date header is the program\'s date', async () => {
  const world = new World();
  const host = world.host('alice');
  const date = await world.run(async () => {
    const server = host.http.createServer((_req, res) => res.end('x')).listen(80);
    const [res] = await once(host.http.get('http://alice/', { agent: false }), 'response') as [http.IncomingMessage];
    res.resume();
    await once(res, 'end');
    server.close();
    return res.headers.date;
  });
  assert.equal(date, 'Wed, 01 Jan 2025 00:00:00 GMT');
});

void test('a keep-alive agent\'s and a server\'s timeouts end idle connections in virtual time', async () => {
  const world = new World();
  const host = world.host('alice');
  await world.run(async () => {
    const server = host.http.createServer((_req, res) => res.end('x')).listen(80);
    const agent = new host.http.Agent({ keepAlive: true });
    const [res] = await once(host.http.get({ host: 'alice', agent }), 'response') as [http.IncomingMessage];
    const { socket } = res;
    res.resume();
    await once(socket, 'close');
    assert.ok(world.now >= 4000 && world.now < 7000, `closed after ${world.now} ms`);
    server.close();
  });
});

void test('real files hold the clock', async () => {
  const world = new World();
  await world.run(async () => {
    let late = false;
    const timer = setTimeout(() => void (late = true), 1);
    const text = await readFile(new URL(import.meta.url), 'utf8');
    assert.ok(text.includes('hold the clock'));
    assert.equal(late, false, 'the file came before the next millisecond of virtual time');
    clearTimeout(timer);
  });
});

void test('crypto, zlib and WebAssembly on the thread pool hold the clock', async () => {
  const world = new World();
  const real = crypto.scrypt;
  const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: { compile(bytes: Uint8Array): Promise<unknown> } };
  await world.run(async () => {
    const works: [name: string, work: () => Promise<unknown>][] = [
      ['scrypt', () => new Promise((resolve, reject) => void crypto.scrypt('x', 'y', 9, (e, k) => e === null ? resolve(k) : reject(e)))],
      ['promisify', () => promisify(crypto.pbkdf2)('x', 'y', 10_000, 32, 'sha512')],
      ['its own promisify', () => promisify(crypto.generateKeyPair)('ec', { namedCurve: 'P-256' })],
      ['a named import', () => promisify(randomBytes)(16)],
      ['subtle', () => crypto.webcrypto.subtle.digest('SHA-256', new Uint8Array(1 << 20))],
      ['gzip', () => promisify(zlib.gzip)(Buffer.alloc(1 << 20))],
      ['what is no gzip', () => assert.rejects(promisify(zlib.gunzip)(Buffer.from('no gzip')))],
      ['compile', () => wasm.compile(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))],
    ];
    for (const [name, work] of works) {
      let late = false;
      const timer = setTimeout(() => void (late = true), 1);
      await work();
      assert.equal(late, false, `${name} came before the next millisecond of virtual time`);
      clearTimeout(timer);
    }
    assert.throws(() => crypto.scrypt('x', 'y', -1, () => undefined), { code: 'ERR_OUT_OF_RANGE' });
    await sleep(1000); // and the clock goes on
  });
  assert.equal(crypto.scrypt, real);
});

void test('AsyncLocalStorage: timers and sockets keep the context in which they were made; an accepted one has none', async () => {
  const world = new World();
  const host = world.host('alice');
  const store = new AsyncLocalStorage<string>();
  const seen: Record<string, string | undefined> = {};
  const see = (what: string): void => void (seen[what] = store.getStore());
  await world.run(async () => {
    await store.run('timer', () => new Promise<void>((resolve) => void setTimeout(() => {
      see('timer');
      resolve();
    }, 5)));
    const server = host.net.createServer((s) => {
      see('connection');
      s.on('data', () => see('server data')).on('end', () => s.end());
    });
    await store.run('server', () => new Promise<void>((resolve) => void server.listen(80, resolve)));
    await store.run('client', async () => {
      const c = host.net.connect(80, 'alice', () => see('connect'));
      c.write('x');
      c.on('close', () => see('close')).resume();
      c.end();
      await once(c, 'close');
    });
    server.close();
  });
  assert.deepEqual(seen, {
    'timer': 'timer', 'connection': 'server', 'server data': undefined, 'connect': 'client', 'close': 'client',
  });
});

void test('a timer that a module keeps lives on: in the next program when it is refreshed there, outside when none runs', async () => {
  let ticks = 0;
  let clock: NodeJS.Timeout | undefined;
  // undici keeps its clock in this way.
  const begin = (): void => {
    if (clock === undefined) clock = setTimeout(() => void ticks++, 500).unref();
    else clock.refresh();
  };
  await new World().run(() => begin());
  assert.equal(ticks, 0);

  const world = new World();
  await world.run(async () => {
    await sleep(499);
    assert.equal(ticks, 0, 'it has begun anew with the program');
    await sleep(2);
    assert.equal(ticks, 1, 'though nobody has touched it');
    begin();
    await sleep(501);
    assert.equal(ticks, 2);
    clearTimeout(clock);
    await sleep(2000);
    assert.equal(ticks, 2);
  });

  begin();
  for (let i = 0; i < 200 && ticks < 3; i++) await new Promise((resolve) => void setTimeout(resolve, 10));
  assert.equal(ticks, 3, 'by the machine\'s clock');
  begin();
  clock!.close();
});

void test('what else a program leaves armed never fires', async () => {
  const fired: string[] = [];
  await new World().run(() => {
    setTimeout(() => fired.push('kept the world running'), 5);
    setTimeout(() => fired.push('long'), 1001).unref();
    setInterval(() => fired.push('interval'), 5).unref();
  });
  await new World().run(() => sleep(5000));
  assert.deepEqual(fired, []);
});
