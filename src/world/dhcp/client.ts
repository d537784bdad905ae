/**
 * A DHCP client: a program of a host that gets an address for one of its interfaces, keeps it as long as it may, and sets
 * address, route and resolver by what it is told (RFC 2131 §4.4). It prints what it does as dhclient(8) does.
 *
 *   from  world/host.ts          host.dhcp(), { dhcp: true }
 *   to    world/dhcp/lease.ts    what a lease changes on the host
 *         wire/dhcp.ts           messages
 *
 *   init → selecting → requesting → probing → bound → renewing → rebinding → init
 *
 * Between T1 and T2 and while no server is there, it waits by housekeeping timers: a lease keeps no world running.
 */
import { formatIpv4, formatMac } from '../../lib/addr.ts';
import { Random } from '../../lib/random.ts';
import { checkOptions, NS_PER_MS, NS_PER_SEC } from '../../lib/units.ts';
import { hostNow } from '../../host/dns/exchange.ts';
import { KernelError } from '../../host/errors.ts';
import type { KernelProcess } from '../../host/process.ts';
import {
  AF_INET, MSG_DONTWAIT, POLLIN, SO_BINDTODEVICE, SO_BROADCAST, SO_REUSEADDR, SOCK_DGRAM, SOL_SOCKET,
} from '../../sock/constants.ts';
import { Task } from '../../time/task.ts';
import { Timer } from '../../time/timer.ts';
import {
  BOOTREPLY, DHCP_BROADCAST, DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DHCPACK, dhcpBuild, DHCPDECLINE, DHCPDISCOVER, DhcpMessage, DHCPNAK,
  DHCPOFFER, dhcpParse, DHCPRELEASE, DHCPREQUEST, dhcpTypeName, OPT_CLIENT_ID, OPT_DNS, OPT_DOMAIN, OPT_HOSTNAME, OPT_LEASE_TIME,
  OPT_MESSAGE_TYPE, OPT_PARAMETER_LIST, OPT_REBINDING_TIME, OPT_RENEWAL_TIME, OPT_REQUESTED_IP, OPT_ROUTER, OPT_SERVER_ID, OPT_SUBNET_MASK,
} from '../../wire/dhcp.ts';
import type { Interface } from '../interface.ts';
import { applyLease, leaseOf, withdrawLease, type DhcpLease } from './lease.ts';
import { arpProbe } from './probe.ts';

export interface DhcpClientOptions {
  /** The interface, by name. Default: the host's first. */
  readonly interface?: string;
  /** Ask by ARP whether the address is free before using it. Default true; it takes a second. */
  readonly probe?: boolean;
  /** Sent as the client's name. Default: the host's. */
  readonly hostname?: string;
}

export const CLIENT_OPTIONS: readonly string[] = ['interface', 'probe', 'hostname'];

/** RFC 2131 §4.1: 4 s, doubled up to 64 s, each give or take one. */
const FIRST_INTERVAL_S = 4;
const LAST_INTERVAL_S = 64;
/** DHCPDISCOVERs before it gives up for a while, and for how long (dhclient's retry). */
export const DISCOVERS_MAX = 5;
export const RETRY_MS = 300_000;
/** DHCPREQUESTs for one offer. */
export const REQUESTS_MAX = 4;
/** How long to listen for an answer of ARP. */
export const PROBE_WAIT_MS = 1000;
/** RFC 2131 §3.1 (5): the pause after a DHCPDECLINE. */
export const DECLINE_WAIT_MS = 10_000;
/** How long an answer to a renewal is waited for at once. */
const RENEWAL_WAIT_MS = 4000;
/** RFC 2131 §4.4.5: renewals are at least this far apart. */
const RENEWAL_MIN_NS = 60 * NS_PER_SEC;
/** Lines of the log that are kept. */
export const CLIENT_LOG_MAX = 1000;

export type DhcpState = 'init' | 'selecting' | 'requesting' | 'probing' | 'bound' | 'renewing' | 'rebinding' | 'stopped';

