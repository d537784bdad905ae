import { test } from 'node:test';
import assert from 'node:assert/strict';
import { EINVAL } from '../../src/lib/errno.ts';
import { skbBytes } from '../../src/skb/copy.ts';
import { skbChecksumHelp } from '../../src/skb/csum.ts';
import { Drop } from '../../src/skb/drop-reason.ts';
import { consumeSkb } from '../../src/skb/pool.ts';
import {
  CHECKSUM_NONE, CHECKSUM_PARTIAL, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, type SkBuff,
} from '../../src/skb/sk-buff.ts';
import { Card } from '../../src/nic/card.ts';
import type { CardOptions } from '../../src/nic/options.ts';
import { IFF_ALLMULTI, IFF_PROMISC } from '../../src/dev/net-device.ts';
import { devClose, devOpen, devSetAddress, devSetMtu } from '../../src/dev/registry.ts';
import { FrameLog, CaptureTap } from '../../src/fabric/capture.ts';
import { Port } from '../../src/fabric/port.ts';
import { DEFAULT_COSTS } from '../../src/time/cpu.ts';
import { ETH_HLEN, ETH_P_IP } from '../../src/wire/ethernet.ts';
import { bytes, tcpFrame } from '../skb/build.ts';
import { EXACT, frame, host, pair, run, xmit, type Pair, type Station } from '../dev/lab.ts';

/** Keeps what comes up the stack of `b`. */
function receiver(station: Station): SkBuff[] {
  const up: SkBuff[] = [];
  station.net.packetTypes.set(ETH_P_IP, { rcv: (skb) => { up.push(skb); } });
  return up;
}

function end(p: Pair, up: SkBuff[] = []): void {
  up.splice(0).forEach(consumeSkb);
  run(p.sim);
  assert.equal(p.pool.live, 0);
  assert.equal(p.pool.livePages, 0);
  assert.equal(p.sim.live, 0);
}

function stat(station: Station, name: string): number {
  return station.eth.ops.ethtoolStats(station.eth).find(([n]) => n === name)![1];
}

test('a frame goes from host to host, byte for byte, and the sender has its memory back', () => {
  const p = pair(EXACT);
  const up = receiver(p.b);
  const skb = frame(p.pool, p.a.eth, ETH_P_IP, 1000, p.b.eth.addr);
  const want = skbBytes(skb).subarray(ETH_HLEN);
  let freed = 0;
  skb.destructor = (): void => { freed++; };
  xmit(p.a, skb);
  assert.equal(freed, 0, 'not before the completion');
  run(p.sim);
  assert.equal(freed, 1);
  assert.deepEqual(up.map(skbBytes), [want]);
  assert.equal(up[0]!.dev, p.b.eth);
  assert.equal(up[0]!.dst, null);
  assert.deepEqual([p.a.eth.stats.txPackets, p.b.eth.stats.rxPackets, p.b.eth.stats.rxBytes], [1, 1, 1014]);
  end(p, up);
});

test('a short frame is padded to 60 bytes on the cable', () => {
  const p = pair(EXACT);
  const up = receiver(p.b);
  xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 20, p.b.eth.addr));
  run(p.sim);
  assert.equal(up[0]!.len, 46);
  assert.deepEqual(skbBytes(up[0]!).subarray(20), new Uint8Array(26));
  end(p, up);
});

test('frames leave at the speed of the card, one behind the other', () => {
  const p = pair({ ...EXACT, card: { speed: '1gbit', rxUsecs: 0, bql: false } });
  const times: number[] = [];
  p.b.net.packetTypes.set(ETH_P_IP, { rcv: (skb) => {
    times.push(p.sim.now);
    consumeSkb(skb);
  } });
  for (let i = 0; i < 40; i++) xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 986, p.b.eth.addr));
  run(p.sim);
  assert.deepEqual(times, Array.from({ length: 40 }, (_, i) => (i + 1) * 8 * 1024)); // 1000 + 24 bytes at 8 ns
  end(p);
});

test('a super-packet is cut by the card; each frame has its own headers and its own place on the line', () => {
  const p = pair({ ...EXACT, card: { speed: '1gbit', rxUsecs: 0 }, eth: { gro: false } });
  const up = receiver(p.b);
  const log = new FrameLog();
  p.a.port.addObserver(new CaptureTap(log));
  const skb = tcpFrame(p.pool, bytes(10000), { mss: 1448, dst: p.b.eth.addr, src: p.a.eth.addr, id: 65533 });
  skb.dev = p.a.eth;
  xmit(p.a, skb);
  run(p.sim);
  assert.equal(up.length, 7);
  assert.ok(up.every((s) => s.ipSummed === CHECKSUM_PARTIAL && s.gsoSize === 0));
  const frames = log.sorted();
  const full = 8 * (1502 + 24);
  assert.deepEqual(frames.map((f) => f.time), [1, 2, 3, 4, 5, 6].map((i) => i * full).concat(6 * full + 8 * (1366 + 24)));
  assert.deepEqual(frames.map((f) => (f.bytes[18]! << 8) | f.bytes[19]!), [65533, 65534, 65535, 0, 1, 2, 3]);
  assert.equal(stat(p.a, 'tx_tcp_seg_good'), 1);
  assert.equal(stat(p.a, 'tx_packets'), 7);
  assert.equal(p.a.eth.stats.txPackets, 7);
  end(p, up);
});

