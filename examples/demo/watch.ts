/**
 * What is worth seeing while the demo runs: the first and the last segments of the connection, those that are sent again, and how
 * full each queue ever was. It sits at both cards, looks, and changes nothing: the digest is the same without it.
 */
import { FlowTable, formatTime, printEthernet } from '../../src/wire/print.ts';
import { PORT_OUT, type Port, type PortObserver } from '../../src/fabric/port.ts';
import { skbFrameBytes } from '../../src/fabric/capture.ts';
import type { SkBuff } from '../../src/skb/sk-buff.ts';
import { WaitEntry } from '../../src/sock/wait-queue.ts';
import { tcpPacketsInFlight } from '../../src/tcp/flight.ts';
import { TcpSock } from '../../src/tcp/sock.ts';
import type { Cable, Host } from '../../mod.ts';

/** Lines of the handshake at most, up to the first byte of data. */
const HANDSHAKE_LINES = 12;
/** Retransmitted segments that are shown. */
export const RETRANSMISSIONS_SHOWN = 5;
const TCP = 6;
const SYN = 2;
const FIN = 1;
const RST = 4;
/** Bytes of the Ethernet header. */
const ETH = 14;

export interface Line {
  /** Nanoseconds of virtual time. */
  readonly ns: number;
  readonly time: string;
  readonly text: string;
  /** The cable did not deliver it. */
  lost: boolean;
}

/** The fullest that a queue ever was. */
export interface HighWater {
  readonly host: string;
  readonly queue: string;
  readonly unit: 'packets' | 'bytes' | 'connections' | 'segments' | 'descriptors';
  max: number;
  /** The limit at that moment; 0 when there is none. */
  limit: number;
}

/** Looks at the queues whenever a socket has news: a connection to accept, bytes to read. Takes nothing. */
class Onlooker extends WaitEntry {
  private readonly look: () => void;

  constructor(look: () => void) {
    super();
    this.look = look;
  }

  wake(): boolean {
    this.look();
    return false;
  }
}

export class Watch implements PortObserver {
  readonly handshake: Line[] = [];
  readonly teardown: Line[] = [];
  readonly retransmissions: Line[] = [];
  /** Segments sent a second time, and all segments with data or a flag that counts, by the host that sent them. */
  readonly resent: Map<string, number> = new Map();
  frames = 0;
  private readonly flows: FlowTable = new FlowTable();
  /** By sender: the end of what was sent so far. */
  private readonly sentUpTo: Map<string, number> = new Map();
  private readonly queues: Map<string, HighWater> = new Map();
  private readonly hosts: readonly Host[];
  private readonly watched: Set<TcpSock> = new Set();
  /** The line of the frame that is being sent. */
  private sending: Line | null = null;
  /** No data has been sent yet. */
  private greeting = true;

  constructor(hosts: readonly Host[], cable: Cable) {
    this.hosts = hosts;
    for (const host of hosts) host.interfaces[0]!.port.addObserver(this);
    const { pool } = hosts[0]!.world.parts;
    // What the cable does not take, it drops before the next frame is sent.
    pool.onDrop = (_skb, _reason, where): void => {
      if (this.sending !== null && where === cable.name) this.sending.lost = true;
      this.sending = null;
    };
  }

  /** A frame passes a card: what leaves is a line, perhaps; what is in the queues is looked at either way. */
  frame(skb: SkBuff, time: number, port: Port, direction: number): void {
    this.sample();
    this.sending = null;
    if (direction !== PORT_OUT) return;
    this.frames++;
    const at = skb.data + ETH;
    const { buf } = skb;
    if (buf[skb.data + 12] !== 8 || buf[skb.data + 13] !== 0 || buf[at + 9] !== TCP) {
      if (this.greeting) this.handshake.push(this.print(skb, time));
      return;
    }
    const tcp = at + (buf[at]! & 15) * 4;
    const flags = buf[tcp + 13]!;
    const seq = (buf[tcp + 4]! << 24) | (buf[tcp + 5]! << 16) | (buf[tcp + 6]! << 8) | buf[tcp + 7]!;
    const total = (buf[at + 2]! << 8) | buf[at + 3]!;
    const length = total - (buf[at]! & 15) * 4 - (buf[tcp + 12]! >> 4) * 4;
    const end = (seq + length + ((flags & (SYN | FIN)) !== 0 ? 1 : 0)) | 0;
    const from = port.name.split('.')[0]!;
    const upTo = this.sentUpTo.get(from) ?? seq;
    const again = end !== seq && ((end - upTo) | 0) <= 0;
    if (((end - upTo) | 0) > 0 || !this.sentUpTo.has(from)) this.sentUpTo.set(from, end);
    if (again) this.again(skb, time, from);
    if (this.greeting) {
      this.handshake.push(this.print(skb, time));
      this.greeting = length === 0 && this.handshake.length < HANDSHAKE_LINES;
    } else if ((flags & (FIN | RST)) !== 0 || this.teardown.length > 0) {
      this.teardown.push(this.print(skb, time));
    }
  }

