/**
 * The whole life of a connection, on the wire and in the tools: a handshake, a request, an answer, a teardown. Print it, or
 * write it to a file for Wireshark: `node --import tsx examples/06-tcpdump.ts > trace.txt`.
 */
import { AF_INET, SOCK_STREAM, World } from '../mod.ts';

const world = new World({ seed: 6 });
const client = world.host('client');
const server = world.host('server');
world.cable(client, server, { delay: '15ms', rate: '10mbit' });

console.log('# on the client: tcpdump -i eth0');
using dump = client.tcpdump({ print: (line) => console.log(line) });
using capture = world.capture([client]);

async function serve(): Promise<void> {
  const { kernel } = server;
  const listener = kernel.socket(AF_INET, SOCK_STREAM);
  kernel.bind(listener, { port: 8080 });
  kernel.listen(listener);
  const { fd } = await kernel.accept(listener);
  await kernel.read(fd, new Uint8Array(1024));
  await kernel.write(fd, new Uint8Array(6000).fill(0x2a));
  kernel.close(fd);
  kernel.close(listener);
}

async function ask(): Promise<void> {
  const { kernel } = client;
  const fd = kernel.socket(AF_INET, SOCK_STREAM);
  await kernel.connect(fd, { address: server.ip, port: 8080 });
  await kernel.write(fd, 'six thousand stars, please');
  const buffer = new Uint8Array(65536);
  while (await kernel.read(fd, buffer) > 0);
  kernel.close(fd);
}

await world.run(() => Promise.all([serve(), ask()]));
await world.runUntilIdle();

console.log(`# ${String(dump.packets)} packets; a pcapng file of them has ${String(capture.toBytes().length)} bytes`);
for (const command of ['ip neigh', 'ip -s link show eth0', "nstat 'Tcp*'"]) {
  console.log(`\nclient$ ${command}\n${client.sh(command)}`.trimEnd());
}
console.log(`\nserver$ ss -tano\n${server.sh('ss -tano')}`.trimEnd());
