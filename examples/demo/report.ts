/** What the demo says when it is over. */
import type { DemoOptions } from './options.ts';
import type { Outcome } from './run.ts';
import type { Fetched } from './browser.ts';
import { bytes, count, time, type Screen } from './screen.ts';
import type { HighWater, Line } from './watch.ts';

/** Who is there, and what is between them. */
export function printHead(screen: Screen, options: DemoOptions): void {
  const loss = `${String(Number((options.loss * 100).toFixed(4)))} % loss`;
  screen.line(`${screen.bold('kernet')} ${screen.dim(`seed ${String(options.seed)}`)}`);
  screen.line();
  const cable = `◄──── ${options.rate}, ${options.delay}, ${loss}, each way ────►`;
  screen.line(`  client ${cable} server`);
  screen.line(screen.dim(`  ${'node:http, keep-alive agent'.padEnd(cable.length + 8)}express`));
  screen.line();
}

export function printOutcome(screen: Screen, o: Outcome): void {
  for (const fetched of [o.page, o.download]) if (fetched !== null) printFetched(screen, fetched);
  if (o.error !== null) screen.line(`  ${screen.bad(`the program failed: ${o.error.message}`)}`);
  printLines(screen, 'Handshake', 'in virtual seconds; ✗ is lost on the cable; timestamps left out', o.watch.handshake);
  printRetransmissions(screen, o);
  printLines(screen, 'Teardown', '', o.watch.teardown);
  printMidway(screen, o);
  printQueues(screen, o);
  printEnd(screen, o);
  printTime(screen, o);
}

function printFetched(screen: Screen, f: Fetched): void {
  const body = f.said === '' ? '' : f.said === f.came ? screen.good('sha-256 ok') : screen.bad(`sha-256 is ${f.came}, not ${f.said}`);
  const words = [
    `  GET ${f.path}`.padEnd(17), String(f.status), bytes(f.bytes).padStart(9), time(f.totalMs).padStart(10),
    screen.dim(f.reused ? 'same connection' : 'new connection '), body,
  ];
  screen.line(words.join('  ').trimEnd());
}

function printLines(screen: Screen, title: string, remark: string, lines: readonly Line[]): void {
  screen.heading(title, remark);
  if (lines.length === 0) screen.line('  none');
  for (const line of [...lines].sort((x, y) => x.ns - y.ns)) printLine(screen, line);
}

/** A segment; a cross in front when the cable lost it. */
function printLine(screen: Screen, line: Line): void {
  screen.wrapped(`${line.lost ? '✗' : ' '}${line.time.padStart(10)} ${line.text}`, 0, 14);
}

function printRetransmissions(screen: Screen, o: Outcome): void {
  const { handshake: _, retransmissions, resent } = o.watch;
  const said = [o.server, o.client].map((host) => {
    const stat = host.kernel.nstat();
    return `${host.name} ${count(stat.TcpRetransSegs)} of ${count(stat.TcpOutSegs + stat.TcpRetransSegs)} segments`;
  });
  screen.heading('Retransmissions', said.join(', '));
  for (const line of retransmissions) printLine(screen, line);
  const all = [...resent.values()].reduce((sum, n) => sum + n, 0);
  if (all === 0) screen.line('  none');
  if (all > retransmissions.length) screen.line(screen.dim(`            … and ${count(all - retransmissions.length)} more on the wire`));
  const stat = o.server.kernel.nstat();
  const words = ([
    ['fast', stat.TcpExtTCPFastRetrans], ['by timeout', stat.TcpExtTCPTimeouts], ['tail loss probes', stat.TcpExtTCPLossProbes],
    ['SACK recoveries', stat.TcpExtTCPSackRecovery],
  ] as const).filter(([, n]) => n > 0).map(([what, n]) => `${count(n)} ${what}`);
  if (words.length > 0) screen.line(screen.dim(`            ${words.join(', ')}`));
}

function printMidway(screen: Screen, o: Outcome): void {
  if (o.midway === '') return;
  screen.heading('Halfway', 'ss -ti on the server');
  screen.wrapped(o.midway.trim().replace(/\s+/g, ' '), 2, 4);
}

function printQueues(screen: Screen, o: Outcome): void {
  const rows = o.watch.highWater();
  for (const [name, lane] of [['cable →client', o.cable.ab], ['cable →server', o.cable.ba]] as const) {
    const max = lane.stats.maxQueued;
    if (max > 0) rows.push({ host: name, queue: 'waits for the rate', unit: 'packets', max, limit: lane.weather.limit });
  }
  screen.heading('Queues', 'the fullest that each ever was');
  let host = '';
  for (const row of rows) {
    const where = (row.host === host ? '' : row.host).padEnd(14);
    screen.line(`  ${where} ${row.queue.padEnd(18)} ${amount(row, row.max).padStart(10)}${limit(row)}`);
    ({ host } = row);
  }
  const lost = o.drops.map(([reason, n]) => `${reason} ${count(n)}`).join(', ');
  screen.line(`  ${'dropped'.padEnd(14)} ${lost === '' ? 'nothing' : lost}`);
}

function printEnd(screen: Screen, o: Outcome): void {
  const { skbs, descriptors, liveTimers } = o.left;
  const left = `${count(skbs)} packets, ${count(descriptors)} descriptors, ${count(liveTimers)} timers`;
  screen.heading('At the end', `ss -tan on the client; left: ${left}`);
  for (const line of o.atEnd.trimEnd().split('\n')) screen.line(`  ${line}`);
}

function amount(row: HighWater, n: number): string {
  return row.unit === 'bytes' ? bytes(n) : count(n);
}

function limit(row: HighWater): string {
  const plain = row.limit === 0 && row.max === 1 ? row.unit.slice(0, -1) : row.unit;
  const what = row.unit === 'bytes' ? '' : ` ${plain}`;
  return row.limit === 0 ? what : ` of ${amount(row, row.limit)}${what}`;
}

function printTime(screen: Screen, o: Outcome): void {
  screen.heading('Time');
  screen.line(`  virtual  ${time(o.virtualMs).padStart(10)}   ${screen.dim('on the world\'s clock, until the cable was silent')}`);
  screen.line(`  wall     ${time(o.wallMs).padStart(10)}   ${screen.dim(`${count(o.watch.frames / (o.wallMs / 1000))} frames/s`)}`);
  if (o.download === null) return;
  screen.line(`  Date     ${screen.dim(`${o.download.date}, says the site's last answer`)}`);
  const mbit = (o.download.bytes * 8) / 1e6 / (o.download.totalMs / 1000);
  screen.line(`  goodput  ${`${mbit.toFixed(1)} Mbit/s`.padStart(10)}   ${screen.dim('of the download, request to last byte')}`);
}

/** The verdict on two runs. True when they were the same. */
export function printDigests(screen: Screen, first: Outcome, second: Outcome): boolean {
  const same = first.digest === second.digest;
  screen.heading('Digest', 'of every frame with its time and place');
  screen.line(`  first run   ${first.digest}  ${time(first.wallMs)}`);
  screen.line(`  second run  ${second.digest}  ${time(second.wallMs)}`);
  if (same) screen.line(`  ${screen.good('The digests agree: same seed, same bytes at the same nanoseconds.')}`);
  else screen.line(`  ${screen.bad('The digests differ. That is a bug in kernet, or in the program: please report it.')}`);
  return same;
}
