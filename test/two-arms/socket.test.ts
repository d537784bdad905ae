// A connected socket: its state, its counters, what is written and read, how it ends.
import { Readable, finished } from 'node:stream';
import { once } from 'node:events';
import type net from 'node:net';
import { ALL, attempt, closed, pair, settled, shut, twoArms, watch, type Say } from './arms.ts';

/** Both ends are closed, then the server. */
async function over(client: net.Socket, peer: net.Socket, server: net.Server): Promise<void> {
  await closed(...[client, peer].filter((s) => !s.closed));
  await shut(server);
}

function state(say: Say, what: string, s: net.Socket): void {
  say(what, s.readyState, s.pending, s.connecting, s.destroyed, s.readable, s.writable);
  say(`${what}: ended`, s.readableEnded, s.writableEnded, s.writableFinished);
}

twoArms('socket: every state on its way, at both ends', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  state(say, 'client open', client);
  state(say, 'server open', peer);
  client.end();
  state(say, 'client ending', client);
  peer.resume();
  peer.on('end', () => state(say, 'server at the end', peer));
  client.on('end', () => state(say, 'client at the end', client)).resume();
  client.on('close', () => state(say, 'client closed', client));
  peer.on('close', () => state(say, 'server closed', peer));
  await over(client, peer, server);
});

twoArms('socket: a new one, before anything', async ({ net: n }, say) => {
  const s = new n.Socket();
  state(say, 'new', s);
  say('counters', s.bytesRead, s.bytesWritten, s.bufferSize, s.timeout, JSON.stringify(s.address()), s.remoteAddress, s.localPort);
  say('flags', s.allowHalfOpen, s.readableFlowing, s.readableHighWaterMark === s.writableHighWaterMark);
  s.destroy();
  await closed(s);
  state(say, 'destroyed', s);
});

const ENCODINGS: readonly (readonly [text: string, encoding: BufferEncoding])[] = [
  ['plain', 'utf8'], ['grün €', 'utf8'], ['grün', 'latin1'], ['plain', 'ascii'], ['grün', 'utf16le'], ['grün', 'ucs2'], ['6869', 'hex'],
  ['aGk=', 'base64'], ['aGk', 'base64url'], ['bin', 'binary'], ['', 'utf8'],
];

twoArms('socket: each encoding of a string that is written', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  const chunks: Buffer[] = [];
  peer.on('data', (d) => void chunks.push(d));
  for (const [text, encoding] of ENCODINGS) {
    await new Promise<void>((resolve) => void client.write(text, encoding, () => resolve()));
    say(encoding, client.bytesWritten);
  }
  client.end();
  client.resume();
  await over(client, peer, server);
  say('bytes', Buffer.concat(chunks).toString('hex'), peer.bytesRead);
});

twoArms('socket: each encoding in one writev', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  const chunks: Buffer[] = [];
  peer.on('data', (d) => void chunks.push(d));
  client.cork();
  for (const [text, encoding] of ENCODINGS) client.write(text, encoding);
  client.write(Buffer.from([1, 2, 3]));
  client.write(new Uint8Array([4, 5, 6]));
  say('corked', client.bytesWritten, client.writableLength);
  client.end();
  client.resume();
  await over(client, peer, server);
  say('bytes', Buffer.concat(chunks).toString('hex'), client.bytesWritten, peer.bytesRead);
});

twoArms('socket: typed arrays and data views are written as bytes', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  const chunks: Buffer[] = [];
  peer.on('data', (d) => void chunks.push(d));
  client.write(new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 3));
  client.write(Buffer.from('xyz').subarray(1));
  attempt(say, 'a number', () => client.write(5 as never));
  attempt(say, 'null', () => client.write(null as never));
  attempt(say, 'an object', () => client.write({} as never));
  attempt(say, 'an encoding that is none', () => client.write('x', 'nope' as never));
  client.on('error', (e) => say('error', e));
  client.end();
  client.resume();
  await over(client, peer, server);
  say('bytes', Buffer.concat(chunks).toString('hex'));
});

twoArms('socket: end with data, an encoding and a callback', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  watch(say, 'server', peer, ['data', 'end']);
  client.resume().end('6869', 'hex', () => say('finished', client.bytesWritten));
  await over(client, peer, server);
});

