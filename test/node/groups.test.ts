// Groups of IPv6 with named sources (RFC 3678), by dgram, between hosts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { World } from '../../src/node/world.ts';

void test('a socket that named one source of a group hears it, and no other', async () => {
  const world = new World({ seed: 3 });
  const [alice, bob, carol] = [world.host('alice'), world.host('bob'), world.host('carol')];
  const lan = world.switch('lan');
  for (const host of [alice, bob, carol]) world.cable(host, lan);
  const heard: string[] = [];
  await world.run(async () => {
    await new Promise<void>((resolve) => void setTimeout(resolve, 3000)); // duplicate address detection
    const six = (host: typeof bob): string => host.ip6;
    const listener = alice.dgram.createSocket('udp6');
    listener.bind(5000);
    await once(listener, 'listening');
    listener.addSourceSpecificMembership(six(bob), 'ff3e::1', '::%eth0');
    listener.on('message', (message) => void heard.push(String(message)));
    const say = async (host: typeof bob, what: string, port: number = 5000): Promise<void> => {
      const socket = host.dgram.createSocket('udp6');
      socket.bind(0, six(host));
      await once(socket, 'listening');
      socket.setMulticastInterface('::%eth0');
      await new Promise<void>((resolve) => void socket.send(what, port, 'ff3e::1', () => resolve()));
      socket.close();
    };
    await say(carol, 'of carol');
    await say(bob, 'of bob');
    await new Promise<void>((resolve) => void setTimeout(resolve, 100));
    listener.addSourceSpecificMembership(six(carol), 'ff3e::1', '::%eth0');
    listener.dropSourceSpecificMembership(six(bob), 'ff3e::1', '::%eth0');
    await say(bob, 'of bob again');
    await say(carol, 'of carol again');
    await new Promise<void>((resolve) => void setTimeout(resolve, 100));
    listener.dropSourceSpecificMembership(six(carol), 'ff3e::1', '::%eth0');
    await say(carol, 'to nobody');
    await new Promise<void>((resolve) => void setTimeout(resolve, 100));
    listener.close();
  });
  assert.deepEqual(heard, ['of bob', 'of carol again']);
});
