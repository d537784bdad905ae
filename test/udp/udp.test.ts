import { test } from 'node:test';
import assert from 'node:assert/strict';
import {
  EACCES, EADDRINUSE, EADDRNOTAVAIL, EAGAIN, ECONNREFUSED, EDESTADDRREQ, EINVAL, EMSGSIZE, ENETUNREACH, ENOTCONN, EOPNOTSUPP, EPIPE,
} from '../../src/lib/errno.ts';
import {
  AF_UNSPEC, FIONREAD, IP_PKTINFO, IP_PMTUDISC_DO, IP_TTL, MSG_DONTWAIT, MSG_MORE, MSG_OOB, MSG_PEEK, MSG_TRUNC, POLLERR, POLLHUP,
  POLLIN, POLLOUT,
  SHUT_RD, SHUT_RDWR, SHUT_WR, SIOCOUTQ, SOL_UDP,
} from '../../src/sock/constants.ts';
import { MsgHdr, SockAddr } from '../../src/sock/sockaddr.ts';
import { UDP_CORK } from '../../src/udp/ops.ts';
import { datagramTruesize } from '../../src/udp/payload.ts';
import { udpCreateSock, type UdpSock } from '../../src/udp/udp.ts';
import { ip, labHost, noLeaks, pair, plug, run, Wire, type LabHost } from '../ip/lab.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { SkbPool } from '../../src/skb/pool.ts';

/** The calls of a program, on one socket. */
class Program {
  readonly sk: UdpSock;
  readonly host: LabHost;
  readonly msg: MsgHdr = new MsgHdr();

  constructor(host: LabHost) {
    this.host = host;
    this.sk = udpCreateSock(host.udp);
  }

  bind(addr: string, port: number): number {
    return this.host.in(() => this.sk.prot.bind(this.sk, new SockAddr().set(ip(addr), port)));
  }

  connect(addr: string, port: number): number {
    return this.host.in(() => this.sk.prot.connect(this.sk, new SockAddr().set(ip(addr), port)));
  }

  send(data: string | number, flags = 0): number {
    return this.sendto(data, null, 0, flags);
  }

  sendto(data: string | number, addr: string | null, port: number, flags = 0): number {
    const { msg } = this;
    msg.buf = typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data).fill(7);
    msg.off = 0;
    msg.len = msg.buf.length;
    msg.flags = flags;
    msg.control = null;
    msg.hasName = addr !== null;
    if (addr !== null) msg.name.set(ip(addr), port);
    return this.host.in(() => this.sk.prot.sendmsg(this.sk, msg));
  }

  /** The text of the next datagram, or the negative errno. */
  recv(flags = 0, size = 2000): string | number {
    const { msg } = this;
    msg.buf = new Uint8Array(size);
    msg.off = 0;
    msg.len = size;
    msg.flags = flags;
    const n = this.host.in(() => this.sk.prot.recvmsg(this.sk, msg));
    return n < 0 ? n : new TextDecoder().decode(msg.buf.subarray(0, Math.min(n, size)));
  }

  get poll(): number {
    return this.sk.prot.poll(this.sk);
  }

  close(): void {
    this.host.in(() => this.sk.prot.close(this.sk));
  }
}

function one(): LabHost {
  return labHost(new Simulation(), new SkbPool(), 'h');
}

test('a datagram reaches the socket bound to its port, with its sender', () => {
  const { sim, pool, a, b } = pair();
  const [c, s] = [new Program(a), new Program(b)];
  assert.equal(s.bind('0.0.0.0', 53), 0);
  assert.equal(c.sendto('hello', '10.0.0.2', 53), 5);
  run(sim);
  assert.equal(s.poll & POLLIN, POLLIN);
  assert.equal(s.recv(), 'hello');
  assert.equal(s.msg.name.addr, ip('10.0.0.1'));
  assert.equal(s.msg.name.port, c.sk.num);
  assert.equal(s.recv(), -EAGAIN);
  assert.equal(s.sendto('back', '10.0.0.1', c.sk.num), 4);
  run(sim);
  assert.equal(c.recv(), 'back');
  assert.deepEqual(a.counters('IpInReceives', 'IpInDelivers', 'IpOutRequests', 'IpOutTransmits', 'IpExtInOctets', 'IpExtOutOctets',
    'IpExtInNoECTPkts'), { UdpInDatagrams: 1, UdpOutDatagrams: 1 });
  c.close();
  s.close();
  noLeaks(pool);
});

