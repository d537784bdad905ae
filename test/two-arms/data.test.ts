// Data: backpressure, half-open sockets, pausing, encodings, byte counters.
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { createHash } from 'node:crypto';
import { ALL, closed, listening, twoArms, watch } from './arms.ts';

twoArms('a half-open peer still reads after our end()', async ({ net }, say) => {
  const server = net.createServer({ allowHalfOpen: true }, (s) => {
    s.on('end', () => {
      say('server end');
      s.end('bye');
    }).resume();
  });
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  watch(say, 'client', c, ['data', 'end', 'close']);
  c.end('hi');
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('allowHalfOpen on the client: the server ends first', async ({ net }, say) => {
  const server = net.createServer((s) => {
    watch(say, 'server', s, ['data', 'end', 'close']);
    s.end('first');
  });
  const port = await listening(server);
  const c = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  watch(say, 'client', c, ['data', 'end', 'finish', 'close']);
  await once(c, 'end');
  say('still writable', c.writable, c.readyState);
  c.end('second');
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('without allowHalfOpen the peer\'s end ends us', async ({ net }, say) => {
  const server = net.createServer((s) => s.end('x'));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  watch(say, 'client', c, ALL);
  await closed(c);
  say('states', c.readyState, c.destroyed, c.writableEnded, c.readableEnded);
  server.close();
  await closed(server);
});

twoArms('4 MiB arrive intact, and the byte counters agree', async ({ net }, say) => {
  const size = 4 << 20;
  const hash = createHash('sha256');
  const server = net.createServer((s) => {
    s.on('data', (d) => void hash.update(d)).on('end', () => {
      say('read', s.bytesRead, hash.digest('hex'));
      s.end();
    });
  });
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  const file = Buffer.alloc(size, 'kernet and its bytes, ');
  c.end(file);
  c.resume();
  await closed(c);
  say('written', c.bytesWritten);
  server.close();
  await closed(server);
});

twoArms('a reader that pauses stops the writer; resume drains it', async ({ net, rest }, say) => {
  let peer: import('node:net').Socket | undefined;
  const server = net.createServer((s) => void (peer = s.pause()));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  await once(c, 'connect');
  const chunk = Buffer.alloc(256 * 1024, 'a');
  let accepted = 0;
  while (c.write(chunk) || accepted < 64) accepted++;
  await rest();
  say('blocked', c.writableLength > 0, c.writableNeedDrain);
  let got = 0;
  peer!.on('data', (d) => void (got += d.length));
  peer!.resume();
  await once(c, 'drain');
  say('drained', c.writableLength);
  c.end();
  await once(peer!, 'end');
  say('all', got === (accepted + 1) * chunk.length);
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('pause and resume inside data: nothing comes while paused', async ({ net, rest }, say) => {
  let end = (): void => undefined;
  const server = net.createServer((s) => {
    s.write('one');
    end = (): void => void s.end('two');
  });
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  c.once('data', (d) => {
    say('first', String(d));
    c.pause();
    end(); // only now: what it sends finds a reader that is paused
    c.on('data', (more) => {
      say('then', String(more), c.isPaused());
    });
    void rest().then(() => {
      say('paused', c.isPaused());
      c.resume();
    });
  });
  c.on('end', () => say('end'));
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('write callbacks come in order, after the bytes were handed over', async ({ net }, say) => {
  const server = net.createServer((s) => void s.resume().on('end', () => s.end()));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  c.on('connect', () => {
    for (const n of [1, 2, 3]) c.write(String(n), () => say('written', n));
    process.nextTick(() => say('tick'));
    c.end('4', () => say('finish'));
  });
  c.resume();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('cork and uncork, strings and buffers of several encodings', async ({ net }, say) => {
  const server = net.createServer((s) => void s.on('data', (d) => say('data', d.toString('hex'))).on('end', () => s.end()));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  await once(c, 'connect');
  c.cork();
  c.write('grün ✓', 'utf8');
  c.write('caf\u00e9', 'latin1');
  c.write('ab', 'utf16le');
  c.write('0aff', 'hex');
  c.write(Buffer.from([1, 2, 3]));
  c.uncork();
  c.write('plain ascii', 'ascii');
  c.write('AAEC', 'base64');
  c.end(new Uint8Array([9, 8]));
  say('written', c.bytesWritten);
  c.resume();
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('setEncoding splits no character', async ({ net }, say) => {
  const server = net.createServer((s) => {
    const bytes = Buffer.from('äöü€');
    s.write(bytes.subarray(0, 3));
    setImmediate(() => s.end(bytes.subarray(3)));
  });
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1').setEncoding('utf8');
  watch(say, 'client', c, ['data', 'end']);
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('pipe: a socket into itself is an echo', async ({ net }, say) => {
  const server = net.createServer((s) => void s.pipe(s));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  watch(say, 'client', c, ['data', 'end', 'close']);
  c.end('round and round');
  await closed(c);
  server.close();
  await closed(server);
});

twoArms('pipeline into a socket ends it', async ({ net }, say) => {
  let text = '';
  const server = net.createServer((s) => void s.setEncoding('utf8').on('data', (d) => void (text += String(d))).on('end', () => s.end()));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1');
  c.resume();
  await pipeline(Readable.from(['a', 'b', 'c']), c);
  await closed(server.close(), ...(c.closed ? [] : [c]));
  say('text', text);
});

twoArms('async iteration over a socket', async ({ net }, say) => {
  const server = net.createServer((s) => s.end('line 1\nline 2\n'));
  const port = await listening(server);
  const c = net.connect(port, '127.0.0.1').setEncoding('utf8');
  let all = '';
  for await (const chunk of c) all += String(chunk);
  say('all', all);
  server.close();
  await closed(server);
});

twoArms('onread: bytes go to a buffer of the caller', async ({ net }, say) => {
  const server = net.createServer((s) => s.end('0123456789'));
  const port = await listening(server);
  let all = '';
  const c = net.connect({
    port, host: '127.0.0.1',
    onread: {
      buffer: Buffer.alloc(4),
      callback(n, buffer) {
        all += Buffer.from(buffer.subarray(0, n)).toString();
        return true;
      },
    },
  });
  watch(say, 'client', c, ['data', 'end', 'close']);
  await closed(c);
  say('all', all, c.bytesRead);
  server.close();
  await closed(server);
});

twoArms('onread that returns false pauses', async ({ net, rest }, say) => {
  const server = net.createServer((s) => s.end('0123456789'));
  const port = await listening(server);
  let calls = 0;
  const c = net.connect({
    port, host: '127.0.0.1',
    onread: {
      buffer: Buffer.alloc(4),
      callback() {
        calls++;
        return calls !== 1;
      },
    },
  });
  await once(c, 'connect');
  await rest();
  say('calls', calls);
  c.resume();
  await closed(c);
  say('calls', calls, c.bytesRead);
  server.close();
  await closed(server);
});

twoArms('the bytes a reader gets are its own', async ({ net }, say) => {
  const server = net.createServer((s) => {
    s.on('data', (d) => {
      d.fill(0x78);
      s.end(d);
    });
  });
  const port = await listening(server);
  const sent = Buffer.from('mine');
  const c = net.connect(port, '127.0.0.1');
  watch(say, 'client', c, ['data']);
  c.write(sent);
  await closed(c);
  say('sent', String(sent));
  server.close();
  await closed(server);
});
