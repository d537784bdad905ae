/** The journey of a packet, function by function and queue by queue, as an exact list. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, World, type Host, type TraceOptions, type WorldTrace } from '../../mod.ts';

interface Place { readonly world: World; readonly l1: Host; readonly r1: Host; readonly router: Host }

/** l1 and l2 – switch `left` – router – switch `right` – r1 and r2; everybody knows his neighbours. */
async function twoLans<T>(main: (place: Place) => Promise<T>, warm: boolean = true): Promise<T> {
  const world = new World({ seed: 10, digest: true });
  try {
    const { router, left, right } = world.twoLans({ hosts: 2, cable: { delay: '1ms' } });
    const place = { world, l1: left.hosts[0]!, r1: right.hosts[0]!, router };
    if (warm) await place.l1.ping(place.r1.ip, { count: 1 });
    return await world.run(() => main(place));
  } finally {
    world.stop();
  }
}

/** One datagram to port 7 of r1, where somebody waits. */
async function datagram({ l1, r1 }: Place, to: string = r1.ip): Promise<void> {
  const family = to.includes(':') ? AF_INET6 : AF_INET;
  const server = r1.kernel.socket(family, SOCK_DGRAM);
  r1.kernel.bind(server, { port: 7 });
  const reading = r1.kernel.read(server, new Uint8Array(100));
  l1.kernel.sys.sendto(l1.kernel.socket(family, SOCK_DGRAM), 'hello', { address: to, port: 7 });
  assert.equal(await reading, 5);
}

/** Down from IP to the card, over a switch, and up to IP at the next host. */
function hop(from: string, device: string, lan: string, ports: readonly [number, number], to: string, toDevice: string): string[] {
  const cable = (host: string, dev: string, port: number): string => {
    const [a, b] = [`${host}.${dev}`, `${lan}.p${String(port)}`];
    return CABLES.has(`${a}~${b}`) ? `${a}~${b}` : `${b}~${a}`;
  };
  return [
    `${from} ipOutput`, `${from} ipFinishOutput`, `${from} neighOutput`, `${from} devQueueXmit`, `${from} ndoStartXmit`,
    `${cable(from, device, ports[0])} cable`, `${lan} ingress`, `${lan} egress`, `${cable(to, toDevice, ports[1])} cable`,
    `${to} rxRing`, `${to} napiPoll`,
  ];
}

const CABLES: ReadonlySet<string> = new Set(['l1.eth0~left.p2', 'router.eth0~left.p1', 'router.eth1~right.p1', 'r1.eth0~right.p2']);

/** From l1's IP to r1's, through the router. */
const ACROSS: readonly string[] = [
  'l1 ipLocalOut', ...hop('l1', 'eth0', 'left', [2, 1], 'router', 'eth0'),
  'router netifReceiveSkb', 'router ipRcv', 'router ipRcvFinish', 'router ipForward',
  ...hop('router', 'eth1', 'right', [1, 2], 'r1', 'eth0'),
  'r1 netifReceiveSkb', 'r1 ipRcv', 'r1 ipRcvFinish', 'r1 ipLocalDeliver',
];

test('one UDP datagram, from sendto to the reader', async () => {
  await twoLans(async (place) => {
    using trace = place.world.trace();
    await datagram(place);
    assert.equal(trace.packets.length, 1);
    const packet = trace.packets[0]!;
    assert.deepEqual(packet.walk, [
      'l1 udpSendmsg', 'l1 udpSendSkb', 'l1 ipSendSkb', ...ACROSS,
      'r1 udpRcv', 'r1 udpQueueRcvSkb', 'r1 sockDefReadable', 'r1 udpRecvmsg',
    ]);
    assert.match(packet.summary, /^IP l1\.\d+ > r1\.7: udp \(5\)$/);
    assert.deepEqual(packet.places, ['l1', 'left', 'router', 'right', 'r1']);
    assert.equal(packet.dropped, '');
    const note = (fn: string): string[] => packet.steps.filter((step) => step.fn === fn).map((step) => step.note);
    assert.deepEqual(note('egress'), ['p1, learned, 0 waiting', 'p2, learned, 0 waiting']);
    assert.deepEqual(note('ipForward'), ['eth0 to eth1, ttl 64']);
    assert.deepEqual(note('sockDefReadable'), ['wakes the reader']);
    const times = packet.steps.map((step) => step.time);
    assert.deepEqual([...times].sort((a, b) => a - b), times);
    assert.ok(packet.duration > 4_000_000 && packet.duration < 4_100_000, 'four cables of a millisecond each');
  });
});

