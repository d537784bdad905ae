/**
 * The bytes of a datagram on the way out: copied once, into a page that small datagrams share.
 */
import { ENOBUFS } from '../lib/errno.ts';
import { addOrExtend, canAddFrag, copyBits, copyBytes } from '../skb/copy.ts';
import type { Page } from '../skb/pool.ts';
import { MAX_SKB_FRAGS, SKBTX_SCHED_TSTAMP, SKBTX_SW_TSTAMP, type SkBuff } from '../skb/sk-buff.ts';
import { skbUbufSet } from '../skb/ubuf.ts';
import { MSG_ZEROCOPY, SOF_TIMESTAMPING_OPT_ID } from '../sock/constants.ts';
import type { MsgHdr } from '../sock/sockaddr.ts';
import { sockTsflags, sockTxFlags } from '../sock/timestamping.ts';
import { msgZerocopyRealloc } from '../sock/zerocopy.ts';
import type { UdpSock } from './sock.ts';

/** Datagrams up to this size share pages. */
const SHARED_MAX = 8192;
const SHARED_PAGE = 16384;

/**
 * Hangs the writer's bytes on the skb, copied into a page, or where they are (MSG_ZEROCOPY); and notes what the writer wants to
 * be told about them. 0, or a negative errno: -EINVAL, -ENOBUFS.
 */
export function addPayload(sk: UdpSock, skb: SkBuff, msg: MsgHdr): number {
  if (sk.tsflags !== 0 || msg.control !== null) {
    const tsflags = sockTsflags(sk, msg);
    if (tsflags < 0) return tsflags;
    noteTimestamps(sk, skb, tsflags);
  }
  if ((msg.flags & MSG_ZEROCOPY) !== 0 && sk.zerocopy && msg.len > 0) return lendPayload(sk, skb, msg);
  copyPayload(sk, skb, msg);
  return 0;
}

/** SO_TIMESTAMPING: a datagram is known by its number. */
function noteTimestamps(sk: UdpSock, skb: SkBuff, tsflags: number): void {
  const flags = sockTxFlags(tsflags) & (SKBTX_SCHED_TSTAMP | SKBTX_SW_TSTAMP);
  if (flags === 0) return;
  // A datagram in several pieces (MSG_MORE) has the number of its first.
  if (skb.txFlags === 0 && (tsflags & SOF_TIMESTAMPING_OPT_ID) !== 0) {
    skb.tskey = sk.tskey;
    sk.tskey = (sk.tskey + 1) >>> 0;
  }
  skb.txFlags |= flags;
}

/** The writer's memory itself, until the packet has left the host. */
function lendPayload(sk: UdpSock, skb: SkBuff, msg: MsgHdr): number {
  const ubuf = msgZerocopyRealloc(sk, msg.len, skb.ubuf);
  if (ubuf === null) return -ENOBUFS;
  msg.ubuf = ubuf;
  for (const part of msg.iov ?? [msg.buf]) {
    if (part.length === 0) continue;
    if (skb.nrFrags === MAX_SKB_FRAGS) gather(skb);
    const page = sk.net.pool.lendPage(part);
    if (msg.iov === null) skb.addFrag(page, msg.off, msg.len);
    else skb.addFrag(page, 0, part.length);
    sk.net.pool.putPage(page);
  }
  skbUbufSet(skb, ubuf);
  return 0;
}

function copyPayload(sk: UdpSock, skb: SkBuff, msg: MsgHdr): void {
  const { len } = msg;
  if (len === 0) return;
  if (len > SHARED_MAX) {
    const own = sk.net.pool.allocPage(len);
    fillPage(own, skb, msg);
    sk.net.pool.putPage(own);
    return;
  }
  let page = sk.txPage;
  if (page !== null && page.refs === 1) {
    page.fill = 0; // all that was written here has been read
  } else if (page === null || page.fill + len > page.bytes.length) {
    if (page !== null) sk.net.pool.putPage(page);
    page = sk.net.pool.allocPage(SHARED_PAGE);
    sk.txPage = page;
  }
  fillPage(page, skb, msg);
}

function fillPage(page: Page, skb: SkBuff, msg: MsgHdr): void {
  const at = page.fill;
  copyBytes(msg.buf, msg.off, page.bytes, at, msg.len);
  page.fill = at + msg.len;
  if (skb.nrFrags === 0) {
    skb.addFrag(page, at, msg.len);
    return;
  }
  if (!canAddFrag(skb, page, at)) gather(skb);
  addOrExtend(skb, page, at, msg.len);
}

/** Many small pieces (MSG_MORE) are more than an skb can refer to: those that are there become one. */
function gather(skb: SkBuff): void {
  const { pool, dataLen } = skb;
  const page = pool.allocPage(dataLen);
  copyBits(skb, skb.headLen, page.bytes, 0, dataLen);
  page.fill = dataLen;
  pool.dropFrags(skb);
  skb.addFrag(page, 0, dataLen);
  pool.putPage(page);
}

/** The socket's page goes back. */
export function udpFreePage(sk: UdpSock): void {
  if (sk.txPage !== null) sk.net.pool.putPage(sk.txPage);
  sk.txPage = null;
}

/**
 * What a datagram of `len` bytes occupies in socket buffers, as in Linux: an skb with its shared part (576), and the
 * power of two that holds the bytes with their headers; short ones share a small size, long ones use pages.
 */
export function datagramTruesize(len: number): number {
  const head = (len + 59 + 63) & ~63;
  if (head <= 320) return 896;
  if (head + 320 > 16384) return 896 + len;
  return 256 + (1 << (32 - Math.clz32(head + 319)));
}
