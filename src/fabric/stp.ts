/**
 * The spanning tree protocol of one switch (IEEE 802.1D-1998 §8): of all cables between switches those are used that form a
 * tree, and when one of them fails, others take over. The procedures bear the names of §8.6, the timers those of §8.7.
 *
 *   from  switch.ts   received: a BPDU; linkChanged: a port came or went
 *   to    egress.ts   BPDUs of our own
 *         switch.ts   port.state; onFlush, and shorter ageing while the topology changes
 *
 * All timers are housekeeping: a world in which nothing else happens ends, whatever its switches would still say.
 */
import { skbFromBytes } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb, kfreeSkbReason } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { skbBytes } from '../skb/copy.ts';
import { Timer } from '../time/timer.ts';
import {
  BPDU_CONFIG, BPDU_TCN, BPDU_TOPOLOGY_CHANGE, BPDU_TOPOLOGY_CHANGE_ACK, bpduType, bridgeId, readConfigBpdu, writeConfigBpdu,
  writeTcnBpdu, type ConfigBpdu,
} from '../wire/stp.ts';
import type { SwitchPlace } from './switch.ts';
import type { StpConfig } from './stp-options.ts';
import { StpPort, type StpPortTimers } from './stp-port.ts';
import {
  BR_STATE_BLOCKING, BR_STATE_DISABLED, BR_STATE_FORWARDING, BR_STATE_LEARNING, BR_STATE_LISTENING, BR_STATE_NAMES, type SwitchPort,
} from './switch-port.ts';

/** Two BPDUs of one port are at least so far apart (§8.10.2, hold time). */
const HOLD_NS = 1e9;
/** How much older information becomes at each switch. */
const MESSAGE_AGE_INCREMENT_NS = 1e9;
/** Room for a tag and for headers of a host. */
const HEADROOM = 64;

export class Stp implements StpPortTimers {
  readonly id: string;
  designatedRoot: string;
  rootPathCost = 0;
  rootPort: StpPort | null = null;
  /** The root's times, nanoseconds. */
  maxAge: number;
  helloTime: number;
  forwardDelay: number;
  topologyChange = false;
  topologyChangeDetected = false;
  /** Topology changes so far. */
  changes = 0;
  /** Told to forget the addresses of a port; and, when the short ageing ends, those that it has outlived. */
  onFlush: ((port: number) => void) | null = null;
  onShorterAgeing: (() => void) | null = null;
  private readonly place: SwitchPlace;
  private readonly mac: Uint8Array;
  private readonly config: StpConfig;
  private readonly list: StpPort[] = [];
  private readonly hello: Timer;
  private readonly tcn: Timer;
  private readonly tc: Timer;

  constructor(place: SwitchPlace, mac: Uint8Array, config: StpConfig) {
    const { sim } = place;
    this.place = place;
    this.mac = mac;
    this.config = config;
    this.id = bridgeId(config.priority, mac);
    this.designatedRoot = this.id;
    this.maxAge = config.maxAge;
    this.helloTime = config.helloTime;
    this.forwardDelay = config.forwardDelay;
    this.hello = new Timer(sim, null, () => this.helloExpired(), true);
    this.tcn = new Timer(sim, null, () => this.tcnExpired(), true);
    this.tc = new Timer(sim, null, () => this.tcExpired(), true);
    this.hello.mod(sim.now + this.helloTime);
  }

  get isRoot(): boolean {
    return this.designatedRoot === this.id;
  }

  /** The ports with their states, as `bridge link show` prints them, below a line about the root. */
  text(): string {
    const { rootPort, rootPathCost } = this;
    const root = rootPort === null
      ? 'this switch is the root'
      : `root ${this.designatedRoot} cost ${String(rootPathCost)} by p${String(rootPort.port.number)}`;
    const rows = this.list.map(({ port, pathCost }) => {
      const state = `state ${BR_STATE_NAMES[port.state]!} priority ${String(port.priority)} cost ${String(pathCost)}`;
      return `p${String(port.number)} master ${this.place.name} ${state}\n`;
    });
    return `bridge-id ${this.id} ${root}\n${rows.join('')}`;
  }