test('one TCP segment, from write to the reader, and the ACK that answers it', async () => {
  await twoLans(async ({ world, l1, r1 }) => {
    const listener = r1.kernel.socket(AF_INET, SOCK_STREAM);
    r1.kernel.bind(listener, { port: 80 });
    r1.kernel.listen(listener);
    const fd = l1.kernel.socket(AF_INET, SOCK_STREAM);
    const [accepted] = await Promise.all([r1.kernel.accept(listener), l1.kernel.connect(fd, { address: r1.ip, port: 80 })]);
    await l1.kernel.sleep('50ms');
    using trace = world.trace();
    const reading = r1.kernel.read(accepted.fd, new Uint8Array(100));
    l1.kernel.sys.write(fd, 'hello');
    await reading;
    await l1.kernel.sleep('50ms');
    assert.equal(trace.packets.length, 2);
    const [segment, ack] = trace.packets as [typeof trace.packets[0], typeof trace.packets[0]];
    assert.deepEqual(segment.walk, [
      'l1 tcpSendmsg', 'l1 tcpWriteXmit', 'l1 tcpTransmitSkb', 'l1 ipQueueXmit', ...ACROSS,
      'r1 tcpV4Rcv', 'r1 tcpRcvEstablished', 'r1 tcpQueueRcv', 'r1 sockDefReadable', 'r1 tcpRecvmsg',
    ]);
    assert.match(segment.summary, /^IP l1\.\d+ > r1\.80: P\. /);
    assert.deepEqual(ack.walk.slice(0, 3), ['r1 tcpSendAck', 'r1 tcpTransmitSkb', 'r1 ipQueueXmit']);
    assert.deepEqual(ack.walk.slice(-3), ['l1 tcpV4Rcv', 'l1 tcpRcvEstablished', 'l1 tcpAck']);
  });
});

test('what waits for ARP says so, and the question is flooded', async () => {
  await twoLans(async (place) => {
    using trace = place.world.trace({ at: ['l1', 'left'] });
    await datagram(place);
    const [data, request] = [trace.select((f) => f.udp)[0]!, trace.select((f) => f.arp?.op === 1)[0]!];
    const waits = data.steps.find((step) => step.fn === 'neighEventSend')!;
    assert.equal(waits.note, 'who has 10.0.0.1? 0 waiting');
    const goes = data.steps.find((step) => step.fn === 'neighOutput')!;
    assert.ok(goes.time - waits.time > 4_000_000, 'there and back, over two cables');
    assert.deepEqual(request.walk, [
      'l1 arpSend', 'l1 devQueueXmit', 'l1 ndoStartXmit', 'left ingress', 'left egress', 'left egress',
    ]);
    assert.deepEqual(request.steps.slice(-2).map((step) => step.note), ['p1, flooded, 0 waiting', 'p3, flooded, 0 waiting']);
  }, false);
});

