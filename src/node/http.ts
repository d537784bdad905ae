/**
 * `node:http` on a host: Node's own, with servers that listen on the host and agents that connect from it.
 */
import nodeHttp from 'node:http';
import type { NetConnectOpts, Socket } from 'node:net';
import { createNet, serveOn, type NodeNet } from './net.ts';
import { NodeHost, type HostLike } from './sockets.ts';

/** The type of `node:http`. */
export type NodeHttp = typeof nodeHttp;

/** Node's `http` for a host: `createHttp(kernel).get('http://bob/')`. */
export function createHttp(host: HostLike | NodeHost, net?: NodeNet): NodeHttp {
  const node = host instanceof NodeHost ? host : new NodeHost(host);
  const { connect } = net ?? createNet(node);

  class Agent extends nodeHttp.Agent {
    override createConnection(options: nodeHttp.ClientRequestArgs): Socket {
      return connect(options as NetConnectOpts);
    }
  }
  // As Node's own since version 19: connections are kept for five seconds.
  const globalAgent = new Agent({ keepAlive: true, scheduling: 'lifo', timeout: 5000 });

  const createServer = (...args: unknown[]): nodeHttp.Server => {
    const server = Reflect.apply(nodeHttp.createServer, null, args) as nodeHttp.Server;
    serveOn(() => node, server);
    return server;
  };
  function Server(...args: unknown[]): nodeHttp.Server {
    return createServer(...args);
  }
  Server.prototype = nodeHttp.Server.prototype;

  const request = (...args: unknown[]): nodeHttp.ClientRequest => {
    const { url, options, callback } = requestArgs(args);
    const { agent, createConnection } = options;
    const own = agent === false ? new Agent() : agent ?? (createConnection === undefined ? globalAgent : undefined);
    const full = { ...options, ...(own === undefined ? {} : { agent: own }) };
    return Reflect.construct(nodeHttp.ClientRequest, [...(url === undefined ? [] : [url]), full, callback]) as nodeHttp.ClientRequest;
  };
  const get = (...args: unknown[]): nodeHttp.ClientRequest => {
    const req = request(...args);
    req.end();
    return req;
  };
  return { ...nodeHttp, Agent, Server, globalAgent, createServer, request, get } as unknown as NodeHttp;
}

interface RequestArgs {
  readonly url: unknown;
  readonly options: Record<string, unknown>;
  readonly callback: unknown;
}

/** `request(url, options, callback)`, `request(url, callback)`, `request(options, callback)`. */
function requestArgs(args: readonly unknown[]): RequestArgs {
  const callback = args.find((a) => typeof a === 'function');
  const [first, second] = args;
  const isUrl = typeof first === 'string' || first instanceof URL;
  const given = isUrl ? second : first;
  const options = typeof given === 'object' && given !== null ? { ...given } : {};
  return { url: isUrl ? first : undefined, options, callback };
}
