/**
 * kernet: a TCP/IP kernel that lives inside a Node or Deno process.
 *
 * The public face. `World` joins hosts by cables under one virtual clock and one seed; `Kernel` is one host by itself.
 */
export * from './src/browser.ts';
export { Host, World } from './src/deno/world.ts';
export { install, type Installed, type InstallOptions } from './src/node/install.ts';
export type { ConfiguredCable, ConfiguredHost, KernetConfig } from './src/node/config.ts';
export type { Passthrough, PassthroughOption, Target } from './src/node/passthrough.ts';
