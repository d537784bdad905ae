import { test } from 'node:test';
import assert from 'node:assert/strict';
import { get16 } from '../../src/lib/bytes.ts';
import { icmpSendCheck, icmpWriteHeader } from '../../src/wire/icmp.ts';
import { ipSendCheck, ipv4WriteHeader } from '../../src/wire/ipv4.ts';
import { printEthernet } from '../../src/wire/print.ts';
import { icmpUnreachErrno, icmpUnreachFatal } from '../../src/ip/icmp.ts';
import { ipRouteOutput, type Rtable } from '../../src/ip/route.ts';
import { IP_PMTUDISC_DO, IP_PMTUDISC_DONT } from '../../src/sock/constants.ts';
import { MsgHdr, SockAddr } from '../../src/sock/sockaddr.ts';
import { EHOSTDOWN, EMSGSIZE, ENOPROTOOPT, EPROTO } from '../../src/lib/errno.ts';
import { udpCreateSock, type UdpSock } from '../../src/udp/udp.ts';
import { ip, noLeaks, pair, receive, run, type Pair } from './lab.ts';

const IP = 14;

/** a has sent a datagram of 100 bytes to 10.0.0.2:9; this is its frame. */
function sent(connected = true): { p: Pair; sk: UdpSock; frame: Uint8Array } {
  const p = pair();
  p.b.ip.protocols[17] = { rcv: (skb) => p.b.net.drop(skb, 1), err: () => undefined };
  const sk = udpCreateSock(p.a.udp);
  if (connected) p.a.in(() => sk.prot.connect(sk, new SockAddr().set(ip('10.0.0.2'), 9)));
  send(p, sk, 100);
  run(p.sim);
  return { p, sk, frame: p.wire.frames.at(-1)! };
}

function send(p: Pair, sk: UdpSock, len: number): number {
  const msg = new MsgHdr();
  msg.buf = new Uint8Array(len);
  msg.len = len;
  msg.hasName = true;
  msg.name.set(ip('10.0.0.2'), 9);
  return p.a.in(() => sk.prot.sendmsg(sk, msg));
}

/** An ICMP error from b about `frame`, of which `quote` bytes are quoted. */
function error(
  type: number, code: number, rest: number, frame: Uint8Array, quote = 28, change: (q: Uint8Array) => void = () => undefined,
): Uint8Array {
  const quoted = frame.slice(IP, IP + quote);
  change(quoted);
  const f = new Uint8Array(IP + 28 + quoted.length);
  f.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
  ipv4WriteHeader(f, IP, 0, 28 + quoted.length, 1, 0, 64, 1, ip('10.0.0.2'), ip('10.0.0.1'));
  icmpWriteHeader(f, IP + 20, type, code, rest);
  f.set(quoted, IP + 28);
  icmpSendCheck(f, IP + 20, 8 + quoted.length);
  return f;
}

test('what an error means to a connected socket: fatal ones are reported, others pass', () => {
  // type, code, errno with IP_RECVERR, reported without
  const TABLE: [number, number, number, boolean][] = [
    [3, 0, 101, false], [3, 1, 113, false], [3, 2, ENOPROTOOPT, true], [3, 3, 111, true], [3, 5, 95, false], [3, 6, 101, true],
    [3, 7, EHOSTDOWN, true], [3, 8, 64, true], [3, 9, 101, true], [3, 10, 113, true], [3, 11, 101, false], [3, 12, 113, false],
    [3, 13, 113, true], [3, 14, 113, true], [3, 15, 113, true], [11, 0, 113, false], [12, 0, EPROTO, true],
    [4, 0, 0, false], [3, 16, 0, false], [11, 1, 0, false],
  ];
  for (const [type, code, errno, reported] of TABLE) {
    for (const recverr of [false, true]) {
      const { p, sk, frame } = sent();
      sk.recverr = recverr;
      receive(p.ea, error(type, code, 0, frame));
      assert.equal(sk.err, recverr || reported ? errno : 0, `type ${String(type)} code ${String(code)} recverr ${String(recverr)}`);
      p.a.in(() => sk.prot.close(sk));
      if (type === 3 && code <= 15 && errno !== 0) assert.deepEqual([icmpUnreachErrno(code), icmpUnreachFatal(code)], [errno, reported]);
      noLeaks(p.pool);
    }
  }
});

