/**
 * `node:https` on a host: Node's own, with servers that listen on the host and agents that connect from it. Sessions are
 * resumed as Node's agents do it.
 */
import nodeHttps from 'node:https';
import process from 'node:process';
import { derive, serverClass, type AnyFunction } from './classes.ts';
import { dialOn } from './handle/tls.ts';
import { GLOBAL_AGENT } from './http.ts';
import { createNet } from './net.ts';
import { onRelay } from './relay.ts';
import { requestsBy } from './requests.ts';
import { NodeHost, type HostLike } from './sockets.ts';
import { tlsArgs } from './tls.ts';

/** The type of `node:https`. */
export type NodeHttps = typeof nodeHttps;

/** Node's `https` for a host: `createHttps(kernel).get('https://bob/')`. `globalAgent` is the host's own, and may be replaced. */
export function createHttps(host: HostLike | NodeHost): NodeHttps {
  const node = host instanceof NodeHost ? host : new NodeHost(host);
  const isDeno = 'deno' in process.versions;
  const { connect: dial } = createNet(node);
  const real = nodeHttps.Agent.prototype as unknown as Record<'createConnection', AnyFunction>;
  const Agent = derive<nodeHttps.Agent>(nodeHttps.Agent, {
    createConnection(...args) {
      if (isDeno) return real.createConnection.apply(this, onRelay(tlsArgs(node, args), (options) => dial(options)));
      return dialOn(node.handles, () => real.createConnection.apply(this, tlsArgs(node, args)) as object);
    },
  });
  const Server = serverClass<nodeHttps.Server>(node, nodeHttps.Server);
  const https = {
    ...nodeHttps, Agent, Server,
    globalAgent: new Agent(GLOBAL_AGENT),
    createServer: (...args: unknown[]) => new Server(...args),
  } as unknown as { -readonly [K in keyof NodeHttps]: NodeHttps[K] };
  const { request, get } = requestsBy(() => https.globalAgent);
  return Object.assign(https, { request, get });
}
