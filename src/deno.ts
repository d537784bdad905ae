/** `kernet/deno`: Deno's network API on a kernel or a host: `createDeno(kernel).connect({ port: 80 })`. Hosts have it as `host.deno`. */
export {
  createDeno, type ConnectOptions, type ConnectTlsOptions, type DenoHost, type DenoNetwork, type DenoRecordType,
  type ListenDatagramOptions, type ListenOptions, type ListenTlsOptions, type NetworkInterfaceInfo, type ResolveDnsOptions,
} from './deno/network.ts';
export { TcpConn, TcpListener, type NetAddr } from './deno/conn.ts';
export { DatagramConn } from './deno/datagram.ts';
export { TlsConn, TlsListener, type StartTlsOptions, type TlsHandshakeInfo, type TlsServerOptions } from './deno/tls.ts';
export { HostWebSocket, type UpgradeOptions } from './deno/websocket.ts';
export type { HttpServer, ServeHandler, ServeHandlerInfo, ServeOptions } from './deno/serve.ts';
