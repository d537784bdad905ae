/**
 * What stands before each program of the tables in this directory: the modules that it names, certificates, and words by which
 * it says what happens. Who of several speakers is heard first is no promise of anybody: each speaker's lines are printed
 * together, in the order in which it said them.
 */
import { issue, makeAuthority } from '../../certificates.ts';

/** The text of a program as it stands, with its backslashes. */
export const js: typeof String.raw = String.raw;

const MODULES = [
  'async_hooks', 'buffer', 'child_process', 'crypto', 'diagnostics_channel', 'dns', 'events', 'fs', 'http', 'http2', 'https', 'net', 'os',
  'path', 'perf_hooks', 'stream', 'tls', 'util', 'zlib',
] as const;

/** The words. `say(who, …)` writes a line; what else is asynchronous answers with a promise. */
const WORDS = js`
const { once } = require('node:events');
const lines = new Map();
function show(v) {
  if (v instanceof Error) return [v.name, v.code, v.syscall, v.address, v.message].filter((x) => x !== undefined).join(' ');
  if (Buffer.isBuffer(v)) return v.toString('latin1');
  if (typeof v === 'string') return v;
  return require('node:util').inspect(v, { depth: 4, breakLength: Infinity, sorted: true });
}
function say(who, ...values) {
  if (!lines.has(who)) lines.set(who, []);
  lines.get(who).push(values.map(show).join(' ').replace(/\b\d{5}\b/g, 'PORT')
    .replace(/\b[0-9A-F]{8,16}:error:/g, 'THREAD:error:').replace(/\r/g, '\\r'));
}
/** The pieces of a body are joined: how many there are is nobody's promise. */
function body(who, stream) {
  let all = '';
  stream.on('data', (d) => { all += d.toString('latin1'); }).on('end', () => say(who, 'body', all.length > 300 ? all.length : all));
  return stream;
}
function watch(who, emitter, ...events) {
  for (const event of events) emitter.on(event, (...args) => say(who, event, ...args.map((a) =>
    typeof a === 'object' && a !== null && !(a instanceof Error) && !Buffer.isBuffer(a) ? a.constructor.name : a)));
  return emitter;
}
function attempt(who, what, f) {
  try {
    const value = f();
    say(who, what, typeof value === 'object' && value !== null ? 'an object' : value);
    return value;
  } catch (error) { say(who, what, 'threw', error); }
}
async function listen(server, ...args) {
  server.listen(...(args.length === 0 ? [0, '127.0.0.1'] : args));
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'string' ? address : address.port;
}
function shut(...servers) {
  return Promise.all(servers.map((server) => new Promise((resolve) => {
    server.close(() => resolve());
    if (server.closeAllConnections) server.closeAllConnections();
  })));
}
function all(stream) {
  return new Promise((resolve) => {
    let text = '';
    stream.on('data', (d) => { text += d.toString('latin1'); }).on('error', () => {}).on('close', () => resolve(text));
  });
}
/** What a server answers to these bytes, until it ends the connection. */
function raw(port, text, end) {
  const socket = require('node:net').connect({ port, host: '127.0.0.1' });
  socket.write(text, 'latin1');
  if (end) socket.end();
  return all(socket).then(dateless);
}
const dateless = (text) => text.replace(/date: [^\r\n]*/gi, 'date: D');
function ask(module, options, text) {
  return new Promise((resolve, reject) => {
    const req = module.request(options, (res) => {
      let body = '';
      res.on('data', (d) => { body += d.toString('latin1'); }).on('error', reject)
        .on('end', () => resolve({ req, res, body, status: res.statusCode, headers: res.headers }));
    });
    req.on('error', reject).end(text);
  });
}
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
function printLines() {
  for (const [who, said] of [...lines].sort(([a], [b]) => (a < b ? -1 : 1))) for (const line of said) console.log(who + ': ' + line);
  lines.clear();
}
if (globalThis.atEnd) globalThis.atEnd(printLines);
else process.on('exit', printLines);
`;

/** A program by itself: `source` between what it needs. One that waits is in an async function. */
export function programOf(source: string): string {
  const named = MODULES.filter((name) => new RegExp(`\\b${name}\\b`).test(source));
  const requires = named.map((name) => `const ${name} = require('node:${name}');\n`).join('');
  const pem = /\bpem\b/.test(source) ? 'const pem = JSON.parse(require(\'node:fs\').readFileSync(process.env.PEM, \'utf8\'));\n' : '';
  return `'use strict';${WORDS}${requires}${pem}${source.includes('await ') ? `(async () => {${source}\n})();` : source}\n`;
}

/** Certificates, as `pem` has them: an authority's, and what it and another one signed. */
export function certificates(): string {
  const ca = makeAuthority('the CA of these programs');
  const other = makeAuthority('another CA');
  const local = { dnsNames: ['localhost', 'agent.test'], addresses: ['127.0.0.1'] };
  const names = { server: issue(ca, 'localhost', local), client: issue(ca, 'client'), a: issue(ca, 'a.test'), b: issue(ca, 'b.test') };
  const odd = { old: issue(ca, 'localhost', { ...local, notAfter: '20210101000000Z' }), wild: issue(ca, '*.wild.test') };
  const { cert, key } = ca;
  return JSON.stringify({ ca: cert, caKey: key, otherCa: other.cert, stranger: issue(other, 'localhost', local), ...names, ...odd });
}
