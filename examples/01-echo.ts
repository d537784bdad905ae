/**
 * Two hosts, a cable of 10 ms, an echo. The socket calls are POSIX's; those that may wait return promises.
 *
 *   node --import tsx examples/01-echo.ts
 */
import { AF_INET, SOCK_STREAM, World } from '../mod.ts';

const world = new World({ seed: 42 });
const alice = world.host('alice');
const bob = world.host('bob');
world.cable(alice, bob, { delay: '10ms' });

async function serve(): Promise<void> {
  const { kernel } = bob;
  const listener = kernel.socket(AF_INET, SOCK_STREAM);
  kernel.bind(listener, { port: 7 });
  kernel.listen(listener);
  const { fd, peer } = await kernel.accept(listener);
  console.log(`${at()} bob accepts ${peer.address}:${String(peer.port)}`);
  const buffer = new Uint8Array(1024);
  for (let n = await kernel.read(fd, buffer); n > 0; n = await kernel.read(fd, buffer)) {
    await kernel.write(fd, buffer.subarray(0, n));
  }
  console.log(`${at()} bob has read to the end`);
  kernel.close(fd);
  kernel.close(listener);
}

async function call(): Promise<void> {
  const { kernel } = alice;
  const fd = kernel.socket(AF_INET, SOCK_STREAM);
  await kernel.connect(fd, { address: bob.ip, port: 7 });
  console.log(`${at()} alice is connected`);
  const buffer = new Uint8Array(1024);
  for (const word of ['hello', 'world']) {
    await kernel.write(fd, word);
    const n = await kernel.read(fd, buffer);
    console.log(`${at()} alice reads '${new TextDecoder().decode(buffer.subarray(0, n))}'`);
  }
  kernel.close(fd);
}

/** The world's clock, not the wall's. */
function at(): string {
  return `${world.now.toFixed(3).padStart(8)} ms`;
}

await world.run(() => Promise.all([serve(), call()]));
await world.runUntilIdle();
console.log(`\nalice, afterwards:\n${alice.sh('ss -tano')}`);
