/**
 * Deno's error classes: its own where Deno runs us (`instanceof Deno.errors.ConnectionRefused` holds), classes of the same
 * names elsewhere.
 */
import { errnoMessage, errnoName } from '../lib/errno.ts';
import { KernelError } from '../host/errors.ts';

type ErrorClass = new (message: string) => Error;

/** Deno's names for errnos. */
const NAMES: Readonly<Record<string, string>> = {
  EACCES: 'PermissionDenied', EADDRINUSE: 'AddrInUse', EADDRNOTAVAIL: 'AddrNotAvailable', EBADF: 'BadResource',
  ECANCELED: 'Interrupted', ECONNABORTED: 'ConnectionAborted', ECONNREFUSED: 'ConnectionRefused', ECONNRESET: 'ConnectionReset',
  EHOSTUNREACH: 'HostUnreachable', ENETUNREACH: 'NetworkUnreachable', ENOTCONN: 'NotConnected', EPIPE: 'BrokenPipe', ETIMEDOUT: 'TimedOut',
};

function classOf(name: string): ErrorClass {
  const { Deno } = globalThis as { Deno?: { errors?: Record<string, ErrorClass | undefined> } };
  return Deno?.errors?.[name] ?? class extends Error {
    override name = name;
  };
}

/** An error of Deno's class `name`. */
export function denoError(name: string, message: string): Error {
  return new (classOf(name))(message);
}

/** What a failed kernel call is to Deno; anything else stays as it is. */
export function toDenoError(error: unknown): unknown {
  if (!(error instanceof KernelError)) return error;
  const code = errnoName(error.errno);
  const message = `${errnoMessage(error.errno)} (os error ${String(-error.errno)})`;
  const name = NAMES[code];
  const out = name === undefined ? new Error(message) : denoError(name, message);
  return Object.assign(out, { code });
}

/** Awaits a kernel call; its error is Deno's. */
export async function asDeno<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw toDenoError(error);
  }
}
