// Deno's own node:net and node:dgram on a kernel: the same handles as under Node's.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Kernel, World } from '../../mod.ts';
import { createDgram } from '../../src/dgram.ts';
import { createHttp, createNet } from '../../src/net.ts';

type Net = ReturnType<typeof createNet>;

async function listening(server: ReturnType<Net['createServer']>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

function closed(...emitters: { once(event: 'close', f: () => void): unknown }[]): Promise<unknown> {
  return Promise.all(emitters.map((e) => new Promise<void>((resolve) => void e.once('close', resolve))));
}

/** Runs `body` with a kernel's net, and checks that it leaves nothing open. */
function test(name: string, body: (net: Net, kernel: Kernel) => Promise<void>): void {
  Deno.test(name, async () => {
    const kernel = new Kernel({ seed: 7, openFiles: 4096 });
    await body(createNet(kernel), kernel);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => void setTimeout(resolve, 0));
    assert.deepEqual(kernel.fds, []);
  });
}

test('an echo, and every event in its order', async (net) => {
  const lines: string[] = [];
  const server = net.createServer((s) => {
    lines.push(`connection ${String(s.remoteAddress)}`);
    s.on('data', (d) => void s.write(`echo ${String(d)}`)).on('end', () => lines.push('server end'));
  });
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  for (const event of ['connect', 'ready', 'end', 'finish', 'close']) c.on(event, () => lines.push(event));
  c.on('data', (d) => {
    lines.push(String(d));
    c.end();
  });
  c.write('hello');
  await closed(c);
  server.close();
  await closed(server);
  assert.deepEqual(lines.filter((l) => !l.startsWith('server') && !l.startsWith('connection')), [
    'connect', 'ready', 'echo hello', 'finish', 'end', 'close',
  ]);
  assert.ok(lines.includes('connection 127.0.0.1') && lines.includes('server end'));
});

test('4 MiB arrive intact under backpressure', async (net) => {
  const size = 4 << 20;
  let got = 0;
  let wrong = 0;
  const server = net.createServer((s) => {
    s.on('data', (d) => {
      for (const byte of d) if (byte !== 0x78) wrong++;
      got += d.length;
    }).on('end', () => s.end());
  });
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  c.resume();
  c.end(new Uint8Array(size).fill(0x78));
  await closed(c);
  assert.deepEqual([got, wrong], [size, 0]);
  server.close();
  await closed(server);
});

test('a refused connection', async (net) => {
  const c = net.connect(1, '127.0.0.1');
  const [error] = await once(c, 'error') as [Error & { code: string; syscall: string; port: number }];
  assert.deepEqual([error.code, error.syscall, error.port], ['ECONNREFUSED', 'connect', 1]);
});

test('a name that nobody knows', async (net) => {
  const c = net.connect(80, 'no-such-host.invalid');
  const [error] = await once(c, 'error') as [Error & { code: string }];
  assert.equal(error.code, 'ENOTFOUND');
});

test('a port that is taken', async (net) => {
  const first = net.createServer();
  const port = await listening(first);
  const second = net.createServer();
  second.listen(port, '127.0.0.1');
  const [error] = await once(second, 'error') as [Error & { code: string }];
  assert.equal(error.code, 'EADDRINUSE');
  first.close();
  await closed(first);
});

test('a half-open peer still reads after our end()', async (net) => {
  const server = net.createServer({ allowHalfOpen: true }, (s) => void s.on('end', () => s.end('bye')).resume());
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  let text = '';
  c.on('data', (d) => void (text += String(d)));
  c.end('hi');
  await closed(c);
  assert.equal(text, 'bye');
  server.close();
  await closed(server);
});

test('destroy with unread bytes resets the peer', async (net) => {
  const server = net.createServer((s) => void s.on('data', () => s.destroy()));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  let code = '';
  c.on('error', (e) => void (code = (e as Error & { code: string }).code)).resume();
  c.write('a');
  await closed(c);
  assert.ok(code === '' || code === 'ECONNRESET');
  server.close();
  await closed(server);
});

test('pause and resume', async (net) => {
  const server = net.createServer((s) => s.end('x'.repeat(100_000)));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  let got = 0;
  c.on('data', (d) => {
    got += d.length;
    c.pause();
    setTimeout(() => c.resume(), 1);
  });
  await closed(c);
  assert.equal(got, 100_000);
  server.close();
  await closed(server);
});

Deno.test('datagrams: a message and where it came from', async () => {
  const kernel = new Kernel();
  const dgram = createDgram(kernel);
  const a = dgram.createSocket('udp4');
  a.bind(0, '127.0.0.1');
  await once(a, 'listening');
  const b = dgram.createSocket('udp4');
  b.send('hello', a.address().port, '127.0.0.1');
  const [message, from] = await once(a, 'message') as [Uint8Array, { address: string; size: number }];
  assert.deepEqual([String(message), from.address, from.size], ['hello', '127.0.0.1', 5]);
  b.connect(a.address().port, '127.0.0.1');
  await once(b, 'connect');
  b.send('again');
  const [second] = await once(a, 'message') as [Uint8Array];
  assert.equal(String(second), 'again');
  a.close();
  b.close();
  await closed(a, b);
  assert.deepEqual(kernel.fds, []);
});

Deno.test('Deno\'s node:http, server and client with an agent, on a kernel', async () => {
  const kernel = new Kernel({ openFiles: 4096 });
  const net = createNet(kernel);
  const http = createHttp(kernel, net);
  const server = http.createServer((req, res) => res.end(`you asked for ${String(req.url)}`));
  server.listen(80, '127.0.0.1');
  await once(server, 'listening');
  const [res] = await once(http.get({ host: '127.0.0.1', port: 80, path: '/x', agent: new http.Agent() }), 'response');
  let text = '';
  for await (const chunk of res) text += String(chunk);
  assert.equal(text, 'you asked for /x');
  server.close();
});

Deno.test('two hosts and a cable: names, and virtual time', async () => {
  const world = new World({ seed: 1 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '10ms' });
  const text = await world.run(async () => {
    const server = bob.net.createServer((s) => s.end('hi')).listen(7);
    await once(server, 'listening');
    const c = alice.net.connect(7, 'bob');
    let all = '';
    for await (const chunk of c) all += String(chunk);
    server.close();
    return all;
  });
  assert.equal(text, 'hi');
  assert.ok(world.now >= 20);
});
