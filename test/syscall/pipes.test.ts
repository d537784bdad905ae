/** Pipes, files in memory, splice and sendfile: pipe(2), memfd_create(2), splice(2), sendfile(2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, F_SETFL, FIONREAD, Kernel, MFD_CLOEXEC, O_NONBLOCK, POLLERR, POLLHUP, POLLIN, POLLOUT, SEEK_CUR, SEEK_END, SEEK_SET, SHUT_WR,
  SOCK_STREAM, SPLICE_F_NONBLOCK,
} from '../../mod.ts';
import { MEMFD_MAX } from '../../src/syscall/mem-file.ts';
import { PIPE_BUF, PIPE_SIZE } from '../../src/syscall/pipe.ts';

const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => i & 0xff);
const code = (name: string) => (error: unknown): boolean => (error as { code?: string }).code === name;

/** Two connected sockets of one host. */
async function connection(k: Kernel): Promise<[number, number]> {
  const listener = k.socket(AF_INET, SOCK_STREAM);
  k.bind(listener, { address: '127.0.0.1', port: 80 });
  k.listen(listener);
  const a = k.socket(AF_INET, SOCK_STREAM);
  const [{ fd: b }] = await Promise.all([k.accept(listener), k.connect(a, { address: '127.0.0.1', port: 80 })]);
  return [a, b];
}

async function readAll(k: Kernel, fd: number): Promise<Uint8Array> {
  const all: number[] = [];
  const buf = new Uint8Array(50_000);
  for (let n = await k.read(fd, buf); n > 0; n = await k.read(fd, buf)) for (let i = 0; i < n; i++) all.push(buf[i]!);
  return Uint8Array.from(all);
}

test('a pipe hands on bytes in order, tells what it has, and ends with its last writer', async () => {
  const k = new Kernel();
  const [r, w] = k.pipe(O_NONBLOCK);
  const buf = new Uint8Array(10);
  assert.throws(() => k.sys.read(r, buf), code('EAGAIN'));
  assert.equal(k.sys.write(w, 'hello'), 5);
  assert.equal(k.ioctl(r, FIONREAD), 5);
  assert.equal(k.sys.read(r, buf.subarray(0, 3)), 3);
  assert.deepEqual([...buf.subarray(0, 3)], [...'hel'].map((c) => c.charCodeAt(0)));
  const fds = [{ fd: r, events: POLLIN, revents: 0 }, { fd: w, events: POLLOUT, revents: 0 }];
  k.sys.poll(fds);
  assert.deepEqual(fds.map((e) => e.revents), [POLLIN, POLLOUT]);
  const twice = k.dup(w);
  k.close(w);
  assert.equal(k.sys.read(r, buf), 2);
  assert.throws(() => k.sys.read(r, buf), code('EAGAIN'), 'another writer is there');
  k.close(twice);
  assert.equal(k.sys.read(r, buf), 0);
  k.sys.poll(fds);
  assert.equal(fds[0]!.revents, POLLHUP);
  assert.throws(() => k.sys.write(r, 'x'), code('EBADF'));
  assert.throws(() => k.sys.lseek(r, 0), code('ESPIPE'));
  assert.throws(() => k.pipe(0x4000), code('EINVAL'));
});

test('a full pipe: small writes stay whole, a large one takes what fits; without a reader EPIPE', () => {
  const k = new Kernel();
  const [r, w] = k.pipe(O_NONBLOCK);
  assert.equal(k.sys.write(w, bytes(PIPE_SIZE - 10)), PIPE_SIZE - 10);
  assert.throws(() => k.sys.write(w, bytes(PIPE_BUF)), code('EAGAIN'));
  assert.equal(k.sys.write(w, bytes(PIPE_BUF + 1)), 10);
  assert.equal(k.sys.read(r, new Uint8Array(PIPE_SIZE)), PIPE_SIZE);
  k.close(r);
  assert.throws(() => k.sys.write(w, 'x'), code('EPIPE'));
  const fds = [{ fd: w, events: 0, revents: 0 }];
  k.sys.poll(fds);
  assert.equal(fds[0]!.revents, POLLERR);
});

test('readers and writers of a pipe wait for each other', async () => {
  const k = new Kernel();
  const [r, w] = k.pipe();
  const data = bytes(3 * PIPE_SIZE + 7);
  const written = k.write(w, data).then((n) => { k.close(w); return n; });
  assert.deepEqual(await readAll(k, r), data);
  assert.equal(await written, data.length);
});

