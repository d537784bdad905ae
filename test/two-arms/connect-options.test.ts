// Ways to call connect(), and what its options do.
import { ADDRCONFIG } from 'node:dns';
import { once } from 'node:events';
import type net from 'node:net';
import { ALL, attempt, closed, listening, pair, shut, twoArms, watch } from './arms.ts';

type Net = typeof net;

/** Each way to connect to a port of 127.0.0.1. */
const SIGNATURES: Readonly<Record<string, (n: Net, port: number, done: () => void) => net.Socket>> = {
  'connect(port, callback)': (n, port, done) => n.connect(port as never, done as never),
  'connect(port, host, callback)': (n, port, done) => n.connect(port, '127.0.0.1', done),
  'connect(port as text, host, callback)': (n, port, done) => n.connect(String(port) as never, '127.0.0.1' as never, done),
  'connect({ port }, callback)': (n, port, done) => n.connect({ port }, done),
  'connect({ port as text, host }, callback)': (n, port, done) => n.connect({ port: String(port) as never, host: '127.0.0.1' }, done),
  'connect({ port, host: localhost, family: 4 })': (n, port, done) => n.connect({ port, host: 'localhost', family: 4 }, done),
  'connect({ port, hints })': (n, port, done) => n.connect({ port, host: 'localhost', hints: ADDRCONFIG, family: 4 }, done),
  'connect({ port, autoSelectFamily: false, family: 4 })': (n, port, done) =>
    n.connect({ port, host: 'localhost', autoSelectFamily: false, family: 4 }, done),
  'createConnection(port, host, callback)': (n, port, done) => n.createConnection(port, '127.0.0.1', done),
  'createConnection({ port, host }, callback)': (n, port, done) => n.createConnection({ port, host: '127.0.0.1' }, done),
  'new Socket().connect(port, callback)': (n, port, done) => new n.Socket().connect(port, done),
  'new Socket().connect(port, host, callback)': (n, port, done) => new n.Socket().connect(port, '127.0.0.1', done),
  'new Socket().connect({ port, host }, callback)': (n, port, done) => new n.Socket().connect({ port, host: '127.0.0.1' }, done),
  'Socket() without new': (n, port, done) => (n.Socket as unknown as () => net.Socket)().connect(port, '127.0.0.1', done),
  'new Stream()': (n, port, done) => new (n as unknown as { Stream: typeof net.Socket }).Stream().connect(port, '127.0.0.1', done),
};

for (const [how, connect] of Object.entries(SIGNATURES)) {
  twoArms(`net: ${how}`, async ({ net: n }, say) => {
    const server = n.createServer((s) => s.end('x'));
    const port = await listening(server);
    const c = connect(n, port, () => say('callback', c.remoteAddress, c.remoteFamily, c.remotePort === port, c.localFamily, c.connecting));
    c.on('connect', () => say('connect')).on('ready', () => say('ready')).resume();
    say('at once', c.connecting, c.pending, c.readyState, c.remoteAddress);
    await closed(c);
    await shut(server);
  });
}

twoArms('net: wrong arguments of connect: code, name and message', ({ net: n }, say) => {
  const calls: Readonly<Record<string, () => unknown>> = {
    'no port': () => n.connect({} as never),
    'port too large': () => n.connect({ port: 65536 }),
    'port below 0': () => n.connect({ port: -1, host: '127.0.0.1' }),
    'port of another type': () => n.connect({ port: true as never }),
    'port not a number': () => n.connect({ port: 'x' as never, host: '127.0.0.1' }),
    'host of another type': () => n.connect({ port: 80, host: 5 as never }),
    'localAddress no address': () => n.connect({ port: 80, host: '127.0.0.1', localAddress: 'x' }),
    'localPort no number': () => n.connect({ port: 80, host: '127.0.0.1', localPort: '80' as never }),
    'lookup no function': () => n.connect({ port: 80, host: 'x', lookup: {} as never }),
    'hints that do not exist': () => n.connect({ port: 80, host: 'x', hints: 1 << 20 }),
    'autoSelectFamily no boolean': () => n.connect({ port: 80, host: 'x', autoSelectFamily: 1 as never }),
    'attempt timeout too small': () => n.connect({ port: 80, host: 'x', autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 0 }),
    'path of another type': () => n.connect({ path: 5 as never }),
    'objectMode': () => n.connect({ port: 80, objectMode: true } as never),
    'fd below 0': () => new n.Socket({ fd: -1 }),
    'fd of another type': () => new n.Socket({ fd: 'x' as never }),
    'signal of another type': () => new n.Socket({ signal: 5 as never }),
  };
  for (const [what, call] of Object.entries(calls)) attempt(say, what, call);
  return Promise.resolve();
});

