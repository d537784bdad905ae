/**
 * Sockets that are sent to another process: a kernet socket cannot be, for its kernel lives in this one. `process.send` and
 * `child.send` refuse it with EINVAL, before anything is taken from the socket.
 */
import { ChildProcess } from 'node:child_process';
import dgram from 'node:dgram';
import net from 'node:net';
import process from 'node:process';
import { datagramState, type HandleHolder } from '../handle/runtime.ts';
import { isTcpHandle } from '../handle/tcp.ts';
import { UdpHandle } from '../handle/udp.ts';
import { uv } from '../handle/uv.ts';
import { EINVAL } from '../../lib/errno.ts';
import { wrap, type AnyFunction, type Undo } from './wrap.ts';

interface Sender extends NodeJS.EventEmitter {
  send?: AnyFunction;
}

export function hookIpc(): Undo[] {
  const undo: Undo[] = [
    wrap(ChildProcess.prototype, 'spawn', (real) => function spawn(...args) {
      const result = real.apply(this, args);
      hookSend(this as Sender);
      return result;
    }),
  ];
  const own = process as unknown as Sender;
  if (own.send !== undefined) undo.push(hookSend(own));
  return undo;
}

function hookSend(sender: Sender): Undo {
  if (sender.send === undefined) return () => undefined;
  return wrap(sender, 'send', (real) => function send(...args) {
    if (!isKernets(args[1])) return real.apply(this, args);
    const error = refusal();
    const callback = args.find((arg) => typeof arg === 'function') as ((error: Error) => void) | undefined;
    process.nextTick(() => {
      if (callback === undefined) sender.emit('error', error);
      else callback(error);
    });
    return false;
  });
}

function isKernets(value: unknown): boolean {
  if (value instanceof net.Socket || value instanceof net.Server) {
    const { _handle } = value as unknown as HandleHolder;
    return isTcpHandle(_handle) || isTcpHandle((_handle as { _parent?: unknown } | null | undefined)?._parent);
  }
  if (value instanceof dgram.Socket) return datagramState(value).handle instanceof UdpHandle;
  return isTcpHandle(value) || value instanceof UdpHandle;
}

function refusal(): Error {
  const message = 'write EINVAL: a socket of a kernet host cannot be sent to another process, which has a world of its own; '
    + 'send its bytes as messages, or let its address through to the machine (passthrough)';
  return Object.assign(new Error(message), { code: 'EINVAL', errno: uv(-EINVAL), syscall: 'write' });
}
