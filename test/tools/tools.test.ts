/** The tools that look at a host: what they print, to the character, and how they refuse a word that they do not know. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, AF_INET6, AF_UNIX, IP_ADD_MEMBERSHIP, IPPROTO_ICMP, IPPROTO_IP, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, World, type Host,
} from '../../mod.ts';

interface Two {
  readonly world: World;
  readonly alice: Host;
  readonly bob: Host;
}

function two(): Two {
  const world = new World({ seed: 1, costs: 'zero' });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '1ms' });
  return { world, alice, bob };
}

/** A datagram from alice to bob's port 9, read there; afterwards both know each other's hardware address. */
async function oneDatagram({ alice, bob }: Two): Promise<{ from: number; to: number }> {
  const from = alice.kernel.socket(AF_INET, SOCK_DGRAM);
  const to = bob.kernel.socket(AF_INET, SOCK_DGRAM);
  bob.kernel.bind(to, { port: 9 });
  alice.kernel.bind(from, { port: 4000 });
  await alice.kernel.sendto(from, 'hello', { address: bob.ip, port: 9 });
  await bob.kernel.recvfrom(to, new Uint8Array(100));
  return { from, to };
}

/** The text with each line's blanks at the end as they are, and the first empty line left out. */
function lines(text: string): string {
  return text.replace(/^\n/, '');
}

test('ip addr prints devices and their addresses', () => {
  const { alice } = two();
  assert.equal(alice.sh('ip addr'), lines(`
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet6 ::1/128 scope host${' '}
       valid_lft forever preferred_lft forever
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast state UP group default qlen 1000
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    inet 10.0.0.1/24 brd 10.0.0.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 fd00:a00::1/64 scope global${' '}
       valid_lft forever preferred_lft forever
    inet6 fe80::ff:fe00:1/64 scope link${' '}
       valid_lft forever preferred_lft forever
`));
  assert.equal(alice.sh('ip -br a show dev eth0'), 'eth0             UP             10.0.0.1/24 fd00:a00::1/64 fe80::ff:fe00:1/64\n');
});

test('a pulled cable is NO-CARRIER and DOWN', () => {
  const { world, alice } = two();
  world.cables[0]!.setUp(false);
  assert.match(alice.sh('ip link show eth0'), /^2: eth0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 .* state DOWN /);
});

test('ip -s link counts what passed', async () => {
  const world = two();
  await oneDatagram(world);
  assert.equal(world.alice.sh('ip -s link show eth0'), lines(`
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast state UP mode DEFAULT group default qlen 1000
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    RX:  bytes packets errors dropped  missed   mcast
            60       1      0       0       0       0
    TX:  bytes packets errors dropped carrier collsns
            89       2      0       0       0       0
`));
});

test('ip route prints the main table, the local one, and the way to an address', () => {
  const { alice } = two();
  alice.route('0.0.0.0/0', { via: '10.0.0.254', metric: 100 });
  assert.equal(alice.sh('ip route'), lines(`
default via 10.0.0.254 dev eth0 proto static metric 100
10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1
`));
  assert.equal(alice.sh('ip route show table local'), lines(`
local 10.0.0.1 dev eth0 proto kernel scope host src 10.0.0.1
broadcast 10.0.0.255 dev eth0 proto kernel scope link src 10.0.0.1
local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1
local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1
broadcast 127.255.255.255 dev lo proto kernel scope link src 127.0.0.1
`));
  assert.equal(alice.sh('ip route get bob'), '10.0.0.2 dev eth0 src 10.0.0.1\n    cache\n');
  assert.equal(alice.sh('ip route get 8.8.8.8'), '8.8.8.8 via 10.0.0.254 dev eth0 src 10.0.0.1\n    cache\n');
  assert.equal(alice.sh('ip route get 10.0.0.1'), 'local 10.0.0.1 dev lo src 10.0.0.1\n    cache <local>\n');
});

