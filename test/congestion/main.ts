/**
 * `npm run test:congestion`: what each congestion control makes of 100 random paths, and how flows share a bottleneck, as a table
 * under version control. A change of behaviour shows in review as a diff of numbers.
 *
 *   npm run test:congestion                 compares, exactly
 *   npm run test:congestion -- --update     writes the table anew
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { goodputRows, jain, RATE_MBIT, sharing } from './paths.ts';

const SNAPSHOT = new URL('./goodput.snapshot.txt', import.meta.url);
const ALGORITHMS = ['reno', 'cubic', 'dctcp', 'bbr'];
const LOSSES = [0, 0.001, 0.01, 0.05];
const RTTS_MS = [2, 10, 40, 100, 200];
/** Four times five cells: 100 seeds for each algorithm. */
const SEEDS_PER_CELL = 5;
const BYTES = 1_000_000;
const SECONDS = 60;
/** As many flows as share the bottleneck, and what Jain's index must be at least. */
const FLOWS = [2, 4, 8];
const JAIN_MIN = 0.95;

function fairness(flows: number): string {
  const received = sharing('cubic', flows, SECONDS);
  const index = jain(received);
  assert.ok(index >= JAIN_MIN, `${flows} flows: Jain's index is ${index}, at least ${JAIN_MIN} is expected`);
  const mbits = (received.reduce((x, y) => x + y, 0) * 8) / (SECONDS * 1e6);
  return `${String(flows).padStart(5)} ${mbits.toFixed(2).padStart(8)} ${index.toFixed(4).padStart(8)}`;
}

function table(): string {
  const out = [`Goodput in Mbit/s over ${RATE_MBIT} Mbit/s, queue of 100 packets, 1 MB; 100 seeds each, ${SEEDS_PER_CELL} in a cell`, ''];
  for (const algorithm of ALGORITHMS) out.push(...goodputRows(algorithm, LOSSES, RTTS_MS, SEEDS_PER_CELL, BYTES), '');
  out.push(`CUBIC flows over one bottleneck, ${SECONDS} s, RTT 20 ms`, '', 'flows   Mbit/s    Jain', ...FLOWS.map(fairness));
  return `${out.join('\n')}\n`;
}

const now = table();
if (process.argv.includes('--update')) {
  writeFileSync(SNAPSHOT, now);
  console.log(now);
} else {
  assert.equal(now, readFileSync(SNAPSHOT, 'utf8'));
  console.log('goodput and fairness are what they were');
}
