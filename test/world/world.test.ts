/** Worlds: hosts, addresses, names, cables, and the ways time passes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, DeadlockError, POLLIN, SOCK_DGRAM, World, type Host } from '../../mod.ts';

/** Two hosts and a cable. */
function two(options: ConstructorParameters<typeof World>[0] = {}): { world: World; a: Host; b: Host; cable: ReturnType<World['cable']> } {
  const world = new World({ seed: 1, ...options });
  const [a, b] = [world.host('a'), world.host('b')];
  return { world, a, b, cable: world.cable(a, b, { delay: '1ms' }) };
}

/** A datagram socket of `host` on port 9. */
function udp(host: Host): number {
  const fd = host.kernel.socket(AF_INET, SOCK_DGRAM);
  host.kernel.bind(fd, { port: 9 });
  return fd;
}

const buffer = new Uint8Array(100);

test('hosts on a cable get addresses of one subnet; each cable is a subnet of its own', () => {
  const world = new World();
  const [a, b, c] = [world.host('a'), world.host('b'), world.host('c')];
  assert.equal(a.ip, '127.0.0.1');
  world.cable(a, b);
  world.cable(b, c);
  assert.deepEqual([a.ips, b.ips, c.ips], [['10.0.0.1'], ['10.0.0.2', '10.0.1.1'], ['10.0.1.2']]);
  assert.deepEqual(b.interfaces.map((itf) => itf.name), ['eth0', 'eth1']);
  assert.deepEqual(world.cables.map((cable) => cable.name), ['a.eth0~b.eth0', 'b.eth1~c.eth0']);
});

test('addresses that are given are kept, and shape those that are not', () => {
  const world = new World();
  const a = world.host('a', { ip: '192.168.7.1/28' });
  const b = world.host('b');
  const c = world.host('c', { interfaces: [{ name: 'wan', ip: '10.0.0.9/24', mac: '02:aa:00:00:00:01', mtu: 1400 }] });
  world.cable(a, b);
  assert.equal(b.ip, '192.168.7.2');
  assert.deepEqual([c.interfaces[0]!.name, c.interfaces[0]!.dev.mtu, c.ip], ['wan', 1400, '10.0.0.9']);
  const [d, e] = [world.host('d'), world.host('e')];
  world.cable(d, e);
  assert.deepEqual([d.ip, e.ip], ['10.0.1.1', '10.0.1.2'], 'a subnet that somebody uses already is left alone');
});

test('host names resolve everywhere in the world, also to addresses given later', () => {
  const world = new World();
  const [a, b] = [world.host('a'), world.host('b', { aliases: ['db'] })];
  assert.deepEqual(a.kernel.resolve('a'), [{ address: '127.0.0.1', family: 4 }]);
  assert.deepEqual(a.kernel.resolve('b'), []);
  world.cable(a, b);
  for (const name of ['b', 'B.', 'db']) assert.deepEqual(a.kernel.resolve(name), [{ address: '10.0.0.2', family: 4 }], name);
  assert.deepEqual(b.kernel.resolve('a'), [{ address: '10.0.0.1', family: 4 }]);
});

test('a datagram crosses the cable in its delay, after ARP', async () => {
  const { world, a, b } = two({ costs: 'zero' });
  const [from, to] = [udp(a), udp(b)];
  await a.kernel.sendto(from, 'hi', { address: b.ip, port: 9 });
  const { bytes, from: peer } = await b.kernel.recvfrom(to, buffer);
  assert.deepEqual([bytes, peer], [2, { address: a.ip, port: 9, family: 'IPv4' }]);
  assert.ok(world.now >= 3 && world.now < 3.1, `${world.now} ms: there, back and there again`);
});

