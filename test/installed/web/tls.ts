/** `tls` and `https`. */
import { js } from './prelude.ts';

export const TLS: Readonly<Record<string, string>> = {
  'https: what a handler throws is an uncaught exception': js`
    const server = https.createServer(pem.server, (req) => { throw new Error('thrown by the handler of ' + req.url); });
    const port = await listen(server);
    server.on('connection', (s) => setTimeout(() => s.destroy(), 50));
    const req = https.get({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost', path: '/cup' });
    await new Promise((resolve) => req.on('error', (e) => say('client', e.code)).on('close', resolve));
    await shut(server);`,
  'tls: the signatures of connect': js`
    const at = path.join(os.tmpdir(), 't-' + process.pid + '.sock');
    const server = tls.createServer(pem.server, (s) => s.end('hello')), near = tls.createServer(pem.server, (s) => s.end('near'));
    const port = await listen(server); await listen(near, at);
    const ca = pem.ca, servername = 'localhost';
    const go = async (what, f) => say(what, await all(f()));
    await go('port', () => tls.connect(port, { ca, servername, host: '127.0.0.1' }));
    await go('port host', () => tls.connect(port, '127.0.0.1', { ca, servername }, () => say('callback', 1)));
    await go('port callback', () => { const c = tls.connect(port, '127.0.0.1', () => {}); c.on('error', (e) => say('unknown', e.code));
      return c; });
    await go('options', () => tls.connect({ port, host: '127.0.0.1', ca }, () => say('callback', 2)));
    await go('path', () => tls.connect(at, { ca, servername })); await go('path option', () => tls.connect({ path: at, ca, servername }));
    await go('localhost', () => tls.connect({ port, host: 'localhost', family: 4, ca }));
    attempt('bad', 'socket', () => tls.connect({ socket: 5, ca }).on('error', () => {}).destroy() && 1);
    attempt('bad', 'secureContext', () => tls.createServer({ key: 'x', cert: 'y' }));
    attempt('bad', 'listener', () => tls.createServer(5)); attempt('bad', 'port', () => tls.connect({ port: 70000 }));
    await shut(server, near);`,
  'tls: what both ends know of each other': js`
    const server = tls.createServer({ ...pem.server, ca: pem.ca, requestCert: true, ALPNProtocols: ['x', 'y'] }, (s) => {
      say('server', s.authorized, s.authorizationError, s.alpnProtocol, s.servername, s.encrypted, s.getProtocol(), s.isSessionReused(),
        s.getPeerCertificate().subject, s.getCertificate().subject, s.remoteFamily, s.localAddress, s.getEphemeralKeyInfo());
      s.on('data', (d) => s.end('got ' + d));
    });
    const port = await listen(server);
    const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, ...pem.client, ALPNProtocols: ['y', 'z'], servername: 'localhost' });
    watch('client', c, 'connect', 'ready', 'secureConnect', 'end', 'close', 'error', 'lookup');
    await once(c, 'secureConnect');
    const { subject, issuer, subjectaltname, valid_to, bits, ca: isCa } = c.getPeerCertificate(true);
    say('client', c.authorized, c.authorizationError, c.alpnProtocol, c.servername, c.encrypted, c.getProtocol(), subject, issuer,
      subjectaltname,
      valid_to, bits, isCa, c.getEphemeralKeyInfo(), c.getCipher(), c.getSharedSigalgs().length > 0, c.remoteAddress, c.address().family);
    say('client', c.getCertificate().subject, c.getX509Certificate().subject, c.getPeerX509Certificate().subject,
      c.getFinished().length > 0,
      c.getPeerFinished().length > 0, c.getTLSTicket() === undefined, c.getSession().length > 0);
    c.write('words'); say('client', await all(c));
    say('client', c.getPeerCertificate(), c.getProtocol(), c.getCipher(), c.getSession(), c.getFinished(), c.getEphemeralKeyInfo());
    await shut(server);`,
  'tls: certificates that are refused, by code': js`
    const go = async (what, serverOptions, options) => {
      const server = tls.createServer(serverOptions, (s) => { say(what + ' server', 'secureConnection'); s.on('error',
        () => {}).end('x'); });
      server.on('tlsClientError', (e, s) => say(what + ' server', e.code, s.remoteAddress === undefined));
      const port = await listen(server);
      const c = tls.connect({ port, host: '127.0.0.1', ...options }, () => say(what, 'secureConnect', c.authorized, c.authorizationError));
      c.on('error', (e) => say(what, e.code, e.message, e.reason, e.host)).on('close', (had) => say(what, 'close', had));
      c.resume();
      await once(c, 'close').catch(() => once(c, 'close'));
      await shut(server);
    };
    const ca = pem.ca;
    await go('unknown', pem.server, {}); await go('unknown, let be', pem.server, { rejectUnauthorized: false });
    await go('other authority', pem.server, { ca: pem.otherCa }); await go('expired', pem.old, { ca });
    await go('wrong name', pem.a, { ca, servername: 'b.test' }); await go('wrong address', pem.a, { ca });
    await go('wild', pem.wild, { ca, servername: 'x.wild.test' }); await go('too wild', pem.wild, { ca, servername: 'x.y.wild.test' });
    await go('own check', pem.a, { ca, servername: 'a.test', checkServerIdentity: (name, cert) => { say('check', name, cert.subject.CN);
      return new Error('mine'); } });
    await go('no certificate', { ...pem.server, ca, requestCert: true }, { ca });
    await go('a stranger', { ...pem.server, ca, requestCert: true }, { ca, ...pem.stranger, servername: 'localhost' });
    await go('a stranger, let be', { ...pem.server, ca, requestCert: true, rejectUnauthorized: false }, { ca, ...pem.stranger,
      servername: 'localhost' });
    await go('a stranger, 1.2', { ...pem.server, ca, requestCert: true, maxVersion: 'TLSv1.2' }, { ca, ...pem.stranger,
      servername: 'localhost' });
    await go('several authorities', pem.server, { ca: [pem.otherCa, ca], servername: 'localhost' });`,
  'tls: versions and ciphers that do not meet': js`
    const go = async (what, serverOptions, options) => {
      const server = tls.createServer({ ...pem.server, ...serverOptions }, (s) => { say(what + ' server', s.getProtocol()); s.end(); });
      server.on('tlsClientError', (e) => say(what + ' server', e.code, e.library, e.reason));
      const port = await listen(server);
      let c;
      try { c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost', ...options }, () => say(what,
        c.getProtocol(), c.getCipher().name)); }
      catch (e) { say(what, 'threw', e.code, e.message); await shut(server); return; }
      c.on('error', (e) => say(what, e.code, e.library, e.reason)).on('close', (had) => say(what, 'close', had)).resume();
      await once(c, 'close').catch(() => once(c, 'close'));
      await shut(server);
    };
    await go('1.2', { maxVersion: 'TLSv1.2' }, {}); await go('1.3 only', { minVersion: 'TLSv1.3' }, { maxVersion: 'TLSv1.2' });
    await go('client 1.3 only', { maxVersion: 'TLSv1.2' }, { minVersion: 'TLSv1.3' }); await go('bad order', {}, { minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.2' });
    await go('bad version', {}, { minVersion: 'TLSv9' }); await go('protocol', {}, { secureProtocol: 'TLSv1_2_method' });
    await go('ciphers', { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' }, { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384',
      maxVersion: 'TLSv1.2' });
    await go('cipher', { ciphers: 'TLS_AES_128_GCM_SHA256' }, {}); await go('bad ciphers', {}, { ciphers: 'no-such' });
    await go('curve', { ecdhCurve: 'P-384' }, { ecdhCurve: 'P-256' }); await go('curves', { ecdhCurve: 'P-384:P-256' }, {
      ecdhCurve: 'P-256' });
    await go('honor', { honorCipherOrder: true, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384',
      maxVersion: 'TLSv1.2' },
      { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256' });
    await go('sigalgs', { sigalgs: 'ECDSA+SHA256' }, { sigalgs: 'ECDSA+SHA256' }); await go('no sigalgs', { sigalgs: 'RSA+SHA256',
      maxVersion: 'TLSv1.2' }, {});`,
  'tls: SNI by callback, by context, and names that are none': js`
    const server = tls.createServer({ ...pem.server, SNICallback: (name, cb) => { say('sni', name);
      if (name === 'a.test') setTimeout(() => cb(null, tls.createSecureContext(pem.a)), 5);
      else if (name === 'b.test') cb(null, null); else if (name === 'bad.test') cb(new Error('no such')); else cb(null, 5); } },
      (s) => s.end(String(s.servername)));
    server.on('tlsClientError', (e) => say('server', e.code, e.message));
    const port = await listen(server);
    for (const servername of ['a.test', 'b.test', 'bad.test', 'odd.test', undefined]) {
      const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername, checkServerIdentity: () => undefined });
      c.on('error', (e) => say(String(servername), e.code)); c.on('secureConnect', () => say(String(servername),
        c.getPeerCertificate().subject.CN, c.servername));
      say(String(servername), await all(c));
    }
    await shut(server);
    const plain = tls.createServer(pem.server, (s) => s.end(String(s.servername)));
    plain.addContext('a.test', pem.a); plain.addContext('*.b.test', pem.b);
    const port2 = await listen(plain);
    for (const servername of ['a.test', 'x.b.test', 'x.y.b.test', 'c.test']) {
      const c = tls.connect({ port: port2, host: '127.0.0.1', ca: pem.ca, servername, checkServerIdentity: () => undefined });
      c.on('secureConnect', () => say(servername, c.getPeerCertificate().subject.CN)); say(servername, await all(c));
    }
    attempt('bad', 'addContext', () => plain.addContext(null, {}));
    await shut(plain);`,
  'tls: ALPN by list, by callback, and none in common': js`
    const go = async (what, serverOptions, ALPNProtocols) => {
      const server = tls.createServer({ ...pem.server, ...serverOptions }, (s) => { say(what + ' server', s.alpnProtocol); s.end(); });
      server.on('tlsClientError', (e) => say(what + ' server', e.code));
      const port = await listen(server);
      const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost', ALPNProtocols }, () => say(what,
        c.alpnProtocol));
      c.on('error', (e) => say(what, e.code)); await all(c); await shut(server);
    };
    await go('server first', { ALPNProtocols: ['a', 'b'] }, ['b', 'a']); await go('none', { ALPNProtocols: ['a'] }, ['z']);
    await go('not asked', { ALPNProtocols: ['a'] }, undefined); await go('not offered', {}, ['a']);
    await go('buffer', { ALPNProtocols: Buffer.from('\x01a\x01b') }, ['b']);
    await go('callback', { ALPNCallback: ({ servername, protocols }) => { say('callback', servername, protocols); return protocols[1];
      } }, ['a', 'b']);
    await go('callback none', { ALPNCallback: () => undefined }, ['a']);
    attempt('bad', 'both', () => tls.createServer({ ...pem.server, ALPNCallback: () => 'a', ALPNProtocols: ['a'] }));
    attempt('bad', 'callback', () => tls.createServer({ ...pem.server, ALPNCallback: 5 }));
    attempt('bad', 'long', () => tls.convertALPNProtocols(['x'.repeat(300)], {}));`,
  'tls: sessions are resumed by session and by ticket': js`
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
      const server = tls.createServer({ ...pem.server, maxVersion }, (s) => { say(maxVersion + ' server', s.isSessionReused());
        s.end('x'); });
      const port = await listen(server);
      const options = { port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost' };
      const first = tls.connect(options);
      let session; first.on('session', (s) => { session = s; }); await all(first);
      say(maxVersion, session.length > 100, first.isSessionReused());
      for (const s of [session, undefined, Buffer.from('nonsense')]) {
        const c = tls.connect({ ...options, session: s }); c.on('error', (e) => say(maxVersion, e.code));
        c.on('secureConnect', () => say(maxVersion, c.isSessionReused(), c.authorized)); await all(c);
      }
      server.setTicketKeys(crypto.randomBytes(48));
      const c = tls.connect({ ...options, session }); await all(c); say(maxVersion, 'other keys', c.isSessionReused());
      say(maxVersion, server.getTicketKeys().length); attempt(maxVersion, 'keys', () => server.setTicketKeys(Buffer.alloc(3)));
      await shut(server);
    }`,
  'tls: newSession and resumeSession keep sessions by hand': js`
    const store = new Map();
    const server = tls.createServer({ ...pem.server, maxVersion: 'TLSv1.2', secureOptions: crypto.constants.SSL_OP_NO_TICKET }, (s) => {
      say('server', s.isSessionReused()); s.end('x'); });
    server.on('newSession', (id, data, done) => { say('server', 'newSession', id.length); store.set(id.toString('hex'), data);
      setTimeout(done, 5); });
    server.on('resumeSession', (id, done) => { say('server', 'resumeSession', store.has(id.toString('hex')));
      setTimeout(() => done(null, store.get(id.toString('hex')) || null), 5); });
    const port = await listen(server);
    const options = { port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost' };
    const first = tls.connect(options); let session; first.on('session', (s) => { session = s; }); await all(first);
    const second = tls.connect({ ...options, session }); await all(second); say('client', second.isSessionReused());
    store.clear(); const third = tls.connect({ ...options, session }); await all(third); say('client', third.isSessionReused());
    await shut(server);`,
  'tls: OCSP is asked for and answered': js`
    for (const answer of [Buffer.from('an answer'), null, new Error('none')]) {
      const server = tls.createServer(pem.server, (s) => s.end('x'));
      server.on('OCSPRequest', (cert, issuer, done) => { say('server', cert.length > 100, issuer === null);
        setTimeout(() => (answer instanceof Error ? done(answer) : done(null, answer)), 5); });
      server.on('tlsClientError', (e) => say('server', e.message));
      const port = await listen(server);
      const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost', requestOCSP: true });
      c.on('OCSPResponse', (r) => say('client', r)).on('error', (e) => say('client', e.code));
      say('client', await all(c)); await shut(server);
    }`,
  'tls: PSK': js`
    const key = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
    for (const [what, known] of [['right', key], ['wrong', Buffer.alloc(16)], ['unknown', null]]) {
      const server = tls.createServer({ ciphers: 'PSK', pskIdentityHint: 'hint', pskCallback: (s, identity) => { say('server', identity);
        return known; } },
        (s) => s.end('private'));
      server.on('tlsClientError', (e) => say('server', what, e.code));
      const port = await listen(server);
      const c = tls.connect({ port, host: '127.0.0.1', ciphers: 'PSK', maxVersion: 'TLSv1.2', checkServerIdentity: () => {},
        pskCallback: (hint) => { say('client', hint); return { psk: key, identity: 'me' }; } }, () => say('client', what, c.authorized,
          c.getCipher().name.includes('PSK')));
      c.on('error', (e) => say('client', what, e.code)); say('client', await all(c)); await shut(server);
    }
    attempt('bad', 'psk', () => tls.createServer({ pskCallback: 5 })); attempt('bad', 'hint', () => tls.createServer({ ciphers: 'PSK',
      pskCallback() {}, pskIdentityHint: 5 }));`,
  'tls: exportKeyingMaterial, tls-unique, setMaxSendFragment, keylog': js`
    let theirs;
    const server = tls.createServer(pem.server, (s) => { theirs = s.exportKeyingMaterial(32, 'label', Buffer.from('c')); s.on('data',
      (d) => s.end(String(d.length))); });
    server.on('keylog', (line, s) => say('server', String(line).split(' ')[0], s.constructor.name));
    const port = await listen(server);
    const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost' });
    c.on('keylog', (line) => say('client', String(line).split(' ')[0]));
    attempt('client', 'early', () => c.exportKeyingMaterial(32, 'label'));
    await once(c, 'secureConnect');
    const mine = c.exportKeyingMaterial(32, 'label', Buffer.from('c'));
    attempt('client', 'bad', () => c.exportKeyingMaterial('x', 'label')); attempt('client', 'bad', () => c.exportKeyingMaterial(5, 5));
    say('client', c.setMaxSendFragment(1000), c.setMaxSendFragment(20000), c.setMaxSendFragment(100));
    c.write('abc'); await all(c);
    say('client', mine.equals(theirs)); attempt('client', 'late', () => c.exportKeyingMaterial(32, 'label'));
    await shut(server);`,
  'tls: renegotiation in 1.2, refused in 1.3 and by disableRenegotiation': js`
    for (const [maxVersion, disable] of [['TLSv1.2', false], ['TLSv1.2', true], ['TLSv1.3', false]]) {
      const who = maxVersion + disable;
      const server = tls.createServer({ ...pem.server, maxVersion }, (s) => { if (disable) s.disableRenegotiation(); s.on('error',
        (e) => say(who + ' server', e.code)); s.resume(); });
      const port = await listen(server);
      const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost' });
      await once(c, 'secureConnect'); c.on('error', (e) => say(who, 'error', e.code)).resume();
      await new Promise((resolve) => { attempt(who, 'returned', () => c.renegotiate({ rejectUnauthorized: false }, (e) => { say(who,
        'called', e && e.code); resolve(); }));
        c.on('close', resolve); });
      attempt(who, 'bad', () => c.renegotiate(5, () => {})); c.destroy(); await later(10); await shut(server);
    }`,
  'tls: handshakeTimeout, a plain client, a client that goes away': js`
    const server = tls.createServer({ ...pem.server, handshakeTimeout: 40 }, () => say('server', 'secureConnection'));
    server.on('tlsClientError', (e, s) => { say('server', e.code, s.destroyed,
      s.constructor.name); s.destroy(); });
    server.on('connection', (s) => say('server', 'connection', s.constructor.name));
    const port = await listen(server);
    say('silent', await raw(port, '')); say('plain', (await raw(port, 'GET / HTTP/1.1\r\n\r\n')).length);
    const gone = net.connect(port, '127.0.0.1', () => gone.end()); await all(gone);
    const reset = net.connect(port, '127.0.0.1', () => setTimeout(() => reset.resetAndDestroy(), 5)); await all(reset); await later(20);
    await shut(server);`,
  'tls: a server that ends in the handshake, and what a client says': js`
    for (const [what, act] of [['end', (s) => s.end()], ['destroy', (s) => s.destroy()], ['reset', (s) => s.once('data',
      () => s.resetAndDestroy())],
      ['nonsense', (s) => s.end('nonsense')], ['reads and ends', (s) => s.once('data', () => s.end())]]) {
      const server = net.createServer((s) => { s.on('error', () => {}); act(s); });
      const port = await listen(server);
      const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca });
      watch(what, c, 'connect', 'secureConnect', 'end', 'close');
      c.on('error', (e) => say(what, e.code, e.message.split(':').slice(-1)[0], e.host, e.port === port, e.localAddress)).resume();
      await once(c, 'close').catch(() => once(c, 'close'));
      await shut(server);
    }`,
  'tls: refused, unknown, and a local address': js`
    const go = async (what, options) => { const c = tls.connect(options); c.on('error', (e) => say(what, e.code, e.syscall, e.address,
      e.message)).on('close', (h) => say(what, 'close', h));
      c.on('connect', () => say(what, c.localAddress)); c.on('secureConnect', () => c.destroy()); await once(c,
        'close').catch(() => once(c, 'close')); };
    await go('refused', { port: 1, host: '127.0.0.1' }); await go('name', { port: 1, host: 'no.such.invalid' }); await go('path', {
      path: '/no/where.sock' });
    const server = tls.createServer(pem.server, (s) => s.on('error', () => {}).resume()); const port = await listen(server);
    await go('local', { port, host: '127.0.0.1', localAddress: '127.0.0.1', rejectUnauthorized: false }); await go('not ours', { port,
      host: '127.0.0.1', localAddress: '192.0.2.9' });
    const c = tls.connect({ port, host: 'some.where', rejectUnauthorized: false, lookup: (n, o, cb) => { say('lookup', n);
      o.all ? cb(null, [{ address: '127.0.0.1', family: 4 }]) : cb(null, '127.0.0.1', 4); } });
    await once(c, 'secureConnect'); say('lookup', c.remoteAddress, c.servername); c.destroy(); await shut(server);`,
  'tls: over a Duplex, over a net.Socket, over TLS': js`
    const inner = tls.createServer(pem.server, (s) => s.on('data', (d) => s.end('inner ' + d)));
    const port = await listen(inner);
    const options = { ca: pem.ca, servername: 'localhost' };
    const ask = async (what, socket) => { const c = tls.connect({ ...options, socket }, () => c.write('hi')); watch(what, c, 'connect',
      'secureConnect', 'close', 'error'); say(what, await all(c), c.remoteAddress); };
    await ask('connected', await new Promise((r) => { const s = net.connect(port, '127.0.0.1', () => r(s)); }));
    await ask('connecting', net.connect(port, '127.0.0.1'));
    const below = net.connect({ port, host: '127.0.0.1' });
    const duplex = new stream.Duplex({ read() {}, write(d, e, done) { below.write(d, done); }, final(done) { done(); } });
    below.on('data', (d) => duplex.push(d)).on('end', () => duplex.push(null));
    const c0 = tls.connect({ ...options, socket: duplex }, () => c0.write('hi'));
    body('duplex', c0); await once(c0, 'end'); c0.destroy(); below.destroy();
    const outer = tls.createServer(pem.server, (s) => { const t = net.connect(port, '127.0.0.1'); s.pipe(t).pipe(s); s.on('error',
      () => {}); t.on('error', () => {}); });
    const outerPort = await listen(outer);
    await ask('over TLS', await new Promise((r) => { const s = tls.connect({ ...options, port: outerPort, host: '127.0.0.1' },
      () => r(s)); }));
    await ask('over TLS connecting', tls.connect({ ...options, port: outerPort, host: '127.0.0.1' }));
    const gone = net.connect(port, '127.0.0.1'); gone.destroy();
    const c = tls.connect({ ...options, socket: gone }); watch('destroyed', c, 'error', 'close', 'secureConnect').resume();
      await later(30); c.destroy(); await later(5);
    await shut(inner, outer);`,
  'tls: STARTTLS at both ends': js`
    const server = net.createServer((s) => { s.write('220 ready\n'); s.once('data', (d) => { say('server', d); s.write('go ahead\n', () => {
      const t = new tls.TLSSocket(s, { isServer: true, ...pem.server }); watch('server', t, 'secure', 'end', 'close', 'error');
      t.on('data', (d) => { say('server', d, t.encrypted, s.destroyed); t.end('secret ' + d); }); }); }); });
    const port = await listen(server);
    const s = net.connect(port, '127.0.0.1'); say('client', (await once(s, 'data'))[0]); s.write('STARTTLS\n'); say('client',
      (await once(s, 'data'))[0]);
    const c = tls.connect({ socket: s, ca: pem.ca, servername: 'localhost' }); await once(c, 'secureConnect'); c.write('me');
      say('client', await all(c));
    say('client', s.destroyed, c.destroyed); await shut(server);`,
  'tls: half-open, end at either side, and allowHalfOpen': js`
    for (const allowHalfOpen of [false, true]) {
      const who = String(allowHalfOpen);
      const server = tls.createServer({ ...pem.server, allowHalfOpen }, (s) => { watch(who + ' server', s, 'end', 'finish', 'close',
        'error'); let n = '';
        s.on('data', (d) => { n += d; }).on('end', () => { if (allowHalfOpen) setTimeout(() => s.end('after ' + n), 10); }); });
      const port = await listen(server);
      const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost', allowHalfOpen }); watch(who + ' client', c,
        'end', 'finish', 'close', 'error');
      c.end('all'); say(who + ' client', await all(c)); await later(20); await shut(server);
    }`,
  'tls: the peer resets, or is destroyed, with data under way': js`
    for (const [what, act] of [['destroy', (s) => s.destroy()], ['reset', (s) => { s.on('error', () => {});
      s._parent ? s._parent.resetAndDestroy() : s.resetAndDestroy(); }], ['end', (s) => s.end()]]) {
      const server = tls.createServer(pem.server, (s) => { s.on('error', (e) => say(what + ' server', e.code)); s.once('data',
        () => act(s)); });
      const port = await listen(server);
      const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost' }, () => c.write('x'));
      watch(what, c, 'end', 'close'); c.on('error', (e) => say(what, e.code)).resume(); await once(c, 'close').catch(() => once(c,
        'close')); await shut(server);
    }`,
  'tls: destroy at each point': js`
    const server = tls.createServer(pem.server, (s) => { s.on('error', (e) => say('server', e.code)).resume(); });
      server.on('tlsClientError', () => {});
    const port = await listen(server);
    const go = async (what, f) => { const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost' }); watch(what,
      c, 'connect', 'secureConnect', 'error', 'end', 'close'); f(c);
      await once(c, 'close').catch(() => once(c, 'close')); await later(5); };
    await go('at once', (c) => c.destroy()); await go('error', (c) => c.destroy(new Error('mine'))); await go('connect',
      (c) => c.on('connect', () => c.destroy()));
    await go('secure', (c) => c.on('secureConnect', () => c.destroy())); await go('end at once', (c) => c.end());
      await go('end on connect', (c) => c.on('connect', () => c.end('x')));
    await go('destroySoon', (c) => { c.write('x'); c.destroySoon(); }); await go('timeout', (c) => c.setTimeout(30, () => {
      say('timeout', c.timeout); c.destroy(); }));
    await go('reset', (c) => c.on('secureConnect', () => {
      attempt('reset', 'resetAndDestroy', () => c.resetAndDestroy() && 1); c.destroy(); }));
    await shut(server);`,
  'tls: 5 MB both ways with back-pressure, byte counters': js`
    const size = 5e6;
    const server = tls.createServer(pem.server, (s) => s.pipe(s)); const port = await listen(server);
    const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost' }); await once(c, 'secureConnect');
    const hash = crypto.createHash('sha1'), sent = crypto.createHash('sha1'); let n = 0, drains = 0, out = 0;
    c.on('data', (d) => { hash.update(d); n += d.length; if (n % 7 === 0) { c.pause(); setImmediate(() => c.resume()); } });
    for (let i = 0; out < size; i++) { const d = crypto.randomBytes(50000 + i); sent.update(d); out += d.length; if (!c.write(d)) {
      drains++; await once(c, 'drain'); } }
    c.end(); await once(c, 'end'); say('client', n === out, hash.digest('hex') === sent.digest('hex'), drains > 0, c.bytesRead > n,
      c.bytesWritten > out);
    await shut(server);`,
  'tls: many small writes, cork, write callbacks in order': js`
    const server = tls.createServer(pem.server, (s) => s.pipe(s)); const port = await listen(server);
    const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost' });
    c.write('before the handshake ', () => say('client', 'first')); let text = ''; c.on('data', (d) => { text += d; });
    await once(c, 'secureConnect'); c.cork(); for (let i = 0; i < 100; i++) c.write(i + ' ', i % 50 ? undefined : () => say('client',
      'written', i)); c.uncork();
    c.end(() => say('client', 'finish')); await once(c, 'end'); say('client', text.length, c.writableLength, c.bytesWritten > 0);
      await shut(server);`,
  'tls: setSecureContext, server options, and getters of a server': js`
    const server = tls.createServer(pem.a, (s) => s.end()); const port = await listen(server);
    const name = async () => { const c = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }); let n;
      c.on('secureConnect', () => { n = c.getPeerCertificate().subject.CN; }); await all(c); return n; };
    say('client', await name()); server.setSecureContext(pem.b); say('client', await name()); attempt('bad', 'context',
      () => server.setSecureContext(5));
    say('server', server instanceof net.Server, server.address().family, server.listening); await shut(server);`,
  'tls: contexts, ciphers, root certificates, and defaults': js`
    say('tls', tls.getCiphers().length > 10, tls.rootCertificates.length > 50, tls.DEFAULT_MIN_VERSION, tls.DEFAULT_MAX_VERSION,
      tls.DEFAULT_ECDH_CURVE, tls.CLIENT_RENEG_LIMIT, tls.CLIENT_RENEG_WINDOW);
    const t = (what, o) => attempt('context', what, () => tls.createSecureContext(o));
    t('empty', {}); t('none'); t('pair', pem.a); t('mismatch', { key: pem.a.key, cert: pem.b.cert }); t('key', { key: 'x' }); t('cert', {
      cert: 'x' }); t('ca', { ca: 'x' }); t('type', { key: 5 });
    t('passphrase', { key: pem.a.key, passphrase: 'x' }); t('dh', { dhparam: 'auto' }); t('dh', { dhparam: 'x' }); t('timeout', {
      sessionTimeout: 'x' }); t('tickets', { ticketKeys: Buffer.alloc(1) });
    t('pfx', { pfx: 'x' }); t('crl', { crl: 'x' }); t('curve', { ecdhCurve: 'x' }); t('engine', { clientCertEngine: 5 }); t('min', {
      minVersion: 5 }); t('protocol', { secureProtocol: 'x' });
    say('check', tls.checkServerIdentity('a.test', { subject: { CN: 'a.test' } }), (tls.checkServerIdentity('a.test', { subject: {
      CN: 'b' }, subjectaltname: 'DNS:c.test' }) || {}).message);
    say('gone', tls.createSecurePair === undefined, tls.parseCertString === undefined);`,
  'tls: pause, resume, ref and unref, setNoDelay, setKeepAlive, setTimeout': js`
    const server = tls.createServer({ ...pem.server, pauseOnConnect: true, noDelay: true, keepAlive: true }, (s) => { say('server',
      s.isPaused(), s.timeout); s.setTimeout(40, () => { say('server', 'timeout'); s.end('late'); }); });
    const port = await listen(server); const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost' });
    say('client', c.setNoDelay() === c, c.setKeepAlive(true, 10) === c, c.ref() === c, c.unref() === c, c.ref() === c,
      c.setEncoding('utf8') === c);
    say('client', await all(c)); await shut(server);`,
  'tls: an unauthorized client is told to the server by the event, with its address': js`
    const server = tls.createServer({ ...pem.server, requestCert: true, rejectUnauthorized: false, ca: pem.ca }, (s) => { say('server',
      s.authorized, s.authorizationError, s.getPeerCertificate().subject); s.end(); });
    const port = await listen(server);
    for (const more of [{}, pem.stranger, pem.client]) await all(tls.connect({ port, host: '127.0.0.1', ca: pem.ca,
      servername: 'localhost', ...more }));
    await shut(server);`,
  'tls: secureConnection is heard by a once-listener, and servers close': js`
    const server = tls.createServer(pem.server); const port = await listen(server);
    const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost' }); const [s] = await once(server,
      'secureConnection');
    server.close(() => say('server', 'closed')); watch('peer', s, 'end', 'close').resume(); watch('client', c, 'end', 'close').resume();
      c.end('x'); await once(server, 'close');`,
  'tls: async context of callbacks': js`
    const storage = new async_hooks.AsyncLocalStorage();
    const server = tls.createServer(pem.server, (s) => s.end('x')); const port = await listen(server);
    await storage.run('mine', () => new Promise((resolve) => { const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca,
      servername: 'localhost' }, () => say('client', 'secureConnect', storage.getStore()));
      c.on('data', () => say('client', 'data', storage.getStore())).on('close', () => { say('client', 'close', storage.getStore());
        resolve(); }); }));
    await shut(server);`,
};

