/**
 * System calls of a script: its arguments in the kernel's form, the call itself (which may wait), and what came back beside
 * the result, compared with what the script wrote there.
 *
 *   from  run.ts          one call at a time
 *   to    syscall/*       the host's calls
 */
import { EAFNOSUPPORT, EFAULT, EINVAL, ENOENT, ENOPROTOOPT, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '../../lib/errno.ts';
import {
  IPPROTO_UDP, MSG_CTRUNC, MSG_FASTOPEN, MSG_PEEK, MSG_TRUNC, MSG_ZEROCOPY, SOCK_DGRAM, SOCK_TYPE_MASK,
} from '../../sock/constants.ts';
import { MsgHdr, SockAddr, type Cmsg } from '../../sock/sockaddr.ts';
import { waitRead, waitSendfile, waitSplice, waitWrite } from '../../syscall/blocking-files.ts';
import { waitAccept, waitClose, waitConnect, waitEpoll, waitPoll, waitRecvmsg, waitSendmsg } from '../../syscall/blocking.ts';
import { sysFcntl, sysIoctl } from '../../syscall/control.ts';
import { MAX_NOFILE } from '../../syscall/fd-table.ts';
import { sysEpollCreate, sysEpollCtl, type EpollEvent } from '../../syscall/epoll.ts';
import { MemFile } from '../../syscall/mem-file.ts';
import { sysPipe } from '../../syscall/pipe.ts';
import { fdSock, sysBind, sysListen, sysShutdown, sysSocket } from '../../syscall/socket.ts';
import type { PollFd } from '../../syscall/poll.ts';
import type { Process } from '../../syscall/process.ts';
import type { CallSpec, Expr } from './ast.ts';
import { getAuthOption, isAuthOption, type KeyWatcher, setAuthOption } from './auth-calls.ts';
import { compareControl, type ScriptClock } from './cmsg.ts';
import { ScriptFailure, ScriptSkipped } from './errors.ts';
import { ZeroDevice, type ScriptFds } from './fds.ts';
import type { Settings } from './mode.ts';
import { callGetsockopt, callSetsockopt } from './sockopts.ts';
import { fieldNumber, fieldOf, iovLength, iovParts, itemsOf, numberOf, showExpr } from './values.ts';

/** What calls tell the runner about connections. */
export interface CallWatcher extends KeyWatcher {
  socketMade(fd: number, udp: boolean): void;
  listening(fd: number): void;
  bound(fd: number): void;
  /** False: no connection of the script has this peer. */
  accepted(fd: number, peerPort: number): boolean;
  closed(fd: number): void;
}

/** Longest buffer of a call. */
const MAX_BUFFER: number = 256 * 1024 * 1024;
/** Of open(2): a file that is not there is made. */
const O_CREAT = 0o100;

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
  return await known[2](at, call);
}

/** How many arguments the call takes, at least and at most; null when there is no such call. */
export function callArity(name: string): readonly [number, number] | null {
  const known = Object.hasOwn(CALLS, name) ? CALLS[name] : undefined;
  return known === undefined ? null : [known[0], known[1]];
}

