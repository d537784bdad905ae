/**
 * Do Node's own modules work on kernet, in this version of Node? An echo, a reset and a TLS connection, through the installed
 * hooks, on a host of its own.
 */
import { once } from 'node:events';
import net from 'node:net';
import process from 'node:process';
import tls from 'node:tls';
import { inspect } from 'node:util';
import { installationCount, runOn } from './current.ts';
import { World } from './world.ts';

type Check = () => Promise<void>;

/** A cipher that needs no certificate. */
const PSK_CIPHERS = 'PSK+HIGH';
const PSK_KEY: Buffer = Buffer.alloc(32, 'kernet');

/**
 * Runs the checks; needs `install()`.
 *
 * @throws Error that names the version of Node and what does not work
 */
export async function selfTest(): Promise<void> {
  if (installationCount() === 0) throw new Error('selfTest: call install() first, or start with --import kernet/register');
  const world = new World();
  const host = world.host('self-test');
  try {
    for (const [name, check] of Object.entries({ net: checkEcho, reset: checkReset, tls: checkTls })) {
      try {
        await runOn(host.node, check);
      } catch (error) {
        const what = `selfTest: ${name} does not work with Node ${process.version}: ${inspect(error)}. Please report it`;
        throw new Error(what, { cause: error });
      }
    }
  } finally {
    world.stop();
  }
}

async function listening(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

async function textOf(socket: net.Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket.setEncoding('latin1')) text += String(chunk);
  return text;
}

function expect(got: unknown, wanted: string): void {
  if (got !== wanted) throw new Error(`${inspect(wanted)} was expected, ${inspect(got)} came`);
}

const checkEcho: Check = async () => {
  const server = net.createServer((socket) => void socket.pipe(socket));
  const client = net.connect(await listening(server), '127.0.0.1');
  client.end('hello');
  expect(await textOf(client), 'hello');
  server.close();
};

const checkReset: Check = async () => {
  const server = net.createServer((socket) => void socket.on('error', () => undefined).resetAndDestroy());
  const client = net.connect(await listening(server), '127.0.0.1');
  client.resume();
  const [error] = await new Promise<[NodeJS.ErrnoException]>((resolve) => void client.on('error', (e) => resolve([e])));
  expect(error.code, 'ECONNRESET');
  server.close();
};

const checkTls: Check = async () => {
  const psk = { ciphers: PSK_CIPHERS, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
  const server = tls.createServer({ ...psk, pskCallback: () => PSK_KEY }, (socket) => void socket.end('secret'));
  const port = await listening(server);
  const client = tls.connect({
    ...psk, port, host: '127.0.0.1', checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk: PSK_KEY, identity: 'kernet' }),
  });
  expect(await textOf(client), 'secret');
  server.close();
};