test('run: the program has the clock of the world, and the runtime gets its own back', async () => {
  const { world } = two({ epoch: Date.UTC(2030, 0, 1) });
  const clocks = (): unknown[] => [
    setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate, Date, Reflect.get(performance, 'now'),
  ];
  const real = clocks();
  const RealDate = Date;
  const before = Date.now();
  await world.run(async () => {
    assert.equal(new Date().toISOString(), '2030-01-01T00:00:00.000Z');
    assert.equal(performance.now(), 0);
    await new Promise((resolve) => setTimeout(resolve, 86_400_000));
    assert.equal(Date.now(), Date.UTC(2030, 0, 2));
    assert.equal(performance.now(), 86_400_000);
    assert.ok(new Date() instanceof RealDate && new RealDate() instanceof Date);
    assert.equal(new Date(5).getTime(), 5);
    assert.match(Date(), /2030/);
    class Later extends Date {}
    assert.ok(new Later() instanceof Later && new Later().getTime() === Date.now());
    let ticks = 0;
    const interval = setInterval(() => ticks++, 100);
    await new Promise((resolve) => setTimeout(resolve, 1050));
    clearInterval(interval);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.equal(ticks, 10);
  });
  assert.ok(Date.now() - before < 5000);
  assert.deepEqual(clocks(), real);
  assert.equal(Object.prototype.hasOwnProperty.call(performance, 'now'), false);
});

test('run: timers, immediates and promises come in the order of the runtime', async () => {
  const { world } = two();
  const order: string[] = [];
  await world.run(async () => {
    setTimeout(() => order.push('timeout 2'), 2);
    setTimeout(() => order.push('timeout 1'), 1);
    setTimeout((x: string) => order.push(x), 0, 'timeout 0 = 1');
    setImmediate(() => order.push('immediate'));
    queueMicrotask(() => order.push('microtask'));
    const cleared = setTimeout(() => order.push('never'), 1);
    clearTimeout(cleared);
    order.push('sync');
    await new Promise((resolve) => setTimeout(resolve, 5));
  });
  assert.deepEqual(order, ['sync', 'microtask', 'immediate', 'timeout 1', 'timeout 0 = 1', 'timeout 2']);
});

test('run: what a timer returns behaves as in Node: ref, unref, refresh, close, a number', async () => {
  const { world } = two();
  await world.run(async () => {
    const log: string[] = [];
    const idle = setTimeout(() => log.push('idle'), 60).unref();
    assert.equal(idle.hasRef(), false);
    const again = setTimeout(() => log.push(`again at ${performance.now()}`), 30);
    setTimeout(() => again.refresh(), 20);
    const byNumber = setTimeout(() => log.push('by number'), 10);
    clearTimeout(+byNumber);
    setTimeout(() => log.push('closed'), 10).close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(log, ['again at 50', 'idle']);
  });
});

test('run: restores the clock when main throws, now or later, and hands the error on', async () => {
  const { world } = two();
  const real = setTimeout;
  await assert.rejects(world.run(() => {
    throw new Error('at once');
  }), /at once/);
  await assert.rejects(world.run(async () => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    throw new Error('later');
  }), /later/);
  assert.equal(setTimeout, real);
});

test('run: intervals that main leaves behind end with it', async () => {
  const { world } = two();
  let ticks = 0;
  await world.run(async () => {
    setInterval(() => ticks++, 10);
    await new Promise((resolve) => setTimeout(resolve, 35));
  });
  await world.runUntilIdle();
  assert.equal(ticks, 3);
});

test('run: one program at a time in a world, and after it the next', async () => {
  const { world } = two();
  await world.run(async () => {
    await assert.rejects(world.run(() => undefined), /a program is running in this world/);
  });
  assert.equal(await world.run(() => 7), 7);
});

test('run: programs of several worlds at the same time, each on its own clock', async () => {
  const real = setTimeout;
  const wall = Date.now();
  const told = await Promise.all([2025, 2001, 1970].map((year) => {
    const { world, a, b } = two({ epoch: Date.UTC(year, 0) });
    return world.run(async () => {
      const ticks = setInterval(() => undefined, 7);
      const fd = udp(b);
      const from = udp(a);
      for (let i = 0; i < 3; i++) {
        setTimeout(() => a.kernel.sys.sendto(from, new Uint8Array(i), { address: b.ip, port: 9 }), year);
        await b.kernel.recv(fd, buffer);
      }
      await new Promise((resolve) => setImmediate(resolve));
      clearInterval(ticks);
      const { now } = world;
      assert.ok(Math.abs(performance.now() - now) < 0.01);
      assert.ok(now > 3 * year && now < 3 * year + 10, `${now} ms`);
      return new Date().getUTCFullYear();
    });
  }));
  assert.deepEqual(told, [2025, 2001, 1970]);
  assert.equal(setTimeout, real, 'and everything is back in its place');
  assert.ok(Math.abs(Date.now() - wall) < 60_000);
});

