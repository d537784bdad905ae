import { test } from 'node:test';
import assert from 'node:assert/strict';
import { formatIpv4 } from '../../src/lib/addr.ts';
import {
  EACCES, EADDRNOTAVAIL, EEXIST, EHOSTUNREACH, EINVAL, ENETDOWN, ENETUNREACH, ENODEV, ESRCH, errnoName,
} from '../../src/lib/errno.ts';
import { devClose, devOpen } from '../../src/dev/registry.ts';
import type { NetDevice } from '../../src/dev/net-device.ts';
import { inetAddrAdd, inetAddrDel, inetAddrs, inetAddrType, inetSelectAddr } from '../../src/ip/devinet.ts';
import {
  RTN_BLACKHOLE, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_PROHIBIT, RTN_THROW, RTN_UNICAST, RTN_UNREACHABLE,
} from '../../src/ip/fib.ts';
import { ipRouteOutput, ipUpdatePmtu, routeAdd, routeDel, type Rtable } from '../../src/ip/route.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { SkbPool } from '../../src/skb/pool.ts';
import { ip, labHost, plug, run, Wire, type LabHost } from './lab.ts';

function two(): { h: LabHost; eth0: NetDevice; eth1: NetDevice; sim: Simulation } {
  const sim = new Simulation();
  const pool = new SkbPool();
  const h = labHost(sim, pool, 'h');
  const eth0 = plug(h, new Wire(sim, pool), 1, '10.0.0.1/24');
  const eth1 = plug(h, new Wire(sim, pool), 2, '192.168.1.1/16', 'eth1');
  assert.equal(routeAdd(h.ip, { gateway: ip('10.0.0.254') }), 0);
  assert.equal(routeAdd(h.ip, { dst: ip('172.16.0.0'), prefixLen: 12, gateway: ip('192.168.0.9'), metric: 5 }), 0);
  return { h, eth0, eth1, sim };
}

/** `dev type src via gateway`, or the errno. */
function way(h: LabHost, to: string, from = '0.0.0.0', oif = 0): string {
  const rt = ipRouteOutput(h.ip, ip(to), ip(from), oif);
  if (typeof rt === 'number') return errnoName(rt);
  const types: Record<number, string> = {
    [RTN_UNICAST]: 'unicast', [RTN_LOCAL]: 'local', [RTN_BROADCAST]: 'broadcast', [RTN_MULTICAST]: 'multicast',
  };
  return `${rt.dev.name} ${types[rt.type]!} ${formatIpv4(rt.src)}${rt.gateway === 0 ? '' : ` via ${formatIpv4(rt.gateway)}`}`;
}

test('where packets go, and from which address', () => {
  const { h } = two();
  for (const [to, want] of [
    ['10.0.0.2', 'eth0 unicast 10.0.0.1'],
    ['192.168.77.1', 'eth1 unicast 192.168.1.1'],
    ['172.20.0.1', 'eth1 unicast 192.168.1.1 via 192.168.0.9'],
    ['8.8.8.8', 'eth0 unicast 10.0.0.1 via 10.0.0.254'],
    ['10.0.0.1', 'lo local 10.0.0.1'],
    ['127.0.0.1', 'lo local 127.0.0.1'],
    ['127.9.9.9', 'lo local 127.0.0.1'],
    ['0.0.0.0', 'lo local 127.0.0.1'],
    ['10.0.0.255', 'eth0 broadcast 10.0.0.1'],
    ['192.168.255.255', 'eth1 broadcast 192.168.1.1'],
    ['224.0.0.5', 'eth0 multicast 10.0.0.1'],
    ['255.255.255.255', 'eth0 broadcast 10.0.0.1'],
  ] as const) {
    assert.equal(way(h, to), want, to);
    assert.equal(way(h, to), want, `${to}, from the cache`);
  }
});

