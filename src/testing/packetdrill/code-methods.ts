/** Methods of texts, lists and dicts in `%{ … }%`. */
import { Dict, equal, formatSpec, itemsIn, limited, List, num, show, type Value } from './code-values.ts';
import { CodeError } from './code-lex.ts';
import { ScriptSkipped } from './errors.ts';

export function callMethod(of: Value, name: string, args: readonly Value[]): Value {
  const result = typeof of === 'string' ? textMethod(of, name, args) : of instanceof List ? listMethod(of, name, args)
    : of instanceof Dict ? dictMethod(of, name, args) : undefined;
  if (result === undefined) throw new ScriptSkipped(`Python's .${name}() in code`);
  return result;
}

function textMethod(of: string, name: string, args: readonly Value[]): Value | undefined {
  const [a = '', b = ''] = args.map((v) => show(v));
  switch (name) {
    case 'format': return format(of, args);
    case 'join': return itemsIn(args[0]).map(show).join(of);
    case 'split': return new List(args.length === 0 ? of.trim().split(/\s+/).filter((word) => word !== '') : of.split(a));
    case 'strip': return of.trim();
    case 'lstrip': return of.trimStart();
    case 'rstrip': return of.trimEnd();
    case 'upper': return of.toUpperCase();
    case 'lower': return of.toLowerCase();
    case 'startswith': return of.startsWith(a);
    case 'endswith': return of.endsWith(a);
    case 'find': return of.indexOf(a);
    case 'count': return of.split(a).length - 1;
    case 'replace': return of.replaceAll(a, b);
    case 'isdigit': return /^\d+$/.test(of);
    default: return undefined;
  }
}

/** `'{} of {1:x}'.format(a, b)` */
function format(text: string, args: readonly Value[]): string {
  let next = 0;
  return text.replace(/\{\{|\}\}|\{(\d*)(?::([^{}]*))?\}/g, (all, at: string | undefined, spec: string | undefined) => {
    if (at === undefined) return all[0]!;
    const v = args[at === '' ? next++ : Number(at)];
    if (v === undefined) throw new CodeError(`'${text}': more values are asked than there are`);
    return formatSpec(v, spec ?? '');
  });
}

function listMethod(of: List, name: string, args: readonly Value[]): Value | undefined {
  const [a = null] = args;
  switch (name) {
    case 'append': of.items.push(a); limited(of.items); return null;
    case 'extend': of.items.push(...itemsIn(a)); limited(of.items); return null;
    case 'pop': {
      const out = of.items.splice(args.length === 0 ? -1 : num(a), 1)[0];
      if (out === undefined) throw new CodeError('pop(): the list is empty');
      return out;
    }
    case 'index': {
      const at = of.items.findIndex((v) => equal(v, a));
      if (at < 0) throw new CodeError(`index(): ${show(a)} is not in the list`);
      return at;
    }
    case 'count': return of.items.filter((v) => equal(v, a)).length;
    case 'reverse': of.items.reverse(); return null;
    case 'clear': of.items = []; return null;
    default: return undefined;
  }
}

function dictMethod(of: Dict, name: string, args: readonly Value[]): Value | undefined {
  switch (name) {
    case 'get': return of.get(args[0] ?? null) ?? args[1] ?? null;
    case 'keys': return new List([...of.entries.values()].map(([key]) => key));
    case 'values': return new List([...of.entries.values()].map(([, value]) => value));
    case 'items': return new List([...of.entries.values()].map(([key, value]) => [key, value]));
    default: return undefined;
  }
}
