// Datagrams: messages and where they come from, connected sockets, errors, closing.
import type dgram from 'node:dgram';
import { once } from 'node:events';
import { closed, twoArms } from './arms.ts';

async function bound(socket: dgram.Socket, address = '127.0.0.1'): Promise<number> {
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket.address().port;
}

twoArms('a message and where it came from', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  const b = d.createSocket('udp4');
  const port = await bound(a);
  const from = await bound(b);
  b.send('hello', port, '127.0.0.1', (e, bytes) => say('sent', e, bytes));
  const [message, rinfo] = await once(a, 'message') as [Buffer, dgram.RemoteInfo];
  say('message', String(message), rinfo.address, rinfo.family, rinfo.size, rinfo.port === from);
  a.close();
  b.close();
  await closed(a, b);
});

twoArms('send without bind binds, and listening follows', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  const port = await bound(a);
  const b = d.createSocket('udp4');
  b.on('listening', () => say('listening', b.address().address, b.address().port > 0));
  b.send([Buffer.from('a'), Buffer.from('b'), new Uint8Array([99])] as Uint8Array[], port, (e, n) => say('sent', e, n));
  const [message] = await once(a, 'message') as [Buffer];
  say('message', String(message));
  a.close();
  b.close();
  await closed(a, b);
});

twoArms('messages keep their borders and their order', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  const port = await bound(a);
  const b = d.createSocket('udp4');
  const got: string[] = [];
  const all = new Promise<void>((resolve) => {
    a.on('message', (m) => {
      got.push(String(m));
      if (got.length === 20) resolve();
    });
  });
  for (let i = 0; i < 20; i++) b.send(`message ${i}`, port, '127.0.0.1');
  await all;
  say('got', got);
  a.close();
  b.close();
  await closed(a, b);
});

twoArms('offset and length, and an empty message', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  const port = await bound(a);
  const b = d.createSocket('udp4');
  const got: string[] = [];
  const two = new Promise<void>((resolve) => void a.on('message', (m, r) => void (got.push(`${String(m)}/${r.size}`) === 2 && resolve())));
  b.send('0123456789', 2, 5, port, '127.0.0.1', (e, n) => {
    say('sent', e, n);
    b.send('', port, '127.0.0.1', (f, k) => say('sent', f, k));
  });
  await two;
  say('got', got);
  a.close();
  b.close();
  await closed(a, b);
});

twoArms('connect: send without address, remoteAddress, disconnect', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  const port = await bound(a);
  const b = d.createSocket('udp4');
  b.connect(port, '127.0.0.1');
  await once(b, 'connect');
  const remote = b.remoteAddress();
  say('remote', remote.address, remote.family, remote.port === port);
  b.send('hi');
  const [message] = await once(a, 'message') as [Buffer];
  say('message', String(message));
  b.disconnect();
  try {
    b.remoteAddress();
  } catch (e) {
    say('threw', (e as NodeJS.ErrnoException).code);
  }
  a.close();
  b.close();
  await closed(a, b);
});

twoArms('a connected socket hears only its peer', async ({ dgram: d, rest }, say) => {
  const a = d.createSocket('udp4');
  const b = d.createSocket('udp4');
  const stranger = d.createSocket('udp4');
  const pa = await bound(a);
  const pb = await bound(b);
  a.connect(pb, '127.0.0.1');
  await once(a, 'connect');
  a.on('message', (m) => say('message', String(m)));
  stranger.send('no', pa, '127.0.0.1');
  await rest();
  b.send('yes', pa, '127.0.0.1');
  await once(a, 'message');
  for (const s of [a, b, stranger]) s.close();
  await closed(a, b, stranger);
});

twoArms('nobody listens: a connected socket is told ECONNREFUSED', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  const port = await bound(a);
  a.close();
  await closed(a);
  const b = d.createSocket('udp4');
  b.connect(port, '127.0.0.1');
  await once(b, 'connect');
  b.on('error', (e: NodeJS.ErrnoException) => say('error', e.code, e.errno));
  b.send('x', () => undefined);
  await once(b, 'error');
  b.close();
  await closed(b);
});

twoArms('nobody listens: an unconnected socket is told nothing', async ({ dgram: d, rest }, say) => {
  const a = d.createSocket('udp4');
  const port = await bound(a);
  a.close();
  await closed(a);
  const b = d.createSocket('udp4');
  b.on('error', (e) => say('error', e));
  b.send('x', port, '127.0.0.1', (e, n) => say('sent', e, n));
  await rest();
  b.close();
  await closed(b);
});

twoArms('a port that is taken', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  const port = await bound(a);
  const b = d.createSocket('udp4');
  b.on('error', (e) => say('error', e));
  b.bind(port, '127.0.0.1');
  await once(b, 'error');
  b.close();
  const c = d.createSocket({ type: 'udp4', reuseAddr: true });
  c.on('error', (e: NodeJS.ErrnoException) => say('error', e.code));
  c.bind(port, '127.0.0.1');
  await once(c, 'error');
  c.close();
  a.close();
  await closed(a, c);
});

twoArms('reuseAddr on both lets both bind', async ({ dgram: d }, say) => {
  const a = d.createSocket({ type: 'udp4', reuseAddr: true });
  const port = await bound(a);
  const b = d.createSocket({ type: 'udp4', reuseAddr: true });
  b.bind(port, '127.0.0.1');
  await once(b, 'listening');
  say('same', b.address().port === port);
  a.close();
  b.close();
  await closed(a, b);
});

