import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/lib/random.ts';
import {
  connectAndSend, drawWeather, LabFailure, listenAndReadAll, noLeaks, patternBytes, patternMismatch, runLab, runScenario,
  SHRINK_WEATHER_MAX_RUNS, shrinkWeather, tableWith, type LabBody, type ScenarioWorld,
} from '../../src/testing.ts';
import { parseScript } from '../../src/testing/lab-script.ts';
import { parseTable } from '../../src/testing/table.ts';

/** The message of a lab that fails. */
function failure(body: LabBody): string {
  try {
    runLab('the moral of the story', { mss: 1000, rttMs: 100 }, body);
  } catch (error) {
    assert.ok(error instanceof LabFailure, String(error));
    return error.message;
  }
  return assert.fail('the lab did not fail');
}

test('a failure names the test, the line, what was wanted, what came and how late; the story can be pasted back', () => {
  const message = failure((t) => {
    const c = t.established();
    c.write(1000);
    t.run`
      > P. 1:1001(1000) ack 1
      +.1 < . 1:1(0) ack 1 win 1000
      > P. 1:1001(1000)
    `;
  });
  assert.match(message, /^the moral of the story +test\/testing\/lab\.test\.ts:\d+\n/);
  assert.match(message, /^ {2}0\.000 {2}> P\. 1:1001\(1000\) ack 1$/m);
  assert.match(message, /^✗ 0\.100 {2}> P\. 1:1001\(1000\) +\/\/ want$/m);
  assert.match(message, /^ {2}0\.300 {2}> P\. 1:1001\(1000\) ack 1 +\/\/ got, 200ms late$/m);
  const lines = message.split('\n').slice(1).map((line) => line.replace(/^✗/, ' ')).filter((line) => !line.includes('got'));
  assert.doesNotThrow(() => parseScript(lines.join('\n')));
});

test('the line is that of the line that failed, not of the call', () => {
  const here = Number(/lab\.test\.ts:(\d+)/.exec(new Error().stack!)![1]);
  const message = failure((t) => {
    t.established();
    t.run`
      quiet 1s

      > . 1:1(0) ack 1
    `;
  });
  assert.match(message, new RegExp(`lab\\.test\\.ts:${here + 6}\\b`));
  assert.match(message, /got nothing: nothing was sent in the next 300s/);
});

test('fields that differ are named', () => {
  const message = failure((t) => {
    t.established().write(500);
    t.run`
      > . 1:401(400) ack 2 win 7
    `;
  });
  for (const part of ['flags: . wanted, got P.', 'length: 400 wanted, got 500', 'ack: 2 wanted, got 1', 'win: 7 wanted, got']) {
    assert.ok(message.includes(part), `${part}\n${message}`);
  }
});

test('what no line expects is an error: before the peer speaks, in a silence, at the end', () => {
  assert.match(failure((t) => {
    t.established().write(10);
    t.run`< . 1:1(0) ack 11`;
  }), /not expected by any line/);
  assert.match(failure((t) => {
    t.established().write(10);
    t.run`quiet 1s`;
  }), /not expected by any line/);
  assert.match(failure((t) => {
    t.established().write(10);
  }), /the end of the test/);
});

test('a silence ends before what is due at its end', () => {
  runLab('quiet', { mss: 1000, rttMs: 100, sysctl: { tcp_early_retrans: 0 } }, (t) => {
    const c = t.established();
    c.write(1000);
    t.run`
      > P. 1:1001(1000)
      quiet 300ms
      > P. 1:1001(1000)
      0.400 < . 1:1(0) ack 1001
    `;
  });
});

test('counters that are not named must not have moved, and drops must be named', () => {
  assert.match(failure((t) => {
    t.established();
    t.run`
      < S 1:1(0) win 100
      > . 1:1(0) ack 1
    `;
    t.counters({});
  }), /TcpExtTCPSYNChallenge: 0 wanted, got 1/);
  assert.match(failure((t) => {
    t.established();
    t.run`< P 1:2(1)`;
    t.drops({});
  }), /TcpFlags: 0 wanted, got 1/);
});

