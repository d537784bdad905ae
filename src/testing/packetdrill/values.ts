/** Values of a script as numbers, bytes and fields. */
import type { Expr, Field } from './ast.ts';
import { symbolValue } from './constants.ts';
import { ScriptFailure } from './errors.ts';

/** The number that is meant. `...` is `other`. */
export function numberOf(e: Expr | undefined, other: number = 0): number {
  if (e === undefined || e.kind === 'any') return other;
  switch (e.kind) {
    case 'number': return e.value;
    case 'or': return e.of.reduce((bits, part) => bits | numberOf(part), 0);
    case 'word': {
      const n = symbolValue(e.name);
      if (n === undefined) throw new ScriptFailure(e.place.line, `'${e.name}' is no constant that is known`);
      return n;
    }
    case 'call':
      if (e.name === 'htons') return numberOf(e.args[0]);
      throw new ScriptFailure(0, `${e.name}(…) is no number`);
    case 'list':
      return numberOf(e.items[0], other);
    default: throw new ScriptFailure(0, `a number expected, found a ${e.kind}`);
  }
}

/** The items of a list; of anything else, none. */
export function itemsOf(e: Expr | undefined): readonly Expr[] {
  return e?.kind === 'list' ? e.items : [];
}

/** The field of a struct, or `undefined`. */
export function fieldOf(e: Expr | undefined, name: string): Field | undefined {
  return e?.kind === 'struct' ? e.fields.find((f) => f.name === name) : undefined;
}

/** The number in a field of a struct; `other` when it is not there. */
export function fieldNumber(e: Expr | undefined, name: string, other: number = 0): number {
  return numberOf(fieldOf(e, name)?.value, other);
}

/** The total length of an iovec: `[{..., 1000}, {..., 500}]`. */
export function iovLength(e: Expr | undefined): number {
  return iovParts(e).reduce((n, part) => n + part, 0);
}

/** The lengths of its parts. */
export function iovParts(e: Expr | undefined): number[] {
  return itemsOf(e).map((item) => (item.kind === 'struct' ? numberOf(item.fields[1]?.value) : 0));
}

/** A value, as a script writes it. */
export function showExpr(e: Expr): string {
  switch (e.kind) {
    case 'any': return '...';
    case 'number': return String(e.value);
    case 'word': return e.name;
    case 'text': return JSON.stringify(e.value);
    case 'or': return e.of.map(showExpr).join('|');
    case 'list': return `[${e.items.map(showExpr).join(', ')}]`;
    case 'call': return `${e.name}(${e.args.map(showExpr).join(', ')})`;
    case 'struct': return `{${e.fields.map((f) => (f.name === '' ? '' : `${f.name}=`) + showExpr(f.value)).join(', ')}}`;
  }
}