test('run: code of no program has the runtime\'s clock while programs with contexts run', async () => {
  const one = two({ epoch: Date.UTC(1980, 0) }).world;
  const other = two({ epoch: Date.UTC(1990, 0) }).world;
  let go: (() => void) | null = null;
  const first = one.run(() => new Promise((resolve) => setTimeout(resolve, 1000)));
  const second = other.run(async () => {
    await other.external(new Promise<void>((resolve) => void (go = resolve)));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return new Date().getUTCFullYear();
  });
  await first;
  assert.ok(new Date().getUTCFullYear() >= 2024);
  go!();
  assert.equal(await second, 1990);
});

test('a deadlock explains itself: every call that waits, host by host, with its socket', async () => {
  const { world, a, b } = two();
  const [from, to] = [udp(a), udp(b)];
  const blocked = world.run(async () => {
    await Promise.all([a.kernel.recv(from, buffer), b.kernel.poll([{ fd: to, events: POLLIN }])]);
  });
  await assert.rejects(blocked, (error: unknown) => {
    assert.ok(error instanceof DeadlockError);
    assert.deepEqual(error.blocked.map((c) => [c.host, c.call, c.fd]), [['a', 'recv', from], ['b', 'poll', to]]);
    assert.match(error.message, /deadlock at /);
    assert.match(error.message, /a: main: recv\(fd 0\) {2}udp 0\.0\.0\.0:9 CLOSE/);
    return true;
  });
  await assert.rejects(new World().run(() => new Promise(() => undefined)), /waits for a promise/);
});

test('a program that waits for real work holds the clock with external()', async () => {
  const { world } = two();
  const real = setTimeout;
  await world.run(async () => {
    const before = performance.now();
    const got = await world.external(new Promise((resolve) => void real(() => resolve('file'), 60)));
    assert.equal(got, 'file');
    assert.equal(performance.now(), before);
  });
});

test('advance lets time pass; runUntilIdle ends when nothing is left to do, and says so when something always is', async () => {
  const { world, a, b } = two();
  await world.advance('1.5s');
  assert.equal(world.now, 1500);
  await a.kernel.sendto(udp(a), 'x', { address: b.ip, port: 9 });
  await world.runUntilIdle();
  assert.ok(world.now < 1510);
  await assert.rejects(world.run(async () => {
    setInterval(() => undefined, 100);
    await world.runUntilIdle({ maxMs: 5000 });
  }), /still busy after 5s/);
});

test('manual mode: nothing moves until the test says so', async () => {
  const { world, a, b } = two({ mode: 'manual', costs: 'zero' });
  const [from, to] = [udp(a), udp(b)];
  a.kernel.sys.sendto(from, 'x', { address: b.ip, port: 9 });
  const got = b.kernel.recv(to, buffer).then(() => world.now);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(world.now, 0);
  await world.advance('2ms');
  assert.equal(world.now, 2);
  await world.advance('2ms');
  assert.equal(world.now, 4);
  const at = await got;
  assert.ok(at >= 3 && at < 4, `${at} ms`);
});

test('a partition swallows frames and heals; a pulled cable says so', async () => {
  const { world, a, b, cable } = two();
  const [from, to] = [udp(a), udp(b)];
  const send = (): number => a.kernel.sys.sendto(from, 'x', { address: b.ip, port: 9 });
  send();
  await b.kernel.recv(to, buffer);
  world.partition([a], [b]);
  send();
  await world.runUntilIdle();
  assert.throws(() => b.kernel.sys.recv(to, buffer), { code: 'EAGAIN' });
  world.heal();
  send();
  await b.kernel.recv(to, buffer);
  cable.setUp(false);
  await world.runUntilIdle();
  assert.equal(a.interfaces[0]!.dev.carrier, false);
  cable.setUp(true);
  await world.runUntilIdle();
  send();
  await b.kernel.recv(to, buffer);
});

