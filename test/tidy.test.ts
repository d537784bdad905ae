// The rules keep themselves: scripts/tidy.ts over the tree, and over planted mistakes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayImport, NEIGHBOURS, roomOf, ROOMS } from '../scripts/rooms.ts';
import { show, tidy, workingTree, type Package } from '../scripts/tidy.ts';

const SIGN = '/** A file that exists in order to be found at fault. */\n';

/** The findings for a small tree. Code gets a head comment unless it brings one. */
function findingsIn(small: Record<string, string>, pkg: Package = {}): string[] {
  const files = Object.entries(small).map(([path, text]): [string, string] => {
    return [path, path.endsWith('.ts') && !text.startsWith('/*') ? SIGN + text : text];
  });
  return tidy(new Map(files), pkg).map(show);
}

/** One mistake in one file must be found, once, on its line, with `words` in the message. */
function mistake(path: string, code: string, words: string | RegExp, others: Record<string, string> = {}): void {
  const found = findingsIn({ ...others, [path]: code }).filter((f) => f.startsWith(path));
  assert.equal(found.length, 1, `${code} gave ${JSON.stringify(found)}`);
  if (typeof words === 'string') assert.ok(found[0]!.includes(words), `${found[0]!} does not say: ${words}`);
  else assert.match(found[0]!, words);
}

/** Code that only resembles a mistake must be left alone. */
function fine(path: string, code: string, others: Record<string, string> = {}, pkg: Package = {}): void {
  assert.deepEqual(findingsIn({ ...others, [path]: code }, pkg), []);
}

const tree = workingTree();
const ours = tidy(tree, JSON.parse(tree.get('package.json')!) as Package).map(show);
const idle = ours.filter((f) => f.includes('is never used'));

test('the tree keeps its own rules', () => {
  const found = ours.filter((f) => !idle.includes(f));
  assert.equal(found.length, 0, `\n${found.join('\n')}\n`);
});

test('every drop reason and every counter of the tree is used somewhere', () => {
  assert.equal(idle.length, 0, `\n${idle.join('\n')}\n`);
});

test('there is a tree to check: each room that holds code was seen', () => {
  const rooms = new Set([...tree.keys()].map(roomOf));
  for (const room of ['lib', 'time', 'wire', 'skb', 'tcp']) assert.ok(rooms.has(room), `nothing seen of src/${room}/`);
});

test('imports point down: every pair of rooms', () => {
  for (const [i, from] of ROOMS.entries()) {
    for (const [j, to] of ROOMS.entries()) {
      const sideBySide = NEIGHBOURS.includes(from) && NEIGHBOURS.includes(to) && from !== to;
      assert.equal(mayImport(from, to), j <= i && !sideBySide, `${from} imports ${to}`);
      const found = findingsIn({
        [`src/${from}/a.ts`]: `import { b } from '../${to}/b.ts';\nexport const a = (): number => b;\n`,
        [`src/${to}/b.ts`]: 'export const b = 1;\n',
      });
      assert.equal(found.length === 0, j <= i && !sideBySide, `${from} imports ${to}: ${found.join()}`);
    }
  }
});

test('an import that points up is named with its line, in every form an import has', () => {
  const tcp = { 'src/tcp/input.ts': `/*\n * from  x\n * to  y, and so on\n */\nexport interface T {}\nexport const t = 1;\n` };
  const words = 'src/ip/route.ts:3: ip imports tcp, which is upstairs → register a handler instead';
  mistake('src/ip/route.ts', "\nimport { t } from '../tcp/input.ts';\nexport const f = (): number => t;\n", words, tcp);
  mistake('src/ip/route.ts', "\nimport type { T } from '../tcp/input.ts';\nexport type U = T;\n", words, tcp);
  mistake('src/ip/route.ts', "\nimport { type T } from '../tcp/input.ts';\nexport type U = T;\n", words, tcp);
  mistake('src/ip/route.ts', "\nexport { t } from '../tcp/input.ts';\n", words, tcp);
  mistake('src/ip/route.ts', "\nexport type U = import('../tcp/input.ts').T;\n", words, tcp);
  mistake('src/ip/route.ts', "\nvoid import('../tcp/input.ts');\n", words, tcp);
});

