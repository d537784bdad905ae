/**
 * System calls of a script: its arguments in the kernel's form, the call itself (which may wait), and what came back beside
 * the result, compared with what the script wrote there.
 *
 *   from  run.ts          one call at a time
 *   to    syscall/*       the host's calls
 */
import { EFAULT } from '../../lib/errno.ts';
import {
  AF_UNSPEC, IPPROTO_UDP, MSG_DONTWAIT, MSG_FASTOPEN, MSG_ZEROCOPY, SOCK_DGRAM, SOCK_TYPE_MASK, SOL_TCP, TCP_MD5SIG, TCP_MD5SIG_EXT,
} from '../../sock/constants.ts';
import { MsgHdr, SockAddr } from '../../sock/sockaddr.ts';
import { waitAccept, waitConnect, waitEpoll, waitPoll, waitRecvmsg, waitSendmsg } from '../../syscall/blocking.ts';
import { sysFcntl, sysIoctl } from '../../syscall/control.ts';
import { sysEpollCreate, sysEpollCtl, type EpollEvent } from '../../syscall/epoll.ts';
import { fdSock, sysBind, sysClose, sysListen, sysShutdown, sysSocket } from '../../syscall/socket.ts';
import type { PollFd } from '../../syscall/poll.ts';
import type { Process } from '../../syscall/process.ts';
import { sysSetsockopt } from '../../syscall/sockopt.ts';
import type { TcpMd5Sig } from '../../tcp/md5.ts';
import type { CallSpec, Expr } from './ast.ts';
import { compareControl, type ScriptClock } from './cmsg.ts';
import { ScriptFailure, ScriptSkipped } from './errors.ts';
import { PIPE_SIZE, type ScriptFds } from './fds.ts';
import type { Settings } from './mode.ts';
import { callGetsockopt, callSetsockopt } from './sockopts.ts';
import { fieldNumber, fieldOf, iovLength, iovParts, itemsOf, numberOf, showExpr } from './values.ts';

/** What calls tell the runner about connections. */
export interface CallWatcher {
  socketMade(fd: number, udp: boolean): void;
  listening(fd: number): void;
  bound(fd: number): void;
  accepted(fd: number, peerPort: number): void;
  closed(fd: number): void;
  /** Segments are signed with this key (TCP_MD5SIG); an empty one: no longer. */
  keySet(key: Uint8Array): void;
}

/** Where calls are made. */
export interface CallSite {
  readonly p: Process;
  readonly fds: ScriptFds;
  readonly settings: Settings;
  readonly watcher: CallWatcher;
  readonly clock: ScriptClock;
}

/** What a call answers: the result or negative errno, and in words what was wrong beside it. */
export interface Answer {
  readonly ret: number;
  readonly wrong?: string | undefined;
}

type Call = (at: CallSite, call: CallSpec) => Answer | Promise<Answer>;

/** Makes the call. */
export async function makeCall(at: CallSite, call: CallSpec): Promise<Answer> {
  const known = Object.hasOwn(CALLS, call.name) ? CALLS[call.name] : undefined;
  if (known === undefined) throw new ScriptSkipped(`system call ${call.name}()`);
  return await known(at, call);
}

const CALLS: Readonly<Record<string, Call>> = {
  socket, bind, listen, accept, accept4: accept, connect, close,
  read, recv: read, recvfrom: read, readv, recvmsg,
  write, send: write, sendto: write, writev, sendmsg,
  shutdown: (at, { args }) => ({ ret: sysShutdown(at.p, liveFd(at, args[0]), numberOf(args[1])) }),
  fcntl: (at, { args }) => ({ ret: sysFcntl(at.p, liveFd(at, args[0]), numberOf(args[1]), numberOf(args[2])) }),
  ioctl,
  getsockopt: (at, { args }) => callGetsockopt(at.p, liveFd(at, args[0]), args),
  setsockopt,
  poll, epoll_create: epollCreate, epoll_create1: epollCreate, epoll_ctl: epollCtl, epoll_wait: epollWait,
  open, pipe, sendfile, splice,
};

