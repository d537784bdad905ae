/** `kernet packetdrill`: what it prints, what it writes, its exit codes. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { packetdrillCommand } from '../../src/cli/packetdrill.ts';

const GOOD = '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 connect(3, ..., ...) = -1 EINPROGRESS\n+0 > S 0:0(0) <...>\n'
  .replace('SOCK_STREAM', 'SOCK_STREAM|SOCK_NONBLOCK');
const BAD = '0 close(3) = 0\n';
const SKIPPED = '0 cap_set(1, 2, 3) = 0\n';

/** Runs the command in a directory of its own with these files. */
async function run(files: Readonly<Record<string, string>>, args: (dir: string) => string[]): Promise<{
  code: number; lines: string[]; read: (name: string) => Uint8Array; list: (name: string) => string[];
}> {
  const dir = mkdtempSync(join(tmpdir(), 'kernet-pkt-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    const lines: string[] = [];
    const code = await packetdrillCommand(args(dir), (line) => void lines.push(...line.replaceAll(`${dir}/`, '').split('\n')));
    const outputs = new Map(readdirSync(dir, { recursive: true, withFileTypes: true }).filter((e) => e.isFile())
      .map((e) => [join(e.parentPath, e.name).slice(dir.length + 1), new Uint8Array(readFileSync(join(e.parentPath, e.name)))]));
    const list = (name: string): string[] => [...outputs.keys()].filter((n) => n.startsWith(name)).sort();
    return { code, lines, read: (name) => outputs.get(name)!, list };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test('a directory: one line per script and mode, a count, exit code 1 when one fails', async () => {
  const r = await run({ 'a.pkt': GOOD, 'bv4.pkt': BAD, 'c.pkt': SKIPPED, 'd.txt': 'no script' }, (dir) => [dir, '--ip_version=ipv4']);
  assert.deepEqual(r.lines, [
    'ok    a.pkt (ipv4)',
    'FAIL  bv4.pkt:1 (ipv4): close() = 0 wanted, got -1 EBADF',
    '      want  0 close(3) = 0',
    '      got   close(…) = -1 EBADF',
    'skip  c.pkt (ipv4): capabilities',
    '1 passed, 1 failed, 1 skipped',
  ]);
  assert.equal(r.code, 1);
});

test('all three modes by default; v6.pkt and --ip_version leave some out; exit code 0', async () => {
  const r = await run({ 'a.pkt': GOOD, 'bv6.pkt': GOOD, 'c.pkt': `--ip_version=ipv4\n${GOOD}` }, (dir) => [dir]);
  assert.deepEqual(r.lines, [
    'ok    a.pkt (ipv4)', 'ok    a.pkt (ipv6)', 'ok    a.pkt (ipv4-mapped-ipv6)', 'ok    bv6.pkt (ipv6)', 'ok    c.pkt (ipv4)',
    '5 passed, 0 failed, 0 skipped',
  ]);
  assert.equal(r.code, 0);
});

test('--json and --pcapng write files; -v shows both traces', async () => {
  const r = await run({ 'a.pkt': GOOD }, (dir) => [
    '-v', '--ip_version=ipv6', '--json', join(dir, 'out.json'), '--pcapng', join(dir, 'caps'), '--mtu=1300', join(dir, 'a.pkt'),
  ]);
  const results = JSON.parse(new TextDecoder().decode(r.read('out.json'))) as { status: string; mode: string }[];
  assert.deepEqual(results.map((x) => [x.status, x.mode]), [['ok', 'ipv6']]);
  assert.deepEqual(r.list('caps/'), ['caps/a-ipv6.pcapng']);
  assert.match(r.lines.join('\n'), / {2}\+0 > S 0:0\(0\) <\.\.\.> +> S 0:0\(0\) win \d+ <mss 1240,/);
});

test('a wrong command line says what is wrong; exit code 2', async () => {
  const none = await run({}, () => []);
  assert.equal(none.code, 2);
  assert.match(none.lines[0]!, /^usage: kernet packetdrill/);
  const word = await run({ 'a.pkt': GOOD }, (dir) => [join(dir, 'a.pkt'), '--ip_version=ipv5']);
  assert.match(word.lines[0]!, /--ip_version: 'ipv5' is not understood; expected ipv4, ipv6, ipv4-mapped-ipv6/);
  const missing = await run({}, (dir) => [join(dir, 'no.pkt')]);
  assert.equal(missing.lines[0], 'kernet packetdrill: no.pkt: there is no such file or directory');
  const option = await run({ 'a.pkt': GOOD }, (dir) => [join(dir, 'a.pkt'), '--ip_version=ipv4', '--no_such=1']);
  assert.equal(option.lines[0], 'FAIL  a.pkt:1 (ipv4): option --no_such is not known');
});

test('init scripts and helpers beside the script are read and simulated', async () => {
  const helper = 'sysctl -q net.ipv4.tcp_timestamps=0 # off\n';
  const script = `\`./defaults.sh\n./helper.sh\`\n${GOOD.replace('<...>', '<mss 1460,nop,nop,sackOK,nop,wscale 8>')}`;
  const r = await run({ 'a.pkt': script, 'helper.sh': helper }, (dir) => [join(dir, 'a.pkt'), '--init_scripts=helper.sh']);
  assert.equal(r.lines.at(-1), '3 passed, 0 failed, 0 skipped');
});
