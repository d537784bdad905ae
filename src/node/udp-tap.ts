/**
 * A tap whose other side is a UDP socket of the machine: raw Ethernet frames, one per datagram, without their check sequence. That is
 * the framing of QEMU's `-netdev dgram`, and what `socat TUN:10.0.0.1/24,up,tun-type=tap,iff-no-pi UDP4-DATAGRAM:…` bridges to a
 * real kernel.
 *
 *   const tap = await UdpTap.open(world, { local: 5555, remote: 5556 });
 *   world.cable(host, tap);
 *
 * The world runs by the wall clock (mode 'real'): whoever is at the other end has no other. What the sockets of the machine lose is
 * lost, as on a wire.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { Tap } from '../nic/tap.ts';
import type { Port } from '../fabric/port.ts';
import { checkOptions, parseInteger } from '../lib/units.ts';
import type { SkbPool } from '../skb/pool.ts';
import type { Pump } from '../time/pump.ts';
import type { Simulation } from '../time/simulation.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';

/** Where frames come and go. */
export interface UdpTapOptions {
  /** The port of the machine to receive at; default 0, any. */
  readonly local?: number;
  /** The port to send to. */
  readonly remote: number;
  /** The address of both; default 127.0.0.1. */
  readonly address?: string;
  /** Names the port in captures and drops. Default `tap`. */
  readonly name?: string;
}

const OPTIONS: readonly string[] = ['local', 'remote', 'address', 'name'];

/** What a tap needs of a world. */
export interface TapWorld {
  readonly parts: { readonly sim: Simulation; readonly pool: SkbPool; readonly pump: Pump };
}

/** The longest frame: what a datagram over loopback can carry. */
const MAX_FRAME = 65507;
/** Asked for; the machine may give less (net.core.rmem_max). */
const SOCKET_BUFFER = 4 << 20;

// Taken when this module is loaded: a program's own dgram may be a host's later.
const { createSocket } = dgram;

export class UdpTap {
  /** Frames that went out by UDP, that came in, and that were no frames. */
  sent = 0;
  received = 0;
  malformed = 0;
  private readonly tap: Tap;
  private readonly socket: dgram.Socket;
  private readonly pump: Pump;
  private closed = false;

  private constructor(world: TapWorld, socket: dgram.Socket, name: string, remote: number, address: string) {
    const { sim, pool, pump } = world.parts;
    this.pump = pump;
    this.socket = socket;
    this.tap = new Tap(sim, pool, name);
    this.tap.onFrame = (frame): void => {
      if (this.closed) return;
      this.sent++;
      socket.send(frame, remote, address);
    };
    socket.on('message', (frame) => { this.arrived(frame); });
    socket.on('error', () => undefined); // nobody at the other end (yet): frames are lost, as on a wire
  }

  /** Binds the socket, and is ready for a cable. */
  static async open(world: TapWorld, options: UdpTapOptions): Promise<UdpTap> {
    checkOptions(options, OPTIONS, 'UdpTap');
    const local = parseInteger(options.local ?? 0, 'UdpTap: local', 0, 65535);
    const remote = parseInteger(options.remote, 'UdpTap: remote', 1, 65535);
    const { address = '127.0.0.1', name = 'tap' } = options;
    if (world.parts.pump.mode !== 'real') {
      throw new TypeError(`UdpTap: the world's mode is '${world.parts.pump.mode}'; expected new World({ mode: 'real' })`);
    }
    const socket = createSocket('udp4');
    socket.bind(local, address);
    await once(socket, 'listening');
    setBuffers(socket);
    return new UdpTap(world, socket, name, remote, address);
  }

  /** Where a cable is plugged in. */
  get port(): Port {
    return this.tap.port;
  }

  /** The UDP port that frames are received at. */
  get localPort(): number {
    return this.socket.address().port;
  }

  private arrived(frame: Uint8Array): void {
    if (this.closed) return;
    if (frame.length < ETH_HLEN || frame.length > MAX_FRAME) {
      this.malformed++;
      return;
    }
    this.received++;
    this.pump.sync();
    this.tap.send(frame);
  }

  /** Frames come and go no longer. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.tap.onFrame = null;
    this.socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function setBuffers(socket: dgram.Socket): void {
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER);
    socket.setSendBufferSize(SOCKET_BUFFER);
  } catch {
    // The machine's own size will do.
  }
}
