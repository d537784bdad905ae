/**
 * Is somebody else at an address? One ARP probe, and the ears open for a while (RFC 5227 §2.1.1; RFC 2131 §4.4.1: a client
 * should make sure before it uses what it was given).
 */
import { get16 } from '../../lib/bytes.ts';
import { etherAddrEqual } from '../../lib/addr.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { devAddTap, devRemoveTap, type PacketTap } from '../../dev/taps.ts';
import { arpSend } from '../../neigh/arp.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { ARP_LEN, ARP_SHA, ARPOP_REQUEST, arpSpa, arpTpa } from '../../wire/arp.ts';
import { ETH_P_ARP } from '../../wire/ethernet.ts';

/** Hears ARP packets that say that an address is somebody's, or that somebody else is about to take it. */
class Listener implements PacketTap {
  heard = false;
  private readonly addr: number;

  constructor(addr: number) {
    this.addr = addr;
  }

  packet(skb: SkBuff, dev: NetDevice, outgoing: boolean): void {
    if (outgoing || skb.protocol !== ETH_P_ARP || skb.headLen < ARP_LEN || get16(skb.buf, skb.data) !== 1) return;
    if (etherAddrEqual(skb.buf, skb.data + ARP_SHA, dev.addr, 0)) return;
    const sender = arpSpa(skb.buf, skb.data);
    const probed = sender === 0 && arpTpa(skb.buf, skb.data) === this.addr;
    if (sender === this.addr || probed) this.heard = true;
  }
}

/** Sends a probe for `addr` and calls `wait`; true when somebody answered in that time. */
export async function arpProbe(dev: NetDevice, addr: number, wait: () => Promise<void>): Promise<boolean> {
  const listener = new Listener(addr);
  const { cpu } = dev.net;
  devAddTap(dev, listener);
  try {
    cpu.enter(0);
    arpSend(ARPOP_REQUEST, dev, dev.broadcast, 0, 0, null, 0, addr);
    cpu.exit();
    await wait();
    return listener.heard;
  } finally {
    devRemoveTap(dev, listener);
  }
}
