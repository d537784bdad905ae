/** ICMP errors about TCP: which are believed, and what they do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOL_IP, IP_RECVERR } from '../../src/sock/constants.ts';
import { labWith, runLab, tableWith } from '../../src/testing.ts';

const lab = labWith(test);
const table = tableWith(test);

table<{ what: string; error: string }>('RFC 1122 §4.2.3.9: during the handshake an ICMP error ends the attempt, with its errno', `
  what                            →  error
  'unreachable net_unreachable'      ENETUNREACH
  'unreachable host_unreachable'     EHOSTUNREACH
  'unreachable protocol_unreachable' ENOPROTOOPT
  'unreachable port_unreachable'     ECONNREFUSED
  'unreachable host_unknown'         EHOSTDOWN
`, ({ what, error }) => {
  runLab(what, {}, (t) => {
    const c = t.synSent();
    t.run(`< icmp ${what} [0:0(0)]`);
    c.connect(error as `E${string}`);
    t.run('quiet 5s');
  });
});

lab('On a connection the error is remembered only: it is the reason if the connection dies of silence', { timestamps: false }, (t) => {
  const c = t.established();
  c.write(100);
  t.run`
    > P. 1:101(100) ack 1
    +.1 < icmp unreachable host_unreachable [1:101(100)]
  `;
  t.sock(c, { state: 'ESTABLISHED', err: 0, errSoft: 113 });
  assert.equal(c.poll(), 'out');
});

lab('With IP_RECVERR it is told at once', (t) => {
  const c = t.established();
  c.setsockopt(SOL_IP, IP_RECVERR, 1);
  c.write(100);
  t.run`
    > P. 1:101(100) ack 1
    +.1 < icmp unreachable host_unreachable [1:101(100)]
  `;
  t.sock(c, { state: 'ESTABLISHED', err: 113 });
});

lab('RFC 5927: an error about a number that is not in flight is ignored', (t) => {
  const c = t.established();
  c.write(100);
  t.run`
    > P. 1:101(100) ack 1
    +.1 < icmp unreachable port_unreachable [5000:5100(100)]
  `;
  t.sock(c, { state: 'ESTABLISHED', errSoft: 0 });
  t.counters({ TcpExtOutOfWindowIcmps: 1, IcmpInMsgs: 1, IcmpInDestUnreachs: 1 });
});

lab('RFC 6069: "unreachable" about a retransmission takes the last doubling of the RTO back', (t) => {
  const c = t.established();
  c.write(100);
  t.run`
    0.000 > P. 1:101(100) ack 1
    0.300 > P. 1:101(100) ack 1    // a loss probe
    0.600 > P. 1:101(100) ack 1
    1.200 > P. 1:101(100) ack 1
    1.300 < icmp unreachable host_unreachable [1:101(100)]
    1.800 > P. 1:101(100) ack 1    // and not at 2.400
    1.900 < icmp unreachable host_unreachable [1:101(100)]
    2.400 > P. 1:101(100) ack 1
    2.500 < . 1:1(0) ack 101
  `;
});

lab('A request is forgotten when the peer cannot be reached', (t) => {
  t.listening();
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    < icmp unreachable host_unreachable [0:0(0)]
    quiet 5s
  `;
  assert.equal(t.host.tcp.established.count, 0);
});

lab('RFC 1191: "fragmentation needed" lowers the MSS and the segment is sent again at once', (t) => {
  const c = t.established();
  c.write(2920);
  t.run`
    > . 1:1461(1460) ack 1
    > P. 1461:2921(1460) ack 1
    +.1 < icmp unreachable frag_needed mtu 1000 [1:1461(1460)]
    > . 1:961(960) ack 1
  `;
  t.sock(c, { pmtuCookie: 1000, mssCache: 960 });
  t.forget();
});

lab('… also for a handshake’s MSS to come: a new connection to that peer begins with the smaller path', (t) => {
  const c = t.established();
  c.write(1460);
  t.run`
    > P. 1:1461(1460) ack 1
    +.1 < icmp unreachable frag_needed mtu 1000 [1:1461(1460)]
  `;
  t.forget();
  const d = t.connecting({ port: 81 });
  t.run('> S 0:0(0) <mss 1460,sackOK,TS val 200 ecr 0,nop,wscale 7>');
  t.sock(d, { pmtuCookie: 1000 });
});
