/** The terminal: width, colour, and a progress bar where there is somebody to watch it. */

export class Screen {
  readonly width: number;
  private readonly out: NodeJS.WriteStream;
  private readonly colour: boolean;
  private drawn = false;
  private percent = -1;

  constructor(out: NodeJS.WriteStream, env: NodeJS.ProcessEnv) {
    this.out = out;
    const columns = Number(env['COLUMNS'] ?? '') || (out.isTTY ? out.columns : 0) || 100;
    this.width = Math.min(Math.max(columns, 60), 120);
    this.colour = env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0' ? true : out.isTTY && env['NO_COLOR'] === undefined;
  }

  get live(): boolean {
    return this.out.isTTY;
  }

  /** A line, as long as it is. */
  line(text: string = ''): void {
    this.clear();
    this.out.write(`${text}\n`);
  }

  /** A heading, with a remark behind it. */
  heading(text: string, remark: string = ''): void {
    this.line();
    this.line(this.bold(text) + (remark === '' ? '' : `  ${this.dim(remark)}`));
  }

  /** A line broken between words where the screen ends; what follows is indented by `hang`. */
  wrapped(text: string, indent: number, hang: number): void {
    const words = text.split(' ');
    let row = ' '.repeat(indent);
    let empty = true;
    for (const word of words) {
      if (!empty && row.length + 1 + word.length > this.width) {
        this.line(row);
        row = ' '.repeat(hang);
        empty = true;
      }
      row += empty ? word : ` ${word}`;
      empty = false;
    }
    this.line(row);
  }

  /** A bar that is drawn over itself; nothing at all where nobody watches. */
  progress(share: number, remark: string): void {
    const percent = Math.floor(share * 100);
    if (!this.live || percent === this.percent) return;
    this.percent = percent;
    const room = Math.max(10, Math.min(40, this.width - remark.length - 12));
    const full = Math.round(share * room);
    const text = `  ${'█'.repeat(full)}${'░'.repeat(room - full)} ${String(percent).padStart(3)} %  ${remark}`;
    this.drawn = true;
    this.out.write(`\r\u001b[2K${text}`);
  }

  clear(): void {
    if (this.drawn) this.out.write('\r\u001b[2K');
    this.drawn = false;
  }

  bold(text: string): string {
    return this.paint(1, text);
  }

  dim(text: string): string {
    return this.paint(2, text);
  }

  good(text: string): string {
    return this.paint(32, text);
  }

  bad(text: string): string {
    return this.paint(31, text);
  }

  private paint(code: number, text: string): string {
    return this.colour ? `\u001b[${String(code)}m${text}\u001b[0m` : text;
  }
}

/** `5.00 MB` */
export function bytes(n: number): string {
  if (n < 1000) return `${String(n)} B`;
  if (n < 1e6) return `${(n / 1e3).toFixed(1)} kB`;
  return n < 1e9 ? `${(n / 1e6).toFixed(2)} MB` : `${(n / 1e9).toFixed(2)} GB`;
}

/** `1,234` */
export function count(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `12.3 ms`, `3.214 s` */
export function time(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(3)} s`;
}
