/**
 * Writes pcapng (draft-ietf-opsawg-pcapng), the capture format of Wireshark: one section, one interface block per port, one
 * enhanced packet block per frame, time stamps in nanoseconds, little endian.
 *
 *     block:  type 4 | total length 4 | body, padded to 4 | total length 4
 *     option: code 2 | length 2 | value, padded to 4        the list ends with code 0, length 0
 *
 * Bytes are copied at once (a capture must not change with the buffers it saw) into chunks that are joined at the end.
 */

const BLOCK_SHB = 0x0a0d0d0a;
const BLOCK_IDB = 1;
const BLOCK_EPB = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

const OPT_COMMENT = 1;
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_DESCRIPTION = 3;
const IF_TSRESOL = 9;
const IF_TSOFFSET = 14;
const EPB_FLAGS = 2;
const EPB_DROPCOUNT = 4;

export const LINKTYPE_ETHERNET = 1;
/** IPv4 or IPv6 without a link header (a loopback without one, a tunnel). */
export const LINKTYPE_RAW = 101;

/** Bytes of a chunk; a block larger than it gets a chunk of its own. */
const CHUNK = 1 << 16;
/** Two to the 32nd. */
const HIGH = 4294967296;

/** The low two bits of the packet flags: the direction as the interface saw it. */
export const PcapngDirection = { Unknown: 0, Inbound: 1, Outbound: 2 } as const;
export type PcapngDirection = (typeof PcapngDirection)[keyof typeof PcapngDirection];

export interface PcapngOptions {
  /** The program that wrote the file. */
  readonly application?: string;
  /** A comment on the whole capture: the seed, say. */
  readonly comment?: string;
  /** Seconds added to each time by the reader, so that virtual time 0 may be a date. Default 0: 1970. */
  readonly epochSec?: number;
}

export interface PcapngInterface {
  readonly name: string;
  readonly description?: string;
  readonly linkType?: number;
  /** Bytes kept of each frame at most; 0 = all. */
  readonly snapLen?: number;
}

/** What may be said of one frame besides its bytes. */
export interface PcapngNote {
  readonly comment?: string;
  readonly direction?: PcapngDirection;
  /** Bytes of the frame on the wire, when more than were captured. */
  readonly originalLen?: number;
  /** Frames lost between this and the one before on the interface. */
  readonly dropped?: number;
}

export class PcapngWriter {
  private readonly chunks: Uint8Array[] = [];
  private chunk: Uint8Array = new Uint8Array(CHUNK);
  private used = 0;
  private readonly snapLens: number[] = [];
  private readonly epochSec: number;

  constructor(options: PcapngOptions = {}) {
    this.epochSec = options.epochSec ?? 0;
    const opts = this.optionList([
      [OPT_COMMENT, options.comment],
      [SHB_USERAPPL, options.application],
    ]);
    const at = this.begin(BLOCK_SHB, 16 + opts.length);
    this.u32(at, BYTE_ORDER_MAGIC);
    this.u16(at + 4, 1); // version 1.0
    this.u16(at + 6, 0);
    this.u32(at + 8, 0xffffffff); // length of the section: not said
    this.u32(at + 12, 0xffffffff);
    this.chunk.set(opts, at + 16);
  }

  /** Adds an interface; the number it returns is what {@link packet} wants. */
  addInterface(itf: PcapngInterface): number {
    const offset = new Uint8Array(8);
    new DataView(offset.buffer).setBigInt64(0, BigInt(Math.trunc(this.epochSec)), true);
    const opts = this.optionList([
      [IF_NAME, itf.name],
      [IF_DESCRIPTION, itf.description],
      [IF_TSRESOL, new Uint8Array([9])],
      [IF_TSOFFSET, this.epochSec === 0 ? undefined : offset],
    ]);
    const at = this.begin(BLOCK_IDB, 8 + opts.length);
    this.u16(at, itf.linkType ?? LINKTYPE_ETHERNET);
    this.u16(at + 2, 0);
    this.u32(at + 4, itf.snapLen ?? 0);
    this.chunk.set(opts, at + 8);
    return this.snapLens.push(itf.snapLen ?? 0) - 1;
  }

