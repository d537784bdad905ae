/**
 * Pieces of one burst as one segment: a script writes what the stack handed down, whatever the card cut it into. Pieces
 * belong together when they follow each other and agree in everything but FIN, PSH and CWR, and when none but the last has
 * another length than the one before it; the whole has the headers of the last, the number and the CWR of the first.
 */
import { SEQ_MODULUS, type TcpSpec } from '../../wire/segment.ts';
import { tcpOptionLen } from '../../wire/segment-build.ts';
import { TCP_FLAG_CWR, TCP_FLAG_FIN, TCP_FLAG_PSH } from '../../wire/tcp.ts';

export class Pieces {
  /** What there is so far. */
  whole: TcpSpec;
  private readonly mayDiffer: number;
  /** Payload of the last piece, and of the one before it; 0: there is none. */
  private lastLen: number;
  private lenBefore = 0;

  /** `ace`: CWR is a bit of the ACE counter, which is the same in all pieces. */
  constructor(first: TcpSpec, ace: boolean) {
    this.whole = first;
    this.mayDiffer = TCP_FLAG_FIN | TCP_FLAG_PSH | (ace ? 0 : TCP_FLAG_CWR);
    this.lastLen = first.range!.len;
  }

  /** Joins the piece that came next. False: it does not belong there. */
  add(piece: TcpSpec): boolean {
    const { whole } = this;
    const [a, b] = [whole.range!, piece.range!];
    const alike = ((whole.flags ^ piece.flags) & ~this.mayDiffer) === 0 && whole.ack === piece.ack && whole.win === piece.win
      && whole.urg === piece.urg && optionShape(whole) === optionShape(piece);
    const adjacent = (a.seq + a.len) % SEQ_MODULUS === b.seq;
    const evenBefore = this.lenBefore === 0 || this.lenBefore === this.lastLen;
    if (!alike || !adjacent || !evenBefore) return false;
    const flags = (piece.flags & ~TCP_FLAG_CWR) | (whole.flags & TCP_FLAG_CWR);
    this.whole = { ...piece, flags, range: { seq: a.seq, len: a.len + b.len } };
    this.lenBefore = this.lastLen;
    this.lastLen = b.len;
    return true;
  }
}

/** Only how long they are counts: the data offset. */
function optionShape(spec: TcpSpec): number {
  if (spec.options === undefined || spec.options === 'any') return 0;
  return spec.options.reduce((n, o) => n + tcpOptionLen(o), 0);
}
