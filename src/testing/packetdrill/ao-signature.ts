/**
 * Signatures of RFC 5925 in scripts: `tcp-ao … mac ...` stands for the right code, by the keys that the script gave its sockets. What
 * goes in is signed, what comes out is verified; here over the bytes of the packet, apart from the stack's own way to do it.
 */
import { get16, get32, get8, put16, put32 } from '../../lib/bytes.ts';
import { AesCmac } from '../../lib/aes-cmac.ts';
import type { Mac } from '../../lib/mac.ts';
import { HmacSha1 } from '../../lib/sha1.ts';
import { IPPROTO_TCP } from '../../sock/constants.ts';
import { iphHlen } from '../../wire/ipv4.ts';
import { IPV6_HLEN } from '../../wire/ipv6.ts';
import { TCPOPT_AO, TCPOPT_EOL, TCPOPT_NOP } from '../../wire/tcp-options.ts';
import { TCP_CHECK, TCP_FLAG_ACK, TCP_FLAG_SYN, TCP_HLEN_MIN, thFlags, thHlen, thSeq } from '../../wire/tcp.ts';
import { checksumPacket } from './signature.ts';

/** A key of a script's sockets, as the host under test knows it: its `sndid` is the peer's key ID for what comes out. */
export interface ScriptAoKey {
  readonly sndid: number;
  readonly rcvid: number;
  readonly algName: string;
  readonly excludeOptions: boolean;
  readonly key: Uint8Array;
}

/** The ISNs of a connection, as far as its SYNs have passed by. */
interface Isns {
  local: number;
  remote: number;
}

const CMAC_KEY_LEN = 16;

/** The keys of a script and what is known of its connections. */
export class AoSigner {
  private readonly keys: ScriptAoKey[] = [];
  private readonly isns: Map<string, Isns> = new Map<string, Isns>();
  private readonly macs: ReadonlyMap<string, Mac> = new Map<string, Mac>([['hmac(sha1)', new HmacSha1()], ['cmac(aes128)', new AesCmac()]]);

  /** A key more; one with the same IDs is forgotten. One that a socket no longer has is still its peer's. */
  add(key: ScriptAoKey): void {
    const at = this.keys.findIndex((k) => k.sndid === key.sndid && k.rcvid === key.rcvid);
    if (at >= 0) this.keys.splice(at, 1);
    this.keys.push(key);
  }

  /** A packet that goes in: signs it, when it has an option whose code is zeros, and mends its checksum. */
  sign(packet: Uint8Array): void {
    const found = this.expected(packet, true);
    if (found === null || !packet.subarray(found.at, found.at + found.len).every((byte) => byte === 0)) return;
    packet.set(found.mac, found.at);
    checksumPacket(packet);
  }

  /** A packet that came out: is its signature the right one? False for one that has none. */
  verify(packet: Uint8Array): boolean {
    const found = this.expected(packet, false);
    return found !== null && found.mac.every((byte, i) => byte === packet[found.at + i]);
  }

  /** Where the code of a packet is, and what it should be; null: there is no option, or no key for it. */
  private expected(packet: Uint8Array, inbound: boolean): { at: number; len: number; mac: Uint8Array } | null {
    const th = get8(packet, 0) >> 4 === 6 ? IPV6_HLEN : iphHlen(packet, 0);
    const isns = this.seeIsn(packet, th, inbound);
    const option = optionAt(packet, th);
    if (option < 0 || isns === null) return null;
    const keyid = get8(packet, option + 2);
    const key = this.keys.find((k) => (inbound ? k.rcvid : k.sndid) === keyid);
    if (key === undefined) return null;
    const syn = (thFlags(packet, th) & (TCP_FLAG_SYN | TCP_FLAG_ACK)) === TCP_FLAG_SYN;
    const [sisn, disn] = inbound ? [isns.remote, isns.local] : [isns.local, isns.remote];
    const len = get8(packet, option + 1) - 4;
    const traffic = this.trafficKey(key, packet, th, sisn, syn ? 0 : disn);
    return { at: option + 4, len, mac: this.code(key, traffic, packet, th, option, sisn).subarray(0, len) };
  }

