/**
 * Ports: who is bound where, who may share, and which one is free (RFC 6056).
 */
import { fail } from '../lib/assert.ts';
import type { Random } from '../lib/random.ts';
import type { InetSock } from './sock.ts';

/** What stands in a bucket: a socket, or what is left of one (TIME_WAIT). */
export interface Bound {
  readonly num: number;
  readonly rcvSaddr: number;
  readonly state: number;
  readonly boundDevIf: number;
  readonly reuse: boolean;
  readonly reuseport: boolean;
  bindBucket: object | null;
  nextBound: Bound | null;
  prevBound: Bound | null;
}

/** Asked by `portsConnectBind`: may `sk` (saddr, daddr, dport set) use local port `port`? */
export interface PortChecker {
  isFree(sk: InetSock, port: number): boolean;
}

/** The ports of one protocol on one host. */
export class PortTable {
  /** net.ipv4.ip_local_port_range, both ends included; shared with the sysctl. */
  readonly range: [number, number];
  readonly random: Random;

  constructor(range: [number, number], random: Random) {
    this.range = range;
    this.random = random;
  }
}

/** Binds `sk` (`rcvSaddr` set) to `port`, 0 = an ephemeral one. Sets `sk.num`. 0 or -EADDRINUSE. */
export function portsBind(_table: PortTable, _sk: InetSock, _port: number): number {
  return fail('not yet');
}

/** Chooses a local port for connect(): `saddr`, `daddr`, `dport` are set. Sets `sk.num`. 0 or -EADDRNOTAVAIL. */
export function portsConnectBind(_table: PortTable, _sk: InetSock, _check: PortChecker): number {
  return fail('not yet');
}

/** Puts `child` (accepted connection, TIME_WAIT) into the bucket of `parent`, whose port it shares. */
export function portsInherit(_table: PortTable, _parent: Bound, _child: Bound): void {
  fail('not yet');
}

/** Gives the port up. No harm when none is held. */
export function portsUnbind(_table: PortTable, _sk: Bound): void {
  fail('not yet');
}
