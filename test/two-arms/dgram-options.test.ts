// Datagram sockets: ways to call, options, groups, errors.
import type dgram from 'node:dgram';
import { once } from 'node:events';
import { attempt, closed, twoArms, type Say } from './arms.ts';

type Dgram = typeof dgram;
type Message = [Buffer, dgram.RemoteInfo];

async function bound(socket: dgram.Socket, address = '127.0.0.1'): Promise<number> {
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket.address().port;
}

async function over(...sockets: dgram.Socket[]): Promise<void> {
  for (const socket of sockets) socket.close();
  await closed(...sockets);
}

/** Ways to bind. */
const BINDS: Readonly<Record<string, (s: dgram.Socket, done: () => void) => unknown>> = {
  'bind()': (s) => s.bind(),
  'bind(callback)': (s, done) => s.bind(done),
  'bind(port)': (s) => s.bind(0),
  'bind(port, callback)': (s, done) => s.bind(0, done),
  'bind(port, address)': (s) => s.bind(0, '127.0.0.1'),
  'bind(port, address, callback)': (s, done) => s.bind(0, '127.0.0.1', done),
  'bind({})': (s) => s.bind({}),
  'bind({ port })': (s) => s.bind({ port: 0 }),
  'bind({ port, address }, callback)': (s, done) => s.bind({ port: 0, address: '127.0.0.1' }, done),
  'bind({ port, address, exclusive })': (s) => s.bind({ port: 0, address: '127.0.0.1', exclusive: true }),
  'bind({ address: localhost })': (s) => s.bind({ address: 'localhost' }),
  'bind(undefined, undefined, callback)': (s, done) => s.bind(undefined, undefined, done),
};

for (const [how, bind] of Object.entries(BINDS)) {
  twoArms(`dgram: ${how}`, async ({ dgram: d }, say) => {
    const s = d.createSocket('udp4');
    s.on('listening', () => say('listening'));
    say('returns itself', bind(s, () => say('callback')) === s);
    await once(s, 'listening');
    const { address, family, port } = s.address();
    say('address', address, family, port > 0);
    await over(s);
  });
}

/** Ways to send to a port; connected when the way begins so. */
const SENDS: Readonly<Record<string, (s: dgram.Socket, port: number, done: (e: Error | null, n: number) => void) => unknown>> = {
  'send(text, port)': (s, port) => s.send('hello', port),
  'send(text, port, callback)': (s, port, done) => s.send('hello', port, done),
  'send(text, port, address)': (s, port) => s.send('hello', port, '127.0.0.1'),
  'send(text, port, address, callback)': (s, port, done) => s.send('hello', port, '127.0.0.1', done),
  'send(buffer, offset, length, port)': (s, port) => s.send(Buffer.from('hello'), 1, 3, port),
  'send(buffer, offset, length, port, address)': (s, port) => s.send(Buffer.from('hello'), 1, 3, port, '127.0.0.1'),
  'send(buffer, offset, length, port, address, callback)': (s, port, done) => s.send(Buffer.from('hello'), 1, 3, port, '127.0.0.1', done),
  'send(list, port, address, callback)': (s, port, done) =>
    s.send([Buffer.from('he'), 'll', new Uint8Array([111])], port, '127.0.0.1', done),
  'send(list of one)': (s, port, done) => s.send([Buffer.from('one')], port, '127.0.0.1', done),
  'send(empty list)': (s, port, done) => s.send([], port, '127.0.0.1', done),
  'send(view of an array)': (s, port, done) => s.send(new DataView(Uint8Array.from([120, 121, 122]).buffer, 1, 2), port, '127.0.0.1', done),
  'send(larger elements)': (s, port, done) => s.send(Uint16Array.from([0x6968, 0x2121]), port, '127.0.0.1', done),
  'send(text in UTF-8)': (s, port, done) => s.send('grün €', port, '127.0.0.1', done),
  'send(text, port, localhost, callback)': (s, port, done) => s.send('hello', port, 'localhost', done),
  'send(text, port, empty address, callback)': (s, port, done) => s.send('hello', port, '', done),
  'send(text, port, null, callback)': (s, port, done) => s.send('hello', port, null as never, done),
};

