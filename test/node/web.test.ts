// tls, https, http2, fetch and WebSocket of a host, given to a program by hand: nothing is installed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type http from 'node:http';
import type http2 from 'node:http2';
import { test } from 'node:test';
import type tls from 'node:tls';
import { WebSocketServer } from 'ws';
import { issue, makeAuthority } from '../certificates.ts';
import { closed, onLan, text } from './lan.ts';

const ca = makeAuthority('the CA of these tests');
const bobs = issue(ca, 'bob');

void test('tls: by name, with the certificate checked', () => onLan(async ({ alice, bob, world }) => {
  const server = bob.tls.createServer(bobs, (s) => s.end(`hello ${s.remoteAddress!}`)).listen(443);
  await once(server, 'listening');
  const c = alice.tls.connect({ host: 'bob', port: 443, ca: ca.cert });
  await once(c, 'secureConnect');
  assert.deepEqual([c.authorized, c.remoteAddress, c.localAddress, c.getPeerCertificate().subject.CN], [true, bob.ip, alice.ip, 'bob']);
  assert.ok(c instanceof alice.tls.TLSSocket);
  assert.equal(await text(c), `hello ::ffff:${alice.ip}`);
  assert.ok(world.now >= 40, `ARP, TCP's handshake, TLS's and the bytes took ${world.now} ms`);
  await closed(server);
}));

void test('tls: in all forms of connect()', () => onLan(async ({ alice, bob }) => {
  const server = bob.tls.createServer(bobs, (s) => s.end('x')).listen(443);
  await once(server, 'listening');
  const options = { ca: ca.cert };
  const sockets = [
    alice.tls.connect(443, 'bob', options), alice.tls.connect(443, { ...options, host: 'bob' }),
    alice.tls.connect({ ...options, host: bob.ip, port: 443, servername: 'bob' }),
    alice.tls.connect({ ...options, socket: alice.net.connect(443, 'bob'), servername: 'bob' }),
  ];
  assert.deepEqual(await Promise.all(sockets.map(text)), ['x', 'x', 'x', 'x']);
  const [error] = await once(alice.tls.connect(443, 'nowhere'), 'error') as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ENOTFOUND');
  const refused = alice.tls.connect(444, 'bob', options);
  assert.equal((await once(refused, 'error') as [NodeJS.ErrnoException])[0].code, 'ECONNREFUSED');
  await closed(server);
}));

void test('tls: happy eyeballs goes on to the second address', () => onLan(async ({ alice, bob }) => {
  const server = bob.tls.createServer(bobs, (s) => s.end('x')).listen(443, bob.ip);
  await once(server, 'listening');
  const lookup = (_name: string, _options: unknown, done: (e: null, all: object[]) => void): void =>
    done(null, [{ address: '10.255.0.1', family: 4 }, { address: bob.ip, family: 4 }]);
  const options = { host: 'bob', port: 443, ca: ca.cert, lookup: lookup as never, autoSelectFamily: true };
  const c = alice.tls.connect(options);
  assert.equal(await text(c), 'x');
  assert.equal((c as { autoSelectFamilyAttemptedAddresses?: string[] }).autoSelectFamilyAttemptedAddresses?.length, 2);
  await closed(server);
}));

void test('tls: over a Unix socket', () => onLan(async ({ bob }) => {
  const server = bob.tls.createServer(bobs, (s) => s.end('local')).listen('/run/app.sock');
  await once(server, 'listening');
  assert.equal(await text(bob.tls.connect({ path: '/run/app.sock', ca: ca.cert, servername: 'bob' })), 'local');
  await closed(server);
}));

void test('https: requests by an agent that resumes sessions, and the global one', () => onLan(async ({ alice, bob }) => {
  const server = bob.https.createServer(bobs, (req, res) => {
    res.setHeader('connection', 'close');
    res.end(`${req.url!} ${String((req.socket as tls.TLSSocket).isSessionReused())}`);
  }).listen(443);
  await once(server, 'listening');
  const get = async (options: object): Promise<string> =>
    text((await once(alice.https.get('https://bob/path', { ca: ca.cert, ...options }), 'response') as [http.IncomingMessage])[0]);
  const agent = new alice.https.Agent();
  assert.deepEqual([await get({ agent }), await get({ agent }), await get({ agent: false }), await get({})],
    ['/path false', '/path true', '/path false', '/path false']);
  await closed(server);
}));

void test('http2: in the clear and over TLS', () => onLan(async ({ alice, bob }) => {
  const onStream = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void => {
    stream.respond({ ':status': 200 });
    stream.end(`${headers[':scheme']!} ${stream.session!.socket.remoteAddress!}`);
  };
  const clear = bob.http2.createServer().on('stream', onStream).listen(80);
  const servers = [clear, bob.http2.createSecureServer(bobs).on('stream', onStream).listen(443)];
  await Promise.all(servers.map((s) => once(s, 'listening')));
  for (const [url, answer] of [['http://bob', `http ::ffff:${alice.ip}`], ['https://bob', `https ::ffff:${alice.ip}`]] as const) {
    const session = alice.http2.connect(url, { ca: ca.cert });
    assert.equal(await text(session.request({ ':path': '/' }).setEncoding('utf8')), answer);
    session.close();
    await once(session, 'close');
  }
  for (const server of servers) await closed(server);
}));

void test('fetch: plain and over TLS, two hosts apart', () => onLan(async ({ world, alice, bob }) => {
  const carol = world.host('carol');
  world.cable(carol, bob);
  const server = bob.http.createServer((req, res) => res.end(`for ${req.socket.remoteAddress!}`)).listen(80);
  await once(server, 'listening');
  for (const host of [alice, carol, alice]) assert.equal(await (await host.fetch('http://bob/')).text(), `for ::ffff:${host.ip}`);
  await assert.rejects(alice.fetch('http://bob:81/'), (e: Error) => (e.cause as NodeJS.ErrnoException).code === 'ECONNREFUSED');
  await assert.rejects(alice.fetch('http://nowhere/'), (e: Error) => (e.cause as NodeJS.ErrnoException).code === 'ENOTFOUND');
  server.closeAllConnections();
  await closed(server);
}));

const noWebSocket = Number(process.versions.node.split('.')[0]) < 22;

void test('WebSocket', { skip: noWebSocket ? 'Node has one from version 22 on' : false }, () => onLan(async ({ alice, bob }) => {
  const server = bob.http.createServer().listen(80);
  const wss = new WebSocketServer({ server });
  await once(server, 'listening');
  wss.on('connection', (ws, req) => void ws.on('message', (m) => ws.send(`${(m as Buffer).toString()} ${req.socket.remoteAddress!}`)));
  const ws = new (alice.WebSocket as unknown as typeof import('undici-types').WebSocket)('ws://bob/');
  const next = (event: 'open' | 'message' | 'close'): Promise<unknown> =>
    new Promise((resolve) => void ws.addEventListener(event, resolve, { once: true }));
  await next('open');
  ws.send('from');
  assert.equal((await next('message') as { data: unknown }).data, `from ::ffff:${alice.ip}`);
  ws.close();
  await next('close');
  wss.close();
  await closed(server);
}));
