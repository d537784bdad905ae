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
  ];
  for (const line of shows) {
    const real = linux([...ADMIN, line]);
    assert.ok(real !== null, line);
    const mine = ours([...ADMIN, line]);
    assert.equal(plain(mine), plain(real.replace(/ uid \d+ *$/gm, '')), line); // who asks for a route is not shown here
  }
});
