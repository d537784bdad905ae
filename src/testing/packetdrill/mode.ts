/** How a script is run: packetdrill's options, the three address modes, and what a runner of its suites passes. */
import { type In6Addr, in6FromV4, parseIpv6 } from '../../lib/addr6.ts';
import { parseIpv4 } from '../../lib/addr.ts';
import { AF_INET, AF_INET6 } from '../../sock/constants.ts';
import { SockAddr } from '../../sock/sockaddr.ts';
import { ScriptFailure, ScriptSkipped } from './errors.ts';
import type { IpVersion } from '../../wire/icmp-names.ts';

export type IpMode = 'ipv4' | 'ipv6' | 'ipv4-mapped-ipv6';

export const IP_MODES: readonly IpMode[] = ['ipv4', 'ipv6', 'ipv4-mapped-ipv6'];

/** The settings of one run. */
export class Settings {
  readonly mode: IpMode;
  localIp: string;
  remoteIp: string;
  mtu: number;
  bindPort = 8080;
  connectPort = 8080;
  toleranceUsecs = 4000;
  tolerancePercent = 12.5;
  /** Microseconds per tick of timestamps; 0: their values are not compared. */
  tsTickUsecs = 0;
  /** Timestamps that come in may echo values that never went out. */
  tsEcrScaled = false;
  strictSegments = false;
  /** The script is read and checked, no more. */
  dryRun = false;
  /** Segments that come in are joined from such of this size, as GRO does; 0: they are one. */
  mss = 0;
  initScripts: string[] = [];
  nonFatal: ReadonlySet<string> = new Set();
  readonly defines: Map<string, string>;

  constructor(mode: IpMode) {
    this.mode = mode;
    const v6 = mode === 'ipv6';
    this.localIp = v6 ? 'fd3d:0a0b:17d6::1' : '192.168.0.1';
    this.remoteIp = v6 ? 'fd3d:fa7b:d17d::1' : '192.0.2.1';
    this.mtu = v6 ? 1520 : 1500;
    this.defines = new Map([
      ['TFO_COOKIE', v6 ? 'c1d1e9742a47a9bc' : '3021b9d889017eeb'],
      ['TFO_COOKIE_ZERO', v6 ? '82af1a8f9a205c34' : 'b7c12350a90dc8f5'],
      ['CMSG_LEVEL_IP', mode === 'ipv4' ? 'SOL_IP' : 'SOL_IPV6'],
      ['CMSG_TYPE_RECVERR', mode === 'ipv4' ? 'IP_RECVERR' : 'IPV6_RECVERR'],
    ]);
    if (!v6) this.defines.set('CODE', 'host_unreachable');
  }

  get version(): IpVersion {
    return this.mode === 'ipv6' ? 6 : 4;
  }

  /** Of sockets made with `socket(..., …)`. */
  get domain(): number {
    return this.mode === 'ipv4' ? AF_INET : AF_INET6;
  }

  /** Sets one option by its name. False: there is none of that name. */
  set(name: string, value: string): boolean {
    switch (name) {
      case 'local_ip': this.localIp = this.address(name, value, this.localIp); return true;
      case 'remote_ip': this.remoteIp = this.address(name, value, this.remoteIp); return true;
      case 'mtu': this.mtu = numeric(name, value); return true;
      case 'bind_port': this.bindPort = numeric(name, value); return true;
      case 'connect_port': this.connectPort = numeric(name, value); return true;
      case 'tolerance_usecs': this.toleranceUsecs = numeric(name, value); return true;
      case 'tolerance_percent': this.tolerancePercent = numeric(name, value); return true;
      case 'tcp_ts_tick_usecs': this.tsTickUsecs = numeric(name, value); return true;
      case 'tcp_ts_ecr_scaled': this.tsEcrScaled = true; return true;
      case 'strict_segments': this.strictSegments = true; return true;
      case 'dry_run': this.dryRun = true; return true;
      case 'init_scripts': this.initScripts = value.split(',').filter((word) => word !== ''); return true;
      case 'non_fatal': this.nonFatal = nonFatal(value); return true;
      case 'code_command': case 'code_format': case 'code_sockopt': needed(name, value); return true;
      case 'ip_version':
        if (!IP_MODES.some((mode) => mode === value)) {
          throw new ScriptFailure(0, `ip_version: '${value}' is not understood; expected ${IP_MODES.join(', ')}`);
        }
        return true;
      case 'define': return this.define(value);
      case 'mss': this.mss = numeric(name, value); return true;
      default:
        if (/^(?:wire|so|psp)_/.test(name)) throw new ScriptSkipped(`option --${name}`);
        return IGNORED.has(name);
    }
  }

  /**
   * An address, perhaps with the length of its prefix. One of the other family stays without effect: a script that is for several
   * modes carries those of one, and its runner has others for the rest.
   */
  private address(name: string, value: string, own: string): string {
    const address = value.split('/')[0]!;
    const family = parseIpv4(address) !== null ? 4 : parseIpv6(address) !== null ? 6 : 0;
    if (family === 0) throw new ScriptFailure(0, `${name}: '${value}' is no IP address`);
    return family === this.version ? address : own;
  }

  private define(text: string): boolean {
    const at = text.indexOf('=');
    if (at < 1) throw new ScriptFailure(0, `define: '${text}' is not NAME=VALUE`);
    this.defines.set(text.slice(0, at), text.slice(at + 1));
    return true;
  }

  /** An address of a script as its sockets take it. */
  sockAddr(address: string, port: number): SockAddr {
    if (this.mode === 'ipv6') return new SockAddr().set6(v6(address), port, 0);
    return this.mode === 'ipv4' ? new SockAddr().set(v4(address), port) : new SockAddr().set6(in6FromV4(v4(address)), port, 0);
  }

  get local4(): number { return v4(this.localIp); }

  get remote4(): number { return v4(this.remoteIp); }

  get local6(): In6Addr { return v6(this.localIp); }

  get remote6(): In6Addr { return v6(this.remoteIp); }
}

/** Options of packetdrill that change nothing here. */
const IGNORED: ReadonlySet<string> = new Set([
  'gateway_ip', 'netmask_ip', 'speed', 'send_omit_free', 'is_anyip',
  'debug', 'verbose',
]);

function nonFatal(value: string): ReadonlySet<string> {
  const kinds = value.split(',');
  const odd = kinds.find((kind) => kind !== 'packet' && kind !== 'syscall');
  if (odd !== undefined) throw new ScriptFailure(0, `non_fatal: '${odd}' is not understood; expected packet, syscall`);
  return new Set(kinds);
}

/** How code is run: it is Python's language, whoever is to run it. */
const CODE: Readonly<Record<string, RegExp>> = {
  code_command: /^(?:.*\/)?python[0-9.]*$|^$/, code_format: /^python$|^$/, code_sockopt: /^(?:auto|TCP_INFO|TCP_CC_INFO|SO_MEMINFO|)$/,
};

function needed(name: string, value: string): void {
  if (!CODE[name]!.test(value)) throw new ScriptSkipped(`option --${name}=${value}`);
}

function numeric(name: string, value: string): number {
  if (!/^\d+(\.\d+)?$/.test(value)) throw new ScriptFailure(0, `${name}: '${value}' is not a number`);
  return Number(value);
}

function v4(address: string): number {
  const addr = parseIpv4(address);
  if (addr === null) throw new ScriptFailure(0, `'${address}' is no IPv4 address`);
  return addr;
}

function v6(address: string): In6Addr {
  const addr = parseIpv6(address);
  if (addr === null) throw new ScriptFailure(0, `'${address}' is no IPv6 address`);
  return addr;
}
