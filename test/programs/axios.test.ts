/** axios: instances, interceptors, uploads, and its error codes. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { json, text } from 'node:stream/consumers';
import axios, { type AxiosError, type AxiosInstance } from 'axios';
import { event, failure, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

/** A server: `/sum` adds numbers, `/size` measures uploads, `/old` moved to `/new`, `/never` is not answered. */
async function open({ server, after }: Stage): Promise<http.Server> {
  const site = server.run(() => http.createServer((req, res) => void answer(req, res)).listen(80));
  after(() => {
    site.close();
    site.closeAllConnections();
  });
  await event(site, 'listening');
  return site;
}

async function answer(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
  switch (req.url) {
    case '/sum': return void res.setHeader('content-type', 'application/json')
      .end(JSON.stringify({ sum: (await json(req) as number[]).reduce((a, b) => a + b) }));
    case '/size': return void res.end(String((await text(req)).length));
    case '/old': return void res.writeHead(302, { location: '/new' }).end();
    case '/new': return void res.end(`for ${String(req.headers['x-token'])}`);
    case '/never': return;
    default: res.writeHead(404).end();
  }
}

function instance({ client }: Stage): AxiosInstance {
  return client.run(() => axios.create({ baseURL: 'http://server', timeout: 10_000, headers: { 'x-token': 'ann' } }));
}

program('axios', { random: null, calmMs: [18, 40], roughMs: [8 * ROUGH_RTT, 9500] }, async (stage) => {
  await open(stage);
  const api = instance(stage);
  await stage.client.run(async () => {
    assert.deepEqual((await api.post('/sum', [1, 2, 39])).data, { sum: 42 });
    assert.equal((await api.post('/size', Buffer.alloc(100_000, 'x'))).data, 100_000);
    assert.equal((await api.get('/old')).data, 'for ann');
    const missing = await failure<AxiosError>(api.get('/nowhere'));
    assert.deepEqual([missing.code, missing.response?.status], ['ERR_BAD_REQUEST', 404]);
  });
});

fault('axios: ECONNABORTED after its timeout, ECONNREFUSED, ENOTFOUND, ERR_CANCELED, ECONNRESET', async (stage) => {
  await open(stage);
  const api = instance(stage);
  const code = async (promise: Promise<unknown>): Promise<string | undefined> => (await failure<AxiosError>(promise)).code;
  await stage.client.run(async () => {
    assert.equal(await code(api.get('/never')), 'ECONNABORTED');
    within(stage.elapsed(), [10_000, 10_010]);
    assert.equal(await code(api.get('http://server:81/')), 'ECONNREFUSED');
    assert.equal(await code(api.get('http://nowhere/')), 'ENOTFOUND');
    assert.equal(await code(api.get('/never', { signal: AbortSignal.timeout(500) })), 'ERR_CANCELED');
    setTimeout(() => void stage.world.fault({ kind: 'kill', host: 'server' }), 2000);
    assert.equal(await code(api.get('/never')), 'ECONNRESET');
  });
});
