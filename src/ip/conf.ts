/**
 * `net.ipv4.conf.{all,default,DEVICE}.*`: what IPv4 does on a device. A device begins with a copy of `default`; how `all` and
 * the device's own work together differs from setting to setting, as on Linux (inetdevice.h): that is here, once.
 */
import type { NetDevice } from '../dev/net-device.ts';
import type { InDevice } from './devinet.ts';
import type { Ipv4 } from './ipv4.ts';

/** Told when a setting was changed that decides about ways. */
export interface IpConfOwner {
  forwardingChanged(conf: IpConf): void;
  waysChanged(): void;
}

/** The settings of one device, or of `all` or `default`: Linux's defaults. */
export class IpConf {
  private readonly owner: IpConfOwner | null;
  private forwards = 0;
  private filters = 0;
  private shares = 1;
  sendRedirects = 1;
  acceptRedirects = 1;
  secureRedirects = 1;
  /** Addresses that cannot be are written to the kernel's log. */
  logMartians = 0;
  /** When the first address of a subnet goes, the next takes its place. */
  promoteSecondaries = 0;
  dropUnicastInL2Multicast = 0;
  /** 0 = what the queriers of the link speak. */
  forceIgmpVersion = 0;
  /** Milliseconds. */
  igmpv2UnsolicitedReportInterval = 10000;
  igmpv3UnsolicitedReportInterval = 1000;
  /** 0: answer for any local address on any device; 1: for the device's own only; 2: and only if the asker is in its net; 8: never. */
  arpIgnore = 0;
  /** 0: ask from any local address; 1: avoid those outside the target's subnet; 2: the best for the target. */
  arpAnnounce = 0;
  /** Learn from gratuitous ARP about addresses that are not in the table. */
  arpAccept = 0;
  /** Announce an address when its device comes up. */
  arpNotify = 0;

  constructor(owner: IpConfOwner | null) {
    this.owner = owner;
  }

  /** What comes in by the device is passed on. `all`: by every device, and by those to come; `ip_forward` is the same. */
  get forwarding(): number {
    return this.forwards;
  }

  set forwarding(on: number) {
    if (on === this.forwards) return;
    this.forwards = on;
    this.owner?.forwardingChanged(this);
  }

  /** 0 off, 1 strict, 2 loose (RFC 3704). */
  get rpFilter(): number {
    return this.filters;
  }

  set rpFilter(mode: number) {
    this.filters = mode;
    this.owner?.waysChanged();
  }

  /** Hosts of several subnets may be on one link. */
  get sharedMedia(): number {
    return this.shares;
  }

  set sharedMedia(on: number) {
    this.shares = on;
    this.owner?.waysChanged();
  }

  /** Takes over all settings of another one, without any consequence. */
  copy(from: IpConf): this {
    const { owner } = this;
    Object.assign(this, from, { owner });
    return this;
  }
}

/** The settings that are numbers and where either will do, or the larger one counts. */
type Setting = Exclude<keyof IpConf, 'copy'>;

/** The settings of a device. */
export function ipConfOf(ip: Ipv4, dev: NetDevice): IpConf {
  return dev.inDev === null ? ip.confDefault : (dev.inDev as InDevice).conf;
}

/** The larger of `all` and the device's own: for switches, "one of them will do" (Linux: IN_DEV_MAXCONF, IN_DEV_ORCONF). */
export function ipConfMax(ip: Ipv4, dev: NetDevice, setting: Setting): number {
  const all = ip.confAll[setting];
  const own = ipConfOf(ip, dev)[setting];
  return all > own ? all : own;
}

/** Are redirects followed? A router's device needs both, a host's one of them (Linux: IN_DEV_RX_REDIRECTS). */
export function ipAcceptsRedirects(ip: Ipv4, dev: NetDevice): boolean {
  const own = ipConfOf(ip, dev);
  return own.forwarding !== 0 ? ip.confAll.acceptRedirects !== 0 && own.acceptRedirects !== 0
    : ip.confAll.acceptRedirects !== 0 || own.acceptRedirects !== 0;
}
