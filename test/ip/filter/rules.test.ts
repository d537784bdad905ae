/** What each match asks and each target does, seen on the wires of a firewall, and at the sockets behind one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, SOCK_DGRAM, World, type Host } from '../../../mod.ts';
import { tableWith } from '../../../src/testing.ts';
import { ipv4WriteHeader } from '../../../src/wire/ipv4.ts';
import { icmpSendCheck, icmpWriteHeader } from '../../../src/wire/icmp.ts';
import { ip, noLeaks } from '../lab.ts';
import { FirewallLab, INSIDE, OUTSIDE } from './lab.ts';

const table = tableWith(test);

/** An echo request from inside, of 8 bytes of header and no data. */
function echo(lab: FirewallLab, type = 8): void {
  const f = new Uint8Array(42);
  icmpWriteHeader(f, 34, type, 0, 0x00070001);
  icmpSendCheck(f, 34, 8);
  ipv4WriteHeader(f, 14, 0, 28, 1, 0, 64, 1, ip(INSIDE), ip(OUTSIDE));
  lab.frame('>', f);
}

table<{ rule: string; hits: number }>('one SYN from 10.0.0.2:1000 to 10.0.1.2:80, TTL 64, TOS 0x10: which rules see it?', `
  rule                                                 →  hits
  '-p tcp'                                                1
  '-p udp'                                                0
  '! -p udp'                                              1
  '-s 10.0.0.0/24'                                        1
  '-s 10.0.1.0/24'                                        0
  '! -s 10.0.0.2'                                         0
  '-d 10.0.1.2 -i eth0 -o eth1'                           1
  '-i eth1'                                               0
  '-i eth+'                                               1
  '! -o eth0'                                             1
  '-f'                                                    0
  '! -f'                                                  1
  '-p tcp --dport 80 --sport 1000'                        1
  '-p tcp ! --dport 1:79'                                 1
  '-p tcp --dport 81:'                                    0
  '-p tcp --syn'                                          1
  '-p tcp ! --syn'                                        0
  '-p tcp --tcp-flags ALL SYN'                            1
  '-p tcp --tcp-flags SYN,FIN FIN'                        0
  '-p tcp --tcp-option 2'                                 0
  '-p tcp -m multiport --dports 22,80'                    1
  '-p tcp -m multiport --sports 80'                       0
  '-p tcp -m multiport --ports 1000:1001'                 1
  '-m conntrack --ctstate NEW'                            1
  '-m conntrack --ctstate ESTABLISHED,RELATED'            0
  '-m conntrack ! --ctstate INVALID'                      1
  '-m conntrack --ctproto tcp --ctorigsrc 10.0.0.2 --ctorigdstport 80 --ctdir ORIGINAL'  1
  '-m conntrack --ctstatus ASSURED'                       0
  '-m state --state NEW'                                  1
  '-m length --length 40'                                 1
  '-m length ! --length 0:100'                            0
  '-m ttl --ttl-eq 63'                                    1        // one hop less, by then
  '-m ttl --ttl-gt 63'                                    0
  '-m tos --tos 0x10/0x3f'                                1
  '-m dscp --dscp 4'                                      1
  '-m mac --mac-source 02:00:00:00:00:09'                 1
  '-m mac ! --mac-source 02:00:00:00:00:09'               0
  '-m addrtype --src-type UNICAST ! --dst-type LOCAL'     1
  '-m addrtype --dst-type BROADCAST'                      0
  '-m pkttype --pkt-type unicast'                         1
  '-m mark --mark 0'                                      1
  '-m mark --mark 0x1/0x1'                                0
  '-m connmark ! --mark 5'                                1
  '-m statistic --mode random --probability 1'            1
  '-m statistic --mode random --probability 0'            0
  '-m comment --comment hello'                            1
`, ({ rule, hits }) => {
  const lab = new FirewallLab();
  lab.ipt(`-A FORWARD ${rule}`);
  lab.tcp('>', 'S', { tos: 0x10 });
  assert.equal(lab.hits(), hits);
  lab.wait(1);
  assert.equal(lab.sent(1).length, 1, 'a rule without a target lets it pass');
  noLeaks(lab.pool);
});

