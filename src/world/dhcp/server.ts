/**
 * A DHCP server: a program of a host that gives the addresses of a pool to whoever asks on one of its links (RFC 2131 §4.3).
 *
 *   from  world/host.ts    host.dhcpServer({ pool })
 *   to    wire/dhcp.ts     its messages
 *
 * Leases end by the clock when somebody looks at them: an idle server has no timers. What is no message of a client is
 * dropped and counted. Answers to clients that have no address yet go to everybody on the link, whether they asked for that
 * or not: a UDP socket cannot address a host that ARP does not know.
 */
import { ipv4InPrefix, formatIpv4, formatMac, ipv4Mask, parseIpv4, parseMac } from '../../lib/addr.ts';
import { checkOptions, NS_PER_SEC, parseDuration, type Duration } from '../../lib/units.ts';
import { hostNow } from '../../host/dns/exchange.ts';
import { addressFamily, canonicalName } from '../../host/dns/names.ts';
import { KernelError } from '../../host/errors.ts';
import type { KernelProcess } from '../../host/process.ts';
import { AF_INET, SO_BINDTODEVICE, SO_BROADCAST, SO_REUSEADDR, SOCK_DGRAM, SOL_SOCKET } from '../../sock/constants.ts';
import {
  BOOTREPLY, BOOTREQUEST, DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DHCPACK, dhcpBuild, DHCPDECLINE, DHCPDISCOVER, DHCPINFORM, DhcpMessage,
  DHCPNAK, DHCPOFFER, dhcpParse, DHCPRELEASE, DHCPREQUEST, dhcpTypeName, OPT_CLIENT_ID, OPT_DNS, OPT_DOMAIN, OPT_HOSTNAME, OPT_LEASE_TIME,
  OPT_MESSAGE, OPT_MESSAGE_TYPE, OPT_REBINDING_TIME, OPT_RENEWAL_TIME, OPT_REQUESTED_IP, OPT_ROUTER, OPT_SERVER_ID, OPT_SUBNET_MASK,
} from '../../wire/dhcp.ts';
import type { Host } from '../host.ts';
import type { Interface } from '../interface.ts';

export interface DhcpServerOptions {
  /** First and last address: `['10.0.0.100', '10.0.0.199']`. */
  readonly pool: readonly [first: string, last: string];
  /** The link to serve, by the interface's name. Default: the host's first interface. */
  readonly interface?: string;
  /** Default: none. */
  readonly router?: string;
  /** Name servers. */
  readonly dns?: readonly string[];
  /** The clients' search domain. */
  readonly domain?: string;
  /** How long an address is lent. Default one hour. */
  readonly leaseTime?: Duration;
  /** Addresses for certain hardware addresses, in the pool or beside it. */
  readonly reservations?: Readonly<Record<string, string>>;
}

const OPTIONS: readonly string[] = ['pool', 'interface', 'router', 'dns', 'domain', 'leaseTime', 'reservations'];

/** Addresses of one pool. */
export const POOL_MAX = 65536;
/** How long an offer is kept for its client. */
export const OFFER_HOLD_MS = 60_000;
/** How long an address rests after a client found somebody else at it. */
export const DECLINE_HOLD_MS = 86_400_000;
const DEFAULT_LEASE = '3600s';
/** Lines of the log that are kept. */
export const LOG_MAX = 1000;

/** An address that is lent, offered, or not to be used. */
export interface ServerLease {
  readonly address: string;
  /** The client's identifier, or its hardware address. */
  readonly client: string;
  readonly mac: string;
  readonly hostname: string | null;
  readonly state: 'offered' | 'bound' | 'declined';
  /** Virtual nanoseconds. */
  readonly expiresNs: number;
}

/** What became of what came. */
export class DhcpServerStats {
  /** Bytes that are no message. */
  malformed = 0;
  /** Messages that are none of a client, or go through a relay. */
  unexpected = 0;
  /** Clients that got nothing: the pool is empty. */
  exhausted = 0;
}

/** The options of a server, checked. */
class Settings {
  readonly first: number;
  readonly last: number;
  readonly own: number;
  readonly prefixLen: number;
  readonly router: number | null;
  readonly dns: readonly number[];
  readonly domain: string | null;
  readonly leaseSeconds: number;
  readonly reservations: ReadonlyMap<string, number>;

