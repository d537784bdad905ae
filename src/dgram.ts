/** `kernet/dgram`: `node:dgram` on a kernel or a host. The hosts of a World have it at `host.dgram`. */
export { createDgram, type NodeDgram } from './node/dgram.ts';
export type { HostLike } from './node/sockets.ts';