test('limit: a burst at once, then one per period; statistic nth: one in three', () => {
  const lab = new FirewallLab();
  lab.ipt('-A FORWARD -m limit --limit 1/second --limit-burst 3 -j ACCEPT');
  for (let i = 0; i < 10; i++) lab.udp('>');
  assert.equal(lab.hits(), 3);
  lab.wait(0.999);
  lab.udp('>');
  assert.equal(lab.hits(), 3);
  lab.wait(0.001);
  lab.udp('>');
  lab.udp('>');
  assert.equal(lab.hits(), 4);
  lab.ipt('-F');
  lab.ipt('-A FORWARD -m statistic --mode nth --every 3 --packet 1 -j DROP');
  lab.wait(1);
  lab.sent(1);
  for (let i = 0; i < 9; i++) lab.udp('>', 2000 + i);
  lab.wait(1);
  const gone = [1, 4, 7].map((i) => 2000 + i);
  const left = lab.sent(1).map((line) => Number(/\.(\d+) >/.exec(line)![1]));
  assert.deepEqual(left, [0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => 2000 + i).filter((p) => !gone.includes(p)));
});

test('statistic random: the seed decides, and about as many as it says', () => {
  const drops = (): string => {
    const lab = new FirewallLab();
    lab.ipt('-A FORWARD -m statistic --mode random --probability 0.3 -j DROP');
    for (let i = 0; i < 300; i++) lab.udp('>', 2000 + i);
    lab.wait(1);
    return lab.sent(1).join('\n');
  };
  const first = drops();
  const passed = first.split('\n').length;
  assert.ok(passed > 180 && passed < 240, `${String(passed)} of 300 pass`);
  assert.equal(drops(), first);
});

test('chains: jump comes back, goto does not, RETURN goes back, the policy is last', () => {
  const lab = new FirewallLab();
  for (const line of [
    '-P FORWARD DROP', '-N web', '-N gone', '-A FORWARD -p udp -j web', '-A FORWARD -p udp -m mark --mark 1 -j ACCEPT',
    '-A FORWARD -g gone',
    '-A FORWARD -j ACCEPT', '-A web -p udp --dport 99 -j RETURN', '-A web -j ACCEPT', '-A gone -p icmp -j ACCEPT',
  ]) lab.ipt(line);
  lab.udp('>', 1, 53); // accepted in web
  lab.udp('>', 1, 99); // returns, and falls to goto: gone has nothing for it, and does not come back
  lab.tcp('>', 'S'); // policy
  lab.wait(1);
  assert.equal(lab.sent(1).length, 1);
  assert.deepEqual(lab.fw.drops, ['NETFILTER_DROP', 'NETFILTER_DROP']);
  echo(lab);
  lab.wait(1);
  assert.deepEqual(lab.sent(1).length, 1, 'accepted in gone');
  const { packets } = lab.nf.tablesOf(4)!.tables.get('filter')!.chains.get('FORWARD')!;
  assert.equal(packets, 2, 'the policy counts what it decides');
});

table<{ kind: string; answer: string }>('REJECT: what the sender of a SYN hears', `
  kind                        →  answer
  icmp-net-unreachable           'net_unreachable'
  icmp-host-unreachable          'host_unreachable'
  icmp-proto-unreachable         'protocol_unreachable'
  icmp-port-unreachable          'port_unreachable'
  icmp-net-prohibited            'net_prohibited'
  icmp-host-prohibited           'host_prohibited'
  icmp-admin-prohibited          'packet_filtered'
  tcp-reset                      'R. 0:0(0) ack 8'
`, ({ kind, answer }) => {
  const lab = new FirewallLab();
  lab.ipt(`-A FORWARD -p tcp -j REJECT --reject-with ${kind}`);
  lab.tcp('>', 'S', { seq: 7 });
  lab.wait(1);
  const [line, ...more] = lab.sent(0);
  assert.deepEqual([more, lab.sent(1)], [[], []]);
  const from = kind === 'tcp-reset' ? 'IP 10.0.1.2.80 > 10.0.0.2.1000: ' : 'IP 10.0.0.1 > 10.0.0.2: [tos 0xc0] icmp unreachable ';
  assert.ok(line!.startsWith(`${from}${answer}`), line);
  noLeaks(lab.pool);
});

