// TLS, https and http2 on top of either arm's TCP: the same handshakes, names, refusals and ends.
import { once } from 'node:events';
import type http from 'node:http';
import type http2 from 'node:http2';
import type tls from 'node:tls';
import { issue, makeAuthority } from '../certificates.ts';
import { attempt, closed, listening, shut, twoArms, type Arm, type Say } from './arms.ts';

const ca = makeAuthority('the CA');
const stranger = makeAuthority('a stranger');
const bob = issue(ca, 'bob', { addresses: ['127.0.0.1'] });
const other = issue(ca, 'other');
const old = issue(ca, 'bob', { notAfter: '20210101000000Z' });
const alice = issue(ca, 'alice');
const mallory = issue(stranger, 'mallory');

interface Meeting {
  readonly server?: tls.TlsOptions;
  readonly client?: tls.ConnectionOptions;
  /** What is said when both sides are ready. */
  readonly then?: (c: tls.TLSSocket, s: tls.TLSSocket, say: Say) => void | Promise<void>;
}

/** A handshake as the options have it; each side says what it learns, and both hang up. */
async function meet(arm: Arm, say: Say, { server: forServer = {}, client = {}, then }: Meeting): Promise<void> {
  const server = arm.tls.createServer({ ...bob, ...forServer });
  const accepted = new Promise<tls.TLSSocket | null>((resolve) => {
    server.once('secureConnection', resolve).once('tlsClientError', (e: NodeJS.ErrnoException) => {
      say('server tlsClientError', e.code);
      resolve(null);
    });
  });
  const port = await listening(server);
  const c = arm.tls.connect({ port, host: '127.0.0.1', servername: 'bob', ca: ca.cert, ...client });
  for (const event of ['connect', 'secureConnect', 'end'] as const) c.on(event, () => say(`client ${event}`));
  c.on('error', (e: NodeJS.ErrnoException) => say('client error', e.code));
  const failed = new Promise<false>((resolve) => void c.once('close', () => resolve(false)));
  const ready = await Promise.race([once(c, 'secureConnect').then(() => true, () => false), failed]);
  if (ready) say('client', c.authorized, String(c.authorizationError), c.alpnProtocol);
  if (ready) say('client', c.getProtocol(), c.getPeerCertificate().subject.CN);
  const s = await accepted;
  s?.on('error', (e: NodeJS.ErrnoException) => say('server error', e.code)).resume();
  if (s !== null) say('server', s.authorized, s.alpnProtocol, (s as { servername?: unknown }).servername, s.getProtocol());
  if (s !== null && ready) await then?.(c, s, say);
  c.resume();
  c.destroy();
  s?.destroy();
  await shut(server);
}

