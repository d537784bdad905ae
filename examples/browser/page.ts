/**
 * The page: sliders, the two hosts, the frames between them, the packet list. It draws what the story tells it; the world's
 * clock follows the screen's, slowed down.
 *
 *   index.html?seed=7&loss=3&delay=20&rate=5&kib=256&speed=6      speed 6: as fast as it goes
 */
import { DEFAULTS, sha256, Story, type Flight, type StoryOptions } from './story.ts';

/** Virtual milliseconds per real second, by the position of the slider. */
const SPEEDS = [10, 25, 60, 150, 400, 1000, Infinity] as const;
const DEFAULT_SPEED = 3;
/** Virtual milliseconds per picture when nothing slows it down. */
const FULL_SPEED_MS = 100;
/** Packets that the list keeps. */
const LINES_MAX = 500;

const query = new URLSearchParams(location.search);

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found as T;
}

const inputs = {
  loss: element<HTMLInputElement>('loss'), delay: element<HTMLInputElement>('delay'), rate: element<HTMLInputElement>('rate'),
  speed: element<HTMLInputElement>('speed'), seed: element<HTMLInputElement>('seed'),
};

function number(name: string, otherwise: number): number {
  const text = query.get(name);
  const value = Number(text);
  return text === null || !Number.isFinite(value) || value < 0 ? otherwise : value;
}

function fillInputs(): void {
  inputs.loss.value = String(number('loss', DEFAULTS.loss));
  inputs.delay.value = String(number('delay', DEFAULTS.delay));
  inputs.rate.value = String(number('rate', DEFAULTS.rate));
  inputs.seed.value = String(number('seed', DEFAULTS.seed));
  inputs.speed.value = String(number('speed', DEFAULT_SPEED));
}

function chosen(): StoryOptions {
  return {
    seed: Math.trunc(Number(inputs.seed.value)) >>> 0, loss: Number(inputs.loss.value), delay: Number(inputs.delay.value),
    rate: Number(inputs.rate.value), kib: number('kib', DEFAULTS.kib),
  };
}

function showInputs(): void {
  element('loss-value').textContent = `${inputs.loss.value} %`;
  element('delay-value').textContent = `${inputs.delay.value} ms`;
  element('rate-value').textContent = `${inputs.rate.value} Mbit/s`;
  const speed = SPEEDS[Number(inputs.speed.value)] ?? Infinity;
  element('speed-value').textContent = speed === Infinity ? 'full' : `${speed} ms/s`;
}

/** One run on the screen. */
class Show {
  readonly story: Story;
  readonly options: StoryOptions;
  frames = 0;
  changed = false;
  paused = false;
  private readonly lines: string[] = [];
  private readonly packets = element('packets');
  private flights: Flight[] = [];
  private transferStart = 0;
  private transferEnd = 0;
  private ended = false;

  constructor(options: StoryOptions) {
    this.options = options;
    this.packets.replaceChildren();
    element('ping').textContent = '';
    element('hash').textContent = '…';
    element('hash').className = '';
    document.body.dataset['state'] = 'running';
    this.story = new Story(options, {
      line: (text) => void this.lines.push(text),
      flight: (flight) => {
        this.frames++;
        this.flights.push(flight);
      },
      ping: (result) => {
        element('ping').textContent = String(result);
        this.transferStart = this.story.world.now;
      },
      progress: (bytes) => {
        if (bytes === this.story.total) this.transferEnd = this.story.world.now;
      },
    });
    const { alice, bob } = this.story;
    for (const host of [alice, bob]) element(host.name).querySelector('.address')!.textContent = `eth0 ${host.ip}`;
  }

  async advance(realMs: number): Promise<void> {
    if (this.ended || this.paused) return;
    const speed = SPEEDS[Number(inputs.speed.value)] ?? Infinity;
    await this.story.world.advance(speed === Infinity ? FULL_SPEED_MS : Math.min(realMs, 100) * speed / 1000);
    if (this.story.over) await this.end();
  }

  private async end(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    const [want, got] = await Promise.all([sha256(this.story.file), sha256(this.story.received)]);
    const hash = element('hash');
    hash.textContent = want === got ? `${got.slice(0, 32)}… as sent` : 'not what was sent';
    hash.className = want === got ? 'good' : 'bad';
    hash.dataset['sha256'] = got;
    document.body.dataset['state'] = want === got ? 'done' : 'wrong';
  }

  // ---- drawing

  draw(canvas: HTMLCanvasElement): void {
    this.drawCable(canvas);
    this.drawLines();
    this.drawProgress();
    this.drawHosts();
    element('time').textContent = `${this.story.world.now.toFixed(3)} ms`;
    element('frames').textContent = String(this.frames);
    element('used-seed').textContent = `${this.options.seed}${this.changed ? ' (and sliders that were moved)' : ''}`;
    element('digest').textContent = this.story.world.digest();
  }

  private drawCable(canvas: HTMLCanvasElement): void {
    const { clientWidth: width, clientHeight: height } = canvas;
    const ratio = devicePixelRatio;
    if (canvas.width !== width * ratio || canvas.height !== height * ratio) {
      canvas.width = width * ratio;
      canvas.height = height * ratio;
    }
    const g = canvas.getContext('2d')!;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    const lanes = [height / 2 - 14, height / 2 + 14];
    for (const y of lanes) {
      g.strokeStyle = color('line');
      g.lineWidth = 3;
      g.beginPath();
      g.moveTo(0, y);
      g.lineTo(width, y);
      g.stroke();
    }
    g.fillStyle = color('soft');
    g.font = '12px system-ui, sans-serif';
    g.textAlign = 'center';
    g.fillText(`${inputs.rate.value} Mbit/s, ${inputs.delay.value} ms, ${inputs.loss.value} % loss`, width / 2, 16);
    const { now } = this.story.world;
    this.flights = this.flights.filter((f) => now < f.end);
    for (const flight of this.flights) drawFlight(g, flight, now, width, flight.toBob ? lanes[0]! : lanes[1]!);
  }

