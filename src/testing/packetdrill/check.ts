/**
 * What can be known of a script before it runs: that its calls are there and have as many arguments as they take, that its
 * constants are known. So a misspelt word is a syntax error with its place, and a call that this host does not have skips the
 * script before any of it has run.
 */
import { SegmentSyntaxError } from '../segment-notation.ts';
import type { Expr, Place, Script } from './ast.ts';
import { callArity } from './calls.ts';
import { symbolValue } from './constants.ts';
import { CodeError } from './code-lex.ts';
import { parseCode } from './code-parse.ts';
import { ScriptFailure, ScriptSkipped } from './errors.ts';

/** The functions that a value may be written with. */
const FUNCTIONS: ReadonlySet<string> = new Set(['htons', 'inet_addr', 'inet6_addr']);

/** Throws SegmentSyntaxError or ScriptSkipped. */
export function checkScript(script: Script): void {
  for (const { action, place } of script.events) {
    if (action.kind === 'code') checkCode(action.text, place);
    if (action.kind !== 'call') continue;
    const { name, args, result } = action.call;
    const arity = callArity(name);
    if (arity === null) throw new ScriptSkipped(`system call ${name}()`);
    const [min, max] = arity;
    if (args.length < min || args.length > max) {
      const takes = min === max ? String(min) : `${min} to ${max}`;
      throw new SegmentSyntaxError(`${name}() takes ${takes} arguments, not ${args.length}`, place.line, place.column);
    }
    for (const e of [...args, result]) checkExpr(e, place);
  }
}

function checkCode(text: string, place: Place): void {
  try {
    parseCode(text);
  } catch (error) {
    if (error instanceof CodeError) throw new ScriptFailure(place.line, `code: ${error.message}`);
    throw error;
  }
}

function checkExpr(e: Expr, place: Place): void {
  switch (e.kind) {
    case 'word':
      if (symbolValue(e.name) === undefined) {
        throw new SegmentSyntaxError(`'${e.name}' is no constant that is known`, e.place.line, e.place.column);
      }
      break;
    case 'call':
      if (!FUNCTIONS.has(e.name)) {
        throw new SegmentSyntaxError(`${e.name}(…) is no value; expected ${[...FUNCTIONS].join(', ')}`, place.line, place.column);
      }
      for (const arg of e.args) checkExpr(arg, place);
      break;
    case 'or': for (const part of e.of) checkExpr(part, place); break;
    case 'list': for (const item of e.items) checkExpr(item, place); break;
    case 'struct':
      for (const field of e.fields) {
        if (field.count !== null) checkExpr(field.count, place);
        checkExpr(field.value, place);
      }
      break;
    default:
  }
}
