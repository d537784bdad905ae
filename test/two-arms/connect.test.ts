// Connecting: the order of events, refusals, names, options, reconnecting.
import { once } from 'node:events';
import { ALL, closed, listening, twoArms, watch } from './arms.ts';

twoArms('a client connects, both sides speak, the client ends: every event in its order', async ({ net }, say) => {
  const server = net.createServer((s) => {
    say('server connection', s.remoteAddress, s.remoteFamily, s.localAddress);
    watch(say, 'server', s, ['end', 'finish', 'error', 'close']);
    s.on('data', (d) => void s.write(`echo ${String(d)}`));
  });
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  watch(say, 'client', c, ['connect', 'ready', 'data', 'end', 'finish', 'error', 'close']);
  c.write('hello');
  await once(c, 'data');
  c.end();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('lookup, connectionAttempt and connect events come in order for a literal address', async ({ net }, say) => {
  const server = net.createServer((s) => s.end());
  const port = await listening(server);
  const c = net.connect({ port, host: '127.0.0.1' });
  for (const event of ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connect', 'ready', 'close']) {
    c.on(event, (...args: unknown[]) => say(event, ...args.filter((a) => typeof a !== 'number' || a < 1000)));
  }
  c.resume();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('localhost is looked up', async ({ net }, say) => {
  const server = net.createServer((s) => s.end());
  const port = await listening(server);
  const c = net.connect({ port, host: 'localhost', family: 4 });
  c.on('lookup', (error, address, family, host) => say('lookup', error, address, family, host));
  c.on('connect', () => say('connect')).resume();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('a refused connection: error before close, with code, errno, syscall, address, port and message', async ({ net }, say) => {
  const server = net.createServer();
  const port = await listening(server);
  server.close();
  await closed(server);
  const c = net.connect(port, '127.0.0.1');
  watch(say, 'client', c, ALL);
  say('connecting', c.connecting, c.pending, c.readyState);
  await closed(c);
  say('after', c.connecting, c.pending, c.readyState, c.destroyed);
});

twoArms('a name that nobody knows', async ({ net }, say) => {
  const c = net.connect(80, 'no-such-host.invalid');
  watch(say, 'client', c, ALL);
  await closed(c);
});

twoArms('a lookup function of the caller is asked', async ({ net }, say) => {
  const server = net.createServer((s) => s.end('x'));
  const port = await listening(server);
  const c = net.connect({
    port, host: 'example.test',
    lookup(name, options, callback) {
      say('lookup', name, options.all);
      (callback as unknown as (e: null, list: object[]) => void)(null, [{ address: '127.0.0.1', family: 4 }]);
    },
  });
  watch(say, 'client', c, ALL);
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('two addresses: the second is tried when the first refuses', async ({ net }, say) => {
  const server = net.createServer((s) => s.end('x'));
  const port = await listening(server);
  const c = net.connect({
    port, host: 'example.test', autoSelectFamily: true,
    lookup(_name, _options, callback) {
      const list = [{ address: '127.0.0.9', family: 4 }, { address: '127.0.0.1', family: 4 }];
      (callback as unknown as (e: null, list: object[]) => void)(null, list);
    },
  });
  watch(say, 'client', c, ['connect', 'error', 'close', 'data']);
  await closed(c);
  say('remote', c.remoteAddress);
  server.close();
  await closed(server);
});

twoArms('all addresses refuse: an AggregateError', async ({ net }, say) => {
  const c = net.connect({
    port: 1, host: 'example.test', autoSelectFamily: true,
    lookup(_name, _options, callback) {
      const list = [{ address: '127.0.0.9', family: 4 }, { address: '127.0.0.1', family: 4 }];
      (callback as unknown as (e: null, list: object[]) => void)(null, list);
    },
  });
  c.on('error', (e: AggregateError & { code?: string }) => say('error', e.name, e.code, e.errors.map((x: Error) => x.message)));
  await closed(c);
});

twoArms('writes before the connection is there are sent when it is', async ({ net }, say) => {
  const server = net.createServer((s) => void s.on('data', (d) => say('data', String(d))).on('end', () => s.end()));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  say('write', c.write('a'), c.write('b'), c.bytesWritten);
  c.end('c', () => say('finished', c.bytesWritten));
  c.resume();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('destroyed while connecting: close, and no connect', async ({ net, rest }, say) => {
  const server = net.createServer((s) => void s.resume().on('error', () => undefined));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  watch(say, 'client', c, ALL);
  c.destroy();
  await closed(c);
  await rest();
  server.close();
  await closed(server);
});

twoArms('destroyed with an error in the tick of connect()', async ({ net }, say) => {
  const c = new net.Socket();
  watch(say, 'client', c, ALL);
  c.connect(1, '127.0.0.1');
  c.destroy(new Error('mine'));
  await closed(c);
  say('errored', c.errored?.message);
});

twoArms('a socket that was closed connects again', async ({ net }, say) => {
  const server = net.createServer((s) => s.end('bye'));
  const port = await listening(server);
  const c = new net.Socket();
  watch(say, 'client', c, ALL);
  c.connect(port, '127.0.0.1');
  await closed(c);
  c.connect(port, '127.0.0.1');
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('localPort and localAddress are taken', async ({ net }, say) => {
  const server = net.createServer((s) => {
    say('server', s.remoteAddress);
    s.end();
  });
  const port = await listening(server);
  const c = net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.5' });
  c.on('connect', () => say('local', c.localAddress, c.localFamily)).resume();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('a local address that is not this host\'s', async ({ net }, say) => {
  const c = net.connect({ port: 80, host: '127.0.0.1', localAddress: '192.0.2.77' });
  watch(say, 'client', c, ALL);
  await closed(c);
});

twoArms('a local port that is taken', async ({ net }, say) => {
  const server = net.createServer((s) => s.end());
  const port = await listening(server);
  const c = net.connect({ port, host: '127.0.0.1', localPort: port, localAddress: '127.0.0.1' });
  c.on('error', (e: NodeJS.ErrnoException) => say('error', e.code, e.syscall)).on('close', (had) => say('close', had));
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('wrong arguments throw what Node throws', ({ net }, say) => {
  const attempt = (f: () => unknown): void => {
    try {
      f();
      say('no error');
    } catch (error) {
      say('threw', (error as NodeJS.ErrnoException).code, (error as Error).name);
    }
  };
  attempt(() => net.connect({ port: 70000 }));
  attempt(() => net.connect({ port: -1 }));
  attempt(() => net.connect({} as never));
  attempt(() => net.connect({ port: 80, lookup: 5 as never, host: 'x' }));
  attempt(() => net.connect({ port: 80, localAddress: 'x', host: '127.0.0.1' }));
  attempt(() => net.createServer().listen(70000));
  attempt(() => net.createServer().listen({} as never));
  attempt(() => net.createServer(5 as never));
  return Promise.resolve();
});

twoArms('classes: instanceof, without new, by inheritance', async ({ net }, say) => {
  const node = await import('node:net');
  const s = new net.Socket();
  say('socket', s instanceof net.Socket, s instanceof node.Socket, (net as unknown as { Stream: unknown }).Stream === net.Socket);
  const call = net.Socket as unknown as () => unknown;
  say('called', call() instanceof node.Socket);
  class Mine extends net.Socket {
    mine = 1;
  }
  const m = new Mine();
  say('mine', m instanceof Mine, m instanceof net.Socket, m.mine, s instanceof Mine);
  const server = net.createServer((peer) => {
    say('peer', peer instanceof net.Socket, peer instanceof node.Socket);
    peer.end();
  });
  say('server', server instanceof net.Server, server instanceof node.Server);
  const port = await listening(server);
  m.connect(port, '127.0.0.1').resume();
  await closed(m);
  server.close();
  await closed(server);
});
