/** The two queues of a listener: SYNs that wait for their third segment, connections that wait for accept(). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOL_TCP, TCP_DEFER_ACCEPT } from '../../src/sock/constants.ts';
import { sysAccept } from '../../src/syscall/socket.ts';
import { parsePacket, runLab, tableWith, labWith, type Lab } from '../../src/testing.ts';
import { buildPacket } from '../../src/wire/segment-build.ts';

const table = tableWith(test);
const lab = labWith(test, [4, 6]);

/** A SYN of a new peer; true when it is answered by a SYN-ACK. */
function syn(t: Lab): boolean {
  t.newPeer();
  t.run('< S 0:0(0) win 65535 <mss 1000>');
  const got = t.core.take();
  return got !== null && typeof got.packet !== 'string' && got.packet.proto === 'tcp' && (got.packet.flags & 0x3f) === 0x12;
}

/** The third segment of the peer that came last. */
function ack(t: Lab): void {
  t.run('< . 1:1(0) ack 1');
}

function acceptable(t: Lab, fd: number): number {
  let n = 0;
  while (sysAccept(t.host.process, fd, null, 0) >= 0) n++;
  return n;
}

table<{ backlog: number; somaxconn: number; cookies: number; synacks: number; accepted: number }>(
  'How many of ten peers get through when nobody calls accept(): backlog + 1, and no SYN is answered after that',
  `
  backlog  somaxconn  cookies  →  synacks  accepted
  0        4096       1           1        1
  1        4096       1           2        2
  3        4096       1           4        4
  8        4096       1           9        9
  100      4096       1           10       10
  100      2          1           3        3           // listen() is cut to somaxconn
  -1       3          1           4        4           // as unsigned it is a very large number
  3        4096       0           4        4
`,
  ({ backlog, somaxconn, cookies, synacks, accepted }) => {
    const sysctl = { 'net.core.somaxconn': somaxconn, tcp_syncookies: cookies };
    runLab('accept queue', { sysctl }, (t) => {
      const listener = t.listening({ backlog });
      let answered = 0;
      for (let i = 0; i < 10; i++) {
        if (!syn(t)) continue;
        answered++;
        ack(t);
      }
      assert.equal(answered, synacks);
      assert.equal(acceptable(t, listener.fd), accepted);
    });
  },
);

table<{ backlog: number; cookies: number; synacks: number; queued: number; sent: number }>(
  'How many of ten SYNs without a third segment are answered, how many are kept, how many answers are cookies',
  `
  backlog  cookies  →  synacks  queued  sent
  0        1           10       1       9        // the queue is full when more than the backlog wait
  3        1           10       4       6
  20       1           10       10      0
  0        0           1        1       0        // no cookies: dropped
  3        0           4        4       0
  3        2           10       0       10       // cookies always
`,
  ({ backlog, cookies, synacks, queued, sent }) => {
    runLab('SYN queue', { sysctl: { tcp_syncookies: cookies } }, (t) => {
      t.listening({ backlog });
      let answered = 0;
      for (let i = 0; i < 10; i++) if (syn(t)) answered++;
      assert.equal(answered, synacks, 'SYN-ACKs');
      assert.equal(t.host.tcp.established.count, queued, 'requests');
      const counters: Parameters<Lab['counters']>[0] = {};
      if (sent > 0) Object.assign(counters, { TcpExtTCPReqQFullDoCookies: sent, TcpExtSyncookiesSent: sent });
      if (synacks < 10) Object.assign(counters, { TcpExtTCPReqQFullDrop: 10 - synacks, TcpExtListenDrops: 10 - synacks });
      t.counters(counters);
    });
  },
);

lab('Without cookies the last quarter of tcp_max_syn_backlog is kept for peers that are known', {
  sysctl: { tcp_syncookies: 0, tcp_max_syn_backlog: 16 },
}, (t) => {
  t.listening({ backlog: 100 });
  let answered = 0;
  for (let i = 0; i < 20; i++) if (syn(t)) answered++;
  assert.equal(answered, 13); // the 14th finds 13 waiting, and 16 - 13 < 4
});

