/**
 * A name typed into a machine that has just been switched on: DHCP gives it an address and a name server; that one asks the
 * root, the root sends it to com, com to example.com. The second time nobody is asked; a name that is not there, once.
 *
 *   node --import tsx examples/16-name-servers.ts
 */
import { World, type Host } from '../mod.ts';

const world = new World({ seed: 2 });
const isp = world.host('isp', { ip: '10.0.0.1/24' });
const laptop = world.host('laptop', { dhcp: true });
world.cable(isp, laptop, { delay: '2ms' });
const [root, tld, auth] = ['root', 'tld', 'auth'].map((name) => world.host(name));
for (const host of [root!, tld!, auth!]) world.cable(isp, host, { delay: '20ms', loss: 0.1 });

const tree = world.dns({
  '.': { on: root! },
  'com.': { on: tld! },
  'example.com.': {
    on: auth!,
    text: `
$TTL 5m
@     MX  10 mail
www   CNAME web
web   A   10.7.0.80
      A   10.7.0.81
mail  A   10.7.0.25
*     TXT "whatever you ask for"
`,
  },
}, isp);
isp.dhcpServer({ pool: ['10.0.0.100', '10.0.0.199'], router: isp.ip, dns: [isp.ip], domain: 'example.com' });

/** Runs a command, and says how long it took. */
async function run(host: Host, line: string): Promise<void> {
  const before = world.now;
  const text = await host.exec(line);
  console.log(`${host.name}$ ${line}    # ${(world.now - before).toFixed(3)} ms\n${text}`);
}

await world.run(async () => {
  await laptop.dhcpClient!.bound();
  console.log(`${laptop.dhcpClient!.log.join('\n')}\n\nlaptop$ cat /etc/resolv.conf\n${laptop.resolvConf()}`);
  await run(laptop, 'getent ahosts www.example.com');
  await run(laptop, 'getent ahosts www.example.com');
  await run(laptop, 'dig +short example.com MX');
  await run(laptop, 'dig nothing.example.org');
  await run(isp, `dig @${auth!.ip} anything.example.com TXT +norecurse`);
});

console.log('who was asked, by whom, in which order:');
const all = [...new Set([...tree.servers.values(), tree.resolver!])].flatMap((server) => {
  const name = server === tree.resolver ? 'isp' : [...tree.servers].find(([, s]) => s === server)![0];
  return server.queries.map((query) => ({ ...query, name: name === '.' ? 'root' : name, asked: query.name }));
});
for (const q of all.sort((a, b) => a.time - b.time)) {
  console.log(`${q.time.toFixed(3).padStart(10)} ms  ${q.from.padEnd(11)} → ${q.name.padEnd(11)} ${q.asked} ${q.type}`);
}
