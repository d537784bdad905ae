/**
 * The last line: while kernet is installed, no handle of Node's own binds, listens, connects or sends unless a hook has let it.
 * The hooks (node/hook/*) lead everybody to a host before that; whoever still comes here has found a way around them.
 */
import process from 'node:process';
import { hostHere } from './current.ts';
import { wrap, type Undo } from './hook/wrap.ts';

/** Handles that may reach the machine's network. */
const allowed = new WeakSet<object>();
/** Inside of a call that may. */
let depth = 0;

/** Lets a native handle through; with `like`, only if that one is. What lies below a TLS handle is let through with it. */
export function allowNative(handle: unknown, like?: unknown): void {
  if (typeof handle !== 'object' || handle === null) return;
  if (like !== undefined && !(typeof like === 'object' && like !== null && allowed.has(like))) return;
  allowed.add(handle);
  allowNative((handle as { _parent?: unknown })._parent);
}

/** Calls `fn`, in which native handles are let through. */
export function onMachineNow<T>(fn: () => T): T {
  depth++;
  try {
    return fn();
  } finally {
    depth--;
  }
}

const METHODS: Readonly<Record<string, readonly string[]>> = {
  tcp_wrap: ['bind', 'bind6', 'connect', 'connect6', 'listen'],
  udp_wrap: ['bind', 'bind6', 'connect', 'connect6', 'send', 'send6'],
};
const CLASSES: Readonly<Record<string, string>> = { tcp_wrap: 'TCP', udp_wrap: 'UDP' };

type Binding = Record<string, { readonly prototype: object } | undefined> | undefined;

/** Puts the guard before Node's native classes, where they can be had. */
export function hookGuard(): Undo[] {
  const { binding } = process as unknown as { binding?: (name: string) => Binding };
  if (typeof binding !== 'function') return [];
  return Object.entries(METHODS).flatMap(([name, methods]) => {
    const prototype = find(() => binding.call(process, name))?.[CLASSES[name]!]?.prototype;
    if (prototype === undefined) return [];
    return methods.filter((method) => Object.hasOwn(prototype, method)).map((method) => guard(prototype, method));
  });
}

/** Undefined where bindings are refused (--permission). */
function find(get: () => Binding): Binding {
  try {
    return get();
  } catch {
    return undefined;
  }
}

function guard(prototype: object, method: string): Undo {
  return wrap(prototype, method, (real) => function guarded(...args) {
    if (depth > 0 || allowed.has(this as object) || hostHere() === null) return real.apply(this, args);
    const error = new Error(`kernet: ${method}() of a socket of the machine itself, which kernet's hooks did not see; `
      + 'let it through with the option passthrough (KERNET_PASSTHROUGH), or report how it was made');
    throw Object.assign(error, { code: 'ERR_KERNET_GUARD' });
  });
}