test('over loopback it is there when the call returns; an empty one counts, too', () => {
  const h = one();
  const [c, s] = [new Program(h), new Program(h)];
  s.bind('127.0.0.1', 9);
  assert.equal(c.sendto('', '127.0.0.1', 9), 0);
  assert.equal(c.sendto('x', '0.0.0.0', 9), 1, 'to 0.0.0.0 means to this host');
  assert.equal(s.recv(), '');
  assert.equal(s.msg.hasName, true);
  assert.equal(s.recv(), 'x');
  assert.equal(s.msg.name.addr, ip('127.0.0.1'));
  c.close();
  s.close();
  noLeaks(h.pool);
});

test('each datagram is read once, what does not fit is lost, and MSG_TRUNC tells its length', () => {
  const h = one();
  const [c, s] = [new Program(h), new Program(h)];
  s.bind('127.0.0.1', 9);
  for (const text of ['abcdef', 'abcdef', 'abcdef', 'next']) c.sendto(text, '127.0.0.1', 9);
  assert.equal(s.sk.prot.ioctl(s.sk, FIONREAD), 6);
  assert.equal(s.recv(MSG_PEEK, 3), 'abc');
  assert.equal(s.msg.msgFlags, MSG_TRUNC);
  assert.equal(s.recv(0, 3), 'abc');
  s.msg.buf = new Uint8Array(3);
  s.msg.len = 3;
  s.msg.flags = MSG_TRUNC;
  assert.equal(s.sk.prot.recvmsg(s.sk, s.msg), 6);
  assert.equal(s.recv(), 'abcdef');
  assert.equal(s.msg.msgFlags, 0);
  assert.equal(s.recv(), 'next');
  assert.equal(s.sk.prot.ioctl(s.sk, FIONREAD), 0);
  c.close();
  s.close();
  noLeaks(h.pool);
});

test('a port that nobody has is refused: a connected socket learns it once, another never', () => {
  const { sim, pool, a, b } = pair();
  const [c, u] = [new Program(a), new Program(a)];
  assert.equal(c.connect('10.0.0.2', 7), 0);
  assert.equal(c.send('x'), 1);
  assert.equal(u.sendto('x', '10.0.0.2', 7), 1);
  run(sim);
  assert.equal(b.counters()['UdpNoPorts'], 2);
  assert.equal(b.counters()['IcmpOutDestUnreachs'], 2);
  assert.equal(a.counters()['IcmpInDestUnreachs'], 2);
  assert.deepEqual(b.drops, ['NO_SOCKET', 'NO_SOCKET']);
  assert.equal(c.poll & POLLERR, POLLERR);
  assert.equal(c.recv(), -ECONNREFUSED);
  assert.equal(c.recv(), -EAGAIN);
  assert.equal(u.recv(), -EAGAIN);
  c.send('y');
  run(sim);
  assert.equal(c.send('z'), -ECONNREFUSED, 'a writer takes the error, too');
  assert.equal(c.send('z'), 1);
  run(sim);
  c.close();
  u.close();
  noLeaks(pool);
});

