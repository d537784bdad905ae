/**
 * A case of the comparison with the real kernel: what is done to a sender, step by step, and what it did. Unlike the cases of
 * test/linux/case.ts its steps have their times to the microsecond, and TCP_INFO is taken after each.
 */

/** A segment of the peer, in numbers relative to the ISN of their direction. */
export interface PeerSegment {
  /** TCP flags, as on the wire. */
  f: number;
  seq?: number;
  len?: number;
  ack?: number;
  win?: number;
  tos?: number;
  mss?: number;
  ws?: number;
  sackOk?: 1;
  /** Edges in turn. */
  sack?: number[];
  /** The value, and whose value is echoed: the n-th segment that the host sent, from 0; -1: none, a zero. */
  ts?: [number, number];
}

/** Time in microseconds from the start, what is done, and with what. */
export type Step =
  | [number, 'seg', PeerSegment]
  | [number, 'icmp', number, number]
  | [number, 'accept']
  | [number, 'write', number, number]
  | [number, 'read', number]
  | [number, 'opt', number, number, number]
  | [number, 'shutdown', number]
  | [number, 'look'];

/** A socket option of the listener. */
export type Option = [level: number, name: number, value: number | string];

export interface Case {
  /** Its seed. */
  id: number;
  v: 4 | 6;
  sysctl: Record<string, string | number>;
  options: Option[];
  steps: Step[];
}

/** A segment of the host: when (microseconds), flags, seq, payload, ack, window field, ECN bits, options (`[8, ecr]`, `[5, edges…]`). */
export type SentSegment = [number, number, number, number, number, number, number, number[][]];

/** What one step led to, up to the next. */
export interface Outcome {
  t: number;
  ret: number;
  info?: number[] | undefined;
  /** Bytes that the send queues may hold, of memory. */
  sndbuf?: number | undefined;
  out: SentSegment[];
}

/** What a kernel did in a case. */
export interface Transcript {
  id: number;
  steps: Outcome[];
}

/** The fields of `info`, in the order of struct tcp_info. */
export const INFO_FIELDS: readonly string[] = (
  'state ca_state retransmits probes backoff options wscale flags rto ato snd_mss rcv_mss unacked sacked lost retrans fackets '
  + 'last_data_sent last_ack_sent last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering '
  + 'rcv_rtt rcv_space total_retrans pacing_rate max_pacing_rate bytes_acked bytes_received segs_out segs_in notsent_bytes min_rtt '
  + 'data_segs_in data_segs_out delivery_rate busy_time rwnd_limited sndbuf_limited delivered delivered_ce bytes_sent bytes_retrans '
  + 'dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash total_rto total_rto_recoveries total_rto_time'
).split(' ');
