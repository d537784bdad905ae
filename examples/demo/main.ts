/**
 * The main job: an express site and Node's own http client, neither of which has heard of kernet, on two hosts with a bad
 * cable between them. Twice, with the same seed.
 *
 *   npm run demo -- --seed 42 --loss 0.02 --delay 20ms --rate 50mbit --size 5mb
 */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { parseOptions, USAGE, UsageError, type DemoOptions } from './options.ts';
import { printDigests, printHead, printOutcome } from './report.ts';
import { run } from './run.ts';
import { bytes, count, Screen, time } from './screen.ts';

async function main(options: DemoOptions): Promise<number> {
  const screen = new Screen(process.stdout, process.env);
  printHead(screen, options);
  const bar = (what: string) => (n: number, virtualMs: number): void =>
    screen.progress(n / options.size, `${what}  ${bytes(n)}  ${time(virtualMs)}`);
  const first = await run(options, bar('first run'));
  printOutcome(screen, first);
  const second = await run(options, bar('second run'));
  const same = printDigests(screen, first, second);
  writeFileSync(options.pcap, first.pcapng);
  const missed = first.missed === 0 ? '' : `, the first of ${count(first.captured + first.missed)}`;
  screen.line();
  const frames = `${count(first.captured)} frames${missed}, ${bytes(first.pcapng.length)}`;
  screen.wrapped(`${options.pcap}: ${frames}, as the server's card saw them`, 0, 2);
  const intact = first.download !== null && first.download.said === first.download.came;
  return same && intact && first.error === null ? 0 : 1;
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error; // somebody has read enough: `npm run demo | head`
  process.exit(0);
});

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === null) process.stdout.write(USAGE);
  else process.exitCode = await main(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`demo: ${error.message}\n`);
  process.exitCode = 2;
}
