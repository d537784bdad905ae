/**
 * What is measured through the runtime's own classes: programs of net, dgram and http, each of which returns a figure. The same
 * code runs over the real loopback, over a host's own modules, and over installed ones.
 */
import type dgram from 'node:dgram';
import type http from 'node:http';
import type net from 'node:net';
import type { AddressInfo } from 'node:net';

type Net = Pick<typeof net, 'createServer' | 'connect'>;
type Dgram = Pick<typeof dgram, 'createSocket'>;
type Http = Pick<typeof http, 'createServer' | 'get' | 'Agent'>;

/** The modules that a body uses: the runtime's, or a host's. */
export interface Modules {
  readonly net: Net;
  readonly dgram: Dgram;
  readonly http: Http;
}

/** One program. */
export interface Body {
  readonly name: string;
  readonly unit: string;
  readonly note: string;
  /** Turns that count. */
  readonly rounds: number;
  /** How much of it is done in a turn; `--quick` takes a part. */
  readonly count: number;
  run(modules: Modules, count: number): Promise<number>;
}

/** Bytes per second one way, in writes of `size` bytes, `total` bytes in all. */
async function bulk(net: Net, size: number, total: number): Promise<number> {
  const chunk = Buffer.alloc(size, 0x61);
  let received = 0;
  return await new Promise<number>((resolve, reject) => {
    let started = 0;
    const server = net.createServer((socket) => {
      socket.on('data', (data) => {
        received += data.length;
      });
      socket.on('end', () => {
        const seconds = (performance.now() - started) / 1000;
        if (received !== total) reject(new Error(`received ${String(received)} of ${String(total)} bytes`));
        socket.end();
        server.close(() => {
          resolve(total / seconds);
        });
      });
    });
    server.listen(0, '127.0.0.1', () => {
      const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
      let left = total;
      const pump = (): void => {
        while (left > 0) {
          left -= size;
          if (!socket.write(chunk) && left > 0) {
            socket.once('drain', pump);
            return;
          }
        }
        socket.end();
      };
      socket.on('connect', () => {
        started = performance.now();
        pump();
      });
      socket.on('error', reject);
      socket.resume();
    });
  });
}

/** Round trips of one byte per second. */
async function pingPong(net: Net, count: number): Promise<number> {
  const byte = Buffer.alloc(1, 0x2e);
  return await new Promise<number>((resolve, reject) => {
    const server = net.createServer({ noDelay: true }, (socket) => {
      socket.on('data', () => {
        socket.write(byte);
      });
      socket.on('end', () => socket.end());
    });
    server.listen(0, '127.0.0.1', () => {
      const socket = net.connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
      let left = count;
      let started = 0;
      socket.on('connect', () => {
        started = performance.now();
        socket.write(byte);
      });
      socket.on('data', () => {
        if (--left > 0) {
          socket.write(byte);
          return;
        }
        const seconds = (performance.now() - started) / 1000;
        socket.end();
        server.close(() => {
          resolve(count / seconds);
        });
      });
      socket.on('error', reject);
    });
  });
}

/** Connections opened and closed per second, one after the other. */
async function connectClose(net: Net, count: number): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    const server = net.createServer((socket) => {
      socket.on('error', reject);
      socket.resume();
      socket.end();
    });
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      let left = count;
      const started = performance.now();
      const next = (): void => {
        if (left-- === 0) {
          const seconds = (performance.now() - started) / 1000;
          server.close(() => {
            resolve(count / seconds);
          });
          return;
        }
        const socket = net.connect(port, '127.0.0.1');
        socket.on('error', reject);
        socket.resume();
        socket.on('close', next);
      };
      next();
    });
  });
}

/** Datagrams of 1,024 bytes delivered per second; at most 64 are on their way, so that no receive buffer overflows. */
async function datagrams(dgram: Dgram, count: number): Promise<number> {
  const payload = Buffer.alloc(1024, 0x64);
  return await new Promise<number>((resolve, reject) => {
    const receiver = dgram.createSocket('udp4');
    const sender = dgram.createSocket('udp4');
    let sent = 0;
    let received = 0;
    let started = 0;
    receiver.on('error', reject);
    sender.on('error', reject);
    receiver.bind(0, '127.0.0.1', () => {
      const { port } = receiver.address();
      const burst = (): void => {
        for (let i = 0; i < 64 && sent < count; i++) {
          sent++;
          sender.send(payload, port, '127.0.0.1');
        }
      };
      receiver.on('message', () => {
        received++;
        if (received === count) {
          const seconds = (performance.now() - started) / 1000;
          sender.close();
          receiver.close(() => {
            resolve(count / seconds);
          });
        } else if (received === sent) {
          burst();
        }
      });
      sender.bind(0, '127.0.0.1', () => {
        started = performance.now();
        burst();
      });
    });
  });
}

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

const MIB = 1024 * 1024;

export const BODIES: readonly Body[] = [
  {
    name: 'bulk-64k', unit: 'bytes/s', rounds: 7, note: '64 KiB writes, one way, loopback', count: 256,
    run: ({ net }, mib) => bulk(net, 65536, mib * MIB),
  },
  {
    name: 'bulk-1k', unit: 'bytes/s', rounds: 5, note: '1 KiB writes, one way, loopback', count: 32,
    run: ({ net }, mib) => bulk(net, 1024, mib * MIB),
  },
  {
    name: 'ping-pong', unit: 'round trips/s', rounds: 7, note: '1 byte each way, TCP_NODELAY, loopback', count: 30000,
    run: ({ net }, count) => pingPong(net, count),
  },
  {
    name: 'connect-close', unit: 'connections/s', rounds: 7, note: 'connect, accept, FIN both ways, in turn', count: 4000,
    run: ({ net }, count) => connectClose(net, count),
  },
  {
    name: 'datagrams', unit: 'datagrams/s', rounds: 7, note: '1,024 bytes, 64 on their way, loopback', count: 60000,
    run: ({ dgram }, count) => datagrams(dgram, count),
  },
  {
    name: 'http-keepalive', unit: 'requests/s', rounds: 7, note: 'GET, one connection that is kept, loopback', count: 5000,
    run: ({ http }, count) => requests(http, count, true),
  },
  {
    name: 'http-connect', unit: 'requests/s', rounds: 7, note: 'GET, a new connection each, loopback', count: 2000,
    run: ({ http }, count) => requests(http, count, false),
  },
];
