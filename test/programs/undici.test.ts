/** undici: request, fetch, a pool with pipelining, and its errors by name. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { Agent, fetch, Pool, request, type errors } from 'undici';
import { event, failure, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

/** A server that says who asked for what. `/never` is not answered. */
async function open({ server, after }: Stage): Promise<void> {
  const site = server.run(() => http.createServer((req, res) => {
    if (req.url !== '/never') req.on('data', () => undefined).on('end', () => void res.end(`${req.method!} ${req.url!}`));
  }).listen(80));
  after(() => {
    site.close();
    site.closeAllConnections();
  });
  await event(site, 'listening');
}

program('undici', { random: null, calmMs: [30, 42], roughMs: [5 * ROUGH_RTT, 8000] }, async (stage) => {
  await open(stage);
  await stage.client.run(async () => {
    const agent = new Agent();
    const { statusCode, body } = await request('http://server/a', { dispatcher: agent, method: 'POST', body: 'x'.repeat(50_000) });
    assert.deepEqual([statusCode, await body.text()], [200, 'POST /a']);
    const answer = await fetch('http://server/b', { dispatcher: agent });
    assert.deepEqual([answer.ok, await answer.text()], [true, 'GET /b']);
    await agent.close();

    const pool = new Pool('http://server', { connections: 1, pipelining: 10 });
    const all = await Promise.all(Array.from({ length: 10 }, async (_, i) =>
      (await pool.request({ path: `/${i}`, method: 'GET' })).body.text()));
    assert.deepEqual(all, Array.from({ length: 10 }, (_, i) => `GET /${i}`));
    await pool.close();
  });
});

type Failure = errors.UndiciError;

fault('undici: headersTimeout, connectTimeout and a lost connection each have a code', async (stage) => {
  await open(stage);
  await stage.client.run(async () => {
    const agent = new Agent({ headersTimeout: 5000, connectTimeout: 3000 });
    stage.after(() => agent.destroy());
    const ask = (path: string): Promise<unknown> => request(`http://server${path}`, { dispatcher: agent });

    assert.equal((await failure<Failure>(ask('/never'))).code, 'UND_ERR_HEADERS_TIMEOUT');
    within(stage.elapsed(), [4400, 6100]); // its clock ticks twice a second, whoever is waiting

    stage.world.partition([stage.client], [stage.server]);
    const begun = stage.elapsed();
    assert.equal((await failure<Failure>(ask('/a'))).code, 'UND_ERR_CONNECT_TIMEOUT');
    within(stage.elapsed() - begun, [3000, 4100]);
    stage.world.heal();

    const pending = failure<Failure>(ask('/never'));
    await stage.sleep(1000);
    stage.world.fault({ kind: 'kill', host: 'server' });
    const lost = await pending;
    assert.deepEqual([lost.code, lost.message], ['UND_ERR_SOCKET', 'other side closed']);
  });
});

fault('undici: a connection that the server closed while it was idle is not used again', async (stage) => {
  const { server, client } = stage;
  const from = new Set<number | undefined>();
  const site = server.run(() => http.createServer({ keepAliveTimeout: 5000 }, (req, res) => {
    from.add(req.socket.remotePort);
    res.end('x');
  }).listen(80));
  stage.after(() => site.close());
  await event(site, 'listening');
  const pool = client.run(() => new Pool('http://server', { connections: 1 }));
  for (const pause of [1000, 60_000, 0]) {
    const { body } = await client.run(() => pool.request({ path: '/', method: 'GET' }));
    await body.dump();
    await stage.sleep(pause);
  }
  assert.equal(from.size, 2);
  await pool.close();
});
