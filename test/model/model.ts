/**
 * What POSIX promises of stream sockets, in a page: for each call the set of legal answers, and one hard law. Two hosts, a
 * cable; the model knows what was asked, not what the network has done about it since.
 */
import { errnoName } from '../../src/lib/errno.ts';

/** What a program has done with a socket. */
export type Stage = 'fresh' | 'listening' | 'connecting' | 'connected';

/** One direction of a connection: bytes taken from the writer, bytes given to the reader. */
export class Pipe {
  /** Where its bytes begin in the pattern: no two streams are alike. */
  readonly start: number;
  written = 0;
  read = 0;

  constructor(start: number) {
    this.start = start;
  }
}

/** A socket as its program knows it. */
export class ModelSocket {
  readonly id: number;
  readonly host: 0 | 1;
  readonly fd: number;
  stage: Stage = 'fresh';
  /** Bound by name, or by listen or connect; 0 = not yet known. */
  port = 0;
  bound = false;
  wrShut = false;
  closed = false;
  /** The end of the stream, or an error, was read. */
  ended = false;
  /** The other end, once accept() has shown which one it is. */
  peer: ModelSocket | null = null;
  out: Pipe;
  /** The peer's, once it is known; an empty one until then. */
  in: Pipe;
  /** Bytes may have been lost by right: somebody closed with data unread, or wrote to one who had closed. */
  aborted = false;
  /** A socket whose connection failed may connect again. */
  private lives = 0;

  constructor(id: number, host: 0 | 1, fd: number) {
    this.id = id;
    this.host = host;
    this.fd = fd;
    this.out = this.newPipe();
    this.in = this.newPipe();
  }

  private newPipe(): Pipe {
    return new Pipe(this.id * 1_000_003 + this.lives++ * 7919 * 64);
  }

  /** A connection begins; what there was before is another story. */
  begin(): void {
    if (this.stage === 'connecting' || this.stage === 'connected') {
      this.out = this.newPipe();
      if (this.peer !== null) this.peer.aborted = true;
    }
    this.in = this.newPipe();
    this.stage = 'connecting';
    this.peer = null;
    this.ended = false;
    this.wrShut = false;
    this.aborted = false;
  }
}

export class Model {
  readonly sockets: ModelSocket[] = [];
  /** Ports that were ever used on each host: what became of them the model does not know. */
  readonly used: readonly [Set<number>, Set<number>] = [new Set(), new Set()];

  get open(): ModelSocket[] {
    return this.sockets.filter((s) => !s.closed);
  }

  /** The open socket that a command means, whatever number it drew; undefined when there is none like that. */
  pick(n: number, like: (s: ModelSocket) => boolean): ModelSocket | undefined {
    const list = this.open.filter(like);
    return list[n % list.length];
  }
}

/** An answer as the model's tables write it: `ok`, or the name of an errno. */
export function answer(ret: number): string {
  return ret >= 0 ? 'ok' : errnoName(ret);
}

/** Whatever the network may have done to a connection that was begun. */
const NEWS: readonly string[] = ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'EPIPE'];

export function mayBind(m: Model, s: ModelSocket, port: number): readonly string[] {
  // A connection that has failed gives its port up: its socket is as good as new.
  if (s.stage === 'connecting' || s.stage === 'connected') return ['EINVAL', 'ok', 'EADDRINUSE'];
  if (s.bound || s.stage !== 'fresh') return ['EINVAL'];
  if (m.open.some((o) => o !== s && o.host === s.host && o.port === port)) return ['EADDRINUSE'];
  return m.used[s.host].has(port) ? ['ok', 'EADDRINUSE'] : ['ok'];
}

export function mayListen(m: Model, s: ModelSocket): readonly string[] {
  if (s.stage === 'connecting' || s.stage === 'connected') return ['EINVAL', 'ok'];
  const rival = m.open.some((o) => o !== s && o.host === s.host && o.port === s.port && o.stage === 'listening');
  return rival && s.port !== 0 ? ['EADDRINUSE'] : ['ok'];
}

export function mayConnect(s: ModelSocket): readonly string[] {
  switch (s.stage) {
    case 'fresh': return ['EINPROGRESS'];
    case 'listening': return ['EISCONN'];
    case 'connecting': return ['EALREADY', 'ok', 'EISCONN', 'EINPROGRESS', 'ECONNABORTED', ...NEWS];
    case 'connected': return ['EISCONN', 'EINPROGRESS', ...NEWS];
  }
}

export function mayAccept(s: ModelSocket): readonly string[] {
  return s.stage === 'listening' ? ['ok', 'EAGAIN'] : ['EINVAL'];
}

export function mayWrite(s: ModelSocket): readonly string[] {
  if (s.stage === 'fresh' || s.stage === 'listening') return ['EPIPE'];
  if (s.wrShut) return NEWS;
  return ['ok', 'EAGAIN', ...NEWS];
}

export function mayRead(s: ModelSocket): readonly string[] {
  if (s.stage === 'fresh' || s.stage === 'listening') return ['ENOTCONN'];
  return ['ok', 'EAGAIN', 'ENOTCONN', ...NEWS];
}

export function mayShutdown(s: ModelSocket): readonly string[] {
  if (s.stage === 'fresh') return ['ENOTCONN'];
  return ['ok', 'ENOTCONN'];
}