/** By name: the least and the most arguments, and what does it. */
const CALLS: Readonly<Record<string, readonly [number, number, Call]>> = {
  socket: [3, 3, socket], bind: [3, 3, bind], listen: [2, 2, listen], accept: [3, 3, accept], accept4: [4, 4, accept],
  connect: [3, 3, connect], close: [1, 1, close],
  read: [3, 3, read], recv: [3, 4, read], recvfrom: [3, 6, read], readv: [3, 3, readv], recvmsg: [3, 3, recvmsg],
  write: [3, 3, write], send: [3, 4, write], sendto: [3, 6, write], writev: [3, 3, writev], sendmsg: [3, 3, sendmsg],
  shutdown: [2, 2, (at, { args }) => ({ ret: sysShutdown(at.p, liveFd(at, args[0]), numberOf(args[1])) })],
  fcntl: [2, 3, (at, { args }) => ({ ret: sysFcntl(at.p, liveFd(at, args[0]), numberOf(args[1]), numberOf(args[2])) })],
  ioctl: [2, 3, ioctl],
  getsockopt: [5, 5, (at, call) => known(call, getsockopt(at, call))],
  setsockopt: [5, 5, (at, call) => known(call, setsockopt(at, call))],
  poll: [3, 3, poll], epoll_create: [1, 1, epollCreate], epoll_create1: [1, 1, epollCreate], epoll_ctl: [4, 4, epollCtl],
  epoll_wait: [4, 4, epollWait],
  open: [2, 3, open], pipe: [1, 1, pipe], pipe2: [2, 2, pipe], sendfile: [4, 4, sendfile], splice: [6, 6, splice],
};

/** An option of Linux that is not there, and that the script counts on, skips the script. */
function known(call: CallSpec, answer: Answer): Answer {
  const [, level, name, value] = call.args;
  const counted = call.result.kind !== 'number' || call.result.value >= 0;
  if (answer.ret === -ENOENT && counted && name?.kind === 'word' && name.name === 'TCP_CONGESTION' && value !== undefined) {
    throw new ScriptSkipped(`congestion control ${showExpr(value)}`);
  }
  if (answer.ret !== -ENOPROTOOPT || !counted || level?.kind !== 'word' || name?.kind !== 'word') return answer;
  const family = level.name.replace(/^SOL_SOCKET$/, 'SOL_SO').replace(/^(?:SOL|IPPROTO)_/, '');
  if (name.name.startsWith(`${family}_`)) throw new ScriptSkipped(`socket option ${name.name}`);
  return answer;
}

function liveFd(at: CallSite, e: Expr | undefined): number {
  return at.fds.of(numberOf(e, -1));
}

/**
 * A socket address: `...` (or NULL) is the one that the options say, `AF_UNSPEC` and its like the same with another family, and
 * `{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.0.0.1")}` is itself.
 */
function addressOf(at: CallSite, e: Expr | undefined, ip: string, port: number): SockAddr {
  if (e?.kind !== 'struct') {
    const to = at.settings.sockAddr(ip, port);
    if (e?.kind === 'word' && e.name.startsWith('AF_')) to.family = numberOf(e);
    return to;
  }
  const given = fieldOf(e, 'sin_addr')?.value ?? fieldOf(e, 'sin6_addr')?.value;
  const text = given?.kind === 'call' ? given.args[0] : given;
  if (text !== undefined && text.kind !== 'text' && text.kind !== 'any') {
    throw new ScriptFailure(0, 'sin_addr=inet_addr("an address") expected');
  }
  const to = at.settings.sockAddr(text?.kind === 'text' ? text.value : ip, fieldNumber(e, 'sin_port', fieldNumber(e, 'sin6_port', port)));
  to.family = fieldNumber(e, 'sa_family', to.family);
  return to;
}

// ---- sockets --------------------------------------------------------------------------------------------------------

function socket(at: CallSite, { args, result }: CallSpec): Answer {
  const type = numberOf(args[1]);
  const ret = sysSocket(at.p, numberOf(args[0], at.settings.domain), type, numberOf(args[2]));
  const fd = numberOf(result);
  if (fd >= 0 && (ret === -EAFNOSUPPORT || ret === -EPROTONOSUPPORT || ret === -ESOCKTNOSUPPORT)) {
    throw new ScriptSkipped(`socket(${args.map(showExpr).join(', ')})`);
  }
  if (ret < 0) return { ret };
  if (fd < 0) return { ret };
  at.fds.set(fd, ret);
  at.watcher.socketMade(fd, (type & SOCK_TYPE_MASK) === SOCK_DGRAM || numberOf(args[2]) === IPPROTO_UDP);
  return { ret: fd };
}

