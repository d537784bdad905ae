/**
 * Who shares a wire: the segments (broadcast domains) of a world, through any number of switches and hubs, per VLAN.
 *
 *   from  world.ts   a cable was plugged in, an interface was added, the VLANs of a switch have changed
 *   to    host.ts    addresses: all interfaces of a segment are in one subnet, whatever the order of the cables
 *
 * A domain is one VLAN of one switch; a segment is the domains that cables between switches connect. Every domain knows the
 * subnet of its segment, so that one more host costs no search.
 *
 * When a cable joins two segments, the addresses that were chosen here move to one subnet: a user's first, else the lowest. They
 * do so only before the world's clock has moved: later, hosts keep their addresses, as real ones do.
 */
import { formatIpv4, formatIpv4Prefix, ipv4Mask, type Ipv4Prefix } from '../lib/addr.ts';
import type { Cable } from '../fabric/cable.ts';
import type { Joint } from '../fabric/joint.ts';
import type { Port } from '../fabric/port.ts';
import type { AddressPlan } from './addresses.ts';
import type { Interface } from './interface.ts';

/** One VLAN of one switch, or what a hub is to one tag. */
export class Domain {
  readonly joint: Joint;
  readonly id: number;
  /** Interfaces at cables of this switch. */
  readonly members: Interface[] = [];
  /** What its user said; null when it is to be chosen. */
  readonly configured: Ipv4Prefix | null;
  /** The subnet of the segment; null while it has none. */
  subnet: Ipv4Prefix | null = null;

  constructor(joint: Joint, id: number, configured: Ipv4Prefix | null) {
    this.joint = joint;
    this.id = id;
    this.configured = configured;
    this.subnet = configured;
  }
}

/** A switch or a hub, in the plan. */
class JointState {
  readonly joint: Joint;
  readonly subnets: ReadonlyMap<number, Ipv4Prefix>;
  /** Ports whose cable leads to another joint, with that cable. */
  readonly uplinks: Map<Port, Cable> = new Map();
  readonly domains: Map<number, Domain> = new Map();

  constructor(joint: Joint, subnets: ReadonlyMap<number, Ipv4Prefix>) {
    this.joint = joint;
    this.subnets = subnets;
  }
}

/** Nobody is asked for what others have: cables only join. */
const NONE_CLAIMED: ReadonlySet<number> = new Set([0]);

export class Segments {
  private readonly plan: AddressPlan;
  /** Addresses that were chosen may still move. */
  private readonly settled: () => boolean;
  private readonly joints: Map<object, JointState> = new Map();
  /** The interfaces behind a port: the card's, and its VLANs'. */
  private readonly stations: Map<Port, Interface[]> = new Map();

  constructor(plan: AddressPlan, settled: () => boolean) {
    this.plan = plan;
    this.settled = settled;
  }

  addJoint(joint: Joint, subnets: ReadonlyMap<number, Ipv4Prefix>): void {
    this.joints.set(joint, new JointState(joint, subnets));
    for (const subnet of subnets.values()) this.plan.reserve(subnet);
  }

  addInterface(itf: Interface): void {
    const there = this.stations.get(itf.port);
    if (there === undefined) this.stations.set(itf.port, [itf]);
    else there.push(itf);
    if (itf.port.link !== null) this.plugged(itf, itf.port.link.peer(itf.port));
  }

  /** The interfaces behind a port. */
  at(port: Port): readonly Interface[] {
    return this.stations.get(port) ?? [];
  }

  jointOf(port: Port): Joint | null {
    return this.stateOf(port)?.joint ?? null;
  }

  /** All segments with at least one switch or hub, in the order of these. */
  list(): Domain[][] {
    const seen = new Set<Domain>();
    const out: Domain[][] = [];
    for (const { joint, domains } of this.joints.values()) {
      for (const id of new Set([...joint.domains(), ...domains.keys()])) {
        const first = this.domain(joint, id);
        if (seen.has(first)) continue;
        const segment = this.reach(first);
        for (const domain of segment) seen.add(domain);
        out.push(segment);
      }
    }
    return out;
  }

