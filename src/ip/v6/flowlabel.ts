/** Flow labels of sockets (RFC 6437; Linux: ip6_make_flowlabel): the one that was asked for, else one from the flow's hash. */
import type { Ipv6Pinfo } from '../../sock/ipv6-pinfo.ts';
import type { Ipv6 } from './ipv6.ts';

/** The label of packets of a flow with this hash. net.ipv6.auto_flowlabels: 0 never, 1 by default, 2 where asked for, 3 always. */
export function sockFlowLabel(ip6: Ipv6, np: Ipv6Pinfo, hash: number): number {
  if (np.flowLabel !== 0) return np.flowLabel;
  const { autoFlowlabels } = ip6.sysctl;
  if (autoFlowlabels === 0) return 0;
  const wanted = autoFlowlabels === 3 || (np.autoflowlabel ?? autoFlowlabels === 1);
  return wanted ? ((hash << 16) | (hash >>> 16)) & 0xfffff : 0;
}
