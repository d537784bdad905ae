/** Names of hosts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostsFile } from '../../src/host/resolver.ts';

test('a hosts file is read as hosts(5) has it', () => {
  const hosts = new HostsFile();
  hosts.parse('# comment\n10.0.0.1  alice alice.example # her\n\n10.0.0.2\tbob\n::1 ip6\n10.9.0.1 alice\n');
  assert.deepEqual(hosts.lookup('alice'), [{ address: '10.0.0.1', family: 4 }, { address: '10.9.0.1', family: 4 }]);
  assert.deepEqual(hosts.lookup('ALICE.example.'), [{ address: '10.0.0.1', family: 4 }]);
  assert.deepEqual(hosts.lookup('ip6'), [{ address: '::1', family: 6 }]);
  assert.deepEqual(hosts.lookup('nobody'), []);
  assert.equal(hosts.format().split('\n')[0], '10.0.0.1\talice');
});

test('an address is its own answer; localhost and all below it are this host', () => {
  const hosts = new HostsFile();
  assert.deepEqual(hosts.lookup('10.1.2.3'), [{ address: '10.1.2.3', family: 4 }]);
  assert.deepEqual(hosts.lookup('fe80::1'), [{ address: 'fe80::1', family: 6 }]);
  for (const name of ['localhost', 'LocalHost', 'db.localhost']) assert.equal(hosts.lookup(name)[0]!.address, '127.0.0.1');
});

test('what a host does not know, the world may', () => {
  const world = new HostsFile();
  const host = new HostsFile(world);
  world.add('bob', '10.0.0.2');
  assert.equal(host.lookup('bob')[0]!.address, '10.0.0.2');
  host.add('bob', '10.5.5.5');
  assert.deepEqual(host.lookup('bob').map((a) => a.address), ['10.5.5.5']);
  host.remove('bob');
  assert.equal(host.lookup('bob')[0]!.address, '10.0.0.2');
});

test('what is no name or no address is refused by name', () => {
  const hosts = new HostsFile();
  assert.throws(() => hosts.add('bob', '10.0.0'), /address '10.0.0' is not an IP address/);
  for (const name of ['', 'a b', 'http://x', 'x'.repeat(254)]) assert.throws(() => hosts.add(name, '10.0.0.1'), TypeError);
});
