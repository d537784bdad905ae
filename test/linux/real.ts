/** Cases on the real kernel of this machine, by way of driver.py. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { driverCase, type Case } from './case.ts';
import { Flows, INFO_FIELDS, type Answer, type Transcript } from './transcript.ts';

const DRIVER = fileURLToPath(new URL('./driver.py', import.meta.url));

/** What of the machine shows in transcripts and cannot be set in a namespace. */
export type Environment = Readonly<Record<string, string>>;

export interface RealRun {
  readonly env: Environment;
  /** By the place of the case; a string is why there is none. */
  readonly transcripts: readonly (Transcript | string)[];
}

interface DriverResult {
  readonly id: number;
  readonly error?: string;
  readonly end: number;
  readonly steps: readonly (readonly [number, unknown?])[];
  readonly packets: readonly (readonly [number, string])[];
  readonly counters: Readonly<Record<string, number>>;
}

/** What is missing here to run cases; '' when nothing is. */
export function missing(): string {
  if (process.platform !== 'linux') return 'this is not Linux';
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun';
  if (spawnSync('python3', ['--version']).status !== 0) return 'python3 is not installed';
  const made = ['-n', '-rUn'].some((how) => spawnSync('unshare', [how, 'true']).status === 0);
  return made ? '' : 'no namespace can be made here';
}

/** Runs the cases, up to `parallel` at a time. */
export async function runReal(cases: readonly Case[], parallel: number): Promise<RealRun> {
  const child = spawn('python3', [DRIVER, String(parallel)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  child.stdin.end(cases.map((c, i) => `${JSON.stringify(driverCase(c, i))}\n`).join(''));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => { text += part; });
  const code = await closed;
  if (code !== 0) throw new Error(`driver.py ended with ${code}`);
  const [first = '{}', ...lines] = text.trimEnd().split('\n');
  const transcripts: (Transcript | string)[] = cases.map(() => 'no result');
  for (const line of lines) {
    const r = JSON.parse(line) as DriverResult;
    transcripts[r.id] = r.error ?? toTranscript(cases[r.id]!, r);
  }
  return { env: (JSON.parse(first) as { env: Environment }).env, transcripts };
}

function toTranscript(c: Case, r: DriverResult): Transcript {
  const flows = new Flows(c);
  const sent = r.packets.flatMap(([atUs, text]) => {
    const shown = flows.learn(wholePacket(Buffer.from(text, 'hex')));
    return shown === null ? [] : [{ atUs, text: shown }];
  });
  return { times: r.steps.map(([at]) => at), answers: r.steps.map(([, value]) => answer(value)), sent, counters: r.counters, endUs: r.end };
}

/** What the driver cut off was zeros. */
function wholePacket(head: Buffer): Uint8Array {
  const length = head[0]! >> 4 === 6 ? 40 + head.readUInt16BE(4) : head.readUInt16BE(2);
  const whole = new Uint8Array(Math.max(length, head.length));
  whole.set(head);
  return whole;
}

function answer(value: unknown): Answer {
  if (value === undefined) return null;
  if (!Array.isArray(value)) return value as number | string;
  const [text, mem] = value as [string, number[]];
  const info = Buffer.alloc(512);
  info.set(Buffer.from(text, 'hex'));
  const fields = INFO_FIELDS.map(([, at, size]) => (size === 8 ? Number(info.readBigUInt64LE(at)) : info.readUIntLE(at, size)));
  return [...fields, mem[0]!, mem[1]!];
}
