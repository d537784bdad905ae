// Ends: destroy, resets, broken pipes, writes after the end.
import { once } from 'node:events';
import { ALL, closed, listening, twoArms, watch } from './arms.ts';

twoArms('destroy with unread bytes resets the peer', async ({ net }, say) => {
  const server = net.createServer((s) => {
    s.on('data', () => s.destroy());
    watch(say, 'server', s, ['close']);
  });
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  watch(say, 'client', c, ['end', 'close', 'data']);
  c.on('error', (e: NodeJS.ErrnoException) => say('client error', e.code));
  c.write('x');
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('resetAndDestroy: the peer sees ECONNRESET', async ({ net }, say) => {
  const server = net.createServer((s) => {
    watch(say, 'server', s, ALL);
    s.resume();
  });
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  await once(c, 'connect');
  const peer = once(server, 'connection');
  await Promise.race([peer, new Promise((r) => void setTimeout(r, 50))]);
  c.on('close', (had) => say('client close', had));
  c.resetAndDestroy();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('resetAndDestroy of an accepted socket', async ({ net }, say) => {
  const server = net.createServer((s) => {
    s.on('close', (had) => say('server close', had));
    s.once('data', () => s.resetAndDestroy());
  });
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  c.resume().write('x');
  c.on('error', (e: NodeJS.ErrnoException) => say('client error', e.code, e.syscall)).on('close', (had) => say('client close', had));
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('resetAndDestroy of a socket that never connected', async ({ net }, say) => {
  const c = new net.Socket();
  watch(say, 'client', c, ALL);
  c.resetAndDestroy();
  await closed(c);
});

twoArms('writing to a peer that was reset: EPIPE or ECONNRESET, once', async ({ net }, say) => {
  const server = net.createServer((s) => void s.once('data', () => s.resetAndDestroy()));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  c.pause();
  let errors = 0;
  c.on('error', (e: NodeJS.ErrnoException) => {
    errors++;
    say('error', ['EPIPE', 'ECONNRESET'].includes(e.code!));
  }).on('close', (had) => say('close', had, errors));
  await once(c, 'connect');
  const writer = setInterval(() => c.destroyed || c.write('x'), 1);
  await closed(c);
  clearInterval(writer);
  server.close();
  await closed(server);
});

twoArms('write after end', async ({ net }, say) => {
  const server = net.createServer((s) => void s.resume());
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  watch(say, 'client', c, ['error', 'close', 'finish']);
  await once(c, 'connect');
  c.end('a');
  c.write('b', (e) => say('callback', e));
  c.resume();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('write on a socket that has no connection', async ({ net }, say) => {
  const c = new net.Socket();
  watch(say, 'client', c, ['error', 'close']);
  c.write('x', (e) => say('callback', e));
  await closed(c);
});

twoArms('destroySoon lets the last write out', async ({ net }, say) => {
  const server = net.createServer((s) => void s.on('data', (d) => say('data', String(d))).on('end', () => s.end()));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  await once(c, 'connect');
  c.write('last words');
  c.destroySoon();
  watch(say, 'client', c, ['close', 'error']);
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('states on the way: readyState and the writable flags', async ({ net }, say) => {
  const server = net.createServer({ allowHalfOpen: true }, (s) => {
    s.on('end', () => setImmediate(() => s.end())).resume();
  });
  const port = await listening(server);
  const c = new net.Socket();
  say('new', c.readyState, c.pending, c.connecting, c.destroyed);
  c.connect(port, '127.0.0.1');
  say('connecting', c.readyState, c.pending, c.connecting);
  await once(c, 'connect');
  say('open', c.readyState, c.pending, c.connecting, c.remoteAddress, c.remoteFamily);
  c.end();
  say('ended', c.readyState, c.writable);
  c.resume();
  await closed(c);
  say('closed', c.readyState, c.pending, c.remoteAddress, c.localPort, c.address());
  server.close();
  await closed(server);
});

twoArms('AbortSignal destroys a socket', async ({ net }, say) => {
  const server = net.createServer((s) => void s.resume());
  const port = await listening(server);
  const controller = new AbortController();
  const c = net.connect({ port, host: '127.0.0.1', signal: controller.signal } as import('node:net').NetConnectOpts);
  c.on('error', (e) => say('error', e.name)).on('close', () => say('close'));
  await once(c, 'connect');
  controller.abort();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('setTimeout: idle for so long, and the socket stays open', async ({ net }, say) => {
  const server = net.createServer((s) => void s.resume());
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  await once(c, 'connect');
  c.setTimeout(20, () => {
    say('timeout', c.destroyed, c.readyState);
    c.destroy();
  });
  say('set', c.timeout);
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('setNoDelay, setKeepAlive, ref and unref return the socket, connected or not', async ({ net }, say) => {
  const server = net.createServer((s) => void s.resume());
  const port = await listening(server);
  const c = new net.Socket();
  say('before', c.setNoDelay() === c, c.setKeepAlive(true, 1000) === c, c.ref() === c, c.unref() === c, c.setTimeout(0) === c);
  c.ref();
  c.connect({ port, host: '127.0.0.1', noDelay: true, keepAlive: true, keepAliveInitialDelay: 5000 });
  await once(c, 'connect');
  say('after', c.setNoDelay(false) === c, c.setKeepAlive(false) === c, c.ref() === c, c.unref() === c);
  c.ref();
  c.destroy();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('an exception in a data listener is an uncaughtException, and the connection lives on', async ({ net }, say) => {
  const server = net.createServer((s) => void s.pipe(s));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  await once(c, 'connect');
  const caught = new Promise<void>((resolve) => {
    process.prependOnceListener('uncaughtException', (e) => {
      say('uncaught', e.message);
      resolve();
    });
  });
  const others = process.rawListeners('uncaughtException').slice(1);
  for (const f of others) process.off('uncaughtException', f as () => void);
  c.once('data', () => {
    throw new Error('from a listener');
  });
  c.write('one');
  await caught;
  for (const f of others) process.on('uncaughtException', f as () => void);
  c.on('data', (d) => say('data', String(d)));
  c.write('two');
  await once(c, 'data');
  c.end();
  await closed(c);
  server.close();
  await closed(server);
});
