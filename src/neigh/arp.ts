/**
 * ARP (RFC 826) on the neighbour machine.
 *
 *   from  dev/receive.ts       arpRcv
 *         neigh/neighbour.ts   arpSolicit
 *   to    dev/xmit.ts          requests and replies
 */
export class ArpTable {
  entries = 0;
}