function bind(at: CallSite, { args }: CallSpec): Answer {
  const ret = sysBind(at.p, liveFd(at, args[0]), addressOf(at, args[1], at.settings.localIp, at.settings.bindPort));
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
  if (at.watcher.accepted(fd, peer.port)) return { ret: fd };
  return { ret: fd, wrong: `the peer has port ${peer.port}: no packet of the script came from there` };
}

async function connect(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const to = addressOf(at, args[1], at.settings.remoteIp, at.settings.connectPort);
  return { ret: await waitConnect(at.p, liveFd(at, args[0]), to) };
}

async function close(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const fd = numberOf(args[0]);
  const live = at.fds.of(fd);
  at.fds.delete(fd);
  at.watcher.closed(fd);
  return { ret: await waitClose(at.p, live) };
}

function setsockopt(at: CallSite, { args }: CallSpec): Answer {
  const fd = liveFd(at, args[0]);
  const name = numberOf(args[2]);
  if (!isAuthOption(numberOf(args[1]), name)) return callSetsockopt(at.p, fd, args);
  return setAuthOption(at.p, fd, name, args[3], at.settings.remoteIp, at.watcher);
}

function getsockopt(at: CallSite, { args }: CallSpec): Answer {
  const fd = liveFd(at, args[0]);
  const name = numberOf(args[2]);
  return isAuthOption(numberOf(args[1]), name) ? getAuthOption(at.p, fd, name, args[3]) : callGetsockopt(at.p, fd, args);
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
  if (len > MAX_BUFFER) throw new ScriptFailure(0, `a buffer of ${len} bytes; the runner has room for ${MAX_BUFFER}`);
  const msg = new MsgHdr();
  msg.buf = new Uint8Array(len);
  msg.len = len;
  msg.flags = flags;
  return msg;
}

/** Zeros that go out; `to`: the address, null for none. */
function outMessage(len: number, flags: number, to: SockAddr | null): MsgHdr {
  const msg = inMessage(len, flags);
  if (to === null) return msg;
  msg.name.copy(to);
  msg.hasName = true;
  return msg;
}

function isNull(e: Expr | undefined): boolean {
  return (e?.kind === 'word' && e.name === 'NULL') || (e?.kind === 'number' && e.value === 0);
}

/** A reader without a place for its bytes: EFAULT, if there are any (and MSG_TRUNC does not throw them away). */
async function receive(at: CallSite, fd: number, len: number, flags: number, nowhere: boolean): Promise<number> {
  if (fdSock(at.p, fd) === null) return await waitRead(at.p, fd, inMessage(len, flags));
  if (!nowhere || len === 0 || (flags & MSG_TRUNC) !== 0) return await waitRecvmsg(at.p, fd, inMessage(len, flags));
  const ret = await waitRecvmsg(at.p, fd, inMessage(1, flags | MSG_PEEK));
  return ret > 0 ? -EFAULT : ret;
}

/** A writer's bytes go out; from nowhere: EFAULT, once nothing else is wrong. */
async function transmit(at: CallSite, fd: number, msg: MsgHdr, nowhere: boolean): Promise<number> {
  if (fdSock(at.p, fd) === null) return await waitWrite(at.p, fd, msg);
  if (!nowhere || msg.len === 0) return await waitSendmsg(at.p, fd, msg);
  msg.len = 0;
  const ret = await waitSendmsg(at.p, fd, msg);
  return ret < 0 ? ret : -EFAULT;
}

async function read(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const len = numberOf(args[2]);
  if (len < 0) return { ret: -EFAULT };
  return { ret: await receive(at, liveFd(at, args[0]), len, numberOf(args[3]), isNull(args[1])) };
}

async function readv(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const parts = vector(args[1], args[2], 'readv');
  return { ret: await receive(at, liveFd(at, args[0]), iovLength(args[1]), 0, parts.some((part) => isNull(part))) };
}

