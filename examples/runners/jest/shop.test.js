// The shop under test, by jest: given a host's modules, and as it stands (setup.js installs kernet).
import { once } from 'node:events';
import { describe, expect, jest, test } from '@jest/globals';
import { World } from 'kernet';
import { startLedger } from '../program/ledger.js';
import { buy, startShop } from '../program/shop.js';

/** alice — shop — ledger: two cables of `delay` each. */
function town(options = {}) {
  const world = new World({ seed: options.seed ?? 1, digest: true });
  const [alice, shop, ledger] = ['alice', 'shop', 'ledger'].map((name) => world.host(name));
  const street = world.cable(alice, shop, { delay: options.delay ?? '10ms' });
  world.cable(shop, ledger, { delay: options.delay ?? '10ms' });
  return { world, alice, shop, ledger, street };
}

/** Opens the shop and its ledger; the program finds the hosts by itself. */
async function open({ shop, ledger }) {
  const books = ledger.run(() => startLedger(4000));
  const server = shop.run(() => startShop(80, { host: 'ledger', port: 4000 }));
  await Promise.all([once(books, 'listening'), once(server, 'listening')]);
  return () => [books, server].forEach((s) => s.close());
}

test('the modules of a host, given to the program', async () => {
  const { world, alice, shop, ledger } = town();
  await world.run(async () => {
    const books = startLedger(4000, { net: ledger.net });
    const server = startShop(80, { host: 'ledger', port: 4000 }, { http: shop.http, net: shop.net });
    expect(await buy('http://shop', 3, { http: alice.http })).toEqual({ total: 3, failures: [] });
    [books, server].forEach((s) => s.close());
  });
});

test('the program as it stands', async () => {
  const place = town();
  await place.world.run(async () => {
    const close = await open(place);
    expect(await place.alice.run(() => buy('http://shop', 3))).toEqual({ total: 3, failures: [] });
    expect(await place.alice.run(() => buy('http://shop', 4))).toEqual({ total: 7, failures: [] });
    close();
  });
});

test('the street is dug up for five seconds: the client tries again, and no second is real', async () => {
  const place = town();
  const { world, alice, street } = place;
  const started = performance.now();
  await world.run(async () => {
    const close = await open(place);
    street.setUp(false);
    setTimeout(() => street.setUp(true), 5000);
    const { total, failures } = await alice.run(() => buy('http://shop', 1));
    expect(total).toBe(1);
    expect(failures).toEqual(Array(2).fill('no answer within 1000 ms'));
    close();
  });
  expect(world.now).toBeGreaterThan(5000);
  expect(performance.now() - started).toBeLessThan(2000); // five seconds of the world took less than two
});

test('an answer that is lost on its way: the same order is booked twice', async () => {
  const place = town();
  const { world, alice, street } = place;
  await world.run(async () => {
    const close = await open(place);
    const rule = street.drop((p) => p.tcp?.sport === 80 && p.tcp.payloadLength > 0);
    setTimeout(() => rule.lift(), 1000);
    const { total, failures } = await alice.run(() => buy('http://shop', 5));
    expect(failures).toEqual(['no answer within 1000 ms']);
    expect(total).toBe(10); // the retry has no key by which the shop could know it again
    close();
  });
});

describe('worlds at the same time, each with its own clock', () => {
  for (const delay of ['1ms', '100ms', '200ms']) {
    test.concurrent(`${delay} each way`, async () => {
      const place = town({ delay });
      await place.world.run(async () => {
        const close = await open(place);
        const { now } = place.world;
        const before = Date.now();
        await place.alice.run(() => buy('http://shop', 1, { timeoutMs: 5000 }));
        const trips = (place.world.now - now) / (2 * parseInt(delay, 10));
        // Two handshakes, an order and an entry in the books; on the first way, ARP asks before each handshake.
        expect(trips).toBeGreaterThan(5.9);
        expect(trips).toBeLessThan(8.1);
        expect(Math.abs(Date.now() - before - (place.world.now - now))).toBeLessThanOrEqual(1); // Date is the world's
        close();
      });
    });
  }
});

test('fake timers elsewhere in the file: a program of a world has the world\'s', async () => {
  jest.useFakeTimers({ now: 0 });
  try {
    const place = town();
    await place.world.run(async () => {
      const close = await open(place);
      expect((await place.alice.run(() => buy('http://shop', 1))).total).toBe(1);
      expect(new Date().getFullYear()).toBe(2025);
      close();
    });
    expect(Date.now()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

test('bytes and errors on both sides of jest\'s realm', async () => {
  const { world, alice, shop } = town();
  await world.run(async () => {
    const server = shop.net.createServer((socket) => socket.pipe(socket)).listen(7);
    for (const bytes of [new Uint8Array([1, 2, 3]), Buffer.from([1, 2, 3]), new Uint8Array(new ArrayBuffer(3))]) {
      const socket = alice.net.connect(7, 'shop');
      socket.end(bytes);
      const [chunk] = await once(socket, 'data');
      expect(chunk).toBeInstanceOf(Uint8Array);
      expect(Buffer.isBuffer(chunk)).toBe(true);
    }
    const fd = alice.kernel.socket(2, 1);
    await alice.kernel.connect(fd, { address: shop.ip, port: 7 });
    expect(await alice.kernel.write(fd, new Uint8Array(5))).toBe(5);
    expect(await alice.kernel.read(fd, new Uint8Array(10))).toBe(5);
    alice.kernel.close(fd);
    server.close();
    const refused = alice.net.connect(8, 'shop');
    const [error] = await once(refused, 'error');
    expect(error.code).toBe('ECONNREFUSED');
    await expect(alice.kernel.connect(alice.kernel.socket(2, 1), { address: shop.ip, port: 8 })).rejects.toBeInstanceOf(Error);
  });
});

test('the same seed, the same frames', async () => {
  const run = async () => {
    const place = town({ seed: 7 });
    place.street.setWeather({ loss: 0.2 });
    await place.world.run(async () => {
      const close = await open(place);
      await place.alice.run(() => buy('http://shop', 1));
      close();
    });
    return place.world.digest();
  };
  expect(await run()).toBe(await run());
});