test('a connected socket hears its peer alone, and disconnect undoes what connect chose', () => {
  const h = one();
  const [s, c, other] = [new Program(h), new Program(h), new Program(h)];
  s.bind('127.0.0.1', 100);
  assert.equal(c.connect('127.0.0.1', 100), 0);
  const port = c.sk.num;
  assert.equal(c.sk.rcvSaddr, ip('127.0.0.1'));
  other.sendto('stranger', '127.0.0.1', port);
  assert.equal(c.recv(), -EAGAIN);
  assert.equal(h.counters()['UdpNoPorts'], 1);
  s.sendto('friend', '127.0.0.1', port);
  assert.equal(c.recv(), 'friend');
  const addr = new SockAddr();
  addr.family = AF_UNSPEC;
  assert.equal(c.sk.prot.connect(c.sk, addr), 0);
  assert.deepEqual([c.sk.num, c.sk.rcvSaddr, c.sk.daddr], [0, 0, 0]);
  assert.equal(h.udp.ports.find(port), null);
  assert.equal(c.send('x'), -EDESTADDRREQ);
  // A port that bind() gave stays.
  other.close();
  const b = new Program(h);
  b.bind('0.0.0.0', 200);
  b.connect('127.0.0.1', 100);
  b.sk.prot.connect(b.sk, addr);
  assert.deepEqual([b.sk.num, b.sk.rcvSaddr], [200, 0]);
  s.sendto('x', '127.0.0.1', 200);
  assert.equal(b.recv(), 'x');
  for (const p of [s, c, b]) p.close();
  noLeaks(h.pool);
});

test('demultiplexing: address before any, connected before not, device before none, the latest of equals', () => {
  const { sim, pool, a, b, eb } = pair();
  const any = new Program(b);
  const bound = new Program(b);
  const device = new Program(b);
  const peer = new Program(b);
  for (const p of [any, bound, device, peer]) p.sk.reuse = true;
  any.bind('0.0.0.0', 5);
  const c = new Program(a);
  c.bind('0.0.0.0', 1000);
  const got = (text: string): Program | undefined => {
    c.sendto(text, '10.0.0.2', 5);
    run(sim);
    return [any, bound, device, peer].find((p) => p.sk.num !== 0 && p.recv() === text);
  };
  assert.equal(got('1'), any);
  device.sk.boundDevIf = eb.ifindex;
  device.bind('0.0.0.0', 5);
  assert.equal(got('2'), device);
  bound.bind('10.0.0.2', 5);
  assert.equal(got('3'), bound, 'the very address beats everything else');
  peer.bind('10.0.0.2', 5);
  assert.equal(got('4'), peer, 'the latest');
  bound.connect('10.0.0.1', 1000);
  assert.equal(got('5'), bound, 'its own peer');
  bound.close();
  peer.close();
  assert.equal(got('6'), device);
  for (const p of [any, device, c]) p.close();
  noLeaks(pool);
});

test('SO_REUSEPORT sockets divide the flows, and each flow stays with its socket', () => {
  const { sim, pool, a, b } = pair();
  const group = [0, 1, 2, 3].map(() => new Program(b));
  for (const p of group) {
    p.sk.reuseport = true;
    assert.equal(p.bind('0.0.0.0', 5), 0);
  }
  const hits = [0, 0, 0, 0];
  for (let port = 1000; port < 1400; port++) {
    const c = new Program(a);
    c.bind('0.0.0.0', port);
    c.sendto('1', '10.0.0.2', 5);
    c.sendto('2', '10.0.0.2', 5);
    run(sim);
    const at = group.findIndex((p) => p.recv() === '1');
    assert.equal(group[at]!.recv(), '2');
    hits[at]!++;
    c.close();
  }
  for (const n of hits) assert.ok(n > 60 && n < 140, String(hits));
  for (const p of group) p.close();
  noLeaks(pool);
});

