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
    const t = await both(O, (s, h, flags) => { say('server stream', s.id, plain(h), flags, s.pushAllowed, s.headersSent,
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
  'the stream is destroyed by the server': js`
    const t = await both(O, (s, h) => { s.respond(); s.write('x', () => s.destroy(h[':path'] === '/e' ? new Error('mine') : undefined));
      s.on('close', () => say('server stream', 'close', s.rstCode)); });
    for (const path of ['/', '/e']) { const req = t.client.request({ ':path': path }); hear('client ' + path, req); await closed(req);
      say('client ' + path, req.rstCode); } await end(t);`,
  'ping in all forms': js`
    const t = await both(O, (s) => { s.respond(); s.end(); }); t.server.on('session', (s) => s.on('ping', (p) => say('server', 'ping',
      p.length))); await once(t.client, 'connect');
    await new Promise((r) => say('client', t.client.ping(Buffer.from('abcdefgh'), (e, ms, p) => { say('client', e, ms >= 0, p); r();
      }))); await new Promise((r) => t.client.ping((e, ms, p) => { say('client', e, p.length); r(); }));
    attempt('client', 'short', () => t.client.ping(Buffer.alloc(3), () => {})); attempt('client', 'type', () => t.client.ping('x',
      () => {})); attempt('client', 'none', () => t.client.ping()); t.client.ping((e) => say('client', 'lost', e && e.code));
      t.client.destroy(); await later(10); attempt('client', 'dead', () => t.client.ping(() => {}));
      await new Promise((r) => t.server.close(r));`,
  'window sizes, by hand': js`
    const t = await both(O, (s) => { s.respond(); s.end(); }); await once(t.client, 'connect'); await once(t.client, 'remoteSettings');
      t.client.setLocalWindowSize(200000); say('client', t.client.state.effectiveLocalWindowSize,
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
    for (const p of ['/file', '/part', '/fd', '/missing', '/dir', '/no', '/trailers']) { const req = t.client.request({
      ':path': p }); req.on('response', (h) => { h['last-modified'] = undefined; }); hear(p, req); await closed(req); } fs.closeSync(fd);
      fs.unlinkSync(file); await end(t);`,
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
  'getPackedSettings, defaults, constants': js`
    say('x', http2.getPackedSettings({ initialWindowSize: 5, enablePush: false }).toString('hex'),
      http2.getUnpackedSettings(Buffer.from('000300000064000400000005', 'hex')), http2.getDefaultSettings()); attempt('x', 'bad',
      () => http2.getUnpackedSettings(Buffer.alloc(5))); attempt('x', 'bad', () => http2.getPackedSettings({ maxFrameSize: 1 }));
      attempt('x', 'bad', () => http2.getUnpackedSettings(5));
    attempt('x', 'bad', () => http2.connect('ftp://x')); attempt('x', 'bad', () => http2.createServer(5)); attempt('x', 'bad',
      () => http2.connect('http://localhost', { port: 1 }).on('error', () => {}).destroy() && 1); const t = await both(O, (s) => {
      s.respond(); s.end(); }); await end(t);`,
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
