/**
 * Two arms: programs as child processes, without kernet and with `--import` of its register, and what they print and how they
 * end. Programs that end by themselves run in one process, one after the other: the next begins when the event loop is empty.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { makeAuthority } from '../certificates.ts';
import { certificates } from './web/prelude.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A program that has not ended by then, in milliseconds, is said to hang. */
const PROGRAM_MS = 10_000;
/** A process that has not ended by then is ended. */
const PROCESS_MS = 120_000;

export interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Without kernet, and with it. */
export type Arm = 'real' | 'kernet';

/** Runs the programs of a JSON list, one after the other. What one gives to `atEnd` is called when it has ended. */
const CHAIN = `
  const programs = JSON.parse(require('fs').readFileSync(process.env.PROGRAMS, 'utf8'));
  let timer, end;
  globalThis.atEnd = (f) => { end = f; };
  function next() {
    clearTimeout(timer);
    if (end !== undefined) end();
    end = undefined;
    const program = programs.shift();
    if (program === undefined) return;
    console.log('## ' + program.name);
    timer = setTimeout(() => { console.log('hangs'); process.exit(99); }, ${PROGRAM_MS}).unref();
    setImmediate(() => {
      try { require(program.path); } catch (error) { console.log('throws', error.message); }
    });
  }
  process.on('uncaughtException', (error) => console.log('uncaught', error.message));
  process.on('beforeExit', next);
  next();`;

/** What an uncaught error says of itself, without the stack. */
export function errorLines(stderr: string): string[] {
  return stderr.split('\n').filter((line) => /^\w*Error|^ {2}(code|errno|syscall|address):|throw new/.test(line));
}

export class Arms {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'kernet-installed-'));
  /** KEY and CERT for localhost, and PEM: the certificates of web/prelude.ts. */
  readonly env: NodeJS.ProcessEnv;
  /** The Node that runs the programs. */
  readonly program: string = process.execPath;
  private nth = 0;
  private register = '';

  constructor() {
    const env = { ...process.env };
    for (const name of Object.keys(env)) if (/^(KERNET_|NODE_OPTIONS|NODE_TEST_CONTEXT)/.test(name)) delete env[name];
    this.env = { ...env, ...this.certificate() };
  }

  /** The same with another Node. Ends with this one. */
  on(program: string): Arms {
    return Object.assign(Object.create(Arms.prototype) as Arms, this, { program });
  }

  /** What `--import` gets: all of kernet in one file, which loads fastest. */
  async build(): Promise<this> {
    const dir = join(ROOT, '.cache/installed');
    mkdirSync(dir, { recursive: true });
    const outfile = join(dir, `register-${process.pid}.mjs`);
    const require = 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);';
    await build({
      entryPoints: [join(ROOT, 'src/register.ts')], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20',
      logLevel: 'error', banner: { js: require },
    });
    this.register = pathToFileURL(outfile).href;
    return this;
  }

  private certificate(): NodeJS.ProcessEnv {
    const [KEY, CERT, PEM] = [join(this.dir, 'key.pem'), join(this.dir, 'cert.pem'), join(this.dir, 'pem.json')];
    const { key, cert } = makeAuthority('localhost', ['localhost']);
    writeFileSync(KEY, key);
    writeFileSync(CERT, cert);
    writeFileSync(PEM, certificates());
    return { KEY, CERT, PEM };
  }

  write(source: string, extension: string = 'cjs'): string {
    const path = join(this.dir, `program-${++this.nth}.${extension}`);
    writeFileSync(path, source);
    return path;
  }

  /** Runs Node with these arguments. */
  node(arm: Arm, args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Ended> {
    const before = arm === 'kernet' ? ['--import', this.register] : [];
    const options = { env: { ...this.env, KERNET_ARM: arm, ...more }, timeout: PROCESS_MS, cwd: this.dir };
    return new Promise((resolve) => {
      const child = execFile(this.program, [...before, ...args], options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : error.code ?? error.signal ?? null, stdout, stderr });
      });
      child.stdin?.end();
    });
  }

  /** What each program prints, by name, in one process. */
  async chain(arm: Arm, programs: Readonly<Record<string, string>>, more: NodeJS.ProcessEnv = {}): Promise<Map<string, string>> {
    const list = Object.entries(programs).map(([name, source]) => ({ name, path: this.write(source) }));
    const path = join(this.dir, `list-${++this.nth}.json`);
    writeFileSync(path, JSON.stringify(list));
    const { stdout, stderr, code } = await this.node(arm, [this.write(CHAIN)], { ...more, PROGRAMS: path });
    const printed = new Map<string, string>();
    for (const part of stdout.split(/^## /m).slice(1)) {
      const end = part.indexOf('\n');
      printed.set(part.slice(0, end), part.slice(end + 1));
    }
    if (code !== 0) printed.set('(the process)', `exit code ${String(code)}\n${stderr}`);
    return printed;
  }

  end(): void {
    rmSync(this.dir, { recursive: true, force: true });
    rmSync(fileURLToPath(this.register), { force: true });
  }
}
