/** The kit under Deno: the runner is found by itself, and a world tells the same story as on Node. */
import { lab, scenario, connectAndSend, listenAndReadAll, conservation, noLeaks } from '../../src/testing.ts';

lab('a lab under Deno.test: the third duplicate ACK refills the hole', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(4000);
  t.run`
    > .  1:1001(1000) ack 1
    > P. 1001:2001(1000)
    > .  2001:3001(1000)
    > P. 3001:4001(1000)
    +.100 < . 1:1(0) ack 1 <sack 1001:4001>
    > .  1:1001(1000)
    +.100 < .  1:1(0) ack 4001
    quiet 5s
  `;
  t.sock(c, { state: 'ESTABLISHED', caState: 'Open', sndUna: 4001 });
});

scenario('a scenario under Deno.test: a file crosses a lossy cable', { seeds: 3 }, (w) => {
  const [a, b] = w.twoHosts({ cable: w.weather({ delay: ['1ms', '80ms'], loss: [0, 0.1], reorder: [0, 0.1] }) });
  const file = w.random.bytes(50_000);
  const got = b.app(listenAndReadAll(80));
  a.app(connectAndSend(b.ip, 80, file));
  w.runUntilIdle({ maxMs: 600_000 });
  if (got.result!.length !== file.length) throw new Error(`${got.result!.length} of ${file.length} bytes`);
  w.check(conservation, noLeaks);
});
