/**
 * `http`, `https` and `fetch`: no connection of one host is used for another's request, though agents and pools of connections
 * know no hosts.
 */
import http from 'node:http';
import process from 'node:process';
import { hostOfRun, runOn } from '../current.ts';
import { loadUndici } from '../fetch.ts';
import type { NodeHost } from '../sockets.ts';
import { hookDispatchers, noticeDispatchers } from './dispatchers.ts';
import { wrap, type Undo } from './wrap.ts';

export function hookHttp(): Undo[] {
  return [...hookAgents(), hookDispatchers(), ...hookFetch()];
}

const hostIds = new WeakMap<NodeHost, number>();
let nextHostId = 1;

function idOf(host: NodeHost): number {
  let id = hostIds.get(host);
  if (id === undefined) hostIds.set(host, id = nextHostId++);
  return id;
}

/** The host of a request, in the options by which an agent keeps connections and makes new ones. */
const HOST: unique symbol = Symbol('kernet.host');

interface AgentOptions {
  readonly [HOST]?: NodeHost;
}

/**
 * Which host's a connection is, is written down when the request is made (inside of `host.run`; other code's stay as Node has
 * them): the agent files it away, and makes the next one, whenever a program has read an answer to its end, and wherever it
 * does so.
 */
function hookAgents(): Undo[] {
  const agent = http.Agent.prototype;
  return [
    wrap(agent, 'addRequest', (real) => function addRequest(req, options, ...rest) {
      const host = hostOfRun();
      const isOwn = host !== null && typeof options === 'object' && options !== null;
      return real.call(this, req, isOwn ? { ...options, [HOST]: host } : options, ...rest);
    }),
    wrap(agent, 'createSocket', (real) => function createSocket(req, options, ...rest) {
      const host = (options as AgentOptions | undefined)?.[HOST];
      if (host === undefined || host === hostOfRun()) return real.call(this, req, options, ...rest);
      return runOn(host, () => real.call(this, req, options, ...rest));
    }),
    wrap(agent, 'getName', (real) => function getName(options, ...rest) {
      const name = real.call(this, options, ...rest) as string;
      const host = (options as AgentOptions | undefined)?.[HOST] ?? hostOfRun();
      return host === null ? name : `${name}:kernet-${idOf(host)}`;
    }),
  ];
}

/** The first fetch loads undici, and would go on at once with its own pool: it is loaded before. */
function hookFetch(): Undo[] {
  if (typeof globalThis.fetch !== 'function' || 'deno' in process.versions) return [];
  return [wrap(globalThis, 'fetch', (real) => function fetch(...args) {
    if (hostOfRun() !== null && loadUndici(real)) noticeDispatchers();
    return real.apply(this, args);
  })];
}
