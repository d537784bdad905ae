/**
 * The asynchronous context of connections that are accepted. In Node it is empty: nobody asked for them, and what the code that
 * listens has stored is not theirs. What kernet itself keeps in contexts (whose host, whose clock) goes with them all the same.
 *
 *   from  handle/tcp.ts   listen(), accept
 */
import { AsyncResource, type AsyncLocalStorage } from 'node:async_hooks';

/** A context in which nothing is stored. */
const bare = new AsyncResource('KERNETCONTEXT', { requireManualDestroy: true });

/** kernet's own storages. */
const carried: AsyncLocalStorage<unknown>[] = [];

/** From now on, connections have with them what the code that listens has in `storage`. */
export function carry<T>(storage: AsyncLocalStorage<T>): void {
  carried.push(storage);
}

/** The context for the connections of a server that listens now. */
export function contextOfConnections(): AsyncResource {
  const stores = carried.map((storage) => storage.getStore());
  if (stores.every((store) => store === undefined)) return bare;
  const from = (i: number): AsyncResource => {
    if (i === carried.length) return new AsyncResource('KERNETCONTEXT', { requireManualDestroy: true });
    return stores[i] === undefined ? from(i + 1) : carried[i]!.run(stores[i], () => from(i + 1));
  };
  return bare.runInAsyncScope(() => from(0));
}
