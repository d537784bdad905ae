/**
 * packetdrill scripts, run on this stack in virtual time: `await runPacketdrill(text, { file: 'close.pkt' })`.
 *
 *   from  user code, cli/packetdrill.ts
 *   to    parse.ts   the language          run.ts   one script in one mode          report.ts   what it says
 */
import { checkOptions } from '../../lib/units.ts';
import { SegmentSyntaxError } from '../segment-notation.ts';
import { checkScript } from './check.ts';
import { ScriptFailure, ScriptSkipped } from './errors.ts';
import { missingFeature } from './features.ts';
import { IP_MODES, Settings, type IpMode } from './mode.ts';
import { parseOptions, parsePacketdrill } from './parse.ts';
import { ScriptRun, type TraceLine } from './run.ts';

/** How scripts are run. */
export interface PacketdrillOptions {
  /** The script's name, for messages, and for the suites' rule that `…v4.pkt` and `…v6.pkt` are for these versions only. */
  readonly file?: string;
  /** The address modes; default all three, or the one that the script names with `--ip_version=`. */
  readonly modes?: readonly IpMode[];
  /** packetdrill's own options, without the dashes, on top of the script's: `[['tolerance_usecs', '10000'], ['define', 'CODE=x']]`. */
  readonly options?: readonly (readonly [string, string])[];
  /** Reads a file that the script names, relative to the script; null when there is none. Default: there are no files. */
  readonly readFile?: (path: string) => string | null;
  /** Of the host's ISNs, ports and whatever else it draws. Default 1. */
  readonly seed?: number;
  /** Keep every frame, for `pcapng` of the result. Default false. */
  readonly capture?: boolean;
}

const OPTION_NAMES: readonly string[] = ['file', 'modes', 'options', 'readFile', 'seed', 'capture'];

/** What became of one script in one mode. */
export interface PacketdrillResult {
  readonly file: string;
  readonly mode: IpMode;
  readonly status: 'ok' | 'fail' | 'skip';
  /** Line of the event that failed; 0 when none did. */
  readonly line: number;
  /** Why it failed or was skipped; '' when it passed. */
  readonly message: string;
  /** What the script says and what came instead, in the notation. */
  readonly want: string;
  readonly got: string;
  /** Both traces, event by event, as far as the run went. */
  readonly trace: readonly TraceLine[];
  /** What the script's code printed. */
  readonly printed: readonly string[];
  /** Mismatches that `--non_fatal` let pass. */
  readonly warnings: readonly string[];
  /** The capture file, with `capture`. */
  readonly pcapng: Uint8Array | null;
}

/** Runs one script in each of its modes, one after the other. Never rejects for what a script says: that is in the results. */
export async function runPacketdrill(text: string, options: PacketdrillOptions = {}): Promise<PacketdrillResult[]> {
  if (typeof text !== 'string') throw new TypeError(`runPacketdrill: text is ${typeof text}; expected the text of a script`);
  checkOptions(options, OPTION_NAMES, 'runPacketdrill');
  for (const mode of options.modes ?? []) {
    if (!IP_MODES.includes(mode)) throw new TypeError(`modes: '${String(mode)}' is not understood; expected ${IP_MODES.join(', ')}`);
  }
  const wanted = options.modes ?? IP_MODES;
  const own = ownModes(text, options.file ?? '');
  const modes = wanted.filter((mode) => own.includes(mode));
  if (modes.length === 0 && wanted.length > 0) {
    return [{ ...noResult(options, wanted[0]!), status: 'skip', message: `the script is for ${own.join(', ')}` }];
  }
  const results: PacketdrillResult[] = [];
  for (const mode of modes) results.push(await runInMode(text, mode, options));
  return results;
}

/** The modes that the script is for: all, or the one it names; by the suites' rule, its name tells the version. */
function ownModes(text: string, file: string): readonly IpMode[] {
  const own = scriptOption(text, 'ip_version');
  const known = IP_MODES.find((mode) => mode === own);
  if (known !== undefined) return [known];
  if (/v6\.pkt$/.test(file)) return ['ipv6'];
  return /v4\.pkt$/.test(file) ? ['ipv4', 'ipv4-mapped-ipv6'] : IP_MODES;
}

function scriptOption(text: string, name: string): string | undefined {
  try {
    return parseOptions(text).reverse().find(([n]) => n === name)?.[1];
  } catch (error) {
    if (error instanceof SegmentSyntaxError) return undefined; // told when the script is read
    throw error;
  }
}

async function runInMode(text: string, mode: IpMode, options: PacketdrillOptions): Promise<PacketdrillResult> {
  const none = noResult(options, mode);
  const missing = missingFeature(text);
  if (missing !== '') return { ...none, status: 'skip', message: missing };
  let run: ScriptRun | null = null;
  try {
    const settings = new Settings(mode);
    for (const [name, value] of [...parseOptions(text), ...(options.options ?? [])]) {
      if (!settings.set(name, value)) throw new ScriptFailure(1, `option --${name} is not known`);
    }
    const script = parsePacketdrill(text, { version: settings.version, defines: settings.defines });
    checkScript(script);
    run = new ScriptRun(script, settings, options.seed ?? 1, options.readFile ?? ((): null => null), options.capture === true);
    if (!settings.dryRun) await run.run();
    return { ...none, ...outcome(run), status: 'ok' };
  } catch (error) {
    return { ...none, ...(run === null ? {} : outcome(run)), ...explain(error) };
  }
}

function noResult(options: PacketdrillOptions, mode: IpMode): Omit<PacketdrillResult, 'status'> {
  const file = options.file ?? 'script.pkt';
  return { file, mode, line: 0, message: '', want: '', got: '', trace: [], printed: [], warnings: [], pcapng: null };
}

function outcome(run: ScriptRun): Pick<PacketdrillResult, 'trace' | 'printed' | 'warnings' | 'pcapng'> {
  return { trace: run.trace, printed: run.code.printed, warnings: run.warnings, pcapng: run.capture.bytes() };
}

/** What an error says about the script; what is not about the script goes on its way. */
function explain(error: unknown): Pick<PacketdrillResult, 'status' | 'line' | 'message' | 'want' | 'got'> {
  const none = { line: 0, want: '', got: '' };
  if (error instanceof ScriptSkipped) return { ...none, status: 'skip', message: error.message };
  if (error instanceof ScriptFailure) return { status: 'fail', line: error.line, message: error.message, want: error.want, got: error.got };
  if (error instanceof SegmentSyntaxError) return { ...none, status: 'fail', line: error.line, message: `syntax error: ${error.message}` };
  throw error;
}
