/**
 * A port: where a cable is plugged in. A card has one, a switch has many.
 *
 *   from  nic/card.ts    send: a frame leaves, its last bit at `time` at the earliest
 *         cable.ts       receive: the last bit of a frame has come
 *   to    the cable      Link.send
 *         the owner      PortOwner.frameArrived
 *
 * Everything that passes can be seen here, in both directions, by observers (capture, digest).
 */
import { Drop } from '../skb/drop-reason.ts';
import { kfreeSkbReason } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Wall } from './wall.ts';

/** What is behind a port. */
export interface PortOwner {
  /** A frame has come in, whole, `data` at the Ethernet header; `skb.cb0` is FCS_BAD when its check sequence is wrong. Takes the skb. */
  frameArrived(skb: SkBuff, port: Port): void;
  /** The link came up or went down. */
  linkChanged(up: boolean, port: Port): void;
}

/** What is plugged into a port: one end of a cable. */
export interface Link {
  readonly up: boolean;
  /** How long a bit travels from `port` to the other end, in nanoseconds. */
  propagation(port: Port): number;
  /** The port at the other end. */
  peer(port: Port): Port;
  /** One of the ends was shut, or opened again. */
  refresh(): void;
  /** Sends a frame that `port` has ready at `time` (virtual nanoseconds, now or a little later). Takes the skb. */
  send(port: Port, skb: SkBuff, time: number): void;
}

/** Direction of a frame, seen from a port. */
export const PORT_OUT = 0;
export const PORT_IN = 1;

/** Sees the frames that pass a port. Takes none and changes none; a checksum may still be open (`skbFrameBytes` fills it in on a copy). */
export interface PortObserver {
  frame(skb: SkBuff, time: number, port: Port, direction: number): void;
}

/** `skb.cb0` of a frame on its way between two ports. */
export const FCS_OK = 0;
export const FCS_BAD = 1;

export class Port {
  /** Unique in a world, such as `alice.eth0`: names the port in captures, rules and the digest. */
  readonly name: string;
  /** What it belongs to; set by the owner. */
  owner: PortOwner | null = null;
  link: Link | null = null;
  /** Who looks on; null, not empty, when nobody does. */
  observers: readonly PortObserver[] | null = null;
  /** Numbers the port in a world's captures and digest. */
  id = 0;
  /** Numbers the machine behind it, which marks what it sends; 0: a switch or a hub, which hand on what others sent. */
  station = 0;
  /** Whom the machine does not hear; null when it hears all. */
  wall: Wall | null = null;
  /** False: shut, whatever is plugged in. */
  private isEnabled = true;

  constructor(name: string) {
    this.name = name;
  }

  get enabled(): boolean {
    return this.isEnabled;
  }

  /** Shuts the port, or opens it again: the link goes down at both ends, and comes back. */
  setUp(up: boolean): void {
    if (typeof up !== 'boolean') throw new TypeError(`up: ${String(up)} is not understood; expected true or false`);
    this.isEnabled = up;
    this.link?.refresh();
  }

  /** A cable is plugged in and both its ends are up. */
  get up(): boolean {
    return this.link !== null && this.link.up;
  }

  /** Sends a frame by whatever is plugged in. Takes the skb. */
  send(skb: SkBuff, time: number): void {
    if (this.station !== 0) {
      skb.hop = this.station;
      if (skb.origin === 0) skb.origin = this.station;
    }
    if (this.observers !== null) this.observe(skb, time, PORT_OUT);
    if (this.link === null) kfreeSkbReason(skb, Drop.CableUnplugged, this.name);
    else this.link.send(this, skb, time);
  }

  /** Hands in a frame that has come. Takes the skb. */
  receive(skb: SkBuff, time: number): void {
    if (this.observers !== null) this.observe(skb, time, PORT_IN);
    if (this.owner === null) kfreeSkbReason(skb, Drop.CableUnplugged, this.name);
    else this.owner.frameArrived(skb, this);
  }

  /** Begins to show frames to `observer`. */
  addObserver(observer: PortObserver): void {
    this.observers = this.observers === null ? [observer] : [...this.observers, observer];
  }

  /** Ends it. */
  removeObserver(observer: PortObserver): void {
    const rest = (this.observers ?? []).filter((o) => o !== observer);
    this.observers = rest.length === 0 ? null : rest;
  }

  private observe(skb: SkBuff, time: number, direction: number): void {
    for (const observer of this.observers!) observer.frame(skb, time, this, direction);
  }
}
