/**
 * The driver of an Ethernet card: between `nic/card.ts` and the kernel.
 *
 *   from  dev/xmit.ts      startXmit: into the transmit ring; a full ring stops the queue
 *         nic/irq.ts       the interrupt: mask it, schedule the poll
 *         dev/softnet.ts   poll: first free what has left, then hand up at most `budget` received frames
 *   to    nic/card.ts      the rings
 *         dev/gro.ts       napiGroReceive
 */
import type { Card } from '../nic/card.ts';
import { MAX_SKB_FRAGS, PACKET_MULTICAST, type SkBuff } from '../skb/sk-buff.ts';
import { Timer } from '../time/timer.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';
import { VLAN_HLEN } from '../wire/vlan.ts';
import { Dql } from './dql.ts';
import { Napi, napiCompleteDone, napiSchedule } from './napi.ts';
import { napiGroReceive } from './gro.ts';
import {
  ARPHRD_ETHER, IFF_ALLMULTI, IFF_BROADCAST, IFF_MULTICAST, IFF_PROMISC, NETDEV_TX_BUSY, NETDEV_TX_OK, NETIF_F_GRO, NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM, NETIF_F_RXCSUM, NETIF_F_TSO, NetDevice, type NetDeviceOps,
} from './net-device.ts';
import type { Net } from './net.ts';
import { ethTypeTrans, netifReceiveSkb } from './receive.ts';
import { devSetCarrier, registerNetdevice } from './registry.ts';
import { netifSchedule } from './sched/generic.ts';

/** Descriptors that the largest packet takes; with fewer free ones the queue is stopped. */
const DESC_NEEDED = MAX_SKB_FRAGS + 1;
/** A queue that is stopped for so long means that the card hangs (Linux: watchdog_timeo, 5 s). */
const WATCHDOG_TIMEO_NS = 5_000_000_000;
/** It goes on when so many are free again. */
const TX_WAKE_THRESHOLD = 2 * DESC_NEEDED;

export interface EthernetOptions {
  readonly name: string;
  readonly mtu?: number;
  readonly txQueueLen?: number;
  /** Generic receive offload. Default true. */
  readonly gro?: boolean;
}

/** Makes and registers a device for the card; devOpen brings it up. */
export function registerEthernet(net: Net, card: Card, options: EthernetOptions): NetDevice {
  const dev = new NetDevice(net, options.name, ARPHRD_ETHER, ethernetOps);
  dev.addr.set(card.mac);
  dev.flags = IFF_BROADCAST | IFF_MULTICAST;
  const { tso, txCsum, rxCsum } = card.config;
  dev.features |= NETIF_F_HIGHDMA;
  if (txCsum) dev.features |= NETIF_F_HW_CSUM;
  if (tso && txCsum) dev.features |= NETIF_F_TSO; // a card that cuts must also fill in checksums
  if (rxCsum) dev.features |= NETIF_F_RXCSUM;
  if (options.gro ?? true) dev.features |= NETIF_F_GRO;
  dev.mtu = options.mtu ?? dev.mtu;
  dev.txQueueLen = options.txQueueLen ?? dev.txQueueLen;
  dev.carrier = card.port.up;
  dev.priv = new EthernetNapi(dev, card);
  card.onLink = (up): void => {
    linkChanged(dev, up);
  };
  registerNetdevice(net, dev);
  return dev;
}

/** Is there a card behind the device, and not another device (VLAN)? */
export function isEthernet(dev: NetDevice): boolean {
  return dev.priv instanceof EthernetNapi;
}

/** The card behind an Ethernet device. */
export function ethernetCard(dev: NetDevice): Card {
  return (dev.priv as EthernetNapi).card;
}

/** The driver's state, and its poll. */
class EthernetNapi extends Napi {
  readonly dev: NetDevice;
  readonly card: Card;
  /** How often the queue was woken after a full ring, and how often the ring was found full. */
  restarts = 0;
  busy = 0;
  /** Byte queue limits; null: the ring alone is the limit. */
  readonly dql: Dql | null;
  /** How often the watchdog found the transmit ring stuck and reset the card. */
  timeouts = 0;
  /** Armed while the queue is stopped. Housekeeping: a stuck card keeps nothing running. */
  private readonly watchdog: Timer;

  constructor(dev: NetDevice, card: Card) {
    super(dev.net);
    this.dev = dev;
    this.card = card;
    this.dql = card.config.bql ? new Dql() : null;
    card.irq.request(() => {
      card.irq.mask();
      napiSchedule(this);
    });
    this.watchdog = new Timer(this.net.sim, this.net.cpu, () => {
      this.txTimeout();
    }, true);
  }

  /** The ring is full, or nearly. */
  stopQueue(): void {
    this.dev.queueStopped = true;
    if (!this.watchdog.pending) this.watchdog.mod(this.net.cpu.now + WATCHDOG_TIMEO_NS);
  }

  /** The device goes down. */
  endWatch(): void {
    this.watchdog.del();
  }

  /** Stopped for too long (Linux: dev_watchdog): the card hangs, and is reset. */
  private txTimeout(): void {
    const { dev, card } = this;
    if (!dev.queueStopped || !dev.up) return;
    this.timeouts++;
    card.resetTx();
    this.dql?.reset();
    this.goOn();
  }

  poll(budget: number): number {
    const { card, dev } = this;
    if (!card.tx.idle) this.clean();
    const work = this.receive(budget);
    card.refill();
    if (work < budget) {
      napiCompleteDone(this);
      if (dev.up) card.enableIrq();
    }
    return work;
  }

