/** express, with Node's own http client: routes, bodies, a keep-alive agent, and how a download starts. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { json, text } from 'node:stream/consumers';
import express from 'express';
import { event, failure, fault, program, ROUGH, ROUGH_RTT, within, type Stage } from './harness.ts';

const MEBIBYTE = 1 << 20;
/** Bytes of a full segment: 1500, less the headers of IP and TCP and the timestamp option. */
const MSS = 1448;

function shop(): express.Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(express.json());
  app.get('/things/:id', (req, res) => void res.json({ id: req.params.id, from: req.socket.remoteAddress }));
  app.post('/things', (req, res) => void res.status(201).location('/things/7').json(req.body));
  app.get('/film', (_req, res) => void res.send(Buffer.alloc(MEBIBYTE, 'film')));
  app.use((_req, res) => void res.status(404).send('no such thing'));
  return app;
}

/** Opens the shop on the server. */
async function open({ server, after }: Stage): Promise<void> {
  const site = server.run(() => shop().listen(80));
  after(() => site.close());
  await event(site, 'listening');
}

/** A request of the client, and the head of its answer. */
function ask({ client }: Stage, options: http.RequestOptions, body?: object): Promise<http.IncomingMessage> {
  return client.run(() => new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const request = http.request({ host: 'server', headers, ...options }, resolve).on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  }));
}

program('express', { random: null, calmMs: [22, 35], roughMs: [12 * ROUGH_RTT, 20_000] }, async (stage) => {
  const agent = new http.Agent({ keepAlive: true });
  stage.after(() => agent.destroy());
  await open(stage);

  const thing = await ask(stage, { path: '/things/3', agent });
  assert.deepEqual(await json(thing), { id: '3', from: `::ffff:${stage.client.ip}` });
  const made = await ask(stage, { path: '/things', method: 'POST', agent }, { name: 'cup' });
  assert.deepEqual([made.statusCode, made.headers.location, await json(made)], [201, '/things/7', { name: 'cup' }]);
  assert.equal(made.socket, thing.socket, 'one connection for both');
  const nothing = await ask(stage, { path: '/nothing', agent });
  assert.deepEqual([nothing.statusCode, await text(nothing)], [404, 'no such thing']);
  const film = await ask(stage, { path: '/film', agent });
  assert.equal((await text(film)).length, MEBIBYTE);
});

fault('express: a large download begins with ten segments and doubles each round trip', async (stage) => {
  await open(stage);
  const arrived: number[] = []; // bytes in each round trip
  const film = await ask(stage, { path: '/film', agent: false });
  const head = film.rawHeaders.join(': \r').length + 'HTTP/1.1 200 OK\r\n\r\n'.length;
  const begun = stage.elapsed();
  for await (const chunk of film) {
    const round = Math.floor((stage.elapsed() - begun) / ROUGH_RTT);
    arrived[round] = (arrived[round] ?? 0) + (chunk as Buffer).length;
  }
  // RFC 6928: ten segments, of which the head of the answer has its part.
  within(arrived[0]!, [10 * MSS - head - 20, 10 * MSS - head + 20]);
  assert.deepEqual(arrived.slice(1, 3), [20 * MSS, 40 * MSS]);
  assert.equal(arrived.length, 7, 'ten segments, doubled six times, are more than a mebibyte');
}, { cable: { delay: ROUGH.delay! } });

fault('express: a server that is killed in the middle of an answer: "aborted", ECONNRESET, and then ECONNREFUSED', async (stage) => {
  await open(stage);
  const film = await ask(stage, { path: '/film', agent: false });
  stage.world.fault({ kind: 'kill', host: 'server' });
  const error = await failure(text(film));
  assert.deepEqual([error.code, error.message], ['ECONNRESET', 'aborted']);
  assert.equal((await failure(ask(stage, { path: '/film', agent: false }))).code, 'ECONNREFUSED');
}, { cable: { delay: ROUGH.delay! } });