function liveFd(at: CallSite, e: Expr | undefined): number {
  return at.fds.of(numberOf(e, -1));
}

// ---- sockets --------------------------------------------------------------------------------------------------------

function socket(at: CallSite, { args, result }: CallSpec): Answer {
  const type = numberOf(args[1]);
  const ret = sysSocket(at.p, numberOf(args[0], at.settings.domain), type, numberOf(args[2]));
  if (ret < 0) return { ret };
  const fd = numberOf(result);
  if (fd < 0) return { ret };
  at.fds.set(fd, ret);
  at.watcher.socketMade(fd, (type & SOCK_TYPE_MASK) === SOCK_DGRAM || numberOf(args[2]) === IPPROTO_UDP);
  return { ret: fd };
}

function bind(at: CallSite, { args }: CallSpec): Answer {
  const ret = sysBind(at.p, liveFd(at, args[0]), at.settings.sockAddr(at.settings.localIp, at.settings.bindPort));
  if (ret === 0) at.watcher.bound(numberOf(args[0]));
  return { ret };
}

function listen(at: CallSite, { args }: CallSpec): Answer {
  const ret = sysListen(at.p, liveFd(at, args[0]), numberOf(args[1]));
  if (ret === 0) at.watcher.listening(numberOf(args[0]));
  return { ret };
}

async function accept(at: CallSite, { args, result }: CallSpec): Promise<Answer> {
  const peer = new SockAddr();
  const ret = await waitAccept(at.p, liveFd(at, args[0]), peer, numberOf(args[3]));
  const fd = numberOf(result);
  if (ret < 0 || fd < 0) return { ret };
  at.fds.set(fd, ret);
  at.watcher.accepted(fd, peer.port);
  return { ret: fd };
}

async function connect(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const to = at.settings.sockAddr(at.settings.remoteIp, at.settings.connectPort);
  if (args[1]?.kind === 'word' && args[1].name === 'AF_UNSPEC') to.family = AF_UNSPEC;
  return { ret: await waitConnect(at.p, liveFd(at, args[0]), to) };
}

function close(at: CallSite, { args }: CallSpec): Answer {
  const fd = numberOf(args[0]);
  if (at.fds.file(fd) !== undefined) {
    at.fds.delete(fd);
    return { ret: 0 };
  }
  const ret = sysClose(at.p, at.fds.of(fd));
  at.fds.delete(fd);
  at.watcher.closed(fd);
  return { ret };
}

function setsockopt(at: CallSite, { args }: CallSpec): Answer {
  const fd = liveFd(at, args[0]);
  const name = numberOf(args[2]);
  if (numberOf(args[1]) !== SOL_TCP || (name !== TCP_MD5SIG && name !== TCP_MD5SIG_EXT)) return callSetsockopt(at.p, fd, args);
  const text = fieldOf(args[3], 'tcpm_key')?.value;
  const key = text?.kind === 'text' ? Uint8Array.from(text.value, (c) => c.charCodeAt(0)) : new Uint8Array(0);
  const given = fieldOf(args[3], 'tcpm_addr')?.value;
  const address = given?.kind === 'text' ? given.value : at.settings.remoteIp;
  const prefix = fieldOf(args[3], 'tcpm_prefixlen');
  const value: TcpMd5Sig = { address, key, prefixLength: prefix === undefined ? undefined : numberOf(prefix.value) };
  const ret = sysSetsockopt(at.p, fd, SOL_TCP, name, value);
  if (ret === 0) at.watcher.keySet(key);
  return { ret };
}

function ioctl(at: CallSite, { args }: CallSpec): Answer {
  const arg = args[2] === undefined ? 0 : numberOf(args[2]);
  const ret = sysIoctl(at.p, liveFd(at, args[0]), numberOf(args[1]), arg);
  if (ret < 0 || args[2] === undefined) return { ret };
  const out = args[2].kind === 'list' && ret !== arg ? `${showExpr(args[1]!)} gives [${arg}] wanted, got [${ret}]` : undefined;
  return { ret: 0, wrong: out };
}

