// install(): programs that have never heard of kernet, on hosts. Node's own modules, express, ws, fetch; and everything as it
// was afterwards.
import assert from 'node:assert/strict';
import { ChildProcess } from 'node:child_process';
import dgram from 'node:dgram';
import dns, { lookup as namedLookup } from 'node:dns';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net, { connect as namedConnect } from 'node:net';
import os, { hostname as namedHostname } from 'node:os';
import { after, before, test } from 'node:test';
import tls, { connect as tlsConnect } from 'node:tls';
import express from 'express';
import WebSocket, { WebSocketServer } from 'ws';
import { install } from '../../src/node/install.ts';
import { selfTest } from '../../src/node/self-test.ts';
import { World, type Host } from '../../src/node/world.ts';
import { issue, makeAuthority } from '../certificates.ts';

let uninstall: () => void;
before(() => void (uninstall = install()));
after(() => uninstall());

function lan(): { world: World; alice: Host; bob: Host } {
  const world = new World({ seed: 3 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '5ms' });
  return { world, alice, bob };
}

async function text(res: http.IncomingMessage): Promise<string> {
  let all = '';
  for await (const chunk of res.setEncoding('utf8')) all += String(chunk);
  return all;
}

void test('a host\'s own modules are that host\'s, wherever they are used: no installation is asked', async () => {
  const { world, alice, bob } = lan();
  const ca = makeAuthority('an authority');
  const pem = issue(ca, 'bob', { dnsNames: ['bob'] });
  const restore = install(world); // two hosts, and none of them is that of code outside
  try {
    await world.run(async () => {
      const server = bob.net.createServer((socket) => void socket.end('plain')).listen(7);
      const secure = bob.tls.createServer(pem, (socket) => void socket.end('secure')).listen(8);
      await Promise.all([once(server, 'listening'), once(secure, 'listening')]);
      const connect = (): net.Socket[] => [alice.net.connect(7, 'bob'), alice.tls.connect({ port: 8, host: 'bob', ca: ca.cert })];
      for (const socket of [...connect(), ...bob.run(connect)]) {
        socket.setEncoding('utf8');
        const [words] = await once(socket, 'data') as [string];
        assert.match(words, /^(plain|secure)$/);
        assert.equal(socket.localAddress, alice.ip);
        await once(socket, 'close');
      }
      server.close();
      secure.close();
    });
  } finally {
    restore();
    world.stop();
  }
});

void test('an express app that listens, and Node\'s http client by the host\'s name', async () => {
  const { world, alice, bob } = lan();
  await world.run(async () => {
    const server = await bob.run(async () => {
      const app = express();
      app.get('/hello/:name', (req, res) => void res.send(`hello ${req.params.name} from ${req.socket.localAddress}`));
      const s = app.listen(80);
      await once(s, 'listening');
      return s;
    });
    await alice.run(async () => {
      const [res] = await once(http.get('http://bob/hello/world'), 'response') as [http.IncomingMessage];
      assert.equal(res.socket.remoteAddress, bob.ip);
      assert.equal(res.socket.localAddress, alice.ip);
      assert.equal(await text(res), `hello world from ::ffff:${bob.ip}`);
    });
    assert.ok(world.now >= 20, 'two round trips of 10 ms');
    http.globalAgent.destroy();
    server.close();
  });
});

void test('net by default and by named import, in callbacks and timers', async () => {
  const { world, alice, bob } = lan();
  await world.run(async () => {
    const server = bob.run(() => net.createServer((s) => s.end('hi')).listen(7));
    await once(server, 'listening');
    const seen = await alice.run(() => new Promise((resolve) => {
      setTimeout(() => {
        const c = namedConnect(7, 'bob', () => {
          const first = c.remoteAddress;
          const second = new net.Socket().connect({ port: 7, host: bob.ip }, () => resolve([first, second.remoteAddress]));
          second.resume().on('error', () => undefined); // the server may close before it has accepted it
        }).resume();
      }, 10);
    }));
    assert.deepEqual(seen, [bob.ip, bob.ip]);
    server.close();
  });
});

/** A server that says `word`, and a way to ask it from elsewhere. */
async function serverThatSays(word: string): Promise<{ port: number; server: net.Server }> {
  const server = net.createServer((s) => s.end(word)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as net.AddressInfo).port };
}

