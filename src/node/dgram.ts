/**
 * `node:dgram` on a host: Node's own dgram.Socket, whose handle is the host's kernel socket.
 *
 * lib/dgram.js makes a native handle in the constructor, before anything is bound; it is closed and another one put in its
 * place.
 */
import nodeDgram from 'node:dgram';
import { datagramState } from './handle/runtime.ts';
import { UdpHandle } from './handle/udp.ts';
import { NodeHost, type HostLike } from './sockets.ts';

/** The type of `node:dgram`. */
export type NodeDgram = typeof nodeDgram;

type AnyFunction = (...args: unknown[]) => unknown;
type SocketConstructor = new (...args: unknown[]) => nodeDgram.Socket;

/** What lib/dgram.js has put into a native handle: symbols (its owner), callbacks and the lookup function. */
interface NativeHandle extends Record<PropertyKey, unknown> {
  close(): void;
}

/** Node's `dgram` for a host: `createDgram(kernel).createSocket('udp4')`. */
export function createDgram(host: HostLike | NodeHost): NodeDgram {
  const node = host instanceof NodeHost ? host : new NodeHost(host);
  const Socket = socketClass(node);
  const createSocket = (type: unknown, listener?: unknown): nodeDgram.Socket => new Socket(type, listener);
  return { ...nodeDgram, Socket, createSocket } as unknown as NodeDgram;
}

/** The constructor's first argument, with the host's lookup in place of the machine's. */
function withLookup(host: NodeHost, type: unknown): unknown {
  if (typeof type === 'string') return { type, lookup: host.lookup };
  if (typeof type !== 'object' || type === null) return type;
  return 'lookup' in type && type.lookup !== undefined && type.lookup !== null ? type : { ...type, lookup: host.lookup };
}

/** Puts the host's handle into a new datagram socket. */
export function adoptDatagramSocket(host: NodeHost, socket: nodeDgram.Socket): void {
  const state = datagramState(socket);
  const native = state.handle as NativeHandle | null;
  if (native === null) return; // closed in its constructor: its signal was aborted before
  const handle = new UdpHandle(host.handles);
  for (const key of Reflect.ownKeys(native)) {
    if (typeof key === 'symbol' || key === 'lookup' || key === 'onmessage') Reflect.set(handle, key, native[key]);
  }
  // As lib/dgram.js does it with its own: a socket of 'udp6' calls the same three names.
  if ((socket as { readonly type?: string }).type === 'udp6') handle.useInet6();
  state.handle = handle;
  native.close();
}

function socketClass(host: NodeHost): SocketConstructor {
  const Base = nodeDgram.Socket as unknown as SocketConstructor & AnyFunction;
  function Socket(this: unknown, type: unknown, listener?: unknown): object {
    const target = new.target ?? Socket;
    const args = [withLookup(host, type), listener];
    const socket: unknown = Reflect.construct(Base, args, target as unknown as SocketConstructor);
    adoptDatagramSocket(host, socket as nodeDgram.Socket);
    return socket as object;
  }
  Object.setPrototypeOf(Socket, Base);
  const constructor = { value: Socket, writable: true, configurable: true };
  Socket.prototype = Object.create(Base.prototype as object, { constructor }) as object;
  return Socket as unknown as SocketConstructor;
}
