/** Every script of this folder passes in every mode that it is for, and none is skipped. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { formatResult, runPacketdrill } from '../../src/testing.ts';

const HERE = new URL('.', import.meta.url);

for (const topic of readdirSync(HERE, { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => e.name).sort()) {
  const folder = new URL(`${topic}/`, HERE);
  test(`packetdrill: ${topic}`, async () => {
    const scripts = readdirSync(folder).filter((name) => name.endsWith('.pkt')).sort();
    assert.notEqual(scripts.length, 0, `${topic} has scripts`);
    for (const name of scripts) {
      const text = readFileSync(new URL(name, folder), 'utf8');
      assert.match(text, /^\/\/ \S.*\.$/m, `${topic}/${name} begins with a sentence that says what it shows`);
      const results = await runPacketdrill(text, { file: `${topic}/${name}` });
      assert.notEqual(results.length, 0, `${topic}/${name} runs in some mode`);
      for (const r of results) assert.equal(r.status, 'ok', formatResult(r, true));
    }
  });
}
