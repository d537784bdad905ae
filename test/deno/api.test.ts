// host.deno: TLS, HTTP, names and IPv6 between two hosts of a world; and that its types are Deno's own.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { install, World } from '../../mod.ts';
import type { DenoNetwork } from '../../src/deno.ts';
import { issue, makeAuthority } from '../certificates.ts';

function lan() {
  const world = new World({ seed: 1 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '10ms' });
  return { world, alice, bob };
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (words: string): Uint8Array => new TextEncoder().encode(words);

// The checker's part: what Deno declares can be had from a host.
export function typed(net: DenoNetwork): unknown {
  const connect: (options: { hostname: string; port: number }) => Promise<Deno.TcpConn> = net.connect;
  const listen: (options: { port: number }) => Deno.TcpListener = net.listen;
  const datagrams: (options: { port: number; transport: 'udp' }) => Deno.DatagramConn = net.listenDatagram;
  const tls: (options: Deno.ConnectTlsOptions) => Promise<Deno.TlsConn> = net.connectTls;
  const tlsListen: (options: { port: number } & Deno.TlsCertifiedKeyPem) => Deno.TlsListener = net.listenTls;
  const interfaces: () => Deno.NetworkInterfaceInfo[] = net.networkInterfaces;
  const handler: Deno.ServeHandler<Deno.NetAddr> = (request, info) => new Response(`${request.url} ${info.remoteAddr.port}`);
  net.serve({ port: 80 }, handler);
  return [connect, listen, datagrams, tls, tlsListen, interfaces];
}

Deno.test('connectTls and listenTls: a name, a protocol, an echo, an orderly end', async () => {
  const { world, alice, bob } = lan();
  const ca = makeAuthority('a test authority');
  const { cert, key } = issue(ca, 'bob');
  await world.run(async () => {
    const listener = bob.deno.listenTls({ port: 443, cert, key, alpnProtocols: ['echo/1', 'other'] });
    const served = (async () => {
      for await (const conn of listener) {
        assert.equal((await conn.handshake()).alpnProtocol, 'echo/1');
        await conn.readable.pipeTo(conn.writable);
      }
    })();
    const conn = await alice.deno.connectTls({ hostname: 'bob', port: 443, caCerts: [ca.cert], alpnProtocols: ['echo/1'] });
    assert.deepEqual(await conn.handshake(), { alpnProtocol: 'echo/1' });
    assert.equal(conn.remoteAddr.hostname, bob.ip);
    await conn.write(bytes('a secret'));
    const buffer = new Uint8Array(100);
    const n = await conn.read(buffer);
    assert.equal(text(buffer.subarray(0, n!)), 'a secret');
    await conn.closeWrite();
    assert.equal(await conn.read(buffer), null);
    conn.close();
    listener.close();
    await served;
  });
  world.stop();
});

Deno.test('startTls on a connection that began in the clear; a certificate of nobody\'s is refused', async () => {
  const { world, alice, bob } = lan();
  const { cert, key } = issue(makeAuthority('another authority'), 'bob');
  await world.run(async () => {
    const listener = bob.deno.listenTls({ port: 443, cert, key });
    const accepted = listener.accept();
    const plain = await alice.deno.connect({ hostname: 'bob', port: 443 });
    const conn = await alice.deno.startTls(plain, { hostname: 'bob' });
    assert.throws(() => plain.close(), Deno.errors.BadResource);
    await assert.rejects(conn.handshake(), Deno.errors.InvalidData);
    (await accepted)[Symbol.dispose]();
    listener.close();
  });
  world.stop();
});

Deno.test('serve: requests, bodies, errors, and an end', async () => {
  const { world, alice, bob } = lan();
  await world.run(async () => {
    let heard = 0;
    const server = bob.deno.serve({
      port: 80, onListen: ({ port }) => void (heard = port), onError: (error) => new Response(String(error), { status: 503 }),
    }, async (request, { remoteAddr }) => {
      const { pathname } = new URL(request.url);
      if (pathname === '/fail') throw new Error('mine');
      const body = await request.text();
      return new Response(`${request.method} ${pathname} ${body} ${remoteAddr.hostname}`, { status: 201, headers: { 'x-by': 'kernet' } });
    });
    await alice.kernel.sleep('1ms');
    assert.equal(heard, 80);
    const ask = async (path: string, body = ''): Promise<string> => {
      const request = alice.http.request({ host: 'bob', path, method: body === '' ? 'GET' : 'POST' }).end(body);
      const [response] = await once(request, 'response') as [http.IncomingMessage];
      let all = '';
      for await (const chunk of response) all += String(chunk);
      return `${response.statusCode} ${response.headers['x-by']} ${all}`;
    };
    assert.equal(await ask('/a'), `201 kernet GET /a  ${alice.ip}`);
    assert.equal(await ask('/b', 'x'.repeat(5000)), `201 kernet POST /b ${'x'.repeat(5000)} ${alice.ip}`);
    assert.equal(await ask('/fail'), '503 undefined Error: mine');
    alice.http.globalAgent.destroy();
    await server.shutdown();
    await server.finished;
  });
  world.stop();
});

Deno.test('names over the network, every type of record; a connection by such a name', async () => {
  const world = new World({ seed: 1 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '10ms' });
  bob.nameServer({
    zones: [{
      origin: 'example.test',
      records: {
        '@': { A: bob.ip, AAAA: 'fd00::1', MX: '10 mail', NS: 'ns', TXT: 'v=1', CAA: '0 issue "ca.test"', NAPTR: '1 2 "u" "sip" "" other' },
        www: { CNAME: '@' },
        '_sip._tcp': { SRV: '1 2 5060 www' },
      },
    }, { origin: '10.in-addr.arpa', records: { '2.0.0': { PTR: 'www.example.test.' } } }],
  });
  alice.resolvConf(`nameserver ${bob.ip}`);
  await world.run(async () => {
    const net = alice.deno;
    const listener = bob.deno.listen({ port: 80 });
    const conn = await net.connect({ hostname: 'www.example.test', port: 80 });
    assert.equal(conn.remoteAddr.hostname, bob.ip);
    conn.close();
    listener.close();
    const name = 'example.test';
    assert.deepEqual(await net.resolveDns(name, 'A'), [bob.ip]);
    assert.deepEqual(await net.resolveDns(name, 'AAAA'), ['fd00::1']);
    assert.deepEqual(await net.resolveDns(`www.${name}`, 'CNAME'), ['example.test.']);
    assert.deepEqual(await net.resolveDns(name, 'NS'), ['ns.example.test.']);
    assert.deepEqual(await net.resolveDns('2.0.0.10.in-addr.arpa', 'PTR'), ['www.example.test.']);
    assert.deepEqual(await net.resolveDns(name, 'MX'), [{ preference: 10, exchange: 'mail.example.test.' }]);
    assert.deepEqual(await net.resolveDns(name, 'TXT'), [['v=1']]);
    assert.deepEqual(await net.resolveDns(name, 'CAA'), [{ critical: false, tag: 'issue', value: 'ca.test' }]);
    assert.deepEqual(await net.resolveDns(name, 'NAPTR'), [
      { order: 1, preference: 2, flags: 'u', services: 'sip', regexp: '', replacement: 'other.example.test.' },
    ]);
    assert.deepEqual(await net.resolveDns(`_sip._tcp.${name}`, 'SRV'), [
      { priority: 1, weight: 2, port: 5060, target: 'www.example.test.' },
    ]);
    const [soa] = await net.resolveDns(name, 'SOA') as { mname: string; rname: string; serial: number }[];
    assert.deepEqual([soa?.mname, soa?.rname, soa?.serial], ['ns.example.test.', 'hostmaster.example.test.', 1]);
    await assert.rejects(net.resolveDns(`nobody.${name}`, 'A'), Deno.errors.NotFound);
    await assert.rejects(net.resolveDns(name, 'WKS' as never), /recordType: 'WKS' is not understood; expected one of A, AAAA/);
    const late = new AbortController();
    late.abort(new Error('no longer'));
    await assert.rejects(net.resolveDns(name, 'A', { signal: late.signal }), /no longer/);
  });
  world.stop();
});

Deno.test('IPv6: a listener, a connection, datagrams', async () => {
  const { world, alice, bob } = lan();
  await world.run(async () => {
    await alice.kernel.sleep('3s'); // duplicate address detection
    const there = bob.deno.networkInterfaces().find(({ family, name }) => family === 'IPv6' && name === 'lo');
    assert.deepEqual([there?.address, there?.netmask.startsWith('ffff:'), there?.cidr], ['::1', true, '::1/128']);
    const listener = bob.deno.listen({ hostname: '::', port: 8080 });
    assert.equal(listener.addr.hostname, '::');
    const [conn, accepted] = await Promise.all([bob.deno.connect({ hostname: '::1', port: 8080 }), listener.accept()]);
    assert.equal(conn.remoteAddr.hostname, '::1');
    await conn.write(bytes('six'));
    const buffer = new Uint8Array(10);
    assert.equal(await accepted.read(buffer), 3);
    for (const one of [conn, accepted, listener]) one.close();
    const a = bob.deno.listenDatagram({ hostname: '::1', port: 9, transport: 'udp' });
    const b = bob.deno.listenDatagram({ hostname: '::1', port: 0, transport: 'udp' });
    const membership = await a.joinMulticastV6('ff02::1234', 0);
    await membership.setLoopback(false);
    await membership.leave();
    await b.send(bytes('6'), a.addr);
    assert.equal((await a.receive())[1].hostname, '::1');
    a.close();
    b.close();
  });
  world.stop();
});

Deno.test('groups: a member hears, and does not when it has left', async () => {
  const { world, alice, bob } = lan();
  await world.run(async () => {
    const member = bob.deno.listenDatagram({ hostname: '0.0.0.0', port: 5000, transport: 'udp' });
    const sender = alice.deno.listenDatagram({ hostname: alice.ip, port: 0, transport: 'udp' });
    const membership = await member.joinMulticastV4('239.1.2.3', bob.ip);
    alice.sh('ip route add 239.0.0.0/8 dev eth0');
    const group = { transport: 'udp' as const, hostname: '239.1.2.3', port: 5000 };
    await sender.send(bytes('all'), group);
    assert.deepEqual((await member.receive())[1], sender.addr);
    await membership.setTTL(3);
    await membership.leave();
    await assert.rejects(membership.leave(), /os error/);
    await sender.send(bytes('nobody'), group);
    await sender.send(bytes('one'), { ...group, hostname: bob.ip });
    assert.equal(text((await member.receive())[0]), 'one');
    member.close();
    sender.close();
  });
  world.stop();
});

Deno.test('a port that is none is refused at the door', async () => {
  const { world, alice } = lan();
  assert.throws(() => alice.deno.listen({ port: 70000 }), /port: 70000 is not understood; expected a whole number/);
  await assert.rejects(alice.deno.connect({ port: -1 }), RangeError);
  assert.throws(() => alice.deno.listenTls({ port: 1 } as never), /cert: undefined is not understood; expected a PEM/);
  assert.throws(() => alice.deno.serve(7 as never), /serve: handler/);
  world.stop();
});

Deno.test('node:http with kept connections inside of world.run', async () => {
  const { world, alice, bob } = lan();
  const paths: string[] = [];
  await world.run(async () => {
    const server = bob.http.createServer((req, res) => res.end(req.url)).listen(80);
    await once(server, 'listening');
    const agent = new alice.http.Agent({ keepAlive: true, maxSockets: 1 });
    for (const path of ['/', '/one', '/two']) {
      const [res] = await once(alice.http.get({ host: 'bob', path, agent }), 'response') as [http.IncomingMessage];
      for await (const chunk of res) paths.push(String(chunk));
    }
    assert.ok(world.now < 110, 'one handshake for all three');
    agent.destroy();
    server.close();
  });
  assert.deepEqual(paths, ['/', '/one', '/two']);
  world.stop();
});

Deno.test('install(): node:net and node:http of a program that imports them', async () => {
  const { world, alice, bob } = lan();
  const installed = install();
  try {
    await world.run(async () => {
      const server = bob.run(() => http.createServer((req, res) => res.end(req.socket.remoteAddress)).listen(80));
      await once(server, 'listening');
      const body = await alice.run(async () => {
        const [res] = await once(http.get('http://bob/', { agent: false }), 'response') as [http.IncomingMessage];
        let all = '';
        for await (const chunk of res) all += String(chunk);
        return all;
      });
      assert.equal(body, `::ffff:${alice.ip}`);
      server.close();
    });
  } finally {
    installed();
    world.stop();
  }
});
