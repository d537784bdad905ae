/** Faults: each kind does what it says, ends when it should, and is told in the log; wrong ones are refused by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, install, SOCK_DGRAM, SOCK_STREAM, World, type Cable, type Fault, type Host } from '../../mod.ts';
import { Random } from '../../src/lib/random.ts';
import { randomFaults, shrinkFaults } from '../../src/testing/fault-plan.ts';

/** Two hosts and a cable of 1 ms. */
function pair(seed = 1): { world: World; alice: Host; bob: Host; cable: Cable } {
  const world = new World({ seed, costs: 'zero' });
  const alice = world.host('alice');
  const bob = world.host('bob');
  return { world, alice, bob, cable: world.cable(alice, bob, { delay: '1ms', name: 'wire' }) };
}

/** Runs `body`, and stops the world whatever happens, so that a failed test ends. */
async function inWorld(world: World, body: () => Promise<void>): Promise<void> {
  try {
    await world.run(body);
  } finally {
    world.stop();
  }
}

/** A stream of `size` bytes from alice to bob through the sockets of Node; how long it took, in virtual milliseconds. */
async function transfer(world: World, alice: Host, bob: Host, size: number): Promise<number> {
  const bytes = Buffer.alloc(size, 0x5a);
  const started = world.now;
  await new Promise<void>((resolve, reject) => {
    const server = bob.net.createServer((socket) => {
      const got: Buffer[] = [];
      socket.on('data', (data) => got.push(data));
      socket.on('error', reject);
      socket.on('end', () => {
        assert.ok(Buffer.concat(got).equals(bytes), 'every byte, once');
        socket.end();
        server.close(() => resolve());
      });
    }).listen(9);
    alice.net.connect(9, bob.ip).on('error', reject).end(bytes);
  });
  return world.now - started;
}

test('weather: over the cable\'s own for a while; overlapping faults end in any order', async () => {
  const { world, cable } = pair();
  world.faults([
    { kind: 'weather', cable: 'wire', weather: { delay: '50ms' }, at: '1s', for: '2s' },
    { kind: 'weather', cable: 'wire', weather: { delay: '70ms', loss: 0.5 }, direction: 'ab', at: '2s', for: '5s' },
  ]);
  const seen: [number, number][] = [];
  await inWorld(world, async () => {
    for (const second of [0.5, 1.5, 2.5, 3.5, 7.5]) {
      await world.advance(second * 1000 - world.now);
      seen.push([cable.ab.weather.delay / 1e6, cable.ba.weather.delay / 1e6]);
    }
  });
  assert.deepEqual(seen, [[1, 1], [50, 50], [70, 50], [70, 1], [1, 1]]);
  assert.deepEqual(world.faultLog, [
    '1.000000 fault begins: weather {"delay":"50ms"} on wire for 2s',
    '2.000000 fault begins: weather {"delay":"70ms","loss":0.5} on wire (ab) for 5s',
    '3.000000 fault ends: weather {"delay":"50ms"} on wire',
    '7.000000 fault ends: weather {"delay":"70ms","loss":0.5} on wire (ab)',
  ]);
});

test('partition: one way, lost or held; what is held is delivered in order when it ends', async () => {
  for (const hold of [false, true]) {
    const { world, alice, bob } = pair();
    await inWorld(world, async () => {
      const to = bob.kernel.socket(AF_INET, SOCK_DGRAM, 0);
      bob.kernel.bind(to, { address: bob.ip, port: 5 });
      const from = alice.kernel.socket(AF_INET, SOCK_DGRAM, 0);
      await alice.kernel.connect(from, { address: bob.ip, port: 5 });
      alice.kernel.sys.send(from, Uint8Array.of(0));
      const buffer = new Uint8Array(8);
      await bob.kernel.recv(to, buffer);
      {
        using cut = world.fault({ kind: 'partition', a: ['alice'], b: ['bob'], direction: 'ab', hold });
        for (let i = 1; i <= 3; i++) alice.kernel.sys.send(from, Uint8Array.of(i));
        await world.advance('100ms');
        assert.equal(cut.state, 'active');
        assert.throws(() => bob.kernel.sys.recv(to, buffer), { code: 'EAGAIN' });
      }
      await world.advance('100ms');
      const got: number[] = [];
      for (;;) {
        try {
          bob.kernel.sys.recv(to, buffer);
          got.push(buffer[0]!);
        } catch {
          break;
        }
      }
      assert.deepEqual(got, hold ? [1, 2, 3] : []);
      assert.equal(world.drops()['PARTITION'] ?? 0, hold ? 0 : 3);
    });
  }
});

