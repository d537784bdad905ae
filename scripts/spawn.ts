/** Starting other programs, for the scripts. */
import { spawn } from 'node:child_process';

/** How to start a program. */
export interface SpawnOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Keep what it prints instead of passing it on. */
  readonly quiet?: boolean;
  /** Kill it after so many milliseconds. */
  readonly timeoutMs?: number;
}

/** How a program ended. */
export interface Ended {
  /** Its exit code; 1 when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a program without a standard input and waits for its end. */
export function spawnToEnd(command: string, args: readonly string[], options: SpawnOptions): Promise<Ended> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      cwd: options.cwd, env: options.env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' as const }),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (options.quiet !== true) process.stdout.write(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (options.quiet !== true) process.stderr.write(text);
    });
    child.on('error', fail);
    child.on('close', (code) => done({ code: code ?? 1, stdout, stderr }));
  });
}
