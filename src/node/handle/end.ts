/**
 * The end of a world in which programs still have sockets: they are closed, as by destroy() and close(). So there is a 'close', and
 * requests under way are answered with ECANCELED; no 'error', for mostly it is a test that is over, and nobody's fault.
 *
 *   from  node/world.ts   stop
 *   to    lib/net.js, lib/dgram.js, by the owners of the handles
 */
import { fdSock } from '../../syscall/socket.ts';
import { Watch, type HandleHost } from './host.ts';
import { ownerOf } from './runtime.ts';

/** A socket, a server or a datagram socket of the runtime's. */
interface Owner {
  destroy?(): unknown;
  close?(): unknown;
}

/** The handles of a host that have a socket, in the order of their descriptors. */
export function openHandles({ process }: HandleHost): object[] {
  const handles: object[] = [];
  for (const fd of process.fds.list()) {
    fdSock(process, fd)?.wq.forEach((entry) => {
      if (entry instanceof Watch) handles.push(entry.handle);
    });
  }
  return handles;
}

/** Closes what these handles belong to, in a world that has just stopped. */
export function closeOwners(handles: readonly object[]): void {
  for (const handle of handles) {
    const { native } = handle as { native?: object | null };
    const owner = (ownerOf(handle) ?? (native === null || native === undefined ? null : ownerOf(native))) as Owner | null;
    if (owner?.destroy !== undefined) owner.destroy();
    else if (owner?.close !== undefined) quietly(() => owner.close!());
    else (handle as Owner).close?.();
  }
}

/** A server may have been closed on the way, by the end of another socket. */
function quietly(close: () => unknown): void {
  try {
    close();
  } catch (error) {
    if (!/^ERR_(SERVER|SOCKET_DGRAM)_NOT_RUNNING$/.test(String((error as NodeJS.ErrnoException).code))) throw error;
  }
}
