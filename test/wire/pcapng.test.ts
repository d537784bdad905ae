import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ipv4, parseMac } from '../../src/lib/addr.ts';
import { Random } from '../../src/lib/random.ts';
import { parsePacket } from '../../src/testing/segment-notation.ts';
import { ETH_P_IP, ethWriteHeader } from '../../src/wire/ethernet.ts';
import { LINKTYPE_RAW, PcapngDirection, PcapngWriter } from '../../src/wire/pcapng.ts';
import { buildPacket } from '../../src/wire/segment-build.ts';

interface Block {
  type: number;
  body: DataView;
  options: Map<number, Uint8Array>;
}

/** Bytes of the fixed part of a body, by block type; packet data follow in an EPB. */
const FIXED: Record<number, number> = { 0x0a0d0d0a: 16, 1: 8, 6: 20 };

/** Reads a file as the draft describes it, and insists on every length. */
function blocks(bytes: Uint8Array): Block[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const out: Block[] = [];
  for (let at = 0; at < bytes.length; ) {
    const type = view.getUint32(at, true);
    const len = view.getUint32(at + 4, true);
    assert.equal(len % 4, 0);
    assert.equal(view.getUint32(at + len - 4, true), len, 'the length stands at both ends');
    const body = new DataView(bytes.buffer, bytes.byteOffset + at + 8, len - 12);
    let o = FIXED[type]!;
    if (type === 6) o += (body.getUint32(12, true) + 3) & ~3;
    const options = new Map<number, Uint8Array>();
    while (o < len - 12) {
      const code = body.getUint16(o, true);
      const size = body.getUint16(o + 2, true);
      if (code === 0) {
        assert.equal(size, 0);
        assert.equal(o + 4, len - 12, 'the end of the options is the end of the block');
        break;
      }
      options.set(code, bytes.slice(at + 8 + o + 4, at + 8 + o + 4 + size));
      o += 4 + ((size + 3) & ~3);
    }
    out.push({ type, body, options });
    at += len;
  }
  return out;
}

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

test('an empty capture is one section header', () => {
  const bytes = new PcapngWriter().toBytes();
  assert.equal(Buffer.from(bytes).toString('hex'), '0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000');
});

test('section, interfaces and frames with their options', () => {
  const w = new PcapngWriter({ application: 'kernet', comment: 'seed 42', epochSec: 1_700_000_000 });
  const eth0 = w.addInterface({ name: 'alice eth0', description: 'to the cable' });
  const lo = w.addInterface({ name: 'lo', linkType: LINKTYPE_RAW, snapLen: 8 });
  assert.deepEqual([eth0, lo], [0, 1]);
  const data = new Random(1).bytes(30);
  w.packet(eth0, 123_456_789_012_345, data, 5, 13);
  w.packet(lo, 7, data, 0, 30, { comment: 'dropped: TCP_CSUM', direction: PcapngDirection.Inbound, dropped: 3 });
  const bytes = w.toBytes();
  assert.equal(bytes.length, w.size);
  const [shb, idb0, idb1, epb0, epb1, ...rest] = blocks(bytes);
  assert.equal(rest.length, 0);
  assert.equal(text(shb!.options.get(1)), 'seed 42');
  assert.equal(text(shb!.options.get(4)), 'kernet');
  assert.equal(idb0!.body.getUint16(0, true), 1);
  assert.equal(text(idb0!.options.get(2)), 'alice eth0');
  assert.deepEqual([...idb0!.options.get(9)!], [9], 'nanoseconds');
  assert.equal(new DataView(idb0!.options.get(14)!.buffer).getBigInt64(0, true), 1_700_000_000n);
  assert.equal(idb1!.body.getUint16(0, true), 101);
  assert.equal(idb1!.body.getUint32(4, true), 8);
  const time = BigInt(epb0!.body.getUint32(4, true)) * 4294967296n + BigInt(epb0!.body.getUint32(8, true));
  assert.equal(time, 123_456_789_012_345n);
  assert.deepEqual([epb0!.body.getUint32(12, true), epb0!.body.getUint32(16, true)], [13, 13]);
  assert.deepEqual(new Uint8Array(bytes.buffer, epb0!.body.byteOffset + 20, 13), data.slice(5, 18));
  assert.deepEqual([epb1!.body.getUint32(12, true), epb1!.body.getUint32(16, true)], [8, 30], 'cut at the snap length');
  assert.equal(text(epb1!.options.get(1)), 'dropped: TCP_CSUM');
  assert.deepEqual([...epb1!.options.get(2)!], [1, 0, 0, 0]);
  assert.deepEqual([...epb1!.options.get(4)!], [3, 0, 0, 0, 0, 0, 0, 0]);
});

