/**
 * The host under test in a lab: a whole kernel, whose one network card hangs on the test's wire. Work costs no time, so
 * that every moment on the wire is exact; the neighbour at the other end is known, so that no ARP stands between.
 */
import type { Net } from '../dev/net.ts';
import { devOpen, registerNetdevice } from '../dev/registry.ts';
import { Kernel } from '../host/kernel.ts';
import { inetAddrAdd } from '../ip/devinet.ts';
import type { Ipv4 } from '../ip/ipv4.ts';
import { inet6AddrAdd } from '../ip/v6/addrconf.ts';
import { ipv4 } from '../lib/addr.ts';
import { parseIpv6, type In6Addr } from '../lib/addr6.ts';
import { assert } from '../lib/assert.ts';
import { NEIGH_UPDATE_F_ADMIN, NEIGH_UPDATE_F_OVERRIDE, NUD_PERMANENT, neighUpdate } from '../neigh/neighbour.ts';
import type { SkbPool } from '../skb/pool.ts';
import { AF_INET, AF_INET6 } from '../sock/constants.ts';
import type { Process } from '../syscall/process.ts';
import { sysClose } from '../syscall/socket.ts';
import type { EhashEntry } from '../tcp/hashtables.ts';
import type { TcpProto } from '../tcp/proto.ts';
import { TcpSock } from '../tcp/sock.ts';
import type { Simulation } from '../time/simulation.ts';
import { LabWire, PEER_MAC } from './lab-wire.ts';

/** 192.168.0.1/24 on eth0; the peer is 192.168.0.2. */
export const HOST_ADDR: number = ipv4(192, 168, 0, 1);
export const PEER_ADDR: number = ipv4(192, 168, 0, 2);

/** The same over IPv6. */
export const HOST_ADDR6: In6Addr = parseIpv6('fd3d:fa7b:d17d::1')!;
export const PEER_ADDR6: In6Addr = parseIpv6('fd3d:fa7b:d17d::2')!;

/** What a lab may set before its host boots. */
export interface LabHostOptions {
  /** What the lines are about: IPv4 packets (the default) or IPv6 packets. A script runs over both. */
  readonly family?: 4 | 6;
  /** Of the host's card. Default 1500; 1520 over IPv6, so that the MSS is the same, 1460. */
  readonly mtu?: number;
  /** Super-packets leave as they are (TSO), checksums are not computed. Default false: one segment per line. */
  readonly tso?: boolean;
  /** Default 1. */
  readonly seed?: number;
  /** By exact kernel name, `net.ipv4.` may be left out: `{ tcp_timestamps: 0, tcp_rmem: '4096 87380 6291456' }`. */
  readonly sysctl?: Readonly<Record<string, number | string>>;
}

export class LabHost {
  readonly kernel: Kernel;
  readonly sim: Simulation;
  readonly pool: SkbPool;
  readonly net: Net;
  readonly wire: LabWire;
  readonly ip: Ipv4;
  readonly family: 4 | 6;
  readonly tcp: TcpProto;
  /** The program of the test. */
  readonly process: Process;
  /** Where its servers listen unless a test says otherwise. */
  readonly firstPort = 80;
  /** Checksums may be missing, segments may be larger than the MTU. */
  readonly offload: boolean;

  constructor(options: LabHostOptions = {}) {
    const sysctl: Record<string, number | string> = {};
    for (const [name, value] of Object.entries(options.sysctl ?? {})) sysctl[name.startsWith('net.') ? name : `net.ipv4.${name}`] = value;
    this.kernel = new Kernel({ seed: options.seed ?? 1, costs: 'zero', mode: 'manual', sysctl });
    const { stack, parts } = this.kernel;
    this.sim = parts.sim;
    this.sim.onBusy = null; // the lab drives the clock itself
    this.pool = parts.pool;
    this.net = stack.net;
    this.ip = stack.ip;
    this.tcp = stack.tcp;
    this.process = this.kernel.proc;
    this.family = options.family ?? 4;
    this.offload = options.tso === true;
    this.wire = new LabWire(this.net, options.mtu ?? (this.family === 6 ? 1520 : 1500), this.offload);
    this.plugIn();
    this.pool.drops.fill(0);
  }

  private plugIn(): void {
    const { net, wire } = this;
    net.cpu.enter(0);
    registerNetdevice(net, wire.dev);
    devOpen(wire.dev);
    const err = inetAddrAdd(wire.dev, HOST_ADDR, 24);
    assert(err === 0, 'a fresh device takes an address');
    const neigh = this.ip.arp.table.lookup(wire.dev, PEER_ADDR);
    assert(neigh !== null, 'a fresh table has room for a neighbour');
    neighUpdate(neigh, PEER_MAC, 0, NUD_PERMANENT, NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE);
    if (this.family === 6) this.plugIn6();
    net.cpu.exit();
    wire.sent.length = 0;
  }

  private plugIn6(): void {
    const { dev } = this.wire;
    const err = inet6AddrAdd(dev, HOST_ADDR6, 64);
    assert(err === 0, 'a fresh device takes an address');
    const neigh = this.kernel.stack.ip6.ndisc.table.lookup6(dev, PEER_ADDR6);
    assert(neigh !== null, 'a fresh table has room for a neighbour');
    neighUpdate(neigh, PEER_MAC, 0, NUD_PERMANENT, NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE);
  }

  /** The address family of the sockets that a lab makes. */
  get socketFamily(): number {
    return this.family === 6 ? AF_INET6 : AF_INET;
  }

  /** Who is in the table between these ports of host and peer, or null. */
  entryOf(hostPort: number, peerPort: number): EhashEntry | null {
    const { established } = this.tcp;
    if (this.family === 6) return established.find6(HOST_ADDR6, hostPort, PEER_ADDR6, peerPort, 0);
    return established.lookup(HOST_ADDR, hostPort, PEER_ADDR, peerPort, 0);
  }

  /** Runs user code that is ready. */
  runTasks(): void {
    for (let task = this.sim.takeTask(); task !== null; task = this.sim.takeTask()) task.run();
  }

  /** Closes a descriptor of the program. */
  closeFd(fd: number): void {
    sysClose(this.process, fd);
  }

  /** All connections that have a full socket. */
  tcpSocks(): TcpSock[] {
    return this.tcp.established.entries().filter((e): e is TcpSock => e instanceof TcpSock);
  }

}
