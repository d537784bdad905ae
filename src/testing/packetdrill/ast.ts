/** What a packetdrill script says, read but not yet run: options, commands and events, each with its place in the text. */
import type { PacketSpec } from '../../wire/segment.ts';

/** Where something stands. Lines and columns count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A value of a system call, as it is written. */
export type Expr =
  /** `...`: whatever fits. */
  | { readonly kind: 'any' }
  | { readonly kind: 'number'; readonly value: number }
  /** A constant: `SOL_TCP`. */
  | { readonly kind: 'word'; readonly name: string; readonly place: Place }
  /** Bytes, one character each. */
  | { readonly kind: 'text'; readonly value: string }
  /** `POLLIN|POLLOUT` */
  | { readonly kind: 'or'; readonly of: readonly Expr[] }
  | { readonly kind: 'list'; readonly items: readonly Expr[] }
  /** `{fd=4, events=POLLIN}`; an entry without a name has ''. */
  | { readonly kind: 'struct'; readonly fields: readonly Field[] }
  /** `inet_addr("192.0.2.1")`, `htons(80)` */
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expr[] };

export interface Field {
  readonly name: string;
  /** What stands in parentheses behind the name: `msg_iov(2)=`. */
  readonly count: Expr | null;
  readonly value: Expr;
}

/** When something happens, in nanoseconds; `base` is the clock when the event's turn comes. */
export interface When {
  readonly kind: 'absolute' | 'relative' | 'any';
  readonly fromNs: number;
  /** Of a range; else the same as `fromNs`. */
  readonly toNs: number;
  readonly range: boolean;
}

export interface CallSpec {
  readonly name: string;
  readonly args: readonly Expr[];
  readonly result: Expr;
  /** `EAGAIN`; '' when only the result counts. */
  readonly errno: string;
  /** A call that waits: when it must return. */
  readonly endNs: number | null;
}

export type Action =
  | { readonly kind: 'inject'; readonly packet: PacketSpec }
  | { readonly kind: 'expect'; readonly packet: PacketSpec }
  | { readonly kind: 'call'; readonly call: CallSpec }
  | { readonly kind: 'command'; readonly text: string }
  | { readonly kind: 'code'; readonly text: string };

export interface ScriptEvent {
  readonly place: Place;
  readonly when: When;
  readonly action: Action;
  /** As written, comments and line ends taken out. */
  readonly text: string;
}

export interface Command {
  readonly text: string;
  readonly place: Place;
}

export interface Script {
  /** `--name=value` in the script, in order. */
  readonly options: readonly (readonly [string, string])[];
  readonly init: Command | null;
  readonly events: readonly ScriptEvent[];
  readonly cleanup: Command | null;
}
