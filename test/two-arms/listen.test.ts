// Ways to call listen(), and what a server's options do.
import { once } from 'node:events';
import type net from 'node:net';
import { attempt, closed, listening, pair, shut, twoArms, watch } from './arms.ts';

type Net = typeof net;

const SIGNATURES: Readonly<Record<string, (s: net.Server, done: () => void) => unknown>> = {
  'listen()': (s, done) => s.listen(done),
  'listen(port)': (s, done) => s.on('listening', done).listen(0),
  'listen(port, callback)': (s, done) => s.listen(0, done),
  'listen(port, host, callback)': (s, done) => s.listen(0, '127.0.0.1', done),
  'listen(port, host, backlog, callback)': (s, done) => s.listen(0, '127.0.0.1', 5, done),
  'listen(port, backlog, callback)': (s, done) => s.listen(0, 5, done),
  'listen(port as text)': (s, done) => s.listen('0' as never, done),
  'listen(undefined, callback)': (s, done) => s.listen(undefined, done),
  'listen(null, callback)': (s, done) => s.listen(null as never, done),
  'listen({ port })': (s, done) => s.listen({ port: 0 }, done),
  'listen({ port, host, backlog, exclusive })': (s, done) => s.listen({ port: 0, host: '127.0.0.1', backlog: 3, exclusive: true }, done),
  'listen({ port, host: localhost })': (s, done) => s.listen({ port: 0, host: 'localhost' }, done),
  'listen({ port, host: 0.0.0.0 })': (s, done) => s.listen({ port: 0, host: '0.0.0.0' }, done),
  'listen({ port, host: :: })': (s, done) => s.listen({ port: 0, host: '::' }, done),
  'listen({ port, host: ::, ipv6Only })': (s, done) => s.listen({ port: 0, host: '::', ipv6Only: true }, done),
  'listen({ port, host: ::1 })': (s, done) => s.listen({ port: 0, host: '::1' }, done),
  'listen({ port, ipv6Only })': (s, done) => s.listen({ port: 0, ipv6Only: true }, done),
  'listen({ port, signal })': (s, done) => s.listen({ port: 0, signal: new AbortController().signal }, done),
};

for (const [how, listen] of Object.entries(SIGNATURES)) {
  twoArms(`net: ${how}`, async ({ net: n }, say) => {
    const server = n.createServer();
    const called = new Promise<void>((resolve) => listen(server, resolve));
    say('at once', server.listening);
    await called;
    const { address, family, port } = server.address() as net.AddressInfo;
    say('address', address, family, port > 0, server.listening);
    const c = n.connect(port, address === '::1' || how.includes('ipv6Only') ? '::1' : '127.0.0.1');
    c.on('error', (e) => say('error', e)).on('close', (had) => say('close', had)).on('connect', () => c.destroy());
    await closed(c);
    await shut(server);
  });
}

twoArms('net: wrong arguments of listen and createServer: code, name and message', ({ net: n }, say) => {
  const calls: Readonly<Record<string, () => unknown>> = {
    'port too large': () => n.createServer().listen(65536),
    'port below 0': () => n.createServer().listen(-1),
    'port with a fraction': () => n.createServer().listen(1.5),
    'port as a word': () => n.createServer().listen({ port: 'x' as never }),
    'port of another type': () => n.createServer().listen({ port: true as never }),
    'nothing to listen at': () => n.createServer().listen({} as never),
    'fd and no number': () => n.createServer().listen({ fd: 'x' } as never),
    'true': () => n.createServer().listen(true as never),
    'signal of another type': () => n.createServer().listen({ port: 0, signal: 'x' as never }),
    'listener of another type': () => n.createServer('x' as never),
    'options of another type': () => new n.Server(5 as never),
  };
  for (const [what, call] of Object.entries(calls)) attempt(say, what, call);
  return Promise.resolve();
});

/** An option from Node 23.1 on; before, nobody looks at it. */
const REUSED = { host: '127.0.0.1', reusePort: true } as net.ListenOptions;

const EXCLUSIONS: Readonly<Record<string, readonly [first: net.ListenOptions, second: net.ListenOptions]>> = {
  'two on one address': [{ host: '127.0.0.1' }, { host: '127.0.0.1' }],
  'two on any address': [{}, {}],
  'any IPv4 address, and one of them': [{ host: '0.0.0.0' }, { host: '127.0.0.1' }],
  'any address, and one of IPv4': [{ host: '::' }, { host: '127.0.0.1' }],
  'two addresses': [{ host: '127.0.0.1' }, { host: '127.0.0.2' }],
  'IPv6 only, and IPv4': [{ host: '::', ipv6Only: true }, { host: '0.0.0.0' }],
  'IPv4, and IPv6 only': [{ host: '0.0.0.0' }, { host: '::', ipv6Only: true }],
  'IPv6, and IPv6 only': [{ host: '::' }, { host: '::', ipv6Only: true }],
  'exclusive': [{ host: '127.0.0.1', exclusive: true }, { host: '127.0.0.1', exclusive: true }],
  'reusePort at both': [REUSED, REUSED],
  'reusePort at one': [REUSED, { host: '127.0.0.1' }],
};