test('an interface that was not added is refused', () => {
  assert.throws(() => new PcapngWriter().packet(0, 0, new Uint8Array(1), 0, 1), { name: 'RangeError', message: /^interface: 0 / });
});

test('a capture does not change with the buffers that it saw, and goes on after it was read', () => {
  const w = new PcapngWriter();
  w.addInterface({ name: 'x' });
  const data = new Uint8Array(4).fill(7);
  w.packet(0, 1, data, 0, 4);
  data.fill(9);
  const first = w.toBytes();
  w.packet(0, 2, data, 0, 4);
  const all = blocks(w.toBytes());
  assert.equal(blocks(first).length, 3);
  assert.equal(all.length, 4);
  assert.equal(all[2]!.body.getUint8(20), 7);
  assert.equal(all[3]!.body.getUint8(20), 9);
});

test('frames of every length, across chunks and larger than a chunk, come out whole and in order', () => {
  const random = new Random(2);
  const w = new PcapngWriter();
  w.addInterface({ name: 'x' });
  const sent: Uint8Array[] = [];
  for (let i = 0; i < 400; i++) {
    const data = random.bytes(i === 200 ? 200_000 : random.below(i % 10 === 0 ? 66_000 : 1600));
    w.packet(0, i, data, 0, data.length);
    sent.push(data);
  }
  const bytes = w.toBytes();
  const got = blocks(bytes).slice(2);
  assert.equal(got.length, sent.length);
  got.forEach((b, i) => {
    assert.equal(b.body.getUint32(8, true), i);
    assert.ok(Buffer.from(bytes.buffer, b.body.byteOffset + 20, sent[i]!.length).equals(sent[i]!), `frame ${i}`);
  });
});

/** What tshark prints for these arguments, or `null` when there is no tshark. */
function tshark(args: string[]): string | null {
  try {
    return execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw e;
  }
}

test('tshark reads a capture: times to the nanosecond, names, comments, and no complaint about a packet', (t) => {
  const flow = { saddr: ipv4(10, 0, 0, 1), daddr: ipv4(10, 0, 0, 2), sport: 33000, dport: 80, seqBase: 1000, ackBase: 0 };
  const w = new PcapngWriter({ application: 'kernet' });
  const itf = w.addInterface({ name: 'alice eth0' });
  const lines = ['S 0:0(0) win 64240 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>', 'P. 1:101(100) ack 1', 'udp (20)',
    'icmp echo_request id 1 seq 2 (56)'];
  lines.forEach((line, i) => {
    const packet = buildPacket(parsePacket(line), flow);
    const frame = new Uint8Array(14 + packet.length);
    ethWriteHeader(frame, 0, parseMac('02:00:00:00:00:02')!, 0, parseMac('02:00:00:00:00:01')!, 0, ETH_P_IP);
    frame.set(packet, 14);
    w.packet(itf, 5_000_000_001 + i, frame, 0, frame.length, i === 2 ? { comment: 'a datagram' } : null);
  });
  const dir = mkdtempSync(join(tmpdir(), 'kernet-'));
  try {
    const file = join(dir, 'x.pcapng');
    writeFileSync(file, w.toBytes());
    const fields = ['frame.time_epoch', 'frame.interface_name', 'frame.len', 'tcp.len', 'frame.comment',
      'tcp.options.mss_val', '_ws.malformed'];
    const checks = ['-o', 'ip.check_checksum:TRUE', '-o', 'tcp.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE'];
    const status = ['ip.checksum.status', 'tcp.checksum.status', 'udp.checksum.status', 'icmp.checksum.status'];
    const out = tshark(['-r', file, ...checks, '-T', 'fields', '-E', 'separator=|', ...[...fields, ...status].flatMap((f) => ['-e', f])]);
    if (out === null) {
      t.skip('tshark is not installed');
      return;
    }
    assert.deepEqual(out.trimEnd().split('\n').map((line) => line.replace(/^[^|]*\.(\d{9})Z?/, '$1')), [
      '000000001|alice eth0|74|0||1460||1|1||',
      '000000002|alice eth0|154|100||||1|1||',
      '000000003|alice eth0|62||a datagram|||1||1|',
      '000000004|alice eth0|98|||||1|||1',
    ]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
