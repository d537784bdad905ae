/**
 * Filters in the manner of pcap-filter(7), as far as a simulated network needs them:
 *
 *     tcp port 80 and not host bob         arp or icmp        src host 10.0.0.1 and (udp or tcp)
 *
 * Protocols (`ip`, `ip6`, `arp`, `tcp`, `udp`, `icmp`, `icmp6`), `[src|dst] host X`, `[src|dst] port N`, `and`, `or`, `not`, parentheses.
 * `and` and `or` bind alike, from left to right, as there; words side by side are joined by `and`.
 */
import { get16, get8 } from '../../lib/bytes.ts';
import { in6EqualsAt, parseIpv6 } from '../../lib/addr6.ts';
import { ETH_HLEN, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, ethType } from '../../wire/ethernet.ts';
import { ARP_LEN, arpSpa, arpTpa } from '../../wire/arp.ts';
import {
  IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN_MIN, iphDaddr, iphHlen, iphProtocol, iphSaddr, ipIsFragment,
} from '../../wire/ipv4.ts';
import { IP6_OFFSET, IPV6_DADDR, IPV6_HLEN, IPV6_SADDR, ipv6SkipExthdr, type UpperLayer } from '../../wire/ipv6.ts';
import { ToolError, unknownWord, type Names } from './command.ts';

/** True for a frame (from its Ethernet header on) that should be shown. */
export type PacketFilter = (frame: Uint8Array) => boolean;

const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['tcp', IPPROTO_TCP], ['udp', IPPROTO_UDP], ['icmp', IPPROTO_ICMP], ['icmp6', IPPROTO_ICMPV6],
]);
const EXPECTED = 'tcp, udp, icmp, icmp6, ip, ip6, arp, host, port, src, dst, and, or, not, ( or )';

/** Reads an expression. A {@link ToolError} names the word that was not understood. */
export function parseFilter(expression: string, names: Pick<Names, 'resolve'>): PacketFilter {
  const parser = new Parser(expression.replace(/[()!]/g, ' $& ').trim().split(/\s+/), names);
  const filter = parser.expression();
  parser.end();
  return filter;
}

class Parser {
  private readonly words: readonly string[];
  private readonly names: Pick<Names, 'resolve'>;
  private at = 0;

  constructor(words: readonly string[], names: Pick<Names, 'resolve'>) {
    this.words = words;
    this.names = names;
  }

  expression(): PacketFilter {
    let left = this.term();
    for (let word = this.peek(); word !== undefined && word !== ')'; word = this.peek()) {
      const or = word === 'or' || word === '||';
      if (or || word === 'and' || word === '&&') this.at++;
      const a = left;
      const b = this.term();
      left = or ? (frame) => a(frame) || b(frame) : (frame) => a(frame) && b(frame);
    }
    return left;
  }

  end(): void {
    const word = this.peek();
    if (word !== undefined) throw unknownWord('tcpdump', word, EXPECTED);
  }

  private term(): PacketFilter {
    const word = this.next('a filter');
    if (word === 'not' || word === '!') {
      const inner = this.term();
      return (frame) => !inner(frame);
    }
    if (word === '(') {
      const inner = this.expression();
      if (this.next("')'") !== ')') throw new ToolError("tcpdump: ')' is missing");
      return inner;
    }
    if (word === 'ip') return (frame) => frame.length >= ETH_HLEN && ethType(frame, 0) === ETH_P_IP;
    if (word === 'ip6') return (frame) => frame.length >= ETH_HLEN && ethType(frame, 0) === ETH_P_IPV6;
    if (word === 'arp') return (frame) => frame.length >= ETH_HLEN && ethType(frame, 0) === ETH_P_ARP;
    const protocol = PROTOCOLS.get(word);
    if (protocol !== undefined) return (frame) => protocolOf(frame) === protocol;
    return this.endpoint(word);
  }

