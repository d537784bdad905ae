/** Imports point down: the order of rooms, and what may come from outside of kernet. */
import {
  BROWSER_DOOR, DOORS, FIRST_ASYNC_ROOM, FIRST_RUNTIME_ROOM, mayImport, NEIGHBOURS, NODE_IMPORTERS, rank, roomOf,
} from '../rooms.ts';
import { resolve, type Finding, type Import, type Source } from './source.ts';

/** Checks every import of one file of `src/` (or of mod.ts). */
export function checkImports(source: Source, installed: ReadonlySet<string>): Finding[] {
  const findings: Finding[] = [];
  if (source.room !== 'door' && rank(source.room) < 0) {
    findings.push({ path: source.path, line: 1, message: `${source.room} is not a room → scripts/rooms.ts has the list` });
    return findings;
  }
  if (source.room === 'door' && source.path !== 'mod.ts' && !DOORS.includes(doorName(source.path))) {
    findings.push({ path: source.path, line: 1, message: `not a public door → move it into a room of src/` });
  }
  for (const one of source.imports) {
    const message = one.specifier.startsWith('.') ? checkInside(source, one) : checkOutside(source, one, installed);
    if (message !== null) findings.push({ path: source.path, line: one.line, message });
  }
  return findings;
}

function checkInside(source: Source, one: Import): string | null {
  if (!one.specifier.endsWith('.ts')) return `import '${one.specifier}' without its extension → write .ts`;
  const target = resolve(source.path, one.specifier);
  if (target.endsWith('.test.ts')) return `imports the test ${target} → move what is shared out of it`;
  const room = roomOf(target);
  if (room === '') return `imports ${target}, which is not in src/ → an installed kernet does not have it`;
  if (source.path === BROWSER_DOOR && rank(room) >= rank(FIRST_RUNTIME_ROOM)) {
    return `exports ${target}, which needs a runtime → mod.ts is the door for that`;
  }
  if (source.room === 'door') return null;
  if (room === 'door') return `${source.room} imports the public door ${target} → import the file that the door re-exports`;
  if (mayImport(source.room, room)) return null;
  if (NEIGHBOURS.includes(source.room) && NEIGHBOURS.includes(room)) {
    return `${source.room} imports its neighbour ${room} → move what both need down into sock or ip`;
  }
  return `${source.room} imports ${room}, which is upstairs → register a handler instead`;
}

function checkOutside(source: Source, one: Import, installed: ReadonlySet<string>): string | null {
  if (one.specifier.startsWith('node:')) {
    if (NODE_IMPORTERS.includes(source.room)) return null;
    return `${source.room} imports ${one.specifier} → only ${NODE_IMPORTERS.join('/ and ')}/ know Node; take it as a parameter`;
  }
  const name = packageOf(one.specifier);
  if (!installed.has(name)) return `imports the package ${name}, which is no dependency → add it to package.json or do without`;
  if (source.room !== 'door' && rank(source.room) <= rank(FIRST_ASYNC_ROOM)) {
    return `${source.room} imports the package ${name} → the stack has no run-time dependency`;
  }
  return null;
}

function packageOf(specifier: string): string {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

function doorName(path: string): string {
  return path.slice('src/'.length, -'.ts'.length);
}
