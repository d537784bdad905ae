/** `ip` as it changes a host: what a line does, and what is said about one that does nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World, type Host } from '../../mod.ts';

/** A host with eth0 10.0.0.1/24 and eth1, which has no address; lines are run one after the other. */
function host(...lines: string[]): Host {
  const world = new World({ seed: 1 });
  const a = world.host('a', { interfaces: [{ ip: '10.0.0.1/24' }, {}] });
  world.cable(a.interfaces[0]!, world.host('b'));
  for (const line of lines) assert.equal(a.sh(line), '', line);
  return a;
}

const addrs = (h: Host): string[] => h.sh('ip -4 -br addr').trim().split('\n').map((l) => l.replace(/\s+/g, ' '));
const routes = (h: Host, words = ''): string[] => h.sh(`ip route ${words}`).trim().split('\n').filter((l) => l !== '');

test('addresses come and go, with their routes', () => {
  const h = host('ip addr add 10.0.0.7/24 dev eth0', 'ip a a 192.168.9.1/28 brd + dev eth1', 'ip address add 172.16.0.1 dev eth1');
  assert.deepEqual(addrs(h).slice(1), ['eth0 UP 10.0.0.1/24 10.0.0.7/24', 'eth1 DOWN 192.168.9.1/28 172.16.0.1/32']);
  assert.match(h.sh('ip addr show dev eth1'), /inet 192\.168\.9\.1\/28 brd 192\.168\.9\.15 scope global eth1/);
  assert.match(h.sh('ip addr show eth0'), /10\.0\.0\.7\/24 brd 10\.0\.0\.255 scope global secondary eth0/);
  assert.deepEqual(routes(h), [
    '10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1', '192.168.9.0/28 dev eth1 proto kernel scope link src 192.168.9.1',
  ]);
  assert.equal(h.sh('ip addr del 192.168.9.1/28 dev eth1'), '');
  assert.equal(h.sh('ip addr replace 10.0.0.7/24 dev eth0'), '', 'it is there');
  assert.equal(h.sh('ip addr flush dev eth0'), '');
  assert.deepEqual([addrs(h)[1], routes(h)], ['eth0 UP', []]);
  const scoped = host('ip addr add 169.254.1.1/16 scope link label eth0:1 dev eth0', 'ip addr flush dev eth0 to 10/8');
  assert.match(scoped.sh('ip addr show eth0'), /inet 169\.254\.1\.1\/16 brd 169\.254\.255\.255 scope link eth0:1/);
  assert.doesNotMatch(scoped.sh('ip addr show eth0'), /10\.0\.0\.1/);
});

test('links: up, down, mtu, address; several at once', () => {
  const h = host('ip link set eth0 down');
  assert.match(h.sh('ip link show eth0'), /<BROADCAST,MULTICAST> mtu 1500/);
  assert.deepEqual(routes(h), []);
  assert.equal(h.sh('ip link set dev eth0 address 02:00:00:00:00:99 mtu 1400 promisc on up'), '');
  assert.match(h.sh('ip link show eth0'), /<BROADCAST,MULTICAST,PROMISC,UP,LOWER_UP> mtu 1400[\s\S]*link\/ether 02:00:00:00:00:99/);
  assert.equal(routes(h).length, 1);
});

test('routes: every word that a route may have is shown as it was said', () => {
  const h = host(
    'ip route add default via 10.0.0.254',
    'ip route add 10.1/16 via 10.0.0.2 dev eth0 src 10.0.0.1 metric 7 proto static mtu 1400 advmss 1200 initcwnd 4',
    'ip route add 10.2.0.0/16 via 1.1.1.1 dev eth0 onlink', 'ip r a 10.3.0.0/16 dev eth0 mtu lock 900',
    'ip route add blackhole 10.4.0.0/16', 'ip route add unreachable 10.5.0.0/255.255.0.0', 'ip route add prohibit 10.6.0.1',
    'ip ro add throw 10.7/16',
  );
  assert.deepEqual(routes(h), [
    'default via 10.0.0.254 dev eth0',
    '10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1',
    '10.1.0.0/16 via 10.0.0.2 dev eth0 proto static src 10.0.0.1 metric 7 mtu 1400 advmss 1200 initcwnd 4',
    '10.2.0.0/16 via 1.1.1.1 dev eth0 onlink',
    '10.3.0.0/16 dev eth0 scope link mtu lock 900',
    'blackhole 10.4.0.0/16', 'unreachable 10.5.0.0/16', 'prohibit 10.6.0.1', 'throw 10.7.0.0/16',
  ]);
  assert.deepEqual(routes(h, 'show via 10.0.0.2').length, 1);
  assert.deepEqual(routes(h, 'show type blackhole'), ['blackhole 10.4.0.0/16']);
  assert.deepEqual(routes(h, 'show match 10.1.2.3').length, 2);
  assert.deepEqual(routes(h, 'show root 10.0.0.0/13').length, 8);
  assert.deepEqual(routes(h, 'show proto kernel'), ['10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1']);
  assert.deepEqual(routes(h, 'show 10.2.0.0/16'), ['10.2.0.0/16 via 1.1.1.1 dev eth0 onlink']);
  for (const line of ['ip route replace default via 10.0.0.253', 'ip route change 10.2.0.0/16 dev eth0', 'ip route del 10.4.0.0/16']) {
    assert.equal(h.sh(line), '', line);
  }
  assert.equal(routes(h)[0], 'default via 10.0.0.253 dev eth0');
  assert.equal(h.sh('ip route flush root 10.0.0.0/13'), '');
  assert.deepEqual(routes(h), ['default via 10.0.0.253 dev eth0']);
});

