/** What works in Bun, and what says that it does not: run by main.ts under Bun and under Node. Prints the same in both. */
import assert from 'node:assert/strict';
import { AF_INET, install, SOCK_DGRAM, SOCK_STREAM, World } from '../../mod.ts';

const bytes = (words: string): Uint8Array => new TextEncoder().encode(words);

function lan(seed: number, loss: number): { world: World; alice: ReturnType<World['host']>; bob: ReturnType<World['host']> } {
  const world = new World({ seed, digest: true });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '10ms', loss });
  return { world, alice, bob };
}

/** The socket calls: an echo of 50 KB at 10 % loss; the program's own timers in between. */
async function sockets(): Promise<void> {
  const { world, alice, bob } = lan(42, 0.1);
  const serve = async (): Promise<void> => {
    const { kernel } = bob;
    const listener = kernel.socket(AF_INET, SOCK_STREAM);
    kernel.bind(listener, { port: 7 });
    kernel.listen(listener);
    const { fd } = await kernel.accept(listener);
    const buffer = new Uint8Array(4096);
    for (let n = await kernel.read(fd, buffer); n > 0; n = await kernel.read(fd, buffer)) await kernel.write(fd, buffer.subarray(0, n));
    kernel.close(fd);
    kernel.close(listener);
  };
  const call = async (): Promise<void> => {
    const { kernel } = alice;
    const fd = kernel.socket(AF_INET, SOCK_STREAM);
    await kernel.connect(fd, { address: bob.ip, port: 7 });
    const sent = kernel.write(fd, new Uint8Array(50_000).fill(1));
    const buffer = new Uint8Array(4096);
    let got = 0;
    while (got < 50_000) got += await kernel.read(fd, buffer);
    await sent;
    kernel.close(fd);
    await new Promise((resolve) => setTimeout(resolve, 5000));
    console.log(`sockets: ${got} bytes back at ${new Date().toISOString()}`);
  };
  await world.run(async () => void await Promise.all([serve(), call()]));
  await world.runUntilIdle();
  console.log(`sockets: ${world.nowNs} ns, digest ${world.digest()}, sent again ${alice.kernel.nstat().TcpRetransSegs}`);
  world.stop();
}

/** Datagrams, ping, the tools, a refused connection. */
async function others(): Promise<void> {
  const { world, alice, bob } = lan(7, 0);
  await world.run(async () => {
    const to = bob.kernel.socket(AF_INET, SOCK_DGRAM);
    bob.kernel.bind(to, { port: 9 });
    await alice.kernel.sendto(alice.kernel.socket(AF_INET, SOCK_DGRAM), bytes('one'), { address: bob.ip, port: 9 });
    const got = await bob.kernel.recvfrom(to, new Uint8Array(10));
    console.log(`datagram: ${got.bytes} bytes from ${String(got.from?.address)}`);
    console.log(String(await alice.kernel.ping('bob', { count: 2 })));
    const fd = alice.kernel.socket(AF_INET, SOCK_STREAM);
    await assert.rejects(alice.kernel.connect(fd, { address: bob.ip, port: 1 }), { code: 'ECONNREFUSED' });
    console.log(alice.sh('ip addr'), alice.sh('ss -tan'));
  });
  console.log(`others: ${world.nowNs} ns, digest ${world.digest()}`);
  world.stop();
}

/** Deno's network API has nothing of Deno below. */
async function denoApi(): Promise<void> {
  const { world, alice, bob } = lan(9, 0.05);
  await world.run(async () => {
    const listener = bob.deno.listen({ port: 80 });
    const served = (async () => {
      for await (const conn of listener) await conn.readable.pipeTo(conn.writable);
    })();
    const conn = await alice.deno.connect({ hostname: 'bob', port: 80 });
    await conn.write(bytes('hello'));
    console.log(`deno: ${String(await conn.read(new Uint8Array(10)))} bytes back`);
    conn.close();
    listener.close();
    await served;
  });
  world.stop();
}

/** HTTP and WebSockets over the connections of hosts: of Deno's network API, and the host's fetch, which in Node is undici's. */
async function web(): Promise<void> {
  const { world, alice, bob } = lan(11, 0.05);
  await world.run(async () => {
    const server = bob.deno.serve({ port: 80 }, async (request) => {
      if (request.headers.get('upgrade') === null) return new Response(`you said ${await request.text()}`);
      const { response, socket } = bob.deno.upgradeWebSocket(request);
      socket.onmessage = (event): void => socket.send((event as unknown as { data: string }).data);
      return response;
    });
    const response = await alice.fetch('http://bob/', { method: 'POST', body: 'hello' });
    console.log(`fetch: ${response.status} ${await response.text()}`);
    if (alice.WebSocket !== undefined) {
      const socket = new alice.WebSocket('ws://bob/') as EventTarget & { send(data: string): void; close(): void };
      const event = async (name: string): Promise<unknown> =>
        await new Promise((resolve) => void socket.addEventListener(name, resolve, { once: true }));
      await event('open');
      socket.send('echo');
      assert.equal((await event('message') as MessageEvent).data, 'echo');
      socket.close();
      await event('close');
    }
    await server.shutdown();
  });
  world.stop();
}

/** `node:net` of Bun has no handles, and says so at the door. */
function net(): void {
  const { world, alice } = lan(1, 0);
  if ('bun' in process.versions) {
    const truth = /not in Bun\. Bun's node:net is its own .*socket calls .*host\.deno/;
    assert.throws(() => alice.net, truth);
    assert.throws(() => install(), truth);
    assert.throws(() => install(world), truth);
  } else assert.equal(typeof alice.net.connect, 'function');
  world.stop();
}

await sockets();
await others();
await denoApi();
await web();
net();