test('cut and flap: the link goes, TCP goes on when it is back; two faults on one cable end with the last', async () => {
  const { world, alice, bob, cable } = pair(7);
  world.faults([
    { kind: 'cut', cable: 'wire', at: '5ms', for: '500ms' },
    { kind: 'cut', cable: 'wire', at: '100ms', for: '1s' },
    { kind: 'flap', cable: 'wire', at: '2s', every: '100ms', down: '30ms', for: '1s' },
  ]);
  const states: boolean[] = [];
  await inWorld(world, async () => {
    const done = transfer(world, alice, bob, 3_000_000);
    for (const at of [600, 1050, 1150, 2010, 2050, 2110, 3100]) {
      await world.advance(at - world.now);
      states.push(cable.up);
    }
    await done;
  });
  assert.deepEqual(states, [false, false, true, false, true, false, true]);
  assert.ok((world.drops()['CABLE_DOWN'] ?? 0) > 0);
});

test('card: a stalled ring loses frames by name; a lost interrupt is made up for; a flipped bit reaches the reader', async () => {
  const { world, alice, bob } = pair(3);
  await inWorld(world, async () => {
    await transfer(world, alice, bob, 1000);
    world.fault({ kind: 'card', host: 'bob', fault: 'rx-stall', for: '300ms' });
    assert.ok(await transfer(world, alice, bob, 1000) >= 300, 'the SYN had to be sent again');
    assert.ok(Number(/rx_missed_errors: (\d+)/.exec(bob.sh('ethtool -S eth0'))?.[1]) > 0);

    await world.advance('10ms'); // until the card has nothing left to say about what it sent
    world.fault({ kind: 'card', host: 'bob', fault: 'lost-interrupt', count: 1 });
    assert.ok(await transfer(world, alice, bob, 1000) >= 200, 'the frame lies in the ring until the next one comes');

    const to = bob.kernel.socket(AF_INET, SOCK_DGRAM, 0);
    bob.kernel.bind(to, { address: bob.ip, port: 5 });
    const from = alice.kernel.socket(AF_INET, SOCK_DGRAM, 0);
    await alice.kernel.connect(from, { address: bob.ip, port: 5 });
    using rot = world.fault({ kind: 'card', host: 'bob', fault: 'corrupt', rate: 1 });
    const sent = new Uint8Array(1000).fill(7);
    alice.kernel.sys.send(from, sent);
    const got = new Uint8Array(1000);
    assert.equal(await bob.kernel.recv(to, got), 1000);
    const flipped = got.reduce((n, byte, i) => n + (byte === sent[i] ? 0 : 1), 0);
    assert.equal(flipped, 1, 'one byte is another one, and no checksum has noticed');
    assert.ok(sent.every((byte) => byte === 7), "the sender's bytes are untouched");
    rot.lift();
  });
});