for (const [how, send] of Object.entries(SENDS)) {
  twoArms(`dgram: ${how}`, async ({ dgram: d }, say) => {
    const [a, b] = [d.createSocket('udp4'), d.createSocket('udp4')];
    const port = await bound(a);
    const message = once(a, 'message') as Promise<Message>;
    const sent = ['callback', 'list', 'elements', 'view', 'UTF'].some((word) => how.includes(word));
    await new Promise<void>((resolve) => {
      say('returns', send(b, port, (e, n) => {
        say('sent', e, n);
        resolve();
      }));
      if (!sent) resolve();
    });
    const [bytes, from] = await message;
    say('message', bytes.toString('hex'), from.size, from.address, from.family);
    await over(a, b);
  });
}

/** Ways to send on a connected socket. */
const CONNECTED: Readonly<Record<string, (s: dgram.Socket, done: (e: Error | null, n: number) => void) => unknown>> = {
  'send(text)': (s) => s.send('hello'),
  'send(text, callback)': (s, done) => s.send('hello', done),
  'send(buffer, offset, length)': (s) => s.send(Buffer.from('hello'), 2, 2),
  'send(buffer, offset, length, callback)': (s, done) => s.send(Buffer.from('hello'), 2, 2, done),
  'send(list, callback)': (s, done) => s.send([Buffer.from('a'), Buffer.from('b')], done),
};

for (const [how, send] of Object.entries(CONNECTED)) {
  twoArms(`dgram: connected: ${how}`, async ({ dgram: d }, say) => {
    const [a, b] = [d.createSocket('udp4'), d.createSocket('udp4')];
    const port = await bound(a);
    b.connect(port, '127.0.0.1');
    await once(b, 'connect');
    const message = once(a, 'message') as Promise<Message>;
    await new Promise<void>((resolve) => {
      send(b, (e, n) => {
        say('sent', e, n);
        resolve();
      });
      if (!how.includes('callback')) resolve();
    });
    const [bytes, from] = await message;
    say('message', String(bytes), from.port === b.address().port);
    await over(a, b);
  });
}

twoArms('dgram: wrong arguments: code, name and message', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  await bound(s);
  const other = d.createSocket('udp4');
  const calls: Readonly<Record<string, () => unknown>> = {
    'type': () => d.createSocket('udp5' as never), 'no type': () => d.createSocket(undefined as never),
    'an empty object': () => d.createSocket({} as never), 'lookup': () => d.createSocket({ type: 'udp4', lookup: 5 as never }),
    'signal': () => d.createSocket({ type: 'udp4', signal: {} as never }),
    'message of a number': () => s.send(5 as never, 1, '127.0.0.1'), 'message of null': () => s.send(null as never, 1, '127.0.0.1'),
    'a list with a number': () => s.send(['x', 5] as never, 1, '127.0.0.1'),
    'no port': () => s.send('x', undefined as never, '127.0.0.1'), 'port 0': () => s.send('x', 0, '127.0.0.1'),
    'port too large': () => s.send('x', 65536, '127.0.0.1'), 'port as a word': () => s.send('x', 'y' as never, '127.0.0.1'),
    'address of a number': () => s.send('x', 9, 5 as never), 'address of true': () => s.send('x', 9, true as never),
    'offset too large': () => s.send(Buffer.from('abc'), 4, 1, 9, '127.0.0.1'),
    'length too large': () => s.send(Buffer.from('abc'), 1, 3, 9, '127.0.0.1'),
    'offset below 0': () => s.send(Buffer.from('abc'), -1, 1, 9),
    'connect to port 0': () => other.connect(0, '127.0.0.1'), 'connect to no port': () => other.connect(undefined as never),
    'connect with a number': () => other.connect(9, 5 as never), 'connect too large a port': () => other.connect(65536),
    'disconnect': () => s.disconnect(), 'remoteAddress': () => s.remoteAddress(), 'bind again': () => s.bind(0),
    'TTL of 0': () => s.setTTL(0), 'TTL of 256': () => s.setTTL(256), 'TTL as text': () => s.setTTL('x' as never),
    'multicast TTL of -1': () => s.setMulticastTTL(-1), 'multicast TTL of 256': () => s.setMulticastTTL(256),
    'multicast TTL as text': () => s.setMulticastTTL('x' as never),
    'interface of a number': () => s.setMulticastInterface(5 as never), 'interface that is no address': () => s.setMulticastInterface('x'),
    'interface of nobody': () => s.setMulticastInterface('192.0.2.77'), 'interface of IPv6': () => s.setMulticastInterface('::1'),
    'no group': () => s.addMembership(undefined as never), 'group that is no address': () => s.addMembership('x'),
    'group that is none': () => s.addMembership('127.0.0.1'), 'group of IPv6': () => s.addMembership('ff02::1'),
    'group on an interface of nobody': () => s.addMembership('224.0.0.99', '192.0.2.77'),
    'leave what was not joined': () => s.dropMembership('224.0.0.98', '127.0.0.1'),
    'leave nothing': () => s.dropMembership(undefined as never),
    'source of a number': () => s.addSourceSpecificMembership(5 as never, '232.1.1.1'),
    'source group of a number': () => s.addSourceSpecificMembership('127.0.0.1', 5 as never),
    'source of a group that is none': () => s.addSourceSpecificMembership('127.0.0.1', '10.1.1.1', '127.0.0.1'),
    'leave a source that was not joined': () => s.dropSourceSpecificMembership('127.0.0.1', '232.9.9.9', '127.0.0.1'),
    'buffer of 0': () => s.setRecvBufferSize(0), 'buffer of -1': () => s.setSendBufferSize(-1),
    'buffer as text': () => s.setRecvBufferSize('x' as never),
    'broadcast as text': () => s.setBroadcast('x' as never), 'bind to a word': () => other.bind('x' as never),
  };
  for (const [what, call] of Object.entries(calls)) attempt(say, what, call);
  await over(s, other);
});

