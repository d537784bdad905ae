/** Programs with `dgram`, `dns`, `os`, and with what is around sockets. */
export const OTHER: Readonly<Record<string, string>> = {
  'dgram: question and answer': `
    const dgram = require('dgram');
    const server = dgram.createSocket('udp4');
    server.on('message', (m, from) => { console.log(String(m), from.address, from.family, from.size);
      server.send('answer', from.port, from.address); });
    server.on('listening', () => console.log('listening', server.address().address, server.address().family));
    server.bind(0, '127.0.0.1', () => {
      const c = dgram.createSocket('udp4', (m) => { console.log(String(m)); c.close(); server.close(); });
      c.on('close', () => console.log('close'));
      c.send(Buffer.from('question'), server.address().port, '127.0.0.1', (e, n) => console.log('sent', e, n));
    });`,
  'dgram: connected, and errors': `
    const dgram = require('dgram');
    const s = dgram.createSocket('udp4').bind(0, '127.0.0.1', () => {
      const c = dgram.createSocket('udp4');
      c.connect(s.address().port, '127.0.0.1', () => {
        console.log(c.remoteAddress().address);
        try { c.connect(1); } catch (e) { console.log(e.code); }
        c.send('x', (e) => { console.log(e); c.disconnect(); try { c.remoteAddress(); } catch (e2) { console.log(e2.code);
          } c.close(); s.close(); });
      });
    });
    s.on('message', (m) => console.log(String(m)));
    for (const f of [() => dgram.createSocket('x'), () => dgram.createSocket('udp4').send(1),
      () => dgram.createSocket('udp4').address()]) {
      try { const x = f(); x && x.close(); } catch (e) { console.log(e.code, e.message); }
    }`,
  'dgram: udp6, arrays, empty, sizes': `
    const dgram = require('dgram');
    const s = dgram.createSocket('udp6').bind(0, '::1', () => {
      const c = dgram.createSocket({ type: 'udp6', recvBufferSize: 65536, sendBufferSize: 65536 });
      c.send(['a', Buffer.from('b')], s.address().port, '::1');
      c.send('', s.address().port, '::1', () => console.log(c.getRecvBufferSize() > 0, c.getSendQueueSize()));
      let n = 0;
      s.on('message', (m, r) => { console.log(JSON.stringify(String(m)), r.family); if (++n === 2) { c.close(); s.close(); } });
    });`,
  'dgram: bound twice, in use, unref': `
    const dgram = require('dgram');
    const a = dgram.createSocket('udp4').bind(0, '127.0.0.1', () => {
      try { a.bind(); } catch (e) { console.log(e.code); }
      const b = dgram.createSocket('udp4').on('error', (e) => {
        console.log(e.code, e.syscall, e.address);
        b.close();
        a.unref();
      }).bind(a.address().port, '127.0.0.1');
    });`,
  'dgram: multicast on this host': `
    const dgram = require('dgram');
    const s = dgram.createSocket({ type: 'udp4', reuseAddr: true });
    s.bind(0, () => {
      s.addMembership('239.1.2.3', '127.0.0.1');
      s.setMulticastInterface('127.0.0.1');
      s.setMulticastLoopback(true);
      s.setMulticastTTL(1);
      s.send('to all', s.address().port, '239.1.2.3');
    });
    s.on('message', (m) => { console.log(String(m)); s.dropMembership('239.1.2.3', '127.0.0.1'); s.close(); });
    s.on('listening', () => { try { s.addMembership('1.2.3.4'); } catch (e) { console.log(e.code, e.syscall); } });`,
  'dgram: signal, and an async dispose': `
    const dgram = require('dgram');
    const control = new AbortController();
    const s = dgram.createSocket({ type: 'udp4', signal: control.signal });
    s.on('close', () => console.log('closed'));
    s.bind(0, () => control.abort());`,
  'dns: localhost and literals': `
    const dns = require('dns');
    dns.lookup('127.0.0.1', (e, a, f) => console.log(e, a, f));
    dns.lookup('localhost', 4, (e, a, f) => { console.log(e, a, f);
      dns.lookup('::1', { all: true }, (e, a) => { console.log(e, a);
        dns.promises.lookup('no-such-host.invalid').catch((e) => console.log(e.code, e.syscall, e.hostname)); }); });
    for (const f of [() => dns.lookup('x'), () => dns.lookup(5, () => {}), () => dns.resolve4(5, () => {}), () => dns.setServers(['x']),
      () => dns.lookup('x', { family: 7 }, () => {}), () => dns.resolve('x', 'HUH', () => {}), () => dns.reverse('x', () => {})]) {
      try { f(); } catch (e) { console.log(e.name, e.code, e.message); }
    }`,
  'dns: a name server in the same process': `
    const dns = require('dns'), dgram = require('dgram');
    const server = dgram.createSocket('udp4').bind(0, '127.0.0.1', async () => {
      const resolver = new dns.promises.Resolver({ timeout: 500, tries: 1 });
      resolver.setServers(['127.0.0.1:' + server.address().port]);
      console.log(resolver.getServers().length);
      console.log(await resolver.resolve4('example.org'));
      await resolver.resolve4('nothing.example.org').catch((e) => console.log(e.code, e.syscall, e.hostname));
      dns.setServers(['127.0.0.1:' + server.address().port]);
      dns.resolve4('example.org', { ttl: true }, (e, r) => { console.log(e, r); server.close(); });
    });
    server.on('message', (q, from) => {
      const end = q.indexOf(0, 12) + 5;
      const missing = q.toString('latin1').includes('nothing');
      const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
      const head = Buffer.from([q[0], q[1], 0x81, missing ? 0x83 : 0x80, 0, 1, 0, missing ? 0 : 1, 0, 0, 0, 0]);
      server.send(Buffer.concat([head, q.subarray(12, end), missing ? Buffer.alloc(0) : answer]), from.port, from.address);
    });`,
  'dns: a lookup that the program has replaced': `
    const dns = require('dns'), net = require('net');
    const server = net.createServer((s) => s.end('found')).listen(0, '127.0.0.1', () => {
      const real = dns.lookup;
      dns.lookup = (name, options, callback) => { console.log('asked for', name); real('127.0.0.1', options, callback); };
      net.connect(server.address().port, 'made.up').on('data', (d) => console.log(String(d))).on('close', () => {
        dns.lookup = real; server.close(); });
    });`,
  'os, util.promisify, and what modules say of themselves': `
    const os = require('os'), dns = require('dns'), net = require('net'), util = require('util');
    console.log(os.hostname().length > 0, os.networkInterfaces().lo[0].address, os.networkInterfaces().lo[0].internal);
    for (const f of [net.connect, net.Socket.prototype.connect, net.Server.prototype.listen, dns.lookup, os.hostname]) {
      console.log(f.name, f.length);
    }
    console.log(Object.keys(net.Server.prototype).includes('listen'), Object.keys(dns).length > 40);
    util.promisify(dns.lookup)('127.0.0.1').then((r) => console.log(r));
    util.promisify(dns.lookupService)('127.0.0.1', 80).then((r) => console.log(r.service), (e) => console.log(e.code));`,
  'a child process, its pipes and its messages': `
    const { fork, spawnSync, exec } = require('child_process');
    if (process.argv[2] === 'child') { process.on('message', (m) => process.send(m + 1, () => process.exit(4))); return; }
    console.log(spawnSync(process.execPath, ['-p', '1 + 1']).stdout.toString().trim());
    exec('echo shell', (e, out) => { console.log(e, out.trim());
      const child = fork(__filename, ['child']);
      child.on('message', (m) => console.log('message', m)).on('exit', (code) => console.log('exit', code));
      child.send(1);
    });`,
  'a worker thread with a server of its own': `
    const { Worker, isMainThread, parentPort } = require('worker_threads');
    if (isMainThread) {
      new Worker(__filename).on('message', (m) => console.log('worker says', m)).on('exit', (code) => console.log('exit', code));
      return;
    }
    const net = require('net');
    const server = net.createServer((s) => s.end('inside')).listen(0, () => {
      net.connect(server.address().port).on('data', (d) => parentPort.postMessage(String(d))).on('close', () => server.close());
    });`,
  'readline and a stream pipeline over a socket': `
    const net = require('net'), readline = require('readline'), zlib = require('zlib'), { pipeline } = require('stream');
    const server = net.createServer((s) => {
      readline.createInterface({ input: s.pipe(zlib.createGunzip()) }).on('line', (l) => console.log('line', l)).on('close',
        () => server.close());
    }).listen(0, () => {
      const c = net.connect(server.address().port);
      const gzip = zlib.createGzip();
      pipeline(gzip, c, (e) => console.log('sent', e));
      gzip.end('one\\ntwo\\n');
    });`,
  'dgram: broadcast, ttl, options before and after bind': `
    const dgram = require('dgram');
    const s = dgram.createSocket('udp4');
    for (const f of ['setBroadcast', 'setTTL', 'setMulticastTTL', 'setMulticastLoopback']) { try { s[f](1); console.log(f);
      } catch (e) { console.log(f, e.code, e.syscall); } }
    try { s.getRecvBufferSize(); } catch (e) { console.log(e.code, e.message); }
    s.bind(0, () => {
      for (const [f, v] of [['setBroadcast', true], ['setTTL', 16], ['setTTL', 0], ['setMulticastTTL', 1], ['setTTL', 256],
        ['setMulticastLoopback', 0], ['setMulticastInterface', 'x'], ['setRecvBufferSize', 8192]]) { try { console.log(f,
          s[f](v)); } catch (e) { console.log(f, v, e.code, e.syscall); } }
      console.log(typeof s.getRecvBufferSize(), s.getSendQueueCount());
      s.close(() => { try { s.setTTL(1); } catch (e) { console.log(e.code); } });
    });`,
  'dgram: send forms, implicit bind, lookup error, too long': `
    const dgram = require('dgram');
    const r = dgram.createSocket('udp4').bind(0, '127.0.0.1', () => {
      const { port } = r.address();
      let n = 0;
      r.on('message', (m) => { console.log(String(m)); if (++n === 4) { c.close(); r.close(); fail(port); } });
      const c = dgram.createSocket('udp4');
      c.send('abc', port, '127.0.0.1', () => c.send(Buffer.from('abcdef'), 1, 3, port, '127.0.0.1', () =>
        c.send(new Uint8Array([65]), port, 'localhost', () => c.send(['x', 'y'], port, () => {}))));
    });
    function fail(port) {
      const d = dgram.createSocket('udp4');
      d.send('x', 1, 'no-such-host.invalid', (e) => {
        console.log(e.code);
        d.send(Buffer.alloc(66000), port, '127.0.0.1', (e2) => { console.log(e2.code, e2.syscall); d.close(); });
      });
      for (const a of [[], ['x', 0], ['x', 70000], ['x', port, 5], [5, port]]) {
        try { dgram.createSocket('udp4').send(...a); } catch (e) { console.log(e.code); }
      }
    }`,
  'dgram: refused is silent, and an error when connected': `
    const dgram = require('dgram');
    const s = dgram.createSocket('udp4');
    s.on('error', (e) => { console.log('error', e.code, e.syscall); s.close(); });
    s.connect(1, '127.0.0.1', () => { s.send('x'); });`,
  'dgram: reuseAddr and exclusive': `
    const dgram = require('dgram');
    const a = dgram.createSocket({ type: 'udp4', reuseAddr: true }).bind(0, () => {
      const b = dgram.createSocket({ type: 'udp4', reuseAddr: true }).bind({ port: a.address().port, exclusive: true }, () => {
        console.log('both', a.address().port === b.address().port, b.address().address); a.close(); b.close(); });
    });`,
  'dns: promises, servers of a Resolver, cancel, the order': `
    const dns = require('dns');
    console.log(dns.getDefaultResultOrder(), typeof dns.promises.lookup, dns.ADDRCONFIG, dns.NOTFOUND);
    const r = new dns.Resolver(); r.setServers(['192.0.2.1', '[::1]:5353', '127.0.0.1:53']); console.log(r.getServers());
    dns.setDefaultResultOrder('ipv4first'); console.log(dns.getDefaultResultOrder());
    dns.promises.lookup('localhost', { family: 4, all: true })
      .then((a) => console.log(a));
    r.cancel();`,
  'async_hooks see sockets': `
    const async_hooks = require('async_hooks'), net = require('net');
    const kinds = new Set();
      const hook = async_hooks.createHook({ init(id, type) { if (/TCP|KERNET/.test(type)) kinds.add('socket'); } }).enable();
    const server = net.createServer((s) => s.end()).listen(0, () => net.connect(server.address().port).resume().on('close', () => {
      hook.disable(); console.log([...kinds]); server.close(); }));`,
  'async_hooks, kinds of resources, and names of handles': `
    const hooks = require('async_hooks'), net = require('net');
    const kinds = new Set();
    const hook = hooks.createHook({ init(id, type) { if (/^(TCP|SHUTDOWN)/.test(type)) kinds.add(type); } }).enable();
    const s = net.createServer((c) => { console.log(c._handle.constructor.name); c.end('x'); }).listen(0, '127.0.0.1', () => {
      console.log(s._handle.constructor.name);
      const c = net.connect(s.address().port, '127.0.0.1').resume();
      c.on('close', () => s.close(() => { hook.disable(); console.log([...kinds].sort()); }));
    });`,
  'the handle of a server': `
    const net = require('net');
    const s = net.createServer().listen(0, () => {
      console.log(s._handle !== null, typeof s._handle.fd, s._handle.constructor.name.includes('T')); s.close(); });`,
};

