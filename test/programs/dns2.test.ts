/** dns2, a server of names in JavaScript, asked by its own client and by Node's `dns` of another host. */
import assert from 'node:assert/strict';
import dns from 'node:dns';
import DNS2 from 'dns2';
import { failure, fault, program, within, type Stage } from './harness.ts';

const { Packet } = DNS2;
type Answer = ReturnType<typeof Packet.createResponseFromRequest>['answers'][number];

async function open({ server, after }: Stage): Promise<void> {
  const names = server.run(() => DNS2.createServer({ udp: true, tcp: true, handle(request, send) {
    const response = Packet.createResponseFromRequest(request);
    const [question] = request.questions;
    const { name } = question!;
    const address = (text: string): Answer =>
      ({ name, type: Packet.TYPE.A, class: Packet.CLASS.IN, ttl: 300, address: text }) as unknown as Answer;
    if (name === 'cups.test') response.answers.push(address('10.9.8.7'));
    else if (name === 'many.test') for (let i = 1; i <= 100; i++) response.answers.push(address(`10.1.1.${i}`));
    else response.header.rcode = 3;
    void send(response);
  } }));
  await server.run(() => names.listen({ udp: { port: 53, address: '0.0.0.0' }, tcp: { port: 53, address: '0.0.0.0' } }));
  after(() => names.close());
}

program('dns2', {
  random: 'the ids of questions are drawn', calmMs: [6, 30], roughMs: [400, 60_000], seeds: [1, 2, 3, 4, 5, 6],
}, async (stage) => {
  await open(stage);
  await stage.client.run(async () => {
    const resolver = new dns.promises.Resolver({ timeout: 5000, tries: 4 });
    resolver.setServers([stage.server.ip]);
    assert.deepEqual(await resolver.resolve4('cups.test'), ['10.9.8.7']);
    assert.equal((await resolver.resolve4('many.test')).length, 100, 'too long for a datagram: asked again over TCP');
    assert.equal((await failure(resolver.resolve4('nothing.test'))).code, 'ENOTFOUND');
  });
});

fault('dns2: its client asks once and waits for its timeout; Node\'s asks again', async (stage) => {
  await open(stage);
  stage.world.partition([stage.client], [stage.server]);
  await stage.client.run(async () => {
    const begun = stage.elapsed();
    const once = DNS2.UDPClient({ dns: stage.server.ip, timeout: 4000 });
    assert.match((await failure<Error>(once('cups.test'))).message, /timed? ?out/i);
    within(stage.elapsed() - begun, [4000, 4001]);

    const resolver = new dns.promises.Resolver({ timeout: 1000, tries: 4 });
    resolver.setServers([stage.server.ip]);
    setTimeout(() => stage.world.heal(), 2500);
    assert.deepEqual(await resolver.resolve4('cups.test'), ['10.9.8.7']);
  });
});