test('a super-packet crosses the cable and goes up as one packet again', () => {
  const p = pair({ costs: DEFAULT_COSTS });
  const up = receiver(p.b);
  const skb = tcpFrame(p.pool, bytes(60000), { mss: 1448, dst: p.b.eth.addr, src: p.a.eth.addr });
  const want = skbBytes(skb).subarray(ETH_HLEN);
  skb.dev = p.a.eth;
  xmit(p.a, skb);
  run(p.sim);
  const got = up.map(skbBytes);
  // One packet for each poll: interrupts come while the line is still busy.
  const payload = got.flatMap((b) => [...b.subarray(40)]);
  assert.deepEqual(Uint8Array.from(payload), want.subarray(40));
  assert.ok(up.length < 10);
  assert.ok(stat(p.b, 'rx_gro_merged') > 30);
  end(p, up);
});

test('a receive ring that is full loses frames, counted, while the processor is busy', () => {
  const p = pair({ ...EXACT, card: { speed: 0, rxUsecs: 0, rxRing: 16 } });
  const up = receiver(p.b);
  p.b.cpu.enter(1_000_000); // busy for a millisecond
  p.b.cpu.exit();
  for (let i = 0; i < 20; i++) xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 100, p.b.eth.addr));
  run(p.sim, 500_000);
  assert.equal(up.length, 0);
  run(p.sim);
  assert.equal(up.length, 16);
  assert.equal(stat(p.b, 'rx_missed_errors'), 4);
  assert.equal(p.pool.drops[Drop.RxRingFull], 4);
  assert.equal(p.b.card.irq.count, 1, 'one interrupt for all of them');
  end(p, up);
});

test('while the driver polls, no interrupt comes; a poll of 64 leaves the rest to the next turn', () => {
  const p = pair({ ...EXACT, card: { speed: 0, rxUsecs: 10, rxFrames: 0 } });
  const up = receiver(p.b);
  for (let i = 0; i < 200; i++) xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 100, p.b.eth.addr));
  run(p.sim);
  assert.equal(up.length, 200);
  assert.equal(p.b.card.irq.count, 1);
  assert.equal(p.b.net.softnet!.stats.processed, 200);
  end(p, up);
});

test('interrupts are coalesced by time', () => {
  const p = pair({ ...EXACT, card: { speed: 0, rxUsecs: 50, rxFrames: 0 } });
  const times: number[] = [];
  p.b.net.packetTypes.set(ETH_P_IP, { rcv: (skb) => {
    times.push(p.sim.now);
    consumeSkb(skb);
  } });
  for (const at of [0, 10_000, 49_000, 51_000, 200_000]) {
    run(p.sim, at);
    xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 100, p.b.eth.addr));
  }
  run(p.sim);
  assert.deepEqual(times, [50_000, 50_000, 50_000, 101_000, 250_000]);
  end(p);
});

test('interrupts are coalesced by frames: the n-th brings one at once', () => {
  const p = pair({ ...EXACT, card: { speed: 0, rxUsecs: 50, rxFrames: 3 } });
  const times: number[] = [];
  p.b.net.packetTypes.set(ETH_P_IP, { rcv: (skb) => {
    times.push(p.sim.now);
    consumeSkb(skb);
  } });
  for (let i = 0; i < 7; i++) {
    run(p.sim, i * 1000);
    xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 100, p.b.eth.addr));
  }
  run(p.sim);
  assert.deepEqual(times, [2000, 2000, 2000, 5000, 5000, 5000, 56_000]);
  end(p);
});

test('completions are coalesced, too: by time and by packets', () => {
  const p = pair({ ...EXACT, card: { speed: 0, rxUsecs: 0, txUsecs: 30, txFrames: 4 } });
  receiver(p.b);
  p.b.net.packetTypes.set(ETH_P_IP, { rcv: consumeSkb });
  const freed: number[] = [];
  for (let i = 0; i < 5; i++) {
    run(p.sim, i * 1000);
    const skb = frame(p.pool, p.a.eth, ETH_P_IP, 100, p.b.eth.addr);
    skb.destructor = (): void => { freed.push(p.sim.now); };
    xmit(p.a, skb);
  }
  run(p.sim);
  assert.deepEqual(freed, [3000, 3000, 3000, 3000, 34_000]);
  end(p);
});

