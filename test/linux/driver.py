"""
Runs cases on the real kernel: one namespace and one TUN device for each, many at a time.

Standard input: one JSON object per line, made by program.ts. Standard output: one per case, in the order in which they end.
What a case sends out is taken from a packet socket with the kernel's own time stamps, so that a busy machine delays nothing
that is measured. Nothing here knows TCP beyond where the fields are that depend on what the kernel has chosen: its ISNs and
timestamps.
"""
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import time

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SIOCSIFADDR, SIOCSIFDSTADDR, SIOCGIFINDEX, SIOCSIFMTU, SIOCSIFFLAGS = 0x8916, 0x8918, 0x8933, 0x8922, 0x8914
IFF_UP, PACKET_OUTGOING, SO_TIMESTAMPNS, SO_ATTACH_FILTER = 1, 4, 35, 26
ETH_P_ALL = 3
HEADERS = 160  # of an outbound packet so many bytes are kept
GRACE_S = 60  # a case that hangs is ended after its own waits and this


def namespace():
    """Enters a network namespace of its own, with root or without."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) == 0:
        return
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), 'unshare')
    for name, text in (('setgroups', 'deny'), ('uid_map', f'0 {uid} 1'), ('gid_map', f'0 {gid} 1')):
        with open(f'/proc/self/{name}', 'w') as f:
            f.write(text)


def sysctl(name, value):
    with open('/proc/sys/' + name.replace('.', '/'), 'w') as f:
        f.write(str(value))


def read_sysctl(name):
    with open('/proc/sys/' + name.replace('.', '/')) as f:
        return f.read().strip()


def device(case):
    """A TUN device that is up and has its addresses."""
    tun = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack('16sH22x', b'tun0', IFF_TUN | IFF_NO_PI))
    sysctl('net.ipv6.conf.tun0.addr_gen_mode', 1)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(s, SIOCSIFMTU, struct.pack('16si20x', b'tun0', case['mtu']))
    if case['ip'] == 4:
        for request, address in ((SIOCSIFADDR, case['local']), (SIOCSIFDSTADDR, case['remote'])):
            ifreq = struct.pack('16sHH4s8x', b'tun0', socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(s, request, ifreq + bytes(8))
    fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack('16sH22x', b'tun0', IFF_UP | 0x10))
    index = struct.unpack('16si20x', fcntl.ioctl(s, SIOCGIFINDEX, struct.pack('16s24x', b'tun0')))[1]
    if case['ip'] == 6:
        s6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        fcntl.ioctl(s6, SIOCSIFADDR, struct.pack('16sIi', socket.inet_pton(socket.AF_INET6, case['local']), 48, index))
    return tun


def checksum(data):
    if len(data) & 1:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Run:
    """One case under way."""

    def __init__(self, case):
        self.case = case
        self.v6 = case['ip'] == 6
        self.l3 = 40 if self.v6 else 20
        self.fds = {}
        self.isn = {}  # by the peer's port: the kernel's ISN, its first timestamp, its newest one
        self.ts = {}
        self.packets = []
        self.steps = []

    def setup(self):
        namespace()
        self.tun = device(self.case)
        for name, value in self.case['sysctl'].items():
            sysctl(name, value)
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.tap.bind(('tun0', ETH_P_ALL))
        self.tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.tap.setblocking(False)
        # Only what goes out: a packet that comes in must not be shared with us, or its memory counts otherwise.
        code = ((0x28, 0, 0, 0xFFFFF000 + 4), (0x15, 0, 1, PACKET_OUTGOING), (0x06, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 0))
        program = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *line) for line in code))
        self.tap.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack('HL', len(code), ctypes.addressof(program)))
        self.start = self.last = time.time_ns()

    def now(self):
        """Microseconds since the start."""
        return (time.time_ns() - self.start) // 1000

    def drain(self):
        """Takes what the kernel has sent."""
        try:
            while os.read(self.tun, 65536):
                pass
        except BlockingIOError:
            pass
        while True:
            try:
                data, control, _, address = self.tap.recvmsg(65536, 256)
            except BlockingIOError:
                return
            if address[2] != PACKET_OUTGOING or not self.ours(data):
                continue
            sec, nsec = struct.unpack('qq', control[0][2])
            self.learn(data)
            self.packets.append([(sec * 10**9 + nsec - self.start) // 1000, data[:HEADERS].hex()])

    def ours(self, data):
        """TCP and ICMP; what IPv6 says to routers and neighbours is nobody's business."""
        if self.v6:
            return data[6] == 6 or (data[6] == 58 and data[40] < 128)
        return data[9] in (1, 6)

    def learn(self, data):
        if data[6 if self.v6 else 9] != 6:
            return
        tcp = data[self.l3:]
        port, seq, length = struct.unpack('!H', tcp[2:4])[0], struct.unpack('!I', tcp[4:8])[0], (tcp[12] >> 4) * 4
        if tcp[13] & 2:
            self.isn[port] = seq
        at = 20
        while at < length and tcp[at] != 0:
            if tcp[at] == 1:
                at += 1
                continue
            if tcp[at] == 8:
                self.ts[port] = struct.unpack('!I', tcp[at + 2:at + 6])[0]
            at += max(tcp[at + 1], 2)

    def wait(self, ms):
        until = self.last + ms * 1_000_000
        while True:
            left = (until - time.time_ns()) / 1e9
            if left <= 0:
                break
            select.select([self.tap, self.tun], [], [], left)
            self.drain()
        self.drain()

    def inject(self, port, header, zeros, acks, ecrs, icmp):
        self.drain()
        packet = bytearray(bytes.fromhex(header) + bytes(zeros))
        for at in acks:
            value = struct.unpack_from('!I', packet, at)[0]
            struct.pack_into('!I', packet, at, (value + self.isn.get(port, 0)) & 0xFFFFFFFF)
        for at, back in ecrs:
            struct.pack_into('!I', packet, at, (self.ts.get(port, 0) - back) & 0xFFFFFFFF)
        field, proto = self.l3 + (2 if icmp else 16), packet[6 if self.v6 else 9]
        struct.pack_into('!H', packet, field, 0)
        pseudo = b''
        if self.v6:
            pseudo = bytes(packet[8:40]) + struct.pack('!II', len(packet) - self.l3, proto)
        elif not icmp:
            pseudo = bytes(packet[12:20]) + struct.pack('!HH', proto, len(packet) - self.l3)
        struct.pack_into('!H', packet, field, checksum(pseudo + bytes(packet[self.l3:])))
        at = self.now()
        os.write(self.tun, packet)
        return [at]

    def call(self, name, fd, *args):
        at = self.now()
        try:
            value = getattr(self, 'call_' + name)(fd, *args)
        except KeyError:
            return [at, 'EBADF']
        except OSError as e:
            return [at, errno.errorcode.get(e.errno, str(e.errno))]
        return [at, value]

    def call_socket(self, fd, *_):
        self.fds[fd] = s = socket.socket(socket.AF_INET6 if self.v6 else socket.AF_INET, socket.SOCK_STREAM)
        s.setblocking(False)
        return 0

    def call_bind(self, fd, port):
        self.fds[fd].bind((self.case['local'], port))
        return 0

    def call_listen(self, fd, backlog):
        self.fds[fd].listen(backlog)
        return 0

    def call_accept(self, fd, new):
        s, peer = self.fds[fd].accept()
        s.setblocking(False)
        self.fds[new] = s
        return peer[1]

    def call_connect(self, fd, port):
        self.fds[fd].connect((self.case['remote'], port))
        return 0

    def call_disconnect(self, fd):
        if ctypes.CDLL(None, use_errno=True).connect(self.fds[fd].fileno(), bytes(16), 16) != 0:
            raise OSError(ctypes.get_errno(), 'connect')
        return 0

    def call_read(self, fd, length, flags):
        return len(self.fds[fd].recv(length, flags))

    def call_write(self, fd, length, flags):
        return self.fds[fd].send(bytes(length), flags | socket.MSG_NOSIGNAL)

    def call_sendto(self, fd, length, flags, port):
        return self.fds[fd].sendto(bytes(length), flags | socket.MSG_NOSIGNAL, (self.case['remote'], port))

    def call_shutdown(self, fd, how):
        self.fds[fd].shutdown(how)
        return 0

    def call_close(self, fd):
        self.fds.pop(fd).close()
        return 0

    def call_set(self, fd, level, name, value):
        self.fds[fd].setsockopt(level, name, value.encode() if isinstance(value, str) else value)
        return 0

    def call_linger(self, fd, on, seconds):
        self.fds[fd].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', on, seconds))
        return 0

    def call_get(self, fd, level, name):
        return self.fds[fd].getsockopt(level, name)

    def call_info(self, fd):
        """TCP_INFO, as it is in memory, and SO_MEMINFO."""
        info = self.fds[fd].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)
        return [info.hex(), list(struct.unpack('9I', self.fds[fd].getsockopt(socket.SOL_SOCKET, 55, 36)))]

    def call_poll(self, fd):
        poller = select.poll()
        poller.register(self.fds[fd], 0x205F)
        return sum(events for _, events in poller.poll(0))

    def call_ioctl(self, fd, request):
        return struct.unpack('i', fcntl.ioctl(self.fds[fd], request, bytes(4)))[0]

    def call_sysctl(self, _, name, value):
        sysctl(name, value)
        return 0

    def run(self):
        for kind, *args in self.case['ops']:
            if kind == 'w':
                self.wait(*args)
                self.steps.append([self.now()])
            else:
                self.steps.append(self.inject(*args) if kind == 'i' else self.call(*args))
            self.last = time.time_ns()
        self.drain()
        return {'id': self.case['id'], 'end': self.now(), 'steps': self.steps, 'packets': self.packets, 'counters': self.counters()}

    def counters(self):
        values = {}
        for path in ('/proc/net/snmp', '/proc/net/netstat'):
            with open(path) as f:
                lines = f.read().splitlines()
            for names, numbers in zip(lines[::2], lines[1::2]):
                prefix = names.split(':')[0]
                for name, number in zip(names.split()[1:], numbers.split()[1:]):
                    if prefix in ('Tcp', 'TcpExt') and number not in ('0', '-1'):
                        values[prefix + name] = int(number)
        return values


