/**
 * Node's own http on both hosts, over a cable that loses a tenth of its frames: a keep-alive agent fetches five pages on one
 * connection. The Date header follows the world's clock, which begins with 2025.
 *
 *   node --import tsx examples/05-node-http-over-it.ts
 */
import type { Agent, IncomingMessage } from 'node:http';
import { World } from '../mod.ts';

const world = new World({ seed: 5 });
const [alice, bob] = [world.host('alice'), world.host('bob')];
world.cable(alice, bob, { delay: '30ms', jitter: '5ms', loss: 0.1 });

const server = bob.http.createServer((request, response) => {
  setTimeout(() => response.end(`${String(request.url)} was asked for`), 100); // of the world's milliseconds
});

async function fetch(agent: Agent, path: string): Promise<void> {
  const started = world.now;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    alice.http.get({ host: 'bob', path, agent }, resolve).on('error', reject);
  });
  let body = '';
  for await (const chunk of response) body += String(chunk);
  console.log(`${String(response.headers.date)}  '${body}' after ${(world.now - started).toFixed(1)} ms`);
}

await world.run(async () => {
  await new Promise<void>((resolve) => server.listen(80, resolve));
  const agent = new alice.http.Agent({ keepAlive: true, maxSockets: 1 });
  for (const path of ['/', '/one', '/two', '/three', '/four']) await fetch(agent, path);
  console.log(`\nalice$ ss -tin\n${alice.sh('ss -tin').replaceAll(/(.{100}\S*) /g, '$1\n\t   ')}`);
  agent.destroy();
  server.close();
});
console.log(`segments that alice and bob sent again: ${[alice, bob].map((h) => h.kernel.nstat().TcpRetransSegs).join(' and ')}`);
