/** mqtt and aedes: the three qualities of service, retained messages, a last will, and a client that vanishes. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { Aedes } from 'aedes';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { event, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

async function open({ server, after }: Stage): Promise<Aedes> {
  const broker = await server.run(() => Aedes.createBroker({ heartbeatInterval: 60_000 }));
  const port = server.run(() => net.createServer(broker.handle).listen(1883));
  after(() => new Promise<void>((resolve) => void broker.close(() => void port.close(() => resolve()))));
  await event(port, 'listening');
  return broker;
}

async function connect({ client, after }: Stage, clientId: string, options: IClientOptions = {}): Promise<MqttClient> {
  const made = client.run(() => mqtt.connect('mqtt://server', { clientId, reconnectPeriod: 1000, ...options }));
  made.on('error', () => undefined);
  after(() => made.endAsync(true));
  await event(made, 'connect');
  return made;
}

function message(client: MqttClient): Promise<[topic: string, payload: string]> {
  return new Promise((resolve) => void client.once('message', (topic, payload) => resolve([topic, String(payload)])));
}

program('mqtt', {
  random: 'message ids begin where Math.random says', calmMs: [98, 115], roughMs: [8 * ROUGH_RTT, 12_000],
}, async (stage) => {
  await open(stage);
  const [ann, ben] = await Promise.all([connect(stage, 'ann'), connect(stage, 'ben')]);
  await ben.subscribeAsync('house/+/light', { qos: 2 });
  for (const qos of [0, 1, 2] as const) {
    const heard = message(ben);
    await ann.publishAsync('house/hall/light', `on ${qos}`, { qos });
    assert.deepEqual(await heard, ['house/hall/light', `on ${qos}`]);
  }
  await ann.publishAsync('house/hall/state', 'x'.repeat(30_000), { qos: 1, retain: true });
  const late = message(ben);
  await ben.subscribeAsync('house/hall/state');
  assert.equal((await late)[1].length, 30_000);
});

fault('mqtt: a client that vanishes is missed after one and a half keepalives, and its last will is read', async (stage) => {
  const broker = await open(stage);
  const carol = stage.world.host('carol');
  stage.world.cable(carol, stage.server);
  const watcher = await connect({ ...stage, client: carol }, 'watcher');
  await watcher.subscribeAsync('wills');
  await connect(stage, 'ann', { keepalive: 20, will: { topic: 'wills', payload: Buffer.from('ann is gone'), qos: 1, retain: false } });
  await stage.sleep(100_000);
  assert.equal(broker.connectedClients, 2, 'pings keep it alive');

  const begun = stage.elapsed();
  stage.world.partition([stage.client], [stage.server]);
  assert.deepEqual(await message(watcher), ['wills', 'ann is gone']);
  within(stage.elapsed() - begun, [10_000, 30_010]); // 30 s after her last ping
});

fault('mqtt: what is published with quality 1 during a partition arrives after the reconnect', async (stage) => {
  await open(stage);
  const carol = stage.world.host('carol');
  stage.world.cable(carol, stage.server);
  const watcher = await connect({ ...stage, client: carol }, 'watcher');
  await watcher.subscribeAsync('news');
  const ann = await connect(stage, 'ann', { keepalive: 10, connectTimeout: 3000 });
  stage.world.partition([stage.client], [stage.server]);
  setTimeout(() => stage.world.heal(), 60_000);
  const heard = message(watcher);
  await ann.publishAsync('news', 'tea', { qos: 1 });
  assert.deepEqual(await heard, ['news', 'tea']);
  within(stage.elapsed(), [60_000, 65_000]);
});
