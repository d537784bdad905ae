/** A kernel as its tools see it. */
import { formatIpv4, parseIpv4 } from '../../lib/addr.ts';
import type { Bound } from '../../sock/ports.ts';
import { InetSock } from '../../sock/sock.ts';
import { SocketFile } from '../../syscall/file.ts';
import type { HostStack } from '../boot.ts';
import type { HostsFile } from '../resolver.ts';
import type { SysctlTable } from '../sysctl.ts';
import type { ToolHost } from './command.ts';

/** The tools' view of a kernel. It holds no state: each question is asked anew. */
export function toolHost(stack: HostStack, hosts: HostsFile, settings: SysctlTable): ToolHost {
  return {
    net: stack.net,
    ip: stack.ip,
    nf: stack.nf,
    tcp: stack.tcp,
    hosts,
    udpSockets: () => udpSockets(stack),
    rawSockets: () => rawSockets(stack),
    unixSockets: () => [...stack.unix.sockets],
    users: (sk) => users(stack, sk),
    nameOf: (addr) => hosts.nameOf(formatIpv4(addr)),
    resolve: (name) => resolve(hosts, name),
    sysctlNames: () => settings.names(),
    sysctl: (name) => settings.get(name),
    setSysctl: (name, value) => settings.set(name, value),
  };
}

/** UDP sockets with a port, port by port. */
function udpSockets(stack: HostStack): readonly InetSock[] {
  const found: InetSock[] = [];
  for (const bucket of stack.udp.ports.all()) {
    for (let at: Bound | null = bucket.head; at !== null; at = at.nextBound) if (at instanceof InetSock) found.push(at);
  }
  return found;
}

/** Raw sockets of both families, by protocol. */
function rawSockets(stack: HostStack): readonly InetSock[] {
  const found: InetSock[] = [];
  for (let protocol = 0; protocol < 256; protocol++) {
    found.push(...stack.raw.sockets[protocol] ?? [], ...stack.raw6.sockets[protocol] ?? []);
  }
  return found;
}

/** `users:(("main",pid=1,fd=3),…)`, every descriptor that refers to the socket. */
function users(stack: HostStack, sk: object): string {
  const found: string[] = [];
  for (const process of stack.layer.processes) {
    for (const fd of process.fds.list()) {
      const file = process.fds.get(fd);
      if (file instanceof SocketFile && file.sk === sk) found.push(`("${process.name}",pid=${String(process.pid)},fd=${String(fd)})`);
    }
  }
  return found.length === 0 ? '' : `users:(${found.join(',')})`;
}

function resolve(hosts: HostsFile, name: string): number | null {
  const own = parseIpv4(name);
  if (own !== null) return own;
  if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(name)) return null;
  const v4 = hosts.lookup(name).find((answer) => answer.family === 4);
  return v4 === undefined ? null : parseIpv4(v4.address);
}
