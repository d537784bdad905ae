/**
 * What may travel with a message of a Unix socket beside its bytes (Linux: struct scm_cookie): open files, and who sends it.
 * The types are here, because `unix/` carries what `syscall/` opens and closes.
 */

/** Who a process is (SO_PEERCRED, SCM_CREDENTIALS: struct ucred). */
export interface Ucred {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** An open file on its way (Linux: struct file). While it travels, the message holds one of its references. */
export interface PassedFile {
  /** Descriptors, and messages on their way, that refer to it. */
  refs: number;
  /** The socket behind it, or null: what a message in its queue may refer to again. */
  readonly passedSock: object | null;
  /** Gives up a reference; with the last one the file is closed. */
  put(): void;
}

/** Most files in one message (Linux: SCM_MAX_FD). */
export const SCM_MAX_FD = 253;
