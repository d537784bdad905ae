/**
 * World and Host with the runtime's own modules on them: `host.net`, `host.dgram`, `host.dns`, `host.tls`, `host.http`,
 * `host.https`, `host.http2`, `host.fetch`, `host.WebSocket`.
 */
import type { AddressPlan } from '../world/addresses.ts';
import { Host as BaseHost, type HostOptions } from '../world/host.ts';
import { World as BaseWorld, type WorldOptions } from '../world/world.ts';
import { MAX_NOFILE } from '../syscall/fd-table.ts';
import { closeOwners, openHandles } from './handle/end.ts';
import { createDgram, type NodeDgram } from './dgram.ts';
import { dnsOf, type NodeDns } from './dns.ts';
import { createConnector, createFetch, type Connector, type ConnectorOptions, type NodeFetch } from './fetch.ts';
import { createHttp, type NodeHttp } from './http.ts';
import { runOn } from './current.ts';
import { createHttp2, type NodeHttp2 } from './http2.ts';
import { createHttps, type NodeHttps } from './https.ts';
import { createNet, type NodeNet } from './net.ts';
import { nodeProgram } from './program.ts';
import { realWork } from './real-work.ts';
import { NodeHost, rebindHost, type HostLike } from './sockets.ts';
import { createTls, type NodeTls } from './tls.ts';

/** A host on which `node:net`'s API, and what is built on it, can be used. */
export class Host extends BaseHost {
  private nodeHost: NodeHost | null = null;
  private nodeNet: NodeNet | null = null;
  private nodeDgram: NodeDgram | null = null;
  private nodeHttp: NodeHttp | null = null;
  private nodeTls: NodeTls | null = null;
  private nodeHttps: NodeHttps | null = null;
  private nodeHttp2: NodeHttp2 | null = null;
  private nodeFetch: NodeFetch | null = null;

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

  /** `node:tls` on this host. */
  get tls(): NodeTls {
    this.nodeTls ??= createTls(this.node);
    return this.nodeTls;
  }

  /** `node:https` on this host: servers listen on it, agents connect from it. */
  get https(): NodeHttps {
    this.nodeHttps ??= createHttps(this.node);
    return this.nodeHttps;
  }

  /** `node:http2` on this host: servers listen on it, sessions connect from it. */
  get http2(): NodeHttp2 {
    this.nodeHttp2 ??= createHttp2(this.node, this.net);
    return this.nodeHttp2;
  }

  private get web(): NodeFetch {
    this.nodeFetch ??= createFetch(this.node);
    return this.nodeFetch;
  }

  /** The global `fetch`, with connections from this host. They stay open for some seconds, as those of the global one do. */
  get fetch(): NodeFetch['fetch'] {
    return this.web.fetch;
  }

  /** The global `WebSocket`, with connections from this host; undefined before Node 22, which has none. */
  get WebSocket(): NodeFetch['WebSocket'] {
    return this.web.WebSocket;
  }

  /** What undici's Agent, Pool and Client take as `connect`: `new Agent({ connect: host.undiciConnector({ ca }) })`. */
  undiciConnector(options: ConnectorOptions = {}): Connector {
    return createConnector(this.node, options);
  }

  /** `node:dns` on this host: hosts files, and the name servers of its resolv.conf over its network. */
  get dns(): NodeDns {
    return dnsOf(this.node);
  }

  /** @internal Does a socket of the runtime's hold the process? */
  isHeld(): boolean {
    return this.nodeHost !== null && this.nodeHost.handles.liveness.holds > 0;
  }

  /** @internal The handles of this host's sockets. */
  openHandles(): readonly object[] {
    return this.nodeHost === null ? [] : openHandles(this.nodeHost.handles);
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

  /**
   * @internal The process ends when nothing of its programs holds it, whatever the kernels still have to do: as with the machine's
   * own kernel. (A world by itself keeps the process until it has come to rest.)
   */
  heldByPrograms(): void {
    const { pump } = this.parts;
    const waiting = (): number => this.hosts.reduce((n, host) => n + host.kernel.stack.layer.waiting.size, 0);
    const servants = waiting(); // name servers and the like, which wait as long as the world lasts
    pump.held = (): boolean => this.hosts.some((host) => host.isHeld());
    pump.waits = (): boolean => waiting() > servants;
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

  /**
   * Ends the world: all processes are killed, time stops for good, and nothing keeps the runtime's own process. Sockets that are
   * open are closed: they get their 'close', and requests over them fail as when they are destroyed.
   */
  override stop(): void {
    const open = this.hosts.flatMap((host) => host.openHandles());
    super.stop();
    for (const host of this.hosts) host.ended();
    closeOwners(open);
  }
}
