// install() in Deno: its own functions, fetch and WebSocket lead to the host that code runs on, and nothing to the machine's network.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import tls from 'node:tls';
import { install, World } from '../../mod.ts';
import { issue, makeAuthority } from '../certificates.ts';

type Host = ReturnType<World['host']>;

const FUNCTIONS = [
  'connect', 'listen', 'connectTls', 'startTls', 'listenTls', 'resolveDns', 'serve', 'networkInterfaces', 'hostname', 'upgradeWebSocket',
  'createHttpClient',
] as const;
const GLOBALS = ['fetch', 'WebSocket', 'EventSource'] as const;

/** What install() touches, as it is now. */
function touched(): (PropertyDescriptor | undefined)[] {
  const own = FUNCTIONS.map((name) => Object.getOwnPropertyDescriptor(Deno, name));
  return [...own, ...GLOBALS.map((name) => Object.getOwnPropertyDescriptor(globalThis, name))];
}

const bytes = (words: string): Uint8Array => new TextEncoder().encode(words);

/** A program on two hosts, with everything installed; afterwards nothing is. */
function test(name: string, story: (world: World, alice: Host, bob: Host) => Promise<void>): void {
  Deno.test(name, async () => {
    const before = touched();
    const world = new World({ seed: 7 });
    const [alice, bob] = [world.host('alice'), world.host('bob')];
    world.cable(alice, bob, { delay: '10ms' });
    const installed = install(world);
    try {
      await world.run(() => story(world, alice, bob));
    } finally {
      installed();
      world.stop();
    }
    touched().forEach((descriptor, i) => assert.deepEqual(descriptor, before[i], `${[...FUNCTIONS, ...GLOBALS][i]!} is as it was`));
  });
}

test('installed: Deno.connect and Deno.listen', async (world, alice, bob) => {
  const listener = bob.run(() => Deno.listen({ port: 7 }));
  const served = (async () => {
    const conn = await listener.accept();
    await conn.readable.pipeTo(conn.writable);
    conn.close();
  })();
  const conn = await alice.run(() => Deno.connect({ hostname: 'bob', port: 7 }));
  assert.deepEqual([conn.remoteAddr.hostname, conn.localAddr.hostname], [bob.ip, alice.ip]);
  await conn.write(bytes('hello'));
  assert.equal(await conn.read(new Uint8Array(10)), 5);
  await conn.closeWrite();
  await served;
  conn.close();
  listener.close();
  assert.ok(world.now >= 40, 'over the cable');
  await assert.rejects(alice.run(() => Deno.connect({ hostname: 'bob', port: 1 })), Deno.errors.ConnectionRefused);
  await assert.rejects(alice.run(() => Deno.connect({ transport: 'unix', path: '/tmp/x' })), /transport: 'unix' is not supported/);
  await assert.rejects(Deno.connect({ hostname: 'bob', port: 7 }), { code: 'ERR_KERNET_NO_HOST' });
});

test('installed: names and interfaces are the host\'s', async (_world, alice, bob) => {
  assert.deepEqual(await alice.run(() => Deno.resolveDns('bob', 'A')), [bob.ip]);
  assert.equal(alice.run(() => Deno.hostname()), 'alice');
  assert.ok(alice.run(() => Deno.networkInterfaces()).some(({ address }) => address === alice.ip));
});

test('installed: Deno.serve and fetch: streams both ways, redirects, an abort, an error', async (_world, alice, bob) => {
  const onError = (): Response => new Response('caught', { status: 500 });
  const server = bob.run(() => Deno.serve({ port: 80, onListen: () => undefined, onError }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/away') return new Response(null, { status: 307, headers: { location: '/echo' } });
    if (pathname === '/throws') throw new Error('on purpose');
    if (pathname === '/slow') return await new Promise<Response>(() => undefined);
    if (pathname === '/zip') {
      const small = new Blob(['small']).stream().pipeThrough(new CompressionStream('gzip'));
      return new Response(small, { headers: { 'content-encoding': 'gzip' } });
    }
    return new Response(request.body, { headers: { 'x-method': request.method } });
  }));
  assert.deepEqual(server.addr, { transport: 'tcp', hostname: '0.0.0.0', port: 80 });
  await alice.run(async () => {
    const plain = await fetch('http://bob/echo', { method: 'POST', body: 'a cup' });
    assert.deepEqual([plain.status, plain.headers.get('x-method'), await plain.text()], [200, 'POST', 'a cup']);
    assert.equal(plain.url, 'http://bob/echo');
    const again = await fetch('http://bob/away', { method: 'PUT', body: 'sent twice' });
    assert.deepEqual([again.redirected, again.url, await again.text()], [true, 'http://bob/echo', 'sent twice']);
    assert.equal((await fetch('http://bob/away', { redirect: 'manual' })).status, 307);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (let i = 0; i < 100; i++) controller.enqueue(new Uint8Array(1000).fill(i));
        controller.close();
      },
    });
    const streamed = new Uint8Array(await (await fetch('http://bob/echo', { method: 'POST', body })).arrayBuffer());
    assert.deepEqual([streamed.length, streamed[99_999]], [100_000, 99]);
    assert.equal(await (await fetch('http://bob/zip')).text(), 'small');
    const failed = await fetch('http://bob/throws');
    assert.deepEqual([failed.status, await failed.text()], [500, 'caught']);
    await assert.rejects(fetch('http://bob/slow', { signal: AbortSignal.timeout(500) }), { name: 'TimeoutError' });
    await assert.rejects(fetch('http://bob:1/'), TypeError);
    await assert.rejects(fetch('http://nobody.invalid/'), TypeError);
    assert.equal(await (await fetch('data:,here')).text(), 'here');
  });
  await server.shutdown();
  await server.finished;
});