twoArms('net: a socket that is aborted before it connects', async ({ net: n }, say) => {
  const c = new n.Socket({ signal: AbortSignal.abort() });
  watch(say, 'client', c, ALL);
  await closed(c);
  say('state', c.destroyed, c.readyState);
});

twoArms('net: aborted while connecting: an AbortError', async ({ net: n, rest }, say) => {
  const server = n.createServer((s) => void s.on('error', () => undefined).resume());
  const port = await listening(server);
  const controller = new AbortController();
  const c = n.connect({ port, host: '127.0.0.1', signal: controller.signal } as net.TcpNetConnectOpts);
  watch(say, 'client', c, ALL);
  controller.abort();
  await closed(c);
  await rest();
  await shut(server);
});

twoArms('net: aborted while open, with a reason', async ({ net: n }, say) => {
  const controller = new AbortController();
  const { client, peer, server } = await pair(n, { client: { signal: controller.signal } });
  peer.resume().on('error', () => undefined);
  client.on('error', (e) => say('error', e.name, (e as { cause?: Error }).cause?.message)).on('close', (had) => say('close', had));
  controller.abort(new Error('why'));
  await closed(client, peer);
  await shut(server);
});

twoArms('net: noDelay and keepAlive at either end change nothing that is seen', async ({ net: n }, say) => {
  const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 1500 };
  const { client, peer, server } = await pair(n, { server: options, client: options });
  watch(say, 'client', client, ['data', 'end', 'close']);
  peer.end('x');
  await closed(client, peer);
  await shut(server);
});

twoArms('net: highWaterMark of a socket, and of a server\'s sockets', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n, { server: { highWaterMark: 1234 }, client: { highWaterMark: 777 } });
  say('client', client.readableHighWaterMark, client.writableHighWaterMark);
  say('server', peer.readableHighWaterMark, peer.writableHighWaterMark);
  say('write', client.write('x'.repeat(776)), client.write('y'));
  peer.resume();
  client.end();
  await closed(client, peer);
  await shut(server);
});

twoArms('net: a local port and address, and what address() says', async ({ net: n }, say) => {
  const probe = n.createServer();
  const local = await listening(probe);
  await shut(probe);
  const { client, peer, server, port } = await pair(n, { client: { localPort: local, localAddress: '127.0.0.1' } });
  const { address, family, port: own } = client.address() as net.AddressInfo;
  say('client', address, family, own === local, client.localPort === local, client.localFamily, client.remotePort === port);
  say('server', peer.remotePort === local, peer.remoteAddress, peer.remoteFamily, peer.localPort === port, peer.localFamily);
  client.end();
  client.resume();
  peer.end();
  peer.resume();
  await closed(client, peer);
  say('after', client.localAddress, client.localPort, client.remoteAddress, client.remoteFamily, JSON.stringify(client.address()));
  await shut(server);
});

twoArms('net: a local address of the other family', async ({ net: n }, say) => {
  const c = n.connect({ port: 1, host: '127.0.0.1', localAddress: '::1' });
  watch(say, 'client', c, ALL);
  await closed(c);
});

twoArms('net: nobody listens at an IPv6 address', async ({ net: n }, say) => {
  const c = n.connect(1, '::1');
  watch(say, 'client', c, ALL);
  await closed(c);
});

