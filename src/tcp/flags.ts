/** What an ACK was, as it is being digested (Linux: FLAG_* of tcp_input.c). */

/** The segment carries data. */
export const FLAG_DATA = 0x01;
/** Its window field moved our view of the window. */
export const FLAG_WIN_UPDATE = 0x02;
/** It acknowledged data. */
export const FLAG_DATA_ACKED = 0x04;
/** … some of which had been retransmitted. */
export const FLAG_RETRANS_DATA_ACKED = 0x08;
/** It acknowledged our SYN. */
export const FLAG_SYN_ACKED = 0x10;
/** It SACKed something new. */
export const FLAG_DATA_SACKED = 0x20;
/** It carries ECE. */
export const FLAG_ECE = 0x40;
/** A retransmission was found lost. */
export const FLAG_LOST_RETRANS = 0x80;
/** Not by header prediction. */
export const FLAG_SLOWPATH = 0x100;
/** Never retransmitted data was (S)ACKed (F-RTO). */
export const FLAG_ORIG_SACK_ACKED = 0x200;
/** SND.UNA moved. */
export const FLAG_SND_UNA_ADVANCED = 0x400;
/** It has a D-SACK block. */
export const FLAG_DSACKING_ACK = 0x800;
/** The retransmission timer must be set anew. */
export const FLAG_SET_XMIT_TIMER = 0x1000;
/** The head of the queue is SACKed: the peer reneged. */
export const FLAG_SACK_RENEGING = 0x2000;
/** The caller has done PAWS and wants the timestamp remembered, when the segment is the one to remember. */
export const FLAG_UPDATE_TS_RECENT = 0x4000;
/** Do not answer an unacceptable ACK. */
export const FLAG_NO_CHALLENGE_ACK = 0x8000;
/** Probably a delayed ACK. */
export const FLAG_ACK_MAYBE_DELAYED = 0x10000;
/** The D-SACK is for a loss probe. */
export const FLAG_DSACK_TLP = 0x20000;
/** Its timestamp is newer than the last. */
export const FLAG_TS_PROGRESS = 0x40000;

export const FLAG_ACKED: number = FLAG_DATA_ACKED | FLAG_SYN_ACKED;
/** Any of these: not a duplicate ACK. */
export const FLAG_NOT_DUP: number = FLAG_DATA | FLAG_WIN_UPDATE | FLAG_ACKED;
export const FLAG_CA_ALERT: number = FLAG_DATA_SACKED | FLAG_ECE | FLAG_DSACKING_ACK;
export const FLAG_FORWARD_PROGRESS: number = FLAG_ACKED | FLAG_DATA_SACKED;

/** What to send when the ACK has been digested. */
export const REXMIT_NONE = 0;
/** Retransmit what is marked lost, then new data as far as the window goes. */
export const REXMIT_LOST = 1;
/** New data only (F-RTO). */
export const REXMIT_NEW = 2;
