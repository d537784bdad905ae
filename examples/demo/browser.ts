/** The client: Node's own http with a keep-alive agent. Nothing here has heard of kernet. */
import { createHash } from 'node:crypto';
import http from 'node:http';

export interface Fetched {
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  /** Milliseconds by the clock that this program has, from the request to the first byte of the answer, and to the last. */
  readonly firstMs: number;
  readonly totalMs: number;
  readonly date: string;
  /** What the server said of the body (Repr-Digest), and what came; '' when it said nothing. */
  readonly said: string;
  readonly came: string;
  /** On a connection that an earlier request had used. */
  readonly reused: boolean;
}

/** Fetches one path. `progress` is told how much has come. */
export function get(agent: http.Agent, host: string, path: string, progress: (bytes: number, of: number) => void): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const request = http.get({ agent, host, path }, (response) => {
      const firstMs = performance.now() - started;
      const hash = createHash('sha256');
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        bytes += chunk.length;
        progress(bytes, Number(response.headers['content-length'] ?? 0));
      });
      response.on('error', reject);
      response.on('end', () => {
        const said = /sha-256=:(.*):/.exec(String(response.headers['repr-digest'] ?? ''));
        resolve({
          path, bytes, firstMs, status: response.statusCode ?? 0, totalMs: performance.now() - started, reused: request.reusedSocket,
          date: response.headers.date ?? '', said: said === null ? '' : Buffer.from(said[1]!, 'base64').toString('hex'),
          came: hash.digest('hex'),
        });
      });
    });
    request.on('error', reject);
  });
}