test('a named source must be ours; a named device is used even without a route', () => {
  const { h, eth1 } = two();
  assert.equal(way(h, '10.0.0.2', '192.168.1.1'), 'eth0 unicast 192.168.1.1');
  assert.equal(way(h, '10.0.0.2', '10.0.0.77'), 'EINVAL');
  assert.equal(way(h, '8.8.8.8', '127.0.0.1'), 'EINVAL', '127.x must not leave');
  assert.equal(way(h, '10.0.0.2', '0.0.0.0', eth1.ifindex), 'eth1 unicast 192.168.1.1');
  assert.equal(way(h, '172.20.0.1', '0.0.0.0', eth1.ifindex), 'eth1 unicast 192.168.1.1 via 192.168.0.9');
  assert.equal(way(h, '255.255.255.255', '0.0.0.0', eth1.ifindex), 'eth1 broadcast 192.168.1.1');
  assert.equal(way(h, '255.255.255.255', '192.168.1.1'), 'eth1 broadcast 192.168.1.1');
  assert.equal(way(h, '8.8.8.8', '0.0.0.0', 99), 'ENODEV');
  assert.equal(way(h, '0.0.0.0', '10.0.0.1'), 'lo local 10.0.0.1');
});

test('without a route there is no way', () => {
  const { h } = two();
  assert.equal(routeDel(h.ip, { dst: 0, prefixLen: 0 }), 0);
  assert.equal(way(h, '8.8.8.8'), 'ENETUNREACH');
  assert.equal(routeDel(h.ip, { dst: 0, prefixLen: 0 }), -ESRCH);
  for (const [type, errno] of [[RTN_UNREACHABLE, EHOSTUNREACH], [RTN_PROHIBIT, EACCES], [RTN_BLACKHOLE, EINVAL]] as const) {
    assert.equal(routeAdd(h.ip, { dst: ip('9.9.9.0'), prefixLen: 24, type }), 0);
    assert.equal(way(h, '9.9.9.9'), errnoName(errno));
    routeDel(h.ip, { dst: ip('9.9.9.0'), prefixLen: 24 });
  }
});

test('a route is refused when it makes no sense', () => {
  const { h, eth0, eth1 } = two();
  const add = (r: Parameters<typeof routeAdd>[1]): number => routeAdd(h.ip, r);
  assert.equal(add({ dst: ip('9.9.9.9'), prefixLen: 24, dev: eth0 }), -EINVAL, 'host bits');
  assert.equal(add({ dst: ip('9.9.9.0'), prefixLen: 24 }), -ENODEV);
  assert.equal(add({ dst: ip('9.9.9.0'), prefixLen: 24, gateway: ip('10.0.0.1') }), -EINVAL, 'ourselves');
  assert.equal(add({ dst: ip('9.9.9.0'), prefixLen: 24, gateway: ip('8.8.8.8') }), -ENETUNREACH, 'not on link');
  assert.equal(add({ dst: ip('9.9.9.0'), prefixLen: 24, gateway: ip('10.0.0.2'), dev: eth1 }), -ENETUNREACH, 'not on that link');
  assert.equal(add({ dst: ip('9.9.9.0'), prefixLen: 24, dev: eth0, src: ip('9.9.9.1') }), -EINVAL, 'foreign source');
  assert.equal(add({ dst: ip('9.9.9.0'), prefixLen: 24, dev: eth0, src: ip('192.168.1.1') }), 0);
  assert.equal(way(h, '9.9.9.9'), 'eth0 unicast 192.168.1.1');
  assert.equal(add({ dst: ip('9.9.9.0'), prefixLen: 24, dev: eth1 }), -EEXIST);
  assert.equal(add({ dst: ip('9.9.9.0'), prefixLen: 24, dev: eth1, metric: 1 }), 0);
  assert.equal(add({ dst: 0, prefixLen: 33, dev: eth1 }), -EINVAL);
  devClose(eth1);
  assert.equal(add({ dst: ip('9.8.0.0'), prefixLen: 16, dev: eth1 }), -ENETDOWN);
});