  // ---- ports come and go --------------------------------------------------------------------------------------

  addPort(port: SwitchPort): void {
    const own = new StpPort(this.place.sim, port, this);
    port.stp = own;
    port.state = BR_STATE_DISABLED;
    this.becomeDesignated(own);
    this.list.push(own);
  }

  linkChanged(up: boolean, port: SwitchPort): void {
    if (up) this.enablePort(port.stp!);
    else this.disablePort(port.stp!);
  }

  /** §8.8.2 */
  private enablePort(port: StpPort): void {
    this.becomeDesignated(port);
    port.topologyChangeAck = false;
    port.configPending = false;
    port.operEdge = port.port.edge;
    port.port.state = port.operEdge ? BR_STATE_FORWARDING : BR_STATE_BLOCKING;
    this.portStateSelection();
  }

  /** §8.8.3 */
  private disablePort(port: StpPort): void {
    const wasRoot = this.isRoot;
    this.becomeDesignated(port);
    port.port.state = BR_STATE_DISABLED;
    port.topologyChangeAck = false;
    port.configPending = false;
    port.messageAge.del();
    port.forwardDelay.del();
    port.hold.del();
    this.configurationUpdate();
    this.portStateSelection();
    if (this.isRoot && !wasRoot) this.becomeRoot();
  }

  // ---- BPDUs come ---------------------------------------------------------------------------------------------

  /** A frame to the switches' group address. Takes the skb. */
  received(skb: SkBuff, from: SwitchPort): void {
    const port = from.stp!;
    const bytes = skbBytes(skb);
    const type = bpduType(bytes, 0, bytes.length);
    if (type === -1 || from.state === BR_STATE_DISABLED) {
      from.stats.rxFiltered++;
      kfreeSkbReason(skb, type === -1 ? Drop.UnhandledProto : Drop.BridgeIngressStpState, from.name);
      return;
    }
    consumeSkb(skb);
    if (port.operEdge) this.endEdge(port);
    if (type === BPDU_TCN) this.receivedTcn(port);
    else if (type === BPDU_CONFIG) this.receivedConfig(port, readConfigBpdu(bytes, 0));
  }

  /** A switch is where only hosts were expected: the port begins anew. */
  private endEdge(port: StpPort): void {
    port.operEdge = false;
    port.port.state = BR_STATE_BLOCKING;
    this.onFlush?.(port.port.number);
    this.portStateSelection();
  }

  /** §8.7.1 */
  private receivedConfig(port: StpPort, config: ConfigBpdu): void {
    const wasRoot = this.isRoot;
    // A hostile or late BPDU whose time is over must not be recorded.
    if (config.messageAge >= config.maxAge) return;
    if (!this.supersedes(port, config)) {
      if (this.isDesignated(port)) this.transmitConfig(port);
      return;
    }
    this.recordConfig(port, config);
    this.configurationUpdate();
    this.portStateSelection();
    if (wasRoot && !this.isRoot) {
      this.hello.del();
      if (this.topologyChangeDetected) {
        this.tc.del();
        this.transmitTcn();
        this.tcn.mod(this.place.sim.now + this.config.helloTime);
      }
    }
    if (port !== this.rootPort) return;
    this.maxAge = config.maxAge;
    this.helloTime = config.helloTime;
    this.forwardDelay = config.forwardDelay;
    this.setTopologyChange((config.flags & BPDU_TOPOLOGY_CHANGE) !== 0);
    this.configBpduGeneration();
    if ((config.flags & BPDU_TOPOLOGY_CHANGE_ACK) !== 0) {
      this.topologyChangeDetected = false;
      this.tcn.del();
    }
  }

  /** §8.7.2 */
  private receivedTcn(port: StpPort): void {
    if (!this.isDesignated(port)) return;
    this.topologyChangeDetection();
    port.topologyChangeAck = true;
    this.transmitConfig(port);
  }

