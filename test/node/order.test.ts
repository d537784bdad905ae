import { test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../../mod.ts';

/** Six connections at a server that closes them all; the ports of its FINs in the order in which they leave. */
async function fins(): Promise<number[]> {
  using world = new World({ seed: 4 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  const cable = world.cable(alice, bob, { delay: '1ms' });
  const ports: number[] = [];
  await world.run(async () => {
    const server = bob.http.createServer((_, response) => response.end('ok')).listen(80);
    const get = (): Promise<void> => new Promise((resolve, reject) => {
      alice.http.get('http://bob/', (response) => response.resume().on('end', resolve)).on('error', reject);
    });
    await Promise.all(Array.from({ length: 6 }, get));
    await new Promise((resolve) => { setTimeout(resolve, 10); });
    cable.rule((frame) => {
      if (frame.tcp?.sport === 80 && frame.tcp.fin) ports.push(frame.tcp.dport);
    });
    server.close(); // closes the idle connections
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  });
  return ports;
}

test('server.close() of http closes idle connections in the same order in each run: by their descriptors', async () => {
  const first = await fins();
  assert.equal(first.length, 6);
  for (let i = 0; i < 5; i++) assert.deepEqual(await fins(), first);
});

test('a stopped world keeps the process no longer, whatever was still open in it', async () => {
  const world = new World({ seed: 4 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob);
  await world.run(async () => {
    const server = bob.net.createServer().listen(7);
    await new Promise((resolve) => server.once('listening', resolve));
    const socket = alice.net.connect(7, 'bob');
    await new Promise((resolve) => socket.once('connect', resolve));
  });
  world.stop();
  assert.ok(!process.getActiveResourcesInfo().includes('Timeout'));
});

test('who listens from the \'socket\' event of a request on hears \'lookup\' and \'connect\'', async () => {
  using world = new World({ seed: 4 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '1ms' });
  const heard: string[] = [];
  await world.run(async () => {
    const server = bob.http.createServer((_, response) => response.end('ok')).listen(80);
    await new Promise((resolve, reject) => {
      alice.http.get('http://bob/', { agent: false }, (response) => response.resume().on('end', resolve)).on('error', reject)
        .on('socket', (socket) => void socket.on('lookup', () => heard.push('lookup')).on('connect', () => heard.push('connect')));
    });
    server.close();
  });
  assert.deepEqual(heard, ['lookup', 'connect']);
});

test('a process that was killed while it read: nobody is told, and the world goes on', async () => {
  using world = new World({ seed: 4 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '1ms' });
  await world.run(async () => {
    const told: string[] = [];
    const server = bob.net.createServer((s) => {
      s.on('data', () => told.push('data')).on('end', () => told.push('end')).on('error', () => told.push('error'));
    }).listen(7);
    const socket = alice.net.connect(7, 'bob');
    await new Promise((resolve) => socket.once('connect', resolve));
    await new Promise((resolve) => { setTimeout(resolve, 10); });
    world.fault({ kind: 'kill', host: 'bob' });
    socket.write('x');
    await new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    assert.deepEqual(told, []);
    server.close();
  });
});
