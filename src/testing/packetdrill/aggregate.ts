/**
 * Pieces of one burst as one segment: a script writes what the stack handed down, whatever the card cut it into. Pieces
 * belong together when they follow each other and agree in everything but FIN, PSH and CWR; the whole has the headers of the last.
 */
import { SEQ_MODULUS, type TcpSpec } from '../../wire/segment.ts';
import { tcpOptionLen } from '../../wire/segment-build.ts';
import { TCP_FLAG_CWR, TCP_FLAG_FIN, TCP_FLAG_PSH } from '../../wire/tcp.ts';

const MAY_DIFFER: number = TCP_FLAG_FIN | TCP_FLAG_PSH | TCP_FLAG_CWR;

/** `whole` and the piece that came after it, as one; null when they do not belong together. `lastLen`: payload of the last piece. */
export function joinPieces(whole: TcpSpec, piece: TcpSpec, lastLen: number): TcpSpec | null {
  const [a, b] = [whole.range!, piece.range!];
  const alike = ((whole.flags ^ piece.flags) & ~MAY_DIFFER) === 0 && whole.ack === piece.ack && whole.win === piece.win
    && whole.urg === piece.urg && optionShape(whole) === optionShape(piece);
  const adjacent = (a.seq + a.len) % SEQ_MODULUS === b.seq;
  const equalSizes = a.len % lastLen === 0 && b.len <= lastLen;
  if (!alike || !adjacent || !equalSizes) return null;
  const flags = (piece.flags & ~TCP_FLAG_CWR) | (whole.flags & TCP_FLAG_CWR);
  return { ...piece, flags, range: { seq: a.seq, len: a.len + b.len } };
}

/** Only how long they are counts: the data offset. */
function optionShape(spec: TcpSpec): number {
  if (spec.options === undefined || spec.options === 'any') return 0;
  return spec.options.reduce((n, o) => n + tcpOptionLen(o), 0);
}