test('arp -a and ip neigh know a neighbour after the first packet', async () => {
  const world = two();
  assert.equal(world.alice.sh('arp -a'), '');
  await oneDatagram(world);
  assert.equal(world.alice.sh('arp -a'), 'bob (10.0.0.2) at 02:00:00:00:00:02 [ether] on eth0\n');
  assert.equal(world.alice.sh('ip neigh'), '10.0.0.2 dev eth0 lladdr 02:00:00:00:00:02 REACHABLE\n');
  assert.equal(world.alice.sh('arp -n'), lines(`
Address                  HWtype  HWaddress           Flags Mask            Iface
10.0.0.2                 ether   02:00:00:00:00:02   C                     eth0
`));
});

test('nstat prints the counters that moved, under the kernel\'s names', async () => {
  const world = two();
  await oneDatagram(world);
  assert.equal(world.alice.sh("nstat 'Udp*' 'IpOut*'"), lines(`
#kernel
IpOutRequests                   1                  0.0
IpOutTransmits                  1                  0.0
UdpOutDatagrams                 1                  0.0
`));
  assert.match(world.bob.sh('nstat -z UdpNoPorts'), /^UdpNoPorts {22}0 /m);
  assert.match(world.bob.sh('netstat -s'), /^Udp:\n {4}InDatagrams: 1$/m);
});

test('ss -uan and netstat -uan list datagram sockets', async () => {
  const world = two();
  const { from } = await oneDatagram(world);
  world.alice.kernel.sys.connect(from, { address: world.bob.ip, port: 9 });
  assert.equal(world.alice.sh('ss -uan'), lines(`
State Recv-Q Send-Q Local Address:Port Peer Address:Port Process
ESTAB 0      0           10.0.0.1:4000     10.0.0.2:9
`));
  assert.equal(world.bob.sh('ss -lunp'), lines(`
State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
UNCONN 0      0            0.0.0.0:9         0.0.0.0:*    users:(("main",pid=1,fd=0))
`));
  assert.equal(world.bob.sh('netstat -uan'), lines(`
Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State
udp        0      0 0.0.0.0:9               0.0.0.0:*
`));
});

test('ss -w lists raw sockets, -4 and -6 one family, -s counts them all', () => {
  const { alice } = two();
  const raw = alice.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  const udp6 = alice.kernel.socket(AF_INET6, SOCK_DGRAM);
  alice.kernel.sys.bind(udp6, { address: '::', port: 53 });
  assert.equal(alice.sh('ss -wan'), lines(`
State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
UNCONN 0      0            0.0.0.0:1         0.0.0.0:*
`));
  assert.equal(alice.sh('ss -6uanH'), 'UNCONN 0 0 *:53 *:*\n');
  assert.equal(alice.sh('ss -4uanH'), '');
  assert.match(alice.sh('ss -s'), /^RAW +1 +1 +0$/m);
  assert.match(alice.sh('ss -s'), /^INET +2 +1 +1$/m);
  alice.kernel.close(raw);
  alice.kernel.close(udp6);
});

