/** Errors about names, at the door: the codes and numbers of Node, the names of getaddrinfo(3) and c-ares. */
import { FORMERR, NOTIMP, REFUSED, SERVFAIL } from './message.ts';

/** Why a question has no answer. c-ares's words. */
export type DnsCode =
  | 'ENODATA' | 'EFORMERR' | 'ESERVFAIL' | 'ENOTFOUND' | 'ENOTIMP' | 'EREFUSED' | 'EBADNAME' | 'EBADRESP' | 'ECONNREFUSED' | 'ETIMEOUT';

/** Why getaddrinfo(3) and getnameinfo(3) fail. */
export type EaiCode =
  | 'EAI_AGAIN' | 'EAI_BADFLAGS' | 'EAI_FAIL' | 'EAI_FAMILY' | 'EAI_NODATA' | 'EAI_NONAME' | 'EAI_SERVICE' | 'EAI_SOCKTYPE';

/** libuv's numbers, the same on all systems. */
const EAI_ERRNO: Readonly<Record<EaiCode, number>> = {
  EAI_AGAIN: -3001, EAI_BADFLAGS: -3002, EAI_FAIL: -3004, EAI_FAMILY: -3005, EAI_NODATA: -3007, EAI_NONAME: -3008, EAI_SERVICE: -3010,
  EAI_SOCKTYPE: -3011,
};

/** A name that could not be resolved. */
export class NameError extends Error {
  /** `'ENOTFOUND'`, `'EAI_AGAIN'`, `'ETIMEOUT'`… */
  readonly code: string;
  /** libuv's number for getaddrinfo and getnameinfo; undefined for questions to name servers, as in Node. */
  readonly errno: number | undefined;
  /** `'getaddrinfo'`, `'queryA'`… */
  readonly syscall: string;
  readonly hostname: string;

  constructor(code: string, errno: number | undefined, syscall: string, hostname: string) {
    super(`${syscall} ${code} ${hostname}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.hostname = hostname;
  }
}

/** The error of getaddrinfo or getnameinfo. A name without addresses is ENOTFOUND, as in Node. */
export function eaiError(code: EaiCode, syscall: string, hostname: string): NameError {
  const shown = code === 'EAI_NONAME' || code === 'EAI_NODATA' ? 'ENOTFOUND' : code;
  return new NameError(shown, EAI_ERRNO[code], syscall, hostname);
}

/** The error of a question for records. */
export function queryError(code: DnsCode, syscall: string, hostname: string): NameError {
  return new NameError(code, undefined, syscall, hostname);
}

/** What a server's refusal is called. */
export function rcodeError(rcode: number): DnsCode {
  switch (rcode) {
    case FORMERR: return 'EFORMERR';
    case SERVFAIL: return 'ESERVFAIL';
    case NOTIMP: return 'ENOTIMP';
    case REFUSED: return 'EREFUSED';
    default: return 'EBADRESP';
  }
}
