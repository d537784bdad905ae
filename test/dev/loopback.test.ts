import { test } from 'node:test';
import assert from 'node:assert/strict';
import { consumeSkb } from '../../src/skb/pool.ts';
import type { SkBuff } from '../../src/skb/sk-buff.ts';
import { Drop } from '../../src/skb/drop-reason.ts';
import { devQueueXmit } from '../../src/dev/xmit.ts';
import { ETH_P_IP, ETH_P_ARP } from '../../src/wire/ethernet.ts';
import { ENETDOWN } from '../../src/lib/errno.ts';
import { devClose } from '../../src/dev/registry.ts';
import { frame, host } from './lab.ts';

test('a packet sent on loopback is received within the same kernel entry, after it, and is the same skb', () => {
  const { net, lo, pool } = host();
  const got: SkBuff[] = [];
  net.packetTypes.set(ETH_P_IP, { rcv: (skb) => { got.push(skb); } });
  net.cpu.enter(0);
  const skb = frame(pool, lo, ETH_P_IP, 100);
  assert.equal(devQueueXmit(skb), 0);
  assert.equal(got.length, 0, 'not inside the sender');
  net.cpu.exit();
  assert.deepEqual(got, [skb]);
  assert.equal(skb.len, 100);
  assert.equal(skb.mac, skb.data - 14);
  assert.equal(lo.stats.rxPackets, 1);
  consumeSkb(skb);
  assert.equal(pool.live, 0);
});

test('loopback gives the sender its memory back at once', () => {
  const { net, lo, pool } = host();
  net.packetTypes.set(ETH_P_IP, { rcv: consumeSkb });
  let freed = 0;
  const skb = frame(pool, lo, ETH_P_IP, 100);
  skb.destructor = () => { freed++; };
  net.cpu.enter(0);
  devQueueXmit(skb);
  assert.equal(freed, 1);
  net.cpu.exit();
  assert.equal(freed, 1);
  assert.equal(pool.live, 0);
});

test('the backlog has a limit, and what is beyond it is a counted drop', () => {
  const { net, lo, pool } = host();
  net.sysctl.netdevMaxBacklog = 10;
  net.packetTypes.set(ETH_P_IP, { rcv: consumeSkb });
  net.cpu.enter(0);
  for (let i = 0; i < 20; i++) devQueueXmit(frame(pool, lo, ETH_P_IP, 60));
  net.cpu.exit();
  assert.equal(net.softnet!.stats.dropped, 9); // as in Linux, one more than the limit gets in
  assert.equal(pool.drops[Drop.CpuBacklog], 9);
  assert.equal(net.softnet!.stats.processed, 11);
  assert.equal(pool.live, 0);
});

test('a packet of a type that nobody handles is dropped by that name', () => {
  const { net, lo, pool } = host();
  net.cpu.enter(0);
  devQueueXmit(frame(pool, lo, ETH_P_ARP, 60));
  net.cpu.exit();
  assert.equal(pool.drops[Drop.UnhandledProto], 1);
  assert.equal(pool.live, 0);
});

test('a device that is down takes nothing', () => {
  const { net, lo, pool } = host();
  devClose(lo);
  net.cpu.enter(0);
  assert.equal(devQueueXmit(frame(pool, lo, ETH_P_IP, 60)), -ENETDOWN);
  net.cpu.exit();
  assert.equal(pool.drops[Drop.DevReady], 1);
  assert.equal(pool.live, 0);
});

test('packets that packets bring about run in later rounds, never inside each other', () => {
  const { net, lo, pool } = host();
  let depth = 0;
  let seen = 0;
  net.packetTypes.set(ETH_P_IP, { rcv: (skb) => {
    assert.equal(depth++, 0);
    if (++seen < 5) devQueueXmit(frame(pool, lo, ETH_P_IP, 60));
    consumeSkb(skb);
    depth--;
  } });
  net.cpu.enter(0);
  devQueueXmit(frame(pool, lo, ETH_P_IP, 60));
  net.cpu.exit();
  assert.equal(seen, 5);
  assert.equal(pool.live, 0);
});
