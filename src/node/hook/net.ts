/**
 * `net` and `tls`: sockets that connect and servers that listen get the handles of the host that the code runs on.
 *
 * A socket that passes through keeps the handle that Node makes, and looks names up with the machine's resolver.
 */
import cluster from 'node:cluster';
import dns from 'node:dns';
import net from 'node:net';
import process from 'node:process';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { EINVAL } from '../../lib/errno.ts';
import { hostHere, installed } from '../current.ts';
import { hookTlsWrap, reinitializeHandle, type HandleHolder } from '../handle/runtime.ts';
import { handleLike, isTcpHandle } from '../handle/tcp.ts';
import { handleBelow, isDialing, tlsHandle } from '../handle/tls.ts';
import { uv } from '../handle/uv.ts';
import { allowNative, onMachineNow } from '../guard.ts';
import type { Target } from '../passthrough.ts';
import { onRelay } from '../relay.ts';
import { aboutToConnect, giveConnectHandle, listen2, ownServers, withLookup } from '../sockets.ts';
import { netTarget, tlsTarget } from './targets.ts';
import { wrap, type Undo } from './wrap.ts';

/** Deno's net looks names up without `dns.lookup`, where a hook would be met. */
const hasOwnLookup = 'deno' in process.versions;

/** Node's own, under whatever hook. */
const machineLookup: unknown = dns.lookup;

/** Does this go to the machine's network, though code runs on a host? */
export function passes(target: Target): boolean {
  const passthrough = installed()?.passthrough ?? null;
  return passthrough !== null && passthrough(target);
}

export function hookNet(): Undo[] {
  return [hookConnect(), hookReinitialize(), hookListen(), hookListen2(), hookTlsConnect(), hookTlsHandle()];
}

function hookConnect(): Undo {
  return wrap(net.Socket.prototype, 'connect', (real) => function connect(...args) {
    const socket = this as net.Socket;
    if (isTcpHandle((socket as unknown as HandleHolder)._handle)) return real.apply(this, args); // a host's own: host.net, host.http…
    if (socket instanceof tls.TLSSocket && isOnHost(socket)) {
      aboutToConnect(socket);
      return real.apply(this, args);
    }
    const host = hostHere();
    const machine = host === null || toMachine(socket, args);
    if (!machine) giveConnectHandle(host, socket, args);
    if (!machine) return real.apply(this, hasOwnLookup ? [...withLookup(host.lookup, args)] : args);
    const result = onMachineNow(() => real.apply(this, host === null ? args : [...withLookup(machineLookup, args)]));
    allowNative((socket as unknown as HandleHolder)._handle);
    return result;
  });
}

/** It has the handle of a host below. */
function isOnHost(socket: tls.TLSSocket): boolean {
  return !socket.destroyed && handleBelow(socket) !== null;
}

/** A TLS socket has its handle since it was made, and with it the decision. */
function toMachine(socket: net.Socket, args: readonly unknown[]): boolean {
  if (!(socket instanceof tls.TLSSocket)) return passes(netTarget('connect', args));
  return (socket as unknown as HandleHolder)._handle !== null && handleBelow(socket) === null;
}

/** Happy eyeballs makes a native handle for the second address and on. */
function hookReinitialize(): Undo {
  return wrap(net.Socket.prototype, reinitializeHandle, (real) => function reinitialize(handle, ...rest) {
    const old = (this as HandleHolder)._handle;
    if (!isTcpHandle(old)) allowNative(handle, old);
    if (!isTcpHandle(old) || isTcpHandle(handle)) return real.call(this, handle, ...rest);
    return real.call(this, handleLike(old), ...rest);
  });
}

// ---- servers

/** Servers that listen on the machine. */
const onMachine = new WeakSet<object>();