test('ss -x lists Unix sockets: names, numbers, who listens, what waits', () => {
  const { alice } = two();
  const { sys } = alice.kernel;
  const listener = sys.socket(AF_UNIX, SOCK_STREAM, 0);
  sys.bind(listener, { path: '/run/a.sock' });
  sys.listen(listener, 5);
  const client = sys.socket(AF_UNIX, SOCK_STREAM, 0);
  sys.connect(client, { path: '/run/a.sock' });
  sys.write(client, new TextEncoder().encode('hi'));
  assert.match(alice.sh('ss -xaH'), /^u_str LISTEN 1 5 +\/run\/a\.sock 1 +\* 0\nu_str ESTAB +0 \d+ +\* 2 +\* 0\n$/, 'not accepted yet');
  const { fd } = sys.accept(listener);
  const box = sys.socket(AF_UNIX, SOCK_DGRAM, 0);
  sys.bind(box, { path: '\0box' });
  assert.equal(alice.sh('ss -xanp').replace(/ {2,}/g, ' '), lines(`
Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process
u_str LISTEN 0 5 /run/a.sock 1 * 0 users:(("main",pid=1,fd=0))
u_str ESTAB 0 ${/u_str ESTAB +0 +(\d+)/.exec(alice.sh('ss -xan'))![1]!} * 2 * 3 users:(("main",pid=1,fd=1))
u_str ESTAB 2 0 /run/a.sock 3 * 2 users:(("main",pid=1,fd=2))
u_dgr UNCONN 0 0 @box 4 * 0 users:(("main",pid=1,fd=3))
`));
  assert.match(alice.sh('ss -an'), /^u_dgr UNCONN/m, 'and among all sockets');
  assert.match(alice.sh('ss -s'), /^Total: 4$/m);
  assert.doesNotMatch(alice.sh('ss -4an'), /u_dgr/);
  for (const each of [listener, client, fd, box]) sys.close(each);
  assert.equal(alice.sh('ss -xaH'), '');
});

test('ip -j says the same as data', async () => {
  const world = two();
  const { alice } = world;
  await oneDatagram(world);
  const json = (line: string): unknown => JSON.parse(alice.sh(line));
  assert.deepEqual(json('ip -j addr show dev eth0'), [{
    ifindex: 2, ifname: 'eth0', flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'], mtu: 1500, qdisc: 'pfifo_fast', operstate: 'UP',
    group: 'default', txqlen: 1000, link_type: 'ether', address: '02:00:00:00:00:01', broadcast: 'ff:ff:ff:ff:ff:ff',
    addr_info: [
      {
        family: 'inet', local: '10.0.0.1', prefixlen: 24, broadcast: '10.0.0.255', scope: 'global', label: 'eth0',
        valid_life_time: 4294967295, preferred_life_time: 4294967295,
      },
      ...['fd00:a00::1', 'fe80::ff:fe00:1'].map((local) => ({
        family: 'inet6', local, prefixlen: 64, scope: local.startsWith('fd') ? 'global' : 'link',
        valid_life_time: 4294967295, preferred_life_time: 4294967295,
      })),
    ],
  }]);
  const [link] = json('ip -json -s link show eth0') as { linkmode: string; stats64: { rx: object; tx: object } }[];
  assert.equal(link!.linkmode, 'DEFAULT');
  assert.deepEqual(link!.stats64.rx, { bytes: 60, packets: 1, errors: 0, dropped: 0, over_errors: 0, multicast: 0 });
  assert.deepEqual(json('ip -j -br -4 addr'), [
    { ifname: 'lo', operstate: 'UNKNOWN', addr_info: [{ local: '127.0.0.1', prefixlen: 8 }] },
    { ifname: 'eth0', operstate: 'UP', addr_info: [{ local: '10.0.0.1', prefixlen: 24 }] },
  ]);
  alice.sh('ip route add 10.9.0.0/16 via 10.0.0.2 metric 5 mtu 1400');
  alice.sh('ip route add blackhole 10.8.0.0/16');
  assert.deepEqual(json('ip -j route'), [
    { dst: '10.0.0.0/24', dev: 'eth0', protocol: 'kernel', scope: 'link', prefsrc: '10.0.0.1', flags: [] },
    { type: 'blackhole', dst: '10.8.0.0/16', flags: [] },
    { dst: '10.9.0.0/16', gateway: '10.0.0.2', dev: 'eth0', metric: 5, flags: [], metrics: [{ mtu: 1400 }] },
  ]);
  assert.deepEqual(json('ip -j route get 10.0.0.1'), [
    { type: 'local', dst: '10.0.0.1', dev: 'lo', prefsrc: '10.0.0.1', flags: [], cache: ['local'] },
  ]);
  assert.deepEqual(json('ip -j route show table main 10.77.0.0/16'), []);
  assert.deepEqual(json('ip -j neigh'), [{ dst: '10.0.0.2', dev: 'eth0', lladdr: '02:00:00:00:00:02', state: ['REACHABLE'] }]);
  assert.deepEqual((json('nstat -j Udp*') as { kernel: object }).kernel, { UdpOutDatagrams: 1 });
});

