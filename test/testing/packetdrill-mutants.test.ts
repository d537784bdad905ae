/** The runner catches what is not as the script says: scripts that pass, each with one expected number changed, fail. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Random } from '../../src/lib/random.ts';
import { runPacketdrill } from '../../src/testing.ts';
import { mutantsOf, mutate, type Mutant } from './mutants.ts';

const SCRIPTS = new URL('../packetdrill/', import.meta.url);
/** Mutants that are run of each field. */
const PER_FIELD = 14;

test('packetdrill: a script with one wrong expectation fails, whatever it is that is wrong', async () => {
  const byField = new Map<string, (readonly [string, string, Mutant])[]>();
  for (const topic of readdirSync(SCRIPTS, { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => e.name).sort()) {
    for (const name of readdirSync(new URL(`${topic}/`, SCRIPTS)).filter((n) => n.endsWith('.pkt')).sort()) {
      const text = readFileSync(new URL(`${topic}/${name}`, SCRIPTS), 'utf8');
      for (const mutant of mutantsOf(text)) {
        const list = byField.get(mutant.field) ?? [];
        list.push([`${topic}/${name}`, text, mutant]);
        byField.set(mutant.field, list);
      }
    }
  }
  const random = new Random(5);
  let ran = 0;
  for (const [field, all] of byField) {
    for (let n = 0; n < PER_FIELD && all.length > 0; n++) {
      const [[file, text, mutant]] = all.splice(random.below(all.length), 1) as [readonly [string, string, Mutant]];
      const mode = /v6\.pkt$/.test(file) || /ip_version=ipv6$/m.test(text) ? 'ipv6' : 'ipv4';
      const [result] = await runPacketdrill(mutate(text, mutant), { file, modes: [mode] });
      assert.equal(result!.status, 'fail', `${file}:${mutant.line}: ${field}: ${mutant.changed}`);
      ran++;
    }
  }
  assert.ok(ran >= 250 && byField.size >= 24, `${ran} mutants of ${byField.size} fields`);
});

/** What a script is made of, roughly: commands, comments, strings, numbers, words, marks. */
const TOKEN = /`[^`]*`|\/\/[^\n]*|"[^"]*"|\d*\.\d+|\w+|\.\.\.|\S/g;
const BROKEN_SCRIPTS = 400;

test('packetdrill: a script with a token left out, written twice or exchanged is told where it is wrong, or runs', async () => {
  const texts: (readonly [string, string])[] = [];
  for (const topic of readdirSync(SCRIPTS, { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => e.name).sort()) {
    for (const name of readdirSync(new URL(`${topic}/`, SCRIPTS)).sort()) {
      texts.push([`${topic}/${name}`, readFileSync(new URL(`${topic}/${name}`, SCRIPTS), 'utf8')]);
    }
  }
  const random = new Random(11);
  let syntax = 0;
  for (let n = 0; n < BROKEN_SCRIPTS; n++) {
    const [file, text] = texts[random.below(texts.length)]!;
    const tokens = [...text.matchAll(TOKEN)];
    const token = tokens[random.below(tokens.length)]!;
    const instead = ['', tokens[random.below(tokens.length)]![0], `${token[0]} ${token[0]}`][random.below(3)]!;
    const broken = text.slice(0, token.index) + instead + text.slice(token.index + token[0].length);
    const [result] = await runPacketdrill(broken, { file, modes: [/v6\.pkt$/.test(file) ? 'ipv6' : 'ipv4'] });
    const { status, message } = result!; // an exception of ours would have rejected
    if (!message.startsWith('syntax error: ')) continue;
    syntax++;
    assert.equal(status, 'fail');
    assert.match(message, /^syntax error: line \d+, column \d+: \S/, broken);
  }
  assert.ok(syntax > BROKEN_SCRIPTS / 2, `${syntax} syntax errors`);
});
