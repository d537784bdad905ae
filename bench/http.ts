/**
 * Node's own http over the real loopback and over a kernel's: requests per second, kept connections and new ones.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { World } from '../mod.ts';
import type { Measurement } from './harness.ts';

type Http = Pick<typeof http, 'createServer' | 'get' | 'Agent'>;

/** Requests per second, one after the other. */
async function requests(http: Http, count: number, keepAlive: boolean): Promise<number> {
  const agent = new http.Agent({ keepAlive, maxSockets: 1 });
  return await new Promise<number>((resolve, reject) => {
    const server = http.createServer((_req, res) => void res.end('hello'));
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      let left = count;
      const started = performance.now();
      const next = (): void => {
        if (left-- === 0) {
          const seconds = (performance.now() - started) / 1000;
          agent.destroy();
          server.close(() => resolve(count / seconds));
          return;
        }
        http.get({ port, host: '127.0.0.1', agent }, (res) => void res.resume().on('end', next)).on('error', reject);
      };
      next();
    });
  });
}

const ours = (count: number, keepAlive: boolean): Promise<number> =>
  requests(new World({ seed: 1 }).host('bench').http, count, keepAlive);

export function httpMeasurements(scale: number): Measurement[] {
  const n = (count: number): number => Math.max(1, Math.round(count * scale));
  return [
    {
      name: 'http-keepalive', unit: 'requests/s', better: 'higher', rounds: 7, note: 'GET, one connection that is kept, loopback',
      ours: () => ours(n(5000), true), real: () => requests(http, n(5000), true),
    },
    {
      name: 'http-connect', unit: 'requests/s', better: 'higher', rounds: 7, note: 'GET, a new connection each, loopback',
      ours: () => ours(n(2000), false), real: () => requests(http, n(2000), false),
    },
  ];
}
