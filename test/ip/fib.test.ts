import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ipv4InPrefix, ipv4Mask } from '../../src/lib/addr.ts';
import { Random } from '../../src/lib/random.ts';
import { FibTable, RTN_UNICAST, RTPROT_STATIC, type FibRoute } from '../../src/ip/fib.ts';

/** What a routing table promises, the slow way: of all routes that cover the address, the longest, then the cheapest, then the oldest. */
function oracle(routes: readonly FibRoute[], addr: number): FibRoute | null {
  let best: FibRoute | null = null;
  for (const r of routes) {
    if (!ipv4InPrefix(addr, r.dst, r.prefixLen)) continue;
    if (best === null || r.prefixLen > best.prefixLen || (r.prefixLen === best.prefixLen && r.metric < best.metric)) best = r;
  }
  return best;
}

for (let seed = 1; seed <= 100; seed++) {
  test(`longest prefix, then metric: as the slow search finds it, seed ${String(seed)}`, () => {
    const random = new Random(seed);
    const table = new FibTable();
    const routes: FibRoute[] = [];
    // Few networks, so that prefixes nest and metrics compete.
    const addr = (): number => 0x0a000000 | (random.next32() & (seed % 3 === 0 ? 0xff : 0x3ffff));
    for (let step = 0; step < 200; step++) {
      const prefixLen = random.below(33);
      const route: FibRoute = {
        dst: addr() & ipv4Mask(prefixLen), prefixLen, gateway: step + 1, dev: null, metric: random.below(3), src: 0,
        type: RTN_UNICAST, protocol: RTPROT_STATIC, scope: 0, onlink: false, metrics: null,
      };
      const exists = routes.some((r) => r.dst === route.dst && r.prefixLen === prefixLen && r.metric === route.metric);
      assert.equal(table.add(route, true), !exists);
      if (!exists) routes.push(route);
      if (routes.length > 0 && random.chance(0.3)) {
        const gone = routes.splice(random.below(routes.length), 1)[0]!;
        assert.equal(table.remove({ dst: gone.dst, prefixLen: gone.prefixLen, metric: gone.metric }), gone);
      }
      for (let i = 0; i < 5; i++) {
        const a = addr();
        assert.equal(table.lookup(a, 0), oracle(routes, a));
      }
    }
    assert.equal(table.all().length, routes.length);
    for (const r of routes) table.remove(r);
    assert.deepEqual(table.all(), []);
  });
}

test('a route that is not there is not removed', () => {
  assert.equal(new FibTable().remove({ dst: 0, prefixLen: 0 }), null);
});
