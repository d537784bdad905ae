/** TCP and UDP over IPv6, on the wire: what differs from IPv4. The rest is in the labs that run over both families. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EHOSTUNREACH } from '../../src/lib/errno.ts';
import { AF_INET6, IPV6_AUTOFLOWLABEL, SOCK_DGRAM, SOCK_NONBLOCK, SOL_IPV6 } from '../../src/sock/constants.ts';
import { SockAddr } from '../../src/sock/sockaddr.ts';
import { sysBind, sysRecvmsg, sysSocket } from '../../src/syscall/socket.ts';
import { MsgHdr } from '../../src/sock/sockaddr.ts';
import { in6Any } from '../../src/lib/addr6.ts';
import { labWith } from '../../src/testing.ts';
import { HOST_ADDR6, PEER_ADDR6 } from '../../src/testing/lab-host.ts';
import { buildPacket } from '../../src/wire/segment-build.ts';

const lab = labWith(test, [6]);

lab('RFC 8200 §8.3: the MSS that is announced is the MTU less 60', { mtu: 1400 }, (t) => {
  t.connecting();
  t.run('> S 0:0(0) <mss 1340,sackOK,TS val 0 ecr 0,nop,wscale 7>');
});

lab('RFC 8201 §5.4: "packet too big" lowers the MSS and sends again at once; a foreign number is not believed', { mss: 1460 }, (t) => {
  const c = t.established();
  c.write(2920);
  t.run`
    > . 1:1461(1460) ack 1
    > P. 1461:2921(1460) ack 1
    < icmp packet_too_big mtu 1300 [9001:10461(1460)]
    < icmp packet_too_big mtu 1300 [1:1461(1460)]
    > . 1:1241(1240) ack 1
    > P. 1241:2481(1240) ack 1
    > P. 2481:2921(440) ack 1
    +.01 < . 1:1(0) ack 2921
  `;
  t.sock(c, { mssCache: 1240 });
});

lab('ICMPv6 errors end a handshake, and are only remembered later', { active: true }, (t) => {
  const c = t.synSent();
  t.run('< icmp unreachable address_unreachable [0:0(0)]');
  assert.equal(c.tp.err, EHOSTUNREACH);
  const d = t.established({ active: false });
  d.write(10);
  t.run`
    > P. 1:11(10) ack 1
    < icmp unreachable no_route [1:11(10)]
    < . 1:1(0) ack 11
  `;
  t.sock(d, { state: 'ESTABLISHED' });
});

lab('RFC 6437: the packets of a flow have one label, made from its hash; IPV6_AUTOFLOWLABEL turns it off', (t) => {
  const labels = (off: boolean): Set<number> => {
    const c = t.established({ port: off ? 81 : 80, sockopts: off ? [[SOL_IPV6, IPV6_AUTOFLOWLABEL, 0]] : [] });
    c.write(5000);
    const seen = new Set<number>();
    for (let s = t.core.take(); s !== null; s = t.core.take()) if (typeof s.packet !== 'string') seen.add(s.packet.ip.flowlabel!);
    t.run('< . 1:1(0) ack 5001');
    return seen;
  };
  const own = labels(false);
  assert.equal(own.size, 1);
  assert.notEqual([...own][0], 0);
  assert.deepEqual([...labels(true)], [0]);
});

lab('RFC 8200 §8.1: a datagram without a checksum is refused', (t) => {
  const p = t.host.process;
  const fd = sysSocket(p, AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  assert.equal(sysBind(p, fd, new SockAddr().set6(in6Any, 9, 0)), 0);
  const build = (): Uint8Array => buildPacket({ proto: 'udp', ip: {}, len: 4 }, {
    saddr: 0, daddr: 0, sport: 7, dport: 9, v6: { saddr: PEER_ADDR6, daddr: HOST_ADDR6 },
  });
  const bare = build();
  bare.fill(0, 46, 48);
  t.host.wire.injectIp(bare);
  t.drops({ UdpCsum: 1 });
  t.counters({ Udp6InCsumErrors: 1, Udp6InErrors: 1 });
  t.host.wire.injectIp(build());
  const msg = new MsgHdr();
  msg.buf = new Uint8Array(10);
  msg.len = 10;
  assert.equal(sysRecvmsg(p, fd, msg), 4);
});
