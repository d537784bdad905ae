/**
 * Filters: which class of a discipline a packet belongs to (Linux: cls_api.c and the classifiers u32, fw, flower, matchall).
 *
 *     by precedence (`pref`), lowest first; in it one kind of classifier and one EtherType; in that the filters, in their order
 *
 * The first that matches says the class. What looks behind the IP header reads the bytes in place; nothing is kept of a packet.
 */
import { get16, get32, get8 } from '../../lib/bytes.ts';
import { copyBits } from '../../skb/copy.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { ETH_HLEN, ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, ethProtocol } from '../../wire/ethernet.ts';

/** One filter. */
export interface Filter {
  /** Its number, as its kind writes it. */
  readonly handle: number;
  /** The class that it leads to, by its minor number; 0: the discipline itself. */
  readonly classid: number;
  matches(skb: SkBuff): boolean;
}

/** Filters of one precedence: of one kind, for one EtherType. */
export class FilterProto {
  readonly prio: number;
  /** EtherType; ETH_P_ALL: any. */
  readonly protocol: number;
  readonly kind: FilterKind;
  /** u32: the number of its hash table. */
  readonly table: number;
  readonly filters: Filter[] = [];

  constructor(prio: number, protocol: number, kind: FilterKind, table: number) {
    this.prio = prio;
    this.protocol = protocol;
    this.kind = kind;
    this.table = table;
  }
}

export type FilterKind = 'u32' | 'fw' | 'flower' | 'matchall';

/** Precedences that nobody chose begin here and go down. */
const AUTO_PRIO = 0xc000;
const AUTO_PRIO_MIN = 0x8000;
const FIRST_U32_TABLE = 0x800;

/** All filters of a discipline, or of one of its classes. */
export class FilterList {
  readonly protos: FilterProto[] = [];
  private nextTable: number = FIRST_U32_TABLE;

  /** The class of a packet whose `data` is at the link header; -1: no filter knows. */
  classify(skb: SkBuff): number {
    const { protos } = this;
    if (protos.length === 0) return -1;
    const protocol = ethProtocol(skb.buf, skb.data);
    for (const proto of protos) {
      if (proto.protocol !== ETH_P_ALL && proto.protocol !== protocol) continue;
      for (const filter of proto.filters) if (filter.matches(skb)) return filter.classid;
    }
    return -1;
  }

  /** Does one of them lead to the class? */
  leadsTo(minor: number): boolean {
    return this.protos.some((proto) => proto.filters.some((filter) => filter.classid === minor));
  }

  /** The precedence that a filter gets when none is given: below those given so before. */
  autoPrio(): number {
    const first = this.protos.find((proto) => proto.prio >= AUTO_PRIO_MIN);
    return first === undefined ? AUTO_PRIO : first.prio - 1;
  }

  /** The filters of a precedence, made when there are none; null when it has others, of another kind or EtherType. */
  proto(prio: number, protocol: number, kind: FilterKind): FilterProto | null {
    const found = this.protos.find((proto) => proto.prio === prio);
    if (found !== undefined) return found.protocol === protocol && found.kind === kind ? found : null;
    const made = new FilterProto(prio, protocol, kind, kind === 'u32' ? this.nextTable++ : 0);
    const at = this.protos.findIndex((proto) => proto.prio > prio);
    this.protos.splice(at < 0 ? this.protos.length : at, 0, made);
    return made;
  }

  /** Takes filters out; returns them. `handle` 0: all of the precedence. */
  remove(proto: FilterProto, handle: number): Filter[] {
    const gone = handle === 0 ? [...proto.filters] : proto.filters.filter((filter) => filter.handle === handle);
    for (const filter of gone) proto.filters.splice(proto.filters.indexOf(filter), 1);
    if (proto.filters.length === 0) this.protos.splice(this.protos.indexOf(proto), 1);
    return gone;
  }
}

// ---- u32 ------------------------------------------------------------------------------------------------------------

/** One word of a packet, from the network header on: `(word & mask) === value`. */
export interface U32Key {
  readonly value: number;
  readonly mask: number;
  readonly off: number;
}

export class U32Filter implements Filter {
  readonly handle: number;
  readonly classid: number;
  readonly keys: readonly U32Key[];
  /** `match mark VALUE MASK`; mask 0: not looked at. */
  readonly mark: number;
  readonly markMask: number;

  constructor(handle: number, classid: number, keys: readonly U32Key[], mark: number, markMask: number) {
    this.handle = handle;
    this.classid = classid;
    this.keys = keys;
    this.mark = mark;
    this.markMask = markMask;
  }

  matches(skb: SkBuff): boolean {
    if (((skb.mark ^ this.mark) & this.markMask) !== 0) return false;
    const nh = networkOffset(skb);
    for (const { value, mask, off } of this.keys) {
      const at = nh + off;
      if (at < skb.data || at + 4 > skb.data + skb.len) return false;
      if (((wordAt(skb, at) ^ value) & mask) !== 0) return false;
    }
    return true;
  }
}

// ---- fw -------------------------------------------------------------------------------------------------------------

/** By the mark that netfilter or SO_MARK gave; mask 0xffffffff: all of it. */
export class FwFilter implements Filter {
  readonly handle: number;
  readonly mask: number;
  readonly classid: number;

