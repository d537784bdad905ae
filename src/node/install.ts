/**
 * `install()`: Node's own net, http, https, tls, dgram and dns mean a kernet host's, and nothing reaches the machine's network.
 *
 * Code that `host.run(fn)` began has that host, as far as callbacks, promises and timers carry it. All other code has the host
 * that the installation names: of the world that was given, or the default world's (a host with a loopback).
 *
 * Hooks on prototypes and on modules (node/hook/*). They are looked for one by one before the first is put in place; what is
 * missing is named. The end of the last installation restores exactly what was there.
 */
import dgram from 'node:dgram';
import dns from 'node:dns';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import process from 'node:process';
import tls from 'node:tls';
import { inspect } from 'node:util';
import { checkOptions } from '../lib/units.ts';
import { checkConfig, CONFIG_OPTIONS, configOfEnv, type KernetConfig } from './config.ts';
import { beInstalled, installationCount, type Outside } from './current.ts';
import { DefaultWorld } from './default-world.ts';
import { hookGuard } from './guard.ts';
import { reinitializeHandle } from './handle/runtime.ts';
import { hookDatagrams } from './hook/dgram.ts';
import { hookNames } from './hook/dns.ts';
import { hookHttp } from './hook/http.ts';
import { hookIpc } from './hook/ipc.ts';
import { moreHooks } from './hook/more.ts';
import { hookNet } from './hook/net.ts';
import { hookOs } from './hook/os.ts';
import type { Undo } from './hook/wrap.ts';
import { parsePassthrough, type PassthroughOption } from './passthrough.ts';
import { admitTcpHandles } from './handle/tcp.ts';
import { checkRuntime } from './sockets.ts';
import { Host, World } from './world.ts';

/** What `install` may be told. */
export interface InstallOptions extends Omit<KernetConfig, 'host' | 'setup'> {
  /** The world of the program. Without one, a default world is made when it is first needed, as the other options say. */
  readonly world?: World;
  /**
   * What code outside of `host.run` has: a host or its name; or `'machine'`, the machine's own network. Default: the only host
   * of the world, the first of the default world. A world of several hosts has no default: code outside gets an error.
   */
  readonly host?: Host | string;
  /** Who may reach the machine's own network, wherever it runs. Default: nobody. */
  readonly passthrough?: PassthroughOption;
}

/** Ends an installation: by a call, by `end()`, or with its scope (`using`). */
export interface Installed {
  (): void;
  end(): void;
  [Symbol.dispose](): void;
  /** The world; a default world is made by asking. */
  readonly world: World;
}

const OPTIONS: readonly string[] = ['world', ...CONFIG_OPTIONS.filter((name) => name !== 'setup')];

let unhook: Undo = () => undefined;

/**
 * Leads Node's own modules to kernet's hosts, for the whole process, until the returned function is called. Several may be in
 * force at a time; the last one says what code outside of `host.run` has.
 *
 *   using installed = install(world);
 *
 * At its end the default world, if there is one, ends: sockets in it are closed. Sockets in worlds of the user's stay as they are.
 *
 * @throws TypeError that names the option and the accepted form
 * @throws Error that names the hook when this version of Node has not got one
 */
export function install(given: World | InstallOptions = {}): Installed {
  const options = given instanceof World ? { world: given } : checkInstall(given);
  const { world, host, passthrough, ...config } = options;
  const own = world === undefined ? new DefaultOutside(config, host) : null;
  const outside = own === null ? outsideOf(world!, host) : (): ReturnType<Outside> => own.outside();
  const passes = passthrough === undefined ? null : parsePassthrough(passthrough, 'install: passthrough');
  if (installationCount() === 0) unhook = hookAll();
  const leave = beInstalled({ outside, passthrough: passes });
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    own?.end();
    leave();
    if (installationCount() === 0) unhook();
  };
  const made = Object.assign((): void => end(), { end });
  Object.defineProperty(made, 'world', { get: () => world ?? own!.made().world });
  Object.defineProperty(made, Symbol.dispose, { value: end });
  return made as unknown as Installed;
}

/** Installs a default world that is there from the beginning; its programs are started by `start`. */
export function installConfigured(config: KernetConfig, where: string): DefaultWorld {
  const made = new DefaultWorld(config, where);
  const { passthrough } = config;
  const passes = passthrough === undefined ? null : parsePassthrough(passthrough, `${where}: passthrough`);
  if (installationCount() === 0) unhook = hookAll();
  beInstalled({ outside: () => made.host.node, passthrough: passes });
  return made;
}

