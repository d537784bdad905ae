/**
 * The collector of Unix sockets (Linux: garbage.c): a socket whose only references are in messages that nobody can ever
 * receive, because they wait in its own queue, or in that of another such socket.
 *
 * Runs when a descriptor of a socket is closed while sockets are on their way. In three steps: the candidates are sockets to which no
 * descriptor refers; those of them that a message outside of the candidates' queues refers to are alive, and what waits in
 * their queues, too; the rest is closed.
 */
import type { SkBuff } from '../skb/sk-buff.ts';
import { unixPurge } from './scm.ts';
import { UnixCb, UnixSock, type UnixTable } from './sock.ts';

/** Calls `visit` with each socket that a message in the queue of `sk` (or of a connection to be accepted) refers to. */
function eachReference(sk: UnixSock, visit: (to: UnixSock) => void): void {
  scan(sk, visit);
  for (let child = sk.acceptHead; child !== null; child = child.acceptNext) scan(child, visit);
}

function scan(sk: UnixSock, visit: (to: UnixSock) => void): void {
  for (let skb: SkBuff | null = sk.receiveQueue.head; skb !== null; skb = skb.next) {
    if (!(skb.dst instanceof UnixCb) || skb.dst.files === null) continue;
    for (const file of skb.dst.files) if (file.passedSock instanceof UnixSock) visit(file.passedSock);
  }
}

/** Closes what cannot be reached any more. */
export function unixGc(table: UnixTable): void {
  if (table.inflight.size === 0 || table.collecting) return;
  table.collecting = true;
  const dead = findGarbage(table);
  for (const sk of dead) {
    for (let child: UnixSock | null = sk; child !== null; child = child === sk ? sk.acceptHead : child.acceptNext) {
      for (let skb = child.receiveQueue.popHead(); skb !== null; skb = child.receiveQueue.popHead()) unixPurge(table, skb);
    }
  }
  table.collecting = false;
}

function findGarbage(table: UnixTable): ReadonlySet<UnixSock> {
  const candidates = new Set<UnixSock>();
  const external = new Map<UnixSock, number>();
  // A file on its way whose references are all messages: its socket may be garbage.
  for (const [sk, count] of table.inflight) {
    if (sk.file !== null && sk.file.refs === count) {
      candidates.add(sk);
      external.set(sk, count);
    }
  }
  for (const sk of candidates) {
    eachReference(sk, (to) => {
      const n = external.get(to);
      if (n !== undefined) external.set(to, n - 1);
    });
  }
  const alive: UnixSock[] = [...candidates].filter((sk) => external.get(sk)! > 0);
  for (let sk = alive.pop(); sk !== undefined; sk = alive.pop()) {
    if (!candidates.delete(sk)) continue;
    eachReference(sk, (to) => {
      if (candidates.has(to)) alive.push(to);
    });
  }
  return candidates;
}
