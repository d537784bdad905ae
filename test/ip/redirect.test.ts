/** Redirects: a router tells, a host learns, and forgets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIpv4 } from '../../src/lib/addr.ts';
import { get16, get32 } from '../../src/lib/bytes.ts';
import { icmpSendCheck, icmpWriteHeader } from '../../src/wire/icmp.ts';
import { ipv4WriteHeader } from '../../src/wire/ipv4.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { SkbPool } from '../../src/skb/pool.ts';
import { ipConfOf } from '../../src/ip/conf.ts';
import { ipRouteOutput, routeAdd, rtCacheFlush, type Rtable } from '../../src/ip/route.ts';
import { MsgHdr } from '../../src/sock/sockaddr.ts';
import { udpCreateSock, type UdpSock } from '../../src/udp/udp.ts';
import { ip, labHost, noLeaks, plug, receive, run, Wire, type LabHost } from './lab.ts';

interface Link {
  sim: Simulation;
  pool: SkbPool;
  wire: Wire;
  host: LabHost;
  one: LabHost;
  two: LabHost;
  sk: UdpSock;
}

/** Sets one of net.ipv4.conf.*: for `all` and for the card, for either would do to switch it on. */
function set(host: LabHost, what: 'acceptRedirects' | 'sendRedirects' | 'sharedMedia', to: number): void {
  host.ip.confAll[what] = to;
  ipConfOf(host.ip, host.net.devices[2]!)[what] = to;
}

/** A host (.1) whose default router is .11; to 172.16/12 that one goes by .12, on the same link. */
function link(): Link {
  const sim = new Simulation();
  const pool = new SkbPool();
  const wire = new Wire(sim, pool);
  const [host, one, two] = ['host', 'one', 'two'].map((name) => labHost(sim, pool, name)) as [LabHost, LabHost, LabHost];
  plug(host, wire, 1, '10.0.0.1/24');
  plug(one, wire, 2, '10.0.0.11/24');
  plug(two, wire, 3, '10.0.0.12/24');
  assert.equal(routeAdd(host.ip, { gateway: ip('10.0.0.11') }), 0);
  one.ip.confAll.forwarding = 1;
  assert.equal(routeAdd(one.ip, { dst: ip('172.16.0.0'), prefixLen: 12, gateway: ip('10.0.0.12') }), 0);
  return { sim, pool, wire, host, one, two, sk: udpCreateSock(host.udp) };
}

/** The host sends a datagram; who gets it first, and what was said by ICMP. */
function send(l: Link, to = '172.16.0.5'): { hop: number; redirects: number } {
  l.wire.frames.length = 0;
  const msg = new MsgHdr();
  msg.buf = new Uint8Array(10);
  msg.len = 10;
  msg.hasName = true;
  msg.name.set(ip(to), 9);
  l.host.in(() => l.sk.prot.sendmsg(l.sk, msg));
  run(l.sim, l.sim.now / 1e6 + 10);
  const ipv4 = l.wire.frames.filter((f) => get16(f, 12) === 0x0800);
  const redirects = ipv4.filter((f) => f[23] === 1 && f[34] === 5);
  for (const f of redirects) {
    assert.deepEqual([f[35], formatIpv4(get32(f, 38)), formatIpv4(get32(f, 26))], [1, '10.0.0.12', '10.0.0.11']);
  }
  return { hop: ipv4.find((f) => f[23] === 17)?.[5] ?? 0, redirects: redirects.length };
}

const gateway = (l: Link): string => formatIpv4((ipRouteOutput(l.host.ip, ip('172.16.0.5'), 0, 0) as Rtable).gateway);

test('the first redirect makes the host ask who that is; the second is followed, for this destination, five minutes', () => {
  const l = link();
  assert.deepEqual(send(l), { hop: 2, redirects: 1 });
  assert.equal(gateway(l), '10.0.0.11');
  run(l.sim, 1000);
  assert.deepEqual(send(l), { hop: 2, redirects: 1 });
  assert.equal(gateway(l), '10.0.0.12');
  assert.deepEqual(send(l), { hop: 3, redirects: 0 });
  assert.equal(send(l, '172.16.0.6').hop, 2, 'another destination goes as before');
  assert.equal(l.host.counters()['IcmpInRedirects'], 2);
  assert.equal(l.one.counters()['IcmpOutRedirects'], 2);
  run(l.sim, 299_000);
  assert.equal(gateway(l), '10.0.0.12');
  run(l.sim, 302_000);
  assert.equal(gateway(l), '10.0.0.11');
  l.host.in(() => l.sk.prot.close(l.sk));
  run(l.sim, 330_000);
  noLeaks(l.pool);
});

