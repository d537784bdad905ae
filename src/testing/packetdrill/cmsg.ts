/** Control messages that came with recvmsg, against those that the script wrote. */
import type { Cmsg } from '../../sock/sockaddr.ts';
import type { SockExtendedErr } from '../../sock/extended-err.ts';
import type { Expr } from './ast.ts';
import { fieldNumber, fieldOf, itemsOf, numberOf, showExpr } from './values.ts';

/** What is wrong, in words; `undefined`: nothing. */
export function compareControl(want: Expr | undefined, got: readonly Cmsg[]): string | undefined {
  const wanted = itemsOf(want);
  if (wanted.length !== got.length) return `${wanted.length} control messages wanted, got ${got.length}`;
  for (const [i, w] of wanted.entries()) {
    const c = got[i]!;
    const [level, type] = [fieldNumber(w, 'cmsg_level'), fieldNumber(w, 'cmsg_type')];
    if (level !== c.level || type !== c.type) return `cmsg ${i}: level ${level}, type ${type} wanted, got ${c.level}, ${c.type}`;
    const wrong = compareData(fieldOf(w, 'cmsg_data')?.value, c.data);
    if (wrong !== undefined) return `cmsg ${i}: ${wrong}`;
  }
  return undefined;
}

const EE_FIELDS: readonly (readonly [string, keyof SockExtendedErr])[] = [
  ['ee_errno', 'errno'], ['ee_origin', 'origin'], ['ee_type', 'type'], ['ee_code', 'code'], ['ee_info', 'info'],
];

function compareData(want: Expr | undefined, data: Cmsg['data']): string | undefined {
  if (want === undefined || want.kind === 'any') return undefined;
  if (want.kind !== 'struct') {
    return data === numberOf(want) ? undefined : `${showExpr(want)} wanted, got ${JSON.stringify(data)}`;
  }
  if (typeof data !== 'object' || fieldOf(want, 'ee_errno') === undefined) return `${showExpr(want)} wanted, got ${JSON.stringify(data)}`;
  const err = data as SockExtendedErr;
  const bad = EE_FIELDS.find(([name, field]) => fieldNumber(want, name) !== err[field]);
  return bad === undefined ? undefined : `${bad[0]}: ${fieldNumber(want, bad[0])} wanted, got ${JSON.stringify(err[bad[1]])}`;
}