for (const [what, [first, second]] of Object.entries(EXCLUSIONS)) {
  twoArms(`net: the same port twice: ${what}`, async ({ net: n }, say) => {
    const [a, b] = [n.createServer(), n.createServer()];
    a.listen({ ...first, port: 0 });
    await once(a, 'listening');
    const { port } = a.address() as net.AddressInfo;
    await new Promise<void>((resolve) => {
      b.on('error', (e) => {
        say('error', e);
        resolve();
      });
      b.listen({ ...second, port }, () => {
        say('listening', (b.address() as net.AddressInfo).address);
        resolve();
      });
    });
    await shut(a);
    if (b.listening) await shut(b);
  });
}

twoArms('net: a descriptor that is none', async ({ net: n }, say) => {
  const server = n.createServer();
  server.listen({ fd: 9999 });
  const [error] = await once(server, 'error') as [NodeJS.ErrnoException];
  say('error', error.code, error.syscall, error.errno);
});

twoArms('net: listening on the handle of another server', async ({ net: n }, say) => {
  const [a, b] = [n.createServer(() => say('server a')), n.createServer((s) => s.end('b'))];
  const port = await listening(a);
  b.listen(a);
  await once(b, 'listening');
  say('same', (b.address() as net.AddressInfo).port === port);
  const c = n.connect(port, '127.0.0.1').on('data', (d) => say('client data', String(d)));
  await closed(c);
  await shut(b);
  say('listening', a.listening, b.listening);
  a.close();
});

twoArms('net: an AbortSignal closes a server', async ({ net: n }, say) => {
  const controller = new AbortController();
  const server = n.createServer();
  server.on('close', () => say('close')).on('error', (e) => say('error', e));
  server.listen({ port: 0, host: '127.0.0.1', signal: controller.signal });
  await once(server, 'listening');
  controller.abort();
  await closed(server);
  say('listening', server.listening);
});

twoArms('net: an AbortSignal that was given before', async ({ net: n }, say) => {
  const server = n.createServer();
  server.on('close', () => say('close')).on('listening', () => say('listening'));
  server.listen({ port: 0, host: '127.0.0.1', signal: AbortSignal.abort() });
  await closed(server);
});

twoArms('net: Symbol.asyncDispose of a server', async ({ net: n }, say) => {
  const server = n.createServer();
  await listening(server);
  server.on('close', () => say('close'));
  await (server as unknown as Record<symbol, () => Promise<void>>)[Symbol.asyncDispose]!();
  say('disposed', server.listening);
  await (server as unknown as Record<symbol, () => Promise<void>>)[Symbol.asyncDispose]!();
});

twoArms('net: close twice: each callback is called, the second with an error', async ({ net: n }, say) => {
  const server = n.createServer();
  await listening(server);
  server.on('close', () => say('close'));
  const both = [new Promise<void>((resolve) => void server.close((e) => {
    say('first', e);
    resolve();
  })), new Promise<void>((resolve) => void server.close((e) => {
    say('second', e);
    resolve();
  }))];
  await Promise.all(both);
});

twoArms('net: closed in its listening event', async ({ net: n }, say) => {
  const server = n.createServer();
  server.listen(0, '127.0.0.1', () => {
    say('listening', server.listening);
    server.close(() => say('closed', server.listening));
  });
  await closed(server);
});

twoArms('net: a server closes, listens again, elsewhere', async ({ net: n }, say) => {
  const server = n.createServer((s) => s.end('x'));
  for (let i = 0; i < 3; i++) {
    const port = await listening(server);
    const c = n.connect(port, '127.0.0.1').resume();
    await closed(c);
    say('round', i, c.bytesRead);
    await shut(server);
  }
});

twoArms('net: maxConnections of 1, and drop says who', async ({ net: n }, say) => {
  const server = n.createServer((s) => void s.resume());
  server.maxConnections = 1;
  const drops = once(server, 'drop') as Promise<[net.DropArgument]>;
  const port = await listening(server);
  const a = n.connect(port, '127.0.0.1');
  await Promise.all([once(a, 'connect'), once(server, 'connection')]);
  const b = n.connect(port, '127.0.0.1').resume();
  const [what] = await drops;
  say('drop', Object.keys(what).sort().join(), what.localAddress, what.localFamily, what.localPort === port);
  say('from', what.remoteAddress, what.remoteFamily);
  await closed(b);
  a.resume().end();
  await closed(a);
  await shut(server);
});

