/** An interface of a host: a network card, or a VLAN device on one, with its addresses. */
import { NetDevice } from '../dev/net-device.ts';
import { devSetMtu } from '../dev/registry.ts';
import { vlanOpen, vlanRegister } from '../dev/vlan.ts';
import type { Port } from '../fabric/port.ts';
import { KernelError } from '../host/errors.ts';
import { tcpdumpPort, type Tcpdump, type TcpdumpOptions } from '../host/tools/tcpdump.ts';
import { inetAddrAdd, inetAddrDel, inetAddrs } from '../ip/devinet.ts';
import { formatIpv4, ipv4Mask, type Ipv4Prefix } from '../lib/addr.ts';
import { formatIpv6, type Ipv6Prefix } from '../lib/addr6.ts';
import type { Card } from '../nic/card.ts';
import type { CardOptions } from '../nic/options.ts';
import { parseInterfaceAddress, parseInterfaceAddress6, ulaOf } from './addresses.ts';
import type { Host } from './host.ts';
import { addresses6, assign6, unassign6, type AdvertiseOptions } from './ipv6.ts';

/** A network card to be. What is left out is chosen: the name, the hardware address, an address of the cable's subnet. */
export interface InterfaceOptions {
  /** Default `eth0`, `eth1`… */
  readonly name?: string;
  /** `'10.0.0.1/24'`. Default: chosen when a cable is plugged in. */
  readonly ip?: string;
  /** `'fd00::1/64'`, or several. Default: one that goes with its IPv4 address (10.0.0.1/24: fd00:a00::1/64), unless `ipv6` is 'auto'. */
  readonly ip6?: string | readonly string[];
  /** Router advertisements (RFC 4861): the host must forward. */
  readonly advertise?: boolean | AdvertiseOptions;
  /** `'02:00:00:00:00:01'` */
  readonly mac?: string;
  /** Default 1500. */
  readonly mtu?: number;
  /** Rings, coalescing, offloads, speed. */
  readonly card?: CardOptions;
}

/** A VLAN device to be. */
export interface VlanInterfaceOptions {
  /** Default: that of the card and the number, `eth0.10`. */
  readonly name?: string;
  /** `'10.10.0.1/24'`. Default: chosen, of the VLAN's segment. */
  readonly ip?: string;
  /** Default: that of the card. */
  readonly mtu?: number;
}

/** What an interface is made of. */
export interface DeviceAndCard {
  readonly dev: NetDevice;
  readonly card: Card;
}

export const INTERFACE_NAME: RegExp = /^[a-z][a-z0-9._-]{0,14}$/i;
export const VLAN_INTERFACE_OPTIONS: readonly string[] = ['name', 'ip', 'mtu'];
export const INTERFACE_OPTIONS: readonly string[] = ['name', 'ip', 'ip6', 'advertise', 'mac', 'mtu', 'card'];

/** A network card of a host. */
export class Interface {
  readonly host: Host;
  /** Its device and its card since the last boot. */
  dev: NetDevice;
  card: Card;
  /** @internal Its address comes by DHCP: none is chosen when a cable is plugged in. */
  leased = false;
  /** Makes device and card: once more at each boot. */
  private readonly make: () => DeviceAndCard;
  /** The address that was chosen for it and not by its user, or null. */
  planned: Ipv4Prefix | null = null;
  private planStep: (() => void) | null = null;
  /** @internal Its user has named IPv6 addresses, or wants them from the link: none follows from the IPv4 address. */
  chosen6 = false;

  constructor(host: Host, make: () => DeviceAndCard) {
    this.host = host;
    const { dev, card } = make();
    this.dev = dev;
    this.card = card;
    this.make = make;
  }

  /** @internal The host has booted again: the same card in the same place, with a new device. */
  rebooted(): void {
    const { dev, card } = this.make();
    this.dev = dev;
    this.card = card;
  }

  /**
   * Adds a VLAN device, `eth0.10`: frames of that VLAN, with tags, by this card. It is up, and gets an address of the VLAN's segment.
   *
   * @throws RangeError when there is one of this VLAN or name already
   */
  vlan(vid: number, options: VlanInterfaceOptions = {}): Interface {
    return this.host.addVlan(this, vid, options);
  }

