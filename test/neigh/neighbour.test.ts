import { test } from 'node:test';
import assert from 'node:assert/strict';
import { printEthernet } from '../../src/wire/print.ts';
import {
  type Neighbour, NEIGH_UPDATE_F_ADMIN, NEIGH_UPDATE_F_OVERRIDE, neighEventSend, neighUpdate, NUD_DELAY, NUD_FAILED, NUD_INCOMPLETE,
  NUD_NOARP, NUD_NONE, NUD_PERMANENT, NUD_PROBE, NUD_REACHABLE, NUD_STALE,
} from '../../src/neigh/neighbour.ts';
import { ip, noLeaks, pair, run, type Pair } from '../ip/lab.ts';

const NAMES: Record<number, string> = {
  [NUD_NONE]: 'NONE', [NUD_INCOMPLETE]: 'INCOMPLETE', [NUD_REACHABLE]: 'REACHABLE', [NUD_STALE]: 'STALE', [NUD_DELAY]: 'DELAY',
  [NUD_PROBE]: 'PROBE', [NUD_FAILED]: 'FAILED', [NUD_NOARP]: 'NOARP', [NUD_PERMANENT]: 'PERMANENT',
};
const HA = new Uint8Array([2, 0, 0, 0, 0, 9]);
const OTHER = new Uint8Array([2, 0, 0, 0, 0, 10]);

/** A neighbour that nobody plays, on a wire where frames are lost; brought into `state` by a real exchange. */
function inState(state: string): { p: Pair; n: Neighbour } {
  const p = pair();
  p.wire.passes = () => false;
  p.a.ip.arp.table.parms.baseReachableTimeMs = 30000;
  const n = p.a.ip.arp.table.lookup(p.ea, ip('10.0.0.9'))!;
  if (state === 'NONE') return { p, n };
  p.a.in(() => neighEventSend(n, null));
  if (state === 'INCOMPLETE') return { p, n };
  if (state === 'FAILED') {
    run(p.sim, 4000);
    return { p, n };
  }
  p.a.in(() => neighUpdate(n, HA, 0, NUD_REACHABLE, NEIGH_UPDATE_F_OVERRIDE));
  if (state === 'REACHABLE') return { p, n };
  run(p.sim, 60000);
  assert.equal(NAMES[n.state], 'STALE');
  if (state === 'STALE') return { p, n };
  p.a.in(() => neighEventSend(n, null));
  if (state === 'DELAY') return { p, n };
  run(p.sim, 66000);
  return { p, n };
}

/** What happens, in words. */
const EVENTS: Record<string, (p: Pair, n: Neighbour) => void> = {
  send: (p, n) => void p.a.in(() => neighEventSend(n, null)),
  'solicited reply': (p, n) => void p.a.in(() => neighUpdate(n, HA, 0, NUD_REACHABLE, 0)),
  'reply, other address': (p, n) => void p.a.in(() => neighUpdate(n, OTHER, 0, NUD_REACHABLE, 0)),
  'request from it': (p, n) => void p.a.in(() => neighUpdate(n, HA, 0, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE)),
  'request, other address': (p, n) => void p.a.in(() => neighUpdate(n, OTHER, 0, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE)),
  '4 s pass': (p) => run(p.sim, p.sim.now / 1e6 + 4000),
  '6 s pass': (p) => run(p.sim, p.sim.now / 1e6 + 6000),
  '60 s pass': (p) => run(p.sim, p.sim.now / 1e6 + 60000),
  'confirmed, 6 s pass': (p, n) => {
    n.confirmed = p.sim.now;
    run(p.sim, p.sim.now / 1e6 + 6000);
  },
  'confirmed every 10 s for 60 s': (p, n) => {
    for (let i = 0; i < 6; i++) {
      n.confirmed = p.sim.now;
      run(p.sim, p.sim.now / 1e6 + 10000);
    }
  },
  permanent: (p, n) => void p.a.in(() => neighUpdate(n, HA, 0, NUD_PERMANENT, NEIGH_UPDATE_F_ADMIN)),
};

// RFC 4861 §7.3.3 and appendix C, as ARP uses them.
const TABLE = `
  NONE        send                            INCOMPLETE
  NONE        solicited reply                 REACHABLE
  NONE        request from it                 STALE
  INCOMPLETE  send                            INCOMPLETE
  INCOMPLETE  solicited reply                 REACHABLE
  INCOMPLETE  request from it                 STALE
  INCOMPLETE  4 s pass                        FAILED
  REACHABLE   send                            REACHABLE
  REACHABLE   reply, other address            REACHABLE
  REACHABLE   request from it                 REACHABLE
  REACHABLE   request, other address          STALE
  REACHABLE   60 s pass                       STALE
  REACHABLE   confirmed every 10 s for 60 s   REACHABLE
  STALE       send                            DELAY
  STALE       60 s pass                       STALE
  STALE       solicited reply                 REACHABLE
  STALE       request from it                 STALE
  DELAY       send                            DELAY
  DELAY       6 s pass                        PROBE
  DELAY       confirmed, 6 s pass             REACHABLE
  DELAY       solicited reply                 REACHABLE
  DELAY       request from it                 DELAY
  PROBE       send                            PROBE
  PROBE       4 s pass                        FAILED
  PROBE       solicited reply                 REACHABLE
  FAILED      send                            INCOMPLETE
  FAILED      solicited reply                 REACHABLE
  FAILED      60 s pass                       FAILED
  STALE       permanent                       PERMANENT
`;