  private drawLines(): void {
    if (this.lines.length === 0) return;
    const follow = this.packets.scrollTop + this.packets.clientHeight >= this.packets.scrollHeight - 30;
    const items = this.lines.splice(0).slice(-LINES_MAX).map((text) => {
      const item = document.createElement('li');
      item.textContent = text;
      item.className = kindOf(text);
      return item;
    });
    this.packets.append(...items);
    while (this.packets.childElementCount > LINES_MAX) this.packets.firstElementChild!.remove();
    if (follow) this.packets.scrollTop = this.packets.scrollHeight;
  }

  private drawProgress(): void {
    const { receivedBytes, total, world } = this.story;
    element('bar').style.width = `${receivedBytes / total * 100}%`;
    const text = element('transfer');
    if (this.transferStart === 0) text.textContent = 'pings first';
    else {
      const ms = (this.transferEnd === 0 ? world.now : this.transferEnd) - this.transferStart;
      const rate = ms > 0 ? (receivedBytes * 8 / ms / 1000).toFixed(2) : '0';
      text.textContent = `${Math.floor(receivedBytes / 1024)} of ${total / 1024} KiB in ${ms.toFixed(0)} ms: ${rate} Mbit/s`;
    }
  }

  private drawHosts(): void {
    for (const host of [this.story.alice, this.story.bob]) {
      const info = host.sh('ss -tin');
      const of = (pattern: RegExp): string => pattern.exec(info)?.[1] ?? '–';
      const mib = host.kernel.nstat();
      const rows: [string, string][] = [
        ['state', of(/^([A-Z][A-Z0-9-]+) +\d/m)], ['cwnd', of(/cwnd:(\d+)/)], ['rtt, ms', of(/rtt:([\d.]+)/)],
        ['segments out', String(mib['TcpOutSegs'] ?? 0)], ['sent again', String(mib['TcpRetransSegs'] ?? 0)],
      ];
      element(host.name).querySelector('dl')!.replaceChildren(...rows.map(([name, value]) => row(name, value)));
    }
  }
}

function row(name: string, value: string): HTMLElement {
  const div = document.createElement('div');
  const dt = document.createElement('dt');
  const dd = document.createElement('dd');
  dt.textContent = name;
  dd.textContent = value;
  div.append(dt, dd);
  return div;
}

const probe = document.createElement('span');
document.body.append(probe);

/** A colour of the style sheet, as the page's theme has it. */
function color(name: string): string {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

function drawFlight(g: CanvasRenderingContext2D, flight: Flight, now: number, width: number, y: number): void {
  const part = Math.max(0, (now - flight.start) / (flight.end - flight.start));
  const x = (flight.toBob ? part : 1 - part) * width;
  if (flight.lost && part > LOST_AT) {
    const gone = (part - LOST_AT) / (1 - LOST_AT);
    const at = (flight.toBob ? LOST_AT : 1 - LOST_AT) * width;
    const below = y + gone * 34 * (flight.toBob ? -1 : 1);
    g.globalAlpha = 1 - gone;
    g.strokeStyle = color('lost');
    g.lineWidth = 2.5;
    g.beginPath();
    for (const side of [-1, 1]) {
      g.moveTo(at - 5, below - 5 * side);
      g.lineTo(at + 5, below + 5 * side);
    }
    g.stroke();
    g.globalAlpha = 1;
    return;
  }
  g.fillStyle = color(flight.kind);
  g.beginPath();
  g.arc(x, y, flight.kind === 'data' ? 6.5 : 4.5, 0, 2 * Math.PI);
  g.fill();
}

/** Where on its way a lost frame is seen to go. */
const LOST_AT = 0.5;

/** What a line of tcpdump is about, by the names of the style sheet. */
function kindOf(line: string): string {
  if (/\bARP\b/.test(line)) return 'arp';
  if (/: icmp /.test(line)) return 'icmp';
  if (/: [PE.]*[SFR]/.test(line)) return 'sign';
  return /\(0\)/.test(line) ? 'ack' : 'data';
}

// ---- the page

let show: Show;
const pause = element<HTMLButtonElement>('pause');

function run(): void {
  (show as Show | undefined)?.story.stop();
  pause.textContent = 'Pause';
  show = new Show(chosen());
}

for (const input of [inputs.loss, inputs.delay, inputs.rate]) {
  input.addEventListener('input', () => {
    showInputs();
    show.changed = true;
    show.story.change(chosen());
  });
}
inputs.speed.addEventListener('input', showInputs);
inputs.seed.addEventListener('change', run);
element('run').addEventListener('click', run);
pause.addEventListener('click', () => {
  show.paused = !show.paused;
  pause.textContent = show.paused ? 'Go on' : 'Pause';
});

fillInputs();
showInputs();
run();

const canvas = element<HTMLCanvasElement>('cable');
let last = -1;
async function frame(now: number): Promise<void> {
  const current = show;
  await current.advance(last < 0 ? 0 : Math.max(0, now - last));
  last = now;
  if (current === show) show.draw(canvas);
  requestAnimationFrame((t) => void frame(t));
}
requestAnimationFrame((t) => void frame(t));
