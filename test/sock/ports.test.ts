import { test } from 'node:test';
import assert from 'node:assert/strict';
import { EADDRINUSE, EADDRNOTAVAIL, errnoName } from '../../src/lib/errno.ts';
import { Random } from '../../src/lib/random.ts';
import { TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN, TCP_TIME_WAIT } from '../../src/sock/constants.ts';
import {
  portsBind, portsConnectBind, portsInherit, portsUnbind, PortTable, type PortChecker,
} from '../../src/sock/ports.ts';
import type { InetSock } from '../../src/sock/sock.ts';
import { udpCreateSock } from '../../src/udp/udp.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { SkbPool } from '../../src/skb/pool.ts';
import { ip, labHost } from '../ip/lab.ts';

const host = labHost(new Simulation(), new SkbPool(), 'h');

/** A socket as far as ports see it: `any`, `1.1.1.1`, with `%2` for a device; then words. */
function sock(text: string): InetSock {
  const [where, ...words] = text.split(' ') as [string, ...string[]];
  const [addr, dev] = where.split('%') as [string, string | undefined];
  const sk = udpCreateSock(host.udp);
  sk.rcvSaddr = addr === 'any' ? 0 : ip(addr);
  sk.boundDevIf = dev === undefined ? 0 : Number(dev);
  sk.reuse = words.includes('addr');
  sk.reuseport = words.includes('port');
  const states: Record<string, number> = { listen: TCP_LISTEN, estab: TCP_ESTABLISHED, tw: TCP_TIME_WAIT };
  sk.state = words.map((w) => states[w]).find((s) => s !== undefined) ?? TCP_CLOSE;
  return sk;
}

function table(low = 32768, high = 60999, seed = 1): PortTable {
  return new PortTable([low, high], new Random(seed));
}

// socket(7), SO_REUSEADDR and SO_REUSEPORT; ip(7). First is bound and gets into its state, second tries the same port.
const CONFLICTS = `
  any                  any                   in use
  any                  1.1.1.1               in use
  1.1.1.1              any                   in use
  1.1.1.1              1.1.1.1               in use
  1.1.1.1              2.2.2.2               free
  any%2                any%3                 free
  any%2                any%2                 in use
  any%2                any                   in use
  any                  any%2                 in use
  1.1.1.1%2            1.1.1.1%3             free
  any addr             any addr              free
  any addr             any                   in use
  any                  any addr              in use
  any addr listen      any addr              in use
  any addr listen      1.1.1.1 addr          in use
  1.1.1.1 addr listen  any addr              in use
  1.1.1.1 addr listen  2.2.2.2 addr          free
  any addr estab       any addr              free
  any addr tw          any addr              free
  any estab            any addr              in use
  any tw               any addr              in use
  any tw               any                   in use
  any addr tw          any                   in use
  any port             any port              free
  any port             any                   in use
  any                  any port              in use
  any port listen      any port              free
  any port listen      1.1.1.1 port          free
  any port listen      any addr              in use
  any addr port listen any addr              in use
  any addr port listen any addr port         free
  any addr listen      any addr port         in use
`;

for (const line of CONFLICTS.trim().split('\n')) {
  const [first, second, want] = line.trim().split(/\s{2,}|(?<=(?:port|addr) listen) (?=any)/) as [string, string, string];
  test(`bound: ${first}; ${second} on the same port: ${want}`, () => {
    const t = table();
    const a = sock(first);
    assert.equal(portsBind(t, a, 80), 0);
    const b = sock(second);
    assert.equal(portsBind(t, b, 80), want === 'free' ? 0 : -EADDRINUSE);
    assert.equal(b.num, want === 'free' ? 80 : 0);
    assert.equal(portsBind(t, sock(second), 81), 0, 'another port is free');
    portsUnbind(t, a);
    portsUnbind(t, b);
    assert.equal(t.find(80), null);
  });
}

test('listen() asks again: two who share by SO_REUSEADDR cannot both listen', () => {
  const t = table();
  const [a, b] = [sock('any addr'), sock('any addr')];
  assert.equal(portsBind(t, a, 80), 0);
  assert.equal(portsBind(t, b, 80), 0);
  a.state = TCP_LISTEN;
  assert.equal(portsBind(t, a, 80), 0);
  b.state = TCP_LISTEN;
  assert.equal(portsBind(t, b, 80), -EADDRINUSE);
  assert.equal(b.num, 80, 'it keeps what it has');
  assert.equal(t.find(80)!.owners, 2);
});

test('accepted connections and TIME_WAITs hold the port of their listener', () => {
  const t = table();
  const listener = sock('any listen');
  portsBind(t, listener, 80);
  const children = [1, 2, 3].map(() => sock('1.1.1.1 estab'));
  for (const c of children) {
    c.num = 80;
    portsInherit(t, listener, c);
  }
  portsUnbind(t, listener);
  assert.equal(portsBind(t, sock('any'), 80), -EADDRINUSE);
  portsUnbind(t, children[1]!);
  portsUnbind(t, children[0]!);
  portsUnbind(t, children[0]!);
  assert.equal(t.find(80)!.owners, 1);
  portsUnbind(t, children[2]!);
  assert.equal(t.size, 0);
  assert.equal(portsBind(t, sock('any'), 80), 0);
});

