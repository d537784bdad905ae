/** `http2`: sessions and streams, in the clear and over TLS, and the form of http that servers have. */
import { js } from './prelude.ts';

/** What the programs below begin with: a server, a client, and a request that says what comes of it. */
const START = js`
const H = http2.constants;
async function both(options, onStream, clientOptions) {
  const server = options.secure ? http2.createSecureServer({ ...pem.server, ...options }) : http2.createServer(options);
  server.on('sessionError', () => {}).on('stream', (s, h, f) => { s.on('error', (e) => say('server stream', 'error', e.code, e.message));
    onStream(s, h, f); });
  const port = await listen(server);
  const client = http2.connect((options.secure ? 'https' : 'http') + '://localhost:' + port, { ca: pem.ca, family: 4, ...clientOptions });
  client.on('error', (e) => say('session', 'error', e.code, e.message));
  return { server, port, client };
}
function hear(who, req) {
  watch(who, req, 'aborted', 'end', 'close', 'frameError', 'timeout', 'finish');
  req.on('error', (e) => say(who, 'error', e.code, e.message));
  req.on('response', (h) => say(who, 'response', plain(h))).on('headers', (h) => say(who, 'headers', plain(h))).on('trailers',
    (h) => say(who, 'trailers', plain(h)));
  return body(who, req);
}
const plain = (h) => { const o = { ...h }; if (o.date) o.date = 'D'; delete o[http2.sensitiveHeaders]; return o; };
const closed = (x) => (x.closed && x.destroyed ? Promise.resolve() : new Promise((r) => x.once('close', r)));
async function end({ server, client }) { if (!client.destroyed) { client.close(); await closed(client);
  } await new Promise((r) => server.close(r)); }
`;

