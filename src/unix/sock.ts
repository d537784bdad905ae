/**
 * Unix sockets of one host: state only (Linux: struct unix_sock, the tables of af_unix.c). The verbs are in the other files.
 */
import type { Net } from '../dev/net.ts';
import { AF_UNIX, SOCK_STREAM } from '../sock/constants.ts';
import type { PassedFile, Ucred } from '../sock/scm.ts';
import { type Proto, Sock } from '../sock/sock.ts';

/** `net.unix.*`: exact kernel names are bound to these in host/sysctl. */
export class UnixSysctl {
  /** Datagrams that may wait for a socket that is not connected back. */
  maxDgramQlen = 10;
}

/** Longest path (Linux: sizeof sun_path), in bytes of UTF-8. */
export const UNIX_PATH_MAX = 108;

export class UnixTable {
  readonly net: Net;
  readonly sysctl: UnixSysctl = new UnixSysctl();
  /** The file system: what bind() made, and nobody unlinked. Null: its socket is gone. */
  readonly paths: Map<string, UnixSock | null> = new Map();
  /** Names that begin with a zero byte: they end with their sockets. */
  readonly abstract: Map<string, UnixSock> = new Map();
  /** Sockets that are in messages on their way, and how many times (Linux: unix_sk(s)->inflight). */
  readonly inflight: Map<UnixSock, number> = new Map();
  /** Files on their way, by user. */
  readonly inflightByUser: Map<number, number> = new Map();
  /** All that are open, in the order in which they were made (`ss -x`), and the number that the next one gets. */
  readonly sockets: Set<UnixSock> = new Set();
  nextIno = 1;
  /** Sockets being closed by the collector: it is not started again by them. */
  collecting = false;

  constructor(net: Net) {
    this.net = net;
  }
}

/** What an skb of a Unix socket carries beside its bytes; hangs in `skb.dst`. */
export class UnixCb {
  readonly creds: Ucred;
  /** The sender's name, '' when it has none. */
  readonly name: string;
  /** Files; taken out by the reader. */
  files: readonly PassedFile[] | null = null;

  constructor(creds: Ucred, name: string) {
    this.creds = creds;
    this.name = name;
  }
}

export class UnixSock extends Sock {
  readonly table: UnixTable;
  /** Its number in the host (Linux: that of its inode). */
  readonly ino: number;
  /** '' when it has none; `\0…` in the abstract namespace. */
  path = '';
  /** The key in `table.paths`. */
  pathKey: string | null = null;
  peer: UnixSock | null = null;
  /** Who was at the other end when it was connected (SO_PEERCRED). */
  peerCreds: Ucred | null = null;
  /** Who listens here, for those who connect. */
  ownCreds: Ucred | null = null;
  passcred = false;
  /** The file that descriptors refer to, since it was sent in a message for the first time. */
  file: PassedFile | null = null;
  /** Connections that may wait to be accepted; messages that may wait to be read. */
  maxAckBacklog: number;
  /** The accept queue: sockets that were made by connect() and not accepted yet. */
  acceptHead: UnixSock | null = null;
  acceptTail: UnixSock | null = null;
  acceptNext: UnixSock | null = null;
  acceptLen = 0;
  /** Made by connect(), and not accepted yet. */
  embryo = false;
  /** Who waits until there is room here: for a connection, or for a message. */
  readonly waiters: Set<UnixSock> = new Set();
  /** Sockets that are connected to this one and not the other way round (SOCK_DGRAM). */
  readonly connectedHere: Set<UnixSock> = new Set();
  /** Bytes that can be read (streams and seqpackets). */
  rcvBytes = 0;
  /** What skbs without files carry: one for all, as long as sender and name are the same. */
  cb: UnixCb | null = null;

  constructor(table: UnixTable, prot: Proto, type: number) {
    super(table.net, prot, AF_UNIX, type, 0);
    this.table = table;
    this.ino = table.nextIno++;
    table.sockets.add(this);
    this.maxAckBacklog = table.sysctl.maxDgramQlen;
  }

  get stream(): boolean {
    return this.type === SOCK_STREAM;
  }
}

const ROOT: Ucred = { pid: 0, uid: 0, gid: 0 };

/** Who a socket belongs to. */
export function ownerCreds(sk: Sock): Ucred {
  const owner = sk.owner as Ucred | null;
  return owner === null ? ROOT : { pid: owner.pid, uid: owner.uid, gid: owner.gid };
}
