/**
 * A kernel: the network stack of one host, and the door to it.
 *
 * `new Kernel({ seed })` is the smallest use: one host with a loopback, and a clock of its own. The hosts of a World have
 * theirs at `host.kernel`, on the world's clock.
 *
 *   from  user code            the socket calls (host/calls.ts), sysctl, nstat
 *         world/host.ts        interfaces, addresses
 *   to    host/boot.ts         the stack
 */
import { MIB_NAMES, type MibName } from '../dev/mib.ts';
import { devGetByName } from '../dev/registry.ts';
import type { QdiscOptions } from '../dev/sched/kinds.ts';
import { inDeviceOf, inetAddrs } from '../ip/devinet.ts';
import type { Ipv6Mode } from '../ip/v6/conf.ts';
import { in6DevOf } from '../ip/v6/inet6-dev.ts';
import { formatIpv4 } from '../lib/addr.ts';
import { checkOptions, NS_PER_MS } from '../lib/units.ts';
import { SkbPool } from '../skb/pool.ts';
import { tcpAvailableCongestionControl } from '../tcp/cong/cong.ts';
import { DEFAULT_COSTS, ZERO_COSTS, type CostModel } from '../time/cpu.ts';
import { Pump, type PumpMode } from '../time/pump.ts';
import { Simulation } from '../time/simulation.ts';
import { unixExists, unixUnlink } from '../unix/names.ts';
import { show } from './door.ts';
import { KernelError } from './errors.ts';
import { bootHost, type HostStack, type WorldParts } from './boot.ts';
import { hostQdisc, type QdiscInfo } from './qdisc.ts';
import { KernelProcess, PROCESS_OPTIONS, type ProcessOptions } from './process.ts';
import { ConntrackView } from './iptables/conntrack.ts';
import { Firewall } from './iptables/firewall.ts';
import { natSetup, type NatHandle, type NatOptions } from './iptables/nat.ts';
import { firewalling } from './iptables/tools.ts';
import { HostResolver } from './dns/host-resolver.ts';
import { HostsFile, type ResolvedAddress } from './resolver.ts';
import { SysctlTable, type SysctlValue } from './sysctl.ts';
import { toolHost } from './tools/adapter.ts';
import type { ToolHost } from './tools/command.ts';
import { exec } from './tools/exec.ts';
import { ping, type PingOptions, type PingResult } from './tools/ping.ts';
import { sh } from './tools/sh.ts';
import { traceroute, type TracerouteOptions, type TracerouteResult } from './tools/traceroute.ts';
import { tcpdump, type Tcpdump, type TcpdumpOptions } from './tools/tcpdump.ts';

/** What work costs: a real machine's order, nothing, or single figures in nanoseconds over the real ones. */
export type Costs = 'real' | 'zero' | Partial<CostModel>;

export interface KernelOptions extends ProcessOptions {
  /**
   * IPv6 on its cards: `'static'` (the default) gives them a link-local address and what the world or its user says, in silence;
   * `'auto'` does all that Linux does (duplicate address detection, router solicitations, SLAAC, MLD); false: none, loopback apart.
   */
  readonly ipv6?: Ipv6Mode;
  /** All chance comes from it. Any whole number. Default 1. */
  readonly seed?: number;
  readonly costs?: Costs;
  readonly mode?: PumpMode;
  /** By exact kernel name: `{ 'net.ipv4.tcp_sack': 0 }`. */
  readonly sysctl?: Readonly<Record<string, SysctlValue>>;
}

const KERNEL_OPTIONS: readonly string[] = ['seed', 'costs', 'mode', 'sysctl', 'ipv6', ...PROCESS_OPTIONS];

/** The seed of a world that names none. */
export const DEFAULT_SEED = 1;

/** The cost model that an option stands for. */
export function costModel(costs: Costs | undefined): CostModel {
  if (costs === undefined || costs === 'real') return { ...DEFAULT_COSTS };
  if (costs === 'zero') return { ...ZERO_COSTS };
  if (typeof costs !== 'object') throw new TypeError(`costs: ${String(costs)} is not understood; expected 'real', 'zero' or an object`);
  for (const [name, ns] of Object.entries(costs)) {
    if (!Object.hasOwn(DEFAULT_COSTS, name)) {
      throw new TypeError(`costs: ${name}: no such cost; expected ${Object.keys(DEFAULT_COSTS).join(', ')}`);
    }
    if (!Number.isInteger(ns) || ns < 0) throw new RangeError(`costs: ${name}: ${String(ns)} is not a whole number of nanoseconds`);
  }
  return { ...DEFAULT_COSTS, ...costs };
}

/** The settings of `all`, `default` or a device, of each family; null: there is no such device, or it has no part in the family. */
function confOf(stack: HostStack, family: 4 | 6, name: string): object | null {
  const { ip, ip6, net } = stack;
  const { confAll, confDefault } = family === 4 ? ip : ip6;
  if (name === 'all') return confAll;
  if (name === 'default') return confDefault;
  const dev = devGetByName(net, name);
  if (dev === null) return null;
  return family === 4 ? inDeviceOf(dev).conf : in6DevOf(dev)?.conf ?? null;
}

