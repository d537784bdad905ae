/**
 * The rooms of kernet, lowest first: the one list that says who may import whom.
 *
 *   read by   scripts/tidy.ts      (a test: an import that points up is an error)
 *
 * A room imports itself and the rooms before it. That holds for `import type` too: a type from upstairs is
 * knowledge from upstairs. Upward calls go through tables whose type the lower room owns; host/boot fills them.
 */

export const ROOMS: readonly string[] = [
  'lib', 'time', 'wire', 'skb', 'fabric', 'nic', 'dev', 'neigh', 'sock', 'ip',
  'udp', 'tcp', 'raw', 'unix',
  'syscall', 'host', 'world', 'node', 'deno', 'testing', 'cli',
];

/** Protocols side by side: each is seen from above only, and none sees another. */
export const NEIGHBOURS: readonly string[] = ['udp', 'tcp', 'raw', 'unix'];

/** The public doors: `mod.ts` and these files of `src/`. They re-export and hold no code of their own. */
export const DOORS: readonly string[] = ['net', 'dgram', 'dns', 'register', 'testing', 'deno', 'browser'];

/** The door that opens in a browser, too: nothing behind it imports a module of a runtime. */
export const BROWSER_DOOR = 'src/browser.ts';

/** From here on up, promises exist: user code waits here. Below, everything runs to completion. */
export const FIRST_ASYNC_ROOM = 'syscall';

/** From here on up, the host runtime is visible. Below, time and chance come in by the door. */
export const FIRST_RUNTIME_ROOM = 'node';

/** The rooms that may import `node:*`. */
export const NODE_IMPORTERS: readonly string[] = ['node', 'deno', 'cli'];

/** The bridge between virtual time and the host runtime's event loop: the only such file. */
export const PUMP = 'src/time/pump.ts';

/**
 * The files that every packet walks through. Their head comment (the sign on the door) says who hands in (`from`)
 * and to whom it hands on (`to`).
 */
export const WALK: readonly string[] = [
  'fabric/cable', 'dev/napi', 'dev/receive', 'dev/xmit', 'neigh/neighbour', 'neigh/arp',
  'ip/input', 'ip/output', 'ip/forward', 'ip/icmp', 'udp/input', 'udp/output',
  'tcp/demux', 'tcp/input', 'tcp/ack', 'tcp/data', 'tcp/output', 'tcp/ops',
];

/** Longest file, in lines. */
export const MAX_FILE_LINES = 600;
/** Longest function, in lines: one screen. */
export const MAX_FUNCTION_LINES = 70;
/** Longest line of code, in columns. 120 is the aim; a table row may need a little more. */
export const MAX_COLUMNS = 140;

/** Position of a room in the order; -1 when there is no such room. */
export function rank(room: string): number {
  return ROOMS.indexOf(room);
}

/** True when code of room `from` may import code of room `to`. */
export function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  if (NEIGHBOURS.includes(from) && NEIGHBOURS.includes(to)) return false;
  return rank(to) < rank(from);
}

/** The room that a path below the repository's root belongs to; `door` for the public doors; '' outside `src/`. */
export function roomOf(path: string): string {
  if (path === 'mod.ts') return 'door';
  const parts = path.split('/');
  if (parts[0] !== 'src') return '';
  return parts.length === 2 ? 'door' : parts[1]!;
}