test('a paused host serves nothing until it goes on; its card loses what the ring cannot hold', async () => {
  const world = new World({ seed: 1 });
  const a = world.host('a');
  const b = world.host('b', { interfaces: [{ card: { rxRing: 16 } }] });
  world.cable(a, b);
  const [from, to] = [udp(a), udp(b)];
  const send = (): number => a.kernel.sys.sendto(from, 'x', { address: b.ip, port: 9 });
  send();
  await b.kernel.recv(to, buffer);
  b.pause('200ms');
  const before = world.now;
  for (let i = 0; i < 50; i++) send();
  await b.kernel.recv(to, buffer);
  assert.ok(world.now - before >= 199, `${world.now - before} ms`);
  await world.runUntilIdle();
  let more = 0;
  assert.throws(() => {
    for (;; more++) b.kernel.sys.recv(to, buffer);
  }, { code: 'EAGAIN' });
  assert.equal(more + 1, 16);
});

test('rules pick frames and end with their scope', async () => {
  const { world, a, b, cable } = two();
  const [from, to] = [udp(a), udp(b)];
  const send = (text: string): number => a.kernel.sys.sendto(from, text, { address: b.ip, port: 9 });
  send('first');
  await b.kernel.recv(to, buffer);
  {
    using rule = cable.drop((f) => f.udp !== null, { times: 1 });
    send('lost');
    send('kept');
    assert.equal(await b.kernel.recv(to, buffer), 4);
    assert.equal(rule.hits, 1);
  }
  await world.runUntilIdle();
});

test('a capture is a pcapng file with every frame, by time', async () => {
  const { world, a, b } = two();
  using capture = world.capture([a]);
  const [from, to] = [udp(a), udp(b)];
  a.kernel.sys.sendto(from, 'x', { address: b.ip, port: 9 });
  await b.kernel.recv(to, buffer);
  a.kernel.sys.sendto(from, 'y', { address: '127.0.0.1', port: 9 });
  await world.runUntilIdle();
  assert.equal(capture.frames.length, 4, 'ARP there and back, two datagrams, one of them over loopback');
  const bytes = capture.toBytes();
  assert.deepEqual([...bytes.subarray(0, 4)], [0x0a, 0x0d, 0x0d, 0x0a]);
});

test('the digest is equal for equal seeds, and costs nothing when it was not asked for', async () => {
  const run = async (seed: number): Promise<string> => {
    const world = new World({ seed, digest: true });
    const [a, b] = [world.host('a'), world.host('b')];
    world.cable(a, b, { delay: '2ms', jitter: '1ms', loss: 0.1 });
    const from = udp(a);
    for (let i = 0; i < 50; i++) {
      a.kernel.sys.sendto(from, `datagram ${i}`, { address: b.ip, port: 9 });
      await world.advance('1ms');
    }
    return world.digest();
  };
  const [one, two1, three] = [await run(7), await run(7), await run(8)];
  assert.equal(one, two1);
  assert.notEqual(one, three);
  assert.throws(() => new World().digest(), /digest: true/);
});

test('a route leads to hosts that are not on the cable; a wrong one is refused by name', () => {
  const { a, b } = two();
  const fd = a.kernel.socket(AF_INET, SOCK_DGRAM);
  const connect = (): void => a.kernel.sys.connect(fd, { address: '10.9.0.1', port: 9 });
  assert.throws(connect, { code: 'ENETUNREACH' });
  a.route('10.9.0.0/16', { via: b.ip });
  connect();
  assert.equal(a.kernel.getsockname(fd).address, a.ip);
  assert.throws(() => a.route('10.0.1.0', { via: 'b' }), /via: 'b' is not an IPv4 address/);
  assert.throws(() => a.route('net', {}), /network: 'net' is not understood/);
  assert.throws(() => a.route('10.9.0.0/16', { interface: 'eth9' }), /a has no 'eth9'/);
});

