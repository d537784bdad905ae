/**
 * A server that accepts nobody: listen(fd, 2) and five clients. Two (and one more: Linux lets the queue exceed its backlog by
 * one) wait in the accept queue; the others believe that they are connected or keep trying, until somebody accepts.
 *
 *   node --import tsx examples/08-syn-queue.ts
 */
import { AF_INET, SOCK_STREAM, World } from '../mod.ts';

const world = new World({ seed: 8 });
const server = world.host('server');
const client = world.host('client');
world.cable(client, server, { delay: '2ms' });

await world.run(async () => {
  const listener = server.kernel.socket(AF_INET, SOCK_STREAM);
  server.kernel.bind(listener, { port: 80 });
  server.kernel.listen(listener, 2);

  const clients = Array.from({ length: 5 }, async (_, i) => {
    const fd = client.kernel.socket(AF_INET, SOCK_STREAM);
    await client.kernel.connect(fd, { address: server.ip, port: 80 });
    console.log(`${(world.now / 1000).toFixed(3).padStart(7)} s  client ${String(i)}: connect() returns`);
  });

  await client.kernel.sleep('2s');
  show('after 2 s, nobody accepts');

  for (let i = 0; i < 5; i++) {
    const { peer } = await server.kernel.accept(listener);
    console.log(`${(world.now / 1000).toFixed(3).padStart(7)} s  accept() takes port ${String(peer.port)}`);
  }
  await Promise.all(clients);
  show('all accepted');
});

function show(when: string): void {
  const stat = server.kernel.nstat();
  console.log(`\n# ${when}; overflows of the accept queue so far: ${String(stat.TcpExtListenOverflows)}`);
  console.log(`server$ ss -tan\n${server.sh('ss -tan')}`);
  console.log(`client$ ss -tan\n${client.sh('ss -tan')}`);
}