test('neighbours do not visit each other, not even for a type', () => {
  const words = 'tcp imports its neighbour udp → move what both need down into sock or ip';
  mistake('src/tcp/info.ts', "import type { U } from '../udp/sock.ts';\nexport type V = U;\n", words,
    { 'src/udp/sock.ts': 'export interface U {}\n' });
});

test('rooms do not go out to come in again: no import of a public door, of a test, or from outside src/', () => {
  mistake('src/tcp/info.ts', "export * from '../net.ts';\n", 'tcp imports the public door src/net.ts', { 'src/net.ts': '' });
  mistake('src/tcp/info.ts', "export * from '../../mod.ts';\n", 'tcp imports the public door mod.ts', { 'mod.ts': '' });
  mistake('src/tcp/info.ts', "export * from './a.test.ts';\n", 'imports the test src/tcp/a.test.ts');
  mistake('src/tcp/info.ts', "export * from '../../scripts/x.ts';\n", 'which is not in src/');
});

test('an import says its extension, and a folder that is no room is refused', () => {
  mistake('src/tcp/info.ts', "export * from './rtt';\n", "import './rtt' without its extension → write .ts");
  mistake('src/tcp/info.ts', "export * from './rtt.js';\n", "import './rtt.js' without its extension → write .ts");
  mistake('src/utils/x.ts', 'export const x = 1;\n', 'utils is not a room');
  mistake('src/helpers.ts', 'export const x = 1;\n', 'not a public door');
  mistake('src/browser.ts', "export { x } from './node/x.ts';\n", 'needs a runtime', { 'src/node/x.ts': 'export const x = 1;\n' });
});

test('node: is for node/, deno/ and cli/, and packages only where and when they are installed', () => {
  const pkg: Package = { dependencies: { 'dns-packet': '5.0.0' } };
  mistake('src/ip/route.ts', "import 'node:fs';\n", 'ip imports node:fs → only node/ and deno/ and cli/ know Node');
  mistake('src/testing/lab.ts', "import { test } from 'node:test';\nvoid test;\n", 'testing imports node:test');
  mistake('src/host/resolver.ts', "import 'dns-packet';\n", 'the package dns-packet, which is no dependency');
  fine('src/host/resolver.ts', "import 'dns-packet';\n", {}, pkg);
  fine('src/node/net.ts', "import net from 'node:net';\nvoid net;\n");
  const found = findingsIn({ 'src/ip/route.ts': "import 'dns-packet';\n" }, pkg);
  assert.match(found.join(), /ip imports the package dns-packet → the stack has no run-time dependency/);
});

test('time and chance come in by the door: each banned call is found and its replacement named', () => {
  for (const call of ['Date.now()', 'performance.now()', 'process.hrtime()', 'new Date()']) {
    mistake('src/tcp/rtt.ts', `export const f = (): unknown => ${call};\n`, "take the time from the world's clock");
  }
  for (const call of ['Math.random()', 'crypto.randomUUID()', 'globalThis.crypto.getRandomValues(new Uint8Array(4))']) {
    mistake('src/tcp/rtt.ts', `export const f = (): unknown => ${call};\n`, 'draw from a stream of lib/random.ts');
  }
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'clearTimeout']) {
    mistake('src/world/world.ts', `export const f = (): unknown => ${name}(f);\n`, "arm a timer on the world's clock");
    mistake('src/world/world.ts', `export const f = (): unknown => globalThis.${name}(f);\n`, "arm a timer on the world's clock");
  }
  mistake('src/world/world.ts', 'export const f = { later: setTimeout };\n', "arm a timer on the world's clock");
  mistake('src/world/world.ts', 'export const f = { setTimeout };\n', "arm a timer on the world's clock");
  mistake('src/world/world.ts', 'export const f = (): unknown => AbortSignal.timeout(1);\n', "arm a timer on the world's clock");
  mistake('src/node/net.ts', 'export const f = (): unknown => Math.random();\n', 'draw from a stream');
});

test('the pump, and only the pump, touches the event loop; a member that bears such a name is no call of it', () => {
  fine('src/time/pump.ts', 'export const f = (): unknown => [setImmediate(f), setTimeout(f, 1), performance.now()];\n');
  mistake('src/time/timer.ts', 'export const f = (): unknown => setImmediate(f);\n', 'only src/time/pump.ts');
  fine('src/host/kernel.ts', 'export class K { setTimeout(): void {} }\nexport const f = (k: K): void => k.setTimeout();\n');
  fine('src/host/kernel.ts', 'export interface K { setTimeout(): void; now: { Date: number } }\n');
  fine('src/host/kernel.ts', 'export const f = { setTimeout: 1 };\nexport const d: Date = new Date(0);\n');
  fine('src/node/timers.ts', 'export const f = (): unknown => [setTimeout(f, 1), Date.now()];\n');
});