test('card: a hung transmit engine is reset by the watchdog after five seconds of a stopped queue', async () => {
  const { world, alice, bob } = pair(4);
  await inWorld(world, async () => {
    const from: number[] = [];
    for (let i = 0; i < 20; i++) { // more than one socket's send buffer
      from.push(alice.kernel.socket(AF_INET, SOCK_DGRAM, 0));
      await alice.kernel.connect(from[i]!, { address: bob.ip, port: 5 });
    }
    alice.kernel.sys.send(from[0]!, Uint8Array.of(1));
    await world.advance('10ms');
    const hang = world.fault({ kind: 'card', host: 'alice', fault: 'tx-hang' });
    const started = world.now;
    // Until the ring is full, and the queue in front of it stopped.
    for (let i = 0; i < 2000; i++) {
      try {
        alice.kernel.sys.send(from[i % 20]!, new Uint8Array(1000));
      } catch (error) {
        assert.ok(['EAGAIN', 'ENOBUFS', 'ECONNREFUSED'].includes(String((error as { code?: string }).code)));
      }
    }
    const timeouts = (): number => Number(/tx_timeout_count: (\d+)/.exec(alice.sh('ethtool -S eth0'))?.[1]);
    await world.advance('4900ms');
    assert.equal(timeouts(), 0);
    await world.advance('200ms');
    assert.equal(timeouts(), 1, `after ${String(world.now - started)} ms`);
    hang.lift();
    await transfer(world, alice, bob, 1000);
  });
});

test('crash, boot, kill, stop and freeze by plan', async () => {
  const { world, alice, bob } = pair(5);
  const served: number[] = [];
  bob.onBoot(() => {
    bob.net.createServer((socket) => {
      served.push(Math.round(world.now));
      socket.on('error', () => undefined).resume().end('hi');
    }).listen(7);
  });
  const ask = (): Promise<string> => new Promise((resolve) => {
    const socket = alice.net.connect({ port: 7, host: bob.ip, timeout: 500 });
    socket.on('timeout', () => {
      resolve('timeout');
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? '?'));
    socket.on('data', (data) => {
      resolve(String(data));
      socket.end();
    });
  });
  world.faults([
    { kind: 'crash', host: 'bob', at: '1s', for: '1s' },
    { kind: 'kill', host: 'bob', process: 'node', at: '3s' },
    { kind: 'crash', host: 'bob', at: '4s' },
    { kind: 'boot', host: 'bob', at: '5s' },
    { kind: 'freeze', host: 'bob', at: '6s', for: '400ms' },
  ]);
  const answers: string[] = [];
  await inWorld(world, async () => {
    for (const at of [500, 1200, 2500, 3200, 4200, 5200, 6001]) {
      await world.advance(at - world.now);
      answers.push(await ask());
    }
  });
  assert.deepEqual(answers, ['hi', 'timeout', 'hi', 'ECONNREFUSED', 'timeout', 'hi', 'hi']);
  assert.ok(served.at(-1)! >= 6400, 'frozen until 6.4 s');
});

test('clock: the wall clock of one host is off; at the end it is set right', async () => {
  const { world, alice, bob } = pair();
  world.fault({ kind: 'clock', host: 'bob', step: -2000, driftPpm: 500, at: '1s', for: '100s' });
  world.fault({ kind: 'freeze', host: 'alice', clock: 'stands', at: '1s', for: '300ms' });
  await inWorld(world, async () => {
    await world.advance('51s');
    assert.equal(Math.round(bob.clock.skewMs), -1975, 'two seconds behind, and 500 µs ahead in each second since');
    assert.equal(alice.clock.skewMs, -300);
    await world.advance('60s');
    assert.equal(bob.clock.skewMs, 0);
  });
});

test('sysctl: few ports are left for a while', async () => {
  const { world, alice, bob } = pair();
  bob.net.createServer().listen(7);
  world.fault({ kind: 'sysctl', host: 'alice', name: 'net.ipv4.ip_local_port_range', value: [40000, 40001], at: '1s', for: '1s' });
  await inWorld(world, async () => {
    await world.advance('1500ms');
    const open = (): Promise<number> => {
      const fd = alice.kernel.socket(AF_INET, SOCK_STREAM, 0);
      return alice.kernel.connect(fd, { address: bob.ip, port: 7 }).then(() => fd);
    };
    await open();
    await open();
    await assert.rejects(open(), { code: 'EADDRNOTAVAIL' });
    await world.advance('1s');
    await open();
  });
});

