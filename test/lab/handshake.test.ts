import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOL_TCP, TCP_MAXSEG } from '../../src/sock/constants.ts';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

// ---- our SYN --------------------------------------------------------------------------------------------------------

lab('Our SYN has its options in a fixed order: mss, sackOK, TS, nop, wscale', (t) => {
  t.connecting();
  t.run`
    > S 0:0(0) win 64240 <mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 7>
  `;
});

lab('Without timestamps two nops take their place', { sysctl: { tcp_timestamps: 0 } }, (t) => {
  t.connecting();
  t.run`
    > S 0:0(0) win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 7>
  `;
});

lab('A host that knows neither SACK nor scaling nor timestamps offers its MSS alone', {
  sysctl: { tcp_timestamps: 0, tcp_sack: 0, tcp_window_scaling: 0 },
}, (t) => {
  t.connecting();
  t.run`
    > S 0:0(0) win 64240 <mss 1460>
  `;
});

lab('RFC 9293 §3.7.1: the MSS that is announced is the MTU less 40', { family: 4, mtu: 1400 }, (t) => {
  t.connecting();
  t.run`
    > S 0:0(0) <mss 1360,sackOK,TS val 0 ecr 0,nop,wscale 7>
  `;
});

lab('TCP_MAXSEG lowers the MSS that is announced', (t) => {
  t.connecting({ sockopts: [[SOL_TCP, TCP_MAXSEG, 1000]] });
  t.run`
    > S 0:0(0) <mss 1000,sackOK,TS val 0 ecr 0,nop,wscale 7>
  `;
});

lab('A SYN without an answer is sent again: five times after a second, then ever more slowly, ten times in all', (t) => {
  const c = t.connecting();
  t.run`
    > S 0:0(0)
    +1 > S 0:0(0)
    +1 > S 0:0(0)
    +1 > S 0:0(0)
    +1 > S 0:0(0)
    +1 > S 0:0(0)
    +2 > S 0:0(0)
    +4 > S 0:0(0)
    +8 > S 0:0(0)
    +16 > S 0:0(0)
    +32 > S 0:0(0)
    quiet 64s
    quiet 1s
  `;
  c.connect('ETIMEDOUT');
  t.counters({
    TcpExtTCPTimeouts: 11, TcpExtTcpTimeoutRehash: 10, TcpExtTCPSynRetrans: 10, TcpRetransSegs: 10, TcpExtTCPLostRetransmit: 9,
    TcpExtTCPAbortOnTimeout: 1, TcpAttemptFails: 1,
  });
});

lab('RFC 9293 §3.10.7.3: a RST that acknowledges our SYN refuses the connection', (t) => {
  const c = t.synSent();
  t.run`
    +.010 < R. 0:0(0) ack 1
    quiet 10s
  `;
  assert.equal(c.poll(), 'in out err hup rdhup');
  c.connect('ECONNREFUSED');
  t.sock(c, { state: 'CLOSE' });
  t.counters({ TcpAttemptFails: 1 });
});

lab('RFC 9293 §3.10.7.3: in SYN_SENT a RST without ACK is nobody; one with a wrong ACK makes the SYN go again', (t) => {
  const c = t.synSent();
  t.run`
    +.010 < R 0:0(0)
    +.010 < R. 0:0(0) ack 2
    +2ms > S 0:0(0)                     // a leftover of an older connection may have eaten the first one
    quiet 900ms
  `;
  t.sock(c, { state: 'SYN_SENT' });
});

lab('RFC 9293 §3.10.7.3: in SYN_SENT an ACK of what was never sent draws a RST with its number', (t) => {
  const c = t.synSent();
  t.run`
    +.010 < . 1:1(0) ack 500
    > R 500:500(0)
  `;
  t.sock(c, { state: 'SYN_SENT' });
});

lab('RFC 9293 §3.5: both sides call connect(), and both are connected (simultaneous open)', (t) => {
  const c = t.synSent();
  t.run`
    +.050 < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK,nop,wscale 7>
    > S. 0:0(0) ack 1
    +.050 < . 1:1(0) ack 1
  `;
  c.connect(0);
  t.sock(c, { state: 'ESTABLISHED', sndUna: 1, rcvNxt: 1 });
  c.write(500);
  t.run`
    > P. 1:501(500) ack 1
    +.1 < . 1:1(0) ack 501
  `;
});

lab('The third segment of our handshake acknowledges the SYN-ACK at once, with the window scaled', {
  sysctl: { tcp_timestamps: 0 },
}, (t) => {
  const c = t.synSent();
  t.run`
    +.1 < S. 0:0(0) ack 1 win 65535 <mss 1460,nop,nop,sackOK,nop,wscale 7>
    > . 1:1(0) ack 1 win 502
  `;
  c.connect(0);
  t.sock(c, { state: 'ESTABLISHED', sndWnd: 65535, sndCwnd: 10 });
});

// ---- their SYN ------------------------------------------------------------------------------------------------------

for (const [offered, answered] of [
  ['<mss 1000,sackOK,TS val 0 ecr 0,nop,wscale 7>', '<mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 7>'],
  ['<mss 1000,nop,nop,sackOK,nop,wscale 7>', '<mss 1460,nop,nop,sackOK,nop,wscale 7>'],
  ['<mss 1000,nop,wscale 7>', '<mss 1460,nop,wscale 7>'],
  ['<mss 1000,nop,nop,sackOK>', '<mss 1460,nop,nop,sackOK>'],
  ['<mss 1000,nop,nop,TS val 0 ecr 0>', '<mss 1460,nop,nop,TS val 0 ecr 0>'],
  ['<mss 1000>', '<mss 1460>'],
  ['<>', '<mss 1460>'],
] as const) {
  lab(`A SYN-ACK answers what was offered and no more: ${offered}`, (t) => {
    t.listening();
    t.run`
      < S 0:0(0) win 65535 ${offered}
      > S. 0:0(0) ack 1 ${answered}
      +.1 < R 1:1(0)
    `;
  });
}

