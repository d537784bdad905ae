// Paths in net.connect() and server.listen(): Unix sockets. The real arm's lie in a directory of its own, which is removed.
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from '../../mod.ts';
import { createNet } from '../../src/node/net.ts';
import { ALL, closed, twoArms, watch, type Arm, type Say } from './arms.ts';

const root = mkdtempSync(join(tmpdir(), 'kernet-pipe-'));
test.after(() => { rmSync(root, { recursive: true, force: true }); });

let count = 0;
/** A path that nobody has; in errors and answers it reads `<path>`. */
function aPath(): string {
  return join(root, `s${String(++count)}`);
}

/** Says it with each path written the same way. */
function hidden(say: Say): Say {
  return (event, ...values) => {
    for (const [i, value] of values.entries()) {
      if (value instanceof Error) {
        value.message = value.message.replaceAll(/\S*kernet-pipe-\S*/g, '<path>');
        Object.assign(value, { address: '<path>' });
      } else if (typeof value === 'string') values[i] = value.replaceAll(/\S*kernet-pipe-\S*/g, '<path>');
    }
    say(event, ...values);
  };
}

async function listen(server: Server, path: string): Promise<void> {
  server.listen(path);
  await once(server, 'listening');
}

twoArms('pipe: an echo by path, with all events, and no addresses', async ({ net }, told) => {
  const say = hidden(told);
  const path = aPath();
  const server = net.createServer((s) => {
    say('server addresses', s.remoteAddress, s.localAddress, s.remotePort);
    watch(say, 'server', s, ['data', 'end', 'close']);
    s.pipe(s);
  });
  await listen(server, path);
  say('address', server.address() === path);
  const client = net.connect(path);
  watch(say, 'client', client, ALL);
  client.on('connect', () => {
    say('client addresses', client.remoteAddress, client.localAddress, client.remoteFamily, JSON.stringify(client.address()));
    client.end('over a path');
  });
  await closed(client);
  server.close();
  await once(server, 'close');
});

twoArms('pipe: options and callbacks; connect by { path } as well', async ({ net }, told) => {
  const say = hidden(told);
  const path = aPath();
  const server = net.createServer((s) => s.end('bye'));
  await new Promise<void>((resolve) => { server.listen({ path, readableAll: true, writableAll: true }, resolve); });
  for (const connect of [
    (cb: () => void) => net.connect({ path }, cb), (cb: () => void) => net.createConnection(path, cb),
    (cb: () => void) => new net.Socket().connect(path, cb), (cb: () => void) => new net.Socket().connect({ path }, cb),
  ]) {
    const client = connect(() => { say('client connected'); });
    client.setNoDelay(true).setKeepAlive(true);
    client.resume();
    watch(say, 'client', client, ['end', 'close', 'error']);
    await closed(client);
  }
  server.close();
  await once(server, 'close');
});

twoArms('pipe: nobody there, somebody there already, nobody there any more', async ({ net }, told) => {
  const say = hidden(told);
  const path = aPath();
  const lost = net.connect(path);
  watch(say, 'client', lost, ALL);
  await closed(lost);
  const server = net.createServer();
  await listen(server, path);
  const second = net.createServer();
  second.on('error', (e) => { say('second error', e); });
  second.listen(path);
  await once(second, 'error').catch(() => undefined);
  server.close();
  await once(server, 'close');
  const late = net.connect({ path });
  watch(say, 'late', late, ALL);
  await closed(late);
  await listen(second, path); // the name went with the server
  second.close();
  await once(second, 'close');
  say('too long');
  const long = net.connect(`${path}${'x'.repeat(200)}`);
  long.on('error', (e: NodeJS.ErrnoException) => { say('client long', e.syscall); });
  await closed(long);
});

twoArms('pipe: half open, both ways', async ({ net }, told) => {
  const say = hidden(told);
  const path = aPath();
  const server = net.createServer({ allowHalfOpen: true }, (s) => {
    watch(say, 'server', s, ['data', 'end', 'finish', 'close']);
    s.on('end', () => s.end('after your end'));
  });
  await listen(server, path);
  const client = net.connect({ path, allowHalfOpen: true });
  watch(say, 'client', client, ['data', 'end', 'finish', 'close']);
  client.end('mine');
  await closed(client);
  server.close();
  await once(server, 'close');
});

twoArms('pipe: a megabyte each way, and counters', async ({ net }, say) => {
  const path = aPath();
  const bytes = Buffer.alloc(1 << 20, 'kernet ');
  const server = net.createServer((s) => { s.pipe(s); });
  await listen(server, path);
  const client = net.connect(path);
  let got = Buffer.alloc(0);
  client.on('data', (d: Buffer) => { got = Buffer.concat([got, d]); });
  client.end(bytes);
  await closed(client);
  say('client', got.equals(bytes), client.bytesRead, client.bytesWritten);
  server.close();
  await once(server, 'close');
});

twoArms('pipe: destroy with unread bytes, and resetAndDestroy, which pipes do not know', async ({ net }, told) => {
  const say = hidden(told);
  const path = aPath();
  const server = net.createServer((s) => {
    s.once('data', () => s.destroy());
    watch(say, 'server', s, ['close']);
  });
  await listen(server, path);
  const client = net.connect(path);
  client.on('connect', () => client.write('x'));
  watch(say, 'client', client, ['end', 'error', 'close']);
  await closed(client);
  const other = net.connect(path);
  await once(other, 'connect');
  try {
    other.resetAndDestroy();
  } catch (error) {
    say('other', (error as NodeJS.ErrnoException).code);
  }
  other.on('error', (e: NodeJS.ErrnoException) => { say('other error', e.code); });
  other.destroy();
  await closed(other);
  server.close();
  await once(server, 'close');
});

twoArms('pipe: http over a path', async ({ net, http }: Arm, say) => {
  void net;
  const path = aPath();
  const server = http.createServer((req, res) => res.end(`you asked for ${String(req.url)}`));
  server.listen(path);
  await once(server, 'listening');
  const request = http.get({ socketPath: path, path: '/thing', agent: new http.Agent({ keepAlive: false }) });
  const [response] = await once(request, 'response') as [AsyncIterable<Buffer> & { statusCode: number }];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  say('client', response.statusCode, body);
  server.close();
  await once(server, 'close');
});

test('a path of a host never touches the real file system; close takes the name away', async () => {
  const world = new World({ seed: 1 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  const path = aPath();
  const net = createNet(alice.kernel);
  const server = net.createServer();
  server.listen(path);
  await once(server, 'listening');
  assert.deepEqual([existsSync(path), alice.kernel.exists(path), bob.kernel.exists(path)], [false, true, false]);
  const [error] = await once(createNet(bob.kernel).connect(path), 'error').catch((e: unknown) => [e]) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ENOENT');
  server.close();
  await once(server, 'close');
  assert.equal(alice.kernel.exists(path), false);
});
