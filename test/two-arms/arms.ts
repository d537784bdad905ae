// Two arms: the same body runs with the runtime's own modules on 127.0.0.1 and with a kernel's; the two transcripts must be
// equal. Adjacent 'data' entries are joined before they are compared: chunking is not a promise of node:net. Nor is who of
// two sockets is told first: what the client says and what the server says are compared each for itself.
import assert from 'node:assert/strict';
import nodeDgram from 'node:dgram';
import nodeDns from 'node:dns';
import { once, type EventEmitter } from 'node:events';
import nodeHttp from 'node:http';
import type nodeHttp2 from 'node:http2';
import nodeHttps from 'node:https';
import { createRequire } from 'node:module';
import nodeNet from 'node:net';
import { test } from 'node:test';
import nodeTls from 'node:tls';
import { Kernel } from '../../mod.ts';
import { createDgram } from '../../src/node/dgram.ts';
import { createDns } from '../../src/node/dns.ts';
import { createHttp } from '../../src/node/http.ts';
import { createHttp2 } from '../../src/node/http2.ts';
import { createHttps } from '../../src/node/https.ts';
import { createNet } from '../../src/node/net.ts';
import { NodeHost } from '../../src/node/sockets.ts';
import { createTls } from '../../src/node/tls.ts';

export interface Arm {
  readonly name: 'real' | 'kernet';
  readonly net: typeof nodeNet;
  readonly dgram: typeof nodeDgram;
  readonly dns: typeof nodeDns;
  readonly http: typeof nodeHttp;
  readonly https: typeof nodeHttps;
  readonly tls: typeof nodeTls;
  readonly http2: typeof nodeHttp2;
  /** Real turns of the event loop: enough for both arms to come to rest, where a test waits for nothing to happen. */
  readonly rest: () => Promise<void>;
}

/** Writes an entry into the transcript. */
export type Say = (event: string, ...values: unknown[]) => void;

type Body = (arm: Arm, say: Say) => Promise<void>;

/** How long one arm may take: a hang is a failure with a name. */
const ARM_TIMEOUT_MS = 10_000;

/** Runs `body` on both arms and compares what it said. */
export function twoArms(name: string, body: Body): void {
  void test(name, { timeout: 2 * ARM_TIMEOUT_MS }, async () => {
    const real = await transcript(body, realArm());
    const kernel = new Kernel({ seed: 7, openFiles: 4096 });
    const host = new NodeHost(kernel);
    const ours = await transcript(body, kernetArm(host));
    assert.deepEqual(bySpeaker(ours), bySpeaker(real));
    await turns(20);
    assert.deepEqual(kernel.fds, [], 'descriptors left open');
    assert.equal(host.handles.liveness.holds, 0, 'handles that hold the process');
  });
}

function realArm(): Arm {
  return {
    name: 'real', net: nodeNet, dgram: nodeDgram, dns: nodeDns, http: nodeHttp, https: nodeHttps, tls: nodeTls,
    get http2() {
      return createRequire(import.meta.url)('node:http2') as typeof nodeHttp2;
    },
    rest: () => turns(40),
  };
}

function kernetArm(host: NodeHost): Arm {
  const net = createNet(host);
  return {
    name: 'kernet', net, dgram: createDgram(host), dns: createDns(host), http: createHttp(host, net),
    https: createHttps(host), tls: createTls(host),
    get http2() {
      return createHttp2(host, net); // not before somebody asks: loading it changes how the pump turns
    },
    rest: () => turns(40),
  };
}

/** The lines of the client, those of the server, and the others. */
function bySpeaker(lines: readonly string[]): string[] {
  const of = (speaker: string): string[] => lines.filter((line) => line.startsWith(speaker));
  return [...of('client '), ...of('server '), ...lines.filter((line) => !/^(client|server) /.test(line))];
}

async function transcript(body: Body, arm: Arm): Promise<string[]> {
  const lines: string[] = [];
  const say: Say = (event, ...values) => {
    const line = [event, ...values.map(show)].join(' ');
    const last = lines.at(-1);
    if (/^(\S+ )?data\b/.test(event) && last !== undefined && last.startsWith(`${event} `)) {
      lines[lines.length - 1] = last + line.slice(event.length + 1);
    } else lines.push(line);
  };
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the ${arm.name} arm hangs; so far:\n${lines.join('\n')}`)), ARM_TIMEOUT_MS);
  });
  try {
    await Promise.race([body(arm, say), hang]);
    await turns(10);
  } finally {
    clearTimeout(timer);
  }
  return lines;
}

/** Ports that the system chose differ between the arms. */
function show(value: unknown): string {
  if (value instanceof Error) {
    const { code, errno, syscall, address, port, message } = value as NodeJS.ErrnoException & { address?: string; port?: number };
    const at = address === undefined ? '' : ` ${address}${port === undefined ? '' : ':<port>'}`;
    return `${value.name}(${String(code)} ${String(errno)} ${String(syscall)}${at}: ${message.replace(/\b\d{4,5}\b/g, '<port>')})`;
  }
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  return String(value);
}

async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise((resolve) => void setImmediate(resolve));
}

/** Listens on a port that the system chooses, and says which. */
export async function listening(server: nodeNet.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as nodeNet.AddressInfo).port;
}

export async function closed(...emitters: EventEmitter[]): Promise<void> {
  await Promise.all(emitters.map((e) => new Promise((resolve) => void e.once('close', resolve))));
}

/** Says each of these events of a socket, with `who` before them. */
export function watch(say: Say, who: string, emitter: EventEmitter, events: readonly string[]): void {
  for (const event of events) {
    emitter.on(event, (...args: unknown[]) => {
      if (event === 'data') say(`${who} data`, String(args[0]));
      else if (event === 'close' || event === 'error') say(`${who} ${event}`, ...args.slice(0, 1));
      else say(`${who} ${event}`);
    });
  }
}

/** Everything that a socket says. */
export const ALL: readonly string[] = ['connect', 'ready', 'data', 'end', 'finish', 'error', 'timeout', 'close'];

/** Calls `f` and says what it returned or threw, by code, name and message. */
export function attempt(say: Say, what: string, f: () => unknown): void {
  try {
    say(what, 'returned', plain(f()));
  } catch (error) {
    say(what, 'threw', error);
  }
}

/** Waits for `f`'s promise and says what became of it. */
export async function settled(say: Say, what: string, f: () => Promise<unknown>): Promise<void> {
  try {
    say(what, 'resolved', plain(await f()));
  } catch (error) {
    say(what, 'rejected', error);
  }
}

/** Of objects that are no data (sockets, requests), that they are there. */
function plain(value: unknown): unknown {
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? value : 'an object';
}

/** A connection with both its ends, over 127.0.0.1. */
export interface Pair {
  readonly server: nodeNet.Server;
  readonly client: nodeNet.Socket;
  readonly peer: nodeNet.Socket;
  readonly port: number;
}

/** Opens a connection, with these options at either end. */
export async function pair(net: typeof nodeNet, options: { server?: nodeNet.ServerOpts; client?: object } = {}): Promise<Pair> {
  const server = net.createServer(options.server ?? {});
  const port = await listening(server);
  const client = net.connect({ port, host: '127.0.0.1', ...options.client } as nodeNet.TcpNetConnectOpts);
  const [[peer]] = await Promise.all([once(server, 'connection') as Promise<[nodeNet.Socket]>, once(client, 'connect')]);
  return { server, client, peer, port };
}

/** Closes servers, and waits for it. */
export async function shut(...servers: nodeNet.Server[]): Promise<void> {
  for (const server of servers) server.close();
  await closed(...servers);
}
