import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { Random } from '../../src/lib/random.ts';
import * as opt from '../../src/wire/tcp-options.ts';

const { TcpOptionCheck, TcpOptionsOut, TcpOptionsReceived, tcpOptionsReset, tcpOptionsSize, tcpOptionsWrite, tcpParseOptions } = opt;

/** What the parser says of `hex`, in words; only what is there. */
function read(hex: string, out = new TcpOptionsReceived()): string {
  const bytes = fromHex(`ffff${hex}02040bad`)!; // what is beside the options must not be read
  const code = tcpParseOptions(bytes, 2, bytes.length - 6, out);
  const words = [];
  if (out.mss !== 0) words.push(`mss ${out.mss}`);
  if (out.sackOk) words.push('sackOK');
  if (out.sawTstamp) words.push(`TS ${out.tsval} ${out.tsecr}`);
  if (out.wscaleOk) words.push(`wscale ${out.sndWscale}`);
  if (out.numSacks !== 0) words.push(`sack ${[...out.sacks.subarray(0, 2 * out.numSacks)].join(' ')}`);
  if (out.foLen >= 0) words.push(`${out.foExp ? 'FOEXP' : 'FO'} ${toHex(bytes, out.foOff, out.foLen)}`);
  if (out.md5Off >= 0) words.push(`md5 ${toHex(bytes, out.md5Off, 16)}`);
  if (code !== TcpOptionCheck.Ok) words.push('BAD');
  return words.join(', ');
}

const TS = '080a 00000001 fffffffe';

test('options are read', () => {
  for (const [hex, want] of [
    ['', ''],
    ['0204 05b4', 'mss 1460'],
    ['0204 05b4 0402 ' + TS + ' 01 0303 07', 'mss 1460, sackOK, TS 1 -2, wscale 7'],
    ['0101 ' + TS, 'TS 1 -2'],
    [TS + ' 0101', 'TS 1 -2'],
    ['0101 ' + TS + ' 0101 050a 00000005 ffffffff', 'TS 1 -2, sack 5 -1'],
    ['0101 0512 00000001 00000002 00000003 00000004', 'sack 1 2 3 4'],
    ['0101 0522 ' + '00000001'.repeat(8), 'sack 1 1 1 1 1 1 1 1'],
    ['0303 0f', 'wscale 14'], // RFC 7323 §2.3: more than 14 is taken as 14
    ['0303 ff', 'wscale 14'],
    ['0303 00', 'wscale 0'],
    ['2202', 'FO '],
    ['220a 3021b9d889017eeb 0101', 'FO 3021b9d889017eeb'],
    ['fe04 f989', 'FOEXP '],
    ['fe08 f989 01020304', 'FOEXP 01020304'],
    ['1312 00112233445566778899aabbccddeeff 0101', 'md5 00112233445566778899aabbccddeeff'],
    ['0204 05b4 0204 0200', 'mss 512'], // the last one counts
  ] as const) {
    assert.equal(read(hex), want, hex);
  }
});

test('what is unknown, or known with a wrong length, is skipped', () => {
  for (const [hex, want] of [
    ['4d06 01020304 0204 05b4', 'mss 1460'],
    ['fd02 0204 05b4', 'mss 1460'],
    ['fe04 1234 0204 05b4', 'mss 1460'], // another experiment
    ['fe03 f9 0204 05b4', 'mss 1460'],
    ['0203 05 0204 05b4', 'mss 1460'],
    ['0304 0707 0402', 'sackOK'],
    ['0403 00 0303 05', 'wscale 5'],
    ['0809 00000000000000 0402', 'sackOK'],
    ['0502 0402', 'sackOK'], // no block
    ['0506 00000001 0402', 'sackOK'], // half a block
    ['050b 0000000100000002 00 0402', 'sackOK'],
    ['1304 0000 0402', 'sackOK'],
  ] as const) {
    assert.equal(read(hex), want, hex);
  }
});

test('a length that cannot be stops the reading; what came before counts', () => {
  for (const [hex, want] of [
    ['0204 05b4 0300', 'mss 1460, BAD'],
    ['0204 05b4 0301 0402', 'mss 1460, BAD'],
    ['0204 05b4 08', 'mss 1460, BAD'],
    ['0204 05b4 080a 0000', 'mss 1460, BAD'],
    ['02', 'BAD'],
    ['02ff', 'BAD'],
    ['0101 080a 00000001 ffff', 'BAD'], // the aligned layout, cut short
    ['0101 ' + TS + ' 05', 'TS 1 -2, BAD'],
  ] as const) {
    assert.equal(read(hex), want, hex);
  }
});

test('nothing is read behind the end-of-list option', () => {
  assert.equal(read('0402 00 0204 05b4 00'), 'sackOK');
  assert.equal(read('00 ff ff ff'), '');
});

test('the object remembers nothing of the segment before', () => {
  const out = new TcpOptionsReceived();
  read('0204 05b4 0402 ' + TS + ' 01 0303 07', out);
  read('0101 050a 00000005 00000006 2204 0102', out);
  read('1312 00112233445566778899aabbccddeeff 0101', out);
  assert.equal(read('', out), '');
  assert.equal(read('0101 ' + TS, out), 'TS 1 -2');
});

test('the aligned timestamp is read the same by the short way and by the long way', () => {
  const random = new Random(7);
  for (let round = 0; round < 200; round++) {
    const ts = toHex(random.bytes(8));
    assert.equal(read(`0101080a${ts}`), read(`01080a${ts}01`));
  }
});