twoArms('dgram: everything on a socket that is closed', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  await bound(s);
  await over(s);
  const calls: Readonly<Record<string, () => unknown>> = {
    'address': () => s.address(), 'remoteAddress': () => s.remoteAddress(), 'bind': () => s.bind(), 'connect': () => s.connect(9),
    'send': () => s.send('x', 9), 'close': () => s.close(), 'setTTL': () => s.setTTL(1), 'setBroadcast': () => s.setBroadcast(true),
    'addMembership': () => s.addMembership('224.0.0.1'), 'setMulticastTTL': () => s.setMulticastTTL(1), 'ref': () => s.ref() === s,
    'unref': () => s.unref() === s, 'getRecvBufferSize': () => s.getRecvBufferSize(), 'getSendQueueSize': () => s.getSendQueueSize(),
    'disconnect': () => s.disconnect(), 'setMulticastInterface': () => s.setMulticastInterface('127.0.0.1'),
  };
  for (const [what, call] of Object.entries(calls)) attempt(say, what, call);
});

twoArms('dgram: everything on a socket that is not bound', async ({ dgram: d }, say) => {
  for (const type of ['udp4', 'udp6'] as const) {
    const s = d.createSocket(type);
    const calls: Readonly<Record<string, () => unknown>> = {
      'address': () => s.address(), 'remoteAddress': () => s.remoteAddress(), 'disconnect': () => s.disconnect(),
      'setTTL': () => s.setTTL(1), 'setBroadcast': () => s.setBroadcast(true), 'setMulticastTTL': () => s.setMulticastTTL(1),
      'setMulticastLoopback': () => s.setMulticastLoopback(true),
      'setMulticastInterface': () => s.setMulticastInterface(type === 'udp4' ? '127.0.0.1' : '::1'),
      'getRecvBufferSize': () => s.getRecvBufferSize(), 'setSendBufferSize': () => s.setSendBufferSize(9999),
      'getSendQueueSize': () => s.getSendQueueSize(), 'getSendQueueCount': () => s.getSendQueueCount(), 'ref': () => s.ref() === s,
      'unref': () => s.unref() === s,
    };
    for (const [what, call] of Object.entries(calls)) attempt(say, `${type} ${what}`, call);
    await over(s);
  }
});

twoArms('dgram: setters return what Node\'s return, on a bound socket', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  await bound(s);
  attempt(say, 'ttl', () => s.setTTL(64));
  attempt(say, 'multicast ttl', () => s.setMulticastTTL(0));
  attempt(say, 'loopback', () => s.setMulticastLoopback(false));
  attempt(say, 'broadcast', () => s.setBroadcast(true));
  attempt(say, 'interface', () => s.setMulticastInterface('127.0.0.1'));
  attempt(say, 'any interface', () => s.setMulticastInterface('0.0.0.0'));
  s.setRecvBufferSize(20000);
  s.setSendBufferSize(30000);
  say('sizes', s.getRecvBufferSize(), s.getSendBufferSize());
  await over(s);
});

