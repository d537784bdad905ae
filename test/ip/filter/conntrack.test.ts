/** Connection tracking, segment by segment: states, windows, timeouts at their exact time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableWith } from '../../../src/testing/table.ts';
import { conntrackList } from '../../../src/ip/filter/conntrack-table.ts';
import { noLeaks } from '../lab.ts';
import { FirewallLab } from './lab.ts';

const table = tableWith(test);

/** Segments of a connection: `>S` a SYN from inside, `<S.` the answer… Numbers follow from what was sent before. */
function play(lab: FirewallLab, script: string): string[] {
  const next = { '>': 100, '<': 5000 };
  return script.trim().split(/\s+/).map((word) => {
    const way = word[0] as '>' | '<';
    const flags = word.slice(1);
    const other = way === '>' ? '<' : '>';
    const seq = next[way];
    if (/[SF]/.test(flags)) next[way]++;
    return lab.tcp(way, flags, { seq, ack: flags.includes('.') ? next[other] : 0 });
  });
}

table<{ script: string; states: string }>('the states of a connection, as each segment goes by', `
  script                              →  states
  '>S'                                   SYN_SENT
  '>S >S'                                'SYN_SENT SYN_SENT'                                    // retransmitted
  '>S <S.'                               'SYN_SENT SYN_RECV'
  '>S <S. >.'                            'SYN_SENT SYN_RECV ESTABLISHED'
  '>S <S. >. >F. <. <F. >.'              'SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT'
  '>S <S. >. <F. >. >F. <.'              'SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT'
  '>S <S. >. >F. <F. >.'                 'SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT LAST_ACK TIME_WAIT'
  '>S <R.'                               'SYN_SENT -'                                            // refused: nothing to remember
  '>S >R'                                'SYN_SENT -'
  '>S <S. >R'                            'SYN_SENT SYN_RECV CLOSE'
  '>S <S. >. >R'                         'SYN_SENT SYN_RECV ESTABLISHED CLOSE'
  '>S <S'                                'SYN_SENT SYN_SENT2'                                    // both at once: RFC 9293 §3.5
  '>S <S <S. >.'                         'SYN_SENT SYN_SENT2 SYN_RECV ESTABLISHED'
  '>.'                                   ESTABLISHED                                             // picked up (tcp_loose)
  '>F.'                                  -
  '>S.'                                  -
  '<R'                                   -
`, ({ script, states }) => {
  const lab = new FirewallLab();
  const seen = play(lab, script).map((state) => (state === '' ? '-' : state)).join(' ');
  assert.equal(seen, states);
  lab.wait(1);
  noLeaks(lab.pool);
});

table<{ script: string; seconds: number }>('how long a connection is believed after its last segment', `
  script                      →  seconds
  '>S'                           120
  '>S <S.'                       60
  '>S <S. >.'                    432000       // five days
  '>.'                           300          // picked up, and nobody has answered
  '>S <S. >. >F.'                120
  '>S <S. >. >F. <.'             60
  '>S <S. >. >F. <. <F.'         30
  '>S <S. >. >F. <. <F. >.'      120
  '>S <S. >. >R'                 10
`, ({ script, seconds }) => {
  const lab = new FirewallLab();
  play(lab, script);
  lab.wait(seconds - 0.001);
  assert.notEqual(lab.state(), '', 'a millisecond before');
  assert.ok(Math.abs(lab.left() - 0.001) < 1e-4, `${String(lab.left())} s left`);
  lab.wait(0.001);
  assert.equal(lab.state(), '', 'then it is forgotten');
});

test('UDP: half a minute, two minutes once it has been a stream for two seconds; ICMP half a minute', () => {
  const lab = new FirewallLab();
  lab.udp('>');
  assert.equal(lab.left(), 30);
  lab.wait(1);
  lab.udp('<');
  assert.equal(Math.round(lab.left()), 30, 'answered, not yet a stream');
  lab.wait(1.5);
  lab.udp('>');
  assert.equal(Math.round(lab.left()), 120);
  lab.wait(120);
  assert.equal(lab.left(), -1);
  lab.nf.conntrack.sysctl.nfConntrackUdpTimeout = 5;
  lab.udp('>');
  assert.equal(lab.left(), 5);
});