  /** The VLAN whose frames it sends and takes, with a tag; 0: those without. */
  get tag(): number {
    return 0;
  }

  get name(): string {
    return this.dev.name;
  }

  /** Where its cable is plugged in. */
  get port(): Port {
    return this.card.port;
  }

  /** Its first address, or null. */
  get ip(): string | null {
    const first = inetAddrs(this.dev)[0];
    return first === undefined ? null : formatIpv4(first.addr);
  }

  /** Its first IPv6 address that is not of its link alone, or null. */
  get ip6(): string | null {
    return addresses6(this.dev)[0] ?? null;
  }

  /** All its IPv4 addresses. */
  get addresses(): readonly Ipv4Prefix[] {
    return inetAddrs(this.dev);
  }

  /** The subnet of its first address, or null. */
  get subnet(): Ipv4Prefix | null {
    const first = inetAddrs(this.dev)[0];
    return first === undefined ? null : { addr: first.addr & ipv4Mask(first.prefixLen), prefixLen: first.prefixLen };
  }

  /** Prints the frames at its port, as they are on the wire; `host.tcpdump` shows what the kernel sees, before the card cuts it up. */
  tcpdump(options: Omit<TcpdumpOptions, 'device'> = {}): Tcpdump {
    return tcpdumpPort(this.port, this.host.kernel.tools, options);
  }

  /** Gives it one more address: `'10.0.0.1/24'`, `'fd00::1/64'`. */
  addAddress(text: string): void {
    if (typeof text === 'string' && text.includes(':')) this.assign6(parseInterfaceAddress6(text, 'ip6'));
    else this.assign(parseInterfaceAddress(text, 'ip'));
  }

  /** @internal */
  assign6(address: Ipv6Prefix): void {
    this.host.configure(() => assign6(this.dev, address, false));
    this.announce6(address);
  }

  private announce6(address: Ipv6Prefix): void {
    const text = formatIpv6(address.addr);
    if (addresses6(this.dev).includes(text)) this.host.announce6(text);
  }

  /** @internal Returns the step that is done again at each boot. */
  assign(address: Ipv4Prefix): () => void {
    const step = (): void => {
      const { net } = this.dev;
      net.cpu.enter(0);
      const err = inetAddrAdd(this.dev, address.addr, address.prefixLen);
      net.cpu.exit();
      if (err < 0) throw new KernelError(err, 'addAddress', { address: formatIpv4(address.addr) });
      if (!this.chosen6) assign6(this.dev, ulaOf(address), true);
    };
    this.host.configure(step);
    this.host.plan.take(address.addr);
    this.host.announce(formatIpv4(address.addr));
    if (!this.chosen6) this.announce6(ulaOf(address));
    return step;
  }

  /** @internal An address that the world has chosen. */
  assignPlanned(address: Ipv4Prefix): void {
    this.planStep = this.assign(address);
    this.planned = address;
  }

  /** @internal The chosen address gives way to another one: its segment has become part of a larger one. */
  renumber(address: Ipv4Prefix): void {
    const { planned } = this;
    const { net } = this.dev;
    if (planned !== null) {
      net.cpu.enter(0);
      inetAddrDel(this.dev, planned.addr, planned.prefixLen);
      net.cpu.exit();
      this.host.retract(formatIpv4(planned.addr));
      if (this.planStep !== null) this.host.unconfigure(this.planStep);
      const ula = ulaOf(planned);
      unassign6(this.dev, ula);
      this.host.retract(formatIpv6(ula.addr));
    }
    this.assignPlanned(address);
  }
}

/** A VLAN device on a card: its card and its port are those of the device below it. */
export class VlanInterface extends Interface {
  private readonly vid: number;

  constructor(parent: Interface, name: string, vid: number, mtu: number | undefined) {
    super(parent.host, () => {
      const { net } = parent.dev;
      net.cpu.enter(0);
      const dev = vlanRegister(parent.dev, name, vid);
      if (dev instanceof NetDevice) {
        if (mtu !== undefined) devSetMtu(dev, mtu);
        vlanOpen(dev);
      }
      net.cpu.exit();
      if (!(dev instanceof NetDevice)) throw new KernelError(dev, 'vlan', { address: name });
      return { dev, card: parent.card };
    });
    this.vid = vid;
  }

  override get tag(): number {
    return this.vid;
  }
}
