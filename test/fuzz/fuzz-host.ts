/**
 * A host with sockets in many states on a raw wire, and a source of frames that are almost right.
 *
 * A frame begins as a good one: a TCP segment for one of the connections (numbers in, near or far from the window), a
 * datagram, an ICMP message, an ARP packet. Then it is spoilt: cut, lengthened, bytes and bits changed, lengths and
 * offsets falsified, options overlapped; mostly with checksums made right again, so that the damage gets deep.
 */
import assert from 'node:assert/strict';
import { formatIpv4, ipv4 } from '../../src/lib/addr.ts';
import { Random } from '../../src/lib/random.ts';
import { AF_INET, IP_ADD_MEMBERSHIP, SOCK_DGRAM, SOCK_NONBLOCK, SOL_IP, TCP_ESTABLISHED } from '../../src/sock/constants.ts';
import { MsgHdr, SockAddr } from '../../src/sock/sockaddr.ts';
import { sysAccept, sysBind, sysClose, sysConnect, sysRecvmsg, sysSendmsg, sysSocket } from '../../src/syscall/socket.ts';
import { sysSetsockopt } from '../../src/syscall/sockopt.ts';
import type { TcpSock } from '../../src/tcp/sock.ts';
import { Drop } from '../../src/skb/drop-reason.ts';
import { Lab } from '../../src/testing/lab.ts';
import { HOST_ADDR, PEER_ADDR } from '../../src/testing/lab-host.ts';
import { HOST_MAC, PEER_MAC } from '../../src/testing/lab-wire.ts';
import { finishLab } from '../../src/testing/lab-end.ts';
import { parsePacket } from '../../src/testing/segment-notation.ts';
import { checkAllTcp } from '../../src/testing/invariants.ts';
import { arpWrite, ARP_LEN } from '../../src/wire/arp.ts';
import { ETH_HLEN, ETH_P_ARP, ETH_P_IP, ethWriteHeader } from '../../src/wire/ethernet.ts';
import { ICMP_HLEN, icmpSendCheck, icmpWriteHeader } from '../../src/wire/icmp.ts';
import { IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_TCP, IPPROTO_UDP, ipSendCheck, ipv4WriteHeader } from '../../src/wire/ipv4.ts';
import { tcpSendCheckV4, tcpWriteHeader } from '../../src/wire/tcp.ts';
import { udpSendCheckV4, udpWriteHeader } from '../../src/wire/udp.ts';
import type { LabListener } from '../../src/testing/lab-states.ts';

const MAX = 1700;
/** Frames between two looks at everything. */
const LOOK_EVERY = 256;
/** Established connections at least, after each look; descriptors at most. */
const CONNECTIONS = 6;
const MAX_FDS = 40;

const SYN = parsePacket('S 0:0(0) win 65535 <mss 1460,nop,nop,sackOK,nop,wscale 7>');
const DATA = parsePacket('P. 1:101(100) ack 1');

export class FuzzHost {
  injected = 0;
  /** The frame injected last. */
  last: Uint8Array = new Uint8Array(0);
  private readonly lab: Lab;
  private readonly random: Random;
  private readonly buf: Uint8Array = new Uint8Array(MAX);
  private len = 0;
  private listener!: LabListener;
  /** Descriptors that the program never closes. */
  private readonly kept: Set<number> = new Set();
  private readonly msg: MsgHdr = new MsgHdr();
  private readonly listen: Lab['host']['wire']['onFrame'];
  private readonly scratch: Uint8Array = new Uint8Array(4096);

  constructor(seed: number) {
    this.random = new Random(seed);
    this.lab = new Lab(`fuzz 0x${seed.toString(16)}`, { seed, rttMs: 1 });
    this.listener = this.lab.listening({ backlog: 8 });
    this.kept.add(this.listener.fd);
    this.openDatagrams();
    this.listen = this.host.wire.onFrame;
    this.reopen();
  }

  private get host(): Lab['host'] {
    return this.lab.host;
  }

