// Node's own http, express and ws, unmodified: what they do on the machine they do on a kernel.
import { once } from 'node:events';
import type http from 'node:http';
import express from 'express';
import WebSocket, { WebSocketServer } from 'ws';
import { closed, listening, twoArms, type Arm, type Say } from './arms.ts';

interface Got {
  readonly status: number;
  readonly body: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly reused: boolean;
}

function fetch(arm: Arm, options: http.RequestOptions, body?: string): Promise<Got> {
  return new Promise((resolve, reject) => {
    const req = arm.http.request(options, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (d) => void (text += String(d))).on('end', () => {
        resolve({ status: res.statusCode!, body: text, headers: res.headers, reused: req.reusedSocket });
      }).on('error', reject);
    });
    req.on('error', reject).end(body);
  });
}

async function stop(server: http.Server, ...agents: http.Agent[]): Promise<void> {
  for (const agent of agents) agent.destroy();
  server.close();
  await closed(server);
}

twoArms('http: a request and its answer', async (arm, say) => {
  const server = arm.http.createServer((req, res) => {
    say('request', req.method, req.url, req.headers['x-mine'], req.socket.remoteAddress);
    res.setHeader('X-Ours', 'yes');
    res.end('hello');
  });
  const port = await listening(server);
  const agent = new arm.http.Agent();
  const got = await fetch(arm, { port, host: '127.0.0.1', path: '/a?b=c', headers: { 'X-Mine': '1' }, agent });
  say('answer', got.status, got.body, got.headers['x-ours'], got.headers['content-length'], got.headers.connection);
  await stop(server, agent);
});

twoArms('http: a keep-alive agent uses one connection for many requests', async (arm, say) => {
  let connections = 0;
  const server = arm.http.createServer((_req, res) => res.end('x')).on('connection', () => connections++);
  const port = await listening(server);
  const agent = new arm.http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < 5; i++) {
    const got = await fetch(arm, { port, host: '127.0.0.1', agent });
    say('answer', got.status, got.reused);
  }
  say('connections', connections);
  await stop(server, agent);
});

twoArms('http: without an agent', async (arm, say) => {
  const server = arm.http.createServer((_req, res) => res.end('x'));
  const port = await listening(server);
  const got = await fetch(arm, { port, host: '127.0.0.1', agent: false });
  say('answer', got.status, got.headers.connection);
  await stop(server);
});

twoArms('http: get by URL and localhost', async (arm, say) => {
  const server = arm.http.createServer((_req, res) => res.end('by name'));
  server.listen(0);
  await once(server, 'listening');
  const { port } = server.address() as import('node:net').AddressInfo;
  const req = arm.http.get(`http://localhost:${port}/x`, { agent: false, family: 4 });
  const [res] = await once(req, 'response') as [http.IncomingMessage];
  say('status', res.statusCode);
  res.resume();
  await once(res, 'end');
  await stop(server);
});

twoArms('http: a chunked body of 1 MiB both ways', async (arm, say) => {
  const server = arm.http.createServer((req, res) => void req.pipe(res));
  const port = await listening(server);
  const agent = new arm.http.Agent();
  const body = 'x'.repeat(1 << 20);
  const got = await fetch(arm, { port, host: '127.0.0.1', method: 'POST', agent }, body);
  say('echo', got.body === body, got.headers['transfer-encoding']);
  await stop(server, agent);
});

twoArms('http: expect 100-continue, trailers', async (arm, say) => {
  const server = arm.http.createServer((req, res) => {
    req.resume().on('end', () => {
      res.writeHead(200, { Trailer: 'X-Sum' });
      res.write('part');
      res.addTrailers({ 'X-Sum': '42' });
      res.end();
    });
  });
  const port = await listening(server);
  const req = arm.http.request({ port, host: '127.0.0.1', method: 'PUT', headers: { Expect: '100-continue' }, agent: false });
  req.on('continue', () => {
    say('continue');
    req.end('body');
  });
  const [res] = await once(req, 'response') as [http.IncomingMessage];
  res.resume();
  await once(res, 'end');
  say('trailers', res.trailers);
  await stop(server);
});

twoArms('http: the server hangs up in the middle of an answer', async (arm, say) => {
  const server = arm.http.createServer((_req, res) => {
    res.writeHead(200, { 'Content-Length': '100' });
    res.write('only this', () => res.destroy());
  });
  const port = await listening(server);
  const [res] = await once(arm.http.get({ port, host: '127.0.0.1', agent: false }), 'response') as [http.IncomingMessage];
  res.on('error', (e: NodeJS.ErrnoException) => say('error', e.code, e.message)).on('aborted', () => say('aborted')).resume();
  await once(res, 'close').catch(() => undefined);
  say('complete', res.complete);
  await stop(server);
});

