/**
 * The end of a running stack without a word to anybody: power loss. What it held in memory is gone, what was under way in its
 * queues and rings is dropped under its name, and no timer of it fires again.
 *
 *   from  world/host.ts   crash()
 */
import { devClose } from '../dev/registry.ts';
import { sysKill } from '../syscall/socket.ts';
import { tcpHalt } from '../tcp/halt.ts';
import type { HostStack } from './boot.ts';

/** Halts a stack for good. Its processes are dead from here on: their calls answer -ESRCH or -EBADF. */
export function haltHost(stack: HostStack): void {
  const { net, layer, tcp, lo } = stack;
  const { cpu } = net;
  cpu.enter(0);
  layer.halted = true;
  // Cards first: what the stack would say at its end does not get out.
  for (const dev of net.devices) if (dev !== null && dev !== lo) devClose(dev);
  for (const process of [...layer.processes]) sysKill(process);
  tcpHalt(tcp);
  for (const end of net.halting) end();
  devClose(lo);
  net.softnet!.purge();
  cpu.exit();
  cpu.halt();
}