  // ---- cables -------------------------------------------------------------------------------------------------

  /** A cable was plugged in. Undo what was done by `unplugged` when this throws. */
  cabled(cable: Cable): void {
    const [a, b] = [this.stateOf(cable.a), this.stateOf(cable.b)];
    if (a === null && b === null) {
      const near = this.at(cable.a).length > 0 ? cable.a : cable.b;
      for (const itf of this.at(near)) this.direct(itf, cable.peer(near));
    } else if (a !== null && b !== null) {
      this.link(cable);
      for (const domain of [...a.domains.values(), ...b.domains.values()]) this.settle(this.reach(domain), NONE_CLAIMED);
    } else {
      const port = a === null ? cable.a : cable.b;
      for (const itf of this.at(port)) this.plugged(itf, cable.peer(port));
    }
  }

  /** Two joints are neighbours. */
  private link(cable: Cable): void {
    this.stateOf(cable.a)!.uplinks.set(cable.a, cable);
    this.stateOf(cable.b)!.uplinks.set(cable.b, cable);
  }

  /** A cable was taken out: its interfaces belong to no segment. */
  unplugged(cable: Cable): void {
    for (const [own, other] of [[cable.a, cable.b], [cable.b, cable.a]] as const) {
      this.stateOf(own)?.uplinks.delete(own);
      const joint = this.stateOf(other);
      if (joint === null) continue;
      for (const itf of this.at(own)) {
        for (const { members } of joint.domains.values()) if (members.includes(itf)) members.splice(members.indexOf(itf), 1);
      }
    }
  }

  /** The VLANs of a switch have changed: everything is looked at anew, first who is where, then the addresses. */
  rebuild(cables: readonly Cable[]): void {
    for (const state of this.joints.values()) {
      state.domains.clear();
      state.uplinks.clear();
    }
    for (const cable of cables) {
      const [a, b] = [this.stateOf(cable.a), this.stateOf(cable.b)];
      if (a !== null && b !== null) this.link(cable);
      else if (a !== null) for (const itf of this.at(cable.b)) this.enter(itf, cable.a);
      else if (b !== null) for (const itf of this.at(cable.a)) this.enter(itf, cable.b);
    }
    const claimed = new Set<number>();
    for (const segment of this.list()) {
      this.settle(segment, claimed);
      const { subnet } = segment[0]!;
      if (subnet !== null) claimed.add(subnet.addr);
    }
  }

  /** An interface is behind a port of a joint. Its domain, or null when its frames are refused there. */
  private enter(itf: Interface, far: Port): Domain | null {
    const state = this.stateOf(far)!;
    const id = state.joint.domainIn(far, itf.tag);
    if (id < 0) return null;
    const domain = this.domain(state.joint, id);
    domain.members.push(itf);
    return domain;
  }

  private plugged(itf: Interface, far: Port): void {
    if (this.stateOf(far) === null) {
      this.direct(itf, far);
      return;
    }
    const domain = this.enter(itf, far);
    if (domain === null) return;
    if (itf.ip === null && !itf.leased && domain.subnet !== null) this.assign(itf, domain.subnet, domain);
    else this.settle(this.reach(domain), NONE_CLAIMED);
  }

  /** A cable from card to card. */
  private direct(itf: Interface, far: Port): void {
    const peers = this.at(far).filter((other) => other.tag === itf.tag);
    const members = itf.tag === 0 ? [itf, ...peers] : [...peers, itf]; // a VLAN joins those that were there first
    if (peers.length === 0 && this.at(far).length > 0) return;
    checkDuplicates(members);
    const bare = members.filter((one) => one.ip === null && !one.leased);
    if (bare.length === 0) return;
    const subnet = members.find((one) => one.subnet !== null)?.subnet ?? this.plan.subnet();
    for (const one of bare) this.assign(one, subnet, null);
  }