  /** Keeps the ISNs that a SYN tells. */
  private seeIsn(packet: Uint8Array, th: number, inbound: boolean): Isns | null {
    const ports = [get16(packet, th), get16(packet, th + 2)];
    const name = (inbound ? ports.reverse() : ports).join(':');
    const flags = thFlags(packet, th);
    if ((flags & TCP_FLAG_SYN) === 0) return this.isns.get(name) ?? null;
    const known = (flags & TCP_FLAG_ACK) === 0 ? undefined : this.isns.get(name);
    const isns = known ?? { local: 0, remote: 0 };
    isns[inbound ? 'remote' : 'local'] = thSeq(packet, th) >>> 0;
    this.isns.set(name, isns);
    return isns;
  }

  /** RFC 5926 §3.1.1. */
  private trafficKey(key: ScriptAoKey, packet: Uint8Array, th: number, sisn: number, disn: number): Uint8Array {
    const isns = new Uint8Array(8);
    put32(isns, 0, sisn);
    put32(isns, 4, disn);
    const bits = 8 * this.macs.get(key.algName)!.size;
    const input = [[1], new TextEncoder().encode('TCP-AO'), addressesOf(packet), packet.slice(th, th + 4), isns, [bits >> 8, bits & 0xff]];
    const short = key.algName === 'cmac(aes128)' && key.key.length !== CMAC_KEY_LEN;
    const master = short ? this.mac(key, new Uint8Array(CMAC_KEY_LEN), [key.key]) : key.key;
    return this.mac(key, master, input);
  }

  /** RFC 5925 §5.1; the scripts send less than half the circle, so that the SNE tells whether the numbers have gone round. */
  private code(key: ScriptAoKey, traffic: Uint8Array, packet: Uint8Array, th: number, option: number, isn: number): Uint8Array {
    const hlen = thHlen(packet, th);
    const len = packet.length - th;
    const sne = get32(packet, th + 4) >>> 0 < isn && ((get32(packet, th + 4) - isn) | 0) >= 0 ? 1 : 0;
    const v6 = get8(packet, 0) >> 4 === 6;
    const pseudo = v6 ? [0, 0, len >> 8, len & 0xff, 0, 0, 0, IPPROTO_TCP] : [0, IPPROTO_TCP, len >> 8, len & 0xff];
    const header = packet.slice(th, th + hlen);
    put16(header, TCP_CHECK, 0);
    const from = option - th;
    const end = from + get8(packet, option + 1);
    header.fill(0, from + 4, end);
    const signed = key.excludeOptions ? [header.slice(0, TCP_HLEN_MIN), header.slice(from, end)] : [header];
    return this.mac(key, traffic, [[0, 0, 0, sne], addressesOf(packet), pseudo, ...signed, packet.slice(th + hlen)]);
  }

  private mac({ algName }: ScriptAoKey, key: Uint8Array, parts: readonly ArrayLike<number>[]): Uint8Array {
    const mac = this.macs.get(algName)!;
    const out = new Uint8Array(mac.size);
    mac.begin(mac.expand(key));
    for (const part of parts) mac.update(Uint8Array.from(part), 0, part.length);
    mac.digest(out);
    return out;
  }
}

function addressesOf(packet: Uint8Array): Uint8Array {
  return get8(packet, 0) >> 4 === 6 ? packet.slice(8, 40) : packet.slice(12, 20);
}

/** Where the option begins, or -1. */
function optionAt(packet: Uint8Array, th: number): number {
  const end = th + thHlen(packet, th);
  for (let at = th + TCP_HLEN_MIN; at + 4 < end;) {
    const kind = get8(packet, at);
    if (kind === TCPOPT_AO) return at;
    if (kind === TCPOPT_EOL) return -1;
    at += kind === TCPOPT_NOP ? 1 : Math.max(2, get8(packet, at + 1));
  }
  return -1;
}
