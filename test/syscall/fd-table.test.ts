/** Descriptors: the lowest free one, whatever happened before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EBADF, EINVAL, EMFILE } from '../../src/lib/errno.ts';
import { Random } from '../../src/lib/random.ts';
import { EpollFile } from '../../src/syscall/epoll.ts';
import { FdTable } from '../../src/syscall/fd-table.ts';

test('descriptors begin at 0 and the lowest free one is given again', () => {
  const fds = new FdTable();
  const file = new EpollFile();
  for (let i = 0; i < 100; i++) assert.equal(fds.install(file, false), i);
  for (const fd of [70, 3, 64]) assert.equal(fds.remove(fd), file);
  assert.deepEqual([1, 2, 3, 4].map(() => fds.install(file, false)), [3, 64, 70, 100]);
  assert.equal(file.refs, 101);
  assert.equal(fds.remove(500), null);
});

test('the limit is EMFILE; a minimum beyond it EINVAL', () => {
  const fds = new FdTable(40);
  const file = new EpollFile();
  for (let i = 0; i < 40; i++) fds.install(file, false);
  assert.equal(fds.install(file, false), -EMFILE);
  assert.equal(fds.install(file, false, 40), -EINVAL);
  fds.remove(5);
  assert.equal(fds.install(file, false, 6), -EMFILE);
  assert.equal(fds.install(file, false), 5);
  assert.equal(new FdTable(0).lowestFree(), -EMFILE);
});

test('against a model: a sorted list of free numbers', () => {
  const random = new Random(7);
  const fds = new FdTable(5000);
  const file = new EpollFile();
  const open = new Set<number>();
  for (let i = 0; i < 20000; i++) {
    if (random.chance(0.6)) {
      const min = random.chance(0.2) ? random.below(3000) : 0;
      let want = min;
      while (open.has(want)) want++;
      assert.equal(fds.install(file, false, min), want);
      open.add(want);
    } else if (open.size > 0) {
      const fd = [...open][random.below(open.size)]!;
      assert.equal(fds.remove(fd), file);
      open.delete(fd);
    }
    assert.equal(fds.open, open.size);
  }
  assert.deepEqual(fds.list(), [...open].sort((x, y) => x - y));
});

test('100,000 descriptors, the lowest closed and opened in turn, cost no search', () => {
  const fds = new FdTable(1048576);
  const file = new EpollFile();
  for (let i = 0; i < 100000; i++) fds.install(file, false);
  const before = performance.now();
  for (let i = 0; i < 100000; i++) {
    fds.remove(0);
    fds.install(file, false);
    fds.install(file, false);
  }
  assert.equal(fds.list().length, 200000);
  assert.ok(performance.now() - before < 2000);
});

test('FD_CLOEXEC belongs to the descriptor', () => {
  const fds = new FdTable();
  fds.install(new EpollFile(), true);
  fds.install(fds.get(0)!, false);
  assert.deepEqual([fds.getCloexec(0), fds.getCloexec(1), fds.getCloexec(2)], [1, 0, -EBADF]);
  fds.setCloexec(0, false);
  assert.equal(fds.getCloexec(0), 0);
});