test('a broadcast needs SO_BROADCAST, and every socket of the port gets its copy, the sender host included', () => {
  const { sim, pool, a, b } = pair();
  const c = new Program(a);
  assert.equal(c.sendto('x', '10.0.0.255', 67), -EACCES);
  assert.equal(c.sendto('x', '255.255.255.255', 67), -ENETUNREACH, 'no route, no device');
  c.sk.broadcast = true;
  const hear = [new Program(b), new Program(b), new Program(a)];
  const deaf = new Program(b);
  for (const p of [...hear, deaf]) p.sk.reuse = true;
  for (const p of hear) assert.equal(p.bind('0.0.0.0', 67), 0);
  assert.equal(deaf.bind('10.0.0.2', 67), 0);
  assert.equal(c.sendto('to all', '10.0.0.255', 67), 6);
  run(sim);
  for (const p of hear) assert.equal(p.recv(), 'to all');
  assert.equal(deaf.recv(), -EAGAIN, 'bound to one address, it hears no broadcast');
  c.bind('10.0.0.1', 0);
  const d = new Program(a);
  d.sk.broadcast = true;
  d.bind('10.0.0.1', 0);
  assert.equal(d.sendto('limited', '255.255.255.255', 67), 7, 'the device of the source address');
  run(sim);
  assert.equal(hear[0]!.recv(), 'limited');
  assert.equal(hear[0]!.msg.name.addr, ip('10.0.0.1'));
  for (const p of [...hear, deaf, c, d]) p.close();
  noLeaks(pool);
});

test('a full receive buffer drops, counted and named', () => {
  const h = one();
  const [c, s] = [new Program(h), new Program(h)];
  s.bind('127.0.0.1', 9);
  s.sk.rcvbuf = 10 * datagramTruesize(1000) + 1;
  for (let i = 0; i < 13; i++) assert.equal(c.sendto(1000, '127.0.0.1', 9), 1000);
  assert.equal(s.sk.receiveQueue.qlen, 10);
  assert.deepEqual(h.drops, ['SOCKET_RCVBUFF', 'SOCKET_RCVBUFF', 'SOCKET_RCVBUFF']);
  const { UdpRcvbufErrors, UdpInErrors } = h.counters();
  assert.deepEqual([UdpRcvbufErrors, UdpInErrors, s.sk.drops], [3, 3, 3]);
  s.recv();
  c.sendto(1000, '127.0.0.1', 9);
  assert.equal(s.sk.receiveQueue.qlen, 10);
  // An empty queue takes one of any size.
  while (s.recv() !== -EAGAIN);
  s.sk.rcvbuf = 2304;
  c.sendto(60000, '127.0.0.1', 9);
  assert.equal(s.sk.prot.ioctl(s.sk, FIONREAD), 60000);
  c.close();
  s.close();
  assert.equal(s.sk.rmemAlloc, 0);
  assert.equal(h.udp.memory, 0);
  noLeaks(h.pool);
});

test('sizes: 65,507 bytes, EMSGSIZE beyond; with IP_PMTUDISC_DO no more than the path takes', () => {
  const { sim, pool, a, b } = pair();
  const s = new Program(a);
  s.bind('0.0.0.0', 9);
  const c = new Program(a);
  assert.equal(c.sendto(65507, '127.0.0.1', 9), 65507);
  assert.equal((s.recv(0, 70000) as string).length, 65507);
  assert.equal(c.sendto(65508, '127.0.0.1', 9), -EMSGSIZE);
  assert.equal(c.sendto(65536, '127.0.0.1', 9), -EMSGSIZE);
  const far = new Program(b);
  far.bind('0.0.0.0', 9);
  assert.equal(c.sendto(1472, '10.0.0.2', 9), 1472);
  assert.equal(c.sendto(1473, '10.0.0.2', 9), 1473);
  assert.equal(c.sendto(65507, '10.0.0.2', 9), 65507);
  assert.equal(c.sendto(65508, '10.0.0.2', 9), -EMSGSIZE);
  run(sim);
  for (const size of [1472, 1473, 65507]) assert.equal((far.recv(0, 70000) as string).length, size);
  c.sk.pmtudisc = IP_PMTUDISC_DO;
  assert.equal(c.sendto(1472, '10.0.0.2', 9), 1472);
  assert.equal(c.sendto(1473, '10.0.0.2', 9), -EMSGSIZE);
  run(sim);
  assert.equal((far.recv() as string).length, 1472);
  for (const p of [c, s, far]) p.close();
  noLeaks(pool);
});

