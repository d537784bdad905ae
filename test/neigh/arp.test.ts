import { test } from 'node:test';
import assert from 'node:assert/strict';
import { arpWrite, ARPOP_REPLY, ARPOP_REQUEST } from '../../src/wire/arp.ts';
import { printEthernet } from '../../src/wire/print.ts';
import { arpAnnounce } from '../../src/neigh/arp.ts';
import { NUD_DELAY, NUD_REACHABLE, NUD_STALE } from '../../src/neigh/neighbour.ts';
import { devClose, devOpen } from '../../src/dev/registry.ts';
import { inetAddrAdd } from '../../src/ip/devinet.ts';
import { udpCreateSock } from '../../src/udp/udp.ts';
import { MsgHdr } from '../../src/sock/sockaddr.ts';
import { ip, noLeaks, pair, plug, receive, run, Wire, type LabHost, type Pair } from '../ip/lab.ts';

const STRANGER = new Uint8Array([2, 0, 0, 0, 0, 77]);
const ALL = new Uint8Array(6).fill(255);

function arp(op: number, spa: string, tpa: string, dst: Uint8Array = ALL): Uint8Array {
  const f = new Uint8Array(60);
  f.set(dst, 0);
  f.set(STRANGER, 6);
  f.set([8, 6], 12);
  arpWrite(f, 14, op, STRANGER, 0, ip(spa), null, 0, ip(tpa));
  return f;
}

/** Datagrams of 1,000 bytes. */
function send(h: LabHost, to: string, count: number): void {
  const sk = udpCreateSock(h.udp);
  const msg = new MsgHdr();
  msg.buf = new Uint8Array(1000);
  msg.len = 1000;
  sk.sndbuf = 1e9;
  for (let i = 0; i < count; i++) {
    msg.hasName = true;
    msg.name.set(ip(to), 9);
    assert.equal(h.in(() => sk.prot.sendmsg(sk, msg)), 1000);
  }
  h.in(() => sk.prot.close(sk));
}

function lines(p: Pair): string[] {
  return p.wire.frames.map((f) => printEthernet(f, 0, f.length));
}

test('the first packet asks and waits, the next ones follow it in order, and no more is asked', () => {
  const p = pair();
  send(p.a, '10.0.0.2', 3);
  assert.equal(p.wire.frames.length, 1);
  run(p.sim);
  send(p.a, '10.0.0.2', 1);
  run(p.sim);
  const said = lines(p).filter((l) => /arp/i.test(l));
  assert.equal(said.length, 2, said.join('\n'));
  const ids = p.wire.frames.filter((f) => f[12] === 8 && f[13] === 0 && f[23] === 17).map((f) => (f[18]! << 8) | f[19]!);
  assert.equal(ids.length, 4, lines(p).join('\n'));
  assert.deepEqual(ids.slice(0, 3), [ids[0]!, ids[0]! + 1, ids[0]! + 2]);
  assert.equal(p.a.ip.arp.table.find(p.ea, ip('10.0.0.2'))!.state, NUD_REACHABLE);
  // Who asked is known, not proven: the answers to it (port unreachable) are sent in doubt.
  assert.equal(p.b.ip.arp.table.find(p.eb, ip('10.0.0.1'))!.state, NUD_DELAY);
  noLeaks(p.pool);
});

test('what waits for an answer is limited in bytes; the oldest make room', () => {
  const p = pair();
  p.a.ip.arp.table.parms.unresQlen = 3;
  assert.equal(p.a.ip.arp.table.parms.unresQlenBytes, 3 * 2112);
  send(p.a, '10.0.0.9', 5);
  assert.deepEqual(p.a.drops, ['NEIGH_QUEUEFULL', 'NEIGH_QUEUEFULL', 'NEIGH_QUEUEFULL']);
  run(p.sim);
  assert.deepEqual(p.a.drops.slice(3), ['NEIGH_FAILED', 'NEIGH_FAILED']);
  assert.equal(p.a.counters()['IcmpInDestUnreachs'], 2, 'told by ourselves');
  noLeaks(p.pool);
});

test('a request is answered for own addresses only, and teaches the asker', () => {
  const p = pair();
  receive(p.ea, arp(ARPOP_REQUEST, '10.0.0.77', '10.0.0.2'));
  assert.equal(p.wire.frames.length, 0);
  assert.equal(p.a.ip.arp.table.find(p.ea, ip('10.0.0.77')), null, 'strangers who ask for others are not learned');
  receive(p.ea, arp(ARPOP_REQUEST, '10.0.0.77', '10.0.0.1'));
  assert.equal(p.wire.frames.length, 1);
  assert.match(lines(p)[0]!, /10\.0\.0\.1 is-at 02:00:00:00:00:01/);
  assert.deepEqual(p.wire.frames[0]!.subarray(0, 6), STRANGER);
  assert.equal(p.a.ip.arp.table.find(p.ea, ip('10.0.0.77'))!.state, NUD_STALE);
});

