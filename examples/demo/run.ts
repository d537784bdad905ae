/** One run of the demo: a world of two hosts and a cable, a site on one of them, a browser on the other. */
import type http from 'node:http';
import type { AddressInfo } from 'node:net';
import { World, type Cable, type Host, type LeakReport } from '../../mod.ts';
import { dropName } from '../../src/skb/drop-reason.ts';
import { get, type Fetched } from './browser.ts';
import type { DemoOptions } from './options.ts';
import { makeSite } from './site.ts';
import { Watch } from './watch.ts';

/** Frames that the capture keeps at most. */
const CAPTURE_MAX = 200_000;
const PORT = 80;

export interface Outcome {
  readonly world: World;
  readonly client: Host;
  readonly server: Host;
  readonly cable: Cable;
  readonly watch: Watch;
  readonly page: Fetched | null;
  readonly download: Fetched | null;
  /** What went wrong in the program, if anything did. */
  readonly error: Error | null;
  /** `ss -tin` on the server in the middle of the download; `ss -tan` on the client when all is over. */
  readonly midway: string;
  readonly atEnd: string;
  readonly virtualMs: number;
  readonly wallMs: number;
  readonly digest: string;
  /** Packets, descriptors and timers that are left when all is closed and silent. */
  readonly left: LeakReport;
  /** Drops by their reason, most frequent first. */
  readonly drops: readonly (readonly [string, number])[];
  readonly pcapng: Uint8Array;
  readonly captured: number;
  readonly missed: number;
}

export async function run(options: DemoOptions, progress: (bytes: number, virtualMs: number) => void): Promise<Outcome> {
  const { seed, delay, rate, loss, size } = options;
  const world = new World({ seed, digest: true });
  const server = world.host('server');
  const client = world.host('client');
  const cable = world.cable(server, client, { delay, rate, loss });
  const capture = world.capture([cable], { limit: CAPTURE_MAX });
  const watch = new Watch([client, server], cable);
  const got: { page: Fetched | null; download: Fetched | null; error: Error | null; midway: string } = {
    page: null, download: null, error: null, midway: '',
  };
  const started = performance.now();
  await world.run(async () => {
    const listening = await serve(server, size);
    const agent = new client.http.Agent({ keepAlive: true });
    try {
      got.page = await get(agent, 'server', '/', () => undefined);
      got.download = await get(agent, 'server', '/download', (bytes) => {
        if (got.midway === '' && bytes * 2 >= size) got.midway = server.sh('ss -tinOH state established');
        progress(bytes, world.now);
      });
    } catch (error) {
      got.error = error instanceof Error ? error : new Error(String(error));
    }
    agent.destroy();
    await close(listening);
  });
  await world.runUntilIdle();
  const wallMs = performance.now() - started;
  capture.stop();
  const outcome = {
    ...got, world, client, server, cable, watch, wallMs, atEnd: client.sh('ss -tan'), virtualMs: world.now, digest: world.digest(),
    left: world.check(), drops: dropsOf(world), pcapng: capture.toBytes(), captured: capture.frames.length, missed: capture.missed,
  };
  world.stop();
  return outcome;
}

/** Starts the site; plain express over Node's own http. */
function serve(host: Host, size: number): Promise<http.Server> {
  return new Promise((resolve, reject) => {
    const server = host.http.createServer(makeSite(size));
    server.on('error', reject);
    server.listen(PORT, () => {
      if ((server.address() as AddressInfo).port === PORT) resolve(server);
    });
  });
}

function close(server: http.Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function dropsOf(world: World): [string, number][] {
  return [...world.parts.pool.drops.entries()]
    .filter(([, n]) => n > 0)
    .map(([reason, n]): [string, number] => [dropName(reason), n])
    .sort((x, y) => y[1] - x[1]);
}
