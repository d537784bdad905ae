/**
 * Why a packet was dropped: Linux's `SKB_DROP_REASON_*` words. Every place that ends a packet's way before a socket or
 * a wire names one of these; nothing is lost silently. Outside a host, the fabric's own reasons follow at the end.
 */
export const Drop = {
  /** Not a drop: the packet did its work and is done. */
  NotDropped: 0,
  NotSpecified: 1,
  NoSocket: 2,
  PktTooSmall: 3,
  TcpCsum: 4,
  UdpCsum: 5,
  /** A rule of netfilter said so. */
  NetfilterDrop: 6,
  OtherHost: 7,
  IpCsum: 8,
  IpInHdr: 9,
  IpRpfilter: 10,
  UnicastInL2Multicast: 11,
  SocketRcvbuff: 12,
  ProtoMem: 13,
  /** nf_conntrack_max connections are known already, and none of them can be given up. */
  NfConntrackFull: 14,
  TcpFlags: 15,
  TcpZeroWindow: 16,
  TcpOldData: 17,
  TcpOverWindow: 18,
  TcpOfoMerge: 19,
  TcpRfc7323Paws: 20,
  TcpRfc7323TwPaws: 21,
  TcpOldSequence: 22,
  TcpInvalidSequence: 23,
  TcpInvalidAckSequence: 24,
  TcpReset: 25,
  TcpInvalidSyn: 26,
  TcpClose: 27,
  TcpOldAck: 28,
  TcpTooOldAck: 29,
  TcpAckUnsentData: 30,
  TcpOfoQueuePrune: 31,
  TcpAbortOnData: 33,
  TcpListenOverflow: 34,
  TcpReqQueueFull: 35,
  IpOutNoRoutes: 37,
  IpInNoRoutes: 38,
  IpLocalSource: 39,
  IpInvalidSource: 40,
  IpInvalidDest: 41,
  IpNoProto: 43,
  IcmpCsum: 44,
  InvalidProto: 45,
  NeighCreateFail: 46,
  NeighFailed: 47,
  NeighQueueFull: 48,
  NeighDead: 49,
  QdiscDrop: 50,
  QdiscOverlimit: 51,
  DevReady: 52,
  /** CoDel: it had waited too long. */
  QdiscCongested: 53,
  FullRing: 54,
  FqFlowLimit: 55,
  FqBandLimit: 74,
  FqHorizonLimit: 56,
  PktTooBig: 57,
  UnhandledProto: 61,
  ArpInvalid: 65,
  IcmpInvalid: 66,
  /** Freed with its socket, its device or its host. */
  Purged: 68,
  /** netdev_max_backlog packets wait already (loopback and other devices without a card). */
  CpuBacklog: 69,
  TcpMd5Unexpected: 70,
  /** A key is set for its sender, and it is not signed; it is signed with another. */
  TcpMd5NotFound: 58,
  TcpMd5Failure: 59,
  /** Its options are cut short, or it has two signatures. */
  TcpAuthHdr: 140,
  /** TCP-AO (RFC 5925): not signed, though its sender has a key; signed, for a socket without keys, by an unknown key, wrongly. */
  TcpAoNotFound: 141,
  TcpAoUnexpected: 142,
  TcpAoKeyNotFound: 143,
  TcpAoFailure: 144,
  TcpInvalidEndSequence: 71,
  TcpRfc7323Tsecr: 72,
  /** For an address that is not this host's, and it forwards nothing. */
  IpInAddrErrors: 73,
  // ---- fragments
  DupFrag: 110,
  FragReasmTimeout: 111,
  /** Too many fragments of other packets from its source came in between (ipfrag_max_dist). */
  FragTooFar: 112,
  /** It overlaps another piece: the whole packet is given up. */
  FragOverlap: 113,
  /** ipfrag_high_thresh is reached. */
  FragNoMemory: 114,
  /** Two ends, bytes behind the end, none at all, or ECN bits that cannot be. */
  FragInvalid: 115,
  /** Longer than a packet can be (the ping of death). */
  FragTooLong: 116,
  IgmpCsum: 117,
  IgmpInvalid: 118,
  // ---- IPv6
  /** There is no IPv6 on the device. */
  Ipv6disabled: 130,
  Ipv6BadExthdr: 131,
  Ipv6NdiscFrag: 132,
  /** Not 255: it came from beyond the link. */
  Ipv6NdiscHopLimit: 133,
  Ipv6NdiscBadCode: 134,
  Ipv6NdiscBadOptions: 135,
  /** A question about somebody else. */
  Ipv6NdiscNsOtherhost: 136,
  // ---- on the wire and in the card
  CableLoss: 80,
  CableRule: 81,
  CableQueueFull: 82,
  CableDown: 83,
  CableUnplugged: 84,
  FcsError: 85,
  MacFilter: 86,
  RxRingFull: 87,
  FrameTooLong: 88,
  FrameTooShort: 89,
  CardDown: 90,
  Partition: 91,
  // ---- in switches and hubs
  /** The state of the port that it came in by lets nothing pass (STP). */
  BridgeIngressStpState: 92,
  /** No other port leads to where it goes. */
  NoTxTarget: 93,
  /** For a VLAN that the port is no member of. */
  VlanFilter: 94,
  /** For one of the group addresses that end at the next switch (802.1D-1998 §7.12.6). */
  MacIeeeMacControl: 95,
  MacInvalidSource: 96,
  SwitchQueueFull: 97,
  /** It collided in each of its attempts. */
  ExcessiveCollisions: 98,
  /** A fault of a socket call: the connection hangs. */
  Fault: 99,
} as const;
export type Drop = (typeof Drop)[keyof typeof Drop];

