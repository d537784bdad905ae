/** poll(2) over any descriptors. */
import { EINVAL } from '../lib/errno.ts';
import { POLLERR, POLLHUP, POLLNVAL } from '../sock/constants.ts';
import type { Process } from './process.ts';

/** One entry of poll: what is asked of a descriptor, and the answer. A negative fd is skipped. */
export interface PollFd {
  fd: number;
  events: number;
  revents?: number;
}

/** poll(2) that never waits: fills in `revents` and returns how many entries have any. */
export function sysPoll(p: Process, fds: readonly PollFd[]): number {
  if (fds.length > p.fds.limit) return -EINVAL;
  p.enter();
  let n = 0;
  for (const entry of fds) {
    entry.revents = pollOne(p, entry);
    if (entry.revents !== 0) n++;
  }
  p.leave();
  return n;
}

function pollOne(p: Process, entry: PollFd): number {
  if (entry.fd < 0) return 0;
  const file = p.fds.get(entry.fd);
  if (file === null) return POLLNVAL;
  return file.poll() & (entry.events | POLLERR | POLLHUP);
}
