/**
 * `npm run test:browser`: the page of examples/browser in a headless Chromium. It loads, pings are answered, the file arrives as it
 * was sent, and its digest is that of the same story in Node.
 *
 *   npm run test:browser                           skipped, with a message, where there is no chromium
 *   npm run test:browser -- --screenshot a.png     and a picture in the middle of the transfer
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPage } from '../../examples/browser/build.ts';
import { DEFAULTS, sha256, Story, type StoryOptions } from '../../examples/browser/story.ts';
import { must } from '../../scripts/pack.ts';
import { npm } from '../../scripts/runtimes.ts';
import { ROOT } from '../../scripts/tidy.ts';

/** A run on the page that takes longer, in milliseconds, hangs. */
const RUN_TIMEOUT_MS = 60_000;
const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome'];

/** As much of playwright-core as is used here. */
interface Page {
  goto(url: string): Promise<unknown>;
  waitForFunction(code: string, arg?: unknown, options?: { timeout: number }): Promise<unknown>;
  evaluate(code: string): Promise<unknown>;
  screenshot(options: { path: string; fullPage: boolean }): Promise<unknown>;
  on(event: 'pageerror' | 'console' | 'request', f: (what: Told) => void): void;
  close(): Promise<void>;
}
interface Told {
  message?: string;
  type?(): string;
  text?(): string;
  url?(): string;
}
interface Browser {
  version(): string;
  newPage(options: { viewport: { width: number; height: number }; colorScheme: string }): Promise<Page>;
  close(): Promise<void>;
}
interface Playwright {
  readonly chromium: { launch(options: { executablePath: string; args: string[] }): Promise<Browser> };
}

function findChromium(): string | null {
  const names = process.env['CHROMIUM'] === undefined ? CHROMIUM : [process.env['CHROMIUM']];
  for (const name of names) {
    try {
      return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    } catch {
      continue;
    }
  }
  return null;
}

/** playwright-core of test/browser/package.json, installed below .cache/. */
async function playwright(): Promise<Playwright> {
  const home = join(ROOT, '.cache/browser');
  mkdirSync(home, { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) cpSync(join(ROOT, 'test/browser', file), join(home, file));
  const require = createRequire(join(home, 'main.js'));
  if (!existsSync(join(home, 'node_modules/playwright-core'))) {
    await must('npm ci', npm(), ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'], home);
  }
  return require('playwright-core') as Playwright;
}

function serve(folder: string): Promise<Server> {
  const types: Record<string, string> = { html: 'text/html', css: 'text/css', js: 'text/javascript' };
  const server = createServer((req, res) => {
    const name = new URL(req.url ?? '/', 'http://page').pathname.slice(1) || 'index.html';
    const file = join(folder, name);
    if (!/^[a-z]+\.(html|css|js)$/.test(name) || !existsSync(file)) res.writeHead(404).end();
    else res.writeHead(200, { 'content-type': types[name.split('.')[1]!]! }).end(readFileSync(file));
  });
  return new Promise((resolve) => void server.listen(0, '127.0.0.1', () => resolve(server)));
}

interface Outcome {
  readonly digest: string;
  readonly hash: string;
  readonly frames: number;
  readonly now: string;
}

/** The story in this process, to the same virtual time. */
async function inNode(options: StoryOptions, stepMs: number): Promise<Outcome> {
  let frames = 0;
  const story = new Story(options, { line: () => undefined, flight: () => frames++, ping: () => undefined, progress: () => undefined });
  try {
    while (!story.over) await story.world.advance(stepMs);
    return { digest: story.world.digest(), hash: await sha256(story.received), frames, now: `${story.world.now.toFixed(3)} ms` };
  } finally {
    story.stop();
  }
}

async function inBrowser(page: Page, base: string, options: StoryOptions): Promise<Outcome> {
  await page.goto(`${base}?${new URLSearchParams({ ...strings(options), speed: '6' }).toString()}`);
  await page.waitForFunction('document.body.dataset.state === "done" || document.body.dataset.state === "wrong"', undefined, {
    timeout: RUN_TIMEOUT_MS,
  });
  await page.evaluate('new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))');
  const text = async (id: string): Promise<string> => String(await page.evaluate(`document.getElementById("${id}").textContent`));
  assert.equal(await page.evaluate('document.body.dataset.state'), 'done');
  assert.match(await text('ping'), /5 packets transmitted/);
  assert.match(await text('ping'), /icmp_seq=\d+ .*time=/);
  // The list keeps the last 500 lines: of a short story, all.
  const packets = await text('packets');
  if (options.kib <= 64) assert.match(packets, /bob > alice: icmp echo_reply id 1 seq 5 [\s\S]*alice\.\d+ > bob\.80: S 0:0\(0\)/);
  assert.ok(/: F/.test(packets), 'the connection was closed');
  return {
    digest: await text('digest'), frames: Number(await text('frames')), now: await text('time'),
    hash: String(await page.evaluate('document.getElementById("hash").dataset.sha256')),
  };
}

function strings(options: StoryOptions): Record<string, string> {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, String(value)]));
}

