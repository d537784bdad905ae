/**
 * Any socket, kernel end (Linux: struct sock): its queues and their accounting, its errors, its waiters, and the table of
 * what its protocol can do. `InetSock` adds the addresses of the Internet families.
 */
import { in6Any, type In6Addr } from '../lib/addr6.ts';
import type { Net } from '../dev/net.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { SkBuffHead } from '../skb/queue.ts';
import { AF_INET6, EPOLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, TCP_CLOSE } from './constants.ts';
import type { ErrorQueue } from './extended-err.ts';
import { Ipv6Pinfo } from './ipv6-pinfo.ts';
import type { MsgHdr, SockAddr } from './sockaddr.ts';
import { WaitQueue } from './wait-queue.ts';

/** Who paces a socket's packets: nobody; the transport with a timer of its own; fq, by the times that they carry. */
export const SK_PACING_NONE = 0;
export const SK_PACING_NEEDED = 1;
export const SK_PACING_FQ = 2;

/** A value of getsockopt/setsockopt: an int, a struct as an object, a string. */
export type SockoptValue = number | string | object;

/**
 * What a protocol does for its sockets (Linux: struct proto and proto_ops in one). Calls never wait: where a caller would
 * have to, they return `-EAGAIN` (or `-EINPROGRESS`) and the wait queue tells when to try again. Failures are negative errnos.
 */
export interface Proto {
  readonly name: string;
  bind(sk: Sock, addr: SockAddr): number;
  connect(sk: Sock, addr: SockAddr): number;
  /** connect() with AF_UNSPEC. */
  disconnect(sk: Sock): number;
  listen(sk: Sock, backlog: number): number;
  /** The next connection of the accept queue, or a negative errno. */
  accept(sk: Sock): Sock | number;
  /** Bytes taken from `msg.buf`, maybe fewer than asked. Copies them: the buffer is the caller's again. */
  sendmsg(sk: Sock, msg: MsgHdr): number;
  /** Bytes written to `msg.buf`; 0 at the end of a stream. */
  recvmsg(sk: Sock, msg: MsgHdr): number;
  /** POLL* bits that are true now. */
  poll(sk: Sock): number;
  shutdown(sk: Sock, how: number): number;
  /** The last descriptor is gone. The socket may live on in the kernel (FIN_WAIT…), without an owner. */
  close(sk: Sock): void;
  /** A close() that sleeps (`lingers`) has slept enough: now nobody refers to the socket any more. */
  closeEnd?(sk: Sock): void;
  /** `netAdmin`: the caller has CAP_NET_ADMIN, that is: its uid is 0. */
  setsockopt(sk: Sock, level: number, name: number, value: SockoptValue, netAdmin?: boolean): number;
  /** The value, or a negative errno wrapped in {@link SockoptError} (an int option may well be negative). */
  getsockopt(sk: Sock, level: number, name: number): SockoptValue | SockoptError;
  /** FIONREAD, SIOCOUTQ…: the number asked for, or a negative errno. */
  ioctl(sk: Sock, cmd: number): number;
  /** getsockname, or getpeername when `peer`; families other than the Internet's say it themselves. */
  getname?(sk: Sock, out: SockAddr, peer: boolean): number;
  /** A descriptor is gone, and others, or messages on their way, still refer to the socket. */
  descriptorGone?(sk: Sock): void;
  /** The connection in numbers, for SCM_TIMESTAMPING_OPT_STATS; of streams. */
  tstampStats?(sk: Sock): object;
  /** Joins two new sockets (socketpair); for families that can. */
  socketpair?(a: Sock, b: Sock): number;
}

/** A failed getsockopt. */
export class SockoptError {
  readonly errno: number;
  constructor(errno: number) {
    this.errno = errno;
  }
}

export class Sock {
  readonly net: Net;
  /** What it can do: its protocol's table. IPV6_ADDRFORM changes it, and faults of socket calls put another one in front. */
  prot: Proto;
  /** Of its addresses. Changes by IPV6_ADDRFORM alone. */
  family: number;
  readonly type: number;
  readonly protocol: number;
  /** TCP_* state; every protocol has one. */
  state: number = TCP_CLOSE;
  /** RCV_SHUTDOWN | SEND_SHUTDOWN. */
  shutdown = 0;
  /** Pending error, positive errno; reported once (SO_ERROR, or the next call). */
  err = 0;
  /** An error that may go away (ICMP unreachable during a handshake). */
  errSoft = 0;
  /** IP_RECVERR: errors with what they are about (`sock/error-queue.ts`); null until there is one. */
  errorQueue: ErrorQueue | null = null;
  /** No descriptor refers to it any more. */
  dead = false;
  /** Unhashed and done: only freed from here on. */
  destroyed = false;