function confNames({ net }: HostStack, family: 4 | 6): string[] {
  return ['all', 'default', ...net.devices.flatMap((dev) => (dev === null || (family === 6 && dev.in6Dev === null) ? [] : [dev.name]))];
}

/** Checks the option `ipv6`. */
function ipv6Mode(mode: unknown): Ipv6Mode {
  if (mode === undefined) return 'static';
  if (mode === 'static' || mode === 'auto' || mode === false) return mode;
  throw new TypeError(`ipv6: ${show(mode)} is not understood; expected 'static', 'auto' or false`);
}

/** Checks a seed. */
export function parseSeed(seed: unknown): number {
  if (seed === undefined) return DEFAULT_SEED;
  if (typeof seed !== 'number') throw new TypeError(`seed: ${show(seed)} is not a number; expected a whole number`);
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed: ${String(seed)} is not a whole number that can be told from its neighbours`);
  return seed;
}

/** A clock and a pool for a new world. */
export function makeParts(seed: number | undefined, mode: PumpMode | undefined): WorldParts {
  const known: readonly unknown[] = ['virtual', 'real', 'manual', undefined];
  if (!known.includes(mode)) throw new TypeError(`mode: ${String(mode)} is not understood; expected 'virtual', 'real' or 'manual'`);
  const sim = new Simulation();
  return { sim, pool: new SkbPool(), pump: new Pump(sim, mode), seed: parseSeed(seed) };
}

export class Kernel extends KernelProcess {
  readonly hostname: string;
  /** This host's hosts file; names of the world are behind it. */
  readonly hosts: HostsFile;
  /** @internal The rooms below: what `world/`, `node/`, tools and tests build on. */
  readonly stack: HostStack;
  /** @internal Clock, pool and pump, shared by the hosts of a world. */
  readonly parts: WorldParts;
  /** Names: hosts files, then the name servers of its resolv.conf (none at first: nothing is asked over the network). */
  readonly resolver: HostResolver;
  /** Its rules for IPv4: what `sh('iptables …')` shows and changes. Nothing at first. */
  readonly firewall: Firewall;
  /** The same for IPv6: `sh('ip6tables …')`. */
  readonly firewall6: Firewall;
  /** The connections that rules and NAT know. */
  readonly conntrack: ConntrackView;
  private readonly settings: SysctlTable;
  /** @internal This host as its tools see it. */
  readonly tools: ToolHost;

  /** A host by itself. (`world` is for World: a host among others; after a crash its hosts file is still on the disk.) */
  constructor(options: KernelOptions = {}, world?: { parts: WorldParts; name: string; names: HostsFile; nth?: number; hosts?: HostsFile }) {
    if (world === undefined) checkOptions(options, KERNEL_OPTIONS, 'Kernel');
    const parts = world?.parts ?? makeParts(options.seed, options.mode);
    const name = world?.name ?? 'localhost';
    const stack = bootHost(parts, name, costModel(options.costs), world?.nth ?? 1, ipv6Mode(options.ipv6));
    super(stack.layer, { name: 'main', ...(options.openFiles === undefined ? {} : { openFiles: options.openFiles }) });
    this.hostname = name;
    this.parts = parts;
    this.stack = stack;
    this.hosts = world?.hosts ?? new HostsFile(world?.names ?? null);
    this.resolver = new HostResolver(stack, this.hosts, parts.seed);
    const { net, ip, ip6, tcp, udp } = stack;
    this.settings = new SysctlTable({
      core: net.sysctl,
      ipv4: ip.sysctl,
      neigh: ip.arp.table.parms,
      ipfrag: ip.frags.sysctl,
      ipv6: ip6.sysctl,
      neigh6: ip6.ndisc.table.parms,
      ip6frag: ip6.frags.sysctl,
      conf: (family, name) => confOf(stack, family, name),
      confNames: (family) => confNames(stack, family),
      udp: udp.sysctl,
      ping: stack.ping,
      unix: stack.unix.sysctl,
      conntrack: stack.nf.conntrack.sysctl,
      tcp: tcp.sysctl,
      congestion: () => tcpAvailableCongestionControl().map((ca) => ca.name),
    });
    for (const [key, value] of Object.entries(options.sysctl ?? {})) this.settings.set(key, value);
    this.tools = toolHost(stack, this.hosts, this.settings);
    this.firewall = new Firewall(firewalling(this.tools, 'iptables', 4));
    this.firewall6 = new Firewall(firewalling(this.tools, 'ip6tables', 6));
    this.conntrack = new ConntrackView(stack.nf);
  }

  /** A new process with descriptors of its own. The kernel itself has those of its first one, `main`. */
  process(options: ProcessOptions = {}): KernelProcess {
    checkOptions(options, PROCESS_OPTIONS, 'process');
    return new KernelProcess(this.stack.layer, options);
  }

  /** Reads a sysctl by its exact kernel name, or sets it: `kernel.sysctl('net.ipv4.tcp_sack', 0)`. Returns the value. */
  sysctl(name: string, value?: SysctlValue): SysctlValue {
    if (value !== undefined) this.settings.set(name, value);
    return this.settings.get(name);
  }

  /** The names of all sysctls, sorted. */
  sysctls(): readonly string[] {
    return this.settings.names();
  }

  /** All counters, under Linux's names. */
  nstat(): Record<MibName, number> {
    const out: Partial<Record<MibName, number>> = {};
    MIB_NAMES.forEach((name, i) => {
      out[name] = this.stack.net.mib[i]!;
    });
    return out as Record<MibName, number>;
  }

  /**
   * What a tool prints: `kernel.sh('ss -tan')`. Known are ss, ip, arp, nstat, netstat, ethtool, tc, sysctl; they look, and
   * `ip`, `sysctl` and the like change what they are told to.
   */
  sh(line: string): string {
    return sh(this.tools, line);
  }

  /** Runs a tool that takes time, and resolves to what it prints: `await kernel.exec('ping -c 3 bob')`. Others as `sh`. */
  async exec(line: string): Promise<string> {
    return await exec(this.tools, this.resolver, (name) => this.process({ name }), line);
  }

  /** Asks a host for an echo, several times: what came, when, and from whom. `String(result)` reads like ping(8). */
  async ping(target: string, options: PingOptions = {}): Promise<PingResult> {
    return await ping(this.tools, this.resolver, this.process({ name: 'ping' }), target, options);
  }

  /** The routers on the way to a host. `String(result)` reads like traceroute(8). */
  async traceroute(target: string, options: TracerouteOptions = {}): Promise<TracerouteResult> {
    return await traceroute(this.tools, this.resolver, this.process({ name: 'traceroute' }), target, options);
  }

  /** Makes this host a NAT device: `kernel.nat({ outside: 'eth1' })`; see {@link NatOptions}. It forwards from here on. */
  nat(options: NatOptions): NatHandle {
    return natSetup(this.stack.nf, { v4: this.firewall, v6: this.firewall6 }, options, (family) => {
      this.sysctl(family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding', 1);
    });
  }

  /** The kernel's log: what the target LOG has written, and warnings. Oldest first. */
  dmesg(): readonly string[] {
    return this.stack.nf.log.lines();
  }

  /** The sockets, as ss(8) lists them: `kernel.ss('-tani')`. */
  ss(args: string = '-a'): string {
    return sh(this.tools, `ss ${args}`);
  }

  /**
   * The queueing discipline of a device, with its counters; or another one for it: `kernel.qdisc('eth0', { kind: 'fq_codel' })`,
   * `{ kind: 'tbf', rate: '10mbit', burst: '32kib', latency: '50ms', child: { kind: 'fq' } }`, `'default'`. As lines:
   * `kernel.sh('tc qdisc …')`.
   *
   * @throws TypeError, RangeError that name the option and the accepted form; the old one stays then
   */
  qdisc(device: string, options?: QdiscOptions | 'default'): QdiscInfo {
    return hostQdisc(this.stack.net, device, options);
  }

  /** Prints the packets of a device while they pass, until `stop()` or the end of a `using` scope. */
  tcpdump(options: TcpdumpOptions = {}): Tcpdump {
    return tcpdump(this.tools, options);
  }

  /** The addresses of a host name, from hosts files. None when it is unknown. */
  resolve(name: string): readonly ResolvedAddress[] {
    return this.hosts.lookup(name);
  }

  /** unlink(2): takes the name of a Unix socket out of this host's file system. */
  unlink(path: string): void {
    if (typeof path !== 'string') throw new TypeError(`unlink: path is ${show(path)}; expected a string such as '/run/app.sock'`);
    const err = unixUnlink(this.stack.unix, path);
    if (err < 0) throw new KernelError(err, 'unlink', { address: path });
  }

  /** Is there a Unix socket's name at that path of this host's file system? */
  exists(path: string): boolean {
    return unixExists(this.stack.unix, path);
  }

  /** Virtual time in milliseconds since the world began. */
  get now(): number {
    return this.parts.sim.now / NS_PER_MS;
  }

  /** The host's own addresses, loopback included. */
  addresses(): string[] {
    return this.stack.net.devices.flatMap((dev) => (dev === null ? [] : this.addressesOf(dev.name)));
  }

  /** The addresses of one interface. */
  addressesOf(device: string): string[] {
    const dev = devGetByName(this.stack.net, device);
    return dev === null ? [] : inetAddrs(dev).map((ifa) => formatIpv4(ifa.addr));
  }
}
