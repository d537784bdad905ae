/**
 * Which handle lies below a TLS socket. One that sits on a host's socket has the C++ side of that socket's handle; one that is
 * to connect makes a native handle in its constructor, and while a host dials, it gets the host's.
 *
 *   from  tls.ts, https.ts, http2.ts, fetch.ts   dialOn, around what makes the socket
 *         lib/_tls_wrap.js                       _wrapHandle, by the hook of runtime.ts
 *   to    handle/tcp.ts, handle/pipe.ts          a new handle
 */
import process from 'node:process';
import type { HandleHost } from './host.ts';
import { NativeSide } from './native.ts';
import { PipeHandle } from './pipe.ts';
import { hookTlsWrap, type HandleHolder } from './runtime.ts';
import { isTcpHandle, nativeSide, sitOn, TcpHandle } from './tcp.ts';

/** The host for which a TLS socket is being made; null once it has its handle. */
let dialing: HandleHost | null = null;

/** Runs `make`: the first TLS socket that it makes, if it is one to connect, connects from `host`. */
export function dialOn<T>(host: HandleHost, make: () => T): T {
  const outer = dialing;
  dialing = host;
  try {
    return make();
  } finally {
    dialing = outer;
  }
}

/** Is a host's own module (host.tls, host.https…) about to connect? */
export function isDialing(): boolean {
  return dialing !== null;
}

/** A new handle of `host` for a TLS socket that is to connect. */
export function tlsHandle(host: HandleHost, socket: object): NativeSide {
  const { _tlsOptions: options } = socket as { _tlsOptions?: { readonly pipe?: boolean } };
  const native = nativeSide(options?.pipe === true ? new PipeHandle(host) : new TcpHandle(host));
  native.setOwner(socket);
  return native;
}

/** A handle as C++ has it on top of another one. */
interface Wrapped {
  readonly _parent?: unknown;
  readonly _parentWrap?: object | null;
}

/** The host's handle below a TLS socket's own; null when there is none. */
export function handleBelow(socket: object): NativeSide | null {
  const parent = ((socket as HandleHolder)._handle as Wrapped | null | undefined)?._parent;
  return parent instanceof NativeSide ? parent : null;
}

/** Sockets on sockets: TLS on TLS, on a stream of http2… */
const MAX_LAYERS = 8;

/** Is it a socket of a host, or something on top of one: TLS, a session's socket, a stream that has one below? */
export function isHostSocket(socket: object): boolean {
  let at: object | null | undefined = socket;
  for (let i = 0; i < MAX_LAYERS && at !== null && at !== undefined; i++) {
    const { _handle: handle } = at as Partial<HandleHolder>;
    if (isTcpHandle(handle)) return true;
    const below = (handle as Wrapped | null | undefined)?._parentWrap;
    if (isTcpHandle((handle as Wrapped | null | undefined)?._parent)) return true;
    at = below ?? (at as { readonly stream?: object }).stream;
  }
  return false;
}

let admitted = false;

/** Makes TLS accept handles of hosts: once, before the first one is made. */
export function admitTlsHandles(): void {
  if (admitted) return;
  admitted = true;
  if ('deno' in process.versions) return; // its TLS sits on streams: relay.ts
  hookTlsWrap((socket, given, below) => {
    if (given instanceof TcpHandle) return sitOn(given, below);
    if (below !== null || isTcpHandle(given)) return undefined;
    // Happy eyeballs makes a native handle for the second address and on.
    const old = handleBelow(socket);
    const host = old === null ? dialing : old.handle.host;
    if (host === null) return undefined;
    if (old === null) dialing = null;
    return tlsHandle(host, socket);
  });
}
