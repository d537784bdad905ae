// Two hosts and a cable, for tests of what is on top of net; and small things that such tests need.
import { World, type Host } from '../../src/node/world.ts';
import type { CableOptions } from '../../mod.ts';

export interface Lan {
  readonly world: World;
  readonly alice: Host;
  readonly bob: Host;
}

/** Runs `main` in virtual time on two hosts; 5 ms from one to the other unless `cable` says otherwise. */
export async function onLan<T>(main: (lan: Lan) => Promise<T>, cable: CableOptions = { delay: '5ms' }, seed: number = 3): Promise<T> {
  const world = new World({ seed });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, cable);
  try {
    return await world.run(() => main({ world, alice, bob }));
  } finally {
    world.stop();
  }
}

/** All that a stream says. */
export async function text(stream: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array | string));
  return Buffer.concat(chunks).toString();
}

/** Closes a server and waits until all its connections have ended. */
export async function closed(server: { close(): unknown; once(event: 'close', f: () => void): unknown }): Promise<void> {
  const done = new Promise<void>((resolve) => void server.once('close', resolve));
  server.close();
  await done;
}