  private again(skb: SkBuff, time: number, from: string): void {
    this.resent.set(from, (this.resent.get(from) ?? 0) + 1);
    if (this.retransmissions.length < RETRANSMISSIONS_SHOWN) this.retransmissions.push(this.print(skb, time));
  }

  private print(skb: SkBuff, time: number): Line {
    const bytes = skbFrameBytes(skb);
    let text = printEthernet(bytes, 0, bytes.length, { flows: this.flows }).replace(/^IP /, '');
    for (const host of this.hosts) text = text.replaceAll(new RegExp(`\\b${host.ip}\\b`, 'g'), host.name);
    this.sending ??= { ns: time, time: formatTime(time), text: withoutTimestamps(text), lost: false };
    return this.sending;
  }

  // ---- queues -----------------------------------------------------------------------------------------------------

  /** How full each queue ever was, host by host. */
  highWater(): HighWater[] {
    this.sample();
    for (const host of this.hosts) {
      const { dev } = host.interfaces[0]!;
      if (dev.qdisc !== null) this.note(host.name, `qdisc ${dev.qdisc.kind}`, 'packets', dev.qdisc.maxQlen, dev.txQueueLen);
    }
    return [...this.queues.values()].filter((q) => q.max > 0);
  }

  private sample(): void {
    for (const host of this.hosts) {
      const { tcp, ip } = host.kernel.stack;
      for (const listener of tcp.listening.entries()) {
        this.follow(listener);
        this.note(host.name, 'SYN queue', 'connections', listener.synQueueLen, listener.maxAckBacklog);
        this.note(host.name, 'accept queue', 'connections', listener.ackBacklog, listener.maxAckBacklog);
      }
      for (const sk of tcp.established.entries()) if (sk instanceof TcpSock) this.connection(host, sk);
      for (const neigh of ip.arp.table.all()) this.note(host.name, 'waits for ARP', 'packets', neigh.queue.qlen, 0);
      const { card } = host.interfaces[0]!;
      this.note(host.name, 'TX ring', 'descriptors', card.tx.size - card.tx.free, card.tx.size);
      this.note(host.name, 'RX ring', 'descriptors', card.rxQueued, card.config.rxRing);
    }
  }

  private connection(host: Host, sk: TcpSock): void {
    this.follow(sk);
    this.note(host.name, 'send buffer', 'bytes', sk.wmemQueued, sk.sndbuf);
    this.note(host.name, 'in flight, of cwnd', 'segments', tcpPacketsInFlight(sk), sk.sndCwnd);
    this.note(host.name, 'receive buffer', 'bytes', sk.rmemAlloc, sk.rcvbuf);
    this.note(host.name, 'out of order', 'segments', sk.ofoQueue.qlen, 0);
  }

  private follow(sk: TcpSock): void {
    if (this.watched.has(sk)) return;
    this.watched.add(sk);
    sk.wq.add(new Onlooker(() => this.sample()));
  }

  private note(host: string, queue: string, unit: HighWater['unit'], value: number, limit: number): void {
    const key = `${host} ${queue}`;
    const known = this.queues.get(key);
    if (known === undefined) this.queues.set(key, { host, queue, unit, max: value, limit });
    else if (value > known.max) {
      known.max = value;
      known.limit = limit;
    }
  }
}

/** Timestamps are on every segment behind the handshake, and say little to a reader. */
function withoutTimestamps(text: string): string {
  if (text.includes(': S')) return text;
  return text.replace(/<nop,nop,TS val \d+ ecr \d+(?:,nop,nop,)?/, '<').replace(/ <>$/, '');
}
