/** What the objects of tc(8) share: devices and numbers of classes on a line, and the way into the kernel. */
import type { NetDevice } from '../../dev/net-device.ts';
import type { Qdisc } from '../../dev/qdisc.ts';
import { devGetByName } from '../../dev/registry.ts';
import { qdiscLookup } from '../../dev/sched/api.ts';
import { ToolError, type ToolHost } from './command.ts';
import type { Cursor } from './tc-units.ts';

/** What changes the kernel does so from inside. */
export function inKernel(host: ToolHost, what: () => void): string {
  const { cpu } = host.net;
  cpu.enter(cpu.costs.syscallNs);
  try {
    what();
  } catch (error) {
    if (error instanceof ToolError) throw error;
    throw new ToolError(`tc: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    cpu.exit();
  }
  return '';
}

/** The device whose name is next on the line. */
export function device(host: ToolHost, c: Cursor): NetDevice {
  const name = c.take(`the name of a device (${deviceNames(host)})`);
  const dev = devGetByName(host.net, name);
  if (dev === null) throw c.wrong(name, 'dev', `a device: ${deviceNames(host)}`);
  return dev;
}

/** `lo, eth0` */
export function deviceNames(host: ToolHost): string {
  return host.net.devices.filter((dev) => dev !== null).map((dev) => dev.name).join(', ');
}

/** `1:10`: a discipline of the device, and the number of a class; `1:` is the discipline itself. */
export function readClassid(dev: NetDevice, c: Cursor, what: string): { readonly q: Qdisc; readonly minor: number } {
  const word = c.take(what);
  const m = /^([0-9a-f]{1,4}):([0-9a-f]{0,4})$/i.exec(word);
  if (m === null) throw c.wrong(word, what, "a class such as '1:10', or a discipline such as '1:'");
  const q = qdiscLookup(dev, parseInt(m[1]!, 16));
  if (q === null) throw new ToolError(`${c.tool}: ${what}: ${dev.name} has no discipline ${m[1]!}:`);
  return { q, minor: m[2] === '' ? 0 : parseInt(m[2]!, 16) };
}

/** `1:10` */
export function showClassid(handle: number, minor: number): string {
  return `${handle.toString(16)}:${minor === 0 ? '' : minor.toString(16)}`;
}
