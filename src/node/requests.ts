/**
 * Requests of http and https on a host: Node's own ClientRequest, with the host's agent where none is given.
 *
 *   from  http.ts, https.ts
 */
import nodeHttp from 'node:http';
import type { AnyFunction } from './classes.ts';

interface RequestArgs {
  readonly url: unknown;
  readonly options: unknown;
  readonly callback: unknown;
}

/** `request(url, options, callback)`, `request(url, callback)`, `request(options, callback)`. */
function requestArgs([first, second, third]: readonly unknown[]): RequestArgs {
  if (typeof first === 'string' || first instanceof URL) {
    const hasOptions = typeof second !== 'function';
    return { url: first, options: hasOptions ? second ?? {} : {}, callback: hasOptions ? third : second };
  }
  return { url: undefined, options: first ?? {}, callback: second };
}

/** What a module has for requests. */
export interface Requests {
  readonly ClientRequest: unknown;
  readonly request: AnyFunction;
  readonly get: AnyFunction;
}

/**
 * `request`, `get` and the class, for a module whose agent is `agentOf()`. Which agent is used, with which protocol and port,
 * Node decides: it is told of another default (`_defaultAgent`, by which its own https does the same).
 */
export function requestsBy(agentOf: () => nodeHttp.Agent): Requests {
  const Base = nodeHttp.ClientRequest as unknown as new (...args: unknown[]) => nodeHttp.ClientRequest;
  const construct = (args: readonly unknown[], target: new (...args: never[]) => object): nodeHttp.ClientRequest => {
    const { url, options, callback } = requestArgs(args);
    const full = typeof options === 'object' ? { ...options, _defaultAgent: agentOf() } : options;
    return Reflect.construct<unknown[], nodeHttp.ClientRequest>(Base, url === undefined ? [full, callback] : [url, full, callback], target);
  };
  function ClientRequest(...args: unknown[]): nodeHttp.ClientRequest {
    return construct(args, (new.target ?? ClientRequest) as unknown as typeof Base);
  }
  Object.setPrototypeOf(ClientRequest, Base);
  ClientRequest.prototype = Base.prototype as unknown;
  const request = (...args: unknown[]): nodeHttp.ClientRequest => construct(args, Base);
  const get = (...args: unknown[]): nodeHttp.ClientRequest => {
    const req = request(...args);
    req.end();
    return req;
  };
  return { ClientRequest, request, get };
}