twoArms('socket: end twice, write after end, end after destroy', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  peer.resume();
  client.on('error', (e) => say('error', e));
  client.end(() => say('first'));
  client.end((e?: Error) => say('second', e));
  client.write('late', (e) => say('written', e));
  await over(client, peer, server);
  client.end((e?: Error) => say('third', e));
  client.write('later', (e) => say('written later', e));
  say('destroyed', client.destroy() === client, client.destroyed);
  await new Promise((resolve) => void setImmediate(resolve));
});

twoArms('socket: destroy with an error tells it here, and the other side the end', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  watch(say, 'client', client, ALL);
  watch(say, 'server', peer, ALL);
  client.destroy(new Error('mine'));
  await over(client, peer, server);
});

twoArms('socket: destroy in a data listener', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  watch(say, 'client', client, ['end', 'error', 'close']);
  client.on('data', (d) => {
    say('client data', String(d));
    client.destroy();
  });
  peer.on('error', () => undefined);
  peer.write('x');
  await over(client, peer, server);
});

twoArms('socket: destroySoon without anything to write', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  watch(say, 'client', client, ALL);
  peer.resume();
  client.destroySoon();
  await over(client, peer, server);
});

twoArms('socket: resetAndDestroy while connecting, and of a closed one', async ({ net: n }, say) => {
  const { client, peer, server, port } = await pair(n);
  peer.on('error', () => undefined).resume();
  const c = n.connect(port, '127.0.0.1');
  watch(say, 'client', c, ALL);
  server.on('connection', (s) => void s.on('error', () => undefined).resume());
  c.resetAndDestroy();
  await closed(c);
  client.destroy();
  await once(client, 'close');
  const closedOne = client.on('error', (e) => say('error', e));
  say('again', closedOne.resetAndDestroy() === client);
  peer.destroy();
  await shut(server);
});

twoArms('socket: resetAndDestroy with bytes on their way', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  peer.on('error', (e) => say('server error', e)).on('close', (had) => say('server close', had)).resume();
  client.on('close', (had) => say('client close', had));
  client.write('x'.repeat(1000));
  client.resetAndDestroy();
  await over(client, peer, server);
});

twoArms('socket: the peer resets while a write waits', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  const codes = new Set<string>();
  client.on('error', (e: NodeJS.ErrnoException) => void codes.add(e.code!)).on('close', (had) => say('close', had));
  client.write(Buffer.alloc(16 << 20), (e) => say('written', e instanceof Error));
  peer.resetAndDestroy();
  await over(client, peer, server);
  say('told', [...codes].every((code) => code === 'ECONNRESET' || code === 'EPIPE'), codes.size);
});

twoArms('socket: paused reading, read() and readable', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  peer.end('hello world');
  const parts: string[] = [];
  client.on('readable', () => {
    for (let part = client.read(3) as Buffer | null; part !== null; part = client.read(3) as Buffer | null) parts.push(String(part));
    if (client.readableLength > 0 && client.readableLength < 3) parts.push(String(client.read()));
  });
  await once(client, 'end');
  say('parts', parts.join(''), client.bytesRead);
  await over(client, peer, server);
});

twoArms('socket: pause before anything came, and resume', async ({ net: n, rest }, say) => {
  const { client, peer, server } = await pair(n);
  client.on('data', (d) => say('client data', String(d)));
  client.pause();
  peer.end('x');
  await rest();
  say('paused', client.isPaused(), client.readableFlowing);
  client.resume();
  await over(client, peer, server);
});

twoArms('socket: unshift gives back what was read too much', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  peer.end('head\nbody');
  client.once('data', (d: Buffer) => {
    const at = d.indexOf('\n');
    say('head', String(d.subarray(0, at)));
    client.pause();
    client.unshift(d.subarray(at + 1));
    client.on('data', (more) => say('client data', String(more)));
    client.resume();
  });
  await over(client, peer, server);
});

twoArms('socket: a stream piped into it, and finished() of both', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  finished(client, (e) => say('client finished', e));
  finished(peer, (e) => say('server finished', e));
  watch(say, 'server', peer, ['data']);
  client.resume();
  Readable.from(['a', 'b', 'c']).pipe(client);
  await over(client, peer, server);
});

twoArms('socket: finished() of one that is destroyed early', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  peer.on('error', () => undefined).resume();
  finished(client, (e) => say('finished', e));
  client.destroy();
  await over(client, peer, server);
});

twoArms('socket: async iteration that is left early destroys it', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  peer.on('error', () => undefined).resume();
  peer.write('x');
  for await (const chunk of client) {
    say('chunk', String(chunk));
    break;
  }
  say('destroyed', client.destroyed);
  await over(client, peer, server);
});

