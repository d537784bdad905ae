/**
 * A partition swallows every frame and tells nobody. The sender tries again after 0.2, 0.4, 0.8… seconds; when the partition
 * heals, the next attempt gets through, and no byte is missing. A minute of virtual time costs no time at all.
 *
 *   node --import tsx examples/03-partition-and-heal.ts
 */
import { AF_INET, SOCK_STREAM, World } from '../mod.ts';

const world = new World({ seed: 3 });
const alice = world.host('alice');
const bob = world.host('bob');
world.cable(alice, bob, { delay: '5ms' });

async function bobReads(): Promise<void> {
  const { kernel } = bob;
  const listener = kernel.socket(AF_INET, SOCK_STREAM);
  kernel.bind(listener, { port: 5000 });
  kernel.listen(listener);
  const { fd } = await kernel.accept(listener);
  const buffer = new Uint8Array(100);
  for (let n = await kernel.read(fd, buffer); n > 0; n = await kernel.read(fd, buffer)) {
    console.log(`${at()} bob reads '${new TextDecoder().decode(buffer.subarray(0, n))}'`);
  }
  kernel.close(fd);
  kernel.close(listener);
}

async function aliceWrites(): Promise<void> {
  const { kernel } = alice;
  const fd = kernel.socket(AF_INET, SOCK_STREAM);
  await kernel.connect(fd, { address: bob.ip, port: 5000 });
  await kernel.write(fd, 'before');
  await kernel.sleep('1s');

  world.partition([alice], [bob]);
  console.log(`${at()} partition`);
  using dump = alice.tcpdump({ filter: 'tcp', print: (line) => console.log(line.padStart(11)) });
  await kernel.write(fd, 'meanwhile');
  await kernel.sleep('20s');
  console.log(`${at()} alice's socket: ${kernel.sh('ss -tnoH').trim().replace(/\s+/g, ' ')}`);

  world.heal();
  console.log(`${at()} healed`);
  await kernel.sleep('15s');
  dump.stop();
  kernel.close(fd);
}

function at(): string {
  return (world.now / 1000).toFixed(6).padStart(9);
}

await world.run(() => Promise.all([bobReads(), aliceWrites()]));
