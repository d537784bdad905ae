/** `kernet/deno`: Deno's network API on a kernel or a host: `createDeno(kernel).connect({ port: 80 })`. */
export {
  createDeno, type ConnectOptions, type DenoHost, type DenoNetwork, type ListenDatagramOptions, type ListenOptions,
} from './deno/network.ts';
export { TcpConn, TcpListener, type NetAddr } from './deno/conn.ts';
export { DatagramConn } from './deno/datagram.ts';