  // ---- one subnet for all -------------------------------------------------------------------------------------

  /** Gives a segment its subnet, and its interfaces their addresses. `claimed`: subnets that other segments have by now. */
  private settle(segment: readonly Domain[], claimed: ReadonlySet<number>): void {
    const members = segment.flatMap((domain) => domain.members);
    checkDuplicates(members);
    const planned = members.flatMap((itf) => (itf.planned === null ? [] : [networkOf(itf.planned)]));
    const subnet = segment.find((domain) => domain.configured !== null)?.configured
      ?? members.find((itf) => itf.ip !== null && itf.planned === null)?.subnet
      ?? lowest([...segment.map((domain) => domain.subnet), ...planned], claimed);
    if (members.length === 0 && subnet === null) return;
    const chosen = subnet ?? this.plan.subnet();
    for (const domain of segment) domain.subnet = chosen;
    for (const domain of segment) {
      for (const itf of domain.members) {
        if (itf.ip === null && !itf.leased) this.assign(itf, chosen, domain);
        else if (itf.planned !== null && !within(itf.planned, chosen) && !this.settled()) this.move(itf, chosen, domain);
      }
    }
    for (const { addr } of planned) if (addr !== chosen.addr) this.plan.returnSubnet(addr);
  }

  private assign(itf: Interface, subnet: Ipv4Prefix, domain: Domain | null): void {
    itf.assignPlanned(this.nextIn(subnet, itf, domain));
  }

  private move(itf: Interface, subnet: Ipv4Prefix, domain: Domain): void {
    const old = itf.planned!;
    itf.renumber(this.nextIn(subnet, itf, domain));
    this.plan.release(old.addr, old);
  }

  private nextIn(subnet: Ipv4Prefix, itf: Interface, domain: Domain | null): Ipv4Prefix {
    try {
      return this.plan.next(subnet);
    } catch (error) {
      if (!(error instanceof RangeError) || domain === null) throw error;
      const vlan = domain.id === 0 ? '' : ` (VLAN ${String(domain.id)})`;
      throw new RangeError(`${error.message} for ${itf.host.name}.${itf.name} at ${domain.joint.name}${vlan}; `
        + "a larger one is an option of the switch: { subnet: '10.8.0.0/16' }, or of its VLAN");
    }
  }

  // ---- what is connected --------------------------------------------------------------------------------------

  /**
   * Refuses a cable that would close a loop which no spanning tree breaks.
   *
   * @throws RangeError that names the loop, switch by switch and cable by cable
   */
  checkLoop(a: Port, b: Port, name: string): void {
    const [from, to] = [this.stateOf(a), this.stateOf(b)];
    if (from === null || to === null || from.joint.breaksLoops || to.joint.breaksLoops) return;
    const ids = new Set([...from.joint.domains(), ...from.domains.keys(), ...to.joint.domains(), ...to.domains.keys()]);
    for (const id of ids) {
      const tag = from.joint.tagOut(a, id);
      if (tag < 0) continue;
      const far = to.joint.domainIn(b, tag);
      if (far < 0) continue;
      const way = this.way(from, id, to, far);
      if (way === null) continue;
      const vlan = id === 0 ? '' : ` in VLAN ${String(id)}`;
      throw new RangeError(`cable: ${name} closes a loop${vlan}: ${way} –(${name})– `
        + `${from.joint.name}; frames would circle in it for ever: let one of its switches run STP `
        + '(world.switch(name, { stp: true })), or leave the cable out');
    }
  }

