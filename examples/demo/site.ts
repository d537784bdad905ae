/** The site that is served: plain express. Nothing here has heard of kernet. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import express, { type Express } from 'express';

/** Bytes written at a time. */
const CHUNK = 65536;

export function makeSite(size: number): Express {
  const app = express();

  app.get('/', (_request, response) => {
    response.type('html').send(`<!doctype html>
<title>kernet</title>
<h1>Hello from the other end of the cable</h1>
<p>It is ${new Date().toISOString()} here. There is a <a href="/download">file of ${String(size)} bytes</a>.</p>
`);
  });

  app.get('/download', (_request, response) => {
    const hash = createHash('sha256');
    for (const chunk of file(size)) hash.update(chunk);
    response.type('application/octet-stream');
    response.set('Content-Length', String(size)).set('Repr-Digest', `sha-256=:${hash.digest('base64')}:`); // RFC 9530
    Readable.from(file(size), { objectMode: false, highWaterMark: CHUNK }).pipe(response);
  });

  return app;
}

/** The file: noise that is the same each time. */
function* file(size: number): Generator<Uint8Array> {
  let state = 0x9e3779b9;
  for (let at = 0; at < size; at += CHUNK) {
    const words = new Int32Array(CHUNK / 4);
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state;
    }
    yield new Uint8Array(words.buffer, 0, Math.min(CHUNK, size - at));
  }
}
