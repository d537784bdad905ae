/**
 * sysctl(8): the kernel's names, bound to the settings of the rooms below. A value is checked before it is stored; the
 * rooms read it when they need it, so that it takes effect at once.
 */
import { DEFAULT_QDISCS } from '../dev/sched/kinds.ts';
import { EINVAL, ENOENT, EPERM } from '../lib/errno.ts';
import { FASTOPEN_NO_KEY, fastopenKeyText } from '../tcp/fastopen.ts';
import { KernelError } from './errors.ts';

/** A value of a sysctl. Some have several numbers. */
export type SysctlValue = number | string | readonly number[];

/** How a setting is written. Times have Linux's unit outside, and ours inside: `factor` of ours are one of theirs. */
interface Entry {
  readonly owner: object;
  readonly field: string;
  readonly min: number;
  readonly max: number;
  readonly factor: number;
  /** For strings: the accepted ones. */
  readonly words?: () => readonly string[];
  /** For strings of another form: as it is kept, or null; what the form is; and what it reads as while it is empty. */
  readonly text?: { readonly parse: (value: string) => string | null; readonly form: string; readonly empty: string };
  /** Several of them, with blanks between. */
  readonly many?: boolean;
  readonly readOnly?: boolean;
}

/** What an entry of a room looks like: bounds and unit where they are not "any number from 0". */
type Shape = Partial<Pick<Entry, 'min' | 'max' | 'factor' | 'words' | 'text' | 'many' | 'readOnly'>>;

const INT_MAX = 0x7fffffff;
const UINT_MAX = 0xffffffff;
const BOOL: Shape = { max: 1 };
const SECONDS: Shape = { factor: 1000 };

/** net.core.*: name → field of CoreSysctl. */
const CORE: Readonly<Record<string, readonly [string, Shape?]>> = {
  somaxconn: ['somaxconn', { max: 65535 * 64 }],
  rmem_default: ['rmemDefault', { min: 2304 }],
  rmem_max: ['rmemMax', { min: 2304 }],
  wmem_default: ['wmemDefault', { min: 4608 }],
  wmem_max: ['wmemMax', { min: 4608 }],
  optmem_max: ['optmemMax'],
  netdev_budget: ['netdevBudget', { min: 1 }],
  netdev_budget_usecs: ['netdevBudgetUsecs', { min: 1 }],
  netdev_max_backlog: ['netdevMaxBacklog'],
  dev_weight: ['devWeight', { min: 1 }],
  txrehash: ['txrehash', BOOL],
  default_qdisc: ['defaultQdisc', { words: () => DEFAULT_QDISCS }],
};

/** net.ipv4.*: name → field of IpSysctl. */
const IPV4: Readonly<Record<string, readonly [string, Shape?]>> = {
  ip_default_ttl: ['ipDefaultTtl', { min: 1, max: 255 }],
  ip_forward_update_priority: ['ipFwdUpdatePriority', BOOL],
  ip_no_pmtu_disc: ['ipNoPmtuDisc', { max: 3 }],
  ip_nonlocal_bind: ['ipNonlocalBind', BOOL],
  ip_local_port_range: ['ipLocalPortRange', { min: 1, max: 65535 }],
  igmp_max_memberships: ['igmpMaxMemberships'],
  igmp_max_msf: ['igmpMaxMsf'],
  igmp_qrv: ['igmpQrv', { min: 1 }],
  igmp_link_local_mcast_reports: ['igmpLinkLocalMcastReports', BOOL],
  icmp_echo_ignore_all: ['icmpEchoIgnoreAll', BOOL],
  icmp_echo_ignore_broadcasts: ['icmpEchoIgnoreBroadcasts', BOOL],
  icmp_ignore_bogus_error_responses: ['icmpIgnoreBogusErrorResponses', BOOL],
  icmp_ratelimit: ['icmpRatelimit'],
  icmp_ratemask: ['icmpRatemask'],
  icmp_msgs_per_sec: ['icmpMsgsPerSec'],
  icmp_msgs_burst: ['icmpMsgsBurst'],
  'route.min_pmtu': ['minPmtu', { min: 68 }],
  'route.mtu_expires': ['mtuExpires'],
  'route.redirect_load': ['redirectLoad'],
  'route.redirect_number': ['redirectNumber'],
  'route.redirect_silence': ['redirectSilence'],
  'route.gc_timeout': ['routeGcTimeout'],
  'route.min_adv_mss': ['minAdvMss', { max: 65535 }],
};

