/** What a NAT rule allows a connection to become: addresses from, to; numbers (ports, identifiers) from, to. */
import { NF_NAT_RANGE_MAP_IPS, NF_NAT_RANGE_PROTO_SPECIFIED } from './constants.ts';

export class NatRange {
  /** NF_NAT_RANGE_* */
  flags = 0;
  /** Addresses as four words; IPv4 uses the first. */
  readonly minAddr: Int32Array = new Int32Array(4);
  readonly maxAddr: Int32Array = new Int32Array(4);
  minProto = 0;
  maxProto = 0;
  baseProto = 0;
}

/** A range of exactly one IPv4 address, and with `port` of one port. */
export function natRangeTo4(range: NatRange, addr: number, port: number): NatRange {
  range.flags = NF_NAT_RANGE_MAP_IPS | (port === 0 ? 0 : NF_NAT_RANGE_PROTO_SPECIFIED);
  range.minAddr[0] = addr;
  range.maxAddr[0] = addr;
  range.minProto = port;
  range.maxProto = port;
  return range;
}
