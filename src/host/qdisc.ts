/** The door to the queueing disciplines of a host: as objects. The same as lines: `host.sh('tc qdisc …')`. */
import type { Net } from '../dev/net.ts';
import type { Qdisc } from '../dev/qdisc.ts';
import { devGetByName } from '../dev/registry.ts';
import { qdiscGraftRoot, qdiscMakeTree, qdiscRestoreDefault } from '../dev/sched/api.ts';
import type { QdiscOptions } from '../dev/sched/kinds.ts';

/** A discipline and what it has counted, as it was when you asked. */
export interface QdiscInfo {
  readonly kind: string;
  /** `'1:'`; `'0:'` for what the device began with. */
  readonly handle: string;
  readonly packets: number;
  readonly bytes: number;
  readonly drops: number;
  readonly overlimits: number;
  readonly requeues: number;
  /** What waits now, here and below, in packets and bytes; and the most that ever did. */
  readonly qlen: number;
  readonly backlog: number;
  readonly maxQlen: number;
  /** ECN marks, of those that mark. */
  readonly ecnMark: number;
  readonly children: readonly QdiscInfo[];
}

/** Looks at the root of a device; or puts another one there, `'default'` what the device began with. */
export function hostQdisc(net: Net, device: string, options?: QdiscOptions | 'default'): QdiscInfo {
  const dev = devGetByName(net, device);
  if (dev === null) {
    const names = net.devices.filter((d) => d !== null).map((d) => d.name).join(', ');
    throw new RangeError(`qdisc: device: ${net.name} has no '${String(device)}'; there are ${names}`);
  }
  if (options !== undefined) {
    net.cpu.enter(net.cpu.costs.syscallNs);
    try {
      if (options === 'default') qdiscRestoreDefault(dev);
      else qdiscGraftRoot(dev, qdiscMakeTree(dev, options));
    } finally {
      net.cpu.exit();
    }
  }
  return dev.qdisc === null ? NOQUEUE : info(dev.qdisc);
}

const NOQUEUE: QdiscInfo = {
  kind: 'noqueue', handle: '0:', packets: 0, bytes: 0, drops: 0, overlimits: 0, requeues: 0, qlen: 0, backlog: 0, maxQlen: 0, ecnMark: 0,
  children: [],
};

function info(q: Qdisc): QdiscInfo {
  const { kind, packets, bytes, drops, overlimits, requeues, qlen, backlog, maxQlen, ecnMark } = q;
  return {
    kind, handle: `${q.handle.toString(16)}:`, packets, bytes, drops, overlimits, requeues, qlen, backlog, maxQlen, ecnMark,
    children: q.classes.filter((child) => child !== null).map(info),
  };
}
