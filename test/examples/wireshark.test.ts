/**
 * A second opinion: what kernet wrote into a capture is read by Wireshark's dissectors, which have never heard of it, and must
 * be what kernet's own printer says. Skipped when tshark is not installed.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM, World, type WorldCapture } from '../../mod.ts';
import { spawnToEnd } from '../../scripts/spawn.ts';
import { printEthernet } from '../../src/wire/print.ts';

const folder = mkdtempSync(join(tmpdir(), 'kernet-wireshark-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function installed(): Promise<boolean> {
  const version = await spawnToEnd('tshark', ['--version'], { cwd: folder, quiet: true }).catch(() => null);
  return version !== null && version.code === 0;
}

async function tshark(args: readonly string[]): Promise<string[]> {
  const checks = ['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE'];
  const ended = await spawnToEnd('tshark', ['-r', 'trace.pcapng', ...checks, ...args], { cwd: folder, quiet: true });
  assert.equal(ended.code, 0, ended.stderr);
  return ended.stdout.split('\n').slice(0, -1);
}

/** ARP, UDP, an ICMP error, and a TCP transfer over a cable that does everything wrong that a cable can do. */
async function rudeTrace(): Promise<WorldCapture> {
  const world = new World({ seed: 11 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  const cable = world.cable(alice, bob, { delay: '5ms', jitter: '2ms', ordered: false, rate: '20mbit' });
  const capture = world.capture([bob]);
  await world.run(async () => {
    const udp = alice.kernel.socket(AF_INET, SOCK_DGRAM);
    alice.kernel.sys.sendto(udp, 'is anybody there?', { address: bob.ip, port: 4242 });
    await alice.kernel.sleep('50ms');
    cable.setWeather({ loss: 0.03, duplicate: 0.02, corrupt: 0.01, corruptFcs: true });
    const listener = bob.kernel.socket(AF_INET, SOCK_STREAM);
    bob.kernel.bind(listener, { port: 80 });
    bob.kernel.listen(listener);
    const reading = (async (): Promise<number> => {
      const { fd } = await bob.kernel.accept(listener);
      let total = 0;
      const buffer = new Uint8Array(65536);
      for (let n = await bob.kernel.read(fd, buffer); n > 0; n = await bob.kernel.read(fd, buffer)) total += n;
      bob.kernel.close(fd);
      return total;
    })();
    const fd = alice.kernel.socket(AF_INET, SOCK_STREAM);
    await alice.kernel.connect(fd, { address: bob.ip, port: 80 });
    await alice.kernel.write(fd, new Uint8Array(300_000).fill(0x2e));
    alice.kernel.close(fd);
    assert.equal(await reading, 300_000);
  });
  await world.runUntilIdle();
  capture.stop();
  return capture;
}

test('Wireshark reads a capture as kernet prints it: times, addresses, sequence numbers, flags, lengths', async (t) => {
  if (!(await installed())) {
    t.skip('tshark is not installed (Debian: apt install tshark)');
    return;
  }
  const capture = await rudeTrace();
  const { frames } = capture;
  writeFileSync(join(folder, 'trace.pcapng'), capture.toBytes());

  const fields = [
    'frame.time_epoch', 'ip.src', 'tcp.srcport', 'tcp.seq_raw', 'tcp.ack_raw', 'tcp.len', 'tcp.flags', 'tcp.window_size_value',
  ];
  const theirs = await tshark(['-T', 'fields', ...fields.flatMap((field) => ['-e', field])]);
  assert.equal(theirs.length, frames.length);
  assert.ok(frames.length > 300);
  let segments = 0;
  frames.forEach(({ bytes, time }, i) => {
    const [epoch, src, port, seq, ack, len, flags, window] = theirs[i]!.split('\t');
    assert.equal(Number(epoch!.replace('.', '')), time, `the time of frame ${String(i + 1)}`);
    const m = /^IP ([\d.]+)\.(\d+) > \S+ (\S+) (\d+):\d+\((\d+)\)(?: ack (\d+))? win (\d+)/.exec(printEthernet(bytes, 0, bytes.length));
    if (m === null || seq === '') return; // not TCP, or a bit flipped in its header
    segments++;
    const [, ourSrc, ourPort, ourFlags, ourSeq, ourLen, ourAck, ourWindow] = m;
    assert.deepEqual([ourSrc, ourPort, ourSeq, ourLen, ourWindow], [src, port, seq, len, window], `frame ${String(i + 1)}`);
    if (ourAck !== undefined) assert.equal(ourAck, ack);
    assert.equal((Number(flags) & 2) !== 0, ourFlags!.includes('S'));
  });
  assert.ok(segments > 300);
});

test('Wireshark finds wrong what the cable made wrong, and nothing else', async (t) => {
  if (!(await installed())) {
    t.skip('tshark is not installed (Debian: apt install tshark)');
    return;
  }
  const capture = await rudeTrace();
  writeFileSync(join(folder, 'trace.pcapng'), capture.toBytes());
  const bad = capture.frames.filter(({ bytes }) => / \[bad/.test(printEthernet(bytes, 0, bytes.length, { verify: true }))).length;
  const theirs = await tshark(['-Y', 'tcp.checksum.status == 0 or ip.checksum.status == 0']);
  assert.ok(bad > 0, 'some frames were corrupted');
  assert.equal(theirs.length, bad);
  assert.equal((await tshark(['-Y', 'icmp.type == 3 and icmp.code == 3'])).length, 1);
  assert.equal((await tshark(['-Y', 'arp'])).length, 2);
  assert.ok((await tshark(['-Y', 'tcp.options.sack_le'])).length > 0);
  assert.ok((await tshark(['-Y', 'tcp.analysis.retransmission or tcp.analysis.fast_retransmission'])).length > 0);
});
