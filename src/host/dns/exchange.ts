/**
 * One question to one name server, and its answer: over UDP from a fresh random port with a random id, over TCP when the
 * answer was cut (RFC 1035 §4.2, RFC 7766, RFC 5452 §9).
 *
 *   from  host/dns/stub.ts           a host's own questions
 *         world/dns/recursive.ts     a recursive server's
 *   to    host/calls.ts              the socket calls
 */
import type { Net } from '../../dev/net.ts';
import { EAGAIN, EIO, EPROTO, ETIMEDOUT } from '../../lib/errno.ts';
import type { Random } from '../../lib/random.ts';
import { NS_PER_MS } from '../../lib/units.ts';
import {
  AF_INET, AF_INET6, F_SETFL, MSG_DONTWAIT, O_NONBLOCK, POLLIN, POLLOUT, SO_ERROR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET,
} from '../../sock/constants.ts';
import { KernelError } from '../errors.ts';
import type { KernelProcess } from '../process.ts';
import { decodeMessage, DNS_PORT, encodeMessage, FORMERR, Message, UDP_SIZE_EDNS, UDP_SIZE_PLAIN, type Question } from './message.ts';
import { lowerName } from './names.ts';

/** What happened to a client's messages. */
export class ExchangeStats {
  queries = 0;
  answers = 0;
  timeouts = 0;
  /** The server's port was closed, or the way to it is. */
  unreachable = 0;
  /** Answers that were cut, and asked for again over TCP. */
  truncated = 0;
  /** Bytes that are no message. */
  malformed = 0;
  /** Messages that answer no question of ours: wrong id, wrong question. */
  unexpected = 0;
}

/** A client of name servers: from where, with which chance, and what became of it. */
export interface Client {
  readonly process: KernelProcess;
  readonly random: Random;
  readonly stats: ExchangeStats;
}

/** How to ask. */
export interface Asking {
  readonly name: string;
  readonly type: string;
  readonly server: string;
  readonly port?: number;
  /** The address to ask from; null or left out: the route decides. */
  readonly local?: string | null;
  /** Recursion desired. */
  readonly rd: boolean;
  readonly edns: boolean;
  readonly tcp: boolean;
  readonly timeoutNs: number;
  /** Told when an answer was cut: who asks again does it over TCP. */
  readonly onCut?: () => void;
}

/**
 * Asks, and waits for the answer.
 *
 * @returns the answer, or a negative errno: -ETIMEDOUT, -ECONNREFUSED and other errors of the socket, -EPROTO (bytes that
 *   are no message, over TCP)
 */
export async function exchange(client: Client, ask: Asking): Promise<Message | number> {
  const id = client.random.next32() & 0xffff;
  const query = Message.query(id, ask.name, ask.type, ask.rd, ask.edns ? UDP_SIZE_EDNS : UDP_SIZE_PLAIN);
  client.stats.queries++;
  let answer = await guarded(client, ask.tcp ? askTcp(client, ask, query) : askUdp(client, ask, query));
  if (typeof answer !== 'number' && answer.tc && !ask.tcp) {
    client.stats.truncated++;
    ask.onCut?.();
    answer = await guarded(client, askTcp(client, ask, query));
  }
  // RFC 6891 §7: a server that does not know EDNS may say so; then without.
  if (typeof answer !== 'number' && answer.rcode === FORMERR && ask.edns) return await exchange(client, { ...ask, edns: false });
  if (typeof answer !== 'number') client.stats.answers++;
  return answer;
}

/** Errors of the socket calls as numbers, and both kinds counted. */
async function guarded(client: Client, work: Promise<Message | number>): Promise<Message | number> {
  let result: Message | number;
  try {
    result = await work;
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    result = error.errno;
  }
  if (result === -ETIMEDOUT) client.stats.timeouts++;
  else if (typeof result === 'number') client.stats.unreachable++;
  return result;
}

function familyOf(server: string): number {
  return server.includes(':') ? AF_INET6 : AF_INET;
}

function bindLocal(process: KernelProcess, fd: number, { local = null }: Asking): void {
  if (local !== null) process.bind(fd, { address: local, port: 0 });
}

