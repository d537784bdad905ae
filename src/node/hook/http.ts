/** `http`: a connection of one host is not reused for another's request. */
import http from 'node:http';
import { hostOfRun } from '../current.ts';
import type { NodeHost } from '../sockets.ts';
import { wrap, type Undo } from './wrap.ts';

const hostIds = new WeakMap<NodeHost, number>();
let nextHostId = 1;

function idOf(host: NodeHost): number {
  let id = hostIds.get(host);
  if (id === undefined) hostIds.set(host, id = nextHostId++);
  return id;
}

/** Inside of `host.run`; other code's names stay as Node makes them. */
export function hookAgentNames(): Undo {
  return wrap(http.Agent.prototype, 'getName', (real) => function getName(...args) {
    const name = real.apply(this, args) as string;
    const host = hostOfRun();
    return host === null ? name : `${name}:kernet-${idOf(host)}`;
  });
}