/** net.ipv6.*: name → field of Ip6Sysctl. */
const IPV6: Readonly<Record<string, readonly [string, Shape?]>> = {
  bindv6only: ['bindv6only', BOOL],
  ip_nonlocal_bind: ['ipNonlocalBind', BOOL],
  auto_flowlabels: ['autoFlowlabels', { max: 3 }],
  max_hbh_opts_number: ['maxHbhOptsNumber', { min: -INT_MAX }],
  max_dst_opts_number: ['maxDstOptsNumber', { min: -INT_MAX }],
  max_hbh_length: ['maxHbhLength'],
  max_dst_opts_length: ['maxDstOptsLength'],
  mld_qrv: ['mldQrv', { min: 1 }],
  'icmp.ratelimit': ['icmpRatelimit'],
  'icmp.echo_ignore_all': ['icmpEchoIgnoreAll', BOOL],
  'icmp.echo_ignore_multicast': ['icmpEchoIgnoreMulticast', BOOL],
  'icmp.echo_ignore_anycast': ['icmpEchoIgnoreAnycast', BOOL],
  'route.min_adv_mss': ['minAdvMss', { min: 216 }],
  'route.mtu_expires': ['mtuExpires'],
};

/** net.ipv6.ip6frag_*: name → field of FragSysctl. */
const IP6FRAG: Readonly<Record<string, readonly [string, Shape?]>> = {
  ip6frag_high_thresh: ['highThresh'],
  ip6frag_low_thresh: ['lowThresh'],
  ip6frag_time: ['timeMs', SECONDS],
};

/** net.ipv6.conf.{all,default,DEVICE}.*: name → field of Ip6Conf. */
const CONF6: Readonly<Record<string, readonly [string, Shape?]>> = {
  forwarding: ['forwarding', BOOL],
  disable_ipv6: ['disableIpv6', BOOL],
  hop_limit: ['hopLimit', { min: 1, max: 255 }],
  accept_ra: ['acceptRa', { max: 2 }],
  accept_ra_defrtr: ['acceptRaDefrtr', BOOL],
  accept_ra_pinfo: ['acceptRaPinfo', BOOL],
  accept_ra_rtr_pref: ['acceptRaRtrPref', BOOL],
  accept_ra_mtu: ['acceptRaMtu', BOOL],
  accept_ra_min_hop_limit: ['acceptRaMinHopLimit', { max: 255 }],
  accept_ra_rt_info_max_plen: ['acceptRaRtInfoMaxPlen', { max: 128 }],
  accept_redirects: ['acceptRedirects', BOOL],
  autoconf: ['autoconf', BOOL],
  dad_transmits: ['dadTransmits'],
  accept_dad: ['acceptDad', { max: 2 }],
  router_solicitations: ['routerSolicitations', { min: -1 }],
  router_solicitation_delay: ['routerSolicitationDelay', SECONDS],
  router_solicitation_interval: ['routerSolicitationInterval', { min: 1, factor: 1000 }],
  router_solicitation_max_interval: ['routerSolicitationMaxInterval', { min: 1, factor: 1000 }],
  addr_gen_mode: ['addrGenMode', BOOL],
  max_addresses: ['maxAddresses'],
  keep_addr_on_down: ['keepAddrOnDown', BOOL],
  drop_unicast_in_l2_multicast: ['dropUnicastInL2Multicast', BOOL],
  force_mld_version: ['forceMldVersion', { max: 2 }],
  mldv1_unsolicited_report_interval: ['mldv1UnsolicitedReportInterval'],
  mldv2_unsolicited_report_interval: ['mldv2UnsolicitedReportInterval'],
  ndisc_notify: ['ndiscNotify', BOOL],
};

/** net.ipv4.conf.*.*: name → field of IpConf. */
const CONF4: Readonly<Record<string, readonly [string, Shape?]>> = {
  forwarding: ['forwarding', BOOL],
  rp_filter: ['rpFilter', { max: 2 }],
  shared_media: ['sharedMedia', BOOL],
  send_redirects: ['sendRedirects', BOOL],
  accept_redirects: ['acceptRedirects', BOOL],
  secure_redirects: ['secureRedirects', BOOL],
  log_martians: ['logMartians', BOOL],
  promote_secondaries: ['promoteSecondaries', BOOL],
  drop_unicast_in_l2_multicast: ['dropUnicastInL2Multicast', BOOL],
  force_igmp_version: ['forceIgmpVersion', { max: 3 }],
  igmpv2_unsolicited_report_interval: ['igmpv2UnsolicitedReportInterval', { min: 1 }],
  igmpv3_unsolicited_report_interval: ['igmpv3UnsolicitedReportInterval', { min: 1 }],
  arp_ignore: ['arpIgnore', { max: 8 }],
  arp_announce: ['arpAnnounce', { max: 2 }],
  arp_accept: ['arpAccept', BOOL],
  arp_notify: ['arpNotify', BOOL],
};

