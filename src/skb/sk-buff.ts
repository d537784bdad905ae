/**
 * The packet.
 *
 * An SkBuff is a small header area of its own, and any number of references to payload that others may hold too:
 *
 *     buf   [ headroom | headers pushed so far … | tailroom ]        own, 256 bytes, never shared
 *           0          data                      tail     end
 *     frags [page, off, len] [page, off, len] …                      shared by count of references
 *
 * `len` counts both. On the way down each layer *pushes* its header in front of `data`; on the way up it *pulls* it off.
 * A clone has its own header area and shares the payload: so the segment that waits for its acknowledgement keeps no
 * headers, each transmission writes fresh ones, and no byte of payload is copied between the two doors.
 *
 * Ownership: whoever holds an skb hands it on or frees it, exactly once. The pool counts the live ones.
 */
import { assert } from '../lib/assert.ts';
import type { Page, SkbPool } from './pool.ts';
import type { SkBuffHead } from './queue.ts';

/** Size of the header area. Headroom for Ethernet + VLAN + IPv6 or IPv4 with options + TCP with options fits twice. */
export const SKB_HEAD_SIZE = 256;
/** Headroom a layer 4 sender reserves: all headers below it, and its own. */
export const MAX_HEADER = 160;
/** References to payload that one skb may hold (Linux: MAX_SKB_FRAGS). */
export const MAX_SKB_FRAGS = 17;
/** What an skb costs beyond its bytes, in the accounting of socket buffers (Linux: sizeof(struct sk_buff) + shared info). */
export const SKB_TRUESIZE_OVERHEAD = 576;

export const CHECKSUM_NONE = 0;
/** Verified by the card: the stack need not look. */
export const CHECKSUM_UNNECESSARY = 1;
/** Outgoing: the field holds no checksum yet; whoever lets the bytes be seen or changed fills it in. */
export const CHECKSUM_PARTIAL = 3;

/** To us; to all; to a group; to somebody else; looped back by us. Linux's values. */
export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_MULTICAST = 2;
export const PACKET_OTHERHOST = 3;
export const PACKET_OUTGOING = 4;
export const PACKET_LOOPBACK = 5;

/** `skb.txFlags`: what its sender wants to be told, and when (Linux: SKBTX_*). */
export const SKBTX_SCHED_TSTAMP = 1;
export const SKBTX_SW_TSTAMP = 2;
/** Told by TCP alone, from the retransmission queue. */
export const SKBTX_ACK_TSTAMP = 4;
/** The payload is the sender's own memory (`ubuf`). */
export const SKBTX_ZEROCOPY = 8;

/** Who lent the payload of skbs, and is told when all of them are gone (Linux: struct ubuf_info). See `skb/ubuf.ts`. */
export interface Ubuf {
  /** Skbs that refer to it, and the call that is still filling one. */
  refs: number;
  /** The bytes had to be copied on the way. */
  copied(): void;
  /** The last reference is gone: the memory is its owner's again. */
  released(): void;
}

/** A reference to payload bytes. */
export class Frag {
  page: Page | null = null;
  off = 0;
  len = 0;
}

/** What a room above may hang on a packet: a route, a device, a socket. Each room knows its own by class. */
export type Opaque = object | null;

export class SkBuff {
  readonly pool: SkbPool;
  readonly buf: Uint8Array = new Uint8Array(SKB_HEAD_SIZE);
  next: SkBuff | null = null;
  prev: SkBuff | null = null;
  /** The queue it is in, if any. */
  list: SkBuffHead | null = null;
  /** In use; false in the pool. Guards against a double free. */
  alive = false;

  // ---- the bytes
  data = 0;
  tail = 0;
  /** All bytes: header area from `data` to `tail`, and payload references. */
  len = 0;
  /** Bytes in `frags`. */
  dataLen = 0;
  readonly frags: Frag[] = [];
  nrFrags = 0;
  /** Offsets in `buf` of the headers, -1 when unknown. */
  mac = -1;
  nh = -1;
  th = -1;