twoArms('dgram: buffer sizes as options', async ({ dgram: d }, say) => {
  const s = d.createSocket({ type: 'udp4', recvBufferSize: 30000, sendBufferSize: 40000 });
  await bound(s);
  say('sizes', s.getRecvBufferSize(), s.getSendBufferSize());
  await over(s);
});

/** Two sockets on one port. */
const TWICE: Readonly<Record<string, readonly [dgram.SocketOptions, dgram.SocketOptions]>> = {
  'plain': [{ type: 'udp4' }, { type: 'udp4' }],
  'reuseAddr at both': [{ type: 'udp4', reuseAddr: true }, { type: 'udp4', reuseAddr: true }],
  'reuseAddr at one': [{ type: 'udp4', reuseAddr: true }, { type: 'udp4' }],
  'reusePort at both': [{ type: 'udp4', reusePort: true } as never, { type: 'udp4', reusePort: true } as never],
  'reusePort at one': [{ type: 'udp4', reusePort: true } as never, { type: 'udp4' }],
  'IPv6 only, and IPv4': [{ type: 'udp6', ipv6Only: true }, { type: 'udp4' }],
  'IPv6, and IPv4': [{ type: 'udp6' }, { type: 'udp4' }],
};

for (const [what, [first, second]] of Object.entries(TWICE)) {
  twoArms(`dgram: one port twice: ${what}`, async ({ dgram: d }, say) => {
    const [a, b] = [d.createSocket(first), d.createSocket(second)];
    a.bind(0);
    await once(a, 'listening');
    await new Promise<void>((resolve) => {
      b.on('error', (e) => {
        say('error', e);
        resolve();
      });
      b.bind(a.address().port, () => {
        say('listening', b.address().address);
        resolve();
      });
    });
    await over(a, b);
  });
}

twoArms('dgram: bind to an address of nobody, and to a name that nobody knows', async ({ dgram: d }, say) => {
  for (const address of ['192.0.2.77', 'no-such-host.invalid', '::1']) {
    const s = d.createSocket('udp4');
    s.on('error', (e) => say('error', e));
    s.bind(0, address);
    await once(s, 'error').catch(() => undefined);
    await over(s);
  }
});

twoArms('dgram: a lookup function of the caller: bind, send and connect ask it', async ({ dgram: d }, say) => {
  const lookup: dgram.SocketOptions['lookup'] = (name, options, callback) => {
    say('asked', name, typeof options === 'object' ? options.family : options);
    process.nextTick(callback, null, '127.0.0.1', 4);
  };
  const s = d.createSocket({ type: 'udp4', lookup });
  s.bind(0, 'here.test');
  await once(s, 'listening');
  say('address', s.address().address);
  const message = once(s, 'message') as Promise<Message>;
  s.send('x', s.address().port, 'there.test');
  say('message', String((await message)[0]));
  const c = d.createSocket({ type: 'udp4', lookup });
  c.connect(s.address().port, 'peer.test');
  await once(c, 'connect');
  say('remote', c.remoteAddress().address);
  await over(s, c);
});

twoArms('dgram: connect: callback, twice, to a name that nobody knows', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  await new Promise<void>((resolve) => s.connect(9, '127.0.0.1', () => {
    say('callback', s.remoteAddress().address, s.remoteAddress().family);
    resolve();
  }));
  attempt(say, 'twice', () => s.connect(10));
  s.disconnect();
  attempt(say, 'disconnected', () => s.remoteAddress());
  await new Promise<void>((resolve) => s.connect(9, () => {
    say('default', s.remoteAddress().address);
    resolve();
  }));
  const t = d.createSocket('udp4');
  await new Promise<void>((resolve) => t.connect(9, 'no-such-host.invalid', ((e?: Error) => {
    say('failed', e);
    resolve();
  })));
  attempt(say, 'sending with an address', () => s.send('x', 9, '127.0.0.1'));
  await over(s, t);
});

twoArms('dgram: connect events without a callback: an error', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  s.on('error', (e) => say('error', e)).on('connect', () => say('connect'));
  s.connect(9, 'no-such-host.invalid');
  await once(s, 'error').catch(() => undefined);
  await over(s);
});