test('MSG_MORE and UDP_CORK make one datagram of many writes', () => {
  const h = one();
  const [c, s] = [new Program(h), new Program(h)];
  s.bind('127.0.0.1', 9);
  assert.equal(c.sendto('one ', '127.0.0.1', 9, MSG_MORE), 4);
  assert.equal(s.recv(), -EAGAIN);
  assert.equal(c.send('datagram'), 8);
  assert.equal(s.recv(), 'one datagram');
  c.connect('127.0.0.1', 9);
  assert.equal(c.sk.prot.setsockopt(c.sk, SOL_UDP, UDP_CORK, 1), 0);
  c.send('a');
  c.send('b');
  assert.equal(s.recv(), -EAGAIN);
  assert.equal(h.in(() => c.sk.prot.setsockopt(c.sk, SOL_UDP, UDP_CORK, 0)), 0);
  assert.equal(s.recv(), 'ab');
  c.send('never sent', MSG_MORE);
  assert.ok(c.sk.prot.ioctl(c.sk, SIOCOUTQ) > 0);
  c.close();
  assert.equal(c.sk.wmemAlloc, 0);
  s.close();
  noLeaks(h.pool);
});

test('errors of the caller', () => {
  const h = one();
  const p = new Program(h);
  assert.equal(p.send('x'), -EDESTADDRREQ);
  assert.equal(p.sendto('x', '127.0.0.1', 0), -EINVAL);
  assert.equal(p.sendto('x', '127.0.0.1', 9, MSG_OOB), -EOPNOTSUPP);
  assert.equal(p.sendto('x', '192.0.2.1', 9), -ENETUNREACH);
  assert.equal(p.connect('192.0.2.1', 9), -ENETUNREACH);
  assert.equal(p.sk.prot.listen(p.sk, 1), -EOPNOTSUPP);
  p.close();
  const q = new Program(h);
  assert.equal(q.bind('192.0.2.1', 9), -EADDRNOTAVAIL);
  assert.equal(q.bind('127.0.0.1', 9), 0);
  assert.equal(q.bind('127.0.0.1', 10), -EINVAL);
  const r = new Program(h);
  assert.equal(r.bind('0.0.0.0', 9), -EADDRINUSE);
  assert.equal(r.bind('127.0.0.2', 9), 0);
  assert.equal(r.sk.prot.shutdown(r.sk, 5), -EINVAL);
  q.close();
  r.close();
  assert.equal(h.udp.ports.size, 0);
});

test('shutdown ends reading and writing', () => {
  const h = one();
  const [c, s] = [new Program(h), new Program(h)];
  s.bind('127.0.0.1', 9);
  assert.equal(s.sk.prot.shutdown(s.sk, SHUT_RD), -ENOTCONN, 'reported, and done all the same');
  assert.equal(s.recv(), '', 'a reader that would wait gets the end');
  assert.equal(s.recv(MSG_DONTWAIT), -EAGAIN);
  c.connect('127.0.0.1', 9);
  assert.equal(c.sk.prot.shutdown(c.sk, SHUT_WR), 0);
  assert.equal(c.send('x'), -EPIPE);
  assert.equal(c.poll & POLLHUP, 0);
  c.sk.prot.shutdown(c.sk, SHUT_RDWR);
  assert.equal(c.poll & POLLHUP, POLLHUP);
  c.close();
  s.close();
});

