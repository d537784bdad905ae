/** Segments made of chance, most of them nearly right, into connections of all states: nothing throws, nothing leaks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/lib/random.ts';
import { MsgHdr, SockAddr } from '../../src/sock/sockaddr.ts';
import { AF_INET, IPPROTO_TCP, SOCK_NONBLOCK, SOCK_STREAM, TCP_NEW_SYN_RECV, TCP_TIME_WAIT } from '../../src/sock/constants.ts';
import {
  sysAccept, sysBind, sysClose, sysConnect, sysListen, sysRecvmsg, sysSendmsg, sysShutdown, sysSocket,
} from '../../src/syscall/socket.ts';
import type { EhashEntry } from '../../src/tcp/hashtables.ts';
import type { RequestSock } from '../../src/tcp/request-sock.ts';
import type { TcpSock } from '../../src/tcp/sock.ts';
import type { TimewaitSock } from '../../src/tcp/timewait-sock.ts';
import { checkAllTcp, runLab, type Lab } from '../../src/testing.ts';
import { HOST_ADDR, PEER_ADDR } from '../../src/testing/lab-host.ts';
import { ipv4WriteHeader } from '../../src/wire/ipv4.ts';
import { tcpSendCheckV4, tcpWriteHeader } from '../../src/wire/tcp.ts';

const SEGMENTS = 40000;

/** A segment for this entry (or for a listener), with numbers at and around those that matter. */
function segment(random: Random, entry: EhashEntry | null): Uint8Array {
  const optLen = random.chance(0.5) ? 0 : 4 * random.below(11);
  const payload = random.chance(0.5) ? 0 : random.below(random.chance(0.1) ? 3000 : 200);
  const hlen = 20 + optLen;
  const bytes = new Uint8Array(20 + hlen + payload);
  for (let i = 40; i < 20 + hlen; i++) bytes[i] = optionByte(random);
  for (let i = 20 + hlen; i < bytes.length; i++) bytes[i] = random.below(256);
  if (optLen >= 12 && random.chance(0.6)) bytes.set([1, 1, 8, 10], 40);
  let flags = random.chance(0.6) ? 0x10 | (random.chance(0.1) ? random.below(256) : 0) : random.below(256);
  if (random.chance(0.95)) flags &= ~0x04; // resets end the story too soon
  const sport = entry?.dport ?? 1024 + random.below(60000);
  const dport = entry?.num ?? 80;
  const { seq, ack } = numbers(random, entry);
  tcpWriteHeader(bytes, 20, sport, dport, seq, ack, hlen, flags, random.below(65536), random.below(65536));
  if (random.chance(0.05)) bytes[32] = random.below(256); // a data offset that lies
  tcpSendCheckV4(bytes, 20, bytes.length - 20, PEER_ADDR, HOST_ADDR);
  ipv4WriteHeader(bytes, 0, 0, bytes.length, 0, 0x4000, 64, IPPROTO_TCP, PEER_ADDR, HOST_ADDR);
  if (random.chance(0.05)) return bytes.subarray(0, random.below(bytes.length));
  if (random.chance(0.05)) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
  return bytes;
}

function optionByte(random: Random): number {
  const common = [0, 1, 2, 3, 4, 5, 8, 10, 19, 34, 254];
  return random.chance(0.6) ? common[random.below(common.length)]! : random.below(256);
}

function numbers(random: Random, entry: EhashEntry | null): { seq: number; ack: number } {
  let rcvNxt = 0;
  let rcvWnd = 65535;
  let sndUna = 0;
  let sndNxt = 0;
  if (entry?.state === TCP_NEW_SYN_RECV) {
    const req = entry as RequestSock;
    rcvNxt = req.rcvNxt;
    sndUna = req.sntIsn;
    sndNxt = req.sntIsn + 1;
  } else if (entry?.state === TCP_TIME_WAIT) {
    const tw = entry as TimewaitSock;
    ({ rcvNxt, sndNxt } = tw);
    sndUna = sndNxt;
  } else if (entry !== null) {
    ({ rcvNxt, rcvWnd, sndUna, sndNxt } = entry as TcpSock);
  }
  const seqs = [
    rcvNxt, rcvNxt, rcvNxt, rcvNxt - 1, rcvNxt + 1, rcvNxt + rcvWnd, rcvNxt + rcvWnd + 1, rcvNxt + random.below(5000), random.next32(),
  ];
  const acks = [sndNxt, sndNxt, sndUna, sndUna - 1, sndNxt + 1, sndUna + random.below(5000), random.next32()];
  return { seq: seqs[random.below(seqs.length)]! | 0, ack: acks[random.below(acks.length)]! | 0 };
}

/** What programs do meanwhile: connect, accept, write, read, shut down, close. */
function act(t: Lab, random: Random, listener: number, fds: number[]): void {
  const p = t.host.process;
  const msg = new MsgHdr();
  msg.buf = new Uint8Array(2000);
  msg.len = 1 + random.below(2000);
  msg.flags = 0x4000;
  const i = random.below(fds.length + 1);
  const fd = fds[i];
  switch (random.below(fds.length > 40 ? 7 : 6)) {
    case 0: {
      const got = sysAccept(p, listener, null, SOCK_NONBLOCK);
      if (got >= 0) fds.push(got);
      break;
    }
    case 1: {
      const made = sysSocket(p, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      if (sysConnect(p, made, new SockAddr().set(PEER_ADDR, 1 + random.below(1000))) === -115) fds.push(made);
      else sysClose(p, made);
      break;
    }
    case 2:
    case 3: if (fd !== undefined) sysSendmsg(p, fd, msg); break;
    case 4: if (fd !== undefined) sysRecvmsg(p, fd, msg); break;
    case 5: if (fd !== undefined) sysShutdown(p, fd, random.below(3)); break;
    default:
      if (fd !== undefined) {
        sysClose(p, fd);
        fds.splice(i, 1);
      }
  }
}

const KINDS = [[1, {}], [2, { tcp_syncookies: 2 }], [3, { tcp_timestamps: 0, tcp_sack: 0 }], [4, { tcp_abort_on_overflow: 1 }]] as const;

for (const [seed, sysctl] of KINDS) {
  test(`${String(SEGMENTS)} segments of chance, seed ${String(seed)}`, () => {
    runLab(`fuzz ${String(seed)}`, { sysctl }, (t) => {
      const random = new Random(seed);
      const p = t.host.process;
      const listener = sysSocket(p, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      sysBind(p, listener, new SockAddr().set(0, 80));
      sysListen(p, listener, 20);
      const fds: number[] = [];
      for (let i = 0; i < SEGMENTS; i++) {
        const entries = t.host.tcp.established.entries();
        const entry = entries.length === 0 || random.chance(0.1) ? null : entries[random.below(entries.length)]!;
        t.host.wire.injectIp(segment(random, entry));
        if (random.chance(0.2)) act(t, random, listener, fds);
        if (random.chance(0.05)) t.wait(random.below(random.chance(0.1) ? 5000 : 100));
        t.core.sent.length = 0;
        if (i % 97 === 0) assert.deepEqual(checkAllTcp(t.host.tcp), []);
      }
    });
  });
}
