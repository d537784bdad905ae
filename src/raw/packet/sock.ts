/** AF_PACKET sockets of one host: state only (Linux: struct packet_sock). The verbs are in the other files. */
import type { NetDevice } from '../../dev/net-device.ts';
import type { Net } from '../../dev/net.ts';
import type { PacketTap } from '../../dev/taps.ts';
import { AF_PACKET } from '../../sock/constants.ts';
import { type Proto, Sock } from '../../sock/sock.ts';

/** What PACKET_ADD_MEMBERSHIP asks for (struct packet_mreq). */
export interface PacketMembership {
  readonly dev: NetDevice;
  /** PACKET_MR_*. */
  readonly type: number;
  /** The group, for PACKET_MR_MULTICAST. */
  readonly address: Uint8Array | null;
}

export class PacketTable {
  readonly net: Net;
  /** Sockets that hear something, in the order in which they began to. */
  readonly hooked: Set<PacketSock> = new Set();

  constructor(net: Net) {
    this.net = net;
  }
}

export class PacketSock extends Sock {
  readonly table: PacketTable;
  /** EtherType that is heard, host order; 0: nothing. */
  num: number;
  /** Of bind(); 0: all devices. */
  ifindex = 0;
  /** Looks on for it, on these devices. */
  tap: PacketTap | null = null;
  readonly devices: Set<NetDevice> = new Set();
  readonly memberships: PacketMembership[] = [];
  /** PACKET_STATISTICS, since they were read last. */
  tpPackets = 0;
  tpDrops = 0;
  /** PACKET_IGNORE_OUTGOING. */
  ignoreOutgoing = false;

  constructor(table: PacketTable, prot: Proto, type: number, protocol: number) {
    super(table.net, prot, AF_PACKET, type, protocol);
    this.table = table;
    this.num = protocol;
  }
}
