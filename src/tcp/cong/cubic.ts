/** CUBIC, RFC 9438, with HyStart. */
import { renoCongAvoid, renoSsthresh, renoUndoCwnd } from './reno.ts';
import type { CongestionOps } from './cong.ts';

export const cubicOps: CongestionOps = {
  name: 'cubic',
  init(): void {},
  ssthresh: (tp) => renoSsthresh(tp),
  congAvoid: (tp, ack, acked) => { renoCongAvoid(tp, ack, acked); },
  undoCwnd: (tp) => renoUndoCwnd(tp),
  setState(): void {},
  cwndEvent(): void {},
  pktsAcked(): void {},
};
