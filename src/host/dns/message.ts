/**
 * DNS messages (RFC 1035 §4, EDNS(0) by RFC 6891): bytes to objects and back, by the library dns-packet.
 *
 *   from  host/dns/exchange.ts   a resolver's questions and their answers
 *         world/dns/server.ts    a server's
 *   to    host/dns/scan.ts       first: is this a message at all?
 *
 * Decoding throws nothing, whatever the bytes: what is no message is null, and whoever asked drops and counts it.
 */
import { decode, encode, type Answer, type OptAnswer, type Packet } from 'dns-packet';
import { canonicalAddress, lowerName, ROOT } from './names.ts';
import { scanMessage } from './scan.ts';

/** The record types that are understood. */
export const RECORD_TYPES = [
  'A', 'AAAA', 'CAA', 'CNAME', 'DNAME', 'MX', 'NAPTR', 'NS', 'PTR', 'SOA', 'SRV', 'TLSA', 'TXT',
] as const;
export type RecordType = (typeof RECORD_TYPES)[number];
/** What can be asked for. */
export type QueryType = RecordType | 'ANY';

export const DNS_PORT = 53;
/** Largest message over UDP without EDNS (RFC 1035 §4.2.1). */
export const UDP_SIZE_PLAIN = 512;
/** What we say we can take with EDNS: no fragments on any usual path (RFC 9715). */
export const UDP_SIZE_EDNS = 1232;
/** Largest message over TCP: its length has 16 bits. */
export const MESSAGE_MAX = 65535;

// RFC 1035 §4.1.1, by their usual names.
export const NOERROR = 0;
export const FORMERR = 1;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;
export const NOTIMP = 4;
export const REFUSED = 5;
/** RFC 6891 §9: a version of EDNS that is not known. */
export const BADVERS = 16;

const RCODES: readonly string[] = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** `'NXDOMAIN'` and the like. */
export function rcodeName(rcode: number): string {
  return rcode === BADVERS ? 'BADVERS' : RCODES[rcode] ?? `RCODE${String(rcode)}`;
}

export interface MxData {
  readonly preference: number;
  readonly exchange: string;
}
export interface SrvData {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}
export interface SoaData {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  /** Seconds, as the next three. */
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** How long that a name is not there may be remembered (RFC 2308 §4). */
  readonly minimum: number;
}
export interface CaaData {
  readonly critical: boolean;
  readonly tag: string;
  readonly value: string;
}
/** RFC 6698 §2.1. */
export interface TlsaData {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly certificate: Uint8Array;
}
export interface NaptrData {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  readonly services: string;
  readonly regexp: string;
  readonly replacement: string;
}

interface Rr<T extends RecordType, D> {
  readonly name: string;
  readonly type: T;
  /** Seconds. */
  readonly ttl: number;
  readonly data: D;
}

/** The data of a record, by its type. */
export interface DataByType {
  readonly A: string;
  readonly AAAA: string;
  readonly CAA: CaaData;
  readonly CNAME: string;
  readonly DNAME: string;
  readonly MX: MxData;
  readonly NAPTR: NaptrData;
  readonly NS: string;
  readonly PTR: string;
  readonly SOA: SoaData;
  readonly SRV: SrvData;
  readonly TLSA: TlsaData;
  /** Strings as they stand in the record. */
  readonly TXT: readonly string[];
}

/** A resource record of class IN. */
export type DnsRecord = { readonly [T in RecordType]: Rr<T, DataByType[T]> }[RecordType];

export interface Question {
  /** As it was written: answers repeat its case. */
  readonly name: string;
  /** A name of a type; UNKNOWN_99 and the like are possible in a question that was received. */
  readonly type: string;
  /** `'IN'` */
  readonly class: string;
}

/** What a party says by EDNS(0). */
export interface Edns {
  readonly udpSize: number;
  readonly version: number;
}

/** A message. */
export class Message {
  id = 0;
  response = false;
  opcode = 0;
  /** Authoritative answer. */
  aa = false;
  /** Truncated: ask again over TCP. */
  tc = false;
  /** Recursion desired, recursion available. */
  rd = false;
  ra = false;
  rcode: number = NOERROR;
  questions: Question[] = [];
  answers: DnsRecord[] = [];
  authorities: DnsRecord[] = [];
  additionals: DnsRecord[] = [];
  edns: Edns | null = null;

  /** A question to a server. */
  static query(id: number, name: string, type: string, rd: boolean, udpSize: number): Message {
    const m = new Message();
    m.id = id;
    m.rd = rd;
    m.questions = [{ name, type, class: 'IN' }];
    if (udpSize > UDP_SIZE_PLAIN) m.edns = { udpSize, version: 0 };
    return m;
  }

  /** An answer without content: same id, question and RD. */
  static reply(to: Message, rcode: number): Message {
    const m = new Message();
    m.id = to.id;
    m.response = true;
    m.opcode = to.opcode;
    m.rd = to.rd;
    m.rcode = rcode;
    m.questions = [...to.questions];
    // RFC 6891 §7: EDNS answers EDNS.
    if (to.edns !== null) m.edns = { udpSize: UDP_SIZE_EDNS, version: 0 };
    return m;
  }
}

// ---- bytes ----------------------------------------------------------------------------------------------------------

/** dns-packet reads Node's Buffers; this is the class of what it writes. */
interface BufferClass {
  from(buffer: ArrayBufferLike, byteOffset: number, length: number): ReturnType<typeof encode>;
}

const MessageBuffer: BufferClass = (encode({ questions: [] }) as { readonly constructor: unknown }).constructor as BufferClass;

