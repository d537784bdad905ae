/** Sockets of AF_INET6 over both families: addresses, conflicts, options, errors. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kernel } from '../../src/host/kernel.ts';
import type { In6PktInfo } from '../../src/ip/v6/cmsg.ts';
import { formatIpv6 } from '../../src/lib/addr6.ts';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM } from '../../src/sock/constants.ts';
import * as C from '../../src/sock/constants.ts';
import type { SockExtendedErr } from '../../src/sock/extended-err.ts';
import { tableWith } from '../../src/testing.ts';

const table = tableWith(test);

const newKernel = (sysctl: Record<string, number> = {}): Kernel => new Kernel({ seed: 1, mode: 'manual', costs: 'zero', sysctl });

/** Lets happen what is due within a second. */
function run(k: Kernel): void {
  const { sim } = k.parts;
  const until = sim.now + 1e9;
  while (sim.nextTime() <= until) sim.step();
  sim.advanceTo(until);
}

/** The code of the error that `f` throws, or 'ok'. */
function codeOf(f: () => void): string {
  try {
    f();
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Makes a socket from words such as `:: v6only` and binds it to port 80. */
function bound(k: Kernel, text: string): string {
  const [address, ...words] = text.split(' ') as [string, ...string[]];
  const fd = k.socket(address.includes(':') ? AF_INET6 : AF_INET, SOCK_STREAM);
  if (words.includes('v6only')) k.sys.setsockopt(fd, C.SOL_IPV6, C.IPV6_V6ONLY, 1);
  if (words.includes('reuse')) k.sys.setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
  if (words.includes('port')) k.sys.setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
  const code = codeOf(() => k.bind(fd, { address, port: 80 }));
  if (code === 'ok' && words.includes('listen')) k.listen(fd);
  return code;
}

table<{ first: string; second: string; code: string }>('bind conflicts between the families, as Linux decides them', `
  first                   second                → code
  '::'                    '0.0.0.0'               EADDRINUSE    // dual stack: both families are taken
  '0.0.0.0'               '::'                    EADDRINUSE
  '::'                    '127.0.0.1'             EADDRINUSE
  '127.0.0.1'             '::'                    EADDRINUSE
  ':: v6only'             '0.0.0.0'               ok
  '0.0.0.0'               ':: v6only'             ok
  '::'                    '::'                    EADDRINUSE
  ':: v6only'             ':: v6only'             EADDRINUSE
  '::'                    '::1'                   EADDRINUSE
  '::1'                   '::'                    EADDRINUSE
  '::1'                   '0.0.0.0'               ok            // an address of IPv6 claims nothing of IPv4
  '::1'                   '127.0.0.1'             ok
  '::ffff:127.0.0.1'      '127.0.0.1'             EADDRINUSE    // mapped is IPv4
  '::ffff:127.0.0.1'      '::1'                   ok
  '::ffff:127.0.0.1'      ':: v6only'             ok
  '::ffff:127.0.0.1'      '::'                    EADDRINUSE
  '::ffff:0.0.0.0'        '127.0.0.1'             EADDRINUSE
  '::ffff:0.0.0.0'        ':: v6only'             ok
  '::ffff:127.0.0.1'      '127.0.0.2'             ok
  ':: reuse'              '0.0.0.0 reuse'         ok
  ':: reuse listen'       '0.0.0.0 reuse'         EADDRINUSE    // SO_REUSEADDR does not help against a listener
  ':: port listen'        '0.0.0.0 port'          ok
`, ({ first, second, code }) => {
  const k = newKernel();
  assert.equal(bound(k, first), 'ok');
  assert.equal(bound(k, second), code);
});

table<{ address: string; code: string }>('bind: addresses that cannot be', `
  address               → code
  'fd00::77'              EADDRNOTAVAIL   // none of ours
  '::ffff:9.9.9.9'        EADDRNOTAVAIL
  'fe80::1'               EINVAL          // which link?
  'ff02::1'               EINVAL          // a stream, and a group
  '::ffff:127.0.0.1 v6only' EINVAL
`, ({ address, code }) => {
  assert.equal(bound(newKernel(), address), code);
});

test('the door names a zone that is no interface, and a scopeId that contradicts it', () => {
  const k = newKernel();
  const fd = k.socket(AF_INET6, SOCK_STREAM);
  assert.throws(() => k.bind(fd, { address: 'fe80::1%wlan9', port: 1 }),
    /bind: address 'fe80::1%wlan9': this host has no interface 'wlan9'; it has lo/);
  assert.throws(() => k.bind(fd, { address: 'fe80::1%lo', port: 1, scopeId: 7 }), /bind: scopeId 7 is not the zone in the address/);
  assert.throws(() => k.bind(fd, { address: '::', port: 1, flowinfo: 0x100000 }), /flowinfo 1048576 is out of range/);
  assert.throws(() => k.bind(fd, { address: '::1::', port: 1 }), /'::1::' is not an IP address/);
});

/** Connects a client of a family to a listener at `::`; what both ends are called. */
function exchange(k: Kernel, family: number, address: string, listener: number): readonly string[] {
  const client = k.socket(family, SOCK_STREAM | C.SOCK_NONBLOCK);
  codeOf(() => k.sys.connect(client, { address, port: 80 }));
  run(k);
  const { fd, peer } = k.sys.accept(listener);
  k.sys.write(fd, 'hello');
  run(k);
  assert.equal(k.sys.read(client, new Uint8Array(10)), 5);
  const names = [k.sys.getsockname(fd).address, peer.address, k.sys.getsockname(client).address, k.sys.getpeername(client).address];
  k.close(fd);
  k.close(client);
  return names;
}

test('a listener at :: is asked over both families; IPv4 shows as mapped', () => {
  const k = newKernel();
  const s = k.socket(AF_INET6, SOCK_STREAM | C.SOCK_NONBLOCK);
  k.bind(s, { port: 80 });
  k.listen(s);
  assert.deepEqual(k.sys.getsockname(s), { address: '::', port: 80, family: 'IPv6' });
  assert.match(k.sh('ss -tln'), /LISTEN +0 +\d+ +\*:80 +\*:\*/);
  assert.match(k.sh('netstat -tln'), /^tcp6 +0 +0 :::80 +:::\*/m);
  assert.deepEqual(exchange(k, AF_INET6, '::1', s), ['::1', '::1', '::1', '::1']);
  assert.deepEqual(exchange(k, AF_INET6, '::', s), ['::1', '::1', '::1', '::1'], 'to :: means to this host');
  assert.deepEqual(exchange(k, AF_INET, '127.0.0.1', s), ['::ffff:127.0.0.1', '::ffff:127.0.0.1', '127.0.0.1', '127.0.0.1']);
  const mapped = '::ffff:127.0.0.1';
  assert.deepEqual(exchange(k, AF_INET6, mapped, s), [mapped, mapped, mapped, mapped]);
});

test('IPV6_V6ONLY, by the socket or by net.ipv6.bindv6only: IPv4 is refused', () => {
  for (const k of [newKernel(), newKernel({ 'net.ipv6.bindv6only': 1 })]) {
    const s = k.socket(AF_INET6, SOCK_STREAM | C.SOCK_NONBLOCK);
    if (k.sys.getsockopt(s, C.SOL_IPV6, C.IPV6_V6ONLY) === 0) k.sys.setsockopt(s, C.SOL_IPV6, C.IPV6_V6ONLY, 1);
    k.bind(s, { port: 80 });
    k.listen(s);
    assert.equal(codeOf(() => k.sys.setsockopt(s, C.SOL_IPV6, C.IPV6_V6ONLY, 0)), 'EINVAL', 'too late');
    const c = k.socket(AF_INET, SOCK_STREAM | C.SOCK_NONBLOCK);
    codeOf(() => k.sys.connect(c, { address: '127.0.0.1', port: 80 }));
    run(k);
    assert.equal(k.sys.getsockopt(c, C.SOL_SOCKET, C.SO_ERROR), 111);
    const only = k.socket(AF_INET6, SOCK_STREAM | C.SOCK_NONBLOCK);
    k.sys.setsockopt(only, C.SOL_IPV6, C.IPV6_V6ONLY, 1);
    assert.equal(codeOf(() => k.sys.connect(only, { address: '::ffff:127.0.0.1', port: 80 })), 'ENETUNREACH');
  }
});

test('of two listeners the one of AF_INET is asked first over IPv4', () => {
  const k = newKernel();
  const fds = [AF_INET6, AF_INET].map((family) => {
    const fd = k.socket(family, SOCK_STREAM | C.SOCK_NONBLOCK);
    k.sys.setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
    k.bind(fd, { port: 80 });
    k.listen(fd);
    return fd;
  });
  exchange(k, AF_INET, '127.0.0.1', fds[1]!);
  exchange(k, AF_INET6, '::1', fds[0]!);
});

test('datagrams over both families, to their full length, with what the reader asked to be told', () => {
  const k = newKernel();
  const to = k.socket(AF_INET6, SOCK_DGRAM | C.SOCK_NONBLOCK);
  k.bind(to, { port: 9 });
  k.sys.setsockopt(to, C.SOL_SOCKET, C.SO_RCVBUFFORCE, 1 << 20);
  for (const name of [C.IPV6_RECVPKTINFO, C.IPV6_RECVHOPLIMIT, C.IPV6_RECVTCLASS]) k.sys.setsockopt(to, C.SOL_IPV6, name, 1);
  const from = k.socket(AF_INET6, SOCK_DGRAM | C.SOCK_NONBLOCK);
  k.sys.setsockopt(from, C.SOL_IPV6, C.IPV6_TCLASS, 0x20);
  k.sys.setsockopt(from, C.SOL_IPV6, C.IPV6_UNICAST_HOPS, 7);
  const send = (address: string, bytes: number): string => codeOf(() => k.sys.sendto(from, new Uint8Array(bytes), { address, port: 9 }));
  assert.equal(send('::1', 65527), 'ok');
  assert.equal(send('::1', 65528), 'EMSGSIZE');
  assert.equal(send('::ffff:127.0.0.1', 65507), 'ok');
  assert.equal(send('127.0.0.1', 1), 'ok', 'an IPv4 address as it is');
  run(k);
  const buffer = new Uint8Array(70000);
  const got = [0, 1, 2].map(() => k.sys.recvmsg(to, [buffer]));
  assert.deepEqual(got.map((m) => [m.bytes, m.from?.address]), [[65527, '::1'], [65507, '::ffff:127.0.0.1'], [1, '::ffff:127.0.0.1']]);
  const told = got.map((m) => m.control.map((c) =>
    [c.type, typeof c.data === 'number' ? c.data : formatIpv6((c.data as In6PktInfo).addr)]));
  assert.deepEqual(told[0], [[C.IPV6_PKTINFO, '::1'], [C.IPV6_HOPLIMIT, 7], [C.IPV6_TCLASS, 0x20]]);
  assert.deepEqual(told[2], [[C.IPV6_PKTINFO, '::ffff:127.0.0.1']]);
  const { Udp6InDatagrams, UdpInDatagrams } = k.nstat();
  assert.deepEqual([Udp6InDatagrams, UdpInDatagrams], [1, 2]);
});

test('a port that nobody has: the error of ICMPv6, at once and in the error queue', () => {
  const k = newKernel();
  const fd = k.socket(AF_INET6, SOCK_DGRAM | C.SOCK_NONBLOCK);
  k.sys.setsockopt(fd, C.SOL_IPV6, C.IPV6_RECVERR, 1);
  k.sys.connect(fd, { address: '::1', port: 9 });
  k.sys.send(fd, 'anybody?');
  run(k);
  assert.equal(codeOf(() => k.sys.send(fd, 'really?')), 'ECONNREFUSED');
  const got = k.sys.recvmsg(fd, [new Uint8Array(100)], C.MSG_ERRQUEUE);
  assert.deepEqual([got.bytes, got.from], [8, { address: '::1', port: 9, family: 'IPv6' }]);
  const { level, type, data } = got.control[0]!;
  const err = data as SockExtendedErr;
  assert.deepEqual([level, type, err.errno, err.origin, err.type, err.code], [C.SOL_IPV6, C.IPV6_RECVERR, 111, 3, 1, 4]);
  assert.equal(k.sys.getsockopt(fd, C.SOL_IPV6, C.IPV6_MTU), 65536);
});

test('MSG_MORE and UDP_CORK make one datagram of many pieces', () => {
  const k = newKernel();
  const to = k.socket(AF_INET6, SOCK_DGRAM | C.SOCK_NONBLOCK);
  k.bind(to, { port: 9 });
  const from = k.socket(AF_INET6, SOCK_DGRAM | C.SOCK_NONBLOCK);
  const all = Uint8Array.from({ length: 60000 }, (_, i) => i * 7);
  for (let i = 0; i < 60; i++) {
    k.sys.sendto(from, all.slice(i * 1000, i * 1000 + 1000), { address: '::1', port: 9 }, i < 59 ? C.MSG_MORE : 0);
  }
  run(k);
  const buffer = new Uint8Array(70000);
  assert.equal(k.sys.recvmsg(to, [buffer]).bytes, 60000);
  assert.deepEqual(buffer.slice(0, 60000), all);
});

test('IPV6_ADDRFORM: a socket with a mapped peer becomes one of AF_INET', () => {
  const k = newKernel();
  const fd = k.socket(AF_INET6, SOCK_DGRAM);
  const make = (): string => codeOf(() => k.sys.setsockopt(fd, C.SOL_IPV6, C.IPV6_ADDRFORM, AF_INET));
  assert.equal(make(), 'ENOTCONN');
  k.sys.connect(fd, { address: '::1', port: 9 });
  assert.equal(make(), 'EADDRNOTAVAIL');
  k.sys.connect(fd, null);
  k.sys.connect(fd, { address: '::ffff:127.0.0.1', port: 9 });
  assert.deepEqual(k.sys.getpeername(fd), { address: '::ffff:127.0.0.1', port: 9, family: 'IPv6' });
  assert.equal(make(), 'ok');
  assert.deepEqual(k.sys.getpeername(fd), { address: '127.0.0.1', port: 9, family: 'IPv4' });
  assert.equal(k.sys.getsockopt(fd, C.SOL_SOCKET, C.SO_DOMAIN), AF_INET);
});
