/**
 * The same lines given to iproute2 in a network namespace that the test makes, and to a host of ours: what they print is the same.
 * Needs Linux, root, unshare and iproute2; skipped with a message where something is missing, line by line where the kernel has not
 * what the line asks for.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { test } from 'node:test';
import { World, type Host } from '../../mod.ts';

/** What is missing here; '' when nothing is. */
function missing(): string {
  if (process.platform !== 'linux') return 'this is not Linux';
  if ('deno' in process.versions) return 'runs on Node';
  if (process.getuid?.() !== 0) return 'it needs root';
  const probe = spawnSync('unshare', ['--net', 'sh', '-ec', 'ip link add eth0 type veth peer name other; tc -V']);
  return probe.status === 0 ? '' : 'no namespace with iproute2 can be made here';
}

const DEVICE = 'ip link add eth0 type veth peer name other; ip link set eth0 address 02:00:00:00:00:01 up; ip link set other up; '
  + 'ip addr add 10.0.0.1/24 brd + dev eth0';

/** Runs a series of lines in a namespace with a device eth0; null when one of them is refused. */
function linux(lines: readonly string[]): string | null {
  const done = spawnSync('unshare', ['--net', 'sh', '-ec', `ip link set lo up; ${DEVICE}; ${lines.join('; ')}`], { encoding: 'utf8' });
  return done.status === 0 ? done.stdout : null;
}

/** The same on a host. */
function ours(lines: readonly string[]): string {
  const world = new World({ seed: 1 });
  const host: Host = world.host('alice', { ipv6: false, interfaces: [{ ip: '10.0.0.1/24' }] });
  world.cable(host, world.host('bob', { interfaces: [{ ip: '10.0.0.9/24' }] }));
  try {
    return lines.map((line) => host.sh(line)).join('');
  } finally {
    world.stop();
  }
}

/** Blanks at the end of a line come and go between versions of iproute2, and how many hold a discipline is the kernel's affair. */
function plain(text: string): string {
  return text.replace(/ +$/gm, '').replace(/refcnt \d+/g, 'refcnt N');
}

const reason = missing();
const skip = reason === '' ? false : reason;

const ADMIN: readonly string[] = [
  'ip route add 10.9.0.0/16 via 10.0.0.2 metric 5 mtu 1400 src 10.0.0.1',
  'ip route add blackhole 10.8.0.0/16',
  'ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:09 dev eth0 nud permanent',
  'ip addr add 10.0.0.5/24 brd + dev eth0',
];

void test('ip prints what iproute2 prints, as text and as JSON', { skip }, () => {
  const shows = [
    'ip route', 'ip -j route', 'ip neigh',
    'ip -j neigh', 'ip route get 10.9.0.1', 'ip -j -4 addr show dev lo', 'ip -br -4 addr show dev lo',
    'ip -j -br -4 addr show dev lo', 'ip -j link show dev lo', 'ip -4 addr show dev lo',
    'ip -o -4 addr show dev lo', 'ip -o link show dev lo', 'ip -o route', 'ip -o route get 10.9.0.1',
  ];
  for (const line of shows) {
    const real = linux([...ADMIN, line]);
    assert.ok(real !== null, line);
    const mine = ours([...ADMIN, line]);
    assert.equal(plain(mine), plain(real.replace(/ uid \d+ *(?=$|\\)/gm, '')), line); // who asks for a route is not shown here
  }
});

const HTB: readonly string[] = [
  'tc qdisc add dev eth0 root handle 1: htb default 30',
  'tc class add dev eth0 parent 1: classid 1:1 htb rate 10mbit ceil 10mbit burst 15k',
  'tc class add dev eth0 parent 1:1 classid 1:10 htb rate 6mbit ceil 10mbit prio 1',
  'tc class add dev eth0 parent 1:1 classid 1:30 htb rate 100kbit ceil 1gbit burst 2k cburst 3k prio 2 quantum 2000 mtu 1600 overhead 14 '
    + 'mpu 64',
  'tc class add dev eth0 parent 1: classid 1:40 htb rate 1gbit',
  'tc qdisc add dev eth0 parent 1:10 handle 10: pfifo limit 20',
];
const U32: readonly string[] = [
  'tc filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dport 80 0xffff flowid 1:10',
  'tc filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip src 10.0.0.0/24 match ip protocol 17 0xff flowid 1:30',
  'tc filter add dev eth0 parent 1:0 protocol all prio 5 u32 match u32 0 0 flowid 1:30',
  'tc filter add dev eth0 parent 1: protocol ipv6 prio 7 u32 match ip6 dst fd00::1/128 match ip6 dport 443 0xffff classid 1:10',
  'tc filter add dev eth0 parent 1: protocol ip u32 match ip tos 0x10 0xff match u8 0x40 0xf0 at 0 match u16 0x0800 0xffff at -2 '
    + 'flowid 1:10',
];

void test('tc prints disciplines, classes and filters as iproute2 does', { skip }, (t) => {
  const series: readonly (readonly string[])[] = [
    ['tc qdisc add dev eth0 root handle 1: tbf rate 1mbit burst 2k latency 100ms', 'tc qdisc show dev eth0', 'tc class show dev eth0'],
    ['tc qdisc add dev eth0 root handle 1: tbf rate 1mbit burst 2k latency 100ms',
      'tc qdisc add dev eth0 parent 1:1 handle 2: pfifo limit 9', 'tc qdisc show dev eth0', 'tc class show dev eth0'],
    ['tc qdisc add dev eth0 root handle 1: prio bands 4', 'tc qdisc show dev eth0', 'tc class show dev eth0'],
    [...HTB, 'tc class show dev eth0'],
    [...HTB, 'tc -d class show dev eth0'],
    [...HTB, 'tc class change dev eth0 classid 1:10 htb rate 3mbit', 'tc class show dev eth0'],
    [...HTB, 'tc class del dev eth0 classid 1:40', 'tc class show dev eth0'],
    [...HTB, ...U32, 'tc filter show dev eth0'],
    [...HTB, ...U32, 'tc filter show dev eth0 parent 1: prio 1'],
    [...HTB, ...U32, 'tc filter del dev eth0 parent 1: prio 1', 'tc filter show dev eth0'],
    [...HTB, 'tc filter add dev eth0 parent 1: protocol ip prio 2 handle 6 fw flowid 1:10', 'tc filter show dev eth0'],
    [...HTB, 'tc filter add dev eth0 parent 1: protocol ip prio 3 flower ip_proto tcp dst_port 80 classid 1:10', 'tc filter show dev eth0'],
    [...HTB, 'tc filter add dev eth0 parent 1: protocol all prio 4 matchall flowid 1:10', 'tc filter show dev eth0'],
  ];
  // The kernel lists classes by its hash of their numbers.
  const sorted = (text: string): string[] => plain(text).split('\n').sort();
  for (const lines of series) {
    const real = linux(lines);
    if (real === null) t.diagnostic(`not on this kernel: ${lines.at(-2)!}`);
    else assert.deepEqual(sorted(ours(lines)), sorted(real), lines.at(-1));
  }
});
