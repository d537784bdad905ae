/** @grpc/grpc-js, client and server over HTTP/2: one answer, a stream both ways, deadlines, and a link that dies. */
import assert from 'node:assert/strict';
import {
  Client, Server, ServerCredentials, credentials, status, type ChannelOptions, type ServerDuplexStream, type ServerUnaryCall,
  type ServiceError, type sendUnaryData,
} from '@grpc/grpc-js';
import { failure, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

interface Message {
  readonly text: string;
}

const serialize = (message: Message): Buffer => Buffer.from(message.text);
const deserialize = (bytes: Buffer): Message => ({ text: String(bytes) });
const codec = {
  requestSerialize: serialize, requestDeserialize: deserialize, responseSerialize: serialize, responseDeserialize: deserialize,
};
const SHOP = {
  ask: { path: '/Shop/Ask', requestStream: false, responseStream: false, ...codec },
  talk: { path: '/Shop/Talk', requestStream: true, responseStream: true, ...codec },
};

/** A shop that says everything in capitals, and to `never` nothing. */
async function open({ server, after }: Stage): Promise<void> {
  const shop = server.run(() => new Server());
  shop.addService(SHOP, {
    ask({ request: { text } }: ServerUnaryCall<Message, Message>, done: sendUnaryData<Message>) {
      if (text === 'fail') done({ code: status.NOT_FOUND, details: 'no such cup' });
      else if (text !== 'never') done(null, { text: text.toUpperCase() });
    },
    talk(call: ServerDuplexStream<Message, Message>) {
      call.on('data', ({ text }: Message) => call.write({ text: text.toUpperCase() }));
      call.on('end', () => call.end()).on('error', () => undefined);
    },
  });
  await server.run(() => new Promise<void>((resolve, reject) => {
    shop.bindAsync('0.0.0.0:50051', ServerCredentials.createInsecure(), (error) => error === null ? resolve() : reject(error));
  }));
  after(() => {
    try {
      shop.forceShutdown();
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EBADF', 'its process was killed, and its descriptors with it');
    }
  });
}

function connect({ client, after }: Stage, options: ChannelOptions = {}): Client {
  const made = client.run(() => new Client('server:50051', credentials.createInsecure(), options));
  after(() => made.close());
  return made;
}

function ask(client: Client, text: string, deadlineMs = 60_000): Promise<Message> {
  return new Promise((resolve, reject) => void client.makeUnaryRequest(SHOP.ask.path, serialize, deserialize, { text },
    { deadline: Date.now() + deadlineMs }, (error, answer) => error === null ? resolve(answer!) : reject(error)));
}

program('grpc', { random: null, calmMs: [20, 40], roughMs: [5 * ROUGH_RTT, 9000] }, async (stage) => {
  await open(stage);
  const client = connect(stage);
  await stage.client.run(async () => {
    assert.deepEqual(await ask(client, 'a cup'), { text: 'A CUP' });
    assert.equal((await ask(client, 'x'.repeat(100_000))).text.length, 100_000);
    const wrong = await failure<ServiceError>(ask(client, 'fail'));
    assert.deepEqual([wrong.code, wrong.details], [status.NOT_FOUND, 'no such cup']);
    const talk = client.makeBidiStreamRequest(SHOP.talk.path, serialize, deserialize);
    const heard: string[] = [];
    for (const text of ['a', 'b', 'c']) talk.write({ text });
    talk.end();
    for await (const { text } of talk as AsyncIterable<Message>) heard.push(text);
    assert.deepEqual(heard, ['A', 'B', 'C']);
  });
});

fault('grpc: a deadline, a killed server, a dead link with keepalive: DEADLINE_EXCEEDED, UNAVAILABLE', async (stage) => {
  await open(stage);
  const client = connect(stage, { 'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 5000 });
  await stage.client.run(async () => {
    const late = await failure<ServiceError>(ask(client, 'never', 3000));
    assert.equal(late.code, status.DEADLINE_EXCEEDED);
    within(stage.elapsed(), [3000, 3010]);

    const begun = stage.elapsed();
    const waits = failure<ServiceError>(ask(client, 'never', 600_000));
    stage.world.partition([stage.client], [stage.server]);
    assert.equal((await waits).code, status.UNAVAILABLE);
    within(stage.elapsed() - begun, [5000, 15_010]);
    stage.world.heal();
    await stage.sleep(30_000); // it connects again, with a backoff
    assert.deepEqual(await ask(client, 'a cup'), { text: 'A CUP' });

    const lost = failure<ServiceError>(ask(client, 'never', 600_000));
    await stage.sleep(100);
    stage.world.fault({ kind: 'kill', host: 'server' });
    assert.equal((await lost).code, status.UNAVAILABLE);
  });
});