function checkInstall(given: unknown): InstallOptions {
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`install: ${inspect(given)} is not understood; expected a World or options`);
  }
  checkOptions(given, OPTIONS, 'install');
  const { world, host, ...rest } = given as InstallOptions;
  const show = (value: unknown): string => inspect(value, { depth: 0 });
  if (world !== undefined && !(world instanceof World)) throw new TypeError(`install: world: ${show(world)} is not a World`);
  if (host !== undefined && typeof host !== 'string' && !(host instanceof Host)) {
    throw new TypeError(`install: host: ${show(host)} is not understood; expected a host, its name, or 'machine'`);
  }
  if (world !== undefined) {
    const alone = Object.keys(rest).find((name) => name !== 'passthrough');
    if (alone !== undefined) throw new TypeError(`install: ${alone}: of a default world, but a world is given; say it to that one`);
  } else if (host instanceof Host) {
    return { ...checkConfig(rest, 'install'), world: host.world as World, host };
  }
  return { ...checkConfig(rest, 'install'), ...(world === undefined ? {} : { world }), ...(host === undefined ? {} : { host }) };
}

/** What code outside of `host.run` has in a world of the user's. */
function outsideOf(world: World, host: Host | string | undefined): Outside {
  if (host === 'machine') return () => null;
  const chosen = typeof host === 'string' ? world.hosts.find(({ name }) => name === host) : host;
  if (host !== undefined && (chosen === undefined || chosen.world !== world)) {
    const names = world.hosts.map(({ name }) => name).join(', ');
    const name = typeof host === 'string' ? host : host.name;
    throw new TypeError(`install: host: ${inspect(name)} is not in this world; expected one of ${names}`);
  }
  if (chosen !== undefined) return () => chosen.node;
  return () => {
    const [only, another] = world.hosts;
    if (only !== undefined && another === undefined) return only.node;
    const has = only === undefined ? 'no host' : 'several hosts';
    const error = new Error(`kernet: code outside of host.run used the network, and the installed world has ${has}; `
      + 'wrap it in host.run(() => …), or name one: install({ world, host: \'…\' })');
    throw Object.assign(error, { code: 'ERR_KERNET_NO_HOST' });
  };
}

/** The default world, made when code outside of `host.run` first uses the network. */
class DefaultOutside {
  private readonly config: KernetConfig;
  private readonly isMachine: boolean;
  private world: DefaultWorld | null = null;
  private ended = false;

  constructor(config: KernetConfig, host: string | Host | undefined) {
    this.isMachine = host === 'machine';
    const env = this.isMachine ? {} : configOfEnv(process.env);
    this.config = { ...env, ...config, ...(typeof host === 'string' && !this.isMachine ? { host } : {}) };
    const isDescribed = Object.keys(this.config).some((name) => name !== 'seed');
    if (!this.isMachine && isDescribed) this.world = new DefaultWorld(this.config, 'install');
  }

  outside(): ReturnType<Outside> {
    return this.isMachine || this.ended ? null : this.made().host.node;
  }

  made(): DefaultWorld {
    return this.world ??= new DefaultWorld(this.config, 'install');
  }

  end(): void {
    this.ended = true;
    this.world?.end();
  }
}

/** Everything that cannot do without: a name for the message, and where it is. */
function hookPoints(): [name: string, owner: object, key: PropertyKey][] {
  return [
    ['net.Socket.prototype.connect', net.Socket.prototype, 'connect'],
    ['net.Socket.prototype[kReinitializeHandle]', net.Socket.prototype, reinitializeHandle],
    ['net.Server.prototype.listen', net.Server.prototype, 'listen'],
    ['net.Server.prototype._listen2', net.Server.prototype, '_listen2'],
    ['tls.connect', tls, 'connect'],
    ['tls.TLSSocket.prototype._wrapHandle', tls.TLSSocket.prototype, '_wrapHandle'],
    ['dgram.Socket.prototype.bind', dgram.Socket.prototype, 'bind'],
    ['dns.lookup', dns, 'lookup'],
    ['dns.promises.lookup', dns.promises, 'lookup'],
    ['dns.Resolver', dns, 'Resolver'],
    ['dns.promises.Resolver', dns.promises, 'Resolver'],
    ['http.Agent.prototype.getName', http.Agent.prototype, 'getName'],
    ['http.Agent.prototype.addRequest', http.Agent.prototype, 'addRequest'],
    ['http.Agent.prototype.createSocket', http.Agent.prototype, 'createSocket'],
  ];
}

function hookAll(): Undo {
  checkRuntime('install()');
  for (const [name, owner, key] of hookPoints()) {
    if (typeof Reflect.get(owner, key) === 'function') continue;
    throw new Error(`install: Node ${process.version} has no ${name}; its sockets cannot be led to a kernet host. Please report it`);
  }
  admitTcpHandles();
  const undo = [...hookNet(), ...hookDatagrams(), ...hookNames(), ...hookHttp(), ...hookOs(), ...hookIpc(), ...hookGuard()];
  for (const hook of moreHooks) undo.push(...hook());
  syncBuiltinESMExports();
  return () => {
    for (const step of undo.reverse()) step();
    syncBuiltinESMExports();
  };
}
