/**
 * The host that a script runs against: a whole kernel with one device, `tun0`, whose wire ends in the runner's hands; the remote
 * address is a neighbour that is known.
 */
import { devOpen, registerNetdevice } from '../../dev/registry.ts';
import { Kernel } from '../../host/kernel.ts';
import { inetAddrAdd } from '../../ip/devinet.ts';
import { inet6AddrAdd } from '../../ip/v6/addrconf.ts';
import { ip6RouteAdd } from '../../ip/v6/route-admin.ts';
import { assert } from '../../lib/assert.ts';
import { NEIGH_UPDATE_F_ADMIN, NEIGH_UPDATE_F_OVERRIDE, NUD_PERMANENT, neighUpdate } from '../../neigh/neighbour.ts';
import { sysKill } from '../../syscall/socket.ts';
import { LabWire, PEER_MAC } from '../lab-wire.ts';
import type { Settings } from './mode.ts';

/** What a system call or a packet takes: real handshakes have no RTT of 0. */
const EVENT_COST_NS = 10_000;
/** A run looks no further ahead than this for a packet that may come at any time. */
export const FOREVER_NS = 3600e9;

export class ScriptHost {
  readonly kernel: Kernel;
  readonly wire: LabWire;
  /** A call is waiting: promises need a turn after each step. */
  waiting = 0;

  constructor(settings: Settings, seed: number) {
    this.kernel = new Kernel({ seed, costs: 'zero', mode: 'manual' });
    this.kernel.parts.sim.onBusy = null; // the runner drives the clock
    const { net } = this.kernel.stack;
    this.wire = new LabWire(net, settings.mtu, settings.strictSegments, 'tun0');
    this.wire.tun = true;
    net.cpu.enter(0);
    registerNetdevice(net, this.wire.dev);
    devOpen(this.wire.dev);
    if (settings.version === 6) this.plugIn6(settings);
    else this.plugIn4(settings);
    net.cpu.exit();
    this.route(settings);
  }

  private plugIn4(settings: Settings): void {
    const { dev } = this.wire;
    assert(inetAddrAdd(dev, settings.local4, 16) === 0, 'a fresh device takes an address');
    const neigh = this.kernel.stack.ip.arp.table.lookup(dev, settings.remote4);
    assert(neigh !== null, 'a fresh table has room for a neighbour');
    neighUpdate(neigh, PEER_MAC, 0, NUD_PERMANENT, NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE);
  }

  private plugIn6(settings: Settings): void {
    const { dev } = this.wire;
    assert(inet6AddrAdd(dev, settings.local6, 48) === 0, 'a fresh device takes an address');
    const neigh = this.kernel.stack.ip6.ndisc.table.lookup6(dev, settings.remote6);
    assert(neigh !== null, 'a fresh table has room for a neighbour');
    neighUpdate(neigh, PEER_MAC, 0, NUD_PERMANENT, NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE);
  }

  private route(settings: Settings): void {
    const { net, ip6 } = this.kernel.stack;
    if (settings.version === 6) {
      net.cpu.enter(0);
      assert(ip6RouteAdd(ip6, { dst: settings.remote6, prefixLen: 128, dev: this.wire.dev }) === 0, 'a fresh host takes a route');
      net.cpu.exit();
      return;
    }
    this.kernel.sh(`ip route add ${settings.remoteIp.replace(/\.\d+$/, '.0')}/24 dev tun0`);
  }

  get nowNs(): number {
    return this.kernel.parts.sim.now;
  }

  /** Runs what is ready, and lets calls that wait settle. */
  async settle(): Promise<void> {
    const { sim } = this.kernel.parts;
    for (;;) {
      for (let task = sim.takeTask(); task !== null; task = sim.takeTask()) task.run();
      if (this.waiting === 0) return;
      for (let i = 0; i < 6; i++) await Promise.resolve(); // as deep as the promises of a waiting call go
      if (!sim.hasTasks) return;
    }
  }

  /** Runs everything that is due up to `untilNs`; the clock is then there. */
  async advance(untilNs: number): Promise<void> {
    const { sim } = this.kernel.parts;
    await this.settle();
    while (sim.nextTime() <= untilNs) {
      sim.step();
      if (sim.hasTasks || this.waiting > 0) await this.settle();
    }
    if (untilNs > sim.now) sim.advanceTo(untilNs);
  }

  /** Runs until `done()`, or until nothing happens any more before `untilNs`. */
  async advanceUntil(untilNs: number, done: () => boolean): Promise<boolean> {
    const { sim } = this.kernel.parts;
    await this.settle();
    while (!done()) {
      if (sim.nextTime() > untilNs) return false;
      sim.step();
      if (sim.hasTasks || this.waiting > 0) await this.settle();
    }
    return true;
  }

  /** A call or a packet took its time. */
  async spend(): Promise<void> {
    await this.advance(this.nowNs + EVENT_COST_NS);
  }

  /** Ends the program of the script. */
  close(): void {
    this.wire.onFrame = (): void => undefined;
    sysKill(this.kernel.proc);
  }
}