/** Programs that end a process in another way than by having nothing left to do. Each has a process of its own. */
export const ENDINGS: Readonly<Record<string, string>> = {
  'an error without a listener': `
    require('net').connect(1, '127.0.0.1');`,
  'an exception in a callback': `
    const net = require('net');
    const server = net.createServer(() => { throw new Error('thrown in connection'); }).listen(0,
      () => net.connect(server.address().port));`,
  'uncaughtException': `
    const net = require('net');
    process.on('uncaughtException', (e, origin) => { console.log(e.message, origin); server.close(); c.destroy(); });
    let c;
    const server = net.createServer().listen(0, () => { c = net.connect(server.address().port, () => { throw new Error('mine'); }); });`,
  'an unhandled rejection': `
    const net = require('net'), { once } = require('events');
    (async () => { await once(net.connect(1, '127.0.0.1'), 'connect'); })();`,
  'process.exit in a callback': `
    const net = require('net');
    process.on('exit', (code) => console.log('exit', code));
    const server = net.createServer(() => process.exit(7)).listen(0, () => net.connect(server.address().port));`,
  'exitCode, and beforeExit that begins anew': `
    const net = require('net');
    let n = 0;
    process.on('beforeExit', () => { if (n++ < 2) { console.log('again', n); const s = net.createServer().listen(0,
      () => s.close()); } });
    process.exitCode = 3;`,
  'a promise that nobody settles': `
    require('net').createServer().listen(0).unref();
    import('data:text/javascript,await new Promise(() => {})').then(() => console.log('never'));`,
  'cluster: a worker listens, and connects to itself': `
    const cluster = require('cluster'), net = require('net');
    if (cluster.isPrimary) {
      const w = cluster.fork();
      let n = 0;
      const both = (...a) => { console.log(...a); if (++n === 2) w.disconnect(); };
      cluster.on('listening', (worker, at) => both('listening', at.addressType, at.address, at.port > 0));
      w.on('message', (m) => setTimeout(both, 100, 'worker says', m));
      w.on('disconnect', () => console.log('disconnect')).on('exit',
        (code, signal) => console.log('exit', code, signal, w.exitedAfterDisconnect));
    } else {
      const server = net.createServer((s) => s.end('hello')).listen(0, '127.0.0.1', () => {
        if (process.env.KERNET_ARM === 'real') { process.send('hello'); return; }
        net.connect(server.address().port, '127.0.0.1').on('data', (d) => process.send(String(d)));
      });
    }`,
  'node:test with a server': `
    const write = process.stdout.write;
    process.stdout.write = (text, ...rest) => write.call(process.stdout, String(text).replace(/[\\d.]+(ms\\b|$)|_ms.*/g, ''), ...rest);
    const test = require('node:test'), assert = require('assert'), http = require('http');
    test('a request', async () => {
      const server = http.createServer((q, r) => r.end('x')).listen(0);
      await new Promise((r) => server.once('listening', r));
      assert.equal(await (await fetch('http://localhost:' + server.address().port, { headers: { connection: 'close' } })).text(), 'x');
      server.close();
      console.log('tested');
    });
    process.on('exit', (c) => console.log('code', c));`,
  'cluster: http in two workers, each asks itself': `
    const cluster = require('cluster'), http = require('http');
    if (cluster.isPrimary) { let n = 0; for (let i = 0; i < 2; i++) cluster.fork().on('message', (m) => { console.log(m);
      if (++n === 2) for (const w of Object.values(cluster.workers)) w.kill(); }); cluster.on('exit',
        (w, c, s) => console.log('exit', s || c)); }
    else { const server = http.createServer((q, r) => r.end('w')).listen(0, () => {
      http.get({ port: server.address().port, agent: false }, (r) => r.on('data', (d) => process.send(String(d)))); }); }`,
  'cluster: disconnect by the primary, servers closed': `
    const cluster = require('cluster'), net = require('net');
    if (cluster.isPrimary) { const w = cluster.fork(); w.on('listening', () => w.disconnect()).on('disconnect',
      () => console.log('disconnect')).on('exit', (c) => console.log('exit', c)); }
    else net.createServer().listen(0, '127.0.0.1');`,
  'cluster: dgram': `
    const cluster = require('cluster'), dgram = require('dgram');
    if (cluster.isPrimary) { const w = cluster.fork(); w.on('message', (m) => { console.log(m); w.disconnect(); }).on('exit',
      (c) => console.log('exit', c)); }
    else { const s = dgram.createSocket('udp4').bind(0, '127.0.0.1', () => s.send('x', s.address().port, '127.0.0.1'));
      s.on('message', (m) => { process.send(String(m)); s.close(); }); }`,
  'stdin as a socket, stdout to a pipe, a child with sockets for stdio': `
    const { spawn } = require('child_process');
    const c = spawn(process.execPath, ['-e', 'process.stdin.on("data", (d) => process.stdout.write(String(d).toUpperCase()))']);
    c.stdout.on('data', (d) => console.log(String(d))); c.stdin.end('pipe'); c.on('close',
      (code) => console.log(code, c.stdout.constructor.name));`,
  'a server in a child that is asked from inside the child': `
    const { fork } = require('child_process'), http = require('http');
    if (process.argv[2]) { const s = http.createServer((q, r) => r.end('child')).listen(0,
      () => http.get({ port: s.address().port, agent: false }, (r) => r.on('data', (d) => process.send(String(d))).on('end',
        () => { s.close(); process.disconnect(); }))); return; }
    fork(__filename, ['child']).on('message', (m) => console.log(m)).on('exit', (c) => console.log(c));`,
  'worker threads: two, and a MessageChannel': `
    const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
    if (isMainThread) { let n = 0; for (const i of [1, 2]) new Worker(__filename, { workerData: i }).on('message', (m) => { n += m;
      }).on('exit', () => { if (i === 2) setTimeout(() => console.log(n), 200); }); return; }
    const net = require('net'); const s = net.createServer((c) => c.end('x')).listen(0,
      () => net.connect(s.address().port).on('data', () => parentPort.postMessage(workerData)).on('close', () => s.close()));`,
  'ES module with top-level await': `
    import('node:net').then(async ({ createServer, connect }) => { const s = createServer((c) => c.end('esm')).listen(0);
      await new Promise((r) => s.on('listening', r)); for await (const d of connect(s.address().port)) console.log(String(d));
        s.close(); });`,
  'an error in a request listener': `
    const http = require('http'); process.exitCode = 0;
    const server = http.createServer(() => { throw new TypeError('in handler'); }).listen(0,
      () => http.get({ port: server.address().port }).on('error', () => {}));`,
  'SIGTERM handler closes the server': `
    const net = require('net'); const s = net.createServer().listen(0, () => process.kill(process.pid, 'SIGTERM'));
      process.on('SIGTERM', () => { console.log('term'); s.close(() => console.log('closed')); });`,
};
