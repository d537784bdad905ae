/** The symbols that a script may write, with Linux's values: those of the socket layer, of errno, and a few that only scripts use. */
import * as errno from '../../lib/errno.ts';
import * as socket from '../../sock/constants.ts';
import * as extended from '../../sock/extended-err.ts';

/** What no call of this host looks at, but scripts name: an option that is not there is answered by ENOPROTOOPT, as an old kernel would. */
const MORE: Readonly<Record<string, number>> = {
  SO_NO_CHECK: 11, SO_BSDCOMPAT: 14, SO_PEERNAME: 28, SO_PEERSEC: 31, SO_PASSSEC: 34, SO_RXQ_OVFL: 40, SO_WIFI_STATUS: 41,
  SO_NOFCS: 43, SO_LOCK_FILTER: 44, SO_SELECT_ERR_QUEUE: 45, SO_BUSY_POLL: 46, SO_MAX_PACING_RATE: 47, SO_BPF_EXTENSIONS: 48,
  SO_ATTACH_BPF: 50, SO_INCOMING_NAPI_ID: 56, SO_COOKIE: 57, SO_TXTIME: 61, SO_BINDTOIFINDEX: 62, SO_PREFER_BUSY_POLL: 69,
  SO_RESERVE_MEM: 73, SO_RCVMARK: 75, SO_RCVPRIORITY: 82,
  TCP_THIN_LINEAR_TIMEOUTS: 16, TCP_THIN_DUPACK: 17, TCP_REPAIR: 19, TCP_REPAIR_QUEUE: 20, TCP_QUEUE_SEQ: 21,
  TCP_REPAIR_OPTIONS: 22, TCP_TIMESTAMP: 24, TCP_REPAIR_WINDOW: 29, TCP_ULP: 31,
  TCP_FASTOPEN_KEY: 33, TCP_FASTOPEN_NO_COOKIE: 34, TCP_ZEROCOPY_RECEIVE: 35, TCP_TX_DELAY: 37,
  TCP_AO_REPAIR: 42, TCP_IS_MPTCP: 43, TCP_RTO_MAX_MS: 44, TCP_RTO_MIN_US: 45, TCP_DELACK_MAX_US: 46,
  IP_RECVOPTS: 6, IP_RETOPTS: 7, IP_MTU_PROBE: 10, IP_TRANSPARENT: 19, IP_MINTTL: 21, IP_NODEFRAG: 22, IP_CHECKSUM: 23,
  IP_RECVERR_RFC4884: 26, IP_UNICAST_IF: 50, IPV6_MINHOPCOUNT: 73, IPV6_TRANSPARENT: 75, IPV6_UNICAST_IF: 76, SOL_ICMP: 1,
  MSG_PROBE: 0x10, MSG_FIN: 0x200, MSG_SYN: 0x400, MSG_CONFIRM: 0x800, MSG_RST: 0x1000, MSG_WAITFORONE: 0x10000,
  MSG_TRYHARD: 0x4, MSG_NO_SHARED_FRAGS: 0x80000, SOCK_RDM: 4, SOCK_DCCP: 6, SOCK_PACKET: 10,
  POLLRDBAND: 0x80, POLLWRBAND: 0x200, POLLMSG: 0x400, POLLREMOVE: 0x1000, EPOLLRDBAND: 0x80, EPOLLWRBAND: 0x200, EPOLLMSG: 0x400,
  EPOLLWAKEUP: 0x20000000, O_APPEND: 0o2000, O_ASYNC: 0o20000, O_EXCL: 0o200, O_SYNC: 0o4010000,
  NULL: 0, O_CREAT: 0x40, O_TRUNC: 0x200,
  IPPROTO_ICMP: 1, IPPROTO_TCP: 6, IPPROTO_UDP: 17, IPPROTO_ICMPV6: 58,
  SO_EE_ORIGIN_NONE: 0, SO_EE_ORIGIN_TXSTATUS: 4, SO_EE_ORIGIN_TXTIME: 6,
};

const SYMBOLS: ReadonlyMap<string, number> = new Map(
  [...Object.entries(socket), ...Object.entries(extended), ...Object.entries(errno), ...Object.entries(MORE)]
    .filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
);

/** The value of a symbol, or `undefined`. */
export function symbolValue(name: string): number | undefined {
  return SYMBOLS.get(name);
}

/** The name of an error number. */
export function errorName(n: number): string {
  return errno.errnoName(n);
}
