/** What the events of node:test mean: which of them are results, and of what. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { sourcePath } from './compile.ts';

/** One result of one test. */
export interface Result {
  /** Below the working directory. */
  readonly path: string;
  /** The names from the outermost suite to the test. */
  readonly name: string;
  readonly kind: 'passed' | 'failed' | 'skipped';
  /** What the test threw; undefined unless it failed. */
  readonly error: unknown;
  readonly ms: number;
  readonly nesting: number;
}

/** Turns events into results. Suites, and parents that failed because of a child, are no results of their own. */
export class Tally {
  readonly #names: string[] = [];

  /** The result that an event reports; null when it reports none. */
  result(event: TestEvent): Result | null {
    if (event.type === 'test:start') this.#names[event.data.nesting] = event.data.name;
    if (event.type !== 'test:pass' && event.type !== 'test:fail') return null;
    const { data } = event;
    const file = relative(process.cwd(), data.file ?? '');
    const isFile = data.nesting === 0 && (data.name === data.file || relative(process.cwd(), data.name) === file);
    const path = sourcePath(file);
    const base = {
      path, ms: data.details.duration_ms, nesting: data.nesting,
      name: isFile ? 'the file itself' : [...this.#names.slice(0, data.nesting), data.name].join(' › '),
    };
    if (data.skip !== undefined && data.skip !== false || data.todo !== undefined && data.todo !== false) {
      return data.skip === 'test name does not match pattern' ? null : { ...base, kind: 'skipped', error: undefined };
    }
    if (event.type === 'test:pass') {
      if (isFile) return { ...base, kind: 'failed', error: new Error('a test file without a test') };
      return data.details.type === 'suite' ? null : { ...base, kind: 'passed', error: undefined };
    }
    const error: unknown = event.data.details.error;
    if (isRecord(error) && error['failureType'] === 'subtestsFailed') return null;
    return { ...base, kind: 'failed', error: isRecord(error) && error['cause'] !== undefined ? error['cause'] : error };
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
