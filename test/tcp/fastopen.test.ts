/** Fast Open between two hosts: the round trip that it saves, the limit of the listener, and options that are refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, type Kernel, MSG_FASTOPEN, SOCK_STREAM, SOL_TCP, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY, World,
} from '../../mod.ts';

/** alice and bob, 10 ms apart, a listener on bob:80 with room for `qlen` children in SYN_RECV. */
function pair(qlen: number): { world: World; bob: Kernel; request: (size: number) => Promise<number> } {
  const world = new World({ seed: 3, costs: 'zero' });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '10ms' });
  bob.kernel.sysctl('net.ipv4.tcp_fastopen', 2);
  const { kernel } = bob;
  const fd = kernel.socket(AF_INET, SOCK_STREAM, 0);
  kernel.setsockopt(fd, SOL_TCP, TCP_FASTOPEN, qlen);
  kernel.bind(fd, { address: '0.0.0.0', port: 80 });
  kernel.listen(fd, 16);
  const to = { address: bob.ip, port: 80 };
  /** One request and its answer; how long that took, in milliseconds. */
  async function request(size: number): Promise<number> {
    const start = world.now;
    const c = alice.kernel.socket(AF_INET, SOCK_STREAM, 0);
    const sent = alice.kernel.sendto(c, new Uint8Array(size), to, MSG_FASTOPEN);
    const { fd: conn } = await kernel.accept(fd);
    let got = 0;
    while (got < size) got += await kernel.read(conn, new Uint8Array(4096));
    await kernel.write(conn, new Uint8Array(100));
    assert.equal(await sent, size);
    assert.equal(await alice.kernel.read(c, new Uint8Array(1000)), 100);
    const took = world.now - start;
    alice.kernel.close(c);
    kernel.close(conn);
    return took;
  }
  return { world, bob: kernel, request };
}

test('the first request takes two round trips, the next ones take one', async () => {
  const { world, bob, request } = pair(16);
  try {
    await world.run(async () => {
      assert.equal(Math.round(await request(500)), 60, 'and one more for ARP');
      assert.equal(Math.round(await request(500)), 20);
      assert.equal(Math.round(await request(5000)), 40, 'what does not fit into the SYN waits for the SYN-ACK');
    });
    assert.equal(bob.nstat().TcpExtTCPFastOpenPassive, 2);
    assert.equal(bob.nstat().TcpExtTCPFastOpenCookieReqd, 1);
  } finally {
    world.stop();
  }
});

test('one child more than TCP_FASTOPEN allows gets an ordinary handshake', async () => {
  const { world, bob, request } = pair(1);
  try {
    await world.run(async () => {
      await request(100);
      const [first, second] = await Promise.all([request(100), request(100)]);
      assert.deepEqual([Math.min(first, second), Math.max(first, second)].map(Math.round), [20, 40]);
    });
    assert.equal(bob.nstat().TcpExtTCPFastOpenListenOverflow, 1);
  } finally {
    world.stop();
  }
});

test('options of Fast Open: what is refused', () => {
  const world = new World({ seed: 1, costs: 'zero' });
  const { kernel } = world.host('alice');
  const fd = kernel.socket(AF_INET, SOCK_STREAM, 0);
  const set = (name: number, value: number | Uint8Array): string => {
    try {
      kernel.setsockopt(fd, SOL_TCP, name, value);
      return 'ok';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  assert.equal(set(TCP_FASTOPEN, -1), 'EINVAL');
  assert.equal(set(TCP_FASTOPEN_CONNECT, 2), 'EINVAL');
  assert.equal(set(TCP_FASTOPEN_KEY, new Uint8Array(15)), 'EINVAL');
  assert.equal(set(TCP_FASTOPEN_KEY, new Uint8Array(32)), 'ok');
  assert.throws(() => kernel.sysctl('net.ipv4.tcp_fastopen_key', 'no key'), /four hexadecimal words/);
  assert.equal(kernel.sysctl('net.ipv4.tcp_fastopen_key'), '00000000-00000000-00000000-00000000');
  kernel.sysctl('net.ipv4.tcp_fastopen_key', 'A1-b2-c3-d4');
  assert.equal(kernel.sysctl('net.ipv4.tcp_fastopen_key'), '000000a1-000000b2-000000c3-000000d4');
  world.stop();
});
