import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

lab('TCP_INFO of a fresh connection: what a handshake of 20.263 ms has taught', { mss: 1000, rttMs: 20.263 }, (t) => {
  const c = t.established();
  const info = c.info();
  assert.equal(info['tcpi_rtt'], 20_263);
  assert.equal(info['tcpi_rttvar'], 10_131);
  assert.equal(info['tcpi_min_rtt'], 20_263);
  assert.equal(info['tcpi_snd_mss'], 1000);
  assert.equal(info['tcpi_rcv_mss'], 536);
  assert.equal(info['tcpi_advmss'], 1460);
  assert.equal(info['tcpi_snd_cwnd'], 10);
  assert.equal(info['tcpi_snd_ssthresh'], 0x7fffffff);
  assert.equal(info['tcpi_reordering'], 3);
  assert.equal(info['tcpi_delivered'], 1);
  assert.equal(info['tcpi_unacked'], 0);
});

lab('TCP_INFO counts what is out, SACKed, lost and sent again', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(10_000);
  t.forget();
  t.run`
    +.1 < . 1:1(0) ack 1 <sack 1001:4001>
    > . 1:1001(1000) ack 1
  `;
  const info = c.info();
  assert.equal(info['tcpi_unacked'], 10);
  assert.equal(info['tcpi_sacked'], 3);
  assert.equal(info['tcpi_lost'], 1);
  assert.equal(info['tcpi_retrans'], 1);
  assert.equal(info['tcpi_total_retrans'], 1);
  assert.equal(info['tcpi_ca_state'], 3);
  assert.equal(info['tcpi_bytes_sent'], 11_000);
  assert.equal(info['tcpi_bytes_retrans'], 1000);
});

lab('RFC 9438: CUBIC in congestion avoidance grows slower than a segment per round trip at first', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(10_000);
  t.forget();
  t.run`
    +.1 < . 1:1(0) ack 1 <sack 1001:4001>
    > . 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 10001
  `;
  const after = c.tp.sndCwnd;
  let acked = 10_000;
  for (let round = 0; round < 5; round++) {
    const size = c.tp.sndCwnd * 1000;
    c.write(size);
    t.forget();
    t.wait('100ms');
    for (let i = 0; i < size; i += 1000) {
      acked += 1000;
      t.run(`< . 1:1(0) ack ${acked + 1}`);
      t.forget();
    }
  }
  assert.ok(c.tp.sndCwnd > after && c.tp.sndCwnd <= after + 5, `${after} → ${c.tp.sndCwnd}`);
  t.forget();
});

lab('RFC 9293 §3.8.5: after an idle time longer than the RTO the window begins anew', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  let acked = 0;
  for (let round = 0; round < 3; round++) {
    const size = c.tp.sndCwnd * 1000;
    c.write(size);
    t.forget();
    t.wait('100ms');
    for (let i = 0; i < size; i += 1000) {
      acked += 1000;
      t.run(`< . 1:1(0) ack ${acked + 1}`);
    }
  }
  assert.equal(c.tp.sndCwnd, 80);
  t.wait('1s');
  c.write(50_000);
  const sent = t.forget();
  assert.ok(sent <= 20, `${sent} segments after a second of silence`);
});