async function answerAt(port: number): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  try {
    const [data] = await once(socket, 'data') as [Buffer];
    return String(data);
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
  }
}

void test('outside of host.run there is a default host, which hosts of worlds do not see', async () => {
  const { bob } = lan();
  const { port, server } = await serverThatSays('default');
  assert.equal(await answerAt(port), 'default');
  assert.equal(await bob.run(() => answerAt(port)), 'ECONNREFUSED');
  assert.deepEqual(Object.keys(os.networkInterfaces()), ['lo']);
  assert.deepEqual(Object.keys(bob.run(() => os.networkInterfaces())), ['lo', 'eth0']);
  assert.equal(bob.run(() => os.hostname()), 'bob');
  server.close();
});

void test('the machine\'s own network: for code outside, or for those who are let through', async () => {
  const machine = install({ host: 'machine' });
  const { port, server } = await serverThatSays('machine');
  assert.equal(await answerAt(port), 'machine');
  machine();
  assert.equal(await answerAt(port), 'ECONNREFUSED', 'the default host has no such server');
  const { bob } = lan();
  using _some = install({ passthrough: [`127.0.0.1:${port}`, `listen:${port + 1}`] });
  assert.equal(await answerAt(port), 'machine');
  assert.equal(await bob.run(() => answerAt(port)), 'machine', 'on a host, too');
  assert.equal(await answerAt(port === 65535 ? port - 1 : port + 1), 'ECONNREFUSED');
  server.close();
});

