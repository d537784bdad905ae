import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MSG_EOR, SOL_SOCKET, SOL_TCP, SO_RCVBUF, SO_RCVLOWAT, SO_SNDBUF, TCP_NOTSENT_LOWAT } from '../../src/sock/constants.ts';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

// ---- how much a writer gets rid of before it must wait ----------------------------------------------------------------

for (const [sndbuf, taken] of [[undefined, 270_000], [50_000, 140_000], [10_000, 75_000]] as const) {
  lab(`A writer leaves ${taken} bytes with SO_SNDBUF ${sndbuf ?? 'as it is'}: ten segments out, nothing acknowledged`, {
    mss: 1000, rttMs: 100, tso: true, sysctl: { tcp_wmem: '4096 262144 4194304' }, ...(sndbuf === undefined ? {} : { sndbuf }),
  }, (t) => {
    const c = t.established();
    assert.equal(c.write(1_000_000, { want: 'any' }), taken);
    assert.equal(t.forget(), 5);
  });
}

lab('SO_SNDBUF and SO_RCVBUF are doubled, within their limits', (t) => {
  const c = t.established();
  c.setsockopt(SOL_SOCKET, SO_SNDBUF, 10_000);
  assert.equal(c.getsockopt(SOL_SOCKET, SO_SNDBUF), 20_000);
  c.setsockopt(SOL_SOCKET, SO_SNDBUF, 1);
  assert.equal(c.getsockopt(SOL_SOCKET, SO_SNDBUF), 4608);
  c.setsockopt(SOL_SOCKET, SO_RCVBUF, 10_000);
  assert.equal(c.getsockopt(SOL_SOCKET, SO_RCVBUF), 20_000);
  c.setsockopt(SOL_SOCKET, SO_RCVBUF, 1);
  assert.equal(c.getsockopt(SOL_SOCKET, SO_RCVBUF), 2304);
});

lab('TCP_NOTSENT_LOWAT: a socket is writable while little of what it took is unsent', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.setsockopt(SOL_TCP, TCP_NOTSENT_LOWAT, 8000);
  c.write(10_000);
  assert.equal(c.poll(), 'out');
  c.write(9000, { want: 'any' });
  assert.equal(c.poll(), '');
  t.forget();
  t.run`+.1 < . 1:1(0) ack 5001`;
  t.forget();
  assert.equal(c.poll(), 'out');
});

lab('MSG_EOR: what is written behind a mark never shares a segment with what is before it', {
  mss: 1000, rttMs: 100, nodelay: true,
}, (t) => {
  const c = t.established({ win: 0 });
  c.write(400, { flags: MSG_EOR });
  c.write(400, { flags: MSG_EOR });
  c.write(400);
  t.run`
    < . 1:1(0) ack 1 win 65535
    > P. 1:401(400) ack 1
    > P. 401:801(400) ack 1
    > P. 801:1201(400) ack 1
  `;
});

// ---- readers --------------------------------------------------------------------------------------------------------

lab('SO_RCVLOWAT: a socket is readable when so much is there, or the end', { rttMs: 100 }, (t) => {
  const c = t.established();
  c.setsockopt(SOL_SOCKET, SO_RCVLOWAT, 200);
  t.run`
    < P. 1:101(100) ack 1
    > . 1:1(0) ack 101
  `;
  assert.equal(c.poll(), 'out');
  t.run`
    < P. 101:201(100) ack 1
    > . 1:1(0) ack 201
  `;
  assert.equal(c.poll(), 'in out');
  c.read(500, { want: 200 });
});

lab('An urgent byte ends a read before it, is stepped over, and can be had by MSG_OOB', { rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < PU. 1:101(100) ack 1 urg 51
    > . 1:1(0) ack 101
  `;
  c.read(500, { want: 50 });
  assert.equal(c.readUrgent(), 50);
});
