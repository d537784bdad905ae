/** Calls and words that a room must not use, each with what to use instead. */
import ts from 'typescript';
import { FIRST_ASYNC_ROOM, FIRST_RUNTIME_ROOM, PUMP, rank } from '../rooms.ts';
import { at, walk, type Finding, type Source } from './source.ts';

/** The host runtime's event loop: below node/ the pump alone touches it. */
const EVENT_LOOP: ReadonlySet<string> = new Set([
  'setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate',
  'queueMicrotask', 'MessageChannel',
]);

/** `object.member` → what to do instead. */
const MEMBERS: Readonly<Record<string, string>> = {
  'Date.now': "take the time from the world's clock",
  'performance.now': "take the time from the world's clock",
  'process.hrtime': "take the time from the world's clock",
  'process.nextTick': 'schedule an event on the world, or let the pump do it',
  'AbortSignal.timeout': "arm a timer on the world's clock",
  'Math.random': 'draw from a stream of lib/random.ts, seeded by the world',
  'crypto.getRandomValues': 'draw from a stream of lib/random.ts, seeded by the world',
  'crypto.randomUUID': 'draw from a stream of lib/random.ts, seeded by the world',
};

/** Members that nobody in `src/` may use, not even where the runtime is visible. */
const NEVER: ReadonlySet<string> = new Set(['Math.random', 'crypto.getRandomValues', 'crypto.randomUUID']);

/** Checks one file of `src/`. */
export function checkBans(source: Source): Finding[] {
  const findings: Finding[] = [];
  const belowRuntime = source.room !== 'door' && rank(source.room) < rank(FIRST_RUNTIME_ROOM);
  const belowAsync = source.room !== 'door' && rank(source.room) < rank(FIRST_ASYNC_ROOM);
  const isPump = source.path === PUMP;
  if (belowRuntime || source.room === 'door') findings.push(...checkTopLevel(source));
  walk(source.tree, (n) => {
    const message = bannedSyntax(n)
      ?? bannedMember(n, belowRuntime && !isPump)
      ?? (belowRuntime && !isPump ? bannedName(n) : null)
      ?? (belowAsync && !isPump ? bannedWaiting(n) : null);
    if (message !== null) findings.push(at(source, n, message));
  });
  return findings;
}

function bannedSyntax(n: ts.Node): string | null {
  if (ts.isEnumDeclaration(n)) return 'enum → export const X = { … } as const, and a type of its values';
  if (ts.isModuleDeclaration(n) && !isAmbient(n)) return 'namespace → a file is a namespace';
  if (ts.isParameter(n) && ts.isParameterPropertyDeclaration(n, n.parent)) {
    return 'parameter property → declare the field and set it in the constructor';
  }
  if (ts.isImportEqualsDeclaration(n) || ts.isExportAssignment(n) && n.isExportEquals === true) {
    return 'import/export with = → ESM only';
  }
  if (n.kind === ts.SyntaxKind.DebuggerStatement) return 'debugger → remove it';
  return null;
}

function bannedMember(n: ts.Node, strict: boolean): string | null {
  if (ts.isNewExpression(n) && strict && isName(n.expression, 'Date') && (n.arguments?.length ?? 0) === 0) {
    return `new Date() → ${MEMBERS['Date.now']!}`;
  }
  if (!ts.isPropertyAccessExpression(n)) return null;
  const object = ts.isPropertyAccessExpression(n.expression) && isName(n.expression.expression, 'globalThis')
    ? n.expression.name.text
    : ts.isIdentifier(n.expression) ? n.expression.text : '';
  const name = `${object}.${n.name.text}`;
  if (!Object.hasOwn(MEMBERS, name)) return null;
  return strict || NEVER.has(name) ? `${name} → ${MEMBERS[name]!}` : null;
}

function bannedName(n: ts.Node): string | null {
  if (ts.isPropertyAccessExpression(n) && isName(n.expression, 'globalThis') && EVENT_LOOP.has(n.name.text)) {
    return `globalThis.${n.name.text} → arm a timer on the world's clock; only ${PUMP} touches the event loop`;
  }
  if (!ts.isIdentifier(n) || !EVENT_LOOP.has(n.text) || !isUse(n)) return null;
  return `${n.text} → arm a timer on the world's clock; only ${PUMP} touches the event loop`;
}

function bannedWaiting(n: ts.Node): string | null {
  const instead = `below ${FIRST_ASYNC_ROOM}/ everything runs to completion; sleep on a wait queue`;
  if (ts.isAwaitExpression(n)) return `await → ${instead}`;
  if (ts.isForOfStatement(n) && n.awaitModifier !== undefined) return `for await → ${instead}`;
  if (n.kind === ts.SyntaxKind.AsyncKeyword) return `async → ${instead}`;
  if (ts.isNewExpression(n) && isName(n.expression, 'Promise')) return `new Promise → ${instead}`;
  if (ts.isPropertyAccessExpression(n) && isName(n.expression, 'Promise')) return `Promise.${n.name.text} → ${instead}`;
  return null;
}

/** Module-level state outlives every world: no `let`, no `var`, and no container that begins empty. */
function checkTopLevel(source: Source): Finding[] {
  const findings: Finding[] = [];
  for (const s of source.tree.statements) {
    if (!ts.isVariableStatement(s) || isAmbient(s)) continue;
    if ((s.declarationList.flags & ts.NodeFlags.Const) === 0) {
      findings.push(at(source, s, 'top-level let or var → state belongs to a kernel, a host or a world'));
      continue;
    }
    for (const d of s.declarationList.declarations) {
      if (d.initializer !== undefined && isEmptyContainer(d.initializer) && !isConstantList(d)) {
        findings.push(at(source, s, 'an empty container at the top level is a global → keep it in a kernel, a host or a world'));
      }
    }
  }
  return findings;
}

function isEmptyContainer(e: ts.Expression): boolean {
  if (ts.isArrayLiteralExpression(e)) return e.elements.length === 0;
  return ts.isNewExpression(e) && ts.isIdentifier(e.expression) && (e.arguments?.length ?? 0) === 0
    && ['Map', 'Set', 'WeakMap', 'WeakSet', 'Array'].includes(e.expression.text);
}

/** `const NO_NAMES: readonly string[] = []`: spelled as a constant, and meant to stay empty. */
function isConstantList(d: ts.VariableDeclaration): boolean {
  return /^[A-Z][A-Z0-9_]*$/.test(d.name.getText()) && d.initializer !== undefined && ts.isArrayLiteralExpression(d.initializer);
}

function isName(e: ts.Expression, name: string): boolean {
  return ts.isIdentifier(e) && e.text === name;
}

/** True when an identifier is read as a value here, and not a member, a key, a declaration or a type. */
function isUse(n: ts.Identifier): boolean {
  const p = n.parent;
  if (ts.isPropertyAccessExpression(p)) return p.expression === n;
  if (ts.isPropertyAssignment(p)) return p.initializer === n;
  if (ts.isBindingElement(p) || ts.isParameter(p) || ts.isVariableDeclaration(p)) return p.initializer === n;
  if (ts.isTypeQueryNode(p) || ts.isTypeReferenceNode(p)) return false;
  return ts.isExpression(p) || ts.isStatement(p) || ts.isShorthandPropertyAssignment(p) || ts.isSpreadAssignment(p)
    || (ts.isPropertyDeclaration(p) && p.initializer === n);
}

function isAmbient(n: ts.Node): boolean {
  return ts.canHaveModifiers(n) && (ts.getModifiers(n) ?? []).some((m) => m.kind === ts.SyntaxKind.DeclareKeyword);
}
