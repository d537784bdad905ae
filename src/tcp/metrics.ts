/**
 * What a host remembers of the hosts it has spoken to (Linux: tcp_metrics.c): here the MSS and the cookie of Fast Open, by pair of
 * addresses.
 *
 *   from  tcp/fastopen-active.ts;  host/tools  `ip tcp_metrics`
 */
import { formatIpv4 } from '../lib/addr.ts';
import { formatIpv6 } from '../lib/addr6.ts';
import type { TcpSock } from './sock.ts';

/** Hosts that are remembered; the one that was used longest ago makes room. */
export const TCP_METRICS_MAX = 1024;

/** One pair of addresses. */
export class TcpMetricsBlock {
  readonly saddr: string;
  readonly daddr: string;
  stampMs = 0;
  /** Fast Open: the MSS that the peer has announced, 0 unknown; its cookie, or null. */
  foMss = 0;
  foCookie: Uint8Array | null = null;
  foExp = false;
  /** 1: the standard option got no answer, the experimental one is tried next; 2: neither did. */
  foTryExp = 0;
  /** SYNs with data that were lost in a row, and when the last was, host milliseconds. */
  foSynLoss = 0;
  foLastSynLossMs = 0;

  constructor(saddr: string, daddr: string) {
    this.saddr = saddr;
    this.daddr = daddr;
  }
}

/** The memory of one host. Looked at once per connection that uses Fast Open, never by others. */
export class TcpMetrics {
  /** Least recently used first. */
  readonly blocks: Map<string, TcpMetricsBlock> = new Map();

  flush(): void {
    this.blocks.clear();
  }

  /** Forgets a peer. False: nothing was known of it. */
  delete(daddr: string): boolean {
    const keys = [...this.blocks].filter(([, block]) => block.daddr === daddr).map(([key]) => key);
    for (const key of keys) this.blocks.delete(key);
    return keys.length > 0;
  }
}

/** What is known of the peer of `tp`; with `create` a block is made when there is none. */
export function tcpGetMetrics(tp: TcpSock, create: boolean): TcpMetricsBlock | null {
  const { metrics } = tp.tcp;
  const v6 = tp.v6Daddr !== null;
  const saddr = v6 ? formatIpv6(tp.v6Saddr!) : formatIpv4(tp.saddr);
  const daddr = v6 ? formatIpv6(tp.v6Daddr!) : formatIpv4(tp.daddr);
  const key = `${saddr} ${daddr}`;
  let block = metrics.blocks.get(key) ?? null;
  if (block !== null) {
    metrics.blocks.delete(key); // to the end: the order is that of use
  } else if (create) {
    block = new TcpMetricsBlock(saddr, daddr);
    if (metrics.blocks.size >= TCP_METRICS_MAX) metrics.blocks.delete(metrics.blocks.keys().next().value!);
  }
  if (block === null) return null;
  block.stampMs = tp.net.jiffies;
  metrics.blocks.set(key, block);
  return block;
}
