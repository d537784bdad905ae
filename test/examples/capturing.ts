/**
 * Loaded before an example: whatever worlds it makes, every frame that leaves a port of theirs is written to the pcapng file that
 * KERNET_CAPTURE names, a section for each world. So the examples stay as they are, and a dissector reads all that they send.
 */
import { appendFileSync } from 'node:fs';
import process from 'node:process';
import { World } from '../../mod.ts';
import { CaptureTap, FrameLog } from '../../src/fabric/capture.ts';
import { PORT_OUT, type Port } from '../../src/fabric/port.ts';
import type { Interface } from '../../src/world/interface.ts';
import { PcapngWriter } from '../../src/wire/pcapng.ts';

/** Frames that are kept of one world: enough for what there is to see, little enough for a test. */
const FRAMES_MAX = 3000;

const file = process.env['KERNET_CAPTURE'];
const logs = new Map<World, FrameLog>();

if (file !== undefined) {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with its world
  const { adopt } = World.prototype;
  World.prototype.adopt = function adoptAndCapture(this: World, port: Port, itf: Interface | null = null): void {
    let log = logs.get(this);
    if (log === undefined) logs.set(this, log = new FrameLog(FRAMES_MAX));
    if (port.id === 0) {
      const tap = new CaptureTap(log);
      port.addObserver({
        frame: (skb, time, at, direction) => {
          if (direction === PORT_OUT) tap.frame(skb, time, at, direction);
        },
      });
    }
    adopt.call(this, port, itf);
  };
  process.on('exit', () => {
    for (const log of logs.values()) appendFileSync(file, pcapng(log));
  });
}

function pcapng(log: FrameLog): Uint8Array {
  const writer = new PcapngWriter({ application: 'kernet' });
  const numbers = new Map<Port, number>();
  for (const { port, time, bytes } of log.sorted()) {
    let number = numbers.get(port);
    if (number === undefined) numbers.set(port, number = writer.addInterface({ name: port.name }));
    writer.packet(number, time, bytes, 0, bytes.length);
  }
  return writer.toBytes();
}