test('calls: short reads and writes, EINTR and wake-ups for nothing change no byte of a stream', async () => {
  const plans: readonly Fault[][] = [
    [{ kind: 'call', host: 'bob', call: 'recv', short: 7, every: 3 }],
    [{ kind: 'call', host: 'alice', call: 'send', short: 100, rate: 0.5 }],
    [{ kind: 'call', host: 'bob', call: 'recv', errno: 'EINTR', every: 2 }],
    [
      { kind: 'call', host: 'alice', call: 'send', errno: 'EINTR', rate: 0.3 },
      { kind: 'call', host: 'bob', call: 'recv', spurious: true, rate: 0.3 },
    ],
    [
      { kind: 'call', host: 'bob', call: 'accept', delay: '250ms' },
      { kind: 'call', host: 'bob', call: 'accept', errno: 'EINTR', times: 3 },
    ],
  ];
  for (const plan of plans) {
    const { world, alice, bob } = pair(11);
    const faults = world.faults(plan);
    await inWorld(world, async () => {
      const took = await transfer(world, alice, bob, 100_000);
      if (plan[0]!.kind === 'call' && plan[0].call === 'accept') assert.ok(took >= 250);
    });
    assert.ok(world.faultLog.some((line) => line.includes('strikes')), `it struck: ${JSON.stringify(plan)}`);
    faults.lift();
  }
});

test('calls: EMFILE, ENOBUFS, a refused and a hanging connect show as Linux shows them', async () => {
  const { world, alice, bob } = pair(12);
  const { kernel } = alice;
  bob.net.createServer().listen(7);
  await inWorld(world, async () => {
    {
      using _ = world.fault({ kind: 'call', host: 'alice', call: 'socket', errno: 'EMFILE', nth: 2 });
      kernel.socket(AF_INET, SOCK_STREAM, 0);
      assert.throws(() => kernel.socket(AF_INET, SOCK_STREAM, 0), { code: 'EMFILE' });
      kernel.socket(AF_INET, SOCK_STREAM, 0);
    }
    {
      using _ = world.fault({ kind: 'call', host: 'alice', call: 'connect', port: 7, errno: 'ECONNREFUSED' });
      const error: NodeJS.ErrnoException & { port?: number } = await new Promise((resolve) => {
        alice.net.connect(7, bob.ip).on('error', resolve);
      });
      assert.deepEqual([error.code, error.syscall, error.port], ['ECONNREFUSED', 'connect', 7]);
    }
    {
      using _ = world.fault({ kind: 'call', host: 'alice', call: 'connect', port: 7, hang: true, times: 1 });
      const started = world.now;
      const fd = kernel.socket(AF_INET, SOCK_STREAM, 0);
      await assert.rejects(kernel.connect(fd, { address: bob.ip, port: 7 }), { code: 'ETIMEDOUT' });
      assert.ok(world.now - started > 60_000, 'after all its SYNs (tcp_syn_retries)');
      assert.ok(world.drops()['FAULT']! >= 6);
      await kernel.connect(kernel.socket(AF_INET, SOCK_STREAM, 0), { address: bob.ip, port: 7 });
    }
    const udp = kernel.socket(AF_INET, SOCK_DGRAM, 0);
    await kernel.connect(udp, { address: bob.ip, port: 5 });
    using _ = world.fault({ kind: 'call', host: 'alice', call: 'send', errno: 'ENOBUFS', every: 2 });
    kernel.sys.send(udp, Uint8Array.of(1));
    assert.throws(() => kernel.sys.send(udp, Uint8Array.of(1)), { code: 'ENOBUFS' });
  });
});

test('a plan is JSON, and the same plan is the same run', async () => {
  const plan: Fault[] = [
    { kind: 'weather', cable: 'wire', weather: { loss: 0.1, jitter: '3ms' }, at: '10ms', for: '2s' },
    { kind: 'freeze', host: 'bob', at: '20ms', for: '100ms' },
    { kind: 'call', host: 'bob', call: 'recv', short: 500, rate: 0.4 },
  ];
  const digest = async (faults: readonly Fault[]): Promise<string> => {
    const world = new World({ seed: 9, digest: true });
    const [alice, bob] = [world.host('alice'), world.host('bob')];
    world.cable(alice, bob, { delay: '1ms', name: 'wire' });
    world.faults(faults);
    await inWorld(world, async () => void await transfer(world, alice, bob, 200_000));
    return world.digest();
  };
  const once = await digest(plan);
  assert.equal(await digest(JSON.parse(JSON.stringify(plan)) as Fault[]), once);
  assert.notEqual(await digest(plan.slice(1)), once);
});

