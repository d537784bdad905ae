/** What the errnos of the tables mean to who changed them. */
import { E2BIG, EEXIST, EINVAL, ELOOP, EMLINK, ENOENT, ENOTEMPTY, errnoMessage, errnoName } from '../../lib/errno.ts';

const MEANING: ReadonlyMap<number, string> = new Map([
  [E2BIG, 'there is no rule of that number'],
  [EEXIST, 'there is a chain of that name'],
  [EINVAL, 'not for that chain: is it built in, or the table full?'],
  [ELOOP, 'the rule would lead back to its own chain'],
  [EMLINK, 'some rule still leads there'],
  [ENOENT, 'that chain is built in'],
  [ENOTEMPTY, 'the chain still has rules: -F empties it'],
]);

/** `the chain still has rules: -F empties it (ENOTEMPTY)` */
export function formatErrno(err: number): string {
  return `${MEANING.get(-err) ?? errnoMessage(err)} (${errnoName(err)})`;
}
