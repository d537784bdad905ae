/**
 * BPDUs of the spanning tree protocol (IEEE 802.1D-1998 §9.3), in an IEEE 802.3 frame with an LLC header.
 *
 *     0            6            12       14          17
 *     +------------+------------+--------+-----------+---------------------------------------------+
 *     | 01:80:c2.. |   source   | length | 42 42 03  | protocol version type | configuration …      |
 *     +------------+------------+--------+-----------+---------------------------------------------+
 *
 *     configuration, from BPDU+4:  flags 1 · root 8 · cost 4 · bridge 8 · port 2 · message age, max age, hello, forward delay 2 each
 *
 * Times are in units of 1/256 s. An identifier of a bridge is its priority (16 bits) and its address.
 */
import { get16, get32, get8, put16, put32, put8 } from '../lib/bytes.ts';
import { ETH_HLEN, ETH_TYPE, ETH_ZLEN } from './ethernet.ts';

/** 01:80:c2:00:00:00, every switch with a spanning tree at this end. To be read only. */
export const STP_GROUP: Uint8Array = new Uint8Array([0x01, 0x80, 0xc2, 0x00, 0x00, 0x00]);

export const BPDU_CONFIG = 0x00;
export const BPDU_TCN = 0x80;
export const BPDU_TOPOLOGY_CHANGE = 0x01;
export const BPDU_TOPOLOGY_CHANGE_ACK = 0x80;

const LLC_HLEN = 3;
const BPDU = ETH_HLEN + LLC_HLEN;
const CONFIG_LEN = 35;
const TCN_LEN = 4;
const NS_PER_UNIT = 1e9 / 256;

/** A configuration BPDU. Identifiers of bridges are text of fixed width, `8000.020000000001`, so that they compare as text. */
export interface ConfigBpdu {
  readonly flags: number;
  readonly root: string;
  readonly cost: number;
  readonly bridge: string;
  readonly port: number;
  /** Nanoseconds. */
  readonly messageAge: number;
  readonly maxAge: number;
  readonly helloTime: number;
  readonly forwardDelay: number;
}

/** `8000.020000000001` */
export function bridgeId(priority: number, mac: Uint8Array): string {
  return `${hex(priority, 4)}.${[...mac.subarray(0, 6)].map((byte) => hex(byte, 2)).join('')}`;
}

/** The type of the BPDU in a frame (BPDU_CONFIG, BPDU_TCN), or -1 when it is none that we understand. */
export function bpduType(buf: Uint8Array, off: number, len: number): number {
  if (len < BPDU + TCN_LEN || get16(buf, off + ETH_HLEN) !== 0x4242 || get8(buf, off + ETH_HLEN + 2) !== 0x03) return -1;
  if (get16(buf, off + BPDU) !== 0) return -1;
  const type = get8(buf, off + BPDU + 3);
  if (type === BPDU_TCN) return type;
  return type === BPDU_CONFIG && len >= BPDU + CONFIG_LEN ? type : -1;
}

/** Reads a configuration BPDU; `bpduType` has said that it is one. */
export function readConfigBpdu(buf: Uint8Array, off: number): ConfigBpdu {
  const at = off + BPDU;
  const time = (field: number): number => Math.round(get16(buf, at + field) * NS_PER_UNIT);
  return {
    flags: get8(buf, at + 4),
    root: readId(buf, at + 5),
    cost: get32(buf, at + 13) >>> 0,
    bridge: readId(buf, at + 17),
    port: get16(buf, at + 25),
    messageAge: time(27),
    maxAge: time(29),
    helloTime: time(31),
    forwardDelay: time(33),
  };
}

/** A whole frame with a configuration BPDU, padded. */
export function writeConfigBpdu(source: Uint8Array, config: ConfigBpdu): Uint8Array {
  const frame = header(source, CONFIG_LEN);
  const time = (field: number, ns: number): void => put16(frame, BPDU + field, Math.min(0xffff, Math.round(ns / NS_PER_UNIT)));
  put8(frame, BPDU + 3, BPDU_CONFIG);
  put8(frame, BPDU + 4, config.flags);
  writeId(frame, BPDU + 5, config.root);
  put32(frame, BPDU + 13, config.cost | 0);
  writeId(frame, BPDU + 17, config.bridge);
  put16(frame, BPDU + 25, config.port);
  time(27, config.messageAge);
  time(29, config.maxAge);
  time(31, config.helloTime);
  time(33, config.forwardDelay);
  return frame;
}

/** A whole frame with a topology change notification, padded. */
export function writeTcnBpdu(source: Uint8Array): Uint8Array {
  const frame = header(source, TCN_LEN);
  put8(frame, BPDU + 3, BPDU_TCN);
  return frame;
}

/** `STP 802.1d, Config, Flags [none], bridge-id 8000.02:00:…` for a printer; `off` is at the LLC header. Null when it is no BPDU. */
export function printBpdu(buf: Uint8Array, off: number, len: number): string | null {
  const frame = off - ETH_HLEN;
  const type = frame < 0 ? -1 : bpduType(buf, frame, len + ETH_HLEN);
  if (type === -1) return null;
  if (type === BPDU_TCN) return 'STP 802.1d, Topology Change';
  const c = readConfigBpdu(buf, frame);
  const flags: string[] = [];
  if ((c.flags & BPDU_TOPOLOGY_CHANGE) !== 0) flags.push('Topology change');
  if ((c.flags & BPDU_TOPOLOGY_CHANGE_ACK) !== 0) flags.push('Topology change ACK');
  if (flags.length === 0) flags.push('none');
  return `STP 802.1d, Config, Flags [${flags.join(', ')}], bridge-id ${c.bridge}.${hex(c.port, 4)}, root ${c.root}, `
    + `cost ${String(c.cost)}, age ${seconds(c.messageAge)} `
    + `max ${seconds(c.maxAge)} hello ${seconds(c.helloTime)} fdelay ${seconds(c.forwardDelay)}`;
}

function header(source: Uint8Array, bpduLen: number): Uint8Array {
  const frame = new Uint8Array(ETH_ZLEN);
  frame.set(STP_GROUP, 0);
  frame.set(source.subarray(0, 6), 6);
  put16(frame, ETH_TYPE, LLC_HLEN + bpduLen);
  put16(frame, ETH_HLEN, 0x4242);
  put8(frame, ETH_HLEN + 2, 0x03);
  return frame;
}

function readId(buf: Uint8Array, off: number): string {
  return `${hex(get16(buf, off), 4)}.${hex(get16(buf, off + 2), 4)}${hex(get32(buf, off + 4) >>> 0, 8)}`;
}

function writeId(buf: Uint8Array, off: number, id: string): void {
  put16(buf, off, Number.parseInt(id.slice(0, 4), 16));
  put16(buf, off + 2, Number.parseInt(id.slice(5, 9), 16));
  put32(buf, off + 4, Number.parseInt(id.slice(9, 17), 16) | 0);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function seconds(ns: number): string {
  return `${String(Number((ns / 1e9).toFixed(2)))}s`;
}
