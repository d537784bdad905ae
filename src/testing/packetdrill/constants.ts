/** The symbols that a script may write, with Linux's values: those of the socket layer, of errno, and a few that only scripts use. */
import * as errno from '../../lib/errno.ts';
import * as socket from '../../sock/constants.ts';
import * as extended from '../../sock/extended-err.ts';

/** What no call of this host looks at, but scripts name. */
const MORE: Readonly<Record<string, number>> = {
  NULL: 0, O_RDONLY: 0, O_WRONLY: 1, O_CREAT: 0x40, O_TRUNC: 0x200,
  IPPROTO_ICMP: 1, IPPROTO_TCP: 6, IPPROTO_UDP: 17, IPPROTO_ICMPV6: 58,
  SPLICE_F_MOVE: 1, SPLICE_F_NONBLOCK: 2, SPLICE_F_MORE: 4,
  SO_EE_ORIGIN_NONE: 0, SO_EE_ORIGIN_TXSTATUS: 4, SO_EE_ORIGIN_TXTIME: 6,
};

const SYMBOLS: ReadonlyMap<string, number> = new Map(
  [...Object.entries(socket), ...Object.entries(extended), ...Object.entries(errno), ...Object.entries(MORE)]
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
