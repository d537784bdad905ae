/**
 * TCP options, in and out.
 *
 *   in   tcpParseOptions: one pass over the bytes into one reused `TcpOptionsReceived`; the layout `nop,nop,TS`, which
 *        nearly every segment of a connection with timestamps has, is recognised by its first four bytes
 *   out  TcpOptionsOut, tcpOptionsSize, tcpOptionsWrite: Linux's fixed layouts (its order saves padding):
 *          SYN with timestamps      mss,sackOK,TS,nop,wscale
 *          SYN without              mss,nop,nop,sackOK,nop,wscale
 *          data, ACK                nop,nop,TS    nop,nop,sack    nop,nop,TS,nop,nop,sack
 *          Fast Open cookie         behind wscale, padded with nops
 *
 * The parser says what stands there; what may be believed (an MSS only on a SYN, a timestamp only if agreed on) is TCP's
 * matter. RFC 9293 §3.2 (MSS), RFC 7323 (window scale, timestamps), RFC 2018 (SACK), RFC 7413 (Fast Open).
 */
import { copy, get16, get32, get8, put16, put24, put32, put8 } from '../lib/bytes.ts';

export const TCPOPT_EOL = 0;
export const TCPOPT_NOP = 1;
export const TCPOPT_MSS = 2;
export const TCPOPT_WINDOW = 3;
export const TCPOPT_SACK_PERM = 4;
export const TCPOPT_SACK = 5;
export const TCPOPT_TIMESTAMP = 8;
export const TCPOPT_MD5SIG = 19;
/** The Authentication Option (RFC 5925 §2.2): key ID, the ID of the key wanted next, the code. */
export const TCPOPT_AO = 29;
export const TCPOPT_FASTOPEN = 34;
/** Accurate ECN, counters in the order EE0B, ECEB, EE1B (RFC 9768 §3.2.3). */
export const TCPOPT_ACCECN0 = 172;
/** Accurate ECN, counters in the order EE1B, ECEB, EE0B. */
export const TCPOPT_ACCECN1 = 174;
export const TCPOPT_EXP = 254;
/** The experiment identifier of Fast Open before it had its own kind (RFC 6994, RFC 7413 appendix). */
export const TCPOPT_FASTOPEN_MAGIC = 0xf989;

export const TCPOLEN_MSS = 4;
export const TCPOLEN_WINDOW = 3;
export const TCPOLEN_SACK_PERM = 2;
export const TCPOLEN_TIMESTAMP = 10;
export const TCPOLEN_MD5SIG = 18;
/** Without its code, which is not empty. */
export const TCPOLEN_AO_BASE = 4;
export const TCPOLEN_FASTOPEN_BASE = 2;
export const TCPOLEN_EXP_FASTOPEN_BASE = 4;
export const TCPOLEN_ACCECN_BASE = 2;
/** Each of its counters, of which there are at most three. */
export const TCPOLEN_ACCECN_PERFIELD = 3;
const TCPOLEN_ACCECN_MAX = 11;
export const TCPOLEN_SACK_BASE = 2;
export const TCPOLEN_SACK_PERBLOCK = 8;
/** With the two nops before it. */
export const TCPOLEN_TSTAMP_ALIGNED = 12;
export const TCPOLEN_SACK_BASE_ALIGNED = 4;

/** Room for options in a header. */
export const MAX_TCP_OPTION_SPACE = 40;
/** Blocks in one SACK option (three beside timestamps). */
export const TCP_NUM_SACKS = 4;
/** The largest shift (RFC 7323 §2.3). */
export const TCP_MAX_WSCALE = 14;

