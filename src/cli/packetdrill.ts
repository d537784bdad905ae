/**
 * `kernet packetdrill [options] FILE|DIR…`: runs packetdrill scripts on kernet's stack, in virtual time.
 *
 *   from  cli/main.ts
 *   to    testing/packetdrill/packetdrill.ts   runPacketdrill
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { runPacketdrill, type PacketdrillResult } from '../testing/packetdrill/packetdrill.ts';
import { IP_MODES, type IpMode } from '../testing/packetdrill/mode.ts';
import { formatResult, formatSummary } from '../testing/packetdrill/report.ts';

export const PACKETDRILL_USAGE = `usage: kernet packetdrill [options] FILE|DIR…

  --ip_version=MODE       ipv4, ipv6 or ipv4-mapped-ipv6; default: all three
  --tolerance_usecs=N     how late or early a packet may be; default 4000
  --mtu=N                 of the device; default 1500, 1520 over IPv6
  --init_scripts=A,B      shell scripts that are run (simulated) before each script
  --define=NAME=VALUE     a word that stands for another; also -D NAME=VALUE
  --non_fatal=WHAT        packet, syscall: mismatches are warnings
  --OPTION=VALUE          any other option of packetdrill
  --json FILE             write the results there
  --pcapng DIR            write a capture of each run there
  -v                      show both traces, side by side
`;

/** Options of ours that take a word. */
const WITH_WORD: readonly string[] = ['--json', '--pcapng', '-D', '--define'];

/** A command line, read. */
interface CommandLine {
  readonly paths: string[];
  readonly options: (readonly [string, string])[];
  modes: IpMode[];
  verbose: boolean;
  json: string;
  pcapng: string;
}

/** Runs the command; the exit code. `print` takes lines. */
export async function packetdrillCommand(args: readonly string[], print: (line: string) => void): Promise<number> {
  const line = parse(args);
  if (typeof line === 'string' || line.paths.length === 0) {
    print(typeof line === 'string' ? `kernet packetdrill: ${line}\n\n${PACKETDRILL_USAGE}` : PACKETDRILL_USAGE);
    return 2;
  }
  const missing = line.paths.find((path) => !existsSync(path));
  if (missing !== undefined) {
    print(`kernet packetdrill: ${missing}: there is no such file or directory`);
    return 2;
  }
  if (line.pcapng !== '') mkdirSync(line.pcapng, { recursive: true });
  const results: PacketdrillResult[] = [];
  for (const file of line.paths.flatMap(scriptsIn)) {
    for (const result of await runFile(file, line)) {
      results.push(result);
      print(formatResult(result, line.verbose));
      if (result.pcapng !== null) writeFileSync(join(line.pcapng, `${basename(file, '.pkt')}-${result.mode}.pcapng`), result.pcapng);
    }
  }
  print(formatSummary(results));
  if (line.json !== '') writeFileSync(line.json, `${JSON.stringify(results.map((r) => ({ ...r, pcapng: undefined })), null, 2)}\n`);
  return results.some((r) => r.status === 'fail') ? 1 : 0;
}

async function runFile(file: string, line: CommandLine): Promise<PacketdrillResult[]> {
  return await runPacketdrill(readFileSync(file, 'utf8'), {
    file, modes: line.modes, options: line.options, capture: line.pcapng !== '',
    readFile: (path) => {
      const full = resolve(dirname(file), path);
      return existsSync(full) && statSync(full).isFile() ? readFileSync(full, 'utf8') : null;
    },
  });
}

/** A file, or all scripts below a directory, in order. */
function scriptsIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const entries = readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const full = join(path, entry.name);
    if (entry.isDirectory()) return scriptsIn(full);
    return entry.name.endsWith('.pkt') ? [full] : [];
  });
}

/** The command line, or what is wrong with it. */
function parse(args: readonly string[]): CommandLine | string {
  const line: CommandLine = { paths: [], options: [], modes: [...IP_MODES], verbose: false, json: '', pcapng: '' };
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (!word.startsWith('-')) {
      line.paths.push(word);
      continue;
    }
    const at = word.indexOf('=');
    const name = at < 0 ? word : word.slice(0, at);
    const needed = at < 0 && WITH_WORD.includes(name);
    const value = needed ? args[++i] : at < 0 ? '' : word.slice(at + 1);
    if (value === undefined) return `a word is missing behind ${name}`;
    const wrong = take(line, name, value);
    if (wrong !== '') return wrong;
  }
  return line;
}

/** Takes one option; what is wrong with it, or ''. */
function take(line: CommandLine, name: string, value: string): string {
  switch (name) {
    case '-v': case '--verbose': line.verbose = true; return '';
    case '--json': line.json = value; return '';
    case '--pcapng': line.pcapng = value; return '';
    case '-D': case '--define': line.options.push(['define', value]); return '';
    case '--ip_version': {
      const mode = IP_MODES.find((m) => m === value);
      if (mode === undefined) return `--ip_version: '${value}' is not understood; expected ${IP_MODES.join(', ')}`;
      line.modes = [mode];
      return '';
    }
    default:
      if (!/^--[a-z_]+$/.test(name)) return `${name} is no option`;
      line.options.push([name.slice(2), value]);
      return '';
  }
}
