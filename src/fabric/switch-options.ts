/** What a switch can be told when it is made. */
import { parseIpv4Prefix, parseMac, ipv4IsUnicast, type Ipv4Prefix } from '../lib/addr.ts';
import { checkOptions, parseDuration, parseInteger, parseSize, type Duration, type Size } from '../lib/units.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';
import { VLAN_HLEN } from '../wire/vlan.ts';
import { AGEING_TIME_NS, MAC_TABLE_SIZE } from './mac-table.ts';
import { DEFAULT_VID, EGRESS_NONE, EGRESS_TAGGED, EGRESS_UNTAGGED, parseVid, PORT_VLAN_OPTIONS, PortVlans } from './port-vlans.ts';
import { StpConfig, type StpOptions } from './stp-options.ts';
import { SWITCH_PORT_OPTIONS, type SwitchPort, type SwitchPortOptions } from './switch-port.ts';

/** Ports of a switch at most: a port's number in BPDUs has 12 bits. */
export const SWITCH_PORTS_MAX = 4095;
/** From the last bit in to the first bit out, unless said otherwise. */
export const DEFAULT_SWITCH_DELAY_NS = 1000;
/** The largest payload that a switch hands on, unless said otherwise: jumbo frames. */
const DEFAULT_MTU = 9216;

/** A VLAN of a switch, by the numbers of its ports. */
export interface VlanOptions {
  /** Ports on which it is without tags, in and out. */
  readonly untagged?: readonly number[];
  /** Ports on which it has tags. */
  readonly tagged?: readonly number[];
  /** The subnet of its hosts: `'10.10.0.0/16'`. Default: chosen. */
  readonly subnet?: string;
}

export interface SwitchOptions {
  /** How many ports there are, or what each of them is like. Default: as many as cables are plugged in. */
  readonly ports?: number | readonly SwitchPortOptions[];
  /** VLANs by their number: `{ 10: { untagged: [1, 2], tagged: [8] } }`. Without any, tags pass as they are. */
  readonly vlans?: Readonly<Record<number, VlanOptions>>;
  /** Runs the spanning tree protocol, IEEE 802.1D-1998. Default false: a loop is an error. */
  readonly stp?: boolean | StpOptions;
  /** How long an address is remembered that is not heard. Default 300 s. */
  readonly ageing?: Duration;
  /** Addresses that it remembers. Default 8192. */
  readonly macTableSize?: number;
  /** From the last bit in to the first bit out, when the port is free. Default 1 µs. */
  readonly delay?: Duration;
  /** The largest payload that it hands on. Default 9216. */
  readonly mtu?: Size;
  /** The subnet of its hosts (without VLANs): `'10.8.0.0/16'`. Default: a /24 that is free. */
  readonly subnet?: string;
  /** What all ports are like, unless they say otherwise. */
  readonly port?: SwitchPortOptions;
}

const OPTIONS: readonly string[] = ['ports', 'vlans', 'stp', 'ageing', 'macTableSize', 'delay', 'mtu', 'subnet', 'port'];
const VLAN_OPTIONS: readonly string[] = ['untagged', 'tagged', 'subnet'];

/** The options, checked. */
export class SwitchConfig {
  readonly initialPorts: number;
  readonly maxPorts: number;
  readonly ageing: number;
  readonly macTableSize: number;
  /** Nanoseconds. */
  readonly delay: number;
  /** Longest frame, without the check sequence. */
  readonly maxFrame: number;
  readonly stp: StpConfig | null;
  /** VLANs are configured. */
  readonly filtering: boolean;
  /** Subnets by domain. */
  readonly subnets: ReadonlyMap<number, Ipv4Prefix>;
  private readonly defaults: SwitchPortOptions;
  private readonly each: readonly SwitchPortOptions[];
  private readonly byTable: ReadonlyMap<number, PortVlans>;

  /** @throws TypeError, RangeError that name the option and the accepted form */
  constructor(options: SwitchOptions) {
    checkOptions(options, OPTIONS, 'switch');
    const { ports, vlans, stp } = options;
    this.each = typeof ports === 'object' ? ports : [];
    if (ports !== undefined && typeof ports !== 'number' && !Array.isArray(ports)) {
      throw new TypeError('ports: expected a number, or an array such as [{ access: 10 }, { trunk: true }]');
    }
    const fixed = typeof ports === 'number' ? parseInteger(ports, 'ports', 1, SWITCH_PORTS_MAX) : this.each.length;
    this.initialPorts = fixed;
    this.maxPorts = ports === undefined ? SWITCH_PORTS_MAX : fixed;
    this.ageing = options.ageing === undefined ? AGEING_TIME_NS : parseDuration(options.ageing, 'ageing');
    this.macTableSize = parseInteger(options.macTableSize ?? MAC_TABLE_SIZE, 'macTableSize', 1, 1 << 20);
    this.delay = options.delay === undefined ? DEFAULT_SWITCH_DELAY_NS : parseDuration(options.delay, 'delay');
    this.maxFrame = parseSize(options.mtu ?? DEFAULT_MTU, 'mtu') + ETH_HLEN + VLAN_HLEN;
    if (stp !== undefined && typeof stp !== 'boolean' && typeof stp !== 'object') {
      throw new TypeError('stp: expected true, false or an object');
    }
    this.stp = stp === undefined || stp === false ? null : new StpConfig(stp === true ? {} : stp);
    this.defaults = options.port ?? {};
    checkOptions(this.defaults, SWITCH_PORT_OPTIONS, 'port');
    this.byTable = vlans === undefined ? new Map() : vlanTable(vlans, fixed);
    this.filtering = vlans !== undefined || [this.defaults, ...this.each].some(speaksOfVlans);
    this.subnets = subnets(options, vlans ?? {});
  }