test('a wrong fault is refused by name, and then none of the plan is in force', () => {
  const { world } = pair();
  const wrong: readonly [unknown, RegExp][] = [
    [{ kind: 'earthquake' }, /faults\[1\]: kind: 'earthquake' is not known; expected one of weather, partition/],
    [{ kind: 'crash', host: 'carol' }, /faults\[1\]: host: there is no host 'carol'; there are alice, bob/],
    [{ kind: 'cut', cable: 'alice~bob' }, /faults\[1\]: cable: there is no cable 'alice~bob'; there are wire/],
    [{ kind: 'crash', host: 'bob', fro: '1s' }, /faults\[1\]: fro: no such option; expected kind, at, for, host/],
    [{ kind: 'crash', host: 'bob', at: 'soon' }, /faults\[1\]: at: 'soon' is not understood/],
    [{ kind: 'freeze', host: 'bob' }, /faults\[1\]: for is missing/],
    [{ kind: 'call', host: 'bob', call: 'recv' }, /nothing happens; expected one of errno, short, delay/],
    [{ kind: 'call', host: 'bob', call: 'recv', errno: 'EFOO' }, /errno: 'EFOO' is not known/],
    [{ kind: 'call', host: 'bob', call: 'recv', errno: 'EINTR' }, /errno: interrupted each time never ends/],
    [{ kind: 'call', host: 'bob', call: 'connect', short: 3 }, /short means nothing for connect/],
    [{ kind: 'call', host: 'bob', call: 'recv', short: 3, nth: 1, rate: 0.5 }, /nth, every and rate exclude each other/],
    [{ kind: 'weather', cable: 'wire', weather: { los: 1 } }, /los: no such option/],
    [{ kind: 'sysctl', host: 'bob', name: 'net.ipv4.tcp_sakc', value: 1 }, /tcp_sakc/],
    [{ kind: 'partition', a: [], b: ['bob'] }, /faults\[1\]: a: expected an array of host names/],
    [null, /faults\[1\]: expected an object/],
  ];
  for (const [fault, message] of wrong) {
    assert.throws(() => world.faults([{ kind: 'crash', host: 'bob' }, fault as Fault]), message);
  }
  assert.equal(world.hosts[1]!.running, true);
  assert.deepEqual(world.faultLog, []);
});

test('Date on a host whose clock is wrong is wrong, and right everywhere else', async () => {
  const { world, alice, bob } = pair();
  const restore = install();
  try {
    bob.clock.step(-3_600_000);
    await inWorld(world, async () => {
      await world.advance('5s');
      const here = Date.now();
      assert.equal(alice.run(() => Date.now()), here);
      assert.equal(bob.run(() => Date.now()), here - 3_600_000);
      const later = await bob.run(async () => {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        return new Date().getTime();
      });
      assert.equal(later, here + 1000 - 3_600_000);
    });
  } finally {
    restore();
  }
});

test('a plan drawn from a seed is the same plan; a failing one is cut down to what matters', async () => {
  const { world } = pair();
  const options = { count: 12, withinMs: 1000, maxMs: 500 };
  const plan = randomFaults(world, new Random(5), options);
  assert.deepEqual(randomFaults(world, new Random(5), options), plan);
  assert.notDeepEqual(randomFaults(world, new Random(6), options), plan);
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan, 'plain data');
  world.faults(plan).lift(); // each of them is in order

  // What "fails" needs two of them together.
  const [one, two] = [plan[3]!, plan[8]!];
  let runs = 0;
  const least = await shrinkFaults(plan, (part) => {
    runs++;
    return part.includes(one) && part.includes(two);
  });
  assert.deepEqual(least, [one, two]);
  assert.ok(runs < 60, `${String(runs)} runs`);
  await assert.rejects(shrinkFaults(plan, () => false), /does not fail/);
});