  // ---- what everybody on the way wants to know
  /** EtherType, host order. */
  protocol = 0;
  pktType: number = PACKET_HOST;
  ipSummed: number = CHECKSUM_NONE;
  /** Payload bytes of a segment when this is a super-packet (TSO, GRO), else 0. */
  gsoSize = 0;
  gsoSegs = 0;
  /** Its segments all have CWR, if it has it: a count of Accurate ECN, not a message for one of them. */
  gsoAccEcn = false;
  priority = 0;
  mark = 0;
  /** Spread of flows: the hash of the 4-tuple, or 0. */
  hash = 0;
  /** Host time at reception, or when it left, in nanoseconds. */
  tstamp = 0;
  /** Bytes it occupies in a socket's accounting. */
  truesize = 0;
  /** Bytes that may follow in its head without more memory (Linux: skb_tailroom), see `skb/truesize.ts`; 0 where nobody counts them. */
  tailroom = 0;
  /** It was put together from fragments on its way through: the longest of them, and whether it may be cut again in spite of DF. */
  fragMaxSize = 0;
  ignoreDf = false;
  /** The NetDevice it came in by or goes out by (`dev/`). */
  dev: Opaque = null;
  /** The route it follows (`ip/`). */
  dst: Opaque = null;
  /** The connection that it belongs to (`ip/filter/`), and how: see IP_CT_* there. */
  nfct: Opaque = null;
  nfctInfo = 0;
  /** The socket that pays for it (`sock/`), see `destructor`. */
  sk: Opaque = null;
  /** The machine that made it, and the one that sent it last, by their numbers in the world; 0 while it has not left one. */
  origin = 0;
  hop = 0;
  /** Who follows it knows it by this number; 0: nobody does (`skb/trace.ts`). */
  trace = 0;
  /** Called when it is freed, to give back what it occupied. */
  destructor: ((skb: SkBuff) => void) | null = null;

  // ---- TCP's corner (Linux: tcp_skb_cb). Sequence numbers are int32.
  seq = 0;
  endSeq = 0;
  ackSeq = 0;
  tcpFlags = 0;
  /** TCPCB_* bits: sacked, retransmitted, lost… */
  sacked = 0;
  /** When it was sent last, microseconds of host time. */
  sentUs = 0;
  /** Delivery state when it was sent (rate samples). */
  txDelivered = 0;
  txDeliveredUs = 0;
  txFirstUs = 0;
  txInFlight = 0;
  /** MSG_EOR: nothing may be appended. */
  eor = false;
  /** True once it has been transmitted and waits in the retransmission queue. */
  inRtx = false;
  /** The list of what was sent and not SACKed, by time of sending (RACK), beside the queue by sequence. */
  tsNext: SkBuff | null = null;
  tsPrev: SkBuff | null = null;
  tsQueued = false;
  /** SKBTX_*: what the sender asked to be told about this packet; `tskey` says in its words which one that is. */
  txFlags = 0;
  tskey = 0;
  /** Whose memory the payload is; null when it is the pool's. */
  ubuf: Ubuf | null = null;
  /** Free numbers for the layer that holds the packet now (sender's address of a datagram, queue stamps…). */
  cb0 = 0;
  cb1 = 0;

  constructor(pool: SkbPool) {
    this.pool = pool;
  }

  /** Bytes in the header area. */
  get headLen(): number {
    return this.tail - this.data;
  }

  /** Free bytes in front of `data`. */
  get headroom(): number {
    return this.data;
  }

  /** Makes headroom in an empty skb. */
  reserve(n: number): void {
    this.data += n;
    this.tail += n;
    assert(this.tail <= SKB_HEAD_SIZE, 'skb reserve stays within the header area');
  }

  /** Appends `n` bytes to the header area; returns their offset in `buf`. The bytes are the caller's to write. */
  put(n: number): number {
    const at = this.tail;
    this.tail += n;
    this.len += n;
    assert(this.tail <= SKB_HEAD_SIZE, 'skb put stays within the header area');
    return at;
  }

  /** Puts `n` bytes in front; returns the new `data`. */
  push(n: number): number {
    this.data -= n;
    this.len += n;
    assert(this.data >= 0, 'skb push stays within the headroom');
    return this.data;
  }

  /** Takes `n` header bytes off the front; they must lie in the header area. Returns the new `data`. */
  pull(n: number): number {
    assert(n <= this.tail - this.data, 'skb pull stays within the header area');
    this.data += n;
    this.len -= n;
    return this.data;
  }

  /** Adds a reference to payload, which must be in `page` already. Takes a reference of its own. */
  addFrag(page: Page, off: number, len: number): void {
    assert(this.nrFrags < MAX_SKB_FRAGS, 'an skb holds at most MAX_SKB_FRAGS references');
    let frag = this.frags[this.nrFrags];
    if (frag === undefined) {
      frag = new Frag();
      this.frags.push(frag);
    }
    page.refs++;
    frag.page = page;
    frag.off = off;
    frag.len = len;
    this.nrFrags++;
    this.len += len;
    this.dataLen += len;
  }
}