test('a transmit ring that is full stops the queue; the completion wakes it, and nothing is lost or reordered', () => {
  const p = pair({ ...EXACT, card: { speed: '100mbit', rxUsecs: 0, txRing: 32, txUsecs: 5 } });
  const up = receiver(p.b);
  const want: number[] = [];
  for (let i = 0; i < 300; i++) {
    const skb = frame(p.pool, p.a.eth, ETH_P_IP, 200, p.b.eth.addr);
    skb.buf[skb.data + ETH_HLEN] = i & 255;
    want.push(i & 255);
    xmit(p.a, skb);
  }
  assert.ok(p.a.eth.queueStopped);
  assert.ok(p.a.eth.qdisc!.qlen > 250);
  run(p.sim);
  assert.deepEqual(up.map((s) => s.buf[s.data]), want);
  assert.equal(p.a.eth.queueStopped, false);
  assert.ok(stat(p.a, 'tx_restart_queue') > 0);
  end(p, up);
});

test('a card takes frames to its address, to all, to the groups it joined; in promiscuous mode every one', () => {
  const p = pair(EXACT);
  const up = receiver(p.b);
  const group = Uint8Array.of(1, 0, 0x5e, 0, 0, 1);
  const send = (dst: Uint8Array): number => {
    xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 100, dst));
    run(p.sim);
    const skb = up.pop();
    const type = skb === undefined ? -1 : skb.pktType;
    if (skb !== undefined) consumeSkb(skb);
    return type;
  };
  const other = Uint8Array.of(2, 0, 0, 0, 0, 99);
  assert.equal(send(p.b.eth.addr), 0);
  assert.equal(send(new Uint8Array(6).fill(255)), PACKET_BROADCAST);
  assert.equal(send(group), -1);
  assert.equal(send(other), -1);
  assert.equal(p.pool.drops[Drop.MacFilter], 2);
  p.b.card.filter.join(group);
  assert.equal(send(group), PACKET_MULTICAST);
  p.b.card.filter.leave(group);
  p.b.eth.flags |= IFF_ALLMULTI;
  p.b.eth.ops.setRxMode(p.b.eth);
  assert.equal(send(group), PACKET_MULTICAST);
  assert.equal(send(other), -1);
  p.b.eth.flags |= IFF_PROMISC;
  p.b.eth.ops.setRxMode(p.b.eth);
  assert.equal(send(other), PACKET_OTHERHOST);
  assert.equal(stat(p.b, 'rx_filtered'), 3);
  end(p);
});

test('a frame with a flipped bit is dropped by its check sequence', () => {
  const p = pair({ ...EXACT, weather: { corrupt: 1 } });
  const up = receiver(p.b);
  xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 1000, p.b.eth.addr));
  run(p.sim);
  assert.equal(up.length, 0);
  assert.equal(stat(p.b, 'rx_crc_errors'), 1);
  assert.equal(p.pool.drops[Drop.FcsError], 1);
  end(p);
});

test('a frame beyond the MTU is too long, one without a header too short', () => {
  const p = pair({ ...EXACT, b: { ...EXACT, eth: { mtu: 500 } } });
  receiver(p.b);
  xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 505, p.b.eth.addr));
  const stub = p.pool.alloc(0);
  stub.put(8);
  p.a.port.send(stub, 0);
  run(p.sim);
  assert.equal(p.pool.drops[Drop.FrameTooLong], 1);
  assert.equal(p.pool.drops[Drop.FrameTooShort], 1);
  assert.equal(stat(p.b, 'rx_long_length_errors') + stat(p.b, 'rx_short_length_errors'), 2);
  end(p);
});

test('a larger MTU lets longer frames in, and those who asked are told', () => {
  const p = pair(EXACT);
  const up = receiver(p.b);
  const told: string[] = [];
  p.b.net.notifiers.push({ changed: (dev, what): void => { told.push(`${dev.name} ${what}`); } });
  assert.equal(devSetMtu(p.b.eth, 9000), 0);
  assert.equal(devSetMtu(p.b.eth, 9000), 0);
  for (const wrong of [67, 9217, 1.5, NaN]) assert.equal(devSetMtu(p.b.eth, wrong), -EINVAL);
  xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 9000, p.b.eth.addr));
  run(p.sim);
  assert.equal(up.length, 1);
  assert.deepEqual(told, ['eth0 mtu']);
  const moved = Uint8Array.of(2, 0, 0, 0, 0, 7);
  devSetAddress(p.b.eth, moved);
  xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 100, moved));
  run(p.sim);
  assert.equal(up.length, 2);
  assert.equal(up[1]!.pktType, 0);
  end(p, up);
});

