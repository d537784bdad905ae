/**
 * The names of ICMP types and codes in the segment notation: `icmp unreachable port_unreachable`. Each table is a list of
 * [number, name]; what has no name is written `type_42`, `code_7`. Only for parsing and printing.
 */

type Names = readonly (readonly [number, string])[];

const TYPES_V4: Names = [
  [0, 'echo_reply'],
  [3, 'unreachable'],
  [4, 'source_quench'],
  [5, 'redirect'],
  [8, 'echo_request'],
  [9, 'router_advertisement'],
  [10, 'router_solicitation'],
  [11, 'time_exceeded'],
  [12, 'parameter_problem'],
  [13, 'timestamp_request'],
  [14, 'timestamp_reply'],
];

const TYPES_V6: Names = [
  [1, 'unreachable'],
  [2, 'packet_too_big'],
  [3, 'time_exceeded'],
  [4, 'parameter_problem'],
  [128, 'echo_request'],
  [129, 'echo_reply'],
  [133, 'router_solicitation'],
  [134, 'router_advertisement'],
  [135, 'neighbour_solicitation'],
  [136, 'neighbour_advertisement'],
];

const UNREACHABLE_V4: Names = [
  [0, 'net_unreachable'],
  [1, 'host_unreachable'],
  [2, 'protocol_unreachable'],
  [3, 'port_unreachable'],
  [4, 'frag_needed'],
  [5, 'source_route_failed'],
  [6, 'net_unknown'],
  [7, 'host_unknown'],
  [8, 'source_host_isolated'],
  [9, 'net_prohibited'],
  [10, 'host_prohibited'],
  [11, 'net_unreachable_for_tos'],
  [12, 'host_unreachable_for_tos'],
  [13, 'packet_filtered'],
  [14, 'precedence_violation'],
  [15, 'precedence_cutoff'],
];

const UNREACHABLE_V6: Names = [
  [0, 'no_route'],
  [1, 'admin_prohibited'],
  [2, 'not_neighbour'],
  [3, 'address_unreachable'],
  [4, 'port_unreachable'],
];

/** 4 or 6: which Internet Protocol. */
export type IpVersion = 4 | 6;

/** `null`: the codes of this type have no names. */
function codeNames(version: IpVersion, type: number): Names | null {
  if (version === 4 && type === 3) return UNREACHABLE_V4;
  if (version === 6 && type === 1) return UNREACHABLE_V6;
  return null;
}

function nameOf(names: Names | null, n: number, prefix: string): string {
  return names?.find(([number]) => number === n)?.[1] ?? `${prefix}_${n}`;
}

function numberOf(names: Names | null, name: string, prefix: string): number | null {
  const found = names?.find(([, word]) => word === name);
  if (found !== undefined) return found[0];
  const m = new RegExp(`^${prefix}_(\\d{1,3})$`).exec(name);
  return m !== null && Number(m[1]) <= 255 ? Number(m[1]) : null;
}

export function icmpTypeName(version: IpVersion, type: number): string {
  return nameOf(version === 4 ? TYPES_V4 : TYPES_V6, type, 'type');
}

export function icmpCodeName(version: IpVersion, type: number, code: number): string {
  return nameOf(codeNames(version, type), code, 'code');
}

/** Has this code a name of its own? One without and of value 0 is not printed. */
export function icmpCodeHasName(version: IpVersion, type: number): boolean {
  return codeNames(version, type) !== null;
}

/** `null`: no such name in this version. */
export function icmpTypeNumber(version: IpVersion, name: string): number | null {
  return numberOf(version === 4 ? TYPES_V4 : TYPES_V6, name, 'type');
}

/** `null`: no such name for this type in this version. */
export function icmpCodeNumber(version: IpVersion, type: number, name: string): number | null {
  return numberOf(codeNames(version, type), name, 'code');
}