test('numbers that cannot be: such segments are INVALID, and change nothing', () => {
  const lab = new FirewallLab();
  play(lab, '>S <S. >.');
  const { stats } = lab.nf.conntrack;
  const CASES: readonly (readonly [string, '>' | '<', string, { seq: number; ack: number; len?: number }, boolean])[] = [
    ['data in the window', '>', '.', { seq: 101, ack: 5001, len: 100 }, true],
    ['beyond what the receiver allowed', '>', '.', { seq: 101 + 200_000, ack: 5001 }, false],
    ['older than a window', '<', '.', { seq: 5001 - 70_000, ack: 101 }, false],
    ['an acknowledgement of what was never sent', '<', '.', { seq: 5001, ack: 500 }, false],
    ['an acknowledgement from long ago', '<', '.', { seq: 5001, ack: 101 - 70_000 }, false],
    ['a reset with a number that is not the next one', '<', 'R.', { seq: 4000, ack: 201 }, false],
    ['SYN and FIN', '>', 'SF', { seq: 201, ack: 0 }, false],
    ['no flags at all', '>', '', { seq: 201, ack: 0 }, false],
  ];
  for (const [what, way, flags, seg, good] of CASES) {
    const before = stats.invalid;
    assert.equal(lab.tcp(way, flags, seg), 'ESTABLISHED', what);
    assert.equal(stats.invalid - before, good ? 0 : 1, what);
  }
  lab.nf.conntrack.sysctl.nfConntrackTcpBeLiberal = 1;
  const before = stats.invalid;
  lab.tcp('>', '.', { seq: 101 + 200_000, ack: 5001 });
  assert.equal(stats.invalid, before, 'tcp_be_liberal lets it be');
});

test('RFC 9293 §3.6.1: a SYN reopens a connection in TIME_WAIT, as a new one; in ESTABLISHED it is let through and not believed', () => {
  const lab = new FirewallLab();
  play(lab, '>S <S. >. >F. <. <F. >.');
  const [old] = conntrackList(lab.nf.conntrack);
  assert.equal(lab.tcp('>', 'S', { seq: 9000 }), 'SYN_SENT');
  assert.notEqual(conntrackList(lab.nf.conntrack)[0], old);
  const second = new FirewallLab();
  play(second, '>S <S. >.');
  assert.equal(second.tcp('>', 'S', { seq: 90000 }), 'ESTABLISHED');
  assert.equal(second.tcp('<', 'S.', { seq: 70000, ack: 90001 }), 'SYN_RECV', 'it is answered: so the ends know better');
  assert.equal(second.tcp('>', '.', { seq: 90001, ack: 70001 }), 'ESTABLISHED');
});

test('a full table: the first packet of a connection is dropped, by name; what is not assured makes room', () => {
  const lab = new FirewallLab();
  lab.nf.conntrack.sysctl.nfConntrackMax = 3;
  for (const sport of [1, 2, 3]) {
    for (const [way, flags, seq, ack] of [['>', 'S', 1, 0], ['<', 'S.', 9, 2], ['>', '.', 2, 10]] as const) {
      try {
        lab.tcp(way, flags, { sport, seq, ack });
      } catch {
        // state() is about one connection
      }
    }
  }
  const { stats } = lab.nf.conntrack;
  const udp = (): void => lab.udp('>', 7000);
  udp();
  assert.deepEqual([stats.drop, stats.earlyDrop, lab.nf.conntrack.count], [1, 0, 3]);
  assert.deepEqual(lab.fw.drops, ['NF_CONNTRACK_FULL']);
  assert.match(lab.nf.log.lines()[0]!, /nf_conntrack: table full, dropping packet$/);
  lab.wait(432_001);
  udp();
  assert.deepEqual([stats.drop, lab.nf.conntrack.count], [1, 1], 'expired entries make room');
});

test('an idle table costs no events, and keeps no world running', () => {
  const lab = new FirewallLab();
  play(lab, '>S <S. >.');
  lab.wait(1);
  assert.equal(lab.sim.live, 0);
  const { events } = lab.sim;
  lab.wait(1_000_000);
  assert.ok(lab.sim.events - events < 20, `${String(lab.sim.events - events)} events in eleven days`);
});

test('the table grows with what is in it, and finds everything', () => {
  const lab = new FirewallLab();
  for (let i = 0; i < 3000; i++) lab.udp('>', 1 + i, 53);
  assert.equal(lab.nf.conntrack.count, 3000);
  assert.ok(lab.nf.conntrack.buckets.length >= 2048);
  for (let i = 0; i < 3000; i += 97) lab.udp('<', 1 + i, 53);
  assert.equal(lab.nf.conntrack.count, 3000, 'answers belong to what they answer');
});