test('addresses: local, connected and broadcast routes come and go with them', () => {
  const { h, eth0 } = two();
  assert.equal(inetAddrAdd(eth0, ip('10.0.0.1'), 24), -EEXIST);
  assert.equal(inetAddrAdd(eth0, ip('224.0.0.1'), 24), -EINVAL);
  assert.equal(inetAddrAdd(eth0, ip('10.0.0.5'), 24), 0);
  assert.equal(inetSelectAddr(h.ip, eth0, ip('10.0.0.9')), ip('10.0.0.1'), 'the second one is secondary');
  assert.equal(inetAddrAdd(eth0, ip('10.9.0.1'), 31), 0);
  assert.equal(inetSelectAddr(h.ip, eth0, ip('10.9.0.0')), ip('10.9.0.1'));
  assert.equal(inetAddrType(h.ip, ip('10.0.0.255')), RTN_BROADCAST);
  assert.equal(inetAddrType(h.ip, ip('10.9.0.0')), RTN_UNICAST, 'no broadcast in a /31');
  assert.equal(inetAddrType(h.ip, ip('10.0.0.5')), RTN_LOCAL);
  assert.equal(inetAddrDel(eth0, ip('10.0.0.99'), 24), -EADDRNOTAVAIL);
  assert.equal(inetAddrDel(eth0, ip('10.0.0.1'), 24), 0);
  assert.equal(inetAddrType(h.ip, ip('10.0.0.5')), RTN_UNICAST, 'secondaries go with their primary');
  assert.equal(way(h, '10.0.0.2'), 'eth0 unicast 10.9.0.1 via 10.0.0.254');
});

test('a device that goes down takes its routes along, and brings the connected ones back', () => {
  const { h, eth0 } = two();
  const rt = ipRouteOutput(h.ip, ip('10.0.0.2'), 0, 0) as Rtable;
  devClose(eth0);
  assert.equal(rt.valid, false);
  assert.equal(way(h, '10.0.0.2'), 'ENETUNREACH');
  assert.equal(way(h, '10.0.0.1'), 'lo local 10.0.0.1', 'still our own');
  devOpen(eth0);
  assert.equal(way(h, '10.0.0.2'), 'eth0 unicast 10.0.0.1');
  assert.equal(way(h, '8.8.8.8'), 'ENETUNREACH', 'the default route is gone');
});

test('a path MTU is believed for ten minutes, never raised, never below 552', () => {
  const { h, sim } = two();
  const to = ip('8.8.8.8');
  const rt = ipRouteOutput(h.ip, to, 0, 0) as Rtable;
  h.in(() => ipUpdatePmtu(h.ip, to, 1400));
  assert.equal(rt.mtu, 1400, 'ways that are known follow');
  h.in(() => ipUpdatePmtu(h.ip, to, 1450));
  assert.equal(rt.mtu, 1400);
  h.in(() => ipUpdatePmtu(h.ip, to, 0));
  assert.deepEqual([rt.mtu, rt.mtuLocked], [552, true]);
  assert.equal((ipRouteOutput(h.ip, ip('8.8.4.4'), 0, 0) as Rtable).mtu, 1500);
  h.ip.fib.generation++;
  assert.equal((ipRouteOutput(h.ip, to, 0, 0) as Rtable).mtu, 552, 'and those that are new');
  run(sim, 601000);
  h.in(() => undefined);
  assert.equal((ipRouteOutput(h.ip, to, 0, 0) as Rtable).mtu, 1500);
});

test('loopback is good for 65,535 bytes', () => {
  const { h } = two();
  assert.equal((ipRouteOutput(h.ip, ip('127.0.0.1'), 0, 0) as Rtable).mtu, 65535);
});