async function write(at: CallSite, { name, args }: CallSpec): Promise<Answer> {
  const len = numberOf(args[2]);
  if (len < 0) return { ret: -EFAULT };
  const named = name === 'sendto' && args[4] !== undefined && !isNull(args[4]);
  const to = named ? addressOf(at, args[4], at.settings.remoteIp, at.settings.connectPort) : null;
  return { ret: await transmit(at, liveFd(at, args[0]), outMessage(len, numberOf(args[3]), to), isNull(args[1])) };
}

async function writev(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const parts = vector(args[1], args[2], 'writev');
  return { ret: await transmit(at, liveFd(at, args[0]), outMessage(iovLength(args[1]), 0, null), parts.some((part) => isNull(part))) };
}

/** The buffers of an iovec, which must be as many as the script counts. */
function vector(e: Expr | undefined, count: Expr | null | undefined, what: string): (Expr | undefined)[] {
  const items = itemsOf(e);
  const n = count === null || count === undefined ? items.length : numberOf(count, items.length);
  if (n !== items.length) throw new ScriptFailure(0, `${what}: ${n} parts are counted, ${items.length} are written`);
  return items.map((item) => (item.kind === 'struct' ? item.fields[0]?.value : undefined));
}

async function sendmsg(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const fd = liveFd(at, args[0]);
  const iov = fieldOf(args[1], 'msg_iov');
  const parts = vector(iov?.value, iov?.count, 'msg_iov');
  if (fieldNumber(args[1], 'msg_flags') !== 0) throw new ScriptFailure(0, 'sendmsg: msg_flags is what recvmsg tells; 0 expected');
  const named = fdSock(at.p, fd)?.type === SOCK_DGRAM || (numberOf(args[2]) & MSG_FASTOPEN) !== 0;
  const to = addressOf(at, fieldOf(args[1], 'msg_name')?.value, at.settings.remoteIp, at.settings.connectPort);
  const msg = outMessage(iovLength(iov?.value), numberOf(args[2]), named ? to : null);
  if ((msg.flags & MSG_ZEROCOPY) !== 0) msg.iov = iovParts(iov?.value).map((n) => new Uint8Array(n));
  const control = itemsOf(fieldOf(args[1], 'msg_control')?.value);
  if (control.length > 0) msg.control = control.map(controlOf);
  return { ret: await transmit(at, fd, msg, parts.some((part) => isNull(part))) };
}

/** A control message on its way out: its data is a number. */
function controlOf(e: Expr): Cmsg {
  return { level: fieldNumber(e, 'cmsg_level'), type: fieldNumber(e, 'cmsg_type'), data: fieldNumber(e, 'cmsg_data') };
}

async function recvmsg(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const iov = fieldOf(args[1], 'msg_iov');
  vector(iov?.value, iov?.count, 'msg_iov');
  const msg = inMessage(iovLength(iov?.value), numberOf(args[2]));
  const ret = await waitRecvmsg(at.p, liveFd(at, args[0]), msg);
  if (ret < 0) return { ret };
  const wanted = fieldOf(args[1], 'msg_control')?.value;
  let got = msg.control ?? [];
  if (wanted === undefined && got.length > 0) { // no room was given for them
    got = [];
    msg.msgFlags |= MSG_CTRUNC;
  }
  const flagsField = fieldOf(args[1], 'msg_flags')?.value;
  const flags = numberOf(flagsField, msg.msgFlags);
  if (flagsField !== undefined && msg.msgFlags !== flags) {
    return { ret, wrong: `msg_flags 0x${flags.toString(16)} wanted, got 0x${msg.msgFlags.toString(16)}` };
  }
  return { ret, wrong: wanted?.kind === 'any' ? undefined : compareControl(wanted, got, at.clock) };
}

// ---- many descriptors -----------------------------------------------------------------------------------------------

