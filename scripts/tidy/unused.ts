/**
 * A drop reason or a counter that nothing names is a promise that nothing keeps.
 *
 * The tables are exported constant objects: `Drop`, and those whose name ends in `Mib`, written as an object or
 * made from a list of names. Every key must be read somewhere in `src/` outside of the file that defines it.
 */
import ts from 'typescript';
import { at, walk, type Finding, type Source } from './source.ts';

interface Entry {
  readonly source: Source;
  readonly node: ts.Node;
}

/** Finds keys of the tables that no code uses. */
export function checkUnusedNames(sources: readonly Source[]): Finding[] {
  const code = sources.filter((s) => s.room !== '' && !s.isTest);
  const entries = new Map<string, Entry>();
  for (const source of code) collect(source, entries);
  const used = new Set<string>();
  for (const source of code) {
    walk(source.tree, (n) => {
      const name = memberName(n);
      const entry = name === null ? undefined : entries.get(name);
      if (entry !== undefined && entry.source !== source) used.add(name!);
    });
  }
  const findings: Finding[] = [];
  for (const [name, entry] of entries) {
    if (!used.has(name)) findings.push(at(entry.source, entry.node, `${name} is never used → use it where it happens, or remove it`));
  }
  return findings;
}

/** True for the name of a table whose every key must be used. */
export function isTable(name: string): boolean {
  return name === 'Drop' || /^[A-Z]?[A-Za-z]*Mib$/.test(name);
}

function collect(source: Source, entries: Map<string, Entry>): void {
  for (const statement of source.tree.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const d of statement.declarationList.declarations) {
      if (!ts.isIdentifier(d.name) || !isTable(d.name.text) || d.initializer === undefined) continue;
      for (const [key, node] of keysOf(source, d.initializer)) entries.set(`${d.name.text}.${key}`, { source, node });
    }
  }
}

/** The keys of a table: those of its object literal, or the strings of the list that it is made from. */
function keysOf(source: Source, initializer: ts.Expression): [string, ts.Node][] {
  const keys: [string, ts.Node][] = [];
  const table = literalOf(initializer);
  if (table !== null && ts.isObjectLiteralExpression(table)) {
    for (const p of table.properties) if (p.name !== undefined && ts.isIdentifier(p.name)) keys.push([p.name.text, p]);
    return keys;
  }
  walk(initializer, (n) => {
    const list = ts.isIdentifier(n) ? literalOf(constant(source, n.text)) : null;
    if (list === null || !ts.isArrayLiteralExpression(list)) return;
    for (const e of list.elements) if (ts.isStringLiteral(e)) keys.push([e.text, e]);
  });
  return keys;
}

/** The literal inside `{…}`, `[…] as const`, `{…} satisfies T` and `Object.freeze({…})`. */
function literalOf(e: ts.Expression | undefined): ts.ObjectLiteralExpression | ts.ArrayLiteralExpression | null {
  if (e === undefined) return null;
  if (ts.isObjectLiteralExpression(e) || ts.isArrayLiteralExpression(e)) return e;
  if (ts.isAsExpression(e) || ts.isSatisfiesExpression(e) || ts.isParenthesizedExpression(e)) return literalOf(e.expression);
  return ts.isCallExpression(e) ? literalOf(e.arguments[0]) : null;
}

/** What a top-level constant of the file begins with. */
function constant(source: Source, name: string): ts.Expression | undefined {
  for (const statement of source.tree.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const d of statement.declarationList.declarations) if (d.name.getText() === name) return d.initializer;
  }
  return undefined;
}

function memberName(n: ts.Node): string | null {
  return ts.isPropertyAccessExpression(n) && ts.isIdentifier(n.expression) ? `${n.expression.text}.${n.name.text}` : null;
}
