/** A host of a world: a kernel with network cards, and what a user says about it from outside. */
import { devGetByName } from '../dev/registry.ts';
import { VLAN_VID_MAX } from '../wire/vlan.ts';
import type { QdiscOptions } from '../dev/sched/kinds.ts';
import type { Port } from '../fabric/port.ts';
import { addEthernet } from '../host/boot.ts';
import { KernelError } from '../host/errors.ts';
import type { ResolvOptions } from '../host/dns/resolv-conf.ts';
import type { ConntrackView } from '../host/iptables/conntrack.ts';
import type { Firewall } from '../host/iptables/firewall.ts';
import { NatHandle, type NatOptions } from '../host/iptables/nat.ts';
import type { Kernel, KernelOptions } from '../host/kernel.ts';
import type { QdiscInfo } from '../host/qdisc.ts';
import type { SysctlValue } from '../host/sysctl.ts';
import type { PingOptions, PingResult } from '../host/tools/ping.ts';
import type { TracerouteOptions, TracerouteResult } from '../host/tools/traceroute.ts';
import type { Tcpdump, TcpdumpOptions } from '../host/tools/tcpdump.ts';
import { inetAddrs } from '../ip/devinet.ts';
import { RTN_UNICAST, RTPROT_STATIC } from '../ip/fib.ts';
import { routeAdd } from '../ip/route.ts';
import { formatIpv4, ipv4Mask, parseIpv4, parseIpv4Prefix, parseMac } from '../lib/addr.ts';
import { parseIpv6Prefix } from '../lib/addr6.ts';
import { checkOptions, parseDuration, parseInteger, type Duration } from '../lib/units.ts';
import { parseInterfaceAddress, parseInterfaceAddress6, type AddressPlan } from './addresses.ts';
import { CLIENT_OPTIONS, DhcpClient, type DhcpClientOptions } from './dhcp/client.ts';
import { startDhcpServer, type DhcpServer, type DhcpServerOptions } from './dhcp/server.ts';
import { startNameServer, type NameServerOptions } from './dns/serve.ts';
import type { NameServer } from './dns/server.ts';
import { addresses6, advertise, parseAdvertise, route6 } from './ipv6.ts';
import { HostClock } from './faults/clock.ts';
import { Power } from './power.ts';
import {
  Interface, INTERFACE_NAME, INTERFACE_OPTIONS, VLAN_INTERFACE_OPTIONS, VlanInterface, type InterfaceOptions, type VlanInterfaceOptions,
} from './interface.ts';
import type { World } from './world.ts';

export interface HostOptions extends Pick<KernelOptions, 'costs' | 'sysctl' | 'openFiles' | 'ipv6'> {
  /** The addresses of its first interface: short for `interfaces: [{ ip, ip6 }]`. */
  readonly ip?: string;
  readonly ip6?: string | readonly string[];
  readonly interfaces?: readonly InterfaceOptions[];
  /** More names of this host; its own is known to the whole world. */
  readonly aliases?: readonly string[];
  /** A router: packets for others are passed on (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding). Default false. */
  readonly forward?: boolean;
  /** Whom it asks for names that hosts files do not have: the text of a resolv.conf, or `{ nameservers: ['10.0.0.53'] }`. */
  readonly resolvConf?: string | ResolvOptions;
  /** Its first interface gets its address from a DHCP server on its link; `host.dhcpClient` tells. Default false. */
  readonly dhcp?: boolean | DhcpClientOptions;
}

/** Where packets for a network go. */
export interface RouteOptions {
  /** The next hop. */
  readonly via?: string;
  /** The interface; needed when there is no next hop. */
  readonly interface?: string;
  readonly metric?: number;
}

const HOST_OPTIONS: readonly string[] = [
  'ip', 'ip6', 'ipv6', 'interfaces', 'aliases', 'forward', 'resolvConf', 'dhcp', 'costs', 'sysctl', 'openFiles',
];
const ROUTE_OPTIONS: readonly string[] = ['via', 'interface', 'metric'];

export class Host {
  readonly name: string;
  readonly world: World;
  /** @internal */
  readonly plan: AddressPlan;
  /** Its wall clock, which may be wrong: `host.clock.step(5000)`. */
  readonly clock: HostClock;
  /** @internal Power, boots, what runs at boot. */
  readonly power: Power;
  /** @internal Numbers it among the machines of its world. */
  readonly station: number;
  private readonly aliases: readonly string[];
  /** No IPv6 address follows from an IPv4 one. */
  private readonly autoconf6: boolean;
  private readonly cards: Interface[] = [];
  /** How each device gets the discipline that was asked for last. */
  private readonly disciplines: Map<string, () => void> = new Map();
  private client: DhcpClient | null = null;

