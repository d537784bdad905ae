/** The socket calls as commands that drive model and kernel side by side. */
import assert from 'node:assert/strict';
import type { Command } from 'fast-check';
import { SHUT_WR, AF_INET, SOCK_NONBLOCK, SOCK_STREAM } from '../../src/sock/constants.ts';
import { SockAddr } from '../../src/sock/sockaddr.ts';
import { parseIpv4 } from '../../src/lib/addr.ts';
import { sysAccept, sysBind, sysConnect, sysGetpeername, sysGetsockname, sysListen, sysSocket } from '../../src/syscall/socket.ts';
import { AppCalls, patternBytes, patternMismatch, ScenarioWorld, type ScenarioHost } from '../../src/testing.ts';
import { Process } from '../../src/syscall/process.ts';
import type { Cable } from '../../src/fabric/cable.ts';
import {
  answer, mayAccept, mayBind, mayConnect, mayListen, mayRead, mayShutdown, mayWrite, ModelSocket, type Model,
} from './model.ts';

/** The kernels. */
export class Real {
  readonly w: ScenarioWorld;
  readonly hosts: readonly [ScenarioHost, ScenarioHost];
  readonly cable: Cable;
  readonly calls: readonly [AppCalls, AppCalls];

  constructor(seed: number) {
    this.w = new ScenarioWorld(seed);
    const [a, b, cable] = this.w.twoHosts({ cable: { delay: '5ms' } });
    this.hosts = [a, b];
    this.cable = cable;
    this.calls = [this.program(a), this.program(b)];
  }

  private program(host: ScenarioHost): AppCalls {
    const process = new Process(host.kernel.stack.layer, 'model');
    host.processes.push(process);
    return new AppCalls(process);
  }

  addr(host: 0 | 1, port: number): SockAddr {
    return new SockAddr().set(parseIpv4(this.hosts[host].ip)!, port);
  }
}

function legal(got: number, allowed: readonly string[], call: string): string {
  const name = answer(got);
  assert.ok(allowed.includes(name), `${call} answered ${name}; legal are ${allowed.join(', ')}`);
  return name;
}

abstract class Base implements Command<Model, Real> {
  readonly n: number;

  constructor(n: number) {
    this.n = n;
  }

  /** Which sockets it may be tried on. */
  protected like(_s: ModelSocket): boolean {
    return true;
  }

  /** Which ones it is meant for: three in four go there, if there are any. */
  protected prefer(_s: ModelSocket): boolean {
    return true;
  }

  private target(m: Readonly<Model>): ModelSocket | undefined {
    const meant = (this.n & 3) === 0 ? undefined : m.pick(this.n >> 2, (s) => this.like(s) && this.prefer(s));
    return meant ?? m.pick(this.n >> 2, (s) => this.like(s));
  }

  check(m: Readonly<Model>): boolean {
    return this.target(m) !== undefined;
  }

  run(m: Model, r: Real): void {
    this.call(m, r, this.target(m)!);
  }

  protected abstract call(m: Model, r: Real, s: ModelSocket): void;
}

export class Socket extends Base {
  override check(m: Readonly<Model>): boolean {
    return m.open.length < 12;
  }

  override run(m: Model, r: Real): void {
    const host = (this.n & 1) as 0 | 1;
    const fd = sysSocket(r.calls[host].process, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert.ok(fd >= 0);
    assert.ok(!m.open.some((s) => s.host === host && s.fd === fd), 'a descriptor that is open is not given out again');
    m.sockets.push(new ModelSocket(m.sockets.length, host, fd));
  }

  protected override call(): void {
    // Everything is in run.
  }

  override toString(): string {
    return `socket() on ${'ab'[this.n & 1]!}`;
  }
}

export class Bind extends Base {
  readonly port: number;

  constructor(n: number, port: number) {
    super(n);
    this.port = port;
  }

  protected override prefer(s: ModelSocket): boolean {
    return s.stage === 'fresh';
  }

  protected override call(m: Model, r: Real, s: ModelSocket): void {
    const ret = sysBind(r.calls[s.host].process, s.fd, new SockAddr().set(0, this.port));
    if (legal(ret, mayBind(m, s, this.port), `bind(${this.port})`) !== 'ok') return;
    s.bound = true;
    s.port = this.port;
    m.used[s.host].add(this.port);
  }

