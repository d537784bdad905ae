import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

lab('A flood of single bytes out of order never takes more memory than the receive buffer', { rttMs: 100, rcvbuf: 50_000 }, (t) => {
  const c = t.established();
  for (let i = 0; i < 1500; i++) {
    t.run(`< . ${3 + 2 * i}:${4 + 2 * i}(1) ack 1`);
    t.forget();
    assert.ok(c.tp.rmemAlloc <= 2 * c.tp.rcvbuf, `${c.tp.rmemAlloc} of ${c.tp.rcvbuf} after ${i}`);
  }
  t.run`< . 1:3(2) ack 1`;
  t.wait('1s');
  t.forget();
  const got = c.read(10_000, { want: 'any' });
  assert.ok(got >= 3, String(got));
});

lab('A flood of single bytes in order is collapsed rather than dropped', { rttMs: 100, rcvbuf: 50_000 }, (t) => {
  const c = t.established();
  for (let i = 0; i < 1500; i++) {
    t.run(`< . ${1 + i}:${2 + i}(1) ack 1`);
    t.forget();
    assert.ok(c.tp.rmemAlloc <= 2 * c.tp.rcvbuf, `${c.tp.rmemAlloc} of ${c.tp.rcvbuf} after ${i}`);
  }
  t.wait('1s');
  t.forget();
  c.read(10_000, { want: 1500 });
});

lab('The receive window grows with a reader that keeps up (dynamic right-sizing)', { rttMs: 100, mss: 1460 }, (t) => {
  const c = t.established();
  const first = c.tp.rcvWnd;
  let seq = 1;
  for (let round = 0; round < 12; round++) {
    const segments = Math.min(400, Math.floor(c.tp.rcvWnd / 1460));
    for (let i = 0; i < segments; i++) {
      t.run(`< . ${seq}:${seq + 1460}(1460) ack 1`);
      t.forget();
      seq += 1460;
      c.read(1460);
      t.forget();
    }
    t.wait('100ms');
    t.forget();
  }
  assert.ok(c.tp.rcvWnd > 3 * first, `${first} → ${c.tp.rcvWnd}`);
  assert.ok(c.tp.rcvbuf <= 6_291_456);
});

lab('A window above 64 KiB is used: the peer\'s scale counts', { mss: 1000, rttMs: 100, win: 2000, wscale: 7 }, (t) => {
  const c = t.established();
  t.sock(c, { sndWnd: 256_000 });
  let acked = 0;
  for (let round = 0; round < 5; round++) {
    const size = c.write(Math.min(c.tp.sndCwnd, 200) * 1000, { want: 'any' });
    t.forget();
    t.wait('100ms');
    for (let i = 0; i < size; i += 1000) {
      acked += 1000;
      t.run(`< . 1:1(0) ack ${acked + 1}`);
      t.forget();
    }
  }
  c.write(200_000, { want: 'any' });
  t.forget();
  assert.ok(c.tp.sndNxt - c.tp.sndUna > 65_535);
});

lab('RFC 6191: connect() takes a port from TIME_WAIT when the timestamps tell new from old', {
  timestamps: true, sysctl: { ip_local_port_range: '40000 40000', tcp_tw_reuse: 1 },
}, (t) => {
  const c = t.established({ active: true });
  c.close();
  t.run`
    > F. 1:1(0) ack 1
    +.1 < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
  `;
  assert.ok(t.inTimeWait(c));
  t.wait('2s');
  const again = t.connecting();
  assert.equal(t.core.sent.length, 1);
  t.forget();
  t.sock(again, { state: 'SYN_SENT', num: 40000 });
  assert.ok(!t.inTimeWait(c));
});

lab('Too many TIME_WAITs: the newest is not kept', { sysctl: { tcp_max_tw_buckets: 2 } }, (t) => {
  const listener = t.listening();
  for (let i = 0; i < 4; i++) {
    const c = t.connectTo(listener);
    c.close();
    t.run`
      > F. 1:1(0) ack 1
      +.1 < F. 1:1(0) ack 2
    `;
    t.forget();
  }
  assert.equal(t.host.tcp.deathRow.count, 2);
  assert.equal(t.host.kernel.nstat().TcpExtTCPTimeWaitOverflow, 2);
});

lab('tcp_orphan_retries ends a connection that nobody owns and nobody answers', {
  mss: 1000, rttMs: 100, sysctl: { tcp_orphan_retries: 2, tcp_early_retrans: 0 },
}, (t) => {
  const c = t.established();
  c.write(1000);
  c.close();
  t.run`
    > P. 1:1001(1000) ack 1
    > F. 1001:1001(0) ack 1
    +.3 > P. 1:1001(1000) ack 1
    +.6 > P. 1:1001(1000) ack 1
    quiet 60s
  `;
  t.sock(c, { state: 'CLOSE' });
});
