/**
 * SO_REUSEPORT: several sockets on one address and port, among which flows are divided by their hash (Linux:
 * sock_reuseport.c). A flow stays with its socket as long as the group stays as it is.
 */
import type { InetSock } from './sock.ts';

export class ReuseportGroup {
  readonly socks: InetSock[] = [];
  /** One of them is connected: then the flow's own socket must be looked for first. */
  hasConns = false;
}

/** Joins the group of `other`, which has the same address, port and device; null: begins one. */
export function reuseportAdd(sk: InetSock, other: InetSock | null): void {
  const group = (other?.reuseportGroup as ReuseportGroup | null | undefined) ?? new ReuseportGroup();
  if (other !== null && other.reuseportGroup === null) {
    other.reuseportGroup = group;
    group.socks.push(other);
  }
  sk.reuseportGroup = group;
  group.socks.push(sk);
}

/** Leaves the group; the last one takes its place. */
export function reuseportDetach(sk: InetSock): void {
  const group = sk.reuseportGroup as ReuseportGroup | null;
  if (group === null) return;
  sk.reuseportGroup = null;
  const at = group.socks.indexOf(sk);
  const last = group.socks.pop()!;
  if (last !== sk) group.socks[at] = last;
}

/** The socket of the group that a flow with this hash belongs to. */
export function reuseportSelect(group: ReuseportGroup, hash: number): InetSock {
  // The high bits of hash × n, as reciprocal_scale does: evenly, without a division.
  const { socks } = group;
  return socks[Math.floor((hash >>> 0) / 4294967296 * socks.length)]!;
}
