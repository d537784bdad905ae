/** Many hosts: what a frame costs does not depend on their number, and who says nothing costs nothing. Counted, not timed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { campus, gossip } from '../../bench/gossip.ts';

test('events per frame are the same with 10 hosts and with 200, on the same switches and routers', async () => {
  const cost = async (n: number, rounds: number): Promise<number> => {
    const { world, hosts } = campus(n);
    const { frames, events } = await gossip(world, hosts, rounds);
    assert.ok(frames > n * rounds * 3, `${String(frames)} frames arrived`);
    assert.equal(Object.keys(world.drops()).filter((name) => !['MAC_FILTER', 'NO_TX_TARGET'].includes(name)).join(' '), '');
    world.stop();
    return events / frames;
  };
  const [few, many] = [await cost(10, 60), await cost(200, 4)];
  assert.ok(many < 1.2 * few, `${few.toFixed(2)} events per frame with 10 hosts, ${many.toFixed(2)} with 200`);
});

test('a world of 1,000 hosts is at rest when it is made: no timer, no frame, no event; names and addresses are all there', async () => {
  const { world, hosts } = campus(1000);
  const { timers, skbs } = world.check();
  assert.deepEqual([timers, skbs, world.parts.sim.events], [0, 0, 0]);
  await world.advance('1h');
  assert.ok(world.parts.sim.events <= 1, 'the end of the hour');
  assert.equal(new Set(hosts.map((host) => host.ip)).size, 1000);
  assert.deepEqual(hosts[0]!.kernel.resolve('h999').filter((a) => a.family === 4).map((a) => a.address), [hosts[999]!.ip]);
  assert.deepEqual([...new Set(hosts.map((host) => host.sh('ip route').split('\n').length))], [3], 'a default route and a network each');
  world.stop();
});
