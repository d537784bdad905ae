/** `http.request`, `http.ClientRequest` and the answers that a client gets; a raw server answers as it is told. */
import { js } from './prelude.ts';

export const HTTP_CLIENT: Readonly<Record<string, string>> = {
  'http client: the signatures of request and get': js`
    const server = http.createServer((req, res) => res.end([req.method, req.url, req.headers.host.replace(/\d+/, 'P'), req.headers.x,
      req.headers.authorization].join(' ')));
    const port = await listen(server);
    const forms = [['http://localhost:' + port + '/a?b#c'], [new URL('http://u:p%40@localhost:' + port + '/b')],
      ['http://localhost:' + port + '/c', { headers: { x: '1' }, method: 'PUT' }], [{ port, path: '/d', auth: 'me:secret' }],
      [{ host: 'localhost', hostname: '127.0.0.1', port, path: '/e', method: 'delete' }], [{ port, protocol: 'http:', defaultPort: 1 }],
      [{ port, headers: ['x', 'listed', 'host', 'named'] }], [{ port, headers: { Host: 'given' }, setHost: false }]];
    for (const form of forms) {
      const [res] = await once(http.request(...form, (r) => say('client', r.statusCode)).end(), 'response');
      say('client', await all(res));
    }
    await shut(server);`,
  'http client: what request() refuses': js`
    const t = (what, ...args) => attempt('client', what, () => { const r = http.request(...args); r.on('error', () => {}); r.destroy(); });
    t('protocol', 'https://localhost/'); t('protocol', { protocol: 'ftp:' }); t('url', 'nonsense'); t('path', { path: '/a b' });
    t('path', { path: '/\u0100' }); t('method', { method: 'G T' }); t('method', { method: 5 }); t('method', { method: true });
    t('hostname', { hostname: 5 }); t('host', { host: {} }); t('agent', { agent: 'x' }); t('agent', { agent: {} }); t('timeout', {
      timeout: 'x' });
    t('insecure', { insecureHTTPParser: 1 }); t('headers', { headers: { 'a b': '1' } }); t('headers', { headers: { a: '1\n2' } });
    t('headers', { headers: { a: undefined } }); t('maxHeaderSize', { maxHeaderSize: 'x' }); t('join', { joinDuplicateHeaders: 1 });
    t('headers list', { headers: ['a'] }); t('fine', { hostname: null, host: undefined, method: undefined, agent: undefined });
    t('auth', { auth: 5 }); t('family', { family: 5, host: 'localhost', agent: false }); t('lookup', { lookup: 5, agent: false,
      host: 'a.b' });
    t('port', { port: 70000, agent: false }); t('nothing'); t('signal', { signal: 5 });`,
  'http client: headers that request has, and how they change': js`
    const server = http.createServer((req, res) => { say('server', req.rawHeaders.map((h) => h.replace(/\d{5}/, 'P'))); res.end(); });
    const port = await listen(server);
    const req = http.request({ port, method: 'POST', headers: { 'X-A': 'a', 'x-b': ['b', 'c'], Cookie: ['d', 'e'] }, agent: false });
    say('client', req.getHeader('x-a'), req.getHeaderNames(), req.getRawHeaderNames(), req.hasHeader('X-B'), req.method, req.path,
      req.host, req.protocol, req.reusedSocket, req.maxHeadersCount, req.headersSent, req.finished, req.writableEnded, req.aborted);
    req.setHeader('X-C', 5); req.removeHeader('x-a'); req.appendHeader('X-C', '6');
    attempt('client', 'bad', () => req.setHeader('x y', 1)); attempt('client', 'bad', () => req.setHeader('x', '\u2603'));
    req.flushHeaders();
    attempt('client', 'late', () => req.setHeader('x', 1));
    req.end('abc');
    say('client', req.writableEnded, req.finished, req.headersSent);
    const [res] = await once(req, 'response');
    say('client', res.req === req, req.res === res, res.socket === req.socket, res.url, res.method);
    res.resume(); await once(res, 'end');
    await shut(server);`,
  'http client: bodies by length, chunked, of all kinds': js`
    const server = http.createServer((req, res) => { let b = '';
      req.setEncoding('latin1').on('data', (d) => { b += d; }).on('end', () => res.end(JSON.stringify([req.headers['content-length'],
        req.headers['transfer-encoding'], b]))); });
    const port = await listen(server);
    const send = async (what, options, f) => { const req = http.request({ port, method: 'POST', agent: false, ...options }); f(req);
      say(what, await all((await once(req, 'response'))[0])); };
    await send('end', {}, (r) => r.end('text')); await send('hex', {}, (r) => r.end('00ff', 'hex'));
    await send('write and end', {}, (r) => { r.write('a'); r.end('b'); }); await send('uint8', {}, (r) => r.end(new Uint8Array([65, 66])));
    await send('length', { headers: { 'Content-Length': 2 } }, (r) => { r.write('a'); r.end('b'); });
    await send('nothing', {}, (r) => r.end()); await send('empty', {}, (r) => { r.write(''); r.end(); });
    await send('delete', { method: 'DELETE' }, (r) => r.end()); await send('get', { method: 'GET' }, (r) => r.end('x'));
    await send('chunked', { headers: { 'Transfer-Encoding': 'chunked' } }, (r) => r.end('x'));
    await send('trailers', { headers: { Trailer: 'X' } }, (r) => { r.write('x'); r.addTrailers({ X: 'y' }); r.end(); });
    await send('piped', {}, (r) => stream.Readable.from(['a', 'b', 'c']).pipe(r));
    await send('no default', { useChunkedEncodingByDefault: false }, (r) => { r.useChunkedEncodingByDefault = false; r.write('q');
      r.end(); });
    await shut(server);`,
  'http client: a raw server that answers oddly': js`
    const answers = ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', 'HTTP/1.1 200\r\n\r\nuntil the end',
      'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nx',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-T: t\r\n\r\n', 'HTTP/1.1 204 No\r\n\r\n',
        'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc', 'nonsense', 'HTTP/1.1 2x0 OK\r\n\r\n', '',
        'HTTP/1.1 200 OK\r\nX',
      'HTTP/1.1 200 OK\r\nX: ' + 'y'.repeat(20000) + '\r\n\r\n',
        'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1\r\na\r\n0\r\n\r\n',
        'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc', 'ICY 200 OK\r\n\r\nx', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'];
    let nth = 0;
    const server = net.createServer((s) => { s.once('data', () => s.end(answers[nth])); s.on('error', () => {}); });
    const port = await listen(server);
    for (; nth < answers.length; nth++) {
      await new Promise((resolve) => {
        const who = 'answer ' + nth;
        const req = http.get({ port, agent: false }, (res) => {
          say(who, res.statusCode, res.statusMessage, res.httpVersion, res.headers);
          body(who, res).on('error', (e) => say(who, 'res error', e.code, e.message)).on('aborted', () => say(who, 'aborted'))
            .on('close', () => say(who, 'close', res.complete, res.trailers));
        });
        req.on('information', (i) => say(who, 'information', i.statusCode, i.headers)).on('continue', () => say(who, 'continue'));
        req.on('error', (e) => say(who, 'error', e.code, e.message, e.bytesParsed, e.reason, e.rawPacket && e.rawPacket.length))
          .on('close', () => { say(who, 'req close', req.destroyed, req.aborted); resolve(); });
      });
    }
    server.close();`,
  'http client: insecureHTTPParser and maxHeaderSize of a request': js`
    const server = net.createServer((s) => s.once('data',
      () => s.end('HTTP/1.1 200 OK\r\nX: a\x01b\r\nY: ' + 'y'.repeat(500) + '\r\n\r\n')));
    const port = await listen(server);
    for (const options of [{}, { insecureHTTPParser: true }, { insecureHTTPParser: true, maxHeaderSize: 100 }, { maxHeaderSize: 100 }]) {
      await ask(http, { port, agent: false, ...options }).then((r) => say('client', r.headers.x), (e) => say('client', e.code));
    }
    server.close();`,
  'http client: destroy and abort at each point': js`
    const server = http.createServer((req, res) => { req.on('error', () => {}); res.on('error', () => {});
      if (req.url === '/nothing') return; res.write('part'); if (req.url === '/whole') res.end(); });
    const port = await listen(server);
    const run = (what, path, f) => new Promise((resolve) => {
      const req = http.request({ port, path, agent: false });
      watch(what, req, 'socket', 'response', 'abort', 'timeout', 'error', 'finish', 'close');
      req.on('response', (res) => watch(what + ' res', res, 'aborted', 'error', 'end', 'close'));
      req.on('close', () => { say(what, req.destroyed, req.aborted, req.writableFinished, req.errored && req.errored.message);
        setTimeout(resolve, 5); });
      f(req);
    });
    await run('at once', '/nothing', (r) => r.destroy());
    await run('at once with an error', '/nothing', (r) => r.destroy(new Error('mine')));
    await run('abort at once', '/nothing', (r) => r.abort());
    await run('after end', '/nothing', (r) => { r.end(); r.destroy(); });
    await run('on socket', '/nothing', (r) => { r.end(); r.on('socket', () => r.destroy()); });
    await run('on connect', '/nothing', (r) => { r.end(); r.on('socket', (s) => s.on('connect', () => r.destroy())); });
    await run('abort on connect', '/nothing', (r) => { r.end(); r.on('socket', (s) => s.on('connect', () => r.abort())); });
    await run('on finish', '/nothing', (r) => { r.end(); r.on('finish', () => r.destroy()); });
    await run('on response', '/part', (r) => { r.end(); r.on('response', () => r.destroy()); });
    await run('abort on response', '/part', (r) => { r.end(); r.on('response', () => r.abort()); });
    await run('on response with an error', '/part', (r) => { r.end(); r.on('response', () => r.destroy(new Error('mine'))); });
    await run('the response itself', '/part', (r) => { r.end(); r.on('response', (res) => res.destroy()); });
    await run('the response with an error', '/part', (r) => { r.end(); r.on('response', (res) => res.destroy(new Error('mine'))); });
    await run('on data', '/part', (r) => { r.end(); r.on('response', (res) => res.on('data', () => r.destroy())); });
    await run('on end', '/whole', (r) => { r.end(); r.on('response', (res) => res.resume().on('end', () => r.destroy())); });
    await run('the socket', '/part', (r) => { r.end(); r.on('response', () => r.socket.destroy()); });
    await run('twice', '/nothing', (r) => { r.destroy(); r.destroy(new Error('late')); r.abort(); });
    await run('never ended', '/nothing', (r) => { r.method = 'PUT'; r.write('x'); setTimeout(() => r.destroy(), 10); });
    await shut(server);`,
  'http client: AbortSignal before, while connecting, in the answer': js`
    const server = http.createServer((req, res) => { res.on('error', () => {}); if (req.url === '/part') res.write('x'); });
    const port = await listen(server);
    const run = (what, path, f, signal) => new Promise((resolve) => {
      const c = new AbortController();
      const req = http.get({ port, path, agent: false, signal: signal || c.signal });
      watch(what, req, 'abort', 'error', 'close');
      req.on('response', (res) => watch(what + ' res', res, 'aborted', 'error', 'close').resume());
      req.on('close', () => { say(what, req.destroyed, req.aborted); setTimeout(resolve, 5); });
      f(req, c);
    });
    await run('before', '/n', () => {}, AbortSignal.abort());
    await run('at once', '/n', (r, c) => c.abort());
    await run('with a reason', '/n', (r, c) => c.abort(new Error('why')));
    await run('waiting', '/n', (r, c) => r.on('finish', () => setTimeout(() => c.abort(), 10)));
    await run('in the answer', '/part', (r, c) => r.on('response', (res) => res.on('data', () => c.abort())));
    await run('by time', '/n', () => {}, AbortSignal.timeout(20));
    await shut(server);`,
  'http client: timeout option, setTimeout, timeouts of sockets': js`
    const server = http.createServer((req, res) => { if (req.url === '/slow') setTimeout(() => res.end('slow'), 80); });
    const port = await listen(server);
    const run = (what, options, f) => new Promise((resolve) => {
      const req = http.get({ port, agent: false, ...options }, (res) => body(what, res));
      watch(what, req, 'timeout', 'error', 'close').on('close', resolve);
      f(req);
    });
    await run('option', { timeout: 30 }, (r) => r.on('timeout', () => { say('option', r.timeout, r.socket.timeout); r.destroy(); }));
    await run('setTimeout', {}, (r) => say('setTimeout', r.setTimeout(30, () => { say('setTimeout', 'called');
      r.destroy(new Error('late')); }) === r));
    await run('goes on', { path: '/slow', timeout: 30 }, () => {});
    await run('of an agent', { agent: new http.Agent({ timeout: 30 }) }, (r) => r.on('timeout', () => r.destroy()));
    await run('more than the agent', { path: '/slow', agent: new http.Agent({ timeout: 30 }), timeout: 300 }, () => {});
    await run('of the socket', {}, (r) => r.on('socket', (s) => s.setTimeout(30, () => { say('of the socket', 'its own'); r.destroy(); })));
    attempt('bad', 'setTimeout', () => http.get({ port, agent: false }).on('error', () => {}).destroy().setTimeout('x'));
    await shut(server);`,
  'http client: setNoDelay, setSocketKeepAlive, and before the socket is there': js`
    const server = http.createServer((req, res) => res.end('x'));
    const port = await listen(server);
    const req = http.request({ port, agent: false });
    req.setNoDelay(true); req.setSocketKeepAlive(true, 1000);
    req.on('socket', (s) => say('client', 'socket', s === req.socket, s.connecting, req.connection === s));
    say('client', req.socket);
    req.end();
    const [res] = await once(req, 'response');
    say('client', await all(res), res.socket.remoteAddress, req.destroyed);
    await shut(server);`,
  'http client: no listener for response means it is dropped; upgrade without a listener': js`
    const server = http.createServer((req, res) => res.end('dropped'));
    server.on('upgrade', (req, socket) => { socket.on('error', () => {}).on('close', () => say('server', 'upgraded socket closed'));
      socket.write('HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\n'); });
    const port = await listen(server);
    const req = http.get({ port, agent: false });
    await once(req, 'close'); say('client', 'closed', req.res !== null);
    const up = http.get({ port, agent: false, headers: { connection: 'upgrade', upgrade: 'y' } });
    watch('up', up, 'error', 'close', 'response');
    await once(up, 'close');
    await later(10);
    await shut(server);`,
  'http client: upgrade with bytes behind the head, both ways': js`
    const server = http.createServer();
    server.on('upgrade', (req, socket, head) => { socket.write('HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: y\r\n\r\nfirst');
      socket.on('data', (d) => socket.end('got ' + d)); });
    const port = await listen(server);
    const req = http.get({ port, agent: false, headers: { Connection: 'Upgrade', Upgrade: 'y' } });
    const [res, socket, head] = await once(req, 'upgrade');
    let text = String(head);
    say('client', res.statusCode, res.headers, req.destroyed, socket === req.socket, socket.listenerCount('close') >= 0);
    socket.on('data', (d) => { text += d; });
    socket.write('words');
    await once(socket, 'end');
    say('client', text);
    socket.end(); await once(socket, 'close');
    await shut(server);`,
  'http client: CONNECT as a proxy does it, with a request through it': js`
    const target = http.createServer((req, res) => res.end('through ' + req.url));
    const port = await listen(target);
    const proxy = http.createServer().on('connect', (req, socket, head) => {
      const [host, p] = req.url.split(':');
      const out = net.connect(p, host, () => { socket.write('HTTP/1.1 200 Connection Established\r\n\r\n'); out.write(head);
        out.pipe(socket); socket.pipe(out); });
      out.on('error', () => socket.end('HTTP/1.1 502 Bad\r\n\r\n')); socket.on('error', () => out.destroy());
    });
    const at = await listen(proxy);
    for (const to of ['127.0.0.1:' + port, '127.0.0.1:1']) {
      const req = http.request({ port: at, method: 'CONNECT', path: to, agent: false }).end();
      const [res, socket] = await once(req, 'connect');
      say('client', res.statusCode, res.statusMessage);
      if (res.statusCode === 200) say('client', (await ask(http, { createConnection: () => socket, path: '/inner',
        agent: false }).catch((e) => e)).body);
      socket.destroy();
    }
    await shut(target, proxy);`,
  'http client: createConnection in its forms': js`
    const server = http.createServer((req, res) => res.end(req.url));
    const port = await listen(server);
    const go = (what, options) => ask(http, { path: '/' + what, ...options }).then((r) => say(what, r.body), (e) => say(what, e));
    await go('returned', { createConnection: () => net.connect(port, '127.0.0.1') });
    await go('by-callback', { createConnection: (o, cb) => { setTimeout(() => cb(null, net.connect(port, '127.0.0.1')), 5); } });
    await go('failed', { createConnection: (o, cb) => { setTimeout(() => cb(new Error('no way')), 5); } });
    await go('agent', { agent: Object.assign(new http.Agent(), { createConnection: (o, cb) => net.connect(port, '127.0.0.1',
      () => {}) }) });
    await go('agent-callback', { agent: Object.assign(new http.Agent(), { createConnection: (o, cb) => { const s = net.connect(port,
      '127.0.0.1',
      () => cb(null, s)); } }) });
    await go('connected', { createConnection: await new Promise((r) => { const s = net.connect(port, '127.0.0.1', () => r(() => s)); }) });
    await shut(server);`,
  'http client: lookup, family, hints, localAddress, localPort': js`
    const server = http.createServer((req, res) => res.end([req.socket.remoteAddress, req.headers.host].join()));
    const port = await listen(server, 0, '::');
    const go = (what, options) => ask(http, { port, agent: false, ...options }).then((r) => say(what, r.body), (e) => say(what, e));
    await go('family 4', { host: 'localhost', family: 4 }); await go('family 6', { host: '::1', family: 6 });
    await go('lookup', { host: 'some.where', lookup: (h, o, cb) => { say('lookup', h, o.all, o.family, o.hints);
      o.all ? cb(null, [{ address: '127.0.0.1', family: 4 }]) : cb(null, '127.0.0.1', 4); } });
    await go('lookup fails', { host: 'some.where', lookup: (h, o, cb) => cb(Object.assign(new Error('no name'), { code: 'ENOTFOUND' })) });
    await go('lookup lies', { host: 'some.where', lookup: (h, o, cb) => (o.all ? cb(null, [{ address: 'x', family: 4 }]) : cb(null, 'x',
      4)) });
    await go('local', { host: '127.0.0.1', localAddress: '127.0.0.1' });
    await go('local wrong', { host: '127.0.0.1', localAddress: 'x' });
    await go('not ours', { host: '127.0.0.1', localAddress: '192.0.2.7' });
    await shut(server);`,
  'http client: refused, unknown, unreachable; the error is told once': js`
    const go = (what, options) => new Promise((resolve) => {
      const req = http.get({ agent: false, ...options });
      watch(what, req, 'error', 'close', 'response').on('close', () => { say(what, req.destroyed, req.socket && req.socket.destroyed);
        resolve(); });
    });
    await go('refused', { host: '127.0.0.1', port: 1 });
    await go('no name', { host: 'no.such.name.invalid', port: 80 });
    await go('no path', { socketPath: '/nowhere/at/all.sock' });
    await go('refused by name', { host: 'localhost', family: 4, port: 1 });
    await go('with an agent', { host: '127.0.0.1', port: 1, agent: new http.Agent({ keepAlive: true }) });`,
  'http client: the server closes a kept connection as the next request is sent': js`
    const server = net.createServer((s) => { let n = 0; s.on('error', () => {}); s.on('data', () => {
      if (n++ === 0) s.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx'); else s.destroy(); }); });
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true });
    say('first', (await ask(http, { port, agent })).body);
    await later(5);
    const req = http.get({ port, agent });
    const [error] = await once(req, 'error');
    say('second', req.reusedSocket, error.code, error.message);
    server.close();`,
  'http client: pausing, back-pressure and pipeline': js`
    const size = 3e6;
    const server = http.createServer((req, res) => stream.pipeline(req, zlib.createGzip(), res, (e) => say('server', 'pipeline', e)));
    const port = await listen(server);
    const req = http.request({ port, method: 'POST', agent: false });
    let sent = 0;
    const source = new stream.Readable({ read() { sent += 50000; this.push(sent > size ? null : Buffer.alloc(50000, 'k')); } });
    stream.pipeline(source, req, (e) => say('client', 'sent', e));
    const [res] = await once(req, 'response');
    let n = 0;
    await stream.promises.pipeline(res, zlib.createGunzip(), async function (s) { for await (const d of s) n += d.length; });
    say('client', n, size);
    await shut(server);`,
  'http client: an async iterator that is left early': js`
    const server = http.createServer((req, res) => { res.on('close', () => say('server', 'close', res.writableFinished)).on('error',
      () => {});
      res.write('a'); });
    const port = await listen(server);
    const req = http.get({ port, agent: false });
    req.on('close', () => say('client', 'close'));
    const [res] = await once(req, 'response');
    for await (const d of res) { say('client', d); break; }
    say('client', res.destroyed, req.destroyed);
    await later(10);
    await shut(server);`,
  'http client: setEncoding, read(), readable': js`
    const server = http.createServer((req, res) => { res.write(Buffer.from('h\u00e9')); res.end(Buffer.from('llo')); });
    const port = await listen(server);
    const [res] = await once(http.get({ port, agent: false }), 'response');
    res.setEncoding('utf8'); let text = '';
    res.on('readable', () => { let d; while ((d = res.read()) !== null) text += d; });
    await once(res, 'end'); say('client', text, res.readableEnded, res.complete, res.readableFlowing);
    await shut(server);`,
  'http client: cork, uncork, writableLength and drain of a request': js`
    const server = http.createServer((req, res) => { let n = 0; setTimeout(() => req.on('data', (d) => { n += d.length; })
      .on('end', () => res.end(String(n))), 30); });
    const port = await listen(server);
    const req = http.request({ port, method: 'POST', agent: false });
    req.cork(); req.write('a'); say('client', req.writableLength, req.writableCorked, req.writableHighWaterMark); req.uncork();
    let drains = 0, total = 1;
    const send = () => { while (total < 4e6) { total += 1e5; if (!req.write(Buffer.alloc(1e5))) { drains++; return; } } req.end(); };
    req.on('drain', send); send();
    say('client', (await all((await once(req, 'response'))[0])) === String(total), drains > 0);
    await shut(server);`,
  'http client: write callbacks, end callbacks, errors of write': js`
    const server = http.createServer((req, res) => req.resume().on('end', () => res.end()));
    const port = await listen(server);
    const req = http.request({ port, method: 'POST', agent: false });
    req.write('a', 'latin1', (e) => say('write', 1, e)); req.write('b', (e) => say('write', 2, e));
    attempt('bad', 'write', () => req.write(5)); attempt('bad', 'write', () => req.write(null)); 
    req.end('c', () => say('end', 'called', req.writableFinished));
    req.on('finish', () => say('finish', 'finish')).on('error', (e) => say('error', e.code));
    req.write('late', (e) => say('write', 3, e && e.code));
    await once(req, 'close').catch(() => once(req, 'close'));
    await shut(server);`,
  'http client: 1xx answers, early hints and 103 with Expect': js`
    const server = net.createServer((s) => s.once('data', () => { s.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
      setTimeout(() => s.end('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 199 Odd\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 5);
        }));
    const port = await listen(server);
    const req = http.request({ port, method: 'PUT', agent: false, headers: { expect: '100-continue' } });
    watch('client', req, 'continue');
    req.on('information', (i) => say('client', i.statusCode, i.statusMessage, i.rawHeaders));
    req.on('continue', () => req.end('x')); req.flushHeaders();
    say('client', await all((await once(req, 'response'))[0]));
    server.close();`,
  'http client: ClientRequest by hand, globalAgent, validateHeaderName and Value': js`
    const server = http.createServer((req, res) => res.end('x'));
    const port = await listen(server);
    const req = new http.ClientRequest({ port }); req.end();
    say('client', (await once(req, 'response'))[0].resume().statusCode, req.agent === http.globalAgent, http.globalAgent.keepAlive,
      http.globalAgent.maxSockets, http.globalAgent.maxFreeSockets, http.globalAgent.options, http.globalAgent.defaultPort);
    attempt('v', 'name', () => http.validateHeaderName('')); attempt('v', 'name', () => http.validateHeaderName('a b', 'Mine'));
    attempt('v', 'value', () => http.validateHeaderValue('a', undefined)); attempt('v', 'value', () => http.validateHeaderValue('a',
      'b\r'));
    attempt('v', 'parsers', () => http.setMaxIdleHTTPParsers(0)); attempt('v', 'parsers', () => http.setMaxIdleHTTPParsers(10));
    say('v', http.METHODS.length > 30, Object.keys(http.STATUS_CODES).length);
    await shut(server);`,
  'http client: a redirect loop by hand over one agent': js`
    const server = http.createServer((req, res) => { const n = Number(req.url.slice(1)); if (n < 8) { res.writeHead(302, {
      Location: '/' + (n + 1) }); res.end(); }
      else res.end('arrived'); });
    let connections = 0; server.on('connection', () => connections++);
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true });
    let at = '/0';
    for (;;) { const { res, body: text } = await ask(http, { port, path: at, agent }); if (!res.headers.location) { say('client', at,
      text); break; }
      at = res.headers.location; await later(1); }
    say('client', connections); agent.destroy(); await shut(server);`,
  'http client: many at a time': js`
    const server = http.createServer((req, res) => setTimeout(() => res.end(req.url), Number(req.url.slice(1)) % 7));
    const port = await listen(server);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => ask(http, { port, path: '/' + i,
      agent: i % 2 ? false : undefined })));
    say('client', answers.every((a, i) => a.body === '/' + i));
    await shut(server);`,
  'http client: a server that ends without an answer, and one that resets': js`
    const server = net.createServer((s) => { s.on('error', () => {}); s.once('data', (d) => { if (/reset/.test(d)) s.resetAndDestroy();
      else if (/end/.test(d)) s.end();
      else { s.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'); setTimeout(() => s.resetAndDestroy(), 10); } }); });
    const port = await listen(server);
    for (const p of ['/end', '/reset', '/half']) await new Promise((resolve) => {
      const req = http.get({ port, path: p, agent: false }, (res) => watch(p + ' res', res, 'data', 'aborted', 'end', 'error', 'close'));
      watch(p, req, 'error', 'close').on('close', resolve);
    });
    server.close();`,
};