const CONF: Readonly<Record<4 | 6, typeof CONF4>> = { 4: CONF4, 6: CONF6 };

/** net.ipv4.ipfrag_*: name → field of FragSysctl. */
const IPFRAG: Readonly<Record<string, readonly [string, Shape?]>> = {
  ipfrag_high_thresh: ['highThresh'],
  ipfrag_low_thresh: ['lowThresh'],
  ipfrag_time: ['timeMs', SECONDS],
  ipfrag_max_dist: ['maxDist'],
};

/** net.ipv4.*: name → field of UdpSysctl. */
const UDP: Readonly<Record<string, readonly [string, Shape?]>> = {
  udp_mem: ['udpMem'],
};

/** net.ipv4.*: name → field of PingTable. */
const PING: Readonly<Record<string, readonly [string, Shape?]>> = {
  ping_group_range: ['pingGroupRange'],
};

/** net.unix.*: name → field of UnixSysctl. */
const UNIX: Readonly<Record<string, readonly [string, Shape?]>> = {
  max_dgram_qlen: ['maxDgramQlen'],
};

/** net.ipv4.neigh.default.*: name → field of NeighParms. */
const NEIGH: Readonly<Record<string, readonly [string, Shape?]>> = {
  base_reachable_time: ['baseReachableTimeMs', { min: 1, factor: 1000 }],
  base_reachable_time_ms: ['baseReachableTimeMs', { min: 1 }],
  delay_first_probe_time: ['delayFirstProbeTimeMs', SECONDS],
  retrans_time_ms: ['retransTimeMs', { min: 1 }],
  locktime: ['locktimeMs'],
  mcast_solicit: ['mcastSolicit'],
  ucast_solicit: ['ucastSolicit'],
  mcast_resolicit: ['mcastResolicit'],
  unres_qlen: ['unresQlen'],
  unres_qlen_bytes: ['unresQlenBytes'],
  gc_stale_time: ['gcStaleTimeMs', SECONDS],
  gc_interval: ['gcIntervalMs', SECONDS],
  gc_thresh1: ['gcThresh1'],
  gc_thresh2: ['gcThresh2'],
  gc_thresh3: ['gcThresh3'],
};

/** Those of net.ipv4.tcp_* that are not simply a number from 0; the names follow from the fields of TcpSysctl. */
const TCP: Readonly<Record<string, Shape>> = {
  tcp_syn_retries: { min: 1, max: 127 },
  tcp_synack_retries: { max: 255 },
  tcp_syncookies: { max: 2 },
  tcp_abort_on_overflow: BOOL,
  tcp_fin_timeout: SECONDS,
  tcp_tw_reuse: { max: 2 },
  tcp_rfc1337: BOOL,
  tcp_orphan_retries: { max: 255 },
  tcp_retries1: { max: 255 },
  tcp_retries2: { max: 255 },
  tcp_rto_min_us: { min: 1 },
  tcp_rto_max_ms: { min: 1000, max: 120000 },
  tcp_keepalive_time: { min: 1, factor: 1000 },
  tcp_keepalive_intvl: { min: 1, factor: 1000 },
  tcp_keepalive_probes: { min: 1, max: 127 },
  tcp_timestamps: { max: 2 },
  tcp_sack: BOOL,
  tcp_dsack: BOOL,
  tcp_window_scaling: BOOL,
  tcp_fastopen_key: {
    text: { parse: fastopenKeyText, form: 'four hexadecimal words with hyphens between them, or two such keys', empty: FASTOPEN_NO_KEY },
  },
  tcp_ecn: { max: 5 },
  tcp_ecn_option: { max: 3 },
  tcp_ecn_option_beacon: { max: 65535 },
  tcp_ecn_fallback: BOOL,
  tcp_early_retrans: { max: 4 },
  tcp_slow_start_after_idle: BOOL,
  tcp_no_ssthresh_metrics_save: BOOL,
  tcp_rmem: { min: 1 },
  tcp_wmem: { min: 1 },
  tcp_moderate_rcvbuf: BOOL,
  tcp_shrink_window: BOOL,
  tcp_notsent_lowat: { max: UINT_MAX },
  tcp_autocorking: BOOL,
  tcp_min_tso_segs: { min: 1, max: 255 },
  tcp_pacing_ss_ratio: { max: 1000 },
  tcp_pacing_ca_ratio: { max: 1000 },
  tcp_mtu_probing: { max: 2 },
};