lab('A full accept queue forgets the third segment; the SYN-ACK goes out again until there is room', (t) => {
  const listener = t.listening({ backlog: 0 });
  // Two requests, while the accept queue is still empty.
  assert.ok(syn(t));
  const first = t.core.flow;
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
  `;
  const second = t.core.flow;
  t.core.flow = first;
  ack(t); // takes the only place
  t.core.flow = second;
  ack(t); // no room: as if it had not come… but this one was answered by a cookie, so it is gone for good
  t.counters({
    TcpExtListenOverflows: 1, TcpExtListenDrops: 1, TcpExtTCPReqQFullDoCookies: 1, TcpExtSyncookiesSent: 1, TcpExtSyncookiesRecv: 1,
  });
  assert.equal(acceptable(t, listener.fd), 1);
});

lab('A request that finds the accept queue full keeps its place, and its answer is repeated', { sysctl: { tcp_syncookies: 0 } }, (t) => {
  const listener = t.listening({ backlog: 1 });
  const flows = [];
  for (let i = 0; i < 2; i++) {
    assert.ok(syn(t));
    flows.push(t.core.flow);
  }
  // A third one comes to wait beside the two.
  t.core.flow = flows[0]!;
  ack(t);
  assert.ok(syn(t));
  const third = t.core.flow;
  t.core.flow = flows[1]!;
  ack(t); // two are in the accept queue now: full
  t.core.flow = third;
  ack(t);
  t.drops({ TcpListenOverflow: 1 });
  t.run`
    1.000 > S. 0:0(0) ack 1
  `;
  const c = listener.accept();
  t.core.flow = third;
  ack(t);
  listener.accept();
  listener.accept();
  t.sock(c, { state: 'ESTABLISHED' });
  t.counters({
    TcpExtListenOverflows: 1, TcpExtListenDrops: 1, TcpExtTCPTimeouts: 1, TcpRetransSegs: 1, TcpExtTCPSynRetrans: 1,
  });
});

lab('With tcp_abort_on_overflow the peer is told at once', { sysctl: { tcp_syncookies: 0, tcp_abort_on_overflow: 1 } }, (t) => {
  const listener = t.listening({ backlog: 1 });
  const flows = [];
  for (let i = 0; i < 2; i++) {
    assert.ok(syn(t));
    flows.push(t.core.flow);
  }
  t.core.flow = flows[0]!;
  ack(t);
  assert.ok(syn(t));
  const third = t.core.flow;
  t.core.flow = flows[1]!;
  ack(t);
  t.core.flow = third;
  t.run`
    < . 1:1(0) ack 1
    > R 1:1(0)
    quiet 5s
  `;
  assert.equal(acceptable(t, listener.fd), 2);
  t.counters({ TcpExtListenOverflows: 1, TcpExtListenDrops: 1, TcpExtEmbryonicRsts: 1, TcpOutRsts: 1 });
});

lab('A third segment whose timestamp we never sent is not believed', { timestamps: true }, (t) => {
  t.listening();
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000,sackOK,TS val 0 ecr 0,nop,wscale 7>
    > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 7>
    +.1 < . 1:1(0) ack 1 <nop,nop,TS val 100 ecr 77>
    > . 1:1(0) ack 1 <nop,nop,TS val 100 ecr 0>
  `;
  t.counters({ TcpExtTSEcrRejected: 1 });
});

lab('The SYN once more, within half a second, is answered once', (t) => {
  t.listening();
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    +.1 < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    +.1 < S 0:0(0) win 65535 <mss 1000>
    quiet 300ms
    +.1 < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
  `;
  t.counters({ TcpExtTCPACKSkippedSynRecv: 1, TcpRetransSegs: 2, TcpExtTCPSynRetrans: 2 });
});

lab('TCP_DEFER_ACCEPT: a connection is one when there is something to read', { sockopts: [[SOL_TCP, TCP_DEFER_ACCEPT, 5]] }, (t) => {
  const listener = t.listening();
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    +.1 < . 1:1(0) ack 1
    quiet 500ms
  `;
  listener.acceptNothing();
  t.run`
    < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
  `;
  const c = listener.accept();
  c.read(10);
  t.counters({ TcpExtTCPDeferAcceptDrop: 1 });
});

lab('TCP_DEFER_ACCEPT: near the end the peer is reminded, and its bare ACK is good enough', {
  sockopts: [[SOL_TCP, TCP_DEFER_ACCEPT, 3]],
}, (t) => {
  const listener = t.listening();
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    +.1 < . 1:1(0) ack 1
    3.000 > S. 0:0(0) ack 1
    +.1 < . 1:1(0) ack 1
  `;
  listener.accept();
});

lab('A connection that is reset before accept() is accepted all the same, and tells its error then', (t) => {
  const listener = t.listening();
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    +.1 < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
    < R 11:11(0)
  `;
  const c = listener.accept();
  c.read(10);
  c.read(1, { want: 'ECONNRESET' });
  c.read(1, { want: 0 });
});

lab('RFC 1122 §4.2.3.10: a SYN to the broadcast address is discarded silently', (t) => {
  t.listening();
  const flow = t.core.newFlow(80);
  const syn = buildPacket(parsePacket('S 0:0(0) win 65535 <mss 1000>'), {
    saddr: flow.address.peerAddr, daddr: flow.address.hostAddr | 255, sport: 4000, dport: 80, seqBase: 1,
  });
  t.host.wire.injectIp(syn);
  t.run('quiet 2s');
  assert.equal(t.host.tcp.established.count, 0);
});

lab('A listener that closes resets what nobody accepted, and forgets what is half open', (t) => {
  const listener = t.listening();
  t.connectTo(listener).close();
  t.forget();
  t.run('+.1 < F. 1:1(0) ack 2\n> . 2:2(0) ack 2');
  // Not accepted:
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    +.1 < . 1:1(0) ack 1
  `;
  // Half open:
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
  `;
  t.host.closeFd(listener.fd);
  const [a] = [t.core.take()];
  assert.ok(a !== null && typeof a.packet !== 'string' && a.packet.proto === 'tcp');
  assert.equal(a.packet.flags & 0x3f, 0x14); // R.
  t.run`
    quiet 3s
    < . 1:1(0) ack 1
    > R 1:1(0)
  `;
});
