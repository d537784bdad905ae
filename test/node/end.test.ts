// The end of a world, and of an installation, while programs still have sockets: everybody is told, and nothing stays.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import { install } from '../../src/node/install.ts';
import { World } from '../../src/node/world.ts';

/** Everything there can be, open or under way, and the events of its end. */
async function openAll(n: typeof net, d: typeof dgram, h: typeof http, seen: string[]): Promise<Promise<unknown>[]> {
  const closed: Promise<unknown>[] = [];
  const watch = (name: string, what: NodeJS.EventEmitter): void => {
    closed.push(once(what, 'close').then(() => seen.push(name)));
  };
  const server = n.createServer((s) => watch('accepted', s)).listen(0, '127.0.0.1');
  watch('server', server);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const client = n.connect(port, '127.0.0.1');
  watch('client', client);
  await Promise.all([once(client, 'connect'), once(server, 'connection')]);
  client.pause();
  const written = new Promise<void>((resolve) => void client.write(Buffer.alloc(32 << 20), () => {
    seen.push('write'); // without an error: so lib/net.js has it when the socket has been destroyed meanwhile
    resolve();
  }));
  const datagrams = d.createSocket('udp4').bind(0, '127.0.0.1');
  watch('datagrams', datagrams);
  await once(datagrams, 'listening');
  const site = h.createServer(() => undefined).listen(0, '127.0.0.1');
  await once(site, 'listening');
  const request = h.get({ port: (site.address() as net.AddressInfo).port, host: '127.0.0.1', agent: false });
  const failed = new Promise<void>((resolve) => void request.on('error', (e: NodeJS.ErrnoException) => {
    seen.push(`request ${e.code!}`);
    resolve();
  }));
  await once(site, 'request');
  return [...closed, written, failed];
}

const END = ['accepted', 'client', 'datagrams', 'request ECONNRESET', 'server', 'write'];

void test('world.stop(): sockets, servers and datagram sockets are closed, requests are answered', { timeout: 10_000 }, async () => {
  const world = new World();
  const host = world.host('alice');
  const seen: string[] = [];
  const all = await openAll(host.net, host.dgram, host.http, seen);
  world.stop();
  await Promise.all(all);
  assert.deepEqual(seen.sort(), END);
  const late = host.net.connect(1, '127.0.0.1');
  const closed = new Promise((resolve) => void late.once('close', resolve));
  const [error] = await once(late.on('error', () => undefined), 'error').catch((e: unknown) => [e]) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ESRCH', 'the process of the host is no more');
  await closed;
});

void test('the end of an installation ends its default world', { timeout: 10_000 }, async () => {
  const installed = install();
  const seen: string[] = [];
  const all = await openAll(net, dgram, http, seen);
  installed.end();
  await Promise.all(all);
  assert.deepEqual(seen.sort(), END);
  const server = net.createServer().listen(0, '127.0.0.1'); // the machine's again
  await once(server, 'listening');
  server.close();
});

void test('the end of install(world) leaves the sockets of that world as they are', { timeout: 10_000 }, async () => {
  const world = new World();
  world.host('alice');
  const installed = install(world);
  const server = net.createServer((s) => void s.pipe(s)).listen(7);
  await once(server, 'listening');
  const client = net.connect(7, '127.0.0.1');
  await once(client, 'connect');
  installed();
  client.write('still here');
  const [data] = await once(client, 'data') as [Buffer];
  assert.equal(String(data), 'still here');
  world.stop();
  await once(client, 'close');
});
