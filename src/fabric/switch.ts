/**
 * A learning switch (IEEE 802.1D-1998 §7), with VLANs (802.1Q) and a spanning tree if asked for. It stores each frame, looks up
 * where it goes, and hands it on; it knows ports and frames, and no host.
 *
 *   from  port.ts    frameArrived: check sequence, length → reserved addresses → VLAN → state of the port → learn
 *   to    egress.ts  the one port of a known address, or every other port of the VLAN
 *         stp.ts     BPDUs, when it runs STP
 *
 * Until a VLAN is configured somewhere it does not look at tags at all: they pass as they are. From then on untagged frames
 * belong to the VLAN of their port, and each port says what may leave and how.
 */
import { formatMac } from '../lib/addr.ts';
import { get16, get32, put16, put32 } from '../lib/bytes.ts';
import { cloneSkb, mayPull } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { kfreeSkbReason, type SkbPool } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { skbTrace } from '../skb/trace.ts';
import { skbVlanPop, skbVlanPush, skbVlanReadable, skbVlanSetTci } from '../skb/vlan.ts';
import type { Simulation } from '../time/simulation.ts';
import { ETH_HLEN, ETH_P_8021Q, ethType } from '../wire/ethernet.ts';
import { vlanTci, VLAN_VID_MASK, vlanVid } from '../wire/vlan.ts';
import type { Joint } from './joint.ts';
import { MAC_FULL, MAC_MOVED, MacTable } from './mac-table.ts';
import { FCS_OK, type Port, type PortOwner } from './port.ts';
import { EGRESS_NONE, EGRESS_TAGGED, EGRESS_UNTAGGED } from './port-vlans.ts';
import { Stp } from './stp.ts';
import { BR_STATE_FORWARDING, BR_STATE_LEARNING, SwitchPort, type SwitchPortOptions, type SwitchPortOwner } from './switch-port.ts';
import { SwitchConfig, type SwitchOptions } from './switch-options.ts';

/** The upper 16 and the next 28 bits of the group addresses that a switch never hands on: 01:80:c2:00:00:0x. */
const RESERVED_HIGH = 0x0180;
const RESERVED_LOW: number = 0xc2000000 | 0;

/** Where a switch belongs. */
export interface SwitchPlace {
  readonly sim: Simulation;
  readonly pool: SkbPool;
  readonly name: string;
  /** Its own address: names it in the spanning tree. */
  readonly mac: Uint8Array;
}

export class Switch implements PortOwner, SwitchPortOwner, Joint {
  readonly name: string;
  readonly mac: Uint8Array;
  readonly config: SwitchConfig;
  readonly table: MacTable;
  /** The spanning tree; null when it runs none. */
  readonly stp: Stp | null;
  /** Addresses that moved from port to port, and that were not learned for want of room. */
  moves = 0;
  tableFull = 0;
  /** Told of a new port, and of VLANs that have changed (it throws when that must not be). */
  onPort: ((port: SwitchPort) => void) | null = null;
  onVlans: (() => void) | null = null;
  private readonly place: SwitchPlace;
  private readonly list: SwitchPort[] = [];
  /** No port below this place is free. */
  private firstFree = 0;
  /** False until a VLAN is configured: tags are not looked at. */
  private filtering: boolean;

  /** Made by `world.switch(name, options)`. */
  constructor(place: SwitchPlace, options: SwitchOptions = {}) {
    this.place = place;
    this.name = place.name;
    this.mac = place.mac.slice(0, 6);
    this.config = new SwitchConfig(options);
    this.table = new MacTable(this.config.macTableSize);
    this.filtering = this.config.filtering;
    this.stp = this.config.stp === null ? null : new Stp(place, this.mac, this.config.stp);
    if (this.stp !== null) {
      this.stp.onFlush = (port): void => this.table.flush(port);
      this.stp.onShorterAgeing = (): void => void this.table.expire(place.sim.now, this.ageing);
    }
    for (let i = 0; i < this.config.initialPorts; i++) this.addPort();
  }