export const HTTPS: Readonly<Record<string, string>> = {
  'https: requests in all forms': js`
    const server = https.createServer(pem.server, (req, res) => res.end([req.method, req.url, req.socket.encrypted,
      req.socket.servername].join(' ')));
    const port = await listen(server); const o = { ca: pem.ca, host: '127.0.0.1', port, agent: false };
    for (const form of [[o], ['https://localhost:' + port + '/url', { ca: pem.ca }], [new URL('https://localhost:' + port + '/u'), {
      ca: pem.ca, method: 'PUT' }], [{ ...o, path: '/p', servername: 'agent.test' }], [{ ...o, headers: { host: 'localhost' } }]]) {
      const req = https.request(...form).end(); const [res] = await once(req, 'response'), { authorized } = res.socket;
      say('client', await all(res), authorized, req.agent !== undefined, req.protocol);
    }
    for (const more of [{ ca: undefined }, { host: 'localhost', servername: 'other.test' }, { rejectUnauthorized: false,
      ca: undefined }]) await ask(https, { ...o, ...more }).then((r) => say('client', r.body), (e) => say('client', e.code, e.reason,
      e.host));
    attempt('bad', 'protocol', () => https.get('http://localhost')); await shut(server);`,
  'https: an agent keeps connections and resumes sessions': js`
    const server = https.createServer(pem.server, (req, res) => { if (req.url === '/close') res.setHeader('connection', 'close');
      res.end(String(req.socket.isSessionReused())); });
    const port = await listen(server); const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: pem.ca, maxCachedSessions: 5 });
    agent.on('keylog', () => {});
    for (const p of ['/a', '/b', '/close', '/c']) { const { body: text, req } = await ask(https, { host: 'localhost', family: 4, port,
      agent, path: p }); say('client', p, text, req.reusedSocket); await later(10); }
    say('agent', agent._sessionCache.list.length, agent.getName({ host: 'h', port: 1, ca: 'c', servername: 's', minVersion: 'TLSv1.2' }),
      https.globalAgent.defaultPort, https.globalAgent.protocol, https.globalAgent.maxCachedSessions);
    agent.destroy(); await shut(server);`,
  'https: client certificates, and names by SNI': js`
    const server = https.createServer({ ...pem.server, ca: pem.ca, requestCert: true, rejectUnauthorized: false }, (req,
      res) => res.end([req.client === undefined, req.socket.authorized,
      req.socket.getPeerCertificate().subject && req.socket.getPeerCertificate().subject.CN].join(' ')));
    server.addContext('a.test', pem.a); const port = await listen(server);
    const o = { ca: pem.ca, host: '127.0.0.1', port, agent: false };
    say('client', (await ask(https, o)).body, (await ask(https, { ...o, ...pem.client })).body, (await ask(https, { ...o,
      ...pem.stranger })).body);
    const { res } = await ask(https, { ...o, servername: 'a.test', headers: { host: 'a.test' } }); say('client', res.statusCode);
      await shut(server);`,
  'https: a plain client, a closing one, and a handshake that fails': js`
    const server = https.createServer({ ...pem.server, handshakeTimeout: 50 }, (req, res) => res.end('x'));
    server.on('tlsClientError', (e) => say('server', 'tlsClientError', e.code)).on('clientError', (e, s) => { say('server',
      'clientError', e.code); s.destroy(); });
    const port = await listen(server);
    say('plain', (await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).length); say('silent', await raw(port, ''));
    await ask(http, { port, host: '127.0.0.1', agent: false }).catch((e) => say('http', e.code));
    await ask(https, { port, host: '127.0.0.1', agent: false, maxVersion: 'TLSv1.1', minVersion: 'TLSv1',
      ca: pem.ca }).catch((e) => say('old', e.code));
    await shut(server);`,
  'https: a client of a plain server': js`
    const server = http.createServer((req, res) => res.end()); const port = await listen(server);
    await ask(https, { port, host: '127.0.0.1', agent: false }).catch((e) => say('client', e.code, e.library, e.reason));
      await shut(server);`,
  'https: abort and timeout': js`
    const server = https.createServer(pem.server, (req, res) => { res.on('error', () => {}); if (req.url === '/part') res.write('x'); });
      server.on('tlsClientError', () => {}); const port = await listen(server);
    const go = (what, p, more, f) => new Promise((resolve) => { const req = https.get({ ca: pem.ca, host: '127.0.0.1', port,
      agent: false, path: p, ...more }); watch(what, req, 'timeout', 'response', 'error', 'close').on('close', () => setTimeout(resolve,
      5));
      req.on('response', (res) => watch(what + ' res', res, 'aborted', 'error', 'close').resume()); f(req); });
    await go('at once', '/', {}, (r) => r.destroy()); await go('connect', '/', {}, (r) => r.on('socket', (s) => s.on('connect',
      () => r.destroy()))); await go('secure', '/', {}, (r) => r.on('socket', (s) => s.on('secureConnect', () => r.destroy())));
    await go('part', '/part', {}, (r) => r.on('response', (res) => res.on('data', () => r.destroy()))); await go('timeout', '/', {
      timeout: 40 }, (r) => r.on('timeout', () => r.destroy())); await shut(server);`,
  'https: upgrade, CONNECT and a tunnel to another server': js`
    const target = https.createServer(pem.server, (req, res) => res.end('through ' + req.socket.servername));
      const port = await listen(target);
    const proxy = http.createServer().on('connect', (req, socket, head) => { const out = net.connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n'); out.pipe(socket).pipe(out); }); out.on('error', () => {}); socket.on('error', () => {}); });
    const at = await listen(proxy);
    const [, socket] = await once(http.request({ port: at, method: 'CONNECT', path: 'localhost:443', agent: false }).end(), 'connect');
    say('tunnel', (await ask(https, { socket, ca: pem.ca, servername: 'localhost', agent: false, host: 'localhost' })).body);
    const secure = https.createServer(pem.server).on('upgrade', (req,
      s) => s.end('HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nwords')); const port2 = await listen(secure);
    const [res, up, head] = await once(https.get({ port: port2, host: '127.0.0.1', ca: pem.ca, agent: false, headers: {
      connection: 'upgrade', upgrade: 'x' } }), 'upgrade');
    say('upgrade', res.statusCode, String(head) + await all(up)); await shut(target, proxy, secure);`,
  'https: bodies both ways, Expect, chunked, trailers': js`
    const server = https.createServer(pem.server, (req, res) => { let n = 0; req.on('data', (d) => { n += d.length; }).on('end', () => {
      res.setHeader('Trailer', 'X'); res.write(String(n)); res.addTrailers({ X: 'y' }); res.end(); }); });
      const port = await listen(server);
    const req = https.request({ port, host: '127.0.0.1', ca: pem.ca, agent: false, method: 'POST', headers: {
      expect: '100-continue' } }); req.flushHeaders(); await once(req, 'continue');
    stream.Readable.from(Array.from({ length: 60 }, () => Buffer.alloc(33333))).pipe(req); const [res] = await once(req, 'response');
      say('client', await all(res), res.trailers); await shut(server);`,
  'https: closeAllConnections, closeIdleConnections, timeouts of a server': js`
    const server = https.createServer({ ...pem.server, keepAliveTimeout: 0, headersTimeout: 60, requestTimeout: 80,
      connectionsCheckingInterval: 20 }, (req, res) => { if (req.url === '/hang') res.write('x'); else res.end('x'); });
      const port = await listen(server);
    const agent = new https.Agent({ keepAlive: true, ca: pem.ca }); await ask(https, { port, host: '127.0.0.1', agent }); await later(5);
    const idle = Object.values(agent.freeSockets)[0][0]; idle.ref(); watch('idle', idle, 'end', 'close', 'error');
      server.closeIdleConnections(); await once(idle, 'close');
    const c = tls.connect({ port, host: '127.0.0.1', ca: pem.ca, servername: 'localhost' }, () => c.write('GET / HT')); say('slow',
      dateless(await all(c)));
    const req = https.get({ port, host: '127.0.0.1', agent: false, ca: pem.ca, path: '/hang' }); const [res] = await once(req,
      'response'); watch('active', res, 'aborted', 'error', 'close').resume(); server.closeAllConnections(); await once(res,
      'close').catch(() => {});
    await later(5); await shut(server);`,
  'https: over a Unix socket, and over ::1': js`
    const at = path.join(os.tmpdir(), 's-' + process.pid + '.sock'); const server = https.createServer(pem.server, (req,
      res) => res.end('near')); await listen(server, at);
    say('client', (await ask(https, { socketPath: at, ca: pem.ca, servername: 'localhost', agent: false })).body); await shut(server);
    const six = https.createServer(pem.server, (req, res) => res.end(req.socket.remoteAddress)); const port = await listen(six, 0,
      '::1'); say('client', (await ask(https, { host: '::1', port, rejectUnauthorized: false, agent: false })).body); await shut(six);`,
};
