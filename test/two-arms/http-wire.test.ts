// What an http server answers, byte for byte, and what an http client makes of an answer, whole or broken.
import type http from 'node:http';
import type net from 'node:net';
import { attempt, closed, listening, shut, twoArms, type Say } from './arms.ts';

// ---- the server: what is asked, and how it answers

interface Answer {
  readonly ask: string;
  readonly options?: http.ServerOptions;
  readonly on?: (server: http.Server, say: Say) => void;
  readonly answer?: (req: http.IncomingMessage, res: http.ServerResponse, say: Say) => void;
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n';
const CLOSE = 'Connection: close\r\n\r\n';
const hello = (_req: http.IncomingMessage, res: http.ServerResponse): void => void res.end('hello');
const echo = (req: http.IncomingMessage, res: http.ServerResponse): void => {
  let body = '';
  req.setEncoding('utf8').on('data', (d) => void (body += String(d))).on('end', () => res.end(`${req.method!} ${req.url!} [${body}]`));
};

const ANSWERS: Readonly<Record<string, Answer>> = {
  'a plain answer': { ask: GET + CLOSE },
  'headers in the order in which they were set, in their own case': {
    ask: GET + CLOSE,
    answer(_req, res) {
      res.setHeader('X-B', '1').setHeader('x-a', '2').setHeader('X-C', ['3', '4']);
      res.removeHeader('x-b');
      res.setHeader('X-B', '5');
      res.end();
    },
  },
  'writeHead with a reason and an array': {
    ask: GET + CLOSE, answer: (_req, res) => void res.writeHead(299, 'As You Like It', ['A', '1', 'B', '2', 'A', '3']).end('x'),
  },
  'cookies': { ask: GET + CLOSE, answer: (_req, res) => void res.setHeader('Set-Cookie', ['a=1', 'b=2']).end() },
  'appendHeader': { ask: GET + CLOSE, answer: (_req, res) => void res.setHeader('a', '1').appendHeader('a', '2').end() },
  'HEAD': { ask: `HEAD / HTTP/1.1\r\nHost: x\r\n${CLOSE}` },
  '204': { ask: GET + CLOSE, answer: (_req, res) => void res.writeHead(204).end() },
  '304': { ask: GET + CLOSE, answer: (_req, res) => void res.writeHead(304).end() },
  'HTTP/1.0': { ask: 'GET / HTTP/1.0\r\n\r\n' },
  'HTTP/1.0, to be kept': { ask: `GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${GET}${CLOSE}` },
  'HTTP/1.0 and no length': {
    ask: 'GET / HTTP/1.0\r\n\r\n',
    answer(_req, res) {
      res.write('a');
      res.end('b');
    },
  },
  'chunks': {
    ask: GET + CLOSE,
    answer(_req, res) {
      res.write('one');
      res.write('two');
      res.end('three');
    },
  },
  'chunks and trailers': {
    ask: GET + CLOSE,
    answer(_req, res) {
      res.writeHead(200, { Trailer: 'X-Sum' });
      res.write('body');
      res.addTrailers({ 'X-Sum': '4' });
      res.end();
    },
  },
  'a length of its own': { ask: GET + CLOSE, answer: (_req, res) => void res.setHeader('Content-Length', 2).end('ok') },
  'strictContentLength': {
    ask: GET + CLOSE,
    answer(_req, res, say) {
      res.strictContentLength = true;
      res.setHeader('Content-Length', 3);
      attempt(say, 'too long', () => res.end('four'));
      res.destroy();
    },
  },
  'flushHeaders': {
    ask: GET + CLOSE,
    answer(_req, res) {
      res.flushHeaders();
      setImmediate(() => res.end('later'));
    },
  },
  'headers after they were sent': {
    ask: GET + CLOSE,
    answer(_req, res, say) {
      res.write('x');
      attempt(say, 'setHeader', () => res.setHeader('a', '1'));
      attempt(say, 'writeHead', () => res.writeHead(200));
      res.end();
    },
  },
  'what is no header': {
    ask: GET + CLOSE,
    answer(_req, res, say) {
      attempt(say, 'name', () => res.setHeader('a b', '1'));
      attempt(say, 'value', () => res.setHeader('a', 'b\r\nc'));
      attempt(say, 'none', () => res.setHeader('a', undefined as never));
      attempt(say, 'status', () => res.writeHead(99));
      res.end();
    },
  },
  'write after end': {
    ask: GET + CLOSE,
    answer(_req, res, say) {
      res.on('error', (e) => say('error', e));
      res.end('x');
      res.write('y', (e) => say('callback', e));
    },
  },
  'keep-alive: the hint': { ask: `${GET}\r\n${GET}${CLOSE}`, options: { keepAliveTimeout: 12_000 } },
  'maxRequestsPerSocket': { ask: `${GET}\r\n${GET}\r\n${GET}\r\n`, on: (server) => void (server.maxRequestsPerSocket = 2) },
  'three in a row': { ask: `${GET}\r\nPUT /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n2${GET}${CLOSE}`, answer: echo },
  'early hints': {
    ask: GET + CLOSE, answer: (_req, res) => void res.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => void res.end()),
  },
  '102': {
    ask: GET + CLOSE,
    answer(_req, res) {
      res.writeProcessing();
      res.end();
    },
  },
  'expect: 100-continue': { ask: `PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n${CLOSE}ok`, answer: echo },
  'checkContinue': {
    ask: `PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n${CLOSE}`,
    on: (server, say) => void server.on('checkContinue', (_req, res: http.ServerResponse) => {
      say('checkContinue');
      res.writeHead(417).end('no');
    }),
  },
  'an unknown expectation': { ask: `${GET}Expect: miracles\r\n${CLOSE}` },
  'checkExpectation': {
    ask: `${GET}Expect: miracles\r\n${CLOSE}`,
    on: (server, say) => void server.on('checkExpectation', (_req, res: http.ServerResponse) => {
      say('checkExpectation');
      res.end('granted');
    }),
  },
  'a chunked body with extensions and trailers': {
    ask: `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n${CLOSE}3;a=b\r\nabc\r\n0\r\nX-T: 1\r\n\r\n`,
    answer(req, res, say) {
      req.resume().on('end', () => {
        say('trailers', req.trailers, req.rawTrailers);
        res.end();
      });
    },
  },
  'headers as they were sent': {
    ask: `${GET}X-Dup: a\r\nx-dup: b\r\nCookie: a=1\r\nCookie: b=2\r\nEtag: 1\r\nEtag: 2\r\n${CLOSE}`,
    answer(req, res, say) {
      say('headers', req.headers, req.headersDistinct, req.rawHeaders);
      res.end();
    },
  },
  'joinDuplicateHeaders': {
    ask: `${GET}Etag: 1\r\nEtag: 2\r\n${CLOSE}`, options: { joinDuplicateHeaders: true },
    answer(req, res, say) {
      say('headers', req.headers);
      res.end();
    },
  },
  'an absolute URL': { ask: `GET http://x/abs?q=1 HTTP/1.1\r\nHost: x\r\n${CLOSE}`, answer: echo },
  'no Host': { ask: `GET / HTTP/1.1\r\n${CLOSE}` },
  'no Host, and none required': { ask: `GET / HTTP/1.1\r\n${CLOSE}`, options: { requireHostHeader: false } },
  'no such method': { ask: 'HAVE / HTTP/1.1\r\nHost: x\r\n\r\n' },
  'no such version': { ask: 'GET / HTTP/7.3\r\nHost: x\r\n\r\n' },
  'nonsense': { ask: 'nonsense\r\n\r\n' },
  'a space before the colon': { ask: 'GET / HTTP/1.1\r\nHost : x\r\n\r\n' },
  'a bad chunk': { ask: 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n' },
  'length and chunks at once': { ask: 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' },
  'two lengths': { ask: 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd' },
  'headers that are too large': { ask: `${GET}X: ${'x'.repeat(3000)}\r\n\r\n`, options: { maxHeaderSize: 2048 } },
  'maxHeadersCount': {
    ask: `${GET}A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n${CLOSE}`, on: (server) => void (server.maxHeadersCount = 3),
    answer(req, res, say) {
      say('headers', req.headers);
      res.end();
    },
  },
  'clientError': {
    ask: 'nonsense\r\n\r\n',
    on: (server, say) => void server.on('clientError', (e: NodeJS.ErrnoException & { bytesParsed?: number; reason?: string }, s) => {
      say('clientError', e.code, e.bytesParsed, e.reason);
      s.end('HTTP/1.1 418 Teapot\r\n\r\n');
    }),
  },
  'CONNECT with nobody to take it': { ask: 'CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n' },
  'an upgrade with nobody to take it': { ask: `${GET}Connection: Upgrade\r\nUpgrade: other\r\n\r\n${GET}${CLOSE}` },
  'dropRequest': {
    ask: `${GET}\r\n${GET}\r\n`,
    on(server, say) {
      server.maxRequestsPerSocket = 1;
      server.on('dropRequest', () => say('dropRequest'));
    },
  },
};

for (const [name, { ask, options = {}, on, answer = hello }] of Object.entries(ANSWERS)) {
  twoArms(`http server: ${name}`, async (arm, say) => {
    const server = arm.http.createServer(options, (req, res) => answer(req, res, say));
    on?.(server, say);
    const port = await listening(server);
    const c = arm.net.connect(port, '127.0.0.1');
    let text = '';
    c.setEncoding('latin1').on('data', (d) => void (text += String(d))).on('error', (e) => say('client error', e));
    c.write(ask);
    await closed(c);
    say('client got', text.replace(/Date: .*GMT/g, 'Date: <date>'));
    await shut(server);
  });
}

// ---- the client: what it gets, and what it says

interface Got {
  /** What the server says; then it hangs up: with FIN, with RST, or not at all. */
  readonly words: string;
  readonly end: 'fin' | 'rst' | 'none';
  readonly options?: http.RequestOptions;
}

const OK = 'HTTP/1.1 200 OK\r\n';

const GOT: Readonly<Record<string, Got>> = {
  'a length': { words: `${OK}Content-Length: 5\r\n\r\nhello`, end: 'none' },
  'chunks and trailers': { words: `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-T: t\r\n\r\n`, end: 'none' },
  'no length': { words: `${OK}\r\nuntil the end`, end: 'fin' },
  'HTTP/1.0': { words: 'HTTP/1.0 200 Fine\r\n\r\nold', end: 'fin' },
  '100, 103 and then 200': {
    words: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n${OK}Content-Length: 0\r\n\r\n`, end: 'none',
  },
  'cookies and doubles': {
    words: `${OK}Set-Cookie: a\r\nSet-Cookie: b\r\nX: 1\r\nX: 2\r\nAge: 1\r\nAge: 2\r\nContent-Length: 0\r\n\r\n`, end: 'none',
  },
  'HEAD': { words: `${OK}Content-Length: 100\r\n\r\n`, end: 'none', options: { method: 'HEAD' } },
  '304 with a length': { words: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n', end: 'none' },
  'less than it promised': { words: `${OK}Content-Length: 100\r\n\r\nonly this`, end: 'fin' },
  'chunks that break off': { words: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nab`, end: 'fin' },
  'nothing at all': { words: '', end: 'fin' },
  'a reset at once': { words: '', end: 'rst' },
  'half a head': { words: 'HTTP/1.1 200 O', end: 'fin' },
  'no HTTP': { words: 'SSH-2.0-OpenSSH_9.9\r\n', end: 'none' },
  'a bad chunk': { words: `${OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, end: 'none' },
  'two lengths': { words: `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`, end: 'none' },
  'a header that is too large': { words: `${OK}X: ${'x'.repeat(3000)}\r\n\r\n`, end: 'none', options: { maxHeaderSize: 2048 } },
  'more than it promised': { words: `${OK}Content-Length: 2\r\n\r\nabcd`, end: 'none' },
  'an upgrade that nobody asked for': { words: 'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', end: 'none' },
  'a bad version': { words: 'HTTP/9.9 200 OK\r\n\r\n', end: 'none' },
  'a long reason': { words: `HTTP/1.1 599 ${'Very '.repeat(20)}Long\r\nContent-Length: 0\r\n\r\n`, end: 'none' },
};

for (const [name, { words, end, options = {} }] of Object.entries(GOT)) {
  twoArms(`http client: ${name}`, async (arm, say) => {
    const server = arm.net.createServer((s: net.Socket) => {
      s.on('error', () => undefined).once('data', () => {
        if (end === 'fin') s.end(words);
        else if (end === 'rst') s.resetAndDestroy();
        else s.write(words);
      });
    });
    const port = await listening(server);
    const req = arm.http.request({ port, host: '127.0.0.1', agent: false, ...options });
    req.on('information', (i: http.IncomingMessage) => say('information', i.statusCode, i.headers));
    req.on('continue', () => say('continue')).on('abort', () => say('abort'));
    req.on('error', (e: NodeJS.ErrnoException) => say('request error', e.code, e.message, (e as { reason?: string }).reason));
    req.on('response', (res) => {
      say('response', res.httpVersion, res.statusCode, res.statusMessage, res.headers, res.rawHeaders);
      res.on('aborted', () => say('aborted')).on('error', (e: NodeJS.ErrnoException) => say('response error', e.code, e.message));
      res.on('data', (d) => say('body data', String(d))).on('end', () => say('end', res.trailers, res.complete));
      res.on('close', () => say('response close', res.complete, res.destroyed));
    });
    req.end();
    await closed(req);
    say('request close', req.destroyed, req.reusedSocket);
    await shut(server);
  });
}
