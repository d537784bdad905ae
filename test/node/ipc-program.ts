// A program that tries to send a kernet socket to a child process, run by ipc.test.ts in a process of its own: a mistake here
// ends in C++, and would take the test with it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Kernel } from '../../mod.ts';
import { createDgram } from '../../src/node/dgram.ts';
import { createNet } from '../../src/node/net.ts';

if (process.send !== undefined) {
  process.on('message', (message) => {
    process.send!(message);
    if (message === 'last') process.disconnect();
  });
} else {
  const kernel = new Kernel();
  const net = createNet(kernel);
  const server = net.createServer().listen(80);
  await once(server, 'listening');
  const datagrams = createDgram(kernel).createSocket('udp4').bind(53);
  await once(datagrams, 'listening');
  const child = fork(process.argv[1]!);
  child.on('message', (message) => console.log('the child got', message));
  for (const [name, handle] of Object.entries({ socket: net.connect(80, '127.0.0.1'), server, datagrams })) {
    await new Promise<void>((resolve) => {
      child.send(name, handle as never, { keepOpen: true }, (error) => {
        console.log(`${name}: ${codeOf(error)}`);
        resolve();
      });
    });
  }
  child.send('last');
  await once(child, 'exit');
  process.exit();
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'no error';
}
