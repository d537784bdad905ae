/**
 * The shell lines of scripts, on the simulated host: sysctl, ip, tc, iptables, nstat, ethtool, sleep, and the helpers of the
 * public suites (defaults.sh, set_sysctls.py). Nothing is run on the real machine; what is not known skips the script.
 */
import { NETIF_F_TSO } from '../../dev/net-device.ts';
import { KernelError } from '../../host/errors.ts';
import { ToolError } from '../../host/tools/command.ts';
import { ScriptSkipped } from './errors.ts';
import type { ScriptFds } from './fds.ts';
import type { ScriptHost } from './host.ts';
import { CounterHistory, moduleParameter, procFile } from './proc.ts';

/** Segments in a super-packet, where nobody says otherwise (Linux: GSO_MAX_SEGS). */
const GSO_MAX_SEGS = 65535;

/** What the suites' defaults.sh sets, by name below net.ipv4. */
const DEFAULTS: Readonly<Record<string, string>> = {
  tcp_rmem: '4096 540000 15728640', tcp_wmem: '4096 262144 4194304', tcp_timestamps: '1', tcp_syn_retries: '5', tcp_synack_retries: '5',
  tcp_frto: '2', tcp_sack: '1', tcp_dsack: '1', tcp_reordering: '3', tcp_congestion_control: 'cubic', tcp_slow_start_after_idle: '0',
  tcp_early_retrans: '4', tcp_recovery: '1', tcp_tso_win_divisor: '3', tcp_ecn: '0', tcp_ecn_option: '2', tcp_pacing_ss_ratio: '200',
  tcp_pacing_ca_ratio: '120',
  tcp_notsent_lowat: '4294967295', tcp_syncookies: '1', tcp_fastopen_key: 'a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4',
};

/** net.ipv4.tcp_fastopen in the kernel's own suite, and in the older one, whose helpers are in a folder of that name. */
const FASTOPEN = '0x3';
const FASTOPEN_COMMON = '0x70403';

/** Settings of a Linux that scripts write and that have no effect there any more, or none on what packets show. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'net.ipv4.tcp_fack', 'net.ipv4.tcp_low_latency',
]);

/** A pattern of grep as one of ours: in a basic one the backslash makes `|`, `+`, `?`, braces and parentheses special. */
function grepPattern(pattern: string, flags: ReadonlySet<string>): RegExp {
  let source = pattern;
  if (flags.has('F')) source = pattern.replace(/[.*+?^$()|[\]{}\\]/g, '\\$&');
  else if (!flags.has('E') && !flags.has('P')) source = pattern.replace(/\\?[|+?(){}]/g, (m) => (m.length === 2 ? m[1]! : `\\${m}`));
  return new RegExp(flags.has('w') ? `\\b(?:${source})\\b` : source, flags.has('i') ? 'i' : '');
}

/** Cuts a line at what `at` (sticky) matches outside of quotes; the cuts themselves are parts, too. */
function cut(line: string, at: RegExp): string[] {
  const parts: string[] = [];
  let from = 0;
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (quote !== '') {
      if (c === quote) quote = '';
      continue;
    }
    if (c === '"' || c === "'") quote = c;
    at.lastIndex = i;
    const m = quote === '' ? at.exec(line) : null;
    if (m === null) continue;
    parts.push(line.slice(from, i), m[0]);
    from = i + m[0].length;
    i = from - 1;
  }
  parts.push(line.slice(from));
  return parts;
}

/** A line that ran: its exit status and what it printed. */
interface Ran {
  readonly status: number;
  readonly out: string;
}

const OK: Ran = { status: 0, out: '' };

export class ScriptShell {
  private readonly host: ScriptHost;
  private readonly fds: ScriptFds;
  private readonly readFile: (path: string) => string | null;
  private counters: CounterHistory | null = null;

  constructor(host: ScriptHost, fds: ScriptFds, readFile: (path: string) => string | null) {
    this.host = host;
    this.fds = fds;
    this.readFile = readFile;
  }

  /** Gives it a fresh host's counters to look at. */
  private get history(): CounterHistory {
    return (this.counters ??= new CounterHistory(this.host.kernel.stack.net.mib));
  }