  constructor(options: DhcpServerOptions, itf: Interface) {
    checkOptions(options, OPTIONS, 'dhcpServer');
    const subnet = itf.subnet;
    if (itf.ip === null || subnet === null) throw new TypeError(`dhcpServer: ${itf.host.name}.${itf.name} has no address; it needs one`);
    this.own = parseIpv4(itf.ip)!;
    this.prefixLen = subnet.prefixLen;
    const [first, last] = Array.isArray(options.pool) ? options.pool : [];
    this.first = within(first, 'pool', subnet) >>> 0;
    this.last = within(last, 'pool', subnet) >>> 0;
    const size = this.last - this.first + 1;
    if (size < 1 || size > POOL_MAX) {
      throw new RangeError(`dhcpServer: pool: from ${String(first)} to ${String(last)} are ${String(size)} addresses`);
    }
    this.router = options.router === undefined ? null : within(options.router, 'router', subnet);
    this.dns = (options.dns ?? []).map((text) => {
      if (addressFamily(text) !== 4) throw new TypeError(`dhcpServer: dns: '${text}' is not an IPv4 address`);
      return parseIpv4(text)!;
    });
    this.domain = options.domain === undefined ? null : canonicalName(options.domain, 'dhcpServer: domain');
    this.leaseSeconds = Math.floor(parseDuration(options.leaseTime ?? DEFAULT_LEASE, 'dhcpServer: leaseTime') / NS_PER_SEC);
    const isTime = this.leaseSeconds >= 1 && this.leaseSeconds < 0xffffffff;
    if (!isTime) throw new RangeError('dhcpServer: leaseTime: expected at least one second');
    this.reservations = new Map(Object.entries(options.reservations ?? {}).map(([mac, address]) => {
      const parsed = parseMac(mac);
      if (parsed === null) throw new TypeError(`dhcpServer: reservations: '${mac}' is not a hardware address such as '02:00:00:00:00:01'`);
      return [formatMac(parsed), within(address, 'reservations', subnet)];
    }));
  }
}

function within(text: unknown, name: string, subnet: { readonly addr: number; readonly prefixLen: number }): number {
  const addr = typeof text === 'string' ? parseIpv4(text) : null;
  if (addr === null) throw new TypeError(`dhcpServer: ${name}: '${String(text)}' is not an IPv4 address`);
  if (ipv4InPrefix(addr, subnet.addr, subnet.prefixLen)) return addr;
  const network = `${formatIpv4(subnet.addr)}/${String(subnet.prefixLen)}`;
  throw new RangeError(`dhcpServer: ${name}: ${String(text)} is not in the interface's subnet ${network}`);
}

export class DhcpServer {
  readonly stats: DhcpServerStats = new DhcpServerStats();
  /** What was said, as dhcpd(8) logs it. */
  readonly log: string[] = [];
  private readonly process: KernelProcess;
  private readonly itf: Interface;
  private readonly settings: Settings;
  private readonly fd: number;
  /** By address. At most as many as there are addresses. */
  private readonly table: Map<number, ServerLease> = new Map();

  constructor(process: KernelProcess, itf: Interface, options: DhcpServerOptions) {
    this.process = process;
    this.itf = itf;
    this.settings = new Settings(options, itf);
    this.fd = process.socket(AF_INET, SOCK_DGRAM);
    process.setsockopt(this.fd, SOL_SOCKET, SO_REUSEADDR, 1);
    process.setsockopt(this.fd, SOL_SOCKET, SO_BROADCAST, 1);
    process.setsockopt(this.fd, SOL_SOCKET, SO_BINDTODEVICE, itf.name);
    process.bind(this.fd, { port: DHCP_SERVER_PORT });
    void this.serve();
  }