test('replace takes the place, append goes behind, prepend before; change wants one that is there', () => {
  const { h } = two();
  const to = { dst: ip('172.31.0.0'), prefixLen: 16 };
  const gateways = (): string[] => h.ip.fib.main.all().filter((r) => r.dst === to.dst).map((r) => formatIpv4(r.gateway).slice(-2));
  const add = (last: string, how?: Parameters<typeof routeAdd>[2]): number => routeAdd(h.ip, { ...to, gateway: ip(`10.0.0.${last}`) }, how);
  assert.equal(add('50', 'change'), -ESRCH);
  assert.equal(add('51'), 0);
  assert.equal(add('52'), -EEXIST);
  assert.equal(add('53', 'append'), 0);
  assert.equal(add('54', 'prepend'), 0);
  assert.deepEqual(gateways(), ['54', '51', '53']);
  assert.equal(add('55', 'replace'), 0);
  assert.deepEqual(gateways(), ['55', '51', '53']);
  assert.equal(add('56', 'change'), 0);
  assert.deepEqual(gateways(), ['56', '51', '53']);
});

test('onlink believes that the gateway is there; throw is as if there were no route', () => {
  const { h, eth0 } = two();
  assert.equal(routeAdd(h.ip, { dst: ip('1.0.0.0'), prefixLen: 8, gateway: ip('9.9.9.9'), dev: eth0 }), -ENETUNREACH);
  assert.equal(routeAdd(h.ip, { dst: ip('1.0.0.0'), prefixLen: 8, gateway: ip('9.9.9.9'), onlink: true }), -ENODEV);
  assert.equal(routeAdd(h.ip, { dst: ip('1.0.0.0'), prefixLen: 8, gateway: ip('10.0.0.1'), dev: eth0, onlink: true }), -EINVAL);
  assert.equal(routeAdd(h.ip, { dst: ip('1.0.0.0'), prefixLen: 8, gateway: ip('9.9.9.9'), dev: eth0, onlink: true }), 0);
  assert.equal(way(h, '1.2.3.4'), 'eth0 unicast 10.0.0.1 via 9.9.9.9');
  assert.equal(routeAdd(h.ip, { dst: ip('1.2.0.0'), prefixLen: 16, type: RTN_THROW }), 0);
  assert.equal(way(h, '1.2.3.4'), 'ENETUNREACH');
});

test('mtu of a route, and mtu lock: what ICMP says does not count, and DF is not set', () => {
  const { h } = two();
  const metrics = { mtu: 1200, mtuLock: false, advmss: 0, window: 0, initcwnd: 0, initrwnd: 0, congctl: '', congctlLock: false };
  assert.equal(routeAdd(h.ip, { dst: ip('172.31.0.0'), prefixLen: 16, gateway: ip('10.0.0.9'), metrics }), 0);
  const lock = { ...metrics, mtuLock: true };
  assert.equal(routeAdd(h.ip, { dst: ip('172.30.0.0'), prefixLen: 16, gateway: ip('10.0.0.9'), metrics: lock }), 0);
  const mtu = (to: string): [number, boolean] => {
    const rt = ipRouteOutput(h.ip, ip(to), 0, 0) as Rtable;
    return [rt.mtu, rt.mtuLocked];
  };
  assert.deepEqual([mtu('172.31.0.1'), mtu('172.30.0.1')], [[1200, false], [1200, true]]);
  for (const to of ['172.31.0.1', '172.30.0.1']) ipUpdatePmtu(h.ip, ip(to), 800);
  assert.deepEqual([mtu('172.31.0.1'), mtu('172.30.0.1')], [[800, false], [1200, true]]);
});

test('promote_secondaries: when the first address of a subnet goes, the next takes its place', () => {
  for (const promote of [0, 1]) {
    const { h, eth0 } = two();
    h.ip.confAll.promoteSecondaries = promote;
    for (const last of ['7', '8']) assert.equal(inetAddrAdd(eth0, ip(`10.0.0.${last}`), 24), 0);
    assert.equal(inetAddrDel(eth0, ip('10.0.0.1'), 24), 0);
    const left = inetAddrs(eth0).map((a) => [formatIpv4(a.addr), a.secondary]);
    assert.deepEqual(left, promote === 0 ? [] : [['10.0.0.7', false], ['10.0.0.8', true]]);
    assert.equal(way(h, '10.0.0.2'), promote === 0 ? 'ENETUNREACH' : 'eth0 unicast 10.0.0.7');
  }
});
