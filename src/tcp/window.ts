/**
 * How much the peer may send: the window that we advertise, and the receive buffer behind it.
 *
 *   buffer   rcvbuf, in bytes of memory (truesize); grows to what the reader takes per round trip ("DRS")
 *   space    the part of it that is payload: scalingRatio/256 of the memory, as measured on what came
 *   window   never shrinks once offered, grows by whole segments or by half the buffer only (receiver's SWS avoidance,
 *            RFC 9293 §3.8.6.2.2), and starts small: rcvSsthresh opens it as segments come that are worth their memory
 */
import { Mib } from '../dev/mib.ts';
import { SKB_TRUESIZE_OVERHEAD, type SkBuff } from '../skb/sk-buff.ts';
import { TCP_MAX_WSCALE } from '../wire/tcp-options.ts';
import { tcpMstampRefresh } from './clock.ts';
import { tcpInitCongestionControl } from './cong/cong.ts';
import { TCP_INIT_CWND, tcpInitCwnd, tcpUpdatePacingRate } from './cwnd.ts';
import { tcpReceiveWindow } from './flight.ts';
import { tcpUnderMemoryPressure } from './memory.ts';
import { tcpMtupInit } from './mtu-probe.ts';
import { tcpRttTsoptUs } from './rtt.ts';
import { tcpSndbufExpand } from './sndbuf.ts';
import { ICSK_ACK_NOMEM, TCP_INFINITE_SSTHRESH, type TcpSock } from './sock.ts';

const MAX_TCP_WINDOW = 32767;
/** The smallest receive buffer of any socket. */
const SOCK_MIN_RCVBUF = 2304;

// ---- space

/** Payload that `space` bytes of memory hold. */
export function tcpWinFromSpace(tp: TcpSock, space: number): number {
  return Math.floor((space * tp.scalingRatio) / 256);
}

/** Memory that `win` bytes of payload take. */
export function tcpSpaceFromWin(tp: TcpSock, win: number): number {
  return Math.floor((win * 256) / tp.scalingRatio);
}

/** Free room in the receive buffer, bytes of payload. */
export function tcpSpace(tp: TcpSock): number {
  return tcpWinFromSpace(tp, tp.rcvbuf - tp.rmemAlloc);
}

/** The whole receive buffer, bytes of payload. */
export function tcpFullSpace(tp: TcpSock): number {
  return tcpWinFromSpace(tp, tp.rcvbuf);
}

// ---- the beginning

/** Result of {@link tcpSelectInitialWindow}. */
export interface InitialWindow {
  rcvWnd: number;
  windowClamp: number;
  rcvWscale: number;
}

/**
 * The window and its scale to offer in a SYN or SYN-ACK. The result object is used again by the next call: copy what must last.
 *
 * @param space       payload that the buffer holds
 * @param mss         segments of this size are expected
 * @param clamp       largest window wanted, 0 = any
 * @param initRcvWnd  at most so many segments, 0 = any
 */
export function tcpSelectInitialWindow(
  tp: TcpSock,
  space: number,
  mss: number,
  clamp: number,
  wscaleOk: boolean,
  initRcvWnd: number,
): InitialWindow {
  const { scratch, sysctl } = tp.tcp;
  const limit = clamp === 0 ? 65535 << TCP_MAX_WSCALE : clamp;
  let room = Math.min(limit, Math.max(0, space));
  if (room > mss) room -= room % mss;
  // Some peers take the field for a signed number; net.ipv4.tcp_workaround_signed_windows humours them.
  let wnd = sysctl.tcpWorkaroundSignedWindows !== 0 ? Math.min(room, MAX_TCP_WINDOW) : room;
  if (initRcvWnd > 0) wnd = Math.min(wnd, initRcvWnd * mss);
  let wscale = 0;
  if (wscaleOk) {
    // The buffer may grow up to the sysctls' limits: the scale is for that.
    const most = Math.min(Math.max(room, sysctl.tcpRmem[2], tp.net.sysctl.rmemMax), limit);
    wscale = Math.min(Math.max(31 - Math.clz32(most) - 15, 0), TCP_MAX_WSCALE);
  }
  scratch.rcvWnd = wnd;
  scratch.rcvWscale = wscale;
  scratch.windowClamp = Math.min(65535 << wscale, limit);
  return scratch;
}

