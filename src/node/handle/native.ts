/**
 * The C++ side of a stream handle: an object of Node's C++ class JSStream, by which what is C++ itself (TLS) can sit on a
 * kernel socket. It is made when that happens, and has the whole interface of the handle that it stands for.
 *
 *   from  TLSWrap (C++)      onreadstart, onreadstop, onwrite, onshutdown
 *         lib/_tls_wrap.js   connect, getpeername, close…, passed on
 *         handle/stream.ts   bytes, ends and answers, which go to C++ by readBuffer, emitEOF, finishWrite, finishShutdown
 *   to    handle/stream.ts
 *
 * C++ believes what it is told: a request is answered once, and none that is not its own. So requests come back from the
 * handle's own line only, which takes each out before it is answered.
 */
import type { Req } from './requests.ts';
import { NativeStream, setOwner } from './runtime.ts';
import type { StreamHandle } from './stream.ts';

/** JSStream's own methods. */
interface JsStream {
  readBuffer(bytes: Uint8Array): void;
  emitEOF(): void;
  finishWrite(req: Req, status: number): void;
  finishShutdown(req: Req, status: number): void;
}

/** What the runtime's classes ask of a handle beyond the stream's own calls; all of it is answered by the handle. */
const PASSED_ON = [
  'bind', 'bind6', 'connect', 'connect6', 'close', 'getpeername', 'getsockname', 'hasRef', 'listen', 'open', 'ref', 'reset', 'setBlocking',
  'setKeepAlive', 'setNoDelay', 'setSimultaneousAccepts', 'setTypeOfService', 'getTypeOfService', 'unref',
] as const;
const PROPERTIES = ['bytesRead', 'bytesWritten', 'fd', 'writeQueueSize'] as const;

export class NativeSide extends NativeStream {
  readonly handle: StreamHandle;

  constructor(handle: StreamHandle) {
    super();
    this.handle = handle;
  }

  /** The socket that this is the handle of: requests answer to it. */
  setOwner(socket: object): void {
    setOwner(this, socket);
    setOwner(this.handle, socket);
  }

  // ---- C++ asks

  onreadstart(): number {
    return this.handle.readStart();
  }

  onreadstop(): number {
    return this.handle.readStop();
  }

  onwrite(req: Req, chunks: readonly Uint8Array[]): number {
    return this.handle.writeNative(req, chunks);
  }

  onshutdown(req: Req): number {
    return this.handle.shutdownNative(req);
  }

  // ---- and is answered

  deliver(bytes: Uint8Array): void {
    enterCpp(this, 'readBuffer', bytes, 0);
  }

  deliverEnd(): void {
    enterCpp(this, 'emitEOF', null, 0);
  }

  answerWrite(req: Req, status: number): void {
    enterCpp(this, 'finishWrite', req, status);
  }

  answerShutdown(req: Req, status: number): void {
    enterCpp(this, 'finishShutdown', req, status);
  }
}

/**
 * Calls C++, which calls the user. What user code above C++ throws comes out of it without what the engine needs to report it
 * (Node then ends with a corrupted stack of async hooks): so it is thrown anew.
 */
function enterCpp(side: NativeSide, name: keyof JsStream, about: object | null, status: number): void {
  // eslint-disable-next-line no-useless-catch -- the second throw is the point
  try {
    (side as unknown as Record<keyof JsStream, (about: object | null, status: number) => void>)[name](about, status);
  } catch (error) {
    throw error;
  }
}

type AnyFunction = (...args: unknown[]) => unknown;

for (const name of PASSED_ON) {
  Object.defineProperty(NativeSide.prototype, name, {
    configurable: true, writable: true,
    value(this: NativeSide, ...args: unknown[]): unknown {
      const method = Reflect.get(this.handle, name) as AnyFunction | undefined;
      return method?.apply(this.handle, args);
    },
  });
}
for (const name of PROPERTIES) {
  Object.defineProperty(NativeSide.prototype, name, {
    configurable: true,
    get(this: NativeSide): unknown {
      return this.handle[name];
    },
  });
}