  /** What is lent now, by address. */
  get leases(): readonly ServerLease[] {
    return [...this.table.values()].filter((lease) => lease.expiresNs > this.now).sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  close(): void {
    this.process.kill();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private async serve(): Promise<void> {
    const buffer = new Uint8Array(1500);
    for (;;) {
      try {
        const { bytes } = await this.process.recvfrom(this.fd, buffer);
        const message = dhcpParse(buffer.subarray(0, bytes));
        if (message === null) this.stats.malformed++;
        else if (message.op !== BOOTREQUEST || message.giaddr !== 0) this.stats.unexpected++;
        else await this.handle(message);
      } catch (error) {
        if (!(error instanceof KernelError)) throw error;
        if (this.process.proc.dead || error.code === 'EBADF') return;
      }
    }
  }

  private async handle(m: DhcpMessage): Promise<void> {
    const mac = formatMac(m.chaddr);
    const wanted = m.word(OPT_REQUESTED_IP);
    this.note(`${dhcpTypeName(m.type)}${wanted === null ? '' : ` for ${formatIpv4(wanted)}`} from ${mac} via ${this.itf.name}`);
    switch (m.type) {
      case DHCPDISCOVER: return await this.discover(m);
      case DHCPREQUEST: return await this.request(m);
      case DHCPINFORM: return await this.send(m, DHCPACK, 0);
      case DHCPRELEASE: {
        const lease = this.table.get(m.ciaddr);
        if (lease !== undefined && lease.client === clientOf(m)) this.table.delete(m.ciaddr);
        return;
      }
      case DHCPDECLINE:
        if (wanted !== null && this.isOurs(m) && this.table.get(wanted)?.client === clientOf(m)) {
          this.note(`abandoning ${formatIpv4(wanted)}: declined`);
          this.set(wanted, m, 'declined', DECLINE_HOLD_MS / 1000);
        }
        return;
      default: this.stats.unexpected++;
    }
  }

  /** RFC 2131 §4.3.1: the address that the client has or had, else the one that it wants, else any. */
  private async discover(m: DhcpMessage): Promise<void> {
    const address = this.choose(m);
    if (address === null) {
      this.stats.exhausted++;
      this.note(`no free address for ${formatMac(m.chaddr)}`);
      return;
    }
    if (this.table.get(address)?.state !== 'bound') this.set(address, m, 'offered', OFFER_HOLD_MS / 1000);
    await this.send(m, DHCPOFFER, address);
  }

  private choose(m: DhcpMessage): number | null {
    const reserved = this.settings.reservations.get(formatMac(m.chaddr));
    if (reserved !== undefined) return reserved;
    const client = clientOf(m);
    for (const [address, lease] of this.table) if (lease.client === client && lease.state !== 'declined') return address;
    const wanted = m.word(OPT_REQUESTED_IP);
    if (wanted !== null && this.isFree(wanted, client)) return wanted;
    let oldest: number | null = null;
    for (let n = this.settings.first; n <= this.settings.last; n++) {
      const address = n | 0;
      if (!this.isFree(address, client)) continue;
      // What was never lent goes first, so that a client that comes back finds its address.
      if (!this.table.has(address)) return address;
      if (oldest === null || this.table.get(address)!.expiresNs < this.table.get(oldest)!.expiresNs) oldest = address;
    }
    return oldest;
  }

  private isFree(address: number, client: string): boolean {
    const n = address >>> 0;
    if (n < this.settings.first || n > this.settings.last || address === this.settings.own) return false;
    const { prefixLen, own } = this.settings;
    const host = address & ~ipv4Mask(prefixLen);
    if (host === 0 || host === ~ipv4Mask(prefixLen) || [...this.settings.reservations.values()].includes(address)) return false;
    const lease = this.table.get(address);
    if (lease === undefined || lease.expiresNs <= this.now) return address !== own;
    return lease.client === client && lease.state !== 'declined';
  }

  /** RFC 2131 §4.3.2: a choice among offers, a client that comes back, or one that wants to keep what it has. */
  private async request(m: DhcpMessage): Promise<void> {
    if (!this.isOurs(m)) {
      // Another server was chosen: what we offered is free again.
      for (const [address, lease] of this.table) if (lease.client === clientOf(m) && lease.state === 'offered') this.table.delete(address);
      return;
    }
    const address = m.ciaddr !== 0 ? m.ciaddr : m.word(OPT_REQUESTED_IP) ?? 0;
    const reserved = this.settings.reservations.get(formatMac(m.chaddr));
    const lease = this.table.get(address);
    const known = lease !== undefined && lease.client === clientOf(m) && lease.state !== 'declined';
    const onLink = ipv4InPrefix(address, this.settings.own, this.settings.prefixLen);
    // A client of another server's: not ours to say no to, as long as it is in the right network.
    if (!known && reserved === undefined && onLink && !m.options.has(OPT_SERVER_ID) && !this.isPooled(address)) return;
    const allowed = reserved === undefined ? known || this.isFree(address, clientOf(m)) : reserved === address;
    if (!onLink || !allowed) return await this.send(m, DHCPNAK, 0);
    this.set(address, m, 'bound', this.settings.leaseSeconds);
    await this.send(m, DHCPACK, address);
  }

  private isPooled(address: number): boolean {
    return address >>> 0 >= this.settings.first && address >>> 0 <= this.settings.last;
  }

  /** True when the message names this server, or none. */
  private isOurs(m: DhcpMessage): boolean {
    const server = m.word(OPT_SERVER_ID);
    return server === null || server === this.settings.own;
  }

  private set(address: number, m: DhcpMessage, state: ServerLease['state'], seconds: number): void {
    this.table.set(address, {
      address: formatIpv4(address), client: clientOf(m), mac: formatMac(m.chaddr), hostname: m.text(OPT_HOSTNAME), state,
      expiresNs: this.now + seconds * NS_PER_SEC,
    });
  }

  /** RFC 2131 §4.3.1, table 3: what each answer contains. */
  private async send(to: DhcpMessage, type: number, address: number): Promise<void> {
    const m = new DhcpMessage();
    const { settings } = this;
    m.op = BOOTREPLY;
    m.xid = to.xid;
    m.flags = to.flags;
    m.chaddr = to.chaddr;
    m.options.set(OPT_MESSAGE_TYPE, Uint8Array.of(type));
    m.setWord(OPT_SERVER_ID, settings.own);
    if (type === DHCPNAK) {
      m.setText(OPT_MESSAGE, 'address not available');
    } else {
      m.ciaddr = type === DHCPACK ? to.ciaddr : 0;
      m.yiaddr = address;
      if (address !== 0) {
        m.setWord(OPT_LEASE_TIME, settings.leaseSeconds);
        m.setWord(OPT_RENEWAL_TIME, Math.floor(settings.leaseSeconds / 2));
        m.setWord(OPT_REBINDING_TIME, Math.floor(settings.leaseSeconds * 7 / 8));
      }
      m.setWord(OPT_SUBNET_MASK, ipv4Mask(settings.prefixLen));
      if (settings.router !== null) m.setWord(OPT_ROUTER, settings.router);
      if (settings.dns.length > 0) m.setWord(OPT_DNS, ...settings.dns);
      if (settings.domain !== null) m.setText(OPT_DOMAIN, settings.domain);
    }
    const unicast = to.ciaddr !== 0 && type !== DHCPNAK;
    const what = type === DHCPNAK ? '' : ` on ${formatIpv4(address !== 0 ? address : to.ciaddr)}`;
    this.note(`${dhcpTypeName(type)}${what} to ${formatMac(to.chaddr)} via ${this.itf.name}`);
    const destination = unicast ? formatIpv4(to.ciaddr) : '255.255.255.255';
    await this.process.sendto(this.fd, dhcpBuild(m), { address: destination, port: DHCP_CLIENT_PORT });
  }

  private note(line: string): void {
    if (this.log.length >= LOG_MAX) this.log.shift();
    this.log.push(line);
  }

  private get now(): number {
    return hostNow(this.process.proc.net);
  }
}

/** RFC 2131 §4.2: by the client identifier, else by the hardware address. */
function clientOf(m: DhcpMessage): string {
  const id = m.options.get(OPT_CLIENT_ID);
  return id === undefined || id.length === 0 ? formatMac(m.chaddr) : [...id].map((b) => b.toString(16).padStart(2, '0')).join(':');
}

/** Starts a server on a host. */
export function startDhcpServer(host: Host, options: DhcpServerOptions): DhcpServer {
  checkOptions(options, OPTIONS, 'dhcpServer');
  const { interface: name } = options;
  const itf = name === undefined ? host.interfaces[0] : host.interfaces.find((one) => one.name === name);
  if (itf === undefined) throw new RangeError(`dhcpServer: ${host.name} has no interface${name === undefined ? '' : ` '${name}'`}`);
  return new DhcpServer(host.kernel.process({ name: 'dhcpd' }), itf, options);
}
