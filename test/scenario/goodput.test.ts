/**
 * What congestion control makes of a path, as a table of numbers under version control: a change of behaviour shows in review
 * as a diff. KERNET_UPDATE=1 writes the table anew. A small part of `npm run test:congestion`.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { goodputRows, jain, RATE_MBIT, sharing } from '../congestion/paths.ts';

const SNAPSHOT = new URL('./goodput.snapshot.txt', import.meta.url);
const SEEDS = 2;
const SECONDS = 10;

/** How flows share a bottleneck: Jain's index, and smallest and largest flow as a fraction of an even share. */
function shares(flows: number): string {
  const received = sharing('cubic', flows, SECONDS);
  const total = received.reduce((x, y) => x + y, 0);
  const even = total / flows;
  const [low, high] = [Math.min(...received) / even, Math.max(...received) / even];
  const mbits = (total * 8) / (SECONDS * 1e6);
  const cells = [String(flows).padStart(5), mbits.toFixed(1).padStart(8), jain(received).toFixed(3).padStart(8)];
  return [...cells, low.toFixed(2).padStart(8), high.toFixed(2).padStart(7)].join('  ');
}

function report(): string {
  const out = [`Goodput in Mbit/s over ${RATE_MBIT} Mbit/s, queue of 100 packets, 500 kB, mean of ${SEEDS} seeds`, ''];
  for (const algorithm of ['reno', 'cubic', 'dctcp', 'bbr']) out.push(...goodputRows(algorithm, [0, 0.01], [10, 100], SEEDS, 500_000), '');
  out.push(`Sharing ${SECONDS} s of the same bottleneck, RTT 20 ms`, '', 'flows   Mbit/s      Jain  smallest  largest');
  for (const flows of [1, 2, 4]) out.push(shares(flows));
  return `${out.join('\n')}\n`;
}

test('goodput by loss and round trip, and fairness by flows, are what they were', () => {
  const now = report();
  if (process.env['KERNET_UPDATE'] !== undefined) writeFileSync(SNAPSHOT, now);
  assert.equal(now, readFileSync(SNAPSHOT, 'utf8'));
});
