/** The symbols that a script may write, with Linux's values: those of the socket layer, of errno, and a few that only scripts use. */
import * as errno from '../../lib/errno.ts';
import * as socket from '../../sock/constants.ts';

/** What no call of this host looks at, but scripts name. */
const MORE: Readonly<Record<string, number>> = {
  NULL: 0, O_RDONLY: 0, O_WRONLY: 1, O_CREAT: 0x40, O_TRUNC: 0x200,
  IPPROTO_ICMP: 1, IPPROTO_TCP: 6, IPPROTO_UDP: 17, IPPROTO_ICMPV6: 58,
  TCP_CM_INQ: socket.TCP_INQ, SPLICE_F_MOVE: 1, SPLICE_F_NONBLOCK: 2, SPLICE_F_MORE: 4,
  SO_EE_ORIGIN_NONE: 0, SO_EE_ORIGIN_LOCAL: 1, SO_EE_ORIGIN_ICMP: 2, SO_EE_ORIGIN_ICMP6: 3, FIONREAD: socket.SIOCINQ,
};

const SYMBOLS: ReadonlyMap<string, number> = new Map(
  [...Object.entries(socket), ...Object.entries(errno), ...Object.entries(MORE)]
    .filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
);

/** The value of a symbol, or `undefined`. */
export function symbolValue(name: string): number | undefined {
  return SYMBOLS.get(name);
}

/** The name of an error number. */
export function errorName(n: number): string {
  return errno.errnoName(n);
}