twoArms('dgram: a signal that was given before, and one that comes later', async ({ dgram: d }, say) => {
  const gone = d.createSocket({ type: 'udp4', signal: AbortSignal.abort() });
  await closed(gone);
  attempt(say, 'gone', () => gone.address());
  const controller = new AbortController();
  const s = d.createSocket({ type: 'udp4', signal: controller.signal });
  await bound(s);
  s.on('close', () => say('close'));
  controller.abort();
  await closed(s);
});

twoArms('dgram: Symbol.asyncDispose', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  await bound(s);
  s.on('close', () => say('close'));
  const dispose = (s as unknown as Record<symbol, () => Promise<void>>)[Symbol.asyncDispose]!;
  await dispose.call(s);
  await dispose.call(s);
  say('disposed');
});

twoArms('dgram: close with a callback, before and after bind', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  s.on('close', () => say('event'));
  await new Promise<void>((resolve) => s.close(() => {
    say('callback');
    resolve();
  }));
  const t = d.createSocket('udp4');
  t.bind(0, '127.0.0.1');
  t.on('listening', () => say('listening')).on('close', () => say('second'));
  t.close();
  await closed(t);
});

twoArms('dgram: a listener given to createSocket', async ({ dgram: d }, say) => {
  const got = new Promise<void>((resolve) => {
    const a = d.createSocket('udp4', (m, from) => {
      say('message', String(m), from.family, from.size);
      a.close();
      resolve();
    });
    a.bind(0, '127.0.0.1', () => {
      const b = d.createSocket({ type: 'udp4' });
      b.send('x', a.address().port, () => b.close());
    });
  });
  await got;
});

twoArms('dgram: messages wait while nobody reads, in their order', async ({ dgram: d }, say) => {
  const [a, b] = [d.createSocket('udp4'), d.createSocket('udp4')];
  const port = await bound(a);
  const send = (i: number): Promise<void> => new Promise((resolve) => void b.send(String(i), port, '127.0.0.1', () => resolve()));
  await Promise.all(Array.from({ length: 20 }, (_, i) => send(i)));
  const got: string[] = [];
  await new Promise<void>((resolve) => {
    a.on('message', (m) => {
      if (got.push(String(m)) === 20) resolve();
    });
    b.send('late', port, '127.0.0.1');
    b.send('later', port, '127.0.0.1');
  }).catch(() => undefined);
  say('got', got.slice(0, 20).join());
  await over(a, b);
});

twoArms('dgram: broadcast needs leave', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  const port = await bound(s, '0.0.0.0');
  await new Promise<void>((resolve) => s.send('x', port, '127.255.255.255', (e) => {
    say('without', e);
    resolve();
  }));
  s.setBroadcast(true);
  const message = once(s, 'message') as Promise<Message>;
  await new Promise<void>((resolve) => s.send('to all', port, '127.255.255.255', (e) => {
    say('with', e);
    resolve();
  }));
  say('message', String((await message)[0]));
  s.setBroadcast(false);
  await new Promise<void>((resolve) => s.send('x', port, '127.255.255.255', (e) => {
    say('without again', e);
    resolve();
  }));
  await over(s);
});

twoArms('dgram: the queue of what is sent', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  const port = await bound(s);
  say('before', s.getSendQueueSize(), s.getSendQueueCount());
  const done = new Promise<void>((resolve) => void s.send('abc', port, '127.0.0.1', () => resolve()));
  await done;
  say('after', s.getSendQueueSize(), s.getSendQueueCount());
  await over(s);
});

/** Joins, sends to the group by the loopback, and says who hears it. */
async function group(d: Dgram, say: Say, join: (s: dgram.Socket) => void, to: string): Promise<void> {
  const [a, b] = [d.createSocket({ type: 'udp4', reuseAddr: true }), d.createSocket('udp4')];
  const port = await bound(a, '0.0.0.0');
  await bound(b, '127.0.0.1');
  b.setMulticastInterface('127.0.0.1');
  attempt(say, 'join', () => join(a));
  a.on('message', (m, from) => say('message', String(m), from.address));
  const heard = once(a, 'message');
  b.send('to the group', port, to);
  b.send('to the end', port, '127.0.0.1');
  await heard;
  await over(a, b);
}

twoArms('dgram: a group that was joined', ({ dgram: d }, say) =>
  group(d, say, (s) => s.addMembership('224.0.0.114', '127.0.0.1'), '224.0.0.114'));