  constructor(handle: number, mask: number, classid: number) {
    this.handle = handle;
    this.mask = mask;
    this.classid = classid;
  }

  matches(skb: SkBuff): boolean {
    return ((skb.mark & this.mask) >>> 0) === this.handle;
  }
}

// ---- flower, matchall -----------------------------------------------------------------------------------------------

/** Bytes of a header under a mask. */
interface Bytes {
  readonly value: Uint8Array;
  readonly mask: Uint8Array;
}

/** What a flower filter asks for; -1 and null: it does not. */
export class FlowerKeys {
  ipProto = -1;
  tos = -1;
  tosMask = 0xff;
  ttl = -1;
  ttlMask = 0xff;
  src: Bytes | null = null;
  dst: Bytes | null = null;
  /** Ranges of port numbers. */
  sport: readonly [number, number] | null = null;
  dport: readonly [number, number] | null = null;
  tcpFlags = -1;
  tcpFlagsMask = 0xfff;
}

const IPPROTO_TCP = 6;
/** Places in the headers. */
const V4 = { tos: 1, ttl: 8, proto: 9, src: 12, dst: 16 } as const;
const V6 = { ttl: 7, proto: 6, src: 8, dst: 24, len: 40 } as const;

export class FlowerFilter implements Filter {
  readonly handle: number;
  readonly classid: number;
  readonly keys: FlowerKeys;

  constructor(handle: number, classid: number, keys: FlowerKeys) {
    this.handle = handle;
    this.classid = classid;
    this.keys = keys;
  }

  matches(skb: SkBuff): boolean {
    const protocol = ethProtocol(skb.buf, skb.data);
    if (protocol === ETH_P_IP) return this.matchesIp(skb, V4.src, V4.dst, V4.ttl, V4.proto, 4);
    if (protocol === ETH_P_IPV6) return this.matchesIp(skb, V6.src, V6.dst, V6.ttl, V6.proto, 6);
    return this.keys.ipProto < 0 && this.keys.src === null && this.keys.dst === null && this.keys.tos < 0 && this.keys.ttl < 0;
  }

  private matchesIp(skb: SkBuff, src: number, dst: number, ttl: number, proto: number, version: 4 | 6): boolean {
    const { keys } = this;
    const { buf } = skb;
    const nh = networkOffset(skb);
    if (keys.ipProto >= 0 && get8(buf, nh + proto) !== keys.ipProto) return false;
    const tos = version === 4 ? get8(buf, nh + V4.tos) : (get16(buf, nh) >>> 4) & 0xff;
    if (keys.tos >= 0 && ((tos ^ keys.tos) & keys.tosMask) !== 0) return false;
    if (keys.ttl >= 0 && ((get8(buf, nh + ttl) ^ keys.ttl) & keys.ttlMask) !== 0) return false;
    if (keys.src !== null && !bytesMatch(buf, nh + src, keys.src)) return false;
    if (keys.dst !== null && !bytesMatch(buf, nh + dst, keys.dst)) return false;
    if (keys.sport === null && keys.dport === null && keys.tcpFlags < 0) return true;
    const later = version === 4 && (get16(buf, nh + 6) & 0x1fff) !== 0; // a later fragment has no ports
    return !later && this.matchesPorts(skb, nh + (version === 4 ? (get8(buf, nh) & 15) * 4 : V6.len), get8(buf, nh + proto));
  }

  private matchesPorts(skb: SkBuff, th: number, proto: number): boolean {
    const { sport, dport, tcpFlags, tcpFlagsMask } = this.keys;
    if (th + 4 > skb.data + skb.len) return false;
    const ports = wordAt(skb, th);
    const [from, to] = [ports >>> 16, ports & 0xffff];
    if (sport !== null && (from < sport[0] || from > sport[1])) return false;
    if (dport !== null && (to < dport[0] || to > dport[1])) return false;
    if (tcpFlags < 0) return true;
    return proto === IPPROTO_TCP && th + 16 <= skb.data + skb.len && (((wordAt(skb, th + 12) >>> 16) ^ tcpFlags) & tcpFlagsMask) === 0;
  }
}

function bytesMatch(buf: Uint8Array, off: number, { value, mask }: Bytes): boolean {
  for (let i = 0; i < value.length; i++) if (((buf[off + i]! ^ value[i]!) & mask[i]!) !== 0) return false;
  return true;
}

/** Every packet. */
export class MatchallFilter implements Filter {
  readonly handle: number;
  readonly classid: number;

  constructor(handle: number, classid: number) {
    this.handle = handle;
    this.classid = classid;
  }

  matches(): boolean {
    return true;
  }
}

// ---- bytes ----------------------------------------------------------------------------------------------------------

/** Where the network header is: what has none (ARP) has its own there. */
function networkOffset(skb: SkBuff): number {
  return skb.nh >= 0 ? skb.nh : skb.data + ETH_HLEN;
}

/** The word at an offset of the header area, or behind it in the payload. */
function wordAt(skb: SkBuff, at: number): number {
  if (at + 4 <= skb.tail) return get32(skb.buf, at);
  const word = new Uint8Array(4);
  copyBits(skb, at - skb.data, word, 0, 4);
  return get32(word, 0);
}