  override toString(): string {
    return `bind(#${this.n}, ${this.port})`;
  }
}

export class Listen extends Base {
  protected override like(s: ModelSocket): boolean {
    return s.stage === 'fresh' || s.stage === 'listening';
  }

  protected override prefer(s: ModelSocket): boolean {
    return s.stage === 'fresh';
  }

  protected override call(m: Model, r: Real, s: ModelSocket): void {
    const { process } = r.calls[s.host];
    if (legal(sysListen(process, s.fd, 8), mayListen(m, s), 'listen()') !== 'ok') return;
    s.stage = 'listening';
    const name = new SockAddr();
    assert.equal(sysGetsockname(process, s.fd, name), 0);
    if (s.port !== 0) assert.equal(name.port, s.port);
    s.port = name.port;
    m.used[s.host].add(s.port);
  }

  override toString(): string {
    return `listen(#${this.n})`;
  }
}

export class Connect extends Base {
  readonly port: number;

  constructor(n: number, port: number) {
    super(n);
    this.port = port;
  }

  protected override prefer(s: ModelSocket): boolean {
    return s.stage === 'fresh';
  }

  protected override call(m: Model, r: Real, s: ModelSocket): void {
    const { process } = r.calls[s.host];
    const to: 0 | 1 = s.host === 0 ? 1 : 0;
    const listener = m.pick(this.n >> 2, (o) => o.host === to && o.stage === 'listening');
    const ret = sysConnect(process, s.fd, r.addr(to, listener?.port ?? this.port));
    const name = legal(ret, mayConnect(s), 'connect()');
    if (s.stage === 'connecting' && (name === 'ok' || name === 'EISCONN')) s.stage = 'connected';
    if (name !== 'EINPROGRESS') return;
    s.begin();
    const local = new SockAddr();
    assert.equal(sysGetsockname(process, s.fd, local), 0);
    assert.notEqual(local.port, 0);
    s.port = local.port;
    m.used[s.host].add(s.port);
  }

  override toString(): string {
    return `connect(#${this.n}, ${this.port})`;
  }
}

export class Accept extends Base {
  protected override like(s: ModelSocket): boolean {
    return s.stage === 'listening' || s.stage === 'fresh';
  }

  protected override prefer(s: ModelSocket): boolean {
    return s.stage === 'listening';
  }

  protected override call(m: Model, r: Real, s: ModelSocket): void {
    const { process } = r.calls[s.host];
    const from = new SockAddr();
    const fd = sysAccept(process, s.fd, from, SOCK_NONBLOCK);
    if (legal(fd, mayAccept(s), 'accept()') !== 'ok') return;
    const child = new ModelSocket(m.sockets.length, s.host, fd);
    m.sockets.push(child);
    child.stage = 'connected';
    child.port = s.port;
    child.bound = true;
    // The latest one that had this port: it may have closed since.
    for (const other of [...m.sockets].reverse()) {
      if (other.host === s.host || other.port !== from.port || other.stage === 'listening' || other.stage === 'fresh') continue;
      if (other.peer !== null) break;
      child.peer = other;
      other.peer = child;
      child.in = other.out;
      other.in = child.out;
      child.aborted ||= other.aborted;
      break;
    }
    assert.ok(child.peer !== null, `accept() gave a connection from port ${from.port}, which nobody used`);
    const name = new SockAddr();
    const got = sysGetpeername(process, fd, name);
    if (got === 0) assert.equal(name.port, from.port);
  }

  override toString(): string {
    return `accept(#${this.n})`;
  }
}

export class Write extends Base {
  readonly len: number;

  constructor(n: number, len: number) {
    super(n);
    this.len = len;
  }

  protected override prefer(s: ModelSocket): boolean {
    return s.stage === 'connected' || s.stage === 'connecting';
  }

  protected override call(_m: Model, r: Real, s: ModelSocket): void {
    const bytes = patternBytes(s.out.start + s.out.written, this.len);
    const ret = r.calls[s.host].write(s.fd, bytes);
    legal(ret, mayWrite(s), `write(${this.len})`);
    assert.ok(ret <= this.len);
    if (ret <= 0) return;
    s.out.written += ret;
    if (s.peer?.closed === true) abort(s);
  }

