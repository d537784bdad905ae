/**
 * `tcpdump`: the packets of a device, or of one end of a cable, as lines while they pass.
 *
 *     0.020312 IP alice.33012 > bob.80: S 0:0(0) win 64240 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>
 *
 *   from  dev/taps.ts       what the host's kernel sends and receives: super-packets on the way out, as a real tcpdump shows them
 *         fabric/port.ts    what is on the wire: every frame as it travels
 *   to    the caller's `print`, or `lines`
 *
 * Sequence numbers are relative, the notation is that of wire/print.ts. It looks, and the packets go on as they are.
 */
import { formatIpv4, parseIpv4 } from '../../lib/addr.ts';
import { checkOptions } from '../../lib/units.ts';
import { PORT_IN, type Port, type PortObserver } from '../../fabric/port.ts';
import { skbFrameBytes } from '../../fabric/capture.ts';
import { copyBits } from '../../skb/copy.ts';
import { Task } from '../../time/task.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { FlowTable, formatTime, printEthernet } from '../../wire/print.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { devAddTap, devRemoveTap, type PacketTap } from '../../dev/taps.ts';
import { devGetByName } from '../../dev/registry.ts';
import { unknownWord, type ToolHost } from './command.ts';
import { parseFilter, type PacketFilter } from './packet-filter.ts';

/** How to watch. */
export interface TcpdumpOptions {
  /** `'eth0'`; `'any'` for all devices of the host, which puts device and direction on each line. Default: the first card, or lo. */
  readonly device?: string;
  /** `'tcp port 80 and not host bob'`: proto, host, port, src, dst, and, or, not. */
  readonly filter?: string;
  /** Called with each line. Without it the lines are kept in `lines`. */
  readonly print?: (line: string) => void;
  /** Stop after so many packets. */
  readonly count?: number;
  /** Write names where somebody knows one (default), or addresses always. */
  readonly names?: boolean;
}

const OPTIONS: readonly string[] = ['device', 'filter', 'print', 'count', 'names'];

/** Lines kept at most when nobody takes them; later ones are counted in `missed`. */
export const TCPDUMP_LINES_MAX = 100_000;

/** A printer that is running. `stop()` ends it, and so does the end of a `using` scope. */
export class Tcpdump implements PacketTap, PortObserver {
  /** What was printed, when `print` was not given. */
  readonly lines: string[] = [];
  /** Packets that were printed, and lines that found no room. */
  packets = 0;
  missed = 0;
  private readonly options: TcpdumpOptions;
  private readonly names: ToolHost;
  private readonly filter: PacketFilter | null;
  private readonly flows: FlowTable = new FlowTable();
  private readonly devices: readonly NetDevice[];
  private readonly port: Port | null;
  private running = true;

  constructor(devices: readonly NetDevice[], port: Port | null, names: ToolHost, options: TcpdumpOptions) {
    checkOptions(options, OPTIONS, 'tcpdump');
    this.devices = devices;
    this.port = port;
    this.names = names;
    this.options = options;
    this.filter = options.filter === undefined || options.filter.trim() === '' ? null : parseFilter(options.filter, names);
    for (const dev of devices) devAddTap(dev, this);
    if (port !== null) port.addObserver(this);
  }

  packet(skb: SkBuff, dev: NetDevice, outgoing: boolean): void {
    const { cpu, sim } = dev.net;
    const where = this.devices.length > 1 ? `${dev.name} ${outgoing ? 'Out' : 'In '} ` : '';
    this.show(outgoing ? skbFrameBytes(skb) : receivedFrame(skb), Math.max(cpu.now, sim.now), where);
  }

  frame(skb: SkBuff, time: number, _port: Port, direction: number): void {
    this.show(skbFrameBytes(skb), time, direction === PORT_IN ? 'In  ' : 'Out ');
  }

  /** Ends it; the lines stay. */
  stop(): void {
    if (!this.running) return;
    this.running = false;
    for (const dev of this.devices) devRemoveTap(dev, this);
    if (this.port !== null) this.port.removeObserver(this);
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** The lines as one text. */
  toString(): string {
    return this.lines.map((line) => `${line}\n`).join('');
  }

  private show(bytes: Uint8Array, time: number, where: string): void {
    if (this.filter !== null && !this.filter(bytes)) return;
    const what = printEthernet(bytes, 0, bytes.length, { flows: this.flows });
    const line = `${formatTime(time)} ${where}${this.options.names === false ? what : this.named(what)}`;
    this.packets++;
    if (this.options.count !== undefined && this.packets >= this.options.count) this.stop();
    if (this.options.print !== undefined) this.tell(this.options.print, line);
    else if (this.lines.length < TCPDUMP_LINES_MAX) this.lines.push(line);
    else this.missed++;
  }

  /** What the user's function throws surfaces outside of the kernel, and the packet goes on. */
  private tell(print: (line: string) => void, line: string): void {
    try {
      print(line);
    } catch (error) {
      this.names.net.sim.ready(new Task(() => {
        throw error;
      }));
    }
  }

  /** Addresses as names, where somebody knows one: `10.0.0.1.33000` becomes `alice.33000`. */
  private named(what: string): string {
    return what.replace(/(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d)/g, (quad) => {
      const addr = parseIpv4(quad);
      return addr === null ? quad : this.names.nameOf(addr) ?? formatIpv4(addr);
    });
  }
}

/** A received packet with its link header, which lies behind it already. */
function receivedFrame(skb: SkBuff): Uint8Array {
  const head = skb.mac >= 0 && skb.mac <= skb.data ? skb.data - skb.mac : 0;
  const bytes = new Uint8Array(head + skb.len);
  for (let i = 0; i < head; i++) bytes[i] = skb.buf[skb.mac + i]!;
  copyBits(skb, 0, bytes, head, skb.len);
  return bytes;
}

/** Starts a printer on a device of a host. */
export function tcpdump(host: ToolHost, options: TcpdumpOptions = {}): Tcpdump {
  const all = host.net.devices.filter((dev) => dev !== null);
  if (options.device === 'any') return new Tcpdump(all, null, host, options);
  if (options.device === undefined) {
    const first = all.find((dev) => dev.name !== 'lo') ?? all[0];
    return new Tcpdump(first === undefined ? [] : [first], null, host, options);
  }
  const dev = devGetByName(host.net, options.device);
  if (dev === null) throw unknownWord('tcpdump', options.device, `a device: ${all.map((d) => d.name).join(', ')}, or any`);
  return new Tcpdump([dev], null, host, options);
}

/** Starts a printer at a port: what is on the wire there. */
export function tcpdumpPort(port: Port, names: ToolHost, options: Omit<TcpdumpOptions, 'device'> = {}): Tcpdump {
  return new Tcpdump([], port, names, options);
}

