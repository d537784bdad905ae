/**
 * SOCK_RAW over IPv4 (raw(7)): made once per host, and the maker of its sockets. IP is told of raw sockets only while there
 * are any, so that all others pay one test.
 */
import type { Net } from '../dev/net.ts';
import type { Ipv4 } from '../ip/ipv4.ts';
import { RawInput } from './input.ts';
import { rawProt } from './ops.ts';
import { RawSock, RawTable } from './sock.ts';

export { RawSock, RawTable } from './sock.ts';

/** Makes the raw sockets' side of a host. */
export function rawInit(net: Net, ip: Ipv4): RawTable {
  return new RawTable(net, ip, (table) => new RawInput(table));
}

/** A new socket: it hears its protocol at once (Linux: raw_hash_sk). */
export function rawCreateSock(table: RawTable, protocol: number): RawSock {
  const sk = new RawSock(table, rawProt, protocol);
  table.sockets[protocol] = [...table.sockets[protocol] ?? [], sk];
  sk.hashed = true;
  table.size++;
  table.ip.raw = table.delivery;
  return sk;
}
