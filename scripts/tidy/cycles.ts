/**
 * Files of a room must not need each other's values while they are being loaded.
 *
 * Functions that call each other across files (input and output of TCP do) are harmless: ES modules bind late.
 * What breaks is a cycle through something that runs at load time: a base class, or a constant computed from an
 * imported one. So a cycle is a finding only when one of its imports is used at the top level.
 */
import ts from 'typescript';
import { resolve, type Finding, type Source } from './source.ts';

/** Finds load-time cycles among all files. */
export function checkCycles(sources: readonly Source[]): Finding[] {
  const graph = new Map<string, string[]>();
  const eager = new Map<string, Set<string>>();
  for (const s of sources) {
    if (s.room === '' || s.isTest) continue;
    graph.set(s.path, valueImports(s));
    eager.set(s.path, eagerImports(s));
  }
  const findings: Finding[] = [];
  for (const [path, targets] of eager) {
    for (const target of targets) {
      const back = pathBetween(graph, target, path);
      if (back === null) continue;
      const message = `uses ${target} while loading, a cycle: ${[path, ...back].join(' → ')} → move the shared part out`;
      findings.push({ path, line: 1, message });
    }
  }
  return findings;
}

function valueImports(s: Source): string[] {
  return s.imports.filter((i) => !i.typeOnly && i.specifier.startsWith('.')).map((i) => resolve(s.path, i.specifier));
}

/** The files whose values this file reads outside of any function, that is: while it loads. */
function eagerImports(s: Source): Set<string> {
  const origin = new Map<string, string>();
  for (const statement of s.tree.statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const specifier = statement.moduleSpecifier.text;
    const bindings = statement.importClause?.namedBindings;
    if (!specifier.startsWith('.') || bindings === undefined || !ts.isNamedImports(bindings)) continue;
    if (statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword) continue;
    for (const e of bindings.elements) if (!e.isTypeOnly) origin.set(e.name.text, resolve(s.path, specifier));
  }
  const found = new Set<string>();
  const visit = (n: ts.Node): void => {
    if (ts.isImportDeclaration(n) || ts.isTypeNode(n) && !ts.isExpressionWithTypeArguments(n)) return;
    if (ts.isFunctionLike(n)) return;
    if (ts.isPropertyDeclaration(n) && !isStatic(n)) return;
    if (ts.isIdentifier(n) && origin.has(n.text) && !isMemberName(n)) found.add(origin.get(n.text)!);
    ts.forEachChild(n, visit);
  };
  visit(s.tree);
  return found;
}

function isStatic(n: ts.PropertyDeclaration): boolean {
  return (n.modifiers ?? []).some((m) => m.kind === ts.SyntaxKind.StaticKeyword);
}

function isMemberName(n: ts.Identifier): boolean {
  return ts.isPropertyAccessExpression(n.parent) && n.parent.name === n
    || ts.isPropertyAssignment(n.parent) && n.parent.name === n
    || ts.isExportSpecifier(n.parent);
}

/** The shortest chain of imports from `from` to `to`, both included; null when there is none. */
function pathBetween(graph: ReadonlyMap<string, readonly string[]>, from: string, to: string): string[] | null {
  const cameFrom = new Map<string, string>([[from, '']]);
  const queue = [from];
  for (const here of queue) {
    if (here === to) {
      const chain: string[] = [];
      for (let at = here; at !== ''; at = cameFrom.get(at)!) chain.unshift(at);
      return chain;
    }
    for (const next of graph.get(here) ?? []) {
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, here);
      queue.push(next);
    }
  }
  return null;
}
