/**
 * World and Host with the runtime's own modules on them: `host.net`, `host.dgram`, `host.dns`, `host.http`.
 */
import type { AddressPlan } from '../world/addresses.ts';
import { Host as BaseHost, type HostOptions } from '../world/host.ts';
import { World as BaseWorld, type WorldOptions } from '../world/world.ts';
import { MAX_NOFILE } from '../syscall/fd-table.ts';
import { createDgram, type NodeDgram } from './dgram.ts';
import { dnsOf, type NodeDns } from './dns.ts';
import { createHttp, type NodeHttp } from './http.ts';
import { runOn } from './install.ts';
import { createNet, type NodeNet } from './net.ts';
import { nodeProgram } from './program.ts';
import { realWork } from './real-work.ts';
import { NodeHost, rebindHost, type HostLike } from './sockets.ts';

/** A host on which `node:net`'s API, and what is built on it, can be used. */
export class Host extends BaseHost {
  private nodeHost: NodeHost | null = null;
  private nodeNet: NodeNet | null = null;
  private nodeDgram: NodeDgram | null = null;
  private nodeHttp: NodeHttp | null = null;

  /** @internal The process whose descriptors the runtime's sockets are, and the host's names. */
  get node(): NodeHost {
    if (this.nodeHost === null) {
      const node = new NodeHost(this.nodeProcess());
      this.nodeHost = node;
      this.power.listeners.push((up) => rebindHost(node, up ? this.nodeProcess() : null));
    }
    return this.nodeHost;
  }

  private nodeProcess(): HostLike {
    const { hosts, parts, resolver } = this.kernel;
    const { proc } = this.kernel.process({ name: 'node', openFiles: MAX_NOFILE });
    return { proc, hosts, parts, resolver, clock: this.clock };
  }

  /** `node:net` on this host: its sockets are Node's own classes. */
  get net(): NodeNet {
    this.nodeNet ??= createNet(this.node);
    return this.nodeNet;
  }

  /** `node:dgram` on this host. */
  get dgram(): NodeDgram {
    this.nodeDgram ??= createDgram(this.node);
    return this.nodeDgram;
  }

  /** `node:http` on this host: servers listen on it, agents connect from it. */
  get http(): NodeHttp {
    this.nodeHttp ??= createHttp(this.node, this.net);
    return this.nodeHttp;
  }

  /** `node:dns` on this host: hosts files, and the name servers of its resolv.conf over its network. */
  get dns(): NodeDns {
    return dnsOf(this.node);
  }

  /** @internal The world has stopped: the sockets of this host keep the process no longer. */
  ended(): void {
    this.nodeHost?.handles.liveness.end();
  }

  /**
   * Runs `fn` on this host: while it runs, and in all that comes of it, Node's own net, http, https, tls, dgram and
   * dns.lookup mean this host's network. Needs `install()`.
   */
  run<T>(fn: () => T): T {
    return runOn(this.node, fn);
  }
}

/** A world whose hosts have the runtime's own modules, and whose programs have the runtime's clocks. */
export class World extends BaseWorld {
  constructor(options: WorldOptions = {}) {
    super(options);
    this.programHooks.push(nodeProgram);
    this.parts.pump.realWork = realWork;
  }

  protected override makeHost(name: string, options: HostOptions, plan: AddressPlan): Host {
    return new Host(this, name, options, plan);
  }

  /** Adds a host. Its name is known to all others. */
  override host(name: string, options: HostOptions = {}): Host {
    return super.host(name, options) as Host;
  }

  /** All hosts, in the order in which they were added. */
  override get hosts(): readonly Host[] {
    return super.hosts as readonly Host[];
  }

  /** Ends the world: all processes are killed, time stops for good, and nothing keeps the runtime's own process. */
  override stop(): void {
    super.stop();
    for (const host of this.hosts) host.ended();
  }
}