twoArms('dgram: a group that was joined and left', ({ dgram: d }, say) => group(d, say, (s) => {
  s.addMembership('224.0.0.115', '127.0.0.1');
  s.dropMembership('224.0.0.115', '127.0.0.1');
}, '224.0.0.115'));

twoArms('dgram: a group of one source', ({ dgram: d }, say) =>
  group(d, say, (s) => s.addSourceSpecificMembership('127.0.0.1', '232.1.1.1', '127.0.0.1'), '232.1.1.1'));

twoArms('dgram: a group of another source', ({ dgram: d }, say) =>
  group(d, say, (s) => s.addSourceSpecificMembership('127.0.0.9', '232.1.1.2', '127.0.0.1'), '232.1.1.2'));

twoArms('dgram: joined twice, left twice', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  await bound(s, '0.0.0.0');
  attempt(say, 'join', () => s.addMembership('224.0.0.116', '127.0.0.1'));
  attempt(say, 'again', () => s.addMembership('224.0.0.116', '127.0.0.1'));
  attempt(say, 'leave', () => s.dropMembership('224.0.0.116', '127.0.0.1'));
  attempt(say, 'again', () => s.dropMembership('224.0.0.116', '127.0.0.1'));
  attempt(say, 'source', () => s.addSourceSpecificMembership('127.0.0.1', '232.1.1.3', '127.0.0.1'));
  attempt(say, 'again', () => s.addSourceSpecificMembership('127.0.0.1', '232.1.1.3', '127.0.0.1'));
  attempt(say, 'leave', () => s.dropSourceSpecificMembership('127.0.0.1', '232.1.1.3', '127.0.0.1'));
  attempt(say, 'again', () => s.dropSourceSpecificMembership('127.0.0.1', '232.1.1.3', '127.0.0.1'));
  await over(s);
});

twoArms('dgram: joining binds a socket that is not bound, without a word', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  s.on('listening', () => say('listening'));
  attempt(say, 'join', () => s.addMembership('224.0.0.117', '127.0.0.1'));
  say('bound', s.address().address, s.address().port > 0);
  await over(s);
});

twoArms('dgram: own messages to a group, without loopback', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp4');
  const port = await bound(s, '0.0.0.0');
  s.addMembership('224.0.0.118', '127.0.0.1');
  s.setMulticastInterface('127.0.0.1');
  s.on('message', (m) => say('message', String(m)));
  s.setMulticastLoopback(true);
  const first = once(s, 'message');
  s.send('heard', port, '224.0.0.118');
  await first;
  await over(s);
});

twoArms('dgram: IPv6: names, errors, groups', async ({ dgram: d }, say) => {
  const s = d.createSocket('udp6');
  s.bind(0, '::1');
  await once(s, 'listening');
  say('address', s.address().address, s.address().family);
  const calls: Readonly<Record<string, () => unknown>> = {
    'ttl': () => s.setTTL(5), 'multicast ttl': () => s.setMulticastTTL(5), 'loopback': () => s.setMulticastLoopback(true),
    'interface': () => s.setMulticastInterface('::%lo'), 'no interface': () => s.setMulticastInterface('x'),
    'any interface': () => s.setMulticastInterface('::'),
    'group': () => s.addMembership('ff02::1:99', '::%lo'), 'again': () => s.addMembership('ff02::1:99', '::%lo'),
    'leave': () => s.dropMembership('ff02::1:99', '::%lo'), 'leave again': () => s.dropMembership('ff02::1:99', '::%lo'),
    'group of IPv4': () => s.addMembership('224.0.0.120', '127.0.0.1'), 'no group': () => s.addMembership('x'),
    'not a group': () => s.addMembership('::1'),
    'source': () => s.addSourceSpecificMembership('::1', 'ff3e::1:99', '::%lo'),
    'source again': () => s.addSourceSpecificMembership('::1', 'ff3e::1:99', '::%lo'),
    'leave source': () => s.dropSourceSpecificMembership('::1', 'ff3e::1:99', '::%lo'),
    'leave source again': () => s.dropSourceSpecificMembership('::1', 'ff3e::1:99', '::%lo'),
    'source of IPv4': () => s.addSourceSpecificMembership('127.0.0.1', '232.1.1.1', '127.0.0.1'),
    'broadcast': () => s.setBroadcast(true),
  };
  for (const [what, call] of Object.entries(calls)) attempt(say, what, call);
  await over(s);
});
