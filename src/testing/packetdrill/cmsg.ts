/** Control messages that came with recvmsg, against those that the script wrote. */
import type { Cmsg } from '../../sock/sockaddr.ts';
import type { SockExtendedErr } from '../../sock/extended-err.ts';
import type { ScmTimestamping } from '../../sock/timestamping.ts';
import type { Expr } from './ast.ts';
import { fieldNumber, fieldOf, itemsOf, numberOf, showExpr } from './values.ts';

/** The script's time: when it began, and how far a stamp may be off. */
export interface ScriptClock {
  readonly startNs: number;
  readonly toleranceNs: number;
}

/** What is wrong, in words; `undefined`: nothing. */
export function compareControl(want: Expr | undefined, got: readonly Cmsg[], clock: ScriptClock): string | undefined {
  const wanted = itemsOf(want);
  if (wanted.length !== got.length) return `${wanted.length} control messages wanted, got ${got.length}${shown(got)}`;
  for (const [i, w] of wanted.entries()) {
    const c = got[i]!;
    const [level, type] = [fieldNumber(w, 'cmsg_level'), fieldNumber(w, 'cmsg_type')];
    if (level !== c.level || type !== c.type) return `cmsg ${i}: level ${level}, type ${type} wanted, got ${c.level}, ${c.type}`;
    const wrong = compareData(fieldOf(w, 'cmsg_data')?.value, c.data, clock);
    if (wrong !== undefined) return `cmsg ${i}: ${wrong}`;
  }
  return undefined;
}

function shown(got: readonly Cmsg[]): string {
  return got.length === 0 ? '' : `: ${got.map((c) => `${c.level}/${c.type} ${JSON.stringify(c.data)}`).join(', ')}`;
}

const EE_FIELDS: readonly (readonly [string, keyof SockExtendedErr])[] = [
  ['ee_errno', 'errno'], ['ee_origin', 'origin'], ['ee_type', 'type'], ['ee_code', 'code'], ['ee_info', 'info'], ['ee_data', 'data'],
];

function compareData(want: Expr | undefined, data: Cmsg['data'], clock: ScriptClock): string | undefined {
  if (want === undefined || want.kind === 'any') return undefined;
  if (want.kind !== 'struct') {
    return data === numberOf(want) ? undefined : `${showExpr(want)} wanted, got ${JSON.stringify(data)}`;
  }
  if (fieldOf(want, 'scm_sec') !== undefined || fieldOf(want, 'scm_nsec') !== undefined) return compareTime(want, data, clock);
  if (typeof data !== 'object') return `${showExpr(want)} wanted, got ${JSON.stringify(data)}`;
  if (want.fields.some((f) => f.name.startsWith('TCP_NLA_'))) return compareStats(want, data);
  if (fieldOf(want, 'ee_errno') === undefined) return `${showExpr(want)} is no control message that is known`;
  const err = data as SockExtendedErr;
  const bad = EE_FIELDS.find(([name, field]) => fieldNumber(want, name) !== err[field]);
  return bad === undefined ? undefined : `${bad[0]}: ${fieldNumber(want, bad[0])} wanted, got ${JSON.stringify(err[bad[1]])}`;
}

/** A stamp is the script's time; zeros are not compared. */
function compareTime(want: Expr, data: Cmsg['data'], clock: ScriptClock): string | undefined {
  const ns = typeof data === 'number' ? data : (data as ScmTimestamping).ts[0];
  const wanted = fieldNumber(want, 'scm_sec') * 1e9 + fieldNumber(want, 'scm_nsec');
  const got = ns - clock.startNs;
  if (wanted === 0 || Math.abs(got - wanted) <= clock.toleranceNs) return undefined;
  return `time ${(wanted / 1e9).toFixed(6)} wanted, got ${(got / 1e9).toFixed(6)}`;
}

/** SCM_TIMESTAMPING_OPT_STATS: those attributes that the script names. */
function compareStats(want: Expr & { kind: 'struct' }, data: object): string | undefined {
  const stats = data as Readonly<Record<string, number>>;
  const bad = want.fields.find((f) => f.value.kind !== 'any' && stats[f.name] !== numberOf(f.value));
  return bad === undefined ? undefined : `${bad.name}: ${showExpr(bad.value)} wanted, got ${String(stats[bad.name])}`;
}
