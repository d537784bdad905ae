import { test } from 'node:test';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test);

lab('RFC 1191: "fragmentation needed" about a segment in flight makes smaller ones of it, at once', {
  rttMs: 100,
}, (t) => {
  const c = t.established();
  c.write(2920);
  t.run`
    > . 1:1461(1460) ack 1
    > P. 1461:2921(1460) ack 1
    +.05 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]
    > . 1:1161(1160) ack 1
    > P. 1161:2321(1160) ack 1
    > P. 2321:2921(600) ack 1
    +.1 < . 1:1(0) ack 2921
  `;
  c.write(2320);
  t.run`
    > . 2921:4081(1160) ack 1
    > P. 4081:5241(1160) ack 1
    +.1 < . 1:1(0) ack 5241
  `;
});

lab('RFC 5927: a quotation outside of what is in flight is ignored and counted', { rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(1460);
  t.run`
    > P. 1:1461(1460) ack 1
    +.05 < icmp unreachable frag_needed mtu 1200 [5000:6460(1460)]
    +.05 < . 1:1(0) ack 1461
  `;
  c.write(1460);
  t.run`
    > P. 1461:2921(1460) ack 1
    +.1 < . 1:1(0) ack 2921
  `;
  t.counters({ TcpExtOutOfWindowIcmps: 1, IcmpInMsgs: 1, IcmpInDestUnreachs: 1 });
});

lab('RFC 1122 §4.2.3.9: "host unreachable" does not end a connection that works', {
  rttMs: 100, mss: 1000, sysctl: { tcp_early_retrans: 0 },
}, (t) => {
  const c = t.established();
  c.write(1000);
  t.run`
    > P. 1:1001(1000) ack 1
    +.05 < icmp unreachable host_unreachable [1:1001(1000)]
    +.25 > P. 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 1001
  `;
  t.sock(c, { state: 'ESTABLISHED', err: 0 });
});

lab('RFC 1122 §4.2.3.9: "port unreachable" about our SYN refuses the connection', (t) => {
  const c = t.synSent();
  t.run`
    +.05 < icmp unreachable port_unreachable [0:0(0)]
    quiet 5s
  `;
  c.connect('ECONNREFUSED');
});

lab('"Host unreachable" about our SYN ends connect() with EHOSTUNREACH', (t) => {
  const c = t.synSent();
  t.run`
    +.05 < icmp unreachable host_unreachable [0:0(0)]
    quiet 5s
  `;
  c.connect('EHOSTUNREACH');
});

lab('"Host unreachable" about a SYN-ACK ends the request', (t) => {
  const listener = t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1460>
    > S. 0:0(0) ack 1
    +.05 < icmp unreachable host_unreachable [0:0(0)]
    quiet 5s
  `;
  listener.acceptNothing();
});

lab('RFC 792: an echo request is answered with its id, sequence number and data', (t) => {
  t.newPeer();
  t.run`
    < icmp echo_request id 7 seq 1 (56)
    > icmp echo_reply id 7 seq 1 (56)
  `;
});

lab('RFC 1122 §4.1.3.1: a datagram to a port where nobody listens draws "port unreachable"', (t) => {
  t.newPeer(9);
  t.run`
    < udp (100)
    > icmp unreachable port_unreachable [udp (100)]
  `;
  t.counters({ UdpNoPorts: 1, IcmpOutMsgs: 1, IcmpOutDestUnreachs: 1 });
});
