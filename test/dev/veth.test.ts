/** veth: pairs of devices, on one host and between two; and what a world says of wires whose ends differ in MTU. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, SOCK_STREAM, World } from '../../mod.ts';

test('ip link add type veth: what goes out by one end comes in by the other', async () => {
  const world = new World({ seed: 1, costs: 'zero' });
  const host = world.host('box', { ipv6: false });
  host.sh('ip link add veth0 type veth peer name veth1');
  assert.match(host.sh('ip link show veth0'), /veth0@veth1: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN/);
  host.sh('ip link set veth0 up');
  assert.match(host.sh('ip link show veth0'), /<NO-CARRIER,BROADCAST,MULTICAST,UP>/, 'the other end is down');
  host.sh('ip link set veth1 up');
  assert.match(host.sh('ip link show veth1'), /veth1@veth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP/);
  host.sh('ip addr add 10.1.0.1/24 dev veth0');
  using dump = host.tcpdump({ device: 'veth1', names: false });
  const fd = host.kernel.socket(AF_INET, 2);
  host.sh('ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:99 dev veth0');
  host.kernel.sys.sendto(fd, new Uint8Array(3), { address: '10.1.0.9', port: 9 });
  await world.advance('10ms');
  assert.match(dump.toString(), /IP 10\.1\.0\.1\.\d+ > 10\.1\.0\.9\.9: udp \(3\)/);
  assert.match(host.sh('ip -s link show veth1'), /\n +45 +1 +0 /);
  assert.throws(() => host.sh('ip link add veth0 type veth peer name veth7'), /File exists/);
  assert.throws(() => host.sh('ip link add v8 type veth peer name v9 netns other'), /a name space is a host here/);
  assert.throws(() => host.sh('ip link add br0 type bridge'), /expected a type: vlan or veth/);
  host.sh('ip link set veth1 down');
  assert.match(host.sh('ip link show veth0'), /NO-CARRIER/);
  host.sh('ip link del veth1');
  assert.doesNotMatch(host.sh('ip link'), /veth/);
  host.kernel.close(fd);
  assert.equal(world.check().skbs, 0);
  world.stop();
});

test('world.veth: two hosts without a cable; TCP in super-packets, both families, and again after a boot', async () => {
  const world = new World({ seed: 2 });
  const [box, pod] = [world.host('box', { forward: true }), world.host('pod')];
  assert.deepEqual(world.veth(box, pod, { a: { ip: '10.1.0.1/24' }, b: { name: 'eth0', ip: '10.1.0.2/24' } }), { a: 'veth0', b: 'eth0' });
  assert.match(pod.sh('ip link show eth0'), /eth0@if2: /);
  const transfer = async (): Promise<number> => {
    const listener = pod.kernel.socket(AF_INET, SOCK_STREAM);
    pod.kernel.bind(listener, { port: 80 });
    pod.kernel.listen(listener);
    const fd = box.kernel.socket(AF_INET, SOCK_STREAM);
    const [{ fd: conn }] = await Promise.all([pod.kernel.accept(listener), box.kernel.connect(fd, { address: '10.1.0.2', port: 80 })]);
    const data = new Uint8Array(300_000).map((_, i) => i * 7);
    const sent = box.kernel.write(fd, data).then(() => { box.kernel.close(fd); });
    let got = 0;
    const buffer = new Uint8Array(65536);
    for (let n = await pod.kernel.read(conn, buffer); n > 0; n = await pod.kernel.read(conn, buffer)) {
      for (let i = 0; i < n; i++) assert.equal(buffer[i], data[got + i]);
      got += n;
    }
    await sent;
    for (const each of [conn, listener]) pod.kernel.close(each);
    return got;
  };
  await world.run(async () => {
    assert.equal(await transfer(), 300_000);
    const ping = await box.ping('fd00:a01::2', { count: 2 });
    assert.equal(ping.received, 2);
    pod.crash();
    assert.match(box.sh('ip link show veth0'), /NO-CARRIER/);
    pod.boot();
    assert.match(box.sh('ip link show veth0'), /LOWER_UP/);
    assert.equal(await transfer(), 300_000);
  });
  assert.deepEqual(Object.keys(world.drops()).filter((name) => name === 'TCP_CSUM'), []);
  assert.throws(() => world.veth(box, pod, { b: { name: 'eth0' } }), /name: pod has an interface 'eth0' already/);
  assert.throws(() => world.veth(box, new World().host('x')), /x is a host of another world/);
  assert.throws(() => world.veth(box, 'pod' as never), /expected two hosts/);
  world.stop();
});

test('a wire whose ends differ in MTU is named: by world.warnings, and where a program waits in vain', async () => {
  const world = new World({ seed: 3 });
  const [alice, bob] = [world.host('alice', { interfaces: [{ ip: '10.0.0.1/24', mtu: 9000 }] }), world.host('bob')];
  world.cable(alice, bob);
  const warning = 'MTU: 9000 at alice.eth0 (10.0.0.1); 1500 at bob.eth0 (10.0.0.2): what is longer than the smallest is dropped there '
    + '(FRAME_TOO_LONG), and no ICMP error says so';
  assert.deepEqual(world.warnings(), [warning]);
  const fd = bob.kernel.socket(AF_INET, 2);
  bob.kernel.bind(fd, { port: 9 });
  await assert.rejects(world.run(async () => {
    const out = alice.kernel.socket(AF_INET, 2);
    alice.kernel.sys.sendto(out, new Uint8Array(4000), { address: bob.ip, port: 9 });
    await bob.kernel.recvfrom(fd, new Uint8Array(5000));
  }), (error: Error) => error.name === 'DeadlockError' && error.message.includes(`note: ${warning}`));
  assert.equal(world.drops()['FRAME_TOO_LONG'], 1);
  alice.sh('ip link set eth0 mtu 1500');
  assert.deepEqual(world.warnings(), []);
  world.stop();
});