const wrong: [string, RegExp, () => unknown][] = [
  ['a seed that is a string', /seed: 'x' is not a number/, () => new World({ seed: 'x' as never })],
  ['a seed with a fraction', /seed: 0.5/, () => new World({ seed: 0.5 })],
  ['an unknown option', /World: sed: no such option; expected seed/, () => new World({ sed: 1 } as never)],
  ['an unknown mode', /mode: fast/, () => new World({ mode: 'fast' as never })],
  ['an unknown cost', /costs: lunchNs/, () => new World({ costs: { lunchNs: 5 } as never }).host('a')],
  ['a host name with a blank', /'a b' is not a host name/, () => new World().host('a b')],
  ['the same host twice', /there is a host 'a' already/, () => {
    const world = new World();
    world.host('a');
    world.host('a');
  }],
  ['an address that is none', /ip: '10.0.0' is not understood/, () => new World().host('a', { ip: '10.0.0' })],
  ['an address that is a group', /ip: 224.0.0.1 cannot be a host's address/, () => new World().host('a', { ip: '224.0.0.1/24' })],
  ['an interface name', /'eth 0' is not an interface name/, () => new World().host('a', { interfaces: [{ name: 'eth 0' }] })],
  ['a hardware address', /mac: 'xx'/, () => new World().host('a', { interfaces: [{ mac: 'xx' }] })],
  ['an mtu', /mtu: 10/, () => new World().host('a', { interfaces: [{ mtu: 10 }] })],
  ['a cable option', /delya: no such option/, () => {
    const world = new World();
    world.cable(world.host('a'), world.host('b'), { delya: 5 } as never);
  }],
  ['a loss above 1', /loss: 2 is out of range/, () => {
    const world = new World();
    world.cable(world.host('a'), world.host('b'), { loss: 2 });
  }],
  ['a cable to nothing', /cable: b is neither a host/, () => {
    const world = new World();
    world.cable(world.host('a'), {} as never);
  }],
  ['a cable between worlds', /another world/, () => new World().cable(new World().host('a'), new World().host('b'))],
  ['a cable to itself', /both ends are a.eth0/, () => {
    const world = new World();
    const itf = world.host('a').addInterface();
    world.cable(itf, itf);
  }],
  ['an unknown sysctl', /there is no 'net.ipv4.tcp_sak'/, () => new World().host('a', { sysctl: { 'net.ipv4.tcp_sak': 1 } })],
  ['a sysctl out of range', /ip_default_ttl = 256 is refused; expected a whole number from 1 to 255/,
    () => new World().host('a').sysctl('net.ipv4.ip_default_ttl', 256)],
];

for (const [what, message, body] of wrong) {
  test(`${what} is refused by name`, () => {
    assert.throws(body, message);
  });
}

test('sysctls are read and set by their exact names, in Linux\'s units', () => {
  const a = new World().host('a', { sysctl: { 'net.ipv4.ip_default_ttl': 32 } });
  assert.equal(a.sysctl('net.ipv4.ip_default_ttl'), 32);
  assert.equal(a.sysctl('net.ipv4.tcp_fin_timeout'), 60);
  assert.equal(a.sysctl('net.ipv4.tcp_fin_timeout', 30), 30);
  assert.equal(a.kernel.stack.tcp.sysctl.tcpFinTimeout, 30000);
  assert.deepEqual(a.sysctl('net.ipv4.tcp_rmem', '4096 87380 6291456'), [4096, 87380, 6291456]);
  assert.deepEqual(a.sysctl('net.ipv4.ip_local_port_range', [2000, 3000]), [2000, 3000]);
  assert.throws(() => a.sysctl('net.ipv4.ip_local_port_range', [3000, 2000]), /do not fall/);
  assert.throws(() => a.sysctl('net.ipv4.tcp_congestion_control', 'vegas'), /expected .*reno/);
  assert.ok(a.kernel.sysctls().includes('net.core.somaxconn'));
});

test('a stopped world keeps nothing running', async () => {
  const { world, a } = two();
  const waiting = a.kernel.recv(udp(a), buffer);
  world.stop();
  void waiting.finally(() => assert.fail('it returned'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([world.check().descriptors, world.check().waiting], [0, 0]);
});