function asBuffer(bytes: Uint8Array): ReturnType<typeof encode> {
  return MessageBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Reads a message; null when the bytes are none. Throws nothing. */
export function decodeMessage(bytes: Uint8Array): Message | null {
  if (!scanMessage(bytes)) return null;
  let packet: Packet;
  try {
    packet = decode(asBuffer(bytes));
  } catch {
    return null; // the library's way to say that record data is malformed
  }
  const flags = packet.flags ?? 0;
  const m = new Message();
  m.id = packet.id ?? 0;
  m.response = packet.type === 'response';
  m.opcode = (flags >> 11) & 15;
  m.aa = (flags & 0x400) !== 0;
  m.tc = (flags & 0x200) !== 0;
  m.rd = (flags & 0x100) !== 0;
  m.ra = (flags & 0x80) !== 0;
  m.rcode = flags & 15;
  m.questions = (packet.questions ?? []).map((q) => ({ name: q.name, type: q.type, class: q.class ?? 'IN' }));
  m.answers = recordsOf(packet.answers);
  m.authorities = recordsOf(packet.authorities);
  m.additionals = recordsOf(packet.additionals);
  const opt = (packet.additionals ?? []).find((a): a is OptAnswer => a.type === 'OPT');
  if (opt !== undefined) {
    m.edns = { udpSize: opt.udpPayloadSize, version: opt.ednsVersion };
    m.rcode |= opt.extendedRcode << 4;
  }
  return m;
}

/** Writes a message. Its names must be valid: see {@link canonicalName}. */
export function encodeMessage(m: Message): Uint8Array {
  const bits = (Number(m.aa) << 10) | (Number(m.tc) << 9) | (Number(m.rd) << 8) | (Number(m.ra) << 7);
  const flags = (m.opcode << 11) | bits | (m.rcode & 15);
  const additionals = m.additionals.map(toAnswer);
  if (m.edns !== null) {
    additionals.push({
      type: 'OPT', name: ROOT, udpPayloadSize: m.edns.udpSize, extendedRcode: m.rcode >> 4, ednsVersion: m.edns.version, flags: 0,
      flag_do: false, options: [],
    });
  }
  const buffer = encode({
    type: m.response ? 'response' : 'query', id: m.id, flags,
    questions: m.questions as NonNullable<Packet['questions']>,
    answers: m.answers.map(toAnswer), authorities: m.authorities.map(toAnswer), additionals,
  });
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length); // Node's Buffer has a slice() that shares
}

function recordsOf(list: readonly Answer[] | undefined): DnsRecord[] {
  const out: DnsRecord[] = [];
  for (const answer of list ?? []) {
    const record = 'class' in answer && answer.class === 'IN' ? fromAnswer(answer) : null;
    if (record !== null) out.push(record);
  }
  return out;
}

/** A record as the library has it into ours; null for types that nobody here asks for. */
function fromAnswer(answer: Answer): DnsRecord | null {
  if (answer.type === 'OPT') return null;
  const head = { name: lowerName(answer.name), ttl: ttlOf(answer.ttl) };
  switch (answer.type) {
    case 'A': case 'AAAA': return { ...head, type: answer.type, data: canonicalAddress(answer.data) };
    // RFC 4343 §4.1: names keep their case; who follows or compares them does it without.
    case 'CNAME': case 'DNAME': case 'NS': case 'PTR': return { ...head, type: answer.type, data: answer.data };
    case 'TXT': return { ...head, type: 'TXT', data: stringsOf(answer.data) };
    case 'MX': {
      const { preference = 0, exchange } = answer.data;
      return { ...head, type: 'MX', data: { preference, exchange } };
    }
    case 'SRV': {
      const { priority = 0, weight = 0, port, target } = answer.data;
      return { ...head, type: 'SRV', data: { priority, weight, port, target } };
    }
    case 'SOA': {
      const { mname, rname, serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0 } = answer.data;
      return { ...head, type: 'SOA', data: { mname, rname, serial, refresh, retry, expire, minimum } };
    }
    case 'CAA': {
      const { flags = 0, tag, value } = answer.data;
      return { ...head, type: 'CAA', data: { critical: (flags & 128) !== 0, tag, value } };
    }
    case 'NAPTR': {
      const { order, preference, flags, services, regexp, replacement } = answer.data;
      return { ...head, type: 'NAPTR', data: { order, preference, flags, services, regexp, replacement } };
    }
    case 'TLSA': {
      const { usage, selector, matchingType, certificate } = answer.data;
      return { ...head, type: 'TLSA', data: { usage, selector, matchingType, certificate: Uint8Array.from(certificate) } };
    }
    default: return null;
  }
}

/** The strings of a TXT record: the library has them as bytes. */
function stringsOf(data: unknown): string[] {
  return Array.isArray(data) ? data.map(String) : [String(data)];
}

/** RFC 2181 §8: with the top bit set it counts as 0. */
function ttlOf(ttl: number | undefined): number {
  return ttl === undefined || ttl > 0x7fffffff ? 0 : ttl;
}

function toAnswer(record: DnsRecord): Answer {
  const { name, ttl } = record;
  if (record.type === 'CAA') {
    const { critical, tag, value } = record.data;
    const data = { flags: critical ? 128 : 0, issuerCritical: critical, tag: tag as 'issue', value };
    return { name, ttl, type: 'CAA', class: 'IN', data };
  }
  if (record.type === 'TLSA') {
    const { certificate } = record.data;
    const bytes = asBuffer(certificate);
    return { name, ttl, type: 'TLSA', class: 'IN', data: { ...record.data, certificate: bytes } };
  }
  if (record.type === 'TXT') return { name, ttl, type: 'TXT', class: 'IN', data: [...record.data] };
  return { ...record, class: 'IN' };
}