// ---- data -----------------------------------------------------------------------------------------------------------

/** Bytes that come in: their number counts, not they. */
function inMessage(len: number, flags: number): MsgHdr {
  const msg = new MsgHdr();
  msg.buf = new Uint8Array(len);
  msg.len = len;
  msg.flags = flags;
  return msg;
}

/** Zeros that go out. */
function outMessage(at: CallSite, len: number, flags: number, to: boolean): MsgHdr {
  const msg = inMessage(len, flags);
  if (!to) return msg;
  msg.name.copy(at.settings.sockAddr(at.settings.remoteIp, at.settings.connectPort));
  msg.hasName = true;
  return msg;
}

async function read(at: CallSite, { args }: CallSpec): Promise<Answer> {
  return { ret: await waitRecvmsg(at.p, liveFd(at, args[0]), inMessage(numberOf(args[2]), numberOf(args[3]))) };
}

async function readv(at: CallSite, { args }: CallSpec): Promise<Answer> {
  return { ret: await waitRecvmsg(at.p, liveFd(at, args[0]), inMessage(iovLength(args[1]), 0)) };
}

async function write(at: CallSite, { name, args }: CallSpec): Promise<Answer> {
  const len = numberOf(args[2]);
  if (len < 0) return { ret: -EFAULT };
  const to = name === 'sendto' && args[4]?.kind === 'any';
  return { ret: await waitSendmsg(at.p, liveFd(at, args[0]), outMessage(at, len, numberOf(args[3]), to)) };
}

async function writev(at: CallSite, { args }: CallSpec): Promise<Answer> {
  return { ret: await waitSendmsg(at.p, liveFd(at, args[0]), outMessage(at, iovLength(args[1]), 0, false)) };
}

async function sendmsg(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const fd = liveFd(at, args[0]);
  const named = fdSock(at.p, fd)?.type === SOCK_DGRAM || (numberOf(args[2]) & MSG_FASTOPEN) !== 0;
  const msg = outMessage(at, iovLength(fieldOf(args[1], 'msg_iov')?.value), numberOf(args[2]), named);
  if ((msg.flags & MSG_ZEROCOPY) !== 0) msg.iov = iovParts(fieldOf(args[1], 'msg_iov')?.value).map((n) => new Uint8Array(n));
  return { ret: await waitSendmsg(at.p, fd, msg) };
}

async function recvmsg(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const msg = inMessage(iovLength(fieldOf(args[1], 'msg_iov')?.value), numberOf(args[2]));
  const ret = await waitRecvmsg(at.p, liveFd(at, args[0]), msg);
  if (ret < 0) return { ret };
  const flags = fieldNumber(args[1], 'msg_flags');
  if (msg.msgFlags !== flags) return { ret, wrong: `msg_flags 0x${flags.toString(16)} wanted, got 0x${msg.msgFlags.toString(16)}` };
  return { ret, wrong: compareControl(fieldOf(args[1], 'msg_control')?.value, msg.control ?? [], at.clock) };
}

// ---- many descriptors -----------------------------------------------------------------------------------------------

async function poll(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const entries = itemsOf(args[0]);
  const fds = entries.map((e): PollFd => ({ fd: at.fds.of(fieldNumber(e, 'fd')), events: fieldNumber(e, 'events'), revents: 0 }));
  const ret = await waitPoll(at.p, fds, numberOf(args[2]) * 1e6);
  const bad = entries.findIndex((e, i) => fieldNumber(e, 'revents') !== fds[i]!.revents);
  if (ret < 0 || bad < 0) return { ret };
  const hex = (n: number): string => `0x${n.toString(16)}`;
  return { ret, wrong: `revents of entry ${bad}: ${hex(fieldNumber(entries[bad], 'revents'))} wanted, got ${hex(fds[bad]!.revents!)}` };
}