test('an error is believed only about what a socket may have sent', () => {
  const cases: [string, (q: Uint8Array) => void, number][] = [
    ['as sent', () => undefined, 111],
    ['another local port', (q) => { q[21]! ^= 1; }, 0],
    ['another peer port', (q) => { q[23]! ^= 1; }, 0],
    ['another peer', (q) => { q[19] = 3; }, 0],
    ['another protocol', (q) => { q[9] = 200; }, 0],
    ['a broadcast', (q) => { q[19] = 255; }, 0],
    ['header length 0', (q) => { q[0] = 0x40; }, 0],
    ['header length 60', (q) => { q[0] = 0x4f; }, 0],
  ];
  for (const [name, change, errno] of cases) {
    const { p, sk, frame } = sent();
    receive(p.ea, error(3, 3, 0, frame, 28, change));
    assert.equal(sk.err, errno, name);
    p.a.in(() => sk.prot.close(sk));
    noLeaks(p.pool);
  }
  for (const quote of [0, 10, 19, 20, 27]) {
    const { p, sk, frame } = sent();
    receive(p.ea, error(3, 3, 0, frame, quote));
    assert.equal(sk.err, 0, `${String(quote)} bytes quoted`);
    assert.deepEqual(p.a.drops, ['PKT_TOO_SMALL']);
  }
});

test('fragmentation needed lowers the MTU of the way and tells who wants to know', () => {
  const { p, sk, frame } = sent();
  receive(p.ea, error(3, 4, 1000, frame));
  assert.equal((ipRouteOutput(p.a.ip, ip('10.0.0.2'), 0, 0) as Rtable).mtu, 1000);
  assert.equal(sk.err, EMSGSIZE);
  sk.err = 0;
  assert.equal(send(p, sk, 973), 973);
  run(p.sim);
  assert.deepEqual(p.wire.frames.slice(-2).map((f) => f.length - IP), [996, 25], 'cut in pieces that fit');
  sk.pmtudisc = IP_PMTUDISC_DO;
  assert.equal(send(p, sk, 973), -EMSGSIZE);
  assert.equal(send(p, sk, 972), 972);
  sk.pmtudisc = IP_PMTUDISC_DONT;
  receive(p.ea, error(3, 4, 900, frame));
  assert.equal(sk.err, 0);
});

test('the identification counts, and DF is set by IP_MTU_DISCOVER', () => {
  const { p, sk } = sent();
  const header = (mode: number): [number, number] => {
    sk.pmtudisc = mode;
    p.wire.frames.length = 0;
    send(p, sk, 10);
    run(p.sim);
    const f = p.wire.frames.at(-1)!;
    return [get16(f, IP + 4), get16(f, IP + 6)];
  };
  const [id1, df1] = header(IP_PMTUDISC_DO);
  const [id2] = header(IP_PMTUDISC_DO);
  assert.deepEqual([df1, id2], [0x4000, (id1 + 1) & 0xffff]);
  assert.equal(header(IP_PMTUDISC_DONT)[1], 0);
  assert.notEqual(header(IP_PMTUDISC_DONT)[0], header(IP_PMTUDISC_DONT)[0]);
});

/** A datagram to port `port` of a, from b, as a frame. */
function datagram(port: number, len: number, change: (f: Uint8Array) => void = () => undefined): Uint8Array {
  const f = new Uint8Array(IP + 28 + len);
  f.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
  ipv4WriteHeader(f, IP, 4, 28 + len, 1, 0, 64, 17, ip('10.0.0.2'), ip('10.0.0.1'));
  f.set([0, 99, port >> 8, port & 255, (8 + len) >> 8, (8 + len) & 255], IP + 20);
  change(f);
  ipSendCheck(f, IP);
  return f;
}

