/**
 * A server that accepts nobody: listen(fd, 2), and five clients one after the other. Three wait in the accept queue (Linux lets
 * it grow one beyond the backlog); the SYNs of the others are dropped, and tried again each second, until somebody accepts.
 *
 *   node --import tsx examples/08-syn-queue.ts
 */
import { AF_INET, SOCK_STREAM, World } from '../mod.ts';

const world = new World({ seed: 8 });
const server = world.host('server');
const client = world.host('client');
world.cable(client, server, { delay: '2ms' });

async function connect(name: string): Promise<void> {
  const fd = client.kernel.socket(AF_INET, SOCK_STREAM);
  await client.kernel.connect(fd, { address: server.ip, port: 80 });
  say(`${name}: connect() returns`);
}

await world.run(async () => {
  const listener = server.kernel.socket(AF_INET, SOCK_STREAM);
  server.kernel.bind(listener, { port: 80 });
  server.kernel.listen(listener, 2);

  const clients: Promise<void>[] = [];
  for (const name of ['anna', 'bert', 'cleo', 'dora', 'emil']) {
    clients.push(connect(name));
    await client.kernel.sleep('10ms');
  }
  await client.kernel.sleep('2.5s');
  show();

  for (const _ of clients) {
    const { peer } = await server.kernel.accept(listener);
    say(`accept() returns the connection from port ${String(peer.port)}`);
  }
  await Promise.all(clients);
  show();
});

function say(what: string): void {
  console.log(`${(world.now / 1000).toFixed(3).padStart(7)} s  ${what}`);
}

function show(): void {
  const stat = server.kernel.nstat();
  console.log(`\nserver$ nstat TcpExtListenDrops: ${String(stat.TcpExtListenDrops)}`);
  console.log(`server$ ss -tan\n${server.sh('ss -tan')}`);
  console.log(`client$ ss -tano\n${client.sh('ss -tano')}`);
}
