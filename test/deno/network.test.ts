// Deno's network API on a kernel, in the shapes and with the errors of Deno's own.
import assert from 'node:assert/strict';
import { Kernel } from '../../mod.ts';
import { createDeno } from '../../src/deno.ts';

type ErrorName = 'AddrInUse' | 'BadResource' | 'ConnectionRefused' | 'NotFound';
declare const Deno: { test(name: string, f: () => Promise<void>): void; errors: Record<ErrorName, new () => Error> };

Deno.test('connect, listen, read, write, closeWrite', async () => {
  const kernel = new Kernel();
  const net = createDeno(kernel);
  const listener = net.listen({ port: 8080 });
  assert.deepEqual(listener.addr, { transport: 'tcp', hostname: '0.0.0.0', port: 8080 });
  const served = (async () => {
    for await (const conn of listener) {
      await conn.readable.pipeTo(conn.writable);
      conn.close();
    }
  })();
  const conn = await net.connect({ port: 8080 });
  assert.equal(conn.remoteAddr.port, 8080);
  assert.equal(await conn.write(new TextEncoder().encode('hello')), 5);
  const buffer = new Uint8Array(100);
  assert.equal(await conn.read(buffer), 5);
  assert.equal(new TextDecoder().decode(buffer.subarray(0, 5)), 'hello');
  await conn.closeWrite();
  assert.equal(await conn.read(buffer), null);
  conn.close();
  listener.close();
  await served;
  assert.deepEqual(kernel.fds, []);
});

Deno.test('errors are Deno\'s', async () => {
  const net = createDeno(new Kernel());
  await assert.rejects(net.connect({ port: 1 }), Deno.errors.ConnectionRefused);
  const listener = net.listen({ port: 80 });
  assert.throws(() => net.listen({ port: 80 }), Deno.errors.AddrInUse);
  listener.close();
  assert.throws(() => listener.close(), Deno.errors.BadResource);
  await assert.rejects(listener.accept(), Deno.errors.BadResource);
  await assert.rejects(net.resolveDns('nowhere.test', 'A'), Deno.errors.NotFound);
  assert.deepEqual(await net.resolveDns('localhost', 'A'), ['127.0.0.1']);
});

Deno.test('datagrams', async () => {
  const kernel = new Kernel();
  const net = createDeno(kernel);
  const a = net.listenDatagram({ port: 53, transport: 'udp' });
  const b = net.listenDatagram({ port: 0, transport: 'udp' });
  assert.equal(await b.send(new Uint8Array([1, 2, 3]), a.addr), 3);
  const [bytes, from] = await a.receive();
  assert.deepEqual([[...bytes], from], [[1, 2, 3], b.addr]);
  a.close();
  b.close();
  assert.deepEqual(kernel.fds, []);
});
