/** A host with one device whose driver writes down what it gets and when: what a discipline does, at exact times. */
import { NET_XMIT_SUCCESS } from '../../../src/dev/qdisc.ts';
import { ARPHRD_ETHER, NETDEV_TX_OK, NETIF_F_HW_CSUM, NETIF_F_TSO, NetDevice, type NetDeviceOps } from '../../../src/dev/net-device.ts';
import { devOpen, registerNetdevice } from '../../../src/dev/registry.ts';
import { qdiscGraftRoot, qdiscMakeTree } from '../../../src/dev/sched/api.ts';
import { netifSchedule } from '../../../src/dev/sched/generic.ts';
import type { QdiscOptions } from '../../../src/dev/sched/kinds.ts';
import { devQueueXmit } from '../../../src/dev/xmit.ts';
import { iphTos } from '../../../src/wire/ipv4.ts';
import { consumeSkb } from '../../../src/skb/pool.ts';
import type { SkBuff } from '../../../src/skb/sk-buff.ts';
import { Timer } from '../../../src/time/timer.ts';
import { bytes, tcpFrame, type TcpFields } from '../../skb/build.ts';
import { host, run, type Host } from '../lab.ts';

/** What left: when, which, from which port, its bytes, its ECN bits. */
export interface Left {
  readonly at: number;
  readonly id: number;
  readonly sport: number;
  readonly len: number;
  readonly ecn: number;
}

export class Bench implements NetDeviceOps {
  readonly h: Host;
  readonly dev: NetDevice;
  readonly left: Left[] = [];
  /** Nanoseconds per byte of the driver's line; 0: it takes everything at once. */
  nsPerByte = 0;

  constructor(options: QdiscOptions, { mtu = 1500, tso = false }: { mtu?: number; tso?: boolean } = {}) {
    this.h = host();
    this.dev = new NetDevice(this.h.net, 'test0', ARPHRD_ETHER, this);
    this.dev.mtu = mtu;
    this.dev.features = NETIF_F_HW_CSUM | (tso ? NETIF_F_TSO : 0);
    registerNetdevice(this.h.net, this.dev);
    devOpen(this.dev);
    this.set(options);
  }

  set(options: QdiscOptions): void {
    qdiscGraftRoot(this.dev, qdiscMakeTree(this.dev, options));
  }

  open(): void { /* no card */ }
  stop(): void { /* no card */ }
  setRxMode(): void { /* no card */ }
  ethtoolStats(): [string, number][] { return []; }

  startXmit(skb: SkBuff): number {
    this.left.push({
      at: this.now, id: skb.mark, sport: (skb.buf[skb.th]! << 8) | skb.buf[skb.th + 1]!, len: skb.len, ecn: iphTos(skb.buf, skb.nh) & 3,
    });
    if (this.nsPerByte > 0) {
      this.dev.queueStopped = true;
      this.at(this.now + skb.len * this.nsPerByte, () => {
        this.go();
      });
    }
    consumeSkb(skb);
    return NETDEV_TX_OK;
  }

  get now(): number {
    return Math.max(this.h.cpu.now, this.h.sim.now);
  }

  /** The driver takes packets (again). */
  go(): void {
    this.dev.queueStopped = false;
    this.h.cpu.enter(0);
    if (this.dev.qdisc !== null) netifSchedule(this.dev.qdisc);
    this.h.cpu.exit();
  }

  /** The driver takes none. */
  hold(): void {
    this.dev.queueStopped = true;
  }

  /** Does something at a time. */
  at(time: number, what: () => void): void {
    new Timer(this.h.sim, null, what).mod(time);
  }

  /** Sends a TCP segment of `len` bytes, Ethernet header included. True when it was taken. */
  send(id: number, len: number, fields: TcpFields & { priority?: number; sk?: object; tstamp?: number } = {}): boolean {
    return this.xmit(id, len, fields) === NET_XMIT_SUCCESS;
  }

  /** The same; the answer of devQueueXmit. */
  xmit(id: number, len: number, fields: TcpFields & { priority?: number; sk?: object; tstamp?: number } = {}): number {
    const skb = tcpFrame(this.h.pool, bytes(len - 54, 1), fields);
    skb.mark = id;
    skb.dev = this.dev;
    skb.priority = fields.priority ?? 0;
    skb.sk = fields.sk ?? null;
    skb.tstamp = fields.tstamp ?? 0;
    this.h.cpu.enter(0);
    const rc = devQueueXmit(skb);
    this.h.cpu.exit();
    return rc;
  }

  run(until?: number): this {
    run(this.h.sim, until);
    return this;
  }

  get ids(): number[] {
    return this.left.map((l) => l.id);
  }

  get times(): number[] {
    return this.left.map((l) => l.at);
  }
}