  private receive(budget: number): number {
    const { card, dev } = this;
    const { cpu } = this.net;
    const { softirqPacketNs } = cpu.costs;
    const { stats } = dev;
    const gro = (dev.features & NETIF_F_GRO) !== 0;
    let work = 0;
    while (work < budget) {
      const skb = card.takeRx();
      if (skb === null) break;
      work++;
      cpu.charge(softirqPacketNs);
      if (skb.trace !== 0) this.net.trace(skb, 'napiPoll', `${dev.name}, RX ring: ${String(card.rxQueued)} more`);
      stats.rxPackets++;
      stats.rxBytes += skb.len;
      ethTypeTrans(skb, dev);
      if (skb.pktType === PACKET_MULTICAST) stats.multicast++;
      if (gro) napiGroReceive(this, skb);
      else netifReceiveSkb(skb);
    }
    return work;
  }

  /** Gives back what has left, and lets the queue go on when there is room again. */
  private clean(): void {
    const { card, dev, dql } = this;
    const before = card.tx.cleanedBytes;
    if (card.cleanTx() === 0) return;
    if (dql !== null) dql.complete(card.tx.cleanedBytes - before, dev.net.cpu.now);
    if (dev.queueStopped) this.wakeQueue();
  }

  private wakeQueue(): void {
    const { card, dql } = this;
    if (card.tx.free < Math.min(TX_WAKE_THRESHOLD, card.tx.size)) return;
    if (dql !== null && dql.available < 0) return;
    this.restarts++;
    this.goOn();
  }

  private goOn(): void {
    const { dev } = this;
    dev.queueStopped = false;
    this.watchdog.del();
    if (dev.qdisc !== null && dev.qdisc.qlen > 0) netifSchedule(dev.qdisc);
  }
}

function ethernetXmit(skb: SkBuff, dev: NetDevice): number {
  const priv = dev.priv as EthernetNapi;
  const { card } = priv;
  if (card.tx.free < 1 + skb.nrFrags) {
    priv.stopQueue();
    priv.busy++;
    return NETDEV_TX_BUSY;
  }
  if (skb.trace !== 0) dev.net.trace(skb, 'ndoStartXmit', `${dev.name}, TX ring: ${String(card.tx.free)} of ${String(card.tx.size)} free`);
  const { stats } = dev;
  stats.txPackets += skb.gsoSize === 0 ? 1 : skb.gsoSegs;
  const bytes = skb.len;
  stats.txBytes += bytes;
  card.transmit(skb);
  if (priv.dql !== null) {
    priv.dql.sent(bytes);
    if (priv.dql.available < 0) priv.stopQueue();
  }
  if (card.tx.free < DESC_NEEDED) priv.stopQueue();
  return NETDEV_TX_OK;
}

function ethernetOpen(dev: NetDevice): void {
  const { card } = dev.priv as EthernetNapi;
  ethernetSetRxMode(dev);
  dev.carrier = card.port.up;
  card.start();
  card.irq.unmask();
}

function ethernetStop(dev: NetDevice): void {
  const priv = dev.priv as EthernetNapi;
  priv.card.irq.mask();
  priv.endWatch();
  priv.card.stop();
  priv.dql?.reset();
  priv.gro.purge();
}

function ethernetSetRxMode(dev: NetDevice): void {
  const { card } = dev.priv as EthernetNapi;
  const { filter } = card;
  card.maxFrame = dev.mtu + ETH_HLEN + VLAN_HLEN;
  filter.setAddress(dev.addr);
  filter.setGroups(dev.mcAddrs);
  filter.promiscuous = (dev.flags & IFF_PROMISC) !== 0;
  filter.allMulti = (dev.flags & IFF_ALLMULTI) !== 0;
}

/** The card's interrupt for the link is short: it is not accounted for. */
function linkChanged(dev: NetDevice, up: boolean): void {
  const { cpu } = dev.net;
  cpu.enter(0);
  devSetCarrier(dev, up);
  cpu.exit();
}

function ethernetStats(dev: NetDevice): [string, number][] {
  const priv = dev.priv as EthernetNapi;
  const s = priv.card.stats;
  return [
    ['rx_packets', s.rxPackets],
    ['tx_packets', s.txPackets],
    ['rx_bytes', s.rxBytes],
    ['tx_bytes', s.txBytes],
    ['rx_broadcast', s.rxBroadcast],
    ['rx_multicast', s.rxMulticast],
    ['rx_missed_errors', s.rxMissed],
    ['rx_crc_errors', s.rxCrcErrors],
    ['rx_long_length_errors', s.rxLongErrors],
    ['rx_short_length_errors', s.rxShortErrors],
    ['rx_filtered', s.rxFiltered],
    ['tx_tcp_seg_good', s.txTso],
    ['tx_tcp_seg_frames', s.txTsoFrames],
    ['tx_restart_queue', priv.restarts],
    ['tx_busy', priv.busy],
    ...(priv.dql === null ? [] : [['tx_bql_limit', priv.dql.limit] as [string, number]]),
    ['tx_timeout_count', priv.timeouts],
    ['rx_interrupts', s.rxInterrupts],
    ['tx_interrupts', s.txInterrupts],
    ['interrupts', priv.card.irq.count],
    ['rx_gro_packets', priv.gro.packets],
    ['rx_gro_merged', priv.gro.merged],
  ];
}

const ethernetOps: NetDeviceOps = {
  open: ethernetOpen,
  stop: ethernetStop,
  startXmit: ethernetXmit,
  setRxMode: ethernetSetRxMode,
  ethtoolStats: ethernetStats,
};
