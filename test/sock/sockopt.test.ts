import { test } from 'node:test';
import assert from 'node:assert/strict';
import { EINVAL, ENOPROTOOPT, ENOTCONN } from '../../src/lib/errno.ts';
import {
  IP_BIND_ADDRESS_NO_PORT, IP_FREEBIND, IP_HDRINCL, IP_LOCAL_PORT_RANGE, IP_MTU, IP_MTU_DISCOVER, IP_MULTICAST_TTL, IP_OPTIONS,
  IP_PKTINFO, IP_RECVERR, IP_TOS, IP_TTL,
} from '../../src/sock/constants.ts';
import { SockoptError, type SockoptValue } from '../../src/sock/sock.ts';
import { ipGetsockopt, ipSetsockopt } from '../../src/sock/sockopt.ts';
import { udpCreateSock } from '../../src/udp/udp.ts';
import { SockAddr } from '../../src/sock/sockaddr.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { SkbPool } from '../../src/skb/pool.ts';
import { ip, labHost } from '../ip/lab.ts';

const host = labHost(new Simulation(), new SkbPool(), 'h');

function get(sk: Parameters<typeof ipGetsockopt>[0], name: number): SockoptValue {
  const v = ipGetsockopt(sk, name, 64);
  return v instanceof SockoptError ? v.errno : v;
}

test('options of SOL_IP: defaults, what is taken, what is refused', () => {
  const sk = udpCreateSock(host.udp);
  // option, default, [value, answer, then read as]…
  const table: [number, number, [SockoptValue, number, number][]][] = [
    [IP_TTL, 64, [[1, 0, 1], [255, 0, 255], [0, -EINVAL, 255], [256, -EINVAL, 255], [-1, 0, 64], ['9', -EINVAL, 64], [1.5, -EINVAL, 64]]],
    [IP_TOS, 0, [[0x10, 0, 0x10], [0x1ff, 0, 0xff]]],
    [IP_MTU_DISCOVER, 1, [[2, 0, 2], [6, -EINVAL, 2], [-1, -EINVAL, 2]]],
    [IP_MULTICAST_TTL, 1, [[200, 0, 200], [256, -EINVAL, 200], [-1, 0, 1]]],
    [IP_PKTINFO, 0, [[7, 0, 1], [0, 0, 0]]],
    [IP_RECVERR, 0, [[1, 0, 1]]],
    [IP_FREEBIND, 0, [[1, 0, 1]]],
    [IP_BIND_ADDRESS_NO_PORT, 0, [[1, 0, 1]]],
    [IP_LOCAL_PORT_RANGE, 0, [[1000 | (2000 << 16), 0, 1000 | (2000 << 16)], [2000 | (1000 << 16), -EINVAL, 1000 | (2000 << 16)]]],
    [IP_HDRINCL, -ENOPROTOOPT, [[1, -ENOPROTOOPT, -ENOPROTOOPT]]],
    [IP_OPTIONS, -ENOPROTOOPT, [[1, -ENOPROTOOPT, -ENOPROTOOPT]]],
    [999, -ENOPROTOOPT, [[1, -ENOPROTOOPT, -ENOPROTOOPT]]],
  ];
  for (const [name, first, steps] of table) {
    assert.equal(get(sk, name), first, `default of ${String(name)}`);
    for (const [value, answer, read] of steps) {
      assert.equal(ipSetsockopt(sk, name, value), answer, `${String(name)} = ${JSON.stringify(value)}`);
      assert.equal(get(sk, name), read);
    }
  }
});

test('IP_MTU is that of the way to the peer', () => {
  const sk = udpCreateSock(host.udp);
  assert.equal(get(sk, IP_MTU), -ENOTCONN);
  host.in(() => sk.prot.connect(sk, new SockAddr().set(ip('127.0.0.1'), 9)));
  assert.equal(get(sk, IP_MTU), 65535);
});

test('the type of service gives the priority of the packets', () => {
  const sk = udpCreateSock(host.udp);
  assert.deepEqual([0x00, 0x08, 0x10, 0x18].map((tos) => {
    ipSetsockopt(sk, IP_TOS, tos);
    return sk.priority;
  }), [0, 2, 6, 4]);
});
