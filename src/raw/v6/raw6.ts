/**
 * SOCK_RAW over IPv6 (RFC 3542 §3): made once per host, and the maker of its sockets. IPv6 is told of raw sockets only while
 * there are any, so that all others pay one test.
 */
import type { Net } from '../../dev/net.ts';
import type { Ipv6 } from '../../ip/v6/ipv6.ts';
import { Raw6Input } from './input.ts';
import { raw6Prot } from './ops.ts';
import { Raw6Sock, Raw6Table } from './sock.ts';

/** Makes the raw sockets' IPv6 side of a host. */
export function raw6Init(net: Net, ip6: Ipv6): Raw6Table {
  return new Raw6Table(net, ip6, (table) => new Raw6Input(table));
}

/** A new socket: it hears its protocol at once (Linux: raw_hash_sk). */
export function raw6CreateSock(table: Raw6Table, protocol: number): Raw6Sock {
  const sk = new Raw6Sock(table, raw6Prot, protocol);
  table.sockets[protocol] = [...table.sockets[protocol] ?? [], sk];
  sk.hashed = true;
  table.size++;
  table.ip6.raw = table.delivery;
  return sk;
}
