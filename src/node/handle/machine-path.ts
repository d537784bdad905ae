/**
 * Unix sockets of the default host, as the machine's file system shows them: each path that is listened on is a socket file there, as
 * `fs` and other programs expect (it exists, it is a socket, it has a mode, it may be renamed and unlinked). Behind it is nobody: a
 * connection from another process is refused. Within the process the file leads to the kernel's socket, whatever its name is by then.
 *
 *   from  handle/pipe.ts   bind, connect, chmod, close
 *   to    node:fs, and the class of Node's own pipes, of which a handle is bound and never listens
 */
import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import process from 'node:process';
import { ECONNREFUSED, EINVAL, errnoNumber } from '../../lib/errno.ts';
import { UNIX_PATH_MAX } from '../../unix/sock.ts';

/** Node's own class of pipe handles, as far as it is used. */
interface NativePipe {
  bind(path: string): number;
  fchmod(mode: number): number;
  close(): void;
}

interface PipeBinding {
  readonly Pipe?: new (type: number) => NativePipe;
  readonly constants?: { readonly SERVER: number };
}

// Taken when this module is loaded: a program may replace them later.
const { statSync, lstatSync } = fs;

/** libuv before 1.52 takes as much of a path as a socket's name can hold. */
const truncates: boolean = /^1\.([0-9]|[1-4][0-9]|5[01])\./.test((process.versions as { uv?: string }).uv ?? '');

function pipeBinding(): PipeBinding {
  try {
    const { binding } = process as unknown as { binding?: (name: string) => PipeBinding };
    return binding?.call(process, 'pipe_wrap') ?? {};
  } catch {
    return {}; // refused (--permission), or not there (Deno)
  }
}

/** The paths of one host in the machine's file system. */
export class MachinePaths {
  /** By device and inode: the name of the kernel's socket. */
  readonly names: Map<string, string> = new Map();
  private readonly binding: PipeBinding = pipeBinding();

  /** Can there be such files? Where Node's class is out of reach, and on Windows, paths are the host's alone. */
  get possible(): boolean {
    return process.platform !== 'win32' && this.binding.Pipe !== undefined && this.binding.constants !== undefined;
  }

  /** Makes a socket file. A libuv status when it cannot be: what the machine's file system says. */
  mark(path: string): Mark | number {
    const { Pipe, constants } = this.binding;
    const pipe = new Pipe!(constants!.SERVER);
    const status = pipe.bind(path);
    const bytes = Buffer.from(path);
    const id = status === 0 ? identity(bytes.toString('utf8', 0, Math.min(bytes.length, UNIX_PATH_MAX)), lstatSync) : '';
    if (id !== '' && typeof id === 'string') return new Mark(this, pipe, id);
    pipe.close();
    return status === 0 ? -EINVAL : status;
  }

  /** The name of the kernel's socket behind a path, or a negative errno: -ECONNREFUSED when there is none. */
  find(given: string): string | number {
    const bytes = Buffer.from(given);
    if (bytes.length > UNIX_PATH_MAX && !truncates) return -EINVAL;
    const path = bytes.length > UNIX_PATH_MAX ? bytes.toString('utf8', 0, UNIX_PATH_MAX) : given;
    const id = identity(path, statSync);
    return typeof id === 'number' ? id : this.names.get(id) ?? -ECONNREFUSED;
  }
}

/** One socket file. */
export class Mark {
  /** In the abstract namespace of the host: files may be renamed, and what they lead to stays. */
  readonly name: string;
  private readonly paths: MachinePaths;
  private readonly pipe: NativePipe;
  private readonly id: string;

  constructor(paths: MachinePaths, pipe: NativePipe, id: string) {
    this.paths = paths;
    this.pipe = pipe;
    this.id = id;
    this.name = `\0inode ${id}`;
    paths.names.set(id, this.name);
  }

  chmod(mode: number): number {
    return this.pipe.fchmod(mode);
  }

  /** Takes the file away again, as libuv does with a path that it has bound. */
  remove(): void {
    if (this.paths.names.get(this.id) === this.name) this.paths.names.delete(this.id);
    this.pipe.close();
  }
}

/** Which file it is, however it is called; a negative errno when it cannot be had. */
function identity(path: string, stat: (path: string) => fs.Stats): string | number {
  try {
    const { dev, ino } = stat(path);
    return `${dev}:${ino}`;
  } catch (error) {
    const { code = '', errno = -EINVAL } = error as NodeJS.ErrnoException;
    return process.platform === 'linux' ? errno : -(errnoNumber(code) || EINVAL);
  }
}
