/** The packetdrill interpreter: what it reads, how it fails, when it skips. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatResult, formatSummary, runPacketdrill } from '../../src/testing.ts';
import { parsePacketdrill } from '../../src/testing/packetdrill/parse.ts';
import { one, SERVER } from './one-script.ts';

const NONE = { version: 4 as const, defines: new Map<string, string>() };

test('times: absolute, relative, any, ranges; to the microsecond', () => {
  const { events } = parsePacketdrill('0 < . 1:1(0) win 1\n'
    + '+.1~+.25 > . 1:1(0)\n* > . 1:1(0)\n'
    + '1.0000019 < . 1:1(0) win 1 +.5...0.75 accept(3, ..., ...) = 4', NONE);
  assert.deepEqual(events.map((e) => [e.when.kind, e.when.fromNs, e.when.toNs]), [
    ['absolute', 0, 0], ['relative', 100e6, 250e6], ['any', 0, 0], ['absolute', 1000001000, 1000001000], ['relative', 500e6, 500e6],
  ]);
  const last = events[4]!.action;
  assert.equal(last.kind === 'call' ? last.call.endNs : 0, 750e6);
});

test('calls: structs, lists, or, strings, errno and notes', () => {
  const text = '0 sendmsg(4, {msg_name(...)=..., '
    + 'msg_iov(2)=[{..., 10}, {..., 20}], msg_flags=0}, MSG_MORE|MSG_DONTWAIT) = -1 EAGAIN (not now)';
  const { events } = parsePacketdrill(text, NONE);
  const { action } = events[0]!;
  assert.ok(action.kind === 'call');
  assert.equal(action.call.errno, 'EAGAIN');
  assert.equal(action.call.args[2]!.kind, 'or');
  assert.equal(action.call.args[1]!.kind, 'struct');
});

test('options, init and clean-up commands, comments, code, defines', () => {
  const text = '--mtu=1400\n--define=N=3\n`sysctl -q x=1 # not a comment of ours`\n// comment\n'
    + '0 close(N) = 0 /* another */\n+1 %{ assert x == 1 }%\n`rm x`';
  const script = parsePacketdrill(text, { version: 4, defines: new Map([['N', '3']]) });
  assert.deepEqual(script.options, [['mtu', '1400'], ['define', 'N=3']]);
  assert.equal(script.init?.text, 'sysctl -q x=1 # not a comment of ours');
  assert.equal(script.cleanup?.text, 'rm x');
  assert.deepEqual(script.events.map((e) => e.action.kind), ['call', 'code']);
});

const SYNTAX: readonly (readonly [string, string])[] = [
  ['0 socket(..., SOCK_STREAM', "line 1, column 26: ')' expected after the arguments, found the end"],
  ['0 < S 0:0(0) win 1\n+0 > S. 0:1(0) ack 1', 'line 2, column 9: 0:1(0): 0 + 0 is 0, not 1'],
  ['1 < S 0:0(0) win 1', 'line 1, column 1: the first event must be at time 0'],
  ['0 close(3) = 0\n2 close(3) = 0\n1 close(3) = 0', 'line 3, column 1: time goes back: 1 after 2'],
  ['0 close(3) = 0\n* close(3) = 0', 'line 2, column 1: only an outbound packet may come at any time or in a range'],
  ['0 < S 0:0(0) win 1 <mss 10,wscale 3>', 'line 1, column 20: the options take 7 bytes; a multiple of 4 is needed: write the nops'],
  ['', 'line 1, column 1: an event expected: a time, then a packet, a call, a command or code'],
  ['0 %{ assert 1', 'line 1, column 3: the code has no end: }% is missing'],
];

for (const [text, message] of SYNTAX) {
  test(`a syntax error says where and what: ${message}`, async () => {
    const r = await one(text);
    assert.equal(r.status, 'fail');
    assert.equal(r.message, `syntax error: ${message}`);
  });
}

test('a wrong segment fails with what was wanted and what came', async () => {
  const r = await one(`${SERVER}  +0 write(4, ..., 500) = 500\n  +0 > P. 1:501(500) ack 2\n`);
  assert.equal(formatResult(r), [
    'FAIL  a.pkt:10 (ipv4): ack: 2 wanted, got 1',
    '      want  +0 > P. 1:501(500) ack 2',
    '      got   0.000060 > P. 1:501(500) ack 1 win 64240',
  ].join('\n'));
});