test('a probe (RFC 5227) is answered and teaches nothing', () => {
  const p = pair();
  receive(p.ea, arp(ARPOP_REQUEST, '0.0.0.0', '10.0.0.1'));
  assert.equal(p.wire.frames.length, 1);
  assert.equal(p.a.ip.arp.table.entries, 0);
  receive(p.ea, arp(ARPOP_REQUEST, '0.0.0.0', '10.0.0.5'));
  assert.equal(p.wire.frames.length, 1);
});

test('an announcement moves a known neighbour and makes no new one, unless arp_accept is set', () => {
  const p = pair();
  receive(p.ea, arp(ARPOP_REQUEST, '10.0.0.2', '10.0.0.2'));
  assert.equal(p.a.ip.arp.table.entries, 0);
  send(p.a, '10.0.0.2', 1);
  run(p.sim);
  const known = p.a.ip.arp.table.find(p.ea, ip('10.0.0.2'))!;
  receive(p.ea, arp(ARPOP_REQUEST, '10.0.0.2', '10.0.0.2'));
  assert.deepEqual([...known.ha], [...STRANGER]);
  assert.equal(known.state, NUD_STALE);
  p.a.ip.confAll.arpAccept = 1;
  receive(p.ea, arp(ARPOP_REPLY, '10.0.0.50', '10.0.0.50'));
  assert.notEqual(p.a.ip.arp.table.find(p.ea, ip('10.0.0.50')), null);
});

test('arpAnnounce asks for the own address', () => {
  const p = pair();
  p.a.in(() => arpAnnounce(p.ea, ip('10.0.0.1')));
  assert.match(lines(p)[0]!, /who-has 10\.0\.0\.1.*tell 10\.0\.0\.1/i);
});

test('arp_ignore and arp_announce', () => {
  const p = pair();
  const wire2 = new Wire(p.sim, p.pool);
  const second = plug(p.a, wire2, 9, '192.168.1.1/24', 'eth1');
  const asked = (ignore: number, from: string, to: string): number => {
    wire2.frames.length = 0;
    p.a.ip.confAll.arpIgnore = ignore;
    receive(second, arp(ARPOP_REQUEST, from, to));
    return wire2.frames.length;
  };
  assert.deepEqual([0, 1, 2, 8].map((i) => asked(i, '192.168.1.7', '10.0.0.1')), [1, 0, 0, 0]);
  assert.deepEqual([0, 1, 2, 8].map((i) => asked(i, '192.168.1.7', '192.168.1.1')), [1, 1, 1, 0]);
  assert.deepEqual([0, 1, 2, 8].map((i) => asked(i, '172.16.0.7', '192.168.1.1')), [1, 1, 0, 0]);
  assert.equal(p.a.ip.askFrom(second, ip('192.168.1.7'), ip('10.0.0.1')), ip('10.0.0.1'));
  p.a.ip.confAll.arpAnnounce = 2;
  assert.equal(p.a.ip.askFrom(second, ip('192.168.1.7'), ip('10.0.0.1')), ip('192.168.1.1'));
});

test('malformed ARP is dropped by name and never throws', () => {
  const p = pair();
  const good = arp(ARPOP_REQUEST, '10.0.0.77', '10.0.0.1');
  const changes: [string, (f: Uint8Array) => Uint8Array][] = [
    ['hardware type', (f) => (f[15] = 6, f)], ['protocol', (f) => (f[16] = 0x86, f)], ['hlen', (f) => (f[18] = 8, f)],
    ['plen', (f) => (f[19] = 16, f)], ['op 0', (f) => (f[21] = 0, f)], ['op 9', (f) => (f[21] = 9, f)],
    ['short', (f) => f.subarray(0, 41)], ['target multicast', (f) => (f[38] = 224, f)], ['target loopback', (f) => (f[38] = 127, f)],
  ];
  for (const [, change] of changes) receive(p.ea, change(good.slice()));
  assert.deepEqual(p.a.drops, changes.map(() => 'ARP_INVALID'));
  assert.equal(p.wire.frames.length, 0);
  noLeaks(p.pool);
});

test('a host with two addresses asks from the one that the packet has', () => {
  const p = pair();
  inetAddrAdd(p.ea, ip('10.0.0.3'), 24);
  const sk = udpCreateSock(p.a.udp);
  sk.saddr = ip('10.0.0.3');
  sk.rcvSaddr = ip('10.0.0.3');
  const msg = new MsgHdr();
  msg.hasName = true;
  msg.name.set(ip('10.0.0.2'), 9);
  p.a.in(() => sk.prot.sendmsg(sk, msg));
  assert.match(lines(p)[0]!, /tell 10\.0\.0\.3/);
  run(p.sim);
});

test('a device that went down and came up asks anew', () => {
  const p = pair();
  send(p.a, '10.0.0.2', 1);
  run(p.sim);
  p.a.in(() => {
    devClose(p.ea);
    devOpen(p.ea);
  });
  p.wire.frames.length = 0;
  send(p.a, '10.0.0.2', 1);
  assert.match(lines(p)[0]!, /who-has/i);
  run(p.sim);
  noLeaks(p.pool);
});
