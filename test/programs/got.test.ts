/** got: hooks, streams, pagination, and retries with a backoff that is counted here to the millisecond. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import got, { type RequestError } from 'got';
import { event, failure, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

/** Pages of numbers, `{ items, next }`, and a mirror for what is put. */
async function open({ server, after }: Stage): Promise<void> {
  const site = server.run(() => http.createServer((req, res) => {
    const page = Number(new URL(req.url!, 'http://server').searchParams.get('page') ?? 1);
    if (req.method === 'PUT') req.pipe(res);
    else res.end(JSON.stringify({ items: [page * 2 - 1, page * 2], ...(page < 3 ? { next: `/?page=${page + 1}` } : {}) }));
  }).listen(80));
  after(() => {
    site.close();
    site.closeAllConnections();
  });
  await event(site, 'listening');
}

interface Page {
  readonly items: number[];
  readonly next?: string;
}

program('got', { random: null, calmMs: [18, 30], roughMs: [8 * ROUGH_RTT, 9000] }, async (stage) => {
  await open(stage);
  await stage.client.run(async () => {
    const numbers = await got.paginate.all<number, Page>('http://server/', {
      responseType: 'json',
      pagination: {
        transform: ({ body }) => body.items,
        paginate: ({ response: { body: { next } } }) => next === undefined ? false : { url: new URL(next, 'http://server') },
      },
    });
    assert.deepEqual(numbers, [1, 2, 3, 4, 5, 6]);
    const mirror = got.stream.put('http://server/', { body: 'x'.repeat(50_000) });
    assert.equal((await text(mirror)).length, 50_000);
  });
});

fault('got: a server that comes back after 5 s is reached by the third retry: 1, 2 and 4 seconds', async (stage) => {
  stage.server.crash();
  setTimeout(() => {
    stage.server.boot();
    void open(stage);
  }, 5000);
  await stage.client.run(async () => {
    const waits: number[] = [];
    const { items } = await got('http://server/', {
      timeout: { connect: 500 },
      retry: { limit: 5, noise: 0 },
      hooks: {
        beforeRetry: [(error, count) => {
          assert.equal(error.code, 'ETIMEDOUT');
          waits.push(count);
        }],
      },
    }).json<Page>();
    assert.deepEqual([items, waits], [[1, 2], [1, 2, 3]]);
    within(stage.elapsed(), [0.5 * 3 * 1000 + 7000, 0.5 * 3 * 1000 + 7100]);
  });
});

fault('got: each phase has a timeout, and the error names it', async (stage) => {
  await open(stage);
  await stage.client.run(async () => {
    stage.cable.setWeather({ delay: '400ms' });
    const error = await failure<RequestError>(got('http://server/', { timeout: { response: 100 }, retry: { limit: 0 } }));
    assert.deepEqual([error.code, error.message], ['ETIMEDOUT', 'Timeout awaiting \'response\' for 100ms']);
  });
});
