/**
 * Through the runtime's own socket classes: the same body over the real loopback and over a kernel's loopback.
 */
import dgram from 'node:dgram';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { World } from '../mod.ts';
import type { Measurement } from './harness.ts';

type Net = Pick<typeof net, 'createServer' | 'connect'>;
type Dgram = Pick<typeof dgram, 'createSocket'>;

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

/** A fresh world with one host, for one round: nothing warm but the code. */
async function onOurs(body: (host: { net: Net; dgram: Dgram }) => Promise<number>): Promise<number> {
  const world = new World({ seed: 1 });
  return await body(world.host('bench'));
}

const MIB = 1024 * 1024;

export function socketMeasurements(scale: number): Measurement[] {
  const n = (count: number): number => Math.max(1, Math.round(count * scale));
  return [
    {
      name: 'bulk-64k', unit: 'bytes/s', better: 'higher', rounds: 7, note: '64 KiB writes, one way, loopback',
      ours: () => onOurs((h) => bulk(h.net, 65536, n(256) * MIB)),
      real: () => bulk(net, 65536, n(256) * MIB),
    },
    {
      name: 'bulk-1k', unit: 'bytes/s', better: 'higher', rounds: 5, note: '1 KiB writes, one way, loopback',
      ours: () => onOurs((h) => bulk(h.net, 1024, n(32) * MIB)),
      real: () => bulk(net, 1024, n(32) * MIB),
    },
    {
      name: 'ping-pong', unit: 'round trips/s', better: 'higher', rounds: 7, note: '1 byte each way, TCP_NODELAY, loopback',
      ours: () => onOurs((h) => pingPong(h.net, n(30000))),
      real: () => pingPong(net, n(30000)),
    },
    {
      name: 'connect-close', unit: 'connections/s', better: 'higher', rounds: 7, note: 'connect, accept, FIN both ways, in turn',
      ours: () => onOurs((h) => connectClose(h.net, n(4000))),
      real: () => connectClose(net, n(4000)),
    },
    {
      name: 'datagrams', unit: 'datagrams/s', better: 'higher', rounds: 7, note: '1,024 bytes, 64 on their way, loopback',
      ours: () => onOurs((h) => datagrams(h.dgram, n(60000))),
      real: () => datagrams(dgram, n(60000)),
    },
  ];
}