test('netstat -s has the groups of both families, and tcpdump no frame that was never on a wire', async () => {
  const { alice, bob, world } = two();
  const fd = alice.kernel.socket(AF_INET6, SOCK_DGRAM);
  alice.kernel.sys.sendto(fd, new Uint8Array(3), { address: bob.ip6, port: 9 });
  await world.advance('10ms');
  const text = bob.sh('netstat -s');
  assert.match(text, /^Udp6:\n {4}InDatagrams: 0\n {4}NoPorts: 1$/m);
  assert.match(text, /^Ip6:\n {4}InReceives: [1-9]/m);
  assert.doesNotMatch(text, /^ +6In/m);
  alice.sh('ip route add 224.0.0.0/4 dev eth0');
  const group = alice.kernel.socket(AF_INET, SOCK_DGRAM);
  alice.kernel.bind(group, { port: 5353 });
  alice.kernel.setsockopt(group, IPPROTO_IP, IP_ADD_MEMBERSHIP, { multiaddr: '224.0.0.251', address: '10.0.0.1' });
  await world.advance('1s');
  using dump = alice.tcpdump({ filter: 'udp' });
  using wire = bob.tcpdump({ filter: 'udp' });
  alice.kernel.sys.sendto(group, new Uint8Array(3), { address: '224.0.0.251', port: 5353 });
  await world.advance('10ms');
  assert.equal(alice.kernel.sys.recvfrom(group, new Uint8Array(9)).bytes, 3, 'it hears itself');
  assert.deepEqual(dump.lines.map((line) => line.replace(/^\S+ /, '')), ['IP alice.5353 > 224.0.0.251.5353: udp (3)']);
  assert.deepEqual([wire.lines.length, bob.sh('ip -j -s link show eth0').includes('"multicast":')], [0, true]);
});

test('ss -tan shows a listener, a half-open request, both ends of a connection, and TIME-WAIT', async () => {
  const { world, alice, bob } = two();
  const listener = bob.kernel.socket(AF_INET, SOCK_STREAM);
  bob.kernel.bind(listener, { port: 80 });
  bob.kernel.listen(listener, 5);
  assert.equal(bob.sh('ss -ltnp'), lines(`
State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
LISTEN 0      5            0.0.0.0:80        0.0.0.0:*    users:(("main",pid=1,fd=0))
`));
  const open = async (port: number): Promise<number> => {
    const fd = alice.kernel.socket(AF_INET, SOCK_STREAM);
    alice.kernel.bind(fd, { address: alice.ip, port });
    await alice.kernel.connect(fd, { address: bob.ip, port: 80 });
    return fd;
  };
  const first = await open(4001);
  const accepted = await bob.kernel.accept(listener);
  await open(4002);
  const rule = world.cables[0]!.drop((frame) => frame.tcp?.syn === true && frame.tcp.ack);
  const late = open(4003);
  await world.advance('10ms');
  assert.equal(bob.sh('ss -tan'), lines(`
State    Recv-Q Send-Q Local Address:Port Peer Address:Port Process
LISTEN   1      5            0.0.0.0:80        0.0.0.0:*
ESTAB    0      0           10.0.0.2:80       10.0.0.1:4001
ESTAB    0      0           10.0.0.2:80       10.0.0.1:4002
SYN-RECV 0      0           10.0.0.2:80       10.0.0.1:4003
`));
  assert.match(alice.sh('ss -tano dport = :80 state syn-sent'), /^SYN-SENT 0 {6}1 .* timer:\(on,9\d\dms,0\)$/m);
  assert.equal(bob.sh('ss -tnH state syn-recv').split('\n').length, 2);
  rule.lift();
  await late;

  alice.kernel.close(first);
  await world.advance('10ms');
  assert.match(bob.sh('ss -tan sport = :80 dst alice dport = :4001'), /^CLOSE-WAIT /m);
  bob.kernel.close(accepted.fd);
  await world.advance('10ms');
  assert.equal(alice.sh('ss -tanoH sport = :4001'), 'TIME-WAIT 0 0 10.0.0.1:4001 10.0.0.2:80 timer:(timewait,59sec,0)\n');
  assert.match(alice.sh('netstat -tan'), /^tcp {8}0 {6}0 10\.0\.0\.1:4001 {11}10\.0\.0\.2:80 {13}TIME_WAIT$/m);
  assert.match(alice.sh('ss -s'), /^TCP: {3}3 \(estab 2, closed 1, orphaned 0, timewait 1\)$/m);
  assert.equal(alice.sh('ss -tnH').split('\n').length, 3);
  world.stop();
});