  /** §8.6.2.2: better than, or an update of, what this port knows. */
  private supersedes(port: StpPort, config: ConfigBpdu): boolean {
    if (config.root !== port.designatedRoot) return config.root < port.designatedRoot;
    if (config.cost !== port.designatedCost) return config.cost < port.designatedCost;
    if (config.bridge !== port.designatedBridge) return config.bridge < port.designatedBridge;
    return config.bridge !== this.id || config.port <= port.designatedPort;
  }

  private recordConfig(port: StpPort, config: ConfigBpdu): void {
    const { now } = this.place.sim;
    port.designatedRoot = config.root;
    port.designatedCost = config.cost;
    port.designatedBridge = config.bridge;
    port.designatedPort = config.port;
    port.recordedAt = now;
    port.recordedAge = config.messageAge;
    port.messageAge.mod(now + config.maxAge - config.messageAge);
  }

  // ---- BPDUs go -----------------------------------------------------------------------------------------------

  /** §8.6.1 */
  private transmitConfig(port: StpPort): void {
    const { now } = this.place.sim;
    if (port.hold.pending) {
      port.configPending = true;
      return;
    }
    const { rootPort } = this;
    const messageAge = rootPort === null ? 0 : rootPort.recordedAge + (now - rootPort.recordedAt) + MESSAGE_AGE_INCREMENT_NS;
    if (messageAge >= this.maxAge) return;
    const flags = (this.topologyChange ? BPDU_TOPOLOGY_CHANGE : 0) | (port.topologyChangeAck ? BPDU_TOPOLOGY_CHANGE_ACK : 0);
    port.topologyChangeAck = false;
    port.configPending = false;
    this.send(port, writeConfigBpdu(this.mac, {
      flags, root: this.designatedRoot, cost: this.rootPathCost, bridge: this.id, port: port.id,
      messageAge, maxAge: this.maxAge, helloTime: this.helloTime, forwardDelay: this.forwardDelay,
    }));
    port.hold.mod(now + HOLD_NS);
  }

  private transmitTcn(): void {
    if (this.rootPort !== null) this.send(this.rootPort, writeTcnBpdu(this.mac));
  }

  private send(port: StpPort, frame: Uint8Array): void {
    const { stats, egress } = port.port;
    stats.txFrames++;
    stats.txBytes += frame.length;
    egress.send(skbFromBytes(this.place.pool, frame, HEADROOM), this.place.sim.now);
  }

  private configBpduGeneration(): void {
    for (const port of this.list) {
      if (port.port.state !== BR_STATE_DISABLED && this.isDesignated(port)) this.transmitConfig(port);
    }
  }

  // ---- who is what --------------------------------------------------------------------------------------------

  private isDesignated(port: StpPort): boolean {
    return port.designatedBridge === this.id && port.designatedPort === port.id;
  }

  private becomeDesignated(port: StpPort): void {
    port.designatedRoot = this.designatedRoot;
    port.designatedCost = this.rootPathCost;
    port.designatedBridge = this.id;
    port.designatedPort = port.id;
  }

  /** §8.6.7: which port leads to the root, and which ports speak for their cable. */
  private configurationUpdate(): void {
    let best: StpPort | null = null;
    for (const port of this.list) {
      if (port.port.state === BR_STATE_DISABLED || this.isDesignated(port) || port.designatedRoot >= this.id) continue;
      if (best === null || leadsBetter(port, best)) best = port;
    }
    this.rootPort = best;
    this.designatedRoot = best === null ? this.id : best.designatedRoot;
    this.rootPathCost = best === null ? 0 : best.designatedCost + best.pathCost;
    for (const port of this.list) if (this.shouldSpeak(port)) this.becomeDesignated(port);
  }

  /** §8.6.9.3 */
  private shouldSpeak(port: StpPort): boolean {
    if (this.isDesignated(port) || port.designatedRoot !== this.designatedRoot) return true;
    if (this.rootPathCost !== port.designatedCost) return this.rootPathCost < port.designatedCost;
    if (this.id !== port.designatedBridge) return this.id < port.designatedBridge;
    return port.id <= port.designatedPort;
  }

