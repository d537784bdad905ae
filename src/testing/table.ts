/**
 * Tables for decisions: a test is a list of cases that can be read at a glance, and the expected answers stand in a column
 * of their own, copied from the RFC's text and never computed by the code under test.
 *
 *     table<{ wnd: number; seq: number; verdict: string }>('is the segment acceptable?', `
 *       wnd   seq  →  verdict
 *       10    99      ack           // old
 *       10    100     accept
 *     `, ({ wnd, seq, verdict }) => { … });
 *
 * The first line names the columns; blanks separate them, and an arrow anywhere is for the eye only. A cell is a number
 * when it looks like one (`10`, `-1`, `0x1f`), `true`, `false`, or a word; `'two words'` keep their blank.
 */
import { findTestFunction, type TestFunction } from './test-function.ts';

/** What stands in a cell. */
export type Cell = number | boolean | string;

/** One line of a table, with its number in the text and its own text for messages. */
export interface TableRow {
  readonly line: number;
  readonly text: string;
  readonly cells: Readonly<Record<string, Cell>>;
}

/** Registers a table: one test, all its rows. The rows that fail are all named. */
export function table<Row extends { [K in keyof Row]: Cell }>(name: string, text: string, body: (row: Row) => void): void {
  tableWith(findTestFunction())<Row>(name, text, body);
}

/** {@link table}, for a runner that is not found by itself. */
export function tableWith(
  test: TestFunction,
): <Row extends { [K in keyof Row]: Cell }>(name: string, text: string, body: (row: Row) => void) => void {
  return (name, text, body) => {
    const rows = parseTable(text);
    test(name, () => {
      runTable(name, rows, body as (row: Readonly<Record<string, Cell>>) => void);
    });
  };
}

function runTable(name: string, rows: readonly TableRow[], body: (row: Readonly<Record<string, Cell>>) => void): void {
  const failures: string[] = [];
  let cause: unknown;
  for (const row of rows) {
    try {
      body(row.cells);
    } catch (error) {
      cause ??= error;
      const message = error instanceof Error ? error.message : String(error);
      failures.push(`✗ ${row.text}\n      ${message.split('\n').join('\n      ')}`);
    }
  }
  if (failures.length === 0) return;
  throw new Error(`${name}: ${failures.length} of ${rows.length} rows\n  ${failures.join('\n  ')}`, { cause });
}

/** Reads a table. Throws SyntaxError when a row has not as many cells as there are columns. */
export function parseTable(text: string): TableRow[] {
  let columns: string[] | null = null;
  const rows: TableRow[] = [];
  text.split('\n').forEach((raw, i) => {
    const body = raw.replace(/\/\/.*$/, '');
    const words = body.match(/'[^']*'|[^\s→]+/g) ?? [];
    if (words.length === 0) return;
    if (columns === null) {
      columns = words;
      return;
    }
    if (words.length !== columns.length) {
      throw new SyntaxError(`table, line ${i + 1}: ${words.length} cells under ${columns.length} columns: ${raw.trim()}`);
    }
    const cells: Record<string, Cell> = {};
    columns.forEach((column, c) => (cells[column] = cell(words[c]!)));
    rows.push({ line: i + 1, text: raw.trim(), cells });
  });
  if (rows.length === 0) throw new SyntaxError('table: a line of column names and at least one row are needed');
  return rows;
}

function cell(word: string): Cell {
  if (word.startsWith("'")) return word.slice(1, -1);
  if (/^-?(\d+(\.\d+)?|0x[0-9a-fA-F]+)$/.test(word)) return word.startsWith('-') ? -Number(word.slice(1)) : Number(word);
  if (word === 'true' || word === 'false') return word === 'true';
  return word;
}
