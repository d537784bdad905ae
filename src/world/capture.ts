/** A capture: the frames that pass some ports, as a pcapng file that Wireshark opens. */
import { devAddTap, devRemoveTap, type PacketTap } from '../dev/taps.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { CaptureTap, FrameLog, skbFrameBytes, type CapturedFrame } from '../fabric/capture.ts';
import { PORT_OUT, Port } from '../fabric/port.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { PcapngDirection, PcapngWriter } from '../wire/pcapng.ts';

/** Shows loopback's packets to a log as if they passed a port. Each passes once, on its way out. */
class LoopbackTap implements PacketTap {
  private readonly log: FrameLog;
  private readonly port: Port;

  constructor(log: FrameLog, name: string) {
    this.log = log;
    this.port = new Port(name);
  }

  packet(skb: SkBuff, dev: NetDevice, outgoing: boolean): void {
    if (outgoing) this.log.captured(skbFrameBytes(skb), dev.net.cpu.now, this.port, PORT_OUT);
  }
}

export class WorldCapture {
  private readonly log: FrameLog;
  private readonly comment: string;
  private stops: (() => void)[] = [];

  /** Made by `world.capture`; begins at once. */
  constructor(ports: readonly Port[], loopbacks: readonly NetDevice[], limit: number, comment: string) {
    this.log = new FrameLog(limit);
    this.comment = comment;
    const tap = new CaptureTap(this.log);
    for (const port of ports) {
      port.addObserver(tap);
      this.stops.push(() => port.removeObserver(tap));
    }
    for (const dev of loopbacks) {
      const packets = new LoopbackTap(this.log, `${dev.net.name}.${dev.name}`);
      devAddTap(dev, packets);
      this.stops.push(() => devRemoveTap(dev, packets));
    }
  }

  /** The frames so far, by time. */
  get frames(): readonly CapturedFrame[] {
    return this.log.sorted();
  }

  /** Frames that were not kept, for want of room. */
  get missed(): number {
    return this.log.missed;
  }

  /** The frames so far as a pcapng file, one interface per port. */
  toBytes(): Uint8Array {
    const writer = new PcapngWriter({ application: 'kernet', comment: this.comment });
    const numbers = new Map<Port, number>();
    for (const { port, time, bytes, direction } of this.log.sorted()) {
      let number = numbers.get(port);
      if (number === undefined) {
        number = writer.addInterface({ name: port.name });
        numbers.set(port, number);
      }
      const way = direction === PORT_OUT ? PcapngDirection.Outbound : PcapngDirection.Inbound;
      writer.packet(number, time, bytes, 0, bytes.length, { direction: way });
    }
    return writer.toBytes();
  }

  /** Ends the capture; what was captured stays. */
  stop(): void {
    for (const stop of this.stops) stop();
    this.stops = [];
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
