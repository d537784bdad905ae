/** The same tables for IPv6: ip6tables, conntrack over it, and NAT (RFC 6296 advises against it; Linux has it). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World, type Host } from '../../../mod.ts';

function two(): { world: World; a: Host; b: Host } {
  const world = new World({ seed: 1 });
  const [a, b] = [world.host('a'), world.host('b')];
  world.cable(a, b, { delay: '1ms' });
  return { world, a, b };
}

/** What becomes of a connection: what the server says, or the code of the error. */
async function call(from: Host, address: string, port: number): Promise<string> {
  return await new Promise((resolve) => {
    const socket = from.net.connect(port, address);
    socket.on('data', (d) => resolve(String(d))).on('error', (error: NodeJS.ErrnoException) => resolve(error.code!));
  });
}

test('ip6tables: rules, REJECT of both kinds, connections and their state', async () => {
  const { world, a, b } = two();
  b.sh('ip6tables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT');
  b.sh('ip6tables -A INPUT -p tcp --dport 81 -j REJECT --reject-with tcp-reset');
  b.sh('ip6tables -A INPUT -p tcp --dport 82 -j REJECT --reject-with icmp6-adm-prohibited');
  b.firewall6.append('INPUT', { protocol: 'icmpv6', icmpv6Type: 'echo-request', limit: '1/day', limitBurst: 1, target: 'ACCEPT' });
  b.firewall6.append('INPUT', { protocol: 'icmpv6', icmpv6Type: 'echo-request', target: 'DROP' });
  b.firewall6.append('INPUT', { source: a.ip6, protocol: 'tcp', dport: 83, target: 'LOG', logPrefix: 'six: ' });
  await world.run(async () => {
    const server = b.net.createServer((s) => s.end('hello')).listen(80, '::');
    assert.equal(await call(a, b.ip6, 80), 'hello');
    assert.deepEqual(b.conntrack.list().map((c) => [c.protocol, c.original.source, c.original.dport]), [['tcp', a.ip6, 80]]);
    assert.equal(await call(a, b.ip6, 81), 'ECONNREFUSED');
    assert.equal(await call(a, b.ip6, 82), 'EACCES');
    assert.equal(await call(a, b.ip6, 83), 'ECONNREFUSED');
    server.close();
  });
  assert.match(b.dmesg()[0]!, /six: IN=eth0 OUT= MAC=\S+ SRC=fd\S+ DST=fd\S+ LEN=80 TC=0 .* PROTO=TCP SPT=\d+ DPT=83 /);
  // The error about the packet that was let in nowhere belongs to no connection.
  assert.equal(b.conntrack.stats.invalid, 1);
  assert.match(b.sh('ip6tables -S'), /-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128 -m limit --limit 1\/day --limit-burst 1 -j ACCEPT/,
  );
  assert.throws(() => b.sh('ip6tables -A INPUT -s 10.0.0.1'), /ip6tables: -s: '10.0.0.1' is not understood; expected .* fd00::1/);
  assert.throws(() => b.sh('ip6tables -A INPUT -f'), /'-f' is not understood/);
  assert.equal(b.sh('iptables -S INPUT'), '-P INPUT ACCEPT\n', 'the other family has its own');
});

test('NAT over IPv6: our own connections go elsewhere, and believe to be where they wanted', async () => {
  const { world, a, b } = two();
  const [other, third] = ['99', '98'].map((last) => b.ip6.replace(/[^:]*$/, last)) as [string, string];
  a.sh(`ip6tables -t nat -A OUTPUT -p tcp -d ${other} --dport 80 -j DNAT --to-destination [${b.ip6}]:8080`);
  a.sh(`ip6tables -t nat -A OUTPUT -p tcp -d ${third} -j REDIRECT --to-ports 9090`);
  await world.run(async () => {
    const far = b.net.createServer((s) => s.end('far')).listen(8080, '::');
    const near = a.net.createServer((s) => s.end('near')).listen(9090, '::');
    assert.equal(await call(a, other, 80), 'far');
    assert.equal(await call(a, third, 7), 'near');
    far.close();
    near.close();
  });
  for (const h of [a, b]) assert.equal(h.kernel.nstat().TcpInCsumErrors, 0);
});

test('RFC 8200 §4.5: where connections are tracked a gateway sees datagrams whole, and sends them on in pieces as they came', async () => {
  const world = new World({ seed: 1 });
  const [a, b, gw] = [world.host('a'), world.host('b'), world.router('gw')];
  world.cable(a, gw);
  world.cable(gw, b);
  world.routes();
  // Only the first piece of a datagram has ports: by pieces, this rule would stop all others.
  gw.sh('ip6tables -P FORWARD DROP');
  gw.sh('ip6tables -A FORWARD -p udp --dport 9 -j ACCEPT');
  gw.sh('ip6tables -A FORWARD -p ipv6-icmp -j ACCEPT');
  gw.sh('ip6tables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT');
  await world.run(async () => {
    const [client, server] = [a.dgram.createSocket('udp6').bind(5000), b.dgram.createSocket('udp6').bind(9)];
    server.on('message', (bytes, from) => server.send(bytes.subarray(0, 3000), from.port, from.address));
    const answer = new Promise<Buffer>((resolve) => client.on('message', resolve));
    client.send(Buffer.alloc(5000, 'x'), 9, b.ip6);
    assert.equal((await answer).length, 3000);
    client.close();
    server.close();
  });
  const { Ip6FragCreates, Ip6ReasmReqds } = gw.kernel.nstat();
  assert.deepEqual([Ip6FragCreates, Ip6ReasmReqds], [7, 0], 'four pieces and three, and none of them for the gateway itself');
});
