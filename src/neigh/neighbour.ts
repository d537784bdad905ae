/**
 * Who has that address: the neighbours of a host and their states (RFC 4861 §7.3, used for ARP too).
 *
 *   from  ip/output.ts   neighOutput, with an IP packet
 *   to    dev/xmit.ts    devQueueXmit, with a frame
 */
export class Neighbour {
  /** Host time of the last proof that it is reachable, ns. */
  confirmed = 0;
}
