/** multicast-dns: who answers to a name on a link of three, and what becomes of a question that is lost. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Answer } from 'dns-packet';
import multicastDns, { type MulticastDNS, type ResponsePacket } from 'multicast-dns';
import type { Host } from '../../mod.ts';
import { fault, program, within, type Stage } from './harness.ts';

async function speak(host: Host, { after }: Stage): Promise<MulticastDNS> {
  // Bound to its interface's address, as it would be without `bind`, it hears no group: a kernel delivers by the address.
  const made = host.run(() => multicastDns({ interface: host.ip, bind: '0.0.0.0' }));
  after(() => new Promise<void>((resolve) => void made.destroy(() => resolve())));
  await once(made, 'ready');
  return made;
}

/** The server answers to `printer.local`, and client asks. */
async function link(stage: Stage): Promise<MulticastDNS> {
  const answers: Answer[] = [{ name: 'printer.local', type: 'A', ttl: 120, data: stage.server.ip }];
  const printer = await speak(stage.server, stage);
  printer.on('query', ({ questions = [] }) => {
    if (questions.some(({ name }) => name === 'printer.local')) printer.respond({ answers });
  });
  return speak(stage.client, stage);
}

/** Asks until somebody answers, once a second: RFC 6762 §5.2 leaves that to who asks. */
async function find(stage: Stage, mdns: MulticastDNS): Promise<[address: string, asked: number]> {
  const answer = once(mdns, 'response') as Promise<[ResponsePacket]>;
  let asked = 0;
  const ask = (): void => {
    asked++;
    mdns.query('printer.local', 'A');
  };
  const again = setInterval(ask, 1000);
  ask();
  const [{ answers: [first] = [] }] = await answer;
  clearInterval(again);
  return [(first as { data: string }).data, asked];
}

program('multicast-dns', {
  random: null, calmMs: [2, 6], roughMs: [80, 5000], seeds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
}, async (stage) => {
  const mdns = await link(stage);
  const [address] = await find(stage, mdns);
  assert.equal(address, stage.server.ip);
});

fault('multicast-dns: during a partition nobody answers, and nobody says so; afterwards the next question is answered', async (stage) => {
  const mdns = await link(stage);
  stage.world.partition([stage.client], [stage.server]);
  setTimeout(() => stage.world.heal(), 10_500);
  const [, asked] = await find(stage, mdns);
  assert.equal(asked, 12);
  within(stage.elapsed(), [11_000, 11_010]);
});
