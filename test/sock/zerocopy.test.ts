/** MSG_ZEROCOPY between two hosts: the memory is really lent, over a card without a copy, over loopback with one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, MSG_ERRQUEUE, MSG_ZEROCOPY, SHUT_WR, SOCK_DGRAM, SOCK_STREAM, SO_ZEROCOPY, SOL_SOCKET,
} from '../../src/sock/constants.ts';
import type { SockExtendedErr } from '../../src/sock/extended-err.ts';
import type { Kernel } from '../../src/host/kernel.ts';
import { World } from '../../mod.ts';

/** The next note of the error queue. */
function note(kernel: Kernel, fd: number): SockExtendedErr {
  const { control } = kernel.sys.recvmsg(fd, [new Uint8Array(0)], MSG_ERRQUEUE);
  return control.at(-1)!.data as SockExtendedErr;
}

test('over a card nobody copies: what is written into the memory before the packet left goes out, and the note says code 0', async () => {
  const world = new World({ seed: 1 });
  try {
    const [alice, bob] = [world.host('alice'), world.host('bob')];
    world.cable(alice, bob, { delay: '10ms' });
    await world.run(async () => {
      const listener = bob.kernel.socket(AF_INET, SOCK_STREAM);
      bob.kernel.bind(listener, { port: 7 });
      bob.kernel.listen(listener, 1);
      const fd = alice.kernel.socket(AF_INET, SOCK_STREAM);
      await alice.kernel.connect(fd, { address: bob.ip, port: 7 });
      const conn = (await bob.kernel.accept(listener)).fd;
      alice.kernel.setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
      const lent = new Uint8Array(30000).fill(1);
      assert.equal(await alice.kernel.sendmsg(fd, { iov: [lent.subarray(0, 15000), lent.subarray(15000)] }, MSG_ZEROCOPY), 30000);
      lent.fill(2); // ten segments are on their way, the rest still lies here
      const got = new Uint8Array(30000);
      for (let n = 0; n < got.length;) n += await bob.kernel.read(conn, got.subarray(n));
      assert.equal(got[0], 1);
      assert.equal(got[29999], 2);
      await alice.kernel.sleep('100ms');
      const { origin, code, info, data } = note(alice.kernel, fd);
      assert.deepEqual({ origin, code, info, data }, { origin: 5, code: 0, info: 0, data: 0 });
    });
  } finally {
    world.stop();
  }
});

test('a datagram is the writer\'s again as soon as it has left; over loopback a copy was made', async () => {
  const world = new World({ seed: 1 });
  try {
    const { kernel } = world.host('alice');
    await world.run(async () => {
      const to = kernel.socket(AF_INET, SOCK_DGRAM);
      kernel.bind(to, { address: '127.0.0.1', port: 9 });
      const fd = kernel.socket(AF_INET, SOCK_DGRAM);
      kernel.setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, true);
      const lent = new Uint8Array(3000).fill(1);
      await kernel.sendto(fd, lent, { address: '127.0.0.1', port: 9 }, MSG_ZEROCOPY);
      await kernel.sendto(fd, lent, { address: '127.0.0.1', port: 9 }, MSG_ZEROCOPY);
      const { code, info, data } = note(kernel, fd);
      assert.deepEqual({ code, info, data }, { code: 1, info: 0, data: 1 });
      lent.fill(2);
      const got = new Uint8Array(4000);
      assert.equal(await kernel.read(to, got), 3000);
      assert.equal(got[2999], 1);
    });
  } finally {
    world.stop();
  }
});

test('a blocked send that close() cuts off: what it had lent is told of by another descriptor of the socket', async () => {
  const world = new World({ seed: 1 });
  try {
    const [alice, bob] = [world.host('alice'), world.host('bob')];
    world.cable(alice, bob, { delay: '1ms' });
    await world.run(async () => {
      const listener = bob.kernel.socket(AF_INET, SOCK_STREAM);
      bob.kernel.bind(listener, { port: 7 });
      bob.kernel.listen(listener, 1);
      const { kernel } = alice;
      const fd = kernel.socket(AF_INET, SOCK_STREAM);
      await kernel.connect(fd, { address: bob.ip, port: 7 });
      const conn = (await bob.kernel.accept(listener)).fd;
      kernel.setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
      const other = kernel.dup(fd);
      const cut = kernel.sendmsg(fd, { iov: [new Uint8Array(20_000_000)] }, MSG_ZEROCOPY);
      await kernel.sleep('500ms'); // bob reads nothing: both buffers are full
      const rejected = assert.rejects(cut, { code: 'EBADF' });
      kernel.close(fd);
      await rejected;
      assert.throws(() => note(kernel, other), { code: 'EAGAIN' }, 'not before it is free');
      kernel.shutdown(other, SHUT_WR);
      const buffer = new Uint8Array(1_000_000);
      let got = 0;
      for (let n = await bob.kernel.read(conn, buffer); n > 0; n = await bob.kernel.read(conn, buffer)) got += n;
      assert.ok(got > 0 && got < 20_000_000, `${got} bytes`);
      await kernel.sleep('100ms');
      const { origin, info, data } = note(kernel, other);
      assert.deepEqual({ origin, info, data }, { origin: 5, info: 0, data: 0 });
    });
  } finally {
    world.stop();
  }
});
