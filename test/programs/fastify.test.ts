/** fastify: schemas, hooks, streams, and clients that vanish. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { json } from 'node:stream/consumers';
import fastify, { type FastifyInstance } from 'fastify';
import { fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

const AGE = { body: { type: 'object', required: ['age'], properties: { age: { type: 'integer', minimum: 0 } } } };

/** A register of people on the server. `connectionTimeout`: how long a connection may be silent. */
async function open({ server, after }: Stage, connectionTimeout = 0): Promise<FastifyInstance> {
  const app = fastify({ connectionTimeout, forceCloseConnections: true });
  app.addHook('onSend', (_request, reply, payload, done) => void done(null, (reply.header('x-hook', 'ran'), payload)));
  app.get('/people/:name', (request) => request.params);
  app.post('/people', { schema: AGE }, (request) => request.body);
  await server.run(() => app.listen({ port: 80, host: '::' }));
  after(() => app.close());
  return app;
}

/** A request of the client's, with a body if there is one. */
function ask({ client }: Stage, method: string, path: string, body = ''): Promise<http.IncomingMessage> {
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  return client.run(() => new Promise((resolve, reject) => void http
    .request({ host: 'server', agent: false, method, path, headers: body === '' ? {} : headers }, resolve).on('error', reject).end(body)));
}

program('fastify', { random: null, calmMs: [12, 20], roughMs: [6 * ROUGH_RTT, 8000] }, async (stage) => {
  await open(stage);
  const ann = await ask(stage, 'GET', '/people/ann');
  assert.deepEqual([ann.headers['x-hook'], await json(ann)], ['ran', { name: 'ann' }]);
  const made = await ask(stage, 'POST', '/people', '{"age":"41"}');
  assert.deepEqual(await json(made), { age: 41 }, 'made a number, as the schema says');
  const wrong = await ask(stage, 'POST', '/people', '{"age":-1}');
  assert.deepEqual(await json(wrong), {
    statusCode: 400, code: 'FST_ERR_VALIDATION', error: 'Bad Request', message: 'body/age must be >= 0',
  });
});

fault('fastify: a client that vanishes in the middle of an upload is held until connectionTimeout', async (stage) => {
  await open(stage, 60_000);
  const upload = stage.client.run(() => http.request({ host: 'server', method: 'POST', path: '/people', agent: false }));
  upload.setHeader('content-type', 'application/json').on('error', () => undefined);
  upload.write('{"age":');
  await stage.sleep(1000);
  stage.world.partition([stage.client], [stage.server]);
  await stage.sleep(58_000);
  assert.match(stage.server.ss('-tnH state established'), /:80/, 'a minute of silence has not passed');
  await stage.sleep(2000);
  assert.equal(stage.server.ss('-tnH state established'), '');
  stage.world.heal();
  upload.destroy();
  within(stage.elapsed(), [61_000, 61_010]);
});