export class DhcpClient {
  state: DhcpState = 'init';
  /** What it has; null while it has nothing. */
  lease: DhcpLease | null = null;
  /** What it said, as dhclient(8) does. */
  readonly log: string[] = [];
  /** Bytes that are no message, and messages that are not for it. */
  malformed = 0;
  unexpected = 0;
  private readonly itf: Interface;
  private readonly process: KernelProcess;
  private readonly options: DhcpClientOptions;
  private readonly random: Random;
  private readonly fd: number;
  private readonly buffer: Uint8Array = new Uint8Array(1500);
  private xid = 0;
  /** When it began to ask, and when the latest request left: times of a lease count from there (RFC 2131 §4.4.1). */
  private startedNs = 0;
  private requestedNs = 0;
  private waiters: ((lease: DhcpLease) => void)[] = [];

  /** Begins at once. The process is the client's own from here on. */
  constructor(process: KernelProcess, itf: Interface, options: DhcpClientOptions) {
    checkOptions(options, CLIENT_OPTIONS, 'dhcp');
    this.process = process;
    this.itf = itf;
    this.options = options;
    const { net } = process.proc;
    this.random = Random.stream(itf.host.world.seed, `dhcp:${net.name}.${itf.name}:${String(itf.host.power.nth)}`);
    this.fd = process.socket(AF_INET, SOCK_DGRAM);
    process.setsockopt(this.fd, SOL_SOCKET, SO_REUSEADDR, 1);
    process.setsockopt(this.fd, SOL_SOCKET, SO_BROADCAST, 1);
    process.setsockopt(this.fd, SOL_SOCKET, SO_BINDTODEVICE, itf.name);
    process.bind(this.fd, { port: DHCP_CLIENT_PORT });
    net.sim.ready(new Task(() => void this.run())); // once the cables are there, too
  }

  /** Waits until it has an address. */
  bound(): Promise<DhcpLease> {
    const { lease } = this;
    if (lease !== null) return Promise.resolve(lease);
    return new Promise((resolve) => void this.waiters.push(resolve));
  }

  /** Gives the address back (DHCPRELEASE) and ends. */
  async release(): Promise<void> {
    const { lease } = this;
    if (lease !== null && this.alive) {
      const m = this.message(DHCPRELEASE);
      m.flags = 0;
      m.ciaddr = lease.addr;
      m.setWord(OPT_SERVER_ID, lease.serverAddr);
      this.say(`DHCPRELEASE of ${lease.address} on ${this.itf.name} to ${lease.server} port ${String(DHCP_SERVER_PORT)}`);
      await this.send(m, lease.server);
    }
    this.stop();
  }

