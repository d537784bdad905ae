/** What the packetdrill runner must not let pass, line by line: each of these scripts is wrong in one way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { one, SERVER } from './one-script.ts';

/** What stands behind an accepted connection, and how it fails; '' = it passes, `skip …` = it is not run. */
const CASES: readonly (readonly [string, string])[] = [
  // packets
  ['+0 write(4, ..., 100) = 100\n +0 > P. 1:101(100) ack 1', ''],
  ['+0 write(4, ..., 100) = 100\n +0 > [ttl 64] P. 1:101(100) ack 1', ''],
  ['+0 write(4, ..., 100) = 100\n +0 > [ttl 63] P. 1:101(100) ack 1', 'ttl: 63 wanted, got 64'],
  ['+0 write(4, ..., 100) = 100\n +0 > [tos 0x10] P. 1:101(100) ack 1', 'tos: 16 wanted, got 0'],
  ['+0 write(4, ..., 100) = 100\n +0 > [ect0] P. 1:101(100) ack 1', 'ecn: ect0 wanted, got noecn'],
  ['+0 write(4, ..., 100) = 100\n +0 > P. 1:101(100) ack 1 <nop,nop,TS val 1 ecr 1>', 'options: '],
  ['+0 write(4, ..., 100) = 100\n +0 > P. 1:101(100) ack 1 urg 1', 'urg: 1 wanted, got 0'],
  ['+0 write(4, ..., 100) = 100\n +0 > P.', 'syntax error: line 10, column 9: first:end(length) expected behind the flags'],
  ['+0 < . 1:1(0) ack 1', 'syntax error: line 9, column 21: a packet that comes in needs its window (win n), found the end'],
  ['+0 < . 1:1(0) ack 1 win 1 <...>', 'syntax error: line 9, column 33: <...> says what may go out'],
  ['+0 < icmp unreachable host_unreachable mtu 5 [1:1(0)]', 'syntax error: line 9, column 55: only unreachable frag_needed has an mtu'],
  // pieces: all but the last have the length of the one before
  ['+0 write(4, ..., 3500) = 3500\n +0 > P. 1:3501(3500) ack 1', ''],
  ['--strict_segments\n+0 write(4, ..., 900) = 900\n +0 > P. 1:901(900) ack 1', ''],
  // calls
  ['+0 getsockopt(4, SOL_TCP, TCP_NODELAY, [0], [4]) = 0', ''],
  ['+0 getsockopt(4, SOL_TCP, TCP_NODELAY, [0], [8]) = 0', '[8] bytes wanted, got 4'],
  ['+0 getsockopt(4, SOL_SOCKET, SO_KEEPALIVE, [0], [2]) = 0', '[0] has 4 bytes; there is room for 2'],
  ['+0 getsockopt(4, SOL_TCP, TCP_CONGESTION, "cubic", [16]) = 0', ''],
  ['+0 getsockopt(4, SOL_TCP, TCP_CONGESTION, "cubic", [5]) = 0', ''],
  ['+0 getsockopt(4, SOL_TCP, TCP_CONGESTION, "cubic", [3]) = 0', '"cubic" wanted, got "cub"'],
  ['+0 getsockopt(4, SOL_TCP, TCP_CONGESTION, "cubic", [20]) = 0', '[20] bytes wanted, got 16'],
  ['+0 setsockopt(4, SOL_TCP, TCP_CONGESTION, "renovated", 4) = 0', ''],
  ['+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 2) = -1 EINVAL', ''],
  ['+0 setsockopt(4, SOL_IP, IP_TOS, [0x110], 1) = 0\n +0 getsockopt(4, SOL_IP, IP_TOS, [0x10], [4]) = 0', ''],
  ['+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, 4) = -1 EINVAL', ''],
  ['+0 setsockopt(4, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=1, tv_usec=500000}, 16) = 0\n'
    + ' +0 getsockopt(4, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=1, tv_usec=400000}, [16]) = 0', '{tv_sec=1, tv_usec=400000} wanted'],
  ['+0 setsockopt(4, SOL_TCP, TCP_TX_DELAY, [1000], 4) = 0', 'skip socket option TCP_TX_DELAY'],
  ['+0 setsockopt(4, SOL_TCP, TCP_TX_DELAY, [1000], 4) = -1 ENOPROTOOPT', ''],
  ['+0 socket(AF_INET, SOCK_DCCP, 33) = 5', 'skip socket(AF_INET, SOCK_DCCP, 33)'],
  ['+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, 0) = 1', ''],
  ['+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 0) = 1', 'revents of entry 0: 0x1 wanted, got 0x4'],
  ['+0 poll([{fd=4, events=POLLOUT}], 1, 0) = 1', 'revents of entry 0: 0x0 wanted, got 0x4'],
  ['+0 poll([{fd=4, events=POLLOUT, revents=POLLOUT}], 2, 0) = 1', 'poll: 2 entries are counted, 1 are written'],
  ['+0 poll([{fd=9, events=POLLOUT, revents=POLLNVAL}], 1, 0) = 1', ''],
  ['+0 epoll_create(1) = 5\n +0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLOUT, ptr=7}) = 0\n'
    + ' +0 epoll_wait(5, {events=EPOLLOUT, ptr=8}, 1, 0) = 1', 'data 8 wanted, got 7'],
  ['+0 epoll_create(1) = 5\n +0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = 0\n'
    + ' +0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 0', 'events 0x1 wanted, got 0x0'],
  ['+0 epoll_create(0) = -1 EINVAL', ''],
  ['+0 write(4, NULL, 10) = -1 EFAULT', ''],
  ['+0 < P. 1:11(10) ack 1 win 1000\n +0 > . 1:1(0) ack 11\n +0 read(4, NULL, 10) = -1 EFAULT\n +0 recv(4, NULL, 10, MSG_TRUNC) = 10', ''],
  ['+0 writev(4, [{..., 10}, {..., 20}], 3) = 30', 'writev: 3 parts are counted, 2 are written'],
  ['+0 sendmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 10}], msg_flags=0}, 0) = 10', 'msg_iov: 2 parts are counted, 1 are written'],
  ['+0 sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 10}], msg_flags=MSG_EOR}, 0) = 10', 'sendmsg: msg_flags is what recvmsg tells'],
  ['+0 < P. 1:11(10) ack 1 win 1000\n +0 > . 1:1(0) ack 11\n'
    + ' +0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 10}], msg_flags=MSG_TRUNC}, 0) = 10', 'msg_flags 0x20 wanted, got 0x0'],
  ['+0 setsockopt(4, SOL_TCP, TCP_INQ, [1], 4) = 0\n +0 < P. 1:11(10) ack 1 win 1000\n +0 > . 1:1(0) ack 11\n'
    + ' +0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 4}], msg_flags=0,\n'
    + '      msg_control=[{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=5}]}, 0) = 4', 'cmsg 0: 5 wanted, got 6'],
  ['+0 setsockopt(4, SOL_TCP, TCP_INQ, [1], 4) = 0\n +0 < P. 1:11(10) ack 1 win 1000\n +0 > . 1:1(0) ack 11\n'
    + ' +0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 4}], msg_flags=MSG_CTRUNC}, 0) = 4', ''],
  ['+0 ioctl(4, SIOCINQ, [1]) = 0', 'SIOCINQ gives [1] wanted, got [0]'],
  ['+0 fcntl(4, F_GETFL) = 0x2 (flags O_RDWR)', ''],
  ['+0 fcntl(4, F_GETFL) = O_RDWR|O_NONBLOCK', 'fcntl() = 2050 wanted, got 2'],
  ['+0 close(4) = 0 EAGAIN_', "syntax error: line 9, column 18: an error (EAGAIN) or a note in parentheses expected, found 'EAGAIN_'"],
  ['+0 bind(4) = 0', 'syntax error: line 9, column 2: bind() takes 3 arguments, not 1'],
  ['+0 setsockopt(4, SOL_TCP, TCP_NODELY, [1], 4) = 0', "syntax error: line 9, column 28: 'TCP_NODELY' is no constant that is known"],
  ['+0 bind(4, inet_ntoa(5), ...) = 0', 'syntax error: line 9, column 2: inet_ntoa(…) is no value'],
  ['+0 vmsplice(4, 1, 2, 3) = 0', 'skip system call vmsplice()'],
  ['+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4', 'descriptor 4 is in use in the script'],
  // calls that wait
  ['+0...0.100 read(4, ..., 10) = 10\n +.1 < P. 1:11(10) ack 1 win 1000', ''],
  ['+0...0.100 read(4, ..., 10) = 10\n +.15 < P. 1:11(10) ack 1 win 1000', 'returned at 0.150070, 50.01ms late'],
  ['+0...0.100 read(4, ..., 10) = 10\n +0 write(4, ..., 100) = 100\n +0 > P. 1:101(100) ack 1\n'
    + ' +.1 < P. 1:11(10) ack 101 win 1000', 'returned at 1.100'], // the write has waited a second for the read
  ['+0...5 read(4, ..., 10) = 10\n +0 write(4, ..., 100) = 100\n +0 > P. 1:101(100) ack 1\n'
    + ' +4 < P. 1:11(10) ack 101 win 1000', ''],
  ['+0...5 read(4, ..., 10) = 11\n +0 write(4, ..., 100) = 100\n +0 > P. 1:101(100) ack 1\n'
    + ' +4 < P. 1:11(10) ack 101 win 1000', 'read() = 11 wanted, got 10'],
  ['+0...5 read(4, ..., 10) = 10\n +0...1 write(4, ..., 100) = 100', 'read() has not returned'],
  ['+0...9 read(4, ..., 10) = 10', 'read() has not returned'],
];

test('packetdrill: each form is compared, and a mismatch is told by name', async () => {
  const wrong: string[] = [];
  for (const [lines, wanted] of CASES) {
    const text = lines.startsWith('--') ? lines.replace(/^(--.*)\n/, `$1${SERVER} `) : `${SERVER} ${lines}`;
    const r = await one(text);
    const told = r.status === 'ok' ? '' : r.status === 'skip' ? `skip ${r.message}` : r.message;
    if (wanted === '' ? told !== '' : !told.startsWith(wanted)) wrong.push(`${lines}\n  wanted: ${wanted}\n  got:    ${told}`);
  }
  assert.equal(wrong.join('\n'), '');
});