  /** Made by `world.host(name, options)`. */
  constructor(world: World, name: string, options: HostOptions, plan: AddressPlan) {
    checkOptions(options, HOST_OPTIONS, 'host');
    this.world = world;
    this.name = name;
    this.plan = plan;
    this.station = world.nextStation();
    this.aliases = options.aliases ?? [];
    this.clock = new HostClock(() => world.nowNs);
    this.power = new Power(world.parts, name, options, world.names);
    const forward = options.forward ?? false;
    if (typeof forward !== 'boolean') throw new TypeError(`forward: ${String(forward)} is not understood; expected true or false`);
    if (forward) {
      this.configure(() => {
        this.kernel.sysctl('net.ipv4.ip_forward', 1);
        this.kernel.stack.ip6.confAll.forwarding = 1;
      });
    }
    const { resolvConf } = options;
    if (resolvConf !== undefined) this.configure(() => this.kernel.resolver.configure(resolvConf));
    this.autoconf6 = options.ipv6 === 'auto' || options.ipv6 === false;
    const interfaces = options.interfaces ?? firstInterface(options);
    for (const name of ['ip', 'ip6'] as const) {
      if (options.interfaces === undefined || options[name] === undefined) continue;
      throw new TypeError(`${name}: given beside interfaces; write it into one of these: interfaces: [{ ${name} }]`);
    }
    if (!Array.isArray(interfaces)) throw new TypeError('interfaces: expected an array such as [{ ip: \'10.0.0.1/24\' }]');
    for (const itf of interfaces as readonly InterfaceOptions[]) this.addInterface(itf);
    if (options.dhcp !== undefined && options.dhcp !== false) this.dhcp(options.dhcp === true ? {} : options.dhcp);
    if (this.interfaces.every((itf) => itf.ip === null)) this.kernel.hosts.add(name, '127.0.0.1');
  }

  /** Its kernel: of this boot. After `crash()` and `boot()` it is another one; the old one is dead. */
  get kernel(): Kernel {
    return this.power.kernel;
  }

  /** False after `crash()`, until `boot()`. */
  get running(): boolean {
    return this.power.on;
  }

  /** Its network cards, in the order in which they were added. */
  get interfaces(): readonly Interface[] {
    return this.cards;
  }

  /** Its first address that others can reach; 127.0.0.1 while it has none. */
  get ip(): string {
    return this.ips[0] ?? '127.0.0.1';
  }

  /** All its addresses that others can reach. */
  get ips(): readonly string[] {
    return this.cards.flatMap((itf) => inetAddrs(itf.dev).map((ifa) => formatIpv4(ifa.addr)));
  }

  /** Its first IPv6 address that others can reach; ::1 while it has none. */
  get ip6(): string {
    return this.ip6s[0] ?? '::1';
  }

  /** All its IPv6 addresses but those of one link (`fe80::…`), which mean nothing elsewhere. */
  get ip6s(): readonly string[] {
    return this.cards.flatMap((itf) => addresses6(itf.dev));
  }

  /** Reads or sets a sysctl by its exact kernel name. */
  sysctl(name: string, value?: SysctlValue): SysctlValue {
    return this.kernel.sysctl(name, value);
  }

  /** What a tool prints: `host.sh('ss -tan')`; see {@link Kernel.sh}. */
  sh(line: string): string {
    return this.kernel.sh(line);
  }

  /** Runs a tool that takes time, and resolves to what it prints: `await host.exec('ping -c 3 bob')`. Others as `sh`. */
  exec(line: string): Promise<string> {
    return this.kernel.exec(line);
  }

  /** Pings a host by name or address: `await host.ping('bob', { count: 3 })`; see {@link Kernel.ping}. */
  ping(target: string, options?: PingOptions): Promise<PingResult> {
    return this.kernel.ping(target, options);
  }

  /** The routers on the way to a host; see {@link Kernel.traceroute}. */
  traceroute(target: string, options?: TracerouteOptions): Promise<TracerouteResult> {
    return this.kernel.traceroute(target, options);
  }