/** Sets what a segment's options are. */
function write(set: (o: opt.TcpOptionsOut) => void, reused = new TcpOptionsOut()): string {
  tcpOptionsReset(reused);
  set(reused);
  const buf = new Uint8Array(64).fill(0xee);
  const n = tcpOptionsWrite(buf, 4, reused);
  assert.equal(n, tcpOptionsSize(reused));
  assert.equal(n % 4, 0);
  assert.ok(n <= opt.MAX_TCP_OPTION_SPACE);
  assert.ok(buf.subarray(0, 4).every((b) => b === 0xee) && buf.subarray(4 + n).every((b) => b === 0xee), 'wrote beside');
  return toHex(buf, 4, n);
}

/** The fields of a SYN: `m` MSS, `s` SACK, `t` timestamps, `w` window scale. */
function syn(fields: string): string {
  return write((o) => {
    if (fields.includes('m')) o.mss = 1460;
    o.sackPerm = fields.includes('s');
    o.tstamp = fields.includes('t');
    o.tsval = 0x11223344;
    o.tsecr = -1;
    if (fields.includes('w')) o.wscale = 7;
  });
}

test("the layouts are Linux's", () => {
  const ts = '080a11223344ffffffff';
  for (const [fields, want] of [
    ['mstw', `020405b40402${ts}01030307`], // mss,sackOK,TS,nop,wscale
    ['msw', '020405b40101040201030307'], // mss,nop,nop,sackOK,nop,wscale
    ['mw', '020405b401030307'], // mss,nop,wscale
    ['ms', '020405b401010402'], // mss,nop,nop,sackOK
    ['m', '020405b4'],
    ['mtw', `020405b40101${ts}01030307`], // mss,nop,nop,TS,nop,wscale
    ['mst', `020405b40402${ts}`],
    ['mt', `020405b40101${ts}`],
    ['t', `0101${ts}`], // data and ACKs
    ['', ''],
  ] as const) {
    assert.equal(syn(fields), want, fields);
  }
});

test('SACK blocks stand behind two nops, alone or behind the timestamp', () => {
  const blocks = (o: opt.TcpOptionsOut, n: number): void => {
    o.numSacks = n;
    for (let i = 0; i < 2 * n; i++) o.sacks[i] = i - 1;
  };
  assert.equal(write((o) => blocks(o, 1)), '0101050affffffff00000000');
  assert.equal(write((o) => blocks(o, 4)).length, 2 * 36);
  assert.equal(
    write((o) => {
      o.tstamp = true;
      o.tsval = 1;
      o.tsecr = 2;
      blocks(o, 3);
    }),
    '0101080a0000000100000002' + '0101051a' + 'ffffffff0000000000000001000000020000000300000004',
  );
});

test('four SACK blocks fit alone, three beside timestamps', () => {
  const o = new TcpOptionsOut();
  assert.equal(opt.tcpSackBlocksThatFit(o), 4);
  o.tstamp = true;
  o.numSacks = 2;
  assert.equal(opt.tcpSackBlocksThatFit(o), 3);
  assert.equal(o.numSacks, 2);
  o.foCookie = new Uint8Array(16);
  assert.equal(opt.tcpSackBlocksThatFit(o), 0);
});

test('a Fast Open cookie stands behind the window scale and is padded with nops', () => {
  const cookie = fromHex('3021b9d889017eeb')!;
  assert.equal(write((o) => Object.assign(o, { mss: 1460, wscale: 7, foCookie: cookie })),
    '020405b401030307' + '220a3021b9d889017eeb' + '0101');
  assert.equal(write((o) => Object.assign(o, { foCookie: new Uint8Array(0) })), '22020101');
  assert.equal(write((o) => Object.assign(o, { foCookie: cookie, foExp: true })), 'fe0cf9893021b9d889017eeb');
});

test('what was written is read back', () => {
  const random = new Random(8);
  const o = new TcpOptionsOut();
  for (let round = 0; round < 2000; round++) {
    const want: string[] = [];
    const hex = write((out) => {
      if (random.chance(0.5)) want.push(`mss ${(out.mss = 1 + random.below(65535))}`);
      if (random.chance(0.5) && (out.sackPerm = true)) want.push('sackOK');
      if (random.chance(0.5) && (out.tstamp = true)) want.push(`TS ${(out.tsval = random.next32())} ${(out.tsecr = random.next32())}`);
      if (random.chance(0.5)) want.push(`wscale ${(out.wscale = random.below(15))}`);
      const room = opt.tcpSackBlocksThatFit(out);
      out.numSacks = random.below(room + 1);
      for (let i = 0; i < 2 * out.numSacks; i++) out.sacks[i] = random.next32();
      if (out.numSacks !== 0) want.push(`sack ${[...out.sacks.subarray(0, 2 * out.numSacks)].join(' ')}`);
    }, o);
    assert.equal(read(hex), want.join(', '), `seed 8, round ${round}`);
  }
});

test('random bytes never throw, and an option is never read beyond the end', () => {
  const random = new Random(9);
  const out = new TcpOptionsReceived();
  for (let round = 0; round < 50_000; round++) {
    const len = random.below(41);
    const buf = random.bytes(len);
    // Real kinds and lengths more often than chance would have it.
    for (let i = 0; i < len; i++) if (random.chance(0.4)) buf[i] = [0, 1, 2, 3, 4, 5, 8, 10, 18, 19, 34, 254][random.below(12)]!;
    tcpParseOptions(buf, 0, len, out);
    assert.ok(out.numSacks >= 0 && out.numSacks <= 4 && out.sndWscale <= 14);
    if (out.foLen >= 0) assert.ok(out.foOff + out.foLen <= len);
    if (out.md5Off >= 0) assert.ok(out.md5Off + 16 <= len);
  }
});
