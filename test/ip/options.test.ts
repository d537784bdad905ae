/** Options that record: every host that a packet passes enters itself, and senders may ask for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM, World, type Host } from '../../mod.ts';
import { IP_OPTIONS, SOL_IP, SOL_TCP, TCP_MAXSEG } from '../../src/sock/constants.ts';
import { ipOptionsCheck, ipOptionsRecord, OPTIONS_OK } from '../../src/ip/options.ts';
import { icmpSendCheck, icmpWriteHeader } from '../../src/wire/icmp.ts';
import { ipSendCheck, ipv4WriteHeader } from '../../src/wire/ipv4.ts';
import { ip, pair, receive, run } from './lab.ts';

/** What an option looks like after a host has entered itself: 10.0.0.1 at 5 ms. */
function recorded(options: number[]): number[] {
  const buf = new Uint8Array(20 + options.length);
  buf.set(options, 20);
  assert.equal(ipOptionsCheck(buf, 0, buf.length), OPTIONS_OK);
  ipOptionsRecord(buf, 0, buf.length, ip('10.0.0.1'), 5e6);
  assert.equal(ipOptionsCheck(buf, 0, buf.length), OPTIONS_OK);
  return [...buf.subarray(20)];
}

test('RFC 791 §3.1: what is written where', () => {
  const TIME = [0x80, 0, 0, 5];
  const TABLE: [string, number[], number[]][] = [
    ['record route', [7, 7, 4, 0, 0, 0, 0, 0], [7, 7, 8, 10, 0, 0, 1, 0]],
    ['the second place', [7, 11, 8, 1, 2, 3, 4, 0, 0, 0, 0, 0], [7, 11, 12, 1, 2, 3, 4, 10, 0, 0, 1, 0]],
    ['full', [7, 7, 8, 1, 2, 3, 4, 0], [7, 7, 8, 1, 2, 3, 4, 0]],
    ['behind no-ops', [1, 7, 7, 4, 0, 0, 0, 0], [1, 7, 7, 8, 10, 0, 0, 1]],
    ['times', [68, 8, 5, 0, 0, 0, 0, 0], [68, 8, 9, 0, ...TIME]],
    ['times, full: one more that found no room', [68, 8, 9, 0x20, ...TIME], [68, 8, 9, 0x30, ...TIME]],
    ['times with addresses', [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0], [68, 12, 13, 1, 10, 0, 0, 1, ...TIME]],
    ['times of those named: us', [68, 12, 5, 3, 10, 0, 0, 1, 0, 0, 0, 0], [68, 12, 13, 3, 10, 0, 0, 1, ...TIME]],
    ['times of those named: others', [68, 12, 5, 3, 10, 0, 0, 2, 0, 0, 0, 0], [68, 12, 5, 3, 10, 0, 0, 2, 0, 0, 0, 0]],
    ['router alert', [148, 4, 0, 0], [148, 4, 0, 0]],
  ];
  for (const [name, before, after] of TABLE) assert.deepEqual(recorded(before), after, name);
});

test('malformed ones are found where they are wrong', () => {
  const check = (...options: number[]): number => {
    const buf = new Uint8Array(20 + options.length);
    buf.set(options, 20);
    return ipOptionsCheck(buf, 0, buf.length);
  };
  assert.equal(check(68, 8, 9, 0xf0, 0, 0, 0, 0), 23, 'the count of overflows is full');
  assert.equal(check(68, 8, 5, 1, 0, 0, 0, 0), 22, 'no room for address and time');
  assert.equal(check(68, 8, 4, 0, 0, 0, 0, 0), 22);
  assert.equal(check(148, 3, 0, 0), 21);
});

/** An echo request from b with options. */
function echo(options: number[]): Uint8Array {
  const hlen = 20 + options.length;
  const f = new Uint8Array(14 + hlen + 16);
  f.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
  ipv4WriteHeader(f, 14, 0, hlen + 16, 1, 0, 64, 1, ip('10.0.0.2'), ip('10.0.0.1'));
  f[14] = 0x40 | (hlen >> 2);
  f.set(options, 34);
  icmpWriteHeader(f, 14 + hlen, 8, 0, 1);
  icmpSendCheck(f, 14 + hlen, 16);
  ipSendCheck(f, 14);
  return f;
}

