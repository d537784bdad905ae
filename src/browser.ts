/**
 * `kernet/browser`: kernet where there is neither Node nor Deno. The same as `kernet`, but its hosts have the socket calls only, no
 * `net` and `http`; nothing of it, and of what it imports, is a module of a runtime.
 */
export { Host } from './world/host.ts';
export { World } from './world/world.ts';
export { RUN_UNTIL_IDLE_MAX_MS, type CableOptions, type LeakReport, type Plug, type WorldOptions } from './world/world.ts';
export type { HostOptions, RouteOptions } from './world/host.ts';
export { Interface, type InterfaceOptions, type VlanInterfaceOptions } from './world/interface.ts';
export type {
  FullMesh, Lan, Line, NatGateway, NatGatewayOptions, Star, TopologyOptions, TwoHosts, TwoLans, TwoLansOptions,
} from './world/topology.ts';
export { WorldCapture } from './world/capture.ts';
export { DropTrace } from './world/drops.ts';
export { TRACE_STEPS_MAX, type TracedPacket, type TraceOptions, type TraceStep, type WorldTrace } from './world/trace.ts';
export { DeadlockError, type BlockedCall } from './world/errors.ts';
export type {
  BootFault, CallFault, CardFault, ClockFault, CrashFault, CutFault, Fault, FaultKind, FaultTime, FlapFault, FreezeFault, KillFault,
  PartitionFault, StopFault, SwitchPortFault, SysctlFault, WeatherFault,
} from './world/faults/fault.ts';
export type { FaultCall } from './syscall/faults.ts';
export type { Injection, Injections } from './world/faults/inject.ts';
export type { HostClock } from './world/faults/clock.ts';
export type { Partition, PartitionOptions } from './world/partition.ts';
export { VirtualImmediate, VirtualTimer, type ProgramClock, type ProgramHook } from './world/program.ts';
export { Kernel, type Costs, type KernelOptions } from './host/kernel.ts';
export { KernelProcess, type ProcessOptions } from './host/process.ts';
export type { Calls } from './host/calls.ts';
export type {
  Accepted, EpollInterest, OptionValue, OutMessage, Received, SysCalls,
} from './host/sys-calls.ts';
export type { Address, BindAddress, Data, SocketAddress } from './host/door.ts';
export { ToolError } from './host/tools/command.ts';
export type { Connection, ConnectionStats, ConnectionTuple, ConntrackView } from './host/iptables/conntrack.ts';
export type { Firewall, FirewallRule, TableName } from './host/iptables/firewall.ts';
export type { NatHandle, NatMappingView, NatOptions } from './host/iptables/nat.ts';
export type { RuleSpec, RuleWord } from './host/iptables/objects.ts';
export type { NatDependence } from './ip/filter/nat-device.ts';
export type { PingOptions, PingReply, PingResult } from './host/tools/ping.ts';
export type { Tcpdump, TcpdumpOptions } from './host/tools/tcpdump.ts';
export type { TracerouteHop, TracerouteOptions, TracerouteProbe, TracerouteResult } from './host/tools/traceroute.ts';
export type { SockExtendedErr } from './sock/extended-err.ts';
export { KernelError } from './host/errors.ts';
export { HostResolver } from './host/dns/host-resolver.ts';
export type { AddrHints, AddrInfo, NameInfo } from './host/dns/addrinfo.ts';
export { NameError } from './host/dns/errors.ts';
export type { DataByType, DnsRecord, QueryType, RecordType } from './host/dns/message.ts';
export type { ResolvConf, ResolvOptions } from './host/dns/resolv-conf.ts';
export type { DnsPlan, DnsTree, NameServerOptions, TreeZone } from './world/dns/serve.ts';
export type { NameServer, ServedQuery } from './world/dns/server.ts';
export { Zone } from './world/dns/zone.ts';
export type { NameRecords, ZoneOptions } from './world/dns/zone-options.ts';
export { parseZoneFile, ZoneFileError } from './world/dns/zone-file.ts';
export type { DhcpClient, DhcpClientOptions, DhcpState } from './world/dhcp/client.ts';
export type { DhcpLease } from './world/dhcp/lease.ts';
export type { DhcpServer, DhcpServerOptions, ServerLease } from './world/dhcp/server.ts';
export { HostsFile, type ResolvedAddress } from './host/resolver.ts';
export type { SysctlValue } from './host/sysctl.ts';
export type { EpollEvent } from './syscall/epoll.ts';
export type { PollFd } from './syscall/poll.ts';
export type { Linger, MemInfo } from './syscall/sockopt.ts';
export { F_DUPFD_CLOEXEC, FD_CLOEXEC } from './syscall/control.ts';
export type { PumpMode } from './time/pump.ts';
export { DEFAULT_COSTS, ZERO_COSTS, type CostModel } from './time/cpu.ts';
export type { Cable } from './fabric/cable.ts';
export type { Port } from './fabric/port.ts';
export { Hub, type HubOptions } from './fabric/hub.ts';
export { Switch } from './fabric/switch.ts';
export type { SwitchOptions, VlanOptions } from './fabric/switch-options.ts';
export type { SwitchPort, SwitchPortOptions } from './fabric/switch-port.ts';
export type { StpOptions } from './fabric/stp-options.ts';
export type { FrameView } from './fabric/frame-view.ts';
export type { Direction, FramePredicate, Rule, RuleFunction, RuleOptions, Verdict } from './fabric/rules.ts';
export type { CableWeather, WeatherOptions } from './fabric/weather.ts';
export type { Forecast, ForecastEntry, Sky, WeatherFunction } from './fabric/sky.ts';
export type { Distribution } from './lib/distribution.ts';
export type { Chance, GilbertElliottOptions, Loss, StateLossOptions, TraceLossOptions } from './lib/loss.ts';
export type { SlotOptions } from './lib/slot.ts';
export type { QdiscInfo } from './host/qdisc.ts';
export type { QdiscKind, QdiscOptions } from './dev/sched/kinds.ts';
export type { CardOptions } from './nic/options.ts';
export type { MibName } from './dev/mib.ts';
export type { SockoptValue } from './sock/sock.ts';
export type { TcpAoAdd, TcpAoDel, TcpAoInfoOpt, TcpAoKeyInfo } from './tcp/ao-sockopt.ts';
export type { TcpMd5Sig } from './tcp/md5.ts';
export type { Duration, Rate, Size } from './lib/units.ts';
export * from './sock/constants.ts';
