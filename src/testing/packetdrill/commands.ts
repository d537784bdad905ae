/**
 * Commands of scripts that look at the simulated host or change it: sysctl, ip, tc, iptables, nstat, ss, ethtool, sleep, files, and
 * the helpers of the public suites (defaults.sh, set_sysctls.py). What is not known skips the script.
 */
import { NETIF_F_TSO } from '../../dev/net-device.ts';
import { KernelError } from '../../host/errors.ts';
import { ToolError } from '../../host/tools/command.ts';
import { ScriptSkipped } from './errors.ts';
import type { ScriptFds } from './fds.ts';
import type { ScriptHost } from './host.ts';
import { CounterHistory, moduleParameter, procFile } from './proc.ts';
import type { ShellResult } from './shell.ts';

/** Segments in a super-packet, where nobody says otherwise (Linux: GSO_MAX_SEGS). */
const GSO_MAX_SEGS = 65535;
/** Longest file that a script may make. */
const MAX_FILE = 64 * 1024 * 1024;

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
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['net.ipv4.tcp_fack', 'net.ipv4.tcp_low_latency']);

/** What the kernel would answer, where a tool is understood and fails; all else that a tool says is that it has no such word. */
const REFUSED = /RTNETLINK answers|nothing of yours is there|[Nn]o such (?:process|device)|File exists|Cannot find/;

/** Commands that do nothing here, and succeed. */
const NOTHING: ReadonlySet<string> = new Set(['modprobe', 'sync', 'wait', 'chmod', 'mkdir', 'rmdir']);
/** Tools of the host, by the name under which its own shell has them. */
const TOOLS: ReadonlySet<string> = new Set([
  'ip', 'tc', 'iptables', 'ip6tables', 'iptables-save', 'ip6tables-save', 'ss', 'netstat', 'arp', 'conntrack', 'hostname',
]);
/** The rest of what is known here. */
const COMMANDS: ReadonlySet<string> = new Set([
  ...NOTHING, ...TOOLS, 'sysctl', 'nstat', 'ethtool', 'ifconfig', 'sleep', 'usleep', 'cat', 'tee', 'dd', 'rm', 'touch', 'truncate',
  'mktemp', 'stat', 'uname', 'id', 'nproc', 'date', 'basename', 'dirname', 'set_sysctls.py', 'defaults.sh',
]);

export class HostCommands {
  /** What the shell finds set. */
  readonly environment: Readonly<Record<string, string>> = {
    PACKETDRILL_PID: '4321', PPID: '4320', PWD: '.', HOME: '/root', USER: 'root', PATH: '/bin:/sbin:/usr/bin:/usr/sbin', IFS: ' \t\n',
  };

  private readonly host: ScriptHost;
  private readonly fds: ScriptFds;
  private readonly readFile: (path: string) => string | null;
  private counters: CounterHistory | null = null;
  private temporary = 0;

  constructor(host: ScriptHost, fds: ScriptFds, readFile: (path: string) => string | null) {
    this.host = host;
    this.fds = fds;
    this.readFile = readFile;
  }

  // ---- files

  /** The text of a file: of the simulated host, one that the script made, or one that lies beside it. Null: there is none. */
  tryRead(path: string): string | null {
    if (path === '/dev/null') return '';
    const made = this.fds.disk.get(path);
    if (made !== undefined) return new TextDecoder().decode(made);
    return procFile(this.host.kernel, path) ?? this.readFile(path);
  }

  /** The same for a command that cannot do without. */
  read(path: string): string {
    const text = this.tryRead(path);
    if (text === null) throw new ScriptSkipped(`reading ${path}`);
    return text;
  }

  isDirectory(path: string): boolean {
    return /^\/(?:tmp|proc(?:\/sys(?:\/net(?:\/(?:ipv4|ipv6|core))?)?)?|sys)?\/?$/.test(path)
      || path === '/sys/class/net/tun0' || path === '/sys/class/net/lo';
  }