test('ip route get: by which way, what is known of the path, and why there is none', () => {
  const h = host('ip route add default via 10.0.0.254', 'ip route add prohibit 10.6.0.0/16', 'ip route add unreachable 10.5.0.0/16');
  assert.equal(h.sh('ip route get 8.8.8.8'), '8.8.8.8 via 10.0.0.254 dev eth0 src 10.0.0.1\n    cache\n');
  assert.equal(h.sh('ip route get 10.0.0.1'), 'local 10.0.0.1 dev lo src 10.0.0.1\n    cache <local>\n');
  const came = h.sh('ip route get 10.0.0.1 from 10.0.0.9 iif eth0');
  assert.match(came, /local 10\.0\.0\.1 from 10\.0\.0\.9 dev eth0\n {4}cache <local> iif eth0/);
  const says = (line: string, what: RegExp): void => assert.throws(() => h.sh(line), { name: 'ToolError', message: what }, line);
  says('ip route get 10.6.0.1', /Permission denied/);
  says('ip route get 10.5.0.1', /No route to host/);
  says('ip route get 10.0.0.1 from 127.0.0.5 iif eth0', /Invalid argument \(IP_INVALID_SOURCE\)/);
});

test('neighbours: set by hand, replaced, removed, flushed', () => {
  const h = host('ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0',
    'ip n replace 10.0.0.8 lladdr 02:00:00:00:00:08 nud reachable dev eth0');
  assert.equal(h.sh('ip neigh'),
    '10.0.0.9 dev eth0 lladdr 02:00:00:00:00:09 PERMANENT\n10.0.0.8 dev eth0 lladdr 02:00:00:00:00:08 REACHABLE\n');
  assert.equal(h.sh('ip neigh change 10.0.0.9 lladdr 02:00:00:00:00:0a dev eth0'), '');
  assert.equal(h.sh('ip neigh flush dev eth0'), '', 'permanent ones stay');
  assert.equal(h.sh('ip neigh'), '10.0.0.9 dev eth0 lladdr 02:00:00:00:00:0a PERMANENT\n');
  assert.equal(h.sh('ip neigh del 10.0.0.9 dev eth0'), '');
  assert.equal(h.sh('ip neigh'), '');
});

test('ip maddr: what cards take in, and groups', () => {
  const h = host();
  assert.match(h.sh('ip maddr show dev eth0'), /^2:\teth0\n(\t.*\n)*\tlink {2}01:00:5e:00:00:01\n(\t.*\n)*\tinet {2}224\.0\.0\.1\n/);
});

test('sysctl -w', () => {
  const h = host();
  assert.equal(h.sh('sysctl -w net.ipv4.ip_forward=1'), 'net.ipv4.ip_forward = 1\n');
  assert.equal(h.sh('sysctl "net.ipv4.tcp_rmem=4096 8192 16384"'), 'net.ipv4.tcp_rmem = 4096\t8192\t16384\n');
  assert.equal(h.sysctl('net.ipv4.ip_forward'), 1);
  assert.throws(() => h.sh('sysctl -w net.ipv4.ip_forward=7'), /net\.ipv4\.ip_forward = 7 is refused; expected a whole number from 0 to 1/);
  assert.throws(() => h.sh('sysctl -w net.ipv4.nothing=1'), /net\.ipv4\.nothing/);
  assert.throws(() => h.sh('sysctl -w net.ipv4.ip_forward'), /expected NAME=VALUE/);
});