  /** Its rules: `host.firewall.append('INPUT', { protocol: 'tcp', dport: 80, target: 'DROP' })`. Gone after a crash, as on Linux. */
  get firewall(): Firewall {
    return this.kernel.firewall;
  }

  /** Its rules for IPv6. */
  get firewall6(): Firewall {
    return this.kernel.firewall6;
  }

  /** The connections that its rules and its NAT know. */
  get conntrack(): ConntrackView {
    return this.kernel.conntrack;
  }

  /**
   * Makes it a NAT device: `host.nat({ outside: 'eth1' })` as Linux's MASQUERADE, or by the names of RFC 4787. It forwards from
   * here on, and is one again after a crash.
   */
  nat(options: NatOptions): NatHandle {
    let handle: NatHandle | null = null;
    const step = (): void => {
      handle = this.kernel.nat(options);
    };
    this.configure(step);
    return new NatHandle(() => handle!.mappings(), () => {
      handle!.remove();
      this.power.steps.splice(this.power.steps.indexOf(step), 1);
    });
  }

  /** The kernel's log, as dmesg(1) prints it: what the target LOG wrote. */
  dmesg(): readonly string[] {
    return this.kernel.dmesg();
  }

  /** The sockets, as ss(8) lists them: `host.ss('-tani')`. */
  ss(args?: string): string {
    return this.kernel.ss(args);
  }

  /** The queueing discipline of a device, or another one for it, which boots bring back; see {@link Kernel.qdisc}. */
  qdisc(device: string, options?: QdiscOptions | 'default'): QdiscInfo {
    if (options === undefined) return this.kernel.qdisc(device);
    const old = this.disciplines.get(device);
    const step = (): void => void this.kernel.qdisc(device, options);
    this.configure(step);
    if (old !== undefined) this.unconfigure(old);
    this.disciplines.set(device, step);
    return this.kernel.qdisc(device);
  }

  /** Prints the packets of a device while they pass; see {@link Kernel.tcpdump}. */
  tcpdump(options?: TcpdumpOptions): Tcpdump {
    return this.kernel.tcpdump(options);
  }

  /**
   * Starts a DHCP client for an interface, now and after each boot: `await host.dhcp().bound()`. The host's own clients stop
   * with it.
   */
  dhcp(options: DhcpClientOptions = {}): DhcpClient {
    checkOptions(options, CLIENT_OPTIONS, 'dhcp');
    const itf = options.interface === undefined ? this.cards[0] ?? this.addInterface()
      : this.cards.find((one) => one.name === options.interface);
    if (itf === undefined) throw new RangeError(`dhcp: interface: ${this.name} has no '${String(options.interface)}'`);
    itf.leased = true;
    const start = (): DhcpClient => new DhcpClient(this.kernel.process({ name: 'dhclient' }), itf, options);
    this.client = start();
    this.power.listeners.push((up) => {
      if (up) this.client = start();
    });
    return this.client;
  }

  /** The latest DHCP client of this host, or null. */
  get dhcpClient(): DhcpClient | null {
    return this.client;
  }

  /** Starts a DHCP server on one of its links, until `close()` or a crash: `host.dhcpServer({ pool: ['10.0.0.100', '10.0.0.199'] })`. */
  dhcpServer(options: DhcpServerOptions): DhcpServer {
    return startDhcpServer(this, options);
  }

  /** Its resolv.conf as text; with `conf`, sets it. */
  resolvConf(conf?: string | ResolvOptions): string {
    if (conf !== undefined) this.configure(() => this.kernel.resolver.configure(conf));
    return this.kernel.resolver.conf.format();
  }

  /**
   * Starts a name server on it, until `close()` or a crash (see {@link onBoot}):
   * `host.nameServer({ zone: { origin: 'example.com', records: { www: '10.0.0.1' } } })`.
   */
  nameServer(options: NameServerOptions): NameServer {
    return startNameServer(this, options);
  }

