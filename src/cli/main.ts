#!/usr/bin/env node

/** The command line: `kernet COMMAND …`. */
import process from 'node:process';
import { packetdrillCommand, PACKETDRILL_USAGE } from './packetdrill.ts';

const USAGE = `usage: kernet COMMAND …

  packetdrill   run packetdrill scripts on kernet's stack

${PACKETDRILL_USAGE}`;

async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  const print = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  if (command === 'packetdrill') return await packetdrillCommand(rest, print);
  print(command === undefined || command === '--help' || command === '-h' ? USAGE : `kernet: '${command}' is no command\n\n${USAGE}`);
  return command === undefined || !command.startsWith('-') ? 2 : 0;
}

// Whoever reads our lines may stop reading (`| head`): that is no error.
process.stdout.on('error', () => process.exit());
process.exitCode = await main(process.argv.slice(2));