void test('a descriptor of the machine\'s is refused, with an alternative', async () => {
  const [error] = await once(net.createServer().listen({ fd: 3 }), 'error').catch((e: unknown) => [e]) as [NodeJS.ErrnoException];
  assert.deepEqual([error.code, error.syscall], ['EINVAL', 'listen']);
  assert.match(error.message, /descriptor 3 is the machine's.*passthrough 'listen:fd'/);
});

void test('install(world): its only host is what code outside has; of several, one is named', async () => {
  const world = new World();
  const only = world.host('only');
  {
    using installed = install(world);
    assert.equal(installed.world, world);
    const { port, server } = await serverThatSays('only');
    assert.equal(await only.run(() => answerAt(port)), 'only');
    server.close();
    const another = world.host('another');
    assert.throws(() => net.connect(port, '127.0.0.1'), { code: 'ERR_KERNET_NO_HOST', message: /several hosts.*host\.run/ });
    using _named = install({ world, host: 'another' });
    const second = await serverThatSays('another');
    assert.equal(await another.run(() => answerAt(second.port)), 'another');
    second.server.close();
  }
  assert.equal(os.hostname() === 'another', false);
});

void test('a default world of several hosts, as the options describe it', async () => {
  using installed = install({ hosts: ['left', 'right'], host: 'right', time: 'real', weather: { delay: '5ms' } });
  assert.equal(os.hostname(), 'right');
  const { world } = installed;
  assert.deepEqual(world.hosts.map(({ name }) => name), ['left', 'right']);
  const started = world.now;
  const pinged = await world.hosts[1]!.ping('left', { count: 1 });
  assert.ok(String(pinged).includes('1 received') && world.now - started >= 10);
});

void test('what is wrong is named, and nothing is installed', () => {
  const world = new World();
  const wrong: [unknown, RegExp][] = [
    [null, /expected a World or options/], [{ wrold: 1 }, /install: wrold/],
    [{ world: {} }, /is not a World/], [{ host: 5 }, /install: host/],
    [{ world, host: 'nobody' }, /'nobody' is not in this world/], [{ world, seed: 1 }, /install: seed: of a default world/],
    [{ passthrough: 'a b' }, /passthrough: 'a b' is not understood/], [{ passthrough: ['10.0.0.0/33'] }, /10\.0\.0\.0.33/],
    [{ passthrough: 'x:70000' }, /above 65535/], [{ hosts: [] }, /hosts: none/], [{ hosts: ['a'], host: 'b' }, /no host 'b'/],
    [{ seed: 1.5 }, /seed/], [{ time: 'soon' }, /expected real or virtual/], [{ hosts: ['a', 'b'], cables: [['a']] }, /two ends/],
    [{ hosts: ['a', 'b'], cables: [['a', 'c']] }, /'c'/], [{ weather: { delay: 'x' } }, /delay/],
  ];
  uninstall();
  const clean = Object.getOwnPropertyDescriptor(net.Socket.prototype, 'connect');
  for (const [options, message] of wrong) assert.throws(() => install(options as never), message);
  assert.deepEqual(Object.getOwnPropertyDescriptor(net.Socket.prototype, 'connect'), clean);
  uninstall = install();
});

void test('the guard: a native handle that no hook has seen gets nowhere', { skip: !('binding' in process) }, async () => {
  const { TCP, constants } = (process as unknown as { binding(name: string): Record<string, never> }).binding('tcp_wrap') as unknown as {
    TCP: new (type: number) => { bind(address: string, port: number): number; close(): void }; constants: { SOCKET: number };
  };
  const handle = new TCP(constants.SOCKET);
  assert.throws(() => handle.bind('127.0.0.1', 0), { code: 'ERR_KERNET_GUARD' });
  handle.close();
  await selfTest();
});

void test('dns.lookup, dns.promises.lookup and a named import know the world\'s names', async () => {
  const { alice, bob } = lan();
  await alice.run(async () => {
    assert.deepEqual(await dns.promises.lookup('bob'), { address: bob.ip, family: 4 });
    assert.deepEqual(await dns.promises.lookup('bob', { all: true }), [{ address: bob.ip, family: 4 }]);
    const address = await new Promise((resolve, reject) => void namedLookup('bob', (e, a) => e === null ? resolve(a) : reject(e)));
    assert.equal(address, bob.ip);
    await assert.rejects(dns.promises.lookup('nowhere'), { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: 'nowhere' });
  });
});

void test('datagrams', async () => {
  const { alice, bob } = lan();
  const a = bob.run(() => dgram.createSocket('udp4').bind(53));
  await once(a, 'listening');
  const b = alice.run(() => {
    const s = dgram.createSocket('udp4');
    s.send('question', 53, 'bob');
    return s;
  });
  const [message, from] = await once(a, 'message') as [Buffer, dgram.RemoteInfo];
  assert.deepEqual([String(message), from.address], ['question', alice.ip]);
  a.close();
  b.close();
});

void test('requests of two hosts to one address share no connection of the global agent', async () => {
  const { world, alice, bob } = lan();
  const carol = world.host('carol');
  world.cable(carol, bob);
  const from: (string | undefined)[] = [];
  const server = bob.run(() => http.createServer((req, res) => {
    from.push(req.socket.remoteAddress);
    res.end();
  }).listen(80));
  await once(server, 'listening');
  for (const host of [alice, carol, alice]) {
    await host.run(async () => {
      const [res] = await once(http.get('http://bob/'), 'response') as [http.IncomingMessage];
      await text(res);
    });
  }
  assert.equal(new Set(from).size, 2);
  http.globalAgent.destroy();
  server.close();
});

void test('ws, unmodified', async () => {
  const { alice, bob } = lan();
  const wss = bob.run(() => new WebSocketServer({ port: 80 }));
  await once(wss, 'listening');
  wss.on('connection', (ws) => void ws.on('message', (m) => ws.send(`echo ${(m as Buffer).toString()}`)));
  const ws = alice.run(() => new WebSocket('ws://bob/'));
  await once(ws, 'open');
  ws.send('x');
  const [m] = await once(ws, 'message') as [Buffer];
  assert.equal(String(m), 'echo x');
  ws.close();
  await once(ws, 'close');
  wss.close();
});

const isOld = Number(process.versions.node.split('.')[0]) < 24;

void test('fetch', { skip: isOld ? 'not on Node 20' : false }, async () => {
  const { alice, bob } = lan();
  const server = bob.run(() => http.createServer((req, res) => res.end(`for ${req.socket.remoteAddress!}`)).listen(8080));
  await once(server, 'listening');
  const answer = await alice.run(async () => (await fetch('http://bob:8080/', { headers: { connection: 'close' } })).text());
  assert.equal(answer, `for ${alice.ip}`);
  server.close();
});

// ---- TLS

const pem = makeAuthority('bob', ['bob']);

void test('tls.connect and a TLS server: 1 MiB there and back, and the end', async () => {
  const { alice, bob } = lan();
  const server = bob.run(() => tls.createServer({ ...pem }, (s) => void s.pipe(s)).listen(443));
  await once(server, 'listening');
  const c = alice.run(() => tls.connect({ host: 'bob', port: 443, ca: pem.cert }));
  await once(c, 'secureConnect');
  assert.deepEqual([c.authorized, c.remoteAddress, c.localAddress], [true, bob.ip, alice.ip]);
  const body = Buffer.alloc(1 << 20, 'kernet');
  c.end(body);
  const chunks: Buffer[] = [];
  for await (const chunk of c) chunks.push(chunk as Buffer);
  assert.ok(Buffer.concat(chunks).equals(body));
  server.close();
});

void test('tls over a socket of host.net', async () => {
  const { alice, bob } = lan();
  const server = bob.run(() => tls.createServer({ ...pem }, (s) => s.end('secret')).listen(443));
  await once(server, 'listening');
  const raw = alice.net.connect(443, 'bob');
  await once(raw, 'connect');
  const c = tls.connect({ socket: raw, ca: pem.cert, servername: 'bob' });
  const [data] = await once(c, 'data') as [Buffer];
  assert.equal(String(data), 'secret');
  c.destroy();
  server.close();
});

void test('a reset under TLS is an error of the TLS socket', async () => {
  const { alice, bob } = lan();
  let raw: net.Socket | undefined;
  const server = bob.run(() => tls.createServer({ ...pem }, (s) => void s.on('error', () => undefined)).listen(443));
  server.on('connection', (s: net.Socket) => void (raw = s));
  await once(server, 'listening');
  const c = alice.run(() => tls.connect({ host: 'bob', port: 443, ca: pem.cert }));
  await once(c, 'secureConnect');
  const failed = once(c, 'error') as Promise<[NodeJS.ErrnoException]>;
  raw!.resetAndDestroy();
  const [error] = await failed;
  assert.equal(error.code, 'ECONNRESET');
  server.close();
});

void test('https', async () => {
  const { alice, bob } = lan();
  const server = bob.run(() => https.createServer({ ...pem }, (req, res) => res.end(`for ${req.socket.remoteAddress!}`)).listen(443));
  await once(server, 'listening');
  const agent = new https.Agent({ keepAlive: true });
  for (let i = 0; i < 2; i++) {
    const [res] = await alice.run(() => once(https.get('https://bob/', { ca: pem.cert, agent }), 'response')) as [http.IncomingMessage];
    assert.equal(await text(res), `for ::ffff:${alice.ip}`);
  }
  agent.destroy();
  server.close();
});

// ---- in and out

/** All that is hooked: every property of these objects is looked at. */
const HOOKED: readonly object[] = [
  net, net.Socket.prototype, net.Server.prototype, tls, tls.TLSSocket.prototype, dgram.Socket.prototype, dns, dns.promises,
  dns.Resolver.prototype, Object.getPrototypeOf(dns.Resolver.prototype) as object, dns.promises.Resolver.prototype,
  http, http.Agent.prototype, https, os, ChildProcess.prototype, process,
];

function snapshot(): unknown[] {
  const all = (owner: object): unknown[] => Reflect.ownKeys(owner).map((key) => [key, Object.getOwnPropertyDescriptor(owner, key)]);
  return HOOKED.flatMap(all);
}

void test('install twice, uninstall twice: everything is as it was, for CommonJS and for named imports', () => {
  uninstall();
  const clean = snapshot();
  const { lookup, hostname, connect } = { lookup: namedLookup, hostname: namedHostname, connect: tlsConnect };
  const first = install();
  const second = install();
  assert.notDeepEqual(snapshot(), clean);
  assert.notEqual(namedLookup, lookup);
  assert.equal(namedLookup, dns.lookup, 'named imports follow');
  first();
  first();
  assert.notDeepEqual(snapshot(), clean, 'still installed once');
  second();
  assert.deepEqual(snapshot(), clean);
  assert.deepEqual([namedLookup, namedHostname, tlsConnect], [lookup, hostname, connect]);
  assert.throws(() => lan().alice.run(() => 1), /install\(\)/);
  uninstall = install();
});
