/**
 * Is a segment signed as it should be (Linux: tcp_inbound_hash)? And what signatures take of a header.
 *
 *   from  tcp/demux.ts    tcpInboundHash, once the socket is known and before anything else is looked at
 *         tcp/output.ts   tcpConnectAuth, tcpAuthLen, and what was agreed when a connection begins
 *   to    tcp/md5.ts      RFC 2385
 *         tcp/ao.ts       RFC 5925
 *
 * A peer has keys of one kind. Which kind, and whether any, is decided by the first SYN and stays.
 */
import { Mib } from '../dev/mib.ts';
import { get32, get8 } from '../lib/bytes.ts';
import { EKEYREJECTED } from '../lib/errno.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import {
  TCPOLEN_AO_BASE, TCPOLEN_MD5SIG, TCPOLEN_TSTAMP_ALIGNED, TCPOPT_AO, TCPOPT_EOL, TCPOPT_MD5SIG, TCPOPT_NOP, TSTAMP_ALIGNED_WORD,
} from '../wire/tcp-options.ts';
import { TCP_HLEN_MIN, TCP_OPTIONS, thHlen } from '../wire/tcp.ts';
import { tcpAoConnectInit, tcpAoLenAligned, tcpAoLookup, tcpAoRequired, tcpInboundAo } from './ao.ts';
import { TCPOLEN_MD5SIG_ALIGNED, tcpInboundMd5, tcpMd5Lookup, tcpMd5UseKey } from './md5.ts';
import type { RequestSock } from './request-sock.ts';
import type { TcpScratch } from './scratch.ts';
import { peerOf, senderOf } from './signature.ts';
import type { TcpSock } from './sock.ts';

/**
 * Where a segment's signatures are: `md5At` (the digest) and `aoAt` (the option) of the scratch, -1 for none. False: there are two of
 * them, or a length cannot be.
 */
export function tcpParseAuthOptions(skb: SkBuff, out: TcpScratch): boolean {
  const { buf, th } = skb;
  out.md5At = -1;
  out.aoAt = -1;
  let off = th + TCP_OPTIONS;
  const end = th + thHlen(buf, th);
  // What is shorter than the shortest signature needs no look (Linux with CONFIG_TCP_AO; without, RFC 2385 has the shortest).
  while (end - off > TCPOLEN_AO_BASE) {
    const kind = get8(buf, off);
    if (kind === TCPOPT_EOL) return true;
    if (kind === TCPOPT_NOP) {
      off++;
      continue;
    }
    const size = get8(buf, off + 1);
    if (size < 2 || off + size > end) return false;
    if (kind === TCPOPT_MD5SIG || kind === TCPOPT_AO) {
      const good = kind === TCPOPT_MD5SIG ? size === TCPOLEN_MD5SIG : size > TCPOLEN_AO_BASE;
      if (!good || out.md5At >= 0 || out.aoAt >= 0) return false;
      if (kind === TCPOPT_AO) out.aoAt = off;
      else out.md5At = off + 2;
    }
    off += size;
  }
  return true;
}

/** No room for a signature, or `nop,nop,TS` and nothing else? Nearly every segment is one of these. */
function isPlain(skb: SkBuff): boolean {
  const { buf, th } = skb;
  const size = thHlen(buf, th) - TCP_HLEN_MIN;
  return size === 0 || (size === TCPOLEN_TSTAMP_ALIGNED && get32(buf, th + TCP_OPTIONS) === TSTAMP_ALIGNED_WORD);
}

/**
 * Is the segment signed as it should be, by the keys of the socket that it is for? If not, it is dropped without a word, and the skb is
 * gone.
 *
 * @param req the half-open connection that it is for; `tp` is the listener then
 */
export function tcpInboundHash(tp: TcpSock, req: RequestSock | null, skb: SkBuff): boolean {
  if (tp.md5Keys === null && tp.ao === null && isPlain(skb)) return true;
  const reason = inboundHash(tp, req, skb);
  if (reason === Drop.NotDropped) return true;
  tp.net.drop(skb, reason);
  return false;
}

function inboundHash(tp: TcpSock, req: RequestSock | null, skb: SkBuff): Drop {
  const { tcp, net } = tp;
  const { scratch } = tcp;
  if (!tcpParseAuthOptions(skb, scratch)) return Drop.TcpAuthHdr;
  const { md5At, aoAt } = scratch;
  if (req !== null && req.aoUsed !== aoAt >= 0) {
    net.inc(Mib.TcpExtTCPAOBad);
    return Drop.TcpAoFailure;
  }
  if (aoAt >= 0) return tcpInboundAo(tp, req, skb, aoAt);
  if (md5At < 0 && tp.ao !== null && tcpAoRequired(tp, senderOf(skb), true)) return Drop.TcpAoNotFound;
  return tcpInboundMd5(tcp, tp.md5Keys, skb, md5At);
}

/** Header bytes that the signature of this connection takes; 0: it is not signed. */
export function tcpAuthLen(tp: TcpSock): number {
  if (tp.md5Key !== null) return TCPOLEN_MD5SIG_ALIGNED;
  if (tp.ao === null || tp.ao.currentKey === null) return 0;
  return tcpAoLenAligned(tp.ao.currentKey);
}

/**
 * connect(): the peer is known now, and so which keys hold. 0, or -EKEYREJECTED: it has keys of both kinds, or there are keys, but none
 * for it. Linux: the first part of tcp_connect.
 */
export function tcpConnectAuth(tp: TcpSock): number {
  const { ao } = tp;
  if (ao !== null) {
    const peer = peerOf(tp);
    const needsMd5 = tcpMd5Lookup(tp.md5Keys, peer) !== null;
    const key = tcpAoLookup(ao, peer, -1, -1);
    if (needsMd5 && (key !== null || ao.aoRequired)) return -EKEYREJECTED;
    if (!needsMd5 && key === null) return -EKEYREJECTED;
    if (needsMd5) tp.ao = null;
    else tp.md5Keys = null;
  }
  tcpMd5UseKey(tp);
  if (tp.ao !== null) tcpAoConnectInit(tp, tp.ao);
  return 0;
}