  override toString(): string {
    return `write(#${this.n}, ${this.len})`;
  }
}

/** Reads once, and checks the law: what is read is what was written, in order, from the beginning. */
export function readOnce(r: Real, s: ModelSocket, len: number): number {
  const buf = new Uint8Array(len);
  const ret = r.calls[s.host].read(s.fd, buf);
  legal(ret, mayRead(s), `read(${len})`);
  assert.ok(ret <= len);
  if (ret > 0) {
    assert.ok(s.peer !== null || s.stage === 'connecting' || s.stage === 'connected');
    assert.ok(!s.ended, 'nothing comes behind the end of the stream');
    if (s.peer !== null) {
      const wrong = patternMismatch(s.in.start + s.in.read, buf, ret);
      assert.equal(wrong, -1, `byte ${s.in.read} and on: not what was written`);
    }
    s.in.read += ret;
    assert.ok(s.in.read <= s.in.written, 'no more is read than was written');
  } else if (ret === 0 && len > 0) {
    s.ended = true;
    if (s.peer !== null && !s.aborted && !s.peer.aborted) {
      assert.equal(s.in.read, s.in.written, 'the end of the stream comes behind all of its bytes');
    }
  } else if (answer(ret) !== 'EAGAIN') {
    abort(s);
  }
  return ret;
}

function abort(s: ModelSocket): void {
  s.aborted = true;
  if (s.peer !== null) s.peer.aborted = true;
}

export class Read extends Base {
  readonly len: number;

  constructor(n: number, len: number) {
    super(n);
    this.len = len;
  }

  protected override prefer(s: ModelSocket): boolean {
    return s.stage === 'connected';
  }

  protected override call(_m: Model, r: Real, s: ModelSocket): void {
    // What an accept() will show only later cannot be compared yet.
    if (s.stage === 'connecting' && s.peer === null) return;
    readOnce(r, s, this.len);
  }

  override toString(): string {
    return `read(#${this.n}, ${this.len})`;
  }
}

export class Shutdown extends Base {
  protected override like(s: ModelSocket): boolean {
    return s.stage === 'connected' || s.stage === 'fresh';
  }

  protected override prefer(s: ModelSocket): boolean {
    return s.stage === 'connected';
  }

  protected override call(_m: Model, r: Real, s: ModelSocket): void {
    const name = legal(r.calls[s.host].shutdown(s.fd, SHUT_WR), mayShutdown(s), 'shutdown()');
    if (name === 'ok' || s.stage !== 'fresh') s.wrShut = true;
    if (s.stage === 'fresh') s.aborted = true;
  }

  override toString(): string {
    return `shutdown(#${this.n})`;
  }
}

/** Closes a socket; a second close of the same descriptor is EBADF. */
export function closeSocket(r: Real, s: ModelSocket): void {
  const calls = r.calls[s.host];
  assert.equal(calls.close(s.fd), 0);
  assert.equal(answer(calls.close(s.fd)), 'EBADF');
  s.closed = true;
  // Unread data, or data to come, makes it a reset.
  if (s.in.read < s.in.written || s.stage === 'connecting' || s.peer?.closed !== true) {
    if (!(s.ended && s.in.read === s.in.written)) abort(s);
  }
}

export class Close extends Base {
  protected override call(_m: Model, r: Real, s: ModelSocket): void {
    closeSocket(r, s);
  }

  override toString(): string {
    return `close(#${this.n})`;
  }
}

export class Advance implements Command<Model, Real> {
  readonly ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }

  check(): boolean {
    return true;
  }

  run(_m: Model, r: Real): void {
    r.w.runFor(this.ms * 1e6);
  }

  toString(): string {
    return `advance(${this.ms}ms)`;
  }
}

export class LoseNextFrame implements Command<Model, Real> {
  check(): boolean {
    return true;
  }

  run(_m: Model, r: Real): void {
    r.cable.drop(undefined, { times: 1 });
  }

  toString(): string {
    return 'loseNextFrame()';
  }
}

export class Partition implements Command<Model, Real> {
  readonly on: boolean;

  constructor(on: boolean) {
    this.on = on;
  }

  check(): boolean {
    return true;
  }

  run(_m: Model, r: Real): void {
    r.cable.setBlocked(this.on);
  }

  toString(): string {
    return this.on ? 'partition()' : 'heal()';
  }
}