  /** Ends without a word to anybody; the address is taken away. */
  stop(): void {
    if (this.state === 'stopped') return;
    if (this.alive) this.drop();
    this.state = 'stopped';
    this.process.kill();
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  private get alive(): boolean {
    return this.state !== 'stopped' && !this.process.proc.dead;
  }

  // ---- the life of a client -----------------------------------------------------------------------------------------

  private async run(): Promise<void> {
    try {
      while (this.alive) {
        const offer = await this.discover();
        if (offer === null) {
          this.say('No DHCPOFFERS received.');
          await this.rest(RETRY_MS * NS_PER_MS);
          continue;
        }
        const ack = await this.choose(offer);
        if (ack !== null && await this.take(ack)) await this.keep();
      }
    } catch (error) {
      // Killed, or the host has crashed: nobody is there to be told.
      if (!(error instanceof KernelError) || this.alive) throw error;
    }
  }

  /** RFC 2131 §4.4.1: asks everybody; the first offer is as good as any. */
  private async discover(): Promise<DhcpMessage | null> {
    this.state = 'selecting';
    this.xid = this.random.next32();
    this.startedNs = this.now;
    for (let i = 0; i < DISCOVERS_MAX; i++) {
      const interval = this.interval(i);
      const where = `on ${this.itf.name} to 255.255.255.255 port ${String(DHCP_SERVER_PORT)}`;
      this.say(`DHCPDISCOVER ${where} interval ${String(Math.round(interval))}`);
      await this.send(this.message(DHCPDISCOVER), '255.255.255.255');
      const offer = await this.answer(interval * NS_PER_SEC, [DHCPOFFER]);
      if (offer === null) continue;
      if (leaseOf(offer, this.now) !== null) {
        this.say(`DHCPOFFER of ${formatIpv4(offer.yiaddr)} from ${formatIpv4(offer.word(OPT_SERVER_ID)!)}`);
        return offer;
      }
      this.unexpected++;
    }
    return null;
  }

  /** Takes an offer; null when the server has changed its mind, or is gone. */
  private async choose(offer: DhcpMessage): Promise<DhcpMessage | null> {
    this.state = 'requesting';
    for (let i = 0; i < REQUESTS_MAX; i++) {
      const m = this.message(DHCPREQUEST);
      m.setWord(OPT_SERVER_ID, offer.word(OPT_SERVER_ID)!);
      m.setWord(OPT_REQUESTED_IP, offer.yiaddr);
      this.requestedNs = this.now;
      this.say(`DHCPREQUEST for ${formatIpv4(offer.yiaddr)} on ${this.itf.name} to 255.255.255.255 port ${String(DHCP_SERVER_PORT)}`);
      await this.send(m, '255.255.255.255');
      const answer = await this.answer(this.interval(i) * NS_PER_SEC, [DHCPACK, DHCPNAK]);
      if (answer !== null) return this.heard(answer) ? answer : null;
    }
    return null;
  }

  /** Says what came; false for a refusal, and for an answer that makes no lease. */
  private heard(answer: DhcpMessage): boolean {
    const from = answer.word(OPT_SERVER_ID);
    const where = from === null ? '' : ` from ${formatIpv4(from)}`;
    this.say(`${dhcpTypeName(answer.type)}${answer.type === DHCPACK ? ` of ${formatIpv4(answer.yiaddr)}` : ''}${where}`);
    return answer.type === DHCPACK && leaseOf(answer, this.now) !== null;
  }

  /** Uses an address, unless somebody else is there. */
  private async take(ack: DhcpMessage): Promise<boolean> {
    const lease = leaseOf(ack, this.requestedNs)!;
    if (this.options.probe ?? true) {
      this.state = 'probing';
      const wait = async (): Promise<void> => void await this.process.poll([], PROBE_WAIT_MS);
      if (await arpProbe(this.itf.dev, lease.addr, wait)) {
        await this.decline(lease);
        return false;
      }
    }
    this.use(lease);
    return true;
  }

  private async decline(lease: DhcpLease): Promise<void> {
    const m = this.message(DHCPDECLINE);
    m.setWord(OPT_REQUESTED_IP, lease.addr);
    m.setWord(OPT_SERVER_ID, lease.serverAddr);
    this.say(`DHCPDECLINE of ${lease.address} on ${this.itf.name} to 255.255.255.255 port ${String(DHCP_SERVER_PORT)}`);
    await this.send(m, '255.255.255.255');
    this.state = 'init';
    await this.process.poll([], DECLINE_WAIT_MS);
  }

  private use(lease: DhcpLease): void {
    const renewal = Math.round((lease.renewNs - this.now) / NS_PER_SEC);
    if (this.lease === null || this.lease.addr !== lease.addr) this.drop();
    applyLease(this.itf, this.lease, lease);
    this.lease = lease;
    this.state = 'bound';
    this.say(`bound to ${lease.address} -- renewal in ${String(renewal)} seconds.`);
    const { waiters } = this;
    this.waiters = [];
    for (const resolve of waiters) resolve(lease);
  }

  /** RFC 2131 §4.4.5: until T1 nothing; then its own server; from T2 on any; at the end it has nothing any more. */
  private async keep(): Promise<void> {
    await this.rest(this.lease!.renewNs - this.now);
    while (this.alive) {
      const lease = this.lease!;
      const left = lease.expiresNs - this.now;
      if (left <= 0) break;
      const rebinding = this.now >= lease.rebindNs;
      this.state = rebinding ? 'rebinding' : 'renewing';
      const answer = await this.renew(lease, rebinding ? '255.255.255.255' : lease.server, left);
      if (answer !== null) {
        if (!this.heard(answer)) break; // refused: not ours any longer
        this.use(leaseOf(answer, this.requestedNs)!);
        await this.rest(this.lease!.renewNs - this.now);
        continue;
      }
      const until = rebinding ? lease.expiresNs : lease.rebindNs;
      const half = Math.max((until - this.now) / 2, RENEWAL_MIN_NS);
      await this.rest(Math.max(Math.min(half, until - this.now), 0));
    }
    if (!this.alive) return;
    if (this.lease !== null && this.now >= this.lease.expiresNs) this.say(`lease of ${this.lease.address} has expired`);
    this.drop();
    this.state = 'init';
  }

  private async renew(lease: DhcpLease, to: string, leftNs: number): Promise<DhcpMessage | null> {
    this.xid = this.random.next32();
    this.startedNs = this.now;
    this.requestedNs = this.now;
    const m = this.message(DHCPREQUEST);
    m.ciaddr = lease.addr;
    m.flags = 0; // it hears its own address by now
    this.say(`DHCPREQUEST for ${lease.address} on ${this.itf.name} to ${to} port ${String(DHCP_SERVER_PORT)}`);
    await this.send(m, to);
    return await this.answer(Math.min(RENEWAL_WAIT_MS * NS_PER_MS, leftNs), [DHCPACK, DHCPNAK]);
  }

  /** Takes away what the lease has set. */
  private drop(): void {
    if (this.lease === null) return;
    withdrawLease(this.itf, this.lease);
    this.lease = null;
  }

  // ---- messages and time --------------------------------------------------------------------------------------------

  private message(type: number): DhcpMessage {
    const m = new DhcpMessage();
    const { addr } = this.itf.dev;
    m.xid = this.xid;
    m.flags = DHCP_BROADCAST;
    m.secs = Math.min(Math.floor((this.now - this.startedNs) / NS_PER_SEC), 0xffff);
    m.chaddr = addr.slice(0, 6);
    m.options.set(OPT_MESSAGE_TYPE, Uint8Array.of(type));
    m.options.set(OPT_CLIENT_ID, Uint8Array.of(1, ...addr.subarray(0, 6)));
    if (type === DHCPDISCOVER || type === DHCPREQUEST) {
      m.setText(OPT_HOSTNAME, this.options.hostname ?? this.itf.host.name);
      m.options.set(OPT_PARAMETER_LIST, Uint8Array.of(
        OPT_SUBNET_MASK, OPT_ROUTER, OPT_DNS, OPT_DOMAIN, OPT_LEASE_TIME, OPT_RENEWAL_TIME, OPT_REBINDING_TIME,
      ));
    }
    return m;
  }

  /** What cannot be sent (no cable, no route) is lost, like what gets lost on the way. */
  private async send(m: DhcpMessage, to: string): Promise<void> {
    try {
      await this.process.sendto(this.fd, dhcpBuild(m), { address: to, port: DHCP_SERVER_PORT });
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
    }
  }

  /** Waits for an answer of one of the types; null when the time is up. */
  private async answer(timeoutNs: number, types: readonly number[]): Promise<DhcpMessage | null> {
    const deadline = this.now + timeoutNs;
    for (let left = timeoutNs; left > 0 && this.alive; left = deadline - this.now) {
      if (await this.process.poll([{ fd: this.fd, events: POLLIN }], left / NS_PER_MS) === 0) return null;
      let n: number;
      try {
        n = this.process.sys.recv(this.fd, this.buffer, MSG_DONTWAIT);
      } catch (error) {
        if (!(error instanceof KernelError) || !this.alive) throw error;
        continue; // an ICMP error, or nothing after all
      }
      const m = dhcpParse(this.buffer.subarray(0, n));
      if (m === null) this.malformed++;
      else if (m.op !== BOOTREPLY || m.xid !== this.xid || formatMac(m.chaddr) !== formatMac(this.itf.dev.addr)) this.unexpected++;
      else if (types.includes(m.type)) return m;
      else this.unexpected++;
    }
    return null;
  }

  private interval(i: number): number {
    return Math.min(FIRST_INTERVAL_S * 2 ** i, LAST_INTERVAL_S) + this.random.float() * 2 - 1;
  }

  /** Lets time pass, as housekeeping. Never returns once the client has ended. */
  private rest(ns: number): Promise<void> {
    const { sim } = this.process.proc.net;
    return new Promise((resolve) => {
      const task = new Task(() => {
        if (this.alive) resolve();
      });
      new Timer(sim, null, () => sim.ready(task), true).mod(sim.now + Math.max(ns, 0));
    });
  }

  private say(line: string): void {
    if (this.log.length >= CLIENT_LOG_MAX) this.log.shift();
    this.log.push(line);
  }

  private get now(): number {
    return hostNow(this.process.proc.net);
  }
}
