/** Names of ports (services(5)): those that people write. */

interface Service {
  readonly name: string;
  readonly port: number;
  readonly protocols: readonly ('tcp' | 'udp')[];
}

const BOTH = ['tcp', 'udp'] as const;
const TCP = ['tcp'] as const;
const UDP = ['udp'] as const;

const SERVICES: readonly Service[] = [
  { name: 'echo', port: 7, protocols: BOTH }, { name: 'discard', port: 9, protocols: BOTH },
  { name: 'daytime', port: 13, protocols: TCP }, { name: 'chargen', port: 19, protocols: BOTH },
  { name: 'ftp', port: 21, protocols: TCP }, { name: 'ssh', port: 22, protocols: TCP },
  { name: 'telnet', port: 23, protocols: TCP }, { name: 'smtp', port: 25, protocols: TCP },
  { name: 'time', port: 37, protocols: BOTH }, { name: 'domain', port: 53, protocols: BOTH },
  { name: 'bootps', port: 67, protocols: UDP }, { name: 'bootpc', port: 68, protocols: UDP },
  { name: 'tftp', port: 69, protocols: UDP }, { name: 'http', port: 80, protocols: TCP },
  { name: 'kerberos', port: 88, protocols: BOTH }, { name: 'pop3', port: 110, protocols: TCP },
  { name: 'sunrpc', port: 111, protocols: BOTH }, { name: 'ntp', port: 123, protocols: UDP },
  { name: 'imap2', port: 143, protocols: TCP }, { name: 'snmp', port: 161, protocols: BOTH },
  { name: 'bgp', port: 179, protocols: TCP }, { name: 'ldap', port: 389, protocols: BOTH },
  { name: 'https', port: 443, protocols: BOTH }, { name: 'submission', port: 587, protocols: TCP },
  { name: 'ldaps', port: 636, protocols: BOTH }, { name: 'domain-s', port: 853, protocols: TCP },
  { name: 'imaps', port: 993, protocols: TCP }, { name: 'pop3s', port: 995, protocols: TCP },
  { name: 'mysql', port: 3306, protocols: TCP }, { name: 'postgresql', port: 5432, protocols: TCP },
  { name: 'mdns', port: 5353, protocols: UDP }, { name: 'redis', port: 6379, protocols: TCP },
  { name: 'http-alt', port: 8080, protocols: BOTH },
];

/** The port of a service; null when nobody knows it (getservbyname). */
export function servicePort(name: string, protocol: 'tcp' | 'udp' | null): number | null {
  return SERVICES.find((s) => s.name === name && (protocol === null || s.protocols.includes(protocol)))?.port ?? null;
}

/** The name of a port; null when it has none (getservbyport). */
export function serviceName(port: number, protocol: 'tcp' | 'udp'): string | null {
  return SERVICES.find((s) => s.port === port && s.protocols.includes(protocol))?.name ?? null;
}