test('a wrong byte on the wire is seen', () => {
  assert.match(failure((t) => {
    const c = t.established();
    c.write(100);
    t.run`> P. 1:101(100)`;
    t.host.kernel.sys.write(c.fd, 'not the pattern');
    t.run`> P. 101:116(15)`;
  }), /the byte at 100 is not what was written there/);
});

test('a typo in a line is a syntax error with file and line', () => {
  assert.throws(() => {
    runLab('typo', {}, (t) => {
      t.established();
      t.run`
        > . 1:1001(100)
      `;
    });
  }, /lab\.test\.ts:\d+: line 2, column \d+: 1:1001\(100\): 1 \+ 100 is 101, not 1001/);
});

test('the pattern differs from itself at every other place', () => {
  const bytes = patternBytes(1000, 64);
  assert.equal(patternMismatch(1000, bytes), -1);
  for (const from of [0, 999, 1001, 1256, 66536]) assert.notEqual(patternMismatch(from, bytes), -1);
  assert.deepEqual([...patternBytes(-2, 3)].slice(0, 2), [0, 0]);
});

test('a table names its rows, and all that fail', () => {
  assert.deepEqual(parseTable("a  b →  c // x\n 1 -2  'two words' // note\n\n 0x10 true word").map((row) => row.cells), [
    { a: 1, b: -2, c: 'two words' }, { a: 16, b: true, c: 'word' },
  ]);
  assert.throws(() => parseTable('a b\n1'), /line 2: 1 cells under 2 columns/);
  const bodies: (() => void | Promise<void>)[] = [];
  tableWith((_name, body) => bodies.push(body))<{ n: number; even: boolean }>('parity', `
    n  even
    2  true
    3  true    // wrong
    4  false   // wrong
  `, ({ n, even }) => {
    assert.equal(n % 2 === 0, even);
  });
  assert.throws(() => void bodies[0]!(), /parity: 2 of 3 rows\n {2}✗ 3 {2}true {4}\/\/ wrong/);
});

test('weather: some faults are off, the others in their range, and one does not shift another', () => {
  let off = 0;
  for (let seed = 0; seed < 200; seed++) {
    const all = drawWeather(new Random(seed), { loss: [0.1, 0.2], reorder: [0.3, 0.4], delay: ['1ms', '2ms'] });
    const some = drawWeather(new Random(seed), { reorder: [0.3, 0.4] });
    assert.equal(all.reorder, some.reorder);
    if (all.loss === undefined) off++;
    else assert.ok(all.loss >= 0.1 && all.loss <= 0.2);
    assert.match(String(all.delay), /^1\d{6}ns$|^2000000ns$/);
  }
  assert.ok(off > 60 && off < 140, String(off));
});