  /** Adds a network card; the device is up. */
  addInterface(options: InterfaceOptions = {}): Interface {
    checkOptions(options, INTERFACE_OPTIONS, 'interface');
    if (!this.power.on) throw new Error(`addInterface: ${this.name} has no power; boot() it first`);
    const name = options.name ?? `eth${String(this.cards.filter((itf) => itf.tag === 0).length)}`;
    if (!INTERFACE_NAME.test(name)) {
      throw new TypeError(`name: '${name}' is not an interface name; expected one such as 'eth0'`);
    }
    if (devGetByName(this.kernel.stack.net, name) !== null) throw new RangeError(`name: ${this.name} has an interface '${name}' already`);
    const mac = options.mac === undefined ? this.plan.mac() : parseMac(options.mac);
    if (mac === null || (mac[0]! & 1) !== 0) {
      throw new TypeError(`mac: '${String(options.mac)}' is not understood; expected one of a single card such as '02:00:00:00:00:01'`);
    }
    const mtu = options.mtu === undefined ? undefined : parseInteger(options.mtu, 'mtu', 68, 65535);
    const address = options.ip === undefined ? null : parseInterfaceAddress(options.ip, 'ip');
    const addresses6Of = listOf(options.ip6).map((text) => parseInterfaceAddress6(text, 'ip6'));
    const adv = parseAdvertise(options.advertise);
    let port: Port | undefined; // the same one at each boot: its cable stays where it is
    const itf = new Interface(this, () => {
      const made = addEthernet(this.kernel.stack, { name, mac, mtu, port, portName: `${this.name}.${name}`, card: options.card });
      port = made.card.port;
      return made;
    });
    itf.port.station = this.station;
    this.cards.push(itf);
    itf.chosen6 = addresses6Of.length > 0 || this.autoconf6;
    if (address !== null) itf.assign(address);
    for (const a of addresses6Of) itf.assign6(a);
    if (adv !== null) this.configure(() => advertise(itf.dev, adv));
    this.world.adopt(itf.port, itf);
    return itf;
  }

  /** @internal See {@link Interface.vlan}. */
  addVlan(parent: Interface, vid: number, options: VlanInterfaceOptions): Interface {
    checkOptions(options, VLAN_INTERFACE_OPTIONS, 'vlan');
    if (parent.tag !== 0) throw new RangeError(`vlan: ${this.name}.${parent.name} is a VLAN device itself`);
    parseInteger(vid, 'vid', 1, VLAN_VID_MAX);
    const name = options.name ?? `${parent.name}.${String(vid)}`;
    if (!INTERFACE_NAME.test(name)) throw new TypeError(`name: '${name}' is not an interface name; expected one such as 'eth0.10'`);
    if (devGetByName(this.kernel.stack.net, name) !== null) throw new RangeError(`name: ${this.name} has an interface '${name}' already`);
    if (parent.dev.vlans?.has(vid) === true) throw new RangeError(`vid: ${this.name}.${parent.name} has VLAN ${String(vid)} already`);
    const mtu = options.mtu === undefined ? undefined : parseInteger(options.mtu, 'mtu', 68, parent.dev.mtu);
    const address = options.ip === undefined ? null : parseInterfaceAddress(options.ip, 'ip');
    const itf = new VlanInterface(parent, name, vid, mtu);
    itf.chosen6 = this.autoconf6;
    this.cards.push(itf);
    if (address !== null) itf.assign(address);
    this.world.adopt(itf.port, itf);
    return itf;
  }

  /** @internal The first interface without a cable; a new one when all have one. */
  freeInterface(): Interface {
    return this.cards.find((itf) => itf.port.link === null) ?? this.addInterface();
  }

  /** Adds a route: `host.route('0.0.0.0/0', { via: '10.0.0.254' })`, `host.route('::/0', { via: 'fe80::1%eth0' })`. */
  route(network: string, options: RouteOptions): void {
    checkOptions(options, ROUTE_OPTIONS, 'route');
    if (parseIpv6Prefix(network) !== null) {
      const metric6 = parseInteger(options.metric ?? 0, 'metric', 0, 0xffffffff);
      this.configure(route6(() => this.kernel.stack, network, options.via, options.interface, metric6));
      return;
    }
    const to = parseIpv4Prefix(network);
    if (to === null) throw new TypeError(`network: '${network}' is not understood; expected one such as '10.1.0.0/16', 'fd00:1::/64'`);
    const gateway = options.via === undefined ? 0 : parseIpv4(options.via);
    if (gateway === null) throw new TypeError(`via: '${String(options.via)}' is not an IPv4 address`);
    const { interface: itf } = options;
    if (itf !== undefined && devGetByName(this.kernel.stack.net, itf) === null) {
      throw new RangeError(`interface: ${this.name} has no '${itf}'`);
    }
    if (options.via === undefined && itf === undefined) throw new TypeError('route: it needs via (the next hop) or interface');
    const metric = parseInteger(options.metric ?? 0, 'metric', 0, 0xffffffff);
    this.configure(() => {
      const { net, ip } = this.kernel.stack;
      const dev = itf === undefined ? null : devGetByName(net, itf);
      net.cpu.enter(0);
      const err = routeAdd(ip, {
        dst: to.addr & ipv4Mask(to.prefixLen), prefixLen: to.prefixLen, gateway, dev, metric,
        type: RTN_UNICAST, protocol: RTPROT_STATIC,
      });
      net.cpu.exit();
      if (err < 0) throw new KernelError(err, 'route', { address: network });
    });
  }