twoArms('net: maxConnections of 0', async ({ net: n }, say) => {
  const server = n.createServer(() => say('server connection'));
  server.maxConnections = 0;
  server.on('drop', () => say('server drop'));
  const port = await listening(server);
  const c = n.connect(port, '127.0.0.1').resume();
  // Node 20 has no limit at 0; there the server's socket must be closed by us.
  server.on('connection', (s) => s.end());
  await closed(c);
  await shut(server);
});

twoArms('net: connections counts, getConnections tells', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  const count = (): Promise<number> => new Promise((resolve) => void server.getConnections((_e, k) => resolve(k)));
  say('open', await count());
  client.end();
  client.resume();
  peer.resume();
  await closed(client, peer);
  say('closed', await count());
  await shut(server);
});

twoArms('net: a block list of the server', async ({ net: n }, say) => {
  const blockList = new n.BlockList();
  blockList.addSubnet('127.0.0.0', 8);
  const server = n.createServer({ blockList } as net.ServerOpts, (s) => {
    say('server connection');
    s.end();
  });
  server.on('drop', () => say('server drop'));
  const port = await listening(server);
  const c = n.connect(port, '127.0.0.1').resume();
  c.on('error', (e: NodeJS.ErrnoException) => say('client error', e.code));
  await closed(c);
  await shut(server);
});

twoArms('net: a block list of the client', async ({ net: n }, say) => {
  const blockList = new n.BlockList();
  blockList.addAddress('127.0.0.1');
  const server = n.createServer((s) => s.end());
  const port = await listening(server);
  const c = n.connect({ port, host: '127.0.0.1', blockList } as net.TcpNetConnectOpts).resume();
  watch(say, 'client', c, ['connect', 'error', 'close']);
  await closed(c);
  await shut(server);
});

twoArms('net: BlockList, SocketAddress and isIP are there', ({ net: n }, say) => {
  const list = new n.BlockList();
  list.addRange('10.0.0.1', '10.0.0.9');
  say('list', list.check('10.0.0.5'), list.check('10.0.0.10'), list.rules.join());
  const at = new n.SocketAddress({ address: '::1', family: 'ipv6', port: 7, flowlabel: 3 });
  say('address', at.address, at.family, at.port, at.flowlabel);
  for (const text of ['1.2.3.4', '::1', 'fe80::1%eth0', '1.2.3', '', '::ffff:1.2.3.4']) {
    say(text, n.isIP(text), n.isIPv4(text), n.isIPv6(text));
  }
  attempt(say, 'bad address', () => new n.SocketAddress({ address: 'x' }));
  return Promise.resolve();
});

twoArms('net: ref and unref of a server, before and after listening', async ({ net: n }, say) => {
  const server = n.createServer();
  say('before', server.unref() === server, server.ref() === server);
  await listening(server);
  say('after', server.unref() === server, server.ref() === server, server.listening);
  await shut(server);
  say('closed', server.unref() === server);
});

twoArms('net: allowHalfOpen of a server: the client ends, the server still writes', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n, { server: { allowHalfOpen: true } });
  watch(say, 'client', client, ['data', 'end', 'finish', 'close']);
  watch(say, 'server', peer, ['end', 'finish', 'close']);
  peer.resume();
  peer.on('end', () => {
    say('server state', peer.readyState, peer.writable);
    peer.end('late');
  });
  client.end();
  await closed(client, peer);
  await shut(server);
});

twoArms('net: pauseOnConnect with pauseOnCreate: a proxy hands the socket on', async ({ net: n }, say) => {
  const target = n.createServer((s) => void s.pipe(s));
  const port = await listening(target);
  const proxy = n.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (s) => {
    say('server paused', s.isPaused());
    const up = n.connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => {
      s.pipe(up);
      up.pipe(s);
      s.resume();
    });
  });
  const front = await listening(proxy);
  const c = n.connect(front, '127.0.0.1');
  c.on('data', (d) => say('client data', String(d)));
  c.end('through');
  await closed(c);
  await shut(proxy, target);
});

/** The kinds of connection that a dual-stack server sees. */
for (const host of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
  twoArms(`net: a server on :: and a client of ${host}`, async ({ net: n }: { net: Net }, say) => {
    const server = n.createServer((s) => {
      say('server', s.remoteAddress, s.remoteFamily, s.localAddress);
      s.end();
    });
    server.listen(0, '::');
    await once(server, 'listening');
    const c = n.connect((server.address() as net.AddressInfo).port, host);
    c.on('connect', () => say('client', c.remoteAddress, c.remoteFamily, c.localAddress)).resume();
    await closed(c);
    await shut(server);
  });
}