/** One more than the highest reason: the size of a table of counters by reason. */
export const NR_DROP_REASONS: number = Math.max(...Object.values(Drop)) + 1;

/** Where Linux writes words together that we write apart. */
const TOGETHER: Readonly<Record<string, string>> = {
  OTHER_HOST: 'OTHERHOST', IP_IN_HDR: 'IP_INHDR', TCP_ZERO_WINDOW: 'TCP_ZEROWINDOW', TCP_OVER_WINDOW: 'TCP_OVERWINDOW',
  TCP_OFO_MERGE: 'TCP_OFOMERGE', IP_OUT_NO_ROUTES: 'IP_OUTNOROUTES', IP_IN_NO_ROUTES: 'IP_INNOROUTES', IP_NO_PROTO: 'IP_NOPROTO',
  NEIGH_CREATE_FAIL: 'NEIGH_CREATEFAIL', NEIGH_QUEUE_FULL: 'NEIGH_QUEUEFULL', TCP_MD5_NOT_FOUND: 'TCP_MD5NOTFOUND',
  TCP_MD5_UNEXPECTED: 'TCP_MD5UNEXPECTED', TCP_MD5_FAILURE: 'TCP_MD5FAILURE', IP_IN_ADDR_ERRORS: 'IP_INADDRERRORS',
  TCP_AO_NOT_FOUND: 'TCP_AONOTFOUND', TCP_AO_UNEXPECTED: 'TCP_AOUNEXPECTED', TCP_AO_KEY_NOT_FOUND: 'TCP_AOKEYNOTFOUND',
  TCP_AO_FAILURE: 'TCP_AOFAILURE', PURGED: 'QUEUE_PURGE',
};

function spelled(name: string): string {
  const words = name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toUpperCase();
  return Object.hasOwn(TOGETHER, words) ? TOGETHER[words]! : words;
}

const names: ReadonlyMap<number, string> = new Map(Object.entries(Drop).map(([name, value]) => [value, spelled(name)]));

/** The reason in the kernel's spelling, without its prefix: `TCP_OVERWINDOW`. */
export function dropName(reason: number): string {
  return names.get(reason) ?? `REASON_${String(reason)}`;
}