test('a late segment, a wrong result, a call that waits, a packet that never comes', async () => {
  assert.match((await one(`${SERVER}  +.1 write(4, ..., 500) = 500\n +.2 > P. 1:501(500) ack 1\n`)).message, /^time: .* early$/);
  assert.equal((await one(`${SERVER}  +0 write(4, ..., 500) = 400\n`)).message, 'write() = 400 wanted, got 500');
  const refused = await one(`${SERVER}  +0 setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = -1 EPERM\n`);
  assert.equal(refused.message, 'setsockopt() = -1 EPERM wanted, got 0');
  assert.match((await one(`${SERVER}  +0 read(4, ..., 500) = 0\n`)).message, /^read\(\) waits; /);
  assert.match((await one(`${SERVER}  +0 > P. 1:501(500) ack 1\n`)).message, /^no packet came within 2s/);
  const dead = await one(`${SERVER}  +0...0.1 read(4, ..., 500) = 0\n`);
  assert.match(dead.message, /^read\(\) has not returned: deadlock at .*waiting:\n/);
  assert.match(dead.message, /\n {2}recv\(fd 4\) {2}tcp 192\.168\.0\.1:8080 → 192\.0\.2\.1:\d+ ESTABLISHED$/s);
  assert.match((await one(`${SERVER}  * > F. 1:1(0) ack 1\n`)).message, /^no packet came: deadlock at /);
});

test('a failed assertion says what its names stood for, after the packets were checked', async () => {
  const r = await one(`${SERVER}  +0 %{ assert tcpi_snd_cwnd == 11, 'cwnd is %d' % tcpi_snd_cwnd }%\n +0 close(4) = 0\n`);
  assert.equal(r.line, 9);
  assert.equal(r.message, 'assert tcpi_snd_cwnd == 11: cwnd is 10 (tcpi_snd_cwnd = 10)');
  assert.equal(r.trace.at(-1)!.got, 'close(…) = 0');
});

test('what the host does not have is skipped by name, before anything has run', async () => {
  const r = await one(`${SERVER}  +0 cap_set(1, 2, 3) = 0\n`);
  assert.equal(formatResult(r), 'skip  a.pkt (ipv4): capabilities');
  assert.equal(r.trace.length, 0);
  for (const [line, feature] of [
    ['setsockopt(4, SOL_TCP, TCP_CONGESTION, "vegas", 5) = 0', 'congestion control "vegas"'],
    ['< ipv4 1.2.3.4 > 5.6.7.8: . 1:1(0) ack 1 win 1', 'encapsulation'],
  ] as const) assert.equal((await one(`${SERVER} +0 ${line}`)).message, feature);
  assert.equal((await one(`${SERVER} +0 setsockopt(4, SOL_TCP, TCP_CONGESTION, "reno", 4) = 0`)).status, 'ok');
  assert.equal((await one('`perl x.pl`\n0 close(3) = -1')).message, "command 'perl'");
  assert.equal((await one('`sysctl -q net.ipv4.no_such=1`\n0 close(3) = -1')).message, 'sysctl net.ipv4.no_such=1');
  assert.equal(formatSummary([r]), '0 passed, 0 failed, 1 skipped');
});

test('commands work on the simulated host: quotes, pipes, &&, line continuations, sleep', async () => {
  const close = '+0 close(3) = -1 EBADF\n';
  const lines = [
    'sysctl -q net.ipv4.tcp_rmem="4096 87380 15728640" && sysctl net.ipv4.tcp_rmem | grep -q "4096.87380.15728640"',
    '../common/set_sysctls.py /proc/sys/net/ipv4/tcp_min_tso_segs=4 \\\n '
      + '/proc/sys/net/ipv4/tcp_sack=0; sysctl net.ipv4.tcp_sack | grep -q "= 0"',
    'tc qdisc replace dev tun0 root fq; tc qdisc show dev tun0 | grep -q "qdisc fq"',
    'echo 3 > /proc/sys/net/ipv4/tcp_reordering; sysctl net.ipv4.tcp_reordering | grep -q "= 3"',
    'iptables -A INPUT -p tcp --dport 9 -j DROP && nstat -n && true || false',
  ];
  for (const line of lines) {
    const r = await one(`0 close(3) = -1 EBADF\n+0 \`${line}\`\n${close}`);
    assert.equal(r.status, 'ok', `${line}: ${r.message}`);
  }
  assert.match((await one(`0 close(3) = -1 EBADF\n+0 \`true && false\`\n${close}`)).message, /^the command ended with status 1/);
  const slept = await one(`0 close(3) = -1 EBADF\n+0 \`sleep 1.5\`\n${close}`);
  assert.equal(Math.floor(slept.trace.at(-1)!.timeNs / 1e8), 15);
});

