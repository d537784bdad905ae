/**
 * Boot: the one place that sees every room, and fills the tables by which packets and calls find their way up and down.
 *
 *   devices   lo, and one Ethernet card per interface
 *   up        packet types (dev) ← ip, arp;  protocols (ip) ← icmp, tcp, udp
 *   down      socket families (syscall) ← tcp, udp, raw, ping, packet, unix
 */
import { registerEthernet } from '../dev/ethernet.ts';
import { registerLoopback } from '../dev/loopback.ts';
import { Net } from '../dev/net.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { devOpen } from '../dev/registry.ts';
import { Softnet } from '../dev/softnet.ts';
import { Port } from '../fabric/port.ts';
import { inetIsLocal } from '../ip/devinet.ts';
import { netfilterFamily4 } from '../ip/filter/family4.ts';
import { netfilterFamily6 } from '../ip/filter/family6.ts';
import { netfilterInit, type Netfilter } from '../ip/filter/netfilter.ts';
import { ipv4Init, type Ipv4 } from '../ip/ipv4.ts';
import { applyMode, type Ipv6Mode } from '../ip/v6/conf.ts';
import { ipv6Init, type Ipv6 } from '../ip/v6/ipv6.ts';
import { INADDR_LOOPBACK } from '../lib/addr.ts';
import { assert } from '../lib/assert.ts';
import { EACCES, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '../lib/errno.ts';
import { Random } from '../lib/random.ts';
import { Card } from '../nic/card.ts';
import type { CardOptions } from '../nic/options.ts';
import type { SkbPool } from '../skb/pool.ts';
import { PingTable, pingAllowed, pingCreateSock } from '../raw/ping.ts';
import { packetCreateSock, packetInit } from '../raw/packet/packet.ts';
import { rawCreateSock, rawInit, type RawTable } from '../raw/raw.ts';
import { Ping6Input, ping6CreateSock } from '../raw/v6/ping.ts';
import { raw6CreateSock, raw6Init } from '../raw/v6/raw6.ts';
import type { Raw6Table } from '../raw/v6/sock.ts';
import {
  AF_INET, AF_INET6, AF_PACKET, AF_UNIX, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_RAW,
  SOCK_STREAM,
} from '../sock/constants.ts';
import type { Sock } from '../sock/sock.ts';
import { skbTstampTx } from '../sock/timestamping.ts';
import { SocketLayer, type Process } from '../syscall/process.ts';
import { tcpCreateSock, tcpInit, tcpV6Init } from '../tcp/init.ts';
import type { TcpProto } from '../tcp/proto.ts';
import { Cpu, type CostModel } from '../time/cpu.ts';
import type { Pump } from '../time/pump.ts';
import type { Simulation } from '../time/simulation.ts';
import { unixCreateSock, unixInit, type UnixTable } from '../unix/unix.ts';
import { udpCreateSock, udpInit, udpV6Init, type UdpProto } from '../udp/udp.ts';

/** What hosts of one world share. */
export interface WorldParts {
  readonly sim: Simulation;
  readonly pool: SkbPool;
  readonly pump: Pump;
  readonly seed: number;
}

/** A running network stack. */
export interface HostStack {
  readonly net: Net;
  readonly ip: Ipv4;
  readonly ip6: Ipv6;
  readonly tcp: TcpProto;
  readonly udp: UdpProto;
  readonly raw: RawTable;
  readonly raw6: Raw6Table;
  readonly ping: PingTable;
  readonly unix: UnixTable;
  readonly nf: Netfilter;
  readonly layer: SocketLayer;
  readonly lo: NetDevice;
}

/** An interface to be made. */
export interface InterfaceConfig {
  readonly name: string;
  readonly mac: Uint8Array;
  /** Names the port in captures and drops: `alice.eth0`. */
  readonly portName: string;
  readonly mtu?: number | undefined;
  readonly card?: CardOptions | undefined;
  /** The socket in the wall, when there is one already: a host that boots again finds its cables plugged in. */
  readonly port?: Port | undefined;
}

/**
 * Boots a host: loopback is up with 127.0.0.1/8 and ::1/128, sockets can be made. `nth` counts the boots of this host from 1:
 * each has its own stream of chance, so that secrets and first sequence numbers are new ones. `mode`: how cards get IPv6 addresses.
 */
export function bootHost(parts: WorldParts, name: string, costs: CostModel, nth: number, mode: Ipv6Mode = 'static'): HostStack {
  const { sim, pool, pump, seed } = parts;
  const cpu = new Cpu(sim, costs);
  const net = new Net(name, sim, cpu, pool, Random.stream(seed, nth === 1 ? `host:${name}` : `host:${name}:${String(nth)}`));
  net.seed = seed;
  net.softnet = new Softnet(net);
  net.txTimestamp = skbTstampTx;
  const ip = ipv4Init(net);
  const ip6 = ipv6Init(net, Random.stream(seed, `host6:${name}:${String(nth)}`));
  applyMode(ip6.confDefault, mode);
  const nf = netfilterInit(net, Random.stream(seed, nth === 1 ? `netfilter:${name}` : `netfilter:${name}:${String(nth)}`));
  netfilterFamily4(nf, ip);
  netfilterFamily6(nf, ip6);
  ip.warn = (line): void => nf.log.writeLimited(line);
  const tcp = tcpInit(net, ip);
  const udp = udpInit(net, ip);
  tcpV6Init(tcp, ip6);
  udpV6Init(udp, ip6);
  const layer = new SocketLayer(net);
  const raw = rawInit(net, ip);
  const raw6 = raw6Init(net, ip6);
  const ping = new PingTable(raw, ip6, (table) => new Ping6Input(table));
  const inet: InetProtocols = { tcp, udp, raw, raw6, ping, ip6 };
  layer.families.set(AF_INET, (type, protocol, process) => createInet(inet, type, protocol, process));
  const packets = packetInit(net);
  layer.families.set(AF_PACKET, (type, protocol, { uid }) => uid === 0 ? packetCreateSock(packets, type, protocol) : -EPERM);
  const unix = unixInit(net);
  layer.families.set(AF_UNIX, (type, protocol) => unixCreateSock(unix, type, protocol));
  layer.families.set(AF_INET6, (type, protocol, process) => createInet6(inet, type, protocol, process));
  if (pump.mode === 'real') layer.syncClock = (): void => pump.sync();
  cpu.enter(0);
  const lo = registerLoopback(net);
  devOpen(lo); // gets its address with that
  cpu.exit();
  assert(inetIsLocal(ip, INADDR_LOOPBACK), 'the loopback device has 127.0.0.1');
  return { net, ip, ip6, tcp, udp, raw, raw6, ping, unix, nf, layer, lo };
}

/** socket(AF_INET, …): by type, and by protocol where it is given (Linux: inet_create). */
function createInet(to: InetProtocols, type: number, protocol: number, process: Process): Sock | number {
  if (type === SOCK_STREAM) return protocol === 0 || protocol === IPPROTO_TCP ? tcpCreateSock(to.tcp) : -EPROTONOSUPPORT;
  if (type === SOCK_DGRAM) {
    if (protocol === IPPROTO_ICMP) return pingAllowed(to.ping, process.gid) ? pingCreateSock(to.ping) : -EACCES;
    return protocol === 0 || protocol === IPPROTO_UDP ? udpCreateSock(to.udp) : -EPROTONOSUPPORT;
  }
  if (type !== SOCK_RAW) return -ESOCKTNOSUPPORT;
  if (protocol === IPPROTO_IP) return -EPROTONOSUPPORT;
  return process.uid === 0 ? rawCreateSock(to.raw, protocol) : -EPERM; // raw(7): root, or CAP_NET_RAW
}

/** socket(AF_INET6, …), likewise; net.ipv6.bindv6only decides whether TCP and UDP hear IPv4, too. */
function createInet6(to: InetProtocols, type: number, protocol: number, process: Process): Sock | number {
  if (type === SOCK_RAW) {
    if (protocol === IPPROTO_IP) return -EPROTONOSUPPORT;
    return process.uid === 0 ? raw6CreateSock(to.raw6, protocol) : -EPERM;
  }
  if (type !== SOCK_STREAM && type !== SOCK_DGRAM) return -ESOCKTNOSUPPORT;
  if (type === SOCK_DGRAM && protocol === IPPROTO_ICMPV6) {
    return pingAllowed(to.ping, process.gid) ? ping6CreateSock(to.ping) : -EACCES;
  }
  const own = type === SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
  if (protocol !== 0 && protocol !== own) return -EPROTONOSUPPORT;
  const sk = type === SOCK_STREAM ? tcpCreateSock(to.tcp, AF_INET6) : udpCreateSock(to.udp, AF_INET6);
  sk.v6only = to.ip6.sysctl.bindv6only !== 0;
  return sk;
}

/** Who makes sockets of AF_INET and AF_INET6. */
interface InetProtocols {
  readonly tcp: TcpProto;
  readonly udp: UdpProto;
  readonly raw: RawTable;
  readonly raw6: Raw6Table;
  readonly ping: PingTable;
  readonly ip6: Ipv6;
}

/** Gives a host an Ethernet card; the device is up. */
export function addEthernet(stack: HostStack, config: InterfaceConfig): { readonly dev: NetDevice; readonly card: Card } {
  const { net } = stack;
  const card = new Card(net.cpu, config.port ?? new Port(config.portName), config.mac, config.card);
  net.cpu.enter(0);
  const dev = registerEthernet(net, card, { name: config.name, ...(config.mtu === undefined ? {} : { mtu: config.mtu }) });
  devOpen(dev);
  net.cpu.exit();
  return { dev, card };
}
