/**
 * Who may reach the machine's own network while kernet is installed: a list of targets, or a function that is asked.
 *
 *   'db.internal'  'db.internal:5432'  '*.example.com'  '10.0.0.5'  '10.0.0.0/8'  '[fd00::5]:443'  'fd00::/8'  ':5432'
 *   '/var/run/docker.sock'  '/run/*'                     Unix sockets of the machine's file system
 *   'listen:9229'  'listen:127.0.0.1:9229'  'listen:fd'  servers and datagram sockets that bind there
 *
 *   from  node/install.ts, node/config.ts   what a user wrote
 *         node/hook/*                       each use of the network asks
 */
import { BlockList, isIP } from 'node:net';
import { inspect } from 'node:util';

/** What code is about to do. */
export interface Target {
  /** `connect` (TCP, or a Unix socket when `path` is there), `send` (UDP), `listen` (of all kinds), `lookup` (a name). */
  readonly kind: 'connect' | 'send' | 'listen' | 'lookup';
  /** A host name or an address, as the program gave it. Empty when it gave none. */
  readonly host: string;
  /** Not there for a lookup. */
  readonly port?: number;
  /** The path of a Unix socket. */
  readonly path?: string;
  /** The descriptor in `server.listen({ fd })`. */
  readonly fd?: number;
}

/** True: this goes to the machine's own network. */
export type Passthrough = (target: Target) => boolean;

/** What a user may write: targets in the forms above, or a function. */
export type PassthroughOption = string | readonly string[] | Passthrough;

const FORM = 'expected \'name\', \'name:port\', \'*.domain\', an address, \'address/prefix\', \':port\', \'/path\' or \'listen:port\'';

/** Makes the question of what a user wrote; `where` names it in errors. */
export function parsePassthrough(given: unknown, where: string): Passthrough {
  if (typeof given === 'function') return given as Passthrough;
  const list = typeof given === 'string' ? given.split(',').map((s) => s.trim()).filter((s) => s !== '') : given;
  if (!Array.isArray(list)) throw new TypeError(`${where}: ${inspect(given)} is not understood; expected a list of targets or a function`);
  const tests = list.map((entry: unknown) => parseEntry(entry, where));
  return (target) => tests.some((passes) => passes(target));
}

function parseEntry(entry: unknown, where: string): Passthrough {
  if (typeof entry !== 'string' || entry === '') throw new TypeError(`${where}: ${inspect(entry)} is not understood; ${FORM}`);
  if (entry.startsWith('/')) return pathTest(entry);
  if (!entry.startsWith('listen:')) {
    const passes = placeTest(entry, where);
    return (target) => target.kind !== 'listen' && target.path === undefined && passes(target);
  }
  const rest = entry.slice('listen:'.length);
  if (rest === 'fd') return (target) => target.kind === 'listen' && target.fd !== undefined;
  if (rest.startsWith('/')) return (target) => target.kind === 'listen' && pathTest(rest)(target);
  const passes = placeTest(/^\d+$/.test(rest) ? `:${rest}` : rest, where);
  return (target) => target.kind === 'listen' && target.path === undefined && target.fd === undefined && passes(target);
}

/** A path, or all paths that begin with what is before a `*`. */
function pathTest(pattern: string): Passthrough {
  const prefix = pattern.endsWith('*') ? pattern.slice(0, -1) : null;
  return ({ path }) => path !== undefined && (prefix === null ? path === pattern : path.startsWith(prefix));
}

/** Name or address, and maybe a port. */
function placeTest(entry: string, where: string): Passthrough {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(entry);
  const plain = isIP(entry.replace(/\/\d+$/, '')) === 6 ? null : /^([^:]*):(\d+)$/.exec(entry);
  const host = bracketed?.[1] ?? plain?.[1] ?? entry;
  const port = bracketed?.[2] ?? plain?.[2];
  if (port !== undefined && Number(port) > 65535) throw new RangeError(`${where}: port ${port} in '${entry}' is above 65535`);
  const isHere = hostTest(host, entry, where);
  return (target) => {
    if (target.kind === 'lookup') return host !== '' && isHere(target.host); // a port alone names nobody
    return isHere(target.host) && (port === undefined || target.port === Number(port));
  };
}

function hostTest(host: string, entry: string, where: string): (name: string) => boolean {
  if (host === '' || host === '*') return () => true;
  const wanted = host.toLowerCase();
  const slash = wanted.indexOf('/');
  const address = slash < 0 ? wanted : wanted.slice(0, slash);
  const family = isIP(address);
  if (slash >= 0 || family !== 0) return addressTest(address, slash < 0 ? null : wanted.slice(slash + 1), entry, where);
  if (!/^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?$/.test(wanted)) throw new TypeError(`${where}: '${entry}' is not understood; ${FORM}`);
  if (wanted.startsWith('*.')) return (name) => name.toLowerCase().endsWith(wanted.slice(1));
  return (name) => name.toLowerCase() === wanted;
}

function addressTest(address: string, prefix: string | null, entry: string, where: string): (name: string) => boolean {
  const family = isIP(address);
  const bits = family === 4 ? 32 : 128;
  const len = prefix === null ? bits : Number(prefix);
  if (family === 0 || !/^\d*$/.test(prefix ?? '') || prefix === '' || len > bits) {
    throw new TypeError(`${where}: '${entry}' is not understood; ${FORM}`);
  }
  const list = new BlockList();
  list.addSubnet(address, len, family === 4 ? 'ipv4' : 'ipv6');
  return (name) => {
    const is = isIP(name);
    return is !== 0 && list.check(name, is === 4 ? 'ipv4' : 'ipv6');
  };
}
