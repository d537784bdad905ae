/**
 * `node:http` on a host: Node's own, with servers that listen on the host and agents that connect from it.
 */
import nodeHttp from 'node:http';
import type { NetConnectOpts } from 'node:net';
import { derive, serverClass } from './classes.ts';
import { createNet, type NodeNet } from './net.ts';
import { requestsBy } from './requests.ts';
import { NodeHost, type HostLike } from './sockets.ts';

/** The type of `node:http`. */
export type NodeHttp = typeof nodeHttp;

/** What the agents of http and https that nobody made are given: as Node's own since version 19. */
export const GLOBAL_AGENT: nodeHttp.AgentOptions = { keepAlive: true, scheduling: 'lifo', timeout: 5000 };

/**
 * Node's `http` for a host: `createHttp(kernel).get('http://bob/')`. `globalAgent` is the host's own, and may be replaced.
 *
 * @param net the host's `net`, where it is there already
 */
export function createHttp(host: HostLike | NodeHost, net?: NodeNet): NodeHttp {
  const node = host instanceof NodeHost ? host : new NodeHost(host);
  const { connect } = net ?? createNet(node);
  const Agent = derive<nodeHttp.Agent>(nodeHttp.Agent, {
    createConnection: (options, callback) => connect(options as NetConnectOpts, callback as () => void),
  });
  const Server = serverClass<nodeHttp.Server>(node, nodeHttp.Server);
  const http = {
    ...nodeHttp, Agent, Server,
    globalAgent: new Agent(GLOBAL_AGENT),
    createServer: (...args: unknown[]) => new Server(...args),
  } as unknown as { -readonly [K in keyof NodeHttp]: NodeHttp[K] };
  return Object.assign(http, requestsBy(() => http.globalAgent));
}
