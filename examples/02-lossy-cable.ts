/**
 * The same 400 kB over cables that lose more and more: what loss costs, and what TCP did about it.
 *
 *   node --import tsx examples/02-lossy-cable.ts
 */
import { AF_INET, SOCK_STREAM, World, type Kernel } from '../mod.ts';

const SIZE = 400_000;

async function receive(kernel: Kernel): Promise<number> {
  const listener = kernel.socket(AF_INET, SOCK_STREAM);
  kernel.bind(listener, { port: 9 });
  kernel.listen(listener);
  const { fd } = await kernel.accept(listener);
  const buffer = new Uint8Array(65536);
  let total = 0;
  for (let n = await kernel.read(fd, buffer); n > 0; n = await kernel.read(fd, buffer)) total += n;
  kernel.close(fd);
  kernel.close(listener);
  return total;
}

async function send(kernel: Kernel, address: string): Promise<void> {
  const fd = kernel.socket(AF_INET, SOCK_STREAM);
  await kernel.connect(fd, { address, port: 9 });
  await kernel.write(fd, new Uint8Array(SIZE).fill(0x61));
  kernel.close(fd);
}

console.log('  loss      time   goodput   lost  sent again  of these fast  timeouts');
for (const loss of [0, 0.001, 0.01, 0.05, 0.1, 0.3]) {
  const world = new World({ seed: 7 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  const cable = world.cable(alice, bob, { delay: '20ms', rate: '20mbit' });
  cable.setWeather({ loss }, 'ab'); // from alice to bob; acknowledgements arrive
  const seconds = await world.run(async () => {
    const [total] = await Promise.all([receive(bob.kernel), send(alice.kernel, bob.ip)]);
    if (total !== SIZE) throw new Error(`${String(total)} of ${String(SIZE)} bytes came`);
    return world.now / 1000;
  });
  const stat = alice.kernel.nstat();
  const mbit = (SIZE * 8) / 1e6 / seconds;
  const columns = [
    `${(loss * 100).toFixed(1)} %`.padStart(6), `${seconds.toFixed(3)} s`.padStart(9), `${mbit.toFixed(2)} M`.padStart(9),
    String(cable.ab.stats.lost).padStart(6), String(stat.TcpRetransSegs).padStart(11),
    String(stat.TcpExtTCPFastRetrans).padStart(14), String(stat.TcpExtTCPTimeouts).padStart(9),
  ];
  console.log(columns.join(' '));
  world.stop();
}