const MEETINGS: Readonly<Record<string, Meeting>> = {
  'a name, a certificate, the newest version': {},
  'TLS 1.2': { server: { maxVersion: 'TLSv1.2' } },
  'versions that do not meet': { server: { maxVersion: 'TLSv1.2' }, client: { minVersion: 'TLSv1.3' } },
  'ciphers that do not meet': {
    server: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }, client: { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
  },
  'a cipher that is asked for': {
    server: { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' }, then: (c, _s, say) => say('cipher', c.getCipher()),
  },
  'ALPN: the server chooses': { server: { ALPNProtocols: ['b', 'a'] }, client: { ALPNProtocols: ['a', 'b'] } },
  'ALPN: nothing in common': { server: { ALPNProtocols: ['a'] }, client: { ALPNProtocols: ['b'] } },
  'ALPN: only the client': { client: { ALPNProtocols: ['a'] } },
  'a name that the certificate has not': { client: { servername: 'carol' } },
  'such a name, not refused': { client: { servername: 'carol', rejectUnauthorized: false } },
  'by address': { client: { servername: '' } },
  'a CA that nobody knows': { client: { ca: stranger.cert } },
  'such a CA, not refused': { client: { ca: stranger.cert, rejectUnauthorized: false } },
  'a certificate that is over': { server: old },
  'checkServerIdentity of its own': {
    client: { checkServerIdentity: () => Object.assign(new Error('no'), { code: 'MINE' }) },
  },
  'SNI: another certificate': {
    server: { SNICallback: (_name, done) => done(null, undefined) }, client: { servername: 'bob' },
  },
  'a client certificate': {
    server: { requestCert: true, ca: ca.cert }, client: alice, then: (_c, s, say) => say('server peer', s.getPeerCertificate().subject.CN),
  },
  'a client certificate of a stranger': { server: { requestCert: true, ca: ca.cert }, client: { ...mallory, maxVersion: 'TLSv1.2' } },
  'such a client, not refused': {
    server: { requestCert: true, ca: ca.cert, rejectUnauthorized: false }, client: mallory,
    then: (_c, s, say) => say('server peer', s.authorized, String(s.authorizationError)),
  },
  'no client certificate where one is required': { server: { requestCert: true, ca: ca.cert }, client: { maxVersion: 'TLSv1.2' } },
  'keying material is the same at both ends': {
    then(c, s, say) {
      const [ours, theirs] = [c, s].map((end) => end.exportKeyingMaterial(16, 'label', Buffer.alloc(0)));
      say('same', ours!.equals(theirs!));
    },
  },
  'renegotiation in TLS 1.2': {
    server: { maxVersion: 'TLSv1.2' },
    then: (c, _s, say) => new Promise<void>((resolve) => void c.renegotiate({}, (e) => {
      say('renegotiated', e === null);
      resolve();
    })),
  },
  'renegotiation that was disabled': {
    server: { maxVersion: 'TLSv1.2' },
    then(c, _s, say) {
      c.disableRenegotiation();
      return new Promise<void>((resolve) => void c.renegotiate({}, (e) => {
        say('renegotiated', e === null ? 'yes' : (e as NodeJS.ErrnoException).code);
        resolve();
      }));
    },
  },
  'a megabyte there and back': {
    async then(c, s, say) {
      s.pipe(s);
      let bytes = 0;
      c.on('data', (d: Buffer) => void (bytes += d.length));
      c.end(Buffer.alloc(1 << 20));
      await once(c, 'end');
      say('bytes', bytes, c.bytesRead > 1 << 20);
    },
  },
  'small fragments': {
    async then(c, s, say) {
      say('set', c.setMaxSendFragment(512));
      s.once('data', (d: Buffer) => s.write(`got some of it ${d.length > 0}`));
      c.write(Buffer.alloc(4096));
      const [d] = await once(c, 'data') as [Buffer];
      say('data', String(d));
    },
  },
  'what both ends know of their sockets': {
    then(c, s, say) {
      say('encrypted', c.encrypted, s.encrypted, c.remoteAddress, s.remoteAddress, c.remotePort === s.localPort, c.remoteFamily);
      say('key', c.getEphemeralKeyInfo());
    },
  },
  'no reset': {
    then: (_c, s, say) => attempt(say, 'of a TLS socket', () => s.resetAndDestroy()),
  },
  'an end without a close': {
    async then(c, s) {
      s.end('bye');
      c.resume();
      await closed(c);
    },
  },
};

for (const [name, meeting] of Object.entries(MEETINGS)) {
  twoArms(`tls: ${name}`, (arm, say) => meet(arm, say, meeting));
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  twoArms(`tls: a session is resumed, ${version}`, async (arm, say) => {
    const server = arm.tls.createServer({ ...bob, maxVersion: version }, (s) => s.end(String(s.isSessionReused())));
    const port = await listening(server);
    let session: Buffer | undefined;
    for (let i = 0; i < 2; i++) {
      const c = arm.tls.connect({ port, host: '127.0.0.1', servername: 'bob', ca: ca.cert, ...(session === undefined ? {} : { session }) });
      c.on('session', (s: Buffer) => void (session = s)).on('data', (d) => say('data', String(d)));
      await closed(c);
      say('reused', c.isSessionReused());
    }
    await shut(server);
  });
}

twoArms('tls: the key log', async (arm, say) => {
  const server = arm.tls.createServer(bob, (s) => s.end());
  const port = await listening(server);
  const labels = new Set<string>();
  const c = arm.tls.connect({ port, host: '127.0.0.1', servername: 'bob', ca: ca.cert }).resume();
  c.on('keylog', (line: Buffer) => labels.add(line.toString().split(' ')[0]!));
  await closed(c);
  say('labels', [...labels].sort());
  await shut(server);
});

twoArms('tls: the other side speaks no TLS', async (arm, say) => {
  const server = arm.net.createServer((s) => s.on('error', () => undefined).resume().end('SSH-2.0 hello\r\n'));
  const port = await listening(server);
  const c = arm.tls.connect({ port, host: '127.0.0.1' });
  c.on('error', (e: NodeJS.ErrnoException) => say('error', e.code));
  await closed(c);
  await shut(server);
});

twoArms('tls: a server that is spoken to in the clear', async (arm, say) => {
  const server = arm.tls.createServer(bob);
  server.on('tlsClientError', (e: NodeJS.ErrnoException) => say('server tlsClientError', e.code));
  const port = await listening(server);
  const c = arm.net.connect(port, '127.0.0.1').resume();
  c.write('GET / HTTP/1.1\r\n\r\n');
  c.on('error', () => undefined);
  await closed(c);
  await shut(server);
});

twoArms('tls: closed before it is secure', async (arm, say) => {
  const server = arm.net.createServer((s) => s.on('error', () => undefined).once('data', () => s.end()));
  const port = await listening(server);
  const c = arm.tls.connect({ port, host: '127.0.0.1' });
  c.on('error', (e: NodeJS.ErrnoException) => say('error', e.code, e.message));
  await closed(c);
  await shut(server);
});

twoArms('tls: nobody listens', async (arm, say) => {
  const server = arm.net.createServer();
  const port = await listening(server);
  await shut(server);
  const c = arm.tls.connect({ port, host: '127.0.0.1' });
  const [error] = await once(c, 'error') as [Error];
  say('error', error);
});

twoArms('tls: addContext and setSecureContext', async (arm, say) => {
  const server = arm.tls.createServer(bob, (s) => s.end());
  server.addContext('other', other);
  const port = await listening(server);
  for (const name of ['other', 'bob', 'other']) {
    const c = arm.tls.connect({ port, host: '127.0.0.1', servername: name, ca: ca.cert, rejectUnauthorized: false }).resume();
    await once(c, 'secureConnect');
    say('certificate', c.getPeerCertificate().subject.CN);
    await closed(c);
    server.setSecureContext(name === 'other' ? other : bob);
  }
  await shut(server);
});

twoArms('tls: arguments that are wrong', (arm, say) => {
  attempt(say, 'no port', () => arm.tls.connect({} as never));
  attempt(say, 'ALPNProtocols', () => arm.tls.createServer({ ALPNCallback: 1 } as never));
  attempt(say, 'handshakeTimeout', () => arm.tls.createServer({ handshakeTimeout: 'x' } as never));
  attempt(say, 'key', () => arm.tls.createServer({ key: 'no key' }));
  attempt(say, 'minVersion', () => arm.tls.createSecureContext({ minVersion: 'TLSv9' as never }));
  return Promise.resolve();
});

twoArms('https: an agent resumes and reuses', async (arm, say) => {
  const server = arm.https.createServer(bob, (req, res) =>
    res.end(`${req.url!} ${String((req.socket as tls.TLSSocket).isSessionReused())}`));
  const port = await listening(server);
  for (const keepAlive of [false, true]) {
    const agent = new arm.https.Agent({ keepAlive, ca: ca.cert });
    for (const path of ['/1', '/2']) {
      const req = arm.https.get({ port, host: '127.0.0.1', servername: 'bob', path, agent });
      const [res] = await once(req, 'response') as [http.IncomingMessage];
      for await (const d of res) say('body', String(d), req.reusedSocket);
      if (!keepAlive) await closed(res.socket);
    }
    say('name', agent.getName({ host: 'h', port: 1, servername: 'bob' }));
    agent.destroy();
  }
  await shut(server);
});

// ---- http2

interface Talk {
  readonly onStream?: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, say: Say) => void;
  readonly onSession?: (session: http2.ServerHttp2Session, say: Say) => void;
  readonly options?: http2.ServerOptions;
  readonly ask: (session: http2.ClientHttp2Session, say: Say) => Promise<void>;
}