  // ---- what it is made of -------------------------------------------------------------------------------------

  /** Its ports, in the order of their numbers, which begin at 1. */
  get ports(): readonly SwitchPort[] {
    return this.list;
  }

  /** One of its ports; it is made when it is the next one and the number of ports was left open. */
  port(number: number): SwitchPort {
    const port = this.list[number - 1];
    if (port !== undefined) return port;
    if (number === this.list.length + 1 && this.list.length < this.config.maxPorts) return this.addPort();
    const most = Math.min(this.list.length + 1, this.config.maxPorts);
    throw new RangeError(`port: ${this.name} has no port ${String(number)}; expected 1 to ${String(most)}`);
  }

  freePort(): SwitchPort {
    while (this.firstFree < this.list.length && this.list[this.firstFree]!.link !== null) this.firstFree++;
    const free = this.list[this.firstFree];
    if (free !== undefined) return free;
    if (this.list.length >= this.config.maxPorts) {
      throw new RangeError(`switch ${this.name}: all its ${String(this.config.maxPorts)} ports are taken`);
    }
    return this.addPort();
  }

  /** A free port as an access port of a VLAN: `world.cable(alice, sw.access(10))`. */
  access(vid: number, options: SwitchPortOptions = {}): SwitchPort {
    const port = this.freePort();
    port.configure({ ...options, access: vid });
    return port;
  }

  /** A free port as a trunk, of some VLANs or of all: `world.cable(sw1.trunk(), sw2.trunk())`. */
  trunk(vids: readonly number[] | true = true, options: SwitchPortOptions = {}): SwitchPort {
    const port = this.freePort();
    port.configure({ ...options, trunk: vids });
    return port;
  }

  private addPort(): SwitchPort {
    const { sim } = this.place;
    const port = new SwitchPort(sim, this, this.list.length + 1);
    port.owner = this;
    this.list.push(port);
    this.config.setUp(port);
    this.stp?.addPort(port);
    this.onPort?.(port);
    return port;
  }

  // ---- frames -------------------------------------------------------------------------------------------------

  frameArrived(skb: SkBuff, port: Port): void {
    const from = port as SwitchPort;
    from.stats.rxFrames++;
    from.stats.rxBytes += skb.len;
    if (skb.trace !== 0) skbTrace(skb, 'ingress', from.name, this.place.sim.now);
    if (!this.sound(skb, from)) return;
    const { buf, data } = skb;
    const high = get16(buf, data);
    const low = get32(buf, data + 2);
    if (high === RESERVED_HIGH && (low & ~15) === RESERVED_LOW && this.reserved(skb, from, low & 15)) return;
    const vid = this.filtering ? this.classify(skb, from) : 0;
    if (vid < 0) {
      this.filtered(skb, from, Drop.VlanFilter);
      return;
    }
    if (from.state >= BR_STATE_LEARNING && from.state <= BR_STATE_FORWARDING) this.learn(buf, data, vid, from);
    if (from.state !== BR_STATE_FORWARDING) {
      this.filtered(skb, from, Drop.BridgeIngressStpState);
      return;
    }
    const to = (high & 0x0100) !== 0 ? 0 : this.table.lookup(vid, high, low, this.place.sim.now, this.ageing);
    if (to === 0) this.flood(skb, from, vid);
    else this.forward(skb, from, this.list[to - 1]!, vid);
  }

  /** Check sequence, length, source. What fails is counted and ended here. */
  private sound(skb: SkBuff, from: SwitchPort): boolean {
    let reason: Drop = Drop.NotDropped;
    if (skb.cb0 !== FCS_OK) reason = Drop.FcsError;
    else if (skb.len > this.config.maxFrame) reason = Drop.FrameTooLong;
    else if (!mayPull(skb, ETH_HLEN)) reason = Drop.FrameTooShort;
    else if ((skb.buf[skb.data + 6]! & 1) !== 0) reason = Drop.MacInvalidSource;
    if (reason === Drop.NotDropped) return true;
    from.stats.rxErrors++;
    kfreeSkbReason(skb, reason, from.name);
    return false;
  }