lab('The window of a SYN-ACK is not scaled: half of the buffer, in whole segments', (t) => {
  t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK,nop,wscale 7>
    > S. 0:0(0) ack 1 win 64240 <...>
    +.1 < R 1:1(0)
  `;
});

lab('With timestamps the segments of the window are 12 bytes shorter', (t) => {
  t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1000,sackOK,TS val 0 ecr 0,nop,wscale 7>
    > S. 0:0(0) ack 1 win 65160 <...>
    +.1 < R 1:1(0)
  `;
});

lab('A locked SO_RCVBUF of 10000 is 20000 bytes, half of it window, and needs no scale', (t) => {
  t.listening({ rcvbuf: 10000 });
  t.run`
    < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK,nop,wscale 7>
    > S. 0:0(0) ack 1 win 8760 <mss 1460,nop,nop,sackOK,nop,wscale 0>
    +.1 < R 1:1(0)
  `;
});

lab('A SYN-ACK without an answer is sent again after 1, 2, 4, 8 and 16 seconds; then the request is forgotten', (t) => {
  t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK,nop,wscale 7>
    > S. 0:0(0) ack 1
    +1 > S. 0:0(0) ack 1
    +2 > S. 0:0(0) ack 1
    +4 > S. 0:0(0) ack 1
    +8 > S. 0:0(0) ack 1
    +16 > S. 0:0(0) ack 1
    quiet 33s
    < . 1:1(0) ack 1
    > R 1:1(0)
  `;
  t.counters({ TcpExtTCPTimeouts: 6, TcpExtTCPSynRetrans: 5, TcpRetransSegs: 5, TcpOutRsts: 1 });
});

lab('A SYN that comes again is answered again', (t) => {
  const listener = t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK,nop,wscale 7>
    > S. 0:0(0) ack 1
    +.6 < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK,nop,wscale 7>
    > S. 0:0(0) ack 1
    +.1 < . 1:1(0) ack 1
  `;
  const c = listener.accept();
  t.sock(c, { state: 'ESTABLISHED' });
});

lab('The third segment may bring data', (t) => {
  const listener = t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK,nop,wscale 7>
    > S. 0:0(0) ack 1
    +.1 < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
  `;
  const c = listener.accept();
  c.read(100, { want: 10 });
});

lab('A lost third segment is made good by the data behind it', (t) => {
  const listener = t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK,nop,wscale 7>
    > S. 0:0(0) ack 1
    +.3 < . 1:1001(1000) ack 1
    > . 1:1(0) ack 1001
  `;
  listener.accept().read(5000, { want: 1000 });
});

lab('RFC 9293 §3.10.7.1: a SYN to a port where nobody listens draws a RST that acknowledges it', (t) => {
  t.newPeer(81);
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > R. 0:0(0) ack 1 win 0
    < S 0:10(10) win 65535 <mss 1000>
    > R. 0:0(0) ack 11 win 0
  `;
  t.counters({ TcpOutRsts: 2 });
});

lab('RFC 9293 §3.10.7.1: a segment with ACK for no connection draws a RST with its number, without ACK', (t) => {
  t.newPeer(81);
  t.run`
    < . 1:1(0) ack 77
    > R 77:77(0) win 0
    < R. 1:1(0) ack 77
    quiet 1s
  `;
  t.counters({ TcpOutRsts: 1 });
});

lab('RFC 9293 §3.10.7.2: an ACK to a listener draws a RST, a RST nothing', (t) => {
  t.listening();
  t.run`
    < . 1:1(0) ack 77
    > R 77:77(0)
    < R 1:1(0)
    quiet 1s
  `;
});

lab('RFC 9293 §3.10.7.4: a RST in the window of a request ends it; the listener goes on', (t) => {
  const listener = t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    < R 1:1(0)
    quiet 5s
  `;
  listener.acceptNothing();
  t.counters({ TcpAttemptFails: 1, TcpExtEmbryonicRsts: 1 });
});

lab('RFC 9293 §3.10.7.4: an ACK of what was never sent draws a RST; the request stays', (t) => {
  const listener = t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    < . 1:1(0) ack 5
    > R 5:5(0)
    < . 1:1(0) ack 1
  `;
  listener.accept();
});

lab('Half-open requests end with their listener, without a word', (t) => {
  const listener = t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
  `;
  t.host.closeFd(listener.fd);
  t.run`
    quiet 10s
    < . 1:1(0) ack 1
    > R 1:1(0)
  `;
});

lab('Connections that nobody accepted are reset with their listener', (t) => {
  const listener = t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    < . 1:1(0) ack 1
  `;
  t.host.closeFd(listener.fd);
  t.run`
    > R. 1:1(0) ack 1
  `;
});

lab('Timestamps tick in milliseconds from an offset of the connection, and the last one of the peer is echoed', {
  timestamps: true,
}, (t) => {
  const c = t.established();
  t.run`
    +.100 < P. 1:101(100) ack 1 <nop,nop,TS val 200 ecr 0>
    > . 1:1(0) ack 101 <nop,nop,TS val 200 ecr 200>
  `;
  c.read(100);
  c.write(10);
  t.run`
    > P. 1:11(10) ack 101 <nop,nop,TS val 200 ecr 200>
    +.100 < . 101:101(0) ack 11 <nop,nop,TS val 300 ecr 200>
  `;
});
