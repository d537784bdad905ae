/** The Unix sockets of a host as `ss -x` lists them: names and numbers of sockets stand where others have addresses and ports. */
import { SOCK_SEQPACKET, SOCK_STREAM, TCP_LISTEN } from '../../sock/constants.ts';
import type { UnixSock } from '../../unix/sock.ts';
import type { ToolHost } from './command.ts';

/** One socket. */
export interface UnixRow {
  /** `u_str`, `u_dgr`, `u_seq` */
  readonly netid: string;
  /** TCP_ESTABLISHED, TCP_LISTEN or TCP_CLOSE, as the kernel has it. */
  readonly state: number;
  /** Bytes to read, and sent but not read (buffers included, as Linux counts); of a listener: connections that wait, and how many may. */
  readonly recvq: number;
  readonly sendq: number;
  /** `*` when it has no name, `@name` in the abstract namespace. */
  readonly local: string;
  readonly peer: string;
  readonly ino: number;
  readonly peerIno: number;
  readonly sk: UnixSock;
}

/** All of them, in the order in which they were made. Those that wait to be accepted are not sockets of anybody yet. */
export function unixRows(host: ToolHost): UnixRow[] {
  return host.unixSockets().filter((sk) => !sk.embryo).map((sk) => {
    const listens = sk.state === TCP_LISTEN;
    const { peer } = sk;
    return {
      netid: sk.type === SOCK_STREAM ? 'u_str' : sk.type === SOCK_SEQPACKET ? 'u_seq' : 'u_dgr',
      state: sk.state,
      recvq: listens ? sk.acceptLen : unread(sk),
      sendq: listens ? sk.maxAckBacklog : sk.wmemAlloc,
      local: nameOf(sk), peer: '*',
      ino: sk.ino, peerIno: peer === null || peer.embryo ? 0 : peer.ino, sk,
    };
  });
}

/** Bytes that can be read: of datagrams, those of the first (Linux: unix_inq_len). */
function unread(sk: UnixSock): number {
  return sk.type === SOCK_STREAM || sk.type === SOCK_SEQPACKET ? sk.rcvBytes : sk.receiveQueue.head?.len ?? 0;
}

function nameOf(sk: UnixSock): string {
  if (sk.path === '') return '*';
  return sk.path.startsWith('\0') ? `@${sk.path.slice(1)}` : sk.path;
}
