"""
Runs cases of a sender against the kernel of this machine, through a TUN device in the namespace that it is started in (unshare -n).

Standard input: one JSON object, {"sysctl": {name: value}, "atOnce": n, "cases": [...]}, the cases as in case.ts. Standard output: one
line per case, {"id": n, "steps": [{"t": us, "ret": n, "info": [...], "sndbuf": n, "out": [segment, ...]}, ...]}, a segment being
[us, flags, seq, len, ack, win, ecn, options].

One process makes all steps, each at its time, with a real-time priority: a sender measures in microseconds. Cases are connections of
their own, with addresses of their own. What the kernel sends is noted under the last step that was made. Sequence numbers are
relative to the ISN of their direction; a timestamp echo names the segment whose value it is, by its place in order.
"""
import fcntl
import heapq
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

LOCAL4, LOCAL6 = '192.168.0.1', 'fd3d:a0b:17d6::1'
SYN, RST, ACK = 2, 4, 16
TUNSETIFF, IFF_TUN_NO_PI = 0x400454CA, 0x1001
SPREAD_US = 1700  # between the beginnings of two cases
SPIN_US = 60  # so long before a step the waiting is by looking at the clock

# struct tcp_info: every field, in order; case.ts has the names.
INFO_FORMAT = '=8B24I4Q6I4Q2I2Q6I2HI'
INFO_SIZE = struct.calcsize(INFO_FORMAT)


def checksum(data):
    if len(data) & 1:
        data += b'\0'
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Tun:
    def __init__(self, sysctl):
        self.fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack('16sH22x', b'tun0', IFF_TUN_NO_PI))
        run = lambda text: subprocess.run(text, shell=True, check=True, stdout=subprocess.DEVNULL)
        run('sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.router_solicitations=0 '
            'net.ipv6.conf.tun0.router_solicitations=0')
        run('ip link set lo up; ip addr add %s/16 dev tun0; ip -6 addr add %s/48 dev tun0 nodad; ip link set tun0 txqueuelen 5000 up; '
            'ip route add 10.0.0.0/8 dev tun0; ip -6 route add fd00::/16 dev tun0; '
            'tc qdisc replace dev tun0 root pfifo limit 5000' % (LOCAL4, LOCAL6))
        for name, value in {'net.ipv4.tcp_no_metrics_save': 1, **sysctl}.items():
            with open('/proc/sys/' + name.replace('.', '/'), 'w') as f:
                f.write(str(value))