/** Hardware addresses are known. */
function acquainted(): Pair {
  const p = pair();
  receive(p.ea, datagram(1, 0));
  run(p.sim, 100);
  p.wire.frames.length = 0;
  return p;
}

test('port unreachable quotes the packet, at most 548 bytes of it, with precedence and from the address asked', () => {
  for (const [len, quoted] of [[0, 28], [10, 38], [520, 548], [1400, 548]] as const) {
    const p = acquainted();
    const asked = datagram(1, len);
    receive(p.ea, asked);
    const f = p.wire.frames[0]!;
    assert.deepEqual([...f.subarray(IP + 20, IP + 22)], [3, 3]);
    assert.deepEqual(f.subarray(IP + 28), asked.subarray(IP, IP + quoted));
    assert.equal(f[IP + 1], 0xc4);
    assert.match(printEthernet(f, 0, f.length), /10\.0\.0\.1 > 10\.0\.0\.2/);
    assert.doesNotMatch(printEthernet(f, 0, f.length), /bad|malformed/);
    noLeaks(p.pool);
  }
});

test('never about an error, a broadcast, a frame for many, a later fragment', () => {
  const p = acquainted();
  const unknown = (change: (f: Uint8Array) => void): void => {
    receive(p.ea, datagram(1, 20, (f) => {
      f[IP + 9] = 99;
      change(f);
    }));
  };
  receive(p.ea, datagram(1, 20, (f) => { f.fill(255, 0, 6); }));
  receive(p.ea, datagram(1, 20, (f) => { f.set([10, 0, 0, 255], IP + 16); }));
  unknown((f) => { f.fill(255, 0, 6); });
  p.a.ip.protocols[1] = null; // no ICMP here: protocol unreachable about ICMP is then thinkable
  for (const type of [3, 4, 5, 11, 12, 200, 8, 0]) {
    const answered = type === 8 || type === 0;
    p.wire.frames.length = 0;
    unknown((f) => {
      f[IP + 9] = 1;
      f[IP + 20] = type;
    });
    assert.equal(p.wire.frames.length, answered ? 1 : 0, `about ICMP type ${String(type)}`);
  }
  noLeaks(p.pool);
});

test('limits: six at once to one host, then one a second; a thousand a second to all', () => {
  const p = acquainted();
  run(p.sim, 20000);
  const burst = (n: number): number => {
    p.wire.frames.length = 0;
    for (let i = 0; i < n; i++) receive(p.ea, datagram(1, 0));
    return p.wire.frames.filter((f) => f[13] === 0).length;
  };
  assert.equal(burst(20), 6);
  run(p.sim, 21000);
  assert.equal(burst(20), 1);
  assert.ok(p.a.counters()['IcmpOutRateLimitHost']! >= 30);
  p.a.ip.sysctl.icmpRatelimit = 0;
  run(p.sim, 22000);
  const n = burst(1000);
  assert.ok(n >= 25 && n <= 100, `about icmp_msgs_burst: ${String(n)}`);
  assert.equal(p.a.counters()['IcmpOutRateLimitGlobal'], 1000 - n);
  p.a.ip.sysctl.icmpRatemask = 0;
  assert.equal(burst(1000), 1000);
});

test('on loopback nobody is kept waiting', () => {
  const p = pair();
  const sk = udpCreateSock(p.a.udp);
  p.a.in(() => sk.prot.connect(sk, new SockAddr().set(ip('127.0.0.1'), 9)));
  const msg = new MsgHdr();
  for (let i = 0; i < 20; i++) {
    sk.err = 0;
    p.a.in(() => sk.prot.sendmsg(sk, msg));
    assert.equal(sk.err, 111);
  }
  noLeaks(p.pool);
});