/** Each in the clear and over TLS. */
const BOTH: Readonly<Record<string, string>> = {
  'a request and its answer, states and ids': js`
    const t = await both(O, (s, h, flags) => { say('server stream', s.id, plain(h), flags, s.pushAllowed, s.headersSent, s.state.state,
      s.session.type);
      s.respond({ ':status': 201, 'x-a': ['1', '2'], 'set-cookie': ['a', 'b'] }); say('server stream', s.headersSent,
        plain(s.sentHeaders)); s.end('hello'); s.on('close', () => say('server stream', 'close', s.rstCode, s.aborted)); });
    const req = t.client.request({ ':path': '/p?q', 'x-b': 'c', cookie: ['d', 'e'] });
    say('client', req.id, req.pending, req.closed, req.destroyed, req.endAfterHeaders, req.bufferSize, plain(req.sentHeaders)[':path'],
      req.scheme);
    hear('client', req); await closed(req); say('client', req.id, req.pending, req.closed, req.destroyed, req.rstCode, req.aborted,
      req.state);
    say('client', t.client.alpnProtocol, t.client.encrypted, t.client.type, t.client.connecting,
      t.client.originSet && t.client.originSet.length, t.client.socket.remoteAddress); await end(t);`,
  'a body both ways, with trailers': js`
    const t = await both(O, (s, h) => { let n = 0; s.on('data', (d) => { n += d.length; }).on('trailers', (h) => say('server stream',
      'trailers', plain(h))).on('end', () => {
      s.respond({ ':status': 200 }, { waitForTrailers: true }); s.on('wantTrailers', () => s.sendTrailers({ 'x-sum': String(n) }));
        s.write('got '); s.end(String(n)); }); });
    const req = t.client.request({ ':method': 'POST' }, { waitForTrailers: true }); req.on('wantTrailers', () => req.sendTrailers({
      'x-mine': 'yes' })); hear('client', req);
    for (let i = 0; i < 30; i++) req.write(Buffer.alloc(20000)); req.end(); await closed(req); await end(t);`,
  'flow control: a slow reader makes the writer wait': js`
    let sent = 0, drains = 0; const t = await both({ ...O, settings: { initialWindowSize: 30000 } }, (s) => { s.respond();
      const more = () => { while (sent < 2e6) { sent += 20000; if (!s.write(Buffer.alloc(20000))) { drains++; s.once('drain', more);
      return; } } s.end(); }; more(); });
    const req = t.client.request(); await once(req, 'response'); await later(60); say('server', sent < 2e6); let n = 0; req.on('data',
      (d) => { n += d.length; }); await once(req, 'end'); say('client', n === sent, drains > 0); await closed(req); await end(t);`,
  'reset by the server with each kind of code': js`
    const t = await both(O, (s, h) => { const code = Number(h['x-code']); s.respond(); s.on('close', () => say('server stream', 'close',
      code, s.rstCode)); s.close(code); });
    for (const code of [H.NGHTTP2_NO_ERROR, H.NGHTTP2_CANCEL, H.NGHTTP2_INTERNAL_ERROR, H.NGHTTP2_REFUSED_STREAM,
      H.NGHTTP2_ENHANCE_YOUR_CALM, 0x1234]) { const req = t.client.request({ 'x-code': String(code) }); hear('client ' + code, req);
      await closed(req); say('client ' + code, req.rstCode); }
    await end(t);`,
  'reset by the client before, at and after the answer': js`
    const t = await both(O, (s, h) => { const who = 'server ' + h[':path']; watch(who, s, 'aborted', 'close'); s.on('close',
      () => say(who, s.rstCode, s.aborted)); if (h[':path'] !== '/before') { s.respond(); s.write('part'); } s.resume(); });
    for (const [path, f] of [['/before', (r) => setTimeout(() => r.close(H.NGHTTP2_CANCEL), 20)], ['/response', (r) => r.on('response',
      () => r.close(H.NGHTTP2_CANCEL))], ['/data', (r) => r.on('data', () => r.close(H.NGHTTP2_INTERNAL_ERROR))],
      ['/destroy', (r) => r.on('data', () => r.destroy())], ['/destroy-error', (r) => r.on('data', () => r.destroy(new Error('mine')))],
        ['/body', (r) => { r.write('x'); r.on('data', () => r.close(8)); }]]) {
      const req = t.client.request({ ':path': path, ':method': path === '/body' ? 'POST' : 'GET' }, { endStream: path !== '/body' });
        hear(path, req); f(req); await closed(req); say(path, req.rstCode, req.aborted, req.destroyed); await later(20); }
    await end(t);`,
  'the stream is destroyed by the server': js`
    const t = await both(O, (s, h) => { s.respond(); s.write('x', () => s.destroy(h[':path'] === '/e' ? new Error('mine') : undefined));
      s.on('close', () => say('server stream', 'close', s.rstCode)); });
    for (const path of ['/', '/e']) { const req = t.client.request({ ':path': path }); hear('client ' + path, req); await closed(req);
      say('client ' + path, req.rstCode); } await end(t);`,
  'goaway by the server, with and without streams under way': js`
    const t = await both(O, (s, h) => { if (h[':path'] === '/first') { s.respond(); s.end('x'); return;
      } s.session.goaway(H.NGHTTP2_NO_ERROR, 0, Buffer.from('opaque')); setTimeout(() => { s.respond(); s.end('late'); }, 20); });
    t.client.on('goaway', (code, last, data) => say('session', 'goaway', code, last, data)).on('close', () => say('session', 'close',
      t.client.closed, t.client.destroyed));
    const first = t.client.request({ ':path': '/first' }); hear('first', first); await closed(first); const second = t.client.request({
      ':path': '/second' }); hear('second', second); await closed(second);
    await later(20); attempt('client', 'request', () => t.client.request() && 1); await end(t);`,
  'goaway with a code breaks off the streams': js`
    const t = await both(O, (s) => { s.respond(); s.write('x'); s.session.on('error', () => {});
      setTimeout(() => s.session.goaway(H.NGHTTP2_ENHANCE_YOUR_CALM), 20); s.on('close', () => say('server stream', 'close')); });
    t.client.on('goaway', (code) => say('session', 'goaway', code)).on('close', () => say('session', 'close', t.client.destroyed));
      const req = t.client.request(); hear('client', req); await closed(req); await later(20); await end(t);`,
  'session.close waits, destroy does not': js`
    const t = await both(O, (s) => { s.respond(); setTimeout(() => s.end('late'), 20); }); const one = t.client.request(); hear('one',
      one); t.client.close(() => say('session', 'closed by call')); say('session', t.client.closed, t.client.destroyed);
      attempt('session', 'request', () => t.client.request() && 1); await closed(one); await closed(t.client);
      await new Promise((r) => t.server.close(r));
    for (const [what, args] of [['plain', []], ['error', [new Error('mine')]], ['code', [H.NGHTTP2_INTERNAL_ERROR]]]) {
      const u = await both(O, (s) => { s.respond(); s.write('x'); s.on('close', () => say('server stream ' + what, 'close', s.rstCode)); });
      const req = u.client.request(); hear(what, req); await once(req, 'data'); u.client.destroy(...args); await closed(req); say(what,
        u.client.destroyed, req.rstCode); await later(10); await new Promise((r) => u.server.close(r)); }`,
  'the server destroys the session; the socket is destroyed': js`
    for (const [what, f] of [['session', (s) => s.session.destroy()], ['session error', (s) => s.session.destroy(new Error('mine'))],
      ['session code', (s) => s.session.destroy(H.NGHTTP2_PROTOCOL_ERROR)], ['close', (s) => s.session.close()], ['socket',
      (s) => { for (const x of Object.getOwnPropertySymbols(s.session)) if (x.description === 'socket') s.session[x].destroy(); }]]) {
      const u = await both(O, (s) => { s.session.on('error', (e) => say('server ' + what, 'error', e.message)).on('close',
        () => say('server ' + what, 'close')); s.respond(); s.write('x', () => f(s)); });
      u.client.on('close', () => say('client ' + what, 'session close')); const req = u.client.request(); hear('client ' + what, req);
        setTimeout(() => req.destroyed || req.close(), 100); await closed(req); await later(10);
        if (!u.client.destroyed) u.client.destroy(); await new Promise((r) => u.server.close(r)); }`,
  'ping in all forms': js`
    const t = await both(O, (s) => { s.respond(); s.end(); }); t.server.on('session', (s) => s.on('ping', (p) => say('server', 'ping',
      p.length))); await once(t.client, 'connect');
    await new Promise((r) => say('client', t.client.ping(Buffer.from('abcdefgh'), (e, ms, p) => { say('client', e, ms >= 0, p); r();
      }))); await new Promise((r) => t.client.ping((e, ms, p) => { say('client', e, p.length); r(); }));
    attempt('client', 'short', () => t.client.ping(Buffer.alloc(3), () => {})); attempt('client', 'type', () => t.client.ping('x',
      () => {})); attempt('client', 'none', () => t.client.ping()); t.client.ping((e) => say('client', 'lost', e && e.code));
      t.client.destroy(); await later(10); attempt('client', 'dead', () => t.client.ping(() => {}));
      await new Promise((r) => t.server.close(r));`,
  'settings of both, and changes on the way': js`
    const t = await both({ ...O, settings: { maxConcurrentStreams: 9, initialWindowSize: 70000, maxFrameSize: 20000,
      maxHeaderListSize: 5000, headerTableSize: 100, enableConnectProtocol: true } }, (s) => { s.respond(); s.end(); }, { settings: {
      enablePush: false, initialWindowSize: 80000 } });
    t.server.on('session', (s) => s.on('remoteSettings', (x) => say('server', x)).on('localSettings', (x) => say('server', 'local', x)));
      const [remote] = await once(t.client, 'remoteSettings'); say('client', remote, t.client.pendingSettingsAck); await once(t.client,
      'localSettings');
    await new Promise((r) => t.client.settings({ initialWindowSize: 90000 }, (e, s, ms) => { say('client', e, s, ms >= 0); r(); }));
      say('client', t.client.localSettings);
    for (const s of [{ initialWindowSize: -1 }, { maxFrameSize: 5 }, { enablePush: 'x' }, { headerTableSize: 2 ** 33 },
      5]) attempt('client', 'bad', () => t.client.settings(s)); attempt('client', 'cb', () => t.client.settings({}, 5)); await end(t);`,
  'window sizes, by hand': js`
    const t = await both(O, (s) => { s.respond(); s.end(); }); await once(t.client, 'connect'); await once(t.client, 'remoteSettings');
      say('client', t.client.state); t.client.setLocalWindowSize(200000); say('client', t.client.state.effectiveLocalWindowSize,
      t.client.state.localWindowSize); attempt('client', 'bad', () => t.client.setLocalWindowSize('x')); attempt('client', 'bad',
      () => t.client.setLocalWindowSize(-1)); await end(t);`,
  'push': js`
    const t = await both(O, (s, h) => { if (h[':path'] !== '/') { say('server stream', 'pushed path asked'); s.respond(); s.end();
      return; } say('server stream', s.pushAllowed);
      s.pushStream({ ':path': '/pushed', 'x-p': '1' }, (e, push, headers) => { say('server push', e, plain(headers)[':path'], push.id);
        attempt('server push', 'nested', () => push.pushStream({}, () => {})); push.respond({ ':status': 200, 'x-r': '2' });
        push.end('pushed'); push.on('close', () => say('server push', 'close')); s.respond(); s.end('page'); }); });
    const pushes = []; t.client.on('stream', (p, h, flags) => { say('client push', plain(h)[':path'], flags, p.id); p.on('push',
      (h) => say('client push', plain(h))); body('client push', p); pushes.push(closed(p)); }); const req = t.client.request();
      hear('client', req); await closed(req); await Promise.all(pushes); await end(t);
    const u = await both(O, (s) => { say('refused', s.pushAllowed); attempt('refused', 'push', () => s.pushStream({ ':path': '/x' },
      () => {})); s.respond(); s.end(); }, { settings: { enablePush: false } }); const r2 = u.client.request(); hear('client 2', r2);
      await closed(r2); await end(u);`,
  'informational answers, 100 and 103': js`
    const t = await both(O, (s, h) => { s.additionalHeaders({ ':status': 102, 'x-i': '1' }); s.additionalHeaders({ ':status': 103,
      link: '</a>' }); attempt('server stream', 'bad', () => s.additionalHeaders({ ':status': 101 })); attempt('server stream', 'bad',
      () => s.additionalHeaders({ ':status': 200 })); s.respond(); attempt('server stream', 'late', () => s.additionalHeaders({
      ':status': 102 })); s.end('x'); });
    const req = t.client.request({ expect: '100-continue', ':method': 'PUT' }); req.on('continue', () => { say('client', 'continue');
      req.end('x'); }); hear('client', req); await later(20); req.end('x'); await closed(req); await end(t);`,
  'respondWithFile and respondWithFD': js`
    const file = path.join(os.tmpdir(), 'f-' + process.pid + '.txt'); fs.writeFileSync(file, '0123456789'.repeat(3000));
      const fd = fs.openSync(file, 'r');
    const t = await both(O, (s, h) => { switch (h[':path']) { case '/file': s.respondWithFile(file, { 'x-a': 'b' }, { statCheck: (st,
      headers, o) => { headers['x-size'] = String(st.size); } }); break; case '/part': s.respondWithFile(file, {}, { offset: 5,
      length: 7 }); break; case '/fd': s.respondWithFD(fd, {}, { offset: 1, length: 3 }); break;
      case '/missing': s.respondWithFile(file + '.no', {}, { onError: (e) => { s.respond({ ':status': 404 }); s.end(e.code); } }); break;
      case '/dir': s.respondWithFile(os.tmpdir(), {}, { onError: (e) => { s.respond({ ':status': 403 }); s.end(e.code); } }); break;
      case '/no': s.respondWithFile(file, {}, { statCheck: () => { s.respond({ ':status': 304 }); s.end(); return false; } }); break;
      case '/trailers': s.respondWithFile(file, {}, { waitForTrailers: true, length: 4 }); s.on('wantTrailers', () => s.sendTrailers({
      'x-t': 'u' })); break; default: s.respondWithFile(file + '.no', {}); } });
    for (const p of ['/file', '/part', '/fd', '/missing', '/dir', '/no', '/trailers', '/unheard']) { const req = t.client.request({
      ':path': p }); req.on('response', (h) => { h['last-modified'] = undefined; }); hear(p, req); await closed(req); } fs.closeSync(fd);
      fs.unlinkSync(file); await end(t);`,
  'what respond, request and headers refuse': js`
    const t = await both(O, (s) => { const b = (f) => attempt('server stream', 'bad', f); b(() => s.respond({ ':status': 99 }));
      b(() => s.respond({ ':status': 101 })); b(() => s.respond({ connection: 'x' })); b(() => s.respond({ ':path': '/' }));
      b(() => s.respond({ 'a b': 'c' })); b(() => s.sendTrailers({})); b(() => s.respond({ a: undefined })); b(() => s.priority(5));
      s.respond({ ':status': 204 }); b(() => s.respond()); b(() => s.sendTrailers({ a: 'b' })); s.end(); });
    const b = (f) => attempt('client', 'bad', f); b(() => t.client.request({ connection: 'close' })); b(() => t.client.request({
      ':nope': 'x' })); b(() => t.client.request({ ':path': ['a', 'b'] })); b(() => t.client.request({
      'transfer-encoding': 'chunked' })); b(() => t.client.request({ te: 'gzip' })); b(() => t.client.request(5));
      b(() => t.client.request({}, { weight: 'x' })); b(() => t.client.request({}, { endStream: 5 })); b(() => t.client.request({
      ':method': 'CONNECT', ':path': '/' })); b(() => t.client.request({ ':method': 'CONNECT' })); b(() => t.client.request({
      'http2-settings': 'x' }));
    const req = t.client.request(); hear('client', req); attempt('client', 'close', () => req.close('x')); attempt('client', 'close',
      () => req.close(-1)); attempt('client', 'timeout', () => req.setTimeout('x')); await closed(req); attempt('client', 'late',
      () => req.priority({})); await end(t);`,
  'CONNECT through a server, and its extended form': js`
    const target = net.createServer((s) => s.on('data', (d) => s.end('echo ' + d))); const port = await listen(target);
    const t = await both({ ...O, settings: { enableConnectProtocol: true } }, (s, h) => { say('server stream', h[':method'],
      h[':protocol'], h[':path'] === undefined, h[':scheme']); s.respond(); if (h[':protocol']) { s.on('data',
      (d) => s.end('socket ' + d)); return; } const out = net.connect(port, '127.0.0.1'); s.pipe(out).pipe(s); });
    await once(t.client, 'remoteSettings'); const req = t.client.request({ ':method': 'CONNECT', ':authority': 'localhost:' + port }, {
      endStream: false }); hear('client', req); req.write('hi'); await closed(req);
    const ws = t.client.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat', ':scheme': 'http',
      ':authority': 'x' }); hear('ws', ws); ws.write('hi'); await once(ws, 'end'); ws.end(); await closed(ws); await end(t);
      target.close();`,
  'many streams at a time, more than the server takes': js`
    let most = 0, open = 0; const t = await both({ ...O, settings: { maxConcurrentStreams: 5 } }, (s, h) => { open++;
      most = Math.max(most, open); s.on('close', () => open--); s.respond(); setTimeout(() => s.end(h[':path']), 3); });
    await once(t.client, 'remoteSettings'); const texts = await Promise.all(Array.from({ length: 40 }, (_, i) => {
      const r = t.client.request({ ':path': '/' + i }); return all(r); })); say('client', texts.every((x, i) => x === '/' + i), most);
      await end(t);`,
  'timeouts of sessions and streams': js`
    const t = await both(O, (s, h) => { if (h[':path'] === '/server') s.setTimeout(30, () => { say('server stream', 'timeout');
      s.respond(); s.end('t'); }); }); const a = t.client.request({ ':path': '/server' }); hear('a', a); await closed(a);
    const b = t.client.request(); hear('b', b); b.setTimeout(30, () => { say('b', 'called'); b.close(H.NGHTTP2_CANCEL); });
      await closed(b); t.client.setTimeout(30, () => { say('session', 'timeout'); t.client.close(); }); await closed(t.client);
      await new Promise((r) => t.server.close(r));`,
  'abort by a signal': js`
    const t = await both(O, (s) => { s.on('aborted', () => say('server stream', 'aborted')); s.respond(); s.write('x'); });
      const c = new AbortController(); const req = t.client.request({}, { signal: c.signal }); hear('client', req); await once(req,
      'data'); c.abort(); await closed(req); say('client', req.rstCode);
    const early = t.client.request({}, { signal: AbortSignal.abort() }); hear('early', early); await closed(early); attempt('client',
      'bad', () => t.client.request({}, { signal: 5 })); await later(10); await end(t);`,
  'priority and endStream, weight, exclusive, silent': js`
    const t = await both(O, (s) => { s.respond({ ':status': 200 }, { endStream: true }); say('server stream', s.writableEnded,
      s.writable); }); t.server.on('session', (s) => s.on('priority', (...a) => say('server', 'priority', ...a.slice(1))));
    const req = t.client.request({}, { weight: 20, exclusive: true, endStream: true }); hear('client', req); attempt('client',
      'priority', () => req.priority({ weight: 5, silent: true })); await closed(req); await end(t);`,
  'getPackedSettings, defaults, constants': js`
    say('x', http2.getPackedSettings({ initialWindowSize: 5, enablePush: false }).toString('hex'),
      http2.getUnpackedSettings(Buffer.from('000300000064000400000005', 'hex')), http2.getDefaultSettings()); attempt('x', 'bad',
      () => http2.getUnpackedSettings(Buffer.alloc(5))); attempt('x', 'bad', () => http2.getPackedSettings({ maxFrameSize: 1 }));
      attempt('x', 'bad', () => http2.getUnpackedSettings(5));
    attempt('x', 'bad', () => http2.connect('ftp://x')); attempt('x', 'bad', () => http2.createServer(5)); attempt('x', 'bad',
      () => http2.connect('http://localhost', { port: 1 }).on('error', () => {}).destroy() && 1); const t = await both(O, (s) => {
      s.respond(); s.end(); }); await end(t);`,
  'compat: requests, answers, and what they refuse': js`
    const t = await both(O, () => {}); t.server.removeAllListeners('stream'); t.server.on('request', (req, res) => { say('server',
      req.method, req.url, req.authority.replace(/\d+$/, 'P'), req.scheme, req.httpVersion, req.headers['x-a'],
      req.rawHeaders.length > 0, req.complete, req.aborted, res.headersSent, res.finished, res.statusCode, req.socket.remoteAddress,
      res.req === req);
      const b = (what, f) => attempt('server', what, f); b('status', () => { res.statusCode = 99; }); b('status', () => {
        res.statusCode = 101; }); b('header', () => res.setHeader('connection', 'x')); b('header', () => res.setHeader(':status', 'x'));
        b('header', () => res.setHeader('a', undefined)); b('message', () => { res.statusMessage = 'x'; }); b('socket',
        () => req.socket.end()); b('socket', () => req.socket.write('x')); b('socket', () => { req.socket.setEncoding('utf8'); });
      res.setHeader('X-A', 'b'); res.appendHeader('x-a', 'c'); say('server', res.getHeaders(), res.getHeaderNames(),
        res.hasHeader('x-a'), res.getHeader('X-a')); res.removeHeader('x-a'); let n = 0; req.on('data', (d) => { n += d.length;
        }).on('end', () => { say('server', 'end', n, plain(req.trailers)); res.writeHead(202, { 'x-n': n }); b('late',
        () => res.setHeader('a', 'b')); b('late head', () => res.writeHead(200)); res.addTrailers({ 'x-t': 'v' }); res.setTrailer('x-u',
        'w'); res.write('one '); res.end('two', () => say('server', 'ended', res.writableEnded, res.finished)); b('after',
        () => res.write('x')); }); res.on('finish', () => say('server', 'finish')).on('close', () => say('server', 'close')); });
    const req = t.client.request({ ':method': 'POST', ':path': '/c', 'x-a': '1' }); hear('client', req); req.end('a body');
      await closed(req); await end(t);`,
  'compat: Expect, early hints, push, writeContinue, upgrade by none': js`
    const t = await both(O, () => {}); t.server.removeAllListeners('stream'); t.server.on('checkContinue', (req, res) => { say('server',
      'checkContinue'); res.writeContinue(); req.on('data', () => {}).on('end', () => res.end('continued')); }).on('checkExpectation',
      (req, res) => { say('server', 'checkExpectation'); res.statusCode = 417; res.end(); })
      .on('request', (req, res) => { res.writeEarlyHints({ link: '</a>; rel=preload' }); res.createPushResponse({ ':path': '/pushed' },
        (e, push) => { say('server', e, push && push.constructor.name); if (push) push.end('pushed'); res.end('page'); }); });
    t.client.on('stream', (p) => body('push', p)); const a = t.client.request({ ':method': 'PUT', expect: '100-continue' });
      a.on('continue', () => say('a', 'continue')); hear('a', a); a.end('x'); await closed(a); const b = t.client.request({
      expect: 'other' }); hear('b', b); await closed(b); const c = t.client.request(); hear('c', c); await closed(c); await later(10);
      await end(t);`,
  'compat: the client aborts, the response is destroyed, HEAD and 204': js`
    const t = await both(O, () => {}); t.server.removeAllListeners('stream'); t.server.on('request', (req, res) => {
      const who = 'server ' + req.url; req.on('aborted', () => say(who, 'aborted')).on('close', () => say(who, 'req close',
      req.aborted)).on('error', (e) => say(who, 'req error', e.code)); res.on('close', () => say(who, 'res close',
      res.finished)).on('error', (e) => say(who, 'res error', e.code)); if (req.url === '/abort') res.write('x');
      else if (req.url === '/destroy') { res.write('x'); setTimeout(() => res.destroy(), 10); } else {
      res.statusCode = Number(req.url.slice(1)); res.end('text'); } });
    for (const [p, m] of [['/abort', 'GET'], ['/destroy', 'GET'], ['/200', 'HEAD'], ['/204', 'GET'], ['/304', 'GET']]) {
      const req = t.client.request({ ':path': p, ':method': m }); hear(m + p, req); if (p === '/abort') req.on('data',
      () => req.close(8)); await closed(req); await later(5); } await end(t);`,
  'the server closes: sessions end when their streams have': js`
    const t = await both(O, (s) => { s.respond(); setTimeout(() => s.end('late'), 30); }); const req = t.client.request(); hear('client',
      req); await once(req, 'response'); t.server.close(() => say('server', 'closed')); t.client.on('close', () => say('session',
      'close')); await closed(req); t.client.close(); await once(t.server, 'close').catch(() => {});`,
  'async context of streams': js`
    const storage = new async_hooks.AsyncLocalStorage(); const t = await both(O, (s) => { s.respond(); s.end('x'); });
    await once(t.client, 'connect'); await storage.run('mine', async () => { const req = t.client.request(); req.on('response',
      () => say('client', 'response', storage.getStore())).on('data', () => say('client', 'data', storage.getStore())).on('end',
      () => say('client', 'end', storage.getStore())).on('close', () => say('client', 'close', storage.getStore())); await closed(req);
      }); await end(t);`,
  'performance entries': js`
    const seen = []; const o = new perf_hooks.PerformanceObserver((l) => seen.push(...l.getEntries())); o.observe({
      entryTypes: ['http2'] }); const t = await both(O, (s) => { s.respond(); s.end('hello'); }); const req = t.client.request();
      hear('client', req); await closed(req); await end(t); await later(30); o.disconnect(); say('perf', seen.map((e) => e.name).sort());`,
};

