// What is above net, unmodified, with client and server on two hosts: each of these is run on a clean cable and on a bad one.
// Nothing here knows of kernet but `alice.run` and `bob.run`, which say where a program runs.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { pipeline } from 'node:stream/promises';
import tls from 'node:tls';
import { createGunzip, createGzip } from 'node:zlib';
import { Readable, Writable } from 'node:stream';
import { WebSocketServer } from 'ws';
import { issue, makeAuthority } from '../certificates.ts';
import { closed, text, type Lan } from '../node/lan.ts';

export interface Scenario {
  readonly name: string;
  readonly since?: number;
  readonly run: (lan: Lan) => Promise<void>;
}

const ca = makeAuthority('the CA of these tests');
const bobs = issue(ca, 'bob');
const others = issue(ca, 'other.example');
const alices = issue(ca, 'alice');

type Answer = (req: http.IncomingMessage, res: http.ServerResponse) => void;

async function serve<T extends net.Server>({ bob }: Lan, make: () => T, port: number = 80): Promise<T> {
  const server = bob.run(make);
  bob.run(() => server.listen(port));
  await once(server, 'listening');
  return server;
}

const serveHttp = (lan: Lan, answer: Answer, options: http.ServerOptions = {}): Promise<http.Server> =>
  serve(lan, () => http.createServer(options, answer));

type Options = https.RequestOptions;

/** A request by alice: the answer and what it says. */
async function ask({ alice }: Lan, url: string, options: Options = {}, body?: string): Promise<[http.IncomingMessage, string]> {
  const req = alice.run(() => (url.startsWith('https') ? https : http).request(url, options));
  req.end(body);
  const [res] = await once(req, 'response') as [http.IncomingMessage];
  return [res, await text(res)];
}

