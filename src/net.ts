/**
 * `kernet/net`: `node:net` on a kernel or a host. `createNet(kernel).connect(80, '127.0.0.1')`; the hosts of a World have it
 * at `host.net`.
 */
export { createNet, type NodeNet } from './node/net.ts';
export { createHttp, type NodeHttp } from './node/http.ts';
export { createHttps, type NodeHttps } from './node/https.ts';
export { createHttp2, type NodeHttp2 } from './node/http2.ts';
export { createTls, type NodeTls } from './node/tls.ts';
export {
  createConnector, createFetch, type Connector, type ConnectorOptions, type ConnectorRequest, type NodeFetch, type WebSocketClass,
} from './node/fetch.ts';
export { install, type Installed, type InstallOptions } from './node/install.ts';
export { selfTest } from './node/self-test.ts';
export type { ConfiguredCable, ConfiguredHost, KernetConfig } from './node/config.ts';
export type { Passthrough, PassthroughOption, Target } from './node/passthrough.ts';
export { UdpTap, type UdpTapOptions } from './node/udp-tap.ts';
export type { HostLike } from './node/sockets.ts';
export type { Names } from './node/lookup.ts';