/** The connection is established: sets up the buffers and the estimates that make them grow (Linux: tcp_init_buffer_space). */
export function tcpInitBufferSpace(tp: TcpSock): void {
  const { tcpAppWin } = tp.tcp.sysctl;
  if (!tp.sndbufLocked) tcpSndbufExpand(tp);
  tcpMstampRefresh(tp);
  tp.rcvqTime = tp.mstampUs;
  tp.rcvqSeq = tp.copiedSeq;
  const maxwin = tcpFullSpace(tp);
  if (tp.windowClamp >= maxwin) {
    tp.windowClamp = maxwin;
    if (tcpAppWin !== 0 && maxwin > 4 * tp.advmss) {
      tp.windowClamp = Math.max(maxwin - (tcpAppWin > 30 ? 0 : maxwin >> tcpAppWin), 4 * tp.advmss);
    }
  }
  // Room for one segment is kept back.
  if (tcpAppWin !== 0 && tp.windowClamp > 2 * tp.advmss && tp.windowClamp + tp.advmss > maxwin) {
    tp.windowClamp = Math.max(2 * tp.advmss, maxwin - tp.advmss);
  }
  tp.rcvSsthresh = Math.min(tp.rcvSsthresh, tp.windowClamp);
  tp.sndCwndStamp = Math.floor(tp.mstampUs / 1000);
  tp.rcvqSpace = Math.min(tp.rcvSsthresh, tp.rcvWnd, TCP_INIT_CWND * tp.advmss);
}

/** The connection has just become established: windows, buffers and the congestion control begin (Linux: tcp_init_transfer). */
export function tcpInitTransfer(tp: TcpSock): void {
  tcpMstampRefresh(tp);
  tcpMtupInit(tp);
  // RFC 6298 (5.7) and RFC 5681 §3.1: a handshake that needed a retransmission leaves a window of one segment.
  if (tp.totalRetrans > 1 && tp.undoMarker !== 0) tp.sndCwnd = 1;
  else tp.sndCwnd = tcpInitCwnd(tp);
  tp.sndCwnd = Math.min(tp.sndCwnd, tp.sndCwndClamp);
  tp.sndSsthresh = TCP_INFINITE_SSTHRESH; // a SYN that was lost says nothing of the way (Linux: tcp_init_metrics)
  tp.sndCwndStamp = Math.floor(tp.mstampUs / 1000);
  tcpInitBufferSpace(tp);
  tcpInitCongestionControl(tp);
  if (tp.srttUs > 0 && tp.ca.congControl === null) tcpUpdatePacingRate(tp);
}

// ---- the window in each segment

/** The window field of the next segment; remembers what was offered (Linux: tcp_select_window). */
export function tcpSelectWindow(tp: TcpSock): number {
  const { net } = tp;
  const oldWin = tp.rcvWnd;
  if ((tp.ackPending & ICSK_ACK_NOMEM) !== 0) {
    tp.rcvWnd = 0;
    tp.rcvWup = tp.rcvNxt;
    return 0;
  }
  const curWin = tcpReceiveWindow(tp);
  let newWin = tcpSelectNewWindow(tp);
  if (newWin < curWin && (tp.tcp.sysctl.tcpShrinkWindow === 0 || tp.rcvWscale === 0)) {
    // RFC 9293 §3.8.6: never shrink the window that was offered; what is left of it, rounded up to the scale's unit.
    if (newWin === 0) net.inc(Mib.TcpExtTCPWantZeroWindowAdv);
    const unit = 1 << tp.rcvWscale;
    newWin = (curWin + unit - 1) & -unit;
  }
  tp.rcvWnd = newWin;
  tp.rcvWup = tp.rcvNxt;
  const limit = tp.rcvWscale === 0 && tp.tcp.sysctl.tcpWorkaroundSignedWindows !== 0 ? MAX_TCP_WINDOW : 65535 << tp.rcvWscale;
  const field = Math.min(newWin, limit) >> tp.rcvWscale;
  if (field === 0) {
    if (oldWin !== 0) net.inc(Mib.TcpExtTCPToZeroWindowAdv);
  } else if (oldWin === 0) {
    net.inc(Mib.TcpExtTCPFromZeroWindowAdv);
  }
  return field;
}

