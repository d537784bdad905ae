/**
 * A name server: a program of a host, written on its socket calls (RFC 1034 §4.3, RFC 1035 §4.2, RFC 6891, RFC 7766).
 *
 *   from  world/host.ts            host.nameServer({ zone })
 *   to    world/dns/zone.ts        what it is in charge of
 *         world/dns/recursive.ts   what it finds out for others
 *
 * What is no message, or no question, is dropped and counted; it never draws an answer.
 */
import { KernelError } from '../../host/errors.ts';
import {
  BADVERS, decodeMessage, DNS_PORT, encodeMessage, FORMERR, Message, MESSAGE_MAX, NOERROR, NOTIMP, REFUSED, SERVFAIL, UDP_SIZE_EDNS,
  UDP_SIZE_PLAIN,
} from '../../host/dns/message.ts';
import { CNAME_CHAIN_MAX } from '../../host/dns/chain.ts';
import { framed } from '../../host/dns/exchange.ts';
import { isWithin, labelCount, lowerName } from '../../host/dns/names.ts';
import type { KernelProcess } from '../../host/process.ts';
import type { Received } from '../../host/sys-calls.ts';
import {
  AF_INET, AF_INET6, IP_PKTINFO, IPV6_PKTINFO, IPV6_RECVPKTINFO, IPV6_V6ONLY, POLLIN, SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOL_IP,
  SOL_IPV6, SOL_SOCKET,
} from '../../sock/constants.ts';
import type { Recursive } from './recursive.ts';
import type { Zone } from './zone.ts';

/** Questions that are kept in `server.queries`; older ones go. */
export const QUERY_LOG_MAX = 1000;
/** Clients whose questions are being found out at one time; more get SERVFAIL. */
export const RECURSIVE_CLIENTS_MAX = 1000;
/** TCP connections at one time; more are closed. */
export const TCP_CLIENTS_MAX = 150;
/** How long a TCP connection may be idle, in milliseconds (RFC 7766 §6.2.3). */
export const TCP_IDLE_MS = 10_000;

/** A question that came. */
export interface ServedQuery {
  /** Virtual milliseconds. */
  readonly time: number;
  readonly from: string;
  readonly transport: 'udp' | 'tcp';
  readonly name: string;
  readonly type: string;
}

/** What became of what came. */
export class ServerStats {
  queries = 0;
  /** Bytes that are no message. */
  malformed = 0;
  /** Messages that are no questions. */
  unexpected = 0;
  truncated = 0;
  /** Connections that were closed because there were too many. */
  refusedConnections = 0;
}

export class NameServer {
  readonly zones: readonly Zone[];
  readonly recursive: Recursive | null;
  readonly port: number;
  readonly stats: ServerStats = new ServerStats();
  /** The latest questions, oldest first. */
  readonly queries: ServedQuery[] = [];
  private readonly process: KernelProcess;
  private connections = 0;
  private working = 0;

  /** Begins to serve. The process is the server's own from here on. */
  constructor(process: KernelProcess, zones: readonly Zone[], recursive: Recursive | null, port: number = DNS_PORT) {
    this.process = process;
    // The deepest zone that has a name is in charge of it.
    this.zones = [...zones].sort((a, b) => labelCount(b.origin) - labelCount(a.origin));
    this.recursive = recursive;
    this.port = port;
    for (const family of [AF_INET, AF_INET6]) this.serve(family);
  }