test('ip route flush cache: what was learned is forgotten', () => {
  const l = link();
  send(l);
  run(l.sim, 1000);
  send(l);
  assert.equal(gateway(l), '10.0.0.12');
  rtCacheFlush(l.host.ip);
  assert.equal(gateway(l), '10.0.0.11');
});

test('a host that does not listen is told less and less, then not at all until it was quiet for 20 s', () => {
  const l = link();
  set(l.host, 'acceptRedirects', 0);
  const times: number[] = [];
  for (let i = 0; i < 1150; i++) {
    const at = l.sim.now / 1e6;
    if (send(l).redirects > 0) times.push(at);
  }
  assert.equal(gateway(l), '10.0.0.11');
  assert.equal(times.length, 9, 'route.redirect_number');
  const gaps = times.slice(1).map((t, i) => t - times[i]!);
  gaps.forEach((gap, i) => assert.ok(gap > 20 * 2 ** (i + 1) && gap <= 20 * 2 ** (i + 1) + 20, `${String(i)}: ${String(gap)}`));
  run(l.sim, l.sim.now / 1e6 + 20_500);
  assert.equal(send(l).redirects, 1);
  set(l.one, 'sendRedirects', 0);
  run(l.sim, l.sim.now / 1e6 + 20_500);
  assert.equal(send(l).redirects, 0);
});

/** A redirect to `gw` about `quoted`, from `from`. */
function forged(from: string, gw: string, quotedFrom = '10.0.0.1', code = 1): Uint8Array {
  const f = new Uint8Array(70);
  f.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
  ipv4WriteHeader(f, 14, 0, 56, 1, 0, 64, 1, ip(from), ip('10.0.0.1'));
  icmpWriteHeader(f, 34, 5, code, ip(gw));
  ipv4WriteHeader(f, 42, 0, 38, 1, 0, 64, 17, ip(quotedFrom), ip('172.16.0.5'));
  icmpSendCheck(f, 34, 36);
  return f;
}

test('RFC 1122 §3.2.2.2: only the present gateway is believed, and only about our packets', () => {
  const CASES: [string, Uint8Array, (l: Link) => void, string][] = [
    ['from the gateway', forged('10.0.0.11', '10.0.0.12'), () => undefined, '10.0.0.12'],
    ['from somebody else', forged('10.0.0.12', '10.0.0.12'), () => undefined, '10.0.0.11'],
    ['to itself', forged('10.0.0.11', '10.0.0.11'), () => undefined, '10.0.0.11'],
    ['to a group', forged('10.0.0.11', '224.0.0.5'), () => undefined, '10.0.0.11'],
    ['to us', forged('10.0.0.11', '10.0.0.1'), () => undefined, '10.0.0.11'],
    ['to everybody', forged('10.0.0.11', '255.255.255.255'), () => undefined, '10.0.0.11'],
    ['about a packet that is not ours', forged('10.0.0.11', '10.0.0.12', '10.0.0.9'), () => undefined, '10.0.0.11'],
    ['of an unknown kind', forged('10.0.0.11', '10.0.0.12', '10.0.0.1', 4), () => undefined, '10.0.0.11'],
    ['to a host that forwards', forged('10.0.0.11', '10.0.0.12'), (l) => { l.host.ip.confAll.forwarding = 1; }, '10.0.0.11'],
    ['not a gateway of ours, secure_redirects', forged('10.0.0.11', '10.0.0.12'),
      (l) => set(l.host, 'sharedMedia', 0), '10.0.0.11'],
    ['a gateway of ours, secure_redirects', forged('10.0.0.11', '10.0.0.12'), (l) => {
      set(l.host, 'sharedMedia', 0);
      assert.equal(routeAdd(l.host.ip, { gateway: ip('10.0.0.12'), metric: 9 }), 0);
    }, '10.0.0.12'],
  ];
  for (const [name, frame, prepare, want] of CASES) {
    const l = link();
    const dev = l.host.net.devices[2]!;
    prepare(l);
    receive(dev, frame);
    run(l.sim, 100); // the new one is asked, and answers
    receive(dev, frame);
    assert.equal(gateway(l), want, name);
  }
});
