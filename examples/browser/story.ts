/**
 * What happens on the page: alice pings bob, then fetches a file from him, over one cable. It runs wherever kernet runs; in a
 * browser and in Node the same seed gives the same frames.
 */
import { AF_INET, SOCK_STREAM, World, type Host, type PingResult } from '../../src/browser.ts';

export interface StoryOptions {
  readonly seed: number;
  /** Percent of all frames, each way. */
  readonly loss: number;
  /** One way, in milliseconds. */
  readonly delay: number;
  /** Mbit/s. */
  readonly rate: number;
  /** Length of the file, in KiB. */
  readonly kib: number;
}

export const DEFAULTS: StoryOptions = { seed: 7, loss: 3, delay: 20, rate: 5, kib: 256 };

/** A frame that was handed to the cable. Times in virtual milliseconds. */
export interface Flight {
  readonly toBob: boolean;
  readonly kind: 'arp' | 'icmp' | 'data' | 'ack' | 'sign';
  readonly length: number;
  readonly start: number;
  readonly end: number;
  lost: boolean;
}

/** Told of what happens, while it happens. */
export interface Listener {
  /** A packet passes alice's card, as tcpdump prints it. */
  line(text: string): void;
  flight(flight: Flight): void;
  ping(result: PingResult): void;
  progress(bytes: number): void;
}

const PINGS = 5;
const PORT = 80;

export class Story {
  readonly world: World;
  readonly alice: Host;
  readonly bob: Host;
  readonly total: number;
  readonly file: Uint8Array;
  /** What alice has of it. */
  readonly received: Uint8Array;
  receivedBytes = 0;
  /** Everything has been said, and both sides have closed. */
  over = false;
  private readonly cable: ReturnType<World['cable']>;
  private readonly listener: Listener;
  private options: StoryOptions;
  private lastFlight: Flight | null = null;

  /** A world whose clock stands still: `story.world.advance(ms)` moves it. */
  constructor(options: StoryOptions, listener: Listener) {
    this.options = options;
    this.listener = listener;
    this.world = new World({ seed: options.seed, mode: 'manual', digest: true });
    this.alice = this.world.host('alice');
    this.bob = this.world.host('bob');
    this.cable = this.world.cable(this.alice, this.bob, weather(options));
    this.total = options.kib * 1024;
    this.file = fileOf(this.total);
    this.received = new Uint8Array(this.total);
    this.watch();
    void Promise.all([this.serve(), this.act()]).then(() => void (this.over = true));
  }

  /** Changes the cable's weather from now on. */
  change(options: StoryOptions): void {
    this.options = options;
    this.cable.setWeather(weather(options));
  }

  /** Ends the world. */
  stop(): void {
    this.world.stop();
  }

  private watch(): void {
    this.alice.tcpdump({ print: (line) => this.listener.line(line) });
    this.cable.rule((frame) => {
      const { tcp } = frame;
      const start = frame.time / 1e6;
      const wire = (frame.length + 24) * 8 / (this.options.rate * 1000);
      const sign = tcp !== null && (tcp.syn || tcp.fin || tcp.rst);
      this.lastFlight = {
        toBob: frame.from.startsWith('alice'), length: frame.length, start, end: start + wire + this.options.delay, lost: false,
        kind: frame.arp !== null ? 'arp' : tcp === null ? 'icmp' : sign ? 'sign' : tcp.payloadLength > 0 ? 'data' : 'ack',
      };
      this.listener.flight(this.lastFlight);
      return 'pass';
    });
    // The rule is asked before the weather: what is lost on the cable is the frame that was seen last.
    this.world.traceDrops((line) => {
      if (this.lastFlight !== null && line.split(' ')[1] === this.cable.name) this.lastFlight.lost = true;
    });
  }

  private async act(): Promise<void> {
    const { kernel } = this.alice;
    this.listener.ping(await kernel.ping('bob', { count: PINGS, interval: '200ms', timeout: '1s' }));
    const fd = kernel.socket(AF_INET, SOCK_STREAM);
    await kernel.connect(fd, { address: this.bob.ip, port: PORT });
    await kernel.write(fd, 'the file, please\n');
    for (;;) {
      const n = await kernel.read(fd, this.received.subarray(this.receivedBytes));
      if (n === 0) break;
      this.receivedBytes += n;
      this.listener.progress(this.receivedBytes);
      if (this.receivedBytes === this.total) break;
    }
    kernel.close(fd);
    await kernel.sleep('1s'); // the last segments, and those that are lost of them
  }

  private async serve(): Promise<void> {
    const { kernel } = this.bob;
    const listener = kernel.socket(AF_INET, SOCK_STREAM);
    kernel.bind(listener, { port: PORT });
    kernel.listen(listener);
    const { fd } = await kernel.accept(listener);
    await kernel.read(fd, new Uint8Array(100));
    for (let sent = 0; sent < this.total;) sent += await kernel.write(fd, this.file.subarray(sent, sent + 16384));
    kernel.close(fd);
    kernel.close(listener);
  }
}

function weather(options: StoryOptions): { delay: string; loss: number; rate: string } {
  return { delay: `${options.delay}ms`, loss: options.loss / 100, rate: `${options.rate}mbit` };
}

/** Bytes in which each error shows: no two stretches are alike. */
function fileOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = 1;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

/** SHA-256 in hexadecimal. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  return [...digest].map((b) => b.toString(16).padStart(2, '0')).join('');
}