test('below syscall/ nothing waits: no await, no async, no promise', () => {
  mistake('src/sock/sock.ts', 'export const f = new Promise(() => {});\n', 'everything runs to completion');
  mistake('src/sock/sock.ts', 'export const f = Promise.resolve();\n', 'sleep on a wait queue');
  mistake('src/sock/sock.ts', 'export async function f(): Promise<void> {}\n', 'async → below syscall/');
  mistake('src/sock/sock.ts', 'await 1;\n', 'await → below syscall/');
  fine('src/syscall/socket.ts', 'export async function f(): Promise<void> { await 1; }\n');
});

test('no state at the top level of a module: no let, no var, no empty container', () => {
  mistake('src/tcp/a.ts', 'let n = 0;\nexport const f = (): number => n++;\n', 'top-level let or var');
  mistake('src/tcp/a.ts', 'export var n = 0;\n', 'top-level let or var');
  mistake('src/tcp/a.ts', 'const m = new Map<number, number>();\nvoid m;\n', 'an empty container at the top level is a global');
  mistake('src/tcp/a.ts', 'const m: number[] = [];\nvoid m;\n', 'an empty container at the top level is a global');
  mistake('src/net.ts', 'export let n = 0;\n', 'top-level let or var');
  mistake('src/tcp/a.ts', 'export const M = new Map<number, number>();\n', 'an empty container at the top level is a global');
  fine('src/tcp/a.ts', 'export const NONE: readonly string[] = [];\n');
  fine('src/tcp/a.ts', 'const m = new Map([[1, 2]]);\nexport function f(): number { let n = 0; n++; return n + m.size; }\n');
});

test('only syntax that can be erased: no enum, namespace, parameter property or import =', () => {
  mistake('src/tcp/a.ts', 'export enum State { Open }\n', 'enum → export const X = { … } as const');
  mistake('src/tcp/a.ts', 'export const enum State { Open }\n', 'enum → export const X = { … } as const');
  mistake('src/tcp/a.ts', 'export namespace N { export const a = 1; }\n', 'namespace → a file is a namespace');
  mistake('src/tcp/a.ts', 'export class A { constructor(readonly b: number) {} }\n', 'parameter property');
  mistake('src/tcp/a.ts', 'debugger;\n', 'debugger');
  fine('src/tcp/a.ts', "declare module 'x' {}\n");
});

test('a file has a sign on its door; on the walk, the sign says from whom and to whom', () => {
  mistake('src/tcp/rtt.ts', '/* ? */ export const a = 1;\n', 'no head comment');
  mistake('src/tcp/input.ts', '/** Segments coming in, one by one. */\n', 'no "from" and no "to" line in the head comment');
  mistake('src/tcp/input.ts', '/**\n * Segments coming in.\n *\n *   from  tcp/demux.ts\n */\n', 'no "to" line in the head comment');
  fine('src/tcp/input.ts', '/**\n * Segments coming in.\n *\n *   from  tcp/demux.ts\n *   to    tcp/ack.ts\n */\n');
});

test('files and functions end: 600 lines, 70 lines, 140 columns', () => {
  const lines = (n: number): string => 'f();\n'.repeat(n);
  mistake('src/tcp/a.ts', lines(600), '601 lines, over 600');
  fine('src/tcp/a.ts', lines(599));
  mistake('src/tcp/a.ts', `function f(): void {\n${lines(69)}}\n`, 'f has 71 lines, over 70');
  mistake('src/tcp/a.ts', `class A {\n  constructor() {\n${lines(69)}}\n}\nvoid A;\n`, 'the constructor has 71 lines');
  mistake('src/tcp/a.ts', `export const g = (): void => {\n${lines(69)}};\n`, 'g has 71 lines');
  fine('src/tcp/a.ts', `function f(): void {\n${lines(68)}}\n`);
  fine('test/tcp/a.test.ts', `test('x', () => {\n${lines(100)}});\n`);
  mistake('test/tcp/a.test.ts', lines(600), '601 lines, over 600');
  mistake('src/tcp/a.ts', `f('${'x'.repeat(140)}');\n`, 'columns, over 140');
});