  /** @internal Sets something up that is written down on the host's disk: now, and again at each boot. */
  configure(step: () => void): void {
    step();
    this.onDisk(step);
  }

  /** @internal The same from the next boot on. */
  onDisk(step: () => void): void {
    this.power.steps.push(step);
  }

  /** @internal Strikes a step off the list. */
  unconfigure(step: () => void): void {
    const { steps } = this.power;
    const at = steps.indexOf(step);
    if (at >= 0) steps.splice(at, 1);
  }

  // ---- power

  /**
   * Runs `main` now and after each boot, as an init system does: what a crashed host serves again when it is back. What it
   * returns is not waited for; `signal` is aborted when the host crashes.
   */
  onBoot(main: (signal: AbortSignal) => unknown): void {
    if (typeof main !== 'function') throw new TypeError('onBoot: main is not a function');
    this.power.onBoot(main);
  }

  /**
   * Power loss. No FIN, no reset, no word to anybody: connections, caches and queues are gone, and frames for the host are
   * lost (CARD_DOWN) while its cards keep the link, as on standby power. Of its sockets nobody hears any more, and calls on
   * its kernel fail. What was configured is still on its disk: see {@link boot}. No harm when it is off already.
   */
  crash(): void {
    this.power.crash();
  }

  /**
   * Power is back: a new kernel, with empty tables and new secrets, and the addresses, routes, sysctls and hosts file
   * that were configured through the world. Then what `onBoot` was given runs. No harm when it runs already.
   */
  boot(): void {
    if (this.power.on) return;
    this.power.boot(() => {
      for (const itf of this.cards) itf.rebooted();
    });
  }

  /**
   * Stops the host's processor for `duration`: nothing is served, nothing runs, while frames pile up in its cards' rings.
   * Then it goes on, as a machine that was suspended does.
   */
  pause(duration: Duration): void {
    const ns = parseDuration(duration, 'pause: duration');
    if (!this.power.on) return;
    const { cpu } = this.kernel.stack.net;
    cpu.enter(ns);
    cpu.exit();
  }

  /**
   * Stops all programs of the host, as SIGSTOP does: none is woken, while its kernel goes on to acknowledge and to queue. With
   * a duration they go on after it, else at `resume()`.
   */
  stop(duration?: Duration): void {
    this.power.stop(duration === undefined ? Infinity : parseDuration(duration, 'stop: duration'));
  }

  /** Lets stopped programs go on, as SIGCONT does. No harm when none is stopped. */
  resume(): void {
    this.power.resume();
  }

  /** @internal An address of this host is its no more. The others keep their order. */
  retract(address: string): void {
    for (const name of [this.name, ...this.aliases]) this.world.names.remove(name, address);
  }

  /** @internal An address comes by DHCP, or goes again. */
  lent(address: string, here: boolean): void {
    if (here) this.announce(address);
    else this.retract(address);
  }

  /** @internal An IPv6 address of this host becomes known to the world: to those who ask for one. */
  announce6(address: string): void {
    for (const name of [this.name, ...this.aliases]) this.world.names.add6(name, address);
  }

  /** @internal An address of this host becomes known to the world. */
  announce(address: string): void {
    this.kernel.hosts.remove(this.name);
    for (const name of [this.name, ...this.aliases]) this.world.names.add(name, address);
  }
}

/** The interface that the short options mean. */
function firstInterface({ ip, ip6 }: HostOptions): readonly InterfaceOptions[] {
  if (ip === undefined && ip6 === undefined) return [];
  return [{ ...(ip === undefined ? {} : { ip }), ...(ip6 === undefined ? {} : { ip6 }) }];
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}
