/** Crash and boot, stop and resume: what the others see, and what is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, SOCK_STREAM, World } from '../../mod.ts';

/** An echo server on `host`, at each boot. */
function echoAtBoot(host: ReturnType<World['host']>): void {
  host.onBoot(() => {
    host.net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    }).listen(7);
  });
}

test('a crashed host says nothing: the peer sends again until it gives up', async () => {
  const world = new World({ seed: 3 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '1ms' });
  echoAtBoot(bob);
  const { error, at } = await world.run(async () => {
    const socket = alice.net.connect(7, 'bob');
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('hello');
    await new Promise((resolve) => socket.once('data', resolve));
    bob.crash();
    socket.write('are you there?');
    const failed: NodeJS.ErrnoException = await new Promise((resolve) => socket.once('error', resolve));
    return { error: failed.code, at: world.now };
  });
  assert.equal(error, 'EHOSTUNREACH', 'ARP finds nobody, and TCP reports that soft error in the end (tcp_retries2)');
  assert.ok(at > 900_000, `gave up after ${String(at)} ms; tcp_retries2 is about a quarter of an hour`);
  assert.ok((world.drops()['CARD_DOWN'] ?? 0) > 0, 'frames for the crashed host are lost by name');
  assert.equal(world.check().skbs, 0);
});

test('a host that boots again knows nothing of old connections, and resets them', async () => {
  const world = new World({ seed: 4 });
  const [alice, bob] = [world.host('alice'), world.host('bob', { sysctl: { 'net.ipv4.tcp_sack': 0 } })];
  world.cable(alice, bob, { delay: '1ms' });
  echoAtBoot(bob);
  const before = bob.kernel;
  await world.run(async () => {
    const socket = alice.net.connect(7, 'bob');
    await new Promise((resolve) => socket.once('connect', resolve));
    bob.crash();
    bob.boot();
    socket.write('hello?');
    const error: NodeJS.ErrnoException = await new Promise((resolve) => socket.once('error', resolve));
    assert.equal(error.code, 'ECONNRESET');

    // The service is back, at the same address.
    const again = alice.net.connect(7, 'bob');
    again.end('hello again');
    let text = '';
    for await (const chunk of again) text += String(chunk);
    assert.equal(text, 'hello again');
  });
  assert.notEqual(bob.kernel, before);
  assert.equal(bob.sysctl('net.ipv4.tcp_sack'), 0, 'sysctls are written on the disk');
  assert.throws(() => before.socket(AF_INET, SOCK_STREAM, 0), { code: 'ESRCH' });
  bob.crash();
  await world.runUntilIdle();
  assert.equal(world.check().skbs, 0);
});

test('onBoot is told of the crash by its signal, and runs again', async () => {
  const world = new World({ seed: 5 });
  const bob = world.host('bob');
  const seen: string[] = [];
  await world.run(async () => {
    bob.onBoot((signal) => {
      seen.push('up');
      signal.addEventListener('abort', () => seen.push(String((signal.reason as Error).message)));
    });
    await world.advance('1ms');
    bob.crash();
    bob.crash();
    await world.advance('1ms');
    bob.boot();
    await world.advance('1ms');
  });
  assert.deepEqual(seen, ['up', 'host bob has crashed', 'up']);
});

test('a crash in the middle of a transfer leaves no packet, timer or socket behind, wherever it comes', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = new World({ seed });
    const [alice, bob] = [world.host('alice'), world.host('bob')];
    const cable = world.cable(alice, bob, { delay: '3ms', rate: '20mbit', loss: 0.05 });
    let frames = 0;
    // A rule is asked inside of a kernel: of the host that sends just then.
    cable.rule(() => {
      if (++frames === seed * 7) bob.crash();
      return 'pass';
    });
    bob.onBoot(() => {
      bob.net.createServer((socket) => void socket.on('error', () => undefined).resume()).listen(7);
    });
    for (let i = 0; i < 3; i++) alice.net.connect(7, bob.ip).on('error', () => undefined).end(Buffer.alloc(200_000));
    await world.runUntilIdle({ maxMs: 3_600_000 });
    assert.equal(bob.running, frames < seed * 7);
    bob.boot();
    alice.crash();
    bob.crash();
    const left = world.check();
    assert.deepEqual([left.skbs, left.pages, left.timers, left.tcpSockets, left.descriptors], [0, 0, 0, 0, 0], `seed ${String(seed)}`);
  }
});

test('stopped programs do not run while their kernel goes on; resume lets them', async () => {
  const world = new World({ seed: 6, costs: 'zero' });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '1ms' });
  const heard: [string, number][] = [];
  bob.net.createServer((socket) => void socket.on('data', (data) => heard.push([String(data), Math.round(world.now)]))).listen(7);
  await world.run(async () => {
    const socket = alice.net.connect(7, bob.ip);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('one');
    await world.advance('10ms');
    bob.stop('500ms');
    socket.write('two');
    await world.advance('100ms');
    assert.equal(alice.kernel.nstat().TcpRetransSegs, 0, "bob's kernel has acknowledged it");
    await world.advance('1s');
    socket.destroy();
  });
  assert.deepEqual(heard.map(([text]) => text), ['one', 'two']);
  assert.equal(heard[1]![1] - heard[0]![1], 509, 'two waits in the receive buffer until the programs go on');
  world.stop();
});

test('a host without power takes no new card', () => {
  const world = new World();
  const bob = world.host('bob');
  bob.crash();
  assert.throws(() => bob.addInterface(), /bob has no power; boot\(\) it first/);
  assert.throws(() => bob.onBoot('x' as never), /main is not a function/);
});