test('the folder is the prefix: kebab-case, and no stutter', () => {
  mistake('src/tcp/fastOpen.ts', '', 'fastOpen.ts is not kebab-case');
  mistake('src/tcp/tcp-info.ts', '', 'tcp-info.ts repeats its folder → info.ts');
  fine('src/wire/tcp-options.ts', '');
  fine('src/sock/sock.ts', '');
});

test('a drop reason or a counter that nobody uses is reported', () => {
  const reasons = 'export const Drop = { NoSocket: 2, TcpCsum: 4 } as const;\nvoid Drop.TcpCsum;\n';
  const use = 'import { Drop } from \'../skb/drop-reason.ts\';\nexport const a = (): number => Drop.NoSocket;\n';
  mistake('src/skb/drop-reason.ts', reasons, 'drop-reason.ts:2: Drop.TcpCsum is never used', { 'src/tcp/a.ts': use });
  mistake('src/lib/mib.ts', 'export const Mib = Object.freeze({ TcpInSegs: 0 });\n', 'Mib.TcpInSegs is never used');
  const list = "const all = ['TcpInSegs'] as const;\nexport const Mib = Object.fromEntries(all.map((n, i) => [n, i]));\n";
  mistake('src/dev/mib.ts', list, 'mib.ts:2: Mib.TcpInSegs is never used');
  fine('src/dev/mib.ts', list, { 'src/tcp/a.ts': 'export const a = (): number => Mib.TcpInSegs;\n' });
  fine('src/skb/drop-reason.ts', 'export const Drop = { NoSocket: 2 } as const;\n', { 'src/tcp/a.ts': use });
});

test('a cycle of imports that would break while loading is reported; calls across files are no such cycle', () => {
  const base = "import { B } from './b.ts';\nexport class A {}\nexport const f = (): B => new B();\n";
  const cycle = 'a cycle: src/tcp/b.ts → src/tcp/a.ts → src/tcp/b.ts';
  mistake('src/tcp/b.ts', "import { A } from './a.ts';\nexport class B extends A {}\n", cycle, { 'src/tcp/a.ts': base });
  fine('src/tcp/b.ts', "import { g } from './a.ts';\nexport const f = (): void => g();\n",
    { 'src/tcp/a.ts': "import { f } from './b.ts';\nexport const g = (): void => f();\n" });
});

test('no machine paths, registry hosts, conflict markers or division of labour in any file', () => {
  for (const [text, words] of [
    ['see /home/' + 'someone/notes', 'somebody'], ['cd /ro' + 'ot/kernet', 'somebody'], ['in /wo' + 'rk/main', 'somebody'],
    ['https://registry.corp' + '.example/x.tgz', 'package registry'], ['this is part 2' + ' of 4', 'divided'],
    ['<<<<<<< ' + 'HEAD', 'conflict marker'],
  ] as const) {
    mistake('docs/NOTES.md', text, words);
    mistake('src/tcp/a.ts', `// ${text.replace('<<<<<<< ', '\n<<<<<<< ')}\n`, words);
  }
  fine('docs/NOTES.md', 'hosts come from /etc/hosts; npm asks registry.npmjs.org; see /proc/net/tcp and `src/host/work/x`\n');
  mistake('src/tcp/a.ts', '// @ts-' + 'ignore\n', '@ts-expect-error with a reason');
  mistake('test/tcp/a.test.ts', 'test.' + "only('x', () => {});\n", 'the other tests must run');
});

test('every row of CONFORMANCE.md points at a file and a name that exist', () => {
  const others = { 'src/tcp/a.ts': 'export const tcpAck = 1;\n', 'test/lab/a.test.ts': '' };
  const row = (where: string, shown: string): string => `| RFC 9293 §3.4 | MUST | \`${where}\` | \`${shown}\` | no |\n`;
  fine('docs/CONFORMANCE.md', row('src/tcp/a.ts#tcpAck', 'test/lab/a.test.ts'), others);
  mistake('docs/CONFORMANCE.md', row('src/tcp/a.ts#tcpNak', 'test/lab/a.test.ts'), 'src/tcp/a.ts has no tcpNak', others);
  mistake('docs/CONFORMANCE.md', row('src/tcp/a.ts#tcpAck', 'test/lab/b.test.ts'), 'test/lab/b.test.ts does not exist', others);
});
