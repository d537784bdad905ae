import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  SOL_SOCKET, SOL_TCP, SO_KEEPALIVE, TCP_DEFER_ACCEPT, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_SYNCNT, TCP_USER_TIMEOUT,
} from '../../src/sock/constants.ts';
import { labWith, type LabConn } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

function keepalive(c: LabConn): void {
  c.setsockopt(SOL_TCP, TCP_KEEPIDLE, 10);
  c.setsockopt(SOL_TCP, TCP_KEEPINTVL, 5);
  c.setsockopt(SOL_TCP, TCP_KEEPCNT, 3);
  c.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1);
}

lab('RFC 9293 §3.8.4: keepalive asks after a silence, with a number that was acknowledged', (t) => {
  const c = t.established();
  keepalive(c);
  t.run`
    +10 > . 0:0(0) ack 1
    +.1 < . 1:1(0) ack 1
    quiet 9s
    +1 > . 0:0(0) ack 1
    +.1 < . 1:1(0) ack 1
  `;
  t.counters({ TcpExtTCPKeepAlive: 2 });
});

lab('RFC 9293 §3.8.4: a peer that answers no question is gone', (t) => {
  const c = t.established();
  keepalive(c);
  t.run`
    +10 > . 0:0(0) ack 1
    +5 > . 0:0(0) ack 1
    +5 > . 0:0(0) ack 1
    +5 > R. 1:1(0) ack 1
  `;
  c.read(10, { want: 'ETIMEDOUT' });
  c.read(10, { want: 0 });
});

lab('Keepalive is silent while data is out', { rttMs: 100 }, (t) => {
  const c = t.established();
  keepalive(c);
  t.run`quiet 9900ms`;
  c.write(100);
  t.run`
    > P. 1:101(100) ack 1
    +.1 < . 1:1(0) ack 101
    quiet 9s
    +1 > . 100:100(0) ack 1
    < . 1:1(0) ack 101
  `;
});

lab('RFC 5482: TCP_USER_TIMEOUT ends a connection whose data is not acknowledged in time', {
  mss: 1000, rttMs: 100, sysctl: { tcp_early_retrans: 0 },
}, (t) => {
  const c = t.established();
  c.setsockopt(SOL_TCP, TCP_USER_TIMEOUT, 2000);
  c.write(1000);
  t.run`
    > P. 1:1001(1000) ack 1
    +.3 > P. 1:1001(1000) ack 1
    +.6 > P. 1:1001(1000) ack 1
    +1.2 > P. 1:1001(1000) ack 1
    quiet 200ms                         // two seconds, counted from the first retransmission
  `;
  c.read(10, { want: 'EAGAIN' });
  t.run`quiet 1ms`;
  c.read(10, { want: 'ETIMEDOUT' });
});

lab('RFC 5482: TCP_USER_TIMEOUT also ends a connection whose window stays closed', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(1000);
  t.run`
    > P. 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 1001 win 0
  `;
  c.setsockopt(SOL_TCP, TCP_USER_TIMEOUT, 3000);
  c.write(1000);
  for (let i = 0; i < 20 && c.poll() !== 'in out err hup rdhup'; i++) {
    t.wait('500ms');
    while (t.core.take() !== null) t.run`< . 1:1(0) ack 1001 win 0`;
  }
  t.forget();
  c.read(10, { want: 'ETIMEDOUT' });
});

lab('TCP_SYNCNT limits the SYNs of one connection', (t) => {
  const c = t.connecting({ sockopts: [[SOL_TCP, TCP_SYNCNT, 1]] });
  t.wait('60s');
  const sent = t.forget();
  assert.ok(sent >= 2 && sent <= 6, String(sent));
  c.connect('ETIMEDOUT');
});

lab('TCP_DEFER_ACCEPT keeps a connection without data from the application', (t) => {
  const listener = t.listening({ sockopts: [[SOL_TCP, TCP_DEFER_ACCEPT, 5]] });
  t.run`
    < S 0:0(0) win 65535 <mss 1460,nop,nop,sackOK>
    > S. 0:0(0) ack 1
    +.1 < . 1:1(0) ack 1
    quiet 500ms
  `;
  listener.acceptNothing();
  t.run`
    < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
  `;
  listener.accept().read(10);
});