test('REJECT answers no reset, and no ICMP error', () => {
  const lab = new FirewallLab();
  lab.ipt('-A FORWARD -p tcp -j REJECT --reject-with tcp-reset');
  lab.ipt('-A FORWARD -j REJECT');
  lab.tcp('>', 'R', { seq: 7 });
  echo(lab, 3);
  lab.wait(1);
  assert.deepEqual(lab.sent(0), []);
});

test('LOG: a line with the headers, and the packet goes on', () => {
  const lab = new FirewallLab();
  lab.ipt('-A FORWARD -p tcp -j LOG --log-prefix "new: " --log-tcp-sequence');
  lab.tcp('>', 'S', { seq: 7, win: 100 });
  lab.udp('>');
  lab.wait(1);
  assert.equal(lab.sent(1).length, 2);
  assert.deepEqual(lab.nf.log.lines(), [
    '[    0.000000] new: IN=eth0 OUT=eth1 MAC=02:00:00:00:00:01:02:00:00:00:00:09:08:00 SRC=10.0.0.2 DST=10.0.1.2 LEN=40 TOS=0x00 '
    + 'PREC=0x00 TTL=63 ID=1 DF PROTO=TCP SPT=1000 DPT=80 SEQ=7 ACK=0 WINDOW=100 RES=0x00 SYN URGP=0 ',
  ]);
});

test('MARK and CONNMARK: a mark is saved in the connection and restored to its later packets', () => {
  const lab = new FirewallLab();
  lab.ipt('-t mangle -A PREROUTING -j CONNMARK --restore-mark');
  lab.ipt('-t mangle -A PREROUTING -m mark --mark 0 -i eth0 -j MARK --set-mark 0x2a');
  lab.ipt('-t mangle -A PREROUTING -j CONNMARK --save-mark');
  lab.ipt('-A FORWARD -i eth1 -m mark --mark 0x2a -m connmark --mark 42');
  lab.udp('>');
  lab.udp('<');
  assert.equal(lab.hits(), 1, 'the answer has it, though no rule marks what comes from outside');
});

test('NOTRACK: conntrack leaves it alone, and calls it UNTRACKED', () => {
  const lab = new FirewallLab();
  lab.ipt('-t raw -A PREROUTING -p udp -j NOTRACK');
  lab.ipt('-A FORWARD -m conntrack --ctstate UNTRACKED');
  lab.udp('>');
  lab.tcp('>', 'S');
  assert.deepEqual([lab.hits(), lab.nf.conntrack.count], [1, 1]);
});

test('TTL, TOS and DSCP rewrite the header, with its checksum', () => {
  const lab = new FirewallLab();
  lab.ipt('-t mangle -A POSTROUTING -j TTL --ttl-set 10');
  lab.ipt('-t mangle -A POSTROUTING -j DSCP --set-dscp-class EF');
  lab.ipt('-t mangle -A POSTROUTING -p udp -j TOS --set-tos 0x01/0x01');
  lab.udp('>');
  lab.wait(1);
  const [line] = lab.sent(1);
  assert.match(line!, /^IP 10\.0\.0\.2\.1000 > 10\.0\.1\.2\.53: \[tos 0xb9, ttl 10\] udp|tos 0xb9/, line);
  assert.doesNotMatch(line!, /bad/);
});

// ---- at sockets -----------------------------------------------------------------------------------------------------

function two(): { world: World; a: Host; b: Host } {
  const world = new World({ seed: 1 });
  const [a, b] = [world.host('a'), world.host('b')];
  world.cable(a, b, { delay: '1ms' });
  return { world, a, b };
}