test('ss -i says what TCP_INFO says', async () => {
  const { world, alice, bob } = two();
  const listener = bob.kernel.socket(AF_INET, SOCK_STREAM);
  bob.kernel.bind(listener, { port: 80 });
  bob.kernel.listen(listener, 5);
  const fd = alice.kernel.socket(AF_INET, SOCK_STREAM);
  await alice.kernel.connect(fd, { address: bob.ip, port: 80 });
  const [line] = alice.sh('ss -tinOH').split('\n');
  // The SYN waited for ARP, so the first sample is two round trips.
  assert.match(line!, /^ESTAB 0 0 10\.0\.0\.1:\d+ 10\.0\.0\.2:80 ts sack cubic wscale:7,7 rto:205 rtt:4\.01\d\/2\.00\d mss:1448 /);
  assert.match(line!, / cwnd:10 /);
  assert.match(alice.sh('ss -tmn'), /\n\t skmem:\(r0,rb131072,t0,tb\d+,f0,w0,o0,bl0,d0\)\n$/);
  world.stop();
});

test('ethtool prints what the card counts and can, tc what waits in front of it', async () => {
  const world = two();
  await oneDatagram(world);
  assert.match(world.alice.sh('ethtool -S eth0'), /^NIC statistics:\n {5}rx_packets: 1\n {5}tx_packets: 2\n/);
  assert.match(world.alice.sh('ethtool -k eth0'), /^tcp-segmentation-offload: on$/m);
  assert.match(world.alice.sh('ethtool -g eth0'), /^Current hardware settings:\nRX:\t\t512\nTX:\t\t512$/m);
  assert.match(world.alice.sh('ethtool -c eth0'), /^Adaptive RX: on {2}TX: off\n\nrx-usecs:\t3\nrx-frames:\t64$/m);
  assert.throws(() => world.alice.sh('ethtool -g lo'), /operation not supported: it has no card/);
  assert.match(world.alice.sh('tc -s qdisc show dev eth0'), /^qdisc pfifo_fast 0: root refcnt 2 bands 3 priomap .*\n Sent 89 bytes 2 pkt /);
});

test('sysctl reads settings by their names', () => {
  const { alice } = two();
  assert.equal(alice.sh('sysctl net.ipv4.tcp_rmem'), 'net.ipv4.tcp_rmem = 4096\t131072\t6291456\n');
  assert.match(alice.sh('sysctl -a tcp_keepalive'), /^net\.ipv4\.tcp_keepalive_time = 7200$/m);
});

