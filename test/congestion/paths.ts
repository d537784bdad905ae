/** Bulk transfers over a bottleneck, and how much of it they get: shared by the table of 100 seeds and by its small sister. */
import assert from 'node:assert/strict';
import { connectAndSend, listenAndReadAll, ScenarioWorld } from '../../src/testing.ts';

export const RATE_MBIT = 20;
const QUEUE_PACKETS = 100;

export interface Path {
  readonly rttMs: number;
  /** Probability per frame, each way. */
  readonly loss: number;
}

/** Megabits per second of payload, from the SYN to the last byte. Every byte arrives, or it is an error. */
export function goodput(algorithm: string, seed: number, bytes: number, path: Path): number {
  const w = new ScenarioWorld(seed);
  const host = { sysctl: { 'net.ipv4.tcp_congestion_control': algorithm } };
  const cable = { delay: path.rttMs / 2, rate: `${RATE_MBIT}mbit`, limit: QUEUE_PACKETS, loss: path.loss };
  const [a, b] = w.twoHosts({ host, cable });
  const got = b.app(listenAndReadAll(80));
  let ended = 0;
  a.app(connectAndSend(b.ip, 80, new Uint8Array(bytes)));
  w.whenDone(got, () => {
    ended = w.nowNs;
  });
  w.runUntilIdle({ maxMs: 3_600_000 });
  assert.equal(got.result!.length, bytes, `${algorithm}, seed ${seed}: all bytes`);
  return (bytes * 8) / (ended / 1e9) / 1e6;
}

/** What each of `flows` connections over one bottleneck has received after `seconds`, in bytes. They begin 50 ms apart. */
export function sharing(algorithm: string, flows: number, seconds: number): number[] {
  const w = new ScenarioWorld(flows);
  const host = { sysctl: { 'net.ipv4.tcp_congestion_control': algorithm } };
  const [a, b] = w.twoHosts({ host, cable: { delay: '10ms', rate: `${RATE_MBIT}mbit`, limit: QUEUE_PACKETS } });
  const received = new Array<number>(flows).fill(0);
  const chunk = new Uint8Array(65536);
  for (let i = 0; i < flows; i++) {
    b.app(function* (sys) {
      const listener = sys.listen(80 + i);
      yield sys.readable(listener);
      const fd = sys.accept(listener);
      const buf = new Uint8Array(65536);
      for (;;) {
        const n = sys.read(fd, buf);
        if (n > 0) received[i]! += n;
        else yield sys.readable(fd);
      }
    });
    a.app(function* (sys) {
      yield sys.sleep(i * 50e6);
      const fd = sys.connect(b.ip, 80 + i);
      yield sys.writable(fd);
      for (;;) if (sys.write(fd, chunk) <= 0) yield sys.writable(fd);
    });
  }
  w.runFor(seconds * 1e9);
  return received;
}

/** Jain's index: 1 when all have the same, 1/n when one has everything. */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((x, y) => x + y, 0);
  return (sum * sum) / (shares.length * shares.reduce((x, y) => x + y * y, 0));
}

/** Rows by loss, columns by RTT: the mean of the seeds that a cell has. */
export function goodputRows(algorithm: string, losses: readonly number[], rtts: readonly number[], seeds: number, bytes: number): string[] {
  const rows = [`${algorithm.padEnd(6)}  loss ${rtts.map((rtt) => `${rtt} ms`.padStart(8)).join('')}`];
  let seed = 1;
  for (const loss of losses) {
    const cells = rtts.map((rttMs) => {
      let sum = 0;
      for (let i = 0; i < seeds; i++) sum += goodput(algorithm, seed++, bytes, { rttMs, loss });
      return (sum / seeds).toFixed(2).padStart(8);
    });
    rows.push(`${''.padEnd(6)} ${String(loss).padStart(5)} ${cells.join('')}`);
  }
  return rows;
}
