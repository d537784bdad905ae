/** SO_PEEK_OFF (socket(7)): where MSG_PEEK looks next, on streams and on messages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, AF_UNIX, Kernel, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, SO_PEEK_OFF, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, SOL_SOCKET,
} from '../../mod.ts';

const PEEK: number = MSG_PEEK | MSG_DONTWAIT;

/** A socket that is written to, and the one that reads. */
type Pair = (k: Kernel) => Promise<readonly [number, number]>;

const tcp: Pair = async (k) => {
  const listener = k.socket(AF_INET, SOCK_STREAM, 0);
  k.bind(listener, { address: '127.0.0.1', port: 80 });
  k.listen(listener, 1);
  const a = k.socket(AF_INET, SOCK_STREAM, 0);
  await k.connect(a, { address: '127.0.0.1', port: 80 });
  return [a, (await k.accept(listener)).fd];
};
const unix = (type: number): Pair => (k) => Promise.resolve(k.socketpair(AF_UNIX, type));
const udp: Pair = async (k) => {
  const [a, b] = [k.socket(AF_INET, SOCK_DGRAM, 0), k.socket(AF_INET, SOCK_DGRAM, 0)];
  k.bind(b, { address: '127.0.0.1', port: 53 });
  await k.connect(a, { address: '127.0.0.1', port: 53 });
  return [a, b];
};

function look(k: Kernel, fd: number, size: number, flags: number): string {
  const buffer = new Uint8Array(size);
  const n = k.sys.recv(fd, buffer, flags);
  return new TextDecoder().decode(buffer.subarray(0, Math.min(n, size)));
}

for (const [name, pair] of [['TCP', tcp], ['a Unix stream', unix(SOCK_STREAM)]] as const) {
  test(`${name}: each look goes on behind the last, and reading brings the place nearer`, async () => {
    const k = new Kernel({ seed: 1 });
    const [a, b] = await pair(k);
    assert.equal(k.getsockopt(b, SOL_SOCKET, SO_PEEK_OFF), -1);
    await k.write(a, 'abcd');
    await k.write(a, 'efgh');
    await k.poll([{ fd: b, events: 1 }]);
    assert.deepEqual([look(k, b, 3, PEEK), look(k, b, 3, PEEK)], ['abc', 'abc'], 'off: always from the start');
    k.setsockopt(b, SOL_SOCKET, SO_PEEK_OFF, 1);
    assert.deepEqual([look(k, b, 2, PEEK), look(k, b, 2, PEEK)], ['bc', 'de']);
    assert.equal(k.getsockopt(b, SOL_SOCKET, SO_PEEK_OFF), 5);
    assert.equal(look(k, b, 3, MSG_DONTWAIT), 'abc');
    assert.equal(k.getsockopt(b, SOL_SOCKET, SO_PEEK_OFF), 2);
    assert.equal(look(k, b, 9, PEEK), 'fgh');
    assert.throws(() => look(k, b, 9, PEEK), { code: 'EAGAIN' }, 'all of it has been looked at');
    await k.write(a, 'ij');
    await k.poll([{ fd: b, events: 1 }]);
    assert.equal(look(k, b, 9, PEEK), 'ij');
    assert.equal(look(k, b, 9, MSG_DONTWAIT), 'defghij');
    assert.equal(k.getsockopt(b, SOL_SOCKET, SO_PEEK_OFF), 0);
    k.kill();
  });
}

for (const [name, pair] of [['UDP', udp], ['Unix datagrams', unix(SOCK_DGRAM)]] as const) {
  test(`${name}: looks step over whole messages and never join two`, async () => {
    const k = new Kernel({ seed: 1 });
    const [a, b] = await pair(k);
    await k.write(a, 'abcd');
    await k.write(a, 'efgh');
    await k.poll([{ fd: b, events: 1 }]);
    k.setsockopt(b, SOL_SOCKET, SO_PEEK_OFF, 0);
    assert.deepEqual([look(k, b, 3, PEEK), look(k, b, 3, PEEK), look(k, b, 9, PEEK)], ['abc', 'd', 'efgh']);
    assert.throws(() => look(k, b, 9, PEEK), { code: 'EAGAIN' });
    k.setsockopt(b, SOL_SOCKET, SO_PEEK_OFF, 5);
    // As measured on Linux 6.18: UDP tells the length of the whole message, and moves by what it tells.
    const whole = name === 'UDP';
    assert.equal(k.sys.recv(b, new Uint8Array(1), PEEK | MSG_TRUNC), whole ? 4 : 3);
    assert.equal(k.getsockopt(b, SOL_SOCKET, SO_PEEK_OFF), whole ? 9 : 6);
    assert.equal(look(k, b, 9, MSG_DONTWAIT), 'abcd');
    assert.equal(k.getsockopt(b, SOL_SOCKET, SO_PEEK_OFF), whole ? 5 : 2);
    if (!whole) assert.equal(look(k, b, 9, PEEK), 'gh');
    k.kill();
  });
}

test('a raw socket has no such thing', () => {
  const k = new Kernel({ seed: 1 });
  const fd = k.socket(AF_INET, SOCK_RAW, 1);
  assert.throws(() => { k.setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, 0); }, { code: 'EOPNOTSUPP' });
  assert.throws(() => k.getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF), { code: 'EOPNOTSUPP' });
});