  rcvbuf = 0;
  sndbuf = 0;
  /** The user set the size: auto-tuning keeps off (SOCK_RCVBUF_LOCK, SOCK_SNDBUF_LOCK). */
  rcvbufLocked = false;
  sndbufLocked = false;
  /** Bytes (truesize) in the receive side; bytes handed to the device and not yet freed; bytes in the send queues. */
  rmemAlloc = 0;
  wmemAlloc = 0;
  wmemQueued = 0;
  rcvlowat = 1;
  /** SO_PEEK_OFF: where MSG_PEEK looks next, from the first unread byte on; negative: always there. */
  peekOff = -1;
  readonly receiveQueue: SkBuffHead = new SkBuffHead();
  readonly writeQueue: SkBuffHead = new SkBuffHead();
  readonly wq: WaitQueue = new WaitQueue();
  /** A writer found the buffer full: tell it when there is room (SOCK_NOSPACE). */
  noSpace = false;
  /** Writers that wait for a connection to be there: their data will carry the handshake's ACK. */
  writePending = 0;
  /** Datagrams lost for want of receive buffer. */
  drops = 0;

  reuse = false;
  reuseport = false;
  broadcast = false;
  keepopen = false;
  lingerOn = false;
  /** Seconds. */
  lingerTime = 0;
  /** close() sleeps on the socket, which keeps its owner meanwhile. */
  lingers = false;
  /** ifindex of SO_BINDTODEVICE, 0 when none. */
  boundDevIf = 0;
  priority = 0;
  /** Bytes per second at which its packets go where something paces, and the most that it may be (SO_MAX_PACING_RATE). */
  pacingRate: number = Infinity;
  maxPacingRate: number = Infinity;
  /** Who paces: SK_PACING_*. */
  pacingStatus: number = SK_PACING_NONE;
  mark = 0;
  /** SO_RCVTIMEO, SO_SNDTIMEO in nanoseconds, 0 = for ever; used by the calls that wait. */
  rcvtimeoNs = 0;
  sndtimeoNs = 0;
  /** SO_TIMESTAMPING: SOF_TIMESTAMPING_* (`sock/timestamping.ts`); where the numbers of OPT_ID begin (TCP), the next one (UDP). */
  tsflags = 0;
  tskey = 0;
  /** SO_TIMESTAMP: 0 off, 1 on, 2 on as SO_TIMESTAMPNS. */
  rcvtstamp = 0;
  /** Whether it counts in `net.rxTimestampUsers`. */
  rxStamped = false;
  /** SO_ZEROCOPY, and the number of the next send that lends its memory (`sock/zerocopy.ts`). */
  zerocopy = false;
  zckey = 0;
  /** Bytes of notes that wait to be read, at most net.core.optmem_max. */
  omemAlloc = 0;
  /** SO_OOBINLINE: the urgent byte is one among the others. */
  urgInline = false;
  /** The process that owns it, for `ss -p` and errors; opaque here. */
  owner: object | null = null;

  constructor(net: Net, prot: Proto, family: number, type: number, protocol: number) {
    this.net = net;
    this.prot = prot;
    this.family = family;
    this.type = type;
    this.protocol = protocol;
    this.rcvbuf = net.sysctl.rmemDefault;
    this.sndbuf = net.sysctl.wmemDefault;
  }

  /** Bytes have come, or the end of the stream. */
  dataReady(): void {
    if (this.wq.active) this.wq.wake(POLLIN | POLLRDNORM);
  }

  /** There is room to write. */
  writeSpace(): void {
    if (this.wq.active) this.wq.wake(POLLOUT | POLLWRNORM);
  }

  /** The connection's state changed (connected, closed by the peer, a connection to accept). */
  stateChange(events: number): void {
    if (this.wq.active) this.wq.wake(events);
  }