test('a drop on the way out is EPERM for the sender of a datagram; a TCP connection tries again, and times out', async () => {
  const { world, a, b } = two();
  a.firewall.append('OUTPUT', { protocol: 'udp', dport: 9, target: 'DROP' });
  a.firewall.append('OUTPUT', { protocol: 'tcp', dport: 9, target: 'DROP' });
  a.sysctl('net.ipv4.tcp_syn_retries', 2);
  await world.run(async () => {
    const fd = a.kernel.socket(AF_INET, SOCK_DGRAM);
    await assert.rejects(a.kernel.sendto(fd, 'x', { address: b.ip, port: 9 }), { code: 'EPERM' });
    assert.equal(await a.kernel.sendto(fd, 'x', { address: b.ip, port: 8 }), 1);
    a.kernel.close(fd);
    const socket = a.net.connect(9, b.ip);
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => socket.on('error', resolve));
    assert.equal(error.code, 'ETIMEDOUT');
  });
  // tcp_syn_retries 2 is 1 + 2 + 4 seconds; tcp_syn_linear_timeouts fills five of them with a SYN each.
  assert.equal(a.firewall.list('OUTPUT')[1]!.packets, 6, 'a SYN and five more');
});

test('a stateful host: its own connections live, strangers are refused, and an error comes back to who asked', async () => {
  const { world, a, b } = two();
  b.firewall.append('INPUT', { ctstate: ['ESTABLISHED', 'RELATED'], target: 'ACCEPT' });
  b.firewall.append('INPUT', { protocol: 'tcp', target: 'REJECT', rejectWith: 'tcp-reset' });
  b.firewall.policy('INPUT', 'DROP');
  await world.run(async () => {
    const server = a.net.createServer((s) => s.end('hello')).listen(80);
    const said = await new Promise((resolve) => b.net.connect(80, a.ip).on('data', (d) => resolve(String(d))));
    assert.equal(said, 'hello');
    const refused = a.net.connect(80, b.ip);
    assert.equal((await new Promise<NodeJS.ErrnoException>((resolve) => refused.on('error', resolve))).code, 'ECONNREFUSED');
    const fd = b.kernel.socket(AF_INET, SOCK_DGRAM);
    await b.kernel.connect(fd, { address: a.ip, port: 99 });
    await b.kernel.write(fd, 'x');
    await assert.rejects(b.kernel.read(fd, new Uint8Array(9)), { code: 'ECONNREFUSED' }, 'ICMP about our datagram is RELATED');
    b.kernel.close(fd);
    server.close();
  });
  assert.match(b.sh('iptables -L INPUT -v -n'), /ctstate RELATED,ESTABLISHED/);
});

test('lo: a packet of our own is tracked once, though it passes four hooks', async () => {
  const { world, a } = two();
  a.firewall.append('INPUT', { in: 'lo', ctstate: 'NEW' });
  await world.run(async () => {
    const server = a.net.createServer((s) => s.end('hello')).listen(80);
    await new Promise((resolve) => a.net.connect(80, '127.0.0.1').on('close', resolve).resume());
    server.close();
  });
  assert.equal(a.firewall.list('INPUT')[0]!.packets, 1);
  assert.equal(a.conntrack.count, 1);
  assert.equal(a.conntrack.stats.invalid, 0);
});

test('TCPMSS: a SYN offers no more than the path can take', async () => {
  const world = new World({ seed: 1 });
  const [a, r, b] = [world.host('a'), world.host('r', { forward: true }), world.host('b')];
  world.cable(a, r);
  world.cable(r, b);
  a.route('0.0.0.0/0', { via: r.interfaces[0]!.ip! });
  b.route('0.0.0.0/0', { via: r.interfaces[1]!.ip! });
  r.firewall.append('FORWARD', { table: 'mangle', protocol: 'tcp', syn: true, in: 'eth0', target: 'TCPMSS', setMss: 1000 });
  using seen = b.tcpdump({ filter: 'tcp' });
  await world.run(async () => {
    const server = b.net.createServer((s) => s.end()).listen(80);
    await new Promise((resolve) => a.net.connect(80, b.ip).on('close', resolve).resume());
    server.close();
  });
  assert.match(seen.lines[0]!, /S 0:0\(0\) .*mss 1000,/);
  assert.match(seen.lines[1]!, /S\. .*mss 1460,/);
});