async function poll(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const entries = itemsOf(args[0]);
  const count = numberOf(args[1]);
  if (count !== entries.length) throw new ScriptFailure(0, `poll: ${count} entries are counted, ${entries.length} are written`);
  const fds = entries.map((e): PollFd => ({ fd: pollable(at, fieldNumber(e, 'fd')), events: fieldNumber(e, 'events'), revents: 0 }));
  const ret = await waitPoll(at.p, fds, numberOf(args[2]) * 1e6);
  const bad = entries.findIndex((e, i) => fieldNumber(e, 'revents') !== fds[i]!.revents);
  if (ret < 0 || bad < 0) return { ret };
  const hex = (n: number): string => `0x${n.toString(16)}`;
  return { ret, wrong: `revents of entry ${bad}: ${hex(fieldNumber(entries[bad], 'revents'))} wanted, got ${hex(fds[bad]!.revents!)}` };
}

/** A descriptor that the script does not have is one that is not open (POLLNVAL); a negative one is left out, as always. */
function pollable(at: CallSite, fd: number): number {
  const live = at.fds.of(fd);
  return live < 0 && fd >= 0 ? MAX_NOFILE : live;
}

function epollCreate(at: CallSite, { name, args, result }: CallSpec): Answer {
  if (name === 'epoll_create' && numberOf(args[0]) <= 0) return { ret: -EINVAL };
  const ret = sysEpollCreate(at.p, 0);
  if (ret < 0 || numberOf(result) < 0) return { ret };
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
  const want = args[1]?.kind === 'list' ? args[1].items[0] : args[1];
  if (ret < 0 || want?.kind !== 'struct') return { ret };
  const first = out[0] ?? { events: 0, data: 0 };
  const events = fieldNumber(want, 'events') >>> 0;
  const got = first.events >>> 0;
  if (got !== events) return { ret, wrong: `events 0x${events.toString(16)} wanted, got 0x${got.toString(16)}` };
  return { ret, wrong: first.data === epollData(want) ? undefined : `data ${epollData(want)} wanted, got ${String(first.data)}` };
}

// ---- files ----------------------------------------------------------------------------------------------------------

function open(at: CallSite, { args, result }: CallSpec): Answer {
  if (args[0]?.kind !== 'text') throw new ScriptFailure(0, 'open: a path expected');
  const path = args[0].value;
  const made = at.fds.disk.get(path);
  if (made === undefined && path !== '/dev/zero' && (numberOf(args[1]) & O_CREAT) === 0) return { ret: -ENOENT };
  const ret = at.p.fds.install(path === '/dev/zero' ? new ZeroDevice() : MemFile.of((made ?? new Uint8Array(0)).slice()), false);
  const fd = numberOf(result);
  if (ret < 0 || fd < 0) return { ret };
  at.fds.set(fd, ret);
  return { ret: fd };
}

function pipe(at: CallSite, { args }: CallSpec): Answer {
  const ends: number[] = [];
  const ret = sysPipe(at.p, ends, numberOf(args[1]));
  if (ret === 0) itemsOf(args[0]).slice(0, 2).forEach((e, i) => { at.fds.set(numberOf(e), ends[i]!); });
  return { ret };
}

/** `[n]` is an offset; NULL and `...` the file's own place. */
function offsetOf(e: Expr | undefined): number | null {
  return e?.kind === 'list' ? numberOf(e) : null;
}

async function sendfile(at: CallSite, { args }: CallSpec): Promise<Answer> {
  return { ret: await waitSendfile(at.p, liveFd(at, args[0]), liveFd(at, args[1]), offsetOf(args[2]), numberOf(args[3])) };
}

async function splice(at: CallSite, { args }: CallSpec): Promise<Answer> {
  const [input, output] = [liveFd(at, args[0]), liveFd(at, args[2])];
  return { ret: await waitSplice(at.p, input, offsetOf(args[1]), output, offsetOf(args[3]), numberOf(args[4]), numberOf(args[5])) };
}