async function askUdp(client: Client, ask: Asking, query: Message): Promise<Message | number> {
  const { process, stats } = client;
  const deadline = now(client) + ask.timeoutNs;
  const fd = process.socket(familyOf(ask.server), SOCK_DGRAM);
  try {
    bindLocal(process, fd, ask);
    // Connected: only the server is heard, and its ICMP errors are.
    await process.connect(fd, { address: ask.server, port: ask.port ?? DNS_PORT });
    await process.send(fd, encodeMessage(query));
    const buffer = new Uint8Array(query.edns === null ? UDP_SIZE_PLAIN : UDP_SIZE_EDNS);
    while (await readyBefore(client, fd, POLLIN, deadline)) {
      const n = receive(process, fd, buffer);
      if (n < 0) continue;
      const answer = decodeMessage(buffer.subarray(0, n));
      if (answer === null) stats.malformed++;
      else if (matches(answer, query)) return answer;
      else stats.unexpected++;
    }
    return -ETIMEDOUT;
  } finally {
    process.close(fd);
  }
}

/** A datagram that is there; -EAGAIN when it was none after all (a bad checksum). */
function receive(process: KernelProcess, fd: number, buffer: Uint8Array): number {
  try {
    return process.sys.recv(fd, buffer, MSG_DONTWAIT);
  } catch (error) {
    if (error instanceof KernelError && error.errno === -EAGAIN) return -EAGAIN;
    throw error;
  }
}

async function askTcp(client: Client, ask: Asking, query: Message): Promise<Message | number> {
  const { process, stats } = client;
  const deadline = now(client) + ask.timeoutNs;
  const fd = process.socket(familyOf(ask.server), SOCK_STREAM);
  try {
    process.fcntl(fd, F_SETFL, O_NONBLOCK);
    bindLocal(process, fd, ask);
    try {
      process.sys.connect(fd, { address: ask.server, port: ask.port ?? DNS_PORT });
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== 'EINPROGRESS') throw error;
    }
    if (!await readyBefore(client, fd, POLLOUT, deadline)) return -ETIMEDOUT;
    const error = process.getsockopt(fd, SOL_SOCKET, SO_ERROR) as number;
    if (error !== 0) return -error;
    process.sys.write(fd, framed(encodeMessage(query)));
    const head = await readFully(client, fd, 2, deadline);
    if (typeof head === 'number') return head;
    const body = await readFully(client, fd, (head[0]! << 8) | head[1]!, deadline);
    if (typeof body === 'number') return body;
    const answer = decodeMessage(body);
    if (answer !== null && matches(answer, query)) return answer;
    if (answer === null) stats.malformed++;
    else stats.unexpected++;
    return -EPROTO;
  } finally {
    process.close(fd);
  }
}

/** A message as TCP carries it: its length in front (RFC 1035 §4.2.2), in one write (RFC 7766 §8). */
export function framed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(2 + bytes.length);
  out[0] = bytes.length >> 8;
  out[1] = bytes.length & 255;
  out.set(bytes, 2);
  return out;
}

async function readFully(client: Client, fd: number, count: number, deadline: number): Promise<Uint8Array | number> {
  const out = new Uint8Array(count);
  let got = 0;
  while (got < count) {
    if (!await readyBefore(client, fd, POLLIN, deadline)) return -ETIMEDOUT;
    const n = receive(client.process, fd, out.subarray(got));
    if (n === 0) return -EIO; // closed too early
    if (n > 0) got += n;
  }
  return out;
}

/** Waits for events until a moment of virtual time; false when it has come. */
async function readyBefore(client: Client, fd: number, events: number, deadline: number): Promise<boolean> {
  const left = deadline - now(client);
  if (left <= 0) return false;
  return await client.process.poll([{ fd, events, revents: 0 }], left / NS_PER_MS) > 0;
}

function now(client: Client): number {
  return hostNow(client.process.proc.net);
}

/** A host's time, ns: its processor's clock stands still while it is idle. */
export function hostNow({ cpu, sim }: Net): number {
  return Math.max(cpu.now, sim.now);
}

/** RFC 5452 §9.1: an answer has the question's id and the question itself. (Where it came from, the socket has checked.) */
function matches(answer: Message, query: Message): boolean {
  if (!answer.response || answer.id !== query.id) return false;
  const [q] = answer.questions;
  // A server that could not read the question need not repeat it.
  if (q === undefined) return answer.rcode === FORMERR;
  return answer.questions.length === 1 && sameQuestion(q, query.questions[0]!);
}

function sameQuestion(a: Question, b: Question): boolean {
  return a.type === b.type && a.class === b.class && lowerName(a.name) === lowerName(b.name);
}