  /** The group addresses that end here. A switch without STP is transparent to BPDUs (…:00), as Linux's bridge is. */
  private reserved(skb: SkBuff, from: SwitchPort, group: number): boolean {
    if (group === 0) {
      if (this.stp === null) return false;
      this.stp.received(skb, from);
      return true;
    }
    this.filtered(skb, from, Drop.MacIeeeMacControl);
    return true;
  }

  /** The VLAN of a frame, or -1 when the port does not let it in. */
  private classify(skb: SkBuff, from: SwitchPort): number {
    const { vlans } = from;
    let vid = 0;
    if (ethType(skb.buf, skb.data) === ETH_P_8021Q) {
      if (!skbVlanReadable(skb)) return -1;
      vid = vlanVid(vlanTci(skb.buf, skb.data));
      if (vid === VLAN_VID_MASK) return -1;
    }
    if (vid === 0) vid = vlans.pvid;
    return vid === 0 || vlans.kind(vid) === EGRESS_NONE ? -1 : vid;
  }

  private learn(buf: Uint8Array, data: number, vid: number, from: SwitchPort): void {
    const was = this.table.learn(vid, get16(buf, data + 6), get32(buf, data + 8), from.number, this.place.sim.now, this.ageing);
    if (was === MAC_MOVED) this.moves++;
    else if (was === MAC_FULL) this.tableFull++;
  }

  private forward(skb: SkBuff, from: SwitchPort, to: SwitchPort, vid: number): void {
    if (to === from || !this.mayLeave(to, vid)) this.filtered(skb, from, Drop.NoTxTarget);
    else this.transmit(skb, to, vid, 'learned');
  }

  /** To every other port of the VLAN: clones, and the frame itself to the last. Takes the skb. */
  private flood(skb: SkBuff, from: SwitchPort, vid: number): void {
    let last: SwitchPort | null = null;
    for (const to of this.list) {
      if (to === from || !this.mayLeave(to, vid)) continue;
      if (last !== null) this.transmit(cloneSkb(skb), last, vid, 'flooded');
      last = to;
    }
    if (last === null) {
      this.filtered(skb, from, Drop.NoTxTarget);
      return;
    }
    from.stats.flooded++;
    this.transmit(skb, last, vid, 'flooded');
  }

  private mayLeave(to: SwitchPort, vid: number): boolean {
    return to.link !== null && to.state === BR_STATE_FORWARDING && to.link.up && (!this.filtering || to.vlans.kind(vid) !== EGRESS_NONE);
  }

  /** Out by a port, with or without a tag as the port has it. Takes the skb. */
  private transmit(skb: SkBuff, to: SwitchPort, vid: number, why: string): void {
    if (skb.trace !== 0) skbTrace(skb, 'egress', to.name, this.place.sim.now, `${why}, ${String(to.egress.queued)} waiting`);
    if (this.filtering) retag(skb, vid, to.vlans.kind(vid));
    to.stats.txFrames++;
    to.stats.txBytes += skb.len;
    to.egress.send(skb, this.place.sim.now + this.config.delay);
  }

  private filtered(skb: SkBuff, from: SwitchPort, reason: Drop): void {
    from.stats.rxFiltered++;
    kfreeSkbReason(skb, reason, from.name);
  }

  linkChanged(up: boolean, port: Port): void {
    const own = port as SwitchPort;
    if (!up) {
      own.egress.flush();
      this.table.flush(own.number);
      this.firstFree = Math.min(this.firstFree, own.number - 1);
    }
    this.stp?.linkChanged(up, own);
  }

  // ---- the table ----------------------------------------------------------------------------------------------

