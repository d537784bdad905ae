/** ioredis, against a small Redis of our own: pipelines, blocking lists, subscriptions, and how it comes back. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { Redis, type RedisOptions } from 'ioredis';
import { event, failure, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';
import { redis } from './redis-server.ts';

async function open({ server, after }: Stage): Promise<net.Server> {
  const store = server.run(() => net.createServer(redis()).listen(6379));
  after(() => store.close());
  await event(store, 'listening');
  return store;
}

type Options = Pick<RedisOptions, 'keepAlive' | 'connectTimeout' | 'retryStrategy' | 'maxRetriesPerRequest'>;

function connect({ client, after }: Stage, options: Options = {}): Redis {
  const made = client.run(() => new Redis({ host: 'server', ...options })).on('error', () => undefined);
  after(() => made.disconnect());
  return made;
}

/** Its connection has ended, in whatever way. */
function closed(redis: Redis): Promise<void> {
  return new Promise((resolve) => void redis.once('close', () => resolve()));
}

program('ioredis', { random: null, calmMs: [155, 175], roughMs: [6 * ROUGH_RTT, 9000] }, async (stage) => {
  await open(stage);
  const [one, two] = [connect(stage), connect(stage)];
  assert.equal(await one.set('cup', 'blue'), 'OK');
  assert.equal(await two.get('cup'), 'blue');
  const results = await one.pipeline().incr('n').incr('n').get('n').exec();
  assert.deepEqual(results, [[null, 1], [null, 2], [null, '2']]);
  const popped = two.brpop('jobs', 0);
  await stage.sleep(5);
  await one.lpush('jobs', 'x'.repeat(20_000));
  assert.equal((await popped)![1].length, 20_000);
  await two.subscribe('news');
  const heard = event(two, 'message');
  assert.equal(await one.publish('news', 'tea'), 1);
  assert.equal(await heard, 'news');
  assert.match((await failure(one.call('BREW'))).message, /unknown command/);
  await Promise.all([one.quit(), two.quit()]);
});

fault('ioredis: a server that crashes and comes back after 3 s is found by the retry strategy, and the queue is sent', async (stage) => {
  await open(stage);
  const waits: number[] = [];
  const redis = connect(stage, {
    keepAlive: 1000, connectTimeout: 1000, retryStrategy: (times) => (waits.push(times), times * 500), maxRetriesPerRequest: null,
  });
  await redis.set('cup', 'blue');
  stage.server.crash();
  setTimeout(() => {
    stage.server.boot();
    void open(stage);
  }, 3000);
  await closed(redis); // the machine that has booted knows nothing of the connection, and resets it
  assert.equal(await redis.get('cup'), null, 'it waits in the client; the server has forgotten what it knew');
  assert.deepEqual(waits, [1]);
});

fault('ioredis: commands in front of a dead server fail with MaxRetriesPerRequestError', async (stage) => {
  await open(stage);
  const redis = connect(stage, { connectTimeout: 2000, retryStrategy: () => 1000, maxRetriesPerRequest: 2 });
  await redis.ping();
  stage.world.fault({ kind: 'kill', host: 'server' });
  await closed(redis);
  const begun = stage.elapsed();
  const error = await failure<Error>(redis.get('cup'));
  assert.equal(error.name, 'MaxRetriesPerRequestError');
  within(stage.elapsed() - begun, [2000, 2010]); // refused twice, a second after each loss
});
