// What keeps a process alive, scenario by scenario: run by liveness.test.ts in a process of its own, once for each arm. A
// scenario is over when the event loop is empty (`beforeExit`), or when it has not been for a while.
import nodeDgram from 'node:dgram';
import { once } from 'node:events';
import nodeNet from 'node:net';
import { Kernel } from '../../mod.ts';
import { createDgram } from '../../src/node/dgram.ts';
import { createNet } from '../../src/node/net.ts';

/** Milliseconds after which a process that is still there is called alive. */
const ALIVE_MS = 200;

const isReal = process.argv[2] === 'real';
const kernel = new Kernel();
const net = isReal ? nodeNet : createNet(kernel);
const dgram = isReal ? nodeDgram : createDgram(kernel);

type Cleanup = () => void;
/** Sets something up; what it returns tears it down. */
type Scenario = () => Cleanup | Promise<Cleanup>;

async function pair(): Promise<{ server: nodeNet.Server; client: nodeNet.Socket; peer: nodeNet.Socket; close: Cleanup }> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect((server.address() as nodeNet.AddressInfo).port, '127.0.0.1');
  const [[peer]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]) as [[nodeNet.Socket], unknown];
  for (const s of [client, peer]) s.on('error', () => undefined);
  const close = (): void => {
    client.destroy();
    peer.destroy();
    server.close();
  };
  return { server, client, peer, close };
}

const scenarios: Record<string, Scenario> = {
  'nothing': () => () => undefined,
  'a server that listens': async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return () => void server.close();
  },
  'a server that listens, unref\'d': async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.unref();
    return () => void server.close();
  },
  'unref\'d before it listens': async () => {
    const server = net.createServer().unref().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return () => void server.close();
  },
  'unref\'d and ref\'d again': async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.unref();
    server.ref();
    return () => void server.close();
  },
  'a server that was closed': async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.close();
    return () => undefined;
  },
  'an open connection, its server closed': async () => {
    const { server, client, peer, close } = await pair();
    server.close();
    client.resume();
    peer.resume();
    return close;
  },
  'an open connection, all of it unref\'d': async () => {
    const { server, client, peer, close } = await pair();
    for (const s of [server, client, peer]) s.unref();
    return close;
  },
  'an open connection of which only the client is ref\'d': async () => {
    const { server, peer, close } = await pair();
    server.unref();
    peer.unref();
    return close;
  },
  'sockets that are paused and have been read from': async () => {
    const { server, client, peer, close } = await pair();
    server.unref();
    peer.unref();
    client.resume();
    peer.write('x');
    await once(client, 'data');
    client.pause();
    peer.write('y');
    return close;
  },
  'both ends ended': async () => {
    const { server, client, peer } = await pair();
    server.close();
    peer.resume();
    client.resume();
    client.end();
    return () => undefined;
  },
  'connecting, unref\'d: the request holds until it is answered': () => {
    const client = net.connect(1, '127.0.0.1');
    client.unref();
    client.on('error', (e: NodeJS.ErrnoException) => console.log(`  ${String(e.code)}`));
    return () => undefined;
  },
  'a write that waits for room, unref\'d': async () => {
    const { server, client, peer, close } = await pair();
    peer.pause();
    for (const s of [server, client, peer]) s.unref();
    client.write(Buffer.alloc(32 << 20));
    return close;
  },
  'a datagram socket that is bound': async () => {
    const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return () => void socket.close();
  },
  'a datagram socket that is bound, unref\'d': async () => {
    const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.unref();
    return () => void socket.close();
  },
  'a datagram socket that is not bound': () => {
    const socket = dgram.createSocket('udp4');
    return () => void socket.close();
  },
  'a datagram socket that was closed': async () => {
    const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.close();
    return () => undefined;
  },
};

const names = Object.keys(scenarios);
let current = -1;
let cleanup: Cleanup = () => undefined;
let timer: NodeJS.Timeout | undefined;
/** The event loop has been empty on the way: only the empty loop after the set-up counts. */
let ready = false;

function next(): void {
  current++;
  const name = names[current];
  if (name === undefined) process.exit();
  ready = false;
  void Promise.resolve(scenarios[name]!()).then((f) => {
    cleanup = f;
    ready = true;
    timer = setTimeout(() => over('alive'), ALIVE_MS).unref();
  });
}

function over(verdict: string): void {
  clearTimeout(timer);
  console.log(`${names[current]!}: ${verdict}`);
  cleanup();
  cleanup = () => undefined;
  ready = false;
  setTimeout(next, 5);
}

process.on('beforeExit', () => {
  if (ready) over('ends');
  else {
    console.log(`${names[current]!}: ends before it is set up`);
    next();
  }
});
next();
