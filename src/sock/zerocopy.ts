/**
 * MSG_ZEROCOPY: the writer lends its memory instead of having it copied, and is told in the error queue when it is its own
 * again (Linux: msg_zerocopy_realloc, __msg_zerocopy_callback; Documentation/networking/msg_zerocopy).
 *
 *   from  tcp/zerocopy.ts, udp/payload.ts   one UbufInfo per send, or the last one once more
 *   to    sock/error-queue.ts               `info` the first and `data` the last of the sends that are complete
 */
import type { SkBuff, Ubuf } from '../skb/sk-buff.ts';
import { ubufPut } from '../skb/ubuf.ts';
import { errorQueueAdd } from './error-queue.ts';
import { QueuedErr, SO_EE_CODE_ZEROCOPY_COPIED, SO_EE_ORIGIN_ZEROCOPY } from './extended-err.ts';
import type { Sock } from './sock.ts';
import type { MsgHdr } from './sockaddr.ts';

/** What a note costs in the accounting of net.core.optmem_max (Linux: SKB_TRUESIZE(0)). */
const NOTE_SIZE = 576;
/** Sends that go on filling the same skb share a note up to so many bytes (Linux: 512 KiB less a page). */
const SHARED_MAX: number = 512 * 1024 - 4096;

/** The memory that one send, or several in a row, have lent. */
export class UbufInfo implements Ubuf {
  refs = 1;
  readonly sk: Sock;
  /** Number of the first send, and how many there are. */
  readonly id: number;
  len = 1;
  bytes: number;
  /** Nobody had to copy it. */
  zerocopy = true;

  constructor(sk: Sock, id: number, bytes: number) {
    this.sk = sk;
    this.id = id;
    this.bytes = bytes;
  }

  copied(): void {
    this.zerocopy = false;
  }

  released(): void {
    zerocopyCallback(this);
  }
}

/**
 * The note of a send of `size` bytes, with a reference for the caller: that of the skb which it will go on filling (`last`),
 * or a new one. Null: there are too many unread notes (ENOBUFS).
 */
export function msgZerocopyRealloc(sk: Sock, size: number, last: Ubuf | null): UbufInfo | null {
  if (last instanceof UbufInfo && ((last.id + last.len) >>> 0) === sk.zckey && last.bytes + size < SHARED_MAX) {
    last.refs++;
    last.len++;
    last.bytes += size;
    sk.zckey = (sk.zckey + 1) >>> 0;
    return last;
  }
  if (sk.omemAlloc + NOTE_SIZE > sk.net.sysctl.optmemMax) return null;
  sk.omemAlloc += NOTE_SIZE;
  const ubuf = new UbufInfo(sk, sk.zckey, size);
  sk.zckey = (sk.zckey + 1) >>> 0;
  return ubuf;
}

/** The send took nothing: it has no number. Gives up the caller's reference. */
function msgZerocopyAbort(ubuf: UbufInfo): void {
  ubuf.sk.zckey = (ubuf.sk.zckey - 1) >>> 0;
  ubuf.len--;
  ubufPut(ubuf);
}

/** The call that lent memory is over, and `sent` bytes of it were taken. */
export function msgZerocopyEnd(msg: MsgHdr, sent: number): void {
  const { ubuf } = msg;
  msg.ubuf = null;
  if (sent <= 0) msgZerocopyAbort(ubuf as UbufInfo);
  else ubufPut(ubuf!);
}

/** All skbs are gone. The note is joined to the one before it when nobody has read that yet. */
function zerocopyCallback(ubuf: UbufInfo): void {
  const { sk, len, id } = ubuf;
  if (len === 0 || sk.destroyed) {
    sk.omemAlloc -= NOTE_SIZE;
    return;
  }
  const tail = sk.errorQueue?.tail ?? null;
  const last = (id + len - 1) >>> 0;
  if (tail !== null && tail.origin === SO_EE_ORIGIN_ZEROCOPY && id === ((tail.data + 1) >>> 0)) {
    tail.data = last;
    sk.omemAlloc -= NOTE_SIZE;
  } else {
    const skb = sk.net.pool.alloc(0);
    skb.sk = sk;
    skb.destructor = noteFreed;
    const code = ubuf.zerocopy ? 0 : SO_EE_CODE_ZEROCOPY_COPIED;
    const err = { errno: 0, origin: SO_EE_ORIGIN_ZEROCOPY, type: 0, code, info: id, data: last, offender: null };
    errorQueueAdd(sk, new QueuedErr(err, null, skb));
  }
  sk.errorReport();
}

function noteFreed(skb: SkBuff): void {
  (skb.sk as Sock).omemAlloc -= NOTE_SIZE;
}
