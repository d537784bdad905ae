/** What the host of a script sends, in order and decoded; and every frame of both directions, for a capture file. */
import { csumFold, csumPartial } from '../../lib/checksum.ts';
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6, ethType } from '../../wire/ethernet.ts';
import { IPPROTO_TCP, IPV4_HLEN_MIN, iphHlen, iphProtocol } from '../../wire/ipv4.ts';
import { ip6hNexthdr, IPV6_HLEN } from '../../wire/ipv6.ts';
import { PcapngDirection, PcapngWriter } from '../../wire/pcapng.ts';
import { decodeIpv4, decodeIpv6 } from '../../wire/segment-decode.ts';
import type { PacketSpec, TcpSpec } from '../../wire/segment.ts';
import { thHlen } from '../../wire/tcp.ts';
import { UDP_HLEN } from '../../wire/udp.ts';
import type { LabWire, WireFrame } from '../lab-wire.ts';
import type { AoSigner } from './ao-signature.ts';
import { signPacket, verifyPacket } from './signature.ts';

/** A packet that no event has taken yet. */
export interface SentPacket {
  readonly timeNs: number;
  readonly packet: PacketSpec;
  /** What is wrong with it whatever the script says: its data is not the zeros that were written, a bad checksum… */
  readonly faults: readonly string[];
}

export class Capture {
  readonly queue: SentPacket[] = [];
  /** With which the connection's segments are signed; null: they are not. */
  key: Uint8Array | null = null;
  /** The same of TCP-AO. */
  ao: AoSigner | null = null;
  private readonly wire: LabWire;
  private readonly pcapng: PcapngWriter | null;

  constructor(wire: LabWire, keep: boolean) {
    this.wire = wire;
    this.pcapng = keep ? new PcapngWriter({ application: 'kernet packetdrill' }) : null;
    this.pcapng?.addInterface({ name: 'tun0' });
    wire.onFrame = (frame): void => {
      this.sent(frame);
    };
  }

  private sent({ bytes, timeNs }: WireFrame): void {
    this.pcapng?.packet(0, timeNs, bytes, 0, bytes.length, { direction: PcapngDirection.Outbound });
    const type = ethType(bytes, 0);
    if (type !== ETH_P_IP && type !== ETH_P_IPV6) return; // ARP is none of a script's business
    const decode = type === ETH_P_IPV6 ? decodeIpv6 : decodeIpv4;
    const packet = decode(bytes, ETH_HLEN, bytes.length - ETH_HLEN);
    if (typeof packet === 'string') return;
    if (packet.proto === 'tcp' && this.verified(bytes.subarray(ETH_HLEN))) trust(packet);
    this.queue.push({ timeNs, packet, faults: faultsOf(bytes, packet, type === ETH_P_IPV6) });
  }

  private verified(packet: Uint8Array): boolean {
    const ao = this.ao !== null && this.ao.verify(packet); // sees every SYN
    return ao || (this.key !== null && verifyPacket(packet, this.key));
  }

  /** A packet of the script goes in; with `mss`, as segments of that size that GRO has joined. */
  inject(packet: Uint8Array, nowNs: number, mss: number): void {
    if (this.key !== null) signPacket(packet, this.key);
    if (isTcp(packet)) this.ao?.sign(packet);
    if (this.pcapng !== null) {
      const frame = new Uint8Array(ETH_HLEN + packet.length);
      frame[12] = packet[0]! >> 4 === 6 ? 0x86 : 0x08;
      frame[13] = packet[0]! >> 4 === 6 ? 0xdd : 0x00;
      frame.set(packet, ETH_HLEN);
      this.pcapng.packet(0, nowNs, frame, 0, frame.length, { direction: PcapngDirection.Inbound });
    }
    this.wire.injectIp(packet, mss);
  }

  /** The capture file so far, or null. */
  bytes(): Uint8Array | null {
    return this.pcapng?.toBytes() ?? null;
  }
}

/** A good signature reads as `md5 ...` and `mac ...` do. */
function trust(packet: TcpSpec): void {
  if (packet.options === undefined || packet.options === 'any') return;
  for (const option of packet.options) if (option.kind === 'md5' || option.kind === 'tcp-ao') option.data.fill(0);
}

function isTcp(packet: Uint8Array): boolean {
  return (packet[0]! >> 4 === 6 ? ip6hNexthdr(packet, 0) : iphProtocol(packet, 0)) === IPPROTO_TCP;
}

/** What no packet may have: IP options, a header checksum that is wrong, reserved bits, data that nobody wrote. */
function faultsOf(bytes: Uint8Array, packet: PacketSpec, v6: boolean): readonly string[] {
  const faults: string[] = [];
  const hlen = v6 ? IPV6_HLEN : iphHlen(bytes, ETH_HLEN);
  if (!v6 && csumFold(csumPartial(bytes, ETH_HLEN, hlen, 0)) !== 0) faults.push('IP checksum: wrong');
  if (!v6 && hlen !== IPV4_HLEN_MIN) faults.push(`IP header: ${IPV4_HLEN_MIN} bytes wanted, got ${hlen}`);
  const l4 = ETH_HLEN + hlen;
  if (packet.proto === 'tcp' && (bytes[l4 + TCP_OFFSET_AND_AE]! & TCP_RESERVED) !== 0) faults.push('reserved bits of TCP: not 0');
  const data = packet.proto === 'tcp' ? l4 + thHlen(bytes, l4) : packet.proto === 'udp' ? l4 + UDP_HLEN : bytes.length;
  if (!allZero(bytes, data)) faults.push('the data is not what was written');
  return faults;
}

/** The byte with the data offset, three reserved bits and AE. */
const TCP_OFFSET_AND_AE = 12;
const TCP_RESERVED = 0x0e;

function allZero(bytes: Uint8Array, from: number): boolean {
  for (let i = from; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
