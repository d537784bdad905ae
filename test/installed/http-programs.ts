/** Programs with `http`, `https`, `tls`, `http2` and `fetch`. `KEY` and `CERT` are PEM files for localhost. */
export const HTTP: Readonly<Record<string, string>> = {
  'a server and http.get': `
    const http = require('http');
    const server = http.createServer((req, res) => {
      console.log(req.method, req.url, req.headers.host.replace(/\\d+$/, 'PORT'), req.httpVersion, req.socket.remoteAddress);
      res.setHeader('X-A', ['1', '2']);
      res.end('hello ' + req.url);
    }).listen(0, () => {
      http.get({ port: server.address().port, path: '/x?y=1' }, (res) => {
        console.log(res.statusCode, res.headers['x-a'], res.headers.connection, res.headers['content-length']);
        res.setEncoding('utf8').on('data', (d) => console.log(d)).on('end', () => { console.log('complete', res.complete);
          server.close(); });
      });
    });
    server.on('close', () => console.log('closed'));`,
  'POST with a body, chunked both ways': `
    const http = require('http');
    const server = http.createServer((req, res) => {
      let body = '';
      console.log(req.headers['transfer-encoding']);
      req.on('data', (d) => body += d).on('end', () => { res.write(body.toUpperCase()); res.end('!'); });
    }).listen(0, () => {
      const req = http.request({ port: server.address().port, method: 'POST', agent: false }, (res) => {
        let all = '';
        res.on('data', (d) => all += d).on('end', () => { console.log(all, res.headers['transfer-encoding']); server.close(); });
      });
      req.write('one ');
      setTimeout(() => req.end('two'), 10);
    });`,
  'a keep-alive agent uses one socket': `
    const http = require('http');
    let sockets = 0;
    const server = http.createServer((req, res) => res.end('x')).on('connection', () => sockets++).listen(0, async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const { port } = server.address();
      const get = () => new Promise((resolve) => http.get({ port, agent }, (res) => res.resume().on('end', resolve)));
      await Promise.all([get(), get(), get()]);
      console.log(sockets, Object.keys(agent.freeSockets).map((k) => k.replace(/\\d+/, 'PORT')));
      agent.destroy();
      server.close();
    });`,
  'agent names': `
    const http = require('http'), https = require('https');
    console.log(new http.Agent().getName({ host: 'localhost', port: 80, localAddress: '192.168.1.1' }), new http.Agent().getName());
    console.log(new https.Agent().getName({ host: 'localhost', port: 443 }));`,
  'a request that is refused, aborted, timed out, hung up': `
    const http = require('http');
    const server = http.createServer((req, res) => { if (req.url === '/hang-up') req.socket.destroy(); }).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      const at = (path, f) => new Promise((resolve) => {
        const req = http.get({ host: '127.0.0.1', port: path === '/closed' ? 1 : port, path, agent: false });
        req.on('error', (e) => console.log(path, e.code, e.message)).on('close', resolve);
        if (f) f(req);
      });
      (async () => {
        await at('/closed');
        await at('/hang-up');
        await at('/timeout', (req) => req.setTimeout(20, () => { console.log('timeout'); req.destroy(); }));
        await at('/abort', (req) => req.on('socket', () => setTimeout(() => req.destroy(new Error('mine')), 10)));
        server.close();
        server.closeAllConnections();
      })();
    });`,
  'upgrade and CONNECT': `
    const http = require('http');
    const server = http.createServer().on('upgrade', (req, socket, head) => {
      socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: x\\r\\nConnection: Upgrade\\r\\n\\r\\n');
      socket.pipe(socket);
    }).on('connect', (req, socket) => { console.log(req.url); socket.end('HTTP/1.1 200 OK\\r\\n\\r\\ntunnel'); }).listen(0, () => {
      const { port } = server.address();
      http.get({ port, headers: { Connection: 'Upgrade', Upgrade: 'x' } }).on('upgrade', (res, socket) => {
        console.log(res.statusCode);
        socket.on('data', (d) => { console.log(String(d)); socket.end(); });
        socket.on('close', () => http.request({ port, method: 'CONNECT', path: 'a:1' }).on('connect', (res, s, head) => {
          let all = String(head);
          s.on('data', (d) => all += d).on('end', () => { console.log(res.statusCode, all); server.close(); });
        }).end());
        socket.write('through');
      });
    });`,
  '100-continue, trailers, 204, HEAD': `
    const http = require('http');
    const server = http.createServer((req, res) => {
      if (req.method === 'HEAD') { res.setHeader('Content-Length', 5); res.end(); return; }
      if (req.url === '/empty') { res.writeHead(204); res.end(); return; }
      req.resume().on('end', () => { res.setHeader('Trailer', 'X-T'); res.write('x'); res.addTrailers({ 'X-T': 'end' }); res.end(); });
    }).on('checkContinue', (req, res) => { console.log('checkContinue'); res.writeContinue(); server.emit('request', req, res);
      }).listen(0, () => {
      const { port } = server.address();
      const req = http.request({ port, method: 'PUT', agent: false, headers: { Expect: '100-continue' } },
        (res) => res.resume().on('end', () => {
        console.log(res.trailers);
        http.request({ port, method: 'HEAD', agent: false }, (r) => { console.log(r.headers['content-length']); r.resume().on('end', () =>
          http.get({ port, path: '/empty', agent: false }, (r2) => { console.log(r2.statusCode); r2.resume().on('end',
            () => server.close()); })); }).end();
      }));
      req.on('continue', () => { console.log('continue'); req.end('body'); });
    });`,
  'a raw client: pipelining and a bad request': `
    const http = require('http'), net = require('net');
    const server = http.createServer((req, res) => res.end(req.url)).on('clientError', (e, s) => { console.log(e.code);
      s.end('HTTP/1.1 400 Bad\\r\\n\\r\\n'); });
    server.listen(0, () => {
      const { port } = server.address();
      const c = net.connect(port);
      let all = '';
      c.on('data', (d) => all += d).on('close', () => {
        console.log(all.match(/\\r\\n\\r\\n\\/\\w/g).length);
        const bad = net.connect(port, () => bad.write('nonsense\\r\\n\\r\\n'));
        bad.on('data', (d) => console.log(String(d).split('\\r\\n')[0])).on('close', () => server.close());
      });
      c.end('GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nGET /b HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n');
    });`,
  'keep-alive connections do not keep the process': `
    const http = require('http');
    const server = http.createServer((req, res) => res.end('x')).listen(0, () => {
      http.get({ port: server.address().port, agent: new http.Agent({ keepAlive: true }) }, (res) => res.resume().on('end', () => {
        console.log('end'); server.close(() => console.log('closed'));
      }));
    });`,
  'Unix sockets under http': `
    const http = require('http'), os = require('os'), path = require('path');
    const socketPath = path.join(os.tmpdir(), 'kernet-http-' + process.pid + '.sock');
    const server = http.createServer((req, res) => res.end('over ' + typeof req.socket.remoteAddress)).listen(socketPath, () => {
      http.get({ socketPath, path: '/' }, (res) => res.on('data', (d) => console.log(String(d))).on('end', () => server.close()));
    });`,
  'fetch': `
    const http = require('http');
    const server = http.createServer((req, res) => { let b = ''; req.on('data', (d) => b += d).on('end', () => {
      res.setHeader('content-type', 'application/json'); res.end(JSON.stringify({ url: req.url, b })); }); }).listen(0, async () => {
      const base = 'http://localhost:' + server.address().port;
      console.log(await (await fetch(base + '/a')).json());
      console.log(await (await fetch(base + '/b', { method: 'POST', body: 'x' })).json());
      server.close();
      server.closeAllConnections();
      await fetch('http://127.0.0.1:1/').catch((e) => console.log(e.message, e.cause && e.cause.code));
      const c = new AbortController();
      c.abort();
      await fetch(base, { signal: c.signal }).catch((e) => console.log(e.name));
    });`,
  'tls: a server and a client': `
    const tls = require('tls'), fs = require('fs');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    const server = tls.createServer({ key, cert, ALPNProtocols: ['a', 'b'] }, (s) => {
      console.log('secureConnection', s.authorized, s.alpnProtocol, s.servername);
      s.pipe(s);
    }).listen(0, () => {
      const c = tls.connect({ port: server.address().port, ca: cert, ALPNProtocols: ['b'], servername: 'localhost' }, () => {
        console.log('secureConnect', c.authorized, c.alpnProtocol, c.getProtocol(), c.getPeerCertificate().subject.CN);
        c.end('secret');
      });
      c.on('data', (d) => console.log(String(d))).on('end', () => console.log('end')).on('close', (had) => { console.log(had);
        server.close(); });
    });`,
  'tls: a certificate that nobody knows, and one for another name': `
    const tls = require('tls'), fs = require('fs');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    const server = tls.createServer({ key, cert }, (s) => s.resume()).on('tlsClientError', () => {}).listen(0, () => {
      const { port } = server.address();
      tls.connect({ port, servername: 'localhost' }).on('error', (e) => {
        console.log(e.code);
        tls.connect({ port, ca: cert, servername: 'other.test' }).on('error', (e2) => { console.log(e2.code, e2.host); server.close(); });
      });
    });`,
  'tls over a socket that is there, and to a server that is not TLS': `
    const tls = require('tls'), net = require('net'), fs = require('fs');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    const server = tls.createServer({ key, cert }, (s) => s.end('over')).listen(0, () => {
      const raw = net.connect(server.address().port, () => {
        const c = tls.connect({ socket: raw, ca: cert, servername: 'localhost' });
        c.on('data', (d) => console.log(String(d))).on('close', () => { server.close(); plain(); });
      });
    });
    function plain() {
      const s = net.createServer((c) => c.on('error', () => {}).end('this is no TLS')).listen(0, () => {
        tls.connect({ port: s.address().port, host: 'localhost' }).on('error', (e) => { console.log(e.code); s.close(); });
      });
    }`,
  'tls: refused, and by port and host': `
    const tls = require('tls'), fs = require('fs');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    tls.connect(1, '127.0.0.1').on('error', (e) => console.log(e.code, e.port, e.address));
    const server = tls.createServer({ key, cert }, (s) => s.end()).listen(0, () => {
      const c = tls.connect(server.address().port, 'localhost', { ca: cert },
        () => console.log(c.authorized, c.remoteAddress, c.encrypted));
      c.resume().on('close', () => server.close());
    });`,
  'tls: half a megabyte both ways': `
    const tls = require('tls'), fs = require('fs');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    const server = tls.createServer({ key, cert }, (s) => s.pipe(s)).listen(0, () => {
      const c = tls.connect({ port: server.address().port, rejectUnauthorized: false });
      let n = 0;
      c.on('data', (d) => n += d.length).on('end', () => { console.log(n); server.close(); });
      c.end(Buffer.alloc(1 << 19));
    });`,
  'https with an agent': `
    const https = require('https'), fs = require('fs');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    const server = https.createServer({ key, cert }, (req, res) => res.end('secure ' + req.url)).listen(0, () => {
      const { port } = server.address();
      const agent = new https.Agent({ keepAlive: true, ca: cert });
      https.get({ hostname: 'localhost', port, path: '/1', agent }, (res) => res.on('data',
        (d) => console.log(String(d))).on('end', () => {
        https.get('https://localhost:' + port + '/2', { agent }, (r) => { console.log(r.socket.authorized, r.req.reusedSocket);
          r.resume().on('end', () => { agent.destroy(); server.close(); }); });
      }));
    });`,
  'http2, in the clear and over TLS': `
    const http2 = require('http2'), fs = require('fs');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    const run = (server, connect, next) => {
      server.on('stream', (stream, headers) => { stream.respond({ ':status': 200, a: headers[':path'] }); stream.end('body'); });
      server.listen(0, () => {
        const session = connect(server.address().port);
        const req = session.request({ ':path': '/p' });
        let all = '';
        req.on('response', (h) => console.log(h[':status'], h.a)).on('data', (d) => all += d).on('end', () => {
          console.log(all, session.encrypted);
          session.close(() => server.close(next));
        });
      });
    };
    run(http2.createServer(), (port) => http2.connect('http://localhost:' + port), () =>
      run(http2.createSecureServer({ key, cert }), (port) => http2.connect('https://localhost:' + port, { ca: cert }),
        () => console.log('done')));`,
  'server timeouts: keep-alive ends idle connections': `
    const http = require('http'), net = require('net');
    const server = http.createServer({ keepAliveTimeout: 30 }, (req, res) => res.end('x')).listen(0, () => {
      const c = net.connect(server.address().port);
      c.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
      c.resume().on('end', () => console.log('ended by the server')).on('close', () => server.close());
    });`,
  'http: many keep-alive requests, events of the agent': `
    const http = require('http');
    const agent = new http.Agent({ keepAlive: true, maxSockets: 2, maxFreeSockets: 1 });
    let seen = new Set(), left = 6;
    const server = http.createServer((q, r) => { seen.add(q.socket); r.end(q.url); }).listen(0, () => {
      for (let i = 0; i < 6; i++) http.get({ port: server.address().port, path: '/' + i, agent }, (r) => { r.resume().on('end',
        () => setImmediate(() => {
        if (--left === 0) { console.log(seen.size, Object.values(agent.freeSockets).flat().length <= 1); agent.destroy();
          server.close(); } })); });
    });`,
  'http: server.close with keep-alive connections, closeIdleConnections': `
    const http = require('http');
    const server = http.createServer((q, r) => r.end('x')).listen(0, () => {
      http.get({ port: server.address().port, agent: new http.Agent({ keepAlive: true }) }, (r) => r.resume().on('end', () => {
        console.log('end'); server.close(() => console.log('closed')); server.closeIdleConnections(); }));
    });`,
  'http: abort of a response, close events': `
    const http = require('http');
    const server = http.createServer((q, r) => { q.on('close', () => console.log('req close')); r.on('close', () => {
      console.log('res close', r.writableFinished); server.close(); }); r.write('part'); }).listen(0, () => {
      const req = http.get({ port: server.address().port, agent: false }, (res) => { res.on('data', (d) => {
        console.log(String(d)); req.destroy(); }).on('aborted', () => console.log('aborted')).on('error',
          (e) => console.log(e.code)).on('close', () => console.log('close')); });
      req.on('error', (e) => console.log('req', e.code));
    });`,
  'http: IncomingMessage address info, localAddress option, setHost, defaults': `
    const http = require('http');
    const server = http.createServer({ requireHostHeader: false }, (q, r) => {
      console.log(q.socket.localAddress, q.socket.remoteFamily, q.headers.host === undefined); r.end(); }).listen(0, '127.0.0.1', () => {
      http.get({ host: '127.0.0.1', port: server.address().port, localAddress: '127.0.0.1', family: 4, setHost: false, headers: {
        connection: 'close' } }, (r) => { r.resume().on('end', () => server.close()); });
    });`,
  'http: createConnection, and a lookup of the request': `
    const http = require('http'), net = require('net');
    const server = http.createServer((q, r) => r.end('x')).listen(0, '127.0.0.1', () => {
      const port = server.address().port;
      http.get({ port, createConnection: (o, cb) => { console.log('createConnection', o.port === port);
        return net.connect(port, '127.0.0.1'); } }, (r) => { r.resume().on('end', () => {
        http.get({ port, host: 'some.name', agent: false, lookup: (n, o, cb) => { console.log(n, o.all);
          o.all ? cb(null, [{ address: '127.0.0.1', family: 4 }]) : cb(null, '127.0.0.1', 4); } }, (r2) => r2.resume().on('end',
            () => server.close())); }); });
    });`,
  'http: requestTimeout, headersTimeout: a slow client': `
    const http = require('http'), net = require('net');
    const server = http.createServer({ headersTimeout: 50, requestTimeout: 60, connectionsCheckingInterval: 20 },
      (q, r) => r.end()).listen(0, () => {
      const c = net.connect(server.address().port); c.write('GET / HTTP/1.1\\r\\n'); let all = '';
      c.on('data', (d) => all += d).on('close', () => { console.log(all.split('\\r\\n')[0]); server.close(); });
    });`,
  'tls: client certificates, SNI, sessions': `
    const tls = require('tls'), fs = require('fs');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    const server = tls.createServer({ key, cert, ca: cert, requestCert: true, rejectUnauthorized: false, SNICallback: (name,
      cb) => { console.log('sni', name); cb(null, tls.createSecureContext({ key, cert })); } }, (s) => {
      console.log('peer', s.authorized, s.authorizationError, s.getPeerCertificate().subject && s.getPeerCertificate().subject.CN,
        s.isSessionReused()); s.end('x'); }).listen(0, () => {
      const { port } = server.address(); let session;
      const c = tls.connect({ port, ca: cert, key, cert, servername: 'localhost' });
      c.on('session', (s) => session = s).resume().on('close', () => {
        const d = tls.connect({ port, ca: cert, key, cert, servername: 'localhost', session },
          () => console.log('reused', d.isSessionReused()));
        d.resume().on('close', () => server.close()); });
    });`,
  'tls: handshake timeout, a plain client, addresses': `
    const tls = require('tls'), net = require('net'), fs = require('fs');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    const server = tls.createServer({ key, cert, handshakeTimeout: 50 }).on('tlsClientError', (e, s) => { console.log(e.code);
      s.destroy(); }).listen(0, () => {
      net.connect(server.address().port).resume().on('error', (e) => console.log('c', e.code)).on('close', () => {
        console.log('closed'); server.close(); });
    });`,
  'tls: TLSSocket over a net socket by hand, both sides': `
    const tls = require('tls'), net = require('net'), fs = require('fs');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    const server = net.createServer((raw) => {
      const s = new tls.TLSSocket(raw, { isServer: true, secureContext: tls.createSecureContext({ key, cert }) }); s.on('secure',
        () => console.log('server secure')).on('data', (d) => s.end('got ' + d)); }).listen(0, () => {
      const raw = net.connect(server.address().port);
      const c = tls.connect({ socket: raw, rejectUnauthorized: false }, () => c.write('hi'));
      c.on('data', (d) => console.log(String(d))).on('close', () => server.close());
    });`,
  'tls: pause and resume, unref, renegotiation disabled, getters': `
    const tls = require('tls'), fs = require('fs');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    const server = tls.createServer({ key, cert }, (s) => { s.setNoDelay(true); s.setKeepAlive(true);
      console.log(s.remoteFamily, s.encrypted, typeof s.remotePort, s.address().family); s.write(Buffer.alloc(100000)); s.end();
        }).listen(0, '127.0.0.1', () => {
      const c = tls.connect({ port: server.address().port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        console.log(c.getCipher().version, c.remoteAddress, c.bytesRead > 0, c.authorizationError && c.authorizationError.code ||
          c.authorizationError); });
      let n = 0; c.on('data', (d) => { n += d.length; c.pause(); setImmediate(() => c.resume()); }).on('end', () => {
        console.log(n); server.close(); });
    });`,
  'tls over Unix sockets': `
    const tls = require('tls'), fs = require('fs'), os = require('os'), path = require('path');
    const [key, cert] = [process.env.KEY, process.env.CERT].map((f) => fs.readFileSync(f));
    const where = path.join(os.tmpdir(), 'kernet-tls-' + process.pid + '.sock');
    const server = tls.createServer({ key, cert }, (s) => s.end('x')).listen(where, () => {
      tls.connect({ path: where, rejectUnauthorized: false }).on('data', (d) => console.log(String(d))).on('close', () => server.close());
    });`,
};