test('without receive checksum offload an open checksum is filled in, for the stack to verify', () => {
  const p = pair({ ...EXACT, b: { ...EXACT, card: { speed: 0, rxUsecs: 0, rxCsum: false } } });
  const up = receiver(p.b);
  const skb = tcpFrame(p.pool, bytes(500), { dst: p.b.eth.addr, src: p.a.eth.addr });
  skb.dev = p.a.eth;
  const complete = tcpFrame(p.pool, bytes(500), { dst: p.b.eth.addr, src: p.a.eth.addr });
  skbChecksumHelp(complete);
  const want = skbBytes(complete).subarray(ETH_HLEN);
  consumeSkb(complete);
  p.b.eth.features &= ~4;
  xmit(p.a, skb);
  run(p.sim);
  assert.equal(up[0]!.ipSummed, CHECKSUM_NONE);
  assert.deepEqual(skbBytes(up[0]!), want);
  end(p, up);
});

test('a stopped card takes nothing and gives everything back', () => {
  const p = pair({ ...EXACT, card: { speed: '1mbit', rxUsecs: 1000, txRing: 64 }, weather: { delay: '1ms' } });
  let freed = 0;
  for (let i = 0; i < 20; i++) {
    const skb = frame(p.pool, p.a.eth, ETH_P_IP, 100, p.b.eth.addr);
    skb.destructor = (): void => { freed++; };
    xmit(p.a, skb);
  }
  p.a.cpu.enter(0);
  devClose(p.a.eth);
  p.a.cpu.exit();
  assert.equal(freed, 20);
  devClose(p.b.eth);
  run(p.sim);
  assert.ok(p.pool.drops[Drop.CardDown]! > 0);
  assert.equal(p.pool.live, 0);
  devOpen(p.a.eth);
  devOpen(p.b.eth);
  const up = receiver(p.b);
  xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 100, p.b.eth.addr));
  run(p.sim);
  assert.equal(up.length, 1);
  end(p, up);
});

test('pulling the cable takes the carrier of both devices, plugging it in gives it back', () => {
  const p = pair(EXACT);
  assert.ok(p.a.eth.carrier && p.b.eth.carrier);
  p.cable.setUp(false);
  assert.equal(p.a.eth.carrier || p.b.eth.carrier, false);
  xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 100, p.b.eth.addr));
  assert.equal(p.pool.drops[Drop.QdiscDrop], 1);
  p.cable.setUp(true);
  assert.ok(p.a.eth.carrier && p.b.eth.carrier);
  end(p);
});

test('an interrupt waits for the processor, and is not lost when the line is masked', () => {
  const h = host();
  const card = new Card(h.cpu, new Port('x'), new Uint8Array(6));
  const served: number[] = [];
  card.irq.request(() => served.push(h.cpu.now));
  card.irq.raise();
  run(h.sim);
  assert.deepEqual(served, [], 'masked until the driver says so');
  h.cpu.enter(5000);
  card.irq.unmask();
  h.cpu.exit();
  run(h.sim);
  assert.deepEqual(served, [5000]);
  card.irq.mask();
  card.irq.raise();
  card.irq.raise();
  card.irq.unmask();
  assert.deepEqual(served, [5000, 5000]);
  assert.equal(card.irq.count, 2);
});

test('wrong options of a card name themselves', () => {
  const h = host();
  for (const [options, message] of [
    [{ rxRing: 100 }, /^rxRing: 100 is not a power of two/], [{ txRing: 16 }, /^txRing: /], [{ rxUsecs: -1 }, /^rxUsecs: /],
    [{ speed: 'fast' }, /^speed: /], [{ tso: 1 }, /^tso: /], [{ ring: 5 }, /^ring: no such option/], [{ txFrames: 1.5 }, /^txFrames: /],
  ] as [CardOptions, RegExp][]) {
    assert.throws(() => new Card(h.cpu, new Port('x'), new Uint8Array(6), options), { message });
  }
});

test('an overloaded host shows it: frames come faster than it can take them, the ring overflows, interrupts become rare', () => {
  const slow = { ...DEFAULT_COSTS, softirqPacketNs: 5000 };
  const p = pair({ costs: DEFAULT_COSTS, eth: { gro: false }, b: { costs: slow, card: { rxRing: 128 }, eth: { gro: false } } });
  let got = 0;
  p.b.net.packetTypes.set(ETH_P_IP, { rcv: (skb): void => {
    got++;
    consumeSkb(skb);
  } });
  for (let i = 0; i < 4000; i++) {
    xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 500, p.b.eth.addr));
    run(p.sim, Math.max(p.sim.now, p.a.cpu.now + 500));
  }
  run(p.sim);
  const missed = stat(p.b, 'rx_missed_errors');
  assert.equal(got + missed, 4000);
  assert.ok(missed > 1000, String(missed));
  assert.ok(p.b.card.irq.count < got / 10, String(p.b.card.irq.count));
  end(p);
});
