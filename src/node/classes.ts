/**
 * Classes of Node's with some members of a host's own. As Node's, they are functions: to be called with `new`, without it, by
 * a derived class, or by a constructor of the old kind.
 *
 *   from  http.ts, https.ts, http2.ts, tls.ts
 *   to    net.ts   serveOn: the members by which a server listens on a host
 */
import type net from 'node:net';
import { serveOn } from './net.ts';
import type { NodeHost } from './sockets.ts';

export type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;
export type Class<T> = new (...args: unknown[]) => T;

/** A class that inherits from `Base`, with `members` on its prototype. `make` calls the constructor. */
export function derive<T extends object>(
  Base: unknown, members: Readonly<Record<string, AnyFunction>>, make: (construct: () => object) => object = (construct) => construct(),
): Class<T> {
  const Parent = Base as Class<object> & AnyFunction;
  function Derived(this: unknown, ...args: unknown[]): object {
    const target: unknown = new.target;
    if (target === undefined && this instanceof Derived) {
      make(() => {
        Parent.apply(this, args);
        return this;
      });
      return this;
    }
    return make(() => Reflect.construct<unknown[], object>(Parent, args, (target ?? Derived) as Class<object>));
  }
  Object.defineProperty(Derived, 'name', { value: Parent.name, configurable: true });
  Object.setPrototypeOf(Derived, Parent);
  const own: PropertyDescriptorMap = { constructor: { value: Derived, writable: true, configurable: true } };
  for (const [name, value] of Object.entries(members)) own[name] = { value, writable: true, configurable: true };
  Derived.prototype = Object.create(Parent.prototype as object, own) as object;
  return Derived as unknown as Class<T>;
}

/** A server class of Node's whose servers listen on a host. */
export function serverClass<T extends net.Server>(host: NodeHost, Base: unknown): Class<T> {
  const Server = derive<T>(Base, {});
  serveOn(() => host, Server.prototype as net.Server);
  return Server;
}