  /** Runs the lines; the exit status of the last one. */
  async run(text: string): Promise<number> {
    let status = 0;
    const lines = text.replace(/\\\r?\n/g, ' ').split(/\r?\n/).map((line) => line.replace(/(^|\s)#.*$/, '').trim());
    for (const line of lines) if (line !== '') status = await this.line(line);
    return status;
  }

  /** `a; b && c || d` */
  private async line(line: string): Promise<number> {
    let status = 0;
    let join = ';';
    for (const part of cut(line, /&&|\|\||;/y)) {
      if (part === '&&' || part === '||' || part === ';') {
        join = part;
        continue;
      }
      if (part.trim() === '' || (join === '&&' && status !== 0) || (join === '||' && status === 0)) continue;
      status = await this.pipeline(part.trim());
    }
    return status;
  }

  private async pipeline(line: string): Promise<number> {
    let ran = OK;
    for (const part of cut(line, /\|/y)) if (part !== '|') ran = await this.command(part.trim(), ran.out);
    return ran.status;
  }

  private async command(line: string, input: string): Promise<Ran> {
    const target = /(?:^|[^2&])>\s*(\/\S+)/.exec(line)?.[1] ?? '';
    const bare = line.replace(/[12&]?>+\s*(?:&\d|\S+)/g, '').replace(/<\s*\S+/g, '').trim();
    const words = [...bare.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map((m) => m[0].replace(/'([^']*)'|"([^"]*)"/g, '$1$2'));
    while (words.length > 0 && /^[A-Z_]+=\S*$/.test(words[0]!)) words.shift();
    const name = (words[0] ?? '').replace(/^.*\//, '');
    const args = words.slice(1);
    switch (name) {
      case '': case 'true': case ':': case 'set': case 'cd': case 'modprobe': case 'sync': return OK;
      case 'false': return { status: 1, out: '' };
      case 'defaults.sh': return this.defaults(words[0]!);
      case 'set_sysctls.py': return this.setSysctls(args);
      case 'sleep': await this.host.advance(this.host.nowNs + Number(args[0]) * 1e9); return OK;
      case 'echo': return this.echo(args, target);
      case 'grep': return this.grep(args, input);
      case 'dd': return this.dd(args);
      case 'rm': for (const path of args) this.fds.disk.delete(path); return OK;
      case 'sysctl': return this.sysctl(args);
      case 'ip': return this.tool(name, args);
      case 'nstat': return { status: 0, out: this.history.run(args) };
      case 'cat': return this.cat(args);
      case 'test': case '[': return { status: this.test(args) ? 0 : 1, out: '' };
      case 'exit': return { status: Number(args[0] ?? '0'), out: '' };
      case 'ifconfig': return this.ifconfig(args);
      case 'ethtool': return args[0] === '-K' || args[0] === '--features' ? this.offloads(args.slice(2)) : this.tool(name, args);
      case 'tc': case 'iptables': case 'ip6tables': case 'ss': case 'netstat': return this.tool(name, args);
      case 'sh': case 'bash': return { status: await this.script(args[0] ?? ''), out: '' };
      default:
        if (/^sysctl_restore_/.test(name)) return OK;
        if (/\.sh$/.test(name)) return { status: await this.script(words[0]!), out: '' };
        throw new ScriptSkipped(`command '${name}'`);
    }
  }

  /** A shell script: one of the suites' helpers, or a file of the same kind of lines. */
  async script(path: string): Promise<number> {
    if (path.endsWith('defaults.sh')) return this.defaults(path).status;
    if (/sysctl_restore_/.test(path)) return 0;
    const text = this.readFile(path);
    if (text === null) throw new ScriptSkipped(`shell script '${path}'`);
    return await this.run(text);
  }

  private defaults(path: string): Ran {
    this.set('net.ipv4.tcp_fastopen', path.includes('common/') ? FASTOPEN_COMMON : FASTOPEN);
    for (const [name, value] of Object.entries(DEFAULTS)) this.set(`net.ipv4.${name}`, value);
    return this.tool('tc', ['qdisc', 'replace', 'dev', 'tun0', 'root', 'pfifo']);
  }

  private set(name: string, value: string): void {
    if (WITHOUT_EFFECT.has(name)) return;
    try {
      this.host.kernel.sysctl(name, value);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      throw new ScriptSkipped(`sysctl ${name}=${value}`);
    }
  }

  private setSysctls(args: readonly string[]): Ran {
    for (const word of args) {
      const at = word.indexOf('=');
      this.set(word.slice(0, at).replace(/^\/proc\/sys\//, '').replace(/\//g, '.'), word.slice(at + 1));
    }
    return OK;
  }

  private sysctl(args: readonly string[]): Ran {
    const words = args.filter((word) => !word.startsWith('-'));
    for (const word of words) {
      const at = word.indexOf('=');
      if (at < 0) return this.tool('sysctl', args.filter((a) => a !== '-q' && a !== '-n'));
      this.set(word.slice(0, at), word.slice(at + 1));
    }
    return OK;
  }

  private echo(args: readonly string[], target: string): Ran {
    const text = args.join(' ');
    if (target.startsWith('/proc/sys/')) this.set(target.slice('/proc/sys/'.length).replace(/\//g, '.'), text);
    else if (target.startsWith('/sys/module/') && moduleParameter(target) === text) return OK;
    else if (target !== '' && target !== '/dev/null') throw new ScriptSkipped(`writing to ${target}`);
    return { status: 0, out: text };
  }

  private grep(args: readonly string[], input: string): Ran {
    const flags = new Set(args.filter((word) => /^-[a-zA-Z]+$/.test(word)).flatMap((word) => [...word.slice(1)]));
    const words = args.filter((word) => !word.startsWith('-'));
    const text = words.length > 1 ? words.slice(1).map((path) => this.read(path)).join('') : input;
    const pattern = grepPattern(words[0] ?? '', flags);
    const lines = text.replace(/\n$/, '').split('\n').filter((line) => pattern.test(line) !== flags.has('v'));
    const out = flags.has('q') ? '' : flags.has('c') ? String(lines.length) : lines.join('\n');
    return { status: lines.length > 0 && text !== '' ? 0 : 1, out };
  }

  /** A file: of the simulated host, or one that lies beside the script. */
  private read(path: string): string {
    const text = procFile(this.host.kernel, path) ?? this.readFile(path);
    if (text === null) throw new ScriptSkipped(`reading ${path}`);
    return text;
  }

  private cat(args: readonly string[]): Ran {
    return { status: 0, out: args.filter((word) => !word.startsWith('-')).map((path) => this.read(path)).join('') };
  }

  /** `[ -f path ]`, `[ a = b ]`, `[ 1 -lt 2 ]`, `! …` */
  private test(args: readonly string[]): boolean {
    const words = args.filter((word) => word !== ']');
    if (words[0] === '!') return !this.test(words.slice(1));
    if (words.length === 1) return words[0] !== '';
    const [a = '', op = '', b = ''] = words;
    if (words.length === 2) {
      const there = a === '-n' ? op !== '' : a === '-z' ? op === '' : procFile(this.host.kernel, op) !== null || this.fds.disk.has(op);
      return there || (/^-[efrs]$/.test(a) && this.readFile(op) !== null);
    }
    switch (op) {
      case '=': case '==': return a === b;
      case '!=': return a !== b;
      case '-eq': return Number(a) === Number(b);
      case '-ne': return Number(a) !== Number(b);
      case '-lt': return Number(a) < Number(b);
      case '-le': return Number(a) <= Number(b);
      case '-gt': return Number(a) > Number(b);
      case '-ge': return Number(a) >= Number(b);
      default: throw new ScriptSkipped(`command 'test ${args.join(' ')}'`);
    }
  }

  /** `ethtool -K tun0 tso off gso off`: without TSO the stack cuts, without GSO it makes no super-packets; the rest changes nothing. */
  private offloads(args: readonly string[]): Ran {
    const { dev } = this.host.wire;
    for (let i = 0; i + 1 < args.length; i += 2) {
      const on = args[i + 1] === 'on';
      switch (args[i]) {
        case 'tso': case 'tcp-segmentation-offload':
          dev.features = on ? dev.features | NETIF_F_TSO : dev.features & ~NETIF_F_TSO;
          break;
        case 'gso': case 'generic-segmentation-offload':
          dev.gsoMaxSegs = on ? GSO_MAX_SEGS : 1;
          break;
      }
    }
    return OK;
  }

  /** The old way to set an MTU, or a device up and down. */
  private ifconfig(args: readonly string[]): Ran {
    const [dev = '', verb = '', value = ''] = args;
    if (verb === 'mtu') return this.tool('ip', ['link', 'set', 'dev', dev, 'mtu', value]);
    if (verb === 'up' || verb === 'down') return this.tool('ip', ['link', 'set', 'dev', dev, verb]);
    throw new ScriptSkipped(`command 'ifconfig ${args.join(' ')}'`);
  }

  /** Makes a file of zeros. */
  private dd(args: readonly string[]): Ran {
    const value = (name: string): string => args.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
    const unit: Readonly<Record<string, number>> = { k: 1024, K: 1024, M: 1048576 };
    const bs = value('bs');
    const size = Number(bs.replace(/[kKM]$/, '') || '512') * (unit[bs.slice(-1)] ?? 1) * Number(value('count') || '1');
    this.fds.disk.set(value('of'), { kind: 'file', size, offset: 0 });
    return OK;
  }

  private tool(name: string, args: readonly string[]): Ran {
    try {
      return { status: 0, out: this.host.kernel.sh([name, ...args.map((a) => (/\s/.test(a) ? `'${a}'` : a))].join(' ')) };
    } catch (error) {
      if (error instanceof ToolError) throw new ScriptSkipped(`command '${name} ${args.join(' ')}'`);
      if (error instanceof KernelError) return { status: 2, out: error.message };
      throw error;
    }
  }
}