  /** Adds a frame: `len` bytes at `off`, seen at `timeNs` on the interface. The bytes are copied. */
  packet(itf: number, timeNs: number, buf: Uint8Array, off: number, len: number, note: PcapngNote | null = null): void {
    const snapLen = this.snapLens[itf];
    if (snapLen === undefined) throw new RangeError(`interface: ${itf} was not added to this capture`);
    const kept = snapLen !== 0 && len > snapLen ? snapLen : len;
    const padded = (kept + 3) & ~3;
    const opts = note === null ? null : this.noteOptions(note);
    const at = this.begin(BLOCK_EPB, 20 + padded + (opts === null ? 0 : opts.length));
    this.u32(at, itf);
    this.u32(at + 4, Math.floor(timeNs / HIGH));
    this.u32(at + 8, timeNs % HIGH);
    this.u32(at + 12, kept);
    this.u32(at + 16, Math.max(note?.originalLen ?? len, kept));
    this.chunk.set(buf.subarray(off, off + kept), at + 20);
    if (opts !== null) this.chunk.set(opts, at + 20 + padded);
  }

  /** Bytes so far. */
  get size(): number {
    let n = this.used;
    for (const c of this.chunks) n += c.length;
    return n;
  }

  /** The file as it is now; writing may go on. */
  toBytes(): Uint8Array {
    const out = new Uint8Array(this.size);
    let at = 0;
    for (const c of this.chunks) {
      out.set(c, at);
      at += c.length;
    }
    out.set(this.chunk.subarray(0, this.used), at);
    return out;
  }

  private noteOptions(note: PcapngNote): Uint8Array {
    const flags = note.direction === undefined ? undefined : new Uint8Array([note.direction, 0, 0, 0]);
    let drops: Uint8Array | undefined;
    if (note.dropped !== undefined) {
      drops = new Uint8Array(8);
      new DataView(drops.buffer).setBigUint64(0, BigInt(note.dropped), true);
    }
    return this.optionList([
      [EPB_FLAGS, flags],
      [EPB_DROPCOUNT, drops],
      [OPT_COMMENT, note.comment],
    ]);
  }

  /** Options that are there, and the end of the list; nothing at all when none is. */
  private optionList(list: readonly (readonly [number, string | Uint8Array | undefined])[]): Uint8Array {
    const parts: [number, Uint8Array][] = [];
    let size = 0;
    const encoder = new TextEncoder();
    for (const [code, value] of list) {
      if (value === undefined) continue;
      // The length field has 16 bits. A text is cut well before, which readers prefer to a refused capture.
      const bytes = typeof value === 'string' ? encoder.encode(value.slice(0, 16000)) : value;
      parts.push([code, bytes]);
      size += 4 + ((bytes.length + 3) & ~3);
    }
    if (size === 0) return new Uint8Array(0);
    const out = new Uint8Array(size + 4);
    let at = 0;
    for (const [code, bytes] of parts) {
      out[at] = code;
      out[at + 2] = bytes.length;
      out[at + 3] = bytes.length >> 8;
      out.set(bytes, at + 4);
      at += 4 + ((bytes.length + 3) & ~3);
    }
    return out;
  }

  /** Makes room for a block, writes its frame, and returns where in the chunk the body begins. `bodyLen` is a multiple of 4. */
  private begin(type: number, bodyLen: number): number {
    const total = bodyLen + 12;
    if (this.used + total > this.chunk.length) {
      this.chunks.push(this.chunk.slice(0, this.used));
      if (total > this.chunk.length) this.chunk = new Uint8Array(total);
      this.used = 0;
    }
    const at = this.used;
    this.u32(at, type);
    this.u32(at + 4, total);
    this.chunk.fill(0, at + 8, at + total - 4);
    this.u32(at + total - 4, total);
    this.used += total;
    return at + 8;
  }

  private u16(at: number, value: number): void {
    this.chunk[at] = value;
    this.chunk[at + 1] = value >> 8;
  }

  private u32(at: number, value: number): void {
    this.chunk[at] = value;
    this.chunk[at + 1] = value >>> 8;
    this.chunk[at + 2] = value >>> 16;
    this.chunk[at + 3] = value >>> 24;
  }
}