function epollCreate(at: CallSite, { result }: CallSpec): Answer {
  const ret = sysEpollCreate(at.p, 0);
  if (ret < 0) return { ret };
  at.fds.set(numberOf(result), ret);
  return { ret: numberOf(result) };
}

/** The data of an event: whichever member of the union is written. */
function epollData(e: Expr | undefined): number {
  for (const name of ['fd', 'ptr', 'u32', 'u64']) if (fieldOf(e, name) !== undefined) return fieldNumber(e, name);
  return 0;
}

function epollCtl(at: CallSite, { args }: CallSpec): Answer {
  const event = args[3];
  const [ep, fd] = [liveFd(at, args[0]), liveFd(at, args[2])];
  return { ret: sysEpollCtl(at.p, ep, numberOf(args[1]), fd, fieldNumber(event, 'events'), epollData(event)) };
}

async function epollWait(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const out: EpollEvent[] = [];
  const ret = await waitEpoll(at.p, liveFd(at, args[0]), out, numberOf(args[2]), numberOf(args[3]) * 1e6);
  const want = args[1];
  if (ret <= 0 || want?.kind !== 'struct') return { ret };
  const [first] = out;
  const events = fieldNumber(want, 'events');
  if (first!.events !== events) return { ret, wrong: `events 0x${events.toString(16)} wanted, got 0x${first!.events.toString(16)}` };
  return { ret, wrong: first!.data === epollData(want) ? undefined : `data ${epollData(want)} wanted, got ${String(first!.data)}` };
}

// ---- files ----------------------------------------------------------------------------------------------------------

function open(at: CallSite, { args, result }: CallSpec): Answer {
  if (args[0]?.kind !== 'text') throw new ScriptFailure(0, 'open: a path expected');
  const fd = numberOf(result);
  const file = at.fds.disk.get(args[0].value) ?? { kind: 'file', size: args[0].value === '/dev/zero' ? Infinity : 0, offset: 0 };
  at.fds.setFile(fd, { ...file, offset: 0 });
  return { ret: fd };
}

function pipe(at: CallSite, { args }: CallSpec): Answer {
  const [r, w] = itemsOf(args[0]);
  const shared = { kind: 'pipe' as const, size: 0, offset: 0 };
  at.fds.setFile(numberOf(r), shared);
  at.fds.setFile(numberOf(w), shared);
  return { ret: 0 };
}

async function sendfile(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const file = at.fds.file(numberOf(args[1]));
  if (file === undefined) throw new ScriptFailure(0, 'sendfile: the second descriptor is no open file');
  const offset = args[2]?.kind === 'list' ? numberOf(args[2]) : file.offset;
  const len = Math.min(numberOf(args[3]), Math.max(0, file.size - offset));
  const ret = await waitSendmsg(at.p, liveFd(at, args[0]), outMessage(at, len, 0, false));
  if (ret > 0 && args[2]?.kind !== 'list') file.offset += ret;
  return { ret };
}

/** From a socket into a pipe, or out of it. */
async function splice(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const [from, to] = [at.fds.file(numberOf(args[0])), at.fds.file(numberOf(args[2]))];
  const flags = (numberOf(args[5]) & 2) !== 0 ? MSG_DONTWAIT : 0;
  let ret: number;
  if (to !== undefined) {
    ret = await waitRecvmsg(at.p, liveFd(at, args[0]), inMessage(Math.min(numberOf(args[4]), PIPE_SIZE - to.size), flags));
    if (ret > 0) to.size += ret;
  } else if (from !== undefined) {
    ret = await waitSendmsg(at.p, liveFd(at, args[2]), outMessage(at, Math.min(numberOf(args[4]), from.size), flags, false));
    if (ret > 0) from.size -= ret;
  } else {
    throw new ScriptFailure(0, 'splice: one end must be a pipe');
  }
  return { ret };
}
