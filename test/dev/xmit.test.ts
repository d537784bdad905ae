import { test } from 'node:test';
import assert from 'node:assert/strict';
import { skbBytes } from '../../src/skb/copy.ts';
import { Drop } from '../../src/skb/drop-reason.ts';
import { consumeSkb } from '../../src/skb/pool.ts';
import type { SkBuff } from '../../src/skb/sk-buff.ts';
import { CHECKSUM_NONE, CHECKSUM_PARTIAL } from '../../src/skb/sk-buff.ts';
import {
  ARPHRD_ETHER, NETDEV_TX_BUSY, NETDEV_TX_OK, NETIF_F_HW_CSUM, NETIF_F_TSO, NetDevice, type NetDeviceOps,
} from '../../src/dev/net-device.ts';
import { NET_XMIT_DROP } from '../../src/dev/qdisc.ts';
import {
  devClose, devGetByIndex, devGetByName, devOpen, devSetCarrier, registerNetdevice, unregisterNetdevice,
} from '../../src/dev/registry.ts';
import { netifSchedule } from '../../src/dev/sched/generic.ts';
import { devAddTap, devRemoveTap } from '../../src/dev/taps.ts';
import { devQueueXmit } from '../../src/dev/xmit.ts';
import { ETH_P_IP } from '../../src/wire/ethernet.ts';
import { bytes, tcpFrame } from '../skb/build.ts';
import { frame, host, run, type Host } from './lab.ts';

/** A device whose driver keeps what it gets, and takes no more than `room` packets. */
class Sink implements NetDeviceOps {
  readonly sent: SkBuff[] = [];
  room = Infinity;
  open(): void { /* no card */ }
  stop(): void { /* no card */ }
  setRxMode(): void { /* no card */ }
  ethtoolStats(): [string, number][] { return []; }
  startXmit(skb: SkBuff, dev: NetDevice): number {
    if (this.sent.length >= this.room) {
      dev.queueStopped = true;
      return NETDEV_TX_BUSY;
    }
    this.sent.push(skb);
    return NETDEV_TX_OK;
  }

  free(): void {
    for (const skb of this.sent.splice(0)) consumeSkb(skb);
  }
}

function sinkHost(features = 0): Host & { dev: NetDevice; sink: Sink } {
  const h = host();
  const sink = new Sink();
  const dev = new NetDevice(h.net, 'sink0', ARPHRD_ETHER, sink);
  dev.features = features;
  registerNetdevice(h.net, dev);
  devOpen(dev);
  return { ...h, dev, sink };
}

function send(h: Host & { dev: NetDevice }, id: number, priority = 0): number {
  const skb = frame(h.pool, h.dev, ETH_P_IP, 60);
  skb.mark = id;
  skb.priority = priority;
  h.net.cpu.enter(0);
  const rc = devQueueXmit(skb);
  h.net.cpu.exit();
  return rc;
}

test('an idle device gets the packet at once; a busy one gets the waiting ones in order when it wakes up', () => {
  const h = sinkHost();
  h.sink.room = 2;
  for (let i = 0; i < 6; i++) assert.equal(send(h, i), 0);
  assert.deepEqual(h.sink.sent.map((s) => s.mark), [0, 1]);
  assert.equal(h.dev.qdisc!.qlen, 4);
  assert.equal(h.dev.qdisc!.requeues, 1);
  h.sink.room = 6;
  h.dev.queueStopped = false;
  netifSchedule(h.dev.qdisc!);
  run(h.sim);
  assert.deepEqual(h.sink.sent.map((s) => s.mark), [0, 1, 2, 3, 4, 5]);
  assert.equal(h.dev.qdisc!.qlen, 0);
  assert.equal(h.dev.qdisc!.backlog, 0);
  assert.equal(h.dev.qdisc!.packets, 6);
  h.sink.free();
  assert.equal(h.pool.live, 0);
});

test('pfifo_fast sends band 0 before band 1 before band 2, each in order, by the priority map of Linux', () => {
  const h = sinkHost();
  h.sink.room = 0;
  //            band:       1  2  2  2  1  2  0  0
  [0, 1, 2, 3, 4, 5, 6, 7].forEach((priority) => send(h, priority, priority));
  send(h, 100, 0);
  send(h, 101, 6);
  h.sink.room = Infinity;
  h.dev.queueStopped = false;
  netifSchedule(h.dev.qdisc!);
  run(h.sim);
  // Priority 0 came first, found the driver busy, and was put back: it keeps its turn.
  assert.deepEqual(h.sink.sent.map((s) => s.mark), [0, 6, 7, 101, 4, 100, 1, 2, 3, 5]);
  h.sink.free();
});

test('each band holds txqueuelen packets; what comes then is a counted drop', () => {
  const h = sinkHost();
  h.sink.room = 0;
  h.dev.txQueueLen = 5;
  assert.equal(send(h, 0), 0); // put back by the busy driver, not in a band
  for (let i = 0; i < 5; i++) assert.equal(send(h, i), 0);
  assert.equal(send(h, 9), NET_XMIT_DROP);
  assert.equal(send(h, 9, 6), 0, 'another band has room');
  assert.equal(h.pool.drops[Drop.QdiscOverlimit], 1);
  assert.equal(h.dev.stats.txDropped, 1);
  assert.equal(h.dev.qdisc!.qlen, 7);
  devClose(h.dev);
  assert.equal(h.pool.drops[Drop.Purged], 7);
  assert.equal(h.dev.qdisc!.qlen, 0);
  assert.equal(h.dev.qdisc!.backlog, 0);
  assert.equal(h.pool.live, 0);
});