/** What a host has to set: one object per room. */
export interface SysctlOwners {
  readonly core: object;
  readonly ipv4: object;
  readonly neigh: object;
  readonly ipfrag: object;
  readonly ipv6: object;
  readonly neigh6: object;
  readonly ip6frag: object;
  /** The settings of `all`, `default` or a device by its name, of each family; null: there is none. And all these names. */
  readonly conf: (family: 4 | 6, name: string) => object | null;
  readonly confNames: (family: 4 | 6) => readonly string[];
  readonly udp: object;
  readonly ping: object;
  readonly unix: object;
  readonly conntrack: object;
  readonly tcp: object | null;
  /** Names that net.ipv4.tcp_congestion_control may take. */
  readonly congestion: () => readonly string[];
}

/** Those of net.netfilter.* that are not simply a number from 0. */
const CONNTRACK: Readonly<Record<string, Shape>> = {
  nf_conntrack_checksum: BOOL,
  nf_conntrack_acct: BOOL,
  nf_conntrack_tcp_loose: BOOL,
  nf_conntrack_tcp_be_liberal: BOOL,
  nf_conntrack_tcp_ignore_invalid_rst: BOOL,
  nf_conntrack_tcp_max_retrans: { max: 255 },
};

/** The settings of one host by name. */
export class SysctlTable {
  private made: Map<string, Entry> | null = null;
  private readonly owners: SysctlOwners;

  constructor(owners: SysctlOwners) {
    this.owners = owners;
  }

  /** Made when first asked for: most of a thousand hosts are never asked. */
  private get entries(): Map<string, Entry> {
    return this.made ?? this.make();
  }

  private make(): Map<string, Entry> {
    const { owners } = this;
    const entries = this.made = new Map<string, Entry>();
    this.bind('net.core.', owners.core, CORE);
    this.bind('net.ipv4.', owners.ipv4, IPV4);
    this.bind('net.ipv4.neigh.default.', owners.neigh, NEIGH);
    this.add('net.ipv4.ip_forward', owners.conf(4, 'all')!, 'forwarding', BOOL);
    this.bind('net.ipv4.', owners.ipfrag, IPFRAG);
    this.bind('net.ipv6.', owners.ipv6, IPV6);
    this.bind('net.ipv6.neigh.default.', owners.neigh6, NEIGH);
    this.bind('net.ipv6.', owners.ip6frag, IP6FRAG);
    this.bind('net.ipv4.', owners.udp, UDP);
    this.bind('net.ipv4.', owners.ping, PING);
    this.bind('net.unix.', owners.unix, UNIX);
    for (const field of Object.keys(owners.conntrack)) {
      const name = snakeCase(field);
      this.add(`net.netfilter.${name}`, owners.conntrack, field, CONNTRACK[name]);
    }
    if (owners.tcp === null) return entries;
    for (const field of Object.keys(owners.tcp)) {
      const name = snakeCase(field);
      const shape = name.endsWith('_congestion_control') ? congestionShape(name, owners) : TCP[name];
      this.add(`net.ipv4.${name}`, owners.tcp, field, shape);
    }
    return entries;
  }

  /** All names, sorted. */
  names(): string[] {
    const conf = ([4, 6] as const).flatMap((family) => this.owners.confNames(family).flatMap(
      (device) => Object.keys(CONF[family]).map((key) => `net.ipv${String(family)}.conf.${device}.${key}`),
    ));
    return [...this.entries.keys(), ...conf].sort();
  }

  get(name: string): SysctlValue {
    const entry = this.find(name);
    const value = (entry.owner as Record<string, SysctlValue>)[entry.field]!;
    if (typeof value === 'string') return value === '' && entry.text !== undefined ? entry.text.empty : value;
    return typeof value === 'number' ? Math.floor(value / entry.factor) : value.map((n) => Math.floor(n / entry.factor));
  }