def child(case, out):
    waits = sum(op[1] for op in case['ops'] if op[0] == 'w') / 1000
    signal.alarm(int(waits) + GRACE_S)
    try:
        run = Run(case)
        run.setup()
        result = run.run()
    except Exception as e:  # the case is lost, not the others
        result = {'id': case['id'], 'error': f'{type(e).__name__}: {e}'}
    data = (json.dumps(result, separators=(',', ':')) + '\n').encode()
    while data:
        data = data[os.write(out, data):]


def main():
    parallel = int(sys.argv[1])
    waiting = [json.loads(line) for line in sys.stdin]
    waiting.reverse()
    running = {}
    print(json.dumps({'env': {'net.core.rmem_max': read_sysctl('net.core.rmem_max'), 'release': os.uname().release}}), flush=True)
    while waiting or running:
        while waiting and len(running) < parallel:
            case = waiting.pop()
            r, w = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(r)
                child(case, w)
                os._exit(0)
            os.close(w)
            running[r] = [pid, case['id'], b'']
        ready, _, _ = select.select(list(running), [], [])
        for r in ready:
            data = os.read(r, 1 << 16)
            if data:
                running[r][2] += data
                continue
            os.close(r)
            pid, name, text = running.pop(r)
            os.waitpid(pid, 0)
            sys.stdout.write(text.decode() or json.dumps({'id': name, 'error': 'ended without a word'}) + '\n')
            sys.stdout.flush()


main()