const BODY = Buffer.alloc(200_000, 'all of it, and in order. ');

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'http: a request with a body, and its answer',
    async run(lan) {
      const server = await serveHttp(lan, (req, res) => void req.pipe(res));
      const [res, answer] = await ask(lan, 'http://bob/', { method: 'POST', agent: false }, BODY.toString());
      assert.deepEqual([res.statusCode, answer === BODY.toString()], [200, true]);
      await closed(server);
    },
  },
  {
    name: 'http: an agent keeps connections, uses them again and queues what is over maxSockets',
    async run(lan) {
      let connections = 0;
      const server = await serveHttp(lan, (req, res) => res.end(req.url));
      server.on('connection', () => connections++);
      const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
      const paths = ['/1', '/2', '/3', '/4', '/5', '/6'];
      const answers = await Promise.all(paths.map((path) => ask(lan, `http://bob${path}`, { agent })));
      assert.deepEqual([answers.map(([, a]) => a), connections], [paths, 2]);
      agent.destroy();
      await closed(server);
    },
  },
  {
    name: 'http: upgrade',
    async run(lan) {
      const server = await serveHttp(lan, (_req, res) => res.end());
      server.on('upgrade', (_req, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
        socket.pipe(socket);
      });
      const req = lan.alice.run(() => http.request('http://bob/', { headers: { connection: 'Upgrade', upgrade: 'echo' }, agent: false }));
      req.end();
      const [res, socket] = await once(req, 'upgrade') as [http.IncomingMessage, net.Socket];
      socket.end('words of another protocol');
      assert.deepEqual([res.statusCode, await text(socket)], [101, 'words of another protocol']);
      await closed(server);
    },
  },
  {
    name: 'http: a proxy, by CONNECT, and https through it',
    async run(lan) {
      const { alice, bob } = lan;
      const site = await serve(lan, () => https.createServer(bobs, (_req, res) => res.end('behind the proxy')), 443);
      const proxy = await serveHttp(lan, (_req, res) => res.end());
      proxy.on('connect', (req, client, head) => {
        const [host, port] = req.url!.split(':');
        const upstream = bob.run(() => net.connect(Number(port), host, () => {
          client.write('HTTP/1.1 200 Connection established\r\n\r\n');
          upstream.write(head);
          upstream.pipe(client).pipe(upstream);
        }));
        client.on('error', () => upstream.destroy());
        upstream.on('close', () => client.destroy());
      });
      const req = alice.run(() => http.request({ host: 'bob', method: 'CONNECT', path: 'bob:443', agent: false }));
      req.end();
      const [, socket] = await once(req, 'connect') as [http.IncomingMessage, net.Socket];
      const secure = alice.run(() => tls.connect({ socket, ca: ca.cert, servername: 'bob' }));
      const [, answer] = await ask(lan, 'https://bob/', { createConnection: () => secure });
      assert.equal(answer, 'behind the proxy');
      await Promise.all([closed(site), closed(proxy)]);
    },
  },
  {
    name: 'http: expect 100-continue',
    async run(lan) {
      const server = await serveHttp(lan, (req, res) => void req.pipe(res));
      const req = lan.alice.run(() => http.request('http://bob/', { method: 'PUT', headers: { expect: '100-continue' }, agent: false }));
      req.flushHeaders();
      await once(req, 'continue');
      req.end('now that I may');
      const [res] = await once(req, 'response') as [http.IncomingMessage];
      assert.equal(await text(res), 'now that I may');
      await closed(server);
    },
  },
  {
    name: 'http: timeouts of request and server',
    async run(lan) {
      const server = await serveHttp(lan, () => undefined);
      const req = lan.alice.run(() => http.get('http://bob/', { timeout: 30_000, agent: false }));
      req.on('timeout', () => req.destroy());
      const [error] = await once(req, 'error') as [NodeJS.ErrnoException];
      assert.equal(error.code, 'ECONNRESET');
      assert.ok(lan.world.now >= 30_000 && lan.world.now < 40_000);
      server.setTimeout(60_000);
      const second = lan.alice.run(() => http.get('http://bob/', { agent: false }));
      assert.equal((await once(second, 'error') as [Error])[0].message, 'socket hang up');
      assert.ok(lan.world.now >= 90_000 && lan.world.now < 110_000);
      await closed(server);
    },
  },
  {
    name: 'https: SNI chooses the certificate, ALPN the protocol',
    async run(lan) {
      const { alice } = lan;
      const other = tls.createSecureContext(others);
      const server = await serve(lan, () => tls.createServer({
        ...bobs, ALPNProtocols: ['two', 'one'],
        SNICallback: (name, done) => void done(null, name === 'other.example' ? other : undefined),
      }, (s) => s.end(`${String((s as { servername?: string }).servername)} ${String(s.alpnProtocol)}`)));
      for (const name of ['bob', 'other.example']) {
        const options = { host: 'bob', port: 80, servername: name, ca: ca.cert, ALPNProtocols: ['one', 'three'] };
        const c = alice.run(() => tls.connect(options));
        await once(c, 'secureConnect');
        assert.deepEqual([c.authorized, c.getPeerCertificate().subject.CN, await text(c)], [true, name, `${name} one`]);
      }
      await closed(server);
    },
  },
  {
    name: 'https: client certificates, given and refused',
    async run(lan) {
      const server = await serve(lan, () => https.createServer({ ...bobs, ca: ca.cert, requestCert: true }, (req, res) =>
        res.end((req.socket as tls.TLSSocket).getPeerCertificate().subject.CN)), 443);
      const [, answer] = await ask(lan, 'https://bob/', { ca: ca.cert, ...alices, agent: false });
      assert.equal(answer, 'alice');
      const anonymous = lan.alice.run(() => https.get('https://bob/', { ca: ca.cert, agent: false }));
      const [error] = await once(anonymous, 'error') as [NodeJS.ErrnoException];
      assert.match(String(error.code), /ECONNRESET|ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED/);
      await closed(server);
    },
  },
  {
    name: 'tls: a session is resumed',
    async run(lan) {
      const server = await serve(lan, () => tls.createServer(bobs, (s) => s.end(String(s.isSessionReused()))), 443);
      let session: Buffer | undefined;
      for (const reused of ['false', 'true']) {
        const c = lan.alice.run(() => tls.connect({ host: 'bob', port: 443, ca: ca.cert, ...(session === undefined ? {} : { session }) }));
        c.on('session', (s: Buffer) => void (session = s));
        assert.equal(await text(c), reused);
      }
      await closed(server);
    },
  },
  {
    name: 'tls: renegotiation, where TLS 1.2 has it',
    async run(lan) {
      const server = await serve(lan, () => tls.createServer({ ...bobs, maxVersion: 'TLSv1.2' }, (s) => void s.pipe(s)), 443);
      const c = lan.alice.run(() => tls.connect({ host: 'bob', port: 443, ca: ca.cert }));
      await once(c, 'secureConnect');
      await new Promise<void>((resolve, reject) => void c.renegotiate({}, (e) => e === null ? resolve() : reject(e)));
      c.end('still there');
      assert.deepEqual([c.getProtocol(), await text(c)], ['TLSv1.2', 'still there']);
      await closed(server);
    },
  },
  {
    name: 'tls: on a connection that was plain before',
    async run(lan) {
      const server = await serve(lan, () => net.createServer((s) => {
        s.once('data', () => {
          s.write('go ahead');
          const secure = new tls.TLSSocket(s, { isServer: true, secureContext: tls.createSecureContext(bobs) });
          secure.pipe(secure);
        });
      }), 25);
      const plain = lan.alice.run(() => net.connect(25, 'bob'));
      plain.write('STARTTLS');
      await once(plain, 'data');
      const c = lan.alice.run(() => tls.connect({ socket: plain, ca: ca.cert, servername: 'bob' }));
      c.end(BODY);
      assert.equal(await text(c), BODY.toString());
      await closed(server);
    },
  },
  {
    name: 'http2: many streams at once, in the clear',
    run: (lan) => overHttp2(lan, 'http://bob', () => http2.createServer(), 80),
  },
  {
    name: 'http2: many streams at once, over TLS',
    run: (lan) => overHttp2(lan, 'https://bob', () => http2.createSecureServer(bobs), 443),
  },
  {
    name: 'http2: one server for both versions',
    async run(lan) {
      const server = await serve(lan, () => http2.createSecureServer({ ...bobs, allowHTTP1: true }, (req, res) =>
        void res.end(req.httpVersion)), 443);
      const [, old] = await ask(lan, 'https://bob/', { ca: ca.cert, agent: false });
      const session = lan.alice.run(() => http2.connect('https://bob', { ca: ca.cert }));
      assert.deepEqual([old, await text(session.request())], ['1.1', '2.0']);
      session.close();
      await closed(server);
    },
  },
  {
    name: 'fetch: a stream up, a stream down, and a connection that is used again',
    async run(lan) {
      let connections = 0;
      const server = await serveHttp(lan, (req, res) => void req.pipe(res));
      server.on('connection', () => connections++);
      for (let i = 0; i < 3; i++) {
        const res = await lan.alice.run(() => fetch('http://bob/', { method: 'POST', body: BODY }));
        assert.equal(await res.text(), BODY.toString());
      }
      assert.ok(connections < 3, `${connections} connections`); // undici opens a second one while the first is still at its body
      server.closeAllConnections();
      await closed(server);
    },
  },
  {
    name: 'fetch: a request is given up by AbortSignal.timeout',
    async run(lan) {
      const server = await serveHttp(lan, () => undefined);
      const failed = lan.alice.run(() => fetch('http://bob/', { signal: AbortSignal.timeout(5000) }));
      await assert.rejects(failed, { name: 'TimeoutError' });
      assert.ok(lan.world.now >= 5000 && lan.world.now < 6000);
      server.closeAllConnections();
      await closed(server);
    },
  },
  {
    name: 'fetch: no connection of one host is used for another',
    async run(lan) {
      const { world, alice, bob } = lan;
      const carol = world.host('carol');
      world.cable(carol, bob);
      const server = await serveHttp(lan, (req, res) => res.end(req.socket.remoteAddress));
      for (const host of [alice, carol, alice, carol]) {
        const res = await host.run(() => fetch('http://bob/'));
        assert.equal(await res.text(), `::ffff:${host.ip}`);
      }
      server.closeAllConnections();
      await closed(server);
    },
  },
  {
    name: 'WebSocket, the global one, with ws on the other side',
    since: 22,
    async run(lan) {
      const server = await serveHttp(lan, (_req, res) => res.end());
      const wss = new WebSocketServer({ server });
      wss.on('connection', (ws) => void ws.on('message', (m, isBinary) => ws.send(m as Buffer, { binary: isBinary })));
      const { WebSocket } = globalThis as unknown as typeof import('undici-types');
      const ws = lan.alice.run(() => new WebSocket('ws://bob/'));
      const next = (event: 'open' | 'message' | 'close'): Promise<unknown> =>
        new Promise((resolve) => void ws.addEventListener(event, resolve, { once: true }));
      await next('open');
      ws.send(BODY.toString());
      assert.equal((await next('message') as { data: string }).data, BODY.toString());
      ws.close(1000, 'bye');
      assert.equal((await next('close') as { wasClean: boolean }).wasClean, true);
      wss.close();
      await closed(server);
    },
  },
  {
    name: 'streams: a pipeline through gzip, there and back',
    async run(lan) {
      const server = await serve(lan, () => net.createServer({ allowHalfOpen: true }, (s) => {
        pipeline(s, createGunzip(), createGzip(), s).catch(() => s.destroy());
      }), 9);
      const socket = lan.alice.run(() => net.connect({ port: 9, host: 'bob', allowHalfOpen: true }));
      const hash = createHash('sha256');
      const sink = new Writable({ write: (chunk: Buffer, _encoding, done) => void (hash.update(chunk), done()) });
      await Promise.all([
        pipeline(Readable.from([BODY, BODY]), createGzip(), socket, { end: true }),
        pipeline(socket, createGunzip(), sink),
      ]);
      assert.equal(hash.digest('hex'), createHash('sha256').update(BODY).update(BODY).digest('hex'));
      await closed(server);
    },
  },
  {
    name: 'diagnostics_channel: what net and http publish',
    async run(lan) {
      const said: string[] = [];
      const names = [
        'net.client.socket', 'net.server.socket', 'http.client.request.start', 'http.server.request.start', 'http.client.response.finish',
      ];
      const listeners = names.map((name) => [channel(name), () => void said.push(name)] as const);
      for (const [c, listener] of listeners) c.subscribe(listener);
      const server = await serveHttp(lan, (_req, res) => res.end());
      await ask(lan, 'http://bob/', { agent: false });
      await closed(server);
      for (const [c, listener] of listeners) c.unsubscribe(listener);
      assert.deepEqual([...said].sort(), [...names].sort());
    },
  },
];

type Http2Make = () => http2.Http2Server | http2.Http2SecureServer;

async function overHttp2(lan: Lan, url: string, make: Http2Make, port: number): Promise<void> {
  const server = await serve(lan, make, port);
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  const session = lan.alice.run(() => http2.connect(url, { ca: ca.cert }));
  const answers = await Promise.all([1, 2, 3, 4].map((n) => {
    const stream = session.request({ ':method': 'POST', ':path': `/${n}` });
    stream.end(BODY.subarray(0, n * 10_000));
    return text(stream);
  }));
  assert.deepEqual(answers.map((a) => a.length), [10_000, 20_000, 30_000, 40_000]);
  session.close();
  await closed(server);
}

/** The version of Node that this is. */
export const NODE_MAJOR: number = Number(process.versions.node.split('.')[0]);