export const HTTP_AGENT: Readonly<Record<string, string>> = {
  'agent: maxSockets queues, requests and sockets by name': js`
    const server = http.createServer((req, res) => setTimeout(() => res.end(req.url), 10));
    const port = await listen(server);
    const agent = new http.Agent({ maxSockets: 2 });
    const asked = [1, 2, 3, 4, 5].map((i) => ask(http, { port, path: '/' + i, agent, headers: {} }));
    const shape = (o) => Object.entries(o).map(([k, v]) => k.replace(/\d{5}/, 'P') + '=' + v.length);
    say('agent', shape(agent.sockets), shape(agent.requests), shape(agent.freeSockets), agent.totalSocketCount);
    say('client', (await Promise.all(asked)).map((a) => a.body));
    await later(5);
    say('agent', shape(agent.sockets), shape(agent.requests), shape(agent.freeSockets), agent.totalSocketCount);
    await shut(server);`,
  'agent: maxTotalSockets over two servers': js`
    let open = 0, most = 0;
    const handler = (req, res) => { open++; most = Math.max(most, open); setTimeout(() => { open--; res.end(); }, 5); };
    const [a, b] = [http.createServer(handler), http.createServer(handler)];
    const ports = [await listen(a), await listen(b)];
    const agent = new http.Agent({ maxTotalSockets: 3, keepAlive: true });
    await Promise.all(Array.from({ length: 12 }, (_, i) => ask(http, { port: ports[i % 2], agent })));
    say('agent', most, agent.totalSocketCount);
    agent.destroy(); await shut(a, b);`,
  'agent: scheduling fifo and lifo': js`
    for (const scheduling of ['fifo', 'lifo', undefined]) {
      // Which of three comes first is nobody's promise: they are opened one after the other.
      const ids = new Map();
      const server = http.createServer((req, res) => { if (!ids.has(req.socket)) ids.set(req.socket, ids.size);
        res.end(String(ids.get(req.socket))); });
      const port = await listen(server);
      const agent = new http.Agent({ keepAlive: true, scheduling, maxSockets: 3 });
      const answers = [];
      for (let i = 0; i < 3; i++) answers.push(await once(http.get({ port, agent }), 'response'));
      for (const [res] of answers) { res.resume(); await once(res, 'end'); await later(3); }
      const order = [];
      for (let i = 0; i < 4; i++) { order.push((await ask(http, { port, agent })).body); await later(3); }
      say(String(scheduling), order);
      agent.destroy(); await shut(server);
    }
    attempt('bad', 'scheduling', () => new http.Agent({ scheduling: 'x' }));
    attempt('bad', 'maxTotalSockets', () => new http.Agent({ maxTotalSockets: 0 }));
    attempt('bad', 'maxTotalSockets', () => new http.Agent({ maxTotalSockets: 'x' }));`,
  'agent: maxFreeSockets and what becomes of the rest': js`
    const server = http.createServer((req, res) => res.end());
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 2 });
    await Promise.all(Array.from({ length: 5 }, () => ask(http, { port, agent })));
    await later(10);
    say('agent', Object.values(agent.freeSockets).map((l) => l.length), Object.keys(agent.sockets).length, agent.totalSocketCount);
    agent.destroy(); await later(5);
    say('agent', Object.values(agent.freeSockets).flat().length, agent.totalSocketCount);
    await shut(server);`,
  'agent: timeout of free sockets': js`
    const server = http.createServer((req, res) => res.end('x')); server.keepAliveTimeout = 0;
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true, timeout: 50 });
    await ask(http, { port, agent });
    await later(5);
    const socket = Object.values(agent.freeSockets)[0][0];
    say('agent', socket.timeout, socket.listenerCount('timeout'));
    watch('socket', socket, 'timeout', 'free', 'close');
    await later(120);
    say('agent', Object.values(agent.freeSockets).flat().length, socket.destroyed);
    await shut(server);`,
  'agent: the server says how long it keeps a connection': js`
    for (const hint of ['timeout=1', 'timeout=0', 'max=5', 'timeout=x', 'timeout=3, max=10']) {
      const server = http.createServer((req, res) => { res.setHeader('Connection', 'keep-alive'); res.setHeader('Keep-Alive', hint);
        res.end('x'); });
      const port = await listen(server);
      const agent = new http.Agent({ keepAlive: true, timeout: 60000 });
      await ask(http, { port, agent }); await later(5);
      say(hint, Object.values(agent.freeSockets).flat().map((s) => s.timeout));
      agent.destroy(); await shut(server);
    }`,
  'agent: free sockets that the server ends are taken out': js`
    const server = http.createServer((req, res) => res.end('x'));
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true });
    await ask(http, { port, agent }); await later(5);
    const socket = Object.values(agent.freeSockets)[0][0];
    say('agent', Object.values(agent.freeSockets).flat().length, agent.totalSocketCount);
    server.closeAllConnections();
    socket.ref(); await once(socket, 'close'); await later(1);
    say('agent', Object.values(agent.freeSockets).flat().length, agent.totalSocketCount, (await ask(http, { port,
      agent })).req.reusedSocket);
    agent.destroy(); await shut(server);`,
  'agent: an error on a free socket is nobody\'s': js`
    const peers = [];
    const server = http.createServer((req, res) => { peers.push(req.socket); res.end('x'); });
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true });
    await ask(http, { port, agent }); await later(5);
    const socket = Object.values(agent.freeSockets)[0][0]; socket.ref();
    socket.on('close', (had) => say('socket', 'close', had));
    peers[0].resetAndDestroy();
    await once(socket, 'close').catch((e) => say('once', e.code));
    await later(5);
    say('agent', Object.values(agent.freeSockets).flat().length);
    await shut(server);`,
  'agent: events free and close of sockets, keepSocketAlive and reuseSocket': js`
    const server = http.createServer((req, res) => res.end('x'));
    const port = await listen(server);
    class Mine extends http.Agent {
      keepSocketAlive(socket) { say('agent', 'keepSocketAlive'); return super.keepSocketAlive(socket) !== false; }
      reuseSocket(socket, req) { say('agent', 'reuseSocket', req.path); super.reuseSocket(socket, req); }
      createConnection(options, callback) { say('agent', 'createConnection', typeof callback, options.path);
        return super.createConnection(options, callback); }
    }
    const agent = new Mine({ keepAlive: true });
    agent.on('free', (socket, options) => say('agent', 'free', options.path));
    for (const p of ['/1', '/2']) { await ask(http, { port, path: p, agent }); await later(2); }
    agent.keepSocketAlive = () => { say('agent', 'not kept'); return false; };
    await ask(http, { port, path: '/3', agent }); await later(10);
    say('agent', Object.values(agent.freeSockets).flat().length, agent.totalSocketCount);
    await shut(server);`,
  'agent: destroy with requests under way and waiting': js`
    const server = http.createServer(() => {});
    const port = await listen(server);
    const agent = new http.Agent({ maxSockets: 1, keepAlive: true });
    const first = http.get({ port, agent }); const second = http.get({ port, agent });
    watch('first', first, 'error', 'close'); watch('second', second, 'error', 'close');
    await once(server, 'request');
    agent.destroy();
    await once(first, 'close').catch(() => {});
    await later(20); second.destroy(); await later(10);
    await shut(server);`,
  'agent: a waiting request that is destroyed frees its place': js`
    const server = http.createServer((req, res) => setTimeout(() => res.end(req.url), 20));
    const port = await listen(server);
    const agent = new http.Agent({ maxSockets: 1, keepAlive: true });
    const one = ask(http, { port, agent, path: '/1' });
    const two = http.get({ port, agent, path: '/2' }); watch('two', two, 'error', 'socket', 'response', 'close');
    const three = ask(http, { port, agent, path: '/3' });
    two.destroy();
    say('client', (await one).body, (await three).body, (await three).req.reusedSocket);
    say('agent', Object.keys(agent.requests).length);
    agent.destroy(); await shut(server);`,
  'agent: keepAlive, keepAliveMsecs, noDelay, and options that go down to sockets': js`
    const server = http.createServer((req, res) => res.end(req.headers.connection));
    const port = await listen(server);
    for (const options of [{}, { keepAlive: true }, { keepAlive: false }, { keepAlive: true, keepAliveMsecs: 20 }, { noDelay: false,
      keepAlive: true },
      { keepAlive: true, highWaterMark: 100 }]) {
      const agent = new http.Agent(options);
      const { body: text, req, headers } = await ask(http, { port, agent });
      say(JSON.stringify(options), text, headers.connection, agent.keepAliveMsecs, req.shouldKeepAlive, agent.options);
      agent.destroy();
    }
    await shut(server);`,
  'agent: names keep connections apart': js`
    const server = http.createServer((req, res) => res.end(String(req.socket.remoteAddress)));
    const port = await listen(server, 0, '::');
    const agent = new http.Agent({ keepAlive: true });
    for (const options of [{ host: 'localhost', family: 4 }, { host: '127.0.0.1' }, { host: '127.0.0.1', localAddress: '127.0.0.1' }, {
      host: '::1' }]) {
      await ask(http, { port, agent, ...options });
    }
    await later(5);
    say('agent', Object.keys(agent.freeSockets).map((k) => k.replace(/\d{5}/, 'P')));
    say('agent', agent.getName({ host: 'h', port: 1, localAddress: 'l', family: 6, socketPath: '/s' }), agent.getName({ family: 4 }));
    agent.destroy(); await shut(server);`,
  'agent: over a Unix socket, kept': js`
    const at = path.join(os.tmpdir(), 'a-' + process.pid + '.sock');
    const server = http.createServer((req, res) => res.end('x'));
    await listen(server, at);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 3; i++) { say('client', (await ask(http, { socketPath: at, agent })).req.reusedSocket); await later(2); }
    say('agent', Object.keys(agent.freeSockets).length);
    agent.destroy(); await shut(server);`,
  'agent: one that is not an Agent': js`
    const server = http.createServer((req, res) => res.end(req.headers.connection));
    const port = await listen(server);
    const agent = { defaultPort: port, protocol: 'http:', addRequest(req, options) { say('agent', options.host, options.port === port);
      req.onSocket(net.connect(options.port, '127.0.0.1')); } };
    say('client', (await ask(http, { agent, path: '/' })).body);
    await shut(server);`,
  'agent: async context of requests that wait': js`
    const storage = new async_hooks.AsyncLocalStorage();
    const server = http.createServer((req, res) => res.end('x'));
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    await Promise.all([1, 2, 3].map((i) => storage.run(i, () => new Promise((resolve) => {
      const req = http.get({ port, agent }, (res) => { say(i, 'response', storage.getStore()); res.on('data', () => say(i, 'data',
        storage.getStore()));
        res.on('end', () => { say(i, 'end', storage.getStore()); resolve(); }); });
      req.on('socket', () => say(i, 'socket', storage.getStore())).on('finish', () => say(i, 'finish', storage.getStore()));
    }))));
    agent.destroy(); await shut(server);`,
  'agent: a request with a body left unread by the server keeps the connection usable': js`
    const server = http.createServer((req, res) => res.end('early'));
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 3; i++) { const { req, body: text } = await ask(http, { port, agent, method: 'POST' }, 'z'.repeat(100000));
      say('client', text, req.reusedSocket); await later(5); }
    agent.destroy(); await shut(server);`,
  'agent: 304 and HEAD answers leave the connection in order': js`
    const server = http.createServer((req, res) => { if (req.url === '/304') { res.writeHead(304, { 'Content-Length': 10 }); res.end(); }
      else { res.setHeader('Content-Length', 10); res.end('0123456789'); } });
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (const options of [{ path: '/304' }, { method: 'HEAD' }, {}, { path: '/304' }, {}]) {
      const { status, body: text, req } = await ask(http, { port, agent, ...options }); say('client', status, text, req.reusedSocket);
        await later(2);
    }
    agent.destroy(); await shut(server);`,
};