  /** How long an address is remembered, now: shorter while the topology changes. */
  get ageing(): number {
    return this.stp !== null && this.stp.topologyChange ? this.stp.forwardDelay : this.config.ageing;
  }

  /** Sets an entry that neither ages nor moves: `sw.setStatic('02:00:00:00:00:01', 3)`, of VLAN `vid` where there are VLANs. */
  setStatic(mac: string, port: number, vid?: number): void {
    const bytes = this.config.parseMac(mac);
    if (this.list[port - 1] === undefined) throw new RangeError(`port: ${this.name} has no port ${String(port)}`);
    if (!this.table.setStatic(this.tableVid(vid), get16(bytes, 0), get32(bytes, 2), port)) {
      throw new RangeError(`setStatic: the table of ${this.name} is full (${String(this.table.limit)} entries)`);
    }
  }

  /** Forgets an address, static or learned. False when it was not known. */
  forget(mac: string, vid?: number): boolean {
    const bytes = this.config.parseMac(mac);
    return this.table.delete(this.tableVid(vid), get16(bytes, 0), get32(bytes, 2));
  }

  /** What it knows, as `bridge fdb show` prints it. */
  macTable(): string {
    const bytes = new Uint8Array(6);
    return this.table.entries(this.place.sim.now, this.ageing).map((entry) => {
      put16(bytes, 0, entry.high);
      put32(bytes, 2, entry.low);
      const vlan = entry.vid === 0 ? '' : ` vlan ${String(entry.vid)}`;
      return `${formatMac(bytes)} dev p${String(entry.port)}${vlan} master ${this.name}${entry.isStatic ? ' static' : ''}\n`;
    }).join('');
  }

  /** The VLANs of its ports, as `bridge vlan show` prints them. */
  vlanTable(): string {
    return this.filtering ? this.config.vlanTable(this.list) : '';
  }

  private tableVid(vid: number | undefined): number {
    if (!this.filtering) {
      if (vid !== undefined) throw new RangeError(`vid: ${this.name} has no VLANs`);
      return 0;
    }
    return this.config.parseVid(vid);
  }

  // ---- the plan -----------------------------------------------------------------------------------------------

  get breaksLoops(): boolean {
    return this.stp !== null;
  }

  vlansChanged(): void {
    const before = this.filtering;
    this.filtering = true;
    try {
      this.onVlans?.();
    } catch (error) {
      this.filtering = before;
      throw error;
    }
    if (!before) this.table.flush(0); // what was learned without VLANs is of no use any more
  }

  domainIn(port: Port, vid: number): number {
    if (!this.filtering) return vid;
    const { vlans } = port as SwitchPort;
    const own = vid === 0 ? vlans.pvid : vid;
    return own === 0 || vlans.kind(own) === EGRESS_NONE ? -1 : own;
  }

  tagOut(port: Port, domain: number): number {
    if (!this.filtering) return domain;
    const kind = (port as SwitchPort).vlans.kind(domain);
    return kind === EGRESS_NONE ? -1 : kind === EGRESS_UNTAGGED ? 0 : domain;
  }

  domains(): readonly number[] {
    if (!this.filtering) return [0];
    return [...new Set(this.list.flatMap((port) => port.vlans.vids))];
  }
}

/** Gives a frame the tag that it leaves with, or takes it off. */
function retag(skb: SkBuff, vid: number, kind: number): void {
  const tagged = ethType(skb.buf, skb.data) === ETH_P_8021Q;
  if (kind !== EGRESS_TAGGED) {
    if (tagged) skbVlanPop(skb);
  } else if (tagged) {
    const tci = vlanTci(skb.buf, skb.data);
    if (vlanVid(tci) !== vid) skbVlanSetTci(skb, (tci & ~VLAN_VID_MASK) | vid); // it had a priority and no VLAN
  } else {
    skbVlanPush(skb, ETH_P_8021Q, vid);
  }
}