  /** `[src|dst] host X`, `[src|dst] port N`; `src X` is short for `src host X`. */
  private endpoint(first: string): PacketFilter {
    const side = first === 'src' || first === 'dst' ? first : 'either';
    let what = side === 'either' ? first : this.next('host, port, or an address');
    let value: string | null = null;
    if (what !== 'host' && what !== 'port') {
      if (side === 'either') throw unknownWord('tcpdump', what, EXPECTED);
      value = what;
      what = 'host';
    }
    value ??= this.next(what === 'host' ? "an address or a name after 'host'" : "a number after 'port'");
    return what === 'host' ? this.host(side, value) : portFilter(side, value);
  }

  private host(side: string, value: string): PacketFilter {
    const v6 = parseIpv6(value);
    if (v6 !== null) {
      return (frame) => upperOf(frame) !== null && ((side !== 'dst' && in6EqualsAt(v6, frame, ETH_HLEN + IPV6_SADDR))
        || (side !== 'src' && in6EqualsAt(v6, frame, ETH_HLEN + IPV6_DADDR)));
    }
    const addr = this.names.resolve(value);
    if (addr === null) throw unknownWord('tcpdump', value, 'an address or the name of a host');
    return (frame) => {
      const ends = addresses(frame);
      return ends !== null && ((side !== 'dst' && ends[0] === addr) || (side !== 'src' && ends[1] === addr));
    };
  }

  private peek(): string | undefined {
    const word = this.words[this.at];
    return word === '' ? undefined : word;
  }

  private next(expected: string): string {
    const word = this.peek();
    if (word === undefined) throw new ToolError(`tcpdump: the filter ends where ${expected} is expected`);
    this.at++;
    return word;
  }
}

function portFilter(side: string, value: string): PacketFilter {
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65535) throw unknownWord('tcpdump', value, 'a port number from 0 to 65535');
  const port = Number(value);
  return (frame) => {
    const protocol = protocolOf(frame);
    if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return false;
    const upper = upperOf(frame);
    const at = upper === null ? ETH_HLEN + iphHlen(frame, ETH_HLEN) : upper.off;
    if (at + 4 > frame.length || (upper === null ? ipIsFragment(frame, ETH_HLEN) : (upper.frag & IP6_OFFSET) !== 0)) return false;
    return (side !== 'dst' && get16(frame, at) === port) || (side !== 'src' && get16(frame, at + 2) === port);
  };
}

/** The upper layer of an IPv6 frame, null for all others. */
function upperOf(frame: Uint8Array): UpperLayer | null {
  if (frame.length < ETH_HLEN + IPV6_HLEN || ethType(frame, 0) !== ETH_P_IPV6 || get8(frame, ETH_HLEN) >> 4 !== 6) return null;
  return ipv6SkipExthdr(frame, ETH_HLEN, frame.length - ETH_HLEN, { off: 0, nexthdr: 0, frag: 0 });
}

/** The transport protocol of an IPv4 or IPv6 frame, -1 for all others. */
function protocolOf(frame: Uint8Array): number {
  const upper = upperOf(frame);
  return upper === null ? protocolOf4(frame) : upper.off < 0 ? -1 : upper.nexthdr;
}

function protocolOf4(frame: Uint8Array): number {
  if (frame.length < ETH_HLEN + IPV4_HLEN_MIN || ethType(frame, 0) !== ETH_P_IP || get8(frame, ETH_HLEN) >> 4 !== 4) return -1;
  return iphProtocol(frame, ETH_HLEN);
}

/** Source and destination of an IPv4 or ARP frame. */
function addresses(frame: Uint8Array): readonly [number, number] | null {
  if (protocolOf4(frame) >= 0) return [iphSaddr(frame, ETH_HLEN), iphDaddr(frame, ETH_HLEN)];
  if (frame.length >= ETH_HLEN + ARP_LEN && ethType(frame, 0) === ETH_P_ARP) return [arpSpa(frame, ETH_HLEN), arpTpa(frame, ETH_HLEN)];
  return null;
}
