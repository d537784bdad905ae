/**
 * A switch learns where everybody is, keeps two VLANs apart, and three of them in a ring find out by STP which cable to leave
 * alone; when another one is cut, that one is used.
 *
 *   node --import tsx examples/07-switch.ts
 */
import { World } from '../mod.ts';

const world = new World({ seed: 7 });

// Two VLANs on two switches, one trunk between them.
const [sw1, sw2] = [world.switch('sw1'), world.switch('sw2')];
const [amy, ann, bea, ben] = ['amy', 'ann', 'bea', 'ben'].map((name) => world.host(name));
world.cable(amy!, sw1.access(10));
world.cable(ben!, sw1.access(20));
const trunk = world.cable(sw1.trunk(), sw2.trunk(), { delay: '1ms' });
world.cable(ann!, sw2.access(10));
world.cable(bea!, sw2.access(20));

// A ring, which would be refused without STP.
const ring = ['red', 'green', 'blue'].map((name) => world.switch(name, { stp: true }));
const cables = ring.map((one, i) => world.cable(one, ring[(i + 1) % 3]!));
const [eve, fay] = [world.host('eve'), world.host('fay')];
world.cable(eve, ring[0]!);
world.cable(fay, ring[2]!);
try {
  world.cable('sw1', 'sw2');
} catch (error) {
  console.log((error as Error).message);
}

await world.run(async () => {
  using dump = world.capture([trunk]);
  console.log(`amy ${amy!.ip} → ann ${ann!.ip}: ${String((await amy!.ping('ann', { count: 1 })).received)} reply`);
  console.log(`ben ${ben!.ip} → bea ${bea!.ip}: ${String((await ben!.ping('bea', { count: 1 })).received)} reply`);
  console.log(`${String(dump.frames.length)} frames on the trunk\n${sw1.macTable()}`);

  await eve.ping('fay', { count: 1 }); // too early: the ports are still listening
  console.log(`${world.now.toFixed(0)} ms\n${ring[2]!.stp!.text()}`);
  await eve.kernel.sleep('31s');
  console.log(`${world.now.toFixed(0)} ms\n${ring[2]!.stp!.text()}`);
  console.log(`eve → fay: ${String((await eve.ping('fay', { count: 1 })).received)} reply`);

  cables[2]!.setUp(false);
  const before = world.now;
  while ((await eve.ping('fay', { count: 1, timeout: '1s' })).received === 0);
  console.log(`blue~red is cut: eve reaches fay again after ${((world.now - before) / 1000).toFixed(0)} s\n${ring[2]!.stp!.text()}`);
});