async function heard(stream: http2.ClientHttp2Stream, say: Say): Promise<void> {
  stream.on('response', (h) => say('client response', { ...h, date: undefined })).on('headers', (h) => say('client headers', h));
  stream.on('trailers', (t) => say('client trailers', t)).on('data', (d) => say('client data', String(d)));
  stream.on('end', () => say('client end')).on('aborted', () => say('client aborted'));
  stream.on('error', (e: NodeJS.ErrnoException) => say('client error', e.code, e.message));
  await closed(stream);
  say('client close', stream.rstCode);
}

const hello = (stream: http2.ServerHttp2Stream): void => {
  stream.respond({ ':status': 200, 'x-a': ['1', '2'] });
  if (!stream.writableEnded) stream.end('hello'); // HEAD has none
};

const TALKS: Readonly<Record<string, Talk>> = {
  'a request and its answer': { onStream: hello, ask: (c, say) => heard(c.request({ ':path': '/a' }), say) },
  'HEAD': { onStream: hello, ask: (c, say) => heard(c.request({ ':method': 'HEAD' }), say) },
  'headers only': { onStream: (s) => s.respond({ ':status': 204 }, { endStream: true }), ask: (c, say) => heard(c.request(), say) },
  'a body up': {
    onStream(s) {
      s.respond();
      s.pipe(s);
    },
    ask(c, say) {
      const stream = c.request({ ':method': 'POST' });
      stream.end('up and down');
      return heard(stream, say);
    },
  },
  'trailers': {
    onStream(s) {
      s.respond({}, { waitForTrailers: true });
      s.on('wantTrailers', () => s.sendTrailers({ 'x-sum': '1' }));
      s.end('body');
    },
    ask: (c, say) => heard(c.request(), say),
  },
  'early headers': {
    onStream(s) {
      s.additionalHeaders({ ':status': 103, 'link': '<a>' });
      hello(s);
    },
    ask: (c, say) => heard(c.request(), say),
  },
  'what the server sees': {
    onStream(s, headers, say) {
      say('server', headers, s.session!.socket.remoteAddress, s.id);
      hello(s);
    },
    ask: (c, say) => heard(c.request({ ':path': '/p?q', 'x-mine': 'yes', ':authority': 'a' }), say),
  },
  'a push': {
    onStream(s, _h, say) {
      s.pushStream({ ':path': '/pushed' }, (e, push) => {
        say('server push', e === null);
        push.respond({ ':status': 200 });
        push.end('pushed');
      });
      hello(s);
    },
    async ask(c, say) {
      const pushed = new Promise<void>((resolve) => void c.once('stream', (s: http2.ClientHttp2Stream, h) => {
        say('pushed', h[':path']);
        s.resume().once('close', () => resolve());
      }));
      await Promise.all([heard(c.request(), say), pushed]);
    },
  },
  'reset by the server': { onStream: (s) => void s.on('error', () => undefined).close(8), ask: (c, say) => heard(c.request(), say) },
  'refused by the server': { onStream: (s) => void s.on('error', () => undefined).close(7), ask: (c, say) => heard(c.request(), say) },
  'destroyed with an error': {
    onStream: (s) => void s.on('error', () => undefined).destroy(new Error('mine')), ask: (c, say) => heard(c.request(), say),
  },
  'ping': {
    async ask(c, say) {
      await once(c, 'connect');
      await new Promise<void>((resolve) => void c.ping(Buffer.from('12345678'), (e, ms, payload) => {
        say('ping', e, ms >= 0, String(payload));
        resolve();
      }));
    },
  },
  'settings': {
    options: { settings: { maxConcurrentStreams: 7, initialWindowSize: 12_345 } },
    async ask(c, say) {
      const [remote] = await once(c, 'remoteSettings') as [http2.Settings];
      say('remote', remote);
      await new Promise<void>((resolve) => void c.settings({ enablePush: false }, () => resolve()));
      say('local', c.localSettings);
    },
  },
  'the session ends with the server': {
    onSession: (s) => s.close(),
    async ask(c, say) {
      await closed(c);
      say('closed', c.closed, c.destroyed);
    },
  },
  'too many streams wait': {
    options: { settings: { maxConcurrentStreams: 1 } }, onStream: hello,
    async ask(c, say) {
      await once(c, 'remoteSettings');
      await Promise.all([heard(c.request({ ':path': '/1' }), () => undefined), heard(c.request({ ':path': '/2' }), say)]);
    },
  },
  'headers that are none': {
    onStream: hello,
    ask(c, say) {
      attempt(say, 'connection', () => c.request({ connection: 'close' }));
      attempt(say, 'pseudo', () => c.request({ ':nope': '1' }));
      attempt(say, 'ping', () => c.ping(Buffer.alloc(3), () => undefined));
      return heard(c.request(), say);
    },
  },
};

for (const [name, { onStream, onSession, options = {}, ask }] of Object.entries(TALKS)) {
  for (const isTls of [false, true]) {
    twoArms(`http2${isTls ? ' over TLS' : ''}: ${name}`, async (arm, say) => {
      const { http2 } = arm;
      const server = isTls ? http2.createSecureServer({ ...bob, ...options }) : http2.createServer(options);
      server.on('stream', (stream, headers) => onStream?.(stream, headers, say));
      server.on('session', (session) => onSession?.(session, say)).on('sessionError', () => undefined);
      const port = await listening(server);
      const c = http2.connect(`${isTls ? 'https' : 'http'}://127.0.0.1:${port}`, { ca: ca.cert, servername: 'bob' });
      await ask(c, (event, ...values) => say(event, ...values.map((v) => hidePort(v, port))));
      if (!c.destroyed) {
        c.close();
        await closed(c);
      }
      await shut(server);
    });
  }
}

function hidePort(value: unknown, port: number): unknown {
  return typeof value === 'string' ? value.replaceAll(String(port), '<port>') : value;
}
