/** Tells a few stories and prints their digests: run by digest.test.ts under every runtime at hand. */
import { connectAndSend, exchange, listenAndReadAll, ScenarioWorld, type App, type AppCalls } from '../../src/testing.ts';

function* echo(sys: AppCalls): App<void> {
  const listener = sys.listen(7);
  yield sys.readable(listener);
  const fd = sys.accept(listener);
  sys.close(listener);
  const buf = new Uint8Array(4096);
  for (;;) {
    const n = sys.read(fd, buf);
    if (n === 0) break;
    if (n < 0) yield sys.readable(fd);
    else sys.write(fd, buf, 0, n);
  }
  sys.close(fd);
}

for (let seed = 1; seed <= 8; seed++) {
  const w = new ScenarioWorld(seed);
  const [a, b, cable] = w.twoHosts({
    cable: w.weather({
      delay: ['1ms', '80ms'], jitter: ['0ms', '10ms'], rate: ['2mbit', '1gbit'], loss: [0, 0.1], duplicate: [0, 0.05], reorder: [0, 0.1],
      corrupt: [0, 0.02],
    }),
  });
  if (seed % 2 === 0) cable.setWeather({ jitter: '3ms', distribution: 'normal', ordered: false });
  w.clearAfter(cable, '60s');
  b.app(listenAndReadAll(80));
  b.app(echo);
  a.app(connectAndSend(b.ip, 80, w.random.bytes(100_000)));
  a.app(exchange(b.ip, 7, w.random.bytes(3000)));
  w.runUntilIdle({ maxMs: 600_000 });
  console.log(`${seed} ${w.world.digest()} ${w.nowNs}`);
}