test('a dropped packet ends in its reason, and what came of it is another packet', async () => {
  await twoLans(async ({ world, l1, r1, router }) => {
    using trace = world.trace();
    const fd = l1.kernel.socket(AF_INET, SOCK_DGRAM);
    const send = async (): Promise<void> => {
      l1.kernel.sys.sendto(fd, 'anybody?', { address: r1.ip, port: 9 });
      await l1.kernel.sleep('20ms');
    };
    await send();
    const [lost, error] = trace.packets as [typeof trace.packets[0], typeof trace.packets[0]];
    assert.deepEqual(lost.walk.slice(-3), ['r1 ipLocalDeliver', 'r1 udpRcv', 'r1 drop NO_SOCKET']);
    assert.equal(lost.dropped, 'NO_SOCKET');
    assert.match(lost.line, / udp \(8\) {2}\[l1 → left → router → right → r1 ✗ NO_SOCKET\]$/);
    assert.equal(error.walk[0], 'r1 icmpSend');
    assert.equal(error.walk.at(-1), 'l1 icmpRcv');

    l1.kernel.close(fd);
    router.sh('iptables -A FORWARD -p udp -j DROP');
    l1.kernel.sys.sendto(l1.kernel.socket(AF_INET, SOCK_DGRAM), 'anybody?', { address: r1.ip, port: 9 });
    await l1.kernel.sleep('20ms');
    assert.deepEqual(trace.packets[2]!.walk.slice(-3), ['router ipForward', 'router nfHookSlow', 'router drop NETFILTER_DROP']);
    assert.equal(trace.packets[2]!.steps.at(-2)!.note, 'FORWARD');

    world.cables[0]!.drop();
    l1.kernel.sys.sendto(l1.kernel.socket(AF_INET, SOCK_DGRAM), 'anybody?', { address: r1.ip, port: 9 });
    await l1.kernel.sleep('20ms');
    assert.match(trace.packets[3]!.walk.at(-1)!, /^\S+~\S+ drop CABLE_RULE$/);
  });
});

test('a queue in front of the card: in line, and out of it', async () => {
  await twoLans(async ({ world, l1, r1 }) => {
    l1.sh('tc qdisc add dev eth0 root tbf rate 1mbit burst 1600 limit 10000');
    using trace = world.trace({ filter: 'udp', at: [l1] });
    const fd = l1.kernel.socket(AF_INET, SOCK_DGRAM);
    for (let i = 0; i < 2; i++) l1.kernel.sys.sendto(fd, new Uint8Array(1400), { address: r1.ip, port: 9 });
    await l1.kernel.sleep('50ms');
    const second = trace.packets[1]!;
    const [enqueued, dequeued] = ['devQdiscEnqueue', 'dequeueSkb'].map((fn) => second.steps.find((step) => step.fn === fn)!);
    assert.match(enqueued!.note, /^tbf, \d waiting$/);
    assert.equal(dequeued!.note, 'tbf, 0 waiting');
    assert.ok(dequeued!.time - enqueued!.time > 5_000_000, 'as long as a datagram takes at a megabit per second');
  });
});

test('fragments are one packet, and an echo reply is another than its request', async () => {
  await twoLans(async (place) => {
    const { world, l1, r1 } = place;
    const frags = world.trace({ where: (f) => f.udp });
    const server = r1.kernel.socket(AF_INET, SOCK_DGRAM);
    r1.kernel.bind(server, { port: 8 });
    l1.kernel.sys.sendto(l1.kernel.socket(AF_INET, SOCK_DGRAM), new Uint8Array(3000), { address: r1.ip, port: 8 });
    await l1.kernel.sleep('50ms');
    frags.stop();
    assert.equal(frags.packets.length, 1);
    assert.equal(frags.packets[0]!.steps.filter((step) => step.fn === 'ipFragment').length, 3);
    assert.equal(frags.packets[0]!.steps.filter((step) => step.fn === 'ipDefrag').length, 3);

    using echo = world.trace({ filter: 'icmp' });
    await l1.ping(r1.ip, { count: 1 });
    assert.deepEqual(echo.packets.map((packet) => packet.walk[packet.walk.length - 1]), ['r1 icmpRcv', 'l1 sockDefReadable']);
    assert.equal(echo.packets[1]!.walk[0], 'r1 icmpReply');
    echo.stop();
    assert.equal(world.trace({ filter: 'icmp' }).packets.length, 0);
  });
});