  /** `sw1 –(cable)– sw2 –(cable)– sw3`, without switches that break loops; null when there is no such way. */
  private way(from: JointState, id: number, to: JointState, far: number): string | null {
    const start = `${from.joint.name}\n${String(id)}`;
    const texts = new Map<string, string>([[start, from.joint.name]]);
    const queue: [JointState, number][] = [[from, id]];
    for (const [state, domain] of queue) {
      const text = texts.get(`${state.joint.name}\n${String(domain)}`)!;
      if (state === to && domain === far) return text;
      for (const [next, there, cable] of this.neighbours(state, domain)) {
        const key = `${next.joint.name}\n${String(there)}`;
        if (next.joint.breaksLoops || texts.has(key)) continue;
        texts.set(key, `${text} –(${cable.name})– ${next.joint.name}`);
        queue.push([next, there]);
      }
    }
    return null;
  }

  /** The domains of a segment, from one of them. */
  private reach(first: Domain): Domain[] {
    const found = [first];
    const seen = new Set<Domain>(found);
    for (const domain of found) {
      for (const [state, id] of this.neighbours(this.joints.get(domain.joint)!, domain.id)) {
        const next = this.make(state, id);
        if (seen.has(next)) continue;
        seen.add(next);
        found.push(next);
      }
    }
    return found;
  }

  private *neighbours(state: JointState, id: number): Generator<[JointState, number, Cable]> {
    for (const [port, cable] of state.uplinks) {
      const tag = state.joint.tagOut(port, id);
      if (tag < 0) continue;
      const far = cable.peer(port);
      const next = this.stateOf(far)!;
      const there = next.joint.domainIn(far, tag);
      if (there >= 0) yield [next, there, cable];
    }
  }

  /** A domain, with the subnet of its segment. */
  private domain(joint: Joint, id: number): Domain {
    const state = this.joints.get(joint)!;
    const known = state.domains.get(id);
    if (known !== undefined) return known;
    const made = this.make(state, id);
    const segment = this.reach(made);
    const subnet = segment.find((other) => other.configured !== null)?.configured
      ?? lowest(segment.map((other) => other.subnet), NONE_CLAIMED);
    for (const domain of segment) domain.subnet = subnet;
    return made;
  }

  private make(state: JointState, id: number): Domain {
    const known = state.domains.get(id);
    if (known !== undefined) return known;
    const made = new Domain(state.joint, id, state.subnets.get(id) ?? null);
    state.domains.set(id, made);
    return made;
  }

  private stateOf(port: Port): JointState | null {
    return port.owner === null ? null : this.joints.get(port.owner) ?? null;
  }
}

function within(address: Ipv4Prefix, subnet: Ipv4Prefix): boolean {
  return address.prefixLen === subnet.prefixLen && ((address.addr ^ subnet.addr) & ipv4Mask(subnet.prefixLen)) === 0;
}

/** The subnet of an address. */
function networkOf(address: Ipv4Prefix): Ipv4Prefix {
  return { addr: address.addr & ipv4Mask(address.prefixLen), prefixLen: address.prefixLen };
}

function lowest(subnets: readonly (Ipv4Prefix | null)[], claimed: ReadonlySet<number>): Ipv4Prefix | null {
  let best: Ipv4Prefix | null = null;
  for (const subnet of subnets) {
    if (subnet !== null && !claimed.has(subnet.addr) && (best === null || subnet.addr >>> 0 < best.addr >>> 0)) best = subnet;
  }
  return best;
}

/** Two interfaces of one segment have different addresses. */
function checkDuplicates(members: readonly Interface[]): void {
  const owners = new Map<number, Interface>();
  for (const itf of members) {
    for (const addr of itf.addresses) {
      const other = owners.get(addr.addr);
      if (other !== undefined && other !== itf) {
        throw new RangeError(`duplicate address: ${formatIpv4(addr.addr)} is that of ${other.host.name}.${other.name} and of `
          + `${itf.host.name}.${itf.name}, which share a wire (${formatIpv4Prefix(addr.addr & ipv4Mask(addr.prefixLen), addr.prefixLen)})`);
      }
      owners.set(addr.addr, itf);
    }
  }
}