test('a scenario that fails says the least weather under which it fails in the same way', () => {
  const rude = {
    delay: ['1ms', '80ms'], jitter: ['1ms', '5ms'], loss: [0.2, 0.3], duplicate: [0.1, 0.2], reorder: [0.1, 0.2], rate: ['1mbit', '2mbit'],
  } as const;
  let told = 0;
  const story = (w: ScenarioWorld): void => {
    told++;
    const [a, b, cable] = w.twoHosts({ cable: w.weather(rude) });
    const sent = b.app(listenAndReadAll(80));
    a.app(connectAndSend(b.ip, 80, new Uint8Array(100_000)));
    w.runUntilIdle();
    if (cable.ab.stats.lost > 0) throw new Error(`${cable.ab.stats.lost} frames of ${sent.result!.length} bytes are lost`);
  };
  let message = '';
  assert.throws(() => runScenario('it is lost', { seeds: 20 }, story), (error: Error) => (message = error.message) !== '');
  const form = /least weather · KERNET_SCENARIO_WEATHER='(\[\{"loss":0\.\d+\}\])' npm test -- "it is lost" --seed (0x[0-9a-f]+)$/;
  const found = form.exec(message);
  assert.ok(found !== null, message);
  const [, json, seed] = found as unknown as [string, string, string];
  const [least] = JSON.parse(json) as [{ loss: number }];
  assert.ok(least.loss < 0.2, `less than what was drawn: ${json}`);
  assert.ok(told < SHRINK_WEATHER_MAX_RUNS + 50);

  const before = { ...process.env };
  Object.assign(process.env, { KERNET_SEED: seed, KERNET_SCENARIO_WEATHER: json });
  try {
    assert.throws(() => runScenario('it is lost', {}, story), /frames of 100000 bytes are lost/, 'the small reproduction fails, too');
    process.env['KERNET_SCENARIO_WEATHER'] = '[{}]';
    runScenario('it is lost', {}, story);
    process.env['KERNET_SCENARIO_WEATHER'] = 'fog';
    assert.throws(() => runScenario('it is lost', {}, story), /KERNET_SCENARIO_WEATHER: fog is not understood; expected a list/);
  } finally {
    process.env = before;
  }
});

test('shrinkWeather leaves out what is not needed, makes the rest small, and keeps what takes two', () => {
  const drawn = [{ delay: '37ms', loss: 0.231, reorder: 0.08 }, { jitter: '3ms', ordered: true, duplicate: 0.04, rate: 1_234_567 }];
  const least = shrinkWeather(drawn, ([first, second]) => (first!.reorder ?? 0) > 0.01 && second!.rate !== undefined);
  assert.deepEqual(least, [{ reorder: 0.02 }, { rate: 1_234_567 }]);
  assert.throws(() => shrinkWeather(drawn, () => false), /does not fail/);
});

test('a scenario that fails names its seed and the command; one that tells two stories for one seed fails', () => {
  const captures: number[] = [];
  assert.throws(() => {
    runScenario('it rains', { seeds: 3 }, (w) => {
      w.twoHosts();
      throw new Error('wet');
    }, {
      keepCapture: (_name, seed, bytes) => {
        captures.push(seed);
        return `kept ${bytes.length >= 0 ? 'somewhere' : ''}`;
      },
    });
  }, /^Error: wet\n {2}seed 0x[0-9a-f]+ · npm test -- "it rains" --seed 0x[0-9a-f]+\n {2}kept somewhere$/);
  assert.equal(captures.length, 1);
  let tellings = 0;
  assert.throws(() => {
    runScenario('two stories', { seeds: 1 }, (w) => {
      const [a, b] = w.twoHosts();
      tellings++;
      if (tellings === 2) a.app(function* (sys) {
        sys.connect(b.ip, 80);
        yield sys.sleep(1e9);
      });
      w.runUntilIdle();
    });
  }, /two runs of one seed differ/);
});

test('broken invariants, leaked packets and sockets that are left are found', () => {
  assert.match(failure((t) => {
    const c = t.established();
    c.tp.packetsOut++;
    t.run`quiet 1ms`;
  }), /broken invariant: :80 > :40001: packetsOut is 1, the retransmission queue is empty/);
  assert.match(failure((t) => {
    t.established();
    t.host.pool.alloc(0);
  }), /after the end of the test: 1 skbs are leaked/);
  assert.throws(() => {
    runScenario('a leak', { seeds: 1 }, (w) => {
      const [a] = w.twoHosts();
      a.app(function* (sys) {
        sys.listen(80);
        yield sys.sleep(1);
      });
      w.runUntilIdle();
      w.check(noLeaks);
    });
  }, /noLeaks at .*\n {2}a: 1 descriptors are open\n {2}a: 1 listeners are left\n {2}a: 1 TCP sockets are left/);
});