/** `nop,nop,TS`, the first word of the aligned timestamp option. */
export const TSTAMP_ALIGNED_WORD: number = (TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP;

/** What {@link tcpParseOptions} finds wrong. */
export const TcpOptionCheck = { Ok: 0, BadLength: 1 } as const;
export type TcpOptionCheck = (typeof TcpOptionCheck)[keyof typeof TcpOptionCheck];

/** What the options of one segment say. One object, used again for each segment: copy out what must last. */
export class TcpOptionsReceived {
  /** A timestamp option was there; `tsval` and `tsecr` mean something. */
  sawTstamp = false;
  /** TSval, int32. */
  tsval = 0;
  /** TSecr, int32. */
  tsecr = 0;
  /** SACK-permitted was there. */
  sackOk = false;
  /** A window scale was there; `sndWscale` is its shift, at most 14. */
  wscaleOk = false;
  sndWscale = 0;
  /** The MSS, 0 when none was given. */
  mss = 0;
  /** SACK blocks, and their edges (int32): left 0, right 0, left 1, right 1, ... */
  numSacks = 0;
  readonly sacks: Int32Array = new Int32Array(2 * TCP_NUM_SACKS);
  /** Fast Open: bytes of the cookie (0 = a request for one), -1 when the option was not there; where the cookie begins in the buffer. */
  foLen = -1;
  foOff = 0;
  /** The Fast Open option came in its experimental form. */
  foExp = false;
  /** Where an MD5 digest (RFC 2385) begins in the buffer, or -1. */
  md5Off = -1;
  /** Where an AccECN option begins in the buffer (at its kind), or -1. */
  accEcnOff = -1;
}

/** Forgets everything. */
export function tcpClearOptions(out: TcpOptionsReceived): void {
  out.sawTstamp = false;
  out.sackOk = false;
  out.wscaleOk = false;
  out.sndWscale = 0;
  out.mss = 0;
  out.numSacks = 0;
  out.foLen = -1;
  out.foExp = false;
  out.md5Off = -1;
  out.accEcnOff = -1;
}

/**
 * Reads the options of one segment into `out`, which is cleared first.
 *
 * Unknown kinds are skipped. A known kind with the wrong length is skipped, too. A length below 2 or beyond the end stops
 * the reading; what was read until there counts (Linux does so; RFC 9293 §3.1 asks for no more than not to crash).
 *
 * @param off where the options begin: header + TCP_OPTIONS
 * @param len their bytes: header length - 20
 * @returns 0, or why the reading stopped early
 */
export function tcpParseOptions(buf: Uint8Array, off: number, len: number, out: TcpOptionsReceived): TcpOptionCheck {
  tcpClearOptions(out);
  if (len >= TCPOLEN_TSTAMP_ALIGNED && get32(buf, off) === TSTAMP_ALIGNED_WORD) {
    out.sawTstamp = true;
    out.tsval = get32(buf, off + 4);
    out.tsecr = get32(buf, off + 8);
    if (len === TCPOLEN_TSTAMP_ALIGNED) return TcpOptionCheck.Ok;
    off += TCPOLEN_TSTAMP_ALIGNED;
    len -= TCPOLEN_TSTAMP_ALIGNED;
  }
  const end = off + len;
  while (off < end) {
    const kind = get8(buf, off);
    if (kind === TCPOPT_EOL) return TcpOptionCheck.Ok;
    if (kind === TCPOPT_NOP) {
      off++;
      continue;
    }
    if (off + 1 >= end) return TcpOptionCheck.BadLength;
    const size = get8(buf, off + 1);
    if (size < 2 || off + size > end) return TcpOptionCheck.BadLength;
    tcpParseOption(buf, off, kind, size, out);
    off += size;
  }
  return TcpOptionCheck.Ok;
}

/** One option of `size` bytes, kind and length included, that lies wholly in the header. */
function tcpParseOption(buf: Uint8Array, off: number, kind: number, size: number, out: TcpOptionsReceived): void {
  switch (kind) {
    case TCPOPT_MSS:
      if (size === TCPOLEN_MSS) out.mss = get16(buf, off + 2);
      break;
    case TCPOPT_WINDOW:
      if (size === TCPOLEN_WINDOW) {
        out.wscaleOk = true;
        // RFC 7323 §2.3: a larger shift is logged and taken as 14.
        out.sndWscale = Math.min(get8(buf, off + 2), TCP_MAX_WSCALE);
      }
      break;
    case TCPOPT_TIMESTAMP:
      if (size === TCPOLEN_TIMESTAMP) {
        out.sawTstamp = true;
        out.tsval = get32(buf, off + 2);
        out.tsecr = get32(buf, off + 6);
      }
      break;
    case TCPOPT_SACK_PERM:
      if (size === TCPOLEN_SACK_PERM) out.sackOk = true;
      break;
    case TCPOPT_SACK:
      if (size >= TCPOLEN_SACK_BASE + TCPOLEN_SACK_PERBLOCK && (size - TCPOLEN_SACK_BASE) % TCPOLEN_SACK_PERBLOCK === 0) {
        tcpParseSacks(buf, off + 2, (size - TCPOLEN_SACK_BASE) >> 3, out);
      }
      break;
    case TCPOPT_MD5SIG:
      if (size === TCPOLEN_MD5SIG) out.md5Off = off + 2;
      break;
    case TCPOPT_FASTOPEN:
      out.foLen = size - TCPOLEN_FASTOPEN_BASE;
      out.foOff = off + TCPOLEN_FASTOPEN_BASE;
      out.foExp = false;
      break;
    case TCPOPT_ACCECN0: case TCPOPT_ACCECN1:
      if (size <= TCPOLEN_ACCECN_MAX) out.accEcnOff = off;
      break;
    case TCPOPT_EXP:
      if (size >= TCPOLEN_EXP_FASTOPEN_BASE && get16(buf, off + 2) === TCPOPT_FASTOPEN_MAGIC) {
        out.foLen = size - TCPOLEN_EXP_FASTOPEN_BASE;
        out.foOff = off + TCPOLEN_EXP_FASTOPEN_BASE;
        out.foExp = true;
      }
      break;
  }
}

function tcpParseSacks(buf: Uint8Array, off: number, blocks: number, out: TcpOptionsReceived): void {
  const n = Math.min(blocks, TCP_NUM_SACKS);
  for (let i = 0; i < 2 * n; i++) out.sacks[i] = get32(buf, off + 4 * i);
  out.numSacks = n;
}

/** The options of a segment to be sent. One object, used again: set what is wanted, call {@link tcpOptionsReset} before the next. */
export class TcpOptionsOut {
  /** 0 = no MSS option. */
  mss = 0;
  sackPerm = false;
  /** -1 = no window scale option. */
  wscale = -1;
  tstamp = false;
  tsval = 0;
  tsecr = 0;
  /** SACK blocks, left and right edges in turn; the newest first. */
  numSacks = 0;
  readonly sacks: Int32Array = new Int32Array(2 * TCP_NUM_SACKS);
  /** Fast Open cookie: `null` = no option; empty = ask for one. */
  foCookie: Uint8Array | null = null;
  foExp = false;
  /** AccECN of a SYN-ACK, whose counters are at their start: how many fields, 0 to 3; -1: no option. */
  accEcnFields = -1;
}

export function tcpOptionsReset(o: TcpOptionsOut): void {
  o.mss = 0;
  o.sackPerm = false;
  o.wscale = -1;
  o.tstamp = false;
  o.numSacks = 0;
  o.foCookie = null;
  o.foExp = false;
  o.accEcnFields = -1;
}

/** Bytes that {@link tcpOptionsWrite} will write: a multiple of 4, which must not be above MAX_TCP_OPTION_SPACE. */
export function tcpOptionsSize(o: TcpOptionsOut): number {
  let size = 0;
  if (o.mss !== 0) size += TCPOLEN_MSS;
  if (o.tstamp) size += TCPOLEN_TSTAMP_ALIGNED;
  else if (o.sackPerm) size += 4;
  if (o.wscale >= 0) size += 4;
  if (o.accEcnFields >= 0) size += accEcnAlign(o.accEcnFields, accEcnSaving(o));
  if (o.foCookie !== null) size += (fastopenLen(o) + 3) & ~3;
  if (o.numSacks !== 0) size += TCPOLEN_SACK_BASE_ALIGNED + TCPOLEN_SACK_PERBLOCK * o.numSacks;
  return size;
}

/**
 * Bytes that an AccECN option of so many fields takes: a multiple of 4. What is over goes into the nops of the option behind it, when
 * there are as many (`saving`).
 */
export function accEcnAlign(fields: number, saving: number): number {
  const len = TCPOLEN_ACCECN_BASE + TCPOLEN_ACCECN_PERFIELD * fields;
  return (len & 3) > saving ? (len + 3) & ~3 : len & ~3;
}

/** The nops of the options behind it, in a SYN-ACK: two before SACK-permitted, one before window scale. */
function accEcnSaving(o: TcpOptionsOut): number {
  if (o.sackPerm && !o.tstamp) return 2;
  return o.wscale >= 0 ? 1 : 0;
}

/** Gives a SYN-ACK as many AccECN fields as there is room for beside a signature of so many bytes. */
export function tcpAccEcnSynackFit(o: TcpOptionsOut, signature: number): void {
  for (let fields = 3; fields >= 0; fields--) {
    o.accEcnFields = fields;
    if (signature + tcpOptionsSize(o) <= MAX_TCP_OPTION_SPACE) return;
  }
  o.accEcnFields = -1;
}

/**
 * Writes an AccECN option of kind 174: ECT(1), CE, ECT(0), as many as `fields` says, and nops up to `len`. When `len` is less than the
 * option takes, its end replaces the nops of the option behind it, which has been written already.
 */
export function tcpWriteAccEcn(
  buf: Uint8Array, off: number, len: number, fields: number, e1b: number, ceb: number, e0b: number,
): void {
  const size = TCPOLEN_ACCECN_BASE + TCPOLEN_ACCECN_PERFIELD * fields;
  for (let i = size; i < len; i++) put8(buf, off + i, TCPOPT_NOP);
  put8(buf, off, TCPOPT_ACCECN1);
  put8(buf, off + 1, size);
  if (fields > 0) put24(buf, off + 2, e1b & 0xffffff);
  if (fields > 1) put24(buf, off + 5, ceb & 0xffffff);
  if (fields > 2) put24(buf, off + 8, e0b & 0xffffff);
}

/** How many SACK blocks fit beside the other options set in `o`. */
export function tcpSackBlocksThatFit(o: TcpOptionsOut): number {
  const had = o.numSacks;
  o.numSacks = 0;
  const room = MAX_TCP_OPTION_SPACE - tcpOptionsSize(o) - TCPOLEN_SACK_BASE_ALIGNED;
  o.numSacks = had;
  return Math.max(0, Math.min(TCP_NUM_SACKS, room >> 3));
}

/** Writes the options in Linux's order. Returns the bytes written: {@link tcpOptionsSize}. */
export function tcpOptionsWrite(buf: Uint8Array, off: number, o: TcpOptionsOut): number {
  const start = off;
  if (o.mss !== 0) {
    put16(buf, off, (TCPOPT_MSS << 8) | TCPOLEN_MSS);
    put16(buf, off + 2, o.mss);
    off += TCPOLEN_MSS;
  }
  if (o.tstamp) {
    off += tcpWriteTimestamp(buf, off, o.tsval, o.tsecr);
    // SACK-permitted takes the place of the two nops.
    if (o.sackPerm) put16(buf, off - TCPOLEN_TSTAMP_ALIGNED, (TCPOPT_SACK_PERM << 8) | TCPOLEN_SACK_PERM);
  }
  const accEcnAt = off;
  if (o.accEcnFields >= 0) off += accEcnAlign(o.accEcnFields, accEcnSaving(o));
  if (o.sackPerm && !o.tstamp) {
    put16(buf, off, (TCPOPT_NOP << 8) | TCPOPT_NOP);
    put16(buf, off + 2, (TCPOPT_SACK_PERM << 8) | TCPOLEN_SACK_PERM);
    off += 4;
  }
  if (o.wscale >= 0) {
    put16(buf, off, (TCPOPT_NOP << 8) | TCPOPT_WINDOW);
    put16(buf, off + 2, (TCPOLEN_WINDOW << 8) | o.wscale);
    off += 4;
  }
  if (o.foCookie !== null) off += writeFastopen(buf, off, o, o.foCookie);
  if (o.numSacks !== 0) off += tcpWriteSacks(buf, off, o.sacks, o.numSacks);
  if (o.accEcnFields >= 0) {
    tcpWriteAccEcn(buf, accEcnAt, accEcnAlign(o.accEcnFields, accEcnSaving(o)), o.accEcnFields, 1, 0, 1);
  }
  return off - start;
}

/** Writes `nop,nop,TS`, 12 bytes: what every data segment of a connection with timestamps carries. */
export function tcpWriteTimestamp(buf: Uint8Array, off: number, tsval: number, tsecr: number): number {
  put32(buf, off, TSTAMP_ALIGNED_WORD);
  put32(buf, off + 4, tsval);
  put32(buf, off + 8, tsecr);
  return TCPOLEN_TSTAMP_ALIGNED;
}

/** Writes `nop,nop,sack` with `blocks` blocks; returns the bytes. */
export function tcpWriteSacks(buf: Uint8Array, off: number, sacks: Int32Array, blocks: number): number {
  const size = TCPOLEN_SACK_BASE + TCPOLEN_SACK_PERBLOCK * blocks;
  put16(buf, off, (TCPOPT_NOP << 8) | TCPOPT_NOP);
  put8(buf, off + 2, TCPOPT_SACK);
  put8(buf, off + 3, size);
  for (let i = 0; i < 2 * blocks; i++) put32(buf, off + 4 + 4 * i, sacks[i]!);
  return size + 2;
}

function fastopenLen(o: TcpOptionsOut): number {
  if (o.foCookie === null) return 0;
  return (o.foExp ? TCPOLEN_EXP_FASTOPEN_BASE : TCPOLEN_FASTOPEN_BASE) + o.foCookie.length;
}

/** The Fast Open option and the nops behind it that fill up the word. */
function writeFastopen(buf: Uint8Array, off: number, o: TcpOptionsOut, cookie: Uint8Array): number {
  const size = fastopenLen(o);
  put8(buf, off, o.foExp ? TCPOPT_EXP : TCPOPT_FASTOPEN);
  put8(buf, off + 1, size);
  if (o.foExp) put16(buf, off + 2, TCPOPT_FASTOPEN_MAGIC);
  copy(buf, off + size - cookie.length, cookie, 0, cookie.length);
  const padded = (size + 3) & ~3;
  for (let i = size; i < padded; i++) put8(buf, off + i, TCPOPT_NOP);
  return padded;
}