/** Of one kind only. */
const OTHERS: Readonly<Record<string, string>> = {
  'http2: altsvc and origin': js`
    const t = await both({ secure: true, origins: ['https://a.test', 'https://b.test:8000'] }, (s) => { s.session.altsvc('h2=":8000"',
      s.id); s.session.altsvc('h2=":9"', 'https://c.test'); s.session.origin('https://d.test', new URL('https://e.test'));
      for (const bad of [5, 'nonsense']) attempt('server', 'origin', () => s.session.origin(bad)); attempt('server', 'altsvc',
      () => s.session.altsvc('\u2603', 1)); attempt('server', 'altsvc', () => s.session.altsvc('x', 'nonsense')); s.respond(); s.end(); });
    t.client.on('altsvc', (alt, origin, id) => say('client', 'altsvc', alt, origin, id)).on('origin', (list) => say('client', 'origin',
      list)); const req = t.client.request(); hear('client', req); await closed(req); await later(10); say('client',
      t.client.originSet.map((o) => o.replace(/\d{5}/, 'P'))); await end(t);`,
  'http2: a secure server with allowHTTP1, and without': js`
    for (const allowHTTP1 of [true, false]) { const server = http2.createSecureServer({ ...pem.server, allowHTTP1 }, (req,
      res) => res.end([req.httpVersion, req.socket.alpnProtocol || req.stream.session.alpnProtocol].join()));
      server.on('unknownProtocol', (s) => { say('server', 'unknownProtocol', s.alpnProtocol); s.destroy(); }).on('tlsClientError',
      (e) => say('server', e.code)); const port = await listen(server);
      await ask(https, { port, host: '127.0.0.1', ca: pem.ca, agent: false }).then((r) => say('https', r.body), (e) => say('https',
        e.code)); const c = http2.connect('https://localhost:' + port, { ca: pem.ca, family: 4 }); say('h2', await all(c.request()));
        c.close(); await closed(c); await new Promise((r) => server.close(r)); }`,
  'http2: http/1 to an h2c server, and h2c to an http/1 server': js`
    const server = http2.createServer((req, res) => res.end('x')); server.on('sessionError', (e) => say('server', e.code, e.message));
      const port = await listen(server); say('raw', (await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).length >= 0);
      await new Promise((r) => server.close(r));
    const old = http.createServer((req, res) => res.end('x')); const port2 = await listen(old);
      const c = http2.connect('http://localhost:' + port2, { family: 4 }); c.on('error', (e) => say('session', e.code,
      e.message)).on('close', () => say('session', 'close')); const req = c.request(); hear('client', req); await closed(req);
      await shut(old);`,
  'http2: refused, unknown, by Unix socket, by createConnection and over a Duplex': js`
    for (const [what, url, o] of [['refused', 'http://127.0.0.1:1'], ['name', 'http://no.such.invalid'], ['tls refused',
      'https://127.0.0.1:1']]) { const c = http2.connect(url, o); c.on('error', (e) => say(what, 'session', e.code,
      e.syscall)).on('close', () => say(what, 'session close')); const req = c.request(); hear(what, req); await closed(req); }
    const at = path.join(os.tmpdir(), 'h2-' + process.pid + '.sock'); const near = http2.createServer((req,
      res) => res.end('near ' + req.authority)); await listen(near, at); const c = http2.connect('http://localhost', {
      createConnection: () => net.connect(at) }); say('path', await all(c.request())); c.close(); await closed(c);
      const c2 = http2.connect('http://localhost', { path: at }); say('path option', await all(c2.request())); c2.close(); await closed(c2);
    const below = net.connect(at); const duplex = new stream.Duplex({ read() {}, write(d, e, done) { below.write(d, done); },
      final(done) { below.end(done); } }); below.on('data', (d) => duplex.push(d)).on('end', () => duplex.push(null));
      const c3 = http2.connect('http://localhost', { createConnection: () => duplex }); say('duplex', await all(c3.request()),
      c3.encrypted); c3.destroy(); below.destroy(); await new Promise((r) => near.close(r));`,
  'http2: a server on a connection by hand, performServerHandshake': js`
    const server = http2.createServer((req, res) => res.end('by hand'));
      const plainServer = net.createServer((s) => server.emit('connection', s)); const port = await listen(plainServer);
      const c = http2.connect('http://localhost:' + port, { family: 4 }); say('client', await all(c.request())); c.close();
      await closed(c); await new Promise((r) => plainServer.close(r));
    if (http2.performServerHandshake) { const s2 = net.createServer((s) => { const session = http2.performServerHandshake(s);
      session.on('stream', (st) => { st.respond(); st.end('handshake'); }); }); const p2 = await listen(s2);
      const d = http2.connect('http://localhost:' + p2, { family: 4 }); say('client 2', await all(d.request())); d.close();
      await closed(d); await new Promise((r) => s2.close(r)); } else say('client 2', 'handshake');`,
  'http2: limits: maxSessionInvalidFrames, header lists, a frame that is none': js`
    const server = http2.createServer({ maxHeaderListPairs: 8, maxSessionMemory: 1 }, (req, res) => res.end('x'));
      server.on('sessionError', (e) => say('server', 'sessionError', e.code)).on('stream', (s) => s.on('error', (e) => say('server',
      e.code))); const port = await listen(server); const c = http2.connect('http://localhost:' + port, { family: 4 }); c.on('error',
      (e) => say('session', e.code));
    const many = {}; for (let i = 0; i < 20; i++) many['x-' + i] = 'v'; const req = c.request(many); hear('many', req);
      await closed(req); const big = c.request({ 'x-big': 'y'.repeat(70000) }); hear('big', big); await closed(big); c.destroy();
      const s = net.connect(port, '127.0.0.1', () => s.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.from('00000004000000000000ffff00ff00000001', 'hex'), Buffer.alloc(200, 0xff)]))); s.on('error', () => {}); await all(s);
      await later(10); await new Promise((r) => server.close(r));`,
  'http2: getters of a session socket, and what its proxy refuses': js`
    const t = await both({}, (s) => { s.respond(); s.end(); }); await once(t.client, 'connect'); const { socket } = t.client;
      say('client', socket.remoteAddress, typeof socket.remotePort, socket.localAddress, socket.destroyed, socket.readable);
      for (const name of ['destroy', 'emit', 'end', 'pause', 'read', 'resume', 'write', 'setEncoding', 'setKeepAlive',
      'setNoDelay']) attempt('client', name, () => typeof socket[name]); attempt('client', 'set', () => { socket.setTimeout = 5; });
      t.client.ref(); t.client.unref(); t.client.ref(); await end(t); attempt('client', 'gone', () => t.client.socket === undefined);`,
  'http2: requests made before the session is connected, and cancelled': js`
    const t = await both({}, (s, h) => { s.respond(); s.end(h[':path']); }); const a = t.client.request({ ':path': '/a' }),
      b = t.client.request({ ':path': '/b' }), c = t.client.request({ ':path': '/c' }); hear('a', a); hear('b', b); hear('c', c);
      say('client', a.pending, t.client.connecting, a.id); b.close(H.NGHTTP2_CANCEL); c.destroy(); await Promise.all([closed(a),
      closed(b), closed(c)]); await end(t);`,
  'http2: a respond after the client has gone, and write to a closed stream': js`
    const t = await both({}, (s) => { s.on('close', () => { attempt('server stream', 'respond', () => s.respond());
      attempt('server stream', 'write', () => s.write('x')); attempt('server stream', 'end', () => s.end()); attempt('server stream',
      'push', () => s.pushStream({}, () => {})); attempt('server stream', 'session', () => s.session); }); });
      const req = t.client.request(); hear('client', req); setTimeout(() => req.close(8), 20); await closed(req); await later(20);
      await end(t);`,
  'http2: sensitive headers, duplicate headers, cookies': js`
    const t = await both({}, (s, h) => { say('server stream', h[http2.sensitiveHeaders], h.cookie, h['x-d'], h['set-cookie'], h.age);
      s.respond({ 'x-s': 'secret', [http2.sensitiveHeaders]: ['x-s'] }); s.end(); }); const req = t.client.request({ 'x-secret': '1',
      cookie: ['a=1', 'b=2'], 'x-d': ['1', '2'], age: '5', [http2.sensitiveHeaders]: ['x-secret'] }); req.on('response',
      (h) => say('client', h[http2.sensitiveHeaders])); hear('client', req); await closed(req); await end(t);`,
};

/** Over TLS, and in the clear. */
function everyWay(): Record<string, string> {
  const programs: Record<string, string> = {};
  for (const [name, source] of Object.entries(BOTH)) {
    programs[`http2: ${name}`] = `${START}const O = {};${source}`;
    programs[`http2 over TLS: ${name}`] = `${START}const O = { secure: true };${source}`;
  }
  for (const [name, source] of Object.entries(OTHERS)) programs[name] = START + source;
  return programs;
}

export const HTTP2: Readonly<Record<string, string>> = everyWay();