test('a line that does not parse says which word, and what was expected', () => {
  const LINES: [string, RegExp][] = [
    ['ip addr add', /ip addr: Command line is not complete: an address such as 10\.0\.0\.1\/24 is expected/],
    ['ip addr add 10.0.0.5/24', /Not enough information: "dev" argument is required\./],
    ['ip addr add 10.0.0.5/33 dev eth0', /any valid prefix is expected rather than "10\.0\.0\.5\/33"/],
    ['ip addr add foo dev eth0', /any valid prefix is expected rather than "foo"/],
    ['ip addr add 10.0.0.5/24 dev eth7', /Cannot find device "eth7"; there are lo, eth0, eth1/],
    ['ip addr add 10.0.0.1/24 dev eth0', /Error: ipv4: Address already assigned\./],
    ['ip addr add 224.0.0.1/24 dev eth0', /ipv4: Invalid address/],
    ['ip addr add 10.0.0.5/24 10.0.0.6 dev eth0', /either "local" is duplicate, or "10\.0\.0\.6" is a garbage/],
    ['ip addr add 10.0.0.5/24 scope moon dev eth0', /argument "moon" is wrong: invalid "scope" value; expected global, link or host/],
    ['ip addr add 10.0.0.5/24 label x dev eth0', /"label" "x" must match "dev" "eth0"/],
    ['ip addr del 10.0.0.77/24 dev eth0', /ipv4: Address not found\./],
    ['ip addr flush', /Flush requires arguments\./],
    ['ip link set eth0', /Command line is not complete: up, down, mtu/],
    ['ip link set eth0 mtu', /a value of "mtu" is expected/],
    ['ip link set eth0 mtu big', /argument "big" is wrong: "mtu" is a whole number/],
    ['ip link set eth0 mtu 20', /mtu out of range/],
    ['ip link set eth0 sideways', /"sideways" is a garbage; expected up, down, mtu N/],
    ['ip link set eth0 address 1:2:3', /"1:2:3" is invalid lladdr/],
    ['ip link set eth0 promisc maybe', /argument "maybe" is wrong: expected on or off/],
    ['ip route add', /a prefix such as 10\.0\.0\.0\/8 or default is expected/],
    ['ip route add 10.9.0.1/16 dev eth0', /Invalid prefix for given prefix length: 10\.9\.0\.1\/16/],
    ['ip route add default via 9.9.9.9', /Error: Nexthop has invalid gateway\./],
    ['ip route add default', /Nexthop device is missing/],
    ['ip route add 10.9.0.0/16 via x', /inet address is expected rather than "x"/],
    ['ip route add 10.9.0.0/16 dev eth0 src 10.0.0.99', /Invalid prefsrc address/],
    ['ip route add 10.9.0.0/16 dev eth0 metric -1', /argument "-1" is wrong: "metric" is a whole number/],
    ['ip route add 10.9.0.0/16 dev eth0 proto zebras', /"protocol" value is invalid/],
    ['ip route add 10.9.0.0/16 dev eth0 10.8.0.0/16', /either "to" is duplicate, or "10\.8\.0\.0\/16" is a garbage/],
    ['ip route add 10.9.0.0/16 nexthop via 10.0.0.2', /"nexthop" is not supported/],
    ['ip route add 10.0.0.0/24 dev eth0', /RTNETLINK answers: File exists/],
    ['ip route del 10.99.0.0/16', /RTNETLINK answers: No such process/],
    ['ip route flush', /"ip route flush" requires arguments\./],
    ['ip route frobnicate', /Command "frobnicate" is unknown; expected show, get, add/],
    ['ip route get', /need at least a destination address/],
    ['ip neigh add 10.0.0.9 dev eth0', /"lladdr" is required/],
    ['ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09', /Device and destination are required arguments\./],
    ['ip neigh del 10.0.0.9 dev eth0', /RTNETLINK answers: No such file or directory/],
    ['ip neigh add 10.0.0.9 nud sleepy dev eth0', /nud state is bad; expected permanent/],
    ['ip frob', /'frob' is not understood; expected an object/],
  ];
  const h = host();
  for (const [line, what] of LINES) assert.throws(() => h.sh(line), { name: 'ToolError', message: what }, line);
});

test('a host is set up by hand, and a packet crosses', async () => {
  const world = new World({ seed: 4 });
  const [a, r, b] = ['a', 'r', 'b'].map((name) => world.host(name, { interfaces: name === 'r' ? [{}, {}] : [{}] })) as [Host, Host, Host];
  const lines: [Host, string][] = [
    [a, 'ip addr add 192.168.1.2/24 dev eth0'], [r, 'ip addr add 192.168.1.1/24 dev eth0'], [r, 'ip addr add 192.168.2.1/24 dev eth1'],
    [b, 'ip addr add 192.168.2.2/24 dev eth0'], [a, 'ip route add default via 192.168.1.1'], [b, 'ip route add default via 192.168.2.1'],
  ];
  for (const [h, line] of lines) assert.equal(h.sh(line), '', line);
  r.sh('sysctl -w net.ipv4.ip_forward=1');
  world.cable(a.interfaces[0]!, r.interfaces[0]!);
  world.cable(r.interfaces[1]!, b.interfaces[0]!);
  const answer = await a.exec('ping -c 1 192.168.2.2');
  assert.match(answer, /1 packets transmitted, 1 received/);
});
