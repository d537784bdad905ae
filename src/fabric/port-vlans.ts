/**
 * The VLANs of a switch port (IEEE 802.1Q §8.4): to which VLAN a frame without a tag belongs when it comes in, which VLANs
 * may pass, and which of them leave with a tag.
 */
import { parseInteger } from '../lib/units.ts';
import { VLAN_VID_MAX } from '../wire/vlan.ts';

/** The VLAN of ports that nobody has configured. */
export const DEFAULT_VID = 1;

/** What leaves for a VLAN at a port. */
export const EGRESS_NONE = 0;
export const EGRESS_UNTAGGED = 1;
export const EGRESS_TAGGED = 2;

/** What a user says about the VLANs of a port; one of the three forms. Default: `{ access: 1 }`. */
export interface PortVlanOptions {
  /** An access port: one VLAN, without tags. */
  readonly access?: number;
  /** A trunk: these VLANs with tags, or all. */
  readonly trunk?: readonly number[] | true;
  /** With `trunk`: the VLAN of frames without a tag, in and out. Default 1; `null`: frames without a tag are refused. */
  readonly native?: number | null;
  /** As IEEE 802.1Q says it: the VLAN of frames that come without a tag (`null`: refused), and which leave without and with one. */
  readonly pvid?: number | null;
  readonly untagged?: readonly number[];
  readonly tagged?: readonly number[];
}

export const PORT_VLAN_OPTIONS: readonly string[] = ['access', 'trunk', 'native', 'pvid', 'untagged', 'tagged'];

export class PortVlans {
  /** 0: frames without a tag are refused. */
  readonly pvid: number;
  /** VLANs that are not in the table leave with a tag, too: a trunk for all. */
  readonly all: boolean;
  private readonly egress: ReadonlyMap<number, number>;

  constructor(pvid: number, all: boolean, egress: ReadonlyMap<number, number>) {
    this.pvid = pvid;
    this.all = all;
    this.egress = egress;
  }

  /** EGRESS_*: does the VLAN leave here, and how? What may leave may come in. */
  kind(vid: number): number {
    return this.egress.get(vid) ?? (this.all ? EGRESS_TAGGED : EGRESS_NONE);
  }

  /** The VLANs that are named here. */
  get vids(): number[] {
    return [...this.egress.keys()];
  }

  static readonly ACCESS_DEFAULT: PortVlans = new PortVlans(DEFAULT_VID, false, new Map([[DEFAULT_VID, EGRESS_UNTAGGED]]));
}

/** @throws TypeError, RangeError that name the option */
export function parsePortVlans(options: PortVlanOptions): PortVlans {
  const { access, trunk, native, pvid, untagged, tagged } = options;
  const raw = pvid !== undefined || untagged !== undefined || tagged !== undefined;
  if (Number(access !== undefined) + Number(trunk !== undefined) + Number(raw) > 1) {
    throw new TypeError('vlans of a port: expected one of access, trunk (with native), or pvid with untagged and tagged');
  }
  if (native !== undefined && trunk === undefined) {
    throw new TypeError('native: it belongs to a trunk; expected trunk: true or trunk: [10, 20]');
  }
  if (access !== undefined) return fixed(parseVid(access, 'access'), [access], []);
  if (raw) {
    const own = pvid === undefined || pvid === null ? 0 : parseVid(pvid, 'pvid');
    return fixed(own, vids(untagged ?? [], 'untagged'), vids(tagged ?? [], 'tagged'));
  }
  if (trunk === undefined) return PortVlans.ACCESS_DEFAULT;
  const own = native === null ? 0 : parseVid(native ?? DEFAULT_VID, 'native');
  if (trunk === true) return new PortVlans(own, true, own === 0 ? new Map() : new Map([[own, EGRESS_UNTAGGED]]));
  return fixed(own, own === 0 ? [] : [own], vids(trunk, 'trunk').filter((vid) => vid !== own));
}

/** A number that names a VLAN. */
export function parseVid(value: number, name: string): number {
  return parseInteger(value, name, 1, VLAN_VID_MAX);
}

function fixed(pvid: number, untagged: readonly number[], tagged: readonly number[]): PortVlans {
  const egress = new Map<number, number>();
  for (const vid of untagged) egress.set(vid, EGRESS_UNTAGGED);
  for (const vid of tagged) {
    if (egress.has(vid)) throw new RangeError(`tagged: VLAN ${String(vid)} is in untagged, too`);
    egress.set(vid, EGRESS_TAGGED);
  }
  return new PortVlans(pvid, false, egress);
}

function vids(list: readonly number[], name: string): readonly number[] {
  const given: unknown = list;
  if (!Array.isArray(given)) throw new TypeError(`${name}: expected VLANs such as [10, 20]`);
  for (const vid of list) parseVid(vid, name);
  return list;
}