twoArms('http: nobody listens', async (arm, say) => {
  const server = arm.http.createServer();
  const port = await listening(server);
  await stop(server);
  const req = arm.http.get({ port, host: '127.0.0.1', agent: false });
  const [error] = await once(req, 'error') as [Error];
  say('error', error);
});

twoArms('http: upgrade', async (arm, say) => {
  const server = arm.http.createServer();
  server.on('upgrade', (req, socket, head) => {
    say('upgrade', req.headers.upgrade, head.length);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    socket.pipe(socket);
  });
  const port = await listening(server);
  const req = arm.http.request({ port, host: '127.0.0.1', headers: { Connection: 'Upgrade', Upgrade: 'echo' }, agent: false });
  req.end();
  const [res, socket] = await once(req, 'upgrade') as [http.IncomingMessage, import('node:net').Socket];
  say('status', res.statusCode);
  socket.on('data', (d) => say('data', String(d)));
  socket.end('after the upgrade');
  await closed(socket);
  await stop(server);
});

twoArms('http: pipelined requests are answered in order', async (arm, say) => {
  const server = arm.http.createServer((req, res) => {
    if (req.url === '/1') setTimeout(() => res.end('first'), 5);
    else res.end('second');
  });
  const port = await listening(server);
  const c = arm.net.connect(port, '127.0.0.1').setEncoding('utf8');
  let text = '';
  c.on('data', (d) => void (text += String(d)));
  c.write('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await once(c, 'end');
  say('order', text.indexOf('first') < text.indexOf('second'), text.match(/HTTP\/1.1 200/g)?.length);
  await stop(server);
});

twoArms('http: a malformed request is answered with 400', async (arm, say) => {
  const server = arm.http.createServer();
  server.on('clientError', (e: NodeJS.ErrnoException, socket) => {
    say('clientError', e.code);
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  const port = await listening(server);
  const c = arm.net.connect(port, '127.0.0.1').setEncoding('utf8');
  c.on('data', (d) => say('data', String(d)));
  c.write('nonsense\r\n\r\n');
  await closed(c);
  await stop(server);
});

function site(say: Say): express.Express {
  const app = express();
  app.use(express.json());
  app.get('/', (_req, res) => void res.send('<h1>home</h1>'));
  app.post('/sum', (req, res) => void res.json({ sum: (req.body as number[]).reduce((a, b) => a + b, 0) }));
  app.get('/fail', () => {
    throw new Error('a handler failed');
  });
  app.use(((error: Error, _req, res, _next) => {
    say('handler', error.message);
    res.status(500).send('sorry');
  }) as express.ErrorRequestHandler);
  return app;
}

twoArms('express: routes, JSON, an error handler, 404', async (arm, say) => {
  const server = arm.http.createServer(site(say));
  const port = await listening(server);
  const agent = new arm.http.Agent({ keepAlive: true });
  const headers = { 'Content-Type': 'application/json' };
  for (const [method, path, body] of [['GET', '/'], ['POST', '/sum', '[1,2,3]'], ['GET', '/fail'], ['GET', '/nowhere']] as const) {
    const got = await fetch(arm, { port, host: '127.0.0.1', method, path, headers, agent }, body);
    say(`${method} ${path}`, got.status, got.headers['content-type'], got.headers.etag, path === '/nowhere' ? '' : got.body);
  }
  await stop(server, agent);
});

twoArms('ws: messages both ways, ping, a large one, close', async (arm, say) => {
  const server = arm.http.createServer();
  const wss = new WebSocketServer({ server });
  wss.on('connection', (ws, req) => {
    say('connection', req.url);
    ws.on('message', (m, isBinary) => ws.send(m as Buffer, { binary: isBinary }));
    ws.on('close', (code, reason) => say('server close', code, String(reason)));
  });
  const port = await listening(server);
  const ws = new WebSocket(`ws://127.0.0.1:${port}/path`, { createConnection: arm.net.connect as never });
  await once(ws, 'open');
  ws.send('text');
  const [text, isBinary] = await once(ws, 'message') as [Buffer, boolean];
  say('text', String(text), isBinary);
  const big = Buffer.alloc(300_000, 'z');
  ws.send(big);
  const [bytes] = await once(ws, 'message') as [Buffer];
  say('binary', bytes.equals(big));
  ws.ping('are you there');
  const [pong] = await once(ws, 'pong') as [Buffer];
  say('pong', String(pong));
  ws.close(1000, 'bye');
  const [code, reason] = await once(ws, 'close') as [number, Buffer];
  say('client close', code, String(reason));
  wss.close();
  await stop(server);
});
