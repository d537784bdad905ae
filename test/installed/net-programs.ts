/** Programs with `net`: each is the body of an ordinary CommonJS module, and ends by itself. */
export const NET: Readonly<Record<string, string>> = {
  'echo on port 0 of 127.0.0.1': `
    const net = require('net');
    const server = net.createServer((c) => { c.on('end', () => console.log('server end')); c.write('hello\\r\\n'); c.pipe(c); });
    server.on('close', () => console.log('server closed'));
    server.listen(0, '127.0.0.1', () => {
      const { address, family, port } = server.address();
      console.log(address, family, port > 0);
      const client = net.createConnection({ port, host: '127.0.0.1' }, () => {
        console.log('connected', client.remoteAddress, client.remotePort === port, client.remoteFamily, client.localAddress);
        client.write('world!\\r\\n');
      });
      let all = '';
      client.setEncoding('utf8');
      client.on('data', (d) => { all += d; if (all.includes('world')) client.end(); });
      client.on('end', () => console.log(JSON.stringify(all)));
      client.on('close', (had) => { console.log('close', had, client.bytesRead, client.bytesWritten); server.close(); });
    });`,
  'order of events of one connection': `
    const net = require('net');
    const log = (...a) => console.log(...a);
    const server = net.createServer((s) => {
      log('connection');
      for (const e of ['end', 'finish', 'close']) s.on(e, (x) => log('server', e, x));
      s.resume();
      s.on('end', () => s.end('bye'));
    }).listen(0, () => {
      const c = net.connect(server.address().port);
      log('connecting', c.connecting, c.pending, c.readyState);
      for (const e of ['lookup', 'connect', 'ready', 'end', 'finish', 'close']) {
        c.on(e, () => log('client', e, c.connecting, c.readyState));
      }
      c.on('data', (d) => log('data', String(d)));
      c.on('connect', () => c.end('x'));
      c.on('close', () => server.close(() => log('server close')));
    });
    server.on('listening', () => log('listening', server.listening));
    log('listen called', server.listening);`,
  'refused, by name and by address': `
    const net = require('net');
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => {
        net.connect(port, '127.0.0.1').on('error', (e) => {
          console.log(e.code, e.syscall, e.address, e.port === port, e.message.replace(String(port), 'PORT'), e.errno);
        }).on('close', (had) => {
          console.log('close', had);
          net.connect({ port, host: 'localhost', family: 4 }).on('error', (e) => console.log(e.code, e.address));
        });
      });
    });`,
  'address in use': `
    const net = require('net');
    const a = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = a.address();
      const b = net.createServer();
      b.on('error', (e) => {
        console.log(e.code, e.syscall, e.address, e.port === port, b.listening);
        a.close(() => b.listen(port, '127.0.0.1', () => { console.log('now it listens'); b.close(); }));
      });
      b.listen(port, '127.0.0.1');
    });`,
  'listening twice, and without': `
    const net = require('net');
    const s = net.createServer();
    console.log(s.address());
    s.close((e) => console.log(e.code, e.message));
    s.listen(0, () => {
      try { s.listen(0); } catch (e) { console.log(e.code); }
      s.close();
    });`,
  'an unref\'d server and an idle, unref\'d socket let the process end': `
    const net = require('net');
    const server = net.createServer((c) => c.unref()).listen(0, () => {
      const c = net.connect(server.address().port, () => { console.log('connected'); c.unref(); server.unref(); });
    });`,
  'half open: the server answers after the end': `
    const net = require('net');
    const server = net.createServer({ allowHalfOpen: true }, (s) => {
      let got = '';
      s.on('data', (d) => got += d).on('end', () => setTimeout(() => s.end('late ' + got), 20));
    }).listen(0, () => {
      const c = net.connect({ port: server.address().port, allowHalfOpen: true });
      c.end('question');
      c.on('data', (d) => console.log(String(d))).on('end', () => console.log('end')).on('close', () => server.close());
    });`,
  'a reset, seen by both': `
    const net = require('net');
    const server = net.createServer((s) => {
      s.on('error', (e) => console.log('server', e.code, e.syscall)).on('close', (had) => { console.log('server close', had);
        server.close(); });
      s.resume();
    }).listen(0, '127.0.0.1', () => {
      const c = net.connect(server.address().port, '127.0.0.1', () => c.resetAndDestroy());
      c.on('error', (e) => console.log('client', e.code)).on('close', (had) => console.log('client close', had));
    });`,
  'one megabyte, back-pressure, drain': `
    const net = require('net');
    const server = net.createServer((s) => {
      let n = 0;
      s.pause();
      setTimeout(() => s.resume(), 20);
      s.on('data', (d) => n += d.length).on('end', () => { console.log('received', n); server.close(); });
    }).listen(0, () => {
      const c = net.connect(server.address().port);
      let left = 64, drains = 0;
      const chunk = Buffer.alloc(65536, 'x');
      const go = () => { while (left-- > 0) if (!c.write(chunk)) { drains++; c.once('drain', go); return; } c.end(); };
      c.on('connect', go).on('close', () => console.log('drained', drains > 0, c.bytesWritten));
    });`,
  'the idle timeout of a socket': `
    const net = require('net');
    const server = net.createServer((s) => s.on('error', () => {})).listen(0, () => {
      const c = net.connect(server.address().port);
      c.setTimeout(30, () => { console.log('timeout', c.timeout); c.destroy(); });
      c.on('close', () => server.close());
    });`,
  'a destroyed socket, and one destroyed with an error': `
    const net = require('net');
    const server = net.createServer((s) => s.resume()).listen(0, () => {
      const { port } = server.address();
      const a = net.connect(port);
      a.destroy();
      a.on('close', () => {
        console.log('a closed', a.destroyed);
        const b = net.connect(port, () => b.destroy(new Error('mine')));
        b.on('error', (e) => console.log(e.message)).on('close', (had) => { console.log(had); server.close(); });
      });
    });`,
  'writing after the end': `
    const net = require('net');
    const server = net.createServer((s) => s.resume()).listen(0, () => {
      const c = net.connect(server.address().port, () => {
        c.end();
        c.write('x', (e) => console.log('callback', e.code));
      });
      c.on('error', (e) => console.log('error', e.code)).on('close', () => server.close());
    });`,
  'names that do not exist': `
    const net = require('net');
    net.connect(80, 'no-such-host.invalid').on('error', (e) => console.log(e.code, e.syscall, e.hostname, e.message))
      .on('lookup', (e, address, family, host) => console.log('lookup', e && e.code, address, host));`,
  'bad arguments': `
    const net = require('net');
    for (const f of [() => net.connect(), () => net.connect({}), () => net.connect(70000), () => net.connect({ port: -1 }),
      () => net.connect({ port: 80, host: 5 }), () => net.connect({ port: 80, lookup: 1 }), () => net.createServer().listen(70000),
      () => net.createServer().listen({ port: 'x' }), () => net.createServer().listen({}), () => net.createServer(1),
      () => new net.Socket({ fd: -1 }), () => net.connect({ port: 80, localAddress: 'x' }),
        () => net.connect({ port: 1, localPort: 'a' })]) {
      try { const x = f(); x.on && x.on('error', (e) => console.log('event', e.code)); console.log('no error'); }
      catch (e) { console.log(e.name, e.code, e.message); }
    }`,
  '::1, and a server of both families': `
    const net = require('net');
    const server = net.createServer((s) => { console.log('from', s.remoteAddress, s.remoteFamily); s.end(); }).listen(0, () => {
      const { port, address, family } = server.address();
      console.log(address, family);
      net.connect(port, '::1').on('close', () => {
        net.connect(port, '127.0.0.1').on('close', () => server.close()).resume();
      }).resume();
    });`,
  'happy eyeballs: the second address works': `
    const net = require('net');
    const server = net.createServer((s) => s.end('hi')).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      const lookup = (host, options, callback) => callback(null, [{ address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 }]);
      const c = net.connect({ port, host: 'example.test', lookup, autoSelectFamily: true });
      c.on('connect', () => console.log(c.remoteAddress, c.autoSelectFamilyAttemptedAddresses.map((a) => a.replace(/:\\d+$/, ''))));
      c.on('data', (d) => console.log(String(d))).on('close', () => server.close());
    });`,
  'happy eyeballs: none works': `
    const net = require('net');
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close();
      const lookup = (host, options, callback) => callback(null, [{ address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 }]);
      net.connect({ port, host: 'example.test', lookup, autoSelectFamily: true }).on('error', (e) => {
        console.log(e.constructor.name, e.code, e.errors.map((x) => x.code + x.address));
      });
    });`,
  'maxConnections and drop': `
    const net = require('net');
    const server = net.createServer((s) => s.on('error', () => {})).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.maxConnections = 1;
      server.on('drop', (d) => { console.log('drop', d.localAddress, d.remoteFamily); a.destroy(); server.close(); });
      const a = net.connect(port, '127.0.0.1', () => { net.connect(port, '127.0.0.1').on('error', () => {}); });
    });
    server.on('close', () => console.log('closed'));`,
  'getConnections, and close waits for the last': `
    const net = require('net');
    const server = net.createServer((s) => s.resume()).listen(0, () => {
      const c = net.connect(server.address().port);
      server.on('connection', () => server.getConnections((e, n) => {
        console.log(e, n);
        server.close(() => console.log('closed'));
        setTimeout(() => { console.log('ending'); c.end(); }, 10);
      }));
    });`,
  'a file through a socket': `
    const net = require('net'), fs = require('fs'), { pipeline } = require('stream');
    const size = fs.statSync(__filename).size;
    let n = 0, left = 2;
    const done = () => { if (--left === 0) { console.log(n === size); server.close(); } };
    const server = net.createServer((s) => pipeline(fs.createReadStream(__filename), s, done)).listen(0, () => {
      net.connect(server.address().port).on('data', (d) => n += d.length).on('close', done);
    });`,
  'AbortSignal for a server and for a connection': `
    const net = require('net');
    const control = new AbortController();
    const server = net.createServer();
    server.on('close', () => console.log('closed'));
    server.listen({ port: 0, signal: control.signal }, () => {
      const other = new AbortController();
      const c = net.connect({ port: server.address().port, signal: other.signal });
      c.on('error', (e) => { console.log(e.name, e.code); control.abort(); });
      other.abort();
    });`,
  'onread': `
    const net = require('net');
    const server = net.createServer((s) => s.end('0123456789')).listen(0, () => {
      net.connect({ port: server.address().port, onread: { buffer: Buffer.alloc(4), callback: (n, buf) => {
        console.log(n, buf.toString('latin1', 0, n)); return true; } } }).on('close', () => server.close());
    });`,
  'pauseOnConnect, and a socket that is read late': `
    const net = require('net');
    const server = net.createServer({ pauseOnConnect: true }, (s) => {
      let early = true;
      s.on('data', (d) => { console.log(early, String(d)); });
      setTimeout(() => { early = false; s.resume(); }, 20);
      s.on('end', () => server.close());
    }).listen(0, () => net.connect(server.address().port).end('x'));`,
  'async iteration, promises and events.once': `
    const net = require('net'), { once } = require('events');
    (async () => {
      const server = net.createServer(async (s) => { for await (const d of s) s.write(String(d).toUpperCase()); s.end(); });
      server.listen(0);
      await once(server, 'listening');
      const c = net.connect(server.address().port);
      await once(c, 'connect');
      c.end('shout');
      let all = '';
      for await (const d of c) all += d;
      console.log(all);
      server.close();
      await once(server, 'close');
      console.log('done');
    })();`,
  'a socket is used again': `
    const net = require('net');
    let n = 0;
    const server = net.createServer((s) => s.end(String(++n))).listen(0, () => {
      const { port } = server.address();
      const c = new net.Socket();
      c.on('data', (d) => console.log('data', String(d)));
      c.on('close', () => { if (n < 3) c.connect(port); else server.close(); });
      c.connect(port);
    });`,
  'cork, writev, and encodings': `
    const net = require('net');
    const server = net.createServer((s) => { const all = []; s.on('data', (d) => all.push(d)).on('end', () => {
      console.log(Buffer.concat(all).toString('hex')); server.close(); }); }).listen(0, () => {
      const c = net.connect(server.address().port);
      c.cork();
      c.write('a', 'latin1'); c.write('\\u00e9'); c.write('6869', 'hex'); c.write(Buffer.from([1, 2])); c.write('z', 'ucs2');
      c.uncork();
      c.end(new Uint8Array([255]));
    });`,
  'Unix sockets': `
    const net = require('net'), os = require('os'), path = require('path');
    const where = path.join(os.tmpdir(), 'kernet-' + process.pid + '.sock');
    const server = net.createServer((s) => { console.log('connection', s.remoteAddress, s.address()); s.pipe(s); }).listen(where, () => {
      console.log(server.address() === where);
      const c = net.connect(where);
      c.on('data', (d) => { console.log(String(d)); c.end(); }).on('close', () => server.close(() => {
        net.connect({ path: where }).on('error', (e) => console.log(e.code, e.syscall, e.address === where));
      }));
      c.write('ping');
    });`,
  'BlockList, SocketAddress, isIP': `
    const net = require('net');
    const list = new net.BlockList();
    list.addRange('10.0.0.1', '10.0.0.9');
    console.log(list.check('10.0.0.5'), list.check('10.0.0.10'), net.isIP('::1'), net.isIPv4('1.2.3.4'), net.isIP('x'));
    const a = new net.SocketAddress({ address: '::1', family: 'ipv6', port: 80 });
    console.log(a.address, a.family, a.port, a.flowlabel);`,
  'timers, immediates and ticks around a connection': `
    const net = require('net');
    const server = net.createServer((s) => s.end()).listen(0, () => {
      process.nextTick(() => console.log('tick'));
      Promise.resolve().then(() => console.log('micro'));
      const c = net.connect(server.address().port);
      c.resume();
      setTimeout(() => { console.log('timer'); server.close(); }, 50);
      c.on('connect', () => { console.log('connect'); process.nextTick(() => console.log('tick in connect')); });
      c.on('close', () => console.log('close'));
    });`,
  'AsyncLocalStorage in a client': `
    const net = require('net'), { AsyncLocalStorage } = require('async_hooks');
    const als = new AsyncLocalStorage();
    const server = net.createServer((s) => s.end('x')).listen(0, () => {
      als.run('mine', () => {
        const c = net.connect(server.address().port, () => console.log('connect', als.getStore()));
        c.on('data', () => console.log('data', als.getStore()));
        c.on('close', () => { console.log('close', als.getStore()); server.close(); });
      });
    });`,
  'diagnostics_channel': `
    const net = require('net'), dc = require('diagnostics_channel');
    dc.subscribe('net.client.socket', ({ socket }) => console.log('client', socket instanceof net.Socket));
    dc.subscribe('net.server.socket', ({ socket }) => console.log('server', socket instanceof net.Socket));
    const server = net.createServer((s) => s.end()).listen(0, () => {
      net.connect(server.address().port).on('close', () => server.close()).resume();
    });`,
  'bytes before connect, and the callback of write': `
    const net = require('net');
    const server = net.createServer((s) => s.on('data', (d) => console.log('got', String(d))).on('end',
      () => server.close())).listen(0, () => {
      const c = net.connect(server.address().port);
      console.log(c.write('early', () => console.log('written', c.bytesWritten)), c.bytesWritten, c.writableLength);
      c.end();
    });`,
  'localAddress and localPort': `
    const net = require('net');
    const server = net.createServer((s) => { console.log(s.remoteAddress); s.end(); }).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      const c = net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
      c.on('connect', () => console.log(c.localAddress)).on('close', () => {
        net.connect({ port, host: '127.0.0.1', localAddress: '192.0.2.99' }).on('error', (e) => { console.log(e.code, e.syscall);
          server.close(); });
      }).resume();
    });`,
  'socket.address, setters, chaining': `
    const net = require('net');
    const server = net.createServer((s) => s.end()).listen({ port: 0, host: '127.0.0.1', backlog: 5 }, () => {
      const c = new net.Socket();
      console.log(c.setNoDelay() === c, c.setKeepAlive(true, 1000) === c, c.setTimeout(0) === c, c.ref() === c, c.unref() === c,
        c.address(), c.readyState, c.pending, c.connecting);
      c.ref();
      c.connect({ port: server.address().port, host: '127.0.0.1', noDelay: true, keepAlive: true }, () => {
        const a = c.address();
        console.log(a.address, a.family, a.port === c.localPort, c.localFamily, c.timeout);
      });
      c.resume().on('close', () => { console.log(c.address(), c.remoteAddress, c.readyState); server.close(); });
    });`,
  'connect timeout option and bufferSize': `
    const net = require('net');
    const server = net.createServer((s) => s.on('error', () => {})).listen(0, () => {
      const c = net.connect({ port: server.address().port, timeout: 20 });
      c.on('timeout', () => { console.log('timeout', c.timeout, c.bytesRead); c.end(); server.close(); });
      c.resume();
    });`,
  'server closed twice, close callback error, dispose': `
    const net = require('net');
    const s = net.createServer().listen(0, () => {
      s.close((e) => console.log('first', e));
      s.close((e) => console.log('second', e.code));
      console.log(s.listening, s.address());
    });
    s.on('close', () => console.log('close'));`,
  'listen after close, on another port; listening events': `
    const net = require('net');
    const s = net.createServer();
    let n = 0;
    s.on('listening', () => { console.log('listening', ++n); s.close(); });
    s.on('close', () => { if (n < 3) s.listen(0); });
    s.listen(0);`,
  'listen on an address that is not here': `
    const net = require('net');
    net.createServer().on('error', (e) => console.log(e.code, e.syscall, e.address, e.port, e.message)).listen(0, '192.0.2.77');
    net.createServer().on('error', (e) => console.log(e.code, e.syscall)).listen(0, 'no-such-host.invalid');`,
  'listen on a path that is taken, and on one in no directory': `
    const net = require('net'), os = require('os'), path = require('path');
    const where = path.join(os.tmpdir(), 'kernet-taken-' + process.pid + '.sock');
    const a = net.createServer().listen({ path: where }, () => {
      const b = net.createServer().on('error', (e) => { console.log(e.code, e.syscall, e.address === where, e.port); a.close();
        }).listen(where);
    });
    net.connect('/nonexistent/x.sock').on('error', (e) => console.log(e.code, e.syscall, e.address, e.message));`,
  'many connections': `
    const net = require('net');
    let n = 0;
    const server = net.createServer((s) => s.end('x')).listen(0, '127.0.0.1', () => {
      for (let i = 0; i < 100; i++) net.connect(server.address().port, '127.0.0.1').on('data', () => {}).on('close', () => {
        if (++n === 100) { console.log(n); server.close(); } });
    });`,
  'pause, resume, setEncoding, read()': `
    const net = require('net');
    const server = net.createServer((s) => { s.write('\\u00e9'); setTimeout(() => s.end('second'), 20); }).listen(0, () => {
      const c = net.connect(server.address().port).setEncoding('utf8');
      c.on('readable', () => { let d; while ((d = c.read()) !== null) console.log(d); }).on('end',
        () => console.log('end')).on('close', () => server.close());
    });`,
  'destroySoon, end with callback, finished': `
    const net = require('net'), { finished } = require('stream');
    const server = net.createServer((s) => { let n = 0; s.on('data', (d) => n += d.length).on('end', () => console.log('n', n));
      }).listen(0, () => {
      const c = net.connect(server.address().port, () => { c.write(Buffer.alloc(200000)); c.destroySoon(); });
      finished(c, (e) => { console.log('finished', e && e.code); server.close(); });
    });`,
  'this, and the arguments of events': `
    const net = require('net');
    const server = net.createServer(function (s) { console.log(this === server, arguments.length, s.server === server,
      s.allowHalfOpen, s.readable, s.writable); s.end(); });
    server.listen(0, function () { console.log(this === server);
      const c = net.connect(server.address().port, function () { console.log(this === c, arguments.length); }).resume();
      c.on('close', function (...a) { console.log(a); server.close(); }); });`,
  'an echo by piping a socket to itself, with a big file hash': `
    const net = require('net'), crypto = require('crypto');
    const data = crypto.createHash('sha256').update('x').digest(); const big = Buffer.concat(Array(5000).fill(data));
    const server = net.createServer((s) => s.pipe(s)).listen(0, () => {
      const c = net.connect(server.address().port), h = crypto.createHash('md5');
      c.on('data', (d) => h.update(d)).on('end', () => {
        console.log(h.digest('hex') === crypto.createHash('md5').update(big).digest('hex')); server.close(); });
      c.end(big);
    });`,
  'a signal that is aborted already': `
    const net = require('net');
    const s = net.createServer().listen({ port: 0, signal: AbortSignal.abort() });
    s.on('close', () => console.log('closed'));`,
  'an error in a chain of promises': `
    const net = require('net');
    const connect = (port) => new Promise((ok, no) => net.connect(port, '127.0.0.1').on('connect', ok).on('error', no));
    connect(1).catch((e) => console.log(e.code)).finally(() => console.log('finally'));`,
  'setInterval and a server, cleared': `
    const net = require('net'); let n = 0;
    const server = net.createServer((s) => { const i = setInterval(() => { s.write(String(++n)); if (n === 3) { clearInterval(i);
      s.end(); } }, 5); }).listen(0, () => {
      let all = ''; net.connect(server.address().port).on('data', (d) => all += d).on('end', () => { console.log(all);
        server.close(); }); });`,
  'events.on, Readable.from, compose over sockets': `
    const net = require('net'), { Readable, pipeline } = require('stream'), { promisify } = require('util');
    const server = net.createServer((s) => { let all = ''; s.on('data', (d) => all += d).on('end', () => console.log(all));
      }).listen(0, async () => {
      const c = net.connect(server.address().port);
      await promisify(pipeline)(Readable.from(['a', 'b', 'c']), c);
      console.log('piped'); server.close();
    });`,
};
