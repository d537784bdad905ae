// Where `process.binding` is refused, as under --permission: run by no-binding.test.ts in a process of its own.
import assert from 'node:assert/strict';
import { once } from 'node:events';

Object.assign(process, { binding: undefined });
const { Kernel } = await import('../../mod.ts');
const { createHttp, createNet } = await import('../../src/net.ts');
const { hasStreamBaseState } = await import('../../src/node/handle/runtime.ts');
assert.equal(hasStreamBaseState, false);

const SIZE = 1 << 20;
const kernel = new Kernel();
const net = createNet(kernel);
const server = net.createServer((s) => void s.pipe(s)).listen(7);
await once(server, 'listening');
const client = net.connect(7, '127.0.0.1');
let got = 0;
client.on('data', (d) => void (got += d.length));
client.end(Buffer.alloc(SIZE));
await once(client, 'close');
console.log('echo', got, client.bytesRead, client.bytesWritten);

const [victim] = await Promise.all([once(server, 'connection'), once(net.connect(7, '127.0.0.1').on('error', (e: NodeJS.ErrnoException) => {
  console.log('error', e.code);
}), 'connect')]) as [[InstanceType<typeof net.Socket>], unknown];
victim[0].resetAndDestroy();
await once(victim[0], 'close');
server.close();

const http = createHttp(kernel, net);
const site = http.createServer((_req, res) => res.end('hello')).listen(80);
await once(site, 'listening');
const [response] = await once(http.get({ port: 80, host: '127.0.0.1', agent: false }), 'response') as [import('node:http').IncomingMessage];
let body = '';
for await (const chunk of response.setEncoding('utf8')) body += String(chunk);
console.log('http', body);
site.close();