  /** Stores a value; a number, or for several numbers an array or a string with blanks between them. */
  set(name: string, value: SysctlValue): void {
    const entry = this.find(name);
    const owner = entry.owner as Record<string, SysctlValue | number[]>;
    const old = owner[entry.field]!;
    if (typeof old === 'string') {
      owner[entry.field] = checkWord(name, entry, value);
      return;
    }
    const count = typeof old === 'number' ? 1 : old.length;
    const numbers = parseNumbers(value).map((n) => checkNumber(name, entry, n));
    if (numbers.length !== count) throw invalid(name, value, count === 1 ? 'one whole number' : `${String(count)} whole numbers`);
    if (typeof old === 'number') {
      owner[entry.field] = numbers[0]!;
      return;
    }
    if (numbers.some((n, i) => i > 0 && n < numbers[i - 1]!)) throw invalid(name, value, 'numbers that do not fall');
    numbers.forEach((n, i) => {
      (old as number[])[i] = n; // in place: others hold the same array
    });
  }

  private bind(prefix: string, owner: object, table: Readonly<Record<string, readonly [string, Shape?]>>): void {
    for (const [name, [field, shape]] of Object.entries(table)) this.add(prefix + name, owner, field, shape);
  }

  private add(name: string, owner: object, field: string, shape: Shape = {}): void {
    this.entries.set(name, { owner, field, min: 0, max: INT_MAX, factor: 1, ...shape });
  }

  /** net.ipv4.conf.*.* and net.ipv6.conf.*.*: devices come and go. */
  private confEntry(name: string): Entry | null {
    const [, version, device, key] = /^net\.ipv([46])\.conf\.(.+)\.(\w+)$/.exec(name) ?? [];
    if (key === undefined) return null;
    const family = version === '4' ? 4 : 6;
    const known = Object.hasOwn(CONF[family], key) ? CONF[family][key] : undefined;
    const owner = known === undefined ? null : this.owners.conf(family, device!);
    return owner === null ? null : { owner, field: known![0], min: 0, max: INT_MAX, factor: 1, ...known![1] };
  }

  private find(name: string): Entry {
    const entry = this.entries.get(name);
    if (entry !== undefined) return entry;
    const device = this.confEntry(name);
    if (device !== null) return device;
    throw new KernelError(ENOENT, 'sysctl', { hint: `there is no '${name}'; kernel.sysctls() lists all` });
  }
}

/** `ipForward` → `ip_forward` */
function snakeCase(field: string): string {
  return field.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
}

function parseNumbers(value: SysctlValue): number[] {
  if (typeof value === 'number') return [value];
  if (typeof value === 'string') return value.trim().split(/\s+/).map((word) => (/^(-?\d+|0x[\da-f]+)$/i.test(word) ? Number(word) : NaN));
  return Array.isArray(value) ? [...(value as readonly number[])] : [];
}

function checkNumber(name: string, entry: Entry, n: number): number {
  if (!Number.isInteger(n) || n < entry.min || n > entry.max) {
    throw invalid(name, n, `a whole number from ${String(entry.min)} to ${String(entry.max)}`);
  }
  return n * entry.factor;
}

function congestionShape(name: string, owners: SysctlOwners): Shape {
  return { words: owners.congestion, many: name.startsWith('tcp_allowed'), readOnly: name.startsWith('tcp_available') };
}

function checkWord(name: string, entry: Entry, value: SysctlValue): string {
  if (entry.text !== undefined) {
    const kept = typeof value === 'string' ? entry.text.parse(value) : null;
    if (kept === null) throw invalid(name, value, entry.text.form);
    return kept;
  }
  const words = entry.words?.() ?? [];
  if (entry.readOnly === true) throw new KernelError(EPERM, 'sysctl', { hint: `${name} is what there is; it cannot be set` });
  if (entry.many === true && typeof value === 'string') {
    const chosen = value.trim().split(/\s+/);
    if (chosen.every((word) => words.includes(word))) return chosen.join(' ');
  }
  if (typeof value === 'string' && words.includes(value)) return value;
  throw invalid(name, value, words.join(', '));
}

function invalid(name: string, value: unknown, form: string): KernelError {
  return new KernelError(EINVAL, 'sysctl', { hint: `${name} = ${String(value)} is refused; expected ${form}` });
}
