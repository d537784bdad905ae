/** A parsed file, and what the checks share: positions, imports, findings. */
import ts from 'typescript';
import { roomOf } from '../rooms.ts';

/** One broken rule, at one place. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** One import, `export … from`, dynamic import or `import('…')` type. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** True when the import leaves nothing behind at run time. */
  readonly typeOnly: boolean;
}

/** A file of code with its syntax tree. */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly room: string;
  readonly isTest: boolean;
  readonly tree: ts.SourceFile;
  readonly imports: readonly Import[];
}

/** Parses one file. */
export function parse(path: string, text: string): Source {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  return { path, text, room: roomOf(path), isTest: path.endsWith('.test.ts'), tree, imports: importsOf(tree) };
}

/** Calls `visit` for every node below `node`, parents first. */
export function walk(node: ts.Node, visit: (n: ts.Node) => void): void {
  ts.forEachChild(node, (child) => {
    visit(child);
    walk(child, visit);
  });
}

/** The line, counted from 1, on which a node begins (its comments not counted). */
export function lineOf(source: Source, node: ts.Node): number {
  return source.tree.getLineAndCharacterOfPosition(node.getStart(source.tree)).line + 1;
}

/** A finding at a node. */
export function at(source: Source, node: ts.Node, message: string): Finding {
  return { path: source.path, line: lineOf(source, node), message };
}

/** The path, from the root, that a relative specifier of `from` means. */
export function resolve(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1);
  for (const step of specifier.split('/')) {
    if (step === '..') parts.pop();
    else if (step !== '.') parts.push(step);
  }
  return parts.join('/');
}

function importsOf(tree: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const line = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
    found.push({ specifier: specifier.text, line, typeOnly });
  };
  walk(tree, (n) => {
    if (ts.isImportDeclaration(n)) add(n, n.moduleSpecifier, isTypeOnly(n));
    else if (ts.isExportDeclaration(n)) add(n, n.moduleSpecifier, n.isTypeOnly);
    else if (ts.isImportTypeNode(n) && ts.isLiteralTypeNode(n.argument)) add(n, n.argument.literal, true);
    else if (ts.isCallExpression(n) && n.expression.kind === ts.SyntaxKind.ImportKeyword) add(n, n.arguments[0], false);
  });
  return found;
}

function isTypeOnly(node: ts.ImportDeclaration): boolean {
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const named = clause.namedBindings;
  if (clause.name !== undefined || named === undefined || !ts.isNamedImports(named)) return false;
  return named.elements.length > 0 && named.elements.every((e) => e.isTypeOnly);
}