test('non_fatal: a mismatch is a warning', async () => {
  const r = await one(`${SERVER}  +0 write(4, ..., 500) = 400\n`, [['non_fatal', 'syscall']]);
  assert.equal(r.status, 'ok');
  assert.deepEqual(r.warnings, ['9: write() = 400 wanted, got 500']);
});

test('the same seed, the same trace', async () => {
  const text = `${SERVER}  +0 write(4, ..., 5000) = 5000\n  +0 > P. 1:5001(5000) ack 1\n * > . 1:1001(1000) ack 1\n`;
  const [a, b] = [await one(text), await one(text)];
  assert.equal(a.status, 'ok', formatResult(a, true));
  assert.deepEqual(a.trace, b.trace);
});

test('capture: a pcapng file of both directions', async () => {
  const [r] = await runPacketdrill(SERVER, { modes: ['ipv4'], capture: true });
  assert.equal(r!.status, 'ok');
  assert.equal(r!.pcapng![0], 0x0a);
  assert.equal((await one(SERVER)).pcapng, null);
});

test('bad arguments name themselves', async () => {
  await assert.rejects(runPacketdrill(5 as never), /runPacketdrill: text is number; expected the text of a script/);
  await assert.rejects(runPacketdrill('', { modes: ['ipv5' as never] }),
    /modes: 'ipv5' is not understood; expected ipv4, ipv6, ipv4-mapped-ipv6/);
  await assert.rejects(runPacketdrill('', { nodes: 1 } as never), /nodes: no such option/);
});

test('files of /proc, counters since the last look, basic and extended patterns, tests: as scripts use them', async () => {
  const lines = [
    'nstat -n && nstat -az TcpPassiveOpens | grep -q "TcpPassiveOpens  *0 "',
    'grep -q ": 0100A8C0:1F90 00000000:0000 0A" /proc/net/tcp && grep -c "sl\\|1F90" /proc/net/tcp | grep -q 2',
    '[ -f /proc/sys/net/ipv4/tcp_sack ] && test 1 -lt 2 && [ ! a = b ]',
    'cat /proc/sys/net/ipv4/tcp_sack | grep -qE "^(1|2)+$"; grep -qi tcpext: /proc/net/netstat',
    'echo 1 > /sys/module/tcp_cubic/parameters/hystart; ethtool -K tun0 tso off gso off; ifconfig tun0 mtu 1400',
  ];
  const listen = SERVER.split('\n').slice(0, 4).join('\n');
  const r = await one(`${listen}\n${lines.map((line) => `+0 \`${line}\``).join('\n')}\n`);
  assert.equal(formatResult(r), 'ok    a.pkt (ipv4)');
  assert.equal((await one('`echo 0 > /sys/module/tcp_cubic/parameters/hystart`\n0 close(3) = -1')).status, 'skip');
  assert.match((await one('`[ 1 -gt 2 ]`\n0 close(3) = -1')).message, /status 1/);
});

test('--mss: what is injected counts as so many segments, as after GRO', async () => {
  const code = '+.1 < P. 1:5001(5000) ack 1 win 257\n +0 > . 1:1(0) ack 5001\n'
    + ' +0 %{ assert tcpi_segs_in == 2 + N and tcpi_rcv_mss == M }%\n';
  const plain = code.replace('N', '1').replace('M', '1460');
  const joined = code.replace('N', '5').replace('M', '1000');
  assert.equal(formatResult(await one(`${SERVER}${plain}`)), 'ok    a.pkt (ipv4)');
  assert.equal(formatResult(await one(`--mss=1000\n${SERVER}${joined}`)), 'ok    a.pkt (ipv4)');
});

test('code knows membership and choice; a word may stand for a command', async () => {
  const code = "assert tcpi_state in (1, 2) and 7 not in [1, 2] and 'b' in 'abc'; "
    + 'x = 3 if tcpi_snd_cwnd > 5 else 4; assert x == 3 and x is not 4';
  assert.equal(formatResult(await one(`${SERVER} +0 %{ ${code} }%\n`)), 'ok    a.pkt (ipv4)');
  assert.equal((await one('--define=CMD=`false`\n0 CMD\n')).message, 'the command ended with status 1: false');
});