twoArms('socket: Symbol.asyncDispose', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  peer.on('error', () => undefined).resume();
  client.on('error', (e) => say('error', e)).on('close', (had) => say('close', had));
  const dispose = (client as unknown as Record<symbol, (() => Promise<void>) | undefined>)[Symbol.asyncDispose];
  if (dispose === undefined) client.destroy();
  else await settled(say, 'dispose', () => dispose.call(client));
  await over(client, peer, server);
});

twoArms('socket: drain comes when the line is empty', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  say('write', client.write(Buffer.alloc(8 << 20)), client.writableNeedDrain);
  client.on('drain', () => {
    say('drain', client.writableLength, client.bytesWritten);
    client.end();
  });
  peer.resume();
  client.resume();
  await over(client, peer, server);
  say('read', peer.bytesRead);
});

twoArms('socket: bytesWritten counts what waits, in pieces of each kind', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  client.write('abc');
  client.write(Buffer.alloc(4 << 20));
  client.write('grün');
  client.write('6869', 'hex');
  say('waiting', client.bytesWritten);
  peer.resume();
  client.resume().end('e');
  await over(client, peer, server);
  say('after', client.bytesWritten, peer.bytesRead);
});

twoArms('socket: a timeout is put off by what is read and written', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  let n0 = 0;
  client.setTimeout(40, () => {
    say('timeout after', n0);
    client.end();
  });
  peer.on('data', (d) => {
    if (++n0 < 5) peer.write(d);
  });
  client.on('data', (d) => void client.write(d));
  client.write('x');
  await over(client, peer, server);
});

twoArms('socket: setNoDelay, setKeepAlive, ref and unref in each state', async ({ net: n }, say) => {
  const { client, peer, server } = await pair(n);
  const all = (s: net.Socket): boolean[] => [
    s.setNoDelay() === s, s.setNoDelay(false) === s, s.setKeepAlive() === s, s.setKeepAlive(true, 2000) === s, s.setKeepAlive(false) === s,
    s.ref() === s, s.unref() === s, s.ref() === s,
  ];
  say('open', all(client), all(peer));
  client.destroy();
  peer.destroy();
  say('destroyed', all(client));
  await over(client, peer, server);
  say('new', all(new n.Socket()));
});

twoArms('socket: type of service', async ({ net: n }, say) => {
  interface WithTos {
    setTypeOfService?(tos: number): net.Socket;
    getTypeOfService?(): number;
  }
  const { client, peer, server } = await pair(n);
  const c = client as unknown as WithTos;
  if (c.setTypeOfService !== undefined) {
    attempt(say, 'before', () => c.getTypeOfService!());
    attempt(say, 'set', () => c.setTypeOfService!(0x10) === client);
    attempt(say, 'after', () => c.getTypeOfService!());
    attempt(say, 'too large', () => c.setTypeOfService!(256));
    attempt(say, 'a word', () => c.setTypeOfService!('x' as never));
    const fresh = new n.Socket() as unknown as WithTos;
    attempt(say, 'unconnected', () => fresh.setTypeOfService!(0x10) === fresh as unknown);
    attempt(say, 'unconnected', () => fresh.getTypeOfService!());
  }
  client.destroy();
  peer.destroy();
  await over(client, peer, server);
});

twoArms('socket: onread with a function that gives buffers', async ({ net: n }, say) => {
  const buffers = [Buffer.alloc(4), Buffer.alloc(4)];
  let k = 0;
  const got: string[] = [];
  const onread = {
    buffer: () => buffers[k++ % 2]!,
    callback: (count: number, buffer: Uint8Array) => {
      got.push(Buffer.from(buffer.subarray(0, count)).toString());
      return true;
    },
  };
  const { client, peer, server } = await pair(n, { client: { onread } });
  client.on('data', () => say('no data event')).on('end', () => say('end'));
  peer.end('abcdefghij');
  await over(client, peer, server);
  say('got', got.join(), client.bytesRead);
});

twoArms('socket: Socket.prototype methods on an instance of a subclass', async ({ net: n }, say) => {
  class Counted extends n.Socket {
    count = 0;
    override write(...args: unknown[]): boolean {
      this.count++;
      return (super.write as (...rest: unknown[]) => boolean)(...args);
    }
  }
  const server = n.createServer((s) => void s.pipe(s));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const c = new Counted();
  c.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  c.write('a');
  c.once('data', (d) => void c.end(String(d)));
  c.resume();
  await closed(c);
  say('count', c.count, c.bytesWritten);
  await shut(server);
});
