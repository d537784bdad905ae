/** The demo: a short run of it from its command line, its refusals, and its capture as Wireshark reads it. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, test } from 'node:test';
import { NODE24_VERSION } from '../../scripts/runtimes.ts';
import { spawnToEnd, type Ended } from '../../scripts/spawn.ts';
import { ROOT } from '../../scripts/tidy.ts';

const folder = mkdtempSync(join(tmpdir(), 'kernet-demo-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const pcap = join(folder, 'demo.pcapng');

function demo(...args: string[]): Promise<Ended> {
  return demoOn(process.execPath, args);
}

function demoOn(node: string, args: readonly string[]): Promise<Ended> {
  const options = { cwd: ROOT, env: { ...process.env, COLUMNS: '80' }, quiet: true, timeoutMs: 120_000 };
  return spawnToEnd(node, ['--import', 'tsx', 'examples/demo/main.ts', ...args], options);
}

/** The lines of a report below the heading that begins with `title`. */
function section(report: string, title: string): string {
  const m = new RegExp(`^${title}.*\\n((?:  .*\\n| {2,}.*\\n)+)`, 'm').exec(report);
  assert.ok(m !== null, `no section '${title}' in:\n${report}`);
  return m[1]!;
}

test('a lossy download arrives whole, and both runs have one digest', async () => {
  const { code, stdout, stderr } = await demo('--seed', '7', '--size', '400kb', '--loss', '0.03', `--pcap=${pcap}`);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /GET \/ +200 /);
  assert.match(stdout, /GET \/download +200 +400\.0 kB .* same connection +sha-256 ok/);
  assert.match(section(stdout, 'Handshake'), /client\.\d+ > server\.80: S 0:0\(0\) win \d+/);
  assert.match(section(stdout, 'Teardown'), /F\. /);
  assert.match(section(stdout, 'Retransmissions'), /server\.80 > client\.\d+: P?\. \d+:\d+\(\d+\)/);
  assert.match(section(stdout, 'Queues'), /CABLE_LOSS \d+/);
  assert.match(section(stdout, 'Digest'), /The digests agree/);
  const digests = [...stdout.matchAll(/^ {2}(?:first|second) run +([0-9a-f]{32}) /gm)].map((m) => m[1]);
  assert.equal(digests.length, 2);
  assert.equal(digests[0], digests[1]);
  for (const line of stdout.split('\n')) assert.ok(line.length <= 80, `wider than the terminal: ${line}`);
});

test('Node 24 has the digest of this Node', async (t) => {
  const node24 = join(ROOT, '.cache', `node-${NODE24_VERSION}`, 'node_modules/node/bin/node');
  if (!existsSync(node24)) {
    t.skip('Node 24 is not installed below .cache (the smoke test of the package does that)');
    return;
  }
  const args = ['--size', '200kb', '--loss', '0.05', `--pcap=${join(folder, 'other.pcapng')}`];
  const [here, there] = [await demo(...args), await demoOn(node24, args)];
  assert.equal(here.code, 0, here.stdout + here.stderr);
  assert.equal(there.code, 0, there.stdout + there.stderr);
  const digest = /first run +([0-9a-f]{32})/;
  assert.equal(digest.exec(there.stdout)?.[1], digest.exec(here.stdout)?.[1]);
});

test('another seed has another digest', async () => {
  const digestOf = async (seed: string): Promise<string> => {
    const { stdout } = await demo('--seed', seed, '--size', '20kb', `--pcap=${join(folder, 'other.pcapng')}`);
    return /first run +([0-9a-f]{32})/.exec(stdout)?.[1] ?? stdout;
  };
  assert.notEqual(await digestOf('1'), await digestOf('2'));
});

test('the capture opens in Wireshark, without a malformed packet or a wrong checksum', async (t) => {
  const version = await spawnToEnd('tshark', ['--version'], { cwd: ROOT, quiet: true }).catch(() => null);
  if (version === null || version.code !== 0) {
    t.skip('tshark is not installed (Debian: apt install tshark)');
    return;
  }
  assert.ok(statSync(pcap).size > 400_000);
  const tshark = async (filter: string): Promise<string> => {
    // Not put together: at the sender's end a retransmission of what has been seen looks like a conflict to the dissector.
    const options = ['tcp.check_checksum:TRUE', 'ip.check_checksum:TRUE', 'tcp.desegment_tcp_streams:FALSE'].flatMap((o) => ['-o', o]);
    const ended = await spawnToEnd('tshark', ['-r', pcap, ...options, '-Y', filter], { cwd: ROOT, quiet: true });
    assert.equal(ended.code, 0, ended.stderr);
    return ended.stdout;
  };
  assert.equal(await tshark('_ws.malformed or tcp.checksum.status == 0 or ip.checksum.status == 0'), '');
  assert.equal((await tshark('http.request')).trim().split('\n').length, 2);
  assert.notEqual(await tshark('tcp.analysis.retransmission or tcp.analysis.fast_retransmission'), '');
});

test('a wrong option is one line that names it and the accepted form, and exit code 2', async () => {
  const refused: readonly (readonly [readonly string[], RegExp])[] = [
    [['--lose', '0.1'], /^demo: --lose: no such option; expected --seed, --loss, .*\n$/],
    [['--loss', '2%'], /^demo: --loss: '2%' is not understood; expected a number from 0 to 1, such as 0\.02\n$/],
    [['--loss', '1.5'], /^demo: --loss: '1\.5' is not understood/],
    [['--delay', 'soon'], /^demo: --delay: 'soon' is not understood; expected a duration such as 20ms/],
    [['--rate', '50'], /^demo: --rate: '50' is not understood; expected a rate such as 50mbit/],
    [['--size', '0b'], /^demo: --size: '0b' is not understood; expected a size from 1b to 1gb/],
    [['--seed', '4.2'], /^demo: --seed: '4\.2' is not understood; expected a whole number/],
    [['--seed'], /^demo: --seed: its value is missing/],
    [['--seed', '1', '--seed', '2'], /^demo: --seed: given twice/],
    [['download'], /^demo: download: no such option/],
  ];
  for (const [args, message] of refused) {
    const { code, stdout, stderr } = await demo(...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, message);
    assert.equal(stdout, '');
  }
});

test('--help says what there is', async () => {
  const { code, stdout } = await demo('--help');
  assert.equal(code, 0);
  assert.match(stdout, /--rate R/);
});