/**
 * What we would like to offer now, bytes (Linux: __tcp_select_window). 0 when too little is free to be worth a segment:
 * better none than a silly one.
 */
export function tcpSelectNewWindow(tp: TcpSock): number {
  const allowed = tcpFullSpace(tp);
  const full = Math.min(tp.windowClamp, allowed);
  let free = tcpSpace(tp);
  let mss = tp.rcvMss;
  if (mss > full) {
    mss = full;
    if (mss <= 0) return 0;
  }
  const unit = 1 << tp.rcvWscale;
  if (tp.tcp.sysctl.tcpShrinkWindow !== 0 && tp.rcvWscale !== 0) return shrinkingWindow(tp, free, mss);
  if (free < full >> 1) {
    tp.quickCount = 0;
    if (tcpUnderMemoryPressure(tp.tcp)) tcpAdjustRcvSsthresh(tp);
    free &= -unit; // what becomes the window must not grow by its own rounding
    // Below a sixteenth of the buffer, or below a segment: close it, or data would come that has no room.
    if (free < allowed >> 4 || free < mss) return 0;
  }
  if (free > tp.rcvSsthresh) free = tp.rcvSsthresh;
  if (tp.rcvWscale !== 0) return (free + unit - 1) & -unit;
  // Without scaling the window is kept at a multiple of the segment size, and moved only when it is worth it.
  const window = tp.rcvWnd;
  if (window <= free - mss || window > free) return free - (free % mss);
  if (mss === full && free > window + (full >> 1)) return free;
  return window;
}

/** net.ipv4.tcp_shrink_window: the window follows the free space downwards, too. */
function shrinkingWindow(tp: TcpSock, free: number, mss: number): number {
  const unit = 1 << tp.rcvWscale;
  const room = free & -unit;
  if (room < tcpFullSpace(tp) >> 1) {
    tp.quickCount = 0;
    if (tcpUnderMemoryPressure(tp.tcp)) tcpAdjustRcvSsthresh(tp);
    if (room < mss || room < unit) return 0;
  }
  const want = Math.min(room, tp.rcvSsthresh);
  return (want + unit - 1) & -unit;
}

// ---- growth

/** Under memory pressure a window of four segments has to do (Linux: tcp_adjust_rcv_ssthresh). */
export function tcpAdjustRcvSsthresh(tp: TcpSock): void {
  tp.rcvSsthresh = Math.min(tp.rcvSsthresh, 4 * tp.advmss);
}

/** A segment that can be joined to the one before does not bring its own overhead along (Linux: truesize_adjust). */
export function tcpTruesizeAdjust(skb: SkBuff, len: number): number {
  const { truesize } = skb;
  return skb.headLen === 0 && truesize - SKB_TRUESIZE_OVERHEAD >= len ? truesize - SKB_TRUESIZE_OVERHEAD : truesize;
}

/** A segment of `len` bytes came that is worth its memory: the window may open further (Linux: tcp_grow_window). */
export function tcpGrowWindow(tp: TcpSock, len: number, truesize: number): void {
  const room = Math.min(tp.windowClamp, tcpSpace(tp)) - tp.rcvSsthresh;
  if (room <= 0 || tcpUnderMemoryPressure(tp.tcp)) return;
  const incr = tcpWinFromSpace(tp, truesize) <= len ? 2 * tp.advmss : growBySmall(tp, len, truesize);
  if (incr === 0) return;
  tp.rcvSsthresh += Math.min(room, Math.max(incr, 2 * len));
  tp.quickCount |= 1; // the peer may send more now: tell it at once
}

/** A new limit of the window; the window itself follows downwards at once, upwards as far as it is offered already. */
export function tcpSetWindowClamp(tp: TcpSock, val: number): void {
  const old = tp.windowClamp;
  const clamp = Math.max(SOCK_MIN_RCVBUF / 2, val);
  if (clamp === old) return;
  tp.windowClamp = clamp;
  if (clamp < old) tp.rcvSsthresh = Math.min(tp.rcvSsthresh, clamp);
  else tp.rcvSsthresh = Math.max(Math.min(tp.rcvWnd, clamp), tp.rcvSsthresh);
}

