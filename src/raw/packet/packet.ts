/**
 * AF_PACKET (packet(7)): frames as they are on a device, for programs that look on, and for protocols of one's own. Made once per host,
 * the maker of its sockets, and the table that `syscall/` calls.
 */
import type { NetDevice } from '../../dev/net-device.ts';
import type { Net, NetdevNotifier } from '../../dev/net.ts';
import { devMcAdd, devMcDel } from '../../dev/mc-list.ts';
import { devSetAllmulti, devSetPromiscuity } from '../../dev/promiscuity.ts';
import { devGetByIndex } from '../../dev/registry.ts';
import { devAddTap, devRemoveTap } from '../../dev/taps.ts';
import {
  EADDRNOTAVAIL, EINVAL, ENETDOWN, ENODEV, ENOPROTOOPT, EOPNOTSUPP, ESOCKTNOSUPPORT,
} from '../../lib/errno.ts';
import { copyBits } from '../../skb/copy.ts';
import { consumeSkb } from '../../skb/pool.ts';
import {
  MSG_PEEK, MSG_TRUNC, PACKET_ADD_MEMBERSHIP, PACKET_DROP_MEMBERSHIP, PACKET_IGNORE_OUTGOING, PACKET_MR_ALLMULTI,
  PACKET_MR_MULTICAST, PACKET_MR_PROMISC, PACKET_STATISTICS, SHUTDOWN_MASK, SOCK_DGRAM, SOCK_RAW, SOL_PACKET,
} from '../../sock/constants.ts';
import { datagramHead, datagramIoctl, datagramPoll, sockPurgeQueues } from '../../sock/datagram.ts';
import { type Proto, type Sock, SockoptError, type SockoptValue } from '../../sock/sock.ts';
import type { LinkAddr, MsgHdr, SockAddr } from '../../sock/sockaddr.ts';
import { PacketHook } from './input.ts';
import { linkDevice, packetSendmsg } from './output.ts';
import { PacketSock, PacketTable, type PacketMembership } from './sock.ts';

export { PacketSock, PacketTable } from './sock.ts';

/** Devices come and go: sockets that look at all of them follow; those of one device are told that it is down. */
class Follower implements NetdevNotifier {
  private readonly table: PacketTable;

  constructor(table: PacketTable) {
    this.table = table;
  }

  changed(dev: NetDevice, what: Parameters<NetdevNotifier['changed']>[1]): void {
    for (const sk of this.table.hooked) {
      if (what === 'up' && (sk.ifindex === 0 || sk.ifindex === dev.ifindex)) watch(sk, dev);
      else if (what === 'unregister') unwatch(sk, dev);
      else if (what === 'down' && sk.ifindex === dev.ifindex) {
        sk.err = ENETDOWN;
        sk.errorReport();
      }
    }
  }
}

/** Makes the packet sockets' side of a host. */
export function packetInit(net: Net): PacketTable {
  const table = new PacketTable(net);
  net.notifiers.push(new Follower(table));
  return table;
}

/** A new socket; it hears `protocol` (EtherType in host order, ETH_P_ALL, 0 = nothing yet) on all devices at once. */
export function packetCreateSock(table: PacketTable, type: number, protocol: number): PacketSock | number {
  if (type !== SOCK_RAW && type !== SOCK_DGRAM) return -ESOCKTNOSUPPORT;
  const sk = new PacketSock(table, packetProt, type, protocol & 0xffff);
  sk.tap = new PacketHook(sk);
  hook(sk);
  return sk;
}

// ---- looking on

function watch(sk: PacketSock, dev: NetDevice): void {
  if (sk.devices.has(dev)) return;
  sk.devices.add(dev);
  devAddTap(dev, sk.tap!);
}

function unwatch(sk: PacketSock, dev: NetDevice): void {
  if (sk.devices.delete(dev)) devRemoveTap(dev, sk.tap!);
}

function hook(sk: PacketSock): void {
  if (sk.num === 0) return;
  sk.table.hooked.add(sk);
  for (const dev of sk.net.devices) if (dev !== null && (sk.ifindex === 0 || dev.ifindex === sk.ifindex)) watch(sk, dev);
}

function unhook(sk: PacketSock): void {
  sk.table.hooked.delete(sk);
  for (const dev of [...sk.devices]) unwatch(sk, dev);
}

// ---- the calls

/** One device, or none in particular; the protocol too, unless it is 0. */
function packetBind(sock: Sock, addr: SockAddr): number {
  const sk = sock as PacketSock;
  const { ll } = addr;
  if (ll === null) return -EINVAL;
  const dev = linkDevice(sk.net, ll);
  if (dev === null && (ll.ifindex !== 0 || ll.device !== '')) return -ENODEV;
  unhook(sk);
  sk.ifindex = dev === null ? 0 : dev.ifindex;
  if (ll.protocol !== 0) sk.num = ll.protocol;
  hook(sk);
  if (dev !== null && !dev.up) {
    sk.err = ENETDOWN;
    sk.errorReport();
  }
  return 0;
}

/** The next frame. `msg.name` says by which device it came (or goes), what kind it is, and who sent it. */
function packetRecvmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as PacketSock;
  msg.msgFlags = 0;
  msg.hasName = false;
  const skb = datagramHead(sk, msg);
  if (typeof skb === 'number') return skb;
  const { len } = skb;
  const copied = Math.min(len, msg.len);
  if (copied > 0) copyBits(skb, 0, msg.buf, msg.off, copied);
  if (copied < len) msg.msgFlags |= MSG_TRUNC;
  msg.name.setLink(skb.dst as LinkAddr);
  msg.hasName = true;
  msg.control = null;
  if ((msg.flags & MSG_PEEK) === 0) {
    sk.receiveQueue.unlink(skb);
    skb.dst = null;
    consumeSkb(skb);
  }
  return (msg.flags & MSG_TRUNC) !== 0 ? len : copied;
}

