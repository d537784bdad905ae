/**
 * A program that knows nothing of kernet: for each line of its standard input, a name and a count, it runs that body over the
 * runtime's own modules and prints the figure. installed.ts starts it twice: plain, and with kernet/register.
 */
import dgram from 'node:dgram';
import http from 'node:http';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { BODIES } from './bodies.ts';

for await (const line of createInterface(process.stdin)) {
  const [name, count] = line.split(' ');
  const body = BODIES.find((b) => b.name === name)!;
  process.stdout.write(`${String(await body.run({ net, dgram, http }, Number(count)))}\n`);
}
process.exit(0);