  /** Listens by UDP and TCP on every address of a family. */
  private serve(family: number): void {
    const { process, port } = this;
    const isSix = family === AF_INET6;
    const at = { address: isSix ? '::' : '0.0.0.0', port };
    const udp = process.socket(family, SOCK_DGRAM);
    const tcp = process.socket(family, SOCK_STREAM);
    if (isSix) for (const fd of [udp, tcp]) process.setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, 1);
    if (isSix) process.setsockopt(udp, SOL_IPV6, IPV6_RECVPKTINFO, 1);
    else process.setsockopt(udp, SOL_IP, IP_PKTINFO, 1);
    process.setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, 1);
    process.bind(udp, at);
    process.bind(tcp, at);
    process.listen(tcp);
    void this.serveUdp(udp);
    void this.serveTcp(tcp);
  }

  /** Ends it: its sockets are closed, what it was about to find out is forgotten. */
  close(): void {
    this.process.kill();
    this.recursive?.process.kill();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // ---- UDP ----------------------------------------------------------------------------------------------------------

  private async serveUdp(fd: number): Promise<void> {
    const buffer = new Uint8Array(MESSAGE_MAX);
    for (;;) {
      let got: Received;
      try {
        got = await this.process.recvmsg(fd, [buffer]);
      } catch (error) {
        if (this.ended(error)) return;
        continue; // a pending error of the socket
      }
      const query = this.read(buffer.subarray(0, got.bytes));
      if (query !== null) void this.answerUdp(fd, query, got);
    }
  }

  private async answerUdp(fd: number, query: Message, { from, control }: Received): Promise<void> {
    this.log(query, from!.address, 'udp');
    const answer = await this.answer(query);
    const limit = query.edns === null ? UDP_SIZE_PLAIN : Math.min(Math.max(query.edns.udpSize, UDP_SIZE_PLAIN), UDP_SIZE_EDNS);
    const bytes = this.fit(answer, limit);
    // From the address that was asked, also where the host has several.
    try {
      await this.process.sendmsg(fd, { iov: [bytes], to: from!, control: sourceOf(control) });
    } catch (error) {
      if (!(error instanceof KernelError)) throw error; // the asker is out of reach: it will ask again, or not
    }
  }

  /** The bytes of an answer, in as many as there may be: without additional records, or else empty and marked as cut. */
  private fit(answer: Message, limit: number): Uint8Array {
    const whole = encodeMessage(answer);
    if (whole.length <= limit) return whole;
    const isReferral = answer.answers.length === 0 && answer.authorities.some((record) => record.type === 'NS');
    if (!isReferral && answer.additionals.length > 0) {
      answer.additionals = [];
      const rest = encodeMessage(answer);
      if (rest.length <= limit) return rest;
    }
    // RFC 2181 §9: TC when something that was asked for is missing; RFC 9471: glue of a referral is.
    this.stats.truncated++;
    answer.tc = true;
    answer.answers = [];
    answer.authorities = [];
    answer.additionals = [];
    return encodeMessage(answer);
  }

  // ---- TCP ----------------------------------------------------------------------------------------------------------

  private async serveTcp(listener: number): Promise<void> {
    for (;;) {
      try {
        const { fd, peer } = await this.process.accept(listener);
        if (this.connections < TCP_CLIENTS_MAX) void this.serveConnection(fd, peer.address);
        else {
          this.stats.refusedConnections++;
          this.process.close(fd);
        }
      } catch (error) {
        if (this.ended(error)) return;
      }
    }
  }

  private async serveConnection(fd: number, from: string): Promise<void> {
    this.connections++;
    try {
      for (;;) {
        const head = await this.readFully(fd, 2);
        const body = head === null ? null : await this.readFully(fd, (head[0]! << 8) | head[1]!);
        const query = body === null ? null : this.read(body);
        if (query === null) break;
        this.log(query, from, 'tcp');
        await this.process.write(fd, framed(this.fit(await this.answer(query), MESSAGE_MAX)));
      }
      this.process.close(fd);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      if (!this.ended(error)) this.process.close(fd); // reset by the client
    } finally {
      this.connections--;
    }
  }

  /** So many bytes; null when the client has ended or is idle for too long. */
  private async readFully(fd: number, count: number): Promise<Uint8Array | null> {
    const out = new Uint8Array(count);
    for (let got = 0; got < count;) {
      if (await this.process.poll([{ fd, events: POLLIN }], TCP_IDLE_MS) === 0) return null;
      const n = await this.process.read(fd, out.subarray(got));
      if (n === 0) return null;
      got += n;
    }
    return out;
  }

  /** Closed, killed, or its host has crashed. What is no error of a call is ours, and surfaces. */
  private ended(error: unknown): boolean {
    if (!(error instanceof KernelError)) throw error;
    return this.process.proc.dead || error.code === 'EBADF';
  }

  // ---- answers ------------------------------------------------------------------------------------------------------

  private read(bytes: Uint8Array): Message | null {
    const message = decodeMessage(bytes);
    if (message === null) this.stats.malformed++;
    else if (message.response) this.stats.unexpected++;
    else return message;
    return null;
  }

  private log(query: Message, from: string, transport: 'udp' | 'tcp'): void {
    this.stats.queries++;
    const [q] = query.questions;
    if (this.queries.length >= QUERY_LOG_MAX) this.queries.shift();
    const time = this.process.proc.net.sim.now / 1e6;
    this.queries.push({ time, from, transport, name: q === undefined ? '' : lowerName(q.name), type: q?.type ?? '' });
  }

  private async answer(query: Message): Promise<Message> {
    const problem = problemOf(query);
    const reply = Message.reply(query, problem);
    reply.ra = this.recursive !== null;
    if (problem !== NOERROR) return reply;
    const [q] = query.questions;
    const name = lowerName(q!.name);
    const outside = this.fromZones(reply, name, q!.type);
    const recursive = query.rd ? this.recursive : null;
    if (outside !== null && recursive !== null) await this.fromOthers(reply, outside, q!.type, recursive);
    // RFC 9499: a server that is not in charge, and was not asked to find out, refuses.
    else if (outside === name) reply.rcode = REFUSED;
    return reply;
  }

  /** What our own zones say; the name at which they end, or null when there is no more to say. */
  private fromZones(reply: Message, name: string, type: string): string | null {
    let at: string | null = name;
    for (let i = 0; at !== null && i < CNAME_CHAIN_MAX; i++) {
      const here: string = at;
      const zone = this.zones.find((z) => isWithin(here, z.origin));
      if (zone === undefined) return here;
      const said = zone.lookup(here, type);
      if (i === 0) reply.aa = said.authoritative;
      // A referral to others is no end for somebody who finds out.
      if (!said.authoritative && reply.rd && this.recursive !== null) {
        if (i === 0) reply.aa = false;
        return here;
      }
      reply.rcode = said.rcode;
      reply.answers.push(...said.answers);
      reply.authorities.push(...said.authorities);
      reply.additionals.push(...said.additionals);
      at = said.outside;
    }
    return null;
  }

  private async fromOthers(reply: Message, name: string, type: string, recursive: Recursive): Promise<void> {
    if (this.working >= RECURSIVE_CLIENTS_MAX) {
      reply.rcode = SERVFAIL;
      return;
    }
    this.working++;
    const found = await recursive.answer(name, type);
    this.working--;
    reply.rcode = found.rcode;
    reply.answers.push(...found.answers);
    reply.authorities.push(...found.authorities);
  }
}

/** What makes an answer leave from the address that was asked; nothing where that is not known. */
function sourceOf(control: Received['control']): Received['control'] {
  return control.flatMap((c) => {
    if (c.level === SOL_IP && c.type === IP_PKTINFO) {
      const { specDst } = c.data as { specDst: number };
      return specDst === 0 ? [] : [{ ...c, data: { ifindex: 0, specDst, addr: 0 } }];
    }
    return c.level === SOL_IPV6 && c.type === IPV6_PKTINFO ? [c] : [];
  });
}

/** Why a question has no answer: an rcode, or NOERROR. */
function problemOf(query: Message): number {
  if (query.opcode !== 0) return NOTIMP;
  if (query.questions.length !== 1) return FORMERR;
  if (query.edns !== null && query.edns.version > 0) return BADVERS;
  const [q] = query.questions;
  if (q!.class !== 'IN') return REFUSED;
  if (q!.type === 'AXFR' || q!.type === 'IXFR') return NOTIMP;
  return NOERROR;
}
