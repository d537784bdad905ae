/**
 * kernet: a TCP/IP kernel that lives inside a Node or Deno process.
 *
 * The public face. `World` joins hosts by cables under one virtual clock and one seed; `Kernel` is one host by itself.
 */
export { Host, World } from './src/node/world.ts';
export { install, type Installed, type InstallOptions } from './src/node/install.ts';
export type { ConfiguredCable, ConfiguredHost, KernetConfig } from './src/node/config.ts';
export type { Passthrough, PassthroughOption, Target } from './src/node/passthrough.ts';
export { RUN_UNTIL_IDLE_MAX_MS, type CableOptions, type LeakReport, type Plug, type WorldOptions } from './src/world/world.ts';
export type { HostOptions, RouteOptions } from './src/world/host.ts';
export { Interface, type InterfaceOptions, type VlanInterfaceOptions } from './src/world/interface.ts';
export type {
  FullMesh, Lan, Line, NatGateway, NatGatewayOptions, Star, TopologyOptions, TwoHosts, TwoLans, TwoLansOptions,
} from './src/world/topology.ts';
export { WorldCapture } from './src/world/capture.ts';
export { DropTrace } from './src/world/drops.ts';
export { TRACE_STEPS_MAX, type TracedPacket, type TraceOptions, type TraceStep, type WorldTrace } from './src/world/trace.ts';
export { DeadlockError, type BlockedCall } from './src/world/errors.ts';
export type {
  BootFault, CallFault, CardFault, ClockFault, CrashFault, CutFault, Fault, FaultKind, FaultTime, FlapFault, FreezeFault, KillFault,
  PartitionFault, StopFault, SwitchPortFault, SysctlFault, WeatherFault,
} from './src/world/faults/fault.ts';
export type { FaultCall } from './src/syscall/faults.ts';
export type { Injection, Injections } from './src/world/faults/inject.ts';
export type { HostClock } from './src/world/faults/clock.ts';
export type { Partition, PartitionOptions } from './src/world/partition.ts';
export { VirtualImmediate, VirtualTimer, type ProgramClock, type ProgramHook } from './src/world/program.ts';
export { Kernel, type Costs, type KernelOptions } from './src/host/kernel.ts';
export { KernelProcess, type ProcessOptions } from './src/host/process.ts';
export type { Calls } from './src/host/calls.ts';
export type {
  Accepted, EpollInterest, OptionValue, OutMessage, Received, SysCalls,
} from './src/host/sys-calls.ts';
export type { Address, BindAddress, Data, SocketAddress } from './src/host/door.ts';
export { ToolError } from './src/host/tools/command.ts';
export type { Connection, ConnectionStats, ConnectionTuple, ConntrackView } from './src/host/iptables/conntrack.ts';
export type { Firewall, FirewallRule, TableName } from './src/host/iptables/firewall.ts';
export type { NatHandle, NatMappingView, NatOptions } from './src/host/iptables/nat.ts';
export type { RuleSpec, RuleWord } from './src/host/iptables/objects.ts';
export type { NatDependence } from './src/ip/filter/nat-device.ts';
export type { PingOptions, PingReply, PingResult } from './src/host/tools/ping.ts';
export type { Tcpdump, TcpdumpOptions } from './src/host/tools/tcpdump.ts';
export type { TracerouteHop, TracerouteOptions, TracerouteProbe, TracerouteResult } from './src/host/tools/traceroute.ts';
export type { SockExtendedErr } from './src/sock/extended-err.ts';
export { KernelError } from './src/host/errors.ts';
export { HostResolver } from './src/host/dns/host-resolver.ts';
export type { AddrHints, AddrInfo, NameInfo } from './src/host/dns/addrinfo.ts';
export { NameError } from './src/host/dns/errors.ts';
export type { DataByType, DnsRecord, QueryType, RecordType } from './src/host/dns/message.ts';
export type { ResolvConf, ResolvOptions } from './src/host/dns/resolv-conf.ts';
export type { DnsPlan, DnsTree, NameServerOptions, TreeZone } from './src/world/dns/serve.ts';
export type { NameServer, ServedQuery } from './src/world/dns/server.ts';
export { Zone } from './src/world/dns/zone.ts';
export type { NameRecords, ZoneOptions } from './src/world/dns/zone-options.ts';
export { parseZoneFile, ZoneFileError } from './src/world/dns/zone-file.ts';
export type { DhcpClient, DhcpClientOptions, DhcpState } from './src/world/dhcp/client.ts';
export type { DhcpLease } from './src/world/dhcp/lease.ts';
export type { DhcpServer, DhcpServerOptions, ServerLease } from './src/world/dhcp/server.ts';
export { HostsFile, type ResolvedAddress } from './src/host/resolver.ts';
export type { SysctlValue } from './src/host/sysctl.ts';
export type { EpollEvent } from './src/syscall/epoll.ts';
export type { PollFd } from './src/syscall/poll.ts';
export type { Linger, MemInfo } from './src/syscall/sockopt.ts';
export { F_DUPFD_CLOEXEC, FD_CLOEXEC } from './src/syscall/control.ts';
export type { PumpMode } from './src/time/pump.ts';
export { DEFAULT_COSTS, ZERO_COSTS, type CostModel } from './src/time/cpu.ts';
export type { Cable } from './src/fabric/cable.ts';
export type { Port } from './src/fabric/port.ts';
export { Hub, type HubOptions } from './src/fabric/hub.ts';
export { Switch } from './src/fabric/switch.ts';
export type { SwitchOptions, VlanOptions } from './src/fabric/switch-options.ts';
export type { SwitchPort, SwitchPortOptions } from './src/fabric/switch-port.ts';
export type { StpOptions } from './src/fabric/stp-options.ts';
export type { FrameView } from './src/fabric/frame-view.ts';
export type { Direction, FramePredicate, Rule, RuleFunction, RuleOptions, Verdict } from './src/fabric/rules.ts';
export type { CableWeather, WeatherOptions } from './src/fabric/weather.ts';
export type { Forecast, ForecastEntry, Sky, WeatherFunction } from './src/fabric/sky.ts';
export type { Distribution } from './src/lib/distribution.ts';
export type { Chance, GilbertElliottOptions, Loss, StateLossOptions, TraceLossOptions } from './src/lib/loss.ts';
export type { SlotOptions } from './src/lib/slot.ts';
export type { QdiscInfo } from './src/host/qdisc.ts';
export type { QdiscKind, QdiscOptions } from './src/dev/sched/kinds.ts';
export type { CardOptions } from './src/nic/options.ts';
export type { MibName } from './src/dev/mib.ts';
export type { SockoptValue } from './src/sock/sock.ts';
export type { Duration, Rate, Size } from './src/lib/units.ts';
export * from './src/sock/constants.ts';
