/** `ip -6`, and `ip` where it speaks of both families: what a line does, and what is said about one that does nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World, type Host } from '../../mod.ts';

/** A host with eth0 fd00:1::1/64 on a cable to `b`; lines are run one after the other. */
function host(...lines: string[]): Host {
  const world = new World({ seed: 1 });
  const a = world.host('a', { interfaces: [{ ip: '10.0.0.1/24', ip6: 'fd00:1::1/64' }] });
  world.cable(a.interfaces[0]!, world.host('b'));
  for (const line of lines) assert.equal(a.sh(line), '', line);
  return a;
}

const routes = (h: Host, words = ''): string[] => h.sh(`ip -6 route ${words}`).trim().split('\n').filter((l) => l !== '');
const OWN = ['fd00:1::/64 dev eth0 proto kernel metric 256 pref medium', 'fe80::/64 dev eth0 proto kernel metric 256 pref medium'];

test('addresses come and go, with their networks, lifetimes and tests for duplicates', () => {
  const h = host('ip -6 addr add fd00:2::5/64 dev eth0',
    'ip addr add fd00:3::5/64 valid_lft 60 preferred_lft 30 nodad noprefixroute dev eth0');
  const shown = h.sh('ip addr show dev eth0');
  assert.match(shown, /inet 10\.0\.0\.1\/24 [^]*inet6 fd00:2::5\/64 scope global/);
  assert.match(shown, /inet6 fd00:3::5\/64 scope global noprefixroute \n {7}valid_lft 60sec preferred_lft 30sec/);
  assert.match(h.sh('ip -br addr'), /eth0 +UP +10\.0\.0\.1\/24 fd00:1::1\/64 /);
  assert.doesNotMatch(h.sh('ip -4 addr'), /inet6/);
  assert.doesNotMatch(h.sh('ip -6 addr'), /inet |link\//);
  assert.deepEqual(routes(h, 'show root fd00:2::/32'), ['fd00:2::/64 dev eth0 proto kernel metric 256 pref medium']);
  assert.deepEqual(routes(h, 'show root fd00:3::/32'), []);
  assert.equal(h.sh('ip -6 addr replace fd00:3::5/64 dev eth0 valid_lft forever preferred_lft 0'), '');
  assert.match(h.sh('ip -6 addr show eth0'),
    /fd00:3::5\/64 scope global deprecated noprefixroute \n {7}valid_lft forever preferred_lft 0sec/);
  assert.equal(h.sh('ip -6 addr del fd00:2::5/64 dev eth0'), '');
  assert.deepEqual(routes(h), OWN);
  assert.equal(h.sh('ip -6 addr flush dev eth0 scope global'), '');
  assert.deepEqual(h.sh('ip -6 addr show eth0').match(/inet6 \S+/g), ['inet6 fe80::ff:fe00:1/64']);
  assert.match(h.sh('ip -4 -br addr'), /10\.0\.0\.1\/24/);
  assert.equal(h.sh('ip addr flush dev eth0'), '', 'both families');
  assert.match(h.sh('ip -br addr'), /eth0 +UP *\n/);
});

test('routes: every word that a route may have is shown as it was said', () => {
  const h = host(
    'ip -6 route add default via fe80::99 dev eth0 pref high',
    'ip route add fd00:9::/32 via inet6 fd00:1::2 src fd00:1::1 metric 7 proto static mtu 1400',
    'ip -6 r a fd00:8::1 dev eth0 expires 60', 'ip -6 route add blackhole fd00:7::/32', 'ip -6 route add unreachable fd00:6::/32',
    'ip -6 route add prohibit fd00:5::1', 'ip -6 route append fd00:9::/32 via fd00:1::3 metric 7',
  );
  const all = [
    'fd00:1::/64 dev eth0 proto kernel metric 256 pref medium',
    'prohibit fd00:5::1 dev lo metric 1024 pref medium', 'unreachable fd00:6::/32 dev lo metric 1024 pref medium',
    'blackhole fd00:7::/32 dev lo metric 1024 pref medium', 'fd00:8::1 dev eth0 metric 1024 expires 60sec pref medium',
    'fd00:9::/32 via fd00:1::2 dev eth0 proto static src fd00:1::1 metric 7 mtu 1400 pref medium',
    'fd00:9::/32 via fd00:1::3 dev eth0 metric 7 pref medium',
    'fe80::/64 dev eth0 proto kernel metric 256 pref medium', 'default via fe80::99 dev eth0 metric 1024 pref high',
  ];
  assert.deepEqual(routes(h), all);
  assert.deepEqual(routes(h, 'show via fd00:1::3'), [all[6]]);
  assert.deepEqual(routes(h, 'show type blackhole'), [all[3]]);
  assert.deepEqual(routes(h, 'show match fd00:6::5'), [all[2], all[8]]);
  assert.deepEqual(routes(h, 'show fd00:8::1'), [all[4]]);
  assert.match(h.sh('ip -6 route show table local'), /^local ::1 dev lo proto kernel metric 0 pref medium\n[^]*local fd00:1::1 dev eth0/);
  for (const line of [
    'ip -6 route replace default via fe80::98 dev eth0', 'ip -6 route change fd00:9::/32 via fd00:1::4 metric 7',
    'ip -6 route del fd00:7::/32',
  ]) assert.equal(h.sh(line), '', line);
  assert.deepEqual(routes(h, 'show default'), ['default via fe80::98 dev eth0 metric 1024 pref medium']);
  assert.deepEqual(routes(h, 'show fd00:9::/32').map((r) => r.split(' ')[2]), ['fd00:1::3', 'fd00:1::4']);
  assert.equal(h.sh('ip -6 route flush root fd00::/8'), '');
  assert.deepEqual(routes(h), [OWN[1], 'default via fe80::98 dev eth0 metric 1024 pref medium']);
});

test('ip -6 route get: by which way, and why there is none', () => {
  const h = host('ip -6 route add default via fe80::99 dev eth0',
    'ip -6 route add prohibit fd00:6::/32', 'ip -6 route add unreachable fd00:5::/32');
  assert.equal(h.sh('ip -6 route get 2001:db8::1'),
    '2001:db8::1 from :: via fe80::99 dev eth0 src fd00:1::1 metric 1024 pref medium\n');
  assert.equal(h.sh('ip route get fd00:1::1'),
    'local fd00:1::1 from :: dev lo table local proto kernel src fd00:1::1 metric 0 pref medium\n');
  assert.match(h.sh('ip -6 route get fd00:1::1 from fd00:1::9 iif eth0'), /^local fd00:1::1 from fd00:1::9 .* iif eth0 pref medium\n$/);
  const says = (line: string, what: RegExp): void => assert.throws(() => h.sh(line), { name: 'ToolError', message: what }, line);
  says('ip -6 route get fd00:6::1', /Permission denied/);
  says('ip -6 route get fd00:5::1', /No route to host/);
  says('ip -6 route get 2001:db8::1 iif eth0', /No route to host/); // it is no router
});

test('neighbours of both families: set by hand, replaced, removed, flushed', () => {
  const h = host('ip -6 neigh add fd00:1::9 lladdr 02:00:00:00:00:09 dev eth0 router',
    'ip n replace fd00:1::8 lladdr 02:00:00:00:00:08 nud reachable dev eth0', 'ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0');
  const nine = 'fd00:1::9 dev eth0 lladdr 02:00:00:00:00:09 router PERMANENT\n';
  assert.equal(h.sh('ip -6 neigh'), `${nine}fd00:1::8 dev eth0 lladdr 02:00:00:00:00:08 REACHABLE\n`);
  assert.match(h.sh('ip neigh'), /^10\.0\.0\.9 .*\nfd00:1::9 .*\nfd00:1::8 .*\n$/);
  assert.equal(h.sh('ip neigh flush dev eth0'), '', 'permanent ones stay');
  assert.equal(h.sh('ip -6 neigh'), nine);
  assert.equal(h.sh('ip -6 neigh change fd00:1::9 lladdr 02:00:00:00:00:0a dev eth0'), '');
  assert.equal(h.sh('ip -6 neigh show dev eth0'), 'fd00:1::9 dev eth0 lladdr 02:00:00:00:00:0a PERMANENT\n');
  assert.equal(h.sh('ip -6 neigh del fd00:1::9 dev eth0'), '');
  assert.equal(h.sh('ip -6 neigh'), '');
});

test('a line that does not parse says which word, and what was expected', () => {
  const LINES: [string, RegExp][] = [
    ['ip -6 addr add', /ip -6 addr: Command line is not complete: an address such as fd00::1\/64 is expected/],
    ['ip -6 addr add fd00::5/64', /Not enough information: "dev" argument is required\./],
    ['ip -6 addr add fd00::5/129 dev eth0', /inet6 prefix is expected rather than "fd00::5\/129"/],
    ['ip -6 addr add 10.0.0.5/24 dev eth0', /inet6 prefix is expected rather than "10\.0\.0\.5\/24"/],
    ['ip addr add fd00::5/64 dev eth7', /Cannot find device "eth7"; there are lo, eth0/],
    ['ip -6 addr add fd00:1::1/64 dev eth0', /ipv6: address already assigned/],
    ['ip -6 addr add ff02::9/64 dev eth0', /ipv6: Invalid address/],
    ['ip -6 addr add fd00::5/64 brd + dev eth0', /Broadcast can be set only for IPv4 addresses/],
    ['ip -6 addr add fd00::5/64 valid_lft soon dev eth0', /argument "soon" is wrong: "valid_lft" is a whole number/],
    ['ip -6 addr add fd00::5/64 valid_lft 5 preferred_lft 9 dev eth0', /preferred_lft is greater than valid_lft/],
    ['ip -6 addr add fd00::5/64 fd00::6 dev eth0', /either "local" is duplicate, or "fd00::6" is a garbage/],
    ['ip -6 addr del fd00::77/64 dev eth0', /ipv6: address not found/],
    ['ip -6 addr flush', /Flush requires arguments\./],
    ['ip -6 route add', /a prefix such as fd00::\/8 or default is expected/],
    ['ip -6 route add fd00:9::1/64 dev eth0', /Invalid prefix for given prefix length: fd00:9::1\/64/],
    ['ip -6 route add default via fd00:77::1', /Nexthop has invalid gateway: it is not on a link/],
    ['ip -6 route add default via fe80::1', /a link-local one without dev/],
    ['ip -6 route add default', /Nexthop device is missing/],
    ['ip -6 route add fd00:9::/64 via x', /inet6 address is expected rather than "x"/],
    ['ip -6 route add fd00:9::/64 dev eth0 src fd00::99', /Invalid source address/],
    ['ip -6 route add fd00:9::/64 dev eth0 metric -1', /argument "-1" is wrong: "metric" is a whole number/],
    ['ip -6 route add fd00:9::/64 dev eth0 mtu 1000', /"mtu" is a whole number from 1280/],
    ['ip -6 route add fd00:9::/64 dev eth0 pref best', /"pref" value is invalid; expected low, medium or high/],
    ['ip -6 route add fd00:9::/64 nexthop via fd00:1::2', /"nexthop" is not supported for IPv6 routes; expected via/],
    ['ip -6 route change fd00:9::/64 dev eth0', /RTNETLINK answers: No such file or directory/],
    ['ip -6 route del fd00:99::/64', /RTNETLINK answers: No such process/],
    ['ip -6 route flush', /"ip -6 route flush" requires arguments\./],
    ['ip -6 route frobnicate', /Command "frobnicate" is unknown; expected show, get, add/],
    ['ip -6 route get', /need at least a destination address/],
    ['ip -6 neigh add fd00:1::9 dev eth0', /ip -6 neigh: Error: "lladdr" is required/],
    ['ip -6 neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0', /inet6 address is expected rather than "10\.0\.0\.9"/],
    ['ip -6 neigh del fd00:1::9 dev eth0', /RTNETLINK answers: No such file or directory/],
    ['ip -6 frob', /'frob' is not understood; expected an object/],
  ];
  const h = host();
  for (const [line, what] of LINES) assert.throws(() => h.sh(line), { name: 'ToolError', message: what }, line);
});

test('a host is set up by hand, and an echo of IPv6 crosses a router', async () => {
  const world = new World({ seed: 4 });
  const [a, r, b] = ['a', 'r', 'b'].map((name) => world.host(name, { interfaces: name === 'r' ? [{}, {}] : [{}] })) as [Host, Host, Host];
  try {
    world.cable(a.interfaces[0]!, r.interfaces[0]!);
    world.cable(r.interfaces[1]!, b.interfaces[0]!);
    const lines: [Host, string][] = [
      [a, 'ip addr add 2001:db8:1::2/64 nodad dev eth0'], [r, 'ip -6 addr add 2001:db8:1::1/64 nodad dev eth0'],
      [r, 'ip addr add 2001:db8:2::1/64 nodad dev eth1'], [b, 'ip addr add 2001:db8:2::2/64 nodad dev eth0'],
      [a, 'ip -6 route replace default via 2001:db8:1::1'], [b, 'ip route replace default via 2001:db8:2::1'],
    ];
    for (const [h, line] of lines) assert.equal(h.sh(line), '', line);
    r.sh('sysctl -w net.ipv6.conf.all.forwarding=1');
    assert.match(await a.exec('ping -c 1 2001:db8:2::2'), /1 packets transmitted, 1 received/);
  } finally {
    world.stop();
  }
});
