/** Scenarios under node:test; the frames of one that fails are kept for Wireshark. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { scenarioWith, type ScenarioFunction } from '../../src/testing.ts';

const KEPT = '.cache/scenarios';

export const scenario: ScenarioFunction = scenarioWith(test, {
  keepCapture(name, seed, pcapng) {
    mkdirSync(KEPT, { recursive: true });
    const path = `${KEPT}/${name.replace(/[^a-z0-9]+/gi, '-')}-0x${seed.toString(16)}.pcapng`;
    writeFileSync(path, pcapng);
    return path;
  },
});