test('a run of the queue sends 64 packets and leaves the rest to the next softirq', () => {
  const h = sinkHost();
  h.sink.room = 0;
  for (let i = 0; i < 200; i++) send(h, i);
  h.sink.room = Infinity;
  h.dev.queueStopped = false;
  h.net.cpu.enter(0);
  netifSchedule(h.dev.qdisc!);
  h.net.cpu.exit();
  assert.equal(h.sink.sent.length, 200);
  assert.deepEqual(h.sink.sent.map((s) => s.mark), Array.from({ length: 200 }, (_, i) => i));
  h.sink.free();
});

test('a device without checksum offload gets complete packets', () => {
  const h = sinkHost();
  const skb = tcpFrame(h.pool, bytes(1000));
  skb.dev = h.dev;
  h.net.cpu.enter(0);
  devQueueXmit(skb);
  h.net.cpu.exit();
  assert.equal(h.sink.sent[0]!.ipSummed, CHECKSUM_NONE);
  h.sink.free();
  const offload = sinkHost(NETIF_F_HW_CSUM);
  const open = tcpFrame(offload.pool, bytes(1000));
  open.dev = offload.dev;
  offload.net.cpu.enter(0);
  devQueueXmit(open);
  offload.net.cpu.exit();
  assert.equal(offload.sink.sent[0]!.ipSummed, CHECKSUM_PARTIAL);
  offload.sink.free();
});

test('a device that cannot cut gets segments, and may refuse in the middle of them', () => {
  const h = sinkHost();
  const skb = tcpFrame(h.pool, bytes(10000), { mss: 1000 });
  skb.dev = h.dev;
  let freed = 0;
  skb.destructor = (): void => { freed++; };
  h.sink.room = 3;
  h.net.cpu.enter(0);
  assert.equal(devQueueXmit(skb), 0);
  h.net.cpu.exit();
  assert.equal(h.sink.sent.length, 3);
  assert.equal(h.dev.qdisc!.qlen, 7);
  h.sink.room = Infinity;
  h.dev.queueStopped = false;
  netifSchedule(h.dev.qdisc!);
  run(h.sim);
  assert.deepEqual(h.sink.sent.map((s) => s.len), new Array<number>(10).fill(1054));
  assert.equal(h.dev.qdisc!.qlen, 0);
  assert.equal(h.dev.qdisc!.backlog, 0);
  assert.equal(freed, 0);
  h.sink.free();
  assert.equal(freed, 1);
  assert.equal(h.pool.live, 0);
  assert.equal(h.pool.livePages, 0);
});

test('a super-packet beyond what the card cuts is cut before', () => {
  const h = sinkHost(NETIF_F_HW_CSUM | NETIF_F_TSO);
  h.dev.gsoMaxSize = 5000;
  const skb = tcpFrame(h.pool, bytes(10000), { mss: 1000 });
  skb.dev = h.dev;
  h.net.cpu.enter(0);
  devQueueXmit(skb);
  h.net.cpu.exit();
  assert.equal(h.sink.sent.length, 10);
  h.sink.free();
});

test('without a carrier packets are dropped, and those that waited are ended', () => {
  const h = sinkHost();
  h.sink.room = 0;
  for (let i = 0; i < 3; i++) send(h, i);
  h.net.cpu.enter(0);
  devSetCarrier(h.dev, false);
  h.net.cpu.exit();
  assert.equal(h.pool.drops[Drop.Purged], 3);
  assert.equal(send(h, 4), NET_XMIT_DROP);
  assert.equal(h.pool.drops[Drop.QdiscDrop], 1);
  assert.equal(h.pool.live, 0);
});

test('taps see what goes out with its link header and what comes in, and only while they are there', () => {
  const h = sinkHost();
  const seen: string[] = [];
  const tap = { packet: (skb: SkBuff, dev: NetDevice, out: boolean): void => { seen.push(`${dev.name} ${out} ${skbBytes(skb).length}`); } };
  devAddTap(h.dev, tap);
  devAddTap(h.lo, tap);
  send(h, 1);
  h.net.packetTypes.set(ETH_P_IP, { rcv: consumeSkb });
  h.net.cpu.enter(0);
  devQueueXmit(frame(h.pool, h.lo, ETH_P_IP, 60));
  h.net.cpu.exit();
  devRemoveTap(h.dev, tap);
  send(h, 2);
  assert.deepEqual(seen, ['sink0 true 74', 'lo true 74', 'lo false 60']);
  assert.equal(h.dev.taps, null);
  h.sink.free();
});

test('devices have numbers in the order in which they came, and names of their own', () => {
  const h = sinkHost();
  assert.equal(h.lo.ifindex, 1);
  assert.equal(h.dev.ifindex, 2);
  assert.equal(devGetByName(h.net, 'sink0'), h.dev);
  assert.equal(devGetByIndex(h.net, 2), h.dev);
  assert.throws(() => { registerNetdevice(h.net, new NetDevice(h.net, 'lo', ARPHRD_ETHER, h.sink)); }, /name is used once/);
  const told: string[] = [];
  h.net.notifiers.push({ changed: (dev, what): void => { told.push(`${dev.name} ${what}`); } });
  devClose(h.dev);
  devClose(h.dev);
  devOpen(h.dev);
  unregisterNetdevice(h.dev);
  assert.equal(devGetByIndex(h.net, 2), null);
  assert.deepEqual(told, ['sink0 down', 'sink0 up', 'sink0 down', 'sink0 unregister']);
});
