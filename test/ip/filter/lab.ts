/**
 * A firewall between two wires, and nobody else: segments are put on its wires by hand, so that a test says exactly what passes by.
 *
 *     inside 10.0.0.2 ── eth0 [ fw 10.0.0.1 | 10.0.1.1 ] eth1 ── outside 10.0.1.2
 */
import assert from 'node:assert/strict';
import { put16 } from '../../../src/lib/bytes.ts';
import { netfilterFamily4 } from '../../../src/ip/filter/family4.ts';
import { conntrackEnable } from '../../../src/ip/filter/admin.ts';
import { conntrackList } from '../../../src/ip/filter/conntrack-table.ts';
import { netfilterInit, type Netfilter } from '../../../src/ip/filter/netfilter.ts';
import { TCP_CONNTRACK_NAMES } from '../../../src/ip/filter/track-tcp.ts';
import { iptables } from '../../../src/host/iptables/iptables.ts';
import { splitQuoted } from '../../../src/host/iptables/words.ts';
import { Random } from '../../../src/lib/random.ts';
import { Simulation } from '../../../src/time/simulation.ts';
import { SkbPool } from '../../../src/skb/pool.ts';
import { ipv4WriteHeader } from '../../../src/wire/ipv4.ts';
import { printEthernet } from '../../../src/wire/print.ts';
import { tcpSendCheckV4, tcpWriteHeader } from '../../../src/wire/tcp.ts';
import { udpSendCheckV4, udpWriteHeader } from '../../../src/wire/udp.ts';
import { NEIGH_UPDATE_F_OVERRIDE, neighUpdate, NUD_PERMANENT } from '../../../src/neigh/neighbour.ts';
import { ip, labHost, plug, receive, run, Wire, type LabHost } from '../lab.ts';

export const INSIDE = '10.0.0.2';
export const OUTSIDE = '10.0.1.2';

const FLAGS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, '.': 16, U: 32 };

/** What a segment says beside its flags. */
export interface Seg {
  readonly seq?: number;
  readonly ack?: number;
  readonly len?: number;
  readonly win?: number;
  readonly sport?: number;
  readonly dport?: number;
  readonly tos?: number;
  readonly ttl?: number;
}

export class FirewallLab {
  readonly sim: Simulation = new Simulation();
  readonly pool: SkbPool = new SkbPool();
  readonly fw: LabHost;
  readonly nf: Netfilter;
  readonly wires: [Wire, Wire];

  constructor() {
    this.fw = labHost(this.sim, this.pool, 'fw');
    this.wires = [new Wire(this.sim, this.pool), new Wire(this.sim, this.pool)];
    plug(this.fw, this.wires[0], 1, '10.0.0.1/24', 'eth0');
    plug(this.fw, this.wires[1], 2, '10.0.1.1/24', 'eth1');
    this.fw.ip.confAll.forwarding = 1;
    this.nf = netfilterInit(this.fw.net, Random.stream(1, 'netfilter'));
    netfilterFamily4(this.nf, this.fw.ip);
    conntrackEnable(this.nf);
    // Both neighbours are known from here on: no ARP on the wires.
    for (const [i, who] of [INSIDE, OUTSIDE].entries()) {
      this.fw.in(() => {
        const neigh = this.fw.ip.arp.table.lookup(this.wires[i]!.ports[0]!, ip(who));
        neighUpdate(neigh!, Uint8Array.of(2, 0, 0, 0, 0, 9 + i), 0, NUD_PERMANENT, NEIGH_UPDATE_F_OVERRIDE);
      });
    }
  }

  /** A segment from inside (`>`) or outside (`<`). Answers the state that conntrack has the connection in after it; '' for none. */
  tcp(way: '>' | '<', flags: string, seg: Seg = {}): string {
    const { seq = 0, ack = 0, len = 0, win = 65535, sport = 1000, dport = 80 } = seg;
    const out = way === '>';
    const bits = [...flags].reduce((all, f) => all | FLAGS[f]!, 0);
    const f = new Uint8Array(14 + 40 + len);
    const { tos = 0, ttl = 64 } = seg;
    const [from, to] = out ? [ip(INSIDE), ip(OUTSIDE)] : [ip(OUTSIDE), ip(INSIDE)];
    tcpWriteHeader(f, 34, out ? sport : dport, out ? dport : sport, seq, ack, 20, bits, win, 0);
    tcpSendCheckV4(f, 34, 20 + len, from, to);
    ipv4WriteHeader(f, 14, tos, 40 + len, 1, 0x4000, ttl, 6, from, to);
    this.frame(way, f);
    return this.state();
  }

  udp(way: '>' | '<', sport = 1000, dport = 53): void {
    const out = way === '>';
    const f = new Uint8Array(14 + 28 + 8);
    const [from, to] = out ? [ip(INSIDE), ip(OUTSIDE)] : [ip(OUTSIDE), ip(INSIDE)];
    udpWriteHeader(f, 34, out ? sport : dport, out ? dport : sport, 16);
    udpSendCheckV4(f, 34, 16, from, to);
    ipv4WriteHeader(f, 14, 0, 36, 1, 0, 64, 17, from, to);
    this.frame(way, f);
  }

  /** Any frame; addresses of cards are filled in. */
  frame(way: '>' | '<', f: Uint8Array): void {
    const i = way === '>' ? 0 : 1;
    f.set([2, 0, 0, 0, 0, i + 1, 2, 0, 0, 0, 0, 9 + i]);
    put16(f, 12, 0x0800);
    receive(this.wires[i].ports[0]!, f);
  }

  /** The state of the only connection. */
  state(): string {
    const all = conntrackList(this.nf.conntrack);
    assert.ok(all.length < 2, 'one connection at most');
    return all.length === 0 ? '' : TCP_CONNTRACK_NAMES[all[0]!.tcp?.state ?? 0]!;
  }

  /** Seconds that the only connection has left; -1 when there is none. */
  left(): number {
    const [ct] = conntrackList(this.nf.conntrack);
    return ct === undefined ? -1 : (ct.expires - this.sim.now) / 1e9;
  }

  /** Lets time pass. */
  wait(seconds: number): void {
    run(this.sim, this.sim.now / 1e6 + seconds * 1000);
  }

  /** A line of iptables on the firewall. */
  ipt(line: string): string {
    const tables = this.nf.tablesOf(4)!;
    const fw = { nf: this.nf, tables, tool: 'iptables', resolve: (): null => null };
    return this.fw.in(() => iptables(fw, splitQuoted(line, 'iptables')));
  }

  /** How often the first rule of a chain has matched. */
  hits(chain = 'FORWARD', table = 'filter'): number {
    return this.nf.tablesOf(4)!.tables.get(table)!.chains.get(chain)!.rules[0]!.packets;
  }

  /** What left by a wire, as lines, and forgets it. ARP is not shown. */
  sent(i: 0 | 1): string[] {
    const lines = this.wires[i].frames.map((f) => printEthernet(f, 0, f.length)).filter((line) => !line.startsWith('ARP'));
    this.wires[i].frames.length = 0;
    return lines;
  }
}
