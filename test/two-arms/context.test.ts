// What follows a callback: asynchronous contexts (AsyncLocalStorage), diagnostics channels, the order of ticks and events.
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { closed, listening, shut, twoArms, type Arm, type Say } from './arms.ts';

const storage = new AsyncLocalStorage<string>();

twoArms('context: of a client: connect, data, write callback, end, close', async ({ net: n }, say) => {
  const server = n.createServer((s) => void s.pipe(s));
  const port = await listening(server);
  const c = storage.run('of the client', () => {
    const socket = n.connect(port, '127.0.0.1', () => say('connect', storage.getStore()));
    socket.on('data', (d) => say('data', String(d), storage.getStore()));
    socket.on('end', () => say('end', storage.getStore()));
    socket.on('close', () => say('close', storage.getStore()));
    return socket;
  });
  await once(c, 'ready');
  storage.run('of a write', () => void c.write('x', () => say('written', storage.getStore())));
  await once(c, 'data');
  storage.run('of end', () => void c.end(() => say('finished', storage.getStore())));
  await closed(c);
  await shut(server);
});

twoArms('context: of a server: listening, connection, close', async ({ net: n }, say) => {
  const server = storage.run('of createServer', () => n.createServer());
  server.on('connection', (s) => {
    say('connection', storage.getStore());
    s.resume();
  });
  server.on('listening', () => say('listening', storage.getStore()));
  storage.run('of listen', () => void server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const { port } = server.address() as import('node:net').AddressInfo;
  const c = storage.run('of connect', () => n.connect(port, '127.0.0.1')).resume();
  await Promise.all([once(server, 'connection'), once(c, 'connect')]);
  storage.run('of close', () => void server.close(() => say('close, after the last connection', storage.getStore())));
  c.end();
  await closed(server);
  const idle = n.createServer();
  await listening(idle);
  storage.run('of close', () => void idle.close(() => say('close', storage.getStore())));
  await closed(idle);
});

twoArms('context: of an accepted socket: data, end, close', async ({ net: n }, say) => {
  const server = n.createServer();
  server.on('connection', (s) => {
    s.on('data', () => say('data', storage.getStore())).on('end', () => say('end', storage.getStore()));
    s.on('close', () => say('close', storage.getStore()));
    storage.run('of the answer', () => void s.write('x', () => say('written', storage.getStore())));
  });
  storage.run('of listen', () => void server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const c = n.connect((server.address() as import('node:net').AddressInfo).port, '127.0.0.1');
  c.on('data', () => void c.end('bye'));
  await closed(c);
  await shut(server);
});

twoArms('context: of a refused connection', async ({ net: n }, say) => {
  const c = storage.run('mine', () => n.connect(1, '127.0.0.1'));
  c.on('error', () => say('error', storage.getStore())).on('close', () => say('close', storage.getStore()));
  await closed(c);
});

twoArms('context: of a lookup', async ({ net: n }, say) => {
  const c = storage.run('mine', () => n.connect({ port: 1, host: 'localhost', family: 4 }));
  c.on('lookup', () => say('lookup', storage.getStore())).on('error', () => say('error', storage.getStore()));
  await closed(c);
});

twoArms('context: of a datagram socket: message, send callback, close', async ({ dgram: d }, say) => {
  const a = storage.run('of a', () => d.createSocket('udp4'));
  storage.run('of bind', () => void a.bind(0, '127.0.0.1', () => say('listening', storage.getStore())));
  await once(a, 'listening');
  a.on('message', () => say('message', storage.getStore()));
  const b = d.createSocket('udp4');
  await new Promise<void>((resolve) => {
    storage.run('of send', () => void b.send('x', a.address().port, '127.0.0.1', () => {
      say('sent', storage.getStore());
      resolve();
    }));
  });
  if (a.listenerCount('message') === 1) await once(a, 'message');
  storage.run('of close', () => void a.close(() => say('close', storage.getStore())));
  b.close();
  await closed(a, b);
});

twoArms('context: of dns.lookup', async ({ dns }, say) => {
  await new Promise<void>((resolve) => {
    storage.run('mine', () => void dns.lookup('localhost', { family: 4 }, (error, address) => {
      say('answer', error, address, storage.getStore());
      resolve();
    }));
  });
});

const CHANNELS = [
  'net.client.socket', 'net.server.socket', 'udp.socket',
  'tracing:net.server.listen:asyncStart', 'tracing:net.server.listen:asyncEnd', 'tracing:net.server.listen:error',
];

/** Says what is published while `body` runs, by channel and the keys of the message. */
async function published(say: Say, body: () => Promise<void>): Promise<void> {
  const listener = (message: unknown, name: string | symbol): void => {
    say('channel', String(name), Object.keys(message as object).sort().join());
  };
  for (const name of CHANNELS) subscribe(name, listener);
  try {
    await body();
  } finally {
    for (const name of CHANNELS) unsubscribe(name, listener);
  }
}

twoArms('channels: of a server and its client', async ({ net: n }: Arm, say) => {
  await published(say, async () => {
    const server = n.createServer((s) => s.end());
    const port = await listening(server);
    const c = n.connect(port, '127.0.0.1').resume();
    await closed(c);
    const d = n.createConnection({ port, host: '127.0.0.1' }).resume();
    await closed(d);
    await shut(server);
  });
});

twoArms('channels: of a server that cannot listen', async ({ net: n }, say) => {
  const first = n.createServer();
  const port = await listening(first);
  await published(say, async () => {
    const second = n.createServer();
    second.listen(port, '127.0.0.1');
    await once(second, 'error');
  });
  await shut(first);
});

twoArms('channels: of a datagram socket', async ({ dgram: d }, say) => {
  await published(say, async () => {
    const a = d.createSocket('udp4');
    a.close();
    await closed(a);
  });
});

twoArms('order: ticks and microtasks run between two events of one socket', async ({ net: n }, say) => {
  const server = n.createServer((s) => {
    s.write('x');
    s.end();
  });
  const port = await listening(server);
  const c = n.connect(port, '127.0.0.1');
  for (const event of ['connect', 'data', 'end', 'close']) {
    c.on(event, () => {
      say(event);
      process.nextTick(() => say('tick of', event));
      void Promise.resolve().then(() => say('microtask of', event));
    });
  }
  await closed(c);
  await shut(server);
});

twoArms('order: listening comes in a tick, after the code that called listen', async ({ net: n }, say) => {
  const server = n.createServer();
  server.listen(0, '127.0.0.1', () => say('listening'));
  process.nextTick(() => say('tick'));
  void Promise.resolve().then(() => say('microtask'));
  say('after listen');
  await once(server, 'listening');
  await shut(server);
});

twoArms('order: destroy: error and close come in one tick', async ({ net: n }, say) => {
  const c = new n.Socket();
  c.on('error', () => say('error')).on('close', () => say('close'));
  c.destroy(new Error('x'));
  process.nextTick(() => say('tick'));
  say('after destroy');
  await closed(c);
});
