/** The socket options of signatures in scripts: the structs of linux/tcp.h, whose address is that of the script's peer when it is `...`. */
import {
  SOL_TCP, TCP_AO_ADD_KEY, TCP_AO_DEL_KEY, TCP_AO_GET_KEYS, TCP_AO_INFO, TCP_AO_KEYF_EXCLUDE_OPT, TCP_MD5SIG, TCP_MD5SIG_EXT,
} from '../../sock/constants.ts';
import { SockoptError } from '../../sock/sock.ts';
import type { Process } from '../../syscall/process.ts';
import { sysGetsockopt, sysSetsockopt } from '../../syscall/sockopt.ts';
import type { TcpAoAdd, TcpAoDel, TcpAoInfoOpt, TcpAoKeyInfo } from '../../tcp/ao-sockopt.ts';
import type { TcpMd5Sig } from '../../tcp/md5.ts';
import type { ScriptAoKey } from './ao-signature.ts';
import type { Expr } from './ast.ts';
import type { Answer } from './calls.ts';
import { ScriptSkipped } from './errors.ts';
import { fieldNumber, fieldOf, numberOf, showExpr } from './values.ts';

/** What the runner wants to know of keys. */
export interface KeyWatcher {
  /** Segments are signed with this key (TCP_MD5SIG); an empty one: no longer. */
  keySet(key: Uint8Array): void;
  /** Segments may be signed with this key, too (TCP_AO_ADD_KEY). */
  aoKeyAdded(key: ScriptAoKey): void;
}

/** Is it one of the options of signatures? */
export function isAuthOption(level: number, name: number): boolean {
  const ao = name === TCP_AO_ADD_KEY || name === TCP_AO_DEL_KEY || name === TCP_AO_INFO || name === TCP_AO_GET_KEYS;
  return level === SOL_TCP && (ao || name === TCP_MD5SIG || name === TCP_MD5SIG_EXT);
}

/** setsockopt() of one of them. */
export function setAuthOption(p: Process, fd: number, name: number, value: Expr | undefined, peer: string, watcher: KeyWatcher): Answer {
  switch (name) {
    case TCP_AO_ADD_KEY: return addAoKey(p, fd, value, peer, watcher);
    case TCP_AO_DEL_KEY: return { ret: sysSetsockopt(p, fd, SOL_TCP, name, aoDel(value, peer)) };
    case TCP_AO_INFO: return { ret: sysSetsockopt(p, fd, SOL_TCP, name, aoInfo(value)) };
    case TCP_AO_GET_KEYS: throw new ScriptSkipped('setsockopt(TCP_AO_GET_KEYS)');
    default: return setMd5(p, fd, name, value, peer, watcher);
  }
}

function setMd5(p: Process, fd: number, name: number, e: Expr | undefined, peer: string, watcher: KeyWatcher): Answer {
  const key = bytesOf(e, 'tcpm_key');
  const value: TcpMd5Sig = { address: addressOf(e, 'tcpm_addr', peer), key, prefixLength: numberIn(e, 'tcpm_prefixlen') };
  const ret = sysSetsockopt(p, fd, SOL_TCP, name, value);
  if (ret === 0) watcher.keySet(key);
  return { ret };
}

function addAoKey(p: Process, fd: number, e: Expr | undefined, peer: string, watcher: KeyWatcher): Answer {
  const algorithm = fieldOf(e, 'alg_name')?.value;
  const value: TcpAoAdd = {
    ...nameOf(e, peer),
    algName: algorithm?.kind === 'text' ? algorithm.value : 'hmac(sha1)',
    key: bytesOf(e, 'key'),
    maclen: numberIn(e, 'maclen'),
    setCurrent: fieldNumber(e, 'set_current') !== 0,
    setRnext: fieldNumber(e, 'set_rnext') !== 0,
  };
  const ret = sysSetsockopt(p, fd, SOL_TCP, TCP_AO_ADD_KEY, value);
  const { sndid, rcvid, algName } = value;
  const excludeOptions = ((value.keyflags ?? 0) & TCP_AO_KEYF_EXCLUDE_OPT) !== 0;
  if (ret === 0) watcher.aoKeyAdded({ sndid, rcvid, algName, excludeOptions, key: value.key as Uint8Array });
  return { ret };
}