async function check(browser: Browser, base: string, picture: string | null): Promise<void> {
  const problems: string[] = [];
  const page = await browser.newPage({ viewport: { width: 1180, height: 940 }, colorScheme: 'light' });
  page.on('pageerror', (error) => problems.push(String(error.message)));
  page.on('console', (message) => void (message.type?.() === 'error' && problems.push(message.text?.() ?? '')));
  page.on('request', (request) => void (request.url?.().startsWith(base) === false && !request.url().startsWith('data:')
    && problems.push(`a request to ${request.url()}`)));
  if (picture !== null) await photograph(page, base, picture);
  for (const options of [{ ...DEFAULTS, loss: 0, kib: 64 }, { ...DEFAULTS, seed: 42, loss: 4, kib: 512 }]) {
    const there = await inBrowser(page, base, options);
    const here = await inNode(options, 100);
    assert.deepEqual(there, here, 'the page and Node tell the same story');
    console.log(`browser: seed ${options.seed}, ${options.loss} % loss: ${there.frames} frames, digest ${there.digest}, as in Node`);
  }
  const other = await inNode({ ...DEFAULTS, seed: 43, loss: 4, kib: 512 }, 100);
  assert.notEqual(other.digest, (await inNode({ ...DEFAULTS, seed: 42, loss: 4, kib: 512 }, 7)).digest);
  assert.deepEqual(problems, []);
  await page.close();
}

async function photograph(page: Page, base: string, path: string): Promise<void> {
  await page.goto(`${base}?speed=4&seed=5`);
  await page.waitForFunction('parseFloat(document.getElementById("bar").style.width) > 40', undefined, { timeout: RUN_TIMEOUT_MS });
  await page.screenshot({ path, fullPage: true });
}

async function main(args: readonly string[]): Promise<void> {
  const at = args.indexOf('--screenshot');
  const executablePath = findChromium();
  if (executablePath === null) {
    console.log(`browser: skipped: none of ${CHROMIUM.join(', ')} is installed (Debian: apt-get install chromium)`);
    return;
  }
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  await must('checking the page\'s types', process.execPath, [tsc, '-p', 'examples/browser'], ROOT);
  const folder = mkdtempSync(join(tmpdir(), 'kernet-page-'));
  const kib = Math.round(await buildPage(folder) / 1024);
  const server = await serve(folder);
  const { chromium } = await playwright();
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    console.log(`browser: Chromium ${browser.version()}, a script of ${kib} KiB`);
    await check(browser, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, at < 0 ? null : args[at + 1] ?? 'page.png');
    console.log('browser: all checks passed');
  } finally {
    await browser.close();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main(process.argv.slice(2));