class Case:
    def __init__(self, number, spec, tun, start):
        self.number, self.spec, self.tun, self.start = number, spec, tun, start
        self.v6 = spec['v'] == 6
        self.port = 1024 + number
        self.remote = ('fd00::%x:%x' % (1 + (number >> 16), number & 0xffff)) if self.v6 else '10.1.%d.%d' % (number >> 8, number & 255)
        family = socket.AF_INET6 if self.v6 else socket.AF_INET
        self.family = family
        self.raw_local = socket.inet_pton(family, LOCAL6 if self.v6 else LOCAL4)
        self.raw_remote = socket.inet_pton(family, self.remote)
        self.irs = self.iss = None
        self.next = 0
        self.done = []
        self.tsvals = []
        self.conn = None
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setblocking(False)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for level, name, value in spec.get('options', ()):
            self.listener.setsockopt(level, name, value.encode() if isinstance(value, str) else value)
        self.listener.bind((LOCAL6 if self.v6 else LOCAL4, self.port))
        self.listener.listen(5)

    def due(self):
        return self.start + self.spec['steps'][self.next][0]

    def step(self, now):
        at, op, *args = self.spec['steps'][self.next]
        self.next += 1
        entry = {'t': now - self.start, 'ret': 0, 'out': []}
        self.done.append(entry)
        try:
            entry['ret'] = getattr(self, 'do_' + op)(*args)
        except OSError as e:
            entry['ret'] = -e.errno
        drain(self.tun)
        if self.conn is not None and self.conn.fileno() >= 0:
            raw = self.conn.getsockopt(socket.IPPROTO_TCP, 11, 400)
            entry['info'] = list(struct.unpack(INFO_FORMAT, raw[:INFO_SIZE]))
            entry['sndbuf'] = self.conn.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

    def do_look(self):
        return 0

    def do_accept(self):
        self.conn, _ = self.listener.accept()
        self.conn.setblocking(False)
        return 0

    def do_write(self, n, flags):
        return self.conn.send(bytes(n), flags | socket.MSG_DONTWAIT)

    def do_read(self, n):
        return len(self.conn.recv(n, socket.MSG_DONTWAIT))

    def do_opt(self, level, name, value):
        self.conn.setsockopt(level, name, value)
        return 0

    def do_shutdown(self, how):
        self.conn.shutdown(how)
        return 0

    def do_seg(self, s):
        flags = s['f']
        seq = s.get('seq', 0)
        ack = s.get('ack', 0)
        if flags & SYN:
            self.irs = seq
        else:
            seq = (self.irs + seq) & 0xffffffff
        iss = self.iss or 0
        if flags & ACK:
            ack = (iss + ack) & 0xffffffff
        options = b''
        if 'mss' in s:
            options += struct.pack('!BBH', 2, 4, s['mss'])
        if 'sackOk' in s:
            options += b'\x01\x01\x04\x02'
        if 'ws' in s:
            options += struct.pack('!BBBB', 1, 3, 3, s['ws'])
        if 'ts' in s:
            val, nth = s['ts']
            echo = 0
            if nth >= 0:
                echo = self.tsvals[min(nth, len(self.tsvals) - 1)]
            options += struct.pack('!BBBBII', 1, 1, 8, 10, val & 0xffffffff, echo)
        if s.get('sack'):
            edges = s['sack']
            options += struct.pack('!BBBB', 1, 1, 5, 2 + 4 * len(edges))
            options += b''.join(struct.pack('!I', (iss + e) & 0xffffffff) for e in edges)
        payload = bytes(s.get('len', 0))
        head = struct.pack('!HHIIBBHHH', 20000, self.port, seq, ack, (20 + len(options)) // 4 << 4, flags, s.get('win', 0), 0, 0) + options
        self.send(6, head + payload, 16, s.get('tos', 0))
        return 0

    def do_icmp(self, mtu, seq):
        quote = struct.pack('!HHI', self.port, 20000, (self.iss + seq) & 0xffffffff)
        if self.v6:
            inner = struct.pack('!IHBB', 6 << 28, 1000, 6, 64) + self.raw_local + self.raw_remote + quote + bytes(12)
            self.send(58, struct.pack('!BBHI', 2, 0, 0, mtu) + inner, 2, 0)
        else:
            inner = struct.pack('!BBHHHBBH', 0x45, 0, 1500, 0, 0x4000, 64, 6, 0) + self.raw_local + self.raw_remote + quote
            self.send(1, struct.pack('!BBHHH', 3, 4, 0, 0, mtu) + inner, 2, 0)
        return 0

    def send(self, proto, body, csum_at, tos):
        src, dst = self.raw_remote, self.raw_local
        if self.v6:
            pseudo = src + dst + struct.pack('!II', len(body), proto)
            header = struct.pack('!IHBB', 6 << 28 | tos << 20, len(body), proto, 255) + src + dst
        else:
            pseudo = src + dst + struct.pack('!HH', proto, len(body)) if proto == 6 else b''
            header = struct.pack('!BBHHHBBH', 0x45, tos, 20 + len(body), 0, 0, 255, proto, 0) + src + dst
            header = header[:10] + struct.pack('!H', checksum(header)) + header[12:]
        body = body[:csum_at] + struct.pack('!H', checksum(pseudo + body)) + body[csum_at + 2:]
        os.write(self.tun.fd, header + body)

    def sent(self, tcp, total, tos, now):
        seq, ack, off, flags, win = struct.unpack('!IIBBH', tcp[4:16])
        hlen = (off >> 4) * 4
        if flags & SYN:
            self.iss = seq
        options = []
        p = 20
        tsval = 0
        while p < hlen:
            kind = tcp[p]
            if kind == 0:
                break
            if kind == 1:
                p += 1
                continue
            size = tcp[p + 1]
            data = tcp[p + 2:p + size]
            if kind == 8:
                tsval, ecr = struct.unpack('!II', data)
                options.append([8, ecr])
            elif kind == 5:
                edges = struct.unpack('!%dI' % (len(data) // 4), data)
                options.append([5] + [(e - self.irs) & 0xffffffff for e in edges])
            else:
                options.append([kind] + list(data))
            p += size
        self.tsvals.append(tsval)
        if self.iss is None:
            return
        relative = (ack - self.irs) & 0xffffffff if flags & ACK else 0
        if self.done:
            at = now - self.start
            self.done[-1]['out'].append([at, flags, (seq - self.iss) & 0xffffffff, total - hlen, relative, win, tos & 3, options])

    def finish(self):
        if self.iss is not None and self.irs is not None:
            try:
                self.do_seg({'f': RST, 'seq': 1})
            except OSError:
                pass
        for s in (self.conn, self.listener):
            if s is not None:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                s.close()


LIVE = {}


def now_us():
    return time.monotonic_ns() // 1000


def drain(tun):
    while True:
        try:
            packet = os.read(tun.fd, 65535)
        except BlockingIOError:
            return
        version = packet[0] >> 4
        if version == 4:
            proto, at, total, tos = packet[9], (packet[0] & 15) * 4, struct.unpack('!H', packet[2:4])[0], packet[1]
        else:
            proto, at, total, tos = packet[6], 40, 40 + struct.unpack('!H', packet[4:6])[0], (packet[0] << 4 | packet[1] >> 4) & 255
        if proto != 6:
            continue
        case = LIVE.get(struct.unpack('!H', packet[at:at + 2])[0])
        if case is not None:
            case.sent(packet[at:], total - at, tos, now_us())


def main():
    plan = json.load(sys.stdin)
    tun = Tun(plan['sysctl'])
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    except OSError:
        pass
    waiting = list(enumerate(plan['cases']))
    waiting.reverse()
    heap = []
    begin = now_us()
    slot = 0
    while waiting or heap:
        while waiting and len(heap) < plan['atOnce']:
            number, spec = waiting.pop()
            slot += 1
            # Timestamps tick by whole milliseconds: a case begins with one.
            start = (max(now_us() + 5000, begin + slot * SPREAD_US) // 1000 + 1) * 1000
            case = Case(number, spec, tun, start)
            LIVE[case.port] = case
            heapq.heappush(heap, (case.due(), number, case))
        due, number, case = heap[0]
        wait = due - now_us()
        if wait > 0:
            ready, _, _ = select.select([tun.fd], [], [], max(0, wait - SPIN_US) / 1e6)
            if ready:
                drain(tun)
            continue
        heapq.heappop(heap)
        drain(tun)
        case.step(now_us())
        if case.next < len(case.spec['steps']):
            heapq.heappush(heap, (case.due(), number, case))
        else:
            del LIVE[case.port]
            case.finish()
            drain(tun)
            print(json.dumps({'id': case.spec.get('id', number), 'steps': case.done}, separators=(',', ':')), flush=True)


main()