test('a file in memory: read, write, seek, cut; its place is shared by dup', () => {
  const k = new Kernel();
  const fd = k.memfdCreate('notes', MFD_CLOEXEC);
  assert.equal(k.sys.write(fd, 'abcdef'), 6);
  assert.equal(k.lseek(fd, -4, SEEK_END), 2);
  const buf = new Uint8Array(2);
  assert.equal(k.sys.read(k.dup(fd), buf), 2);
  assert.equal(String.fromCharCode(...buf), 'cd');
  assert.equal(k.lseek(fd, 0, SEEK_CUR), 4);
  assert.equal(k.ioctl(fd, FIONREAD), 2);
  k.ftruncate(fd, 3);
  k.ftruncate(fd, 8);
  k.lseek(fd, 2);
  const tail = new Uint8Array(9);
  assert.equal(k.sys.read(fd, tail), 6);
  assert.deepEqual([...tail.subarray(0, 6)], [99, 0, 0, 0, 0, 0], 'what was cut off does not come back');
  assert.throws(() => k.lseek(fd, -1, SEEK_SET), code('EINVAL'));
  assert.throws(() => k.lseek(fd, 0, 9), code('EINVAL'));
  assert.throws(() => k.memfdCreate('x'.repeat(250)), code('EINVAL'));
  k.lseek(fd, MEMFD_MAX);
  assert.throws(() => k.sys.write(fd, 'x'), code('EFBIG'));
});

test('sendfile: all of a file goes out and waits for room; an offset leaves the place alone', async () => {
  const k = new Kernel();
  const [a, b] = await connection(k);
  const file = k.memfdCreate('file');
  const data = bytes(6_000_000);
  k.sys.write(file, data);
  assert.equal(await k.sendfile(a, file, 10, data.length - 4), 4);
  assert.equal(k.lseek(file, 0, SEEK_CUR), data.length);
  k.lseek(file, 0);
  const got = readAll(k, b);
  assert.equal(await k.sendfile(a, file, data.length + 5), data.length);
  assert.equal(await k.sendfile(a, file, 5), 0, 'the end of the file');
  k.shutdown(a, SHUT_WR);
  assert.deepEqual((await got).subarray(4), data);
  assert.throws(() => k.sys.sendfile(file, a, 10), code('EINVAL'), 'a socket is no file');
  assert.throws(() => k.sys.sendfile(a, 99, 10), code('EBADF'));
  assert.throws(() => k.sys.sendfile(a, file, 1.5), /sendfile: count 1\.5 is not a whole number/);
});

test('sendfile on a socket that does not wait takes what there is room for', async () => {
  const k = new Kernel();
  const [a] = await connection(k);
  const file = k.memfdCreate('file');
  k.sys.write(file, bytes(20_000_000));
  k.lseek(file, 0);
  k.fcntl(a, F_SETFL, O_NONBLOCK);
  const n = await k.sendfile(a, file, 20_000_000);
  assert.ok(n > 0 && n < 20_000_000, String(n));
  assert.equal(k.lseek(file, 0, SEEK_CUR), n);
  await assert.rejects(k.sendfile(a, file, 1_000_000), code('EAGAIN'));
});

test('splice: from socket to pipe to socket, as a relay does, in order and to the end', async () => {
  const k = new Kernel();
  const [a, b] = await connection(k);
  const [r, w] = k.pipe();
  const data = bytes(700_001);
  const relay = (async (): Promise<number> => {
    let all = 0;
    for (let n = await k.splice(b, w, PIPE_SIZE); n > 0; n = await k.splice(b, w, PIPE_SIZE)) {
      for (let left = n; left > 0;) left -= await k.splice(r, b, left);
      all += n;
    }
    k.shutdown(b, SHUT_WR);
    return all;
  })();
  const back = readAll(k, a);
  await k.write(a, data);
  k.shutdown(a, SHUT_WR);
  assert.equal(await relay, data.length);
  assert.deepEqual(await back, data);
});

test('splice: what is refused, and what does not wait', async () => {
  const k = new Kernel();
  const [a, b] = await connection(k);
  const [r, w] = k.pipe();
  const flags = SPLICE_F_NONBLOCK;
  assert.throws(() => k.sys.splice(a, b, 10), code('EINVAL'), 'no pipe at all');
  assert.throws(() => k.sys.splice(r, w, 10), code('EINVAL'), 'a pipe into itself');
  assert.throws(() => k.sys.splice(a, r, 10), code('EBADF'), 'the wrong end');
  assert.throws(() => k.sys.splice(a, w, 10, 0x40), code('EINVAL'));
  await assert.rejects(k.splice(a, w, 10, flags), code('EAGAIN'), 'nothing has come');
  await assert.rejects(k.splice(r, a, 10, flags), code('EAGAIN'), 'the pipe is empty');
  await k.write(b, 'hello');
  assert.equal(await k.splice(a, w, 100), 5);
  k.close(w);
  assert.equal(await k.splice(r, a, 3), 3);
  assert.equal(await k.splice(r, a, 9), 2);
  assert.equal(await k.splice(r, a, 9), 0, 'nobody writes any more');
});