/** Small segments in big buffers: fine as long as the window is a small part of what the buffer may become. */
function growBySmall(tp: TcpSock, len: number, size: number): number {
  let truesize = tcpWinFromSpace(tp, size) >> 1;
  let window = tcpWinFromSpace(tp, tp.tcp.sysctl.tcpRmem[2]) >> 1;
  while (tp.rcvSsthresh <= window) {
    if (truesize <= len) return 2 * tp.rcvMss;
    truesize >>= 1;
    window >>= 1;
  }
  return 0;
}

/**
 * The reader took bytes: at the end of a round trip compares what went through with the last one, and enlarges the buffer so
 * that the window is no limit (Linux: tcp_rcv_space_adjust, "dynamic right-sizing").
 */
export function tcpRcvSpaceAdjust(tp: TcpSock): void {
  if (tp.rcvRttUs === 0) return;
  tcpMstampRefresh(tp);
  if (tp.mstampUs - tp.rcvqTime < tp.rcvRttUs >> 3) return;
  // What the reader has not taken yet does not count.
  const copied = ((tp.copiedSeq - tp.rcvqSeq) | 0) - ((tp.rcvNxt - tp.copiedSeq) | 0);
  if (copied > tp.rcvqSpace) tcpRcvbufGrow(tp, copied);
  tp.rcvqSeq = tp.copiedSeq;
  tp.rcvqTime = tp.mstampUs;
}

/** Makes room for `newval` bytes per round trip: twice that, since we are one late, and more while the rate grows (slow start). */
export function tcpRcvbufGrow(tp: TcpSock, newval: number): void {
  const { sysctl } = tp.tcp;
  const oldval = Math.max(1, tp.rcvqSpace);
  tp.rcvqSpace = newval;
  if (sysctl.tcpModerateRcvbuf === 0 || tp.rcvbufLocked) return;
  let rcvwin = 2 * newval;
  rcvwin += 2 * Math.floor((rcvwin * (newval - oldval)) / oldval);
  const last = tp.ofoQueue.tail;
  if (last !== null) rcvwin += (last.endSeq - tp.rcvNxt) | 0; // what waits beyond a hole takes room, too
  const rcvbuf = Math.min(tcpSpaceFromWin(tp, rcvwin), sysctl.tcpRmem[2]);
  if (rcvbuf > tp.rcvbuf) {
    tp.rcvbuf = rcvbuf;
    tp.windowClamp = tcpWinFromSpace(tp, rcvbuf);
  }
}

// ---- the receiver's RTT

function rcvRttUpdate(tp: TcpSock, sampleUs: number, winDep: boolean): void {
  const m = Math.min(sampleUs, 0xfffffff) << 3;
  const old = tp.rcvRttUs;
  if (old === 0 || m < old) {
    tp.rcvRttUs = m;
    return;
  }
  // Samples by the window are upper bounds: only the least counts. So are those while the reader is behind.
  if (winDep || tp.rcvNxt !== tp.copiedSeq) return;
  tp.rcvRttUs = old - (old >> 3) + (m >> 3);
}

/** Without timestamps: the time that the peer needs to fill the window is at least a round trip. */
export function tcpRcvRttMeasure(tp: TcpSock): void {
  if (tp.rcvRttTime !== 0) {
    if (((tp.rcvNxt - tp.rcvRttSeq) | 0) < 0) return;
    rcvRttUpdate(tp, Math.max(1, tp.mstampUs - tp.rcvRttTime), true);
  }
  tp.rcvRttSeq = (tp.rcvNxt + tp.rcvWnd) | 0;
  tp.rcvRttTime = tp.mstampUs;
}

/** With timestamps: a new echo on a full-sized segment measures the round trip of our ACK and the data it released. */
export function tcpRcvRttMeasureTs(tp: TcpSock, skb: SkBuff): void {
  const { rxOpt } = tp;
  if (!rxOpt.sawTstamp || rxOpt.tsecr === tp.rcvTsecr) return;
  tp.rcvTsecr = rxOpt.tsecr;
  if (((skb.endSeq - skb.seq) | 0) < tp.rcvMss) return;
  const delta = tcpRttTsoptUs(tp, 0);
  if (delta > 0) rcvRttUpdate(tp, delta, false);
}
