/**
 * A message authentication code of a secret key: what TCP-AO (RFC 5926) needs of HMAC-SHA-1 (`sha1.ts`) and AES-128-CMAC
 * (`aes-cmac.ts`). One object authenticates one message after the other; what a key needs is computed once, by `expand`.
 */
export interface Mac {
  /** Bytes of the code; a key that is derived by it is as long. */
  readonly size: number;
  /** What `begin` wants to have of a key. AES-128-CMAC takes 16 bytes, HMAC any number. */
  expand(key: Uint8Array): Int32Array;
  /** A new message, under an expanded key. */
  begin(key: Int32Array): void;
  /** `len` bytes of `bytes` from `off` on are part of the message. */
  update(bytes: Uint8Array, off: number, len: number): void;
  /** The message is complete: its code to the start of `out`. */
  digest(out: Uint8Array): void;
}
