/** Results for people: one line per file, failures as they come, and once more, in full, at the end. */
import { inspect } from 'node:util';
import type { TestEvent } from 'node:test/reporters';
import type { Result } from './tally.ts';

interface File {
  passed: number;
  failed: number;
  skipped: number;
  ms: number;
}

/** Prints results as they come. */
export class Report {
  readonly #write: (text: string) => void;
  readonly #files = new Map<string, File>();
  readonly #failures: Result[] = [];
  #current = '';

  /** `write` takes the text for the terminal. */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** One event of node:test, and the result that it means, if it means one. */
  add(event: TestEvent, result: Result | null): void {
    if (event.type === 'test:stderr' || event.type === 'test:stdout') this.#write(event.data.message);
    if (event.type === 'test:diagnostic' && event.data.message.startsWith('Error:')) this.#write(`  ${event.data.message}\n`);
    if (result === null) return;
    if (result.path !== this.#current) this.#closeFile();
    this.#current = result.path;
    const file = this.#files.get(result.path) ?? { passed: 0, failed: 0, skipped: 0, ms: 0 };
    this.#files.set(result.path, file);
    file[result.kind]++;
    if (result.nesting === 0) file.ms += result.ms;
    if (result.kind !== 'failed') return;
    this.#failures.push(result);
    this.#write(`✗ ${result.path}  ${result.name}\n`);
  }

  /** No more events: the last file, and the failures once more, in full. */
  end(): void {
    this.#closeFile();
    for (const failure of this.#failures) this.#write(inFull(failure));
  }

  #closeFile(): void {
    const file = this.#files.get(this.#current);
    if (file !== undefined) this.#write(fileLine(this.#current, file));
  }
}

function fileLine(path: string, file: File): string {
  const skipped = file.skipped === 0 ? '' : `, ${file.skipped} skipped`;
  const failed = file.failed === 0 ? '' : `, ${file.failed} failed`;
  const seconds = (file.ms / 1000).toFixed(1).padStart(6);
  return `${file.failed === 0 ? '✓' : '✗'} ${seconds} s  ${path}: ${file.passed} passed${failed}${skipped}\n`;
}

/** The error as a test's author wants to see it: the message, what was thrown, and where. */
function inFull(failure: Result): string {
  const { error } = failure;
  const text = error instanceof Error ? error.stack ?? String(error) : typeof error === 'string' ? error : inspect(error, { depth: 8 });
  const indented = text.split('\n').filter((l) => !/\(?node:internal/.test(l)).map((l) => `  ${l}`).join('\n');
  return `\n✗ ${failure.path}\n  ${failure.name}\n\n${indented}\n`;
}