  /** An error is pending. */
  errorReport(): void {
    if (this.wq.active) this.wq.wake(EPOLLERR);
  }

  /** Takes the pending error, as a negative errno or 0. It is reported once. */
  sockError(): number {
    const { err } = this;
    this.err = 0;
    return -err;
  }
}

/** A socket of the Internet families (Linux: struct inet_sock). Addresses are int32, ports in host order. */
export class InetSock extends Sock {
  /** The bound local address (0 = any), and the one that packets are sent from. */
  rcvSaddr = 0;
  saddr = 0;
  /** The peer, 0 when not connected. */
  daddr = 0;
  /** Local port, bound or chosen; 0 when none. */
  num = 0;
  dport = 0;
  /**
   * The bound address of an AF_INET6 socket: `::` before bind(), mapped IPv4 when it speaks IPv4, null on AF_INET sockets. Beside
   * it `rcvSaddr` is what IPv4 finds the socket by: 0, the mapped address, or LOOPBACK4_IPV6, which is nobody's.
   */
  v6RcvSaddr: In6Addr | null = null;
  /** Where its packets come from (null: not chosen yet), and the peer. Set only when the packets themselves are IPv6. */
  v6Saddr: In6Addr | null = null;
  v6Daddr: In6Addr | null = null;
  /** IPV6_V6ONLY. */
  v6only = false;
  /** Options of SOL_IPV6; null on AF_INET sockets. */
  np: Ipv6Pinfo | null = null;
  /** Stands for the flow in IPv6's automatic flow labels (Linux: sk_txhash); 0 = not chosen. */
  txhash = 0;
  tos = 0;
  /** IP_TTL, -1 = the system's default. */
  ttl = -1;
  mcTtl = 1;
  mcLoop = true;
  /** IP_MULTICAST_IF: device and source of datagrams to groups; 0 = by the route. */
  mcIndex = 0;
  mcAddr = 0;
  /** IP_MULTICAST_ALL: groups that others on this host have joined are heard, too. */
  mcAll = true;
  /** IP_OPTIONS: what stands in the header of its packets, padded; null when nothing. */
  ipOptions: Uint8Array | null = null;
  /** The groups that it is in (`ip/mcast.ts`), or null. */
  mcList: object | null = null;
  /** IP_MTU_DISCOVER. */
  pmtudisc = 1;
  recverr = false;
  freebind = false;
  bindAddressNoPort = false;
  /** IP_LOCAL_PORT_RANGE: low end, high end << 16; 0 = the system's. */
  localPortRange = 0;
  hdrincl = false;
  pktinfo = false;
  recvttl = false;
  recvtos = false;
  /** The bind bucket it is in (`sock/ports.ts`). */
  bindBucket: object | null = null;
  /** bind() named the address, the port: they survive disconnect (SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK). */
  bindAddrLock = false;
  bindPortLock = false;
  /** Sockets that share address and port by SO_REUSEPORT (`sock/reuseport.ts`). */
  reuseportGroup: object | null = null;
  nextBound: InetSock | null = null;
  prevBound: InetSock | null = null;
  /** Chain of the demultiplexing table that it is in. */
  hashNext: InetSock | null = null;
  hashed = false;
  /** The cached route (`ip/route.ts` Rtable), or null. */
  dst: object | null = null;
  /** Identification counter of IPv4 datagrams without DF. */
  inetId = 0;

  constructor(net: Net, prot: Proto, family: number, type: number, protocol: number) {
    super(net, prot, family, type, protocol);
    if (family === AF_INET6) {
      this.v6RcvSaddr = in6Any;
      this.np = new Ipv6Pinfo();
    }
  }
}

/** 127.0.0.6: the IPv4 address of a socket that is bound to an IPv6 one, so that no IPv4 packet finds it (as in Linux). */
export const LOOPBACK4_IPV6 = 0x7f000006;

/** Charges a received skb to its socket; undone when the skb is freed (Linux: skb_set_owner_r). */
export function skbSetOwnerR(skb: SkBuff, sk: Sock): void {
  skb.sk = sk;
  skb.destructor = sockRfree;
  sk.rmemAlloc += skb.truesize;
}

/** Gives back what `skbSetOwnerR` charged. */
export function sockRfree(skb: SkBuff): void {
  (skb.sk as Sock).rmemAlloc -= skb.truesize;
}
