/**
 * The examples: each runs as it stands, prints what it promises, and prints the same on every runtime; and Wireshark's dissectors
 * find nothing wrong in what it sends.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, test } from 'node:test';
import { deno } from '../../scripts/runtimes.ts';
import { spawnToEnd } from '../../scripts/spawn.ts';
import { ROOT } from '../../scripts/tidy.ts';

const FOLDER = join(ROOT, 'examples');
/** An example that takes longer, in milliseconds of wall time, is broken. */
const TIMEOUT_MS = 60_000;
const LINES_MAX = 60;

/** Deno's own node:http handles timers by their inside, which those of a world do not have; its node:net is well. */
const NODE_ONLY: readonly string[] = ['05-node-http-over-it.ts', '11-page-load.ts'];

/** What each must have printed, at least. */
const PROMISES: Readonly<Record<string, readonly RegExp[]>> = {
  '01-echo.ts': [/alice is connected/, /alice reads 'hello'/, /alice reads 'world'/, /TIME-WAIT/],
  '02-lossy-cable.ts': [/^ {2}loss/, /^ +0\.0 % .* 0 +0 +0 +0$/m, /^30\.0 % /m],
  '03-partition-and-heal.ts': [/bob reads 'before'/, /partition/, /timer:\(on,/, /healed/, /bob reads 'meanwhile'/],
  '04-lose-the-syn.ts': [
    /^nothing lost: connected after 0\.00\d s, the rule struck 0 times$/m,
    /^three SYNs lost: connected after 3\.00\d s, the rule struck 3 times$/m,
    /^one SYN-ACK lost: connected after 1\.00\d s, the rule struck 1 times$/m,
  ],
  '05-node-http-over-it.ts': [/^Wed, 01 Jan 2025 00:00:0\d GMT {2}'\/ was asked for'/m, /'\/four was asked for'/, /cubic wscale:/],
  '06-tcpdump.ts': [
    /: S 0:0\(0\) win \d+ <mss 1460,/, /: S\. 0:0\(0\) ack 1 /, /: FP?\. 6001:6001\(0\)|: FP\. /, /REACHABLE/, /TcpActiveOpens +1 /,
  ],
  '07-switch.ts': [
    /closes a loop in VLAN 1: sw1 –/, /amy 10.0.0.1 → ann 10.0.0.2: 1 reply/, /dev p3 vlan 20 master sw1/, /p1 master blue state blocking/,
    /eve → fay: 1 reply/, /after 30 s\n.*\np1 master blue state forwarding/,
  ],
  '08-syn-queue.ts': [/^LISTEN 3 {6}2 /m, /^SYN-SENT 0 .* timer:\(on,\d+ms,2\)$/m, /dora: connect\(\) returns/, /^LISTEN 0 {6}2 /m],
  '15-split-brain.ts': [
    /^2\.\d{3} {2}partition: h1 and h2 on one side/m, /^2\.\d{3} {2}h1 leads no more: its lease is over$/m,
    /^4\.000 {2}leads by its own belief: h5; the partition heals$/m,
    /^4\.000 {2}leads by its own belief: h1 and h5; the partition heals$/m,
    /^with a lease of 500 ms, in the end leads by its own belief: h5$/m,
    /^with a lease of 3000 ms, in the end leads by its own belief: h5$/m,
  ],
  '16-name-servers.ts': [
    /^bound to 10\.0\.0\.100 -- renewal in/m, /^10\.7\.0\.81 {7}www\.example\.com$/m, /ahosts www\.example\.com {4}# 0\.000 ms/,
    /^10 mail\.example\.com\.$/m, /status: NXDOMAIN/, /flags: qr aa; QUERY: 1, ANSWER: 1/, /10\.0\.0\.100 {2}→ isp/, /→ root {8}www/,
  ],
  '09-drops.ts': [
    /NO_SOCKET 1/, /RX_RING_FULL 4/, /SOCKET_RCVBUFF 2/, /CABLE_RULE 1/, /FCS_ERROR 1/, /CABLE_LOSS \d/, /CABLE_QUEUE_FULL 4/,
    /PARTITION 1/, /QDISC_DROP \d/, /alive: 0$/m,
  ],
  '10-router.ts': [
    /^default via 10.0.0.1 dev eth0 proto static$/m, /^10.0.2.0\/24 via 10.0.1.4 dev eth1 proto static$/m, /^ 3  far \(10.0.2.2\)/m,
    /hello ::ffff:10\.0\.0\.2/, /l1 hears 0 of 2 replies, r2 2 of 2/, /^IpForwDatagrams +\d/m,
  ],
  '11-page-load.ts': [
    /^0\.\d{6} <h1>www\.example\.com<\/h1>$/m,
    /udp \(\d+\) A\? www\.example\.com {2}\[browser → home → gw → isp → centre → resolver\]$/m,
    /root\.53: udp .*com\.53: udp .*auth\.53: udp /s, /ARP who-has gw tell browser/,
    /S\. 0:0\(0\) ack 1 .*\[web → centre → isp → gw → home → browser\]/,
    /^ 0\.\d{9} +neighEventSend +who has [\d.]+\? 0 waiting$/m, /^ 0\.\d{9} +egress +p\d, learned, 0 waiting$/m,
    /^ 0\.\d{9} +udpRecvmsg +33 bytes$/m, /^ 0\.\d{9} +tcpRecvmsg +\d+ bytes$/m, /^dropped on the way: none$/m,
  ],
  '12-bufferbloat.ts': [
    /^pfifo_fast +9\.\d+ Mbit\/s .* 3\d\d\.\d ms/m, /^fq_codel +9\.\d+ Mbit\/s +2\d\.\d ms +2\d\.\d ms +[23]\d\.\d ms/m,
  ],
  '14-nat-hole-punching.ts': [
    /^full cone +through +through +through +through$/m, /^port-restricted +through +through +through +-$/m,
    /^symmetric +through +through +- +-$/m,
  ],
};

function examples(): string[] {
  return readdirSync(FOLDER).filter((name) => /^\d\d-.*\.ts$/.test(name)).sort();
}

const captures = mkdtempSync(join(tmpdir(), 'kernet-examples-'));
after(() => rmSync(captures, { recursive: true, force: true }));

function captureOf(name: string): string {
  return join(captures, name.replace(/ts$/, 'pcapng'));
}

/** Runs an example; all that its worlds send is in its capture afterwards. */
async function runNode(name: string): Promise<string> {
  const args = ['--import', 'tsx', '--import', './test/examples/capturing.ts', join(FOLDER, name)];
  const env = { ...process.env, KERNET_CAPTURE: captureOf(name) };
  const ended = await spawnToEnd(process.execPath, args, { cwd: ROOT, env, quiet: true, timeoutMs: TIMEOUT_MS });
  assert.equal(ended.code, 0, `${name} failed:\n${ended.stdout}${ended.stderr}`);
  return ended.stdout;
}

test('every example has its promises here, and at most a screen of lines', () => {
  assert.deepEqual(examples(), Object.keys(PROMISES).sort());
  for (const name of examples()) {
    const lines = readFileSync(join(FOLDER, name), 'utf8').trimEnd().split('\n').length;
    assert.ok(lines <= LINES_MAX, `${name} has ${String(lines)} lines`);
  }
});

for (const name of examples()) {
  const both = !NODE_ONLY.includes(name);
  test(`${name} prints what it promises${both ? ', and the same on Deno' : ''}`, async () => {
    const onNode = await runNode(name);
    for (const promise of PROMISES[name] ?? []) assert.match(onNode, promise);
    if (!both) return;
    const { command, env } = deno(ROOT);
    const args = ['run', '--allow-all', '--no-check', join(FOLDER, name)];
    const ended = await spawnToEnd(command, args, { cwd: ROOT, env, quiet: true, timeoutMs: TIMEOUT_MS });
    assert.equal(ended.code, 0, `${name} failed on Deno:\n${ended.stdout}${ended.stderr}`);
    assert.equal(ended.stdout, onNode);
  });
}

/** What tshark says of each frame: the protocols that it found, and the state of the checksums (0 is wrong). */
const FIELDS: readonly string[] = ['frame.protocols', 'ip.checksum.status', 'tcp.checksum.status', 'udp.checksum.status'];
const CHECKS: readonly string[] = ['ip.check_checksum:TRUE', 'tcp.check_checksum:TRUE', 'udp.check_checksum:TRUE'];

async function tshark(args: readonly string[]): Promise<string | null> {
  const ended = await spawnToEnd('tshark', args, { cwd: captures, quiet: true }).catch(() => null);
  return ended !== null && ended.code === 0 ? ended.stdout : null;
}

test('tshark reads every frame of every example, and finds none malformed and no checksum wrong', async (t) => {
  if (await tshark(['--version']) === null) {
    t.skip('tshark is not installed (Debian: apt install tshark)');
    return;
  }
  for (const name of examples()) {
    if (!existsSync(captureOf(name))) await runNode(name); // not run by a test above: only some were asked for
    const options = [...CHECKS.flatMap((check) => ['-o', check]), '-T', 'fields', ...FIELDS.flatMap((field) => ['-e', field])];
    const read = await tshark(['-r', captureOf(name), ...options]);
    assert.ok(read !== null, `${name}: tshark does not read the capture`);
    const frames = read.trimEnd().split('\n');
    assert.ok(frames.length >= 8, `${name}: ${String(frames.length)} frames`);
    frames.forEach((line, i) => {
      const [protocols, ...checksums] = line.split('\t');
      assert.ok(!protocols!.includes('_ws.malformed'), `${name}: frame ${String(i + 1)} is malformed: ${protocols!}`);
      for (const status of checksums) assert.doesNotMatch(status, /^0|,0/, `${name}: frame ${String(i + 1)}, ${line}`);
    });
  }
});
