/** ECN from end to end: a queue on the way marks, nothing is lost, and with Accurate ECN both ends count the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, SOCK_STREAM, SOL_TCP, TCP_INFO, World } from '../../mod.ts';
import type { TcpInfo } from '../../src/tcp/info.ts';

interface Outcome {
  readonly marks: number;
  readonly lost: number;
  readonly sender: TcpInfo;
  readonly receiver: TcpInfo;
}

/** Two megabytes from alice to bob by way of a router whose queue, before 10 Mbit/s, is fq_codel. */
async function transfer(ecn: number): Promise<Outcome> {
  const world = new World({ seed: 5 });
  try {
    const [alice, bob] = [world.host('alice'), world.host('bob')];
    const router = world.router('r');
    world.cable(alice, router, { rate: '1gbit', delay: '5ms' });
    world.cable(router, bob, { rate: '1gbit', delay: '20ms' });
    world.routes();
    router.sh('tc qdisc add dev eth1 root handle 1: tbf rate 10mbit burst 5kb latency 1s');
    router.sh('tc qdisc add dev eth1 parent 1:1 handle 10: fq_codel');
    for (const host of [alice, bob]) host.kernel.sysctl('net.ipv4.tcp_ecn', ecn);
    const { kernel: a } = alice;
    const { kernel: b } = bob;
    const listener = b.socket(AF_INET, SOCK_STREAM, 0);
    b.bind(listener, { address: '0.0.0.0', port: 80 });
    b.listen(listener, 16);
    const info = (k: typeof a, fd: number): TcpInfo => k.getsockopt(fd, SOL_TCP, TCP_INFO) as TcpInfo;
    return await world.run(async () => {
      const c = a.socket(AF_INET, SOCK_STREAM, 0);
      await a.connect(c, { address: bob.ip, port: 80 });
      const { fd } = await b.accept(listener);
      const bytes = new Uint8Array(2_000_000);
      const sending = a.write(c, bytes);
      const buffer = new Uint8Array(65536);
      for (let got = 0; got < bytes.length;) got += await b.read(fd, buffer);
      await sending;
      await new Promise((resolve) => { setTimeout(resolve, 1000); }); // the last ACK is back
      const { ecnMark } = router.qdisc('eth1').children[0]!;
      return { marks: ecnMark, lost: a.nstat().TcpRetransSegs, sender: info(a, c), receiver: info(b, fd) };
    });
  } finally {
    world.stop();
  }
}

test('without ECN the queue drops; with it, it marks, and nothing is sent twice', async () => {
  const plain = await transfer(0);
  assert.equal(plain.marks, 0);
  assert.ok(plain.lost > 0, `${plain.lost} retransmissions`);
  const marked = await transfer(1);
  assert.ok(marked.marks > 0, `${marked.marks} marks`);
  assert.equal(marked.lost, 0);
  assert.ok(marked.sender.tcpi_delivered_ce > 0);
});

test('Accurate ECN: queue, receiver and sender count the same marks, in packets and in bytes', async () => {
  const { marks, lost, sender, receiver } = await transfer(3);
  assert.ok(marks > 0, `${marks} marks`);
  assert.equal(lost, 0);
  assert.equal(receiver.tcpi_received_ce, marks);
  assert.equal(sender.tcpi_delivered_ce, marks);
  assert.equal(sender.tcpi_delivered_ce_bytes, receiver.tcpi_received_ce_bytes);
  assert.equal(sender.tcpi_delivered_e0_bytes, receiver.tcpi_received_e0_bytes);
  assert.equal(receiver.tcpi_received_e0_bytes + receiver.tcpi_received_ce_bytes, 2_000_000);
});