test('tcpdump prints packets while they pass, by names and until it is stopped', async () => {
  const world = two();
  {
    using dump = world.alice.tcpdump();
    await oneDatagram(world);
    assert.deepEqual(dump.lines.map((line) => line.replace(/^\d+\.\d{6} /, '')), [
      'ARP who-has bob tell alice',
      'ARP reply bob is-at 02:00:00:00:00:02',
      'IP alice.4000 > bob.9: udp (5)',
    ]);
    assert.match(dump.toString(), /^0\.000000 .*\n0\.0020\d\d .*\n0\.0020\d\d .*\n$/);
  }
  const dump = world.bob.tcpdump({ device: 'any', filter: 'udp and dst port 9 and not src host 10.0.0.9', count: 1, names: false });
  for (const text of ['one', 'three']) await world.alice.kernel.sendto(0, text, { address: world.bob.ip, port: 9 });
  await world.world.advance('10ms');
  assert.equal(dump.lines.length, 1);
  assert.match(dump.lines[0]!, /^0\.\d{6} eth0 In {2}IP 10\.0\.0\.1\.4000 > 10\.0\.0\.2\.9: udp \(3\)$/);
});

test('at a port tcpdump shows what is on the wire', async () => {
  const world = two();
  using dump = world.bob.interfaces[0]!.tcpdump({ filter: 'udp' });
  await oneDatagram(world);
  assert.deepEqual(dump.lines.map((line) => line.replace(/^\S+ /, '')), ['In  IP alice.4000 > bob.9: udp (5)']);
});

test('a word that is not understood is named', () => {
  const { alice } = two();
  const refused: readonly (readonly [string, RegExp])[] = [
    ['', /^sh: the command is missing/],
    ['ping bob', /^sh: 'ping' takes time, and sh does not wait/],
    ['ss -tan | grep x', /^sh: '\|' is not understood/],
    ["ss 'x", /^sh: a quote is not closed/],
    ['tcpdump -i eth0', /^sh: 'tcpdump' does not end by itself/],
    ['ss -tanQ', /^ss: option '-Q' is not understood; known are .*-t --tcp/],
    ['ss --frobnicate', /^ss: option '--frobnicate' is not understood/],
    ['ss state hungry', /^ss: 'hungry' is not understood; expected a state: established,/],
    ['ss sport = :ssh', /^ss: ':ssh' is not understood; expected a port after 'sport'/],
    ['ss dst nowhere', /^ss: 'nowhere' is not understood; expected an address or the name of a host/],
    ['ip foo', /^ip: 'foo' is not understood; expected an object/],
    ['ip addr add 10.0.0.9/24 dev eth7', /^ip addr: Cannot find device "eth7"/],
    ['ip link show eth7', /^ip link: 'eth7' is not understood; expected a device: lo, eth0/],
    ['ip route get 8.8.8.8', /^ip route: RTNETLINK answers: Network is unreachable/],
    ['arp -x', /^arp: option '-x' is not understood/],
    ['netstat foo', /^netstat: 'foo' is not understood/],
    ['ethtool -S', /^ethtool: the name of a device is missing; there are lo, eth0/],
    ['tc class', /^tc class show: 'dev NAME' is missing/],
    ['sysctl net.ipv4.nothing', /^sysctl: 'net\.ipv4\.nothing' is not understood/],
    ['sysctl -w net.ipv4.ip_forward', /^sysctl: 'net\.ipv4\.ip_forward' is not understood; expected NAME=VALUE/],
  ];
  for (const [line, message] of refused) assert.throws(() => alice.sh(line), { name: 'ToolError', message }, line);
  assert.throws(() => alice.tcpdump({ filter: 'tcp prot 80' }), { name: 'ToolError', message: /^tcpdump: 'prot' is not understood/ });
  assert.throws(() => alice.tcpdump({ filter: 'tcp and (udp' }), { name: 'ToolError', message: /filter ends where/ });
  assert.throws(() => alice.tcpdump({ device: 'eth9' }), { name: 'ToolError', message: /'eth9' is not understood/ });
});
