/**
 * Is the program waiting for something real, which no virtual clock can hurry: a file, a name of the machine's resolver?
 * Such work holds the world's clock. The runtime tells what it has under way; what runs on its thread pool without a
 * request of its own (zlib, crypto's callbacks) it does not tell: that is counted, in thread-pool.ts.
 */
import process from 'node:process';
import { poolBusy } from './thread-pool.ts';

/** Requests that end by themselves. Handles (servers, timers, child processes, terminals) may be there for ever. */
const REQUEST = /^(FSReq|CloseReq|FileHandleCloseReq|GetAddrInfoReq|GetNameInfoReq|QueryReq|QueryWrap|ConnectWrap)/;

type Probe = () => readonly string[];

const probe: Probe | null = findProbe();

function findProbe(): Probe | null {
  const { getActiveResourcesInfo } = process as unknown as { getActiveResourcesInfo?: Probe };
  return getActiveResourcesInfo === undefined ? null : getActiveResourcesInfo.bind(process);
}

/** Names of resources that were looked at: is it a request? There are some dozens in all, and asking the pattern takes longer. */
const known = new Map<string, boolean>();

function isRequest(name: string): boolean {
  let is = known.get(name);
  if (is === undefined) {
    is = REQUEST.test(name);
    known.set(name, is);
  }
  return is;
}

/** True while the runtime has a request under way. 0.15 µs when there is none. */
export function realWork(): boolean {
  if (poolBusy()) return true;
  if (probe === null) return false;
  for (const name of probe()) if (isRequest(name)) return true;
  return false;
}

/** What `process.moduleLoadList` says once http2 is there; its sessions hop through queues that the runtime does not show. */
const HTTP2 = 'Internal Binding http2';

const { moduleLoadList: modules } = process as unknown as { moduleLoadList?: readonly string[] };
let seen = 0;
let http2 = false;

/** True once node:http2 has been loaded. A comparison when no module has been since it was last asked. */
export function http2Loaded(): boolean {
  if (modules === undefined) return false;
  for (; seen < modules.length; seen++) if (modules[seen] === HTTP2) http2 = true;
  return http2;
}

/**
 * Makes the question whether the program rests: no immediate waits, and no request is under way. Null where the runtime
 * does not tell. Timers and sockets of the runtime do not count: they come when they come, in real time.
 */
export function restProbe(): (() => boolean) | null {
  if (probe === null || modules === undefined) return null;
  return () => {
    if (http2Loaded() || poolBusy()) return false;
    for (const name of probe()) if (name === 'Immediate' || isRequest(name)) return false;
    return true;
  };
}

/** The answer once C++ sits on a kernel socket (TLS): its work hops through queues that the runtime does not show. */
export function neverRests(): boolean {
  return false;
}