  private openDatagrams(): void {
    const p = this.host.process;
    for (const [port, peer] of [[53, 0], [5353, 7777]] as const) {
      const fd = sysSocket(p, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
      assert.ok(fd >= 0);
      this.kept.add(fd);
      assert.equal(sysBind(p, fd, new SockAddr().set(0, port)), 0);
      if (peer === 0) {
        const join = { multiaddr: '239.1.1.1', address: formatIpv4(HOST_ADDR) };
        assert.equal(sysSetsockopt(p, fd, SOL_IP, IP_ADD_MEMBERSHIP, join), 0);
      }
      if (peer !== 0) assert.equal(sysConnect(p, fd, new SockAddr().set(PEER_ADDR, peer)), 0);
    }
  }

  /** One frame comes in; now and then the program does something, and time passes. */
  frame(): void {
    const { random } = this;
    this.make();
    if (random.chance(0.6)) this.spoil();
    this.last = this.buf.slice(0, this.len);
    this.injected++;
    this.host.wire.inject(this.last);
    if (random.chance(0.05)) this.lab.core.advance(this.host.sim.now + random.below(50) * 1e6);
    if (random.chance(0.1)) this.program();
    if (this.injected % LOOK_EVERY === 0) this.look();
  }

  private look(): void {
    const bad = checkAllTcp(this.host.tcp);
    assert.deepEqual(bad, []);
    const { table, sysctl } = this.host.kernel.stack.ip.frags;
    assert.ok(table.mem <= sysctl.highThresh + 4096, 'fragments stay within their memory');
    this.reopen();
  }

  /** Bad frames end connections; there are always some that live. */
  private reopen(): void {
    const { core } = this.lab;
    const p = this.host.process;
    let alive = this.host.tcpSocks().filter((sk) => sk.state === TCP_ESTABLISHED).length;
    while (alive++ < CONNECTIONS) {
      for (let fd = 0; fd >= 0;) fd = sysAccept(p, this.listener.fd, null, SOCK_NONBLOCK);
      this.host.wire.onFrame = this.listen;
      const flow = core.newFlow(this.listener.port);
      this.host.wire.injectIp(flow.build(SYN, core.nowNs));
      if (flow.hostIss !== null) this.host.wire.injectIp(flow.build(DATA, core.nowNs));
      core.sent.length = 0;
      core.flows.length = 0;
      this.host.wire.onFrame = (): void => undefined; // nobody listens to what the host answers
    }
    const fds = p.fds.list();
    for (const fd of fds.slice(0, Math.max(0, fds.length - MAX_FDS))) if (!this.kept.has(fd)) sysClose(p, fd);
  }

  /** What a program would do: accept, read, write, close, connect. */
  private program(): void {
    const { random, msg } = this;
    const p = this.host.process;
    const fds = p.fds.list();
    const fd = fds[random.below(fds.length)]!;
    msg.buf = this.scratch;
    msg.off = 0;
    switch (random.below(8)) {
      case 0:
        sysAccept(p, this.listener.fd, null, SOCK_NONBLOCK);
        break;
      case 1:
      case 2:
        msg.len = 1 + random.below(4000);
        sysRecvmsg(p, fd, msg);
        break;
      case 3:
      case 4:
      case 5:
        msg.len = 1 + random.below(3000);
        sysSendmsg(p, fd, msg);
        break;
      case 6:
        if (fds.length > 12 && !this.kept.has(fd)) sysClose(p, fd);
        break;
      default:
        if (fds.length < 24) sysConnect(p, this.lab.host.kernel.socket(AF_INET, 1 | SOCK_NONBLOCK, 0), new SockAddr().set(PEER_ADDR, 80));
    }
    this.host.runTasks();
  }

  // ---- good frames --------------------------------------------------------------------------------------------------

  private make(): void {
    const kind = this.random.below(100);
    if (kind < 75) this.makeTcp();
    else if (kind < 83) this.makeUdp();
    else if (kind < 92) this.makeIcmp();
    else if (kind < 94) this.makeIgmp();
    else this.makeArp();
    if (kind >= 94) return;
    if (this.random.chance(0.04)) this.addOptions();
    if (this.random.chance(0.06)) this.fragment();
  }

  /** IP options of every kind behind the header, most of them in order. */
  private addOptions(): void {
    const { random, buf } = this;
    const options: number[] = [];
    while (options.length < 36 && random.chance(0.7)) {
      const room = 1 + random.below(9);
      switch (random.below(7)) {
        case 0: options.push(7, 3 + 4 * room, 4 + 4 * random.below(room + 1), ...Array<number>(4 * room).fill(7)); break;
        case 1:
          options.push(68, 4 + 4 * room, 5 + 4 * random.below(room + 1), random.below(256), ...Array<number>(4 * room).fill(9));
          break;
        case 2: options.push(148, 4, 0, 0); break;
        case 3: options.push(131, 7, 4, 192, 168, 0, 1); break;
        case 4: options.push(random.below(256), random.below(44)); break;
        default: options.push(1);
      }
    }
    const len = Math.min((options.length + 3) & ~3, 40);
    if (this.len + len > MAX) return;
    buf.copyWithin(ETH_HLEN + 20 + len, ETH_HLEN + 20, this.len);
    for (let i = 0; i < len; i++) buf[ETH_HLEN + 20 + i] = options[i] ?? 0;
    this.len += len;
    buf[ETH_HLEN] = 0x45 + (len >> 2);
    this.totalLength();
  }

  /** A piece of a packet: one of three that fit together, or one that fits nowhere (overlaps, tiny ones, beyond the end). */
  private fragment(): void {
    const { random, buf } = this;
    const hlen = (buf[ETH_HLEN]! & 15) * 4;
    const fits = random.chance(0.7);
    const at = fits ? 3 * random.below(3) : random.chance(0.2) ? 8100 + random.below(92) : random.below(40);
    const more = fits ? at < 6 : random.chance(0.7);
    this.len = Math.min(this.len, ETH_HLEN + hlen + (fits ? 24 : random.chance(0.5) ? 8 * random.below(4) : random.below(1200)));
    const field = at | (more ? 0x2000 : 0) | (random.chance(0.1) ? 0x4000 : 0);
    buf.set([0, random.below(fits ? 4 : 8), field >> 8, field & 255], ETH_HLEN + 4);
    if (random.chance(0.9)) buf[ETH_HLEN + 1] = 0;
    this.totalLength();
  }

  private totalLength(): void {
    const total = this.len - ETH_HLEN;
    this.buf.set([total >> 8, total & 255], ETH_HLEN + 2);
    ipSendCheck(this.buf, ETH_HLEN);
  }

  /** Queries and reports about the group that a socket is in, and about others. */
  private makeIgmp(): void {
    const { random, buf } = this;
    const sources = random.below(4);
    const l4Len = random.chance(0.3) ? 8 : 12 + 4 * sources;
    this.ip(IPPROTO_IGMP, l4Len);
    const at = ETH_HLEN + 20;
    buf.fill(0, at, at + l4Len);
    buf.set([[0x11, 0x11, 0x16, 0x12, 0x22, 0x17][random.below(6)]!, random.below(256)], at);
    if (random.chance(0.6)) buf.set([239, 1, 1, random.below(3)], at + 4);
    if (l4Len > 8) buf.set([random.below(256), random.below(256), 0, random.chance(0.9) ? sources : random.below(256)], at + 8);
    buf.set(random.chance(0.5) ? [224, 0, 0, 1] : [239, 1, 1, 1], ETH_HLEN + 16);
    buf.set([1, 0, 0x5e, ...(random.chance(0.5) ? [0, 0, 1] : [1, 1, 1])], 0);
    ipSendCheck(buf, ETH_HLEN);
    if (random.chance(0.9)) icmpSendCheck(buf, at, l4Len);
  }

  private link(type: number): void {
    ethWriteHeader(this.buf, 0, HOST_MAC, 0, PEER_MAC, 0, type);
  }

  private ip(protocol: number, l4Len: number): void {
    const { random } = this;
    this.link(ETH_P_IP);
    const frag = random.chance(0.02) ? random.below(65536) : 0x4000;
    const from = random.chance(0.97) ? PEER_ADDR : random.next32();
    const to = random.chance(0.98) ? HOST_ADDR : ipv4(192, 168, 0, random.below(256));
    const ttl = 1 + random.below(255);
    ipv4WriteHeader(this.buf, ETH_HLEN, random.below(256), 20 + l4Len, random.below(65536), frag, ttl, protocol, from, to);
    this.len = ETH_HLEN + 20 + l4Len;
  }

  private makeTcp(): void {
    const { random, buf } = this;
    const socks = this.host.tcpSocks();
    const sk = socks.length > 0 && random.chance(0.85) ? socks[random.below(socks.length)]! : null;
    const options = this.makeOptions();
    const dataLen = random.chance(0.5) ? random.below(1400) : 0;
    const l4Len = 20 + options.length + dataLen;
    this.ip(IPPROTO_TCP, l4Len);
    const th = ETH_HLEN + 20;
    const sport = sk?.dport ?? 40000 + random.below(64);
    const dport = sk?.num ?? (random.chance(0.8) ? 80 : random.below(65536));
    const flags = this.flags();
    tcpWriteHeader(buf, th, sport, dport, this.seq(sk), this.ack(sk), 20 + options.length, flags, this.window(), random.below(3));
    buf.set(options, th + 20);
    for (let i = 0; i < dataLen; i += 16) buf[th + 20 + options.length + i] = i;
    if (random.chance(0.98)) tcpSendCheckV4(buf, th, l4Len, sk?.daddr ?? PEER_ADDR, HOST_ADDR);
  }

  /** Mostly those of data and ACKs, so that connections live to see more. */
  private flags(): number {
    const { random } = this;
    const kind = random.below(100);
    if (kind < 88) return 0x10 | (random.chance(0.3) ? 8 : 0);
    return kind < 97 ? random.below(256) & ~0x05 : random.below(256);
  }

  private near(value: number, spread: number): number {
    const { random } = this;
    const kind = random.below(10);
    if (kind < 4) return value;
    if (kind < 8) return (value + random.below(2 * spread) - spread) | 0;
    return kind === 8 ? (value + (random.chance(0.5) ? 0x7fffffff : 0x80000000)) | 0 : random.next32();
  }

  private seq(sk: TcpSock | null): number {
    return sk === null ? this.random.next32() : this.near(sk.rcvNxt, 70000);
  }

  private ack(sk: TcpSock | null): number {
    if (sk === null) return this.random.next32();
    return this.near(this.random.chance(0.5) ? sk.sndNxt : sk.sndUna, 20000);
  }

  private window(): number {
    const { random } = this;
    return random.chance(0.2) ? random.below(4) : random.below(65536);
  }

  /** Options: a likely list, or noise; a multiple of 4. */
  private makeOptions(): Uint8Array {
    const { random } = this;
    const out: number[] = [];
    const n = random.below(4);
    for (let i = 0; i < n; i++) {
      switch (random.below(8)) {
        case 0: out.push(2, 4, random.below(256), random.below(256)); break;
        case 1: out.push(3, 3, random.below(20)); break;
        case 2: out.push(4, 2); break;
        case 3: this.pushSack(out); break;
        case 4: out.push(8, 10, ...this.word(random.next32()), ...this.word(random.next32())); break;
        case 5: out.push(1); break;
        case 6: out.push(random.below(256), random.below(44)); break;
        default: out.push(34, 2 + random.below(18));
      }
    }
    while (out.length % 4 !== 0) out.push(random.chance(0.5) ? 1 : 0);
    return Uint8Array.from(out.slice(0, 40));
  }

  private pushSack(out: number[]): void {
    const { random } = this;
    const socks = this.host.tcpSocks();
    const base = socks.length === 0 ? 0 : socks[random.below(socks.length)]!.sndUna;
    const blocks = 1 + random.below(4);
    out.push(5, 2 + 8 * blocks);
    for (let i = 0; i < blocks; i++) {
      const left = this.near(base, 5000);
      out.push(...this.word(left), ...this.word((left + random.below(3000)) | 0));
    }
  }

  private word(n: number): [number, number, number, number] {
    return [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
  }

  private makeUdp(): void {
    const { random, buf } = this;
    const dataLen = random.below(1200);
    this.ip(IPPROTO_UDP, 8 + dataLen);
    const uh = ETH_HLEN + 20;
    const dport = random.chance(0.7) ? (random.chance(0.5) ? 53 : 5353) : random.below(65536);
    udpWriteHeader(buf, uh, random.chance(0.5) ? 7777 : random.below(65536), dport, 8 + dataLen);
    if (random.chance(0.9)) udpSendCheckV4(buf, uh, 8 + dataLen, PEER_ADDR, HOST_ADDR);
  }

  /** Errors quote a segment of a connection, or something that looks like one. */
  private makeIcmp(): void {
    const { random, buf } = this;
    const quoted = random.chance(0.8);
    const dataLen = quoted ? 28 + random.below(40) : random.below(100);
    this.ip(IPPROTO_ICMP, ICMP_HLEN + dataLen);
    const icmph = ETH_HLEN + 20;
    const type = random.chance(0.8) ? [3, 3, 3, 11, 12, 5, 0, 8, 4][random.below(9)]! : random.below(256);
    icmpWriteHeader(buf, icmph, type, random.below(18), random.chance(0.5) ? random.below(2000) : random.next32());
    if (quoted) {
      const socks = this.host.tcpSocks();
      const sk = socks.length > 0 ? socks[random.below(socks.length)]! : null;
      const iph = icmph + ICMP_HLEN;
      const proto = random.chance(0.7) ? IPPROTO_TCP : random.chance(0.5) ? IPPROTO_UDP : random.below(256);
      ipv4WriteHeader(buf, iph, 0, 20 + 20 + random.below(1000), 0, 0, 64, proto, HOST_ADDR, PEER_ADDR);
      tcpWriteHeader(buf, iph + 20, sk?.num ?? 53, sk?.dport ?? 7777, sk === null ? 0 : this.near(sk.sndUna, 5000), 0, 20, 0x10, 0, 0);
    }
    if (random.chance(0.95)) icmpSendCheck(buf, icmph, ICMP_HLEN + dataLen);
  }

  private makeArp(): void {
    const { random, buf } = this;
    this.link(ETH_P_ARP);
    // The peer itself is spared: its entry is permanent, but strangers come and go.
    const spa = ipv4(192, 168, 0, 3 + random.below(250));
    arpWrite(buf, ETH_HLEN, random.below(3), PEER_MAC, 0, spa, random.chance(0.5) ? HOST_MAC : null, 0, HOST_ADDR);
    this.len = ETH_HLEN + ARP_LEN;
  }

  // ---- spoiling -----------------------------------------------------------------------------------------------------

  private spoil(): void {
    const { random, buf } = this;
    const times = random.chance(0.7) ? 1 : 1 + random.below(3);
    for (let i = 0; i < times; i++) {
      switch (random.below(8)) {
        case 0: this.len = random.below(this.len + 1); break; // cut
        case 1: { // a tail
          const more = random.below(Math.min(100, MAX - this.len));
          for (let k = 0; k < more; k++) buf[this.len + k] = random.below(256);
          this.len += more;
          break;
        }
        case 2: this.flip(); break;
        case 3: if (this.len > 0) buf[random.below(this.len)] = random.below(256); break;
        case 4: this.falsify(ETH_HLEN + 2, 2); break; // total length
        case 5: buf[ETH_HLEN] = random.chance(0.5) ? 0x40 | random.below(16) : random.below(256); break; // header length
        case 6: buf[ETH_HLEN + 32] = random.below(256); break; // data offset
        default: this.falsify(ETH_HLEN + 24, 2); // UDP's length, or half a sequence number
      }
    }
    if (random.chance(0.8)) this.repair();
  }

  private flip(): void {
    if (this.len === 0) return;
    this.buf[this.random.below(this.len)]! ^= 1 << this.random.below(8);
  }

  private falsify(at: number, bytes: number): void {
    for (let i = 0; i < bytes; i++) this.buf[at + i] = this.random.below(256);
  }

  /** Checksums that are right, where that is possible, so that the damage is looked at. */
  private repair(): void {
    const { buf, len } = this;
    if (len < ETH_HLEN + 20 || buf[12] !== 8 || buf[13] !== 0) return;
    const hlen = (buf[ETH_HLEN]! & 15) * 4;
    if (hlen < 20 || ETH_HLEN + hlen > len) return;
    ipSendCheck(buf, ETH_HLEN);
    const total = Math.min((buf[ETH_HLEN + 2]! << 8) | buf[ETH_HLEN + 3]!, len - ETH_HLEN);
    const l4 = ETH_HLEN + hlen;
    const l4Len = total - hlen;
    if (l4Len < 20) return;
    const word = (at: number): number => (buf[at]! << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!;
    const [saddr, daddr] = [word(ETH_HLEN + 12), word(ETH_HLEN + 16)];
    if (buf[ETH_HLEN + 9] === IPPROTO_TCP) tcpSendCheckV4(buf, l4, l4Len, saddr, daddr);
    else if (buf[ETH_HLEN + 9] === IPPROTO_UDP) udpSendCheckV4(buf, l4, l4Len, saddr, daddr);
    else if (buf[ETH_HLEN + 9] === IPPROTO_ICMP) icmpSendCheck(buf, l4, l4Len);
  }

  /** Reasons for which frames were dropped. */
  reasons(): string[] {
    return Object.entries(Drop).filter(([, n]) => this.host.pool.drops[n]! > 0).map(([name]) => name);
  }

  // ---- the end ------------------------------------------------------------------------------------------------------

  /** The host still does its work, and leaves nothing behind. */
  finish(): void {
    this.look();
    for (const fd of this.host.process.fds.list()) {
      if (fd !== this.listener.fd) sysClose(this.host.process, fd);
    }
    this.host.wire.onFrame = (): void => undefined;
    this.lab.core.advance(this.host.sim.now + 300e9);
    for (;;) {
      const fd = sysAccept(this.host.process, this.listener.fd, null, SOCK_NONBLOCK);
      if (fd < 0) break;
      sysClose(this.host.process, fd);
    }
    this.lab.core.advance(this.host.sim.now + 300e9);
    this.lab.core.sent.length = 0;
    this.host.wire.onFrame = this.listen;
    const c = this.lab.connectTo(this.listener);
    c.write(100);
    this.lab.run`
      > P. 1:101(100) ack 1
      +.1 < . 1:1(0) ack 101
    `;
    finishLab(this.lab.core, { file: 'fuzz', line: 0 });
  }
}
