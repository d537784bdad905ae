/** ssh2, client and server: a key exchange, a command, a forwarded port, and keepalives over a dead link. */
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import ssh, { type ClientChannel, type Connection } from 'ssh2';
import { event, fault, program, ROUGH_RTT, within, type Stage } from './harness.ts';

const keys = ssh.utils.generateKeyPairSync('ed25519');

/**
 * ssh2 compiles its WebAssembly when it is loaded, which takes real time that no world sees, and shows it to nobody. A client that has
 * said its name has it.
 */
await new Promise<void>((resolve) => void new ssh.Client().on('error', () => undefined).connect({
  username: 'nobody', sock: new Duplex({ read: () => undefined, write: () => resolve() }),
}));

/** A server that runs `cat` and `false`, and knows ann. */
async function open({ server, after }: Stage): Promise<Connection[]> {
  const connections: Connection[] = [];
  const shell = server.run(() => new ssh.Server({ hostKeys: [keys.private] }, (connection) => {
    connections.push(connection);
    connection.on('error', () => undefined);
    connection.on('authentication', (attempt) => attempt.method === 'password' && attempt.password === 'secret'
      ? attempt.accept() : attempt.reject(['password']));
    connection.on('session', (accept) => void accept().on('exec', (accepted, _reject, { command }) => {
      const channel = accepted();
      if (command !== 'cat') return void (channel.exit(1), channel.end());
      channel.pipe(channel, { end: false });
      channel.on('end', () => void (channel.exit(0), channel.end()));
    }));
  }));
  server.run(() => shell.listen(22));
  after(() => {
    for (const connection of connections) connection.end();
    shell.close();
  });
  await event(shell, 'listening');
  return connections;
}

async function connect({ client, after }: Stage, options: ssh.ConnectConfig = {}): Promise<ssh.Client> {
  const made = new ssh.Client();
  const ready = event(made, 'ready');
  client.run(() => made.connect({ host: 'server', username: 'ann', password: 'secret', ...options }));
  after(() => made.end());
  await ready;
  return made;
}

/** Begins a command. Its exit code may come with the same bytes as the news that it has begun. */
function exec(client: ssh.Client, command: string): Promise<{ channel: ClientChannel; exit: Promise<number> }> {
  return new Promise((resolve, reject) => void client.exec(command, (error, channel) => {
    if (error) reject(error);
    else resolve({ channel, exit: event<number>(channel, 'exit') });
  }));
}

program('ssh2', {
  random: 'keys are exchanged, and cookies and padding are drawn by crypto', calmMs: [600, 680], roughMs: [8 * ROUGH_RTT, 15_000],
}, async (stage) => {
  await open(stage);
  const client = await connect(stage);
  const cat = await exec(client, 'cat');
  cat.channel.end('x'.repeat(100_000));
  assert.equal((await text(cat.channel)).length, 100_000);
  assert.equal(await cat.exit, 0);
  const none = await exec(client, 'false');
  none.channel.resume();
  assert.equal(await none.exit, 1);
});

fault('ssh2: a wrong password is refused: "client-authentication"', async (stage) => {
  await open(stage);
  const client = new ssh.Client();
  const refused = event<Error & { level: string }>(client, 'error');
  stage.client.run(() => client.connect({ host: 'server', username: 'ann', password: 'wrong' }));
  assert.equal((await refused).level, 'client-authentication');
  client.end();
});

fault('ssh2: a link that dies is found by keepalives: three, ten seconds apart', async (stage) => {
  const connections = await open(stage);
  const client = await connect(stage, { keepaliveInterval: 10_000, keepaliveCountMax: 3 });
  await stage.sleep(95_000);
  const begun = stage.elapsed();
  stage.world.partition([stage.client], [stage.server]);
  const error = await event<Error & { level: string }>(client, 'error');
  assert.deepEqual([error.level, error.message], ['client-timeout', 'Keepalive timeout']);
  within(stage.elapsed() - begun, [30_000, 45_000]);
  stage.world.heal();
  assert.equal(connections.length, 1);
});
