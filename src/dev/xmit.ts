/**
 * A packet goes out: through the queueing discipline to the driver.
 *
 *   from  neigh/neighbour, ip/output   devQueueXmit, link header in place
 *   to    dev/sched/*                  the discipline, when there is one and it is not empty
 *         dev.ops.startXmit            the driver: dev/ethernet.ts, dev/loopback.ts
 *
 * What the device cannot do is done here, last, so that what waits in queues is as large and as unfinished as may be:
 * super-packets are cut (GSO), missing checksums are filled in.
 */
import { ENETDOWN, ENOBUFS } from '../lib/errno.ts';
import { skbChecksumHelp } from '../skb/csum.ts';
import { Drop } from '../skb/drop-reason.ts';
import { CHECKSUM_PARTIAL, SKBTX_SCHED_TSTAMP, SKBTX_SW_TSTAMP, type SkBuff } from '../skb/sk-buff.ts';
import { skbGsoSegment } from '../skb/gso.ts';
import { SkBuffHead } from '../skb/queue.ts';
import { skbUbufOrphan } from '../skb/ubuf.ts';
import { NETDEV_TX_OK, NETIF_F_HIGHDMA, NETIF_F_HW_CSUM, NETIF_F_TSO, type NetDevice } from './net-device.ts';
import { NET_XMIT_DROP, NET_XMIT_SUCCESS, type Qdisc } from './qdisc.ts';
import { qdiscCount, qdiscRun, schDirectXmit } from './sched/generic.ts';
import { deliverTaps } from './taps.ts';

/**
 * Sends a packet by its device: `skb.dev` is set and `data` is at the link header. Takes the skb, whatever the answer.
 *
 * Returns NET_XMIT_SUCCESS, NET_XMIT_DROP or NET_XMIT_CN, or a negative errno (`-ENETDOWN`).
 */
export function devQueueXmit(skb: SkBuff): number {
  const dev = skb.dev as NetDevice;
  const { cpu } = dev.net;
  cpu.charge(cpu.costs.xmitPacketNs);
  if (skb.trace !== 0) dev.net.trace(skb, 'devQueueXmit', dev.name);
  if ((skb.txFlags & SKBTX_SCHED_TSTAMP) !== 0) dev.net.txTimestamp!(skb, SKBTX_SCHED_TSTAMP);
  if (!dev.up) {
    dev.stats.txDropped++;
    dev.net.drop(skb, Drop.DevReady);
    return -ENETDOWN;
  }
  const q = dev.qdisc;
  return q === null ? xmitNoqueue(skb, dev) : xmitQueued(skb, dev, q);
}

function xmitQueued(skb: SkBuff, dev: NetDevice, q: Qdisc): number {
  if (!dev.carrier) {
    // Linux puts the noop discipline in place of the real one when the carrier goes.
    q.drops++;
    dev.stats.txDropped++;
    dev.net.drop(skb, Drop.QdiscDrop);
    return NET_XMIT_DROP;
  }
  if (q.canBypass && q.qlen === 0 && !q.running) {
    q.running = true;
    qdiscCount(skb, q);
    schDirectXmit(skb, q, dev);
    q.running = false;
    if (q.qlen > 0) qdiscRun(q);
    return NET_XMIT_SUCCESS;
  }
  if (skb.trace !== 0) dev.net.trace(skb, 'devQdiscEnqueue', qdiscNote(q));
  const rc = q.enqueue(skb);
  qdiscRun(q);
  return rc;
}

/** What a trace says of a discipline that a packet comes to, or has left. */
export function qdiscNote(q: Qdisc): string {
  return `${q.kind}, ${String(q.qlen)} waiting`;
}

/** Devices without a queue (loopback): the packet goes through, or it is lost. */
function xmitNoqueue(skb: SkBuff, dev: NetDevice): number {
  if (!dev.queueStopped && !needsWork(skb, dev)) {
    if (devHardStartXmit(skb, dev) === NETDEV_TX_OK) return NET_XMIT_SUCCESS;
  } else if (!dev.queueStopped) {
    const list = new SkBuffHead();
    validateXmitSkb(skb, dev, list);
    for (let part = list.popHead(); part !== null; part = list.popHead()) {
      if (devHardStartXmit(part, dev) !== NETDEV_TX_OK) dropBusy(part, dev);
    }
    return NET_XMIT_SUCCESS;
  }
  dropBusy(skb, dev);
  return -ENOBUFS;
}

function dropBusy(skb: SkBuff, dev: NetDevice): void {
  dev.stats.txDropped++;
  dev.net.drop(skb, Drop.FullRing);
}

/** True when the packet must be cut or completed before this device can have it. */
export function needsWork(skb: SkBuff, dev: NetDevice): boolean {
  if (skb.gsoSize !== 0 && mustCut(skb, dev)) return true;
  return skb.ipSummed === CHECKSUM_PARTIAL && (dev.features & NETIF_F_HW_CSUM) === 0;
}

function mustCut(skb: SkBuff, dev: NetDevice): boolean {
  if (skb.gsoSize === 0) return false;
  return (dev.features & NETIF_F_TSO) === 0 || skb.len > dev.gsoMaxSize + dev.hardHeaderLen || skb.gsoSegs > dev.gsoMaxSegs;
}

/** Does what the device cannot do; the packets to send are put into the empty queue `out`. Takes the skb. */
export function validateXmitSkb(skb: SkBuff, dev: NetDevice, out: SkBuffHead): void {
  if (mustCut(skb, dev)) skbGsoSegment(skb, out);
  else out.pushTail(skb);
  if ((dev.features & NETIF_F_HW_CSUM) !== 0) return;
  for (let part = out.head; part !== null; part = part.next) {
    if (part.ipSummed === CHECKSUM_PARTIAL) skbChecksumHelp(part);
  }
}

/** Hands a packet to the driver. Takes it when the answer is NETDEV_TX_OK. */
export function devHardStartXmit(skb: SkBuff, dev: NetDevice): number {
  if (dev.taps !== null) deliverTaps(skb, dev, true);
  if (skb.txFlags !== 0) leaving(skb, dev);
  return dev.ops.startXmit(skb, dev);
}

/** The last moment at which the host has the packet: its sender is told when, and gets back what it lent. */
function leaving(skb: SkBuff, dev: NetDevice): void {
  if ((skb.txFlags & SKBTX_SW_TSTAMP) !== 0) {
    skb.txFlags &= ~SKBTX_SW_TSTAMP; // once, should the driver be busy and the packet come again
    dev.net.txTimestamp!(skb, SKBTX_SW_TSTAMP);
  }
  if (skb.ubuf !== null) skbUbufOrphan(skb, (dev.features & NETIF_F_HIGHDMA) === 0);
}
