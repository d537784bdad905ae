/** What the arguments of connect(), listen(), bind() and send() name: the question that passthrough is asked. */
import type { Target } from '../passthrough.ts';

interface Options {
  readonly host?: unknown;
  readonly address?: unknown;
  readonly port?: unknown;
  readonly path?: unknown;
  readonly fd?: unknown;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** NaN for what is no number, and for what Node will refuse. */
function number(value: unknown): number {
  if (typeof value === 'symbol') return NaN;
  return typeof value === 'string' && value.trim() === '' ? NaN : Number(value);
}

/** A string in the first place is a path unless it is a number. */
export function isPort(value: unknown): boolean {
  return (typeof value === 'number' || typeof value === 'string') && number(value) >= 0;
}

function isObject(value: unknown): value is Options {
  return typeof value === 'object' && value !== null;
}

function ofOptions(kind: 'connect' | 'listen', { host, port, path, fd }: Options): Target {
  if (typeof path === 'string' && path !== '') return { kind, host: '', path };
  if (kind === 'listen' && typeof fd === 'number') return { kind, host: '', fd };
  return { kind, host: text(host), port: number(port ?? 0) };
}

/** net.connect(), socket.connect() and server.listen(): options, a port and maybe a host, or a path. */
export function netTarget(kind: 'connect' | 'listen', args: readonly unknown[]): Target {
  const first = Array.isArray(args[0]) ? (args[0] as readonly unknown[])[0] : args[0];
  if (isObject(first)) return ofOptions(kind, first);
  if (typeof first === 'string' && !isPort(first)) return { kind, host: '', path: first };
  return { kind, host: text(args[1]), port: number(first ?? 0) };
}

/** tls.connect(): `(options)`, `(path, options)`, `(port, host, options)`; what options say wins. */
export function tlsTarget(args: readonly unknown[]): Target {
  const [first, second] = args;
  const options = args.find(isObject) ?? {};
  if (isObject(first)) return ofOptions('connect', first);
  if (typeof first === 'string' && !isPort(first)) return ofOptions('connect', { path: first, ...options });
  return ofOptions('connect', { port: first, host: typeof second === 'string' ? second : undefined, ...options });
}

/** dgram's bind(): options, or a port and maybe an address. */
export function bindTarget(args: readonly unknown[]): Target {
  const [first, second] = args;
  if (!isObject(first)) return { kind: 'listen', host: text(second), port: typeof first === 'function' ? 0 : number(first ?? 0) };
  if (typeof first.fd === 'number') return { kind: 'listen', host: '', fd: first.fd };
  return { kind: 'listen', host: text(first.address), port: number(first.port ?? 0) };
}

/** dgram's connect(port, address) and send(msg, [offset, length,] [port, address]); null on a connected socket. */
export function sendTarget(method: 'connect' | 'send', args: readonly unknown[]): Target | null {
  const [port, address] = method === 'connect' ? args : sendPlace(args);
  return isPort(port) ? { kind: 'send', host: text(address), port: number(port) } : null;
}

function sendPlace(args: readonly unknown[]): readonly unknown[] {
  const [, a, b, c, d] = args;
  // (msg, offset, length, port, address) has a port in the fourth place; (msg, port, address) has not.
  return isPort(c) && isPort(b) ? [c, d] : [a, b];
}