function packetClose(sock: Sock): void {
  const sk = sock as PacketSock;
  if (sk.destroyed) return;
  sk.dead = true;
  sk.destroyed = true;
  sk.shutdown = SHUTDOWN_MASK;
  unhook(sk);
  for (const membership of sk.memberships.splice(0)) apply(membership, -1);
  sockPurgeQueues(sk);
}

/** By and by: what a membership asks of the card. */
function apply({ dev, type, address }: PacketMembership, by: number): void {
  if (type === PACKET_MR_PROMISC) devSetPromiscuity(dev, by);
  else if (type === PACKET_MR_ALLMULTI) devSetAllmulti(dev, by);
  else if (by > 0) devMcAdd(dev, address!);
  else devMcDel(dev, address!);
}

/** As PACKET_ADD_MEMBERSHIP takes it: the device by name or number. */
interface Mreq {
  readonly interface?: string;
  readonly ifindex?: number;
  readonly type?: number;
  readonly address?: Uint8Array;
}

function membershipOf(sk: PacketSock, value: SockoptValue): PacketMembership | number {
  if (typeof value !== 'object') return -EINVAL;
  const { ifindex = 0, type = -1, address = null, ...rest } = value as Mreq;
  const ll: LinkAddr = { protocol: 0, ifindex, device: rest.interface ?? '', hatype: 0, pkttype: 0, addr: NO_ADDRESS };
  const dev = linkDevice(sk.net, ll);
  if (dev === null) return -ENODEV;
  if (type !== PACKET_MR_PROMISC && type !== PACKET_MR_ALLMULTI && type !== PACKET_MR_MULTICAST) return -EINVAL;
  if (type === PACKET_MR_MULTICAST && (address === null || address.length !== 6 || (address[0]! & 1) === 0)) return -EINVAL;
  return { dev, type, address };
}

const NO_ADDRESS: Uint8Array = new Uint8Array(0);

function changeMembership(sk: PacketSock, value: SockoptValue, add: boolean): number {
  const asked = membershipOf(sk, value);
  if (typeof asked === 'number') return asked;
  if (add) {
    sk.memberships.push(asked);
    apply(asked, 1);
    return 0;
  }
  const same = (a: Uint8Array | null, b: Uint8Array | null): boolean => a === b || String(a) === String(b);
  const at = sk.memberships.findIndex((m) => m.dev === asked.dev && m.type === asked.type && same(m.address, asked.address));
  if (at < 0) return -EADDRNOTAVAIL;
  apply(sk.memberships.splice(at, 1)[0]!, -1);
  return 0;
}

function packetSetsockopt(sock: Sock, level: number, name: number, value: SockoptValue): number {
  const sk = sock as PacketSock;
  if (level !== SOL_PACKET) return -ENOPROTOOPT;
  switch (name) {
    case PACKET_ADD_MEMBERSHIP: return changeMembership(sk, value, true);
    case PACKET_DROP_MEMBERSHIP: return changeMembership(sk, value, false);
    case PACKET_IGNORE_OUTGOING:
      if (value !== 0 && value !== 1) return -EINVAL;
      sk.ignoreOutgoing = value === 1;
      return 0;
    default: return -ENOPROTOOPT;
  }
}

/** PACKET_STATISTICS: what was heard, and what of it was lost for want of receive buffer; zero again after it was read. */
function packetGetsockopt(sock: Sock, level: number, name: number): SockoptValue | SockoptError {
  const sk = sock as PacketSock;
  if (level !== SOL_PACKET) return new SockoptError(-ENOPROTOOPT);
  if (name === PACKET_IGNORE_OUTGOING) return Number(sk.ignoreOutgoing);
  if (name !== PACKET_STATISTICS) return new SockoptError(-ENOPROTOOPT);
  const stats = { packets: sk.tpPackets, drops: sk.tpDrops };
  sk.tpPackets = 0;
  sk.tpDrops = 0;
  return stats;
}

function packetGetname(sock: Sock, out: SockAddr, peer: boolean): number {
  const sk = sock as PacketSock;
  if (peer) return -EOPNOTSUPP;
  const dev = devGetByIndex(sk.net, sk.ifindex);
  const addr = dev === null ? NO_ADDRESS : dev.addr.slice();
  out.setLink({ protocol: sk.num, ifindex: sk.ifindex, device: dev?.name ?? '', hatype: dev?.type ?? 0, pkttype: 0, addr });
  return 0;
}

/** The Proto of AF_PACKET. */
export const packetProt: Proto = {
  name: 'PACKET',
  bind: packetBind,
  connect: () => -EOPNOTSUPP,
  disconnect: () => -EOPNOTSUPP,
  listen: () => -EOPNOTSUPP,
  accept: () => -EOPNOTSUPP,
  sendmsg: packetSendmsg,
  recvmsg: packetRecvmsg,
  poll: datagramPoll,
  shutdown: () => -EOPNOTSUPP,
  close: packetClose,
  setsockopt: packetSetsockopt,
  getsockopt: packetGetsockopt,
  ioctl: datagramIoctl,
  getname: packetGetname,
};
