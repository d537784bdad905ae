/**
 * A small Redis in the language of RESP2: strings, counters, lists that block, publish and subscribe; enough for a client to be
 * talked to. `net.createServer(redis())`.
 */
import type { Socket } from 'node:net';

type Reply = string | number | null | readonly Reply[] | Error;

/** Writes a reply as RESP2: errors, integers, bulk strings, arrays. `+OK` is a word for itself. */
export function encode(reply: Reply): string {
  if (reply === null) return '$-1\r\n';
  if (reply instanceof Error) return `-${reply.message}\r\n`;
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return reply.startsWith('+') ? `${reply}\r\n` : `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
  return `*${reply.length}\r\n${reply.map(encode).join('')}`;
}

/** Takes one command off the front of `text`: its words, and how many characters it had; null when it is not all there yet. */
export function decode(text: string): { words: string[]; length: number } | null {
  let at = 0;
  const line = (): string | null => {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return null;
    const found = text.slice(at, end);
    at = end + 2;
    return found;
  };
  const head = line();
  if (head === null) return null;
  if (!head.startsWith('*')) throw new Error(`not RESP: ${head}`);
  const words: string[] = [];
  for (let i = 0; i < Number(head.slice(1)); i++) {
    const size = line();
    if (size === null || at + Number(size.slice(1)) + 2 > text.length) return null;
    words.push(text.slice(at, at + Number(size.slice(1))));
    at += Number(size.slice(1)) + 2;
  }
  return { words, length: at };
}

/** What the server holds, and who waits for what. */
class Store {
  readonly strings = new Map<string, string>();
  readonly lists = new Map<string, string[]>();
  readonly waiting = new Map<string, ((value: string) => void)[]>();
  readonly subscribers = new Map<string, Set<Socket>>();

  push(key: string, value: string): number {
    const waiter = this.waiting.get(key)?.shift();
    if (waiter !== undefined) {
      waiter(value);
      return 0;
    }
    const list = this.lists.get(key) ?? [];
    this.lists.set(key, list);
    return list.unshift(value);
  }

  /** brpop: at once, or when somebody pushes. */
  pop(key: string, reply: (reply: Reply) => void): void {
    const value = this.lists.get(key)?.pop();
    if (value !== undefined) return reply([key, value]);
    const waiters = this.waiting.get(key) ?? [];
    this.waiting.set(key, waiters);
    waiters.push((pushed) => reply([key, pushed]));
  }

  publish(channel: string, message: string): number {
    const all = this.subscribers.get(channel) ?? new Set();
    for (const socket of all) socket.write(encode(['message', channel, message]));
    return all.size;
  }

  subscribe(channel: string, socket: Socket): Reply {
    const all = this.subscribers.get(channel) ?? new Set();
    this.subscribers.set(channel, all.add(socket));
    socket.once('close', () => all.delete(socket));
    return ['subscribe', channel, 1];
  }
}

function run(store: Store, socket: Socket, [name = '', key = '', value = '']: readonly string[], reply: (reply: Reply) => void): void {
  switch (name.toLowerCase()) {
    case 'ping': return reply('+PONG');
    case 'info': return reply('redis_version:7.0.0\r\nloading:0\r\n');
    case 'client': return reply('+OK');
    case 'set': store.strings.set(key, value); return reply('+OK');
    case 'get': return reply(store.strings.get(key) ?? null);
    case 'incr': store.strings.set(key, String(Number(store.strings.get(key) ?? 0) + 1)); return reply(Number(store.strings.get(key)));
    case 'lpush': return reply(store.push(key, value));
    case 'brpop': return store.pop(key, reply);
    case 'publish': return reply(store.publish(key, value));
    case 'subscribe': return reply(store.subscribe(key, socket));
    case 'quit': reply('+OK'); return void socket.end();
    default: return reply(new Error(`ERR unknown command '${name}'`));
  }
}

/** What a server does with each connection. */
export function redis(): (socket: Socket) => void {
  const store = new Store();
  return (socket) => {
    let text = '';
    socket.setEncoding('latin1').on('error', () => undefined);
    socket.on('data', (chunk: string) => {
      text += chunk;
      for (let command = decode(text); command !== null; command = decode(text)) {
        text = text.slice(command.length);
        run(store, socket, command.words, (reply) => void socket.write(encode(reply), 'latin1'));
      }
    });
  };
}