twoArms('net: over IPv6, with all its names', async ({ net: n }, say) => {
  const server = n.createServer((s) => {
    say('server', s.remoteAddress, s.remoteFamily, s.localAddress, s.localFamily);
    s.end('six');
  });
  server.listen(0, '::1');
  await once(server, 'listening');
  const at = server.address() as net.AddressInfo;
  say('address', at.address, at.family);
  const c = n.connect({ port: at.port, host: '::1', family: 6 });
  watch(say, 'client', c, ALL);
  c.on('connect', () => say('names', c.remoteAddress, c.remoteFamily, c.localAddress, c.localFamily));
  await closed(c);
  await shut(server);
});

twoArms('net: family 6 for an IPv4 name', async ({ net: n }, say) => {
  const c = n.connect({
    port: 1, host: 'four.test', family: 6, autoSelectFamily: false,
    lookup(name, options, callback) {
      say('asked', name, options.family, options.all);
      callback(Object.assign(new Error('mine'), { code: 'ENOTFOUND' }), '', 0);
    },
  });
  watch(say, 'client', c, [...ALL, 'lookup']);
  await closed(c);
});

twoArms('net: lookup answers what is no address', async ({ net: n }, say) => {
  const c = n.connect({
    port: 1, host: 'x.test', autoSelectFamily: false,
    lookup: (_name, _options, callback) => callback(null, 'nonsense', 4),
  });
  watch(say, 'client', c, ALL);
  await closed(c);
});

twoArms('net: lookup answers a family that does not exist', async ({ net: n }, say) => {
  const c = n.connect({
    port: 1, host: 'x.test', autoSelectFamily: false,
    lookup: (_name, _options, callback) => callback(null, '127.0.0.1', 100),
  });
  watch(say, 'client', c, ALL);
  await closed(c);
});

twoArms('net: destroyed while the name is being looked up', async ({ net: n, rest }, say) => {
  let answer: (() => void) | undefined;
  const c = n.connect({
    port: 1, host: 'x.test', autoSelectFamily: false,
    lookup: (_name, _options, callback) => void (answer = () => callback(null, '127.0.0.1', 4)),
  });
  watch(say, 'client', c, [...ALL, 'lookup']);
  c.destroy();
  await closed(c);
  answer!();
  await rest();
  say('state', c.connecting, c.destroyed);
});

twoArms('net: connect() of a socket that is connected already', async ({ net: n, rest }, say) => {
  const { client, peer, server, port } = await pair(n);
  watch(say, 'client', client, ['connect', 'error', 'close']);
  peer.on('error', () => undefined).resume();
  attempt(say, 'again', () => client.connect(port, '127.0.0.1'));
  await rest();
  say('state', client.connecting, client.destroyed);
  client.destroy();
  peer.destroy();
  await shut(server);
});

twoArms('net: writes, end and destroySoon before the connection is there', async ({ net: n }, say) => {
  const server = n.createServer((s) => void s.on('data', (d) => say('server data', String(d))).on('end', () => s.end()));
  const port = await listening(server);
  const c = n.connect(port, '127.0.0.1');
  watch(say, 'client', c, ALL);
  c.write('a', () => say('wrote', c.bytesWritten));
  c.cork();
  c.write('b');
  c.write('c');
  c.uncork();
  say('before', c.bytesWritten, c.writableLength, c.bufferSize);
  c.destroySoon();
  await closed(c);
  await shut(server);
});

twoArms('net: a connect timeout option, and a socket that is idle', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n, { client: { timeout: 15 } });
  peer.resume();
  say('timeout', client.timeout);
  await once(client, 'timeout');
  say('timed out', client.destroyed, client.readyState);
  client.end();
  await closed(client, peer);
  await shut(server);
});

twoArms('net: setTimeout: argument checks, clearing, its callback', async ({ net: n }, say) => {
  const s = new n.Socket();
  attempt(say, 'text', () => s.setTimeout('x' as never));
  attempt(say, 'negative', () => s.setTimeout(-1));
  attempt(say, 'no function', () => s.setTimeout(1, 5 as never));
  s.setTimeout(1, () => say('called'));
  s.setTimeout(0);
  say('cleared', s.timeout, s.listenerCount('timeout'));
  await new Promise<void>((resolve) => void s.setTimeout(1, resolve));
  s.destroy();
  await closed(s);
});
