/** htb: rates, borrowing, precedence, turns; and filters that lead packets to classes, of htb and of prio. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, SOCK_DGRAM, World } from '../../../mod.ts';
import type { QdiscOptions } from '../../../src/dev/sched/kinds.ts';
import { run } from '../lab.ts';
import { Bench } from './bench.ts';

const SECOND = 1e9;

/** Sends 1000-byte packets to the classes by their priority, `1:id`, so that each always has some; returns bytes per class and second. */
function share(options: Omit<QdiscOptions & { kind: 'htb' }, 'kind' | 'handle'>, ids: readonly number[], seconds: number): number[] {
  const b = new Bench({ kind: 'htb', handle: '1:', ...options });
  const every = 600_000; // 13 Mbit/s offered to each
  for (let t = 0; t < seconds * SECOND; t += every) {
    b.at(t, () => { for (const id of ids) b.send(id, 1000, { priority: 0x10000 | id }); });
  }
  run(b.h.sim, seconds * SECOND);
  const sum = ids.map((id) => b.left.filter((p) => p.id === id).reduce((n, p) => n + p.len, 0));
  b.dev.qdisc!.reset();
  b.run();
  assert.equal(b.h.pool.live, 0);
  return sum.map((n) => Math.round((n * 8) / seconds / 1e5) / 10); // Mbit/s, one digit
}

test('a class has its rate, and no more than its ceil', () => {
  assert.deepEqual(share({ classes: [{ id: 0x10, rate: '2mbit' }, { id: 0x20, rate: '5mbit' }] }, [0x10, 0x20], 1), [2, 5]);
});

test('what one does not use, others borrow: up to their ceil, in proportion to their rates', () => {
  const classes = [
    { id: 1, rate: '10mbit' }, { id: 0x10, parent: 1, rate: '4mbit', ceil: '10mbit' },
    { id: 0x20, parent: 1, rate: '1mbit', ceil: '10mbit' },
    { id: 0x30, parent: 1, rate: '5mbit', ceil: '10mbit' },
  ];
  assert.deepEqual(share({ classes }, [0x10, 0x20, 0x30], 1), [4, 1, 5], 'all busy: each its rate');
  const [a, b] = share({ classes }, [0x10, 0x20], 2);
  assert.ok(Math.abs(a! + b! - 10) <= 0.2, `${String(a! + b!)} Mbit/s of 10`);
  assert.ok(Math.abs(a! - 8) <= 0.2, `${String(a!)}: four fifths of what is lent are its`);
  assert.deepEqual(share({ classes: classes.map((c) => ({ ...c, ...(c.id === 0x20 ? { ceil: '3mbit' } : {}) })) }, [0x20], 1), [3]);
});

test('who borrows first is a matter of prio; its own rate everybody has', () => {
  const classes = [
    { id: 1, rate: '10mbit' }, { id: 0x10, parent: 1, rate: '1mbit', ceil: '10mbit', prio: 1 },
    { id: 0x20, parent: 1, rate: '1mbit', ceil: '10mbit', prio: 0 },
  ];
  assert.deepEqual(share({ classes }, [0x10, 0x20], 1), [1, 9]);
});

test('through two levels: the nearest class that has something lends', () => {
  const classes = [
    { id: 1, rate: '10mbit' }, { id: 2, parent: 1, rate: '6mbit', ceil: '10mbit' }, { id: 3, parent: 1, rate: '4mbit', ceil: '10mbit' },
    { id: 0x21, parent: 2, rate: '1mbit', ceil: '10mbit' }, { id: 0x22, parent: 2, rate: '1mbit', ceil: '10mbit' },
    { id: 0x31, parent: 3, rate: '1mbit', ceil: '10mbit' },
  ];
  const [a, b, c] = share({ classes }, [0x21, 0x22, 0x31], 2);
  assert.ok(Math.abs(a! - 3) <= 0.2 && Math.abs(b! - 3) <= 0.2 && Math.abs(c! - 4) <= 0.2, String([a, b, c]));
});

