/** Stations made by hand at the cables of a switch or a hub: what they send, and what they hear, at exact times. */
import { Tap } from '../../src/nic/tap.ts';
import { formatMac } from '../../src/lib/addr.ts';
import { get16 } from '../../src/lib/bytes.ts';
import { World, type CableOptions, type Plug } from '../../mod.ts';
import type { WorldOptions } from '../../mod.ts';

export const ALL = 'ff:ff:ff:ff:ff:ff';

/** The hardware address of station number `n`. */
export function mac(n: number): string {
  return `0a:00:00:00:00:${n.toString(16).padStart(2, '0')}`;
}

function bytesOf(address: string): number[] {
  return address.split(':').map((byte) => Number.parseInt(byte, 16));
}

export interface FrameOptions { vid?: number; priority?: number; size?: number; type?: number }

/** A frame of 60 bytes or more, with a tag if asked for. */
export function frame(dst: string, src: string, options: FrameOptions = {}): Uint8Array {
  const { vid, priority = 0, size = 60, type = 0x88b5 } = options;
  const tag = vid === undefined ? [] : [0x81, 0x00, (priority << 5) | (vid >> 8), vid & 255];
  const bytes = [...bytesOf(dst), ...bytesOf(src), ...tag, type >> 8, type & 255];
  const out = new Uint8Array(Math.max(size, bytes.length));
  out.set(bytes);
  return out;
}

/** A station: a tap at the end of a cable. */
export class Station {
  readonly tap: Tap;
  readonly world: World;
  readonly mac: string;
  /** `1067 1>* vlan 10`: when, from whom, to whom, with which tag. */
  readonly heard: string[] = [];
  readonly frames: Uint8Array[] = [];

  constructor(world: World, name: string, n: number, to: Plug, cable: CableOptions = {}) {
    this.world = world;
    this.mac = mac(n);
    this.tap = new Tap(world.parts.sim, world.parts.pool, name);
    this.tap.onFrame = (bytes, time): void => {
      this.frames.push(bytes);
      this.heard.push(`${String(time)} ${text(bytes)}`);
    };
    world.cable(this.tap, to, cable);
  }

  send(dst: string | Station, options: FrameOptions = {}): void {
    this.tap.send(frame(typeof dst === 'string' ? dst : dst.mac, this.mac, options));
  }

  /** What it heard since the last time it was asked, without the times. */
  take(): string[] {
    return this.heard.splice(0).map((line) => line.slice(line.indexOf(' ') + 1));
  }

  /** The same with the times. */
  timed(): string[] {
    return this.heard.splice(0);
  }
}

/** `1>2` for a frame from station 1 to station 2, `1>*` for all, `1>2 vlan 10` with a tag. */
function text(bytes: Uint8Array): string {
  const name = (off: number): string => {
    const address = formatMac(bytes.subarray(off, off + 6));
    if (address === ALL) return '*';
    return address.startsWith('0a:00:00:00:00:') ? String(bytes[off + 5]) : address;
  };
  const tci = get16(bytes, 12) === 0x8100 ? get16(bytes, 14) : -1;
  const tag = tci < 0 ? '' : ` vlan ${String(tci & 0xfff)}${tci >> 13 === 0 ? '' : ` p${String(tci >> 13)}`}`;
  return `${name(6)}>${name(0)}${tag}`;
}

/** A world whose machines take no time. */
export function quickWorld(options: WorldOptions = {}): World {
  return new World({ seed: 1, costs: 'zero', ...options });
}
