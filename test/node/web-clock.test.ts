// The timeouts that http, tls, http2 and undici keep inside, on the world's clock.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type http from 'node:http';
import type net from 'node:net';
import { test } from 'node:test';
import { issue, makeAuthority } from '../certificates.ts';
import { closed, onLan, text } from './lan.ts';

const ca = makeAuthority('the CA of these tests');
const bobs = issue(ca, 'bob');

/** Connects, says `words`, and tells what the server answered and in which second of the world it hung up. */
async function answered(c: net.Socket, words: string, now: () => number): Promise<[status: string, second: number]> {
  c.write(words);
  const answer = await text(c);
  return [answer.split('\r\n')[0]!, Math.round(now() / 1000)];
}

const HEAD = 'POST / HTTP/1.1\r\nHost: bob\r\n';

for (const isTls of [false, true]) {
  const name = isTls ? 'https' : 'http';
  void test(`${name}: headersTimeout and requestTimeout, checked every connectionsCheckingInterval`, () =>
    onLan(async ({ world, alice, bob }) => {
      const options = { headersTimeout: 5000, requestTimeout: 20_000, connectionsCheckingInterval: 1000, keepAliveTimeout: 0 };
      const answer = (req: http.IncomingMessage, res: http.ServerResponse): void => void req.resume().on('end', () => res.end());
      const server = isTls ? bob.https.createServer({ ...bobs, ...options }, answer) : bob.http.createServer(options, answer);
      server.listen(80);
      await once(server, 'listening');
      const connect = (): net.Socket => isTls ? alice.tls.connect({ host: 'bob', port: 80, ca: ca.cert }) : alice.net.connect(80, 'bob');
      const now = (): number => world.now;
      const late = ['HTTP/1.1 408 Request Timeout', 6];
      assert.deepEqual(await Promise.all([
        answered(connect(), 'POST / HT', now), // never complete
        answered(connect(), '', now), // never begun
        answered(connect(), `${HEAD}Content-Length: 10\r\n\r\nhalf`, now),
      ]), [late, late, ['HTTP/1.1 408 Request Timeout', 21]]);
      // A request that comes late on a connection that is kept has its own time, from its first byte on.
      const c = connect();
      c.write(`${HEAD}Content-Length: 0\r\n\r\n`);
      await once(c, 'data');
      setTimeout(() => c.write(`${HEAD}Content-Length: 2\r\n\r\nx`), 30_000);
      const start = world.now;
      assert.match(await text(c), /408/);
      assert.equal(Math.round((world.now - start) / 1000), 51);
      await closed(server);
    }));
}

void test('http: a server that does not check waits for as long as it takes', () => onLan(async ({ world, alice, bob }) => {
  const server = bob.http.createServer({ headersTimeout: 0, requestTimeout: 0 }, (req, res) => void req.pipe(res)).listen(80);
  await once(server, 'listening');
  const req = alice.http.request({ host: 'bob', method: 'POST', agent: false });
  req.write('now');
  setTimeout(() => req.end(', and ten minutes later'), 600_000);
  const [res] = await once(req, 'response') as [http.IncomingMessage];
  assert.equal(await text(res), 'now, and ten minutes later');
  assert.ok(world.now >= 600_000);
  await closed(server);
}));

void test('tls: handshakeTimeout, and the idle timeout of a TLS socket', () => onLan(async ({ world, alice, bob }) => {
  const server = bob.tls.createServer({ ...bobs, handshakeTimeout: 30_000 }, (s) => void s.resume()).listen(443);
  await once(server, 'listening');
  const failed = once(server, 'tlsClientError') as Promise<[NodeJS.ErrnoException, net.Socket]>;
  const mute = alice.net.connect(443, 'bob').resume();
  const [error, socket] = await failed;
  assert.equal(error.code, 'ERR_TLS_HANDSHAKE_TIMEOUT');
  assert.equal(Math.round(world.now / 1000), 30);
  socket.destroy(); // Node leaves that to the program
  await once(mute, 'close');
  const c = alice.tls.connect({ host: 'bob', port: 443, ca: ca.cert, timeout: 100_000 });
  await once(c, 'secureConnect');
  await once(c, 'timeout');
  assert.equal(Math.round(world.now / 1000), 130);
  c.destroy();
  await closed(server);
}));

void test('https: a connection that is kept is closed after keepAliveTimeout', () => onLan(async ({ world, alice, bob }) => {
  const server = bob.https.createServer({ ...bobs, keepAliveTimeout: 60_000 }, (_req, res) => res.end('x')).listen(443);
  await once(server, 'listening');
  const agent = new alice.https.Agent({ keepAlive: true, ca: ca.cert });
  const [res] = await once(alice.https.get('https://bob/', { agent }), 'response') as [http.IncomingMessage];
  const { socket } = res;
  await text(res);
  await once(socket, 'close');
  const seconds = Math.round(world.now / 1000);
  assert.ok(seconds >= 59 && seconds <= 61, `after ${seconds} s; the agent goes a second before the server's hint`);
  await closed(server);
}));

void test('http2: timeouts of sessions and streams, and the Date header', () => onLan(async ({ world, alice, bob }) => {
  const server = bob.http2.createServer();
  server.on('session', (s) => s.setTimeout(40_000, () => s.close()));
  server.on('stream', (s) => s.respond({ ':status': 200 }));
  server.listen(80);
  await once(server, 'listening');
  const session = alice.http2.connect('http://bob');
  const stream = session.request({ ':path': '/' });
  const [headers] = await once(stream, 'response') as [{ date: string }];
  assert.equal(headers.date, 'Wed, 01 Jan 2025 00:00:00 GMT');
  stream.setTimeout(10_000, () => stream.close());
  await once(stream, 'close');
  assert.equal(Math.round(world.now / 1000), 10);
  await once(session, 'close');
  assert.equal(Math.round(world.now / 1000), 40); // a reset stream is no sign of life
  await closed(server);
}));

// Twice: undici's clock goes on when the world that armed it has ended.
for (const time of ['first', 'second']) {
  void test(`fetch: no answer for five minutes, in a ${time} world`, () => onLan(async ({ world, alice, bob }) => {
    const server = bob.http.createServer().listen(80);
    await once(server, 'listening');
    await assert.rejects(alice.fetch('http://bob/'), (e: Error) => (e.cause as { code?: string }).code === 'UND_ERR_HEADERS_TIMEOUT');
    const seconds = world.now / 1000;
    assert.ok(seconds >= 299 && seconds <= 303, `after ${seconds} s`);
    await closed(server);
  }));
}

void test('fetch: a connection that does not come is given up after ten seconds', () => onLan(async ({ world, alice }) => {
  await assert.rejects(alice.fetch('http://10.0.0.77/'), (e: Error) => {
    assert.match(String((e.cause as { code?: string }).code), /UND_ERR_CONNECT_TIMEOUT|EHOSTUNREACH/);
    return true;
  });
  assert.ok(world.now < 10_500, `${world.now} ms`);
}));