test('what no class has goes first, and unbounded; a burst leaves at once', () => {
  const b = new Bench({ kind: 'htb', handle: '1:', classes: [{ id: 0x10, rate: '1mbit', burst: 3000, cburst: 3000 }] });
  for (let i = 0; i < 5; i++) b.send(i, 1000, { priority: 0x10010 });
  b.send(9, 1000, { priority: 0 });
  b.run();
  // 3000 bytes are 24 ms of tokens: a packet may leave while they are not negative, and they are 0 after three, so that a fourth may.
  assert.deepEqual(b.left.map((p) => [p.id, Math.round(p.at / 1e5) / 10]), [[0, 0], [1, 0], [2, 0], [3, 0], [9, 0], [4, 8]]);
});

test('filters: by port, address, mark and precedence; what none knows is the default\'s', async () => {
  const world = new World({ seed: 3, costs: 'zero' });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob);
  for (const line of [
    'qdisc add dev eth0 root handle 1: htb default 40',
    'class add dev eth0 parent 1: classid 1:1 htb rate 100mbit',
    ...[10, 20, 30, 40, 50].map((id) => `class add dev eth0 parent 1:1 classid 1:${String(id)} htb rate 10mbit`),
    'filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dport 80 0xffff match ip protocol 17 0xff flowid 1:10',
    'filter add dev eth0 parent 1: protocol ip prio 2 handle 0x6/0xf fw flowid 1:20',
    'filter add dev eth0 parent 1: protocol ip prio 3 flower ip_proto udp dst_port 8000-8100 dst_ip 10.0.0.0/24 flowid 1:30',
    'filter add dev eth0 parent 1: protocol ipv6 prio 4 u32 match ip6 dst fd00::/8 match ip6 dport 53 0xffff flowid 1:50',
  ]) alice.sh(`tc ${line}`);
  const fd = alice.kernel.socket(AF_INET, SOCK_DGRAM);
  const marked = alice.kernel.socket(AF_INET, SOCK_DGRAM);
  const fd6 = alice.kernel.socket(10, SOCK_DGRAM);
  alice.sh('iptables -t mangle -A OUTPUT -p udp --dport 9 -j MARK --set-mark 0x16');
  for (const [sk, address, port] of [
    [fd, bob.ip, 80], [marked, bob.ip, 9], [fd, bob.ip, 8000], [fd, bob.ip, 8100], [fd, bob.ip, 8101],
    [fd6, bob.ip6, 53], [fd6, bob.ip6, 54],
  ] as const) alice.kernel.sys.sendto(sk, new Uint8Array(10), { address, port });
  await world.advance('1s');
  const packets = (id: number): number => {
    const shown = alice.sh(`tc -s class show dev eth0 classid 1:${String(id)}`);
    return Number(/Sent \d+ bytes (\d+) pkt/.exec(shown)![1]);
  };
  assert.deepEqual([10, 20, 30, 50].map(packets), [1, 1, 2, 1]);
  assert.ok(packets(40) >= 3, 'the others, and what ARP and NDP ask');
  assert.throws(() => alice.sh('tc class del dev eth0 classid 1:10'), /1:10 is in use/);
  alice.sh('tc filter del dev eth0 parent 1: prio 1');
  alice.sh('tc class del dev eth0 classid 1:10');
  assert.doesNotMatch(alice.sh('tc class show dev eth0'), /1:10/);
  world.stop();
});

test('prio with filters: the band is what they say', async () => {
  const world = new World({ seed: 3, costs: 'zero' });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob);
  alice.sh('tc qdisc add dev eth0 root handle 1: prio bands 4');
  alice.sh('tc filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dport 80 0xffff flowid 1:1');
  alice.sh('tc filter add dev eth0 parent 1: protocol all prio 9 matchall classid 1:4');
  const fd = alice.kernel.socket(AF_INET, SOCK_DGRAM);
  for (const port of [80, 81, 82]) alice.kernel.sys.sendto(fd, new Uint8Array(10), { address: bob.ip, port });
  await world.advance('1s');
  const shown = alice.sh('tc -s class show dev eth0');
  const sent = [...shown.matchAll(/class prio 1:(\d) parent 1: \n Sent \d+ bytes (\d+) pkt/g)].map((m) => Number(m[2]));
  assert.deepEqual([sent[0], sent[1], sent[2]], [1, 0, 0]);
  assert.ok(sent[3]! >= 2);
  world.stop();
});
