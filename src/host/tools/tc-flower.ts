/** flower filters on a line of tc: packets by the names of their fields. */
import { FlowerKeys } from '../../dev/sched/cls.ts';
import { formatIpv4Prefix, ipv4Mask, parseIpv4 } from '../../lib/addr.ts';
import { formatIpv6Prefix, in6ReadAt, in6WriteAt, parseIpv6Prefix } from '../../lib/addr6.ts';
import { get32, put32 } from '../../lib/bytes.ts';
import { ETH_P_IP, ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { unknownWord } from './command.ts';
import type { Cursor } from './tc-units.ts';

const TOOL = 'tc: flower';
const PROTOS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmpv6: 58 };
const WITH_PORTS: readonly number[] = [6, 17, 132];
const WORDS = "ip_proto, src_ip, dst_ip, src_port, dst_port, ip_tos, ip_ttl, tcp_flags or 'classid 1:10'";

/** Reads `ip_proto tcp dst_port 80 classid 1:10`; `classid` reads the class. */
export function readFlower(c: Cursor, protocol: number, classid: () => number): { readonly keys: FlowerKeys; readonly to: number } {
  const keys = new FlowerKeys();
  let to = -1;
  for (let word = c.peek; word !== null; word = c.peek) {
    c.take('');
    switch (word) {
      case 'flowid': case 'classid': to = classid(); break;
      case 'skip_hw': break;
      case 'ip_proto': keys.ipProto = readProto(c); break;
      case 'src_ip': keys.src = readAddress(c, word, protocol); break;
      case 'dst_ip': keys.dst = readAddress(c, word, protocol); break;
      case 'src_port': keys.sport = readPorts(c, word, keys); break;
      case 'dst_port': keys.dport = readPorts(c, word, keys); break;
      case 'ip_tos': [keys.tos, keys.tosMask] = readMasked(c, word, 0xff); break;
      case 'ip_ttl': [keys.ttl, keys.ttlMask] = readMasked(c, word, 0xff); break;
      case 'tcp_flags': [keys.tcpFlags, keys.tcpFlagsMask] = readMasked(c, word, 0xfff); break;
      default: throw unknownWord(TOOL, word, WORDS);
    }
  }
  if (to < 0) throw unknownWord(TOOL, '', "'classid 1:10' at the end of the line");
  return { keys, to };
}

function readProto(c: Cursor): number {
  const word = c.take('ip_proto');
  if (Object.hasOwn(PROTOS, word)) return PROTOS[word]!;
  const n = /^(0x[0-9a-f]+|\d+)$/i.test(word) ? Number(word) : NaN;
  if (n >= 0 && n <= 255) return n;
  throw c.wrong(word, 'ip_proto', `${Object.keys(PROTOS).join(', ')} or a number up to 255`);
}

function readPorts(c: Cursor, what: string, keys: FlowerKeys): readonly [number, number] {
  const word = c.take(what);
  if (!WITH_PORTS.includes(keys.ipProto)) throw c.wrong(what, '', "'ip_proto tcp', udp or sctp before ports");
  const m = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(word);
  const [from, to] = [Number(m?.[1]), Number(m?.[2] ?? m?.[1])];
  if (m === null || to > 65535 || from > to) throw c.wrong(word, what, "a port such as '80', or a range such as '8000-8080'");
  return [from, to];
}

function readAddress(c: Cursor, what: string, protocol: number): { readonly value: Uint8Array; readonly mask: Uint8Array } {
  const word = c.take(what);
  if (protocol === ETH_P_IP) {
    const [text = '', len = '32'] = word.split('/');
    const addr = parseIpv4(text);
    const good = addr !== null && /^\d{1,2}$/.test(len) && Number(len) <= 32;
    if (!good) throw c.wrong(word, what, 'an address or a prefix such as 10.0.0.0/24');
    const [value, mask] = [new Uint8Array(4), new Uint8Array(4)];
    put32(value, 0, addr);
    put32(mask, 0, ipv4Mask(Number(len)));
    return { value, mask };
  }
  if (protocol !== ETH_P_IPV6) throw c.wrong(what, '', "'protocol ip' or 'protocol ipv6' before flower: addresses are of one family");
  const prefix = parseIpv6Prefix(word);
  if (prefix === null) throw c.wrong(word, what, 'an address or a prefix such as fd00::/64');
  const [value, mask] = [new Uint8Array(16), new Uint8Array(16)];
  in6WriteAt(prefix.addr, value, 0);
  for (let i = 0; i < 16; i++) mask[i] = 0xff & (0xff00 >> Math.min(8, Math.max(0, prefix.prefixLen - 8 * i)));
  return { value, mask };
}

/** `VALUE[/MASK]`, in C's spellings. */
function readMasked(c: Cursor, what: string, most: number): [number, number] {
  const word = c.take(what);
  const m = /^(0x[0-9a-f]+|\d+)(?:\/(0x[0-9a-f]+|\d+))?$/i.exec(word);
  const [value, mask] = [Number(m?.[1]), Number(m?.[2] ?? most)];
  if (m === null || value > most || mask > most) throw c.wrong(word, what, `a number up to 0x${most.toString(16)}, or value/mask`);
  return [value & mask, mask];
}

/** The fields of a filter, one to a line, as `tc filter show` prints them. */
export function flowerLines(keys: FlowerKeys, protocol: number): string[] {
  const name = Object.entries(PROTOS).find(([, n]) => n === keys.ipProto)?.[0];
  const ports = ([from, to]: readonly [number, number]): string => (from === to ? String(from) : `${String(from)}-${String(to)}`);
  const masked = (value: number, mask: number, most: number): string =>
    `0x${value.toString(16)}${mask === most ? '' : `/${mask.toString(16)}`}`;
  return [
    ...(protocol === ETH_P_IP ? ['eth_type ipv4'] : protocol === ETH_P_IPV6 ? ['eth_type ipv6'] : []),
    ...(keys.ipProto < 0 ? [] : [`ip_proto ${name ?? keys.ipProto.toString(16).padStart(2, '0')}`]),
    ...(keys.tos < 0 ? [] : [`ip_tos ${masked(keys.tos, keys.tosMask, 0xff)}`]),
    ...(keys.ttl < 0 ? [] : [`ip_ttl ${masked(keys.ttl, keys.ttlMask, 0xff)}`]),
    ...(keys.dst === null ? [] : [`dst_ip ${showAddress(keys.dst)}`]),
    ...(keys.src === null ? [] : [`src_ip ${showAddress(keys.src)}`]),
    ...(keys.dport === null ? [] : [`dst_port ${ports(keys.dport)}`]),
    ...(keys.sport === null ? [] : [`src_port ${ports(keys.sport)}`]),
    ...(keys.tcpFlags < 0 ? [] : [`tcp_flags ${masked(keys.tcpFlags, keys.tcpFlagsMask, 0xfff)}`]),
  ].map((line) => `  ${line}`);
}

function showAddress({ value, mask }: { readonly value: Uint8Array; readonly mask: Uint8Array }): string {
  let len = 0;
  for (const byte of mask) for (let bit = 0x80; bit > 0 && (byte & bit) !== 0; bit >>= 1) len++;
  const text = value.length === 4 ? formatIpv4Prefix(get32(value, 0), len) : formatIpv6Prefix(in6ReadAt(value, 0), len);
  return len === value.length * 8 ? text.slice(0, text.indexOf('/')) : text;
}
