/** Options of SOL_TCP: ranges, units, defaults; TCP_INFO. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as C from '../../src/sock/constants.ts';
import { SockoptError, type SockoptValue } from '../../src/sock/sock.ts';
import { fdSock, sysSocket } from '../../src/syscall/socket.ts';
import { sysGetsockopt, sysSetsockopt } from '../../src/syscall/sockopt.ts';
import type { TcpInfo } from '../../src/tcp/info.ts';
import { labWith, runLab, tableWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);
const table = tableWith(test);
const OPTIONS = C as unknown as Readonly<Record<string, number>>;

table<{ option: string; set: number; ret: number; get: number }>(
  'What setsockopt takes, and what getsockopt gives afterwards',
  `
  option             set        →  ret   get
  TCP_NODELAY        1             0     1
  TCP_NODELAY        5             0     1
  TCP_NODELAY        0             0     0
  TCP_CORK           1             0     1
  TCP_MAXSEG         1000          0     1000
  TCP_MAXSEG         88            0     88
  TCP_MAXSEG         87            -22   536
  TCP_MAXSEG         32767         0     32767
  TCP_MAXSEG         32768         -22   536
  TCP_KEEPIDLE       1             0     1
  TCP_KEEPIDLE       0             -22   7200
  TCP_KEEPIDLE       32767         0     32767
  TCP_KEEPIDLE       32768         -22   7200
  TCP_KEEPINTVL      10            0     10
  TCP_KEEPINTVL      0             -22   75
  TCP_KEEPCNT        127           0     127
  TCP_KEEPCNT        128           -22   9
  TCP_KEEPCNT        0             -22   9
  TCP_SYNCNT         3             0     3
  TCP_SYNCNT         0             -22   6
  TCP_SYNCNT         128           -22   6
  TCP_LINGER2        30            0     30
  TCP_LINGER2        0             0     60
  TCP_LINGER2        -5            0     -1
  TCP_LINGER2        1000          0     120
  TCP_DEFER_ACCEPT   0             0     0
  TCP_DEFER_ACCEPT   1             0     1
  TCP_DEFER_ACCEPT   5             0     7      // seconds become SYN-ACK timeouts and back: 1 + 2 + 4
  TCP_DEFER_ACCEPT   7             0     7
  TCP_WINDOW_CLAMP   0             0     0
  TCP_WINDOW_CLAMP   5000          0     5000
  TCP_WINDOW_CLAMP   1             0     1152
  TCP_QUICKACK       1             0     1
  TCP_QUICKACK       0             0     0
  TCP_USER_TIMEOUT   3000          0     3000
  TCP_USER_TIMEOUT   -1            -22   0
  TCP_NOTSENT_LOWAT  16384         0     16384
  TCP_INQ            1             0     1
  TCP_INQ            2             -22   0
  TCP_INFO           1             -92   -
`,
  ({ option, set, ret, get }) => {
    runLab(option, {}, (t) => {
      const p = t.host.process;
      const fd = sysSocket(p, C.AF_INET, C.SOCK_STREAM, 0);
      assert.equal(sysSetsockopt(p, fd, C.SOL_TCP, OPTIONS[option]!, set), ret);
      if ((get as SockoptValue) !== '-') assert.equal(sysGetsockopt(p, fd, C.SOL_TCP, OPTIONS[option]!), get);
    });
  },
);

lab('An option that does not exist, at a level that does not exist, with a value of the wrong kind', (t) => {
  const p = t.host.process;
  const fd = sysSocket(p, C.AF_INET, C.SOCK_STREAM, 0);
  assert.equal(sysSetsockopt(p, fd, C.SOL_TCP, 9999, 1), -92);
  assert.equal(sysSetsockopt(p, fd, 9999, 1, 1), -92);
  assert.equal(sysSetsockopt(p, fd, C.SOL_TCP, C.TCP_NODELAY, 'yes'), -22);
  const got = sysGetsockopt(p, fd, C.SOL_TCP, 9999);
  assert.ok(got instanceof SockoptError && got.errno === -92);
});

lab('TCP_CONGESTION by name', (t) => {
  const p = t.host.process;
  const fd = sysSocket(p, C.AF_INET, C.SOCK_STREAM, 0);
  assert.equal(sysGetsockopt(p, fd, C.SOL_TCP, C.TCP_CONGESTION), 'cubic');
  assert.equal(sysSetsockopt(p, fd, C.SOL_TCP, C.TCP_CONGESTION, 'reno'), 0);
  assert.equal(sysGetsockopt(p, fd, C.SOL_TCP, C.TCP_CONGESTION), 'reno');
  assert.equal(sysSetsockopt(p, fd, C.SOL_TCP, C.TCP_CONGESTION, 'magic'), -2);
  assert.equal(sysSetsockopt(p, fd, C.SOL_TCP, C.TCP_CONGESTION, 7), -22);
});

lab('An accepted connection has its listener’s options', { family: 4,
  sockopts: [
    [C.SOL_TCP, C.TCP_NODELAY, 1], [C.SOL_TCP, C.TCP_KEEPIDLE, 77], [C.SOL_TCP, C.TCP_USER_TIMEOUT, 5000],
    [C.SOL_SOCKET, C.SO_RCVBUF, 30000], [C.SOL_SOCKET, C.SO_KEEPALIVE, 1], [C.SOL_IP, C.IP_TTL, 17], [C.SOL_IP, C.IP_TOS, 16],
  ],
}, (t) => {
  const c = t.established();
  assert.equal(c.getsockopt(C.SOL_TCP, C.TCP_NODELAY), 1);
  assert.equal(c.getsockopt(C.SOL_TCP, C.TCP_KEEPIDLE), 77);
  assert.equal(c.getsockopt(C.SOL_TCP, C.TCP_USER_TIMEOUT), 5000);
  assert.equal(c.getsockopt(C.SOL_SOCKET, C.SO_RCVBUF), 60000);
  assert.equal(c.getsockopt(C.SOL_SOCKET, C.SO_KEEPALIVE), 1);
  assert.equal(c.getsockopt(C.SOL_IP, C.IP_TTL), 17);
  assert.equal(c.getsockopt(C.SOL_IP, C.IP_TOS), 16);
  assert.ok(c.tp.keepaliveTimer.pending);
});

lab('TCP_INFO of a fresh connection, in Linux’s units', { family: 4, rttMs: 20 }, (t) => {
  const info = t.established().getsockopt(C.SOL_TCP, C.TCP_INFO) as TcpInfo;
  assert.equal(info.tcpi_state, C.TCP_ESTABLISHED);
  assert.equal(info.tcpi_options, 2 | 4);
  assert.equal(info.tcpi_snd_wscale, 7);
  assert.equal(info.tcpi_snd_mss, 1460);
  assert.equal(info.tcpi_rcv_mss, 536);
  assert.equal(info.tcpi_advmss, 1460);
  assert.equal(info.tcpi_pmtu, 1500);
  assert.equal(info.tcpi_rtt, 20000);
  assert.equal(info.tcpi_rttvar, 10000);
  assert.equal(info.tcpi_min_rtt, 20000);
  assert.equal(info.tcpi_rto, 220000);
  assert.equal(info.tcpi_snd_cwnd, 10);
  assert.equal(info.tcpi_snd_ssthresh, 0x7fffffff);
  assert.equal(info.tcpi_reordering, 3);
  assert.equal(info.tcpi_rcv_space, 14600);
  assert.equal(info.tcpi_delivered, 1);
  assert.equal(info.tcpi_unacked, 0);
});

lab('TCP_INFO of a listener: how many wait to be accepted, how many may', (t) => {
  const listener = t.listening({ backlog: 7 });
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    +.1 < . 1:1(0) ack 1
  `;
  const info = sysGetsockopt(t.host.process, listener.fd, C.SOL_TCP, C.TCP_INFO) as TcpInfo;
  assert.equal(info.tcpi_state, C.TCP_LISTEN);
  assert.equal(info.tcpi_unacked, 1);
  assert.equal(info.tcpi_sacked, 7);
  // Else only these mean something.
  const said = Object.entries(info).filter(([, value]) => value !== 0).map(([field]) => field);
  assert.deepEqual(said, [
    'tcpi_state', 'tcpi_unacked', 'tcpi_sacked', 'tcpi_snd_cwnd', 'tcpi_reordering', 'tcpi_pacing_rate', 'tcpi_max_pacing_rate',
  ]);
  assert.ok(fdSock(t.host.process, listener.fd) !== null);
});

lab('TCP_CONGESTION: without CAP_NET_ADMIN only what net.ipv4.tcp_allowed_congestion_control names, and what the host itself uses', (t) => {
  const user = t.host.kernel.process({ uid: 1000 });
  const fd = user.socket(t.host.socketFamily, C.SOCK_STREAM, 0);
  const choose = (name: string): void => { user.setsockopt(fd, C.SOL_TCP, C.TCP_CONGESTION, name); };
  for (const name of ['reno', 'cubic', 'bbr']) choose(name);
  assert.throws(() => { choose('dctcp'); }, { code: 'EPERM' });
  assert.throws(() => { choose('vegas'); }, { code: 'ENOENT' });
  t.host.kernel.sysctl('net.ipv4.tcp_allowed_congestion_control', 'dctcp');
  choose('dctcp');
  choose('cubic');
  assert.throws(() => { choose('reno'); }, { code: 'EPERM' });
  const root = t.host.kernel.socket(t.host.socketFamily, C.SOCK_STREAM, 0);
  t.host.kernel.setsockopt(root, C.SOL_TCP, C.TCP_CONGESTION, 'reno');
  t.host.kernel.close(root);
  user.close(fd);
});

lab('TCP_MAXSEG of a listener limits what its connections send', { sockopts: [[C.SOL_TCP, C.TCP_MAXSEG, 500]] }, (t) => {
  const c = t.established();
  t.sock(c, { mssCache: 500, mssClamp: 500, advmss: 500 });
});