function nameOf(e: Expr | undefined, peer: string): Pick<TcpAoAdd, 'address' | 'prefix' | 'sndid' | 'rcvid' | 'keyflags'> {
  return {
    address: addressOf(e, 'addr', peer),
    prefix: numberIn(e, 'prefix'),
    sndid: fieldNumber(e, 'sndid'),
    rcvid: fieldNumber(e, 'rcvid'),
    keyflags: numberIn(e, 'keyflags'),
  };
}

function aoDel(e: Expr | undefined, peer: string): TcpAoDel {
  return {
    ...nameOf(e, peer),
    currentKey: numberIn(e, 'current_key'),
    rnext: numberIn(e, 'rnext'),
    delAsync: fieldNumber(e, 'del_async') !== 0,
  };
}

function aoInfo(e: Expr | undefined): TcpAoInfoOpt {
  return {
    currentKey: numberIn(e, 'current_key'),
    rnext: numberIn(e, 'rnext'),
    aoRequired: fieldNumber(e, 'ao_required') !== 0,
    acceptIcmps: fieldNumber(e, 'accept_icmps') !== 0,
  };
}

/** Fields of struct tcp_ao_info_opt and of a key, and what they are called here. */
const INFO_FIELDS: Readonly<Record<string, keyof TcpAoInfoOpt>> = {
  current_key: 'currentKey', rnext: 'rnext', ao_required: 'aoRequired', accept_icmps: 'acceptIcmps', pkt_good: 'pktGood',
  pkt_bad: 'pktBad', pkt_key_not_found: 'pktKeyNotFound', pkt_ao_required: 'pktAoRequired', pkt_dropped_icmp: 'pktDroppedIcmp',
};
const KEY_FIELDS: Readonly<Record<string, keyof TcpAoKeyInfo>> = {
  sndid: 'sndid', rcvid: 'rcvid', prefix: 'prefix', maclen: 'maclen', keyflags: 'keyflags', is_current: 'isCurrent', is_rnext: 'isRnext',
  pkt_good: 'pktGood', pkt_bad: 'pktBad',
};

/** getsockopt(TCP_AO_INFO), or TCP_AO_GET_KEYS of the key with the `sndid` that is wanted: the fields that are written are compared. */
export function getAuthOption(p: Process, fd: number, name: number, want: Expr | undefined): Answer {
  const got = sysGetsockopt(p, fd, SOL_TCP, name);
  if (got instanceof SockoptError) return { ret: got.errno };
  if (want?.kind !== 'struct') return { ret: 0 };
  const info = name === TCP_AO_INFO;
  const fields: Readonly<Record<string, string>> = info ? INFO_FIELDS : KEY_FIELDS;
  const sndid = fieldNumber(want, 'sndid');
  const one = info ? got : (got as TcpAoKeyInfo[]).find((key) => key.sndid === sndid);
  if (one === undefined) return { ret: 0, wrong: `no key with sndid ${sndid}` };
  for (const field of want.fields) {
    const named = fields[field.name];
    if (named === undefined) throw new ScriptSkipped(`the field ${field.name}`);
    const value = Number((one as Record<string, unknown>)[named]);
    if (value !== numberOf(field.value)) return { ret: 0, wrong: `${field.name}=${showExpr(field.value)} wanted, got ${value}` };
  }
  return { ret: 0 };
}

function numberIn(e: Expr | undefined, name: string): number | undefined {
  const field = fieldOf(e, name);
  return field === undefined ? undefined : numberOf(field.value);
}

function addressOf(e: Expr | undefined, name: string, peer: string): string {
  const given = fieldOf(e, name)?.value;
  return given?.kind === 'text' ? given.value : peer;
}

function bytesOf(e: Expr | undefined, name: string): Uint8Array {
  const text = fieldOf(e, name)?.value;
  return text?.kind === 'text' ? Uint8Array.from(text.value, (c) => c.charCodeAt(0)) : new Uint8Array(0);
}
