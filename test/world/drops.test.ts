import { test } from 'node:test';
import assert from 'node:assert/strict';
import { AF_INET, SO_ERROR, SOCK_DGRAM, SOL_SOCKET, World } from '../../mod.ts';

test('each packet that is dropped is counted by its reason, and told with its place while somebody listens', async () => {
  using world = new World({ seed: 1 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  const cable = world.cable(alice, bob, { delay: '1ms' });
  const from = alice.kernel.socket(AF_INET, SOCK_DGRAM);
  const send = async (): Promise<void> => {
    await alice.kernel.sendto(from, 'hi', { address: bob.ip, port: 9 });
    await alice.kernel.sleep('10ms');
  };
  let lines: readonly string[];
  {
    using trace = world.traceDrops();
    await send();
    alice.kernel.getsockopt(from, SOL_SOCKET, SO_ERROR); // the ICMP error, if it was told
    cable.drop((frame) => frame.udp, { times: 1 });
    await send();
    ({ lines } = trace);
  }
  await send(); // nothing is told any more
  assert.deepEqual(lines.map((line) => line.replace(/^\d+\.\d{6} /, '').replace(/\.\d+ >/, '.* >')), [
    'bob NO_SOCKET IP 10.0.0.1.* > 10.0.0.2.9: udp (2)',
    'alice.eth0~bob.eth0 CABLE_RULE IP 10.0.0.1.* > 10.0.0.2.9: udp (2)',
  ]);
  assert.deepEqual(world.drops(), { NO_SOCKET: 2, CABLE_RULE: 1 });
});

test('what a printer throws surfaces outside of the kernel, and the packets go on', async () => {
  using world = new World({ seed: 1, mode: 'manual' });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob);
  const thrown: unknown[] = [];
  const catcher = (error: unknown): void => void thrown.push(error);
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', catcher);
  const error = new Error('in print');
  const dump = alice.tcpdump({ print: () => { throw error; } });
  const to = bob.kernel.socket(AF_INET, SOCK_DGRAM);
  bob.kernel.bind(to, { port: 9 });
  alice.kernel.sys.sendto(alice.kernel.socket(AF_INET, SOCK_DGRAM), 'hi', { address: bob.ip, port: 9 });
  await world.advance('10ms');
  await new Promise((resolve) => { setTimeout(resolve, 5); });
  process.removeListener('uncaughtException', catcher);
  for (const listener of others) process.on('uncaughtException', listener);
  assert.deepEqual(thrown, [error, error, error]); // ARP out and in, the datagram
  assert.equal(dump.packets, 3);
  assert.equal(bob.kernel.sys.read(to, new Uint8Array(4)), 2);
});
