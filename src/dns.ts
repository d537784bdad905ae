/** `kernet/dns`: `node:dns` on a kernel or a host. The hosts of a World have it at `host.dns`. */
export { createDns, type NodeDns } from './node/dns.ts';
export { NameError } from './host/dns/errors.ts';
export type { HostLike } from './node/sockets.ts';