for (const line of TABLE.trim().split('\n')) {
  const [from, event, to] = line.trim().split(/\s{2,}/) as [string, string, string];
  test(`${from}: ${event} → ${to}`, () => {
    const { p, n } = inState(from);
    assert.equal(NAMES[n.state], from);
    EVENTS[event]!(p, n);
    assert.equal(NAMES[n.state], to);
    noLeaks(p.pool);
  });
}

function lines(p: Pair): string[] {
  return p.wire.frames.map((f) => printEthernet(f, 0, f.length));
}


test('three questions a second apart, by broadcast; then the neighbour has failed', () => {
  const { p, n } = inState('INCOMPLETE');
  run(p.sim);
  assert.equal(n.state, NUD_FAILED);
  assert.equal(p.sim.now, 3e9);
  assert.equal(lines(p).length, 3);
  for (const f of p.wire.frames) assert.equal(f[0], 0xff);
  assert.match(lines(p)[0]!, /who-has 10\.0\.0\.9 tell 10\.0\.0\.1/i);
});

test('when in doubt the known address is asked, by unicast', () => {
  const { p, n } = inState('DELAY');
  p.wire.frames.length = 0;
  run(p.sim, 75000);
  assert.equal(n.state, NUD_FAILED);
  assert.equal(p.wire.frames.length, 3);
  for (const f of p.wire.frames) assert.deepEqual(f.subarray(0, 6), HA);
});

test('ageing keeps no world alive, asking does', () => {
  for (const [state, live] of [['REACHABLE', 0], ['STALE', 0], ['DELAY', 0], ['INCOMPLETE', 1], ['PROBE', 1]] as const) {
    assert.equal(inState(state).p.sim.live, live, state);
  }
});

test('the first of several answers wins for a second, then a new address replaces the known one', () => {
  const { p, n } = inState('REACHABLE');
  p.wire.passes = () => true;
  const reply = (ha: Uint8Array): void => {
    const f = new Uint8Array(60);
    f.set([2, 0, 0, 0, 0, 1, ...ha, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2, ...ha, 10, 0, 0, 9, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1]);
    p.wire.send(p.eb, f);
    run(p.sim, p.sim.now / 1e6 + 1);
  };
  reply(OTHER);
  assert.deepEqual(n.ha, HA);
  run(p.sim, 2000);
  reply(OTHER);
  assert.deepEqual(n.ha, OTHER);
  assert.deepEqual([n.hh0, n.hh4 >>> 16], [0x02000000, 10], 'the cached header follows');
});

test('a permanent neighbour is not moved by anybody else', () => {
  const { p, n } = inState('STALE');
  EVENTS['permanent']!(p, n);
  assert.equal(p.a.in(() => neighUpdate(n, OTHER, 0, NUD_REACHABLE, NEIGH_UPDATE_F_OVERRIDE)), false);
  assert.deepEqual(n.ha, HA);
});

test('groups, broadcast and loopback need no question', () => {
  const p = pair();
  const { table } = p.a.ip.arp;
  const group = table.lookup(p.ea, ip('239.129.2.3'))!;
  assert.equal(NAMES[group.state], 'NOARP');
  assert.deepEqual([...group.ha], [0x01, 0x00, 0x5e, 0x01, 2, 3]);
  assert.deepEqual([...table.lookup(p.ea, ip('10.0.0.255'))!.ha], [255, 255, 255, 255, 255, 255]);
  assert.equal(NAMES[table.lookup(p.a.lo, 0)!.state], 'NOARP');
});

test('the table has a limit: what is idle goes first, then nobody new comes in', () => {
  const p = pair();
  p.wire.passes = () => false;
  const { table } = p.a.ip.arp;
  Object.assign(table.parms, { gcThresh1: 4, gcThresh2: 8, gcThresh3: 16 });
  const entry = (i: number): Neighbour | null => p.a.in(() => table.lookup(p.ea, ip('10.0.0.100') + i));
  for (let i = 0; i < 16; i++) neighUpdate(entry(i)!, HA, 0, NUD_STALE, 0);
  assert.equal(table.entries, 16);
  assert.equal(entry(16), null, 'all are younger than five seconds');
  assert.equal(table.tableFulls, 1);
  run(p.sim, 6000);
  assert.notEqual(entry(16), null);
  assert.equal(table.entries, 9, 'down to gc_thresh2, and the new one');
  run(p.sim, 120000);
  assert.equal(table.entries, 0, 'unused for gc_stale_time');
});

test('a device that goes down forgets its neighbours and what waits for them', () => {
  const { p, n } = inState('INCOMPLETE');
  p.a.ip.changed(p.ea, 'address');
  assert.equal(n.dead, true);
  assert.equal(p.sim.live, 0);
  noLeaks(p.pool);
});

test('equal seeds draw equal reachable times, between 15 and 45 seconds', () => {
  const times = [1, 1, 2].map((seed) => pair(seed).a.ip.arp.table.reachableTime());
  assert.equal(times[0], times[1]);
  assert.notEqual(times[0], times[2]);
  for (const t of times) assert.ok(t >= 15e9 && t < 45e9);
});
