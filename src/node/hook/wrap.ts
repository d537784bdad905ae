/** How a function of Node's modules is replaced, and put back exactly as it was. */

export type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;
/** Takes a hook away again. */
export type Undo = () => void;

/** Replaces a function by what `make` makes of it, as the same kind of property. */
export function wrap(owner: object, key: PropertyKey, make: (real: AnyFunction) => AnyFunction): Undo {
  const old = Object.getOwnPropertyDescriptor(owner, key);
  const real = Reflect.get(owner, key) as AnyFunction;
  const hook = make(real);
  for (const name of Reflect.ownKeys(real)) {
    if (name === 'prototype' || name === 'arguments' || name === 'caller') continue;
    Object.defineProperty(hook, name, Object.getOwnPropertyDescriptor(real, name)!); // name, length, util.promisify's
  }
  Object.defineProperty(owner, key, { writable: true, configurable: true, enumerable: old?.enumerable ?? true, value: hook });
  return () => {
    if (Reflect.get(owner, key) !== hook) return; // somebody has put another hook on top: it stays, and finds no host
    if (old === undefined) Reflect.deleteProperty(owner, key);
    else Object.defineProperty(owner, key, old);
  };
}

/** Those of `names` that are functions of `owner`'s own. */
export function methodsIn(owner: object, names: readonly string[]): readonly string[] {
  return names.filter((name) => Object.hasOwn(owner, name) && typeof Reflect.get(owner, name) === 'function');
}