test('RFC 1122 §3.2.2.6: an echo records here, and its answer goes on recording', () => {
  const p = pair();
  receive(p.ea, echo([1, 1, 1, 1]));
  run(p.sim);
  p.wire.frames.length = 0;
  receive(p.ea, echo([7, 19, 4, ...Array<number>(16).fill(0), 0, 148, 4, 0, 0]));
  const f = p.wire.frames[0]!;
  assert.equal(f[14], 0x4a, 'the alert is not echoed');
  assert.deepEqual([...f.subarray(34, 54)], [7, 19, 12, 10, 0, 0, 1, 10, 0, 0, 1, ...Array<number>(9).fill(0)]);
  run(p.sim);
});

/** a - r - b. */
function line(): { world: World; a: Host; r: Host; b: Host } {
  const world = new World({ seed: 1 });
  const [a, r, b] = [world.host('a'), world.host('r', { forward: true }), world.host('b')];
  world.cable(a, r);
  world.cable(r, b);
  a.route('0.0.0.0/0', { via: '10.0.0.2' });
  b.route('0.0.0.0/0', { via: '10.0.1.1' });
  return { world, a, r, b };
}

test('IP_OPTIONS: what a socket asks for is in its packets, and routers enter themselves', async () => {
  const { world, a, b } = line();
  using capture = world.capture([b.interfaces[0]!]);
  const fd = a.kernel.socket(AF_INET, SOCK_DGRAM);
  const route = new Uint8Array([7, 15, 4, ...Array<number>(12).fill(0)]);
  a.kernel.setsockopt(fd, SOL_IP, IP_OPTIONS, route);
  assert.deepEqual([...(a.kernel.getsockopt(fd, SOL_IP, IP_OPTIONS) as Uint8Array)], [...route, 0]);
  const sink = b.kernel.socket(AF_INET, SOCK_DGRAM);
  b.kernel.bind(sink, { port: 9 });
  await world.run(async () => {
    await a.kernel.sendto(fd, new Uint8Array(4000).fill(7), { address: '10.0.1.2', port: 9 });
    const buf = new Uint8Array(5000);
    const got = await b.kernel.recvfrom(sink, buf);
    assert.equal(got.bytes, 4000);
    assert.ok(buf.subarray(0, 4000).every((x) => x === 7));
  });
  // The first of three pieces has the record of a and r; a record is not copied into the others.
  const file = Buffer.from(capture.toBytes());
  assert.ok(file.includes(Buffer.from([7, 15, 12, 10, 0, 0, 1, 10, 0, 1, 1, 0, 0, 0, 0, 0])));
  assert.equal(b.kernel.nstat().IpReasmReqds, 3);
  for (const wrong of [new Uint8Array(41), new Uint8Array([7, 1]), 'text', 5]) {
    assert.throws(() => a.kernel.setsockopt(fd, SOL_IP, IP_OPTIONS, wrong), { code: 'EINVAL' });
  }
  assert.throws(() => a.kernel.setsockopt(fd, SOL_IP, IP_OPTIONS, new Uint8Array([131, 7, 4, 1, 2, 3, 4])), { code: 'EPERM' });
});

test('a stream with options has shorter segments, and arrives', async () => {
  const { world, a, b } = line();
  await world.run(async () => {
    const ls = b.kernel.socket(AF_INET, SOCK_STREAM);
    b.kernel.bind(ls, { port: 80 });
    b.kernel.listen(ls, 1);
    const fd = a.kernel.socket(AF_INET, SOCK_STREAM);
    a.kernel.setsockopt(fd, SOL_IP, IP_OPTIONS, new Uint8Array([148, 4, 0, 0]));
    const [{ fd: conn }] = await Promise.all([b.kernel.accept(ls), a.kernel.connect(fd, { address: '10.0.1.2', port: 80 })]);
    assert.equal(a.kernel.getsockopt(fd, SOL_TCP, TCP_MAXSEG), 1500 - 40 - 12 - 4);
    const bytes = new Uint8Array(100_000).fill(3);
    const writing = (async (): Promise<void> => {
      for (let off = 0; off < bytes.length;) off += await a.kernel.write(fd, bytes.subarray(off));
      a.kernel.close(fd);
    })();
    let total = 0;
    const buf = new Uint8Array(65536);
    for (let n = await b.kernel.read(conn, buf); n > 0; n = await b.kernel.read(conn, buf)) total += n;
    await writing;
    assert.equal(total, bytes.length);
    b.kernel.close(conn);
    b.kernel.close(ls);
  });
  assert.equal(world.hosts.reduce((n, h) => n + h.kernel.nstat().IpFragCreates, 0), 0);
});