  /** §8.6.11 */
  private portStateSelection(): void {
    for (const port of this.list) {
      if (port === this.rootPort) {
        port.configPending = false;
        port.topologyChangeAck = false;
        this.makeForwarding(port);
      } else if (this.isDesignated(port)) {
        port.messageAge.del();
        this.makeForwarding(port);
      } else {
        port.configPending = false;
        port.topologyChangeAck = false;
        this.makeBlocking(port);
      }
    }
  }

  private makeForwarding(port: StpPort): void {
    if (port.port.state !== BR_STATE_BLOCKING) return;
    port.port.state = BR_STATE_LISTENING;
    port.forwardDelay.mod(this.place.sim.now + this.forwardDelay);
  }

  private makeBlocking(port: StpPort): void {
    const { state } = port.port;
    if (state === BR_STATE_DISABLED || state === BR_STATE_BLOCKING) return;
    port.port.state = BR_STATE_BLOCKING;
    port.forwardDelay.del();
    if (state !== BR_STATE_LISTENING) this.topologyChangeDetection();
  }

  // ---- timers -------------------------------------------------------------------------------------------------

  private helloExpired(): void {
    this.configBpduGeneration();
    this.hello.mod(this.place.sim.now + this.helloTime);
  }

  messageAgeExpired(port: StpPort): void {
    const wasRoot = this.isRoot;
    this.becomeDesignated(port);
    this.configurationUpdate();
    this.portStateSelection();
    if (this.isRoot && !wasRoot) this.becomeRoot();
  }

  private becomeRoot(): void {
    this.maxAge = this.config.maxAge;
    this.helloTime = this.config.helloTime;
    this.forwardDelay = this.config.forwardDelay;
    this.topologyChangeDetection();
    this.tcn.del();
    this.configBpduGeneration();
    this.hello.mod(this.place.sim.now + this.helloTime);
  }

  forwardDelayExpired(port: StpPort): void {
    if (port.port.state === BR_STATE_LISTENING) {
      port.port.state = BR_STATE_LEARNING;
      port.forwardDelay.mod(this.place.sim.now + this.forwardDelay);
    } else if (port.port.state === BR_STATE_LEARNING) {
      port.port.state = BR_STATE_FORWARDING;
      if (this.list.some((other) => other.designatedBridge === this.id)) this.topologyChangeDetection();
    }
  }

  holdExpired(port: StpPort): void {
    if (port.configPending) this.transmitConfig(port);
  }

  private tcnExpired(): void {
    this.transmitTcn();
    this.tcn.mod(this.place.sim.now + this.config.helloTime);
  }

  private tcExpired(): void {
    this.topologyChangeDetected = false;
    this.setTopologyChange(false);
  }

  /** §8.6.14 */
  private topologyChangeDetection(): void {
    const { now } = this.place.sim;
    this.changes++;
    if (this.isRoot) {
      this.setTopologyChange(true);
      this.tc.mod(now + this.config.maxAge + this.config.forwardDelay);
    } else if (!this.topologyChangeDetected) {
      this.transmitTcn();
      this.tcn.mod(now + this.config.helloTime);
    }
    this.topologyChangeDetected = true;
  }

  private setTopologyChange(on: boolean): void {
    if (this.topologyChange && !on) this.onShorterAgeing?.(); // asked while the short time still holds
    this.topologyChange = on;
  }
}

/** §8.6.8.3: the order of ways to the root. */
function leadsBetter(a: StpPort, b: StpPort): boolean {
  if (a.designatedRoot !== b.designatedRoot) return a.designatedRoot < b.designatedRoot;
  const [costA, costB] = [a.designatedCost + a.pathCost, b.designatedCost + b.pathCost];
  if (costA !== costB) return costA < costB;
  if (a.designatedBridge !== b.designatedBridge) return a.designatedBridge < b.designatedBridge;
  return a.designatedPort !== b.designatedPort ? a.designatedPort < b.designatedPort : a.id < b.id;
}
