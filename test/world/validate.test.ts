import { test } from 'node:test';
import assert from 'node:assert/strict';
import { AF_INET, Kernel, KernelError, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_BROADCAST, World } from '../../mod.ts';

/** A world with two hosts on a cable; `any`, for this file says what the types forbid. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Loose = any;

const world: Loose = new World({ seed: 1 });
const alice: Loose = world.host('alice');
const bob: Loose = world.host('bob');
const cable: Loose = world.cable(alice, bob);
const LooseWorld: Loose = World;
const LooseKernel: Loose = Kernel;

const WRONG: readonly (readonly [what: string, call: () => unknown, says: RegExp])[] = [
  ['an option of a kernel', () => new LooseKernel({ sed: 1 }), /Kernel: sed: no such option; expected seed,/],
  ['options that are none', () => new LooseKernel(5), /Kernel: options is 5; expected an object/],
  ['an option of a process', () => alice.kernel.process({ nmae: 'x' }), /process: nmae: no such option/],
  ['an option of a world', () => new LooseWorld({ sede: 1 }), /World: sede: no such option/],
  ['the costs of a world', () => new LooseWorld({ costs: 'none' }), /costs: none is not understood/],
  ['the digest of a world', () => new LooseWorld({ digest: 'yes' }), /digest: yes is not understood/],
  ['an option of a host', () => world.host('x', { ipp: '10.0.0.1/24' }), /host: ipp: no such option; expected ip,/],
  ['the interfaces of a host', () => world.host('x', { interfaces: 5 }), /interfaces: expected an array/],
  ['an option of an interface', () => alice.addInterface({ mut: 10 }), /interface: mut: no such option/],
  ['a hardware address of a group', () => alice.addInterface({ mac: '01:00:5e:00:00:01' }), /mac: '01:00:5e:00:00:01'/],
  ['the end of a cable', () => world.cable(alice), /cable: b is neither a host/],
  ['an option of a rule', () => cable.drop(() => true, { tmes: 2 }), /rule: tmes: no such option; expected times, direction/],
  ['the direction of a weather', () => { cable.setWeather({ loss: 0 }, 'up'); }, /direction: 'up'/],
  ['up', () => { cable.setUp('no'); }, /up: no is not understood/],
  ['the groups of a partition', () => { world.partition(alice, bob); }, /partition: a: expected an array of hosts/],
  ['the target of a capture', () => world.capture([5]), /capture: targets: expected an array/],
  ['a route that leads nowhere', () => { alice.route('10.9.0.0/16', {}); }, /route: it needs via/],
  ['the metric of a route', () => { alice.route('10.9.0.0/16', { via: bob.ip, metric: -1 }); }, /metric: -1 is out of range/],
  ['the interface of a route', () => { alice.route('10.9.0.0/16', { interface: 'eth7' }); }, /interface: alice has no 'eth7'/],
  ['an option of tcpdump', () => alice.tcpdump({ devcie: 'lo' }), /tcpdump: devcie: no such option/],
  ['a message', () => { alice.kernel.sys.sendmsg(0, null); }, /sendmsg: message is null/],
];

for (const [what, call, says] of WRONG) {
  test(`refused by name: ${what}`, () => {
    assert.throws(call, (error: unknown) => {
      assert.ok(error instanceof TypeError || error instanceof RangeError);
      assert.match(error.message, says);
      return true;
    });
  });
}

test('an errno says what to do about it in this call', () => {
  const kernel = new Kernel();
  const fd = kernel.socket(AF_INET, SOCK_STREAM);
  kernel.bind(fd, { port: 5 });
  assert.throws(() => { kernel.bind(fd, { port: 6 }); }, /bind EINVAL 0\.0\.0\.0:6: invalid argument \(the socket is bound already\)/);
  assert.throws(() => { kernel.shutdown(fd, 7); }, /shutdown EINVAL.*SHUT_RD, SHUT_WR or SHUT_RDWR/);
  assert.throws(() => kernel.fcntl(fd, 999), /fcntl EINVAL.*F_GETFL/);
});

test('127.255.255.255 is a broadcast address: it needs SO_BROADCAST, and all on the host hear it', async () => {
  const kernel = new Kernel();
  const [from, to] = [kernel.socket(AF_INET, SOCK_DGRAM), kernel.socket(AF_INET, SOCK_DGRAM)];
  kernel.bind(to, { port: 9 });
  const everybody = { address: '127.255.255.255', port: 9 };
  assert.throws(() => kernel.sys.sendto(from, 'x', everybody), (e: unknown) => e instanceof KernelError && e.code === 'EACCES');
  kernel.setsockopt(from, SOL_SOCKET, SO_BROADCAST, 1);
  await kernel.sendto(from, 'x', everybody);
  assert.equal(await kernel.read(to, new Uint8Array(4)), 1);
});
