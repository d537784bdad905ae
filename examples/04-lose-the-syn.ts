/**
 * Losing exactly what you want: the first three SYNs, then the first SYN-ACK. Each attempt of connect() comes after Linux's
 * timeout, on the world's clock.
 *
 *   node --import tsx examples/04-lose-the-syn.ts
 */
import { AF_INET, SOCK_STREAM, World, type FramePredicate } from '../mod.ts';

async function connect(what: string, times: number, predicate: FramePredicate): Promise<void> {
  const world = new World({ seed: 1 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  const cable = world.cable(alice, bob, { delay: '1ms' });
  using rule = cable.drop(predicate, { times });
  using dump = alice.tcpdump({ filter: 'tcp' });

  const listener = bob.kernel.socket(AF_INET, SOCK_STREAM);
  bob.kernel.bind(listener, { port: 80 });
  bob.kernel.listen(listener);
  const fd = alice.kernel.socket(AF_INET, SOCK_STREAM);
  await world.run(() => alice.kernel.connect(fd, { address: bob.ip, port: 80 }));

  console.log(`${what}: connected after ${(world.now / 1000).toFixed(3)} s, the rule struck ${String(rule.hits)} times`);
  for (const line of dump.lines) console.log(`  ${line.replace(/ <.*>$/, '')}`);
  world.stop();
}

await connect('nothing lost', 1, () => false);
await connect('three SYNs lost', 3, (frame) => frame.tcp?.syn === true && !frame.tcp.ack);
await connect('one SYN-ACK lost', 1, (frame) => frame.tcp?.syn === true && frame.tcp.ack);