test('IPv6 has a walk of its own', async () => {
  const world = new World({ seed: 6 });
  try {
    const { alice, bob } = world.twoHosts();
    await world.run(async () => {
      await alice.kernel.sleep('5s'); // addresses are no longer tentative
      alice.kernel.sys.sendto(alice.kernel.socket(AF_INET6, SOCK_DGRAM), 'who are you?', { address: bob.ip6, port: 9 });
      await alice.kernel.sleep('10ms');
      using trace = world.trace({ filter: 'udp' });
      await datagram({ world, l1: alice, r1: bob, router: bob }, bob.ip6);
      assert.deepEqual(trace.packets.map((packet) => packet.walk), [[
        'alice udpv6Sendmsg', 'alice ip6SendSkb', 'alice ip6LocalOut', 'alice ip6Output', 'alice ip6FinishOutput', 'alice neighOutput',
        'alice devQueueXmit', 'alice ndoStartXmit', 'alice.eth0~bob.eth0 cable', 'bob rxRing', 'bob napiPoll', 'bob netifReceiveSkb',
        'bob ip6Rcv', 'bob ip6RcvFinish', 'bob ip6LocalDeliver', 'bob udpv6Rcv', 'bob udpQueueRcvSkb', 'bob sockDefReadable',
        'bob udpRecvmsg',
      ]]);
    });
  } finally {
    world.stop();
  }
});

test('nothing is recorded before, after, or of packets that nobody asked for', async () => {
  await twoLans(async (place) => {
    const { world, l1, r1 } = place;
    const trace = world.trace({ filter: 'tcp' });
    await datagram(place);
    assert.deepEqual(trace.packets, []);
    trace.stop();
    const one = world.trace({ limit: 7 });
    const fd = l1.kernel.socket(AF_INET, SOCK_DGRAM);
    l1.kernel.sys.sendto(fd, 'followed', { address: r1.ip, port: 9 });
    one.stop(); // and yet what is on its way is followed to its end, as far as there is room
    l1.kernel.sys.sendto(fd, 'not followed', { address: r1.ip, port: 9 });
    await l1.kernel.sleep('20ms');
    assert.equal(one.packets.length, 1);
    assert.equal(one.packets[0]!.steps.length, 7);
    assert.equal(one.packets[0]!.dropped, 'NO_SOCKET');
    assert.ok(one.missed > 10);
  });
});

test('the bytes, their times and the drops are those of a world without a trace', async () => {
  const digests: string[] = [];
  for (const follow of [false, true]) {
    const traces: WorldTrace[] = [];
    digests.push(await twoLans(async (place) => {
      const { world, l1, r1 } = place;
      if (follow) traces.push(world.trace(), world.trace({ where: (f) => f.tcp }));
      world.cables[0]!.setWeather({ loss: 0.05, duplicate: 0.05, jitter: '1ms' });
      const server = r1.net.createServer((socket) => socket.end(Buffer.alloc(100_000))).listen(13);
      let bytes = 0;
      for await (const chunk of l1.net.connect(13, r1.ip)) bytes += (chunk as Uint8Array).length;
      assert.equal(bytes, 100_000);
      server.close();
      return world.digest();
    }));
    for (const trace of traces) assert.ok(trace.packets.length > 50);
  }
  assert.equal(digests[0], digests[1]);
});

test('as text: the packet, then each place with what it passes there', async () => {
  await twoLans(async (place) => {
    using trace = place.world.trace({ filter: 'udp' });
    await datagram(place);
    const text = String(trace).split('\n');
    assert.match(text[0]!, /^#\d+ IP l1\.\d+ > r1\.7: udp \(5\)$/);
    assert.deepEqual(text.filter((line) => /^ +\S+$/.test(line)), [
      `${' '.repeat(13)}l1`, `${' '.repeat(15)}left`, `${' '.repeat(17)}router`, `${' '.repeat(19)}right`, `${' '.repeat(21)}r1`,
    ]);
    for (const line of text) assert.ok(line.length <= 110, line);
  });
});

test('wrong options are errors that name them', () => {
  const refused: readonly (readonly [unknown, RegExp])[] = [
    [{ host: 'l1' }, /trace: host: no such option/],
    [{ where: 'udp' }, /trace: where: expected a function of a frame/],
    [{ filter: 53 }, /trace: filter: expected text such as 'udp port 53'/],
    [{ filter: 'udp prot 53' }, /prot/],
    [{ at: 'l1' }, /trace: at: expected an array of hosts/],
    [{ at: [3] }, /trace: at: expected an array of hosts/],
    [{ limit: 0 }, /limit/],
  ];
  using world = new World();
  for (const [options, message] of refused) assert.throws(() => world.trace(options as TraceOptions), message);
});