test('ephemeral ports: within the range, each once, and EADDRINUSE when there are no more', () => {
  for (const [low, high, count] of [[40000, 40009, 10], [40000, 40008, 8], [40000, 40000, 1], [1, 2, 2]] as const) {
    const t = table(low, high);
    const ports = new Set<number>();
    for (let i = 0; i < count; i++) {
      const sk = sock('any addr');
      assert.equal(portsBind(t, sk, 0), 0);
      assert.ok(sk.num >= low && sk.num <= high);
      ports.add(sk.num);
    }
    assert.equal(ports.size, count, 'no sharing, whatever the options');
    assert.equal(portsBind(t, sock('any addr'), 0), -EADDRINUSE);
    assert.equal(portsBind(t, sock('any'), 0), -EADDRINUSE);
  }
});

test('bind takes odd ports first and leaves the even ones to connect', () => {
  const t = table(40000, 40009);
  const first = [1, 2, 3, 4, 5].map(() => {
    const sk = sock('any');
    portsBind(t, sk, 0);
    return sk.num & 1;
  });
  assert.deepEqual(first, [1, 1, 1, 1, 1]);
});

test('an ephemeral port may be used again on an address where it is free', () => {
  const t = table(40000, 40000);
  assert.equal(portsBind(t, sock('1.1.1.1'), 0), 0);
  assert.equal(portsBind(t, sock('2.2.2.2'), 0), 0);
  assert.equal(portsBind(t, sock('any'), 0), -EADDRINUSE);
});

test('IP_LOCAL_PORT_RANGE narrows the range of one socket', () => {
  const t = table();
  const sk = sock('any');
  sk.localPortRange = 50000 | (50001 << 16);
  portsBind(t, sk, 0);
  assert.ok(sk.num === 50000 || sk.num === 50001);
});

/** 4-tuples in use. */
class Tuples implements PortChecker {
  readonly used: Set<string> = new Set();
  key(sk: InetSock, port: number): string {
    return `${sk.saddr}:${port}>${sk.daddr}:${sk.dport}`;
  }

  isFree(sk: InetSock, port: number): boolean {
    return !this.used.has(this.key(sk, port));
  }

  connect(t: PortTable, daddr: string, dport: number): InetSock | string {
    const sk = sock('1.1.1.1');
    sk.saddr = ip('1.1.1.1');
    sk.daddr = ip(daddr);
    sk.dport = dport;
    const err = portsConnectBind(t, sk, this);
    if (err < 0) return errnoName(err);
    this.used.add(this.key(sk, sk.num));
    return sk;
  }
}

test('connect: the same port may serve many peers, and the range is exhausted per peer', () => {
  const t = table(40000, 40003);
  const tuples = new Tuples();
  for (let peer = 1; peer <= 3; peer++) {
    const ports = [1, 2, 3, 4].map(() => (tuples.connect(t, `9.9.9.${peer}`, 80) as InetSock).num);
    assert.deepEqual([...ports].sort((x, y) => x - y), [40000, 40001, 40002, 40003]);
    assert.ok(ports.slice(0, 2).every((p) => p % 2 === 0), 'even ones first');
    assert.equal(tuples.connect(t, `9.9.9.${peer}`, 80), errnoName(EADDRNOTAVAIL));
  }
  assert.equal(t.size, 4);
  assert.equal(t.find(40000)!.owners, 3);
});

test('connect leaves alone what somebody bound', () => {
  const t = table(40000, 40001);
  assert.equal(portsBind(t, sock('2.2.2.2 addr'), 40000), 0);
  const tuples = new Tuples();
  assert.equal((tuples.connect(t, '9.9.9.9', 80) as InetSock).num, 40001);
  assert.equal(tuples.connect(t, '9.9.9.8', 81) instanceof Object, true);
  portsBind(t, sock('2.2.2.2 addr'), 40001);
  assert.equal(tuples.connect(t, '9.9.9.7', 80), errnoName(EADDRNOTAVAIL), 'bound since');
});

test('connect with a port of its own keeps it, if the 4-tuple is free', () => {
  const t = table();
  const tuples = new Tuples();
  const sk = sock('1.1.1.1');
  portsBind(t, sk, 5000);
  sk.saddr = ip('1.1.1.1');
  sk.daddr = ip('9.9.9.9');
  sk.dport = 80;
  assert.equal(portsConnectBind(t, sk, tuples), 0);
  tuples.used.add(tuples.key(sk, 5000));
  const again = sock('1.1.1.1 addr');
  Object.assign(again, { saddr: sk.saddr, daddr: sk.daddr, dport: 80, num: 5000 });
  assert.equal(portsConnectBind(t, again, tuples), -EADDRNOTAVAIL);
});

test('equal seeds choose equal ports; a peer starts elsewhere than another, and comes back late', () => {
  const choose = (seed: number, peer: string, n: number): number[] => {
    const t = table(32768, 60999, seed);
    const tuples = new Tuples();
    return Array.from({ length: n }, () => {
      const sk = tuples.connect(t, peer, 80) as InetSock;
      portsUnbind(t, sk);
      tuples.used.clear();
      return sk.num;
    });
  };
  assert.deepEqual(choose(1, '9.9.9.9', 50), choose(1, '9.9.9.9', 50));
  assert.notDeepEqual(choose(1, '9.9.9.9', 50), choose(2, '9.9.9.9', 50));
  assert.notEqual(choose(1, '9.9.9.9', 1)[0], choose(1, '9.9.9.8', 1)[0]);
  assert.equal(new Set(choose(1, '9.9.9.9', 1000)).size, 1000, 'none twice in a thousand, though each was free again');
});
