/**
 * tc: lines, what they make, what is shown, what is wrong with them. The forms of pfifo, bfifo, pfifo_fast, tbf and noqueue were
 * compared with tc of iproute2 6.1; the others follow its documentation.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World, type QdiscOptions } from '../../mod.ts';

function host(): ReturnType<World['host']> {
  const world = new World({ seed: 1 });
  const alice = world.host('alice', { interfaces: [{ ip: '10.0.0.1/24' }] });
  return alice;
}

test('what is said is what is shown', () => {
  const h = host();
  for (const [said, shown] of [
    ['pfifo limit 100', 'limit 100p'],
    ['pfifo', 'limit 1000p'],
    ['bfifo limit 15000', 'limit 15000b'],
    ['pfifo_fast', 'bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1'],
    ['prio bands 4 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 3', 'bands 4 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 3'],
    ['tbf rate 1mbit burst 10k latency 50ms', 'rate 1Mbit burst 10Kb lat 50ms '],
    [
      'tbf rate 1mbit burst 10k limit 30k peakrate 2mbit mtu 2000 overhead 14 linklayer ethernet',
      'rate 1Mbit burst 10Kb peakrate 2Mbit minburst 2000b lat 164ms overhead 14 ',
    ],
    ['tbf rate 125kbps buffer 4kb/8 limit 64kbit', 'rate 1Mbit burst 4Kb lat 32.8ms '],
    ['fq', 'limit 10000p flow_limit 100p buckets 1024 orphan_mask 1023 bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1 '
      + 'weights 589824 196608 65536 '
      + 'quantum 3028b initial_quantum 15140b low_rate_threshold 550Kbit refill_delay 40ms horizon 10s horizon_drop '],
    [
      'fq maxrate 10mbit limit 200 flow_limit 50 quantum 3000 initial_quantum 9000 buckets 16 nopacing horizon_cap horizon 2s '
      + 'bands 3 priomap 0 0 0 0 0 0 0 0 1 1 1 1 2 2 2 2 weights 90000 50000 20000',
      'limit 200p flow_limit 50p buckets 16 orphan_mask 1023 bands 3 priomap 0 0 0 0 0 0 0 0 1 1 1 1 2 2 2 2 weights 90000 50000 20000 '
      + 'nopacing quantum 3000b initial_quantum 9000b maxrate 10Mbit '
      + 'low_rate_threshold 550Kbit refill_delay 40ms horizon 2s horizon_cap ',
    ],
    ['codel ecn', 'limit 1000p target 5ms interval 100ms ecn '],
    ['fq_codel', 'limit 10240p flows 1024 quantum 1514 target 5ms interval 100ms memory_limit 32Mb ecn drop_batch 64 '],
    [
      'fq_codel limit 1000 target 3ms interval 50ms quantum 300 noecn flows 64 ce_threshold 1ms memory_limit 1m drop_batch 8',
      'limit 1000p flows 64 quantum 300 target 3ms ce_threshold 1ms interval 50ms memory_limit 1Mb drop_batch 8 ',
    ],
    ['netem', 'limit 1000'],
    ['netem delay 100ms 10ms 25% distribution normal', 'limit 1000 delay 100ms  10ms 25% distribution normal'],
    [
      'netem delay 100ms 10ms 25% loss 0.3% 25% duplicate 1% 5% reorder 25% 50% gap 5 corrupt 0.1% rate 1mbit 20 53 5 limit 500',
      'limit 500 delay 100ms  10ms 25% loss 0.3% 25% duplicate 1% 5% reorder 25% 50% corrupt 0.1% rate 1Mbit packetoverhead 20 '
      + 'cellsize 53 celloverhead 5 gap 5',
    ],
    ['netem latency 1500 loss random 10', 'limit 1000 delay 1.5ms loss 10%'],
    ['netem delay 10ms loss state 1% 10% 70% 20% 5%', 'limit 1000 delay 10ms loss state p13 1% p31 10% p32 70% p23 20% p14 5%'],
    ['netem loss gemodel 1% 10% 70% 0.1% ecn', 'limit 1000 loss gemodel p 1% r 10% 1-h 70% 1-k 0.1% ecn'],
    ['netem loss gemodel 1%', 'limit 1000 loss gemodel p 1% r 99% 1-h 100% 1-k 0%'],
    ['netem slot 800us 1000us packets 10 bytes 9000', 'limit 1000 slot 800us 1ms packets 10 bytes 9000'],
    ['netem delay 1ms slot distribution normal 1ms 100us seed 42', 'limit 1000 delay 1ms slot distribution normal 1ms 100us seed 42'],
  ] as const) {
    assert.equal(h.sh(`tc qdisc replace dev eth0 root handle 1: ${said}`), '');
    assert.equal(h.sh('tc qdisc show dev eth0'), `qdisc ${said.split(' ')[0]!} 1: root refcnt 2 ${shown}\n`, said);
    h.sh('tc qdisc del dev eth0 root');
  }
});

test('the same as an object: one model behind both doors', () => {
  const h = host();
  h.qdisc('eth0', {
    kind: 'netem', handle: '1:', delay: '100ms', jitter: '10ms', loss: { p: 0.01, r: 0.1, h: 0.3, k: 0.999 },
    child: { kind: 'fq_codel', handle: '10:' },
  });
  assert.equal(h.sh('tc qdisc'), 'qdisc noqueue 0: dev lo root refcnt 2 \n'
    + 'qdisc netem 1: dev eth0 root refcnt 2 limit 1000 delay 100ms  10ms loss gemodel p 1% r 10% 1-h 70% 1-k 0.1%\n'
    + 'qdisc fq_codel 10: dev eth0 parent 1:1 limit 10240p flows 1024 quantum 1514 target 5ms interval 100ms memory_limit 32Mb ecn '
    + 'drop_batch 64 \n');
  const { kind, handle, children } = h.qdisc('eth0');
  assert.deepEqual([kind, handle, children.map((c) => [c.kind, c.handle])], ['netem', '1:', [['fq_codel', '10:']]]);
  assert.equal(h.qdisc('eth0', 'default').kind, 'pfifo_fast');
  assert.equal(h.qdisc('eth0', { kind: 'noqueue' }).kind, 'noqueue');
});

test('add, change, replace, del: what each does to what is there', () => {
  const h = host();
  const show = (): string[] => h.sh('tc qdisc show dev eth0').trimEnd().split('\n').map((line) => line.split(' ').slice(1, 5).join(' '));
  const fails = (line: string, message: RegExp): void => { assert.throws(() => h.sh(line), { name: 'ToolError', message }); };
  fails('tc qdisc change dev eth0 root netem delay 1ms', /^tc qdisc change: there is nothing to change/);
  fails('tc qdisc del dev eth0 root', /^tc qdisc del: nothing of yours is there/);
  h.sh('tc qdisc add dev eth0 root handle 1: tbf rate 1mbit burst 10k latency 50ms');
  fails('tc qdisc add dev eth0 root handle 1: tbf rate 1mbit burst 10k latency 50ms',
    /^tc qdisc add: eth0 has tbf 1: there; use replace or change/);
  h.sh('tc qdisc add dev eth0 parent 1:1 handle 10: netem delay 1ms');
  h.sh('tc qdisc add dev eth0 parent 10:1 handle 20 pfifo');
  assert.deepEqual(show(), ['tbf 1: root refcnt', 'netem 10: parent 1:1', 'pfifo 20: parent 10:1']);
  h.sh('tc qdisc change dev eth0 handle 10: netem delay 2ms');
  assert.match(h.sh('tc qdisc show dev eth0'), /netem 10: parent 1:1 limit 1000 delay 2ms/);
  fails('tc qdisc change dev eth0 root fq', /^tc qdisc change: there is tbf 1:, another one; use replace/);
  fails('tc qdisc add dev eth0 parent 1:1 handle 20: pfifo', /^tc qdisc: handle: 20: is pfifo elsewhere on eth0/);
  h.sh('tc qdisc del dev eth0 parent 10:1');
  assert.deepEqual(show(), ['tbf 1: root refcnt', 'netem 10: parent 1:1']);
  h.sh('tc qdisc replace dev eth0 root fq');
  assert.deepEqual(show(), ['fq 8001: root refcnt']);
  h.sh('tc qdisc del dev eth0 root');
  assert.deepEqual(show(), ['pfifo_fast 0: root refcnt']);
});

test('a line that does not parse says which word, and what was expected', () => {
  const h = host();
  h.sh('tc qdisc add dev eth0 root handle 1: prio');
  for (const [line, message] of [
    ['tc', "tc: the object is missing; expected 'qdisc', 'class' or 'filter'"],
    ['tc action show', "tc: 'action' is not understood; expected 'qdisc', 'class' or 'filter'"],
    ['tc filter show', "tc filter show: 'dev NAME' is missing; there are lo, eth0"],
    ['tc filter add dev eth0 parent 7: matchall flowid 7:1', 'tc filter add: parent: eth0 has no discipline 7:'],
    ['tc filter add dev eth0 parent 1: route to 3 flowid 1:1',
      "tc filter add: 'route' is not understood; expected u32, fw, flower, matchall"],
    ['tc filter add dev eth0 parent 1: matchall', "tc filter add: matchall: '' is not understood; expected 'flowid 1:10'"],
    ['tc filter add dev eth0 parent 1: matchall flowid 2:1',
      "tc filter add: flowid: '2:1' is not understood; expected a class of 1: such as '1:10'"],
    ['tc filter add dev eth0 parent 1: fw flowid 1:1', "tc filter add: handle: '' is not understood; expected the mark of fw, such as "
      + "'handle 6' or 'handle 0x10/0xf0'"],
    ['tc filter add dev eth0 parent 1: protocol ipx matchall flowid 1:1',
      "tc filter add: protocol: 'ipx' is not understood; expected all, ip, ipv4, ipv6, arp, 802.1q or a number such as 0x88cc"],
    ['tc filter add dev eth0 parent 1: u32 match ip dport http 0xffff flowid 1:1',
      "tc filter add: dport: 'http' is not understood; expected a number up to 0xffff"],
    ['tc filter add dev eth0 parent 1: u32 match ip port 80 0xffff flowid 1:1', "tc filter add: match ip: 'port' is not understood; "
      + 'expected src, dst, tos, dsfield, precedence, ihl, protocol, sport, dport, icmp_type, icmp_code'],
    ['tc filter add dev eth0 parent 1: u32 match u32 0 0 at 3 flowid 1:1',
      "tc filter add: at: '3' is not understood; expected a multiple of 4 for a u32"],
    ['tc filter add dev eth0 parent 1: u32 match u32 0 0', "tc: u32: '' is not understood; expected 'flowid 1:10' at the end of the line"],
    ['tc filter add dev eth0 parent 1: protocol ip flower dst_port 80 classid 1:1',
      "tc filter add: 'dst_port' is not understood; expected 'ip_proto tcp', udp or sctp before ports"],
    ['tc filter add dev eth0 parent 1: flower src_ip 10.0.0.1 classid 1:1',
      "tc filter add: 'src_ip' is not understood; expected 'protocol ip' or 'protocol ipv6' before flower: addresses are of one family"],
    ['tc filter del dev eth0 parent 1: prio 3', 'tc filter del: there are no filters of prio 3 as described'],
    ['tc class add dev eth0 parent 1: classid 1:9 htb rate 1mbit', 'tc class add: prio 1: makes no classes; htb does'],
    ['tc class frob', "tc class: 'frob' is not understood; expected show, add, replace, change or del"],
    ['tc class add dev eth0 parent 1: htb rate 1mbit', "tc class add: 'classid 1:10' is missing: the number of the class"],
    ['tc qdisc frob', "tc qdisc: 'frob' is not understood; expected show, add, replace, change or del"],
    ['tc -x qdisc', "tc: option '-x' is not understood; known are -s --statistics --stats -d --details"],
    ['tc qdisc show dev eth9', "tc qdisc show: dev: 'eth9' is not understood; expected a device: lo, eth0"],
    ['tc qdisc add root netem', "tc qdisc: 'dev NAME' is missing; there are lo, eth0"],
    [
      'tc qdisc add dev eth0 root bla',
      "tc qdisc add: 'bla' is not understood; expected a discipline: noqueue, pfifo_fast, pfifo, bfifo, fq, codel, fq_codel, "
        + 'tbf, netem, htb, prio',
    ],
    [
      'tc qdisc add dev eth0 root netem dellay 10ms',
      "tc: netem: 'dellay' is not understood; expected limit, delay, latency, loss, drop, ecn, duplicate, reorder, corrupt, "
        + 'gap, distribution, rate, slot, seed',
    ],
    [
      'tc qdisc add dev eth0 root netem delay 10parsec',
      "tc: netem: delay: '10parsec' is not understood; expected a time such as 100ms, 20us or 1.5s",
    ],
    ['tc qdisc add dev eth0 root netem delay', 'tc: netem: delay is missing at the end of the line'],
    ['tc qdisc add dev eth0 root netem loss 120%', "tc: netem: loss: '120%' is not understood; expected a percentage from 0% to 100%"],
    [
      'tc qdisc add dev eth0 root netem loss often',
      "tc: netem: loss: 'often' is not understood; expected a percentage, 'random', 'state' or 'gemodel'",
    ],
    ['tc qdisc add dev eth0 root netem reorder 25%', 'tc: reorder: it needs a delay: what goes ahead overtakes what is delayed'],
    [
      'tc qdisc add dev eth0 root netem delay 1ms distribution gauss',
      "tc: distribution: 'gauss' is not understood; expected 'uniform', 'normal', 'pareto' or 'paretonormal'",
    ],
    ['tc qdisc add dev eth0 root netem delay 1ms distribution normal', 'tc: distribution: it needs delay and jitter'],
    [
      'tc qdisc add dev eth0 root netem rate 1parsec',
      "tc: netem: rate: '1parsec' is not understood; expected a rate such as 100mbit, 64kbit ('kbps' counts bytes)",
    ],
    ['tc qdisc add dev eth0 root tbf rate 1mbit', 'tc: burst: it is missing; a tbf needs rate, burst, and limit or latency'],
    [
      'tc qdisc add dev eth0 root tbf rate 1mbit burst 2k',
      'tc: limit: expected either limit (bytes) or latency (how long the last byte waits)',
    ],
    ['tc qdisc add dev eth0 root pfifo limit many', "tc: pfifo: limit: 'many' is not understood; expected a whole number"],
    ['tc qdisc add dev eth0 root pfifo_fast limit 3', "tc: pfifo_fast: 'limit' is not understood; expected nothing behind it"],
    ['tc qdisc add dev eth0 parent 7:1 pfifo', 'tc qdisc: parent: eth0 has no discipline 7:'],
    ['tc qdisc add dev eth0 parent 1:4 pfifo', "tc qdisc: parent: '1:4' is not understood; prio 1: has classes 1 to 3"],
    ['tc qdisc add dev eth0 parent 1 pfifo', "tc qdisc add: parent: '1' is not understood; expected a class such as '1:1', or 'root'"],
    [
      'tc qdisc add dev eth0 root handle x: pfifo',
      "tc qdisc add: handle: 'x:' is not understood; expected a hexadecimal number with a colon such as '1:'",
    ],
    ['tc qdisc add dev eth0 pfifo', "tc qdisc: the place is missing; expected 'root', 'parent 1:1' or the handle of one that there is"],
    ['tc qdisc add dev eth0 root', 'tc qdisc add: eth0 has prio 1: there; use replace or change'],
  ] as const) assert.throws(() => h.sh(line), { name: 'ToolError', message }, line);
  assert.equal(h.qdisc('eth0').kind, 'prio', 'nothing has changed');
});

test('classes of htb: what each verb does to what is there', () => {
  const h = host();
  const fails = (line: string, message: RegExp): void => { assert.throws(() => h.sh(line), { name: 'ToolError', message }, line); };
  h.sh('tc qdisc add dev eth0 root handle 1: htb default 0x20');
  h.sh('tc class add dev eth0 parent 1: classid 1:1 htb rate 10mbit');
  h.sh('tc class replace dev eth0 parent 1:1 classid 1:20 htb rate 1mbit ceil 2mbit');
  fails('tc class add dev eth0 parent 1:1 classid 1:20 htb rate 1mbit', /^tc class add: there is a class 1:20; use replace or change/);
  fails('tc class change dev eth0 classid 1:21 htb rate 1mbit', /^tc class change: there is no class 1:21/);
  fails('tc class add dev eth0 parent 1:7 classid 1:21 htb rate 1mbit', /^tc class add: parent: there is no class 1:7/);
  fails('tc class replace dev eth0 parent 1: classid 1:20 htb rate 1mbit', /stays where it is/);
  fails('tc class add dev eth0 parent 1:1 classid 1:21 htb', /rate: it is missing/);
  fails('tc class add dev eth0 parent 1:1 classid 1:21 htb rate 1mbit prio 9', /prio: 9 is out of range/);
  fails('tc class add dev eth0 parent 1:1 classid 1:21 hfsc', /'hfsc' is not understood; expected 'htb'/);
  fails('tc class del dev eth0 classid 1:1', /1:1 is in use/);
  fails('tc class del dev eth0 classid 1:77', /there is no class 1:77/);
  fails('tc qdisc add dev eth0 parent 1:1 pfifo', /htb 1: has no such leaf/);
  h.sh('tc qdisc add dev eth0 parent 1:20 handle 20: fq_codel');
  assert.equal(h.sh('tc class show dev eth0'), 'class htb 1:1 root rate 10Mbit ceil 10Mbit burst 1600b cburst 1600b \n'
    + 'class htb 1:20 parent 1:1 leaf 20: prio 0 rate 1Mbit ceil 2Mbit burst 1600b cburst 1600b \n');
  let parent = '1:20';
  for (let depth = 3; depth <= 8; depth++) {
    h.sh(`tc class add dev eth0 parent ${parent} classid 1:${String(depth)} htb rate 1mbit`);
    parent = `1:${String(depth)}`;
  }
  fails(`tc class add dev eth0 parent ${parent} classid 1:9 htb rate 1mbit`, /the tree is too deep/);
  assert.match(h.sh('tc -d class show dev eth0 classid 1:8'), /quantum 12500 rate 1Mbit .* level 0 $/m);
  assert.doesNotMatch(h.sh('tc qdisc show dev eth0'), /fq_codel/, 'what waited in a leaf ends when it gets classes');
});

test('wrong objects name the option and the accepted form, and change nothing', () => {
  const h = host();
  for (const [options, message] of [
    [{ kind: 'sfq' }, /^kind: 'sfq' is not a queueing discipline; expected noqueue, pfifo_fast/], [3, /^qdisc: expected an object/],
    [{ kind: 'netem', dellay: 1 }, /^netem: dellay: no such option; expected limit, delay/], [{ kind: 'fq', quantum: 0 }, /^quantum: 0/],
    [{ kind: 'fq', weights: [1, 2, 3] }, /^weights: 1 is out of range/],
    [{ kind: 'fq', priomap: [0] }, /^priomap: expected an array of 16/],
    [{ kind: 'fq', buckets: 3 }, /^buckets: 3 is not a power of two/], [{ kind: 'fq_codel', flows: 0 }, /^flows: 0 is out of range/],
    [{ kind: 'codel', interval: 0 }, /^interval: 0/], [{ kind: 'tbf', rate: 'x' }, /^rate: 'x'/], [{ kind: 'pfifo', child: {} },
    /^child: a pfifo/],
    [{ kind: 'tbf', rate: '1mbit', burst: '2kb', latency: '1ms', child: { kind: 'noqueue' } }, /^child: noqueue/],
    [{ kind: 'prio', children: [{}, {}, {}, {}].map(() => ({ kind: 'fq' })) }, /^children: 4 for 3 bands/],
    [{ kind: 'prio', bands: 2, priomap: new Array(16).fill(2) }, /^priomap: 2 is out of range/],
    [{ kind: 'htb', classes: [{ id: 1 }] }, /^rate: it is missing/], [{ kind: 'htb', classes: [{ id: 1, rate: 1, prio: 8 }] }, /^prio: 8/],
    [{ kind: 'htb', classes: [{ id: 2, parent: 1, rate: 1 }] }, /^parent: there is no class 0x1 before 0x2/],
    [{ kind: 'fq', handle: '1' }, /^handle: '1' is not understood/], [{ kind: 'netem', seed: -1 }, /^seed: -1/],
    [{ kind: 'netem', slot: {} }, /^slot: a slot lasts/], [{ kind: 'netem', ecn: true }, /^ecn: it needs loss/],
  ] as unknown as [QdiscOptions, RegExp][]) {
    assert.throws(() => h.qdisc('eth0', options), { message }, JSON.stringify(options));
    assert.equal(h.qdisc('eth0').kind, 'pfifo_fast');
  }
  assert.throws(() => h.qdisc('eth7'), /^RangeError: qdisc: device: alice has no 'eth7'; there are lo, eth0/);
});

test('net.core.default_qdisc is what devices begin with from then on', () => {
  const world = new World();
  const h = world.host('h', { sysctl: { 'net.core.default_qdisc': 'fq_codel' }, interfaces: [{ ip: '10.0.0.1/24' }] });
  assert.equal(h.qdisc('eth0').kind, 'fq_codel');
  h.sysctl('net.core.default_qdisc', 'fq');
  h.addInterface();
  assert.deepEqual([h.qdisc('eth0').kind, h.qdisc('eth1').kind, h.qdisc('lo').kind], ['fq_codel', 'fq', 'noqueue']);
  assert.throws(() => h.sysctl('net.core.default_qdisc', 'netem'), /is refused; expected pfifo_fast/);
});
