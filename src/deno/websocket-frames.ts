/** The frames of WebSockets, RFC 6455 §5: read as messages, written whole. */
import { randomBytes } from 'node:crypto';
import { MessageError, type Bytes, type MessageReader } from './http1.ts';

const OP_MORE = 0;
export const OP_TEXT = 1;
export const OP_BINARY = 2;
export const OP_CLOSE = 8;
export const OP_PING = 9;
export const OP_PONG = 10;

/** Why a connection ends: §7.4.1. `none` and `abnormal` are never sent. */
export const CLOSE: Readonly<Record<'protocol' | 'none' | 'abnormal' | 'badData' | 'tooBig', number>> = {
  protocol: 1002, none: 1005, abnormal: 1006, badData: 1007, tooBig: 1009,
};

/** A longer message is refused. */
export const MAX_MESSAGE_BYTES: number = 64 << 20;

/** What the peer sent is no WebSocket's; the connection ends with `code`. */
export class FrameError extends MessageError {
  override name = 'FrameError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Message {
  readonly op: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of OP_CLOSE. */
  readonly close?: { readonly code: number; readonly reason: string };
}

interface Frame {
  readonly isLast: boolean;
  readonly op: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The pieces of a message, which control frames may come between. */
const pieces = new WeakMap<MessageReader, { op: number; parts: Uint8Array<ArrayBuffer>[]; size: number }>();

/** The next message or control frame; null at the end of the stream. @throws FrameError */
export async function readMessage(reader: MessageReader, fromClient: boolean): Promise<Message | null> {
  for (;;) {
    if (reader.waiting === 0 && !await reader.fill()) return null;
    const frame = await readFrame(reader, fromClient);
    if (frame.op === OP_CLOSE) return { op: OP_CLOSE, bytes: frame.bytes, close: parseClose(frame.bytes) };
    if (frame.op >= 8) return { op: frame.op, bytes: frame.bytes };
    const begun = pieces.get(reader) ?? null;
    if ((frame.op === OP_MORE) !== (begun !== null)) throw new FrameError(CLOSE.protocol, 'a piece of no message, or a message in another');
    const whole = begun ?? { op: frame.op, parts: [], size: 0 };
    whole.parts.push(frame.bytes);
    whole.size += frame.bytes.length;
    if (whole.size > MAX_MESSAGE_BYTES) throw new FrameError(CLOSE.tooBig, `a message of more than ${MAX_MESSAGE_BYTES} bytes`);
    if (!frame.isLast) {
      pieces.set(reader, whole);
      continue;
    }
    pieces.delete(reader);
    return { op: whole.op, bytes: joined(whole.parts, whole.size) };
  }
}

function joined(parts: readonly Uint8Array<ArrayBuffer>[], size: number): Uint8Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0]!;
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

async function readFrame(reader: MessageReader, fromClient: boolean): Promise<Frame> {
  const [first, second] = await reader.exactly(2) as unknown as [number, number];
  const op = first & 15;
  const isLast = (first & 0x80) !== 0;
  if ((first & 0x70) !== 0) throw new FrameError(CLOSE.protocol, 'a bit of an extension that was not agreed upon');
  if (op > OP_BINARY && op < OP_CLOSE || op > OP_PONG) throw new FrameError(CLOSE.protocol, `opcode ${op} is not known`);
  const isMasked = (second & 0x80) !== 0;
  if (isMasked !== fromClient) throw new FrameError(CLOSE.protocol, fromClient ? 'a client that does not mask' : 'a server that masks');
  let size = second & 127;
  if (op >= OP_CLOSE && (size > 125 || !isLast)) throw new FrameError(CLOSE.protocol, 'a control frame that is long, or in pieces');
  if (size >= 126) {
    size = (await reader.exactly(size === 126 ? 2 : 8)).reduce((n, byte) => n * 256 + byte, 0);
    if (size > MAX_MESSAGE_BYTES) throw new FrameError(CLOSE.tooBig, `a frame of ${size} bytes`);
  }
  const mask = isMasked ? await reader.exactly(4) : null;
  const bytes = await reader.exactly(size);
  if (mask !== null) applyMask(bytes, mask);
  return { isLast, op, bytes };
}

function applyMask(bytes: Uint8Array, mask: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) bytes[i]! ^= mask[i & 3]!;
}

/** §7.1.5, §7.4: which codes may come. */
function parseClose(bytes: Uint8Array): { code: number; reason: string } {
  if (bytes.length === 0) return { code: CLOSE.none, reason: '' };
  const code = bytes.length === 1 ? 0 : bytes[0]! << 8 | bytes[1]!;
  const isKnown = code >= 1000 && code <= 1014 && ![1004, CLOSE.none, CLOSE.abnormal].includes(code) || code >= 3000 && code <= 4999;
  if (!isKnown) throw new FrameError(CLOSE.protocol, `${code} is no code to close with`);
  try {
    return { code, reason: new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(2)) };
  } catch {
    throw new FrameError(CLOSE.badData, 'a reason that is no UTF-8');
  }
}

/** Writes a message as one frame; a client masks it (§5.3). */
export async function writeFrame(conn: Bytes, op: number, bytes: Uint8Array, masked: boolean): Promise<void> {
  const { length } = bytes;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const out = new Uint8Array(2 + extended + (masked ? 4 : 0) + length);
  out[0] = 0x80 | op;
  out[1] = (masked ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  for (let i = 0, rest = length; i < extended; i++, rest = Math.floor(rest / 256)) out[1 + extended - i] = rest % 256;
  const payload = out.subarray(out.length - length);
  payload.set(bytes);
  if (masked) {
    const mask = randomBytes(4);
    out.set(mask, 2 + extended);
    applyMask(payload, mask);
  }
  await conn.write(out);
}
