/** What a trace says of a packet that has come to its socket, and of the socket's state. */
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Sock } from './sock.ts';

/**
 * A packet goes into the receive queue of a socket, and whoever waits for it is woken, when there is `enough` (SO_RCVLOWAT). Called
 * only when `skb.trace` is not 0.
 */
export function sockTrace(sk: Sock, skb: SkBuff, fn: string, enough: boolean = true): void {
  const { net, receiveQueue, wq } = sk;
  net.trace(skb, fn, `receive queue, ${String(receiveQueue.qlen)} before it`);
  if (enough) net.trace(skb, 'sockDefReadable', wq.active ? 'wakes the reader' : 'nobody waits');
}

/** Linux's words, by number. */
const TCP_STATES: readonly string[] = [
  '', 'ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT1', 'FIN_WAIT2', 'TIME_WAIT', 'CLOSE', 'CLOSE_WAIT', 'LAST_ACK', 'LISTEN', 'CLOSING',
  'NEW_SYN_RECV',
];

/** The name of a TCP_* state. */
export function tcpStateName(state: number): string {
  return TCP_STATES[state] ?? '';
}