test('what waits for ARP counts against the send buffer; writers are woken when it is gone', () => {
  const { sim, pool, a } = pair();
  const c = new Program(a);
  c.sk.sndbuf = 4608;
  let n = 0;
  while (c.sendto(1000, '10.0.0.9', 9) > 0) n++;
  assert.equal(n, 2, 'one more than half, as room is asked for before the datagram');
  assert.equal(c.sendto(1000, '10.0.0.9', 9), -EAGAIN);
  assert.equal(c.poll & POLLOUT, 0);
  run(sim);
  assert.deepEqual(a.drops, ['NEIGH_FAILED', 'NEIGH_FAILED']);
  assert.equal(c.poll & POLLOUT, POLLOUT);
  assert.equal(c.sk.wmemAlloc, 0);
  c.close();
  noLeaks(pool);
});

test('with IP_RECVERR an unreachable host is EHOSTUNREACH; by default such an error may pass', () => {
  const { sim, pool, a } = pair();
  const [plain, told] = [new Program(a), new Program(a)];
  told.sk.recverr = true;
  for (const p of [plain, told]) {
    p.connect('10.0.0.9', 9);
    p.send('x');
  }
  run(sim);
  assert.equal(plain.sk.err, 0);
  assert.equal(told.recv(), -113);
  plain.close();
  told.close();
  noLeaks(pool);
});

test('IP_PKTINFO and IP_TTL tell where a datagram came in', () => {
  const { sim, pool, a, b, eb } = pair();
  const [c, s] = [new Program(a), new Program(b)];
  s.bind('0.0.0.0', 9);
  s.sk.pktinfo = true;
  s.sk.recvttl = true;
  c.sk.ttl = 9;
  c.sendto('x', '10.0.0.2', 9);
  run(sim);
  s.recv();
  assert.deepEqual(s.msg.control!.map((m) => [m.type, m.data]), [
    [IP_PKTINFO, { ifindex: eb.ifindex, specDst: ip('10.0.0.2'), addr: ip('10.0.0.2') }],
    [IP_TTL, 9],
  ]);
  c.close();
  s.close();
  noLeaks(pool);
});

test('a bad checksum is dropped and counted, an absent one accepted', () => {
  const { sim, pool, wire, a, b, eb } = pair();
  const [c, s] = [new Program(a), new Program(b)];
  s.bind('0.0.0.0', 9);
  c.sendto('hello', '10.0.0.2', 9);
  run(sim);
  s.recv();
  const good = wire.frames.at(-1)!;
  const again = (change: (f: Uint8Array) => void): void => {
    const f = good.slice();
    change(f);
    wire.send(eb === wire.ports[0] ? eb : wire.ports[0]!, f);
    run(sim);
  };
  again((f) => { f[45]! ^= 1; });
  assert.equal(s.recv(), -EAGAIN);
  assert.deepEqual(b.drops, ['UDP_CSUM']);
  assert.deepEqual([b.counters()['UdpInCsumErrors'], b.counters()['UdpInErrors']], [1, 1]);
  again((f) => { f[40] = 0; f[41] = 0; f[42] = 0x48; });
  assert.equal(s.recv(), 'Hello');
  again((f) => { f[39] = 200; });
  again((f) => { f[39] = 7; });
  assert.deepEqual(b.drops.slice(1), ['PKT_TOO_SMALL', 'PKT_TOO_SMALL']);
  c.close();
  s.close();
  noLeaks(pool);
});

test('a socket of a device hears its own address over loopback, as if it had come by that device', () => {
  const sim = new Simulation();
  const pool = new SkbPool();
  const wire = new Wire(sim, pool);
  const h = labHost(sim, pool, 'h');
  const eth = plug(h, wire, 1, '10.0.0.1/24');
  const [c, s] = [new Program(h), new Program(h)];
  s.sk.boundDevIf = eth.ifindex;
  s.bind('0.0.0.0', 9);
  c.sendto('x', '10.0.0.1', 9);
  assert.equal(s.recv(), 'x');
  assert.equal(wire.frames.length, 0);
  c.close();
  s.close();
  noLeaks(pool);
});
