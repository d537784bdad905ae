/**
 * A name typed into a browser, and all that comes of it: the stub resolver asks the recursive one, that one the root, com and
 * example.com; ARP at each new link; the handshake across two switches and two routers; the request, the page, the close. Each
 * packet has a line; the first question and the page are shown with every function and queue that they pass.
 *
 *   node --import tsx examples/11-page-load.ts
 */
import { World, type TracedPacket } from '../mod.ts';

const world = new World({ seed: 11 });
const [home, centre] = [world.switch('home'), world.switch('centre')];
const [gw, isp] = [world.router('gw'), world.router('isp')];
const [browser, web] = [world.host('browser'), world.host('web')];
const [resolver, root, com, auth] = ['resolver', 'root', 'com', 'auth'].map((name) => world.host(name));
world.cable(browser, home, { delay: '100us' });
world.cable(gw, home, { delay: '100us' });
world.cable(gw, isp, { delay: '8ms', rate: '50mbit' });
for (const server of [isp, web, resolver!, root!, com!, auth!]) world.cable(server, centre, { delay: '2ms' });
world.routes();
world.dns({
  '.': { on: root! },
  'com.': { on: com! },
  'example.com.': { on: auth!, records: { www: web.ip } },
}, resolver);
browser.resolvConf(`nameserver ${resolver!.ip}`);

const server = web.http.createServer((request, response) => {
  response.setHeader('connection', 'close');
  response.end(`<h1>${String(request.headers.host)}</h1>`);
});

using trace = world.trace();
await world.run(async () => {
  server.listen(80);
  const page = await new Promise<string>((resolve, reject) => {
    browser.http.get('http://www.example.com/', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; }).on('end', () => resolve(text));
    }).on('error', reject);
  });
  console.log(`${(world.now / 1000).toFixed(6)} ${page}\n`);
  server.close();
  await browser.kernel.sleep('1s');
});

for (const { line } of trace.packets) console.log(line.replace(/ <[^>]*>/, '')); // without TCP's options
const first = (what: (packet: TracedPacket) => unknown): TracedPacket => trace.packets.find(what)!;
const asks = first((p) => p.frame?.udp?.dport === 53);
const page = first((p) => p.frame?.tcp?.sport === 80 && p.frame.tcp.payloadLength > 0);
console.log(`\nthe question, from the stub resolver to the recursive one\n${String(asks)}`);
console.log(`the page, from the server to the browser\n${String(page)}`);
console.log('dropped on the way:', Object.keys(world.drops()).join(', ') || 'none');
