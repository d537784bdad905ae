/** UDP end to end: socket calls, cards, a cable. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { AF_INET, MSG_DONTWAIT, SOCK_DGRAM, World } from '../../mod.ts';
import { Random } from '../../src/lib/random.ts';

test('datagrams cross a cable both ways, each whole, and nothing is left', async () => {
  const world = new World({ seed: 3 });
  const [a, b] = [world.host('a'), world.host('b')];
  world.cable(a, b, { delay: '1ms' });
  await world.run(async () => {
    const [ka, kb] = [a.kernel, b.kernel];
    const server = kb.socket(AF_INET, SOCK_DGRAM);
    kb.bind(server, { port: 7 });
    const client = ka.socket(AF_INET, SOCK_DGRAM);
    await ka.connect(client, { address: b.ip, port: 7 });
    const random = new Random(1);
    for (const size of [0, 1, 47, 48, 49, 1000, 1472, 1473, 9000, 65507]) {
      const sent = random.bytes(size);
      assert.equal(await ka.send(client, sent), size);
      const buffer = new Uint8Array(66000);
      const got = await kb.recvfrom(server, buffer);
      assert.deepEqual(buffer.subarray(0, got.bytes), sent);
      await kb.sendto(server, buffer.subarray(0, got.bytes), got.from!);
      assert.equal(await ka.recv(client, buffer), size);
      assert.deepEqual(buffer.subarray(0, size), sent);
    }
    await assert.rejects(ka.send(client, new Uint8Array(65508)), { code: 'EMSGSIZE' });
    ka.close(client);
    kb.close(server);
  });
});

test('a refused datagram is told to the connected socket, after one round trip', async () => {
  const world = new World({ seed: 3 });
  const [a, b] = [world.host('a'), world.host('b')];
  world.cable(a, b, { delay: '10ms' });
  await world.run(async () => {
    const k = a.kernel;
    const fd = k.socket(AF_INET, SOCK_DGRAM);
    await k.connect(fd, { address: b.ip, port: 7 });
    await k.send(fd, new Uint8Array(3));
    await assert.rejects(k.recv(fd, new Uint8Array(10)), { code: 'ECONNREFUSED' });
    await assert.rejects(k.recv(fd, new Uint8Array(10), MSG_DONTWAIT), { code: 'EAGAIN' });
    k.close(fd);
  });
});
