/** `dgram`: every use of a datagram socket binds it first, and there it gets its host's handle. */
import cluster from 'node:cluster';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { hostHere } from '../current.ts';
import { adoptDatagramSocket } from '../dgram.ts';
import { allowNative } from '../guard.ts';
import { datagramState, type DatagramState } from '../handle/runtime.ts';
import { UdpHandle } from '../handle/udp.ts';
import { passes } from './net.ts';
import { bindTarget, sendTarget } from './targets.ts';
import { wrap, type AnyFunction, type Undo } from './wrap.ts';

/** Node's own, under whatever hook. */
const machineLookup = dns.lookup as unknown as AnyFunction;

export function hookDatagrams(): Undo[] {
  return [hookBind(), hookTarget('send'), hookTarget('connect'), ...MEMBERSHIPS.map(hookMembership)];
}

/** libuv binds a socket that joins a group before it is bound. */
const MEMBERSHIPS: readonly string[] = [
  'addMembership', 'dropMembership', 'addSourceSpecificMembership', 'dropSourceSpecificMembership',
];

function hookMembership(name: string): Undo {
  return wrap(dgram.Socket.prototype, name, (real) => function membership(...args) {
    const host = hostHere();
    const socket = this as dgram.Socket;
    if (host !== null && !isAllowed(socket) && isNative(datagramState(socket))) adoptDatagramSocket(host, socket);
    return real.apply(this, args);
  });
}

function hookBind(): Undo {
  return wrap(dgram.Socket.prototype, 'bind', (real) => function bind(...args) {
    const host = hostHere();
    const socket = this as dgram.Socket;
    const state = datagramState(socket);
    if (!isNative(state)) return real.apply(this, args);
    if (host === null || isAllowed(socket) || passes(bindTarget(args))) {
      beMachines(socket, state);
      return real.apply(this, args);
    }
    adoptDatagramSocket(host, socket);
    return real.apply(this, cluster.isWorker ? exclusive(args) : args);
  });
}

/** A socket that first sends, or connects, to somebody who may be reached is the machine's from then on. */
function hookTarget(name: 'send' | 'connect'): Undo {
  return wrap(dgram.Socket.prototype, name, (real) => function toTarget(...args) {
    const socket = this as dgram.Socket;
    const state = datagramState(socket);
    if (isNative(state) && hostHere() !== null && !isAllowed(socket)) {
      const target = sendTarget(name, args);
      if (target !== null && passes(target)) beMachines(socket, state);
    }
    return real.apply(this, args);
  });
}

function isNative(state: DatagramState): boolean {
  return state.handle !== null && !(state.handle instanceof UdpHandle);
}

const machines = new WeakSet<dgram.Socket>();

function isAllowed(socket: dgram.Socket): boolean {
  return machines.has(socket);
}

/** The socket is the machine's, and looks names up there. */
function beMachines(socket: dgram.Socket, state: DatagramState): void {
  allowNative(state.handle);
  if (machines.has(socket)) return;
  machines.add(socket);
  const { handle } = state as { handle: { lookup?: AnyFunction } };
  const { type } = socket as unknown as { type?: string };
  const real = handle.lookup;
  if (real === undefined || hostHere() === null) return;
  const [family, any] = type === 'udp6' ? [6, '::1'] : [4, '127.0.0.1'];
  handle.lookup = (address, callback): unknown =>
    machineLookup.call(dns, address === undefined || address === '' ? any : address, family, callback);
}

/** A worker of a cluster binds for itself: the primary, another process, has another world. */
function exclusive(args: readonly unknown[]): unknown[] {
  const [first, second] = args;
  const callback = args.find((arg) => typeof arg === 'function');
  const rest = callback === undefined ? [] : [callback];
  if (typeof first === 'object' && first !== null) return [{ ...first, exclusive: true }, ...rest];
  const address = typeof second === 'string' ? { address: second } : {};
  return [{ port: typeof first === 'function' ? 0 : first ?? 0, ...address, exclusive: true }, ...rest];
}
