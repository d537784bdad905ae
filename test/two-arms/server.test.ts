// Servers: listening, errors, closing with connections open, limits.
import { once } from 'node:events';
import { closed, listening, twoArms } from './arms.ts';

twoArms('listening comes later than listen(), and address() says where', async ({ net }, say) => {
  const server = net.createServer();
  say('before', server.listening, server.address());
  server.listen(0, '127.0.0.1', () => say('callback'));
  say('at once', server.listening);
  server.on('listening', () => say('listening'));
  await once(server, 'listening');
  const { address, family, port } = server.address() as import('node:net').AddressInfo;
  say('address', address, family, port > 0);
  server.close((e) => say('close callback', e));
  say('closing', server.listening);
  await closed(server);
  say('closed', server.listening, server.address());
});

twoArms('a server on a port that is taken', async ({ net }, say) => {
  const first = net.createServer();
  const port = await listening(first);
  const second = net.createServer();
  second.on('error', (e) => say('error', e)).on('close', () => say('second close')).on('listening', () => say('listening'));
  second.listen(port, '127.0.0.1');
  await once(second, 'error');
  say('listening', second.listening);
  first.close();
  await closed(first);
  second.listen(port, '127.0.0.1');
  await once(second, 'listening');
  second.close();
  await closed(second);
});

twoArms('a server on an address that is not this host\'s', async ({ net }, say) => {
  const server = net.createServer();
  server.on('error', (e: NodeJS.ErrnoException) => say('error', e.code, e.syscall, (e as { address?: string }).address));
  server.listen(8080, '192.0.2.77');
  await once(server, 'error');
});

twoArms('a server by name', async ({ net }, say) => {
  const server = net.createServer((s) => s.end('x'));
  server.listen({ port: 0, host: 'localhost' });
  await once(server, 'listening');
  const { port } = server.address() as import('node:net').AddressInfo;
  const c = net.connect(port, 'localhost').resume();
  await closed(c);
  say('connected', c.bytesRead);
  server.close();
  await closed(server);
});

twoArms('a server by a name that nobody knows', async ({ net }, say) => {
  const server = net.createServer();
  server.on('error', (e) => say('error', e));
  server.listen(0, 'no-such-host.invalid');
  await once(server, 'error');
});

twoArms('listening twice', async ({ net }, say) => {
  const server = net.createServer();
  await listening(server);
  try {
    server.listen(0, '127.0.0.1');
  } catch (error) {
    say('threw', error);
  }
  server.close();
  await closed(server);
});

twoArms('closing a server that does not listen', async ({ net }, say) => {
  const server = net.createServer();
  await new Promise<void>((resolve) => {
    server.close((e) => {
      say('callback', e);
      resolve();
    });
  });
});

twoArms('close() waits for open connections, and refuses new ones', async ({ net }, say) => {
  const server = net.createServer((s) => void s.resume().on('end', () => s.end()));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  await Promise.all([once(c, 'connect'), once(server, 'connection')]);
  server.close(() => say('server closed'));
  const late = net.connect(port, '127.0.0.1');
  late.on('error', (e: NodeJS.ErrnoException) => say('late', e.code));
  await closed(late);
  const count = await new Promise((resolve) => void server.getConnections((_e, n) => resolve(n)));
  say('open', count);
  c.end();
  c.resume();
  await closed(server);
});

twoArms('getConnections and maxConnections: what is over the limit is dropped', async ({ net }, say) => {
  const server = net.createServer((s) => void s.resume());
  server.maxConnections = 1;
  server.on('drop', (d) => say('drop', d?.localAddress, d?.remoteFamily));
  const port = await listening(server);
  const a = net.connect(port, '127.0.0.1');
  await Promise.all([once(a, 'connect'), once(server, 'connection')]);
  const b = net.connect(port, '127.0.0.1');
  b.on('error', () => undefined).on('close', () => say('second closed'));
  b.resume();
  await closed(b);
  a.end();
  a.resume();
  await closed(a);
  server.close();
  await closed(server);
});

twoArms('many clients at once are accepted in the order in which they came', async ({ net }, say) => {
  const server = net.createServer((s) => void s.on('data', (d) => void s.end(d)));
  const port = await listening(server);
  const clients = Array.from({ length: 20 }, (_, i) => {
    const c = net.connect(port, '127.0.0.1');
    c.write(String(i));
    c.on('data', (d) => say('data', String(d), ''));
    return c;
  });
  await closed(...clients);
  server.close();
  await closed(server);
});

twoArms('pauseOnConnect: nothing is read until resume', async ({ net, rest }, say) => {
  const server = net.createServer({ pauseOnConnect: true }, (s) => {
    s.on('data', (d) => say('data', String(d))).on('end', () => {
      say('end');
      s.end();
    });
    s.pause();
    void rest().then(() => {
      say('resume', s.bytesRead);
      s.resume();
    });
  });
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  c.end('hello');
  c.resume();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('a server closes its socket at once: the client reads the end', async ({ net }, say) => {
  const server = net.createServer((s) => s.destroy());
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  c.on('end', () => say('end')).on('close', (had) => say('close', had)).on('error', (e) => say('error', e)).resume();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('an exception in a connection listener is an uncaughtException, and the server lives on', async ({ net }, say) => {
  let n = 0;
  const server = net.createServer((s) => {
    s.on('error', () => undefined);
    s.end('ok');
    if (n++ === 0) throw new Error('from a listener');
  });
  const port = await listening(server);
  const others = process.rawListeners('uncaughtException');
  for (const f of others) process.off('uncaughtException', f as () => void);
  process.once('uncaughtException', (e) => say('uncaught', e.message));
  const a = net.connect(port, '127.0.0.1').resume();
  await closed(a);
  const b = net.connect(port, '127.0.0.1').resume();
  await closed(b);
  for (const f of others) process.on('uncaughtException', f as () => void);
  say('read', b.bytesRead);
  server.close();
  await closed(server);
});