function hookListen(): Undo {
  return wrap(net.Server.prototype, 'listen', (real) => function listen(...args) {
    const server = this as net.Server;
    if (ownServers.has(server)) return real.apply(this, args);
    if (hostHere() === null || passes(netTarget('listen', args))) {
      onMachine.add(server);
      return onMachineNow(() => real.apply(this, args));
    }
    onMachine.delete(server);
    const { fd } = netTarget('listen', args);
    if (fd !== undefined && fd >= 0) {
      process.nextTick(() => void server.emit('error', notOurs(fd)));
      return server;
    }
    if (!cluster.isWorker) return real.apply(this, args);
    tellPrimary(server, netTarget('listen', args));
    return real.apply(this, exclusive(args));
  });
}

/** A descriptor is the machine's: a kernet host knows none of them. */
function notOurs(fd: number): Error {
  const message = `listen EINVAL: descriptor ${fd} is the machine's; listen on a port or a path of the host, or let it through: `
    + 'passthrough \'listen:fd\'';
  return Object.assign(new Error(message), { code: 'EINVAL', errno: uv(-EINVAL), syscall: 'listen', address: null, fd });
}

function hookListen2(): Undo {
  return wrap(net.Server.prototype, '_listen2', (real) => function listen(...args) {
    const host = hostHere();
    if (host === null || onMachine.has(this as object)) return onMachineNow(() => real.apply(this, args));
    return listen2(host, this as net.Server, args as Parameters<typeof listen2>[2]);
  });
}

/** A worker of a cluster listens for itself: the primary, another process, has another world. */
function exclusive(args: readonly unknown[]): unknown[] {
  const [first, second, third] = args;
  const callback = args.find((arg) => typeof arg === 'function');
  const rest = callback === undefined ? [] : [callback];
  if (typeof first === 'object' && first !== null) return [{ ...first, exclusive: true }, ...rest];
  if (typeof first === 'string' && !(Number(first) >= 0)) return [{ path: first, exclusive: true }, ...rest];
  const host = typeof second === 'string' ? { host: second } : {};
  const backlog = [second, third].find((arg) => typeof arg === 'number');
  return [{ port: typeof first === 'function' ? 0 : first ?? 0, ...host, backlog, exclusive: true }, ...rest];
}

/** What a worker tells by itself when it shares its primary's socket: the event 'listening', and that it ends with its channel. */
function tellPrimary(server: net.Server, { host, path }: Target): void {
  server.once('listening', () => {
    const at = server.address();
    const port = typeof at === 'object' && at !== null ? at.port : -1;
    const addressType = path === undefined ? (net.isIP(host) || 4) : -1;
    const address = path ?? (host === '' ? null : host);
    process.send?.({ cmd: 'NODE_CLUSTER', act: 'listening', address, port, addressType, data: null });
    const end = (): void => void server.close();
    process.once('disconnect', end);
    server.once('close', () => process.removeListener('disconnect', end));
  });
}

// ---- TLS

/** A TLS socket that is to connect makes its handle before it knows where to: tls.connect knows. */
let tlsToMachine = false;

function hookTlsConnect(): Undo {
  return wrap(tls, 'connect', (real) => function connect(...args) {
    if (isDialing() || hasSocket(args)) return real.apply(this, args);
    if (hostHere() !== null && !passes(tlsTarget(args))) {
      return real.apply(this, hasOwnLookup ? onRelay(args, (options) => net.connect(options)) : args);
    }
    const before = tlsToMachine;
    tlsToMachine = true;
    try {
      return onMachineNow(() => real.apply(this, args));
    } finally {
      tlsToMachine = before;
    }
  });
}

/** Whoever brings the connection along has said where it leads. */
function hasSocket(args: readonly unknown[]): boolean {
  return args.some((arg) => typeof arg === 'object' && arg !== null && (arg as { socket?: object | null }).socket instanceof Duplex);
}

function hookTlsHandle(): Undo {
  if (hasOwnLookup) return () => undefined; // Deno's TLS sits on streams, or on native handles
  return hookTlsWrap((socket, given, below) => {
    if (isDialing() || tlsToMachine || below !== null || given !== undefined && given !== null) return undefined;
    const host = hostHere();
    if (host === null) return undefined;
    return tlsHandle(host.handles, socket);
  });
}
