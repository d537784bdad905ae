/**
 * DHCP messages (RFC 2131 §2, options by RFC 2132): fixed fields, the magic cookie, options of one byte of type and one of
 * length each.
 */
import { get16, get32, put16, put32 } from '../lib/bytes.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

export const BOOTREQUEST = 1;
export const BOOTREPLY = 2;
/** The flag by which a client asks for answers to everybody: it cannot hear its own address yet. */
export const DHCP_BROADCAST = 0x8000;

// RFC 2132 §9.6: message types.
export const DHCPDISCOVER = 1;
export const DHCPOFFER = 2;
export const DHCPREQUEST = 3;
export const DHCPDECLINE = 4;
export const DHCPACK = 5;
export const DHCPNAK = 6;
export const DHCPRELEASE = 7;
export const DHCPINFORM = 8;

const TYPE_NAMES: readonly string[] = [
  '', 'DHCPDISCOVER', 'DHCPOFFER', 'DHCPREQUEST', 'DHCPDECLINE', 'DHCPACK', 'DHCPNAK', 'DHCPRELEASE', 'DHCPINFORM',
];

/** `'DHCPOFFER'` */
export function dhcpTypeName(type: number): string {
  return TYPE_NAMES[type] ?? `type ${String(type)}`;
}

// RFC 2132: options.
export const OPT_PAD = 0;
export const OPT_SUBNET_MASK = 1;
export const OPT_ROUTER = 3;
export const OPT_DNS = 6;
export const OPT_HOSTNAME = 12;
export const OPT_DOMAIN = 15;
export const OPT_REQUESTED_IP = 50;
export const OPT_LEASE_TIME = 51;
export const OPT_OVERLOAD = 52;
export const OPT_MESSAGE_TYPE = 53;
export const OPT_SERVER_ID = 54;
export const OPT_PARAMETER_LIST = 55;
export const OPT_MESSAGE = 56;
export const OPT_RENEWAL_TIME = 58;
export const OPT_REBINDING_TIME = 59;
export const OPT_CLIENT_ID = 61;
export const OPT_END = 255;

const CHADDR = 28;
const SNAME = 44;
const FILE = 108;
const COOKIE = 236;
const OPTIONS = 240;
const MAGIC = 0x63825363;
/** Least bytes of a message: BOOTP's. */
export const DHCP_MIN_LEN = 300;
/** What every client must be able to take (RFC 2131 §2): 576 bytes of IP. */
export const DHCP_MAX_LEN = 548;

/** A message. Addresses are int32. */
export class DhcpMessage {
  op: number = BOOTREQUEST;
  xid = 0;
  secs = 0;
  flags = 0;
  /** The client's address, if it has one already. */
  ciaddr = 0;
  /** "Your" address: what the server gives. */
  yiaddr = 0;
  siaddr = 0;
  /** The relay's, 0 without one. */
  giaddr = 0;
  /** The client's hardware address: six bytes. */
  chaddr: Uint8Array = new Uint8Array(6);
  /** By code, in the order in which they are written. */
  readonly options: Map<number, Uint8Array> = new Map();

  /** The kind of message; 0 when it says none. */
  get type(): number {
    return this.options.get(OPT_MESSAGE_TYPE)?.[0] ?? 0;
  }

  /** An option of four bytes, as int32; null when it is missing or of another length. */
  word(code: number): number | null {
    const bytes = this.options.get(code);
    return bytes === undefined || bytes.length !== 4 ? null : get32(bytes, 0);
  }

  /** An option that is a list of addresses. */
  words(code: number): number[] {
    const bytes = this.options.get(code);
    if (bytes === undefined || bytes.length % 4 !== 0) return [];
    return Array.from({ length: bytes.length / 4 }, (_, i) => get32(bytes, i * 4));
  }

  /** An option that is a text. */
  text(code: number): string | null {
    const bytes = this.options.get(code);
    return bytes === undefined ? null : String.fromCharCode(...bytes).replace(/\0+$/, '');
  }

  setWord(code: number, ...values: readonly number[]): void {
    const bytes = new Uint8Array(values.length * 4);
    values.forEach((value, i) => put32(bytes, i * 4, value));
    this.options.set(code, bytes);
  }

  setText(code: number, text: string): void {
    this.options.set(code, Uint8Array.from(text, (c) => c.charCodeAt(0) & 255));
  }
}

/** Reads a message; null when the bytes are none. Throws nothing. */
export function dhcpParse(bytes: Uint8Array): DhcpMessage | null {
  if (bytes.length < OPTIONS || get32(bytes, COOKIE) !== MAGIC) return null;
  // Ethernet, six bytes of address: what there is here.
  if (bytes[1] !== 1 || bytes[2] !== 6 || (bytes[0] !== BOOTREQUEST && bytes[0] !== BOOTREPLY)) return null;
  const m = new DhcpMessage();
  m.op = bytes[0];
  m.xid = get32(bytes, 4);
  m.secs = get16(bytes, 8);
  m.flags = get16(bytes, 10);
  m.ciaddr = get32(bytes, 12);
  m.yiaddr = get32(bytes, 16);
  m.siaddr = get32(bytes, 20);
  m.giaddr = get32(bytes, 24);
  m.chaddr = bytes.slice(CHADDR, CHADDR + 6);
  if (!parseOptions(bytes, OPTIONS, bytes.length, m.options)) return null;
  // RFC 2131 §4.1: options may go on in the fields for names.
  const overload = m.options.get(OPT_OVERLOAD)?.[0] ?? 0;
  if ((overload & 1) !== 0 && !parseOptions(bytes, FILE, COOKIE, m.options)) return null;
  if ((overload & 2) !== 0 && !parseOptions(bytes, SNAME, FILE, m.options)) return null;
  return m;
}

/** Options from `at` to the end mark or to `end`; false when one reaches over the end. */
function parseOptions(bytes: Uint8Array, start: number, end: number, options: Map<number, Uint8Array>): boolean {
  for (let at = start; at < end;) {
    const code = bytes[at++]!;
    if (code === OPT_PAD) continue;
    if (code === OPT_END) return true;
    const len = at < end ? bytes[at++]! : -1;
    if (len < 0 || at + len > end) return false;
    const before = options.get(code);
    const value = bytes.slice(at, at + len);
    // RFC 3396: a long option comes in several.
    options.set(code, before === undefined ? value : Uint8Array.of(...before, ...value));
    at += len;
  }
  return true;
}

/** Writes a message, in no less than 300 bytes, as BOOTP wants it. */
export function dhcpBuild(m: DhcpMessage): Uint8Array {
  let length = OPTIONS + 1;
  for (const value of m.options.values()) length += Math.max(Math.ceil(value.length / 255), 1) * 2 + value.length;
  const out = new Uint8Array(Math.max(length, DHCP_MIN_LEN));
  out.set([m.op, 1, 6, 0]);
  put32(out, 4, m.xid);
  put16(out, 8, m.secs);
  put16(out, 10, m.flags);
  put32(out, 12, m.ciaddr);
  put32(out, 16, m.yiaddr);
  put32(out, 20, m.siaddr);
  put32(out, 24, m.giaddr);
  out.set(m.chaddr, CHADDR);
  put32(out, COOKIE, MAGIC);
  let at = OPTIONS;
  for (const [code, value] of m.options) {
    for (let from = 0; from === 0 || from < value.length; from += 255) {
      const part = value.subarray(from, from + 255);
      out[at++] = code;
      out[at++] = part.length;
      out.set(part, at);
      at += part.length;
    }
  }
  out[at] = OPT_END;
  return out;
}