test('installed: HTTPS with a client that knows the authority', async (_world, alice, bob) => {
  const ca = makeAuthority('an authority');
  const { key, cert } = issue(ca, 'bob', { dnsNames: ['bob'] });
  const server = bob.run(() => Deno.serve({ port: 443, key, cert, onListen: () => undefined }, () => new Response('secret')));
  await alice.run(async () => {
    using client = Deno.createHttpClient({ caCerts: [ca.cert] });
    assert.equal(await (await fetch('https://bob/', { client })).text(), 'secret');
    await assert.rejects(fetch('https://bob/'), /certificate/);
  });
  await server.shutdown();
});

test('installed: node:tls and node:https, and a host\'s own', async (_world, alice, bob) => {
  const ca = makeAuthority('an authority');
  const pem = issue(ca, 'bob', { dnsNames: ['bob'] });
  const [echo, site] = bob.run(() => [
    tls.createServer(pem, (socket) => socket.pipe(socket)).listen(444), https.createServer(pem, (req, res) => res.end(req.url)).listen(443),
  ] as const);
  await Promise.all([once(echo, 'listening'), once(site, 'listening')]);
  const options = { host: 'bob', port: 444, ca: ca.cert };
  const sockets = [
    alice.run(() => tls.connect(options)), alice.tls.connect(options), alice.run(() => tls.connect(444, 'bob', { ca: ca.cert })),
  ];
  for (const socket of sockets) {
    socket.end('over TLS');
    let all = '';
    for await (const chunk of socket) all += String(chunk);
    assert.equal(all, 'over TLS');
  }
  const requests = [
    () => alice.run(() => https.get('https://bob/installed', { ca: ca.cert, agent: false })),
    () => alice.https.get('https://bob/own', { ca: ca.cert, agent: false }),
  ];
  for (const [i, request] of requests.entries()) {
    const [res] = await once(request(), 'response') as [http.IncomingMessage];
    let all = '';
    for await (const chunk of res) all += String(chunk);
    assert.equal(all, ['/installed', '/own'][i]);
  }
  const [refused] = await once(alice.run(() => tls.connect({ host: 'bob', port: 1 })), 'error') as [NodeJS.ErrnoException];
  assert.equal(refused.code, 'ECONNREFUSED');
  echo.close();
  site.close();
});

test('a host\'s own fetch and WebSocket', async (_world, alice, bob) => {
  const server = bob.deno.serve({ port: 80 }, (request) => {
    if (request.headers.get('upgrade') === null) return new Response('hello');
    const { response, socket } = bob.deno.upgradeWebSocket(request);
    socket.onopen = (): void => socket.send('hello, too');
    return response;
  });
  assert.equal(await (await alice.fetch('http://bob/')).text(), 'hello');
  const socket = new alice.WebSocket!('ws://bob/') as WebSocket;
  assert.equal((await once(socket, 'message') as [MessageEvent])[0].data, 'hello, too');
  socket.close();
  await once(socket, 'close');
  await server.shutdown();
});

test('installed: WebSocket, and Deno.upgradeWebSocket', async (_world, alice, bob) => {
  const server = bob.run(() => Deno.serve({ port: 80, onListen: () => undefined }, (request) => {
    const { response, socket } = Deno.upgradeWebSocket(request, { protocol: 'tea' });
    socket.onmessage = ({ data }): void => socket.send(data as string);
    return response;
  }));
  const heard: unknown[] = [];
  const socket = alice.run(() => new WebSocket('ws://bob/', ['coffee', 'tea']));
  assert.ok(socket instanceof WebSocket);
  socket.binaryType = 'arraybuffer';
  socket.onopen = (): void => {
    heard.push(socket.protocol);
    socket.send('words');
    socket.send(new Uint8Array(70_000));
  };
  socket.onmessage = ({ data }): void => {
    heard.push(typeof data === 'string' ? data : (data as ArrayBuffer).byteLength);
    if (heard.length === 3) socket.close(3001, 'enough');
  };
  const [end] = await once(socket, 'close') as [CloseEvent];
  assert.deepEqual([heard, end.code, end.wasClean], [['tea', 'words', 70_000], 3001, true]);
  await server.shutdown();
  const refused = alice.run(() => new WebSocket('ws://bob:1/'));
  assert.equal((await once(refused, 'close') as [CloseEvent])[0].code, 1006);
});

test('installed: what cannot be led to a host says so', (_world, alice) => {
  assert.throws(() => alice.run(() => new EventSource('http://bob/')), { code: 'ERR_KERNET_GUARD' });
  return Promise.resolve();
});

Deno.test('installed: passthrough reaches the machine, and nothing else does', async () => {
  const own = Deno.listen({ hostname: '127.0.0.1', port: 0 });
  const { port } = own.addr;
  const accepted = own.accept();
  const installed = install({ passthrough: [`127.0.0.1:${port}`] });
  try {
    const conn = await Deno.connect({ hostname: '127.0.0.1', port });
    (await accepted).close();
    conn.close();
    await assert.rejects(Deno.connect({ hostname: '127.0.0.1', port: 1 }), Deno.errors.ConnectionRefused);
    const server = Deno.serve({ hostname: '127.0.0.1', port: 8080, onListen: () => undefined }, () => new Response('of the default host'));
    assert.equal(await (await fetch('http://127.0.0.1:8080/')).text(), 'of the default host');
    const [res] = await once(http.get('http://127.0.0.1:8080/', { agent: false }), 'response') as [http.IncomingMessage];
    res.resume();
    assert.equal(res.statusCode, 200);
    await server.shutdown();
  } finally {
    installed();
    own.close();
  }
});