twoArms('a name that nobody knows: the callback is told, or error', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  await new Promise<void>((resolve) => {
    a.send('x', 80, 'no-such-host.invalid', (e) => {
      say('callback', e);
      resolve();
    });
  });
  a.on('error', (e) => say('error', e));
  a.send('x', 80, 'no-such-host.invalid');
  await once(a, 'error');
  a.close();
  await closed(a);
});

twoArms('too long a message', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  await new Promise<void>((resolve) => {
    a.send(Buffer.alloc(65508), 9, '127.0.0.1', (e) => {
      say('callback', (e as NodeJS.ErrnoException).code, e?.message.replace(/\d+$/, ''));
      resolve();
    });
  });
  a.close();
  await closed(a);
});

twoArms('the longest message there is', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  const port = await bound(a);
  const b = d.createSocket('udp4');
  b.send(Buffer.alloc(65507, 'x'), port, '127.0.0.1', (e, n) => say('sent', e, n));
  const [message] = await once(a, 'message') as [Buffer];
  say('message', message.length, message.every((x) => x === 0x78));
  a.close();
  b.close();
  await closed(a, b);
});

twoArms('wrong use throws what Node throws', async ({ dgram: d }, say) => {
  const attempt = (what: string, f: () => unknown): void => {
    try {
      f();
      say(what, 'no error');
    } catch (error) {
      say(what, (error as NodeJS.ErrnoException).code, (error as Error).name);
    }
  };
  const a = d.createSocket('udp4');
  attempt('type', () => d.createSocket('udp5' as never));
  attempt('address before bind', () => a.address());
  attempt('send without port', () => a.send('x', 0, '127.0.0.1'));
  attempt('setTTL before bind', () => a.setTTL(5));
  attempt('setTTL of 0', () => a.setTTL(0));
  attempt('broadcast before bind', () => a.setBroadcast(true));
  attempt('buffer size before bind', () => a.getRecvBufferSize());
  await bound(a);
  attempt('bind twice', () => a.bind(0));
  attempt('setTTL', () => a.setTTL(5));
  attempt('broadcast', () => a.setBroadcast(true));
  attempt('disconnect', () => a.disconnect());
  attempt('remoteAddress', () => a.remoteAddress());
  a.setRecvBufferSize(10000);
  a.setSendBufferSize(12000);
  say('buffers', a.getRecvBufferSize(), a.getSendBufferSize(), a.getSendQueueSize(), a.getSendQueueCount());
  a.close();
  attempt('close twice', () => a.close());
  attempt('send after close', () => a.send('x', 9, '127.0.0.1'));
  await closed(a);
});

twoArms('close while a send is on its way, and close in a message listener', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  const port = await bound(a);
  const b = d.createSocket('udp4');
  a.on('message', (m) => {
    say('message', String(m));
    a.close(() => say('closed'));
  });
  b.send('one', port, '127.0.0.1', (e, n) => {
    say('sent', e, n);
    b.close();
  });
  await closed(a, b);
});

twoArms('an AbortSignal closes', async ({ dgram: d }, say) => {
  const controller = new AbortController();
  const a = d.createSocket({ type: 'udp4', signal: controller.signal });
  a.on('close', () => say('close'));
  await bound(a);
  controller.abort();
  await new Promise<void>((resolve) => void (a.listenerCount('close') > 0 ? a.once('close', resolve) : resolve()));
});

twoArms('an exception in a message listener: the next message comes all the same', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp4');
  const port = await bound(a);
  const b = d.createSocket('udp4');
  const others = process.rawListeners('uncaughtException');
  for (const f of others) process.off('uncaughtException', f as () => void);
  process.once('uncaughtException', (e) => say('uncaught', e.message));
  const second = new Promise<void>((resolve) => {
    a.on('message', (m) => {
      say('message', String(m));
      if (String(m) === '1') throw new Error('from a listener');
      resolve();
    });
  });
  b.send('1', port, '127.0.0.1');
  b.send('2', port, '127.0.0.1');
  await second;
  for (const f of others) process.on('uncaughtException', f as () => void);
  a.close();
  b.close();
  await closed(a, b);
});

twoArms('udp6: an IPv6 message, an IPv4 one by its mapped address, a connected socket, IPv6 only', async ({ dgram: d }, say) => {
  const a = d.createSocket('udp6');
  a.bind(0);
  await once(a, 'listening');
  const { port, address, family } = a.address();
  say('bound', address, family);
  const b = d.createSocket('udp6');
  b.connect(port, '::1');
  await once(b, 'connect');
  say('connected', b.remoteAddress().address, b.remoteAddress().family);
  b.send('six');
  const [six, from6] = await once(a, 'message') as [Buffer, dgram.RemoteInfo];
  say('message', String(six), from6.address, from6.family, from6.port === b.address().port);
  const c = d.createSocket('udp4');
  c.send('four', port, '127.0.0.1');
  const [four, from4] = await once(a, 'message') as [Buffer, dgram.RemoteInfo];
  say('message', String(four), from4.address, from4.family);
  a.send('back', from4.port, from4.address);
  say('back', String((await once(c, 'message') as [Buffer])[0]));
  const only = d.createSocket({ type: 'udp6', ipv6Only: true });
  only.bind(0, '::1');
  await once(only, 'listening');
  b.disconnect();
  b.send('again', only.address().port);
  say('again', String((await once(only, 'message') as [Buffer])[0]));
  for (const socket of [a, b, c, only]) socket.close();
  await closed(a, b, c, only);
});