  /** Writes a file: a setting, or one of the script's own. */
  write(path: string, text: string, append: boolean): void {
    if (path === '/dev/null' || path === '/dev/kmsg') return;
    if (path.startsWith('/proc/sys/')) {
      this.set(path.slice('/proc/sys/'.length).replace(/\//g, '.'), text.trim());
      return;
    }
    if (path.startsWith('/sys/module/') && moduleParameter(path) === text.trim()) return;
    if (/^\/(?:sys|proc|dev)\//.test(path)) throw new ScriptSkipped(`writing to ${path}`);
    const old = append ? this.fds.disk.get(path) : undefined;
    const bytes = new TextEncoder().encode(text);
    const whole = new Uint8Array((old?.length ?? 0) + bytes.length);
    if (old !== undefined) whole.set(old);
    whole.set(bytes, old?.length ?? 0);
    this.fds.disk.set(path, whole);
  }

  // ---- helpers of the suites, and other files of commands

  /** Is the first word of a command a file of shell commands? */
  isScript(word: string): boolean {
    return word.endsWith('.sh') || /sysctl_restore_/.test(word) || (word.includes('/') && this.fds.disk.has(word));
  }

  /** The text of such a file; null for those that are known here. */
  scriptText(path: string): string | null {
    if (path.endsWith('defaults.sh') || /sysctl_restore_/.test(path)) return null;
    const text = this.tryRead(path);
    if (text === null) throw new ScriptSkipped(`shell script '${path}'`);
    return text;
  }

  /** Does what a file does that is known here. */
  knownScript(path: string): number {
    if (/sysctl_restore_/.test(path)) return 0;
    this.set('net.ipv4.tcp_fastopen', path.includes('common/') ? FASTOPEN_COMMON : FASTOPEN);
    for (const [name, value] of Object.entries(DEFAULTS)) this.set(`net.ipv4.${name}`, value);
    this.tool('ip', ['tcp_metrics', 'flush', 'all']);
    return this.tool('tc', ['qdisc', 'replace', 'dev', 'tun0', 'root', 'pfifo']).status;
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

  // ---- commands

  knows(name: string): boolean {
    return COMMANDS.has(name);
  }

  /** Runs a command by its words. */
  async run(first: string, args: readonly string[], input: string): Promise<ShellResult> {
    const name = first.replace(/^.*\//, '');
    if (name === 'sleep' || name === 'usleep') return await this.sleep(name, args);
    const status = (n: number, out: string = ''): ShellResult => ({ status: n, out, err: '' });
    if (NOTHING.has(name)) return status(0);
    if (TOOLS.has(name)) return this.tool(name, args);
    switch (name) {
      case 'set_sysctls.py': return this.setSysctls(args);
      case 'sysctl': return this.sysctl(args);
      case 'nstat': return status(0, (this.counters ??= new CounterHistory(this.host.kernel.stack.net.mib)).run(args));
      case 'ethtool': return args[0] === '-K' || args[0] === '--features' ? this.offloads(args.slice(2)) : this.tool(name, args);
      case 'ifconfig': return this.ifconfig(args);
      case 'cat': return this.cat(args, input);
      case 'tee': return this.tee(args, input);
      case 'dd': return this.dd(args);
      case 'rm': for (const path of args) this.fds.disk.delete(path); return status(0);
      case 'touch': for (const path of args) this.write(path, '', true); return status(0);
      case 'truncate': return this.truncate(args);
      case 'mktemp': return status(0, `${this.makeTemporary()}\n`);
      case 'stat': return status(args.some((path) => this.fds.disk.has(path)) ? 0 : 1);
      case 'uname': return status(0, args.includes('-r') ? '6.18.0\n' : 'Linux\n');
      case 'id': return status(0, '0\n');
      case 'nproc': return status(0, '1\n');
      case 'date': return status(0, `${(this.host.nowNs / 1e9).toFixed(args.some((word) => word.includes('%N')) ? 9 : 0)}\n`);
      case 'basename': return status(0, `${(args[0] ?? '').replace(/^.*\//, '').replace(args[1] ?? '', '')}\n`);
      case 'dirname': return status(0, `${/^(.*)\/[^/]*$/.exec(args[0] ?? '')?.[1] ?? '.'}\n`);
      default: throw new ScriptSkipped(`command '${name}'`);
    }
  }

  private async sleep(name: string, args: readonly string[]): Promise<ShellResult> {
    const m = /^(\d*\.?\d+)([smhd]?)$/.exec(args[0] ?? '');
    if (m === null) return { status: 1, out: '', err: `${name}: invalid time interval '${args[0] ?? ''}'\n` };
    const unit = name === 'usleep' ? 1e3 : { '': 1e9, s: 1e9, m: 60e9, h: 3600e9, d: 86400e9 }[m[2]!]!;
    await this.host.advance(this.host.nowNs + Math.round(Number(m[1]) * unit));
    return { status: 0, out: '', err: '' };
  }

  private setSysctls(args: readonly string[]): ShellResult {
    for (const word of args) {
      const at = word.indexOf('=');
      if (at > 0) this.set(word.slice(0, at).replace(/^\/proc\/sys\//, '').replace(/\//g, '.'), word.slice(at + 1));
    }
    return { status: 0, out: '', err: '' };
  }

  private sysctl(args: readonly string[]): ShellResult {
    if (args.includes('-a')) return this.tool('sysctl', args);
    const flags = new Set(args.filter((word) => word.startsWith('-')).flatMap((word) => [...word.slice(1)]));
    let out = '';
    for (const word of args.filter((w) => !w.startsWith('-'))) {
      const [name = '', ...value] = word.split('=');
      const dotted = name.includes('/') && !name.includes('.') ? name.replace(/\//g, '.') : name;
      if (value.length > 0) {
        this.set(dotted, value.join('='));
        if (!flags.has('q')) out += `${dotted} = ${value.join('=')}\n`;
        continue;
      }
      const now = this.tryRead(`/proc/sys/${dotted.replace(/\./g, '/')}`);
      if (now === null) throw new ScriptSkipped(`sysctl ${dotted}`);
      out += `${flags.has('n') ? '' : `${dotted} = `}${now}`;
    }
    return { status: 0, out, err: '' };
  }

  private cat(args: readonly string[], input: string): ShellResult {
    const paths = args.filter((word) => !word.startsWith('-'));
    return { status: 0, out: paths.length === 0 ? input : paths.map((path) => this.read(path)).join(''), err: '' };
  }

  private tee(args: readonly string[], input: string): ShellResult {
    for (const path of args.filter((word) => !word.startsWith('-'))) this.write(path, input, args.includes('-a'));
    return { status: 0, out: input, err: '' };
  }

  /** Makes a file of zeros. */
  private dd(args: readonly string[]): ShellResult {
    const value = (name: string): string => args.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
    if (!/^(?:\/dev\/zero)?$/.test(value('if'))) throw new ScriptSkipped(`command 'dd if=${value('if')}'`);
    return this.makeFile(value('of'), bytesIn(value('bs') || '512') * Number(value('count') || '1'));
  }

  private truncate(args: readonly string[]): ShellResult {
    const at = args.indexOf('-s');
    const size = at < 0 ? /^--size=(.*)$/.exec(args[0] ?? '')?.[1] : args[at + 1];
    if (size === undefined) throw new ScriptSkipped(`command 'truncate ${args.join(' ')}'`);
    return this.makeFile(args.filter((word, i) => !word.startsWith('-') && i !== at + 1)[0] ?? '', bytesIn(size));
  }

  private makeFile(path: string, size: number): ShellResult {
    if (!(size <= MAX_FILE)) throw new ScriptSkipped(`a file of ${size} bytes`);
    this.fds.disk.set(path, new Uint8Array(size));
    return { status: 0, out: '', err: '' };
  }

  private makeTemporary(): string {
    const path = `/tmp/tmp.${++this.temporary}`;
    this.fds.disk.set(path, new Uint8Array(0));
    return path;
  }

  /** `ethtool -K tun0 tso off gso off`: without TSO the stack cuts, without GSO it makes no super-packets; the rest changes nothing. */
  private offloads(args: readonly string[]): ShellResult {
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
    return { status: 0, out: '', err: '' };
  }

  /** The old way to set an MTU, or a device up and down. */
  private ifconfig(args: readonly string[]): ShellResult {
    const [dev = '', verb = '', value = ''] = args;
    if (verb === 'mtu') return this.tool('ip', ['link', 'set', 'dev', dev, 'mtu', value]);
    if (verb === 'up' || verb === 'down') return this.tool('ip', ['link', 'set', 'dev', dev, verb]);
    throw new ScriptSkipped(`command 'ifconfig ${args.join(' ')}'`);
  }

  private tool(name: string, args: readonly string[]): ShellResult {
    const words = args.map((word) => (/^[^\s'"|&;<>]+$/.test(word) ? word : word.includes("'") ? `"${word}"` : `'${word}'`));
    try {
      return { status: 0, out: this.host.kernel.sh([name, ...words].join(' ')), err: '' };
    } catch (error) {
      const refused = error instanceof KernelError || (error instanceof ToolError && REFUSED.test(error.message));
      if (refused) return { status: 2, out: '', err: `${error.message}\n` };
      if (error instanceof ToolError) throw new ScriptSkipped(`command '${name} ${args.join(' ')}'`);
      throw error;
    }
  }
}

/** `4k`, `1M`, `512` */
function bytesIn(text: string): number {
  const units: Readonly<Record<string, number>> = { k: 1024, K: 1024, M: 1048576, G: 1073741824 };
  return Number(text.replace(/(?:[kKMG](?:iB|B)?)$/, '')) * (units[/[kKMG]/.exec(text)?.[0] ?? ''] ?? 1);
}