  /** Configures a new port. */
  setUp(port: SwitchPort): void {
    const own = this.each[port.number - 1];
    const vlans = this.byTable.get(port.number);
    if (vlans !== undefined) port.setVlans(vlans);
    // What a port says about its VLANs replaces what all ports say about theirs.
    const common = own !== undefined && speaksOfVlans(own) ? withoutVlans(this.defaults) : this.defaults;
    port.configure({ ...common, ...own });
  }

  parseMac(text: string): Uint8Array {
    const mac = typeof text === 'string' ? parseMac(text) : null;
    if (mac === null) throw new TypeError(`mac: '${String(text)}' is not understood; expected one such as '02:00:00:00:00:01'`);
    return mac;
  }

  parseVid(vid: number | undefined): number {
    return parseVid(vid ?? DEFAULT_VID, 'vid');
  }

  /** `bridge vlan show`: one line per port and VLAN. */
  vlanTable(ports: readonly SwitchPort[]): string {
    const rows = ports.flatMap((port) => {
      const { vlans } = port;
      const known = vlans.vids.sort((a, b) => a - b).filter((vid) => vlans.kind(vid) !== EGRESS_NONE).map((vid) => {
        return `${String(vid)}${vid === vlans.pvid ? ' PVID' : ''}${vlans.kind(vid) === EGRESS_UNTAGGED ? ' Egress Untagged' : ''}`;
      });
      if (vlans.all) known.push('1-4094');
      return known.map((text, i) => `${(i === 0 ? `p${String(port.number)}` : '').padEnd(18)}${text}\n`);
    });
    return `${'port'.padEnd(18)}vlan-id\n${rows.join('')}`;
  }
}

function speaksOfVlans(options: SwitchPortOptions): boolean {
  return PORT_VLAN_OPTIONS.some((name) => Object.hasOwn(options, name));
}

function withoutVlans(options: SwitchPortOptions): SwitchPortOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !PORT_VLAN_OPTIONS.includes(name)));
}

/** The VLANs of each port that the table names. */
function vlanTable(vlans: Readonly<Record<number, VlanOptions>>, ports: number): Map<number, PortVlans> {
  if (typeof vlans !== 'object') throw new TypeError('vlans: expected VLANs by number, such as { 10: { untagged: [1, 2], tagged: [8] } }');
  const kinds = new Map<number, Map<number, number>>();
  for (const [key, options] of Object.entries(vlans)) {
    const vid = parseVid(Number(key), 'vlans');
    checkOptions(options, VLAN_OPTIONS, `vlans: ${key}`);
    for (const kind of [EGRESS_UNTAGGED, EGRESS_TAGGED]) {
      for (const number of (kind === EGRESS_UNTAGGED ? options.untagged : options.tagged) ?? []) {
        parseInteger(number, `vlans: ${key}: port`, 1, ports === 0 ? SWITCH_PORTS_MAX : ports);
        const own = kinds.get(number) ?? new Map<number, number>();
        if (own.has(vid)) throw new RangeError(`vlans: ${key}: port ${String(number)} is named twice`);
        kinds.set(number, own.set(vid, kind));
      }
    }
  }
  const table = new Map<number, PortVlans>();
  for (const [number, own] of kinds) {
    const pvid = [...own].find(([, kind]) => kind === EGRESS_UNTAGGED)?.[0] ?? 0;
    table.set(number, new PortVlans(pvid, false, own));
  }
  return table;
}

function subnets(options: SwitchOptions, vlans: Readonly<Record<number, VlanOptions>>): Map<number, Ipv4Prefix> {
  const found = new Map<number, Ipv4Prefix>();
  if (options.subnet !== undefined) {
    if (options.vlans !== undefined) throw new TypeError('subnet: each VLAN has its own; expected vlans: { 10: { subnet } }');
    found.set(0, parseSubnet(options.subnet, 'subnet'));
    found.set(DEFAULT_VID, parseSubnet(options.subnet, 'subnet'));
  }
  for (const [key, { subnet }] of Object.entries(vlans)) {
    if (subnet !== undefined) found.set(Number(key), parseSubnet(subnet, `vlans: ${key}: subnet`));
  }
  return found;
}

/** `'10.8.0.0/16'`, host bits zero. */
export function parseSubnet(text: string, name: string): Ipv4Prefix {
  const prefix = typeof text === 'string' && text.includes('/') ? parseIpv4Prefix(text) : null;
  const form = "expected one such as '10.8.0.0/16'";
  if (prefix === null) throw new TypeError(`${name}: '${String(text)}' is not understood; ${form}`);
  const host = prefix.prefixLen === 0 ? -1 : ~(-1 << (32 - prefix.prefixLen));
  if (prefix.prefixLen < 1 || prefix.prefixLen > 30 || (prefix.addr & host) !== 0 || !ipv4IsUnicast(prefix.addr | 1)) {
    throw new RangeError(`${name}: '${text}' is not a network of hosts; ${form}`);
  }
  return prefix;
}
