/** TCP, what the peer has received. */
import type { SkBuff } from '../skb/sk-buff.ts';
import type { TcpSock } from './sock.ts';
import { fail } from '../lib/assert.ts';

/** Incoming segment carries data; its window field moved the window; it acknowledged data; … (Linux: FLAG_*). */
export const FLAG_DATA = 0x01;
export const FLAG_WIN_UPDATE = 0x02;
export const FLAG_DATA_ACKED = 0x04;
export const FLAG_RETRANS_DATA_ACKED = 0x08;
export const FLAG_SYN_ACKED = 0x10;
export const FLAG_DATA_SACKED = 0x20;
export const FLAG_ECE = 0x40;
export const FLAG_LOST_RETRANS = 0x80;
export const FLAG_SLOWPATH = 0x100;
export const FLAG_ORIG_SACK_ACKED = 0x200;
export const FLAG_SND_UNA_ADVANCED = 0x400;
export const FLAG_DSACKING_ACK = 0x800;
export const FLAG_SET_XMIT_TIMER = 0x1000;
export const FLAG_SACK_RENEGING = 0x2000;
/** The caller has done PAWS and wants the timestamp remembered, when the segment is the one to remember. */
export const FLAG_UPDATE_TS_RECENT = 0x4000;
export const FLAG_NO_CHALLENGE_ACK = 0x8000;
export const FLAG_ACK_MAYBE_DELAYED = 0x10000;
export const FLAG_DSACK_TLP = 0x20000;

export function tcpAck(_tp: TcpSock, _skb: SkBuff, _flag: number): number { return fail('stub'); }
