/** `http.Server`, `http.ServerResponse` and what a server sees of a request. */
import { js } from './prelude.ts';

export const HTTP_SERVER: Readonly<Record<string, string>> = {
  'http server: closeAllConnections ends active and idle connections': js`
    const server = http.createServer((req, res) => { if (req.url === '/idle') res.end('x'); else res.write('begun'); });
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true });
    await ask(http, { port, agent, path: '/idle' });
    const req = http.get({ port, agent: false, path: '/active' });
    const [res] = await once(req, 'response');
    watch('active', res, 'aborted', 'error', 'close').resume();
    const idle = Object.values(agent.freeSockets)[0][0];
    watch('idle', idle, 'end', 'close');
    server.close(() => say('server', 'closed'));
    server.closeAllConnections();
    await Promise.all([once(res, 'close').catch(() => {}), once(idle, 'close')]);
    say('agent', Object.keys(agent.freeSockets).length);`,
  'http server: closeIdleConnections leaves the active one': js`
    const server = http.createServer({ keepAliveTimeout: 0 }, (req, res) => {
      if (req.url === '/idle') { res.end('x'); return; }
      setTimeout(() => res.end('late'), 60);
    });
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true });
    await ask(http, { port, agent, path: '/idle' });
    const active = ask(http, { port, agent: new http.Agent({ keepAlive: true }), path: '/active' });
    await once(server, 'request');
    server.closeIdleConnections();
    say('active', (await active).body);
    server.getConnections((e, n) => { say('server', e, n); server.close(() => say('server', 'closed')); server.closeIdleConnections(); });`,
  'http server: close() ends idle connections by itself': js`
    const server = http.createServer((req, res) => res.end('x'));
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true });
    await ask(http, { port, agent });
    const socket = Object.values(agent.freeSockets)[0][0];
    watch('client', socket, 'end', 'close');
    server.close((e) => say('server', 'closed', e));
    server.close((e) => say('server', 'again', e));
    socket.ref();
    await once(socket, 'close');`,
  'http server: keepAliveTimeout is told to the client and ends the connection': js`
    const server = http.createServer((req, res) => res.end('x'));
    server.keepAliveTimeout = 1200;
    const port = await listen(server);
    const socket = net.connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.on('data', (d) => say('client', dateless(String(d))));
    const began = Date.now();
    await once(socket, 'close');
    const ms = Date.now() - began;
    say('client', 'ended', ms >= 1150 && ms < 3500 ? 'in time' : ms);
    await shut(server);`,
  'http server: maxRequestsPerSocket': js`
    const server = http.createServer((req, res) => res.end(req.url));
    server.maxRequestsPerSocket = 2;
    watch('server', server, 'dropRequest');
    const port = await listen(server);
    say('raw', await raw(port, ['/1', '/2', '/3'].map((p) => 'GET ' + p + ' HTTP/1.1\r\nHost: x\r\n'
      + (p === '/3' ? 'Connection: close\r\n\r\n' : '\r\n')).join('')));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (const path of ['/a', '/b', '/c']) {
      const { status, headers, req } = await ask(http, { port, agent, path });
      say('agent', status, headers.connection, headers['keep-alive'], req.reusedSocket);
      await later(5);
    }
    await shut(server); agent.destroy();`,
  'http server: headersTimeout answers 408, and clientError says which': js`
    const server = http.createServer({ headersTimeout: 60, requestTimeout: 100, connectionsCheckingInterval: 20 }, () => {});
    server.on('clientError', (e, socket) => { say('server', e.code, e.message);
      socket.end('HTTP/1.1 408 Mine\r\nConnection: close\r\n\r\n'); });
    const port = await listen(server);
    say('client', await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nX-A'));
    await shut(server);`,
  'http server: requestTimeout while the body comes': js`
    const server = http.createServer({ headersTimeout: 60, requestTimeout: 100, connectionsCheckingInterval: 20 }, (req, res) => {
      say('server', 'request', req.method); req.resume();
      watch('server', req, 'aborted', 'error', 'close');
    });
    const port = await listen(server);
    say('client', await raw(port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf'));
    await shut(server);`,
  'http server: nothing sent at all is a 408 too': js`
    const server = http.createServer({ headersTimeout: 50, requestTimeout: 80, connectionsCheckingInterval: 20 }, () => {});
    const port = await listen(server);
    say('client', await raw(port, ''));
    await shut(server);`,
  'http server: timeout of sockets, by the event and without': js`
    const server = http.createServer(() => {});
    say('server', server.timeout, server.headersTimeout, server.requestTimeout, server.keepAliveTimeout, server.maxHeadersCount,
      server.maxRequestsPerSocket);
    server.setTimeout(50);
    const port = await listen(server);
    say('client', await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    server.setTimeout(50, (socket) => { say('server', 'timeout', socket.writable); socket.end('bye'); });
    say('client', await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    await shut(server);`,
  'http server: timeout of a request and of a response': js`
    const server = http.createServer((req, res) => {
      if (req.url === '/req') req.setTimeout(40, (s) => { say('req', 'timeout', s === req.socket); res.end('slow request'); });
      else res.setTimeout(40, (s) => { say('res', 'timeout', s === req.socket); res.end('slow response'); });
    });
    const port = await listen(server);
    say('client', await raw(port, 'POST /req HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9\r\n\r\n'));
    say('client', await raw(port, 'GET /res HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    await shut(server);`,
  'http server: a malformed request is answered with 400': js`
    const server = http.createServer((req, res) => res.end('ok'));
    server.on('clientError', (e, socket) => { say('server', e.code, e.bytesParsed, e.rawPacket.length, socket.writable);
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'); });
    const port = await listen(server);
    for (const text of ['nonsense\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n',
        'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n', 'G\x00T / HTTP/1.1\r\n\r\n', 'BREW / HTTP/1.1\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n\r\n', 'GET http://[ HTTP/1.1\r\n\r\n']) say('client', await raw(port, text));
    await shut(server);`,
  'http server: without clientError the default answers': js`
    const server = http.createServer((req, res) => res.end('ok'));
    const port = await listen(server);
    for (const text of ['nonsense\r\n\r\n', 'GET / HTTP/1.1\r\nHost: x\r\nX: ' + 'y'.repeat(20000) + '\r\n\r\n',
      'GET /' + 'z'.repeat(20000) + ' HTTP/1.1\r\nHost: x\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;' + 'e'.repeat(20000) + '\r\na\r\n0\r\n\r\n']) {
      say('client', await raw(port, text));
    }
    await shut(server);`,
  'http server: a missing Host header, requireHostHeader': js`
    for (const requireHostHeader of [undefined, true, false]) {
      const server = http.createServer({ requireHostHeader }, (req, res) => res.end('ok'));
      const port = await listen(server);
      say('client', requireHostHeader, await raw(port, 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'));
      say('client', await raw(port, 'GET / HTTP/1.0\r\n\r\n'));
      await shut(server);
    }`,
  'http server: maxHeaderSize and maxHeadersCount': js`
    const server = http.createServer({ maxHeaderSize: 1000 }, (req, res) => res.end(String(req.rawHeaders.length)));
    server.maxHeadersCount = 3;
    const port = await listen(server);
    say('client', await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n\r\n'));
    say('client', await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\na: ' + '1'.repeat(1000) + '\r\n\r\n'));
    say('client', http.maxHeaderSize);
    await shut(server);`,
  'http server: insecureHTTPParser lets bad headers through': js`
    for (const insecureHTTPParser of [false, true]) {
      const server = http.createServer({ insecureHTTPParser }, (req, res) => res.end(JSON.stringify(req.headers.x)));
      const port = await listen(server);
      say('client', await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: a\x01b\r\n\r\n'));
      await shut(server);
    }
    attempt('client', 'option', () => http.createServer({ insecureHTTPParser: 1 }));`,
  'http server: joinDuplicateHeaders, uniqueHeaders': js`
    const server = http.createServer({ joinDuplicateHeaders: true, uniqueHeaders: ['x-one'] }, (req, res) => {
      say('server', req.headers, req.headersDistinct);
      res.setHeader('x-one', ['a', 'b']); res.setHeader('x-two', ['a', 'b']);
      res.end();
    });
    const port = await listen(server);
    say('client', await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nAuthorization: 1\r\nAuthorization: 2\r\nCookie: a\r\nCookie: b\r\n'
      + 'Set-Cookie: c\r\nSet-Cookie: d\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\n\r\n'));
    const { res } = await ask(http, { port, agent: false, joinDuplicateHeaders: true, headers: { 'x-m': ['1', '2'] },
      uniqueHeaders: ['x-m'] });
    say('client', res.rawHeaders.filter((h) => /^x-|^[ab]/.test(h)), res.headersDistinct['x-two']);
    await shut(server);`,
  'http server: duplicate headers without it': js`
    const server = http.createServer((req, res) => { say('server', req.headers, req.rawHeaders); res.end(); });
    const port = await listen(server);
    await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\nAuthorization: 1\r\nAuthorization: 2\r\nCookie: a\r\nCookie: b\r\n'
      + 'Set-Cookie: c\r\nSet-Cookie: d\r\nX-A: 1\r\nX-A: 2\r\nReferer: r1\r\nReferer: r2\r\nConnection: close\r\n\r\n');
    await shut(server);`,
  'http server: writeHead in all its forms': js`
    const forms = { '/1': [201], '/2': [202, 'Mine'], '/3': [203, { 'X-A': 'b' }], '/4': [200, 'Mine', { 'X-A': ['b', 'c'] }],
      '/5': [200, ['X-A', 'b', 'X-A', 'c']], '/6': [200, 'M', [['X-A', 'b'], ['X-B', 'c']]] };
    const server = http.createServer((req, res) => { attempt('server', req.url, () => res.writeHead(...forms[req.url])); res.end('x'); });
    const port = await listen(server);
    for (const path of Object.keys(forms)) say('client', await raw(port,
      'GET ' + path + ' HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    await shut(server);`,
  'http server: what a response refuses': js`
    const server = http.createServer((req, res) => {
      const t = (what, f) => attempt('server', what, f);
      t('status', () => res.writeHead(99)); t('status', () => res.writeHead('x')); t('message', () => res.writeHead(200, 'a\nb'));
        res.statusMessage = 'OK';
      t('name', () => res.setHeader('a b', '1')); t('value', () => res.setHeader('a', 'b\nc')); t('undefined', () => res.setHeader('a',
        undefined));
      t('none', () => res.setHeader()); t('array', () => res.writeHead(200, ['a'])); t('appendHeader', () => res.appendHeader('a b', 'c'));
      t('setHeaders', () => res.setHeaders(1)); t('hasHeader', () => res.hasHeader()); t('getHeader', () => res.getHeader());
      t('removeHeader', () => res.removeHeader()); t('chunk', () => res.write(5)); t('null', () => res.write(null));
      t('trailers', () => res.addTrailers({ 'a b': 'c' })); t('trailers', () => res.addTrailers({ a: 'b\nc' }));
      res.write('x');
      t('late header', () => res.setHeader('a', 'b')); t('late head', () => res.writeHead(200)); t('late remove',
        () => res.removeHeader('a'));
      t('late append', () => res.appendHeader('a', 'b')); t('flush', () => res.flushHeaders());
      res.end('y');
    });
    const port = await listen(server);
    say('client', (await ask(http, { port, agent: false })).body);
    await shut(server);`,
  'http server: header getters and setters': js`
    const server = http.createServer((req, res) => {
      res.setHeader('X-A', 1); res.appendHeader('X-A', 'two'); res.appendHeader('x-a', ['three', 'four']); res.setHeader('Set-Cookie',
        ['a', 'b']);
      say('server', res.getHeader('x-a'), res.getHeaderNames(), res.getRawHeaderNames(), res.getHeaders(), res.hasHeader('X-a'));
      res.removeHeader('set-cookie');
      if (res.setHeaders) res.setHeaders(new Map([['m', '1'], ['n', '2']]));
      say('server', res.headersSent, res.writableEnded, res.finished, res.statusCode, res.statusMessage, res.sendDate, res.shouldKeepAlive);
      res.flushHeaders();
      say('server', res.headersSent, res.statusMessage);
      res.end(() => say('server', res.writableEnded, res.writableFinished, res.finished));
    });
    const port = await listen(server);
    say('client', await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    await shut(server);`,
  'http server: early hints, processing, continue and other informational answers': js`
    const server = http.createServer((req, res) => {
      res.writeProcessing();
      res.writeEarlyHints({ link: '</a.css>; rel=preload', 'x-trace': 'id' }, () => say('server', 'hinted'));
      res.writeEarlyHints({ link: ['</b>; rel=preload; as=style', '</c>; rel=preload'] });
      attempt('server', 'link', () => res.writeEarlyHints({ link: 'bad' }));
      attempt('server', 'hints', () => res.writeEarlyHints('bad'));
      res.end('done');
    });
    const port = await listen(server);
    say('raw', await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    const req = http.get({ port, agent: false });
    req.on('information', (info) => say('client', info.statusCode, info.statusMessage, info.httpVersion, info.headers, info.rawHeaders));
    const [res] = await once(req, 'response');
    say('client', res.statusCode, await all(res));
    await shut(server);`,
  'http server: Expect with and without listeners': js`
    const server = http.createServer((req, res) => { say('server', 'request', req.headers.expect); req.resume().on('end',
      () => res.end('ok')); });
    const port = await listen(server);
    const put = async (expect) => {
      const req = http.request({ port, method: 'PUT', agent: false, headers: { expect, 'content-length': 2 } });
      req.on('continue', () => { say('client', 'continue'); req.end('ab'); });
      req.flushHeaders();
      const [res] = await once(req, 'response');
      say('client', res.statusCode, await all(res));
      req.destroy();
    };
    await put('100-continue');
    await put('something else');
    server.on('checkExpectation', (req, res) => { say('server', 'checkExpectation'); res.statusCode = 418; res.end('tea'); });
    await put('something else');
    server.on('checkContinue', (req, res) => { say('server', 'checkContinue'); res.writeHead(413); res.end(); });
    await put('100-continue');
    await shut(server);`,
  'http server: upgrade with and without a listener, and CONNECT': js`
    const server = http.createServer((req, res) => res.end('a plain answer'));
    const port = await listen(server);
    const upgrade = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\nhead';
    say('client', await raw(port, upgrade.replace('head', ''), true));
    say('client', await raw(port, 'CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n'));
    server.on('upgrade', (req, socket, head) => { say('server', req.headers.upgrade, head, socket === req.socket,
      socket.listenerCount('data'));
      socket.end('HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\nwords'); });
    server.on('connect', (req, socket, head) => { say('server', req.method, req.url, head);
      socket.end('HTTP/1.1 200 OK\r\n\r\n'); });
    say('client', await raw(port, upgrade));
    say('client', await raw(port, 'CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\nearly'));
    await shut(server);`,
  'http server: pipelined requests are answered in order': js`
    const server = http.createServer((req, res) => { say('server', req.url);
      setTimeout(() => res.end(req.url), req.url === '/1' ? 30 : 0); });
    const port = await listen(server);
    const lines = (p, more) => 'GET ' + p + ' HTTP/1.1\r\nHost: x\r\n' + (more || '') + '\r\n';
    say('client', await raw(port, lines('/1') + lines('/2') + lines('/3', 'Connection: close\r\n') + lines('/4')));
    await shut(server);`,
  'http server: pipelining with bodies and back-pressure': js`
    let open = 0;
    const server = http.createServer((req, res) => { open++; req.resume().on('end', () => setTimeout(() => {
      res.end('x'.repeat(30000)); open--; }, 5)); });
    const port = await listen(server);
    const n = 60;
    const text = await raw(port, Array.from({ length: n }, (_, i) => 'POST /' + i + ' HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n'
      + (i === n - 1 ? 'Connection: close\r\n' : '') + '\r\nhello').join(''));
    say('client', text.match(/HTTP\/1\.1 200/g).length, text.length > n * 30000, open);
    await shut(server);`,
  'http server: HTTP/1.0 clients': js`
    const server = http.createServer((req, res) => { res.write(req.httpVersion); res.end(' end'); });
    const port = await listen(server);
    say('client', await raw(port, 'GET / HTTP/1.0\r\n\r\n'));
    const kept = net.connect(port, '127.0.0.1', () => kept.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'));
    say('kept', dateless(await all(kept)));
    const short = http.createServer((req, res) => { res.setHeader('Content-Length', 2); res.end('ab'); });
    const port2 = await listen(short);
    const c = net.connect(port2, '127.0.0.1', () => c.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'));
    say('short', dateless(String((await once(c, 'data'))[0])));
    c.destroy();
    await shut(server, short);`,
  'http server: chunked requests with trailers and extensions': js`
    const server = http.createServer((req, res) => { let text = '';
      req.on('data', (d) => { text += d; }).on('end', () => { say('server', text, req.trailers, req.rawTrailers, req.trailersDistinct,
        req.complete);
        res.end(); }); });
    const port = await listen(server);
    say('client', await raw(port, 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n'
      + '3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-T: one\r\nX-T: two\r\nX-U: three\r\n\r\n'));
    await shut(server);`,
  'http server: a body byte by byte': js`
    const server = http.createServer((req, res) => { body('server', req).on('end', () => res.end('done')); });
    const port = await listen(server);
    const c = net.connect({ port, host: '127.0.0.1', noDelay: true });
    const answer = all(c);
    for (const byte of 'POST /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nslow') {
      c.write(byte); await new Promise(setImmediate);
    }
    say('client', dateless(await answer));
    await shut(server);`,
  'http server: the client goes away in the middle of its request': js`
    const server = http.createServer((req, res) => {
      watch('req', req, 'data', 'aborted', 'end', 'error', 'close');
      watch('res', res, 'finish', 'close', 'error');
      req.on('close', () => say('req', req.aborted, req.destroyed, req.complete, req.readableAborted, req.readableEnded));
    }).on('clientError', (e) => say('server', 'clientError', e));
    const port = await listen(server);
    const c = net.connect(port, '127.0.0.1');
    c.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf');
    await once(server, 'request');
    await later(10);
    c.destroy();
    await later(30);
    await shut(server);`,
  'http server: the client resets in the middle of the answer': js`
    const server = http.createServer((req, res) => {
      watch('req', req, 'aborted', 'end', 'error', 'close'); watch('res', res, 'finish', 'close', 'error');
      req.resume(); res.write('part');
      req.socket.on('error', (e) => say('socket', e.code)).on('close', (had) => say('socket', 'close', had));
      res.on('close', () => { say('res', 'write', res.write('more'), res.destroyed, res.writableFinished,
        res.errored && res.errored.code); });
    });
    const port = await listen(server);
    const c = net.connect(port, '127.0.0.1');
    c.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(c, 'data');
    c.resetAndDestroy();
    await later(30);
    await shut(server);`,
  'http server: half-open clients are answered': js`
    const server = http.createServer((req, res) => { req.resume(); setTimeout(() => res.end('still'), 20); });
    const port = await listen(server);
    say('client', await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', true));
    say('client', await raw(port, 'GET / HTTP/1.1\r\nHost', true));
    await shut(server);`,
  'http server: allowHalfOpen off by httpAllowHalfOpen, socket options': js`
    const server = http.createServer({ noDelay: false, keepAlive: true, keepAliveInitialDelay: 500, highWaterMark: 1000 }, (req, res) => {
      say('server', req.socket.readableHighWaterMark, req.readableHighWaterMark, res.writableHighWaterMark, req.socket.allowHalfOpen,
        server.httpAllowHalfOpen, req.socket.server === server);
      res.end();
    });
    const port = await listen(server);
    await ask(http, { port, agent: false });
    await shut(server);`,
  'http server: highWaterMark, writableLength, drain and cork': js`
    const server = http.createServer((req, res) => {
      say('server', res.writableHighWaterMark, res.writableLength, res.writableCorked, res.writableNeedDrain);
      res.cork(); res.write('a'); res.write('b');
      say('server', res.writableCorked, res.writableLength > 0);
      res.uncork();
      const ok = res.write(Buffer.alloc(200000));
      say('server', ok, res.writableNeedDrain);
      if (ok) res.end(); else res.once('drain', () => { say('server', 'drain', res.writableNeedDrain); res.end(); });
    });
    const port = await listen(server);
    say('client', (await ask(http, { port, agent: false })).body.length);
    await shut(server);`,
  'http server: a slow reader makes the writer wait': js`
    let written = 0, drains = 0;
    const server = http.createServer((req, res) => {
      const more = () => { while (written < 8e6) { written += 65536; if (!res.write(Buffer.alloc(65536))) { drains++; res.once('drain',
        more);
        return; } } res.end(); };
      more();
    });
    const port = await listen(server);
    const [res] = await once(http.get({ port, agent: false }), 'response');
    await later(80);
    say('server', 'waits', written < 8e6, drains > 0);
    let n = 0;
    for await (const d of res) n += d.length;
    say('client', n === written, n >= 8e6);
    await shut(server);`,
  'http server: HEAD, 204, 304 have no body': js`
    const server = http.createServer((req, res) => { res.statusCode = Number(req.url.slice(1)); res.end('a body'); });
    const port = await listen(server);
    for (const line of ['HEAD /200', 'GET /204', 'GET /304', 'GET /205']) {
      say('client', await raw(port, line + ' HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    }
    const strict = http.createServer({ rejectNonStandardBodyWrites: true }, (req, res) => { res.statusCode = 204;
      attempt('server', 'write', () => res.write('x')); attempt('server', 'end', () => res.end('x')); if (!res.writableEnded) res.end(); });
    const port2 = await listen(strict);
    say('strict', await raw(port2, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    await shut(server, strict);`,
  'http server: strictContentLength': js`
    const server = http.createServer((req, res) => {
      res.strictContentLength = true; res.setHeader('Content-Length', 4);
      if (req.url === '/long') { attempt('server', 'long', () => res.write('12345')); res.destroy(); return; }
      if (req.url === '/short') { res.write('1'); attempt('server', 'short', () => res.end()); res.destroy(); return; }
      attempt('server', 'right', () => res.end('1234'));
    });
    const port = await listen(server);
    for (const p of ['/long', '/short', '/right']) say('client', await raw(port,
      'GET ' + p + ' HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    await shut(server);`,
  'http server: write after end, end twice, destroy': js`
    const server = http.createServer((req, res) => {
      res.on('error', (e) => say('server', 'error', e.code)).on('close', () => say('server', 'close'));
      if (req.url === '/twice') {
        res.end('x', () => say('server', 'first end')); res.end((e) => say('server', 'second end', e && e.code));
        attempt('server', 'write', () => res.write('y', (e) => say('server', 'write', e && e.code)));
      } else { res.destroy(new Error('mine')); attempt('server', 'write', () => res.write('y')); say('server', res.destroyed,
        res.errored); }
    });
    const port = await listen(server);
    say('client', await raw(port, 'GET /twice HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    say('client', await raw(port, 'GET /destroy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    await shut(server);`,
  'http server: assignSocket, detachSocket, ServerResponse by hand': js`
    const res = new http.ServerResponse({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 });
    const sink = new stream.Writable({ write(chunk, encoding, done) { say('sink', dateless(String(chunk))); done(); } });
    res.assignSocket(sink);
    attempt('res', 'again', () => res.assignSocket(sink));
    res.on('finish', () => { say('res', 'finish'); res.detachSocket(sink); say('res', res.socket); });
    res.setHeader('X', 'y');
    res.end('text');
    await once(res, 'finish');
    await later(5);`,
  'http server: a connection by hand, from a Duplex and from a net.Server': js`
    const server = http.createServer((req, res) => { say('server', req.url, req.socket.constructor.name); res.end('answered'); });
    const near = net.createServer((s) => server.emit('connection', s));
    const port = await listen(near);
    say('client', await raw(port, 'GET /net HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    const out = [];
    const duplex = new stream.Duplex({ read() {}, write(c, e, done) { out.push(String(c)); done(); }, final(done) { say('duplex',
      dateless(out.join(''))); done(); } });
    server.emit('connection', duplex);
    duplex.push('GET /duplex HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await once(duplex, 'finish');
    await new Promise((resolve) => near.close(resolve));`,
  'http server: over a Unix socket and over ::1': js`
    const at = path.join(os.tmpdir(), 'k-' + process.pid + '.sock');
    const server = http.createServer((req, res) => res.end([req.socket.remoteAddress, req.socket.localFamily, req.headers.host].join()));
    await listen(server, at);
    say('client', server.address() === at, (await ask(http, { socketPath: at, path: '/x', agent: false })).body);
    await shut(server);
    const six = http.createServer((req, res) => res.end([req.socket.remoteAddress, req.socket.remoteFamily, req.headers.host].join()));
    const port = await listen(six, 0, '::1');
    say('client', (await ask(http, { host: '::1', port, agent: false })).body, (await ask(http, 'http://[::1]:' + port + '/',
      undefined)).body);
    await shut(six);`,
  'http server: IncomingMessage and ServerResponse of one own class, and shouldUpgradeCallback': js`
    class Req extends http.IncomingMessage { mine() { return 'mine ' + this.url; } }
    class Res extends http.ServerResponse { send(x) { this.end(x); } }
    const options = { IncomingMessage: Req, ServerResponse: Res };
    const server = http.createServer(options, (req, res) => res.send(req.mine() + (res.req === req)));
    const port = await listen(server);
    say('client', (await ask(http, { port, path: '/p', agent: false })).body);
    say('server', server instanceof http.Server, server instanceof net.Server, server.listening);
    await shut(server);`,
  'http server: connection events and getConnections': js`
    const server = http.createServer((req, res) => { server.getConnections((e, n) => res.end(String(n))); });
    let n = 0;
    server.on('connection', (s) => { n++; s.on('close', () => say('socket', 'close')); });
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true });
    await ask(http, { port, agent });
    say('client', (await Promise.all([1, 2, 3].map(() => ask(http, { port, agent })))).length, n);
    agent.destroy(); await shut(server);`,
  'http server: address in use, and listening twice': js`
    const a = http.createServer(), b = http.createServer();
    const port = await listen(a);
    watch('b', b, 'error', 'close').listen(port, '127.0.0.1');
    await once(b, 'error').catch(() => {});
    attempt('a', 'twice', () => a.listen(port));
    attempt('a', 'port', () => b.listen(70000)); attempt('a', 'none', () => b.listen({}));
    await shut(a);
    b.close((e) => say('b', e));`,
  'http server: asyncDispose, and what close() says of one that is not listening': js`
    const server = http.createServer((req, res) => res.end());
    const port = await listen(server);
    await ask(http, { port, agent: new http.Agent({ keepAlive: true }) });
    await server[Symbol.asyncDispose]();
    say('server', server.listening);
    server.close((e) => say('server', e));`,
  'http server: async context of requests': js`
    const storage = new async_hooks.AsyncLocalStorage();
    const server = http.createServer((req, res) => storage.run(req.url, () => {
      req.resume().on('end', () => { say('server', 'end', storage.getStore());
        setTimeout(() => { say('server', 'timer', storage.getStore()); res.end(); }, 2); });
      res.on('close', () => say('server', 'close', storage.getStore()));
    }));
    const port = await listen(server);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (const p of ['/a', '/b']) await storage.run('client ' + p, () => new Promise((resolve) => {
      http.get({ port, path: p, agent }, (res) => { say('client', 'response', storage.getStore());
        res.resume().on('end', () => { say('client', 'end', storage.getStore()); resolve(); }); })
        .on('socket', () => say('client', 'socket', storage.getStore())).on('close', () => say('client', 'close', storage.getStore()));
    }));
    agent.destroy(); await shut(server);`,
  'http server: diagnostics_channel': js`
    for (const name of ['http.server.request.start', 'http.server.response.created', 'http.server.response.finish',
      'http.client.request.created',
      'http.client.request.start', 'http.client.request.error', 'http.client.response.finish', 'net.server.socket', 'net.client.socket']) {
      diagnostics_channel.subscribe(name, (m) => say(name, Object.keys(m)));
    }
    const server = http.createServer((req, res) => res.end('x'));
    const port = await listen(server);
    await ask(http, { port, agent: false });
    await ask(http, { port: 1, host: '127.0.0.1', agent: false }).catch((e) => say('client', e.code));
    await shut(server);`,
  'http server: performance entries': js`
    const seen = [];
    const observer = new perf_hooks.PerformanceObserver((list) => seen.push(...list.getEntries()));
    observer.observe({ entryTypes: ['http'] });
    const server = http.createServer((req, res) => res.end('x'));
    const port = await listen(server);
    await ask(http, { port, agent: false, path: '/perf' });
    await later(30);
    observer.disconnect();
    for (const e of seen) say(e.name, e.entryType, e.duration > 0, e.detail.req.method, e.detail.req.url.replace(/\d+/, 'P'),
      e.detail.res.statusCode);
    await shut(server);`,
};
