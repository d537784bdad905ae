/** World and Host with Deno's network API besides the modules of Node: `host.deno`. The classes that mod.ts shows. */
import process from 'node:process';
import { Host as NodeHost, World as NodeWorld } from '../node/world.ts';
import type { AddressPlan } from '../world/addresses.ts';
import type { HostOptions } from '../world/host.ts';
import type { Kernel } from '../host/kernel.ts';
import { createConnFetch } from './fetch.ts';
import './hook.ts';
import { createDeno, type DenoNetwork } from './network.ts';
import { webSocketOn } from './websocket.ts';

/** A host with `net`, `http` and their family, the types of Node's modules, and `deno`, the network part of `Deno`. */
export class Host extends NodeHost {
  private network: DenoNetwork | null = null;
  private booted: Kernel | null = null;
  private readonly socketClass: typeof globalThis.WebSocket = webSocketOn(() => this.deno);

  /** Deno's network API on this host: `host.deno.connect({ hostname: 'bob', port: 80 })`. */
  get deno(): DenoNetwork {
    if (this.network === null || this.booted !== this.kernel) {
      this.booted = this.kernel; // of this boot
      this.network = createDeno(this.kernel);
    }
    return this.network;
  }

  /** `fetch` with connections from this host: the runtime's own (undici) in Node, one of HTTP/1.1 in Deno and Bun. */
  override get fetch(): typeof globalThis.fetch {
    return hasUndici ? super.fetch : createConnFetch(this.deno, globalThis.fetch);
  }

  /** `WebSocket` with connections from this host: the runtime's own in Node 22 and later; undefined in Node 20. */
  override get WebSocket(): NodeHost['WebSocket'] {
    return hasUndici ? super.WebSocket : this.socketClass;
  }
}

/** Deno's and Bun's fetch and WebSocket are written in their native code, and take no connections from outside. */
const hasUndici = !('deno' in process.versions) && !('bun' in process.versions);

/** A world whose hosts have the runtimes' own modules, and whose programs have the runtimes' clocks. */
export class World extends NodeWorld {
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
}
